"""TLS links against OpenSSL: versions, credentials, bad servers (docs/TLS.md), resumption, sizes."""
import random
import re
import time

import pytest

import tls_peers
from attache import ERROR, HOST_ALIAS, OK, PROMPT, Module, Unexpected
from tls_fixtures import NOW, certificate, connect, exchange, items_of, refused

# --- versions, kinds of keys ----------------------------------------------------------------------

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("key", ["server", "server-rsa"])
def test_client_exchanges_data(tls, peer, pki, version, key):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, key), version)
    connect(port, openssl.port)
    exchange(port, openssl)
    assert port.ask("AT+CIPSTATE?").startswith(f'+CIPSTATE:0,"SSL","{HOST_ALIAS}",{openssl.port},')
    port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    openssl.expect(rb"(?s)CONNECTION CLOSED|DONE|shutting down SSL|ACCEPT\n.*ACCEPT")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_close_notify_of_the_peer_closes_the_link(tls, peer, pki, version):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), version)
    connect(port, openssl.port)
    openssl.send(b"Q\n")
    port.exactly(b"CLOSED\r\n")


def test_a_truncated_stream_is_logged(tls, module, peer, pki):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"))
    connect(port, openssl.port)
    exchange(port, openssl)
    openssl.process.kill()
    port.exactly(b"CLOSED\r\n")


# --- credentials ----------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("auth", [1, 3])
@pytest.mark.parametrize("number", [0, 1])
def test_mutual(tls, peer, pki, version, auth, number):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), "-CAfile", pki.path("ca", "crt"),
                   "-Verify", "1", "-verify_return_error", version)
    port.command(f"AT+CIPSSLCCONF={auth},{number},0")
    connect(port, openssl.port)
    exchange(port, openssl)
    assert b"client1.test" in openssl.text if number else b"client.test" in openssl.text


@pytest.mark.parametrize("items, auth, line, code", [
    ((), 1, b"NO CERT FOUND\r\n", 1),
    (("client_cert",), 3, b"NO PRVT_KEY FOUND\r\n", 2),
    ((), 2, b"NO CA FOUND\r\n", 3),
    (("client_cert", "client_key"), 3, b"NO CA FOUND\r\n", 3),
])
def test_missing_credentials(tls, pki, items, auth, line, code):
    port = tls(items={key: path for key, path in items_of(pki).items() if key[0] in items or key[0] == "mqtt_ca"}
               or {("mqtt_ca", "mqtt_ca"): pki.path("ca", "crt")})
    port.command(f"AT+CIPSSLCCONF={auth},0,0")
    connect(port, 1, answer=line + refused(code))


def test_credentials_that_cannot_be_read(tls, pki, tmp_path):
    junk = tmp_path / "junk"
    junk.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    items = items_of(pki)
    items[("client_ca", "client_ca.1")] = junk
    items[("client_cert", "client_cert.1")] = junk
    items[("client_key", "client_key.0")] = pki.path("client1", "key")
    port = tls(items=items)
    for conf, code in (("1,1", 4), ("1,0", 5), ("2,0,1", 6)):
        port.command(f"AT+CIPSSLCCONF={conf}")
        connect(port, 1, answer=refused(code))


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_server_that_refuses_our_certificate(tls, peer, pki, version):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), "-CAfile", pki.path("other-ca", "crt"), "-Verify", "1",
                   "-verify_return_error", version)
    port.command("AT+CIPSSLCCONF=1,0,0")
    if version == "-tls1_2":
        connect(port, openssl.port, answer=refused(0x23))
    else:  # it is told when our side is done
        port.send(f'AT+CIPSTART="SSL","{HOST_ALIAS}",{openssl.port}')
        assert port.until(b"CLOSED\r\n").startswith(b"CONNECT\r\n")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_credentials_in_der(tls, peer, pki, tmp_path, version):
    """As in PEM; a certificate of another encoding than its key, too."""
    cert, key, ca = (tmp_path / name for name in ("cert.der", "key.der", "ca.der"))
    pki("x509", "-in", pki.path("client", "crt"), "-outform", "DER", "-out", cert)
    pki("pkcs8", "-topk8", "-nocrypt", "-in", pki.path("client1", "key"), "-outform", "DER", "-out", key)
    pki("x509", "-in", pki.path("ca", "crt"), "-outform", "DER", "-out", ca)
    items = items_of(pki)
    items[("client_cert", "client_cert.0")], items[("client_key", "client_key.1")], items[("client_ca", "client_ca.0")] = cert, key, ca
    port = tls(items=items)
    openssl = peer(tls_peers.server, *certificate(pki, "server"), "-CAfile", pki.path("ca", "crt"), "-Verify", "1",
                   "-verify_return_error", version)
    for conf in "3,0,0", "3,1,0":
        port.command(f"AT+CIPSSLCCONF={conf}")
        connect(port, openssl.port)
        exchange(port, openssl)
        port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)


