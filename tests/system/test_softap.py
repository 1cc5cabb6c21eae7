"""Modules that share an air: SoftAP and stations, each a process of its own (guide 4.2.2, 4.2.11)."""
import contextlib
import re
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from attache import OK, PROGRAM, PROMPT, READY, Port, Unexpected, Control, run

SOFTAP = 'AT+CWSAP="ESP32_softAP","1234567890",5,3'
AP_JOIN = 'AT+CWJAP="ESP32_softAP","1234567890"'
JOINED = b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK
ERROR = b"\r\nERROR\r\n"


def mac(number):
    return f"02:00:00:00:{number:02x}:10"


def bssid(number):
    return f"02:00:00:00:{number:02x}:11"


class Member:
    """A module on a shared air."""

    def __init__(self, air, number, *options):
        self.air = air
        self.number = number
        self.process = subprocess.Popen(
            [PROGRAM, "run", "--air", air.path, "--mac", mac(number), "--ctl", f"{air.folder}/ctl{number}",
             "--log-file", f"{air.folder}/log{number}", "--log", "debug", *air.pcap(number), *options],
            stdout=subprocess.PIPE)
        self.port = Port.open(self.process.stdout.readline().decode().strip())
        self.port.start()

    def softap(self, command=SOFTAP, mode=2):
        """On, and seen by the others."""
        self.port.command(f"AT+CWMODE={mode}")
        with self.air.appears(bssid(self.number)):
            self.port.command(command)

    def join(self, answer=JOINED, command=AP_JOIN):
        self.port.command("AT+CWMODE=1")
        self.port.command(command, answer)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.port.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Computer:
    """attache join: a plain computer in the air; reach[i] is what forward i listens on here."""

    def __init__(self, air, *forwards, password="1234567890"):
        options = [word for forward in forwards for word in ("--forward", forward)]
        self.process = subprocess.Popen(
            [PROGRAM, "join", "--air", air.path, "--ssid", "ESP32_softAP", "--password", password, "--mac",
             "02:00:00:00:77:10", *options], stdout=subprocess.PIPE)
        self.reach = []

    def ready(self, forwards=1):
        for _ in range(forwards):
            host, port = self.process.stdout.readline().decode().strip().split(":")
            self.reach.append((host, int(port)))
        return self

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.wait(20) == 0
        self.process.stdout.close()


class Air:
    """A hub and the modules on it; without capture their frames are not written down."""

    def __init__(self, folder, world="", capture=True):
        self.folder = folder
        self.capture = capture
        self.path = f"{folder}/air"
        self.members = []
        with open(f"{folder}/world.ini", "w") as file:
            file.write(world)
        self.start()

    def pcap(self, name):
        return ("--pcap", f"{self.folder}/{name}.pcap") if self.capture else ()

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAM, "air", "--air", self.path, "--world", f"{self.folder}/world.ini", "--ctl", f"{self.folder}/ctl",
             "--log", "debug", "--log-file", f"{self.folder}/log", *self.pcap("air")],
            stdout=subprocess.PIPE)
        assert self.process.stdout.readline().decode().strip() == self.path

    def module(self, *options):
        member = Member(self, len(self.members) + 1, *options)
        self.members.append(member)
        return member

    def status(self):
        control = Control(f"{self.folder}/ctl")
        try:
            return control.status()["air"]
        finally:
            control.close()

    @contextlib.contextmanager
    def appears(self, name):
        """What is done inside makes this access point appear."""
        control = Control(f"{self.folder}/ctl")
        try:
            before = control.last_event()
            yield
            control.wait("ap", since=before, name=name, on=True)
        finally:
            control.close()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def close(self):
        for member in self.members:
            member.close()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
            self.process.stdout.close()


@pytest.fixture
def air():
    with tempfile.TemporaryDirectory(prefix="attache-air-") as folder:
        shared = Air(folder)
        try:
            yield shared
        finally:
            shared.close()


def connected(number, address):
    return f'+STA_CONNECTED:"{mac(number)}"\r\n+DIST_STA_IP:"{mac(number)}","192.168.4.{address}"\r\n'.encode()


