"""OpenSSL at the other end, and a flash image with a PKI for the module."""
import contextlib
import csv
import os
import re
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

from attache import PATIENCE_S

FLASH_SIZE, MFG_AT, MFG_SIZE = 4 << 20, 0x1F000, 0x1F000


def flash_image(folder, items):
    """A flash file whose mfg_nvs holds items: {(namespace, key): path of a file}."""
    table, image, flash = folder / "mfg.csv", folder / "mfg.bin", folder / "flash.bin"
    rows, last = [["key", "type", "encoding", "value"]], None
    for (space, key), path in items.items():
        if space != last:
            rows.append([space, "namespace", "", ""])
            last = space
        rows.append([key, "file", "binary", path])
    with table.open("w", newline="") as out:
        csv.writer(out).writerows(rows)
    subprocess.run([sys.executable, "-m", "esp_idf_nvs_partition_gen", "generate", table, image,
                    hex(MFG_SIZE)], check=True, stdout=subprocess.DEVNULL)
    content = bytearray(b"\xff" * FLASH_SIZE)
    data = image.read_bytes()
    content[MFG_AT:MFG_AT + len(data)] = data
    flash.write_bytes(content)
    return flash


class OpenSsl:
    """openssl s_server or s_client: send() types into it, expect() waits for what it prints. before: a command
    that runs it, as netns.Namespace.prefix."""

    def __init__(self, *arguments, folder=None, before=()):
        self.process = subprocess.Popen([*before, "openssl", *map(str, arguments)], stdin=subprocess.PIPE, cwd=folder,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = b""
        self.port = None

    def expect(self, pattern, timeout_s=PATIENCE_S):
        deadline = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self.process.stdout, select.POLLIN)
        while not (found := re.search(pattern, self.text)):
            assert poll.poll(max(0, deadline - time.monotonic()) * 1000), f"in vain for {pattern}: {self.text!r}"
            data = self.process.stdout.read1(65536)
            assert data, f"openssl ended before {pattern}: {self.text!r}"
            self.text += data
        return found

    def all(self):
        """What it printed, to its end."""
        while data := self.process.stdout.read1(65536):
            self.text += data
        return self.text

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def server(*arguments):
    return server_in(None, *arguments)


def server_in(folder, *arguments):
    peer = OpenSsl("s_server", "-accept", "127.0.0.1:0", *arguments, folder=folder)
    try:
        peer.port = int(peer.expect(rb"ACCEPT \S*:(\d+)\s")[1])
    except BaseException:
        peer.stop()
        raise
    return peer


def server_at(port, *arguments):
    """Where another one was before."""
    return OpenSsl("s_server", "-accept", f"127.0.0.1:{port}", *arguments)


def client(port, *arguments):
    return OpenSsl("s_client", "-connect", f"127.0.0.1:{port}", *arguments)


def end(connection, reset):
    """Closes a socket with a FIN, or with a RST."""
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Middle:
    """Somebody between a client and a server, for one connection. change(data, to_server) gives what goes on;
    after stop_after bytes of the server the client's connection ends."""

    def __init__(self, to, change=lambda data, _: data, *, stop_after=1 << 60, reset=False):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.to = self.listener.getsockname()[1], to
        self.change, self.left, self.reset = change, stop_after, reset
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):  # the listener, or a connection, was closed
            near, _ = self.listener.accept()
            self.serve(near)
            end(near, self.reset)

    def serve(self, near):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.to)) as far:
            if self.left == 0:
                near.recv(65536)
            while self.left > 0 and self.forward(near, far):
                pass

    def forward(self, near, far):
        ready, _, _ = select.select([near, far], [], [], PATIENCE_S)
        for source in ready:
            to_server = source is near
            data = self.change(source.recv(65536), to_server)
            if not data:
                return False
            if not to_server:
                data = data[:self.left]
                self.left -= len(data)
            (far if to_server else near).sendall(data)
        return bool(ready)

    def stop(self):
        self.listener.close()


class Hold:
    """A change for Middle: the server's first bytes wait for release."""

    def __init__(self):
        self.reached, self.release = threading.Event(), threading.Event()

    def __call__(self, data, to_server):
        if not to_server and not self.reached.is_set():
            self.reached.set()
            self.release.wait(PATIENCE_S)
        return data


class Scripted:
    """A TLS server in this process: talk(stream, raw) has its one client, behind the handshake. raw is the
    socket below, for who wants to end it without close_notify."""

    def __init__(self, cert, key, talk):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.talk = self.listener.getsockname()[1], talk
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            raw, _ = self.listener.accept()
            with socket.socket(fileno=os.dup(raw.fileno())) as below, \
                    self.context.wrap_socket(raw, server_side=True) as stream:
                self.talk(stream, below)

    def stop(self):
        self.listener.close()
