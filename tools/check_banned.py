#!/usr/bin/env python3
"""Refuse calls and habits that this project does not want.  tools/check_banned.py [--root ROOT] [--build BUILD]

Text: unbounded or surprising C functions, allocation past the accounted heap, sleeping as synchronisation, notes to
self.  With --build also the object code: portable folders have no mutable file-scope variables (all state hangs off a
context), so their libraries have nothing in .data or .bss.
"""
import argparse
import glob
import os
import re
import subprocess
import sys

from check_layering import FOLDERS, without_comments

# (pattern of calls, files it applies to, files it does not apply to, reason)
CALLS = [
    (r"strcpy|strcat|sprintf|vsprintf|gets|stpcpy", r".*\.[ch]$", None, "writes without a bound"),
    (r"atoi|atol|atoll|atof", r".*\.[ch]$", None, "cannot tell an error from 0: use core/bytes.h or strtol"),
    (r"strtok", r".*\.[ch]$", None, "keeps state between calls"),
    (r"alloca", r".*\.[ch]$", None, "grows the stack without a limit"),
    (r"malloc|calloc|realloc|free|strdup|strndup|aligned_alloc", r".*\.[ch]$", r"(core/heap\.c|ports/|tests/|tools/|include/)",
     "memory is accounted: at_alloc() and at_free() of core/heap.h"),
    (r"sleep|usleep|nanosleep", r"(tests|ports)/.*\.([ch]|py)$", None,
     "synchronise on an event, not on time; where time itself is tested, end the line with 'pace: why'"),
]
NOTES = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
PACE = re.compile(r"pace: \w+")
PORTABLE_LIBRARIES = ("core", "proto", "crypto", "storage", "net", "wifi", "ble", "commands", "module", "air")


def sources(root):
    for folder in FOLDERS:
        for directory, names, found in os.walk(os.path.join(root, folder)):
            names[:] = sorted(n for n in names if not n.startswith((".", "__")))
            for name in sorted(found):
                if name.endswith((".c", ".h", ".py", ".sh")):
                    yield os.path.relpath(os.path.join(directory, name), root)


def check_text(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    lines = text.splitlines()
    code = (without_comments(text) if path.endswith((".c", ".h")) else re.sub(r"#[^\n]*", "", text)).splitlines()
    for calls, applies, spared, reason in CALLS:
        if not re.match(applies, path) or spared and re.match(spared, path):
            continue
        # Not a member (x->free), not a declaration of one ((*free)), not part of a longer name.
        pattern = re.compile(r"(?<![\w.>*])(?:time\.|asyncio\.)?(" + calls + r")\s*\(")
        for number, line in enumerate(code, 1):
            found = pattern.search(line)
            if found and not ("sleep" in found.group(1) and PACE.search(lines[number - 1])):
                yield number, f"{found.group(1)}(): {reason}"
    if path not in ("tools/check_banned.py", "tools/test_checks.py"):
        for number, line in enumerate(lines, 1):
            if NOTES.search(re.sub(r'"(?:\\.|[^"\\\n])*"', '""', line)):
                yield number, "a note to self: file an issue, or say what the limit is"


def mutable_symbols(archive):
    """Names of variables in writable sections.  .data.rel.ro is constant: pointers that a loader relocates."""
    table = subprocess.run(["objdump", "-t", archive], text=True, stdout=subprocess.PIPE, check=True).stdout
    for line in table.splitlines():
        found = re.match(r"[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$", line)
        if found and "O" in found.group(1) and int(found.group(3), 16) and \
                re.match(r"(\.t?(data|bss)(?!\.rel\.ro)|\*COM\*|COMMON)", found.group(2)):
            yield found.group(4)


def check_objects(build):
    for folder in PORTABLE_LIBRARIES:
        for archive in glob.glob(os.path.join(build, f"libat_{folder}.a")):
            for name in mutable_symbols(archive):
                yield f"{folder}/: variable '{name}' is mutable and at file scope: state hangs off a context"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser.add_argument("--build")
    options = parser.parse_args()
    broken, count = 0, 0
    for path in sources(options.root):
        count += 1
        for number, reason in check_text(options.root, path):
            broken += 1
            print(f"{path}:{number}: {reason}")
    for message in check_objects(options.build) if options.build else ():
        broken += 1
        print(message)
    print(f"banned: {count} files, {broken} found")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
