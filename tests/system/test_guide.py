"""Examples of the guide that need real programs, step by step, at the guide's addresses and ports.

The PC is a network namespace: behind the access point's TAP it has 192.168.3.102; at a SoftAP it has a TAP for a Wi-Fi
card (`attache join --tap`) and gets 192.168.4.2 from the module's DHCP server. The guide types `test` and does not mention
the key that ends OpenSSL's line: there the four bytes are `tes` and that. docs/EXAMPLES.md has all examples.
"""
import contextlib
import re
import socket
import struct
import tempfile
import threading
import time

import pytest

import netns
import tls_peers
from attache import OK, PATIENCE_S, PROGRAM, PROMPT
from test_softap import Air, Computer, computer_connected
from tls_fixtures import certificate, items_of

WORLD = "[ap espressif]\npassword = 1234567890\nuplink = tap:tap0\ndhcp = on\n"
PC, STATION = "192.168.3.102", "192.168.3.112"
NTP_EPOCH = 2208988800


class NtpServer:
    """Answers each request with this computer's time (RFC 4330)."""

    def __init__(self, namespace, address):
        with namespace.inside():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 123))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the reader
        self.thread.join(PATIENCE_S)
        self.socket.close()

    def _run(self):
        while True:
            request, peer_address = self.socket.recvfrom(512)
            if len(request) < 48:
                return
            now = struct.pack("!II", int(time.time()) + NTP_EPOCH, 0)
            head = bytes([0x24, 2, 6, 0xEC]) + bytes(12)
            self.socket.sendto(head + now + request[40:48] + now + now, peer_address)


@pytest.fixture
def home(tmp_path):
    """The guide's home: a router 192.168.3.1 and the PC 192.168.3.102."""
    (tmp_path / "home.ini").write_text(WORLD)
    for namespace in netns.fixture("openssl"):
        namespace.tap("tap0", "192.168.3.1/24", f"{PC}/24")
        namespace.world = tmp_path / "home.ini"
        yield namespace


def openssl_in(namespace, kind, *arguments):
    return tls_peers.OpenSsl(f"s_{kind}", *arguments, before=namespace.prefix)


def joined(module, home, pki, tmp_path):
    flash = tls_peers.flash_image(tmp_path, items_of(pki))
    port = module("--world", home.world, "--flash", flash, within=home).started()
    port.command("AT+CWMODE=1")
    port.command('AT+CWJAP="espressif","1234567890"', b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK)
    return port


def address_is_the_guides(port):
    port.command("AT+CIPSTA?", f'+CIPSTA:ip:"{STATION}"\r\n+CIPSTA:gateway:"192.168.3.1"\r\n'
                 '+CIPSTA:netmask:"255.255.255.0"\r\n'.encode() + OK)


def exchange(port, openssl, link=""):
    port.command(f"AT+CIPSEND={link}4", PROMPT)
    port.write(b"test")
    port.exactly(b"\r\nRecv 4 bytes\r\n\r\nSEND OK\r\n")
    openssl.expect(rb"test")
    openssl.send(b"tes\n")
    port.exactly(f"\r\n+IPD,{link}4:tes\n".encode())


def test_4_2_5_ssl_client(module, home, peer, pki, tmp_path):
    port = joined(module, home, pki, tmp_path)
    address_is_the_guides(port)
    openssl = peer(openssl_in, home, "server", *certificate(pki, "server"), "-port", "8070")
    openssl.expect(rb"ACCEPT")
    port.command(f'AT+CIPSTART="SSL","{PC}",8070', b"CONNECT\r\n" + OK)
    exchange(port, openssl)


@pytest.fixture
def laptop():
    """The PC of the SoftAP's examples: a namespace whose Wi-Fi card is a TAP with `attache join`."""
    for namespace in netns.fixture("openssl", "udhcpc"):
        namespace.tap("wlan0")
        yield namespace


SET_ADDRESS = """#!/bin/sh
[ "$1" != bound ] || ip address add "$ip/24" dev "$interface"
"""


def join_by(namespace, air, folder):
    """Joins, and gets an address by DHCP, as a PC does."""
    program = namespace.start(PROGRAM, "join", "--air", air.path, "--ssid", "ESP32_softAP", "--password", "1234567890",
                              "--tap", "wlan0")
    program.until("joined")
    script = folder / "address.sh"
    script.write_text(SET_ADDRESS)
    script.chmod(0o700)
    namespace.run("udhcpc", "-i", "wlan0", "-n", "-q", "-f", "-s", script)
    return re.search(r"ether (\S+)", namespace.run("ip", "link", "show", "dev", "wlan0")).group(1)


def connected_pc(mac):
    return f'+STA_CONNECTED:"{mac}"\r\n+DIST_STA_IP:"{mac}","192.168.4.2"\r\n'.encode()


def softap(air, *options):
    """Steps 1 to 4 of 4.2.2 and 4.2.6."""
    port = air.module(*options).port
    port.command("AT+CWMODE=2")
    port.command("AT+CIPMUX=1")
    with air.appears("02:00:00:00:01:11"):
        port.command('AT+CWSAP="ESP32_softAP","1234567890",5,3')
    port.command("AT+CIPAP?", b'+CIPAP:ip:"192.168.4.1"\r\n+CIPAP:gateway:"192.168.4.1"\r\n'
                 b'+CIPAP:netmask:"255.255.255.0"\r\n' + OK)
    return port


@pytest.fixture
def shared_air():
    with tempfile.TemporaryDirectory(prefix="attache-guide-") as folder:
        air = Air(folder)
        try:
            yield air
        finally:
            air.close()


