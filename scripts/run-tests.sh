#!/usr/bin/env bash
# Everything that proves Orrery, called by make test.
#
# usage: scripts/run-tests.sh [WORD...]      only the steps whose name holds one of the words
#
# Prints a row for each step: what passed, failed and was skipped, and the CPU seconds it took, all processes together. What
# failed is said below its row; the whole output of a step is in build/test-logs/. The last line, alone, sums up:
# "N passed, N failed" or "N passed, N failed, N skipped". Exit 0 if nothing failed.
set -u
cd "${BASH_SOURCE[0]%/*}/.." || exit 2
. scripts/variants.sh
export -f variant_directory variant_make
export LC_ALL=C.UTF-8
export FUZZ_SECONDS=${FUZZ_SECONDS:-5}
# A step that hangs ends as a failure; in seconds of wall time, many times what the longest takes.
limit=${TEST_LIMIT:-1800}
logs=build/test-logs
words=("$@")
passed=0 failed=0 skipped=0 total_ms=0
export GOLDEN_JSON=$PWD/$logs/json
rm -rf "$logs"
mkdir -p "$GOLDEN_JSON"

is_wanted() { # NAME
    local word
    [[ ${#words[@]} -gt 0 ]] || return 0
    for word in "${words[@]}"; do
        [[ $1 != *"$word"* ]] || return 0
    done
    return 1
}

# Runs a command and leaves its exit code in $code, its CPU milliseconds in $cpu_ms, its output in $log.
run_timed() { # NAME COMMAND...
    log=$logs/${1//[^A-Za-z0-9]/-}.log
    shift
    local TIMEFORMAT='%U %S' user system
    { time timeout --kill-after=10 "$limit" bash -c '"$@"' - "$@" >"$log" 2>&1 </dev/null; } 2>"$logs/time"
    code=$?
    read -r user system < <(tail -n 1 "$logs/time")
    cpu_ms=$((10#${user/./} + 10#${system/./}))
    total_ms=$((total_ms + cpu_ms))
    [[ $code -ne 124 ]] || echo "FAIL did not end within $limit s" >>"$log"
}

print_row() { # NAME PASSED FAILED SKIPPED
    printf '%-44s %7s %7s %7s %9d.%02d\n' "$1" "$2" "$3" "$4" $((cpu_ms / 1000)) $((cpu_ms % 1000 / 10))
}

# Takes a step's counts over. One that failed and counted no failure still counts as one.
count_step() { # NAME PASSED FAILED SKIPPED
    local ok=$2 bad=$3
    [[ $code -eq 0 || $bad -gt 0 ]] || bad=1
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + $4))
    print_row "$1" "$ok" "$bad" "$4"
    grep -a '^SKIP' "$log" | sed 's/^/    /'
    if [[ $bad -gt 0 ]]; then
        grep -aE '^FAIL|^\[(----|FAIL)\]|(error|Error|ERROR)[: ]|runtime error' "$log" | head -n 15 | cut -c 1-300 | sed 's/^/    /'
        echo "    (all of it: $log)"
    fi
}

# A build: no cases of its own, only a failure if it fails. Returns whether it succeeded.
build_step() { # NAME COMMAND...
    is_wanted "$1" || [[ ${#words[@]} -gt 0 ]] || return 0
    run_timed "$@"
    if [[ $code -eq 0 ]]; then
        print_row "$1" - - -
        return 0
    fi
    count_step "$1" 0 1 0
    return 1
}

# A Criterion suite; its last line counts, its exit code decides.
suite_step() { # NAME PROGRAM
    is_wanted "$1" || return 0
    run_timed "$1" "$2" --ascii --color=never --short-filename
    local line tested=0 good=0
    line=$(grep -a 'Synthesis:' "$log" | tail -n 1)
    if [[ $line =~ Tested:\ ([0-9]+)\ .*Passing:\ ([0-9]+) ]]; then
        tested=${BASH_REMATCH[1]} good=${BASH_REMATCH[2]}
    elif [[ $code -eq 0 ]]; then
        echo "FAIL printed no summary" >>"$log"
        code=1
    fi
    if grep -aq 'ERROR: LeakSanitizer' "$log"; then # Criterion does not look at how its children end
        echo "FAIL memory leaked" >>"$log"
        code=1
    fi
    count_step "$1" "$good" $((tested - good)) 0
}

# A script of ours whose last line counts in the same words as our own.
counting_step() { # NAME COMMAND...
    is_wanted "$1" || return 0
    run_timed "$@"
    local line good=0 bad=0 not_run=0
    line=$(tail -n 1 "$log")
    if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
        good=${BASH_REMATCH[1]} bad=${BASH_REMATCH[2]} not_run=${BASH_REMATCH[4]:-0}
    elif [[ $code -eq 0 ]]; then
        echo "FAIL printed no counts" >>"$log"
        code=1
    fi
    count_step "$1" "$good" "$bad" "$not_run"
}

# tests/scripts/*.sh, each one case: a FAIL line, any other line or a bad exit code fails it; a SKIP line skips it.
script_step() { # FILE
    local name=${1##*/} bad=0 not_run=0
    name="script ${name%.sh}"
    is_wanted "$name" || return 0
    run_timed "$name" env B=build "$1"
    if [[ $code -ne 0 ]] || grep -qav '^SKIP' "$log"; then
        bad=1
        grep -qa '^FAIL' "$log" || sed -i 's/^/FAIL /' "$log"
    elif [[ -s $log ]]; then
        not_run=1
    fi
    count_step "$name" $((bad == 0 && not_run == 0)) "$bad" "$not_run"
}

finish() {
    cpu_ms=$total_ms
    print_row "CPU seconds in all" '' '' ''
    rm -f "$logs/time"
    if [[ $skipped -gt 0 ]]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [[ $failed -eq 0 ]]
    exit
}

# The outputs that the steps before left in $GOLDEN_JSON, against the schema: as many cases as files.
check_json() {
    local files=("$GOLDEN_JSON"/*.json) breaches=
    if [[ -e docs/report.schema.json && -e ${files[0]} ]]; then
        breaches=$("${PYTHON:-/usr/bin/python3}" tests/tools/check-schema.py docs/report.schema.json "${files[@]}" 2>&1 | sed 's/^/FAIL /')
        [[ -z $breaches ]] || { echo "$breaches"; echo "0 passed, $(wc -l <<<"$breaches") failed"; return 1; }
        echo "${#files[@]} passed, 0 failed"
    else
        echo "0 passed, 0 failed"
    fi
}
export -f check_json

suites=$(make list-suites)
fuzzers=$(make list-fuzzers)
printf '%-44s %7s %7s %7s %12s\n' step passed failed skipped 'CPU s'

build_step "build gcc -O2" variant_make gcc 2 0 all suites || finish
for suite in $suites; do
    suite_step "suite $suite" "build/suites/$suite"
done
shopt -s nullglob
for script in tests/scripts/*.sh; do
    script_step "$script"
done
counting_step "docs are current" scripts/docs.sh check

if build_step "build clang -O2, sanitizers" variant_make clang 2 1 all suites; then
    for suite in $suites; do
        suite_step "suite $suite, sanitizers" "$(variant_directory clang 2 1)/suites/$suite"
    done
fi
counting_step "covering array" scripts/matrix.sh
counting_step "planted bugs are found" scripts/plants.sh
counting_step "large goldens" scripts/golden.sh large
counting_step "memcheck" scripts/golden.sh memcheck
counting_step "JSON fits its schema" check_json
# shellcheck disable=SC2086 # one argument for each name
if build_step "build fuzzers" make B=build/fuzz CC=clang SAN=1 O=1 FUZZ=1 fuzzers; then
    counting_step "fuzzers, $FUZZ_SECONDS s each" scripts/fuzz.sh build/fuzz $fuzzers
fi
finish
