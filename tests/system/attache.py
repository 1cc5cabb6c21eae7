"""A module under test: the program, its AT port, its control socket, and what it wrote down.

Nothing here waits for time to pass: the port is read until what was expected is there, the control
socket is asked for events. Every wait has a deadline, generous because machines are busy.
"""
import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import time
import tty

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("ATTACHE", str(ROOT / "build" / "attache"))
PATIENCE_S = 20.0
GATEWAY = "192.168.3.1"  # the computer that runs the module, seen from it
HOST_ALIAS = "192.168.3.102"
STATION = "192.168.3.112"
OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
READY = b"\r\nready\r\n"
PROMPT = b"\r\nOK\r\n\r\n>"
JOIN = 'AT+CWJAP="espressif","1234567890"'


class Unexpected(AssertionError):
    """Other bytes than expected, or none in time."""


class Port:
    """An AT port: raw bytes of a descriptor, with a memory of what was read ahead."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.ahead = bytearray()
        os.set_blocking(descriptor, False)

    @classmethod
    def open(cls, path):
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(descriptor, termios.TCSANOW)
        return cls(descriptor)

    def close(self):
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def write(self, data, timeout_s=PATIENCE_S):
        left = memoryview(data)
        deadline = time.monotonic() + timeout_s
        while left:
            self._wait(select.POLLOUT, deadline, f"the port took no more, {len(left)} bytes left")
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self.descriptor, left):]

    def _wait(self, events, deadline, failure):
        # In slices: Linux does not wake a writer that sleeps in poll for all room that a pseudo-terminal
        # gets, so it is asked again.
        poll = select.poll()
        poll.register(self.descriptor, events)
        while not poll.poll(min(0.1, max(0.0, deadline - time.monotonic())) * 1000):
            if time.monotonic() >= deadline:
                raise Unexpected(failure)

    def _fill(self, deadline, wanted, room=65536):
        self._wait(select.POLLIN, deadline, f"in vain for {wanted!r}, there is {bytes(self.ahead[-500:])!r}")
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.descriptor, room)
            if not data:
                raise Unexpected(f"the port ended before {wanted!r}")
            self.ahead += data

    def take(self, count, timeout_s=PATIENCE_S):
        """Exactly count bytes."""
        deadline = time.monotonic() + timeout_s
        while len(self.ahead) < count:
            self._fill(deadline, f"{count} bytes")
        data = bytes(self.ahead[:count])
        del self.ahead[:count]
        return data

    def exactly(self, expected, timeout_s=PATIENCE_S):
        """The next bytes are these."""
        deadline = time.monotonic() + timeout_s
        while len(self.ahead) < len(expected) and expected.startswith(self.ahead):
            self._fill(deadline, expected)
        if not self.ahead.startswith(expected):
            raise Unexpected(f"expected {expected!r}, there is {bytes(self.ahead[:500])!r}")
        del self.ahead[:len(expected)]

    def until(self, pattern, timeout_s=PATIENCE_S):
        """Everything up to and with the first match of pattern (bytes: as they are, or compiled)."""
        deadline = time.monotonic() + timeout_s
        if isinstance(pattern, bytes):
            pattern = re.compile(re.escape(pattern))
        while not (found := pattern.search(self.ahead)):
            self._fill(deadline, pattern.pattern)
        data = bytes(self.ahead[:found.end()])
        del self.ahead[:found.end()]
        return data

    def stream(self, timeout_s=PATIENCE_S):
        """What has arrived, at least one byte; for bulk data."""
        if not self.ahead:
            self._fill(time.monotonic() + timeout_s, "data")
        data, self.ahead = self.ahead, bytearray()
        return data

    def empty(self):
        """Nothing is there at this moment."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return not self.ahead and not poll.poll(0)

    # --- AT -----------------------------------------------------------------------------------------

    def send(self, line):
        self.write(line.encode() + b"\r\n")

    def command(self, line, answer=OK, timeout_s=PATIENCE_S):
        """Sends a line; the answer is exactly this."""
        self.send(line)
        self.exactly(answer, timeout_s)

    def ask(self, line, timeout_s=PATIENCE_S):
        """Sends a line; returns what comes before OK."""
        self.send(line)
        answer = self.until(re.compile(rb"\r\n(OK|ERROR)\r\n"), timeout_s)
        if not answer.endswith(OK):
            raise Unexpected(f"{line}: {answer!r}")
        return answer[:-len(OK)].decode()

    def echo_off(self):
        self.command("ATE0", b"ATE0\r\n" + OK)

    def start(self):
        """From `ready` to commands without echo."""
        self.exactly(READY)
        self.echo_off()

    def join(self):
        self.command("AT+CWMODE=1")
        self.command(JOIN, b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK)

    def connect(self, port, host=GATEWAY, link=None, tail=""):
        """A TCP link; link is None with CIPMUX=0."""
        number = "" if link is None else f"{link},"
        self.command(f'AT+CIPSTART={number}"TCP","{host}",{port}{tail}', f"{number}CONNECT\r\n".encode() + OK)

    def send_data(self, data, link=None, tail=""):
        number = "" if link is None else f"{link},"
        self.command(f"AT+CIPSEND={number}{len(data)}{tail}", PROMPT)
        self.write(data)
        self.exactly(f"\r\nRecv {len(data)} bytes\r\n\r\nSEND OK\r\n".encode())

    def leave_passthrough(self, tries=5, answer=OK):
        """+++ must stand alone in time; on a machine that stands still for longer than the pauses the
        module sees it together with what follows, so it is tried again. What is sent in vain goes to
        the peer."""
        for _ in range(tries):
            time.sleep(0.1)  # pace: 20 ms of silence before +++
            self.write(b"+++")
            time.sleep(0.1)  # pace: and behind it
            try:
                self.command("AT", answer, timeout_s=1)
                return
            except Unexpected:
                continue
        raise Unexpected("+++ does not leave passthrough")


