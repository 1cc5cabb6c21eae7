#!/usr/bin/env python3
"""Put the pinned lwIP and Mbed TLS sources into third_party/.

The sources are the upstream tarballs inside the distribution's source packages.  They come, in this order, from

  1. LWIP_DIR / MBEDTLS_DIR: an unpacked tree somebody else looks after (used as it is, not checked);
  2. third_party/cache/: a tarball put there by hand or by an earlier run;
  3. `apt-get source --download-only` with a private apt configuration.  It is made from the machine's own apt
     sources (their mirrors, keys, proxies and credentials), with the suites of the release in `third_party.lock`.
     The machine's apt state is neither read nor changed.

A tarball is used only when third_party.lock lists its SHA-256.  A stamp beside each unpacked tree makes the second
run do nothing.
"""
import glob
import hashlib
import lzma  # noqa: F401  (makes a missing lzma module an early, clear error: tarfile needs it)
import os
import re
import shutil
import subprocess
import sys
import tarfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
THIRD_PARTY = os.path.join(ROOT, "third_party")
CACHE = os.path.join(THIRD_PARTY, "cache")
LOCK = os.path.join(ROOT, "third_party.lock")

# package -> the variable that names a tree to use instead, and a file that tells such a tree
OVERRIDES = {
    "lwip": ("LWIP_DIR", "src/include/lwip/init.h"),
    "mbedtls": ("MBEDTLS_DIR", "include/mbedtls/build_info.h"),
}


def fail(message):
    sys.exit("fetch_deps: " + message)


def read_lock(path=LOCK):
    """Return (suite, {package: [(upstream version, sha256), ...]}), best version first."""
    suite, pins = None, {}
    with open(path, encoding="utf-8") as lock:
        for number, line in enumerate(lock, 1):
            fields = line.split("#", 1)[0].split()
            if not fields:
                continue
            if fields[0] == "suite" and len(fields) == 2:
                suite = fields[1]
            elif len(fields) == 3 and re.fullmatch(r"[0-9a-f]{64}", fields[2]):
                pins.setdefault(fields[0], []).append((fields[1], fields[2]))
            else:
                fail(f"third_party.lock:{number}: expected 'PACKAGE VERSION SHA256' or 'suite NAME'")
    return suite, pins


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def expected(package, pins):
    return "\n".join(f"    {package} {version}  sha256 {digest}" for version, digest in pins)


# --- the machine's apt sources ------------------------------------------------------------------------------------


def codename():
    with open("/etc/os-release", encoding="utf-8") as release:
        found = re.search(r'^VERSION_CODENAME="?([a-z]+)', release.read(), re.M)
    return found.group(1) if found else ""


def one_line_entries(text):
    """Entries of a .list file as dictionaries with the deb822 field names."""
    for line in text.splitlines():
        found = re.match(r"\s*deb(?:-src)?\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)", line)
        if found:
            options, uri, suite, components = found.groups()
            entry = {"uris": uri, "suites": suite, "components": components.strip()}
            for option in (options or "").split():
                key, _, value = option.partition("=")
                entry[key.lower()] = value.replace(",", " ")
            yield entry


def deb822_entries(text):
    for stanza in re.split(r"\n[ \t]*\n", text):
        entry, key = {}, None
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in " \t" and key:
                entry[key] += "\n" + line
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                entry[key] = value.strip()
        if "uris" in entry and entry.get("enabled", "yes").lower() not in ("no", "false"):
            yield entry


def translate(entries, own, suite):
    """Stanzas for `suite` from the machine's entries for its own release `own`; anything else is left out."""
    for entry in entries:
        suites = []
        for name in entry.get("suites", "").split():
            base, dash, pocket = name.partition("-")
            if base in (own, "stable", "oldstable", suite) and pocket in ("", "updates", "security"):
                suites.append(suite + dash + pocket)
        if not suites or "main" not in entry.get("components", "").split():
            continue
        stanza = ["Types: deb-src", "URIs: " + " ".join(entry["uris"].split()),
                  "Suites: " + " ".join(sorted(set(suites))), "Components: main"]
        for field in ("signed-by", "trusted", "check-valid-until"):
            if field in entry:
                stanza.append(f"{field}: {entry[field]}")
        yield "\n".join(stanza) + "\n"


def machine_entries():
    paths = ["/etc/apt/sources.list"] + sorted(glob.glob("/etc/apt/sources.list.d/*"))
    for path in paths:
        parser = {".list": one_line_entries, ".sources": deb822_entries}.get(os.path.splitext(path)[1])
        if parser and os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as stream:
                yield from parser(stream.read())


# --- apt with a private state -------------------------------------------------------------------------------------


