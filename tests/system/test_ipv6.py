"""IPv6 against real sockets: this computer's ::1 behind the access point's router, names of a dual-stack
resolver, OpenSSL, and the kernel at the other end of a TAP."""
import contextlib
import re
import socket
import subprocess
import threading
import time

import pytest

import netns
import tls_peers
from attache import ERROR, OK, PATIENCE_S, PROMPT, READY, cpu_ns
from test_softap import air  # noqa: F401
from tls_fixtures import certificate, exchange

PREFIX = "fd00:192:168:3:"
GATEWAY6, PC6, PC26 = PREFIX + ":1", PREFIX + ":102", PREFIX + ":103"
JOINED6 = b"WIFI GOT IPv6 LL\r\nWIFI GOT IPv6 GL\r\n"


@pytest.fixture
def listener6():
    """A TCP socket that listens on ::1."""
    with contextlib.closing(socket.create_server(("::1", 0), family=socket.AF_INET6)) as server:
        server.settimeout(PATIENCE_S)
        yield server


@pytest.fixture
def udp6():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::1", 0))
        sock.settimeout(PATIENCE_S)
        yield sock


def v6_on(port):
    port.command("AT+CIPV6=1")
    port.exactly(JOINED6)


def connect6(port, to, host=PC6, kind="TCPv6", link=None, answer=None):
    number = "" if link is None else f"{link},"
    port.command(f'AT+CIPSTART={number}"{kind}","{host}",{to}',
                 f"{number}CONNECT\r\n".encode() + OK if answer is None else answer)


def read(client, count):
    data = b""
    while len(data) < count:
        more = client.recv(count - len(data))
        assert more, f"ended after {data!r}"
        data += more
    return data


# --- the computer's ::1 ---------------------------------------------------------------------------

@pytest.mark.parametrize("host", [GATEWAY6, PC6, PC26, "fe80::1", "pc"])
def test_a_server_on_the_loopback_is_reached_under_each_address(module, listener6, host):
    port = module().joined()
    v6_on(port)
    connect6(port, listener6.getsockname()[1], host)
    client, address = listener6.accept()
    with client:
        client.settimeout(PATIENCE_S)
        assert address[0] == "::1"
        port.send_data(b"from the module")
        assert read(client, 15) == b"from the module"
        port.command("AT+CIPDINFO=1")
        client.sendall(b"from the computer")
        shown = PC6 if host == "pc" else host
        port.exactly(f'\r\n+IPD,17,"{shown}",{listener6.getsockname()[1]}:'.encode() + b"from the computer")
    port.exactly(b"CLOSED\r\n")


def test_hosts_at_the_same_time(module, listener6):
    """Each connection shows the address that was asked."""
    port = module().joined()
    v6_on(port)
    port.command("AT+CIPMUX=1")
    for link, host in enumerate((GATEWAY6, PC6, PC26, "fe80::1")):
        connect6(port, listener6.getsockname()[1], host, link=link)
    clients = [listener6.accept()[0] for _ in range(4)]
    for link, client in enumerate(clients):
        port.send_data(bytes([65 + link]), link)
    assert sorted(client.recv(1) for client in clients) == [b"A", b"B", b"C", b"D"]
    for client in clients:
        client.close()
    for _ in clients:
        port.until(b"CLOSED\r\n")


def test_datagrams(module, udp6):
    running = module()
    port = running.joined()
    v6_on(port)
    assert running.control.wait("ip6")["ip6"] == address_of(port, "STAIP6GL")
    assert running.control.wait("ip6ll")["ip6"] == address_of(port, "STAIP6LL")
    connect6(port, udp6.getsockname()[1], PC6, "UDPv6")
    port.send_data(b"question")
    data, sender = udp6.recvfrom(2000)
    assert data == b"question"
    udp6.sendto(b"answer", sender)
    port.exactly(b"\r\n+IPD,6:answer")
    port.send_data(b"x" * 1400)
    assert udp6.recvfrom(5000)[0] == b"x" * 1400


def test_bulk_both_ways(module, listener6):
    port = module().joined()
    v6_on(port)
    connect6(port, listener6.getsockname()[1])
    client, _ = listener6.accept()
    data = bytes(range(256)) * 4096
    with client:
        client.settimeout(PATIENCE_S)
        port.command("AT+CIPMODE=1")
        port.command("AT+CIPSEND", PROMPT)
        writer = threading.Thread(target=client.sendall, args=(data,))
        writer.start()
        assert port.take(len(data)) == data
        writer.join()
        reader = threading.Thread(target=port.write, args=(data,))
        reader.start()
        assert read(client, len(data)) == data
        reader.join()
        port.leave_passthrough()


