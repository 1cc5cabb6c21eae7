"""Firmware updates beside curl, which downloads the same file from the same server in the same run."""
import contextlib
import importlib.util
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import firmware
from attache import HOST_ALIAS, OK, PROGRAM, PROMPT, READY
from measure import MEGA, ROOT, quiet_module

NOW = 1_790_000_000
LONGEST = 0x1D0000  # bytes of a slot


def make_pki(folder):
    spec = importlib.util.spec_from_file_location("pki_make", ROOT / "tests/system/pki/make.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    pki = maker.Pki(folder / "pki")
    pki.make("ca", extensions=maker.CA)
    pki.make("server", "ca", extensions=maker.SERVER + f"subjectAltName=IP:{HOST_ALIAS},IP:127.0.0.1\n")
    return pki


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def web_server(folder, pki):
    """nginx; yields its ports for HTTP and HTTPS."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    plain, secure = free_port(), free_port()
    folder.chmod(0o755)
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error;
events {{}}
http {{
    access_log off; {temporary}
    ssl_certificate {pki.path("server", "crt")}; ssl_certificate_key {pki.path("server", "key")};
    server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl; root {folder}; }}
}}
""")
    process = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error"],
                               stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", plain)):
                break
        yield plain, secure
    finally:
        process.terminate()
        process.wait()


def update(running, url):
    """Seconds from the URL to OK: connection, download, judging the image, switching the slot."""
    port, url = running.port, url.encode()
    port.command(f"AT+USEROTA={len(url)}", PROMPT)
    began = time.monotonic()
    port.write(url)
    port.exactly(f"\r\nRecv {len(url)} bytes\r\n".encode() + OK, timeout_s=120)
    seconds = time.monotonic() - began
    port.exactly(b"WIFI DISCONNECT\r\n" + READY)
    port.echo_off()
    port.join()
    port.command(f"AT+SYSTIMESTAMP={NOW}")
    return seconds


def curl(url, ca):
    began = time.monotonic()
    subprocess.run(["curl", "-s", "-f", "--cacert", ca, "-o", "/dev/null", url], check=True)
    return time.monotonic() - began


def updates(table, runs, _):
    if shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
        table.add("updates", "no nginx (tools/setup.sh test)")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pki = make_pki(folder)
        image = firmware.image("v9.0.0.0", LONGEST - 64)
        (folder / "ota.bin").write_bytes(image)
        flash = folder / "flash.bin"
        subprocess.run([PROGRAM, "flash", "create", "--config", ROOT / "module_config", flash], check=True)
        subprocess.run([PROGRAM, "flash", "set", flash, "mfg_nvs", "https_ca", "https_ca.0", "binary",
                        f"@{pki.path('ca', 'crt')}"], check=True)
        with web_server(folder, pki) as ports:
            for scheme, to in zip(("http", "https"), ports):
                for window in 5760, 64240:
                    one(table, runs, flash, f"{scheme}://{{}}:{to}/ota.bin", window, len(image), pki.path("ca", "crt"))


def one(table, runs, flash, url, window, size, ca):
    ours, peers = [], []
    with quiet_module("--flash", flash, "--window", str(window)) as (running, _):
        port = running.started()
        port.command("AT+CWAUTOCONN=0")
        port.join()
        port.command(f"AT+SYSTIMESTAMP={NOW}")
        for _ in range(max(runs, 3)):
            peers.append(curl(url.format("127.0.0.1"), ca))
            ours.append(update(running, url.format(HOST_ALIAS)))
    mine, peer = (size / statistics.median(times) / MEGA for times in (ours, peers))
    scheme = url.split(":", 1)[0].upper()
    table.add(f"OTA {scheme}, {size / MEGA:.1f} MB, window {window}", f"{mine:.0f} MB/s", f"curl {peer:.0f} MB/s",
              f"{mine / peer:.2f}")