def write_value(port, space, key, path):
    """AT+SYSMFG with the bytes of a file."""
    content = path.read_bytes()
    port.command(f'AT+SYSMFG=2,"{space}","{key}",8,{len(content)}', PROMPT)
    port.write(content)
    port.exactly(OK)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_replaced_ca_counts_for_the_next_connection(tls, peer, pki, version):
    """Also when there is a session of the old one: it is not offered."""
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), version)
    port.command("AT+CIPSSLCCONF=2,0,0")
    connect(port, openssl.port)
    exchange(port, openssl)
    write_value(port, "client_ca", "client_ca.0", pki.path("other-ca", "crt"))
    exchange(port, openssl)
    port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    connect(port, openssl.port, answer=refused(0x13))
    write_value(port, "client_ca", "client_ca.0", pki.path("ca", "crt"))
    connect(port, openssl.port)


# --- bad servers ----------------------------------------------------------------------------------

WEAK = ("-cipher", "DEFAULT@SECLEVEL=0")
BAD = {
    # name: (certificate, code with verification, more for s_server, common name)
    "expired": ("expired", 0x10, (), ""),
    "not yet valid": ("future", 0x11, (), ""),
    "wrong name": ("server", 0x15, (), "other.test"),
    "unknown CA": ("unknown", 0x13, (), ""),
    "self-signed": ("self-signed", 0x14, (), ""),
    "weak key": ("weak-key", 0x16, WEAK, ""),
    "SHA-1": ("sha1", 0x17, WEAK, ""),
    "truncated chain": ("leaf", 0x13, (), ""),
    "client's certificate": ("wrong-use", 0x18, (), ""),
}


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("name", BAD)
def test_bad_server(tls, peer, pki, name, version):
    cert, code, more, common_name = BAD[name]
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, cert), version, *more)
    if common_name:
        port.command(f'AT+CIPSSLCCN="{common_name}"')
    port.command("AT+CIPSSLCCONF=2,0,0")
    connect(port, openssl.port, answer=refused(code))
    port.command("AT+CIPSSLCCONF=3,0,0")
    connect(port, openssl.port, answer=refused(code))
    # Without verification every one of them is accepted: that is what <auth_mode> 0 means.
    port.command("AT+CIPSSLCCONF=0")
    connect(port, openssl.port)


def test_good_servers(tls, peer, pki):
    """What the refused ones are measured against."""
    port = tls()
    port.command("AT+CIPSSLCCONF=2,0,0")
    for cert, name, more in (("server", "", ()), ("server", "server.test", ()), ("recent", "SERVER.test", ()),
                             ("san", "san.test", ()), ("san", "one.wild.test", ()),
                             ("san", HOST_ALIAS, ()),
                             ("leaf", "server.test", ("-cert_chain", pki.path("middle", "crt")))):
        openssl = peer(tls_peers.server, *certificate(pki, cert), *more)
        port.command(f'AT+CIPSSLCCN="{name}"')
        connect(port, openssl.port)
        port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    openssl = peer(tls_peers.server, *certificate(pki, "san"))
    port.command('AT+CIPSSLCCN="unused.test"')  # subjectAltName counts, the common name beside it does not
    connect(port, openssl.port, answer=refused(0x15))


def test_the_clock_has_to_be_set(tls, peer, pki):
    port = tls(clock=None)
    openssl = peer(tls_peers.server, *certificate(pki, "recent"))
    port.command("AT+CIPSSLCCONF=2,0,0")
    connect(port, openssl.port, answer=refused(0x12))
    port.command(f"AT+SYSTIMESTAMP={NOW}")
    connect(port, openssl.port)


def test_old_versions_are_refused(tls, peer, pki):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), "-tls1_1", *WEAK)
    connect(port, openssl.port, answer=refused(0x20))


