"""Firmware from a URL: good and bad images, connections that are cut at every byte, redirects."""
import signal
import socket
import threading

import pytest

import attache
import firmware
from attache import ERROR, HOST_ALIAS, OK, PROMPT, READY
from update_peers import LOST, begin, failed, last_warning, respond, restarted, runs, userota
from update_peers import files, flash, scripted  # noqa: F401  fixtures


def test_userota_again_and_rollback(module, flash, files):
    folder, to = files()
    port = module("--flash", flash()).open()
    begin(port)
    runs(port, "v1.0.0.0")
    port.command("AT+SYSROLLBACK", failed())
    for version in "v2.0.0.0", "v3.0.0.0", "v4.0.0.0":
        (folder / "fw.bin").write_bytes(firmware.image(version, 1_500_000))
        userota(port, f"http://{HOST_ALIAS}:{to}/fw.bin")
        runs(port, version)
    port.command("AT+SYSROLLBACK", OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, "v3.0.0.0")
    port.command("AT+SYSROLLBACK", failed())


def test_the_new_firmware_is_there_in_the_next_run(module, flash, files):
    folder, to = files()
    (folder / "fw.bin").write_bytes(firmware.image("v2.0.0.0"))
    image = flash()
    started = module("--flash", image)
    begin(started.open())
    userota(started.port, f"http://{HOST_ALIAS}:{to}/fw.bin")
    started.stop()
    assert b"ota_1            esp-at v2.0.0.0, 336 bytes, boots" in attache.run("flash", "info", image).stdout
    port = module("--flash", image).open()
    restarted(port)
    runs(port, "v2.0.0.0")


def test_an_erased_module_gets_its_first_image(module, files):
    folder, to = files()
    (folder / "fw.bin").write_bytes(firmware.image("v2.0.0.0"))
    port = module().open()
    begin(port)
    userota(port, f"http://{HOST_ALIAS}:{to}/fw.bin")
    runs(port, "v2.0.0.0")


def test_a_longest_url(module, flash, scripted):
    server = scripted(respond(firmware.image("v2.0.0.0")))
    port = module("--flash", flash()).open()
    begin(port)
    url = server.url("/?token=")
    url += "x" * (8192 - len(url))
    port.command("AT+USEROTA=8193", b"ERR CODE:0x01070001\r\n" + ERROR)
    userota(port, url)
    runs(port, "v2.0.0.0")
    assert len(server.requests[0].split()[1]) == 8192 - len(server.url(""))


