#!/usr/bin/env bash
# orrery test: what it runs, what it prints and writes, and what each exit code is for.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip 'there is no program'
. scripts/variants.sh
variant_make clang 0 0 all >"$scratch/make" 2>&1 || fail "does not build: $(tail -n 3 "$scratch/make")"
planted=$root/$(variant_directory clang 0 0)/orrery
cd "$scratch" || exit 1

# ---- files ------------------------------------------------------------------------------------------------------------------------
mkdir -p suite/sub suite/.hidden profiles
cp "$root/tests/golden/ping.yaml" suite/ping.yaml
cp "$root/tests/golden/small-migration.yaml" suite/migration.yaml
sed 's/^name:.*/name: "<a> \& \\"b\\" # c"/; s/ping.received == .*/ping.received == 99/' suite/ping.yaml >"suite/sub/fa <i> & #ls.yaml"
cp suite/ping.yaml suite/unknown.yaml
cat >>suite/unknown.yaml <<'YAML'
  - never-ping.lost == 0
YAML
sed -i 's/^timeline:/timeline:\n  - {at: 1h, ping: {from: alice, to: bob, every: 10ms}, as: never-ping}/' suite/unknown.yaml
grep -q '^end:' suite/unknown.yaml || echo 'end: {at: 2s}' >>suite/unknown.yaml
echo 'nodes: {n1: {memory: 1GiB}}' >suite/sub/profile.yaml
echo 'name: [' >suite/sub/broken.yaml
printf 'name: x\ntimeline:\n  - {at: 0s, pung: {}}\n' >suite/sub/wrong.yaml
echo 'not: seen' >suite/.hidden/a.yaml
echo 'not: seen' >suite/text.txt
ln -s .. suite/sub/loop
failing='suite/sub/fa <i> & #ls.yaml'

# ---- exit codes, and the strongest of several -------------------------------------------------------------------------------------
# exit | arguments | what is said
while IFS='|' read -r code arguments said; do
    eval "set -- $arguments"
    expect_exit "$code" "$orrery" test "$@"
    expect_said "$said"
done <<'CASES'
0|suite/ping.yaml suite/migration.yaml|2 passed, 0 failed
0|suite/ping.yaml ./suite/ping.yaml|1 passed, 0 failed
0|--filter 'ping*' suite|1 passed, 0 failed
0|--filter 'suite/*ion.yaml' suite/|PASS     suite/migration.yaml  downtime 
1|"$failing"|ping.received == 99, but it was 100
1|suite|2 passed, 1 failed, 1 unknown, 2 wrong, 1 no scenarios
1|suite|no timeline and no expectations of its own
2|suite/sub/broken.yaml suite/unknown.yaml|broken.yaml
2|suite/sub/wrong.yaml suite/ping.yaml|1 passed, 0 failed, 1 wrong
0|suite/sub/profile.yaml|PASS     suite/sub/profile.yaml
4|suite/unknown.yaml|never-ping.lost == 0 is unknown
4|suite/unknown.yaml suite/ping.yaml|1 passed, 0 failed, 1 unknown
2||which scenarios, or folders
2|absent|absent: No such file or directory
2|profiles|there is no *.yaml in it
2|suite --filter 'zz*'|--filter zz*: nothing of 7 is named so
2|suite --shard 5/4|--shard 5/4: of 4 shards there is no 5; they count from 1
2|suite --shard 0/4|there is no 0
2|suite --shard 1|expected I/N
2|suite --seeds 5..1|the last comes before the first
2|suite --seeds x|expected A..B
2|suite --jobs 0|a whole number from 1 to 1024
2|suite --wall-limit 5|needs a unit
2|suite --artifacts /proc/none/here|/proc/none/here: No such file
2|suite --artifacts suite/ping.yaml|suite/ping.yaml: 
2|suite --junit absent/o.xml|absent/o.xml: No such file
2|suite --json suite/ping.yaml|suite/ping.yaml: is read here
2|suite --json a.json --junit ./a.json|named for two outputs
2|suite --baseline absent.json|absent.json: 
2|suite --baseline suite/text.txt|suite/text.txt:1:
2|suite/ping.yaml --json /dev/full|/dev/full: No space left
CASES
expect_exit 2 bash -c '"$0" test suite/ping.yaml >/dev/full' "$orrery"
expect_said 'standard output: No space left on device'