def test_a_closed_port_is_refused_at_once(module):
    port = module().joined()
    v6_on(port)
    with contextlib.closing(socket.create_server(("::1", 0), family=socket.AF_INET6)) as server:
        free = server.getsockname()[1]
    for host in (GATEWAY6, PC6, "fe80::1"):
        connect6(port, free, host, answer=ERROR)


@pytest.mark.parametrize("policy, host, reached", [("open", PC6, True), ("local", PC6, True), ("none", PC6, False),
                                                  ("local", "2001:db8::1", False), ("none", "2001:db8::1", False)])
def test_policy(module, listener6, policy, host, reached):
    running = module("--policy", policy)
    port = running.joined()
    v6_on(port)
    connect6(port, listener6.getsockname()[1], host, answer=None if reached else ERROR)
    port.send(f'AT+PING="{host}"')
    answer = port.until(re.compile(rb"OK\r\n|ERROR\r\n"))
    assert (b"+PING:TIMEOUT" in answer) == (host != PC6)
    assert reached or f"refused: policy is {policy}" in running.log()


def test_an_address_nobody_routes_is_an_error_at_once(module):
    """Whatever IPv6 this computer has: 2001:db8::/32 leads nowhere, and the module does not wait for minutes."""
    running = module()
    port = running.joined()
    v6_on(port)
    port.command('AT+CIPSTART="TCPv6","2001:db8::1",80,,,15000', ERROR)


# --- names ----------------------------------------------------------------------------------------

def test_names_of_both_families(module, tmp_path, listener6):
    world = tmp_path / "w.ini"
    world.write_text(f"""
[ap espressif]
password = 1234567890
[host pc]
address = 192.168.3.102
[names]
both.test = 192.168.3.102
both.test = {PC6}
six.test = {PC6}
""")
    port = module("--world", world).joined()
    v6_on(port)
    assert port.ask('AT+CIPDOMAIN="both.test"') == '+CIPDOMAIN:"192.168.3.102"\r\n'
    assert port.ask('AT+CIPDOMAIN="both.test",3') == f'+CIPDOMAIN:"{PC6}"\r\n'
    assert port.ask('AT+CIPDOMAIN="six.test",1') == f'+CIPDOMAIN:"{PC6}"\r\n'
    assert port.ask('AT+CIPDOMAIN="pc",3') == f'+CIPDOMAIN:"{PC6}"\r\n'
    connect6(port, listener6.getsockname()[1], "both.test")
    listener6.accept()[0].close()
    port.exactly(b"CLOSED\r\n")


@pytest.fixture
def resolving(tmp_path):
    """A namespace whose resolver is a dnsmasq that knows dual.test and six.test; also the module's view of
    /etc/resolv.conf."""
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\n")
    for namespace in netns.fixture("dnsmasq"):
        prefix = [*namespace.prefix, "unshare", "--mount", "sh", "-c",
                  'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(conf)]
        if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            pytest.skip("a file cannot be mounted over /etc/resolv.conf here")
        namespace.start("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--no-resolv",
                        "--no-hosts", "--log-facility=-", "--listen-address=127.0.0.1", "--bind-interfaces",
                        "--local=/test/", "--host-record=dual.test,192.0.2.7,2001:db8::7",
                        "--host-record=six.test,2001:db8::6").until("started")
        namespace.prefix = prefix
        yield namespace


def test_names_of_the_computers_resolver(module, resolving):
    port = module(within=resolving).joined()
    v6_on(port)
    for servers in (None, f'1,"{GATEWAY6}"', '1,"fe80::1"'):  # over IPv4, over IPv6
        if servers:
            port.command(f"AT+CIPDNS={servers}")
        assert port.ask('AT+CIPDOMAIN="dual.test"') == '+CIPDOMAIN:"192.0.2.7"\r\n'
        assert port.ask('AT+CIPDOMAIN="dual.test",3') == '+CIPDOMAIN:"2001:db8::7"\r\n'
        assert port.ask('AT+CIPDOMAIN="six.test"') == '+CIPDOMAIN:"2001:db8::6"\r\n'
        port.command('AT+CIPDOMAIN="six.test",2', ERROR)


# --- TLS ------------------------------------------------------------------------------------------

def sslv6_server(peer, pki, *arguments):
    openssl = peer(tls_peers.OpenSsl, "s_server", "-accept", "[::1]:0", *certificate(pki, "server"), *arguments)
    return openssl, int(openssl.expect(rb"ACCEPT \S*:(\d+)\s")[1])


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("auth", [0, 3])
def test_sslv6_client(tls, peer, pki, version, auth):
    port = tls()
    v6_on(port)
    openssl, to = sslv6_server(peer, pki, "-CAfile", pki.path("ca", "crt"), version,
                               *(("-Verify", "1", "-verify_return_error") if auth else ()))
    port.command(f"AT+CIPSSLCCONF={auth}" + (",0,0" if auth else ""))
    connect6(port, to, PC6, "SSLv6")
    assert port.ask("AT+CIPSTATE?").startswith(f'+CIPSTATE:0,"SSLv6","{PC6}",{to},')
    exchange(port, openssl)
    port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)


