"""Drivers that nobody here wrote, as they are published, against the module and a real HTTP server."""
import http.server
import pathlib
import shutil
import subprocess
import sys
import threading
import types

import pytest
import serial

from attache import GATEWAY, STATION

PAGE = b"<html>served by a real server</html>\n" * 20 + b"the end"
SECRETS = {"ssid": "espressif", "password": "1234567890"}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def do_POST(self):  # pylint: disable=invalid-name
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[::-1])

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@pytest.fixture
def web():
    """The port of an HTTP server: one of the two numbers that the driver takes for plain TCP."""
    for number in (1883, 80):
        try:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", number), Handler)
            break
        except OSError:
            pass
    else:
        pytest.skip("ports 1883 and 80 are taken")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def adafruit(module, monkeypatch):
    """(driver, running module, requests session). A computer has no pins, so digitalio is an empty
    module with the two names that the driver imports; the UART is a pyserial port, as in the
    driver's examples for computers."""
    pins = types.ModuleType("digitalio")
    pins.DigitalInOut = pins.Direction = object
    monkeypatch.setitem(sys.modules, "digitalio", pins)
    from adafruit_espatcontrol import adafruit_espatcontrol, adafruit_espatcontrol_socket as pool
    import adafruit_requests
    running = module()
    with serial.Serial(running.path, 115200, timeout=1) as uart:
        driver = adafruit_espatcontrol.ESP_ATcontrol(uart, 115200)
        pool.set_interface(driver)
        yield driver, running, adafruit_requests.Session(pool)


def test_adafruit(adafruit, web):
    """Join, GET, POST, lose the access point, join again, GET, leave, join, GET."""
    driver, running, session = adafruit
    driver.connect(SECRETS)
    assert driver.local_ip == STATION
    assert driver.ping(GATEWAY) is not None
    address = f"http://{GATEWAY}:{web}/page"
    for _ in range(2):
        with session.get(address) as answer:
            assert answer.status_code == 200
            assert answer.content == PAGE
    with session.post(address, data="question") as answer:
        assert answer.content == b"noitseuq"
    since = running.control.last_event()
    running.control.call("ap", name="espressif", on=False)
    running.control.wait("left", since=since)
    running.control.call("ap", name="espressif", on=True)
    running.control.wait("ip", since=since)
    assert driver.is_connected
    with session.get(address) as answer:
        assert answer.content == PAGE
    driver.disconnect()
    assert not driver.is_connected
    driver.connect(SECRETS)
    with session.get(address) as answer:
        assert answer.content == PAGE


def test_adafruit_resets_the_module(adafruit):
    driver, running, _ = adafruit
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
