#!/usr/bin/env python3
"""Measure, and print a Markdown table that is also written to BUILD/bench.md.

Nothing here passes or fails by time. Each figure is the median of several runs; where there is a peer
(socat, a program that echoes), both are measured in turn in the same run, so that their ratio holds on
a busy machine too. ATTACHE and BUILD name the program and the build directory.

    tests/bench/run.py [--runs N] [--megabytes N] [--modules N] [--only WORD]
"""
import argparse
import contextlib
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
os.environ.setdefault("ATTACHE", str(BUILD / "attache"))
sys.path.insert(0, str(ROOT / "tests" / "system"))
import attache  # noqa: E402  pylint: disable=wrong-import-position
from attache import GATEWAY, PROGRAM, PROMPT, Module, Port  # noqa: E402  pylint: disable=wrong-import-position

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


# --- bulk -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def passthrough(*options):
    """(port, connection, processes) of a module in passthrough."""
    with quiet_module(*options) as (running, processes), socket.create_server(("127.0.0.1", 0)) as server:
        port = running.joined()
        port.connect(server.getsockname()[1])
        connection, _ = server.accept()
        port.command("AT+CIPMODE=1")
        port.command("AT+CIPSEND", PROMPT)
        with connection:
            yield port, connection, processes


@contextlib.contextmanager
def socat():
    """The same with socat between a pseudo-terminal and a TCP connection."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        link = os.path.join(folder, "pty")
        process = subprocess.Popen(["socat", f"PTY,link={link},rawer,wait-slave",
                                    f"TCP:127.0.0.1:{server.getsockname()[1]}"])
        try:
            deadline = time.monotonic() + 10
            while not os.path.exists(link):
                assert time.monotonic() < deadline, "socat makes no pseudo-terminal"
                time.sleep(0.01)  # pace: socat tells nobody when its link is there
            with Port.open(link) as port:
                connection, _ = server.accept()
                with connection:
                    yield port, connection, [process.pid]
        finally:
            process.terminate()
            process.wait()


def bulk_once(open_pair, to_network, size):
    """(MB/s, CPU ms per MB) of one transfer."""
    with open_pair() as (port, connection, processes):
        fds = blocking(port), connection.fileno()
        source, target = fds if to_network else fds[::-1]
        warm = size // 20
        load("pump", source, target, warm, descriptors=fds)
        before = cpu_ms(processes)
        seconds, = load("pump", source, target, size, descriptors=fds)
        return size / MEGA / seconds, (cpu_ms(processes) - before) / (size / MEGA)


def bulk(table, runs, size):
    peers = [("window 64240", lambda: passthrough("--window", "64240"), "≥ 0.7"),
             ("the part's window", passthrough, "≥ 0.3")]
    for to_network, direction in ((True, "PTY → TCP"), (False, "TCP → PTY")):
        samples = {name: [] for name, *_ in [*peers, ("socat",)]}
        for _ in range(runs):
            samples["socat"].append(bulk_once(socat, to_network, size))
            for name, open_pair, _ in peers:
                samples[name].append(bulk_once(open_pair, to_network, size))
        medians = {name: [statistics.median(column) for column in zip(*values)] for name, values in samples.items()}
        peer_rate, peer_cpu = medians["socat"]
        for name, _, aim in peers:
            rate, cpu = medians[name]
            table.add(f"passthrough {direction}, {name}", f"{rate:.0f} MB/s", f"socat {peer_rate:.0f} MB/s",
                      f"{rate / peer_rate:.2f}", aim)
            table.add(f"CPU of that, {name}", f"{cpu:.2f} ms/MB", f"socat {peer_cpu:.2f} ms/MB",
                      f"{cpu / peer_cpu:.2f}")


def commands_bulk(table, runs, size):
    """CIPSEND of 2048 and 8192 bytes, and +IPD."""
    rates = {2048: [], 8192: [], "ipd": []}
    for _ in range(runs):
        with quiet_module("--window", "64240") as (running, _), socket.create_server(("127.0.0.1", 0)) as server:
            port = running.joined()
            port.connect(server.getsockname()[1])
            connection, _ = server.accept()
            with connection:
                descriptor = blocking(port)
                for length in (2048, 8192):
                    drain = subprocess.Popen(["cat"], stdin=connection.fileno(), stdout=subprocess.DEVNULL)
                    count = size // 10 // length
                    seconds, = load("send", descriptor, count, length, descriptors=(descriptor,))
                    rates[length].append(count * length / MEGA / seconds)
                    drain.terminate()
                    drain.wait()
                seconds, = load("ipd", connection.fileno(), descriptor, size,
                                descriptors=(descriptor, connection.fileno()))
                rates["ipd"].append(size / MEGA / seconds)
    for length in (2048, 8192):
        rate = statistics.median(rates[length])
        table.add(f"AT+CIPSEND={length}, one after the other", f"{rate:.0f} MB/s, {rate * MEGA / length:.0f}/s")
    table.add("+IPD, window 64240", f"{statistics.median(rates['ipd']):.0f} MB/s")


# --- round trips, starting ------------------------------------------------------------------------------


def round_trips(table, runs, _):
    ours, peers = [], []
    count = 20_000
    for _ in range(max(runs, 5)):
        echo = subprocess.Popen([BUILD / "ptyecho"], stdout=subprocess.PIPE, text=True)
        with Port.open(echo.stdout.readline().strip()) as port:
            descriptor = blocking(port)
            peers.append(load("ask", descriptor, count, 4, "AT", descriptors=(descriptor,)))
        echo.terminate()
        echo.wait()
        with quiet_module() as (running, _):
            descriptor = blocking(running.started())
            ours.append(load("ask", descriptor, count, 6, "AT", descriptors=(descriptor,)))
    for column, name in enumerate(("p50", "p99")):
        mine, peer = (statistics.median(row[column] for row in rows) for rows in (ours, peers))
        table.add(f"AT round trip {name}", f"{mine:.1f} µs", f"echo {peer:.1f} µs", f"{mine / peer:.2f}",
                  "≤ 1.2" if name == "p50" else "")


def starting(table, runs, _):
    count = 20 * runs
    with tempfile.TemporaryDirectory(prefix="attache-") as folder:
        flash = os.path.join(folder, "flash.bin")
        quiet = ["--log-file", os.path.join(folder, "log")]
        ready, _, ip, _ = load("start", count, 1, PROGRAM, "run", *quiet)
        table.add("exec to ready", f"{ready / 1000:.2f} ms", aim="≤ 2 ms")
        table.add("AT+CWJAP to address", f"{ip / 1000:.2f} ms", aim="≤ 5 ms")
        load("start", 1, 1, PROGRAM, "run", "--flash", flash, *quiet)
        ready, _, ip, _ = load("start", count, 2, PROGRAM, "run", "--flash", flash, *quiet)
        table.add("exec to ready, with a flash file", f"{ready / 1000:.2f} ms", aim="≤ 2 ms")
        table.add("ready to address, joining by itself", f"{ip / 1000:.2f} ms", aim="≤ 5 ms")


def storing(table, runs, _):
    """Settings on flash; what a full NVS costs at the start."""
    program = BUILD / "nvs"
    outcome = subprocess.run([program], stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    for unit, mine, peer, what in re.findall(r"^(\w+) ([\d.]+) ([\d.]+) (.+)$", outcome.stdout, re.M):
        scale, name = {"rate": (1000, " thousand/s"), "us": (1, " µs")}.get(unit, (1, ""))
        mine, peer = float(mine) / scale, float(peer) / scale
        other = "empty" if "beside" in what else "naive rewrite"
        table.add(what, f"{mine:.1f}{name}", f"{other} {peer:.1f}{name}" if peer else "",
                  f"{mine / peer:.3g}" if peer else "")
    with tempfile.TemporaryDirectory(prefix="attache-") as folder:
        quiet = ["--log-file", os.path.join(folder, "log")]
        empty, full, factory = (os.path.join(folder, name) for name in ("empty", "full", "factory"))
        subprocess.run([program, "fill", full], check=True)
        subprocess.run([PROGRAM, "flash", "create", "--config", ROOT / "module_config", factory], check=True,
                       stdout=subprocess.DEVNULL)
        images = {empty: [], full: [], factory: []}
        for _ in range(max(runs, 7)):
            for image, times in images.items():
                times.append(load("start", 20, 0, PROGRAM, "run", "--flash", image, *quiet)[0] / 1000)
        peer, *ours = (statistics.median(times) for times in images.values())
        for mine, what in zip(ours, ("with a full NVS", "with a factory image")):
            table.add(f"exec to ready, {what}", f"{mine:.2f} ms", f"empty {peer:.2f} ms", f"{mine / peer:.2f}")


def restarting(table, runs, _):
    with quiet_module() as (running, _):
        port = running.open()
        port.exactly(attache.READY)
        descriptor = blocking(port)
        answer = len(b"AT+RST\r\n" + attache.OK + attache.READY)
        median, slow = load("ask", descriptor, 100 * runs, answer, "AT+RST", descriptors=(descriptor,))
        table.add("AT+RST to ready p50, p99", f"{median / 1000:.2f} ms, {slow / 1000:.2f} ms")


# --- memory and idling ----------------------------------------------------------------------------------


def kb(value):
    return f"{value / 1024:.2f} MB"


def crowd(table, _, __, count=100):
    """Idle modules, each joined and with an open link."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        processes = []
        for number in range(count):
            running, pids = stack.enter_context(quiet_module())
            running.joined().connect(server.getsockname()[1])
            stack.enter_context(server.accept()[0])
            processes += pids
            if number == 0:
                bench, chip = (attache.resident_kb(pid) for pid in pids)
                table.add("PSS of one module, joined, one link", kb(bench + chip), f"bench {kb(bench)}, chip {kb(chip)}",
                          aim="≤ 1.5 MB")
        total = sum(attache.resident_kb(pid) for pid in processes)
        table.add(f"PSS of {count} modules", kb(total), f"{kb(total / count)} each")
        seconds = 5
        before = cpu_ms(processes)
        time.sleep(seconds)  # pace: CPU is measured over time
        used = (cpu_ms(processes) - before) / seconds / 10
        table.add(f"CPU of {count} idle modules", f"{used:.2f} % of a core", aim="< 2 %")


