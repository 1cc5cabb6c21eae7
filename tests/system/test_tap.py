"""An access point that is a bridge to a TAP: a real kernel, a real DHCP and DNS server, other modules."""
import contextlib
import random
import re
import socket
import struct
import subprocess
import time

import pytest

import attache
import netns
from attache import ERROR, OK, PATIENCE_S

HOST = "10.7.0.1"  # the kernel's address on the TAP
WORLD = """
[ap lab]
password = lab-secret
uplink = tap:tap0
gateway = 10.7.0.1/24
prefix6 = fd00:7::/64
"""
JOIN_LAB = 'AT+CWJAP="lab","lab-secret"'


@pytest.fixture
def lab():
    for namespace in netns.fixture():
        namespace.tap("tap0", f"{HOST}/24", "fd00:7::1/64")
        yield namespace


@pytest.fixture
def router():
    """dnsmasq: DHCP with a lease that is renewed after three seconds, and DNS."""
    for namespace in netns.fixture("dnsmasq"):
        namespace.tap("tap0", f"{HOST}/24")
        namespace.dnsmasq = namespace.start(
            "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--log-facility=-",
            "--dhcp-leasefile=/dev/null", "--log-dhcp", "--interface=tap0", "--bind-interfaces", "--no-resolv",
            "--no-hosts", "--domain=lab.test", f"--address=/printer.lab.test/{HOST}", "--dhcp-authoritative",
            "--no-ping", "--dhcp-range=10.7.0.50,10.7.0.60,120", f"--dhcp-option=option:ntp-server,{HOST}",
            "--dhcp-option=option:T1,3", "--dhcp-option=option:T2,60")
        namespace.dnsmasq.until("started")
        yield namespace


@pytest.fixture
def world(tmp_path):
    def write(text=WORLD):
        path = tmp_path / "world.ini"
        path.write_text(text)
        return path
    return write


def join(port, says=JOIN_LAB):
    port.command("AT+CWMODE=1")
    port.command(says, b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK)
    return re.search(r'ip:"([0-9.]+)"', port.ask("AT+CIPSTA?")).group(1)


def tcp_server(namespace, host=HOST):
    with namespace.inside():
        server = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    server.settimeout(PATIENCE_S)
    return server


def udp_socket(namespace, address=("", 0)):
    with namespace.inside():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(PATIENCE_S)
    sock.bind(address)
    return sock


def test_a_real_router(module, router, world):
    """Address, gateway, DNS and lease come from dnsmasq; the lease is renewed without a word."""
    port = module("--world", world(), within=router).started()
    address = join(port)
    assert re.match(r"10\.7\.0\.(5\d|60)$", address)
    assert f'gateway:"{HOST}"' in port.ask("AT+CIPSTA?")
    assert HOST in port.ask("AT+CIPDNS?")
    assert port.ask('AT+CIPDOMAIN="printer.lab.test"') == f'+CIPDOMAIN:"{HOST}"\r\n'
    with tcp_server(router) as server:
        port.connect(server.getsockname()[1], "printer.lab.test")
        server.accept()[0].close()
        port.exactly(b"CLOSED\r\n")
    router.dnsmasq.until(f"DHCPACK.*{address}")
    router.dnsmasq.until(f"DHCPREQUEST.*{address}")  # three seconds later
    router.dnsmasq.until(f"DHCPACK.*{address}")
    assert port.empty()
    port.command("AT")


