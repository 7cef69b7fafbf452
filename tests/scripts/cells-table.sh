#!/usr/bin/env bash
# orrery run and orrery test of a scenario that varies: one table, the best cell, CSV and JSON, and outputs with the cell in their names.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip 'there is no program'
cd "$scratch" || exit 1
cat >varies.yaml <<'YAML'
name: how fast, how large
vary: {rate: [100Mbit/s, 1Gbit/s], memory: [4MiB, 8MiB]}
networks: {wire: {rate: $rate, delay: 5us, kind: cable}}
nodes: {node1..node2: {memory: 1GiB, nics: [wire]}}
vms:
  toy:
    node: node1
    memory: $memory
    guest: {writers: [{pages: 1MiB, touch: 3000/s, order: sequential}]}
timeline:
  - {at: 100ms, live-migrate: {vm: toy, to: node2}, as: move}
expect:
  - move.total-time < 600ms
YAML
"$orrery" check varies.yaml >/dev/null 2>&1 || skip 'scenarios do not vary yet'

# What each cell comes to alone is what the table says, whatever ran beside it.
expect_exit 1 "$orrery" run varies.yaml --json table.json --csv table.csv --jobs 3
cp out table.txt
for jobs in 1 4; do
    "$orrery" run varies.yaml --jobs $jobs >again 2>&1
    cmp -s table.txt again || fail "--jobs $jobs prints another table"
done
"$PYTHON" "$root/tests/tools/check-schema.py" "$root/docs/report.schema.json" table.json || fail 'table.json does not fit its schema'
"$PYTHON" - "$orrery" <<'CHECK'
import csv, json, shlex, subprocess, sys
table = json.load(open('table.json'))
rows = list(csv.DictReader(open('table.csv', newline='')))
cells = table['cells']
wanted = [(rate, memory) for rate in ('100Mbit/s', '1Gbit/s') for memory in ('4MiB', '8MiB')]
if [(cell['values']['rate'], cell['values']['memory']) for cell in cells] != wanted:
    print('FAIL cells are', [cell['cell'] for cell in cells])
if [(row['rate'], row['memory']) for row in rows] != wanted:
    print('FAIL rows are', rows)
best = None
for cell, row in zip(cells, rows):
    alone = subprocess.run([sys.argv[1], *shlex.split(cell['repeat']['command'])[1:], '--json', '-'], capture_output=True)
    report = json.loads(alone.stdout)
    del report['repeat'], cell['report']['repeat']
    if alone.returncode != cell['status'] or report != cell['report']:
        print('FAIL', cell['cell'], 'is another run alone')
    for metric in table['columns']:
        if str(report['metrics'].get(metric, '')) != row[metric]:
            print('FAIL', cell['cell'], metric, row[metric])
    if (row['verdict'], row['run_hash'], row['repeat']) != (cell['verdict'], report['run_hash'], cell['repeat']['command']):
        print('FAIL', row)
    downtime = report['metrics']['move.downtime_ns']
    if report['verdict'] == 'pass' and (best is None or downtime < best[0]):
        best = downtime, cell['cell']
if table['best'] != best[1] or [row['best'] for row in rows] != ['best' if cell['cell'] == best[1] else '' for cell in cells]:
    print('FAIL the best is', table['best'], 'in place of', best)
if {cell['verdict'] for cell in cells} != {'pass', 'fail'}:
    print('FAIL verdicts are', [cell['verdict'] for cell in cells])
lines = open('table.txt').read().splitlines()
if [line.split()[0] for line in lines[:5]] != ['rate', '100Mbit/s', '100Mbit/s', 'best', '1Gbit/s'] and best[1] == cells[2]['cell']:
    print('FAIL the table is', lines[:5])
if sum(line.startswith('repeat  orrery run varies.yaml --cell ') for line in lines) != 4:
    print('FAIL the repeat commands are', lines)
CHECK

# exit | arguments | what is said
while IFS='|' read -r code arguments said; do
    # shellcheck disable=SC2086 # words
    expect_exit "$code" "$orrery" run varies.yaml $arguments
    expect_said "$said"
