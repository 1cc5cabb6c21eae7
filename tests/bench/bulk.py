"""Bulk data between the AT port and a TCP connection, beside socat."""
import contextlib
import os
import socket
import statistics
import subprocess
import tempfile
import time

from attache import PROMPT, Port
from measure import MEGA, blocking, cpu_ms, load, quiet_module


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
