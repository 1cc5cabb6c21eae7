"""What the TLS tests share: a PKI, modules with credentials, OpenSSL at the other end."""
import importlib.util
import pathlib

import pytest

import tls_peers
from attache import ERROR, HOST_ALIAS, OK

NOW = 1_790_000_000  # 2026
MAKE = pathlib.Path(__file__).parent / "pki" / "make.py"


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    pytest.importorskip("esp_idf_nvs_partition_gen")
    spec = importlib.util.spec_from_file_location("pki_make", MAKE)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    return maker.make(tmp_path_factory.mktemp("pki"))


def items_of(pki):
    return {
        ("client_cert", "client_cert.0"): pki.path("client", "crt"),
        ("client_cert", "client_cert.1"): pki.path("client1", "crt"),
        ("client_key", "client_key.0"): pki.path("client", "key"),
        ("client_key", "client_key.1"): pki.path("client1", "key"),
        ("client_ca", "client_ca.0"): pki.path("ca", "crt"),
        ("client_ca", "client_ca.1"): pki.path("other-ca", "crt"),
        ("server_cert", "server_cert"): pki.path("module", "crt"),
        ("server_key", "server_key"): pki.path("module", "key"),
        ("server_ca", "server_ca"): pki.path("ca", "crt"),
    }


@pytest.fixture
def tls(module, pki, tmp_path):
    """A joined module with credentials; its clock is set."""
    def start(*options, clock=NOW, items=None, join=True, **keywords):
        flash = tls_peers.flash_image(tmp_path, items_of(pki) if items is None else items)
        started = module("--flash", flash, *options, **keywords)
        port = started.started()
        port.command("AT+SYSLOG=1")
        if clock:
            port.command(f"AT+SYSTIMESTAMP={clock}")
        if join:
            port.join()
        return port
    return start


@pytest.fixture
def peer():
    peers = []

    def start(kind, *arguments):
        peers.append(kind(*arguments))
        return peers[-1]
    yield start
    for each in peers:
        each.stop()


def certificate(pki, name):
    return "-cert", pki.path(name, "crt"), "-key", pki.path(name, "key")


def connect(port, to, host=HOST_ALIAS, answer=b"CONNECT\r\n" + OK):
    port.command(f'AT+CIPSTART="SSL","{host}",{to}', answer)


def refused(code):
    return f"ERR CODE:0x010a00{code:02x}\r\n".encode() + ERROR


def exchange(port, openssl, link=None):
    number = "" if link is None else f"{link},"
    port.send_data(b"ping from the module\n", link)
    openssl.expect(rb"ping from the module\n")
    openssl.send(b"hello from openssl\n")
    port.exactly(f"\r\n+IPD,{number}19:".encode() + b"hello from openssl\n")


@pytest.fixture
def serving(module, pki, tmp_path):
    """A module with an SSL server on port 8070; gives its AT port and the port on this computer."""
    def start(ca=0, clock=NOW, items=None, most=5):
        flash = tls_peers.flash_image(tmp_path, items_of(pki) if items is None else items)
        running = module("--flash", flash, "--forward", "0:8070")
        port = running.started()
        port.command("AT+SYSLOG=1")
        if clock:
            port.command(f"AT+SYSTIMESTAMP={clock}")
        before = running.control.last_event()
        port.join()
        port.command("AT+CIPMUX=1")
        port.command(f"AT+CIPSERVERMAXCONN={most}")
        port.command(f'AT+CIPSERVER=1,8070,"SSL",{ca}')
        port.module = running
        return port, running.control.wait("forward", since=before)["port"]
    return start