def test_guide_4_2_2_tcp_server_of_a_softap(air):
    ap, pc = air.module(), air.module()
    ap.port.command("AT+CWMODE=2")
    ap.port.command("AT+CIPMUX=1")
    with air.appears(bssid(1)):
        ap.port.command(SOFTAP)
    assert ap.port.ask("AT+CIPAP?") == ('+CIPAP:ip:"192.168.4.1"\r\n+CIPAP:gateway:"192.168.4.1"\r\n'
                                       '+CIPAP:netmask:"255.255.255.0"\r\n')
    ap.port.command("AT+CIPSERVER=1")
    pc.join()
    ap.port.exactly(connected(2, 2))
    assert ap.port.ask("AT+CWLIF") == f"+CWLIF:192.168.4.2,{mac(2)}\r\n"
    assert pc.port.ask("AT+CIPSTA?").startswith('+CIPSTA:ip:"192.168.4.2"\r\n+CIPSTA:gateway:"192.168.4.1"\r\n')
    pc.port.connect(333, host="192.168.4.1")
    ap.port.exactly(b"0,CONNECT\r\n")
    ap.port.send_data(b"test", link=0)
    pc.port.exactly(b"\r\n+IPD,4:test")
    pc.port.send_data(b"test")
    ap.port.exactly(b"\r\n+IPD,0,4:test")
    ap.port.command("AT+CIPCLOSE=0", b"0,CLOSED\r\n" + OK)
    pc.port.exactly(b"CLOSED\r\n")


def test_guide_4_2_11_udp_passthrough_of_a_softap(air):
    ap, pc = air.module(), air.module()
    ap.softap()
    pc.join()
    ap.port.exactly(connected(2, 2))
    pc.port.command('AT+CIPSTART="UDP","192.168.4.1",2233,8080,0', b"CONNECT\r\n" + OK)
    ap.port.command('AT+CIPSTART="UDP","192.168.4.2",8080,2233,0', b"CONNECT\r\n" + OK)
    ap.port.command("AT+CIPMODE=1")
    ap.port.command("AT+CIPSEND", PROMPT)
    ap.port.write(b"hello")
    pc.port.exactly(b"\r\n+IPD,5:hello")
    pc.port.send_data(b"back")
    ap.port.exactly(b"back")
    ap.port.leave_passthrough()
    ap.port.command("AT+CIPMODE=0")
    ap.port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)


def found(port, name, address):
    """It takes a name a second to be probed for; until then nobody answers."""
    for _ in range(20):
        port.send(f'AT+CIPDOMAIN="{name}",2,1000')
        if port.until(re.compile(rb"\r\n(OK|ERROR)\r\n")) == f'+CIPDOMAIN:"{address}"\r\n'.encode() + OK:
            return
    raise AssertionError(f"nobody is {name}")


def test_a_softap_is_found_by_name(air):
    """mDNS on both sides: the SoftAP announces, the station asks; and the other way round."""
    ap, station = air.module(), air.module()
    ap.softap()
    station.join()
    ap.port.exactly(connected(2, 2))
    ap.port.command('AT+MDNS=1,"kettle","_http",80')
    station.port.command('AT+MDNS=1,"switch","_http",80')
    found(station.port, "kettle.local", "192.168.4.1")
    found(ap.port, "switch.local", "192.168.4.2")


def test_wrong_password_kick_and_disconnect(air):
    ap, station = air.module(), air.module()
    ap.softap()
    station.join(b"+CWJAP:2\r\n" + ERROR, 'AT+CWJAP="ESP32_softAP","0987654321"')
    station.join()
    ap.port.exactly(connected(2, 2))
    ap.port.command(f'AT+CWQIF="{mac(2)}"', f'+STA_DISCONNECTED:"{mac(2)}"\r\n'.encode() + OK)
    station.port.exactly(b"WIFI DISCONNECT\r\n")
    station.join()
    ap.port.exactly(connected(2, 2))
    station.port.command("AT+CWQAP", b"WIFI DISCONNECT\r\n" + OK)
    ap.port.exactly(f'+STA_DISCONNECTED:"{mac(2)}"\r\n'.encode())
    station.join()
    ap.port.exactly(connected(2, 2))
    ap.port.command("AT+CWMODE=0", f'+STA_DISCONNECTED:"{mac(2)}"\r\n'.encode() + OK)
    station.port.exactly(b"WIFI DISCONNECT\r\n")


def test_hidden_and_max_conn(air):
    ap, one, two = air.module(), air.module(), air.module()
    ap.softap('AT+CWSAP="ESP32_softAP","1234567890",5,4,1,1')
    one.port.command("AT+CWMODE=1")
    assert "ESP32_softAP" not in one.port.ask("AT+CWLAP")
    assert f'(4,"ESP32_softAP",-40,"{bssid(1)}",5' in one.port.ask('AT+CWLAP="ESP32_softAP"')
    one.join()
    two.join(b"+CWJAP:4\r\n" + ERROR)


