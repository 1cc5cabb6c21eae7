"""Servers of firmware, and modules that ask them: the fixtures of the tests of updates."""
import contextlib
import functools
import http.server
import importlib.util
import pathlib
import shutil
import socket
import subprocess
import sys
import threading

import pytest

import attache
import firmware
from attache import ERROR, HOST_ALIAS, OK, PROMPT, READY, ROOT

MODULE = "ESP32C2-4MB"
STATES = [f"+CIPUPDATE:{state}\r\n".encode() for state in range(5)]
ALL_STATES = b"".join(STATES[1:])
LOST = b"WIFI DISCONNECT\r\n"


# --- servers --------------------------------------------------------------------------------------


class Files(http.server.SimpleHTTPRequestHandler):
    """Python's own file server, silent."""

    def log_message(self, *_):
        pass


class Scripted:
    """A listener whose every connection is given to a function, which then is called with (connection, request)."""

    def __init__(self, talk):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.talk, self.requests = talk, []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(attache.PATIENCE_S)
                    request = b""
                    while b"\r\n\r\n" not in request and (data := connection.recv(65536)):
                        request += data
                    self.requests.append(request)
                    self.talk(connection, request)

    def url(self, path="/x", host=HOST_ALIAS):
        return f"http://{host}:{self.port}{path}"

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


@pytest.fixture
def scripted():
    servers = []

    def start(talk):
        servers.append(Scripted(talk))
        return servers[-1]
    yield start
    for server in servers:
        server.close()


@pytest.fixture
def files(tmp_path):
    """files(): a folder that Python's web server serves, and its port."""
    servers = []

    def start():
        folder = tmp_path / f"www{len(servers)}"
        folder.mkdir()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return folder, server.server_address[1]
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def update_server():
    """update_server(folder, *options): tools/update_server.py, and its port."""
    processes = []

    def start(folder, *options):
        command = [sys.executable, ROOT / "tools" / "update_server.py", folder, "--port", "0", *map(str, options)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        processes.append(process)
        return int(process.stdout.readline().rstrip("/\n").rsplit(":", 1)[1])
    yield start
    for process in processes:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("pki_make", pathlib.Path(__file__).parent / "pki" / "make.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    made = maker.Pki(tmp_path_factory.mktemp("pki"))
    made.make("ca", extensions=maker.CA)
    made.make("other-ca", extensions=maker.CA)
    made.make("server", "ca", extensions=maker.SERVER + f"subjectAltName=DNS:updates.test,IP:{HOST_ALIAS}\n")
    made.make("recent", "ca", extensions=maker.SERVER + f"subjectAltName=IP:{HOST_ALIAS}\n",
              dates=("20200101000000Z", "20991231235959Z"))
    made.make("stranger", "ca", extensions=maker.SERVER + "subjectAltName=DNS:other.test\n")
    made.make("unknown", "other-ca", extensions=maker.SERVER + f"subjectAltName=IP:{HOST_ALIAS}\n")
    return made


@pytest.fixture
def nginx(tmp_path, pki):
    """nginx(folder, certificate): serves the folder by HTTPS; its port."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip("nginx is not installed (tools/setup.sh test)")
    processes = []

    def start(folder, certificate="server", more=""):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        place = tmp_path / f"nginx{len(processes)}"
        place.mkdir()
        folder.chmod(0o755)
        (place / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {place}/pid; error_log {place}/error info;
events {{}}
http {{
    access_log off; client_body_temp_path {place}/b; proxy_temp_path {place}/p; fastcgi_temp_path {place}/f;
    uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {pki.path(certificate, "crt")}; ssl_certificate_key {pki.path(certificate, "key")};
        root {folder};
        {more}
    }}
}}
""")
        process = subprocess.Popen([program, "-p", place, "-c", place / "nginx.conf", "-e", place / "error"],
                                   stderr=subprocess.DEVNULL)
        processes.append(process)
        while process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
        assert process.poll() is None, (place / "error").read_text()
        return port
    yield start
    for process in processes:
        process.terminate()
        process.wait()


def respond(body, head=b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):
    """What a Scripted server says: the whole answer, then the end."""
    def talk(connection, _):
        connection.sendall((head % len(body) if b"%d" in head else head) + body)
    return talk


# --- modules --------------------------------------------------------------------------------------


@pytest.fixture
def flash(tmp_path):
    """flash(set=...): a factory image with v1.0.0.0 in the first slot."""
    def make(*options, values=()):
        path = tmp_path / "flash.bin"
        outcome = attache.run("flash", "create", "--force", "--version", "v1.0.0.0", *options, path)
        assert outcome.returncode == 0, outcome.stderr
        for words in values:
            outcome = attache.run("flash", "set", path, "mfg_nvs", *words)
            assert outcome.returncode == 0, outcome.stderr
        return path
    return make


def restarted(port, ready=READY):
    """From `ready` to commands with error codes; nothing joins by itself (CWAUTOCONN=0), so messages have their place."""
    port.exactly(ready)
    port.echo_off()
    port.command("AT+SYSLOG=1")


def begin(port):
    restarted(port)
    port.command("AT+CWAUTOCONN=0")
    port.join()


def userota(port, url, answer=OK + LOST + READY):
    url = url.encode()
    port.command(f"AT+USEROTA={len(url)}", PROMPT)
    port.write(url)
    port.exactly(f"\r\nRecv {len(url)} bytes\r\n".encode() + answer)
    if answer.endswith(READY):
        port.echo_off()
        port.command("AT+SYSLOG=1")
        port.join()


def failed(code=0):
    return f"ERR CODE:0x010a{code:04x}\r\n".encode() + ERROR


def runs(port, version):
    assert f"Bin version:{version}(" in port.ask("AT+GMR")


def last_warning(module):
    return [line for line in module.log().splitlines() if " warn " in line][-1]


def publish(folder, version, name="ota", data=None, listed=True):
    place = folder / MODULE / version
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.bin").write_bytes(data if data is not None else firmware.image(version, 100_000))
    if listed:
        with (folder / MODULE / "versions").open("a") as out:
            out.write(f"{version}\n")


@pytest.fixture
def fleet(module, flash, files):
    """fleet(*options): a joined module, and the folder of its plain HTTP server."""
    def go(*options, make=(), values=(), **keywords):
        folder, to = files()
        started = module("--flash", flash(*make, values=values), "--update-server", f"http://{HOST_ALIAS}:{to}",
                         *options, **keywords)
        begin(started.open())
        return started.port, folder, started
    return go
