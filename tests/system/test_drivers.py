"""Drivers that nobody here wrote, as they are published, against the module and a real HTTP server."""
import http.server
import pathlib
import shutil
import subprocess
import sys
import threading
import time
import types

import pytest
import serial

from attache import GATEWAY, STATION

PAGE = b"<html>served by a real server</html>\n" * 20 + b"the end"
SECRETS = {"ssid": "espressif", "password": "1234567890"}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        time.sleep(0.3)  # pace: the driver loses an answer that comes together with SEND OK
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@pytest.fixture
def web():
    """The port of an HTTP server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def adafruit(module, monkeypatch):
    """(driver, running module). A computer has no pins, so digitalio is an empty module with the two
    names that the driver imports; the UART is a pyserial port, as in the driver's examples for
    computers."""
    pins = types.ModuleType("digitalio")
    pins.DigitalInOut = pins.Direction = object
    monkeypatch.setitem(sys.modules, "digitalio", pins)
    from adafruit_espatcontrol.adafruit_espatcontrol import ESP_ATcontrol
    running = module()
    with serial.Serial(running.path, 115200, timeout=1) as uart:
        yield ESP_ATcontrol(uart, 115200), running


def get(driver, port):
    """The driver's sockets are enough for HTTP; its packets are at most 1500 bytes."""
    assert driver.socket_connect(driver.TYPE_TCP, GATEWAY, port)
    assert driver.socket_send(b"GET /page HTTP/1.0\r\n\r\n")
    answer = b""
    while not answer.endswith(b"the end"):
        data = driver.socket_receive(timeout=5)
        assert data, f"no whole answer: {answer!r}"
        answer += data
    driver.socket_disconnect()
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    return body


def test_adafruit(adafruit, web):
    """Join, GET, lose the access point, come back, GET, leave, join again, GET."""
    driver, running = adafruit
    driver.connect(SECRETS)
    assert driver.local_ip == STATION
    assert driver.ping(GATEWAY) is not None
    assert get(driver, web) == PAGE
    since = running.control.last_event()
    running.control.call("ap", name="espressif", on=False)
    running.control.wait("left", since=since)
    running.control.call("ap", name="espressif", on=True)
    running.control.wait("ip", since=since)
    assert driver.is_connected
    assert get(driver, web) == PAGE
    driver.disconnect()
    assert not driver.is_connected
    driver.connect(SECRETS)
    assert get(driver, web) == PAGE


def test_adafruit_resets_the_module(adafruit):
    driver, running = adafruit
    assert driver.sync()
    assert driver.soft_reset()
    assert driver.sync()
    assert running.control.status()["boots"] == 2


@pytest.mark.skipif(not shutil.which("go"), reason="go is not installed")
def test_tinygo(module, listener, tmp_path):
    """TinyGo's driver with its own net package, compiled by the ordinary Go."""
    server = listener()

    def serve():
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                while not connection.recv(1000).endswith(b"\r\n\r\n"):
                    pass
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nall of it, to the end")
                connection.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    source = pathlib.Path(__file__).parent / "tinygo"
    program = tmp_path / "tinygo"
    build = subprocess.run(["go", "build", "-o", program, "."], cwd=source, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=180, check=False)
    assert build.returncode == 0, build.stdout.decode()
    running = module()
    running.open().until(b"ready\r\n")
    outcome = subprocess.run([program, running.path, *SECRETS.values(), GATEWAY,
                              str(server.getsockname()[1])],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    assert outcome.returncode == 0, outcome.stdout.decode()
    assert outcome.stdout.decode().count("the end") == 2
    thread.join()