# 5: an oracle, which is stronger than an expectation; 3: a defect, which is stronger than all.
cp "$root/tests/plants/moves.yaml" moves.yaml
expect_exit 5 env ORRERY_PLANT=no_final_harvest "$planted" test moves.yaml "$failing" --junit oracle.xml
expect_said 'oracle memory: '
grep -q '<failure message="oracle memory: [^"]*" type="oracle">' oracle.xml || fail "oracle.xml is $(head -c 600 oracle.xml)"
expect_exit 3 env ORRERY_PLANT=assertion "$planted" test suite/migration.yaml suite/unknown.yaml --junit defect.xml --artifacts crashed
expect_said 'assertion failed: !SIM_PLANTED(assertion)'
expect_said 'DEFECT   suite/migration.yaml'
grep -q '<error message="orrery: assertion failed: [^"]*" type="defect">' defect.xml || fail "defect.xml is $(head -c 600 defect.xml)"
expect_exit 3 env ORRERY_PLANT=assertion "$planted" run crashed/suite/migration.yaml/run.orr
grep -q 'assertion failed' crashed/suite/migration.yaml/stderr.txt || fail 'a defect leaves no stderr.txt'

# A file that sweeps is one run of all its points.
mkdir sweeps
cat >sweeps/crash.yaml <<'YAML'
name: node2 loses power in each step
networks: {lan: {rate: 1Gbit/s}}
nodes:
  node1..node2: {memory: 1GiB, nics: [lan]}
vms:
  web: {node: node1, memory: 256KiB, nics: [lan]}
timeline:
  - {at: 100ms, live-migrate: {vm: web, to: node2}, as: move}
sweep:
  fault: {machine: node2, crash: true, for: 1s}
  at: each move.step
end: {when: move.end, then: 10s, at-most: 2min}
expect:
  - move.outcome == succeeded
YAML
sed 's/move.outcome == succeeded/move.start/; s/for: 1s/for: 1ms/' sweeps/crash.yaml >sweeps/held.yaml
expect_exit 0 "$orrery" test sweeps/held.yaml
expect_exit 1 "$orrery" run sweeps/crash.yaml
swept=$(sed -nE 's/.*hash ([0-9a-f]+)$/\1/p' out)
expect_exit 1 "$orrery" test sweeps --json sweeps.json --artifacts swept
expect_said 'FAIL     sweeps/crash.yaml'
expect_said 'point 2, configure: move.outcome == succeeded, but it was failed (and 5 more)'
expect_said '1 passed, 1 failed'
grep -q "\"run_hash\": \"$swept\"" sweeps.json || fail 'orrery test does not run the sweep that orrery run does'
"$PYTHON" "$root/tests/tools/check-schema.py" "$root/docs/report.schema.json" swept/sweeps/crash.yaml/report.json || fail 'the report of a sweep does not fit its schema'

# 4: the limit on wall time; others go on.
sed 's/^end:.*/end: {at: 1000h}/; s/every: 10ms, count: 100/every: 10us/' suite/ping.yaml >long.yaml
grep -q '^end:' long.yaml || echo 'end: {at: 1000h}' >>long.yaml
expect_exit 4 "$orrery" test long.yaml suite/ping.yaml --wall-limit 300ms
expect_said 'the limit on wall time of 0.3 s was reached'
expect_said '1 passed, 0 failed, 1 unknown'

# 3: a run that is another the second time. Its file changes while the first of two jobs waits for the other.
sed 's/every: 10ms/every: 11ms/' "$failing" >other.yaml
cp "$failing" changes.yaml
cp "$root/scenarios/trace-sqlite.yaml" between.yaml
sed -i "s|traces/|$root/scenarios/traces/|" between.yaml
(
    for _ in {1..1000}; do
        [[ ! -d kept/changes.yaml ]] || break
        sleep 0.005
    done
    mv other.yaml changes.yaml
) &
expect_exit 3 "$orrery" test --jobs 1 changes.yaml between.yaml ./suite/migration.yaml suite/unknown.yaml --artifacts kept
wait
expect_said 'does not repeat: the hash was '

# ---- outputs ------------------------------------------------------------------------------------------------------------------------
expect_exit 1 "$orrery" test suite --junit junit.xml --json suite.json --artifacts failed --jobs 3
cp out lines
if type -P xmllint >/dev/null; then
    xmllint --noout --schema "$root/tests/tools/junit.xsd" junit.xml oracle.xml defect.xml 2>errors || fail "JUnit: $(head -n 3 errors)"
