"""AT+MDNS in front of Avahi (guide 4.2.13), in a network of its own behind a TAP.

Avahi has a bus, a /run and an nsswitch.conf of its own, so that one which runs on this computer is not met.
"""
import re
import socket

import pytest

import netns
from attache import OK, PATIENCE_S

HOST = "10.7.0.1"
STATION = "10.7.0.112"
WORLD = """
[ap lab]
password = lab-secret
uplink = tap:tap0
gateway = 10.7.0.1/24
dhcp = on
"""
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow eavesdrop="true"/>
  </policy>
</busconfig>
"""
AVAHI = """
[server]
host-name={name}
use-ipv4=yes
use-ipv6=yes
allow-interfaces=tap0
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
"""
# Its own /run before the daemon starts, with what the resolver of names needs to find it.
PRIVATE = ("mount --make-rprivate / && mount -t tmpfs none /run && mkdir /run/avahi-daemon && "
           'mount --bind "$1" /etc/nsswitch.conf && shift && exec "$@"')


class Avahi:
    """avahi-daemon with its bus; its tools see the same network and the same /run."""

    def __init__(self, namespace, folder, name):
        self.namespace = namespace
        bus, nss, config = folder / "bus", folder / "nsswitch.conf", folder / "avahi.conf"
        (folder / "bus.conf").write_text(BUS.format(path=bus))
        nss.write_text("hosts: files mdns4\n")
        config.write_text(AVAHI.format(name=name))
        namespace.start("dbus-daemon", "--nofork", "--nopidfile", "--print-address",
                        f"--config-file={folder}/bus.conf").until("unix:path")
        self.bus = ["env", f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={bus}"]
        self.daemon = namespace.start(
            "unshare", "--mount", "sh", "-c", PRIVATE, "sh", nss, *self.bus, "avahi-daemon", "--no-drop-root",
            "--no-chroot", "--no-rlimits", "--no-proc-title", f"--file={config}")
        self.daemon.until("Server startup complete")  # it has probed for its name; the TAP has a carrier

    def browse(self):
        """avahi-browse --all --resolve, as the guide calls it."""
        return self.namespace.start(*self.bus, "stdbuf", "-oL", "avahi-browse", "-a", "-r")

    def run(self, *command):
        return self.namespace.run("nsenter", f"--mount=/proc/{self.daemon.process.pid}/ns/mnt", "--", *self.bus, *command)


@pytest.fixture
def lab():
    for namespace in netns.fixture("avahi-daemon", "avahi-browse", "avahi-resolve", "dbus-daemon"):
        namespace.tap("tap0", f"{HOST}/24")
        yield namespace


@pytest.fixture
def joined(module, lab, tmp_path):
    world = tmp_path / "world.ini"
    world.write_text(WORLD)
    port = module("--world", world, "--pcap", tmp_path / "air.pcap", within=lab).started()
    port.command("AT+CWMODE=1")
    port.command('AT+CWJAP="lab","lab-secret"', b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK)
    return port


def test_example_4_2_13(joined, lab, tmp_path):
    """The guide's example: avahi-browse shows the device, a PC connects to its name."""
    avahi = Avahi(lab, tmp_path, "pc")
    browser = avahi.browse()
    joined.command('AT+MDNS=1,"espressif","_printer",35,"my_instance","_tcp",2,"product","my_printer",'
                   '"firmware_version","AT-V3.4.1.0"')
    browser.until(r"^\+ +tap0 IPv4 my_instance +UNIX Printer +local")
    browser.until(r"^= +tap0 IPv4 my_instance +UNIX Printer +local")
    assert browser.until(r"hostname = \[(.*)\]").group(1) == "espressif.local"
    assert browser.until(r"address = \[(.*)\]").group(1) == STATION
    assert browser.until(r"port = \[(.*)\]").group(1) == "35"
    pairs = browser.until(r"txt = \[(.*)\]").group(1)
    assert sorted(re.findall(r'"(.*?)"', pairs)) == ["firmware_version=AT-V3.4.1.0", "product=my_printer"]
    joined.command("AT+CIPMUX=1")
    joined.command("AT+CIPSERVER=1,35")
    address = avahi.run("getent", "ahostsv4", "espressif.local").split()[0]
    with lab.inside():
        client = socket.create_connection((address, 35), PATIENCE_S)
    with client:
        joined.exactly(b"0,CONNECT\r\n")
    joined.exactly(b"0,CLOSED\r\n")
    joined.command("AT+MDNS=0")
    browser.until(r"^- +tap0 IPv4 my_instance +UNIX Printer +local")