def test_addresses_run_out_and_change(air):
    ap, one, two = air.module(), air.module(), air.module()
    ap.softap()
    ap.port.command('AT+CWDHCPS=1,3,"192.168.4.10","192.168.4.10"')
    one.join()
    ap.port.exactly(connected(2, 10))
    two.port.command("AT+CWMODE=1")
    two.port.send('AT+CWJAP="ESP32_softAP","1234567890",,,,,,3')
    ap.port.exactly(f'+STA_CONNECTED:"{mac(3)}"\r\n'.encode())
    two.port.exactly(b"WIFI CONNECTED\r\n")
    two.port.exactly(b"WIFI DISCONNECT\r\n+CWJAP:1\r\n" + ERROR)
    ap.port.exactly(f'+STA_DISCONNECTED:"{mac(3)}"\r\n'.encode())
    two.port.command('AT+CIPSTA="192.168.4.33","192.168.4.1","255.255.255.0"')
    two.join()
    ap.port.exactly(f'+STA_CONNECTED:"{mac(3)}"\r\n'.encode())
    assert "TIMEOUT" not in two.port.ask('AT+PING="192.168.4.1"')
    assert ap.port.ask("AT+CWLIF") == f"+CWLIF:192.168.4.10,{mac(2)}\r\n"  # no static address


def test_ten_modules_on_one_air(air):
    modules = [air.module() for _ in range(10)]
    for number in (0, 5):  # two SoftAPs with four stations each
        name = f"soft{number}"
        modules[number].port.command("AT+CIPMUX=1") if number == 0 else None
        modules[number].softap(f'AT+CWSAP="{name}","1234567890",{number + 1},3')
    for number in (0, 5):
        for station in range(number + 1, number + 5):
            modules[station].join(command=f'AT+CWJAP="soft{number}","1234567890"')
            modules[number].port.exactly(connected(station + 1, station - number + 1))
    status = air.status()
    assert sorted(ap["stations"] for ap in status["aps"]) == [0, 4, 4]
    assert sum(port["state"] == "joined" for port in status["ports"]) == 8
    # Stations of one SoftAP reach each other, those of another do not.
    assert "+PING:" in modules[1].port.ask('AT+PING="192.168.4.5"')
    modules[2].port.command('AT+CIPSTART="UDP","192.168.4.2",1000,1000', b"CONNECT\r\n" + OK)
    modules[1].port.command('AT+CIPSTART="UDP","192.168.4.3",1000,1000', b"CONNECT\r\n" + OK)
    modules[1].port.send_data(b"hello")
    modules[2].port.exactly(b"\r\n+IPD,5:hello")
    assert modules[6].port.empty() and modules[7].port.empty()


def test_station_and_softap_at_once(air):
    both, station = air.module(), air.module()
    both.softap(mode=3)
    both.port.command('AT+CWJAP="espressif","1234567890"', JOINED)
    station.join()
    both.port.exactly(connected(2, 2))
    rows = both.port.ask("AT+CIFSR").splitlines()
    assert rows == [f'+CIFSR:APIP,"192.168.4.1"', f'+CIFSR:APMAC,"{bssid(1)}"', '+CIFSR:STAIP,"192.168.3.112"',
                    f'+CIFSR:STAMAC,"{mac(1)}"']
    assert f'"{bssid(1)}",6' in station.port.ask('AT+CWLAP="ESP32_softAP"')  # the station's channel


def test_a_killed_module_leaves_the_others_working(air):
    ap, one, two = air.module(), air.module(), air.module()
    ap.softap()
    one.join()
    ap.port.exactly(connected(2, 2))
    two.join()
    ap.port.exactly(connected(3, 3))
    one.kill()
    ap.port.exactly(f'+STA_DISCONNECTED:"{mac(2)}"\r\n'.encode())
    assert "+PING:" in two.port.ask('AT+PING="192.168.4.1"')
    ap.kill()
    two.port.exactly(b"WIFI DISCONNECT\r\n")
    two.port.command('AT+CWJAP="espressif","1234567890"', JOINED)


