#!/bin/bash
# The gate behind `make check`.  Every stage runs even when an earlier one failed; a table of them closes the run, and
# 'N passed, N failed' counts tests (a failed stage that is no test counts as one failure).
#   CHECK_SKIP="tidy fuzz rv32"   leaves stages out while working
#   FUZZ_SECONDS=10               per fuzz target
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
san=${BUILD_SAN:-build-sanitize}
fuzz=${BUILD_FUZZ:-build-fuzz}
counts=$(mktemp)
tests=$(mktemp)
table=()
bad=0
failures=0

# stage NAME COMMAND...: run it, note its time and result.
stage() {
    local name=$1 start end status=0
    shift
    case " ${CHECK_SKIP:-} " in
        *" $name "*)
            table+=("$(printf '%-14s %8s   left out' "$name" -)")
            return
            ;;
    esac
    echo "== $name"
    start=$(date +%s.%N)
    "$@" || status=$?
    end=$(date +%s.%N)
    local result=ok
    if [ "$status" -ne 0 ]; then
        result=FAILED
        bad=$((bad + 1))
        [ "$name" = tests ] || failures=$((failures + 1))
    fi
    table+=("$(printf '%-14s %8.1f   %s' "$name" "$(echo "$end $start" | awk '{print $1 - $2}')" "$result")")
}

# docs/commands.md is made from the rows; the program is the truth.
drift() {
    "$build/attache" commands --markdown >"$counts.md" || return 1
    diff -u docs/commands.md "$counts.md" ||
        { echo "docs/commands.md differs from the rows: $build/attache commands --markdown > docs/commands.md"; return 1; }
}

# Every form x {ok, count, type, range, length, state, fault} of a row has a page.
coverage() {
    if [ -x tools/coverage_table.py ]; then
        tools/coverage_table.py "$build/attache" tests/pages
    else
        echo "  no coverage table yet"
    fi
}

tidy() {
    tools/tidy.sh "$build"
}

sanitized_tests() {
    local status=0
    for suite in units pages; do
        ATTACHE_COUNTS=$tests tools/run_tests.py "$suite" "$san" | grep -v '^[0-9]* passed, ' || true
        status=$((status + PIPESTATUS[0]))
    done
    return "$status"
}

fuzzing() {
    make -s fuzzers BUILD_FUZZ="$fuzz" && tools/run_fuzz.sh "$fuzz" "${FUZZ_SECONDS:-10}"
}

have() {
    compgen -G "$1" >/dev/null
}

stage self-test tools/test_checks.py
stage format tools/format.sh --check
stage layering tools/check_layering.py
stage banned tools/check_banned.py --build "$build"
stage names tools/check_names.sh
if [ -x "$build/attache" ] && [ -f docs/commands.md ]; then
    stage drift drift
fi
stage coverage coverage
stage tidy tidy
stage sanitize make -s sanitize BUILD_SAN="$san"
stage tests sanitized_tests
if have 'tests/fuzz/fuzz_*.c'; then
    stage fuzz fuzzing
fi
stage rv32 make -s rv32

echo
echo "stage             time s   result"
printf '%s\n' "${table[@]}"
[ -z "${ATTACHE_STAGES:-}" ] || printf 'check: %s\n' "${table[@]}" >>"$ATTACHE_STAGES"
read -r passed failed < <(awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }' "$tests")
failed=$((failed + failures))
[ "$bad" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
[ -z "${ATTACHE_COUNTS:-}" ] || echo "$passed $failed 0" >>"$ATTACHE_COUNTS"
rm -f "$counts" "$counts.md" "$tests"
echo "$passed passed, $failed failed"
[ "$bad" -eq 0 ]
