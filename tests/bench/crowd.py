"""Memory, idling, and the engine alone."""
import contextlib
import re
import socket
import subprocess
import time

import attache
from measure import BUILD, cpu_ms, quiet_module


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
