"""NVS images against the vendor's generator (PyPI: esp-idf-nvs-partition-gen).

What it writes we must read; what we write from the same values must be its bytes, but for the state
of the pages (some of its releases close the last one and add empty ones).
"""
import csv
import pathlib
import random
import subprocess
import sys

import pytest

pytest.importorskip("esp_idf_nvs_partition_gen")

ROOT = pathlib.Path(__file__).resolve().parents[2]
TYPES = {"u8": 0x01, "i8": 0x11, "u16": 0x02, "i16": 0x12, "u32": 0x04, "i32": 0x14, "u64": 0x08,
         "i64": 0x18, "string": 0x21, "blob": 0x42}


@pytest.fixture(scope="session")
def tool(tmp_path_factory):
    program = tmp_path_factory.mktemp("tool") / "nvs_image"
    sources = ["tests/system/nvs_image.c", "storage/crc32.c", "core/bytes.c", "core/error.c",
               "core/heap.c", "core/log.c", *sorted(str(p) for p in ROOT.glob("storage/nvs*.c"))]
    subprocess.run(["cc", "-std=gnu11", "-O1", "-g", "-fsanitize=address,undefined", "-I.", "-o",
                    program, *sources], cwd=ROOT, check=True)
    return program


def generate(folder, values, pages):
    """values: (namespace, key, type, value) in order of namespaces. Returns the image's path."""
    rows = [["key", "type", "encoding", "value"]]
    last = None
    for number, (space, key, kind, value) in enumerate(values):
        if space != last:
            rows.append([space, "namespace", "", ""])
            last = space
        if kind == "blob":
            path = folder / f"blob{number}"
            path.write_bytes(value)
            rows.append([key, "file", "binary", path])
        else:
            rows.append([key, "data", kind, value])
    table, image = folder / "table.csv", folder / "generated.bin"
    with table.open("w", newline="") as out:
        csv.writer(out).writerows(rows)
    subprocess.run([sys.executable, "-m", "esp_idf_nvs_partition_gen", "generate", table, image,
                    hex(pages * 4096)], check=True, stdout=subprocess.DEVNULL)
    return image


def as_line(value):
    space, key, kind, content = value
    if kind == "string":
        content = content.encode().hex() + "00"
    elif kind == "blob":
        content = content.hex()
    elif kind == "u64" and content >= 1 << 63:
        content -= 1 << 64
    return f"{space} {key} {TYPES[kind]:02x} {content}"


def read(tool, image):
    dump = subprocess.run([tool, "dump", image], check=True, stdout=subprocess.PIPE, text=True)
    return sorted(dump.stdout.splitlines())


def make(tool, folder, lines, pages):
    image = folder / "made.bin"
    subprocess.run([tool, "make", image, str(pages)], input="\n".join(lines) + "\n", check=True,
                   text=True)
    return image


def some_values(seed, longest):
    rng = random.Random(seed)
    values = []
    for space in ("factory_param", "client_cert", "ble_data"):
        for number in range(rng.randrange(1, 25)):
            kind = rng.choice(list(TYPES))
            if kind == "string":
                value = "".join(rng.choice("abc XYZ,.-=0123") for _ in range(rng.randrange(1, 200)))
                value = "s" + value + "e"
            elif kind == "blob":
                value = rng.randbytes(rng.randrange(1, longest))
            else:
                bits = int(kind[1:])
                low, high = (0, (1 << bits) - 1) if kind[0] == "u" else (-(1 << bits - 1),
                                                                       (1 << bits - 1) - 1)
                value = rng.choice([low, high, rng.randint(low, high)])
            values.append((space, f"{kind}.{number}", kind, value))
    return values


def used_pages(image):
    """Pages with entries, with the state taken out: (sequence number, bytes)."""
    pages = [image[at:at + 4096] for at in range(0, len(image), 4096)]
    return [page[4:] for page in pages if page[32:64] != b"\xff" * 32]


@pytest.mark.parametrize("seed", range(20))
def test_values_go_both_ways(tool, tmp_path, seed):
    values = some_values(seed, 300 if seed % 2 else 6000)
    lines = [as_line(value) for value in values]
    assert read(tool, generate(tmp_path, values, 48)) == sorted(lines)
    assert read(tool, make(tool, tmp_path, lines, 48)) == sorted(lines)


def test_bytes_are_the_generators(tool, tmp_path):
    """All types, and a blob over four pages. No blob begins within 400 bytes of a page's end: a
    running module turns the page there, the generator does not."""
    rng = random.Random(1)
    values = [("factory_param", kind, kind, 100) for kind in TYPES if kind[0] in "ui"]
    values += [("factory_param", "module_name", "string", "ESP32C2-4MB"),
               ("server_ca", "server_ca", "blob", bytes(range(40))),
               ("server_ca", "long", "blob", rng.randbytes(13000)),
               ("server_ca", "more", "blob", rng.randbytes(700))]
    generated = generate(tmp_path, values, 8)
    made = make(tool, tmp_path, [as_line(value) for value in values], 8)
    pages = used_pages(made.read_bytes())
    assert len(pages) == 4
    assert pages == used_pages(generated.read_bytes())