def test_a_downgrade_is_noticed(tls, pki):
    """A server that can do 1.3 but says 1.2 marks its random; somebody in between removed 1.3 from the hello."""
    port = tls()
    openssl = tls_peers.server(*certificate(pki, "server"))
    cut = []

    def change(data, to_server):
        changed = data
        if to_server and not cut:
            changed = re.sub(rb"\x00\x2b(\x00..\x03\x04)", lambda found: b"\xfa\xfa" + found[1], data, flags=re.S)
            cut.append(changed != data)
        return changed
    middle = tls_peers.Middle(openssl.port, change)
    try:
        port.send(f'AT+CIPSTART="SSL","{HOST_ALIAS}",{middle.port}')
        answer = port.until(ERROR)
        assert re.fullmatch(rb"ERR CODE:0x010a00(25|26|28|27|20)\r\n\r\nERROR\r\n", answer), answer
        assert cut == [True]
    finally:
        middle.stop()
        openssl.stop()


def test_no_common_cipher(tls, peer, pki):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), "-tls1_2", "-cipher", "ECDHE-ECDSA-ARIA256-GCM-SHA384")
    connect(port, openssl.port, answer=refused(0x21))


def test_nobody_there(tls, listener):
    port = tls()
    gone = listener()
    to = gone.getsockname()[1]
    gone.close()
    connect(port, to, answer=refused(0x00))


def test_not_tls_at_all(tls, listener):
    port = tls()
    server = listener()
    port.send(f'AT+CIPSTART="SSL","{HOST_ALIAS}",{server.getsockname()[1]}')
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"220 welcome to a server that speaks no TLS\r\n")
        port.exactly(refused(0x26))


def test_a_server_that_closes_in_the_handshake(tls, listener):
    port = tls()
    server = listener()
    port.send(f'AT+CIPSTART="SSL","{HOST_ALIAS}",{server.getsockname()[1]}')
    connection, _ = server.accept()
    connection.recv(100000)
    connection.close()
    port.until(re.compile(rb"ERR CODE:0x010a00(27|28)\r\n\r\nERROR\r\n"))


def test_a_silent_server_times_out(tls, listener):
    port = tls()
    server = listener()
    start = time.monotonic()
    connect(port, server.getsockname()[1], answer=refused(0x29))
    assert 9 < time.monotonic() - start < 15
    start = time.monotonic()
    port.command(f'AT+CIPSTART="SSL","{HOST_ALIAS}",{server.getsockname()[1]},,,2000',
                 b"ERR CODE:0x010a0000\r\n" + ERROR)
    assert 1.5 < time.monotonic() - start < 5


# --- SNI, ALPN, PSK -------------------------------------------------------------------------------

def test_sni(tls, peer, pki):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), "-servername", "two.test", "-cert2", pki.path("san", "crt"),
                   "-key2", pki.path("san", "key"))
    port.command('AT+CIPSSLCSNI="two.test"')
    port.command('AT+CIPSSLCCN="san.test"')
    port.command("AT+CIPSSLCCONF=2,0,0")
    connect(port, openssl.port)
    openssl.expect(rb'Hostname in TLS extension: "two.test"')
    port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    port.command('AT+CIPSSLCSNI=""')
    connect(port, openssl.port, answer=refused(0x15))  # now the first certificate is shown


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_alpn(tls, peer, pki, version):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), "-alpn", "mqtt,http/1.1", version)
    port.command('AT+CIPSSLCALPN=2,"h2","http/1.1"')
    connect(port, openssl.port)
    openssl.expect(rb"ALPN protocols selected: http/1.1")
    port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    port.command('AT+CIPSSLCALPN=1,"h3"')
    connect(port, openssl.port, answer=refused(0x22))
    port.command("AT+CIPSSLCALPN=0")
    connect(port, openssl.port)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_psk(tls, peer, version):
    port = tls()
    openssl = peer(tls_peers.server, "-nocert", "-psk", "70736b00ff", "-psk_identity", "myhint", version)
    port.command('AT+CIPSSLCPSKHEX="70736b00FF","myhint"')
    connect(port, openssl.port)
    exchange(port, openssl)
    port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    port.command('AT+CIPSSLCPSK="wrong","myhint"')
    connect(port, openssl.port, answer=refused(0x24))


def test_a_key_is_not_replaced_by_a_certificate(tls, peer, pki):
    """Without the key in common nothing is accepted, though the server could show a certificate."""
    port = tls()
    port.command('AT+CIPSSLCPSK="psk","myhint"')
    for version in "-tls1_2", "-tls1_3":
        openssl = peer(tls_peers.server, *certificate(pki, "server"), version)
        port.send(f'AT+CIPSTART="SSL","{HOST_ALIAS}",{openssl.port}')
        assert port.until(ERROR).startswith(b"ERR CODE:0x010a002")


