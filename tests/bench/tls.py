"""TLS beside OpenSSL: handshakes and bulk data.

The peer of both sides of a row is one `openssl s_server`; `openssl s_time` and `s_client` are measured against it in
the same run as the module's commands. The module goes through its whole stack: AT port, lwIP, NAT.
"""
import contextlib
import importlib.util
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

import tls_peers
from attache import HOST_ALIAS, OK, PROMPT, cpu_ns
from measure import MEGA, ROOT, quiet_module

HANDSHAKES = 25


def load_pki(folder):
    spec = importlib.util.spec_from_file_location("make", ROOT / "tests/system/pki/make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    return make.make(folder)


@contextlib.contextmanager
def folder_with_pki():
    with tempfile.TemporaryDirectory(prefix="attache-") as name:
        folder = pathlib.Path(name)
        yield folder, load_pki(folder / "pki")


@contextlib.contextmanager
def server(folder, pki, certificate, *options):
    peer = tls_peers.server_in(folder, "-cert", pki.path(certificate, "crt"), "-key", pki.path(certificate, "key"), *options)
    try:
        yield peer.port
    finally:
        peer.stop()


def start(port, to):
    port.command(f'AT+CIPSTART="SSL","{HOST_ALIAS}",{to}', b"CONNECT\r\n" + OK)


# --- handshakes -----------------------------------------------------------------------------------------


def module_handshakes(to):
    """Handshakes a second, and CPU ms of the chip for each; connecting and closing are included."""
    with quiet_module() as (module, (_, chip)):
        port = module.joined()
        start(port, to)  # the first is always a full one
        port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
        began, used = time.monotonic(), cpu_ns(chip)
        for _ in range(HANDSHAKES):
            start(port, to)
            port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
        return HANDSHAKES / (time.monotonic() - began), (cpu_ns(chip) - used) / 1e6 / HANDSHAKES


def openssl_handshakes(to, kind):
    text = subprocess.run(["openssl", "s_time", "-connect", f"127.0.0.1:{to}", kind, "-time", "1"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    connections, seconds = re.findall(r"(\d+) connections in (\d+) real seconds", text)[-1]
    return int(connections) / max(1, int(seconds))


def handshakes(table, runs, _):
    kinds = (("full", ("-no_ticket", "-no_cache"), "-new"), ("resumed", (), "-reuse"))
    with folder_with_pki() as (folder, pki):
        for certificate, name in (("server", "ECDSA"), ("server-rsa", "RSA")):
            for version in "-tls1_2", "-tls1_3":
                for kind, options, how in kinds:
                    ours, theirs = [], []
                    for _ in range(runs):
                        with server(folder, pki, certificate, version, "-www", *options) as to:
                            ours.append(module_handshakes(to))
                            theirs.append(openssl_handshakes(to, how))
                    (rate, cpu), peer = map(statistics.median, zip(*ours)), statistics.median(theirs)
                    table.add(f"TLS {version[-3:].replace('_', '.')} handshakes, {name}, {kind}",
                              f"{rate:.0f}/s, {cpu:.1f} ms of CPU in the chip", f"s_time {how} {peer:.0f}/s",
                              f"{rate / peer:.2f}")


# --- bulk -----------------------------------------------------------------------------------------------


def download(to, size, window):
    """MB/s from the server's file to the AT port in passthrough, and CPU ms per MB of the chip."""
    with quiet_module("--window", str(window)) as (module, (_, chip)):
        port = module.joined()
        start(port, to)
        port.command("AT+CIPMODE=1")
        port.command("AT+CIPSEND", PROMPT)
        used, began, got = cpu_ns(chip), time.monotonic(), 0
        port.write(b"GET /big HTTP/1.0\r\n\r\n")
        while got < size:
            got += len(port.stream())
        return size / (time.monotonic() - began) / MEGA, (cpu_ns(chip) - used) / 1e6 / (size / MEGA)


def openssl_download(to, size):
    """MB/s of openssl s_client."""
    with subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{to}"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        began, got = time.monotonic(), 0
        client.stdin.write(b"GET /big HTTP/1.0\r\n\r\n")
        client.stdin.flush()
        while got < size:
            got += len(client.stdout.read1(65536))
        seconds = time.monotonic() - began
        client.kill()
    return size / seconds / MEGA


def downloads(table, runs, size):
    size //= 5
    with folder_with_pki() as (folder, pki):
        (folder / "big").write_bytes(os.urandom(size))
        for window, name in ((64240, "window 64240"), (5760, "the part's window")):
            ours, theirs = [], []
            for _ in range(runs):
                with server(folder, pki, "server", "-WWW") as to:
                    theirs.append(openssl_download(to, size))
                    ours.append(download(to, size, window))
            (rate, cpu), peer = map(statistics.median, zip(*ours)), statistics.median(theirs)
            table.add(f"TLS download, {name}", f"{rate:.0f} MB/s, {cpu:.1f} ms/MB of CPU in the chip",
                      f"s_client {peer:.0f} MB/s", f"{rate / peer:.2f}")