class PrivateApt:
    def __init__(self, directory, suite):
        self.directory = directory
        for part in ("lists/partial", "cache/archives/partial", "parts"):
            os.makedirs(os.path.join(directory, part), exist_ok=True)
        stanzas = sorted(set(translate(machine_entries(), codename(), suite)))
        if not stanzas:
            fail("no apt source of this machine names a Debian archive with 'main'; put the tarballs of "
                 "third_party.lock into third_party/cache, or set LWIP_DIR and MBEDTLS_DIR")
        with open(os.path.join(directory, "deps.sources"), "w", encoding="utf-8") as stream:
            stream.write("\n".join(stanzas))
        self.config = os.path.join(directory, "apt.conf")
        with open(self.config, "w", encoding="utf-8") as stream:
            stream.write(f'''#clear APT::Update;
#clear APT::Default-Release;
Dir::Etc::SourceList "{directory}/deps.sources";
Dir::Etc::SourceParts "{directory}/parts";
Dir::State::Lists "{directory}/lists";
Dir::Cache "{directory}/cache";
Dir::Cache::Archives "{directory}/cache/archives";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::Languages "none";
Acquire::Retries "3";
''')

    def run(self, *arguments, cwd=None, quiet=False):
        result = subprocess.run([arguments[0], "-c", self.config, *arguments[1:]], cwd=cwd, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode and not quiet:
            fail(f"'{' '.join(arguments)}' with the private configuration {self.config} failed:\n{result.stdout}")
        return result.stdout

    def update(self):
        # A pocket that does not exist yet for the suite is not fatal: what matters is what can be found afterwards.
        return self.run("apt-get", "update", quiet=True)

    def sources(self, package):
        """(Debian versions of the source package on offer, their upstream tarballs as lines for a message)."""
        text = self.run("apt-cache", "showsrc", "--only-source", package, quiet=True)
        tarballs = re.findall(r"^ ([0-9a-f]{64}) \d+ (\S+\.orig\.tar\.\w+)$", text, re.M)
        return re.findall(r"^Version: (\S+)", text, re.M), [f"    {name}  sha256 {h}" for h, name in tarballs]


def upstream_of(debian_version):
    return re.sub(r"-[^-]*$", "", debian_version.split(":", 1)[-1])


def download(apt, package, pins):
    """Download an accepted version's upstream tarball into the cache and return its path."""
    offered, tarballs = apt.sources(package)
    for upstream, _ in pins:
        for version in offered:
            if upstream_of(version) != upstream:
                continue
            print(f"fetch_deps: {package} {version}", flush=True)
            apt.run("apt-get", "source", "--download-only", "--only-source", f"{package}={version}", cwd=CACHE)
            return find_cached(package, pins)
    fail(f"no accepted version of the source package {package}; expected one of\n{expected(package, pins)}\n"
         "found\n" + ("\n".join(sorted(set(tarballs))) or "    nothing: is the archive reachable?"))


def find_cached(package, pins):
    """A tarball in the cache with an accepted hash, or None.  A wrong hash under an accepted name is an error."""
    found = []
    for path in sorted(glob.glob(os.path.join(CACHE, "*"))):
        name = os.path.basename(path)
        if package not in name.lower() or not re.search(r"\.(tar\.\w+|tgz)$", name) or ".debian.tar" in name:
            continue
        digest = sha256(path)
        if any(digest == pin for _, pin in pins):
            return path
        found.append(f"    {name}  sha256 {digest}")
    if found:
        fail(f"third_party/cache holds no accepted tarball of {package}; expected one of\n"
             f"{expected(package, pins)}\nfound\n" + "\n".join(found))
    return None


def unpack(tarball, target):
    scratch = target + ".new"
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    with tarfile.open(tarball) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(scratch, filter="data")
        else:
            archive.extractall(scratch)
    tops = os.listdir(scratch)
    inner = os.path.join(scratch, tops[0]) if len(tops) == 1 else scratch
    os.rename(inner, target)
    shutil.rmtree(scratch, ignore_errors=True)


def link_override(package, target, directory, witness):
    if not os.path.exists(os.path.join(directory, witness)):
        fail(f"{OVERRIDES[package][0]}={directory} is not a tree of {package}: {witness} is missing")
    if os.path.islink(target):
        if os.path.realpath(target) == os.path.realpath(directory):
            return
        os.unlink(target)
    else:
        shutil.rmtree(target, ignore_errors=True)
    os.symlink(os.path.abspath(directory), target)
    print(f"fetch_deps: {package} from {directory}")


def main():
    suite, pins = read_lock()
    os.makedirs(CACHE, exist_ok=True)
    apt = None
    for package, (variable, witness) in OVERRIDES.items():
        target = os.path.join(THIRD_PARTY, package)
        stamp = target + ".stamp"
        if os.environ.get(variable):
            link_override(package, target, os.environ[variable], witness)
            if os.path.exists(stamp):
                os.unlink(stamp)
            continue
        if os.path.exists(stamp) and os.path.exists(os.path.join(target, witness)):
            with open(stamp, encoding="utf-8") as stream:
                if stream.read().strip() in [digest for _, digest in pins[package]]:
                    continue
        tarball = find_cached(package, pins[package])
        if tarball is None:
            if apt is None:
                apt = PrivateApt(os.path.join(THIRD_PARTY, "apt"), suite)
                apt.update()
            tarball = download(apt, package, pins[package])
        if tarball is None:
            fail(f"the source package of {package} has no upstream tarball")
        if os.path.islink(target):
            os.unlink(target)
        unpack(tarball, target)
        with open(stamp, "w", encoding="utf-8") as stream:
            stream.write(sha256(tarball) + "\n")
        print(f"fetch_deps: {package} unpacked from {os.path.basename(tarball)}")


if __name__ == "__main__":
    main()
