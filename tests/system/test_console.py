"""`attache --console` and `attache console` on a terminal: a pseudo-terminal whose other end is this test."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from attache import PATIENCE_S, PROGRAM

PROMPT = "attache> "
CTRL_C, CTRL_D, CTRL_RAW, UP, TAB = b"\x03", b"\x04", b"\x1d", b"\x1b[A", b"\t"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]")


class Terminal:
    """A person's terminal: type() presses keys, see() waits for what is on the screen behind what was seen."""

    def __init__(self, *arguments, **environment):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.process = subprocess.Popen(
            [PROGRAM, *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), env={**os.environ, "TERM": "xterm", **environment})
        os.close(slave)
        self.screen = ""

    def type(self, keys):
        os.write(self.master, keys if isinstance(keys, bytes) else keys.encode())

    def line(self, text):
        self.type(text + "\r")

    def alone(self, text):
        """A line with silence before and behind, as a person types it and +++ needs it."""
        self.pause()
        self.line(text)
        self.pause()

    @staticmethod
    def pause():
        time.sleep(0.1)  # pace: more than the guard time

    def _read(self, deadline):
        poll = select.poll()
        poll.register(self.master, select.POLLIN)
        if not poll.poll(max(0, deadline - time.monotonic()) * 1000):
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.screen += ESCAPES.sub("", data.decode(errors="replace"))
        return bool(data)

    def see(self, pattern, timeout_s=PATIENCE_S):
        """Everything up to and with the pattern."""
        deadline = time.monotonic() + timeout_s
        while not (found := re.search(pattern, self.screen)):
            assert self._read(deadline), f"in vain for {pattern!r}: {self.screen!r}"
        seen, self.screen = self.screen[:found.end()], self.screen[found.end():]
        return seen

    def ended(self):
        """The exit status; what is left on the screen goes to .screen."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE_S)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def start(*arguments, ready=True):
        opened.append(Terminal(*arguments, XDG_STATE_HOME=str(tmp_path / "state")))
        if ready:
            opened[-1].see("ready")
        return opened[-1]
    yield start
    for each in opened:
        each.stop()


# --- lines ----------------------------------------------------------------------------------------

def test_a_line_and_its_answer(terminal):
    """The echo of the module is not shown a second time; errors come with their reason."""
    screen = terminal("--console")
    screen.line("AT")
    seen = screen.see(r"\nOK\r\n")
    assert seen.count("AT") == 1, seen
    screen.line("AT+CWJAP?")
    screen.see(r"(?s)\nERROR\r\n.*needs station mode|needs station mode.*\nERROR\r\n")  # two channels, any order


def test_help_and_completion(terminal):
    screen = terminal("--console")
    screen.line("?CWMODE")
    assert "0 to 3" in screen.see(r"3\.2\.3")
    screen.line("?")
    screen.see(r"\+CIPV6 ")  # all of them, a line each
    screen.type(b"AT+CWM" + TAB)
    screen.line("?")
    screen.see(r"\+CWMODE:0\r\n\r\nOK")
    screen.type(b"AT+CIPSTAR" + TAB + TAB)
    assert "AT+CIPSTARTEX" in screen.see(r"AT\+CIPSTARTEX")


def test_history(terminal):
    """Up fetches earlier lines, also of an earlier run; what holds a password is not kept."""
    screen = terminal("--console")
    screen.line("AT+CWMODE=1")
    screen.see("OK")
    screen.line('AT+CWJAP="espressif","1234567890"')
    screen.see("OK")
    screen.type(UP + b"\r")
    screen.see(r"AT\+CWMODE=1\r\n[^?]*OK")
    screen.type(CTRL_D)
    assert screen.ended() == 0
    again = terminal("--console")
    again.type(UP + b"\r")
    again.see(r"AT\+CWMODE=1\r\n[^?]*OK")


def test_output_while_a_line_is_typed(terminal, tmp_path):
    """It is printed above, and the line is drawn again."""
    screen = terminal("--console", "--ctl", tmp_path / "ctl")
    screen.type("AT+CWM")
    screen.see(r"AT\+CWM")
    subprocess.run([PROGRAM, "ctl", tmp_path / "ctl", "power", "cycle"], check=True, stdout=subprocess.DEVNULL)
    screen.see(r"ready\r\nattache> AT\+CWM")
    screen.line("ODE?")
    screen.see(r"\+CWMODE:0")


# --- data -----------------------------------------------------------------------------------------

def connected(screen, listener):
    server = listener()
    for line, answer in (("ATE1", "OK"), ("AT+CWMODE=1", "OK"), ('AT+CWJAP="espressif","1234567890"', r"GOT IP\r\n\r\nOK"),
                         (f'AT+CIPSTART="TCP","192.168.3.1",{server.getsockname()[1]}', r"CONNECT\r\n\r\nOK")):
        screen.line(line)
        screen.see(answer)
    connection, _ = server.accept()
    connection.settimeout(PATIENCE_S)
    return connection


def exactly(connection, expected):
    got = b""
    while len(got) < len(expected):
        got += connection.recv(100)
    assert got == expected


def test_data_behind_a_prompt(terminal, listener):
    """A line is sent as it is, in as many lines as one likes; +++ cancels."""
    screen = terminal("--console")
    with connected(screen, listener) as connection:
        screen.line("AT+CIPSEND=5")
        screen.see(r">\r\ndata> ")
        screen.line("?hel")
        screen.line("o")
        screen.see("SEND OK")
        exactly(connection, b"?helo")
        screen.line("AT+CIPSEND=5")
        assert "busy" not in screen.see("data> ")
        screen.alone("+++")
        screen.see("SEND Canceled")
        screen.line("AT")
        screen.see(r"\nOK\r\n")


def test_passthrough(terminal, listener):
    """Lines have their CR LF, what a peer sends back is shown although it was typed, +++ leaves."""
    screen = terminal("--console")
    with connected(screen, listener) as connection:
        screen.line("AT+CIPMODE=1")
        screen.see("OK")
        screen.line("AT+CIPSEND")
        screen.see("data> ")
        screen.line("echo me")
        exactly(connection, b"echo me\r\n")
        screen.see("data> ")
        connection.sendall(b"echo me\r\n\r\nOK\r\n")
        screen.see(r"\rdata> \r?echo me\r\n|echo me\r\n")
        screen.see("OK")
        screen.line("still data")
        exactly(connection, b"still data\r\n")
        screen.alone("+++")
        screen.see(PROMPT)
        screen.line("AT")
        screen.see(r"\nOK\r\n")


def test_raw_keys(terminal, listener):
    """Ctrl-] sends each key; three typed pluses leave in one packet, however slowly they come."""
    screen = terminal("--console")
    with connected(screen, listener) as connection:
        screen.line("AT+CIPMODE=1")
        screen.see("OK")
        screen.line("AT+CIPSEND")
        screen.see("data> ")
        screen.type(CTRL_RAW)
        screen.see("raw:")
        screen.type("a\rb")
        exactly(connection, b"a\r\nb")
        screen.pause()
        for _ in range(3):
            screen.type("+")
            screen.see(r"\+")
        screen.pause()
        screen.type(CTRL_RAW)
        screen.see("lines")
        screen.see(PROMPT)
        screen.line("AT")
        screen.see(r"\nOK\r\n")


# --- ends -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("keys", [CTRL_D, CTRL_C, b"half a line" + CTRL_C])
def test_ends(terminal, keys):
    """Ctrl-D and Ctrl-C end the run with status 0 and leave the terminal as it was."""
    screen = terminal("--console")
    screen.see(PROMPT)
    screen.type(keys)
    assert screen.ended() == 0
    flags = termios.tcgetattr(screen.master)[3]
    assert flags & termios.ICANON and flags & termios.ECHO


def test_a_terminal_that_goes_away(terminal):
    screen = terminal("--console")
    os.killpg(screen.process.pid, signal.SIGHUP)
    assert screen.ended() == 0


def test_console_of_a_running_module(terminal, module):
    """`attache console PORT`: the module goes on when the console ends."""
    running = module()
    screen = terminal("console", running.path, ready=False)
    screen.see(PROMPT)
    screen.line("AT")
    screen.see(r"\nOK\r\n")
    screen.type(CTRL_D)
    assert screen.ended() == 0
    assert running.control.status()["power"] in (True, "on")
