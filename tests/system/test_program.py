"""The program as a shell sees it: options, exit statuses, commands, other ports, the control socket."""
import json
import os
import random
import re
import socket
import stat
import subprocess
import sys

import pytest

import attache
from attache import OK, PATIENCE_S, READY, Port


def one_line(outcome):
    lines = outcome.stderr.decode().splitlines()
    assert len(lines) == 1, f"one line on stderr, not {lines}"
    assert lines[0].startswith("attache: ")
    assert outcome.stdout == b""
    return lines[0]


USAGE = [
    (["--bogus"], "--help"),
    (["word"], "--"),
    (["--seed", "many"], "--seed: 'many' is not a number"),
    (["--seed"], "--seed needs a value"),
    (["--seed=0"], "--seed"),
    (["--window", "100"], "--window: '100' is not a number of bytes from 2880 to 65535"),
    (["--heap", "1"], "--heap: '1' is not a number of bytes from 98304"),
    (["--mac", "11:22:33:44:55:66"], "--mac: 11:22:33:44:55:66 is a group address"),
    (["--mac", "no"], "like 1a:fe:35:98:d3:7b"),
    (["--policy", "maybe"], "open, local or none"),
    (["--log", "loud"], "error, warn, info or debug"),
    (["--module", "esp32"], "esp32c2-4mb"),
    (["--pace=9"], "--pace takes no value"),
    (["--pty", "--stdio"], "only one"),
    (["--forward", "80"], "HOSTPORT:MODULEPORT"),
    (["--forward", "8080:0"], "MODULEPORT 1..65535"),
    (["--forward", "300.1.1.1:8080:80"], "not an IPv4 address"),
    (["--"], "needs a command"),
    (["--stdio", "--", "true"], "--pty or --listen"),
]


@pytest.mark.parametrize("options, right", USAGE, ids=[" ".join(options) for options, _ in USAGE])
def test_usage(options, right):
    outcome = attache.run("run", *options)
    assert outcome.returncode == 2
    assert right in one_line(outcome)


@pytest.mark.parametrize("program", ["run", "console", "ctl", "air", "join", "commands", "flash", "version"])
def test_help_of_every_program(program):
    outcome = attache.run(program, "--help")
    assert outcome.returncode == 0
    assert outcome.stdout.startswith(b"usage: attache ")
    assert outcome.stderr == b""


def test_the_least_memory_is_enough_to_join(module):
    module("--heap", 98304).joined()


WORLDS = [
    ("[ap home]\npassword = short\n", "1: [ap home]: password of 5 bytes"),
    ("[ap home]\npasswort = secret88\n", "2: "),
    ("[ap home]\nchannel = 15\n", "2: [ap home] channel = '15' is not a number of 1..14"),
    ("[ap home\n", "1: "),
    ("[house]\n", "1: "),
    ("[ap a]\nauth = wpa9\n", "wpa2-psk"),
    ("[fault f]\nkind = storm\n", "2: "),
    ("[names]\nbroker = here\n", "2: "),
    ("seed = 1\n", "1: "),
]


@pytest.mark.parametrize("text, right", WORLDS, ids=[text.split("\n")[-2] for text, _ in WORLDS])
def test_bad_world(tmp_path, text, right):
    world = tmp_path / "world.ini"
    world.write_text(text)
    outcome = attache.run("run", "--world", world)
    assert outcome.returncode == 2
    line = one_line(outcome)
    assert "world.ini:" in line and right in line


def test_files_that_cannot_be(tmp_path):
    missing = tmp_path / "missing" / "file"
    for option in ("--world", "--flash", "--pcap", "--wire-log", "--log-file", "--ctl", "--serial"):
        outcome = attache.run("run", option, missing)
        assert outcome.returncode == 1
        line = one_line(outcome)
        assert option in line, line


def test_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        outcome = attache.run("run", "--listen", number)
        assert outcome.returncode == 1
        assert str(number) in one_line(outcome)


