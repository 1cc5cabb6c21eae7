"""The air between: access points that go, dead peers, lost frames, policies, captures."""
import random
import re
import shutil
import socket
import subprocess
import threading

import pytest

import attache
from attache import ERROR, GATEWAY, OK, PATIENCE_S, READY

QUICK_LOSS = "[world]\nbeacon_loss_ms = 200\n"


@pytest.fixture
def world(tmp_path):
    def write(text):
        path = tmp_path / "world.ini"
        path.write_text(text)
        return path
    return write


def test_access_point_off_in_mid_transfer(module, listener, world):
    """The station notices, links close, `AT` answers; with the access point back all works again."""
    running = module("--world", world(QUICK_LOSS))
    port = running.joined()
    server = listener()
    port.connect(server.getsockname()[1])
    connection, _ = server.accept()
    stop = threading.Event()

    def send():
        try:
            while not stop.is_set():
                connection.sendall(bytes(10_000))
        except OSError:
            pass

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    port.until(b"+IPD,2920:")
    since = running.control.last_event()
    running.control.call("ap", name="espressif", on=False)
    said = port.until(b"WIFI DISCONNECT\r\n")
    if b"CLOSED\r\n" not in said:
        port.until(b"CLOSED\r\n")
    running.control.wait("left", since=since)
    stop.set()
    connection.close()
    sender.join(PATIENCE_S)
    port.command("AT")
    running.control.call("ap", name="espressif", on=True)
    port.exactly(b"WIFI CONNECTED\r\nWIFI GOT IP\r\n")
    port.connect(server.getsockname()[1])
    connection, _ = server.accept()
    port.send_data(b"back again")
    assert connection.recv(100) == b"back again"
    connection.close()


def test_half_open_peer_with_keep_alive(module, listener):
    """The peer vanishes without a word; keep-alive finds out, and the module says CLOSED."""
    running = module()
    port = running.joined()
    server = listener()
    port.command("AT+CIPTCPOPT=,,,1")
    port.connect(server.getsockname()[1], tail=",1")
    connection, _ = server.accept()
    running.control.fault("half_open")
    port.exactly(b"CLOSED\r\n", 60)
    port.command("AT")
    running.control.call("fault", name="half_open", on=False)
    port.connect(server.getsockname()[1])
    connection.close()


@pytest.mark.parametrize("kind, value", [("loss", 2), ("duplicate", 20), ("delay", 5)])
def test_faulty_air(module, listener, kind, value):
    """Bytes arrive whole and in order, both ways."""
    running = module("--window", 20000)
    port = running.joined()
    server = listener()
    port.connect(server.getsockname()[1])
    connection, _ = server.accept()
    connection.settimeout(PATIENCE_S)
    running.control.fault(kind, value=value)
    generator = random.Random(11)
    down, up, received = generator.randbytes(40_000), generator.randbytes(16_384), bytearray()
    sender = threading.Thread(target=connection.sendall, args=(down,), daemon=True)
    sender.start()
    while len(received) < len(down):
        header = port.until(re.compile(rb"\+IPD,\d+:"), 60)
        received += port.take(int(re.search(rb"\d+", header).group()))
    assert received == down
    sender.join()
    arrived = bytearray()
    for at in range(0, len(up), 8192):
        port.send_data(up[at:at + 8192])
        while len(arrived) < at + 8192:
            arrived += connection.recv(65536)
    assert arrived == up
    connection.close()


def test_wrong_password_and_unknown_name(module):
    port = module().started()
    port.command("AT+CWMODE=1")
    port.command('AT+CWJAP="espressif","wrong-one"', b"+CWJAP:2\r\n" + ERROR)
    port.command('AT+CWJAP="nobody","wrong-one"', b"+CWJAP:3\r\n" + ERROR)
    port.join()


def test_names(module, listener, world):
    running = module("--world", world(f"[names]\nbroker.test = {GATEWAY}\n"))
    port = running.joined()
    server = listener()
    assert port.ask('AT+CIPDOMAIN="broker.test"') == f'+CIPDOMAIN:"{GATEWAY}"\r\n'
    port.connect(server.getsockname()[1], "broker.test")
    server.accept()[0].close()
    port.exactly(b"CLOSED\r\n")


def test_ping(module):
    port = module().joined()
    assert re.fullmatch(r"\+PING:\d+\r\n", port.ask(f'AT+PING="{GATEWAY}"'))


@pytest.mark.parametrize("policy, host, reachable", [
    ("open", GATEWAY, True), ("local", GATEWAY, True), ("local", "198.51.100.1", False),
    ("none", GATEWAY, False)])
def test_policy(module, listener, policy, host, reachable):
    """What is refused is refused at once, not by a timeout."""
    port = module("--policy", policy).joined()
    server = listener()
    if reachable:
        port.connect(server.getsockname()[1], host)
        server.accept()[0].close()
        port.exactly(b"CLOSED\r\n")
    else:
        port.send(f'AT+CIPSTART="TCP","{host}",{server.getsockname()[1]}')
        port.until(ERROR, 5)
    port.command("AT")


def test_connection_refused(module):
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
    port = module().joined()
    port.send(f'AT+CIPSTART="TCP","{GATEWAY}",{number}')
    port.until(ERROR, 5)
    port.command("AT")


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_capture_opens_in_tshark(module, listener, tmp_path):
    capture = tmp_path / "frames.pcap"
    running = module("--pcap", capture)
    port = running.joined()
    server = listener()
    port.connect(server.getsockname()[1])
    connection, _ = server.accept()
    port.send_data(b"seen on the air")
    assert connection.recv(100) == b"seen on the air"
    connection.close()
    port.exactly(b"CLOSED\r\n")
    running.stop()
    assert capture.stat().st_mode & 0o777 == 0o600

    def frames(wanted):
        outcome = subprocess.run(["tshark", "-n", "-r", capture, "-Y", wanted], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, timeout=60, check=True)
        return len(outcome.stdout.splitlines())

    assert frames("eapol") == 4
    assert frames("dhcp") >= 4
    assert frames("arp") >= 2
    assert frames("tcp.flags.syn == 1") == 2
    assert frames('tcp.payload contains "seen on the air"') == 1
    assert frames("tcp.flags.fin == 1") >= 1
    assert frames("_ws.malformed") == 0


def test_same_seed_same_frames(module, tmp_path):
    """Everything random follows from the seed: two runs draw the same handshake."""
    nonces = []
    for name in ("one", "two"):
        capture = tmp_path / name
        running = module("--pcap", capture)
        running.joined()
        running.stop()
        data = capture.read_bytes()
        at = data.index(b"\x88\x8e")
        nonces.append(data[at:at + 60])
    assert nonces[0] == nonces[1]


def test_auto_connect_after_power_on(module):
    running = module()
    port = running.joined()
    running.control.call("power", state="cycle")
    port.exactly(READY + b"WIFI CONNECTED\r\nWIFI GOT IP\r\n")
    port.command("ATE0", b"ATE0\r\n" + OK)
    assert attache.STATION in port.ask("AT+CIPSTA?")
