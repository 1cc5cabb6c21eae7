#!/usr/bin/env python3
"""Which cell of which command is proved by which page.

    tools/coverage_table.py ATTACHE PAGES           check: an empty cell that can exist fails, a stale table fails
    tools/coverage_table.py ATTACHE PAGES --write   write docs/coverage.md
    tools/coverage_table.py ATTACHE PAGES --list    print the missing cells, one a line

The rows come from `ATTACHE commands --json`. A cell is form x {ok, count, type, range, length, state, fault}.
Cells are read off the conversations, not believed: a command line is followed to its result, and where the page has
error codes switched on (AT+SYSLOG=1), the code says which check refused (guide 3.1.24):

    ok      a result that is not ERROR               count   0x0106....
    length  0x0104....                               type    0x0105....
    range   0x0107....                               state, fault   0x010a...., told apart by a `covers:` line

Which cells can exist follows from the row: queries and executions take no parameters; a set form has the checks its
parameters can fail. state and fault cannot be derived; a command that has none is listed with its reason in
PAGES/impossible.md, as is any other cell that cannot be reached.
"""
import argparse
import json
import os
import re
import subprocess
import sys

KINDS = ["ok", "count", "type", "range", "length", "state", "fault"]
FORMS = ["query", "set", "execute"]
CODE_KINDS = {0x04: "length", 0x05: "type", 0x06: "count", 0x07: "range"}
COVERS = re.compile(r"^covers: AT(\S*) (query|set|execute) (\w+)\s*$")
IMPOSSIBLE = re.compile(r"^\| AT(\S*) \| (query|set|execute) \| (\w+) \| (\S.*\S) \|$")
LINE = re.compile(r"^AT(\+?[A-Z0-9_]*)(\?|=.*)?$")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def rows_of(attache):
    text = subprocess.run([attache, "commands", "--json"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return {row["name"]: row for row in json.loads(text)}


def set_cells(row):
    """The checks that the parameters of the set form can fail."""
    cells = {"ok", "state", "fault"}
    for shape in row["shapes"]:
        for parameter in shape["parameters"]:
            cells |= {"count", "type"}
            if parameter["kind"] in ("int", "uint", "mac"):
                cells.add("range")
            if parameter["kind"] in ("text", "mac"):
                cells.add("length")
    return cells


def possible_cells(rows):
    cells = {}
    for name, row in rows.items():
        for form in FORMS:
            if not row[form]:
                continue
            kinds = set_cells(row) if form == "set" else {"ok"} if form == "query" else {"ok", "state", "fault"}
            for kind in kinds:
                cells[(name, form, kind)] = None
    return cells


class Scenario:
    def __init__(self, file, line, title):
        self.file, self.line, self.title = file, line, title
        self.covers, self.steps, self.must_fail = [], [], False


def scenarios_of(path):
    """Scenarios with the lines of their at blocks; includes matter only for what they switch on."""
    current, block, found = None, None, []
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            line = line.rstrip("\n")
            if block is not None:
                if line.startswith("```"):
                    block = None
                elif block == "at" and current:
                    current.steps.append((number, line))
            elif line.startswith("```"):
                block = line[3:].split(" ")[0]
            elif line.startswith("### "):
                current = Scenario(path, number, line[4:])
                found.append(current)
            elif current:
                match = COVERS.match(line)
                if match:
                    current.covers.append((number, match.groups()))
                current.must_fail |= line.startswith("must fail:")
    return found


def command_of(text):
    """(name, form) of a line the host sends, None: not a command line."""
    match = LINE.match(text)
    if not match:
        return None
    rest = match.group(2)
    return match.group(1), "execute" if rest is None else "query" if rest == "?" else "set"


def outcomes(scenario):
    """(line, name, form, code, ok) of each command line: code None without one; and the
    (name, form) of those that failed after a first OK (a prompt, then ERROR or SEND FAIL)."""
    command, before, code, found, late = None, None, None, [], set()
    for number, line in scenario.steps:
        if line.startswith("> "):
            before, command, code = command, None, None
            parsed = command_of(line[2:])
            if parsed:
                command = (number, *parsed)
        elif line == "< busy p...":
            command, before, code = before, None, None  # refused: the earlier command goes on
        elif command and line.startswith("< ERR CODE:0x"):
            code = int(line[13:], 16)
        elif line in ("< ERROR", "< SEND FAIL") and not command and found:
            late.add(found[-1][1:3])
        elif command and line in ("< OK", "< ERROR", "< SEND OK", "<| >", "<| OK\\r\\n\\r\\n>"):
            found.append((*command, code, line != "< ERROR"))
            command, code = None, None
    return found, late


def cells_of(scenario, problems):
    """The cells that this scenario proves: (name, form, kind) -> line."""
    proved = {}
    results, late = outcomes(scenario)
    refused = {(name, form, None) for name, form in late}
    for line, name, form, code, ok in results:
        if ok:
            proved.setdefault((name, form, "ok"), line)
        else:
            refused.add((name, form, None if code is None else code >> 16 & 0xFF))
            kind = CODE_KINDS.get(code >> 16 & 0xFF) if code is not None else None
            if kind:
                proved.setdefault((name, form, kind), line)
    for number, (name, form, kind) in scenario.covers:
        if kind not in ("state", "fault"):
            problems.append(f"{scenario.file}:{number}: only state and fault are claimed; {kind} is read off the page")
        elif not {(name, form, None), (name, form, 0x0A), (name, form, 0x07)} & refused:
            problems.append(f"{scenario.file}:{number}: no {form} line of AT{name} is refused here")
        else:
            proved.setdefault((name, form, kind), number)
    return proved


def impossible_cells(pages, cells, problems):
    path = os.path.join(pages, "impossible.md")
    listed = {}
    if not os.path.exists(path):
        return listed
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            match = IMPOSSIBLE.match(line.rstrip("\n"))
            if not match:
                continue
            cell = match.groups()[:3]
            if cell not in cells:
                problems.append(f"{path}:{number}: the row of AT{cell[0]} has no cell {cell[1]} {cell[2]}")
            listed[cell] = match.group(4)
    return listed


def fill(cells, pages, problems):
    names = sorted(os.path.join(folder, name) for folder, _, found in os.walk(pages) for name in found
                   if name.endswith(".md") and name not in ("README.md", "impossible.md"))
    for path in names:
        for scenario in scenarios_of(path):
            if scenario.must_fail:
                continue
            for cell, line in cells_of(scenario, problems).items():
                if cell in cells and cells[cell] is None:
                    cells[cell] = f"{os.path.relpath(path, pages)}:{line}"
                elif cell not in cells and cell[2] in ("state", "fault"):
                    problems.append(f"{path}:{line}: there is no cell AT{cell[0]} {cell[1]} {cell[2]}")


def where(place):
    """A link that survives edits: the page, without the line."""
    page = place.rsplit(":", 1)[0]
    return f"[{page[:-3]}](../tests/pages/{page})"


def table(rows, cells, impossible):
    filled = sum(1 for place in cells.values() if place)
    left = sum(1 for cell, place in cells.items() if not place and cell in impossible)
    out = ["# Coverage of the commands by pages", "",
           "Made by `tools/coverage_table.py build/attache tests/pages --write`; `make check` fails when it is stale or a cell",
           "that can exist is empty. `-`: the row has no such check. `n`: cannot happen, see",
           "[impossible.md](../tests/pages/impossible.md).", "",
           f"{len(rows)} commands, {len(cells)} cells: {filled} proved, {left} impossible, {len(cells) - filled - left} empty.", "",
           "| command | form | " + " | ".join(KINDS) + " |", "|---|---|" + "---|" * len(KINDS)]
    for name, row in rows.items():
        for form in FORMS:
            if not row[form]:
                continue
            marks = []
            for kind in KINDS:
                cell = (name, form, kind)
                if cell not in cells:
                    marks.append("-")
                elif cells[cell]:
                    marks.append(where(cells[cell]))
                else:
                    marks.append("n" if cell in impossible else "")
            out.append(f"| `AT{name}` | {form} | " + " | ".join(marks) + " |")
    return "\n".join(out) + "\n"


def report(text, path, write, problems):
    if write:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    else:
        old = open(path, encoding="utf-8").read() if os.path.exists(path) else ""
        if old != text:
            problems.append(f"{os.path.relpath(path, ROOT)} is stale: run tools/coverage_table.py with --write")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attache")
    parser.add_argument("pages")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    problems = []
    rows = rows_of(options.attache)
    cells = possible_cells(rows)
    impossible = impossible_cells(options.pages, cells, problems)
    fill(cells, options.pages, problems)
    empty = [cell for cell, place in cells.items() if not place and cell not in impossible]
    for cell in impossible:
        if cells.get(cell):
            problems.append(f"impossible.md: AT{' '.join(cell)} is proved by {cells[cell]}")
    if not options.list:
        report(table(rows, cells, impossible), os.path.join(ROOT, "docs/coverage.md"), options.write, problems)
    for name, form, kind in sorted(empty):
        print(f"AT{name} {form} {kind}: no page" if not options.list else f"AT{name} {form} {kind}")
    for problem in problems:
        print(problem)
    filled = sum(1 for place in cells.values() if place)
    print(f"{len(cells)} cells: {filled} proved, {len(impossible)} impossible, {len(empty)} empty")
    return 1 if empty or problems else 0


if __name__ == "__main__":
    sys.exit(main())
