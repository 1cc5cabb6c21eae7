"""The AT port and the power switch: opening, closing, restarts, power cuts and crashes."""
import os
import pathlib
import select
import signal
import termios
import time

import attache
from attache import OK, READY, Gone, Module, Port


def raw_attributes(descriptor):
    """The terminal's attributes once it is raw again, which the module does right after a close."""
    deadline = time.monotonic() + attache.PATIENCE_S
    while (attributes := termios.tcgetattr(descriptor))[3] & (termios.ECHO | termios.ICANON):
        assert time.monotonic() < deadline, "the port is not raw"
    return attributes


def test_a_thousand_opens(module):
    """Each host sees exactly the answers to its own commands. Each leaves the terminal cooked, some an
    answer unread; that it is raw again shows the next one that the module has cleaned up."""
    running = module()
    running.started().close()
    for number in range(1000):
        with Port(os.open(running.path, os.O_RDWR | os.O_NOCTTY)) as port:
            attributes = raw_attributes(port.descriptor)
            port.command("AT")
            if number % 10 == 0:
                port.send("AT+GMR")
                poll = select.poll()
                poll.register(port.descriptor, select.POLLIN)
                assert poll.poll(attache.PATIENCE_S * 1000)
            attributes[3] |= termios.ECHO | termios.ICANON
            termios.tcsetattr(port.descriptor, termios.TCSANOW, attributes)


def test_no_cpu_while_closed(module):
    running = module()
    processes = [running.process.pid, running.chip()]
    running.started().close()
    time.sleep(0.1)  # pace: the close is noticed
    before = [attache.cpu_ns(pid) for pid in processes]
    time.sleep(1.0)  # pace: CPU is measured over time
    used_ms = [(attache.cpu_ns(pid) - start) / 1e6 for pid, start in zip(processes, before)]
    assert sum(used_ms) < 10, f"bench and chip used {used_ms} ms in a second without a host"
    running.open().command("AT")


def test_links_and_mode_survive_a_close(module, listener):
    running = module()
    port = running.joined()
    server = listener()
    port.connect(server.getsockname()[1])
    connection, _ = server.accept()
    port.close()
    with connection:
        port = running.open()
        port.send_data(b"still here")
        assert connection.recv(100) == b"still here"


def test_ready_is_kept_for_the_first_host(module):
    running = module()
    assert running.control.wait("ready")
    running.started()


def test_a_thousand_restarts(module):
    port = module(wire_log=False, log="warn").open()
    port.exactly(READY)
    for _ in range(1000):
        port.command("AT+RST", b"AT+RST\r\n" + OK + READY)
        port.command("AT", b"AT\r\n" + OK)


def test_restart_while_joined(module):
    """A restart leaves the access point in order; settings of Wi-Fi are kept, and it joins again."""
    running = module()
    port = running.joined()
    for _ in range(20):
        port.command("AT+RST", OK + b"WIFI DISCONNECT\r\n" + READY)
        port.exactly(b"WIFI CONNECTED\r\nWIFI GOT IP\r\n")
        port.echo_off()
    assert running.control.status()["boots"] == 21


def test_power_cut(module, listener):
    """No last words; what is sent meanwhile is lost; the next boot is a fresh one."""
    running = module()
    port = running.joined()
    server = listener()
    port.connect(server.getsockname()[1])
    connection, _ = server.accept()
    chip = Gone(running.chip())
    running.control.call("power", state="off")
    assert chip.wait()
    status = running.control.status()
    assert (status["power"], status["ready"], status["ip"]) == ("off", False, "")
    port.write(b"AT\r\n")
    assert port.empty()
    running.control.call("power", state="on")
    port.exactly(READY)
    port.exactly(b"WIFI CONNECTED\r\nWIFI GOT IP\r\n")
    port.echo_off()
    assert "TCP" not in port.ask("AT+CIPSTATE?")
    connection.close()


def test_power_cycles_in_mid_answer(module):
    running = module()
    port = running.open()
    for _ in range(50):
        port.exactly(READY)
        port.send("AT+CMD?")
        port.take(20)
        since = running.control.last_event()
        running.control.call("power", state="cycle")
        running.control.wait("ready", since=since)
        port.until(b"\r\nready")
        port.exactly(b"\r\n")
        port.ahead[:0] = READY
    port.start()


def test_crash(module):
    """A crash is logged and the watchdog boots the module again."""
    running = module(may_crash=True)
    port = running.started()
    os.kill(running.chip(), signal.SIGSEGV)
    event = running.control.wait("exit", since=0, reason="crash")
    assert event["boot"] == 1
    port.start()
    assert "boot 1 ended by signal 11" in running.log()


def test_a_killed_program_leaves_no_chip(module):
    running = module()
    chip = Gone(running.chip())
    running.process.kill()
    assert chip.wait(), "the chip outlives its bench"
    running.process.wait()
    running.expected_exit = -signal.SIGKILL


def test_control_socket_of_a_killed_program_is_replaced(module):
    running = module()
    running.process.kill()
    running.process.wait()
    running.expected_exit = -signal.SIGKILL
    assert running.control_path.exists()
    again = attache.run("run", "--ctl", running.control_path, "--", "true")
    assert again.returncode == 0, again.stderr


def test_flash_survives_a_kill(tmp_path):
    """What was answered with OK is there after kill -9, as after a power cut."""
    flash = tmp_path / "flash.bin"
    with Module("--flash", flash) as running:
        running.joined()
        chip = Gone(running.chip())
        running.process.kill()
        running.expected_exit = -signal.SIGKILL
        assert chip.wait()
        running.forget()
    with Module("--flash", flash) as running:
        port = running.open()
        port.exactly(READY + b"WIFI CONNECTED\r\nWIFI GOT IP\r\n")
        running.forget()


def test_link_to_the_port(module, tmp_path):
    link = tmp_path / "module"
    running = module(port=("--pty", link))
    assert pathlib.Path(os.readlink(link)) == pathlib.Path(running.path)
    running.open(link).start()
    running.stop()
    assert not link.is_symlink()


def test_link_replaces_nothing_of_value(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("a file")
    outcome = attache.run("run", "--pty", precious)
    assert outcome.returncode == 1
    assert b"precious" in outcome.stderr and outcome.stderr.count(b"\n") == 1
    assert precious.read_text() == "a file"
