"""OpenSSL at the other end, and a flash image with a PKI for the module."""
import csv
import pathlib
import re
import select
import subprocess
import sys
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
    """openssl s_server or s_client: send() types into it, expect() waits for what it prints."""

    def __init__(self, *arguments, folder=None):
        self.process = subprocess.Popen(["openssl", *map(str, arguments)], stdin=subprocess.PIPE, cwd=folder,
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


def client(port, *arguments):
    return OpenSsl("s_client", "-connect", f"127.0.0.1:{port}", *arguments)