done <<'CASES'
1|--cell rate=100Mbit/s|8MiB
0|--cell rate=1Gbit/s,memory=4MiB|toy moved node1 -> node2
0|--cell memory=4MiB,rate=1Gbit/s|--cell rate=1Gbit/s,memory=4MiB --seed 1
0|--cell rate=1Gbit/s --csv -|rate,memory,move.downtime_ns,
1|--cell rate=100Mbit/s,memory=8MiB --cell rate=1Gbit/s|but it was
2|--cell rat=1Gbit/s|--cell rat=1Gbit/s: 
2|--cell rate=2Gbit/s|--cell rate=2Gbit/s: 
2|--cell rate=1Gbit/s,memory=4MiB --csv a.csv|--json has its metrics
2|--json a.out --csv ./a.out|named for two outputs
2|--csv absent/a.csv|absent/a.csv: No such file
2|--csv varies.yaml|is read by this run
2|--record absent/a.orr|absent/a.orr: No such file
2|--record a.orr --record-pages tyo|there is no VM 'tyo'
1|--csv /dev/full|/dev/full: No space left
2|--jobs 0|a whole number from 1 to 1024
CASES
expect_exit 2 "$orrery" run "$root/tests/golden/ping.yaml" --cell rate=1Gbit/s
expect_said 'does not vary'
expect_exit 2 "$orrery" run "$root/tests/golden/ping.yaml" --csv -
expect_said 'does not vary'
expect_exit 1 "$orrery" run varies.yaml --quiet
expect_silent

# Outputs of single runs have the cell in their names, and the recordings repeat.
mkdir -p kept
expect_exit 0 "$orrery" run varies.yaml --cell rate=1Gbit/s --record kept/run.orr --pcap captures --quiet --json kept.json
[[ $(cd kept && printf '%s ' *) == 'run-rate=1Gbit-s,memory=4MiB.orr run-rate=1Gbit-s,memory=8MiB.orr ' ]] || fail "recordings are $(ls kept)"
[[ $(cd captures && printf '%s ' */*) == *'rate=1Gbit-s,memory=4MiB/node1-wire.pcap '* ]] || fail "captures are $(ls captures/*)"
expect_exit 0 "$orrery" run 'kept/run-rate=1Gbit-s,memory=8MiB.orr' --json again.json --quiet
[[ $(jq -r '.cells[1].report.run_hash' kept.json 2>/dev/null || "$PYTHON" -c 'import json; print(json.load(open("kept.json"))["cells"][1]["report"]["run_hash"])') == \
    "$("$PYTHON" -c 'import json; print(json.load(open("again.json"))["run_hash"])')" ]] || fail 'a recording of a cell is another run'

# In a suite each cell is a test of its own.
expect_exit 1 "$orrery" test varies.yaml --junit cells.xml --artifacts failed
expect_said 'PASS     varies.yaml [rate=1Gbit/s,memory=4MiB]'
expect_said 'FAIL     varies.yaml [rate=100Mbit/s,memory=8MiB]'
[[ -s failed/varies.yaml/rate=100Mbit-s,memory=8MiB/run.orr ]] || fail "artifacts are $(find failed -type f)"
expect_exit 0 "$orrery" test varies.yaml --filter '*rate=1Gbit/s*'
expect_said '2 passed, 0 failed'
[[ $(grep -c '<testcase ' cells.xml) -eq 4 && $(grep -c '<testsuite ' cells.xml) -eq 1 ]] || fail "JUnit of cells is $(head -c 400 cells.xml)"

# Stopped: the table of what was done, and the outputs whole.
sed 's/^expect:/end: {at: 8000h}\nexpect:/; s/touch: 3000/touch: 1000000/' varies.yaml >long.yaml
"$PYTHON" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$orrery" run long.yaml --json long.json >stopped 2>&1 &
pid=$!
sleep 0.5
kill -s INT $pid
code=0
wait $pid || code=$?
[[ $code -eq 130 ]] || fail "SIGINT: exit $code: $(tail -n 2 stopped)"
[[ $(grep -c 'not run$' stopped) -eq 4 ]] || fail "SIGINT: prints $(cat stopped)"
"$PYTHON" "$root/tests/tools/check-schema.py" "$root/docs/report.schema.json" long.json || fail 'long.json does not fit its schema'
