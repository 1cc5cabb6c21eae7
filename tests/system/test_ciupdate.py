"""Updates from an update server, into the spare slot and into partitions (docs/UPDATES.md)."""
import hashlib
import threading

import pytest

import attache
import firmware
from attache import ERROR, HOST_ALIAS, OK, READY
from update_peers import ALL_STATES, LOST, MODULE, STATES, begin, failed, last_warning, publish, respond, restarted, runs
from update_peers import files, flash, fleet, scripted, update_server  # noqa: F401  fixtures


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


