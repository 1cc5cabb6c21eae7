"""`attache flash`, against tools nobody here wrote: dosfstools and mtools (FAT), esptool (images of firmware), the
vendor's NVS generator. What they make we read, what we make they accept."""
import csv
import hashlib
import random
import shutil
import struct
import subprocess
import sys
import zlib

import pytest

import attache
from attache import OK

CONFIG = attache.ROOT / "module_config"
VOLUME = 19 * 4096  # bytes of the FAT volume on the part's 100 KiB
TABLES = {  # protocols: what the vendor's generator makes
    "esp32c2-4mb": ("7e1caa07c844f36b51ee762651e0fdc0b0865304139c8c7e1a01d4bb94b9f5c3", 0x1E000,
                    "f5a36f571968b2b6afc21872dfc4e006b58c8eea2d469c8c5af7b60ef2fcc01f"),
    "esp32c2-2mb": ("b396afd004ce12405c8c865c0c173205c32b76eb1b2fb366350049246f4fb686", 0x1A000,
                    "48725b62610db177cb4bb19a10c139afd000614457dc7e94529dbd60d7bb981a"),
}


def flash(*words, status=0, cwd=None):
    done = subprocess.run([attache.PROGRAM, "flash", *map(str, words)], capture_output=True, cwd=cwd)
    assert done.returncode == status, done.stderr.decode()
    if status == 1:
        assert done.stderr.startswith(b"attache flash: ")
    return done


def create(folder, *options):
    image = folder / "flash.bin"
    flash("create", "--config", CONFIG, *options, image)
    return image


def value(image, space, key):
    return flash("get", image, "mfg_nvs", space, key).stdout


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


# --- images ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module_name", TABLES)
def test_tables_are_the_vendors(tmp_path, module_name):
    data = create(tmp_path, "--module", module_name).read_bytes()
    primary, area, customize = TABLES[module_name]
    assert hashlib.sha256(data[0x8000:0x8C00]).hexdigest() == primary
    assert hashlib.sha256(data[area:area + 0xC00]).hexdigest() == customize


@pytest.mark.parametrize("module_name, name, size", [("full", "ESP32C2-4MB", 4), ("esp32c2-4mb", "ESP32C2-4MB", 4),
                                                     ("esp32c2-2mb", "ESP32C2-2MB", 2),
                                                     ("esp32c2-ble-2mb", "ESP32C2-BLE-2MB", 2)])
def test_create(tmp_path, module_name, name, size):
    image = create(tmp_path, "--module", module_name)
    assert image.stat().st_size == size << 20
    assert value(image, "factory_param", "module_name").decode() == name + "\n"
    assert value(image, "factory_param", "uart_baudrate") == b"115200\n"
    for key, path in [("client_ca.1", "client_ca/client_ca_01.crt"), ("server_key", "server_key/server.key")]:
        assert value(image, key.split(".")[0], key) == (CONFIG / "raw_data" / path).read_bytes()
    services = flash("ls", image, "mfg_nvs").stdout.decode().count("ble_data")
    assert services == (31 if "ble" in module_name else 0)
    assert f"{size} MiB" in flash("info", image).stdout.decode()


def test_a_module_of_ones_own(tmp_path):
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    shutil.copytree(config / "module_esp32c2_default", config / "module_esp32c2-user-defined")
    with (config / "raw_data/factory_param/factory_param_data.csv").open("a") as table:
        table.write("PLATFORM_ESP32C2,ESP32C2-USER-DEFINED,,4,78,1,1,13,CN,-1,-1,-1,-1,-1\n")
    with (config / "module_esp32c2-user-defined/at_customize.csv").open("a") as table:
        table.write("test,0x40,15,0x3E000,4K\n")
    image = tmp_path / "own.bin"
    flash("create", "--config", config, "--module", "esp32c2-user-defined", image)
    assert value(image, "factory_param", "uart_tx_pin") == b"-1\n"
    assert b"test              64  15  0x03e000  0x001000" in flash("ls", image).stdout


def test_values_go_in_and_out(tmp_path):
    image = create(tmp_path)
    for kind, number in [("u8", 255), ("i8", -128), ("u16", 65535), ("i16", -32768), ("u32", 2 ** 32 - 1),
                         ("i32", -2 ** 31), ("i64", -2 ** 62)]:
        flash("set", image, "mfg_nvs", "own", "n", kind, number)
        assert value(image, "own", "n") == f"{number}\n".encode()
    flash("set", image, "mfg_nvs", "own", "text", "string", "some words")
    assert value(image, "own", "text") == b"some words\n"
    content = random.Random(1).randbytes(9000)
    (tmp_path / "blob").write_bytes(content)
    flash("set", image, "mfg_nvs", "own", "blob", "binary", f"@{tmp_path / 'blob'}")
    assert value(image, "own", "blob") == content


