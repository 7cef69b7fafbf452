#!/usr/bin/env bash
# Bugs planted in the code under test, and the oracles that must find them.
#
# usage: scripts/plants.sh
#
# tests/plants.txt has a line for each: the name in RT_PLANTED or SIM_PLANTED, a scenario that holds without it, and the oracles that
# must fail with it, all of them and no others, comma-separated. A bug planted in the code without a line is a failure.
# Ends with a line "N passed, N failed". PLANTS_ORRERY=PROGRAM is run instead of the build of clang -O0, which has the bugs in it.
set -u
cd "${BASH_SOURCE[0]%/*}/.." || exit 2
. scripts/variants.sh
table=${PLANTS_TABLE:-tests/plants.txt}
python=${PYTHON:-/usr/bin/python3}
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0
wrong() {
    echo "FAIL $1"
    failed=$((failed + 1))
}

if [[ ! -e $table ]]; then
    echo "0 passed, 0 failed"
    exit 0
fi
orrery=${PLANTS_ORRERY:-$(variant_directory clang 0 0)/orrery}
if [[ -z ${PLANTS_ORRERY:-} ]] && ! variant_make clang 0 0 all; then
    echo "FAIL build"
    echo "0 passed, 1 failed"
    exit 1
fi

run() { # FILE; leaves $code and $found, the oracles that failed
    code=0
    rm -f "$scratch/json"
    "$orrery" run "$1" --quiet --json "$scratch/json" >"$scratch/out" 2>&1 </dev/null || code=$?
    found=$("$python" -c '
import json
import sys
oracles = json.load(open(sys.argv[1]))["oracles"]
print(",".join(sorted(oracle["name"] for oracle in oracles if oracle["verdict"] == "fail")))' "$scratch/json" 2>&1)
}

while read -r plant file oracles; do
    [[ -n $plant && $plant != '#'* ]] || continue
    ORRERY_PLANT='' run "$file"
    if [[ $code -ne 0 || -n $found ]]; then
        wrong "$file: without $plant exit $code, oracles that failed: ${found:-none} $(tail -n 1 "$scratch/out")"
        continue
    fi
    ORRERY_PLANT=$plant run "$file"
    wanted=$(tr , '\n' <<<"$oracles" | LC_ALL=C sort | paste -sd,)
    if [[ $code -ne 5 || $found != "$wanted" ]]; then
        wrong "$file: with $plant exit $code instead of 5, oracles that failed: ${found:-none} instead of $wanted"
    else
        passed=$((passed + 1))
    fi
done <"$table"
while read -r plant; do
    grep -q "^${plant}[[:space:]]" "$table" || wrong "$plant is planted in the code, and $table has no line for it"
done < <(grep -rhoE '\b(RT|SIM)_PLANTED\([a-z_]+\)' --include='*.c' cluster san vm mmu nic sim 2>/dev/null |
    sed -E 's/.*\((.*)\)/\1/' | LC_ALL=C sort -u)
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
