#!/bin/sh
# Install the Debian packages that a part of the project needs, and say which: tools/setup.sh build|test|rv32...
# Does nothing (and needs no rights) when they are all there.
set -eu

# The package of clang's run-time libraries carries the version of the distribution's clang.
clang_runtime() {
    version=$(dpkg-query -W -f='${Depends}' clang 2>/dev/null || apt-cache depends clang 2>/dev/null) || true
    version=$(echo "$version" | sed -n 's/.*clang-\([0-9][0-9]*\).*/\1/p' | head -n 1)
    if [ -z "$version" ]; then
        case $(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release) in
            bookworm) version=14 ;;
            *) version=19 ;;
        esac
    fi
    echo "libclang-rt-$version-dev"
}

# Chrony would push another time server out; then the tests that need it are skipped.
ntp_server() {
    for other in systemd-timesyncd ntpsec openntpd; do
        case $(dpkg-query -W -f='${db:Status-Status}' "$other" 2>/dev/null) in
            installed) return ;;
        esac
    done
    echo chrony
}

packages() {
    case $1 in
        build)
            echo build-essential cmake ninja-build pkg-config dpkg-dev ca-certificates python3 xz-utils bzip2
            echo libslirp-dev libglib2.0-dev libcjson-dev libedit-dev
            ;;
        test)
            echo libcmocka-dev clang clang-format clang-tidy "$(clang_runtime)"
            echo git python3-venv socat tshark iproute2 dosfstools mtools dnsmasq-base udhcpc
            echo nginx curl openssl
            echo avahi-daemon avahi-utils dbus-daemon libnss-mdns $(ntp_server)
            ;;
        rv32)
            echo gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf
            ;;
        *)
            echo "setup: unknown group '$1'; one of: build test rv32" >&2
            exit 2
            ;;
    esac
}

[ $# -gt 0 ] || set -- build
wanted=
for group in "$@"; do
    wanted="$wanted $(packages "$group")"
done

missing=
for package in $wanted; do
    case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

run=
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1; then
        run=sudo
    else
        echo "setup: these packages are missing, and installing them needs root:" >&2
        echo "    apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
fi

echo "setup: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# dpkg's own account of 200 packages helps nobody, unless it fails.
if ! { $run apt-get update -q -q &&
    $run env DEBIAN_FRONTEND=noninteractive apt-get install -q -q -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "setup: installing failed" >&2
    exit 1
fi