@pytest.mark.parametrize("words, status, text", [
    ([], 2, "usage"), (["nonsense"], 2, "no verb"), (["get", "{image}"], 2, "usage"),
    (["create", "{image}"], 1, "exists"), (["create", "--module", "nothing", "--force", "{image}"], 1, "No such file"),
    (["ls", "{folder}/none"], 1, "No such file"), (["ls", "{short}"], 1, "no image"),
    (["ls", "{image}", "ota_0"], 1, "neither"), (["ls", "{image}", "none"], 1, "no partition"),
    (["get", "{image}", "mfg_nvs", "none", "k"], 1, "not found"), (["get", "{image}", "ota_0", "n", "k"], 1, "no values"),
    (["set", "{image}", "mfg_nvs", "n", "k", "u8", "256"], 1, "not stored"),
    (["set", "{image}", "mfg_nvs", "n", "k", "u7", "1"], 1, "no type"),
    (["set", "{image}", "mfg_nvs", "n", "a key that is too long", "u8", "1"], 1, "not stored"),
    (["insert", "{image}", "otadata", "{image}"], 1, "0x2000"), (["insert", "{image}", "fatfs", "x", "--fat"], 2, "usage"),
    (["modify", "--tx_power", "72"], 2, "--input"), (["modify", "--input", "{image}", "--tx_power", "99"], 2, "40 to 84"),
    (["modify", "--input", "{image}", "--bogus", "1"], 2, "unknown option"),
    (["modify", "--input", "{short}", "--baud", "9600"], 1, "no image"),
])
def test_errors(tmp_path, words, status, text):
    image = create(tmp_path)
    before = image.read_bytes()
    (tmp_path / "short").write_bytes(b"\xff" * 100)
    names = {"image": image, "folder": tmp_path, "short": tmp_path / "short"}
    done = flash(*[word.format(**names) for word in words], status=status, cwd=tmp_path)
    assert text in done.stderr.decode()
    assert done.stdout == b""
    assert image.read_bytes() == before


def test_help():
    for words in ([], ["create"], ["modify"], ["info"], ["insert"]):
        assert b"usage: attache flash" in flash(*words, "--help").stdout


def test_modify_has_the_options_of_at_py(tmp_path):
    image = create(tmp_path, "--module", "esp32c2-ble-2mb")
    before = image.read_bytes()
    names = ["server_ca", "server_cert", "server_key", "client_ca0", "client_cert0", "client_key0", "client_ca1",
             "client_cert1", "client_key1", "mqtt_ca", "mqtt_cert", "mqtt_key", "wpa2_ca", "wpa2_cert", "wpa2_key"]
    words = []
    for name in names:
        (tmp_path / name).write_text(f"-----BEGIN {name}-----\n" * 40)
        words += [f"--{name}", tmp_path / name]
    for row in range(31):
        words += [f"--gatts_cfg{row}", f"{row},16,0x2800,0x011,2,2,A0{row:02}"]
    flash("modify", "--tx_power", "72", "--country_code", "US", "--start_channel", "1", "--channel_number", "11",
          "--uart_num", "0", "--baud", "921600", "--tx_pin", "17", "--rx_pin", "16", "--cts_pin", "-1", "--rts_pin", "-9",
          *words, "--input", image, cwd=tmp_path)
    target = tmp_path / "target.bin"
    assert image.read_bytes() == before
    for key, number in [("max_tx_power", 72), ("start_channel", 1), ("channel_num", 11), ("uart_port", 0),
                        ("uart_baudrate", 921600), ("uart_tx_pin", 17), ("uart_rx_pin", 16), ("uart_cts_pin", -1),
                        ("uart_rts_pin", -1)]:
        assert value(target, "factory_param", key) == f"{number}\n".encode()
    assert value(target, "factory_param", "country_code") == b"US\n"
    assert value(target, "ble_data", "cfg30") == b"30,16,0x2800,0x011,2,2,A030\n"
    for name in names:
        space = name.rstrip("01") if name.startswith("client") else name
        key = f"{space}.{name[-1]}" if name.startswith("client") else name
        assert value(target, space, key) == (tmp_path / name).read_bytes()


