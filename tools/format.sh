#!/bin/sh
# Format our C files in place, or with --check only tell which ones would change.
set -eu
cd "$(dirname "$0")/.."
git ls-files -z --cached --others --exclude-standard '*.c' '*.h' | xargs -0 sh -c '
    for file in "$@"; do [ -f "$file" ] && printf "%s\0" "$file"; done' sh |
    if [ "${1:-}" = --check ]; then
        xargs -0 -r clang-format --dry-run --Werror
    else
        xargs -0 -r clang-format -i
    fi
