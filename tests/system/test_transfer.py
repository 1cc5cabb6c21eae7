"""Bytes between the AT port and real sockets: passthrough, links, the server, UDP."""
import array
import contextlib
import fcntl
import os
import pathlib
import random
import re
import select
import socket
import termios
import threading
import time

import pytest

from attache import GATEWAY, HOST_ALIAS, OK, PATIENCE_S, PROMPT, STATION

MEGABYTE = 1 << 20
BLOCK = 256 * 1024
BULK = int(os.environ.get("ATTACHE_BULK_MB", "100")) * MEGABYTE
# A prime number of bytes, repeated: no block of it looks like the one before.
PATTERN = random.Random(1).randbytes(1_000_003)
PATTERN_TWICE = memoryview(PATTERN * 2)


def pattern(at, count):
    at %= len(PATTERN)
    return PATTERN_TWICE[at:at + min(count, len(PATTERN))]


class Check:
    """Compares a stream with the pattern as it comes."""

    def __init__(self):
        self.count = 0

    def take(self, data):
        expected = pattern(self.count, len(data))
        if data != expected:
            wrong = next(i for i, (a, b) in enumerate(zip(data, expected)) if a != b)
            raise AssertionError(f"byte {self.count + wrong} is not what was sent")
        self.count += len(data)


class Thread(threading.Thread):
    """A thread whose exception is raised by finish()."""

    def __init__(self, target, *arguments):
        super().__init__(target=self._guard, args=(target, *arguments), daemon=True)
        self.failure = None
        self.start()

    def _guard(self, target, *arguments):
        try:
            target(*arguments)
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure

    def finish(self, timeout_s=120):
        self.join(timeout_s)
        if self.failure:
            raise self.failure
        assert not self.is_alive(), "a peer does not come to its end"


def settled(measure, still_s=0.4, timeout_s=PATIENCE_S):
    """(value, False) of measure() = (value, goes on) once value has not changed for still_s."""
    deadline = time.monotonic() + timeout_s
    before, since = measure(), time.monotonic()
    while before[1] or time.monotonic() - since < still_s:
        assert time.monotonic() < deadline, f"it never stops growing: {before}"
        time.sleep(0.02)  # pace: a stall shows only in time
        if (now := measure()) != before:
            before, since = now, time.monotonic()
    return before[0]


def unsent(connection):
    count = array.array("i", [0])
    fcntl.ioctl(connection, termios.TIOCOUTQ, count)
    return count[0]


