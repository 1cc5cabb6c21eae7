#!/usr/bin/env python3
"""TLS beside OpenSSL: handshakes and bulk data, medians, as a Markdown table. Never passes or fails.

    tests/bench/tls.py [--runs N] [--handshakes N] [--megabytes N]

The peer is one `openssl s_server` for both sides of a row: `openssl s_time` is measured against it in the same run
as the module's commands. The module goes through its whole stack: AT port, lwIP, NAT.
"""
import argparse
import importlib.util
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
os.environ.setdefault("ATTACHE", str(BUILD / "attache"))
sys.path.insert(0, str(ROOT / "tests" / "system"))
import tls_peers  # noqa: E402  pylint: disable=wrong-import-position
from attache import HOST_ALIAS, OK, PROMPT, Module, cpu_ns  # noqa: E402  pylint: disable=wrong-import-position


def load_pki(folder):
    spec = importlib.util.spec_from_file_location("make", ROOT / "tests/system/pki/make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    return make.make(folder)


def start(port, to):
    port.command(f'AT+CIPSTART="SSL","{HOST_ALIAS}",{to}', b"CONNECT\r\n" + OK)


def module_handshakes(module, to, count):
    """Milliseconds per CIPSTART, and CPU milliseconds of the chip; the TCP handshake is included."""
    began, used = time.monotonic(), cpu_ns(module.chip())
    for _ in range(count):
        start(module.port, to)
        module.port.command("AT+CIPCLOSE", b"CLOSED\r\n" + OK)
    return (time.monotonic() - began) * 1000 / count, (cpu_ns(module.chip()) - used) / 1e6 / count


def openssl_handshakes(to, kind):
    text = subprocess.run(["openssl", "s_time", "-connect", f"127.0.0.1:{to}", kind, "-time", "1"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    connections, seconds = re.search(r"(\d+) connections in (\d+) real seconds", text).groups()
    return int(seconds) * 1000 / max(1, int(connections))


def download(module, to, size):
    """MB/s from the server's file to the AT port in passthrough."""
    port = module.port
    start(port, to)
    port.command("AT+CIPMODE=1")
    port.command("AT+CIPSEND", PROMPT)
    used, began, got = cpu_ns(module.chip()), time.monotonic(), 0
    port.write(b"GET /big HTTP/1.0\r\n\r\n")
    while got < size:
        got += len(port.stream())
    seconds, used = time.monotonic() - began, (cpu_ns(module.chip()) - used) / 1e6
    port.leave_passthrough()
    port.command("AT+CIPMODE=0")
    port.ask("AT+CIPSTATE?")
    return size / seconds / 1e6, used / (size / 1e6)


def openssl_download(to, size):
    """MB/s of openssl s_client."""
    client = subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{to}"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    began, got = time.monotonic(), 0
    client.stdin.write(b"GET /big HTTP/1.0\r\n\r\n")
    client.stdin.flush()
    while got < size:
        got += len(client.stdout.read1(65536))
    seconds = time.monotonic() - began
    client.kill()
    client.wait()
    return size / seconds / 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--handshakes", type=int, default=20)
    parser.add_argument("--megabytes", type=int, default=10)
    options = parser.parse_args()
    print("| figure | attache | CPU of the chip | openssl s_time, s_client |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pki = load_pki(folder / "pki")
        size = options.megabytes * 1_000_000
        (folder / "big").write_bytes(os.urandom(size))
        for cert in "server", "server-rsa":
            for version in "-tls1_2", "-tls1_3":
                row(folder, pki, cert, version, options)
        for window in 5760, 64240:
            peer = tls_peers.server_in(folder, "-cert", pki.path("server", "crt"), "-key", pki.path("server", "key"), "-WWW")
            figures, theirs = [], []
            for _ in range(options.runs):
                theirs.append(openssl_download(peer.port, size))
                with Module("--window", str(window), wire_log=False) as module:
                    module.joined()
                    figures.append(download(module, peer.port, size))
            peer.stop()
            speed, cpu = (statistics.median(values) for values in zip(*figures))
            print(f"| download, window {window} | {speed:.0f} MB/s | {cpu:.1f} ms/MB | {statistics.median(theirs):.0f} MB/s |",
                  flush=True)


def row(folder, pki, cert, version, options):
    peer = tls_peers.server_in(folder, "-cert", pki.path(cert, "crt"), "-key", pki.path(cert, "key"), version, "-www")
    full, resumed, theirs = [], [], []
    for _ in range(options.runs):
        with Module(wire_log=False) as module:
            module.joined()
            full.append(module_handshakes(module, peer.port, 1))
            resumed.append(module_handshakes(module, peer.port, options.handshakes))
        theirs.append(openssl_handshakes(peer.port, "-new"))
    peer.stop()
    for what, figures in (("first", full), ("next", resumed)):
        wall, cpu = (statistics.median(values) for values in zip(*figures))
        print(f"| handshake, {cert} {version[1:]}, {what} | {wall:.1f} ms | {cpu:.1f} ms | {statistics.median(theirs):.1f} ms |",
              flush=True)


if __name__ == "__main__":
    main()
