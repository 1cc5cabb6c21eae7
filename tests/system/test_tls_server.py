"""The SSL server against OpenSSL's clients: credentials, strangers, places, resumption, its end."""
import re
import socket
import time

import pytest

import tls_peers
from attache import OK, PROMPT
from tls_fixtures import certificate, exchange, items_of, refused

# --- the server -----------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_server(serving, peer, pki, version):
    port, at = serving()
    assert port.ask("AT+CIPSERVER?") == '+CIPSERVER:1,8070,"SSL",0\r\n'
    openssl = peer(tls_peers.client, at, version, "-CAfile", pki.path("ca", "crt"), "-verify_return_error",
                   "-verify_hostname", "module.test")
    port.exactly(b"0,CONNECT\r\n")
    exchange(port, openssl, 0)
    second = peer(tls_peers.client, at, version)
    port.exactly(b"1,CONNECT\r\n")
    exchange(port, second, 1)
    second.send(b"Q\n")
    port.exactly(b"1,CLOSED\r\n")
    port.command("AT+CIPCLOSE=0", b"0,CLOSED\r\n" + OK)
    openssl.expect(rb"closed|DONE|read:errno=0")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_server_with_ca(serving, peer, pki, version):
    port, at = serving(ca=1)
    openssl = peer(tls_peers.client, at, version, *certificate(pki, "client"))
    port.exactly(b"0,CONNECT\r\n")
    exchange(port, openssl, 0)
    for who in ((), certificate(pki, "client-unknown"), certificate(pki, "expired")):
        refused_client = peer(tls_peers.client, at, version, *who)
        refused_client.expect(rb"alert|bad record mac")  # of 1.3 the library encrypts it with the next key
    exchange(port, openssl, 0)  # nobody else has been told of, and the first is still there


@pytest.mark.parametrize("items, line, code", [
    ((), b"NO CERT FOUND\r\n", 1),
    (("server_cert",), b"NO PRVT_KEY FOUND\r\n", 2),
    (("server_cert", "server_key"), b"NO CA FOUND\r\n", 3),
])
def test_missing_credentials(tls, pki, items, line, code):
    kept = {key: path for key, path in items_of(pki).items() if key[0] in items}
    port = tls(items=kept or {("mqtt_ca", "mqtt_ca"): pki.path("ca", "crt")})
    port.command("AT+CIPMUX=1")
    port.command('AT+CIPSERVER=1,8070,"SSL",1', line + refused(code))
    assert port.ask("AT+CIPSERVER?") == "+CIPSERVER:0\r\n"


def test_certificate_replaced_while_links_are_open(serving, peer, pki):
    """Open links stay; a server that is created after AT+SYSMFG shows the new certificate."""
    port, at = serving()
    first = peer(tls_peers.client, at, "-CAfile", pki.path("ca", "crt"))
    port.exactly(b"0,CONNECT\r\n")
    for space, path in ("server_cert", pki.path("san", "crt")), ("server_key", pki.path("san", "key")):
        content = path.read_bytes()
        port.command(f'AT+SYSMFG=2,"{space}","{space}",8,{len(content)}', PROMPT)
        port.write(content)
        port.exactly(OK)
    exchange(port, first, 0)
    second = peer(tls_peers.client, at)
    port.exactly(b"1,CONNECT\r\n")
    second.expect(rb"subject=CN = module.test")
    port.command("AT+CIPSERVER=0")
    port.command('AT+CIPSERVER=1,8070,"SSL"')
    third = peer(tls_peers.client, at)
    port.exactly(b"2,CONNECT\r\n")
    third.expect(rb"subject=CN = unused.test")
    for link, openssl in enumerate((first, second, third)):
        exchange(port, openssl, link)


# --- places ---------------------------------------------------------------------------------------

def test_five_clients_and_a_sixth(serving, peer):
    port, at = serving()
    clients = []
    for link in range(5):
        clients.append(peer(tls_peers.client, at))
        port.exactly(f"{link},CONNECT\r\n".encode())
    sixth = peer(tls_peers.client, at)
    port.exactly(b"Have 5 Connections\r\n")
    sixth.expect(rb"reset|errno=|no peer certificate")
    for link, openssl in enumerate(clients):
        exchange(port, openssl, link)
    clients[2].send(b"Q\n")
    port.exactly(b"2,CLOSED\r\n")
    exchange(*next_client(port, peer, at, 2))


def next_client(port, peer, at, link):
    openssl = peer(tls_peers.client, at)
    port.exactly(f"{link},CONNECT\r\n".encode())
    return port, openssl, link


@pytest.mark.parametrize("with_clients", [True, False])
def test_deleted_while_shaking_hands(serving, peer, with_clients):
    """=0,1 ends the handshake too; =0 lets it finish."""
    port, at = serving()
    exchange(*next_client(port, peer, at, 0))
    silent, silent_too = (socket.create_connection(("127.0.0.1", at)) for _ in range(2))
    waiting = tls_peers.Middle(at, hold := tls_peers.Hold())
    late = peer(tls_peers.client, waiting.port)
    hold.reached.wait(20)
    with silent, silent_too:
        if with_clients:
            port.command("AT+CIPSERVER=0,1", b"0,CLOSED\r\n" + OK)
            for each in silent, silent_too:
                each.settimeout(20)
                assert each.recv(1) == b""
            hold.release.set()
            late.expect(rb"errno=|reset|closed|eof")
        else:
            port.command("AT+CIPSERVER=0")
            hold.release.set()
            port.exactly(b"3,CONNECT\r\n")
            exchange(port, late, 3)
    waiting.stop()
    port.command('AT+CIPSERVER=1,8070,"SSL"')
    exchange(*next_client(port, peer, at, 0 if with_clients else 1))