fi
"$PYTHON" "$root/tests/tools/check-schema.py" "$root/docs/report.schema.json" suite.json || fail 'suite.json does not fit its schema'
"$PYTHON" - "$failing" <<'CHECK'
import json, os, sys
import xml.etree.ElementTree as tree
failing = sys.argv[1]
suites = tree.parse('junit.xml').getroot()
cases = {case.get('name'): case for case in suites.iter('testcase')}
wanted = {'suite/ping.yaml': None, 'suite/migration.yaml': None, failing: ('failure', 'expectation'), 'suite/unknown.yaml': ('error', 'unknown'),
          'suite/sub/broken.yaml': ('error', 'input'), 'suite/sub/wrong.yaml': ('error', 'input'), 'suite/sub/profile.yaml': ('skipped', None)}
for name, kind in wanted.items():
    parts = [(part.tag, part.get('type')) for part in cases[name]] if name in cases else 'missing'
    if parts != ([kind] if kind else []):
        print(f'FAIL {name} is {parts} in JUnit')
for suite in suites:
    for attribute, tag in ('failures', 'failure'), ('errors', 'error'), ('skipped', 'skipped'), ('tests', 'testcase'):
        if int(suite.get(attribute)) != len(list(suite.iter(tag))):
            print(f'FAIL {suite.get("name")}: {attribute} is {suite.get(attribute)}')
runs = {run['name']: run for run in json.load(open('suite.json'))['runs']}
if set(runs) != set(wanted):
    print('FAIL runs are', sorted(runs))
if runs['suite/migration.yaml']['metrics']['move.outcome'] != 'succeeded' or runs['suite/migration.yaml']['draws'] == 0:
    print('FAIL metrics of the migration', runs['suite/migration.yaml'])
folder = runs[failing]['artifacts']
for name in 'report.txt', 'report.json', 'run.orr', 'pcap/alice-lan.pcap':
    if not os.path.getsize(os.path.join(folder, name)):
        print(f'FAIL {folder}/{name} is empty')
if json.load(open(f'{folder}/report.json'))['run_hash'] != runs[failing]['run_hash']:
    print('FAIL the repeat has another hash')
CHECK
# The recording of a failure repeats it, and so does the command that is printed.
artifacts=$(sed -n 's/^    artifacts  //p' lines | grep '/fa')
expect_exit 1 "$orrery" run "$artifacts/run.orr" --quiet
eval "set -- $(sed -n 's/^    repeat  orrery \(.* --seed 1\)  .*/\1/p' lines | head -n 1)"
expect_exit 1 "$orrery" "$@" --quiet

expect_exit 1 "$orrery" test suite --tap
"$PYTHON" "$root/tests/tools/check-tap.py" out >breaches || fail "TAP: $(head -n 3 breaches)"
grep -q '^not ok [0-9]* - suite/sub/fa <i> & \\#ls.yaml$' out || fail "TAP does not escape: $(cat out)"
grep -q '^ok [0-9]* - suite/sub/profile.yaml # SKIP ' out || fail "TAP does not skip: $(cat out)"

# ---- what is run --------------------------------------------------------------------------------------------------------------------
# The same lines in the same order however many run at once; times apart.
for jobs in 1 2 7; do
    "$orrery" test suite --jobs $jobs --artifacts "order" 2>&1 | sed -E 's/ +\([0-9.]+ s, CPU .*//' >lines.$jobs
    cmp -s lines.1 lines.$jobs || fail "--jobs $jobs prints $(diff lines.1 lines.$jobs | head -n 4 | tr '\n' '|')"
done
# Shards are disjoint, and together they are all.
for seeds in '' '--seeds 1..5'; do
    # shellcheck disable=SC2086 # two words
    "$orrery" test suite $seeds --json whole.json >/dev/null 2>&1
    for count in 1 3 9; do
        rm -f shard-*.json
        for ((i = 1; i <= count; i++)); do
            # shellcheck disable=SC2086 # two words
            "$orrery" test suite $seeds --shard "$i/$count" --json "shard-$i.json" >/dev/null 2>out || [[ $? -ne 2 || -e shard-$i.json ]] || fail "shard $i/$count: $(cat out)"
        done
        "$PYTHON" - "$seeds" <<'CHECK'
import glob, json, sys
def counted(run):
    # Seeds that decide nothing are skipped, and each shard finds that out by itself.
    return run['verdict'] in ('pass', 'fail', 'unknown') and run.get('draws', 0) > 0 or not sys.argv[1]
whole = sorted(run['name'] for run in json.load(open('whole.json'))['runs'] if counted(run))
parts = sorted(run['name'] for path in glob.glob('shard-*.json') for run in json.load(open(path))['runs'] if counted(run))
if whole != parts or not whole:
    print(f'FAIL {sys.argv[1]} shards have {parts} in place of {whole}')
CHECK
    done