class Control:
    """A client of the control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")

    def close(self):
        self.lines.close()
        self.socket.close()

    def answer(self):
        line = self.lines.readline()
        assert line.endswith(b"\n"), f"the control socket ended: {line!r}"
        return json.loads(line)

    def raw(self, data):
        self.socket.sendall(data)
        return self.answer()

    def call(self, verb, **members):
        answer = self.raw(json.dumps({"verb": verb, **members}).encode() + b"\n")
        assert answer["ok"], f"{verb} {members}: {answer['error']}"
        return answer

    def wait(self, event, since=None, timeout_s=PATIENCE_S, **match):
        members = {"event": event, "timeout_ms": int(timeout_s * 1000)}
        if since is not None:
            members["since"] = since
        if match:
            members["match"] = match
        self.socket.settimeout(timeout_s + 5)
        return self.call("wait", **members)["event"]

    def status(self):
        return self.call("status")

    def last_event(self):
        return self.status()["n"]

    def fault(self, kind, **members):
        self.call("fault", add={"name": kind, "kind": kind, **members})


class Module:
    """The program with one module. A context manager: leaving it ends the program and looks that no
    process is left, that it exited with 0 and that no boot crashed (unless may_crash). within: a
    netns.Namespace to run it in."""

    def __init__(self, *options, port=("--pty",), wire_log=True, log="info", may_crash=False, within=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="attache-"))
        self.control_path = self.folder / "ctl"
        self.log_path, self.wire_path = self.folder / "log", self.folder / "wire"
        self.error_path = self.folder / "stderr"
        self.may_crash, self.expected_exit = may_crash, 0
        self.port = self.control = None
        command = [*(within.prefix if within else ()), PROGRAM, "run", *port, "--ctl", str(self.control_path), "--log", log,
                   "--log-file", str(self.log_path), "--seed", "7"]
        if wire_log:
            command += ["--wire-log", str(self.wire_path)]
        with self.error_path.open("wb") as errors:
            self.process = subprocess.Popen([*command, *map(str, options)], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=errors)
        try:
            self.path = self._read_path()
            self.control = Control(self.control_path)
        except BaseException:
            self.stop()
            raise

    def _read_path(self):
        poll = select.poll()
        poll.register(self.process.stdout, select.POLLIN)
        assert poll.poll(PATIENCE_S * 1000), "no path of the AT port on standard output"
        line = self.process.stdout.readline().decode()
        assert line.endswith("\n"), f"no path of the AT port: {self.errors()}"
        return line.rstrip("\n")

    def open(self, path=None):
        """Opens the AT port, which is then also self.port."""
        self.port = Port.open(path or self.path)
        return self.port

    def started(self):
        self.open().start()
        return self.port

    def joined(self):
        self.started().join()
        return self.port

    def chip(self):
        return self.control.status()["pid"]

    def errors(self):
        return self.error_path.read_text(errors="replace")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wire(self):
        return self.wire_path.read_text(errors="replace") if self.wire_path.exists() else ""

    def story(self):
        """What a person wants to see when a test failed."""
        def tail(text):
            lines = text.splitlines()[-40:]
            return "\n".join(line[:300] for line in lines)
        return [(f"{name} of {self.folder.name}", tail(text)) for name, text in
                (("stderr", self.errors()), ("log", self.log()), ("AT port", self.wire())) if text]

    def stop(self):
        for part in (self.port, self.control):
            if part:
                part.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("SIGTERM did not end the program") from None
        finally:
            self.process.stdout.close()

    def check(self):
        assert self.process.returncode == self.expected_exit, self.errors()
        assert self.may_crash or "watchdog" not in self.log(), "a boot crashed"

    def forget(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind is None:
            self.check()


class Gone:
    """Waits for the end of a process that is not a child."""

    def __init__(self, pid):
        self.descriptor = os.pidfd_open(pid)

    def wait(self, timeout_s=PATIENCE_S):
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        gone = bool(poll.poll(timeout_s * 1000))
        os.close(self.descriptor)
        return gone


def run(*arguments, **keywords):
    """The program to its end: a CompletedProcess with text."""
    keywords.setdefault("stdin", subprocess.DEVNULL if "input" not in keywords else None)
    if keywords["stdin"] is None:
        del keywords["stdin"]
    return subprocess.run([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120, check=False, **keywords)


def cpu_ns(pid):
    """CPU time a process has used."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def resident_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
