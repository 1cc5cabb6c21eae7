"""Firmware updates from real web servers: Python's, nginx with TLS, the project's update server, and servers that
cut, lie and redirect. docs/UPDATES.md."""
import contextlib
import functools
import hashlib
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

NOW = 1_790_000_000  # 2026
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


# --- AT+USEROTA -----------------------------------------------------------------------------------


def test_userota_again_and_rollback(module, flash, files):
    folder, to = files()
    port = module("--flash", flash()).open()
    begin(port)
    runs(port, "v1.0.0.0")
    port.command("AT+SYSROLLBACK", failed())
    for version in "v2.0.0.0", "v3.0.0.0", "v4.0.0.0":
        (folder / "fw.bin").write_bytes(firmware.image(version, 1_500_000))
        userota(port, f"http://{HOST_ALIAS}:{to}/fw.bin")
        runs(port, version)
    port.command("AT+SYSROLLBACK", OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, "v3.0.0.0")
    port.command("AT+SYSROLLBACK", failed())


def test_the_new_firmware_is_there_in_the_next_run(module, flash, files):
    folder, to = files()
    (folder / "fw.bin").write_bytes(firmware.image("v2.0.0.0"))
    image = flash()
    started = module("--flash", image)
    begin(started.open())
    userota(started.port, f"http://{HOST_ALIAS}:{to}/fw.bin")
    started.stop()
    assert b"ota_1            esp-at v2.0.0.0, 336 bytes, boots" in attache.run("flash", "info", image).stdout
    port = module("--flash", image).open()
    restarted(port)
    runs(port, "v2.0.0.0")


def test_an_erased_module_gets_its_first_image(module, files):
    folder, to = files()
    (folder / "fw.bin").write_bytes(firmware.image("v2.0.0.0"))
    port = module().open()
    begin(port)
    userota(port, f"http://{HOST_ALIAS}:{to}/fw.bin")
    runs(port, "v2.0.0.0")


def respond(body, head=b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):
    """What a Scripted server says: the whole answer, then the end."""
    def talk(connection, _):
        connection.sendall((head % len(body) if b"%d" in head else head) + body)
    return talk


def test_a_longest_url(module, flash, scripted):
    server = scripted(respond(firmware.image("v2.0.0.0")))
    port = module("--flash", flash()).open()
    begin(port)
    url = server.url("/?token=")
    url += "x" * (8192 - len(url))
    port.command("AT+USEROTA=8193", b"ERR CODE:0x01070001\r\n" + ERROR)
    userota(port, url)
    runs(port, "v2.0.0.0")
    assert len(server.requests[0].split()[1]) == 8192 - len(server.url(""))


