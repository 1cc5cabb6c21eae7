"""A network of its own for a test: a namespace with TAP interfaces, in which real programs run.

    @pytest.fixture
    def lab():
        yield from netns.fixture()

    lab.tap("tap0", "10.7.0.1/24")              # a persistent TAP with this address, up
    module("--world", world, within=lab)        # attache runs in the namespace
    with lab.inside():                          # sockets made here belong to it
        server = socket.create_server(("10.7.0.1", 0))
    daemon = lab.start("avahi-daemon", "--no-drop-root")
    daemon.until(re.compile("Server startup complete"))

Needs root (or the rights to make namespaces) and /dev/net/tun; where it cannot be, the test is
skipped with the reason. Nothing of it reaches the computer's own network, and the kernel takes the
namespace away with its last process.
"""
import contextlib
import ctypes
import os
import pathlib
import queue
import re
import shutil
import subprocess
import threading
import time

import pytest

from attache import PATIENCE_S, Unexpected

CLONE_NEWNET = 0x40000000


def reason_against(*programs):
    """Why there can be no namespace with a TAP here, or with these programs; None: there can."""
    for program in ("unshare", "nsenter", "ip", *programs):
        if not shutil.which(program):
            return f"{program} is not installed (tools/setup.sh test)"
    if not pathlib.Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    tried = subprocess.run(["unshare", "--net", "ip", "tuntap", "add", "dev", "t0", "mode", "tap"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                           text=True, check=False)
    return f"no network namespace with a TAP: {tried.stderr.strip()}" if tried.returncode else None


class Daemon:
    """A program in the namespace; its lines (both streams) are read as they come."""

    def __init__(self, command):
        self.command, self.text, self.lines = command, "", queue.Queue()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace")
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def until(self, pattern, timeout_s=PATIENCE_S):
        """The match of pattern in the next line that has one."""
        deadline, pattern = time.monotonic() + timeout_s, re.compile(pattern)
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Unexpected(f"{self.command}: no {pattern.pattern!r} in {self.text[-2000:]!r}") from None
            if line is None:
                raise Unexpected(f"{self.command} ended: {self.text[-2000:]!r}")
            self.text += line
            if found := pattern.search(line):
                return found

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(PATIENCE_S)
        self.process.stdout.close()


class Namespace:
    """A network namespace; close() ends what was started in it and lets it go."""

    def __init__(self):
        # The holder says a line when it is there, and ends with its standard input.
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo there && cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.daemons = []
        if not self.holder.stdout.readline():
            self.close()
            raise AssertionError("no network namespace")
        self.path = f"/proc/{self.holder.pid}/ns/net"
        self.prefix = ["nsenter", f"--net={self.path}", "--"]

    def run(self, *command, check=True, **keywords):
        """A command to its end; returns what it wrote."""
        outcome = subprocess.run([*self.prefix, *map(str, command)], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 timeout=60, check=False, **keywords)
        assert not check or outcome.returncode == 0, f"{command}: {outcome.stdout}"
        return outcome.stdout

    def start(self, *command):
        """A program that goes on: a Daemon, ended with the namespace."""
        self.daemons.append(Daemon([*self.prefix, *map(str, command)]))
        return self.daemons[-1]

    def tap(self, name="tap0", *addresses, user=None, up=True):
        """A persistent TAP interface with these addresses (10.7.0.1/24). IPv6 addresses are used at
        once, without duplicate detection."""
        self.run("ip", "tuntap", "add", "dev", name, "mode", "tap", *(("user", user) if user is not None else ()))
        self.run("sh", "-c", f"echo 0 > /proc/sys/net/ipv6/conf/{name}/accept_dad 2>/dev/null || true")
        for address in addresses:
            self.run("ip", "address", "add", address, "dev", name)
        if up:
            self.run("ip", "link", "set", name, "up")
        return name

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread makes here belong to the namespace."""
        libc = ctypes.CDLL(None, use_errno=True)
        own, other = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(self.path, os.O_RDONLY)
        try:
            if libc.setns(other, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                assert libc.setns(own, CLONE_NEWNET) == 0
        finally:
            os.close(own)
            os.close(other)

    def close(self):
        for daemon in self.daemons:
            daemon.stop()
        self.holder.stdin.close()
        self.holder.wait(PATIENCE_S)
        self.holder.stdout.close()


def fixture(*programs):
    """For `yield from` in a fixture: a Namespace, or the test is skipped."""
    why = reason_against(*programs)
    if why:
        pytest.skip(why)
    namespace = Namespace()
    try:
        yield namespace
    finally:
        namespace.close()
