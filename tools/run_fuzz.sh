#!/bin/bash
# Run every fuzzer of a build directory for some seconds: tools/run_fuzz.sh BUILD SECONDS
# FUZZ_SEED (1) makes a run repeatable.  Each starts from tests/fuzz/corpus/NAME when that exists.  A crash leaves its input in BUILD/fuzz/NAME/.
set -eu
cd "$(dirname "$0")/.."
build=$1
seconds=$2
failed=0
count=0

run_one() {
    program=$1
    name=$(basename "$program")
    corpus=tests/fuzz/corpus/${name#fuzz-}
    work=$build/fuzz/$name
    mkdir -p "$work/corpus"
    if ! "$program" -seed="${FUZZ_SEED:-1}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$work/" \
        -print_final_stats=1 "$work/corpus" $([ -d "$corpus" ] && echo "$corpus") >"$work/log" 2>&1; then
        tail -n 40 "$work/log"
        echo "FAILED $name: input in $work/"
        return 1
    fi
    echo "  $name: $(sed -n 's/stat::number_of_executed_units: //p' "$work/log") runs"
}

# Two at a time: each is one thread.
pids=()
for source in tests/fuzz/fuzz_*.c; do
    [ -f "$source" ] || continue
    name=$(basename "$source" .c)
    count=$((count + 1))
    run_one "$build/${name//_/-}" &
    pids+=($!)
    if [ ${#pids[@]} -ge "$(nproc)" ]; then
        wait "${pids[0]}" || failed=$((failed + 1))
        pids=("${pids[@]:1}")
    fi
done
for pid in "${pids[@]}"; do
    wait "$pid" || failed=$((failed + 1))
done
echo "== fuzz: $count targets, $failed bad, $seconds s each"
[ "$failed" -eq 0 ]