def test_name_and_address_are_resolved(joined, lab, tmp_path):
    avahi = Avahi(lab, tmp_path, "pc")
    joined.command('AT+MDNS=1,"espressif","_iot",8080')
    assert avahi.run("avahi-resolve", "-4", "-n", "Espressif.local").split()[1] == STATION
    assert avahi.run("avahi-resolve", "-a", STATION).split()[1] == "espressif.local"


def test_ipv6_addresses_come_and_go(joined, lab, tmp_path):
    avahi = Avahi(lab, tmp_path, "pc")
    joined.command('AT+MDNS=1,"espressif","_iot",8080')
    joined.command("AT+CIPV6=1")
    joined.exactly(b"WIFI GOT IPv6 LL\r\n")
    own = re.search(r'ip6ll:"(.*)"', joined.ask("AT+CIPSTA?")).group(1)
    assert avahi.run("avahi-resolve", "-6", "-n", "espressif.local").split()[1] == own
    browser = avahi.browse()
    browser.until(r"^= +tap0 IPv6 espressif +_iot._tcp")
    joined.command("AT+CIPV6=0")
    assert avahi.run("avahi-resolve", "-4", "-n", "espressif.local").split()[1] == STATION


def test_the_module_resolves_names_under_local(joined, lab, tmp_path):
    Avahi(lab, tmp_path, "pc")
    assert joined.ask('AT+CIPDOMAIN="pc.local"') == f'+CIPDOMAIN:"{HOST}"\r\n'
    assert re.fullmatch(r"\+PING:\d+\r\n", joined.ask('AT+PING="pc.local"'))


def test_the_module_gives_way(joined, lab, tmp_path):
    """Avahi has the name already."""
    avahi = Avahi(lab, tmp_path, "espressif")
    assert "espressif.local" in avahi.run("avahi-resolve", "-4", "-n", "espressif.local")
    browser = avahi.browse()
    joined.command('AT+MDNS=1,"espressif","_iot",8080')
    browser.until(r"^= +tap0 IPv4 espressif +_iot._tcp")
    assert browser.until(r"hostname = \[(.*)\]").group(1) == "espressif-2.local"
    assert avahi.run("avahi-resolve", "-4", "-n", "espressif-2.local").split()[1] == STATION


def test_the_module_keeps_its_name(joined, lab, tmp_path):
    """Avahi comes later and asks for the name."""
    joined.command('AT+MDNS=1,"espressif","_iot",8080')
    first = Avahi(lab, tmp_path, "pc")
    assert first.run("avahi-resolve", "-4", "-n", "espressif.local").split()[1] == STATION
    first.daemon.stop()
    (tmp_path / "later").mkdir()
    later = Avahi(lab, tmp_path / "later", "espressif")
    assert "Host name is espressif-2.local" in later.daemon.text


def test_goodbye_when_the_network_is_left(joined, lab, tmp_path):
    avahi = Avahi(lab, tmp_path, "pc")
    browser = avahi.browse()
    joined.command('AT+MDNS=1,"espressif","_iot",8080')
    browser.until(r"^= +tap0 IPv4 espressif +_iot._tcp")
    joined.command("AT+CWQAP", b"WIFI DISCONNECT\r\n" + OK)
    browser.until(r"^- +tap0 IPv4 espressif +_iot._tcp")
