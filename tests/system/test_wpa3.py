"""WPA3, OWE and protected management frames between processes: modules that share an air."""
import struct
import tempfile

import pytest

from attache import OK, Control
from test_softap import ERROR, JOINED, Air, bssid, connected, mac

WORLD = """
[ap three]
auth = wpa3-psk
password = 1234567890

[ap both]
auth = wpa2-wpa3-psk
password = 1234567890
gateway = 192.168.4.1

[ap cafe]
auth = owe
gateway = 192.168.5.1
"""
AUTH, ASSOC, ASSOC_ANSWER, DEAUTH, SA_QUERY = 4, 5, 6, 7, 13


@pytest.fixture
def air():
    with tempfile.TemporaryDirectory(prefix="attache-air-") as folder:
        shared = Air(folder, WORLD)
        try:
            yield shared
        finally:
            shared.close()


def frames(path):
    """The Ethernet frames of a capture."""
    data = open(path, "rb").read()
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack_from(">I", data, at + 8)[0]
        yield data[at + 16:at + 16 + size]
        at += 16 + size


def management(path, kind):
    """Bodies, behind version and type, of the management frames of one type."""
    return [frame[16:] for frame in frames(path) if frame[12:16] == b"\x88\xb5\x01" + bytes([kind])]


def handshake(path):
    """Key information and MIC of the EAPOL frames."""
    return [(struct.unpack_from(">H", frame, 19)[0], frame[95:111]) for frame in frames(path) if frame[12:14] == b"\x88\x8e"]


def test_wpa3_between_processes(air):
    one, two = air.module(), air.module()
    one.join(command='AT+CWJAP="three","1234567890"')
    two.join(command='AT+CWJAP="three","1234567890",,,,,,,3')
    assert "TIMEOUT" not in one.port.ask('AT+PING="192.168.3.113"')
    one.close()
    air.members.remove(one)

    # What the radio sent and heard: commit, commit, confirm, confirm, then association and handshake.
    capture = f"{air.folder}/1.pcap"
    auths = management(capture, AUTH)
    assert [struct.unpack_from(">BHHB", auth) for auth in auths] == [(3, 1, 126, 98), (3, 1, 126, 98), (3, 2, 0, 34), (3, 2, 0, 34)]
    groups = {auth[6:8] for auth in auths[:2]}
    assert groups == {b"\x13\x00"}
    assert auths[0][8:] != auths[1][8:]
    keys = handshake(capture)
    assert len(keys) == 4
    assert all(info & 7 == 0 for info, _ in keys)  # the MIC is the AKM's, AES-CMAC
    assert keys[0][1] == bytes(16) and len({mic for _, mic in keys[1:]}) == 3


def test_a_wrong_password_leaves_nothing_behind(air):
    station = air.module()
    station.port.command("AT+CWMODE=1")
    station.port.command('AT+CWJAP="three","0987654321"', b"+CWJAP:2\r\n" + ERROR)
    before = station.port.ask("AT+SYSRAM?").split(",")[0]
    for number in range(8):
        station.port.command(f'AT+CWJAP="three","098765432{number}"', b"+CWJAP:2\r\n" + ERROR)
    assert station.port.ask("AT+SYSRAM?").split(",")[0] == before
    assert air.status()["ports"][0]["state"] == "idle"
    station.port.command('AT+CWJAP="three","1234567890"', JOINED)


def test_mixed_network_and_owe(air):
    old, new, guest = air.module(), air.module(), air.module()
    old.join(command='AT+CWJAP="both","1234567890",,,,,,,0')
    new.join(command='AT+CWJAP="both","1234567890",,,,,,,1')
    assert "TIMEOUT" not in old.port.ask('AT+PING="192.168.4.113"')
    guest.join(command='AT+CWJAP="cafe"')
    assert "TIMEOUT" not in guest.port.ask('AT+PING="192.168.5.1"')
    for member in (old, new, guest):
        member.close()
        air.members.remove(member)
    assert [auth[0] for auth in management(f"{air.folder}/1.pcap", AUTH)] == [0, 0]
    assert [auth[0] for auth in management(f"{air.folder}/2.pcap", AUTH)] == [3, 3, 3, 3]
    assert all(info & 7 == 2 for info, _ in handshake(f"{air.folder}/1.pcap"))
    request, = management(f"{air.folder}/3.pcap", ASSOC)
    answer, = management(f"{air.folder}/3.pcap", ASSOC_ANSWER)
    assert request[-34:-32] == answer[4:6] == b"\x00\x13"  # group 19, then the public keys
    assert request[-32:] != answer[6:38]


def test_a_second_join_does_without_sae(air):
    station = air.module()
    station.join(command='AT+CWJAP="three","1234567890"')
    station.port.command("AT+CWQAP", b"WIFI DISCONNECT\r\n" + OK)
    station.port.command("AT+CWJAP", JOINED)
    station.close()
    air.members.remove(station)
    assert [auth[0] for auth in management(f"{air.folder}/1.pcap", AUTH)] == [3, 3, 3, 3, 0, 0]


def test_softap_with_pmf(air):
    ap, station = air.module(), air.module()
    ap.softap()
    station.join(command='AT+CWJAP="ESP32_softAP","1234567890",,,,,,,3')
    ap.port.exactly(connected(2, 2))
    ap.port.command(f'AT+CWQIF="{mac(2)}"', f'+STA_DISCONNECTED:"{mac(2)}"\r\n'.encode() + OK)
    station.port.exactly(b"WIFI DISCONNECT\r\n")
    station.join(command='AT+CWJAP="ESP32_softAP","1234567890",,,,,,,3')
    ap.port.exactly(connected(2, 2))
    station.port.command("AT+CWQAP", b"WIFI DISCONNECT\r\n" + OK)
    ap.port.exactly(f'+STA_DISCONNECTED:"{mac(2)}"\r\n'.encode())
    # WPA alone knows no PMF.
    ap.softap('AT+CWSAP="ESP32_softAP","1234567890",5,2')
    station.port.command('AT+CWJAP="ESP32_softAP","1234567890",,,,,,,3', b"+CWJAP:3\r\n" + ERROR)
    station.join(command='AT+CWJAP="ESP32_softAP","1234567890",,,,,,,1')
    ap.port.exactly(connected(2, 2))
    station.close()
    air.members.remove(station)
    thrown_out, left = management(f"{air.folder}/2.pcap", DEAUTH)[:2]
    for frame in (thrown_out, left):
        assert frame[2] == 1 and int.from_bytes(frame[3:9], "big") == 1 and frame[9:25] != bytes(16)


def test_a_fault_throws_the_stations_of_a_softap_out(air):
    """The air has no keys of theirs: the module itself says so, protected."""
    ap, station = air.module(), air.module()
    ap.softap()
    station.join(command='AT+CWJAP="ESP32_softAP","1234567890",,,,,,,3')
    ap.port.exactly(connected(2, 2))
    control = Control(f"{air.folder}/ctl")
    try:
        control.call("fault", add={"name": "out", "kind": "deauth", "ap": bssid(1)})
    finally:
        control.close()
    ap.port.exactly(f'+STA_DISCONNECTED:"{mac(2)}"\r\n'.encode())
    station.port.exactly(b"WIFI DISCONNECT\r\n")
