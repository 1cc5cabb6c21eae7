"""Round trips, starting, joining, restarting, settings."""
import os
import re
import statistics
import subprocess
import tempfile
import time

import attache
from attache import PROGRAM, Port
from measure import BUILD, ROOT, blocking, load, quiet_module


def round_trips(table, runs, _):
    """Many short samples in turn, so that both sides see the same machine."""
    ours, peers = [], []
    count = 2000
    for _ in range(7 * runs):
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


def started(count, join, *options):
    """p50 and p99 in ms of count starts: exec to ready, and ready (or AT+CWJAP) to an address."""
    return [value / 1000 for value in load("start", count, join, PROGRAM, "run", *options)]


def starting(table, runs, _):
    count = 20 * runs
    with tempfile.TemporaryDirectory(prefix="attache-") as folder:
        flash = os.path.join(folder, "flash.bin")
        quiet = ["--log-file", os.path.join(folder, "log")]
        ready, slow, address, late = started(count, 1, *quiet)
        table.add("exec to ready p50, p99", f"{ready:.2f} ms, {slow:.2f} ms", aim="≤ 2 ms")
        table.add("AT+CWJAP to address, cold, p50, p99", f"{address:.2f} ms, {late:.2f} ms", aim="≤ 5 ms")
        started(1, 1, "--flash", flash, *quiet)
        ready, slow, address, late = started(count, 2, "--flash", flash, *quiet)
        table.add("exec to ready with a flash file p50, p99", f"{ready:.2f} ms, {slow:.2f} ms", aim="≤ 2 ms")
        table.add("ready to address, stored settings, p50, p99", f"{address:.2f} ms, {late:.2f} ms", aim="≤ 5 ms")


def joining_later(table, runs, _):
    """The first join of a module that has been there for a moment; the CPU tells what it costs on any machine."""
    rows = []
    for _ in range(10 * runs):
        with quiet_module() as (running, processes):
            port = running.started()
            port.command("AT+CWMODE=1")
            time.sleep(0.05)  # pace: what a person or a driver does first
            before = [attache.cpu_ns(pid) for pid in processes]
            began = time.monotonic()
            port.send(attache.JOIN)
            port.exactly(b"WIFI CONNECTED\r\nWIFI GOT IP\r\n")
            rows.append((time.monotonic() - began,
                         *(attache.cpu_ns(pid) - was for pid, was in zip(processes, before))))
            port.exactly(attache.OK)
    took, bench, chip = map(statistics.median, zip(*rows))
    table.add("AT+CWJAP to address, cold, 50 ms after ready, p50",
              f"{took * 1000:.2f} ms; CPU of the chip {chip / 1e6:.2f} ms, of the bench {bench / 1e6:.2f} ms", aim="≤ 5 ms")


def joining_again(table, runs, _):
    """The keys are known on both sides."""
    times = []
    with quiet_module() as (running, _):
        port = running.joined()
        for _ in range(50 * runs):
            port.command("AT+CWQAP", b"WIFI DISCONNECT\r\n" + attache.OK)
            port.send(attache.JOIN)
            began = time.monotonic()
            port.exactly(b"WIFI CONNECTED\r\nWIFI GOT IP\r\n")
            times.append((time.monotonic() - began) * 1000)
            port.exactly(attache.OK)
    times.sort()
    table.add("AT+CWJAP to address, again, p50, p99",
              f"{times[len(times) // 2]:.2f} ms, {times[len(times) * 99 // 100]:.2f} ms", aim="≤ 5 ms")


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