# --- passthrough ----------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_passthrough_with_a_client(serving, peer, version):
    """With one client at most (guide 4.2.10); the next one takes the place of the one that left."""
    port, at = serving(most=1)
    first = peer(tls_peers.client, at, version)
    port.exactly(b"0,CONNECT\r\n")
    port.command("AT+CIPMODE=1")
    port.command("AT+CIPSEND", PROMPT)
    port.write(b"down " * 4000 + b"the end\n")
    first.expect(rb"the end\n")
    assert b"down " * 4000 in first.text
    first.send(b"up\n")
    port.exactly(b"up\n")
    first.send(b"Q\n")
    first.process.wait(20)
    second = peer(tls_peers.client, at, version)
    second.expect(rb"Cipher is")
    second.send(b"the next\n")
    port.exactly(b"the next\n")
    port.leave_passthrough()


# --- resumption -----------------------------------------------------------------------------------

def once(port, peer, at, version, *arguments):
    """One connection; whether it resumed a session."""
    openssl = peer(tls_peers.client, at, version, *arguments)
    port.exactly(b"0,CONNECT\r\n")
    exchange(port, openssl, 0)
    reused = openssl.expect(rb"(New|Reused), (TLSv1|\(NONE)")[1] == b"Reused"
    openssl.send(b"Q\n")
    port.exactly(b"0,CLOSED\r\n")
    openssl.process.wait(20)
    return reused


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_resumption(serving, peer, pki, tmp_path, version):
    """By tickets, as long as the server lives; never under other demands."""
    port, at = serving()
    session = tmp_path / "session"
    own = certificate(pki, "client")
    assert not once(port, peer, at, version, *own, "-sess_out", session)
    assert once(port, peer, at, version, *own, "-sess_in", session)
    assert once(port, peer, at, version, *own, "-sess_in", session)
    port.command("AT+CIPSERVER=0")
    port.command('AT+CIPSERVER=1,8070,"SSL",1')
    assert not once(port, peer, at, version, *own, "-sess_in", session, "-sess_out", session)
    assert once(port, peer, at, version, *own, "-sess_in", session)


# --- strangers ------------------------------------------------------------------------------------

def test_strangers_at_the_server(serving, peer):
    """Bytes that are no TLS, and a client that says nothing, leave no link behind."""
    port, at = serving()
    with socket.create_connection(("127.0.0.1", at)) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        client.settimeout(20)
        while client.recv(1000):
            pass
    with socket.create_connection(("127.0.0.1", at)) as client:
        client.settimeout(20)
        start = time.monotonic()
        while client.recv(1000):
            pass
        assert 9 < time.monotonic() - start < 15
    openssl = peer(tls_peers.client, at)
    port.exactly(b"0,CONNECT\r\n")
    exchange(port, openssl, 0)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_clients_that_stop_anywhere(serving, peer, version):
    """Nobody hears of a client whose handshake was not finished, and its place is free again."""
    port, at = serving()
    for stop in (1, 5, 6, 60, 200, 400, 600):
        for reset in False, True:
            between = tls_peers.Middle(at, stop_after=stop, reset=reset)
            client = peer(tls_peers.client, between.port, version)
            client.process.wait(20)
            between.stop()
    exchange(*next_client(port, peer, at, 0))


def test_renegotiation_is_refused(serving, peer):
    port, at = serving()
    openssl = peer(tls_peers.client, at, "-tls1_2")
    port.exactly(b"0,CONNECT\r\n")
    exchange(port, openssl, 0)
    openssl.send(b"R\n")
    openssl.expect(rb"no renegotiation")
    port.exactly(b"0,CLOSED\r\n")


def test_little_memory(module, peer, pki, tmp_path):
    """Clients for whom there is no memory are turned away; the module and the links there are go on."""
    flash = tls_peers.flash_image(tmp_path, items_of(pki))
    running = module("--flash", flash, "--forward", "0:8070", "--heap", "190000")
    port = running.started()
    before = running.control.last_event()
    port.join()
    port.command("AT+CIPMUX=1")
    port.command('AT+CIPSERVER=1,8070,"SSL"')
    at = running.control.wait("forward", since=before)["port"]
    clients = []
    while "out of memory" not in running.log():
        clients.append(peer(tls_peers.client, at))
        clients[-1].expect(rb"Cipher is|errno=")
        assert len(clients) < 5, "190000 bytes are too much for this test"
    opened = re.findall(rb"(\d),CONNECT\r\n", port.until(re.compile(rb"(\d,CONNECT\r\n)+")))
    assert opened
    exchange(port, clients[0], 0)
    clients[0].send(b"Q\n")
    port.exactly(b"0,CLOSED\r\n")
    port.command("AT")
