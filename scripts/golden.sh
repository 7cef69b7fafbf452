#!/usr/bin/env bash
# Goldens: what a scenario's run came to, kept as text that can be reviewed.
#
# usage: scripts/golden.sh write                    run all with build/orrery and rewrite tests/golden
#        scripts/golden.sh large                    the large ones twice in release and once under sanitizers
#        scripts/golden.sh memcheck                 the first small one under valgrind, for reads of what nobody wrote
#        scripts/golden.sh one ORRERY FILE [OPTION...]   one run, compared; the caller's directory and environment
#
# tests/golden/hashes.txt has a line for each: run hash, exit code, scenario. Small ones are tests/golden/*.yaml, each with its
# report beside it (NAME.txt); large ones are scenarios/*.yaml, of which hash and exit code are kept.
# With GOLDEN_JSON=DIRECTORY each run's --json output is kept there, for a look at it with the schema.
# "large" and "memcheck" end with a line "N passed, N failed"; all print FAIL lines for what does not hold.
set -u
root=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
golden=${GOLDEN:-$root/tests/golden}
hashes=$golden/hashes.txt
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

# Runs one scenario; leaves $scratch/report and prints "HASH EXIT". The report is kept without its "repeat" line and the lines
# that name written files, for they hold paths and options, which are the caller's.
run_one() { # ORRERY FILE [OPTION...]
    local orrery=$1 file=$2 code=0
    shift 2
    rm -f "$scratch/json"
    # A whole sweep has too many runs for this, and takes no capture: one of its points stands for it.
    [[ $file != *scenarios/* ]] || ! grep -q '^sweep:' "$file" || set -- --point 1000 "$@"
    $GOLDEN_PREFIX "$orrery" run "$file" --json "$scratch/json" "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null || code=$?
    [[ ! -d ${GOLDEN_JSON:-} || ! -e $scratch/json ]] || cp "$scratch/json" "$(mktemp "$GOLDEN_JSON/XXXXXX.json")"
    sed -E '/^(repeat|wrote)[[:space:]]/d' "$scratch/stdout" >"$scratch/report"
    echo "$(sed -nE 's/.*"run_hash": *"([0-9a-f]+)".*/\1/p' "$scratch/json" 2>/dev/null | head -n 1) $code"
}
GOLDEN_PREFIX=${GOLDEN_PREFIX:-}

# Prints nothing, or one FAIL line.
compare_one() { # ORRERY FILE [OPTION...]
    local name expected actual report
    name=$(realpath --relative-to="$root" "$2")
    expected=$(awk -v name="$name" '$3 == name { print $1, $2 }' "$hashes")
    actual=$(run_one "$@")
    if [[ -z $expected ]]; then
        echo "FAIL $name: has no line in ${hashes#"$root"/}"
    elif [[ $actual != "$expected" ]]; then
        echo "FAIL $name: hash and exit code are $actual instead of $expected: $(tail -n 3 "$scratch/stderr" | tr '\n' '|')"
    else
        report=${2%.yaml}.txt
        if [[ -e $report ]] && ! cmp -s "$report" "$scratch/report"; then
            echo "FAIL $name: the report differs: $(diff "$report" "$scratch/report" | head -n 6 | tr '\n' '|')"
        fi
    fi
}

# Sums up what has been compared, as the runner of the tests reads it.
conclude() { # CASES FAIL-LINES
    local failed=0
    if [[ -n $2 ]]; then
        echo "$2"
        failed=$(grep -c '^FAIL' <<<"$2")
    fi
    echo "$(($1 - failed)) passed, $failed failed"
    [[ $failed -eq 0 ]]
}

shopt -s nullglob
case ${1:-} in
one)
    shift
    compare_one "$@"
    ;;
write)
    cd "$root" || exit 2
    [[ -x build/orrery ]] || { echo "build/orrery is not there"; exit 2; }
    mkdir -p "$golden"
    for file in tests/golden/*.yaml scenarios/*.yaml; do
        result=$(run_one build/orrery "$file")
        [[ $result == *' '* && ${result%% *} ]] || { echo "$file: no run hash: $(head -n 3 "$scratch/stderr")" >&2; exit 1; }
        echo "$result $file"
        [[ $file != tests/golden/* ]] || cp "$scratch/report" "${file%.yaml}.txt"
    done >"$scratch/hashes"
    cp "$scratch/hashes" "$hashes"
    [[ ! -e tests/scripts/export-command.sh ]] || WRITE=1 tests/scripts/export-command.sh # tests/outputs/timeline.txt
    ;;
large)
    cd "$root" || exit 2
    . scripts/variants.sh
    files=(scenarios/*.yaml)
    [[ -e $hashes && -x build/orrery ]] || files=()
    release=$(variant_directory gcc 2 0)/orrery
    sanitized=$(variant_directory clang 2 1)/orrery
    found=$(for file in "${files[@]}"; do
        printf '%s %s\n' "$release" "$file" "$release" "$file" "$sanitized" "$file"
    done | xargs -r -P "$(nproc)" -L 1 scripts/golden.sh one)
    conclude $((3 * ${#files[@]})) "$found"
    ;;
memcheck)
    cd "$root" || exit 2
    files=(tests/golden/*.yaml)
    [[ -e $hashes && -x build/orrery ]] || files=()
    GOLDEN_PREFIX='valgrind --quiet --error-exitcode=9'
    found=$([[ ${#files[@]} -eq 0 ]] || compare_one build/orrery "${files[0]}")
    conclude $((${#files[@]} > 0)) "$found"
    ;;
*)
    sed -n '4,7s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
