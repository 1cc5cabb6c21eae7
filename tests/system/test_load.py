"""Tens of megabytes on several links at once, every byte and datagram checked, against the kernel's own sockets.

Over the TAP the module is a machine of the kernel's network; over libslirp the computer's sockets are at the other end
of a NAT. Two modules move data between each other over a SoftAP. `iperf` needs a client in the module; this asks more of it:
what arrives has to be what was sent.
"""
import contextlib
import re
import socket
import struct
import tempfile

import pytest

import netns
from attache import GATEWAY, OK, PATIENCE_S, PROMPT
from test_softap import JOINED, SOFTAP, Air, connected
from test_transfer import BLOCK, MEGABYTE, Check, Thread, pattern

WORLD = "[ap espressif]\npassword = 1234567890\nuplink = tap:tap0\ndhcp = on\n"
DOWN, UP = 8 * MEGABYTE, 2 * MEGABYTE  # bytes per link
LINKS = 5
DATAGRAMS = 3000
PAYLOAD = 1472  # what fits a frame
WINDOW = 3  # datagrams under way: a receive buffer holds four


@pytest.fixture(params=["slirp", "tap"])
def kernel(request, module, tmp_path):
    """(AT port of a joined module, host, server()): server() is a listening socket that the module reaches at host."""
    if request.param == "slirp":
        yield module(wire_log=False).joined(), GATEWAY, contextlib.nullcontext
        return
    (tmp_path / "tap.ini").write_text(WORLD)
    for namespace in netns.fixture():
        namespace.tap("tap0", "192.168.3.1/24")
        yield (module("--world", tmp_path / "tap.ini", within=namespace, wire_log=False).joined(), GATEWAY,
               namespace.inside)


class Host:
    """The host's side of several links: reads all that the module says, data apart from the rest."""

    HEADER = re.compile(rb"\+IPD,(\d),(\d+):")

    def __init__(self, port, take):
        self.port, self.take, self.text = port, take, bytearray()

    def until(self, wanted):
        """Reads on until the text, without data, has wanted in it; then forgets the text up to it."""
        while (at := self.text.find(wanted)) < 0:
            self.step()
        del self.text[:at + len(wanted)]

    def step(self):
        ahead = self.port.ahead
        found = self.HEADER.search(ahead)
        if not found:
            # All that cannot be the beginning of a header is text; when there is none, more is read.
            at = ahead.rfind(b"+")
            whole = len(ahead) if at < 0 or len(ahead) - at > 16 else at
            self.text += ahead[:whole]
            del ahead[:whole]
            if whole == 0:
                ahead[:0] = self.port.take(len(ahead) + 1, 60)
            return
        link, count = int(found.group(1)), int(found.group(2))  # before the buffer under them changes
        self.text += ahead[:found.start()]
        del ahead[:found.end()]
        self.take(link, self.port.take(count, 60))


def test_five_links_both_ways(kernel):
    """40 MB down and 10 MB up on five links at the same time."""
    port, host, inside = kernel
    port.command("AT+CIPMUX=1")
    with inside():
        server = socket.create_server(("127.0.0.1" if inside is contextlib.nullcontext else host, 0))
    server.settimeout(PATIENCE_S)
    down, up = [Check() for _ in range(LINKS)], [Check() for _ in range(LINKS)]
    peers = []
    for link in range(LINKS):
        port.connect(server.getsockname()[1], host, link)
        peers.append(server.accept()[0])

    def read(link):
        peers[link].settimeout(60)
        while up[link].count < UP:
            data = peers[link].recv(BLOCK)
            assert data, f"link {link} ended"
            up[link].take(data)

    def write(link):
        for at in range(0, DOWN, BLOCK):
            peers[link].sendall(pattern(at, min(BLOCK, DOWN - at)))

    threads = [Thread(job, link) for link in range(LINKS) for job in (read, write)]
    all_of = Host(port, lambda link, data: down[link].take(data))
    for at in range(0, UP, 8192):
        for link in range(LINKS):
            port.send(f"AT+CIPSEND={link},8192")
            all_of.until(b"\r\nOK\r\n\r\n>")
            port.write(bytes(pattern(at, 8192)), 60)
            all_of.until(b"\r\nSEND OK\r\n")
    while any(check.count < DOWN for check in down):
        all_of.step()
    for thread in threads:
        thread.finish()
    assert [check.count for check in up] == [UP] * LINKS
    server.close()
    for peer in peers:
        peer.close()


def test_datagrams_both_ways(kernel):
    """4 MB of datagrams to the module and back: none lost, none twice, none out of order."""
    port, host, inside = kernel
    with inside():
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(("127.0.0.1" if inside is contextlib.nullcontext else host, 0))
    peer.settimeout(PATIENCE_S)
    with peer:
        port.command(f'AT+CIPSTART="UDP","{host}",{peer.getsockname()[1]},5000,0', b"CONNECT\r\n" + OK)
        port.send_data(b"here I am")
        _, module_address = peer.recvfrom(100)
        sent = 0
        for number in range(DATAGRAMS):
            while sent < min(number + WINDOW, DATAGRAMS):
                peer.sendto(struct.pack("!I", sent) + pattern(sent, PAYLOAD - 4), module_address)
                sent += 1
            port.exactly(b"\r\n+IPD,%d:" % PAYLOAD)
            data = port.take(PAYLOAD)
            assert data == struct.pack("!I", number) + pattern(number, PAYLOAD - 4)
        for number in range(DATAGRAMS):
            data = struct.pack("!I", number) + pattern(number, PAYLOAD - 4)
            port.send_data(data)
            assert peer.recv(65536) == data


@pytest.fixture
def air():
    with tempfile.TemporaryDirectory(prefix="attache-load-") as folder:
        shared = Air(folder, capture=False)
        try:
            yield shared
        finally:
            shared.close()


def test_two_modules_over_a_softap(air):
    """20 MB each way at the same time, passthrough at both ends."""
    total = 20 * MEGABYTE
    server, client = air.module(), air.module()
    server.port.command("AT+CIPMUX=1")
    server.softap(SOFTAP)
    server.port.command("AT+CIPSERVERMAXCONN=1")
    server.port.command("AT+CIPSERVER=1,333")
    client.join(JOINED)
    server.port.exactly(connected(2, 2))
    client.port.connect(333, "192.168.4.1")
    server.port.exactly(b"0,CONNECT\r\n")
    for member in (server, client):
        member.port.command("AT+CIPMODE=1")
        member.port.command("AT+CIPSEND", PROMPT)

    def write(member):
        for at in range(0, total, BLOCK):
            member.port.write(bytes(pattern(at, min(BLOCK, total - at))), 60)

    def read(member):
        check = Check()
        while check.count < total:
            check.take(member.port.stream(60))

    threads = [Thread(job, member) for member in (server, client) for job in (write, read)]
    for thread in threads:
        thread.finish()
    for member in (server, client):
        member.port.leave_passthrough()
