"""The TLS examples of the guide, step by step: real OpenSSL where the guide has it, at the guide's addresses.

The PC is a network namespace with 192.168.3.102 behind a TAP, so commands, addresses and ports are those that are
printed. 4.2.6 has a SoftAP: OpenSSL reaches it through `attache join`, the PC's place in the air. The guide types
`test` and does not mention the key that ends OpenSSL's line: here the four bytes are `tes` and that. Examples without
TLS are pages (tests/pages/guide) and in test_softap.py; docs/EXAMPLES.md has them all.
"""
import contextlib
import socket
import struct
import tempfile
import threading
import time

import pytest

import netns
import tls_peers
from attache import OK, PATIENCE_S, PROMPT
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
def shared_air():
    with tempfile.TemporaryDirectory(prefix="attache-guide-") as folder:
        air = Air(folder)
        try:
            yield air
        finally:
            air.close()


def test_4_2_6_ssl_server_of_a_softap(shared_air, peer, pki, tmp_path):
    module = shared_air.module("--flash", str(tls_peers.flash_image(tmp_path, items_of(pki))))
    port = module.port
    port.command("AT+CWMODE=2")
    port.command("AT+CIPMUX=1")
    with shared_air.appears("02:00:00:00:01:11"):
        port.command('AT+CWSAP="ESP32_softAP","1234567890",5,3')
    port.command("AT+CIPAP?", b'+CIPAP:ip:"192.168.4.1"\r\n+CIPAP:gateway:"192.168.4.1"\r\n'
                 b'+CIPAP:netmask:"255.255.255.0"\r\n' + OK)
    port.command('AT+CIPSERVER=1,8070,"SSL"')
    pc = Computer(shared_air, "0:192.168.4.1:8070").ready()
    try:
        port.exactly(computer_connected(2))
        openssl = peer(tls_peers.client, pc.reach[0][1])
        port.exactly(b"0,CONNECT\r\n")
        exchange(port, openssl, "0,")
        port.command("AT+CIPCLOSE=0", b"0,CLOSED\r\n" + OK)
        port.command("AT+CIPSERVER=0")
    finally:
        pc.close()


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