def test_tcp_both_ways(module, lab, world):
    """The kernel's own TCP, as client and as server, with the access point's DHCP."""
    port = module("--world", world(WORLD + "dhcp = on\n"), within=lab).started()
    address = join(port)
    assert address == "10.7.0.112"
    generator = random.Random(1)
    with tcp_server(lab) as server:
        port.connect(server.getsockname()[1], HOST)
        connection, peer = server.accept()
        assert peer[0] == address
        up, down = generator.randbytes(8000), generator.randbytes(2000)
        port.send_data(up)
        with connection, connection.makefile("rb") as reader:
            assert reader.read(len(up)) == up
            connection.sendall(down)
            taken = b""
            while len(taken) < len(down):
                header = port.until(re.compile(rb"\+IPD,\d+:"))
                taken += port.take(int(header[header.index(b",") + 1:-1]))
            assert taken == down
        port.until(b"CLOSED\r\n")
    port.command("AT+CIPMUX=1")
    port.command("AT+CIPSERVER=1,8080")
    with lab.inside():
        client = socket.create_connection((address, 8080), PATIENCE_S)
    with client:
        port.exactly(b"0,CONNECT\r\n")
        client.sendall(b"from the kernel")
        port.exactly(b"\r\n+IPD,0,15:from the kernel")
        port.send_data(b"to the kernel", 0)
        assert client.recv(100) == b"to the kernel"
    port.exactly(b"0,CLOSED\r\n")


def test_refused_by_the_kernel(module, lab, world):
    port = module("--world", world(WORLD + "dhcp = on\n"), within=lab).started()
    join(port)
    with tcp_server(lab) as server:
        number = server.getsockname()[1]
    port.send(f'AT+CIPSTART="TCP","{HOST}",{number}')
    port.until(ERROR, 5)


def test_ping_both_ways(module, lab, world):
    port = module("--world", world(WORLD + "dhcp = on\n"), within=lab).started()
    address = join(port)
    assert re.fullmatch(r"\+PING:\d+\r\n", port.ask(f'AT+PING="{HOST}"'))
    with lab.inside():
        ping = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with ping:
        ping.settimeout(PATIENCE_S)
        body = b"echo from a raw socket!!"
        words = struct.unpack("!14H", struct.pack("!HHHH", 0x0800, 0, 7, 1) + body[:20])
        total = sum(words)
        total = (total & 0xFFFF) + (total >> 16)
        ping.sendto(struct.pack("!HHHH", 0x0800, ~total & 0xFFFF, 7, 1) + body[:20], (address, 0))
        while True:
            data, (peer, _) = ping.recvfrom(2000)
            if peer == address and data[20] == 0:
                break
        assert data[24:28] == struct.pack("!HH", 7, 1) and data[28:] == body[:20]


def test_broadcast_and_multicast(module, lab, world):
    """Group frames cross both ways."""
    port = module("--world", world(WORLD + "dhcp = on\n"), within=lab).started()
    join(port)
    with udp_socket(lab) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        number = peer.getsockname()[1]
        port.command(f'AT+CIPSTART="UDP","10.7.0.255",{number},5001,2', b"CONNECT\r\n" + OK)
        port.send_data(b"anybody there?")
        data, source = peer.recvfrom(100)
        assert (data, source) == (b"anybody there?", ("10.7.0.112", 5001))
        peer.sendto(b"all of you", ("10.7.0.255", 5001))
        port.exactly(b"\r\n+IPD,10:all of you")
        port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    group = "239.7.7.7"
    with udp_socket(lab, (group, 5002)) as peer:
        peer.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                        socket.inet_aton(group) + socket.inet_aton(HOST))
        port.command(f'AT+CIPSTART="UDP","{group}",5002,5002,0', b"CONNECT\r\n" + OK)
        port.send_data(b"to the group")
        data, source = peer.recvfrom(100)
        assert (data, source) == (b"to the group", ("10.7.0.112", 5002))
        with udp_socket(lab) as sender:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HOST))
            sender.sendto(b"from the group", (group, 5002))
            port.exactly(b"\r\n+IPD,14:from the group")


