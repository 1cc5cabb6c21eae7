#!/bin/sh
# Format our C files in place, or with --check only tell which ones would change.
# Releases of clang-format differ in details; the one of Debian 12 decides, others only tell.
set -eu
cd "$(dirname "$0")/.."
git rev-parse --git-dir >/dev/null # the files to look at come from git

files() {
    git ls-files -z --cached --others --exclude-standard '*.c' '*.h' |
        xargs -0 sh -c 'for file in "$@"; do [ ! -f "$file" ] || printf "%s\0" "$file"; done' sh
}

if [ "${1:-}" != --check ]; then
    files | xargs -0 -r clang-format -i
    exit 0
fi
different=$(files | xargs -0 -r clang-format --dry-run 2>&1 | sed -n 's/^\([^: ]*\):[0-9]*:[0-9]*: warning.*/\1/p' |
    sort | uniq -c)
[ -n "$different" ] || exit 0
echo "not as clang-format would write it (places, file); 'make format' does it:"
echo "$different"
case $(clang-format --version) in
    *"version 14."*) exit 1 ;;
    *) echo "(not an error: this is not version 14)" ;;
esac
