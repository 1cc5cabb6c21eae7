#!/usr/bin/env python3
"""Print code, constants and static RAM per library of a build directory, in bytes: tools/size_report.py BUILD"""
import glob
import os
import re
import subprocess
import sys

ORDER = ["core", "proto", "crypto", "storage", "net", "wifi", "ble", "commands", "current", "module", "lwip",
         "mbedcrypto", "mbedtls"]


def sizes(library, size_tool):
    """(code, constants, data, bss) of an archive, summed over its sections."""
    totals = [0, 0, 0, 0]
    output = subprocess.run([size_tool, "-A", library], text=True, stdout=subprocess.PIPE, check=True).stdout
    for name, size in re.findall(r"^\.?(\S+)\s+(\d+)\s+\d+$", output, re.M):
        if name.startswith(("text", "init")):
            totals[0] += int(size)
        elif name.startswith(("rodata", "srodata")):
            totals[1] += int(size)
        elif name.startswith(("data", "sdata", "tdata")):
            totals[2] += int(size)
        elif name.startswith(("bss", "sbss", "tbss", "COMMON")):
            totals[3] += int(size)
    return totals


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = sys.argv[1]
    size_tool = "riscv64-unknown-elf-size" if "rv32" in os.path.basename(build.rstrip("/")) else "size"
    names = {re.sub(r"^libat_|^lib|\.a$", "", os.path.basename(path)): path
             for path in glob.glob(os.path.join(build, "lib*.a"))}
    rows = [(name, sizes(names[name], size_tool))
            for name in sorted(names, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n))]
    print(f"{'folder':<12} {'code':>9} {'constants':>10} {'data':>7} {'bss':>7}")
    for name, row in rows:
        print(f"{name:<12} {row[0]:9} {row[1]:10} {row[2]:7} {row[3]:7}")
    total = [sum(column) for column in zip(*(row for _, row in rows))]
    if rows:
        print(f"{'sum':<12} {total[0]:9} {total[1]:10} {total[2]:7} {total[3]:7}")
    print("Whole libraries, before the linker drops what nothing calls.")


if __name__ == "__main__":
    main()