def test_the_module_honours_factory_parameters(module, tmp_path):
    image = tmp_path / "own.bin"
    flash("modify", "--input", create(tmp_path), "--output", image, "--baud", "921600", "--tx_power", "60",
          "--country_code", "US", "--channel_number", "11", "--module_name", "LIGHTER")
    with module("--flash", str(image)).started() as port:
        assert "+UART_CUR:921600,8,1,0,0\r\n" in port.ask("AT+UART_CUR?")
        port.command("AT+CWMODE=1")
        assert "+RFPOWER:60\r\n" in port.ask("AT+RFPOWER?")
        assert '+CWCOUNTRY:0,"US",1,11\r\n' in port.ask("AT+CWCOUNTRY?")
        assert "(LIGHTER)\r\n" in port.ask("AT+GMR")


def test_an_image_in_use_is_left_alone(module, tmp_path):
    image = create(tmp_path)
    with module("--flash", str(image)).started():
        for words in (["ls", image], ["set", image, "mfg_nvs", "a", "b", "u8", "1"], ["create", "--force", image]):
            words = words if words[0] != "create" else ["create", "--config", CONFIG, "--force", image]
            flash(*words, status=1)


# --- the vendor's NVS generator --------------------------------------------------------------------------------------


def test_a_generated_partition_is_read(tmp_path, module):
    pytest.importorskip("esp_idf_nvs_partition_gen")
    cert = CONFIG / "raw_data/client_ca/client_ca_00.crt"
    rows = [["key", "type", "encoding", "value"], ["client_ca", "namespace", "", ""],
            ["client_ca.0", "file", "binary", cert], ["factory_param", "namespace", "", ""],
            ["version", "data", "i8", "4"], ["module_name", "data", "string", "THEIRS"],
            ["uart_baudrate", "data", "i32", "57600"]]
    with (tmp_path / "mfg.csv").open("w", newline="") as out:
        csv.writer(out).writerows(rows)
    subprocess.run([sys.executable, "-m", "esp_idf_nvs_partition_gen", "generate", tmp_path / "mfg.csv",
                    tmp_path / "mfg.bin", "0x1F000"], check=True, stdout=subprocess.DEVNULL)
    image = create(tmp_path)
    flash("insert", image, "mfg_nvs", tmp_path / "mfg.bin")
    assert value(image, "client_ca", "client_ca.0") == cert.read_bytes()
    flash("extract", image, "mfg_nvs", tmp_path / "same.bin")
    assert (tmp_path / "same.bin").read_bytes() == (tmp_path / "mfg.bin").read_bytes()
    port = module("--flash", str(image)).started()
    port.send('AT+SYSMFG=1,"factory_param","module_name"')
    port.exactly(b'+SYSMFG:"factory_param","module_name",7,6,THEIRS' + OK)
    port.send('AT+SYSMFG=2,"factory_param","version",2,5')  # the first write collects garbage
    port.exactly(OK)
    port.send('AT+SYSMFG=1,"factory_param","version"')
    port.exactly(b'+SYSMFG:"factory_param","version",2,1,5\r\n' + OK)


# --- firmware --------------------------------------------------------------------------------------------------------


def test_esptool_accepts_the_firmware(tmp_path):
    pytest.importorskip("esptool")
    image = create(tmp_path, "--version", "v4.5.6.7")
    flash("extract", image, "ota_0", tmp_path / "app")
    app = tmp_path / "app.bin"
    app.write_bytes((tmp_path / "app").read_bytes()[:336])
    told = subprocess.run([sys.executable, "-m", "esptool", "--chip", "esp32c2", "image_info", app],
                          capture_output=True, text=True).stdout
    assert "valid" in told and "invalid" not in told
    assert "v4.5.6.7" in told and "attache" in told


def otadata(sequence):
    crc = zlib.crc32(struct.pack("<I", sequence), 0xFFFFFFFF)
    return (struct.pack("<I", sequence) + b"\xff" * 20 + struct.pack("<II", 2, crc)).ljust(4096, b"\xff")


def test_rollback_runs_the_other_slot(tmp_path, module):
    image = create(tmp_path)
    other = tmp_path / "other.bin"
    flash("create", "--config", CONFIG, "--version", "v9.9.9.9", other)
    flash("extract", other, "ota_0", tmp_path / "app")
    flash("insert", image, "ota_1", tmp_path / "app")
    (tmp_path / "otadata").write_bytes(otadata(1) + otadata(2))
    flash("insert", image, "otadata", tmp_path / "otadata")
    port = module("--flash", str(image)).started()
    port.send("AT+GMR")
    assert b"Bin version:v9.9.9.9(" in port.until(OK)
    port.send("AT+SYSROLLBACK")
    port.exactly(OK)
    port.until(attache.READY)
    port.echo_off()
    port.send("AT+GMR")
    assert b"Bin version:v3." in port.until(OK)
    port.send("AT+SYSROLLBACK")
    port.exactly(attache.ERROR)


# --- FAT -------------------------------------------------------------------------------------------------------------


