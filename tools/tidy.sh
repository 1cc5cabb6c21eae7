#!/bin/bash
# clang-tidy over our own code with the compile commands of a build directory; a warning is an error.
# A file is looked at again only when it, a header or the configuration changed since it last passed.
set -eu
cd "$(dirname "$0")/.."
git rev-parse --git-dir >/dev/null # the files to look at come from git
build=${1:-build}
done=$build/tidy
mkdir -p "$done"

# One stamp per file holds the hash of everything that its result depends on.
headers=$(git ls-files --cached --others --exclude-standard '*.h' '*.def' .clang-tidy | sort | xargs cat 2>/dev/null | sha256sum)
todo=()
while read -r file; do
    [ -f "$file" ] || continue
    case $file in
        tests/* | tools/*) continue ;;
    esac
    grep -qF "/$file\"" "$build/compile_commands.json" || continue
    hash=$( (echo "$headers"; cat "$file") | sha256sum | cut -c1-64)
    stamp=$done/${file//\//-}
    [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ] || todo+=("$file" "$hash" "$stamp")
done < <(git ls-files --cached --others --exclude-standard '*.c')

[ ${#todo[@]} -gt 0 ] || { echo "tidy: nothing changed"; exit 0; }
printf '%s\0' "${todo[@]}" | xargs -0 -n 3 -P "$(nproc)" bash -c '
    if output=$(clang-tidy -p "$0" --quiet --warnings-as-errors="*" "$1" 2>/dev/null); then
        echo "$2" >"$3"
    else
        echo "$output"
        exit 1
    fi' "$build"
echo "tidy: $((${#todo[@]} / 3)) files looked at"
