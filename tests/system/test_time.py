"""The clock of the module from a real NTP server: chrony, in a network of its own behind a TAP."""
import datetime
import re
import socket
import time

import pytest

import netns
import tls_peers
from attache import OK, PATIENCE_S, Unexpected
from tls_fixtures import certificate, items_of, refused

HOST = "10.7.0.1"
WORLD = """
[ap lab]
password = lab-secret
uplink = tap:tap0
gateway = 10.7.0.1/24
dhcp = on
"""
CHRONY = """
local stratum 8
allow all
cmdport 0
bindcmdaddress /
"""


def wait_for_time(namespace):
    """Until the server says that it has the time; it takes a moment to start."""
    with namespace.inside():
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asking:
        asking.settimeout(0.2)
        asking.connect((HOST, 123))
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                asking.send(b"\x23" + bytes(47))
                if asking.recv(100)[0] >> 6 != 3:
                    return
            except TimeoutError:
                pass
            except ConnectionRefusedError:
                time.sleep(0.05)  # pace: the port is not open yet, which is told at once
    raise Unexpected("chrony has no time")


@pytest.fixture
def chrony(tmp_path):
    for namespace in netns.fixture("chronyd"):
        namespace.tap("tap0", f"{HOST}/24")
        config = tmp_path / "chrony.conf"
        config.write_text(CHRONY + f"pidfile {tmp_path}/chrony.pid\n")
        # -x: it does not touch the computer's clock.
        namespace.start("chronyd", "-d", "-x", "-u", "root", "-f", config)
        wait_for_time(namespace)
        yield namespace


@pytest.fixture
def lab(module, chrony, tmp_path):
    world = tmp_path / "world.ini"
    world.write_text(WORLD)

    def start(*options):
        port = module("--world", world, *options, within=chrony).started()
        port.command("AT+CWMODE=1")
        return port
    return start


def join(port):
    port.command('AT+CWJAP="lab","lab-secret"', b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK)


def shown(port):
    text = re.fullmatch(r"\+CIPSNTPTIME:(.*)\r\n", port.ask("AT+CIPSNTPTIME?")).group(1)
    return datetime.datetime.strptime(text, "%a %b %d %H:%M:%S %Y").replace(tzinfo=datetime.timezone.utc)


def test_chrony_tells_the_time(lab):
    port = lab()
    before = time.time() - time.monotonic()
    join(port)
    assert shown(port).year == 1970
    port.command(f'AT+CIPSNTPCFG=1,545,"{HOST}"')
    port.exactly(b"+TIME_UPDATED\r\n")
    stamp = int(re.fullmatch(r"\+SYSTIMESTAMP:(\d+)\r\n", port.ask("AT+SYSTIMESTAMP?")).group(1))
    assert abs(stamp - time.time()) < 2
    assert abs(shown(port).timestamp() - (5 * 3600 + 45 * 60) - time.time()) < 2
    assert abs(time.time() - time.monotonic() - before) < 1, "the computer's clock was set"


def test_a_join_starts_it_and_a_dead_server_is_passed_over(lab):
    """The first server's address belongs to nobody; the configuration is older than the join."""
    port = lab()
    port.command(f'AT+CIPSNTPCFG=1,0,"10.7.0.77","{HOST}"')
    join(port)
    port.exactly(b"+TIME_UPDATED\r\n")
    assert abs(shown(port).timestamp() - time.time()) < 2


def test_over_ipv6(lab, chrony):
    """The server's link-local address, without a zone."""
    port = lab()
    port.command("AT+CIPV6=1")
    join(port)
    port.exactly(b"WIFI GOT IPv6 LL\r\n")
    own = re.search(r"inet6 (fe80::[0-9a-f:]+)", chrony.run("ip", "-6", "address", "show", "dev", "tap0")).group(1)
    port.command(f'AT+CIPSNTPCFG=1,0,"{own}"')
    port.exactly(b"+TIME_UPDATED\r\n")
    assert abs(shown(port).timestamp() - time.time()) < 2


def test_synchronised_again_after_the_interval(lab, request):
    """The event on the control socket tells what +TIME_UPDATED tells only once."""
    port = lab()
    control = request.node.modules[0].control
    join(port)
    port.command("AT+CIPSNTPINTV=15")
    before = control.last_event()
    port.command(f'AT+CIPSNTPCFG=1,0,"{HOST}"')
    port.exactly(b"+TIME_UPDATED\r\n")
    first = control.wait("time", since=before)
    again = control.wait("time", since=first["n"], timeout_s=30)
    assert 13 <= again["unix"] - first["unix"] <= 20
    assert port.empty()


def test_a_certificate_is_judged_by_that_time(module, chrony, tmp_path, pki):
    """It is 1970 when the module starts, and no certificate is valid yet."""
    world = tmp_path / "world.ini"
    world.write_text(WORLD)
    flash = tls_peers.flash_image(tmp_path, items_of(pki))
    chrony.start("openssl", "s_server", "-accept", f"{HOST}:8443", "-www",
                 *certificate(pki, "recent")).until("ACCEPT")
    port = module("--world", world, "--flash", flash, within=chrony).started()
    port.command("AT+CWMODE=1")
    join(port)
    port.command("AT+SYSLOG=1")
    port.command("AT+CIPSSLCCONF=2,0,0")
    port.command(f'AT+CIPSTART="SSL","{HOST}",8443', refused(0x12))  # the clock is not set
    port.command(f'AT+CIPSNTPCFG=1,0,"{HOST}"')
    port.exactly(b"+TIME_UPDATED\r\n")
    port.command(f'AT+CIPSTART="SSL","{HOST}",8443', b"CONNECT\r\n" + OK)
