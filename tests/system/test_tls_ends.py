"""How TLS connections end: servers that stop in every state, drip, renegotiate, break off; and power-up."""
import re
import threading

import pytest

import tls_peers
from attache import ERROR, HOST_ALIAS, OK, READY, Module
from tls_fixtures import certificate, connect, exchange, items_of

ENDED = re.compile(rb"ERR CODE:0x010a00(27|28)\r\n\r\nERROR\r\n")


@pytest.fixture
def middle():
    """middle(to, change): a tls_peers.Middle, gone after the test."""
    started = []

    def start(*arguments, **keywords):
        started.append(tls_peers.Middle(*arguments, **keywords))
        return started[-1]
    yield start
    for each in started:
        each.stop()


@pytest.fixture
def scripted(pki):
    """scripted(talk): a TLS server in this process; talk(tls, raw) is what it does with its one client."""
    servers = []

    def start(talk):
        server = tls_peers.Scripted(pki.path("server", "crt"), pki.path("server", "key"), talk)
        servers.append(server)
        return server
    yield start
    for each in servers:
        each.stop()


# --- while shaking hands --------------------------------------------------------------------------

def flight_of_the_server(port, openssl, middle):
    """Bytes a server sends until the handshake is done."""
    sent = bytearray()

    def count(data, to_server):
        if not to_server:
            sent.extend(data)
        return data
    between = middle(openssl.port, count)
    connect(port, between.port)
    length = len(sent)
    port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    return length


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("reset", [False, True])
def test_a_server_that_stops_anywhere_in_the_handshake(tls, peer, pki, middle, version, reset):
    """Before ServerHello, in every record's header, mid-certificate, before its Finished is whole."""
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), version, "-num_tickets", "0")
    length = flight_of_the_server(port, openssl, middle)
    for stop in (0, 1, 4, 5, 6, 60, 200, length // 2, length - 40, length - 8):  # a signature may be shorter
        between = middle(openssl.port, stop_after=stop, reset=reset)
        port.send(f'AT+CIPSTART="SSL","{HOST_ALIAS}",{between.port}')
        assert re.fullmatch(ENDED, port.until(ERROR)), stop
    connect(port, openssl.port)


# --- after the handshake --------------------------------------------------------------------------

BLOCK = bytes(range(256)) * 20


def say_and_notify(stream, _):
    stream.sendall(BLOCK)
    stream.unwrap()


def say_and_close(stream, raw):
    stream.sendall(BLOCK)
    tls_peers.end(raw, reset=False)


def test_close_notify_behind_data(tls, scripted):
    port = tls()
    connect(port, scripted(say_and_notify).port)
    body = read_all(port)
    assert body == BLOCK
    port.exactly(b"CLOSED\r\n")


def test_no_close_notify_behind_data(tls, scripted, request):
    """Everything that came is told; that something may be missing is on the log."""
    port = tls()
    connect(port, scripted(say_and_close).port)
    assert read_all(port) == BLOCK
    port.exactly(b"CLOSED\r\n")
    assert "closed without close_notify" in request.node.modules[0].log()


def read_all(port):
    body = bytearray()
    while len(body) < len(BLOCK):
        head = port.until(re.compile(rb"\r\n\+IPD,(\d+):"))
        body += port.take(int(re.search(rb"(\d+):$", head)[1]))
    return body


@pytest.mark.parametrize("talk", [say_and_notify, say_and_close])
def test_an_end_waits_for_the_reader(tls, scripted, talk):
    """In passive mode CLOSED comes behind the last byte."""
    port = tls()
    port.command("AT+CIPRECVTYPE=1")
    connect(port, scripted(talk).port)
    body = bytearray()
    while len(body) < len(BLOCK):
        announced = int(re.search(rb"(\d+)", port.until(re.compile(rb"\r\n\+IPD,\d+\r\n")))[1])
        port.send(f"AT+CIPRECVDATA={announced}")
        port.exactly(f"+CIPRECVDATA:{announced},".encode())
        body += port.take(announced)
        port.exactly(OK)
    assert body == BLOCK
    port.exactly(b"CLOSED\r\n")


def test_a_reset_closes_the_link(tls, scripted):
    port = tls()
    connect(port, scripted(lambda _, raw: tls_peers.end(raw, reset=True)).port)
    port.exactly(b"CLOSED\r\n")


def test_a_record_that_was_tampered_with(tls, peer, pki, middle, request):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), "-tls1_3", "-num_tickets", "0")
    opened = threading.Event()

    def change(data, to_server):
        return data[:-1] + bytes([data[-1] ^ 1]) if data and opened.is_set() and not to_server else data
    connect(port, middle(openssl.port, change).port)
    opened.set()
    openssl.send(b"not a byte of this may arrive\n")
    port.exactly(b"CLOSED\r\n")
    assert "0x7180" in request.node.modules[0].log()  # the record's authentication failed


def test_renegotiation_is_refused(tls, peer, pki):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), "-tls1_2")
    connect(port, openssl.port)
    exchange(port, openssl)
    openssl.send(b"r\n")
    openssl.expect(rb"no renegotiation")  # that is our alert; OpenSSL's servers give up then
    port.exactly(b"CLOSED\r\n")


def test_key_updates(tls, peer, pki):
    """The library does not know them: the connection ends, with a word on the log."""
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), "-tls1_3")
    connect(port, openssl.port)
    exchange(port, openssl)
    openssl.send(b"k\n")
    port.exactly(b"CLOSED\r\n")


# --- power-up -------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_passthrough_over_tls_at_power_up(module, peer, pki, tmp_path, version):
    """AT+SAVETRANSLINK with verification (guide 3.3.26): AT+CIPSSLCCONF counts at the next power-up."""
    items = items_of(pki)
    flash = tls_peers.flash_image(tmp_path, items)
    openssl = peer(tls_peers.server, *certificate(pki, "server"), version, "-CAfile", pki.path("ca", "crt"),
                   "-Verify", "1", "-verify_return_error")
    with Module("--flash", flash) as first:
        port = first.started()
        port.join()
        port.command("AT+CIPSSLCCONF=3,1,0")
        port.command(f'AT+SAVETRANSLINK=1,"{HOST_ALIAS}",{openssl.port},"SSL"')
    running = module("--flash", flash)
    port = running.open()
    port.exactly(READY)
    port.write(b"before there is a connection\n")
    openssl.expect(rb"before there is a connection")
    assert b"client1.test" in openssl.text
    openssl.send(b"an answer\n")
    port.exactly(b"an answer\n")
    openssl.send(b"Q\n")
    openssl.process.wait(20)
    again = peer(tls_peers.server_at, openssl.port, *certificate(pki, "server"), version)
    again.expect(rb"CIPHER is")
    port.write(b"after the reconnection\n")
    again.expect(rb"after the reconnection")
    port.leave_passthrough(answer=b"AT\r\n" + OK)  # with echo, as after every power-up
    port.echo_off()
    port.command("AT+SAVETRANSLINK=0")