done

# Seeds: those of a scenario without chance are skipped, and that is true.
expect_exit 0 "$orrery" test suite/ping.yaml suite/migration.yaml --seeds 3..6 --json seeds.json
expect_said '3 more seeds skipped: nothing was drawn'
expect_said '4 seeds, downtime at most '
expect_said '5 passed, 0 failed, 3 seeds skipped'
for seed in 3 4; do
    "$orrery" run suite/ping.yaml --seed $seed --quiet --json "ping$seed.json" || fail "seed $seed"
    "$orrery" run suite/migration.yaml --seed $seed --quiet --json "migration$seed.json" || fail "seed $seed"
done
"$PYTHON" - <<'CHECK'
import json
ping = [json.load(open(f'ping{seed}.json')) for seed in (3, 4)]
if ping[0]['metrics'] != ping[1]['metrics'] or ping[0]['draws'] != 0:
    print('FAIL a seed decides something where nothing was drawn')
runs = {run['name']: run for run in json.load(open('seeds.json'))['runs']}
for seed in 3, 4:
    alone = json.load(open(f'migration{seed}.json'))
    run = runs[f'suite/migration.yaml seed {seed}']
    if (alone['run_hash'], alone['metrics'], alone['draws']) != (run['run_hash'], run['metrics'], run['draws']):
        print(f'FAIL seed {seed} is another run in a suite')
CHECK

# ---- a baseline ------------------------------------------------------------------------------------------------------------------------
expect_exit 0 "$orrery" test suite/ping.yaml suite/migration.yaml --write-baseline baseline.json
expect_exit 0 "$orrery" test suite/migration.yaml suite/ping.yaml --write-baseline again.json --baseline baseline.json --json same.json
expect_said 'Against baseline.json: 2 runs as before, 0 metrics moved'
cmp -s baseline.json again.json || fail 'baselines of the same suite differ'
sed -i 's/touch: 20000/touch: 30000/' suite/migration.yaml
mv suite/ping.yaml suite/renamed.yaml
expect_exit 0 "$orrery" test suite/migration.yaml suite/renamed.yaml --baseline baseline.json --json moved.json
expect_said 'move.downtime_ns '
expect_said 'not in the baseline: suite/renamed.yaml'
expect_said 'only in the baseline: suite/ping.yaml'
"$PYTHON" "$root/tests/tools/check-schema.py" "$root/docs/report.schema.json" same.json moved.json || fail 'moved.json does not fit its schema'
"$PYTHON" - <<'CHECK'
import json
was = json.load(open('baseline.json'))['baseline']['suite/migration.yaml']['metrics']
run = [run for run in json.load(open('moved.json'))['runs'] if run['name'] == 'suite/migration.yaml'][0]
moved = {row['metric']: (row['was'], row['is']) for row in json.load(open('moved.json'))['moved']}
wanted = {name: (was.get(name), run['metrics'].get(name)) for name in was.keys() | run['metrics'].keys() if was.get(name) != run['metrics'].get(name)}
if moved != wanted or 'move.downtime_ns' not in moved:
    print('FAIL what moved is', moved, 'in place of', wanted)
if json.load(open('same.json'))['moved']:
    print('FAIL something moved that did not')
CHECK

# ---- signals ----------------------------------------------------------------------------------------------------------------------------
cp suite/renamed.yaml a-quick.yaml
for case in INT:130 TERM:143; do
    rm -f stopped.*
    "$PYTHON" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$orrery" test a-quick.yaml long.yaml long.yaml --junit stopped.xml --json stopped.json >stopped.out 2>&1 &
    pid=$!
    for _ in {1..500}; do
        ! grep -q '^PASS' stopped.out || break
        sleep 0.01
    done
    kill -s "${case%:*}" $pid
    code=0
    wait $pid || code=$?
    [[ $code -eq ${case#*:} ]] || fail "${case%:*}: exit $code: $(cat stopped.out)"
    grep -q '1 passed, 0 failed, 1 not run; stopped by a signal' stopped.out || fail "${case%:*} says $(tail -n 1 stopped.out)"
    "$PYTHON" -c 'import json, sys, xml.etree.ElementTree as tree
runs = json.load(open("stopped.json"))["runs"]
assert [run["name"] for run in runs] == ["a-quick.yaml"], runs
assert len(list(tree.parse("stopped.xml").getroot().iter("testcase"))) == 1' || fail "${case%:*}: the outputs are not whole"
done
# None of its processes is left.
! pgrep -f "orrery test a-quick.yaml long.yaml" >/dev/null || fail 'processes are left'