def test_chunked_and_endless_bodies(module, flash, scripted):
    image = firmware.image("v2.0.0.0", 30_000)
    pieces = [image[at:at + 777] for at in range(0, len(image), 777)]
    body = b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX: y\r\n\r\n"
    port = module("--flash", flash()).open()
    begin(port)
    userota(port, scripted(respond(body, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")).url())
    runs(port, "v2.0.0.0")
    image = firmware.image("v3.0.0.0", 30_000)
    userota(port, scripted(respond(image, b"HTTP/1.0 200 OK\r\n\r\n")).url())
    runs(port, "v3.0.0.0")


BAD_IMAGES = {
    "html": (b"<html>no such file</html>" * 40, "does not start with E9"),
    "short": (b"\xe9\x01", "2 bytes are no image"),
    "other chip": (firmware.image("v2.0.0.0", chip=5), "is for another chip"),
    "no description": (firmware.image("v2.0.0.0", described=False), "does not say which firmware it is"),
    "checksum": (firmware.image("v2.0.0.0", 9000, spoil="sum"), "fails its checksum"),
    "hash": (firmware.image("v2.0.0.0", 9000, spoil="hash"), "fails its SHA-256"),
    "segment": (firmware.image("v2.0.0.0", 9000, spoil="segment"), "has a segment that reaches past its slot"),
    "flipped bit": (firmware.image("v2.0.0.0", 9000).replace(b"Jan  1 2026", b"Jan  2 2026"), "fails its checksum"),
    "cut": (firmware.image("v2.0.0.0", 9000)[:-1], "fails its SHA-256"),
    "too long": (b"\xe9" + bytes(0x1D0000), "the file has 1900545 bytes, 'ota_1' holds 1900544"),
    "nothing": (b"", "the file is empty"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_images_change_nothing(module, flash, scripted, name):
    image, reason = BAD_IMAGES[name]
    started = module("--flash", flash())
    begin(started.open())
    userota(started.port, scripted(respond(image)).url(), failed())
    assert reason in last_warning(started)
    started.control.call("power", state="cycle")
    restarted(started.port)
    runs(started.port, "v1.0.0.0")


def test_what_is_refused_at_once_leaves_the_old_one_to_go_back_to(module, flash, scripted):
    started = module("--flash", flash())
    port = started.open()
    begin(port)
    userota(port, scripted(respond(firmware.image("v2.0.0.0"))).url())
    for image in firmware.image("v3.0.0.0", chip=5), b"<html>" + bytes(100), b"\xe9" + bytes(0x1D0000), b"\xe9":
        userota(port, scripted(respond(image)).url(), failed())
    userota(port, scripted(respond(b"", b"HTTP/1.1 404 x\r\n\r\n")).url(), failed(0x7000 + 404))
    port.command("AT+SYSROLLBACK", OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, "v1.0.0.0")


def test_what_was_longer_than_it_said(module, flash, scripted):
    """More than a slot holds, without a length: noticed when it comes."""
    started = module("--flash", flash())
    begin(started.open())
    image = firmware.image("v2.0.0.0") + bytes(0x1D0000)
    userota(started.port, scripted(respond(image, b"HTTP/1.0 200 OK\r\n\r\n")).url(), failed())
    assert "is longer than 'ota_1'" in last_warning(started)
    userota(started.port, scripted(respond(firmware.image("v2.0.0.0") + bytes(100_000))).url())
    runs(started.port, "v2.0.0.0")  # a dump of a partition: what is behind the image does not matter


def test_a_connection_cut_at_every_byte(module, flash, scripted):
    """The answer ends after n bytes, in order and by a reset: an ERROR each time, and the old firmware boots."""
    image = firmware.image("v2.0.0.0", 12_000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/octet-stream\r\n\r\n" % len(image) + image
    head = len(answer) - len(image)
    cuts = [*range(head + 400), *range(head + 400, len(answer), 97), len(answer) - 1]
    cut = {}

    def talk(connection, _):
        connection.sendall(answer[:cut["at"]])
        if cut["reset"]:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server = scripted(talk)
    started = module("--flash", flash(), log="warn")
    port = started.open()
    begin(port)
    for reset in False, True:
        for at in cuts[::1 if not reset else 5]:
            cut.update(at=at, reset=reset)
            userota(port, server.url(), failed())
    runs(port, "v1.0.0.0")
    port.command("AT+RST", OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, "v1.0.0.0")
    port.join()
    cut.update(at=len(answer), reset=False)
    userota(port, server.url())
    runs(port, "v2.0.0.0")


def test_statuses_and_bad_answers(module, flash, scripted):
    started = module("--flash", flash())
    port = started.open()
    begin(port)
    for head, code, reason in (
            (b"HTTP/1.1 404 Not Found\r\n\r\n", 0x7000 + 404, "status 404: it has no such file"),
            (b"HTTP/1.1 500 Oops\r\n\r\n", 0x7000 + 500, "status 500"),
            (b"HTTP/1.1 206 Partial\r\n\r\n", 0x7000 + 206, "status 206"),
            (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", 0, "compresses"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 0, "two different Content-Lengths"),
            (b"RTSP/1.0 200 OK\r\n\r\n", 0, "not HTTP/1.x"),
            (b"HTTP/1.1 302 Found\r\n\r\n", 0, "without a usable Location"),
            (b"HTTP/1.1 302 Found\r\nLocation: ftp://h/\r\n\r\n", 0, "begins with http:// or https://"),
            (b"", 0, "ended before the answer")):
        userota(port, scripted(respond(b"", head)).url(), failed(code))
        assert reason in last_warning(started)
    for url, reason in (("ftp://h/", "http:// or https://"), ("http://", "no host"), ("http://h/a b", "visible ASCII"),
                        ("http://u:p@h/", "user names"), ("http://no.such.name.invalid/", "no address")):
        userota(port, url, failed())
        assert reason in last_warning(started)
    port.command("AT+USEROTA=10", PROMPT)
    port.write(b"http://h/\0")
    port.exactly(b"\r\nRecv 10 bytes\r\n" + failed())
    port.command("AT+CWQAP", b"WIFI DISCONNECT\r\n" + OK)
    userota(port, f"http://{HOST_ALIAS}:1/", failed())


def test_redirects(module, flash, scripted):
    image = firmware.image("v2.0.0.0")
    hops = []

    def talk(connection, request):
        path = request.split()[1].decode()
        hops.append(path)
        step = int(path.rsplit("/", 1)[1])
        status = (301, 302, 303, 307, 308)[step % 5]
        target = (f"{step + 1}", f"/a/b/{step + 1}", f"../c/{step + 1}", f"http://{HOST_ALIAS}:{server.port}/{step + 1}",
                  f"//{HOST_ALIAS}:{server.port}/z/{step + 1}")[step % 5]
        if step == last:
            respond(image)(connection, request)
        else:
            connection.sendall(f"HTTP/1.1 {status} x\r\nLocation: {target}\r\nContent-Length: 2\r\n\r\nno".encode())
    server = scripted(talk)
    started = module("--flash", flash())
    begin(started.open())
    last = 6
    userota(started.port, server.url("/x/0"), failed())
    assert "more than 5 redirects" in last_warning(started)
    hops.clear()
    last = 5
    userota(started.port, server.url("/x/0"))
    assert hops == ["/x/0", "/x/1", "/a/b/2", "/a/c/3", "/4", "/z/5"]
    runs(started.port, "v2.0.0.0")


# --- AT+CIPFWVER, AT+CIUPDATE ---------------------------------------------------------------------


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


def test_versions_are_listed(fleet):
    port, folder, _ = fleet()
    port.command("AT+CIPFWVER?", failed(0x7000 + 404))
    publish(folder, "v1.0.0.0")
    (folder / MODULE / "versions").write_text("# all\nv1.0.0.0\r\n\nv2.0.0.0-dev\nv2.0.0.0\nv10.0.0.0\nv9.9.9.9")
    rows = [f'+CIPFWVER:"{version}"\r\n' for version in ("v10.0.0.0", "v9.9.9.9", "v2.0.0.0", "v2.0.0.0-dev", "v1.0.0.0")]
    assert port.ask("AT+CIPFWVER?") == "".join(rows)
    (folder / MODULE / "versions").write_text("v1.0.0.0\nlatest\n")
    port.command("AT+CIPFWVER?", failed())
    (folder / MODULE / "versions").write_text("")
    port.command("AT+CIPFWVER?", OK)
    port.command("AT+CIUPDATE?", b"+CIPUPDATE:0\r\n" + OK)


FORMS = {
    "AT+CIUPDATE": "v3.0.0.0",
    "AT+CIUPDATE=0": "v3.0.0.0",
    'AT+CIUPDATE=0,"v2.0.0.0"': "v2.0.0.0",
    'AT+CIUPDATE=0,"v2.0.0.0","ota"': "v2.0.0.0",
    'AT+CIUPDATE=0,,"ota",0': "v3.0.0.0",
    'AT+CIUPDATE=0,"v2.0.0.0",,0': "v2.0.0.0",
    "AT+CIUPDATE=0,,,": "v3.0.0.0",
}


@pytest.mark.parametrize("line", FORMS)
def test_blocking_updates(fleet, line):
    port, folder, _ = fleet()
    for version in "v2.0.0.0", "v3.0.0.0", "v1.0.0.0":
        publish(folder, version)
    port.command(line, ALL_STATES + OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, FORMS[line])
    port.command("AT+CIUPDATE?", b"+CIPUPDATE:0\r\n" + OK)


@pytest.mark.parametrize("line", ["AT+CIUPDATE=0,,,1", 'AT+CIUPDATE=0,,"ota",1', 'AT+CIUPDATE=0,"v3.0.0.0",,1',
                                  'AT+CIUPDATE=0,"v3.0.0.0","ota",1'])
def test_nonblocking_updates(fleet, line):
    port, folder, _ = fleet()
    publish(folder, "v3.0.0.0", data=firmware.image("v3.0.0.0", 1_000_000))
    port.command(line, OK + ALL_STATES)
    port.command("AT+CIUPDATE?", STATES[4] + OK)
    runs(port, "v1.0.0.0")  # a restart is the host's business
    port.command("AT+RST", OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, "v3.0.0.0")


def test_a_nonblocking_update_can_be_taken_back_before_the_restart(fleet):
    port, folder, _ = fleet()
    publish(folder, "v3.0.0.0")
    port.command("AT+CIUPDATE=0,,,1", OK + ALL_STATES)
    port.command("AT+SYSROLLBACK", OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, "v1.0.0.0")


def test_commands_work_while_an_update_runs(module, flash, scripted):
    """The server holds the image back until commands have been answered."""
    go, image = threading.Event(), firmware.image("v2.0.0.0", 50_000)

    def talk(connection, request):
        if b"versions" in request:
            return respond(b"v2.0.0.0\n")(connection, request)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(image) + image[:20_000])
        go.wait(attache.PATIENCE_S)
        return connection.sendall(image[20_000:])
    server = scripted(talk)
    started = module("--flash", flash(), "--update-server", server.url(""))
    port = started.open()
    begin(port)
    port.command("AT+CIUPDATE=0,,,1", OK + b"".join(STATES[1:4]))
    port.command("AT+CIUPDATE?", STATES[3] + OK)
    for line in ("AT+CIUPDATE", "AT+CIUPDATE=0,,,1", "AT+CIPFWVER?", "AT+USEROTA=20", "AT+SYSROLLBACK"):
        port.command(line, failed())
    port.command("AT+CIUPDATE?", STATES[3] + OK)
    port.command("AT", OK)
    go.set()
    port.exactly(STATES[4])


def test_failures_leave_states_behind(module, flash, scripted):
    answers = {}
    server = scripted(lambda connection, request: answers[request.split()[1]](connection, request))
    started = module("--flash", flash(), "--update-server", server.url("/fw/"))
    port = started.open()
    begin(port)
    versions, file = f"/fw/{MODULE}/versions".encode(), f"/fw/{MODULE}/v2.0.0.0/ota.bin".encode()
    answers[versions] = respond(b"v2.0.0.0\n")
    answers[file] = respond(firmware.image("v2.0.0.1"))
    port.command("AT+CIUPDATE", b"".join(STATES[1:4]) + failed())
    assert "the image is v2.0.0.1, not v2.0.0.0 as the server says" in last_warning(started)
    port.command("AT+CIUPDATE?", b"+CIPUPDATE:-1\r\n" + OK)
    port.command("AT+CIUPDATE=0,,,1", OK + b"".join(STATES[1:4]) + b"+CIPUPDATE:-1\r\n")
    port.command('AT+CIUPDATE=0,"v2.0.0.1"', STATES[1] + STATES[2] + failed())
    assert "the server does not have v2.0.0.1" in last_warning(started)
    answers[file] = respond(b"", b"HTTP/1.1 404 x\r\n\r\n")
    port.command("AT+CIUPDATE", b"".join(STATES[1:4]) + failed(0x7000 + 404))
    answers[versions] = respond(b"")
    port.command("AT+CIUPDATE", STATES[1] + STATES[2] + failed())
    assert "the server has no versions" in last_warning(started)
    answers[versions] = respond(b"<html>\n")
    port.command("AT+CIUPDATE", STATES[1] + STATES[2] + failed())
    assert "line 1 of the server's list" in last_warning(started)
    port.command("AT+CIUPDATE=1", failed())
    assert "--update-server https://" in last_warning(started)
    port.command("AT+RST", OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, "v1.0.0.0")


def test_no_server_is_named_by_default(module):
    started = module()
    begin(started.open())
    for line in "AT+CIPFWVER?", "AT+CIUPDATE", "AT+CIUPDATE=1":
        started.port.command(line, failed())
        assert "no update server: `attache run --update-server" in last_warning(started)


def test_the_server_can_be_a_factory_parameter(module, flash, update_server, tmp_path):
    folder = tmp_path / "fw"
    publish(folder, "v2.0.0.0", listed=False)
    (tmp_path / "token").write_text("s3cret\n")
    to = update_server(folder, "--token", tmp_path / "token")
    image = flash(values=[("factory_param", "update_server", "string", f"http://{HOST_ALIAS}:{to}/"),
                          ("factory_param", "update_token", "string", "wrong")])
    started = module("--flash", image)
    begin(started.open())
    started.port.command("AT+CIUPDATE", STATES[1] + STATES[2] + failed(0x7000 + 401))
    started.stop()
    attache.run("flash", "set", image, "mfg_nvs", "factory_param", "update_token", "string", "s3cret")
    started = module("--flash", image)
    restarted(started.open())
    started.port.join()
    started.port.command("AT+CIUPDATE", ALL_STATES + OK + LOST + READY)
    restarted(started.port, ready=b"")
    runs(started.port, "v2.0.0.0")
    assert "s3cret" not in started.log()


def test_the_token_stays_with_its_server(module, flash, scripted, tmp_path):
    other = scripted(respond(firmware.image("v2.0.0.0")))

    def talk(connection, request):
        if b"versions" in request:
            return respond(b"v2.0.0.0\n")(connection, request)
        path = "/here" if b"ota.bin" in request else other.url("/there")
        return connection.sendall(f"HTTP/1.1 302 x\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n".encode())
    server = scripted(talk)
    (tmp_path / "token").write_text("s3cret\n")
    started = module("--flash", flash(), "--update-server", server.url(""), "--update-token", tmp_path / "token")
    begin(started.open())
    started.port.command("AT+CIUPDATE", ALL_STATES + OK + LOST + READY)
    restarted(started.port, ready=b"")
    runs(started.port, "v2.0.0.0")
    assert [b"Authorization: Bearer s3cret\r\n" in request for request in server.requests] == [True] * 3
    assert b"Authorization" not in other.requests[0]


# --- partitions -----------------------------------------------------------------------------------


def test_a_partition_is_updated(fleet):
    port, folder, started = fleet()
    data = hashlib.shake_256(b"x").digest(50_000)
    publish(folder, "v7.0.0.0", "fatfs", data)
    port.command('AT+SYSFLASH=1,"fatfs",60000,3', b">")
    port.write(b"old")
    port.exactly(OK)
    port.command('AT+CIUPDATE=0,,"fatfs"', ALL_STATES + OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, "v1.0.0.0")
    port.send('AT+SYSFLASH=2,"fatfs",49000,4096')
    port.exactly(b"+SYSFLASH:4096," + data[49_000:] + b"\xff" * 3096 + OK)
    port.command('AT+SYSFLASH=2,"fatfs",60000,3', b"+SYSFLASH:3,\xff\xff\xff" + OK)
    port.join()
    publish(folder, "v8.0.0.0", "fatfs", bytes(0x19001))
    port.command('AT+CIUPDATE=0,,"fatfs",1', OK + b"".join(STATES[1:4]) + b"+CIPUPDATE:-1\r\n")
    assert "the file has 102401 bytes" in last_warning(started)
    port.command('AT+SYSFLASH=2,"fatfs",0,10', b"+SYSFLASH:10," + data[:10] + OK)
    for name in "mqtt_ca", "nvs", "ota_0", "OTA":
        port.command(f'AT+CIUPDATE=0,,"{name}"', b"ERR CODE:0x01070003\r\n" + ERROR)


def test_mfg_nvs_is_updated_while_it_is_in_use(fleet, flash, tmp_path):
    port, folder, _ = fleet()
    assert "factory_param" in port.ask("AT+SYSMFG?")
    other = tmp_path / "other.bin"
    attache.run("flash", "create", other)
    attache.run("flash", "set", other, "mfg_nvs", "factory_param", "module_name", "string", "MINE")
    attache.run("flash", "extract", other, "mfg_nvs", tmp_path / "mfg.bin")
    publish(folder, "v2.0.0.0", "mfg_nvs", (tmp_path / "mfg.bin").read_bytes())
    port.command('AT+CIUPDATE=0,,"mfg_nvs",1', OK + ALL_STATES)
    assert '"module_name",7,4,MINE' in port.ask('AT+SYSMFG=1,"factory_param","module_name"')
    port.command("AT+RST", OK + LOST + READY)
    restarted(port, ready=b"")
    assert "(MINE)" in port.ask("AT+GMR")


def test_files_are_updated_while_they_are_mounted(fleet):
    """The old file system is mounted; what was a file in it is gone afterwards, and what is new is there."""
    port, folder, _ = fleet()

    def write(name, data):
        port.command(f'AT+FS=0,1,"{name}",0,{len(data)}', b">")
        port.write(data)
        port.exactly(OK)
    write("new.txt", b"new")
    port.send('AT+SYSFLASH=2,"fatfs",0,0x19000')
    left, data = 0x19000, b""
    while left:
        length = min(8192, left)
        port.exactly(f"+SYSFLASH:{length},".encode())
        data += port.take(length)
        left -= length
    port.exactly(OK)
    port.command('AT+FS=0,0,"new.txt"')
    write("old.txt", b"old")
    publish(folder, "v2.0.0.0", "fatfs", data)
    port.command('AT+CIUPDATE=0,,"fatfs",1', OK + ALL_STATES)
    assert port.ask('AT+FS=0,4,"."') == '+FS:"new.txt"\r\n'
    port.command('AT+FS=0,2,"new.txt",0,3', b"+FS:3,new" + OK)


@pytest.mark.parametrize("name, line", [("fatfs", 'AT+FS=0,4,"."'), ("fatfs", "AT+FSMOUNT=1"), ("mfg_nvs", "AT+SYSMFG?"),
                                        ("mfg_nvs", 'AT+SYSMFG=2,"a","b",1,1'), ("mfg_nvs", 'AT+SYSFLASH=0,"mfg_nvs"'),
                                        ("mfg_nvs", 'AT+CIPSTART="SSL","192.168.3.102",1')])
@pytest.mark.parametrize("when", ["before the first byte", "in the middle"])
def test_nobody_uses_a_partition_that_is_being_written(module, flash, scripted, name, line, when):
    go = threading.Event()
    data = b"\xff" * 20_000

    def talk(connection, request):
        if b"versions" in request:
            return respond(b"v2.0.0.0\n")(connection, request)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
        if when == "in the middle":
            connection.sendall(data[:10_000])
        go.wait(attache.PATIENCE_S)
        return connection.sendall(data[10_000 if when == "in the middle" else 0:])

    server = scripted(talk)
    started = module("--flash", flash(), "--update-server", server.url(""))
    port = started.open()
    begin(port)
    port.command("AT+CIPSSLCCONF=2,0,0")
    port.command(f'AT+CIUPDATE=0,,"{name}",1', OK + b"".join(STATES[1:4]))
    if "CIPSTART" in line:
        port.send(line)
        port.until(ERROR)
    else:
        port.command(line, failed())
    go.set()
    port.exactly(STATES[4])
    port.command(f'AT+SYSFLASH=2,"{name}",0,4', b"+SYSFLASH:4,\xff\xff\xff\xff" + OK)


def test_two_megabytes(fleet):
    port, folder, started = fleet("--module", "esp32c2-2mb", make=("--module", "esp32c2-2mb"))
    name = "ESP32C2-2MB"
    (folder / name / "v2.0.0.0").mkdir(parents=True)
    (folder / name / "versions").write_text("v2.0.0.0\n")
    (folder / name / "v2.0.0.0" / "ota.bin").write_bytes(firmware.image("v2.0.0.0"))
    (folder / name / "v2.0.0.0" / "mfg_nvs.bin").write_bytes(b"\xff" * 0x1000)
    assert port.ask("AT+CIPFWVER?") == '+CIPFWVER:"v2.0.0.0"\r\n'
    for line in "AT+CIUPDATE", "AT+CIUPDATE=0,,,1", "AT+USEROTA=20":
        port.command(line, failed())
        assert "2 MB take a compressed image, whose format is not public" in last_warning(started)
    port.command('AT+CIUPDATE=0,,"mfg_nvs",1', OK + ALL_STATES)
    port.command('AT+SYSFLASH=2,"mfg_nvs",0,4', b"+SYSFLASH:4,\xff\xff\xff\xff" + OK)


# --- HTTPS ----------------------------------------------------------------------------------------


@pytest.fixture
def secure(module, flash, nginx, pki, files):
    """secure(ca, certificate, *options): a module that trusts ca, its clock set, and its HTTPS server's folder."""
    def go(*options, ca="ca", certificate="server", clock=NOW, host=HOST_ALIAS, more=""):
        folder, _ = files()
        to = nginx(folder, certificate, more)
        values = [] if ca is None else [("https_ca", "https_ca.0", "binary", f"@{pki.path(ca, 'crt')}")]
        image = flash(values=values)
        started = module("--flash", image, "--update-server", f"https://{host}:{to}/", *options)
        begin(started.open())
        if clock:
            started.port.command(f"AT+SYSTIMESTAMP={clock}")
        return started, folder, to
    return go


def test_https_updates(secure):
    """In the memory that the part has."""
    started, folder, to = secure("--heap", "163840")
    port = started.port
    publish(folder, "v2.0.0.0", data=firmware.image("v2.0.0.0", 500_000))
    assert port.ask("AT+CIPFWVER?") == '+CIPFWVER:"v2.0.0.0"\r\n'
    port.command("AT+CIUPDATE=1", ALL_STATES + OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, "v2.0.0.0")
    port.join()
    port.command(f"AT+SYSTIMESTAMP={NOW}")
    (folder / "fw.bin").write_bytes(firmware.image("v3.0.0.0", 500_000))
    userota(port, f"https://{HOST_ALIAS}:{to}/fw.bin")
    runs(port, "v3.0.0.0")
    port.command("AT+CIUPDATE", failed())  # by HTTP there is no server


def test_a_name_is_verified(module, flash, nginx, pki, files, tmp_path):
    """The same certificate: for its name it counts, for another name of the same computer it does not."""
    folder, _ = files()
    publish(folder, "v2.0.0.0")
    to = nginx(folder, "server")
    world = tmp_path / "world.ini"
    world.write_text(f"[ap espressif]\npassword = 1234567890\n[names]\nupdates.test = {HOST_ALIAS}\nevil.test = {HOST_ALIAS}\n")
    image = flash(values=[("https_ca", "https_ca.0", "binary", f"@{pki.path('ca', 'crt')}")])
    started = module("--flash", image, "--world", world, "--update-server", f"https://updates.test:{to}/")
    begin(started.open())
    started.port.command(f"AT+SYSTIMESTAMP={NOW}")
    userota(started.port, f"https://evil.test:{to}/x", failed(0x15))
    started.port.command("AT+CIUPDATE=1", ALL_STATES + OK + LOST + READY)


@pytest.mark.parametrize("name", ["unknown", "stranger"])
def test_servers_that_are_not_trusted(secure, name):
    started, folder, to = secure(certificate=name)
    publish(folder, "v2.0.0.0")
    code = {"unknown": 0x13, "stranger": 0x15}[name]
    started.port.command("AT+CIUPDATE=1", STATES[1] + failed(code))
    userota(started.port, f"https://{HOST_ALIAS}:{to}/{MODULE}/v2.0.0.0/ota.bin", failed(code))
    started.port.command("AT+CIUPDATE=1,,,1", OK + STATES[1] + b"+CIPUPDATE:-1\r\n")


def test_no_ca_no_https(module, nginx, files):
    """An erased module trusts nobody; --update-insecure says so openly."""
    folder, _ = files()
    publish(folder, "v2.0.0.0")
    to = nginx(folder)
    server = ("--update-server", f"https://{HOST_ALIAS}:{to}")
    started = module(*server)
    begin(started.open())
    started.port.command("AT+CIUPDATE=1", b"NO CA FOUND\r\n" + failed(3))
    started = module(*server, "--update-insecure")
    begin(started.open())
    started.port.command("AT+CIUPDATE=1", ALL_STATES + OK + LOST + READY)
    assert "the server's certificate is not verified" in started.log()


def test_https_needs_the_time(secure):
    started, folder, _ = secure(certificate="recent", clock=None)
    publish(folder, "v2.0.0.0")
    started.port.command("AT+CIUPDATE=1", STATES[1] + failed(0x12))
    started.port.command(f"AT+SYSTIMESTAMP={NOW}")
    started.port.command("AT+CIUPDATE=1", ALL_STATES + OK + LOST + READY)


def test_https_leads_nowhere_else(secure, files):
    started, folder, to = secure(more="location /go { return 302 http://192.168.3.102:1/x; }")
    userota(started.port, f"https://{HOST_ALIAS}:{to}/go", failed())
    assert "a redirect from https to http" in last_warning(started)


def test_an_expired_clock(secure):
    started, folder, _ = secure(clock=4_102_444_800 + 10)  # 2100: behind every certificate's end
    publish(folder, "v2.0.0.0")
    started.port.command("AT+CIUPDATE=1", STATES[1] + failed(0x10))


# --- the update server ----------------------------------------------------------------------------


def test_the_update_server(update_server, tmp_path, pki):
    """What docs/UPDATES.md says, asked by curl."""
    folder = tmp_path / "fw"
    publish(folder, "v1.0.0.0", listed=False)
    publish(folder, "v2.0.0.0", "fatfs", b"files", listed=False)
    (folder / MODULE / "notes").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "token").write_text("s3cret\n")

    def curl(url, *options):
        outcome = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", "--path-as-is", *map(str, options), url],
                                 stdout=subprocess.PIPE, check=True)
        body, status = outcome.stdout.rsplit(b"\n", 1)
        return int(status), body
    to = f"http://127.0.0.1:{update_server(folder)}"
    assert curl(f"{to}/{MODULE}/versions") == (200, b"v1.0.0.0\nv2.0.0.0\n")
    assert curl(f"{to}/{MODULE}/v1.0.0.0/ota.bin") == (200, firmware.image("v1.0.0.0", 100_000))
    assert curl(f"{to}/{MODULE}/v2.0.0.0/fatfs.bin") == (200, b"files")
    for path in ("/", "/x/versions", f"/{MODULE}/v3/ota.bin", f"/{MODULE}/v1.0.0.0/", f"/{MODULE}/v1.0.0.0/../../../secret",
                 "/../secret", f"/{MODULE}/v1.0.0.0/%2e%2e", "/%2e%2e/secret", f"/{MODULE}/notes/x.bin"):
        assert curl(to + path)[0] == 404, path
    to = f"https://127.0.0.1:{update_server(folder, '--token', tmp_path / 'token', '--cert', pki.path('server', 'crt'), '--key', pki.path('server', 'key'))}"
    assert curl(f"{to}/{MODULE}/versions", "-k")[0] == 401
    assert curl(f"{to}/{MODULE}/versions", "-k", "-H", "Authorization: Bearer s3cret") == (200, b"v1.0.0.0\nv2.0.0.0\n")


def test_options(tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for options, right in ((("--update-server", "ftp://x"), "http:// or https://"),
                           (("--update-server", "http://x?y"), "no '?'"),
                           (("--update-server", "http://x", "--update-server", "HTTP://y"), "a server for http already"),
                           (("--update-token", tmp_path / "missing"), "cannot read"),
                           (("--update-token", empty), "not a token")):
        outcome = attache.run("run", *options)
        assert outcome.returncode == 2 and right in outcome.stderr.decode()


def test_a_firmware_image_is_the_vendors_container(tmp_path):
    file = tmp_path / "ota.bin"
    assert attache.run("flash", "firmware", "v3.5.0.1", file).returncode == 0
    outcome = subprocess.run([sys.executable, "-m", "esptool", "--chip", "esp32c2", "image_info", file],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert outcome.returncode == 0 and b"v3.5.0.1" in outcome.stdout, outcome.stdout
    assert attache.run("flash", "firmware", "v" * 33, file).returncode == 1
    assert attache.run("flash", "firmware", "v1").returncode == 2
