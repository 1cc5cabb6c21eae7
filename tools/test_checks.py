#!/usr/bin/env python3
"""Show that the checks of this folder fail when a rule is broken: each case is a tiny tree with one fault."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import fetch_deps  # noqa: E402

# (what it shows, {file: text}, part of the message that must appear, or None when the tree is fine)
LAYERING = [
    ("a clean tree passes",
     {"core/a.c": '#include "core/a.h"\n#include <string.h>\n', "core/a.h": "", "commands/b.c": '#include "core/a.h"\n',
      "net/c.c": '#include "lwip/tcp.h"\n#include <lwip/tcp.h>\n', "net/lwip_port/lwipopts.h": '#include <lwip/opt.h>\n',
      "crypto/d.c": "#include <mbedtls/md.h>\n", "ports/linux/e.c": '#include <unistd.h>\n#include "module/m.h"\n',
      "module/m.h": "", "wifi/w.c": '#include "core/error.h"\n', "core/error.h": ""}, None),
    ("core includes nothing above", {"core/a.c": '#include "net/n.h"\n', "net/n.h": ""}, "core/ may not include net/"),
    ("net does not see commands", {"net/a.c": '#include "commands/x.h"\n'}, "net/ may not include commands/"),
    ("net and wifi do not see each other", {"wifi/a.c": '#include "net/x.h"\n'}, "wifi/ may not include net/"),
    ("proto has the utilities of core only", {"proto/a.c": '#include "core/session.h"\n'}, "utilities of core/ only"),
    ("air does not see the writer", {"air/a.h": '#include "core/writer.h"\n'}, "utilities of core/ only"),
    ("lwIP stays in net/", {"wifi/a.c": "#include <lwip/tcp.h>\n"}, "lwIP is seen in"),
    ("lwIP stays out of public headers of net/", {"net/link.h": '#include "lwip/tcp.h"\n'}, "lwIP is seen in"),
    ("Mbed TLS stays in crypto/", {"net/link.c": "#include <mbedtls/ssl.h>\n"}, "Mbed TLS is seen in"),
    ("Mbed TLS stays out of public headers", {"crypto/hash.h": "#include <mbedtls/md.h>\n"}, "Mbed TLS is seen in"),
    ("platform headers stay in ports/", {"core/a.c": "#include <unistd.h>\n"}, "platform headers"),
    ("also those in folders", {"net/a.c": "#include <sys/socket.h>\n"}, "platform headers"),
    ("platform tests stay in ports/", {"core/a.c": "#ifdef __linux__\n#endif\n"}, "platform tests and assembly"),
    ("assembly stays in ports/", {"core/a.c": 'void f(void)\n{\n    __asm__("nop");\n}\n'}, "platform tests and assembly"),
    ("the clock is a seam", {"core/a.c": "#include <time.h>\nlong f(void)\n{\n    return time(0);\n}\n"}, "iface/clock"),
    ("private headers stay in their folder", {"module/a.c": '#include "net/tcp_priv.h"\n'}, "_priv.h stays"),
    ("nobody includes ports/", {"module/a.c": '#include "ports/linux/pty.h"\n'}, "nobody includes ports/"),
    ("nobody includes tests/", {"ports/linux/a.c": '#include "tests/peer/peer.h"\n'}, "nobody includes tests/"),
    ("the sanctioned pointer has few readers", {"commands/a.c": '#include "iface/current.h"\n'}, "iface/current.h"),
    ("comments do not count", {"core/a.c": "/* #ifdef __linux__ asm( */\n"}, None),
]
BANNED = [
    ("a clean tree passes",
     {"core/heap.c": "void f(void *p)\n{\n    free(p);\n}\n", "core/a.c": "/* strcpy( */ int at_free(int x);\n",
      "ports/linux/a.c": "void *g(void)\n{\n    return malloc(1);\n}\n",
      "tests/system/test_a.py": "time.sleep(0.02)  # pace: the guard time of +++\n"}, None),
    ("strcpy", {"ports/linux/a.c": "void f(char *p)\n{\n    strcpy(p, p);\n}\n"}, "strcpy()"),
    ("sprintf", {"core/a.c": 'void f(char *p)\n{\n    sprintf(p, "x");\n}\n'}, "sprintf()"),
    ("snprintf is fine", {"core/a.c": 'void f(char *p)\n{\n    snprintf(p, 2, "x");\n}\n'}, None),
    ("atoi", {"air/a.c": "int f(char *p)\n{\n    return atoi(p);\n}\n"}, "atoi()"),
    ("strtok", {"air/a.c": "char *f(char *p)\n{\n    return strtok(p, p);\n}\n"}, "strtok()"),
    ("malloc", {"net/a.c": "void *f(void)\n{\n    return malloc(3);\n}\n"}, "memory is accounted"),
    ("a member named free is fine", {"net/a.c": "void f(struct s *p)\n{\n    p->free(p);\n}\n"}, None),
    ("sleeping in C", {"tests/unit/a.c": "void f(void)\n{\n    usleep(10);\n}\n"}, "synchronise on an event"),
    ("sleeping in Python", {"tests/system/a.py": "time.sleep(1)\n"}, "synchronise on an event"),
    ("notes to self", {"core/a.c": "/* TO" + "DO: later */\n"}, "a note to self"),
]
OBJECTS = [
    ("constants are fine", "extern int x;\nconst int a[2] = {1, 2};\nint *const p[1] = {&x};\n", None),
    ("a variable", "int counter;\n", "variable 'counter'"),
    ("a variable with a value", "static int seed = 4;\nint f(void)\n{\n    return seed++;\n}\n", "variable 'seed'"),
    ("a variable inside a function", "int f(void)\n{\n    static int calls;\n    return ++calls;\n}\n", "variable 'calls"),
]
NAMES = [
    ("a clean tree passes", "See docs/DESIGN.md, or src/work/a.c and ~/work/.\n", None),
    ("machine paths", "Read /wo" + "rk/shared first.\n", "absolute path"),
    ("archive hosts", "fetch http" + "s://ftp.debian.org/x\n", "package archive's host"),
]


def write_tree(root, tree):
    for path, text in tree.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as stream:
            stream.write(text)


def verdict(command, message):
    """None when the check behaved, else what it said."""
    result = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    fine = result.returncode == 0 if message is None else result.returncode == 1 and message in result.stdout
    return None if fine else f"exit {result.returncode}, wanted {message!r}:\n{result.stdout}"


def layering(root):
    for shows, tree, message in LAYERING:
        write_tree(root(), tree)
        yield "layering", shows, verdict([sys.executable, f"{HERE}/check_layering.py", root.last], message)


def banned(root):
    for shows, tree, message in BANNED:
        write_tree(root(), tree)
        yield "banned", shows, verdict([sys.executable, f"{HERE}/check_banned.py", "--root", root.last], message)
    for shows, text, message in OBJECTS:
        write_tree(root(), {"a.c": text})
        subprocess.run(["cc", "-O1", "-c", "a.c"], cwd=root.last, check=True)
        subprocess.run(["ar", "rc", "libat_core.a", "a.o"], cwd=root.last, check=True)
        yield "banned", shows, verdict(
            [sys.executable, f"{HERE}/check_banned.py", "--root", root.last, "--build", root.last], message)


def names(root):
    for shows, text, message in NAMES:
        write_tree(root(), {"a.md": text})
        for command in (["init", "-q"], ["add", "a.md"]):
            subprocess.run(["git", *command], cwd=root.last, check=True)
        yield "names", shows, verdict([f"{HERE}/check_names.sh", root.last], message)


def sources(root):
    """fetch_deps: the private apt configuration, and tarballs that are not in the lock."""
    new = "\n".join(fetch_deps.translate(fetch_deps.deb822_entries(
        "Types: deb\nURIs: http" + "://mirror.test/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib\n"
        "Signed-By: /k.gpg\n\nTypes: deb\nURIs: http" + "://other.test/\nSuites: nodistro\nComponents: main\n"),
        "bookworm", "trixie"))
    yield "sources", "deb822 entries move to the suite of the lock", None if (
        "Suites: trixie trixie-updates" in new and "signed-by: /k.gpg" in new and "other.test" not in new) else new
    new = "\n".join(fetch_deps.translate(fetch_deps.one_line_entries(
        "deb [signed-by=/k.gpg arch=amd64] http" + "://mirror.test/sec bookworm-security main\n# deb x y z\n"),
        "bookworm", "trixie"))
    yield "sources", "one-line entries too", None if (
        "Suites: trixie-security" in new and "signed-by: /k.gpg" in new and "deb-src" in new) else new
    fetch_deps.CACHE = root()
    write_tree(root.last, {"lwip_2.2.1.orig.tar.xz": "not the real one"})
    try:
        fetch_deps.find_cached("lwip", [("2.2.1", "0" * 64)])
        said = "accepted"
    except SystemExit as error:
        said = str(error)
    yield "sources", "a tarball that is not in the lock is refused with both hashes", None if (
        "expected one of" in said and "0" * 64 in said and "found" in said) else said


class Scratch:
    """Calling it makes a fresh directory; .last is the newest."""

    def __init__(self):
        self.base, self.count, self.last = tempfile.mkdtemp(), 0, None

    def __call__(self):
        self.count += 1
        self.last = os.path.join(self.base, str(self.count))
        os.mkdir(self.last)
        return self.last


def main():
    scratch, passed, failed = Scratch(), 0, 0
    try:
        for group in (layering, banned, names, sources):
            for check, shows, problem in group(scratch):
                if problem:
                    failed += 1
                    print(f"FAILED {check}: {shows}: {problem}")
                else:
                    passed += 1
    finally:
        shutil.rmtree(scratch.base)
    print(f"checks of the checks: {passed} ok, {failed} bad")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
