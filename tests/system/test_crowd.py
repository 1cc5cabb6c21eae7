"""A hundred modules on one air, and what happens to the others when one, or the air itself, is killed."""
import contextlib
import json
import re
import resource
import selectors
import signal
import socket
import subprocess
import threading

import pytest

from attache import GATEWAY, HOST_ALIAS, JOIN, OK, PATIENCE_S, PROGRAM, PROMPT, READY, Control, Port

COUNT = 100
JOINED = b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK
LONG_S = 60  # two hundred processes on two CPUs


class Member:
    """A module whose AT port is a pair of sockets: no terminal, no files."""

    def __init__(self, air, number):
        ours, theirs = socket.socketpair()
        self.number, self.mac = number, f"1a:fe:35:00:{number:02x}:10"
        self.process = subprocess.Popen([PROGRAM, "run", "--air", air, "--mac", self.mac, "--stdio", "--log", "error"],
                                        stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
        theirs.close()
        self.port = Port(ours.detach())
        self.address = None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def close(self):
        self.port.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(PATIENCE_S)


class Crowd:
    def __init__(self, folder):
        self.folder, self.path = folder, str(folder / "air")
        self.members = []
        self.start()

    def start(self):
        self.air = subprocess.Popen([PROGRAM, "air", "--air", self.path, "--ctl", str(self.folder / "ctl"),
                                     "--log-file", str(self.folder / "log"), "--log", "warn"],
                                    stdout=subprocess.PIPE)
        assert self.air.stdout.readline()

    def kill_air(self):
        self.air.send_signal(signal.SIGKILL)
        self.air.wait(PATIENCE_S)
        self.air.stdout.close()

    def ctl(self, *words):
        outcome = subprocess.run([PROGRAM, "ctl", str(self.folder / "ctl"), *map(str, words)],
                                 stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False)
        assert outcome.returncode == 0, outcome.stdout
        return json.loads(outcome.stdout)

    def status(self):
        return self.ctl("status")["air"]

    def every(self, line, answer=OK, members=None):
        """The same command to all, at the same time."""
        members = members or self.members
        for member in members:
            member.port.send(line)
        for member in members:
            member.port.exactly(answer, LONG_S)

    def addresses(self, members=None):
        for member in members or self.members:
            member.address = re.search(r'ip:"([0-9.]+)"', member.port.ask("AT+CIPSTA?", LONG_S)).group(1)
        return {member.address for member in members or self.members}

    def close(self):
        for member in self.members:
            member.close()
        if self.air.poll() is None:
            self.air.terminate()
            self.air.wait(PATIENCE_S)
            self.air.stdout.close()


@pytest.fixture
def crowd(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1024:
        pytest.skip(f"the limit of open files is {hard}")
    shared = Crowd(tmp_path)
    try:
        yield shared
    finally:
        shared.close()


class Echo:
    """Answers every connection on the loopback with what it is sent."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0), backlog=2 * COUNT)
        self.port = self.server.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.stop_end, own = socket.socketpair()
        self.selector.register(self.server, selectors.EVENT_READ)
        self.selector.register(own, selectors.EVENT_READ)
        self.own = own
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.own:
                    return
                if key.fileobj is self.server:
                    self.selector.register(self.server.accept()[0], selectors.EVENT_READ)
                    continue
                with contextlib.suppress(OSError):
                    if data := key.fileobj.recv(65536):
                        key.fileobj.sendall(data)
                        continue
                self.selector.unregister(key.fileobj)
                key.fileobj.close()

    def close(self):
        self.stop_end.close()
        self.thread.join(PATIENCE_S)
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


def talk(pairs, text):
    """Each client sends to its server and is answered, all at the same time; link 1 and link 0."""
    for client, _ in pairs:
        client.port.send(f"AT+CIPSEND=1,{len(text)}")
    for client, _ in pairs:
        client.port.exactly(PROMPT, LONG_S)
        client.port.write(text)
    for client, server in pairs:
        client.port.exactly(b"\r\nRecv %d bytes\r\n\r\nSEND OK\r\n" % len(text), LONG_S)
        server.port.exactly(b"\r\n+IPD,0,%d:%s" % (len(text), text), LONG_S)


def test_a_hundred_modules(crowd, echo):
    crowd.members = [Member(crowd.path, number) for number in range(COUNT)]
    for member in crowd.members:
        member.port.exactly(READY, LONG_S)
    crowd.every("ATE0", b"ATE0\r\n" + OK)
    crowd.every("AT+CWMODE=1")
    crowd.every(JOIN, JOINED)
    crowd.every("AT+CIPMUX=1")
    assert len(crowd.addresses()) == COUNT

    # Each pair a server and a client of its own.
    servers, clients = crowd.members[:COUNT // 2], crowd.members[COUNT // 2:]
    pairs = list(zip(clients, servers))
    crowd.every("AT+CIPSERVER=1,80", members=servers)
    for client, server in pairs:
        client.port.send(f'AT+CIPSTART=1,"TCP","{server.address}",80')
    for client, server in pairs:
        client.port.exactly(b"1,CONNECT\r\n" + OK, LONG_S)
        server.port.exactly(b"0,CONNECT\r\n", LONG_S)
    talk(pairs, b"between two of a hundred")

    # All of them, at the same time, to this computer.
    for member in crowd.members:
        member.port.send(f'AT+CIPSTART=4,"TCP","{HOST_ALIAS if member.number % 2 else GATEWAY}",{echo.port}')
    for member in crowd.members:
        member.port.exactly(b"4,CONNECT\r\n" + OK, LONG_S)
    for member in crowd.members:
        member.port.send("AT+CIPSEND=4,5")
    for member in crowd.members:
        member.port.exactly(PROMPT, LONG_S)
        member.port.write(b"%05d" % member.number)
    for member in crowd.members:
        member.port.exactly(b"\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n", LONG_S)
        member.port.exactly(b"\r\n+IPD,4,5:%05d" % member.number, LONG_S)

    # The control socket lists them all.
    status = crowd.status()
    assert len(status["ports"]) == COUNT and status["aps"][0]["stations"] == COUNT
    assert {port["ip"] for port in status["ports"]} == {member.address for member in crowd.members}
    assert len(status["aps"][0]["leases"]) == COUNT

    # Modules that are killed are missed by the air alone.
    control = Control(crowd.folder / "ctl")
    lost, pairs = pairs[:5], pairs[5:]
    since = control.last_event()
    for client, _ in lost:
        client.kill()
    for client, _ in lost:
        control.wait("radio", since=since, mac=client.mac, on=False)
    control.close()
    assert len(crowd.status()["ports"]) == COUNT - len(lost)
    talk(pairs, b"as if nothing had happened")
    rest = [member for member in crowd.members if member.process.poll() is None]
    for member in rest:
        assert member.port.empty()

    # The air is killed: all stations miss it, commands go on, and a new one is found by itself.
    crowd.kill_air()
    for member in rest:
        said = member.port.until(b"WIFI DISCONNECT\r\n", LONG_S)
        said += member.port.until(b"4,CLOSED\r\n", LONG_S) if b"4,CLOSED" not in said else b""
    for member in rest:
        member.port.send("AT")
        member.port.until(OK, LONG_S)
    crowd.start()
    for member in rest:
        member.port.until(b"WIFI GOT IP\r\n", LONG_S)
    assert len(crowd.addresses(rest)) == len(rest)