def test_forward_port_in_use(module):
    """Known only once the station has an address: reported, and everything else goes on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = module("--forward", f"{taken.getsockname()[1]}:80")
        port = running.joined()
        assert running.control.wait("forward", since=0)["error"]
        port.command("AT")
        assert str(taken.getsockname()[1]) in running.log()


def test_control_path_in_use(module):
    running = module()
    outcome = attache.run("run", "--ctl", running.control_path)
    assert outcome.returncode == 1
    assert "another run" in one_line(outcome)
    running.control.status()


@pytest.mark.parametrize("command, status", [
    (["true"], 0), (["false"], 1), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -TERM $$"], 143),
    (["no-such-command-anywhere"], 127)])
def test_status_of_the_command(command, status):
    outcome = attache.run("run", "--", *command)
    assert outcome.returncode == status
    assert outcome.stdout == b""


CHILD_TEST = """
import os, tty
def test_module():
    port = os.open(os.environ["ATTACHE_PORT"], os.O_RDWR | os.O_NOCTTY)
    os.write(port, b"AT\\r\\n")
    answer = b""
    while not answer.endswith(b"OK\\r\\n"):
        answer += os.read(port, 100)
    assert os.path.exists(os.environ["ATTACHE_CTL"])
    assert answer == b"\\r\\nready\\r\\nAT\\r\\n\\r\\nOK\\r\\n"
"""


@pytest.mark.parametrize("passes", [True, False])
def test_pytest_as_command(tmp_path, passes):
    """The way to test a host driver: status and output are the command's; the log follows a failure."""
    test = tmp_path / "test_child.py"
    test.write_text(CHILD_TEST if passes else CHILD_TEST + "    assert False\n")
    outcome = attache.run("run", "--ctl", tmp_path / "ctl", "--", sys.executable, "-m", "pytest", "-q",
                          "-p", "no:cacheprovider", test)
    assert outcome.returncode == (0 if passes else 1), outcome.stdout
    assert (b"1 passed" if passes else b"1 failed") in outcome.stdout
    assert (b"bench: seed" in outcome.stderr) is not passes


def test_terminated_with_a_command():
    """SIGTERM goes to the command, whose end decides."""
    script = "trap 'exit 9' TERM; echo started; while :; do read x; done"
    with subprocess.Popen([attache.PROGRAM, "run", "--", "sh", "-c", script], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"started\n"
        process.terminate()
        process.stdin.write(b"\n")
        process.stdin.close()
        process.stdin = None
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 9, errors


def test_stdio():
    outcome = attache.run("run", "--stdio", input=b"ATE0\r\nAT\r\nAT+CIPMUX?\r\nAT+NOPE\r\n")
    assert outcome.returncode == 0
    assert outcome.stdout == READY + b"ATE0\r\n" + OK + OK + b"+CIPMUX:0\r\n" + OK + attache.ERROR


def test_stdio_to_a_reader_that_leaves():
    script = f"printf 'AT+CMD?\\r\\n' | {attache.PROGRAM} run --stdio | head -c 5"
    outcome = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, timeout=60, check=True)
    assert outcome.stdout == READY[:5]


def test_listener(module):
    """One client at a time; the next is refused with a reason; after the first left another may come."""
    running = module(port=("--listen", "0"))
    host, number = re.fullmatch(r"socket://(127\.0\.0\.1):(\d+)", running.path).groups()
    first = socket.create_connection((host, int(number)), PATIENCE_S)
    port = Port(first.fileno())
    port.start()
    with socket.create_connection((host, int(number)), PATIENCE_S) as second:
        assert second.makefile("rb").read() == b"attache: the AT port is in use by another client\r\n"
    port.command("AT")
    port.send("AT+RST")
    port.exactly(OK + READY)
    first.close()
    port.descriptor = -1
    # The end of the first is an event like others: until it is seen, a newcomer is turned away.
    for _ in range(1000):
        third = socket.create_connection((host, int(number)), PATIENCE_S)
        port = Port(third.fileno())
        try:
            port.command("AT", b"AT\r\n" + OK)
            break
        except (attache.Unexpected, ConnectionError, BrokenPipeError):
            third.close()
    else:
        pytest.fail("the port stays in use")
    third.close()