def test_a_killed_hub_is_an_air_that_fell_silent(air):
    ap, station = air.module(), air.module()
    ap.softap()
    station.join()
    ap.port.exactly(connected(2, 2))
    air.kill()
    station.port.exactly(b"WIFI DISCONNECT\r\n")
    ap.port.exactly(f'+STA_DISCONNECTED:"{mac(2)}"\r\n'.encode())
    ap.port.command("AT")
    air.start()
    deadline = time.monotonic() + 20
    while (status := air.status()) and (len(status["aps"]) < 2 or len(status["ports"]) < 2):
        assert time.monotonic() < deadline
        time.sleep(0.1)  # pace: the modules look for the hub once a second
    station.join()
    ap.port.exactly(connected(2, 2))


def test_restart_of_a_softap(air):
    ap, station = air.module(), air.module()
    ap.softap()
    station.join()
    ap.port.exactly(connected(2, 2))
    with air.appears(bssid(1)):
        ap.port.command("AT+RST")
        ap.port.start()
    station.port.exactly(b"WIFI DISCONNECT\r\n")
    station.join()  # mode and configuration were kept
    ap.port.exactly(connected(2, 2))


def test_there_is_one_hub_and_it_has_to_be_there(air):
    nobody = subprocess.run([PROGRAM, "run", "--air", air.path + ".not"], capture_output=True, timeout=20)
    assert nobody.returncode == 1 and b"no air at" in nobody.stderr
    second = subprocess.run([PROGRAM, "air", "--air", air.path], capture_output=True, timeout=20)
    assert second.returncode == 1 and b"in use" in second.stderr


def test_two_radios_need_two_addresses(air):
    one = air.module()
    twin = Member(air, 9, "--mac", mac(1))
    try:
        twin.port.command("AT+CWMODE=1")
        twin.port.command("AT+CWLAP")  # it hears nobody
        assert "espressif" in one.port.ask("AT+CWMODE=1") + one.port.ask("AT+CWLAP")
    finally:
        twin.close()


def test_verbs_and_forwards_of_a_shared_air(air):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    module = air.module("--forward", f"{free}:80")
    control = Control(f"{air.folder}/ctl")
    try:
        module.port.command("AT+CIPMUX=1")
        module.join(command='AT+CWJAP="espressif","1234567890"')
        module.port.command("AT+CIPSERVER=1,80")
        with socket.create_connection(("127.0.0.1", free), timeout=20) as client:
            module.port.exactly(b"0,CONNECT\r\n")
            client.sendall(b"in")
            module.port.exactly(b"\r\n+IPD,0,2:in")
        module.port.exactly(b"0,CLOSED\r\n")
        control.call("ap", name="espressif", rssi=-71)
        assert '"espressif",-71' in module.port.ask("AT+CWLAP")
        other = air.module()
        other.join(command='AT+CWJAP="espressif","1234567890"')
        outcome = run("ctl", f"{air.folder}/ctl", "ap", "espressif", "rssi", "-83", mac(2))
        assert outcome.returncode == 0, outcome.stdout
        assert '"espressif",-83' in other.port.ask("AT+CWLAP")
        assert '"espressif",-71' in module.port.ask("AT+CWLAP")
        outcome = run("ctl", f"{air.folder}/ctl", "fault", "add", "out", "kind=deauth", f"station={mac(2)}")
        assert outcome.returncode == 0, outcome.stdout
        other.port.exactly(b"WIFI DISCONNECT\r\n")
        assert module.port.empty()
        other.port.exactly(b"WIFI CONNECTED\r\nWIFI GOT IP\r\n")
        assert [port["rssi"] for port in control.status()["air"]["ports"]] == [-71, -83]
        since = control.last_event()
        other.kill()
        control.wait("radio", since=since, mac=mac(2), on=False)
        answer = control.raw(b'{"verb":"power","state":"off"}\n')
        assert not answer["ok"] and "no module here" in answer["error"]
        own = Control(f"{air.folder}/ctl1")
        answer = own.raw(b'{"verb":"ap","name":"espressif","on":false}\n')
        assert not answer["ok"] and "shared" in answer["error"]
        assert own.status()["connected"]
        since = control.last_event()
        own.call("power", state="off")
        own.close()
        control.wait("station", since=since, mac=mac(1), joined=False)
        assert control.status()["air"]["aps"][0]["stations"] == 0
    finally:
        control.close()


