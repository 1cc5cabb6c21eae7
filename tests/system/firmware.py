"""Firmware images in the part's container, good ones and bad ones, of any length; made without the program's help."""
import hashlib
import random
import struct

DESCRIBED = 0xABCD5432


def description(version, project="esp-at"):
    return struct.pack("<II8x32s32s16s16s32s32s80x", DESCRIBED, 0, version.encode(), project.encode(), b"12:00:00",
                       b"Jan  1 2026", b"v5.4", b"")


def image(version, size=0, *, chip=0x0C, described=True, spoil=None):
    """An image of about size bytes. spoil: "sum", "hash", "segment": what is wrong with it."""
    first = description(version) if described else bytes(256)
    rest = max(0, size - 24 - 8 - 256 - 8 - 16 - 32) & ~3
    segments = [first]
    if rest:
        segments.append(random.Random(version).randbytes(rest))
    head = struct.pack("<BBBBI4sHBHHIB", 0xE9, len(segments), 2, 0x2F, 0x3C000020, b"\xee\0\0\0", chip, 0, 0, 65535, 0, 1)
    body = bytearray(head)
    checksum = 0xEF
    for number, data in enumerate(segments):
        length = len(data) + (1 << 24 if spoil == "segment" and number else 0)
        body += struct.pack("<II", 0x3C000020 + 0x10000 * number, length) + data
        for byte in data:
            checksum ^= byte
    body += bytes(15 - len(body) % 16)
    body.append(checksum ^ (1 if spoil == "sum" else 0))
    digest = bytearray(hashlib.sha256(body).digest())
    if spoil == "hash":
        digest[31] ^= 1
    return bytes(body + digest)
