#!/usr/bin/env python3
"""Measure, and print a Markdown table that is also written to BUILD/bench.md.

Nothing here passes or fails by time. Each figure is the median of several runs; where there is a peer
(socat, OpenSSL, a program that echoes), both are measured in turn in the same run, so that their ratio
holds on a busy machine too. ATTACHE and BUILD name the program and the build directory.

    tests/bench/run.py [--runs N] [--megabytes N] [--modules N] [--only WORD]
"""
import argparse
import functools
import os
import pathlib
import re
import sys
import time

import measure  # first: it finds the program and the tests' modules
import air
import bulk
import crowd
import starting
import tls
import updates


def parts(modules):
    """Name: function of the table, runs, and the bytes of a transfer."""
    return {
        "bulk": bulk.bulk,
        "commands": bulk.commands_bulk,
        "round-trips": starting.round_trips,
        "starting": starting.starting,
        "joining-later": starting.joining_later,
        "joining-again": starting.joining_again,
        "restarting": starting.restarting,
        "nvs": starting.storing,
        "dispatch": crowd.dispatching,
        "crowd": functools.partial(crowd.crowd, count=modules),
        "softap": air.softap,
        "hub": air.hub,
        "tls-handshakes": tls.handshakes,
        "tls-bulk": tls.downloads,
        "updates": updates.updates,
    }


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return f"{os.cpu_count()} x {model.group(1) if model else 'unknown CPU'}, load {os.getloadavg()[0]:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="of each transfer; medians are shown")
    parser.add_argument("--megabytes", type=int, default=40, help="of a transfer")
    parser.add_argument("--modules", type=int, default=100)
    parser.add_argument("--only", default="", help="measurements whose name contains this")
    options = parser.parse_args()
    table = measure.Table()
    chosen = {name: part for name, part in parts(options.modules).items() if options.only in name}
    began, failed = time.monotonic(), []
    print(machine(), flush=True)
    for number, (name, part) in enumerate(chosen.items(), 1):
        print(f"[{number}/{len(chosen)}] {name}, {time.monotonic() - began:.0f} s so far", flush=True)
        try:
            part(table, options.runs, options.megabytes * measure.MEGA)
        except Exception as error:  # pylint: disable=broad-except  # the others are still to be measured
            failed.append(name)
            table.add(name, f"not measured: {type(error).__name__}: {error}".replace("|", "/").replace("\n", " "))
    text = f"# make bench\n\n{machine()}, {time.monotonic() - began:.0f} s\n\n{table.text()}"
    (measure.BUILD / "bench.md").write_text(text, encoding="utf-8")
    print()
    print(table.text())
    if failed:
        sys.exit("not measured: " + ", ".join(failed))


if __name__ == "__main__":
    main()
