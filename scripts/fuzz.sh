#!/usr/bin/env bash
# Runs fuzzers that have been built.
#
# usage: FUZZ_SECONDS=60 scripts/fuzz.sh B NAME...
#
# Each starts from tests/fuzz/corpus/NAME, where inputs that once failed are kept too, and grows B/corpus/NAME. What makes one
# fail is left in B/failed-NAME-*. Ends with a line "N passed, N failed".
set -u
cd "${BASH_SOURCE[0]%/*}/.." || exit 2
build=$1
shift

fuzz_one() { # BUILD NAME
    local build=$1 name=$2 log=$1/$2.log
    local seeds=tests/fuzz/corpus/$name
    mkdir -p "$build/corpus/$name"
    local corpora=("$build/corpus/$name")
    [[ ! -d $seeds ]] || corpora+=("$seeds")
    "$build/fuzz/$name" -seed=1 -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$build/failed-$name-" "${corpora[@]}" >"$log" 2>&1 </dev/null && return
    echo "FAIL fuzz $name: $(grep -m 1 -E 'ERROR|assert|runtime error|No such file' "$log") (see $log; $(sed -n 's/.*written to /input /p' "$log" | tail -n 1))"
}
export -f fuzz_one
export FUZZ_SECONDS

found=$(printf '%s\n' "$@" | xargs -r -P "$(nproc)" -I{} bash -c 'fuzz_one "$0" "$1"' "$build" {})
failed=0
if [[ -n $found ]]; then
    echo "$found"
    failed=$(grep -c '^FAIL' <<<"$found")
fi
echo "$(($# - failed)) passed, $failed failed"
[[ $failed -eq 0 ]]