# --- resumption -----------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", [("-tls1_2",), ("-tls1_2", "-no_ticket"), ("-tls1_3",), ("-tls1_3", "-no_ticket")])
@pytest.mark.parametrize("auth", [0, 2])
def test_resumption(tls, peer, pki, kind, auth):
    """By ticket and, where the server keeps the session, by number."""
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), *kind)
    port.command(f"AT+CIPSSLCCONF={auth},0,0")
    connect(port, openssl.port)
    exchange(port, openssl)
    port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    connect(port, openssl.port)
    exchange(port, openssl)
    openssl.expect(rb"Reused session-id")
    port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    # What was agreed on without verification is not offered with it, and the other way round.
    port.command(f"AT+CIPSSLCCONF={2 - auth},0,0")
    openssl.text = b""
    connect(port, openssl.port)
    exchange(port, openssl)
    assert b"Reused" not in openssl.text


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_server_that_forgot_its_sessions(tls, peer, pki, version):
    """It is offered one that it does not know, and a whole handshake follows."""
    port = tls()
    port.command("AT+CIPSSLCCONF=2,0,0")
    first = peer(tls_peers.server, *certificate(pki, "server"), version)
    connect(port, first.port)
    exchange(port, first)
    port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    first.process.kill()
    first.process.wait()
    again = peer(tls_peers.server_at, first.port, *certificate(pki, "server"), version)
    again.expect(rb"ACCEPT")
    connect(port, first.port)
    exchange(port, again)
    assert b"Reused" not in again.text


# --- sizes, passive receiving, passthrough ---------------------------------------------------------

def test_large_records_through_the_parts_window(tls, peer, pki, tmp_path):
    """Records of 16 KB while the TCP window is 5760 bytes; the server sends a file and closes."""
    content = random.Random(3).randbytes(300_000)
    (tmp_path / "big").write_bytes(content)
    port = tls()
    openssl = peer(tls_peers.server_in, tmp_path, *certificate(pki, "server"), "-WWW")
    connect(port, openssl.port)
    port.send_data(b"GET /big HTTP/1.0\r\n\r\n")
    body = bytearray()
    while b"\r\n\r\n" not in body or len(body.split(b"\r\n\r\n", 1)[1]) < len(content):
        head = port.until(re.compile(rb"\r\n\+IPD,(\d+):"))
        body += port.take(int(re.search(rb"(\d+):$", head)[1]))
    assert body.split(b"\r\n\r\n", 1)[1] == content
    port.exactly(b"CLOSED\r\n")


def test_passive_receiving_never_announces_too_much(tls, peer, pki, tmp_path):
    content = random.Random(4).randbytes(50_000)
    (tmp_path / "big").write_bytes(content)
    port = tls()
    openssl = peer(tls_peers.server_in, tmp_path, *certificate(pki, "server"), "-WWW")
    port.command("AT+CIPRECVTYPE=1")
    connect(port, openssl.port)
    port.send_data(b"GET /big HTTP/1.0\r\n\r\n")
    body = bytearray()
    while len(body.split(b"\r\n\r\n", 1)[-1]) < len(content) or b"\r\n\r\n" not in body:
        announced = int(re.search(rb"(\d+)", port.until(re.compile(rb"\r\n\+IPD,\d+\r\n")))[1])
        port.send(f"AT+CIPRECVDATA={announced}")
        port.exactly(f"+CIPRECVDATA:{announced},".encode())
        body += port.take(announced)
        port.exactly(OK)
    assert body.split(b"\r\n\r\n", 1)[1] == content
    port.exactly(b"CLOSED\r\n")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_passthrough_and_reconnection(tls, peer, pki, version):
    port = tls()
    openssl = peer(tls_peers.server, *certificate(pki, "server"), version)
    port.command("AT+CIPSSLCCONF=2,0,0")
    connect(port, openssl.port)
    port.command("AT+CIPMODE=1")
    port.command("AT+CIPSEND", PROMPT)
    block = bytes(range(97, 123)) * 1000 + b"the end\n"
    port.write(block)
    openssl.expect(rb"the end\n")
    assert block in openssl.text
    openssl.send(b"raw answer\n")
    port.exactly(b"raw answer\n")
    openssl.send(b"Q\n")
    openssl.process.wait(20)
    again = peer(tls_peers.server_at, openssl.port, *certificate(pki, "server"), version)
    again.expect(rb"CIPHER is")
    port.write(b"after the reconnection\n")
    again.expect(rb"after the reconnection")
    port.leave_passthrough()


