#!/usr/bin/env bash
# orrery bench: rows, names, JSON, where it finds its scenarios, and that a row is what orrery run makes of the same file.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip 'there is no program'

# Every row but these has a scenario, and every scenario a row.
listed=$("$orrery" bench --list | cut -d ' ' -f 1 | grep -v -e '^queue-' -e '^test-200-each$' | LC_ALL=C sort)
there=$(cd scenarios/bench && ls ./*.yaml | sed 's|^\./||; s|\.yaml$||' | LC_ALL=C sort)
[[ $listed == "$there" ]] || fail "rows are $listed, scenarios are $there"
for row in queue-exp-1e3 queue-exp-1e5 queue-exp-1e6 queue-bimodal-1e3 queue-bimodal-1e5 queue-bimodal-1e6; do
    "$orrery" bench --list | grep -q "^$row " || fail "no row $row"
done

# exit | arguments | what is said
while IFS='|' read -r code arguments said; do
    # shellcheck disable=SC2086 # words
    expect_exit "$code" "$orrery" bench $arguments
    expect_said "$said"
done <<'CASES'
2|startpu|there is no row 'startpu'; did you mean 'startup'?
2|startup nothing-like-it|there is no row 'nothing-like-it'; 'orrery bench --list' names them
2|--runs 0|a whole number from 1 to 99 is expected
2|--runs 3x|a whole number from 1 to 99 is expected
0|--runs 1 startup|startup
CASES

expect_exit 0 "$orrery" bench --json --runs 1 startup queue-exp-1e3
"$orrery" run scenarios/bench/startup.yaml --quiet --json "$scratch/run.json" || fail 'startup does not run'
"$PYTHON" - "$scratch/out" "$scratch/run.json" <<'CHECK'
import json, sys
bench, run = (json.load(open(path)) for path in sys.argv[1:])
startup, queue = bench["results"]
wanted = {"name": str, "cpu_s": float, "value": float, "unit": str, "run_hash": str, "simulated_ns": int, "peak_rss_bytes": int}
for row in bench["results"]:
    for key, kind in wanted.items():
        if not isinstance(row.get(key), kind):
            print(f"FAIL {key} of {row.get('name')} is {row.get(key)!r}")
for key in "run_hash", "simulated_ns":
    if startup[key] != run[key]:
        print(f"FAIL {key} is {startup[key]}, of orrery run {run[key]}")
if startup["unit"] != "ms" or queue["unit"] != "events/s" or queue["value"] < 1000 or queue["name"] != "queue-exp-1e3":
    print("FAIL units or values", startup, queue)
CHECK

# Installed, from anywhere; without scenarios it says where it looked.
mkdir -p "$scratch/usr/bin" "$scratch/usr/share/orrery" "$scratch/empty"
cp "$orrery" "$scratch/usr/bin/orrery"
cd "$scratch/empty" || exit 1
expect_exit 2 ../usr/bin/orrery bench --runs 1 startup
expect_said 'the scenarios are not there'
cp -R "$root/scenarios" "$scratch/usr/share/orrery/"
expect_exit 0 ../usr/bin/orrery bench --runs 1 startup

# A row that fails is said to, with its exit code.
sed -i 's/ping.received == 1/ping.received == 2/' "$scratch/usr/share/orrery/scenarios/bench/startup.yaml"
expect_exit 1 ../usr/bin/orrery bench --runs 1 startup
expect_said 'failed: expectation'