def test_4_2_2_tcp_server_of_a_softap(shared_air, laptop, tmp_path):
    """The network tool is this program, with a socket of the PC."""
    port = softap(shared_air)
    port.command("AT+CIPSERVER=1")
    port.exactly(connected_pc(join_by(laptop, shared_air, tmp_path)))
    with laptop.inside():
        client = socket.create_connection(("192.168.4.1", 333), PATIENCE_S)
    with client:
        port.exactly(b"0,CONNECT\r\n")
        port.command("AT+CIPSEND=0,4", PROMPT)
        port.write(b"test")
        port.exactly(b"\r\nRecv 4 bytes\r\n\r\nSEND OK\r\n")
        assert client.recv(10) == b"test"
        client.sendall(b"test")
        port.exactly(b"\r\n+IPD,0,4:test")
        port.command("AT+CIPCLOSE=0", b"0,CLOSED\r\n" + OK)
        assert client.recv(10) == b""


def test_4_2_6_ssl_server_of_a_softap(shared_air, laptop, peer, pki, tmp_path):
    port = softap(shared_air, "--flash", str(tls_peers.flash_image(tmp_path, items_of(pki))))
    port.command('AT+CIPSERVER=1,8070,"SSL"')
    port.exactly(connected_pc(join_by(laptop, shared_air, tmp_path)))
    openssl = peer(openssl_in, laptop, "client", "-host", "192.168.4.1", "-port", "8070")
    port.exactly(b"0,CONNECT\r\n")
    exchange(port, openssl, "0,")
    port.command("AT+CIPCLOSE=0", b"0,CLOSED\r\n" + OK)
    port.command("AT+CIPSERVER=0")


def test_4_2_6_through_a_forward(shared_air, peer, pki, tmp_path):
    """The same without a namespace: OpenSSL reaches the SoftAP by `attache join --forward`."""
    port = softap(shared_air, "--flash", str(tls_peers.flash_image(tmp_path, items_of(pki))))
    port.command('AT+CIPSERVER=1,8070,"SSL"')
    pc = Computer(shared_air, "0:192.168.4.1:8070").ready()
    try:
        port.exactly(computer_connected(2))
        openssl = peer(tls_peers.client, pc.reach[0][1])
        port.exactly(b"0,CONNECT\r\n")
        exchange(port, openssl, "0,")
    finally:
        pc.close()


def test_4_2_11_udp_passthrough_of_a_softap(shared_air, laptop, tmp_path):
    port = shared_air.module().port
    port.command("AT+CWMODE=2")
    with shared_air.appears("02:00:00:00:01:11"):
        port.command('AT+CWSAP="ESP32_softAP","1234567890",5,3')
    port.exactly(connected_pc(join_by(laptop, shared_air, tmp_path)))
    with laptop.inside():
        tool = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with tool:
        tool.bind(("192.168.4.2", 8080))
        tool.settimeout(PATIENCE_S)
        port.command('AT+CIPSTART="UDP","192.168.4.2",8080,2233,0', b"CONNECT\r\n" + OK)
        port.command("AT+CIPMODE=1")
        port.command("AT+CIPSEND", PROMPT)
        port.write(b"of any length")
        assert tool.recvfrom(100) == (b"of any length", ("192.168.4.1", 2233))
        tool.sendto(b"and back", ("192.168.4.1", 2233))
        port.exactly(b"and back")
        port.leave_passthrough()
        port.command("AT+CIPMODE=0")
        port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)


def test_4_2_7_ssl_client_with_mutual_authentication(module, home, peer, pki, tmp_path):
    """The module's clock comes from the example's SNTP servers: without it the chain could not be verified."""
    if why := netns.reason_against("dnsmasq"):
        pytest.skip(why)
    names = home.start("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--no-hosts",
                       "--log-facility=-", "--listen-address=192.168.3.1", "--bind-interfaces", "--no-resolv",
                       f"--address=/cn.ntp.org.cn/{PC}", f"--address=/ntp.sjtu.edu.cn/{PC}")
    names.until("started")
    peer(NtpServer, home, PC)
    port = joined(module, home, pki, tmp_path)
    port.command('AT+CIPSNTPCFG=1,8,"cn.ntp.org.cn","ntp.sjtu.edu.cn"')
    port.exactly(b"+TIME_UPDATED\r\n")
    assert str(time.gmtime(time.time() + 8 * 3600).tm_year) in port.ask("AT+CIPSNTPTIME?")
    address_is_the_guides(port)
    openssl = peer(openssl_in, home, "server", "-CAfile", pki.path("ca", "crt"), *certificate(pki, "server"), "-port",
                   "8070", "-verify_return_error", "-verify_depth", "1", "-Verify", "1")
    openssl.expect(rb"ACCEPT")
    port.command("AT+CIPSSLCCONF=3,0,0")
    port.command(f'AT+CIPSTART="SSL","{PC}",8070', b"CONNECT\r\n" + OK)
    exchange(port, openssl)


def test_4_2_8_ssl_server_with_mutual_authentication(module, home, peer, pki, tmp_path):
    port = joined(module, home, pki, tmp_path)
    address_is_the_guides(port)
    port.command("AT+CIPMUX=1")
    port.command('AT+CIPSERVER=1,8070,"SSL",1')
    openssl = peer(openssl_in, home, "client", "-CAfile", pki.path("ca", "crt"), *certificate(pki, "client"), "-host",
                   STATION, "-port", "8070")
    port.exactly(b"0,CONNECT\r\n")
    exchange(port, openssl, "0,")
    port.command("AT+CIPCLOSE=0", b"0,CLOSED\r\n" + OK)
    port.command("AT+CIPSERVER=0")