def mtool(name, volume, *words):
    return subprocess.run([name, "-i", volume, *map(str, words)], check=True, capture_output=True).stdout


def check_volume(volume):
    done = subprocess.run(["fsck.vfat", "-n", volume], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def write(port, name, data, offset=0):
    port.send(f'AT+FS=0,1,"{name}",{offset},{len(data)}')
    port.exactly(b">")
    port.write(data)
    port.exactly(OK)


def test_they_read_our_files(tmp_path, module):
    need("fsck.vfat", "mtype")
    image, rng = create(tmp_path), random.Random(2)
    files = {"a.txt": b"abc", "LOG.TXT": rng.randbytes(5000), "n" * 200 + ".html": rng.randbytes(1500),
             "two words.and.dots": rng.randbytes(12000)}
    with module("--flash", str(image)) as ours:
        port = ours.started()
        for name, data in files.items():
            write(port, name, data)
        write(port, "LOG.TXT", b"middle", 3000)
        files["LOG.TXT"] = files["LOG.TXT"][:3000] + b"middle" + files["LOG.TXT"][3006:]
        write(port, "gone", b"x" * 4000)
        port.send('AT+FS=0,0,"gone"')
        port.exactly(OK)
    volume = tmp_path / "volume"
    flash("extract", image, "fatfs", volume, "--plain")
    assert volume.stat().st_size == VOLUME
    check_volume(volume)
    for name, data in files.items():
        assert mtool("mtype", volume, f"::{name}") == data
    listed = flash("ls", image, "fatfs").stdout.decode().splitlines()
    assert sorted(line[9:] for line in listed) == sorted(files)


def test_we_read_their_files_and_write_beside_them(tmp_path, module):
    need("mkfs.vfat", "fsck.vfat", "mcopy")
    volume, rng = tmp_path / "volume", random.Random(3)
    volume.write_bytes(bytes(VOLUME))
    subprocess.run(["mkfs.vfat", "-F", "12", "-s", "1", "-S", "512", volume], check=True, capture_output=True)
    longest = "m" * 251 + ".txt"
    files = {longest: rng.randbytes(700), "SHORT.TXT": rng.randbytes(6000), "Mixed Case.dat": rng.randbytes(2500)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        mtool("mcopy", volume, tmp_path / name, f"::{name}")
    mtool("mmd", volume, "::folder")
    mtool("mcopy", volume, tmp_path / "SHORT.TXT", "::folder/deep.txt")
    image = create(tmp_path)
    flash("insert", image, "fatfs", volume, "--plain")
    listed = flash("ls", image, "fatfs").stdout.decode()
    assert f"     700 {longest}\n" in listed and "folder/" in listed
    with module("--flash", str(image)) as ours:
        port = ours.started()
        for name in ("SHORT.TXT", "Mixed Case.dat", "folder/deep.txt"):
            data = files[name] if name in files else files["SHORT.TXT"]
            port.send(f'AT+FS=0,2,"{name}",0,{len(data)}')
            port.exactly(b"+FS:%d," % len(data) + data + OK)
        write(port, "ours beside theirs", b"hello")
        port.send('AT+FS=0,0,"Mixed Case.dat"')
        port.exactly(OK)
    flash("extract", image, "fatfs", volume, "--plain")
    check_volume(volume)
    assert mtool("mtype", volume, "::ours beside theirs") == b"hello"
    assert mtool("mtype", volume, f"::{longest}") == files[longest]


def test_a_disk_they_filled(tmp_path, module):
    need("mkfs.vfat", "fsck.vfat", "mcopy")
    volume = tmp_path / "volume"
    volume.write_bytes(bytes(VOLUME))
    subprocess.run(["mkfs.vfat", "-F", "12", "-s", "1", "-S", "512", volume], check=True, capture_output=True)
    for number in range(200):
        (tmp_path / "piece").write_bytes(bytes([number]) * 2048)
        if subprocess.run(["mcopy", "-i", volume, tmp_path / "piece", f"::piece{number}"],
                          capture_output=True, stdin=subprocess.DEVNULL).returncode != 0:
            break
    assert number > 20
    image = create(tmp_path)
    flash("insert", image, "fatfs", volume, "--plain")
    with module("--flash", str(image)) as ours:
        port = ours.started()
        port.send('AT+FS=0,1,"one more",0,4096')
        port.exactly(b">")
        port.write(b"x" * 4096)
        port.exactly(attache.ERROR)
        write(port, "piece1", b"in place", 100)
    flash("extract", image, "fatfs", volume, "--plain")
    check_volume(volume)
    assert mtool("mtype", volume, "::piece1")[98:110] == b"\x01\x01in place\x01\x01"