def test_passthrough_at_power_up_over_sslv6(tls, peer, pki):
    openssl, to = sslv6_server(peer, pki)
    port = tls()
    v6_on(port)
    port.command(f'AT+SAVETRANSLINK=1,"{PC6}",{to},"SSLv6"')
    port.command("AT+RST", OK + b"WIFI DISCONNECT\r\n" + READY)
    port.write(b"kept until there is a link\n")
    openssl.expect(rb"kept until there is a link")
    openssl.send(b"and back\n")
    port.exactly(b"and back\n")
    port.leave_passthrough(answer=b"AT\r\n" + OK)


# --- idle -----------------------------------------------------------------------------------------

def test_ipv6_costs_an_idle_module_nothing(module):
    running = module()
    port = running.joined()
    v6_on(port)
    processes = running.chip(), running.process.pid
    before = [cpu_ns(pid) for pid in processes]
    time.sleep(3)  # pace: CPU time while nothing happens
    assert sum(cpu_ns(pid) for pid in processes) - sum(before) < 5_000_000


# --- modules among themselves ---------------------------------------------------------------------

def address_of(port, name):
    return re.search(rf'\+CIFSR:{name},"([0-9a-f:]+)"', port.ask("AT+CIFSR")).group(1)


def talk(server, client):
    """The client's open link 0 and the server's: data both ways."""
    client.send_data(b"to the server")
    server.exactly(b"\r\n+IPD,0,13:to the server")
    server.send_data(b"to the client", link=0)
    client.exactly(b"\r\n+IPD,13:to the client")


def test_the_network_of_a_softap(air):
    ap, station = air.module(), air.module()
    ap.softap()
    ap.port.command("AT+CIPV6=1")
    ap.port.command("AT+CIPMUX=1")
    ap.port.command('AT+CIPSERVER=1,333,"TCPv6"')
    station.join()
    ap.port.until(b'+DIST_STA_IP:"02:00:00:00:02:10","192.168.4.2"\r\n')
    station.port.command("AT+CIPV6=1")
    station.port.exactly(b"WIFI GOT IPv6 LL\r\n")
    assert address_of(ap.port, "APIP6LL") == "fe80::ff:fe00:111"
    connect6(station.port, 333, "fe80::ff:fe00:111")
    ap.port.exactly(b"0,CONNECT\r\n")
    talk(ap.port, station.port)
    assert ap.port.ask("AT+CIPSTATE?").startswith('+CIPSTATE:0,"TCPv6","fe80::ff:fe00:210",')
    assert re.match(r"\+PING:\d+\r\n", ap.port.ask('AT+PING="fe80::ff:fe00:210"'))


def test_two_stations_of_one_access_point(air):
    server, client = air.module(), air.module()
    for each in (server, client):
        each.port.join()
        v6_on(each.port)
    server.port.command("AT+CIPMUX=1")
    server.port.command('AT+CIPSERVER=1,80,"TCPv6"')
    connect6(client.port, 80, address_of(server.port, "STAIP6GL"))
    server.port.exactly(b"0,CONNECT\r\n")
    talk(server.port, client.port)
    client.port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    server.port.exactly(b"0,CLOSED\r\n")
    for each in (server, client):  # a group across the switch
        number = "1," if each is server else ""
        each.port.command(f'AT+CIPSTART={number}"UDPv6","ff02::1:3",5355,5355,0', f"{number}CONNECT\r\n".encode() + OK)
    client.port.send_data(b"anybody?")
    server.port.exactly(b"\r\n+IPD,1,8:anybody?")