def test_listener_warns_of_the_world():
    with subprocess.Popen([attache.PROGRAM, "run", "--listen", "0.0.0.0:0"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"socket://0.0.0.0:")
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert b"warning: --listen" in errors
        assert process.returncode == 0


# --- the control socket -------------------------------------------------------------------------------


GARBAGE = [b"\n", b"hello\n", b"{}\n", b"null\n", b"[]\n", b'"status"\n', b'{"verb":7}\n', b'{"verb":"fly"}\n',
           b'{"verb":"wait"}\n', b'{"verb":"wait","event":7}\n', b'{"verb":"wait","event":"x","timeout_ms":-1}\n',
           b'{"verb":"ap"}\n', b'{"verb":"ap","name":"nobody","on":true}\n', b'{"verb":"power","state":"half"}\n',
           b'{"verb":"fault","add":{}}\n', b'{"verb":"fault","add":{"name":"f","kind":"storm"}}\n',
           b'{"verb":"fault","name":"nobody","on":true}\n', b"[" * 3000 + b"\n", b'{"a":' * 600 + b"\n",
           b'{"verb":"status"\n', b"\xff\xfe\x00\x01\n", b'{"verb":"\xff"}\n']


def test_control_garbage(module):
    """Each bad line gets one answer that says what would be right; the module does not notice."""
    running = module()
    port = running.started()
    for line in GARBAGE:
        if line == b"\n":
            continue
        answer = running.control.raw(line)
        assert answer["ok"] is False and len(answer["error"]) > 10, line
    generator = random.Random(9)
    for _ in range(300):
        line = generator.randbytes(generator.randrange(1, 200)).replace(b"\n", b" ") + b"\n"
        assert running.control.raw(line)["ok"] is False
    assert running.control.call("status", id=5)["id"] == 5
    port.command("AT")


def test_control_line_too_long(module):
    running = module()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(str(running.control_path))
        client.sendall(b"x" * 4096)
        data = client.makefile("rb").read()
        assert json.loads(data)["ok"] is False and b"4096" in data
    running.control.status()


def test_control_clients_that_leave_or_do_not_read(module):
    running = module()
    port = running.started()
    for _ in range(40):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(running.control_path))
            client.sendall(b'{"verb":"wait","event":"never"}\n{"verb":"sta')
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(running.control_path))
        client.setblocking(False)
        try:
            for _ in range(100_000):
                client.send(b'{"verb":"status"}\n' * 50)
        except (BlockingIOError, ConnectionError):
            pass
        port.command("AT")
        running.control.status()


def test_control_socket_is_private(module):
    running = module()
    assert stat.S_IMODE(os.stat(running.control_path).st_mode) == 0o600


def test_control_from_a_shell(module):
    running = module()
    running.joined()
    outcome = attache.run("ctl", running.control_path, "wait", "ip")
    assert outcome.returncode == 0
    assert json.loads(outcome.stdout)["event"]["ip"] == attache.STATION
    outcome = attache.run("ctl", running.control_path, "ap", "nobody", "off")
    assert outcome.returncode == 1
    outcome = attache.run("ctl", running.control_path, "quit")
    assert outcome.returncode == 0
    assert running.process.wait(PATIENCE_S) == 0


def test_waits_and_events(module):
    running = module()
    port = running.started()
    since = running.control.last_event()
    port.command("AT+CIPMUX=9", attache.ERROR)
    assert running.control.wait("error", since=since)
    answer = running.control.raw(b'{"verb":"wait","event":"ip","timeout_ms":20}\n')
    assert answer["ok"] is False and "timeout" in answer["error"]
    port.join()
    assert running.control.wait("ip")["ip"] == attache.STATION