def writable(descriptor):
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def private_kb(pid):
    """Memory that only this process holds: heap and stacks, written pages."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Private_Dirty:\s+(\d+)", text, re.M).group(1))


def heap_left(port):
    left, least = port.ask("AT+SYSRAM?").split(":")[1].split(",")
    return int(left), int(least)


def passthrough(module, listener, *options):
    """A module in passthrough to a connection of ours: (module, port, connection)."""
    running = module("--heap", 256 * 1024, *options, wire_log=False)
    server = listener()
    port = running.joined()
    port.connect(server.getsockname()[1])
    connection, _ = server.accept()
    connection.settimeout(PATIENCE_S)
    port.command("AT+CIPMODE=1")
    port.command("AT+CIPSEND", PROMPT)
    return running, port, connection


def write_pattern(write, total):
    sent = 0
    while sent < total:
        sent += write(pattern(sent, min(65536, total - sent)))


@pytest.mark.parametrize("window", [5760, 64240])
def test_bulk_to_the_network_with_a_slow_reader(module, listener, window):
    """The peer does not read at first: the host has to stop writing, the module keeps no more than
    its buffers, and once the peer reads every byte is there."""
    running, port, connection = passthrough(module, listener, "--window", window)
    chip, sent = running.chip(), [0]

    def write(data):
        port.write(data, 120)
        sent[0] += len(data)
        return len(data)

    with connection:
        writer = Thread(write_pattern, write, BULK)
        assert settled(lambda: (sent[0], writable(port.descriptor))) < BULK
        memory = private_kb(chip)
        check = Check()
        while check.count < BULK:
            check.take(connection.recv(BLOCK))
            if check.count % 13 == 0:
                assert private_kb(chip) < memory + 256
        writer.finish()
        port.leave_passthrough()
        _, least = heap_left(port)
        assert least > 64 * 1024, "a stalled link needs more than its buffers"
        assert private_kb(chip) < memory + 256


@pytest.mark.parametrize("window", [5760, 64240])
def test_bulk_from_the_network_with_a_slow_reader(module, listener, window):
    """The host does not read at first: the peer's unsent bytes stop shrinking and its socket takes no
    more; once the host reads every byte is there."""
    running, port, connection = passthrough(module, listener, "--window", window)
    chip, sent = running.chip(), [0]

    def write(data):
        connection.sendall(data)
        sent[0] += len(data)
        return len(data)

    with connection:
        connection.settimeout(120)
        writer = Thread(write_pattern, write, BULK)
        waiting = settled(lambda: (unsent(connection), writable(connection)))
        assert waiting > 0 and sent[0] < BULK
        memory = private_kb(chip)
        check = Check()
        while check.count < BULK:
            check.take(port.stream())
        writer.finish()
        assert private_kb(chip) < memory + 256
        port.leave_passthrough()
        _, least = heap_left(port)
        assert least > 64 * 1024, "a stalled host needs more than the module's buffers"


def test_both_ways_at_once(module, listener):
    _, port, connection = passthrough(module, listener)
    total = 10 * MEGABYTE
    up, down = Check(), Check()

    def read_up():
        while up.count < total:
            up.take(connection.recv(BLOCK))

    def write_down(data):
        connection.sendall(data)
        return len(data)

    def write_up(data):
        port.write(data, 120)
        return len(data)

    with connection:
        connection.settimeout(120)
        threads = [Thread(read_up), Thread(write_pattern, write_down, total),
                   Thread(write_pattern, write_up, total)]
        while down.count < total:
            down.take(port.stream())
        for thread in threads:
            thread.finish()
        port.leave_passthrough()


def test_stalled_passthrough_is_left_with_plusses(module, listener):
    """The host fills a stalled passthrough, waits, sends +++ and is back at commands."""
    _, port, connection = passthrough(module, listener)
    with connection:
        poll = select.poll()
        poll.register(port.descriptor, select.POLLOUT)
        while poll.poll(10):
            with contextlib.suppress(BlockingIOError):
                os.write(port.descriptor, PATTERN[:4096])
        port.leave_passthrough()
        port.command("AT+CIPMODE=0")


class Demultiplexer:
    """Takes +IPD messages out of what the module says; the rest is text."""

    HEADER = re.compile(rb"\+IPD,(\d),(\d+):")

    def __init__(self, port):
        self.port, self.text = port, bytearray()
        self.data = {link: bytearray() for link in range(5)}

    def step(self):
        before = self.port.until(re.compile(rb"\+IPD,\d,\d+:"))
        found = self.HEADER.search(before)
        self.text += before[:found.start()]
        self.data[int(found.group(1))] += self.port.take(int(found.group(2)))


def test_five_links_at_once(module, listener):
    """Five peers send at the same time while the host sends to each: every stream is whole."""
    port = module().joined()
    port.command("AT+CIPMUX=1")
    peers = []
    for link in range(5):
        server = listener()
        port.connect(server.getsockname()[1], (GATEWAY, HOST_ALIAS)[link % 2], link)
        peers.append(server.accept()[0])
    generator = random.Random(5)
    down = [generator.randbytes(60_000) for _ in peers]
    up = [generator.randbytes(8192) for _ in peers]
    received = [b""] * 5

    def serve(link):
        peers[link].settimeout(PATIENCE_S)
        while len(received[link]) < len(up[link]):
            data = peers[link].recv(65536)
            assert data
            received[link] += data

    for link, data in enumerate(up):
        port.send_data(data, link)
    readers = [Thread(serve, link) for link in range(5)]
    senders = [Thread(peer.sendall, data) for peer, data in zip(peers, down)]
    incoming = Demultiplexer(port)
    while any(len(incoming.data[link]) < len(data) for link, data in enumerate(down)):
        incoming.step()
    for thread in readers + senders:
        thread.finish()
    assert received == up
    assert [bytes(incoming.data[link]) for link in range(5)] == down
    # Between messages there is nothing but the line break in front of each.
    assert set(incoming.text) <= set(b"\r\n")
    assert port.ask("AT+CIPSTATE?").count("+CIPSTATE:") == 5
    port.command("AT+CIPCLOSE=5", b"".join(b"%d,CLOSED\r\n" % link for link in range(5)) + OK)
    for peer in peers:
        assert peer.recv(1) == b""
        peer.close()


def test_server_with_several_clients(module):
    """Clients come through --forward on a port of the host's choosing."""
    running = module("--forward", "0:8080")
    port = running.started()
    port.command("AT+CIPMUX=1")
    port.command("AT+CIPSERVER=1,8080")
    before = running.control.last_event()
    port.join()
    forward = running.control.wait("forward", since=before)
    clients = []
    for link in range(4):
        client = socket.create_connection(("127.0.0.1", forward["port"]), PATIENCE_S)
        port.exactly(f"{link},CONNECT\r\n".encode())
        clients.append(client)
    for link, client in enumerate(clients):
        client.sendall(b"from client %d" % link)
        port.exactly(b"\r\n+IPD,%d,13:from client %d" % (link, link))
        port.send_data(b"to client %d" % link, link)
        assert client.recv(100) == b"to client %d" % link
    clients[1].close()
    port.exactly(b"1,CLOSED\r\n")
    clients[1] = socket.create_connection(("127.0.0.1", forward["port"]), PATIENCE_S)
    port.exactly(b"1,CONNECT\r\n")
    port.command("AT+CIPSERVER=0,1", b"".join(b"%d,CLOSED\r\n" % link for link in range(4)) + OK)
    for client in clients:
        client.settimeout(PATIENCE_S)
        assert client.recv(1) == b""
        client.close()


