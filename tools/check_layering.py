#!/usr/bin/env python3
"""Enforce docs/DESIGN.md section 2: who may include whom.  tools/check_layering.py [ROOT]

Reads the #include lines of every .c and .h file (our includes are relative to the repository root) and prints each one
that breaks a rule, with the rule.  Also lists who reads iface/current.h.
"""
import os
import re
import sys

PORTABLE = ("include", "iface", "core", "proto", "crypto", "storage", "net", "wifi", "ble", "commands", "module", "air")
FOLDERS = PORTABLE + ("ports", "tests", "tools")

# The part of core/ that every layer above iface/ may use; the rest is the AT engine.
CORE_UTILITIES = {f"core/{name}.h" for name in
                  ("error", "loop", "ring", "heap", "log", "bytes", "limits", "timer")}

# folder -> what its files may include besides their own folder: folders, or "core*" for the utilities of core/.
# The one table; everything below only applies it.
MAY_INCLUDE = {
    "include": (),
    "iface": (),
    "core": ("iface",),
    # Key derivation of EAPOL is made of crypto/'s primitives; crypto/ knows nothing of protocols.
    "proto": ("iface", "core*", "crypto"),
    "crypto": ("iface", "core*"),
    "storage": ("iface", "core*", "crypto"),
    "net": ("iface", "core*", "proto", "crypto", "storage"),
    "wifi": ("iface", "core*", "proto", "crypto", "storage"),
    "ble": ("iface", "core*", "proto", "crypto", "storage"),
    "commands": ("iface", "core", "net", "wifi", "ble", "storage"),
    "module": ("iface", "core", "proto", "crypto", "storage", "net", "wifi", "ble", "commands", "include"),
    "air": ("iface", "core*", "proto", "crypto"),
    "ports": PORTABLE,
    "tests": PORTABLE + ("ports",),
    "tools": PORTABLE,
}

# What a portable file may take from the C library.
C_LIBRARY = {f"{name}.h" for name in
             ("assert", "ctype", "errno", "float", "inttypes", "limits", "math", "setjmp", "stdalign", "stdarg",
              "stdatomic", "stdbool", "stddef", "stdint", "stdio", "stdlib", "stdnoreturn", "string", "time")}
# <time.h> is there for struct tm; these read the platform's clock.
CLOCK_CALL = re.compile(r"\b(time|clock|clock_gettime|gettimeofday|localtime|mktime)\s*\(")

# Libraries that one folder may see: header prefix -> pattern of the files that may include it.
LIBRARIES = [
    (re.compile(r"(lwip|netif)/"), re.compile(r"net/(.*\.c|.*_priv\.h|lwip_port/.*)$"),
     "lwIP is seen in net/*.c, net/*_priv.h and net/lwip_port/ only"),
    (re.compile(r"(mbedtls|psa)/"), re.compile(r"(crypto/(.*\.c|.*_priv\.h|mbedtls_config\.h)|net/tls.*\.c|net/tls.*_priv\.h)$"),
     "Mbed TLS is seen in crypto/*.c, crypto/*_priv.h and net/tls*.c only"),
]

# iface/current.h is the one sanctioned way to reach the module without a context.
CURRENT_READERS = re.compile(
    r"(module/current\.c|module/esp_at[^/]*\.c|module/boot[^/]*\.c|module/module\.c|net/lwip_port/.*|net/[^/]*\.c"
    r"|crypto/(platform|random|hook)[^/]*\.c|core/fiber[^/]*\.c|iface/current\.h|(ports|tests)/.*)$")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
PLATFORM = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif).*\b(__linux__|__unix__|__APPLE__|_WIN32|__riscv|__x86_64__|__aarch64__)\b"
                      r"|\b(__asm__|__asm|asm)\b\s*(volatile|__volatile__)?\s*\(")


def files(root):
    for folder in FOLDERS:
        for directory, names, found in os.walk(os.path.join(root, folder)):
            names[:] = sorted(n for n in names if not n.startswith("."))
            for name in sorted(found):
                if name.endswith((".c", ".h", ".def")):
                    yield os.path.relpath(os.path.join(directory, name), root)


def allowed(folder, header):
    target = header.split("/", 1)[0]
    if target == folder:
        return True
    rules = MAY_INCLUDE[folder]
    return target in rules or ("core*" in rules and header in CORE_UTILITIES)


def check_own(path, header):
    """A rule that the include of one of our headers breaks, or None."""
    folder = path.split("/", 1)[0]
    target = header.split("/", 1)[0]
    if not allowed(folder, header):
        if target in ("ports", "tests"):
            return f"nobody includes {target}/"
        if target == "core" and "core*" in MAY_INCLUDE[folder]:
            return f"{folder}/ may use the utilities of core/ only: {', '.join(sorted(CORE_UTILITIES))}"
        return f"{folder}/ may not include {target}/"
    if header.endswith("_priv.h") and os.path.dirname(header) != os.path.dirname(path) and \
            not (folder == "tests" and re.match(r"tests/(unit|fuzz)/", path)) and target != folder:
        return "*_priv.h stays inside its folder"
    if header == "iface/current.h" and not CURRENT_READERS.match(path):
        return "only the hooks without a context may read iface/current.h"
    return None


def check_system(path, header):
    """A rule that the include of a library or platform header breaks, or None."""
    folder = path.split("/", 1)[0]
    for prefix, readers, rule in LIBRARIES:
        if prefix.match(header):
            return None if readers.match(path) or folder == "tests" and "lwIP" not in rule else rule
    if folder in ("ports", "tests", "tools") or header in C_LIBRARY:
        return None
    if folder == "include" and header.startswith(("freertos/", "esp_")):
        return None
    return "platform headers appear in ports/ and tests/ only"


def resolve(root, path, header):
    """An include relative to the including file as one relative to the root; other names unchanged."""
    if header.split("/", 1)[0] in FOLDERS and "/" in header:
        return header
    beside = os.path.normpath(os.path.join(os.path.dirname(path), header))
    if os.path.exists(os.path.join(root, beside)):
        return beside
    if os.path.exists(os.path.join(root, "include", header)):
        return "include/" + header
    return None


def without_comments(text):
    """The text with comments and strings blanked, lines kept."""
    def blank(found):
        return re.sub(r"[^\n]", " ", found.group(0)) if found.group(0)[0] == "/" else '""'
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def check_file(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as stream:
        text = stream.read()
    for number, line in enumerate(text.splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        header = resolve(root, path, found.group(2)) if found.group(1) == '"' else None
        rule = check_own(path, header) if header else check_system(path, found.group(2))
        if rule:
            yield number, line.strip(), rule
    if path.split("/", 1)[0] in PORTABLE:
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            if PLATFORM.search(line):
                yield number, line.strip(), "platform tests and assembly live in ports/ only"
            if CLOCK_CALL.search(line) and not path.startswith("include/") and \
                    re.search(r"(^|[^\w.>])" + CLOCK_CALL.pattern, line) and "#include <time.h>" in text:
                yield number, line.strip(), "time comes from iface/clock only"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    broken, count, readers = 0, 0, []
    for path in files(root):
        count += 1
        for number, line, rule in check_file(root, path):
            broken += 1
            print(f"{path}:{number}: {line}\n    {rule}")
        with open(os.path.join(root, path), encoding="utf-8") as stream:
            if '"iface/current.h"' in stream.read():
                readers.append(path)
    print(f"layering: {count} files, {broken} broken rules; iface/current.h is read by: {', '.join(readers) or 'nobody'}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