def test_two_modules_behind_one_tap(module, lab, world, tmp_path):
    """One bridge for all stations: they reach the kernel and each other."""
    path = tmp_path / "air"
    capture = tmp_path / "air.pcap"
    air = subprocess.Popen([*lab.prefix, attache.PROGRAM, "air", "--air", str(path), "--pcap", str(capture), "--world",
                            str(world(WORLD + "dhcp = on\n"))], stdout=subprocess.PIPE)
    try:
        assert air.stdout.readline()
        one, two = (module("--air", path, "--mac", f"1a:fe:35:00:00:{n}0").started() for n in (1, 2))
        first, second = join(one), join(two)
        assert (first, second) == ("10.7.0.112", "10.7.0.113")
        with tcp_server(lab) as server:
            for port in (one, two):
                port.connect(server.getsockname()[1], HOST)
                connection, _ = server.accept()
                port.send_data(b"hello")
                assert connection.recv(10) == b"hello"
                connection.close()
                port.exactly(b"CLOSED\r\n")
        assert re.fullmatch(r"\+PING:\d+\r\n", one.ask(f'AT+PING="{second}"'))
        two.command("AT+CIPMUX=1")
        two.command("AT+CIPSERVER=1,80")
        one.connect(80, second)
        two.exactly(b"0,CONNECT\r\n")
        one.send_data(b"between us")
        two.exactly(b"\r\n+IPD,0,10:between us")
        one.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
        two.exactly(b"0,CLOSED\r\n")
        one.command('AT+CIPSTART="UDP","10.7.0.255",9,6000,2', b"CONNECT\r\n" + OK)
        two.command('AT+CIPSTART=1,"UDP","10.7.0.255",9,6000,2', b"1,CONNECT\r\n" + OK)
        with udp_socket(lab) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            peer.sendto(b"both of you", ("10.7.0.255", 6000))
            one.exactly(b"\r\n+IPD,11:both of you")
            two.exactly(b"\r\n+IPD,1,11:both of you")
        assert capture.read_bytes().count(b"both of you") == 1
    finally:
        air.terminate()
        air.wait(PATIENCE_S)
        air.stdout.close()


def test_policy_local_stays_in_the_network(module, lab, world):
    """What is not in the access point's network is refused at once, the rest passes."""
    lab.run("ip", "address", "add", "10.8.0.1/24", "dev", "tap0")
    port = module("--world", world(WORLD + "dhcp = on\n"), "--policy", "local", within=lab).started()
    join(port)
    with tcp_server(lab, "0.0.0.0") as server:
        number = server.getsockname()[1]
        port.send(f'AT+CIPSTART="TCP","10.8.0.1",{number}')
        port.until(ERROR, 5)
        port.connect(number, HOST)
        server.accept()[0].close()
        port.exactly(b"CLOSED\r\n")


def test_policy_none_is_no_bridge(module, lab, world):
    port = module("--world", world(), "--policy", "none", within=lab).started()
    assert join(port) == "10.7.0.112"
    with tcp_server(lab) as server:
        port.send(f'AT+CIPSTART="TCP","{HOST}",{server.getsockname()[1]}')
        port.until(ERROR, 5)


def kernel_link_local(namespace):
    return re.search(r"inet6 (fe80::\S+)/64", namespace.run("ip", "-6", "address", "show", "dev", "tap0")).group(1)


def test_ipv6_of_the_link(module, lab, world):
    """The kernel's neighbour discovery and TCP, link-local at both ends."""
    port = module("--world", world(WORLD + "dhcp = on\n"), within=lab).started()
    port.command("AT+CIPV6=1")
    join(port)
    port.exactly(b"WIFI GOT IPv6 LL\r\n")
    host = kernel_link_local(lab)
    with lab.inside():
        server = socket.create_server(("::", 0), family=socket.AF_INET6)
    with server:
        server.settimeout(PATIENCE_S)
        port.command(f'AT+CIPSTART="TCPv6","{host}",{server.getsockname()[1]}', b"CONNECT\r\n" + OK)
        connection, _ = server.accept()
        with connection:
            port.send_data(b"over the link")
            assert connection.recv(100) == b"over the link"
            connection.sendall(b"and back")
            port.exactly(b"\r\n+IPD,8:and back")
        port.exactly(b"CLOSED\r\n")