def dispatching(table, _, __):
    program = BUILD / "dispatch"
    if not program.exists():
        table.add("lines dispatched", "no such program")
        return
    outcome = subprocess.run([program], stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    for rate, line in re.findall(r"^ *(\d+)  (.+)$", outcome.stdout, re.M):
        table.add(f"dispatched in process: `{line}`".replace("|", "\\|"), f"{int(rate) / 1e6:.2f} million/s",
                  aim="≥ 2.5 million/s")


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} x {model.group(1) if model else 'unknown CPU'}, load {os.getloadavg()[0]:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="of each transfer; medians are shown")
    parser.add_argument("--megabytes", type=int, default=100, help="of a transfer")
    parser.add_argument("--modules", type=int, default=100)
    parser.add_argument("--only", default="", help="measurements whose name contains this")
    options = parser.parse_args()
    table = Table()
    print(machine(), flush=True)

    def crowd_of(*arguments):
        crowd(*arguments, count=options.modules)

    parts = {"bulk": bulk, "commands": commands_bulk, "round-trips": round_trips, "starting": starting,
             "restarting": restarting, "crowd": crowd_of, "dispatch": dispatching, "nvs": storing}
    for name, part in parts.items():
        if options.only in name:
            part(table, options.runs, options.megabytes * MEGA)
    text = f"# make bench\n\n{machine()}\n\n{table.text()}"
    (BUILD / "bench.md").write_text(text, encoding="utf-8")
    print()
    print(table.text())


if __name__ == "__main__":
    main()