def test_nobody_listens_behind_a_forward(module):
    """A forward without a server in the module is a reset, not silence."""
    running = module("--forward", "0:8080")
    port = running.joined()
    forward = running.control.wait("forward", since=0)
    with socket.socket() as client:
        client.settimeout(PATIENCE_S)
        with pytest.raises(ConnectionError):
            client.connect(("127.0.0.1", forward["port"]))
            if client.recv(1) == b"":
                raise ConnectionResetError
    port.command("AT")


def test_udp_both_ways(module):
    """Datagrams keep their boundaries; the peer that sent last is answered in mode 2."""
    port = module().joined()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(PATIENCE_S)
        port.command(f'AT+CIPSTART="UDP","{GATEWAY}",{peer.getsockname()[1]},1112,0', b"CONNECT\r\n" + OK)
        generator = random.Random(3)
        for size in (1, 7, 512, 1460, 1472):
            data = generator.randbytes(size)
            port.send_data(data)
            received, address = peer.recvfrom(65536)
            assert received == data
            answer = generator.randbytes(size)
            peer.sendto(answer, address)
            port.exactly(b"\r\n+IPD,%d:" % size)
            assert port.take(size) == answer
        port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)


def test_udp_through_a_forward(module):
    running = module("--forward", "udp:0:9000")
    port = running.joined()
    forward = running.control.wait("forward", since=0)
    assert forward["protocol"] == "udp" and forward["to"] == f"{STATION}:9000"
    port.command(f'AT+CIPSTART="UDP","{GATEWAY}",9,9000,2', b"CONNECT\r\n" + OK)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(PATIENCE_S)
        peer.sendto(b"question", ("127.0.0.1", forward["port"]))
        port.exactly(b"\r\n+IPD,8:question")
        port.send_data(b"answer")
        assert peer.recv(100) == b"answer"


def test_passive_receiving(module, listener):
    """Data waits in the module until it is asked for, and the peer's socket fills up meanwhile."""
    port = module().joined()
    server = listener()
    port.command("AT+CIPRECVTYPE=1")
    port.connect(server.getsockname()[1])
    connection, _ = server.accept()
    total, check = 200_000, Check()
    with connection:
        sender = Thread(connection.sendall, pattern(0, total))
        port.until(b"+IPD,")
        port.until(b"\r\n")
        while check.count < total:
            port.send("AT+CIPRECVDATA=2048")
            answer = port.until(re.compile(rb"\+CIPRECVDATA:(\d+),|ERROR\r\n"))
            found = re.search(rb"\+CIPRECVDATA:(\d+),", answer)
            if found:
                check.take(port.take(int(found.group(1))))
                port.until(OK)
        sender.finish()
    port.until(b"CLOSED\r\n")


def test_the_peer_closes(module, listener):
    port = module().joined()
    server = listener()
    for _ in range(20):
        port.connect(server.getsockname()[1])
        connection, _ = server.accept()
        connection.sendall(b"last words")
        connection.close()
        port.exactly(b"\r\n+IPD,10:last wordsCLOSED\r\n")