def test_chunked_and_endless_bodies(module, flash, scripted):
    image = firmware.image("v2.0.0.0", 30_000)
    pieces = [image[at:at + 777] for at in range(0, len(image), 777)]
    body = b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX: y\r\n\r\n"
    port = module("--flash", flash()).open()
    begin(port)
    userota(port, scripted(respond(body, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")).url())
    runs(port, "v2.0.0.0")
    image = firmware.image("v3.0.0.0", 30_000)
    userota(port, scripted(respond(image, b"HTTP/1.0 200 OK\r\n\r\n")).url())
    runs(port, "v3.0.0.0")


BAD_IMAGES = {
    "html": (b"<html>no such file</html>" * 40, "does not start with E9"),
    "short": (b"\xe9\x01", "2 bytes are no image"),
    "other chip": (firmware.image("v2.0.0.0", chip=5), "is for another chip"),
    "no description": (firmware.image("v2.0.0.0", described=False), "does not say which firmware it is"),
    "checksum": (firmware.image("v2.0.0.0", 9000, spoil="sum"), "fails its checksum"),
    "hash": (firmware.image("v2.0.0.0", 9000, spoil="hash"), "fails its SHA-256"),
    "segment": (firmware.image("v2.0.0.0", 9000, spoil="segment"), "has a segment that reaches past its slot"),
    "flipped bit": (firmware.image("v2.0.0.0", 9000).replace(b"Jan  1 2026", b"Jan  2 2026"), "fails its checksum"),
    "cut": (firmware.image("v2.0.0.0", 9000)[:-1], "fails its SHA-256"),
    "too long": (b"\xe9" + bytes(0x1D0000), "the file has 1900545 bytes, 'ota_1' holds 1900544"),
    "nothing": (b"", "the file is empty"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_images_change_nothing(module, flash, scripted, name):
    image, reason = BAD_IMAGES[name]
    started = module("--flash", flash())
    begin(started.open())
    userota(started.port, scripted(respond(image)).url(), failed())
    assert reason in last_warning(started)
    started.control.call("power", state="cycle")
    restarted(started.port)
    runs(started.port, "v1.0.0.0")


def test_what_is_refused_at_once_leaves_the_old_one_to_go_back_to(module, flash, scripted):
    started = module("--flash", flash())
    port = started.open()
    begin(port)
    userota(port, scripted(respond(firmware.image("v2.0.0.0"))).url())
    for image in firmware.image("v3.0.0.0", chip=5), b"<html>" + bytes(100), b"\xe9" + bytes(0x1D0000), b"\xe9":
        userota(port, scripted(respond(image)).url(), failed())
    userota(port, scripted(respond(b"", b"HTTP/1.1 404 x\r\n\r\n")).url(), failed(0x7000 + 404))
    port.command("AT+SYSROLLBACK", OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, "v1.0.0.0")


def test_what_was_longer_than_it_said(module, flash, scripted):
    """More than a slot holds, without a length: noticed when it comes."""
    started = module("--flash", flash())
    begin(started.open())
    image = firmware.image("v2.0.0.0") + bytes(0x1D0000)
    userota(started.port, scripted(respond(image, b"HTTP/1.0 200 OK\r\n\r\n")).url(), failed())
    assert "is longer than 'ota_1'" in last_warning(started)
    userota(started.port, scripted(respond(firmware.image("v2.0.0.0") + bytes(100_000))).url())
    runs(started.port, "v2.0.0.0")  # a dump of a partition: what is behind the image does not matter


def test_a_connection_cut_at_every_byte(module, flash, scripted):
    """The answer ends after n bytes, in order and by a reset: an ERROR each time, and the old firmware boots."""
    image = firmware.image("v2.0.0.0", 12_000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/octet-stream\r\n\r\n" % len(image) + image
    head = len(answer) - len(image)
    cuts = [*range(head + 400), *range(head + 400, len(answer), 97), len(answer) - 1]
    cut = {}

    def talk(connection, _):
        connection.sendall(answer[:cut["at"]])
        if cut["reset"]:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server = scripted(talk)
    started = module("--flash", flash(), log="warn")
    port = started.open()
    begin(port)
    for reset in False, True:
        for at in cuts[::1 if not reset else 5]:
            cut.update(at=at, reset=reset)
            userota(port, server.url(), failed())
    runs(port, "v1.0.0.0")
    port.command("AT+RST", OK + LOST + READY)
    restarted(port, ready=b"")
    runs(port, "v1.0.0.0")
    port.join()
    cut.update(at=len(answer), reset=False)
    userota(port, server.url())
    runs(port, "v2.0.0.0")


def test_power_cut_at_many_bytes(module, flash, scripted):
    """The program is killed when the server has sent n bytes; the next run has the old firmware, and can be updated."""
    image = firmware.image("v2.0.0.0", 40_000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(image) + image
    path, cut, sent, go = flash(), {}, threading.Event(), threading.Event()

    def talk(connection, _):
        connection.sendall(answer[:cut["at"]])
        sent.set()
        go.wait(attache.PATIENCE_S)

    server = scripted(talk)
    for at in (0, 10, 60, 100, 400, *range(4000, len(answer), 6000), len(answer) - 1):
        cut["at"] = at
        sent.clear()
        go.clear()
        started = module("--flash", path, log="warn")
        started.expected_exit = -signal.SIGKILL
        begin(started.open())
        runs(started.port, "v1.0.0.0")
        url = server.url().encode()
        started.port.command(f"AT+USEROTA={len(url)}", PROMPT)
        started.port.write(url)
        assert sent.wait(attache.PATIENCE_S)
        chip = attache.Gone(started.chip())
        started.process.kill()
        assert chip.wait()
        go.set()
    cut["at"] = len(answer)
    go.set()
    started = module("--flash", path, log="warn")
    begin(started.open())
    userota(started.port, server.url())
    runs(started.port, "v2.0.0.0")


def test_statuses_and_bad_answers(module, flash, scripted):
    started = module("--flash", flash())
    port = started.open()
    begin(port)
    for head, code, reason in (
            (b"HTTP/1.1 404 Not Found\r\n\r\n", 0x7000 + 404, "status 404: it has no such file"),
            (b"HTTP/1.1 500 Oops\r\n\r\n", 0x7000 + 500, "status 500"),
            (b"HTTP/1.1 206 Partial\r\n\r\n", 0x7000 + 206, "status 206"),
            (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", 0, "compresses"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 0, "two different Content-Lengths"),
            (b"RTSP/1.0 200 OK\r\n\r\n", 0, "not HTTP/1.x"),
            (b"HTTP/1.1 302 Found\r\n\r\n", 0, "without a usable Location"),
            (b"HTTP/1.1 302 Found\r\nLocation: ftp://h/\r\n\r\n", 0, "begins with http:// or https://"),
            (b"", 0, "ended before the answer")):
        userota(port, scripted(respond(b"", head)).url(), failed(code))
        assert reason in last_warning(started)
    for url, reason in (("ftp://h/", "http:// or https://"), ("http://", "no host"), ("http://h/a b", "visible ASCII"),
                        ("http://u:p@h/", "user names"), ("http://no.such.name.invalid/", "no address")):
        userota(port, url, failed())
        assert reason in last_warning(started)
    port.command("AT+USEROTA=10", PROMPT)
    port.write(b"http://h/\0")
    port.exactly(b"\r\nRecv 10 bytes\r\n" + failed())
    port.command("AT+CWQAP", b"WIFI DISCONNECT\r\n" + OK)
    userota(port, f"http://{HOST_ALIAS}:1/", failed())


def test_redirects(module, flash, scripted):
    image = firmware.image("v2.0.0.0")
    hops = []

    def talk(connection, request):
        path = request.split()[1].decode()
        hops.append(path)
        step = int(path.rsplit("/", 1)[1])
        status = (301, 302, 303, 307, 308)[step % 5]
        target = (f"{step + 1}", f"/a/b/{step + 1}", f"../c/{step + 1}", f"http://{HOST_ALIAS}:{server.port}/{step + 1}",
                  f"//{HOST_ALIAS}:{server.port}/z/{step + 1}")[step % 5]
        if step == last:
            respond(image)(connection, request)
        else:
            connection.sendall(f"HTTP/1.1 {status} x\r\nLocation: {target}\r\nContent-Length: 2\r\n\r\nno".encode())
    server = scripted(talk)
    started = module("--flash", flash())
    begin(started.open())
    last = 6
    userota(started.port, server.url("/x/0"), failed())
    assert "more than 5 redirects" in last_warning(started)
    hops.clear()
    last = 5
    userota(started.port, server.url("/x/0"))
    assert hops == ["/x/0", "/x/1", "/a/b/2", "/a/c/3", "/4", "/z/5"]
    runs(started.port, "v2.0.0.0")


