"""Several modules on one air: a station and a SoftAP, and what the hub costs with many of them."""
import contextlib
import os
import statistics
import subprocess
import tempfile
import time

import attache
from attache import OK, PROGRAM, PROMPT, Control, Port
from measure import LOAD, MEGA, blocking, cpu_ms, load


class Radio:
    """A module on a shared air, without a chatty log."""

    def __init__(self, folder, number, *options):
        self.mac = f"02:00:00:{number >> 8:02x}:{number & 255:02x}:10"
        self.process = subprocess.Popen(
            [PROGRAM, "run", "--air", f"{folder}/air", "--mac", self.mac, "--ctl", f"{folder}/ctl{number}", "--log", "error",
             "--log-file", f"{folder}/log{number}", *options], stdout=subprocess.PIPE, text=True)
        self.port = Port.open(self.process.stdout.readline().strip())
        self.port.start()
        control = Control(f"{folder}/ctl{number}")
        self.processes = [self.process.pid, control.status()["pid"]]
        control.close()

    def serve(self, ssid, hub):
        """A SoftAP with a TCP server that takes one connection; on the air when this returns."""
        since = hub.last_event()
        self.port.command("AT+CWMODE=2")
        self.port.command(f'AT+CWSAP="{ssid}","1234567890",5,3')
        hub.wait("ap", since=since, name=self.mac[:-1] + "1", on=True)
        self.port.command("AT+CIPMUX=1")
        self.port.command("AT+CIPSERVERMAXCONN=1")
        self.port.command("AT+CIPSERVER=1,333")
        self.port.command("AT+CIPMODE=1")

    def reach(self, ssid, other):
        """Joins a SoftAP and connects; then both are in passthrough."""
        self.port.command("AT+CWMODE=1")
        self.port.command(f'AT+CWJAP="{ssid}","1234567890"', b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK)
        self.port.connect(333, "192.168.4.1")
        self.port.command("AT+CIPMODE=1")
        self.port.command("AT+CIPSEND", PROMPT)
        other.port.until(b"0,CONNECT\r\n")
        other.port.command("AT+CIPSEND", PROMPT)

    def close(self):
        self.port.close()
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def shared_air(pairs, *options):
    """(hub's process, its control, pairs of modules, each a SoftAP and its station in passthrough)."""
    with tempfile.TemporaryDirectory(prefix="attache-air-") as folder, contextlib.ExitStack() as stack:
        hub = subprocess.Popen([PROGRAM, "air", "--air", f"{folder}/air", "--ctl", f"{folder}/ctl", "--log", "error",
                                "--log-file", f"{folder}/log"], stdout=subprocess.PIPE)
        stack.callback(hub.stdout.close)
        stack.callback(hub.wait)
        stack.callback(hub.terminate)
        hub.stdout.readline()
        control = Control(f"{folder}/ctl")
        stack.callback(control.close)
        made = []
        for number in range(pairs):
            softap, station = (Radio(folder, 2 * number + side, *options) for side in (0, 1))
            stack.callback(softap.close)
            stack.callback(station.close)
            softap.serve(f"pair{number}", control)
            station.reach(f"pair{number}", softap)
            made.append((softap, station))
        yield hub.pid, control, made


def softap(table, runs, size):
    """TCP between two modules, AT port to AT port."""
    for name, options in (("window 64240", ("--window", "64240")), ("the part's window", ())):
        rates = {"station → SoftAP": [], "SoftAP → station": []}
        costs = {direction: [] for direction in rates}
        for _ in range(runs):
            with shared_air(1, *options) as (hub, _, [(server, client)]):
                processes = [hub, *server.processes, *client.processes]
                fds = blocking(client.port), blocking(server.port)
                for direction, (source, target) in zip(rates, (fds, fds[::-1])):
                    load("pump", source, target, size // 20, descriptors=fds)
                    before = cpu_ms(processes)
                    seconds, = load("pump", source, target, size // 2, descriptors=fds)
                    rates[direction].append(size // 2 / MEGA / seconds)
                    costs[direction].append((cpu_ms(processes) - before) / (size // 2 / MEGA))
        for direction, values in rates.items():
            table.add(f"{direction}, {name}", f"{statistics.median(values):.0f} MB/s, "
                      f"{statistics.median(costs[direction]):.1f} ms/MB of CPU in five processes")


def frames_seen(control):
    return sum(port["frames_in"] for port in control.status()["air"]["ports"])


def pump_all(pairs, size):
    """All stations send at the same time; seconds until the last byte is there."""
    fds = [(blocking(station.port), blocking(softap.port)) for softap, station in pairs]
    began = time.monotonic()
    running = [subprocess.Popen([LOAD, "pump", str(source), str(target), str(size)], pass_fds=(source, target),
                                stdout=subprocess.DEVNULL) for source, target in fds]
    for process in running:
        if process.wait(600) != 0:
            raise RuntimeError("atload pump failed")
    return time.monotonic() - began


def forwarding(control, pid, pairs, size):
    """Thousand frames a second, and CPU of the hub in us a frame, while these pairs share size."""
    frames, used = frames_seen(control), attache.cpu_ns(pid)
    seconds = pump_all(pairs, size // len(pairs))
    frames = frames_seen(control) - frames
    return frames / seconds / 1000, (attache.cpu_ns(pid) - used) / frames / 1000


def hub(table, _, size):
    for modules in (2, 10, 100):
        with shared_air(modules // 2) as (pid, control, pairs):
            seconds = 2
            before = cpu_ms([pid])
            time.sleep(seconds)  # pace: CPU is measured over time
            idle = f"idle {(cpu_ms([pid]) - before) / seconds / 10:.2f} % of a core"
            for sending, what in ((pairs, "half of them sending"), (pairs[:1], "one sending")):
                if modules == 2 and sending is pairs:
                    continue
                rate, cost = forwarding(control, pid, sending, size // 4)
                table.add(f"hub with {modules} modules, {what}",
                          f"{rate:.0f} thousand frames/s, {cost:.2f} µs of CPU a frame", idle)
