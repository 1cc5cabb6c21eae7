"""HTTPS updates from nginx, and the update server of tools/."""
import subprocess
import sys

import pytest

import attache
import firmware
from attache import HOST_ALIAS, OK, READY
from update_peers import ALL_STATES, LOST, MODULE, STATES, begin, failed, last_warning, publish, restarted, runs, userota
from update_peers import files, flash, nginx, pki, update_server  # noqa: F401  fixtures

NOW = 1_790_000_000  # 2026

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