def test_memory_of_a_link(tls, peer, pki, record_property):
    """Bounded while open, and given back."""
    port = tls()
    port.command("AT+CIPMUX=1")
    openssl = peer(tls_peers.server, *certificate(pki, "server"))
    left = lambda: int(port.ask("AT+SYSRAM?").split(":")[1].split(",")[0])  # noqa: E731
    port.command(f'AT+CIPSTART=0,"SSL","{HOST_ALIAS}",{openssl.port}', b"0,CONNECT\r\n" + OK)
    port.command("AT+CIPCLOSE=0", b"0,CLOSED\r\n" + OK)
    before = left()
    port.command(f'AT+CIPSTART=0,"SSL","{HOST_ALIAS}",{openssl.port}', b"0,CONNECT\r\n" + OK)
    used = before - left()
    record_property("tls_link_bytes", used)
    assert used < 40_000
    port.command("AT+CIPCLOSE=0", b"0,CLOSED\r\n" + OK)
    limit = time.monotonic() + 10
    while before - left() >= 2_000:  # what the peer has not acknowledged yet is still held
        assert time.monotonic() < limit, "memory is not given back"


def test_out_of_memory_is_an_error(tls, peer, pki):
    """With ever less memory every connection works or is an ERROR, and the module goes on."""
    openssl = peer(tls_peers.server, *certificate(pki, "server"))
    seen = set()
    for heap in range(98_304, 146_000, 4_000):
        with_heap = Module("--heap", str(heap), wire_log=False)
        try:
            port = with_heap.started()
            port.command("AT+SYSLOG=1")
            port.join()
            port.send(f'AT+CIPSTART="SSL","{HOST_ALIAS}",{openssl.port}')
            answer = port.until(re.compile(rb"\r\n(OK|ERROR)\r\n"))
            seen.add(answer)
            assert answer in (refused(0x2A), b"CONNECT\r\n" + OK), answer
            port.command("AT")
        except (AssertionError, Unexpected):
            if "not enough memory" not in with_heap.log() and b"ready" not in with_heap.wire().encode():
                continue  # too little to boot at all
            raise
        finally:
            with_heap.stop()
            with_heap.forget()
    assert seen == {refused(0x2A), b"CONNECT\r\n" + OK}


# --- the guide's examples by number, without a namespace (test_guide.py has them literally) ---

def test_guide_4_2_5(tls, peer, pki):
    port = tls(clock=None)
    openssl = peer(tls_peers.server, *certificate(pki, "server"))
    connect(port, openssl.port)
    port.command("AT+CIPSEND=4", PROMPT)
    port.write(b"test")
    port.exactly(b"\r\nRecv 4 bytes\r\n\r\nSEND OK\r\n")
    openssl.expect(rb"test")
    openssl.send(b"tes\n")
    port.exactly(b"\r\n+IPD,4:tes\n")


def guide_server(port, openssl):
    port.exactly(b"0,CONNECT\r\n")
    port.command("AT+CIPSEND=0,4", PROMPT)
    port.write(b"test")
    port.exactly(b"\r\nRecv 4 bytes\r\n\r\nSEND OK\r\n")
    openssl.expect(rb"test")
    openssl.send(b"tes\n")
    port.exactly(b"\r\n+IPD,0,4:tes\n")
    port.command("AT+CIPCLOSE=0", b"0,CLOSED\r\n" + OK)


def test_guide_4_2_7(tls, peer, pki):
    port = tls()  # SNTP of the example: the clock is set
    openssl = peer(tls_peers.server, "-CAfile", pki.path("ca", "crt"), *certificate(pki, "server"),
                   "-verify_return_error", "-verify_depth", "1", "-Verify", "1")
    port.command("AT+CIPSSLCCONF=3,0,0")
    connect(port, openssl.port)
    exchange(port, openssl)


def test_guide_4_2_8(serving, peer, pki):
    """Without a step that sets the clock: these certificates are valid from 1970 on."""
    port, at = serving(ca=1, clock=None)
    guide_server(port, peer(tls_peers.client, at, "-CAfile", pki.path("ca", "crt"), *certificate(pki, "client")))
    port.command("AT+CIPSERVER=0")
