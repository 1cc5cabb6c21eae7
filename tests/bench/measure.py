"""What all measurements share: the table, the load program, processes and their CPU time."""
import contextlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
os.environ.setdefault("ATTACHE", str(BUILD / "attache"))
sys.path.insert(0, str(ROOT / "tests" / "system"))
import attache  # noqa: E402  pylint: disable=wrong-import-position
from attache import Module  # noqa: E402  pylint: disable=wrong-import-position

LOAD = str(BUILD / "atload")
MEGA = 1_000_000


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, figure, peer="", ratio="", aim=""):
        self.rows.append((what, figure, peer, ratio, aim))
        print("  ", what, "|", figure, "|", peer, "|", ratio, flush=True)

    def text(self):
        head = ("figure", "attache", "peer", "ratio", "aim")
        lines = [head, tuple("---" for _ in head), *self.rows]
        return "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


def load(*arguments, descriptors=()):
    """Runs atload; the numbers it prints."""
    outcome = subprocess.run([LOAD, *map(str, arguments)], pass_fds=descriptors, stdout=subprocess.PIPE,
                             timeout=600, check=True)
    return [float(word) for word in outcome.stdout.split()]


def cpu_ms(pids):
    return sum(attache.cpu_ns(pid) for pid in pids) / 1e6


def blocking(port):
    os.set_blocking(port.descriptor, True)
    return port.descriptor


@contextlib.contextmanager
def quiet_module(*options):
    """A module without captures or a chatty log, and its processes."""
    with Module(*options, wire_log=False, log="error") as running:
        yield running, [running.process.pid, running.chip()]
        running.forget()
