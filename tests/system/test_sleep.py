"""Sleep, pins and the loader, as the control socket shows them; deep sleep in real time."""
import time

from attache import OK, READY


def test_deep_sleep_is_a_chip_that_is_off(module):
    running = module()
    port = running.started()
    since = running.control.last_event()
    began = time.monotonic()
    port.command("AT+GSLP=700", b"+GSLP:700\r\n" + OK)
    running.control.wait("exit", since=since, reason="sleep")
    status = running.control.status()
    assert status["power"] == "sleep" and status["pid"] == 0
    port.exactly(READY)
    assert 0.69 < time.monotonic() - began < 5
    assert running.control.status()["power"] == "on"


def test_the_loader_waits_for_a_power_cycle(module):
    running = module()
    port = running.started()
    since = running.control.last_event()
    port.command("AT+RST=1")
    running.control.wait("exit", since=since, reason="download")
    assert running.control.status()["power"] == "download"
    port.write(b"AT\r\n")
    time.sleep(0.2)  # pace: an answer would need as long
    port.empty()
    running.control.call("power", state="cycle")
    port.exactly(READY)


def test_light_sleep_and_a_pin_that_wakes(module):
    running = module()
    port = running.started()
    assert running.control.status()["sleep"] == "active"
    port.command("AT+CWMODE=1")
    port.command("AT+SLEEPWKCFG=2,12,1")
    port.command("AT+SLEEP=2")
    running.control.wait("sleep", since=0, state="light", asleep=True)
    since = running.control.last_event()
    running.control.call("pin", pin=12, level=1)
    running.control.wait("sleep", since=since, asleep=False)
    since = running.control.last_event()
    running.control.call("pin", pin=12, level=0)
    running.control.wait("sleep", since=since, asleep=True)
    assert running.control.status()["asleep"]
    port.command("AT+RST")
    port.exactly(READY)
    status = running.control.status()
    assert status["sleep"] == "active" and not status["asleep"]


def test_a_level_from_outside_is_there_after_a_restart(module):
    running = module()
    port = running.started()
    running.control.call("pin", pin=3, level=1)
    port.command("AT+SYSREG=0,0x6000403C", b"+SYSREG:8\r\n" + OK)
    port.command("AT+RST")
    port.exactly(READY)
    port.echo_off()
    port.command("AT+SYSREG=0,0x6000403C", b"+SYSREG:8\r\n" + OK)


def test_the_wake_up_pin_is_visible(module, listener):
    running = module()
    port = running.joined()
    server = listener()
    port.connect(server.getsockname()[1])
    connection, _ = server.accept()
    port.command("AT+USERWKMCUCFG=1,1,18,1,60000")
    assert running.control.status()["pins"] == {"18": 0}
    port.command("AT+USERMCUSLEEP=1")
    since = running.control.last_event()
    connection.sendall(b"hello")
    running.control.wait("pin", since=since, pin=18, level=1)
    port.empty()
    assert running.control.status()["pins"] == {"18": 1}
    port.command("AT+USERMCUSLEEP=0")
    port.exactly(b"\r\n+IPD,5:hello")
    assert running.control.status()["pins"] == {"18": 0}
    connection.close()


def test_the_pin_verb_says_what_is_wrong(module):
    running = module()
    for request in (b'{"verb":"pin"}\n', b'{"verb":"pin","pin":21,"level":1}\n', b'{"verb":"pin","pin":1,"level":2}\n'):
        answer = running.control.raw(request)
        assert not answer["ok"] and "0 to 20" in answer["error"]