# --- the kernel at the other end of a TAP -----------------------------------------------------------

LAB6 = "fd00:7::1"


@pytest.fixture
def lab():
    """A network namespace whose dnsmasq is router and name server of both families."""
    for namespace in netns.fixture("dnsmasq"):
        namespace.tap("tap0", "10.7.0.1/24", f"{LAB6}/64")
        namespace.start("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--pid-file=",
                        "--log-facility=-", "--dhcp-leasefile=/dev/null", "--interface=tap0", "--bind-interfaces",
                        "--no-resolv", "--no-hosts", "--address=/six.lab.test/fd00:7::1", "--dhcp-authoritative",
                        "--dhcp-range=10.7.0.50,10.7.0.60,120", "--enable-ra",
                        "--dhcp-range=::,constructor:tap0,ra-only").until("started")
        yield namespace


@pytest.fixture
def lab_world(tmp_path):
    path = tmp_path / "lab.ini"
    path.write_text("[ap lab]\npassword = lab-secret\nuplink = tap:tap0\ngateway = 10.7.0.1/24\n")
    return path


def join_lab(port):
    port.command("AT+CWMODE=1")
    port.command('AT+CWJAP="lab","lab-secret"', b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK)
    v6_on(port)


def test_a_real_router_and_a_real_kernel(module, lab, lab_world):
    port = module("--world", lab_world, within=lab).started()
    join_lab(port)
    own = address_of(port, "STAIP6GL")
    assert own.startswith("fd00:7:")
    assert port.ask('AT+CIPDOMAIN="six.lab.test",3') == f'+CIPDOMAIN:"{LAB6}"\r\n'
    assert re.match(r"\+PING:\d+\r\n", port.ask(f'AT+PING="{LAB6}"'))
    with lab.inside():
        server = socket.create_server((LAB6, 0), family=socket.AF_INET6)
        sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.settimeout(PATIENCE_S)
    with server, sender:
        connect6(port, server.getsockname()[1], "six.lab.test")
        client, peer = server.accept()
        with client:
            assert peer[0] == own
            port.send_data(b"hello")
            assert read(client, 5) == b"hello"
        port.exactly(b"CLOSED\r\n")
        port.command('AT+CIPSTART="UDPv6","ff02::1:3",5355,5355,0', b"CONNECT\r\n" + OK)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index_in(lab, "tap0"))
        sender.sendto(b"who is there", ("ff02::1:3", 5355))
        port.exactly(b"\r\n+IPD,12:who is there")
        sender.sendto(b"in pieces " * 280, (own, 5355))  # the kernel's fragments
        port.exactly(b"\r\n+IPD,2800:" + b"in pieces " * 280)
        port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    port.command("AT+CIPMUX=1")
    port.command('AT+CIPSERVER=1,80,"TCPv6"')
    with lab.inside():
        client = socket.create_connection((own, 80), PATIENCE_S)
    with client:
        port.exactly(b"0,CONNECT\r\n")
        client.sendall(b"GET")
        port.exactly(b"\r\n+IPD,0,3:GET")
        port.send_data(b"200", link=0)
        assert read(client, 3) == b"200"
    port.exactly(b"0,CLOSED\r\n")


def index_in(lab, name):
    return int(re.match(r"(\d+):", lab.run("ip", "-o", "link", "show", name)).group(1))


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sslv6_server(tls, lab, lab_world, peer, pki, version):
    port = tls("--world", lab_world, within=lab, join=False)
    join_lab(port)
    port.command("AT+CIPMUX=1")
    port.command('AT+CIPSERVER=1,443,"SSLv6",0')
    assert port.ask("AT+CIPSERVER?") == '+CIPSERVER:1,443,"SSLv6",0\r\n'
    with lab.inside():
        openssl = peer(tls_peers.OpenSsl, "s_client", "-connect", f"[{address_of(port, 'STAIP6GL')}]:443", version,
                       "-CAfile", pki.path("ca", "crt"), "-verify_return_error", "-verify_hostname", "module.test")
    port.exactly(b"0,CONNECT\r\n")
    exchange(port, openssl, 0)
    assert port.ask("AT+CIPSTATE?").startswith('+CIPSTATE:0,"SSLv6","fd00:7:')
