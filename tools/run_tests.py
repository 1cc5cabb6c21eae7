#!/usr/bin/env python3
"""Run tests of a build directory and close with 'N passed, N failed'.

    tools/run_tests.py all|units|pages|system|bench BUILD [PYTEST-ARGUMENT...]

Units are the cmocka programs that ctest knows, pages are replayed by page-runner, system tests are pytest in a virtual
environment of their own.  Everything is found, nothing is registered here.  With ATTACHE_COUNTS=FILE the counts are
also appended to FILE, for a sum over several runs.
"""
import concurrent.futures
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLOSING = re.compile(r"(\d+) passed, (\d+) failed")


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def environment():
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1:strict_string_checks=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    return env


def run_captured(command, timeout_s):
    """Run a program; (status, output).  A time-out counts as status 124."""
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            output += f"\nstopped after {timeout_s} s\n".encode()
            status = 124
    return status, output.decode(errors="replace")


# --- units ---------------------------------------------------------------------------------------------------------


def unit_programs(build):
    listing = subprocess.run(["ctest", "--show-only=json-v1", "-L", "unit"], cwd=build, text=True,
                             stdout=subprocess.PIPE, check=True).stdout
    return [test["command"][0] for test in json.loads(listing)["tests"] if "command" in test]


def run_unit(program):
    status, output = run_captured([program], 300)
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", output))
    failed = sum(int(n) for n in re.findall(r"\[  FAILED  \] (?:\w+: )?(\d+) test", output))
    skipped = sum(int(n) for n in re.findall(r"\[  SKIPPED \] (?:\w+: )?(\d+) test", output))
    if status and not failed:
        failed = 1
    return os.path.basename(program), passed, failed, skipped, status, output


def units(build, counts):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, passed, failed, skipped, status, output in pool.map(run_unit, unit_programs(build)):
            counts.add(passed, failed, skipped)
            if failed:
                print(output)
                print(f"FAILED {name} (status {status})")
            else:
                print(f"  {name:<40} {passed:5} passed")


# --- pages ---------------------------------------------------------------------------------------------------------


def pages(build, counts):
    runner = os.path.join(build, "page-runner")
    if not os.path.exists(runner):
        print("  no page-runner yet")
        return
    status, output = run_captured([runner, "tests/pages"], 1500)
    closing = CLOSING.findall(output)
    passed, failed = (int(n) for n in closing[-1]) if closing else (0, 0)
    if status and not failed:
        failed = 1
    counts.add(passed, failed)
    print(output if failed else "\n".join(output.splitlines()[-12:]))


# --- system tests --------------------------------------------------------------------------------------------------


def virtual_environment(build):
    """build/venv with the pinned requirements; made again when they change."""
    requirements = os.path.join(ROOT, "tests/system/requirements.txt")
    venv = os.path.join(build, "venv")
    python = os.path.join(venv, "bin/python")
    with open(requirements, "rb") as stream:
        digest = hashlib.sha256(stream.read()).hexdigest()
    stamp = os.path.join(venv, "requirements.sha256")
    if os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as stream:
            if stream.read() == digest:
                return python
    print("  making the virtual environment", venv, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements],
                   check=True)
    with open(stamp, "w", encoding="utf-8") as stream:
        stream.write(digest)
    return python


def system(build, counts, arguments):
    directory = os.path.join(ROOT, "tests/system")
    if not glob.glob(os.path.join(directory, "**/test_*.py"), recursive=True):
        print("  no system tests yet")
        return
    env = environment()
    env["ATTACHE"] = os.path.join(build, "attache")
    command = [virtual_environment(build), "-m", "pytest", "-q", "-p", "no:cacheprovider", directory, *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        closing = ""
        for line in process.stdout:
            print(line, end="", flush=True)
            if re.search(r"\d+ (passed|failed|error)", line):
                closing = line
        status = process.wait()
    found = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", closing)}
    failed = found.get("failed", 0) + found.get("error", 0)
    if status and not failed:
        failed = 1
    counts.add(found.get("passed", 0), failed, found.get("skipped", 0))


# --- bench ---------------------------------------------------------------------------------------------------------


def bench(build, arguments):
    driver = os.path.join(ROOT, "tests/bench/run.py")
    if not os.path.exists(driver):
        print("no tests/bench/run.py yet")
        return 0
    env = environment()
    env["ATTACHE"] = os.path.join(build, "attache")
    env["BUILD"] = build
    return subprocess.run([virtual_environment(build), driver, *arguments], cwd=ROOT, env=env).returncode


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("all", "units", "pages", "system", "bench"):
        sys.exit(__doc__)
    suite, build, arguments = sys.argv[1], os.path.abspath(sys.argv[2]), sys.argv[3:]
    if suite == "bench":
        sys.exit(bench(build, arguments))
    total = Counts()
    for name, run in (("units", lambda c: units(build, c)), ("pages", lambda c: pages(build, c)),
                      ("system", lambda c: system(build, c, arguments))):
        if suite not in (name, "all"):
            continue
        counts, start = Counts(), time.monotonic()
        print(f"== {name}", flush=True)
        run(counts)
        print(f"== {name}: {counts.passed} ok, {counts.failed} bad, {time.monotonic() - start:.1f} s", flush=True)
        total.add(counts.passed, counts.failed, counts.skipped)
    if os.environ.get("ATTACHE_COUNTS"):
        with open(os.environ["ATTACHE_COUNTS"], "a", encoding="utf-8") as stream:
            stream.write(f"{total.passed} {total.failed} {total.skipped}\n")
    skipped = f", {total.skipped} skipped" if total.skipped else ""
    print(f"{total.passed} passed, {total.failed} failed{skipped}")
    sys.exit(1 if total.failed else 0)


if __name__ == "__main__":
    main()