def test_captures(air):
    ap, station = air.module(), air.module()
    ap.softap()
    station.join()
    ap.port.exactly(connected(2, 2))
    assert station.port.ask('AT+PING="192.168.4.1"')

    def frames(name):
        with open(f"{air.folder}/{name}.pcap", "rb") as file:
            data = file.read()[24:]
        count, echoes = 0, 0
        while data:
            length = int.from_bytes(data[8:12], "big")
            frame = data[16:16 + length]
            count += 1
            echoes += frame[12:14] == b"\x08\x00" and frame[23] == 1
            data = data[16 + length:]
        return count, echoes

    assert frames("1")[1] == frames("2")[1] == frames("air")[1] == 2  # each frame once
    assert frames("air")[0] >= frames("1")[0] / 2


COMPUTER = "02:00:00:00:77:10"


def computer_connected(address):
    return (f'+STA_CONNECTED:"{COMPUTER}"\r\n+DIST_STA_IP:"{COMPUTER}","192.168.4.{address}"\r\n').encode()


def test_a_program_of_the_host_reaches_a_softap(air):
    ap = air.module()
    ap.port.command("AT+CIPMUX=1")
    ap.softap()
    ap.port.command("AT+CIPSERVER=1,333")
    pc = Computer(air, "0:192.168.4.1:333", "0:192.168.4.1:334").ready(2)
    try:
        ap.port.exactly(computer_connected(2))
        with socket.create_connection(pc.reach[0], timeout=20) as client:
            ap.port.exactly(b"0,CONNECT\r\n")
            client.sendall(b"test")
            ap.port.exactly(b"\r\n+IPD,0,4:test")
            ap.port.send_data(b"x" * 8000, link=0)
            got = b""
            while len(got) < 8000:
                got += client.recv(65536)
            assert got == b"x" * 8000
            with socket.create_connection(pc.reach[0], timeout=20) as second:
                ap.port.exactly(b"1,CONNECT\r\n")
                second.sendall(b"second")
                ap.port.exactly(b"\r\n+IPD,1,6:second")
            ap.port.exactly(b"1,CLOSED\r\n")
            ap.port.command("AT+CIPCLOSE=0", b"0,CLOSED\r\n" + OK)
            assert client.recv(1) == b""
        with pytest.raises(ConnectionResetError):  # nobody listens there; the reset may be quicker than connect()
            socket.create_connection(pc.reach[1], timeout=20).recv(1)
        ap.port.command("AT+CWLIF", f"+CWLIF:192.168.4.2,{COMPUTER}\r\n".encode() + OK)
    finally:
        pc.close()
    ap.port.exactly(f'+STA_DISCONNECTED:"{COMPUTER}"\r\n'.encode())


def test_bulk_data_to_and_from_a_softap(air):
    ap = air.module()
    ap.port.command("AT+CIPMUX=1")
    ap.softap()
    ap.port.command("AT+CIPSERVERMAXCONN=1")
    ap.port.command("AT+CIPSERVER=1,333")
    ap.port.command("AT+CIPMODE=1")
    pc = Computer(air, "0:192.168.4.1:333").ready()
    try:
        ap.port.exactly(computer_connected(2))
        data = bytes(range(256)) * 4096  # 1 MB
        with socket.create_connection(pc.reach[0], timeout=20) as client:
            ap.port.exactly(b"0,CONNECT\r\n")
            ap.port.command("AT+CIPSEND", PROMPT)
            client.settimeout(20)
            client.setblocking(False)
            sent, got = 0, bytearray()
            while len(got) < len(data):
                with contextlib.suppress(BlockingIOError):
                    sent += client.send(data[sent:sent + 65536]) if sent < len(data) else 0
                got += ap.port.stream()
            assert bytes(got) == data
    finally:
        pc.close()


def test_a_computer_waits_for_its_softap(air):
    pc = Computer(air, "0:192.168.4.1:333")
    try:
        ap = air.module()
        ap.port.command("AT+CIPMUX=1")
        ap.softap()
        ap.port.exactly(computer_connected(2))
        pc.ready()
        ap.port.command("AT+CIPSERVER=1,333")
        with socket.create_connection(pc.reach[0], timeout=20):
            ap.port.exactly(b"0,CONNECT\r\n")
        ap.port.exactly(b"0,CLOSED\r\n")
        with air.appears(bssid(1)):
            ap.port.command("AT+RST")
        ap.port.start()
        ap.port.exactly(computer_connected(2))  # comes back by itself
    finally:
        pc.close()