def test_ipv6_of_a_router(module, lab, world):
    """dnsmasq advertises a prefix; the module forms its address, and both ends connect."""
    if why := netns.reason_against("dnsmasq"):
        pytest.skip(why)
    advertiser = lab.start("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--port=0",
                           "--log-facility=-", "--dhcp-leasefile=/dev/null", "--interface=tap0", "--bind-interfaces",
                           "--enable-ra", "--dhcp-range=fd00:7::,ra-only,64,3600", "--log-dhcp")
    advertiser.until("started")
    port = module("--world", world(WORLD + "dhcp = on\n"), "--policy", "local", within=lab).started()
    port.command("AT+CIPV6=1")
    join(port)
    port.until(b"WIFI GOT IPv6 GL\r\n")
    own = re.search(r'\+CIPSTA:ip6gl:"([^"]+)"', port.ask("AT+CIPSTA?")).group(1)
    assert own.startswith("fd00:7:")
    port.command("AT+CIPMUX=1")
    port.command('AT+CIPSERVER=1,80,"TCPv6"')
    with lab.inside():
        client = socket.create_connection((own, 80), PATIENCE_S)
    with client:
        port.exactly(b"0,CONNECT\r\n")
        client.sendall(b"hello")
        port.exactly(b"\r\n+IPD,0,5:hello")
    port.exactly(b"0,CLOSED\r\n")


NO_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


def failure(lab, world, *before):
    outcome = subprocess.run([*lab.prefix, *before, attache.PROGRAM, "run", "--world", str(world)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=60, check=False)
    assert outcome.returncode == 1
    return outcome.stdout


def test_refusals_say_what_would_be_right(module, lab, world):
    path = world(WORLD.replace("tap0", "tap7"))
    said = failure(lab, path, *NO_RIGHTS)
    assert "there is no tap7" in said and "ip tuntap add dev tap7 mode tap user 0" in said
    lab.tap("tap7", user=65534)
    assert "tap7 belongs to another user" in failure(lab, path, *NO_RIGHTS)
    lab.run("ip", "link", "delete", "tap7")
    lab.run("ip", "tuntap", "add", "dev", "tap7", "mode", "tun")
    assert "tap7 is there, but it is not a TAP" in failure(lab, path)
    module("--world", world(), within=lab)
    assert "another process has tap0 open" in failure(lab, world())


def test_an_interface_of_ones_own_needs_no_rights(module, lab, world):
    """What `ip tuntap add ... user` made is opened by that user."""
    lab.tap("tap7", "10.9.0.1/24", user=0)
    lab.prefix += NO_RIGHTS
    text = WORLD.replace("tap0", "tap7").replace("10.7.0.1", "10.9.0.1")
    port = module("--world", world(text + "dhcp = on\n"), within=lab).started()
    assert join(port) == "10.9.0.112"
    assert re.fullmatch(r"\+PING:\d+\r\n", port.ask('AT+PING="10.9.0.1"'))


def test_an_interface_is_made_by_who_may(module, lab, world):
    """It is up, and goes with the process."""
    running = module("--world", world(WORLD.replace("tap0", "tap7")), within=lab)
    assert "UP" in lab.run("ip", "link", "show", "dev", "tap7")
    running.stop()
    assert "tap7" not in lab.run("ip", "link")


def test_the_interface_goes_and_comes_back(module, lab, world):
    running = module("--world", world(WORLD + "dhcp = on\n"), within=lab)
    port = running.started()
    join(port)
    lab.run("ip", "link", "set", "tap0", "down")
    port.command(f'AT+CIPSTART="UDP","{HOST}",9', b"CONNECT\r\n" + OK)
    port.send_data(b"in vain")
    port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    before = attache.cpu_ns(running.process.pid)
    time.sleep(0.2)  # pace: what it costs to wait for nothing
    assert attache.cpu_ns(running.process.pid) - before < 20_000_000
    lab.run("ip", "link", "delete", "tap0")
    lab.tap("tap0", f"{HOST}/24")
    deadline = time.monotonic() + PATIENCE_S
    while "tap0 is back" not in running.log() and time.monotonic() < deadline:
        with contextlib.suppress(attache.Unexpected):
            port.ask("AT")
    assert re.fullmatch(r"\+PING:\d+\r\n", port.ask(f'AT+PING="{HOST}"'))
    assert "tap0 is down: ip link set tap0 up" in running.log()
