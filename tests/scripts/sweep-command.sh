#!/usr/bin/env bash
# orrery run of a scenario that sweeps: its table, one of its points, its exit codes, and what goes with it and what does not.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no program"
cd "$scratch" || exit 1
cat >sweep.yaml <<'YAML'
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
grep -v '^sweep:\|^  fault:\|^  at: each' sweep.yaml >plain.yaml

# The table, the same with one job and with several; the hash says whether all runs were the same.
expect_exit 1 "$orrery" run sweep.yaml --jobs 1
cp out one
expect_exit 1 "$orrery" run sweep.yaml --jobs 3
cmp -s one out || fail "jobs change the table: $(diff one out | head -n 4 | tr '\n' '|')"
expect_said 'FAIL  node2 loses power in each step: 7 points, each move.step'
expect_said '1 held; without the fault: held'
expect_said 'failed  resume, 1 point: move.outcome == succeeded'
expect_said 'orrery run sweep.yaml --seed 1 --point 7'

# A point alone has a report of its own, and the hash that the sweep had there.
expect_exit 1 "$orrery" run sweep.yaml --json - --jobs 2
"$PYTHON" -c 'import json, sys
d = json.load(sys.stdin)
s = d["sweep"]
assert d["schema"] == 1 and d["verdict"] == "fail" and s["without_fault"] == "held"
assert s["points"] == 7 == sum(g["points"] for g in s["groups"])
assert s["held"] == sum(g["points"] for g in s["groups"] if g["outcome"] == "held")' <out ||
    fail 'the JSON of a sweep is not as docs/metrics.md says'
cp out sweep.json
"$PYTHON" "$root/tests/tools/check-schema.py" "$root/docs/report.schema.json" sweep.json || fail 'sweep.json does not fit its schema'
hash=$(sed -nE '/"first_point": 7/,/"first_hash"/s/.*"first_hash": "([0-9a-f]+)".*/\1/p' out)
[[ -n $hash ]] || fail 'no hash of a failed point in the JSON'
expect_exit 1 "$orrery" run sweep.yaml --point 7
expect_said "hash $hash"
expect_said 'node2 lost power at point 7, each move.step'
expect_exit 0 "$orrery" run sweep.yaml --point 8
expect_said 'sweep did not begin: the run came by no such point'
expect_exit 1 "$orrery" run sweep.yaml --point 7 --record seven.orr --pcap captures
expect_exit 1 "$orrery" run seven.orr
expect_said "hash $hash"

# Held, unknown, and no point at all.
expect_exit 0 "$orrery" run sweep.yaml --set 'sweep.fault.for=1ms' --set expect.0=move.start --quiet
expect_exit 4 "$orrery" run sweep.yaml --set 'sweep.at=each record of net.tcp_recovery'
expect_said '0 points'

# What is said before anything runs.
while IFS='|' read -r options said; do
    eval "set -- $options"
    expect_exit 2 "$orrery" run "$@"
    expect_said "$said"
done <<'CASES'
plain.yaml --point 1|plain.yaml has no 'sweep'
sweep.yaml --point 0|points count from 1
sweep.yaml --point x|a whole number is expected
sweep.yaml --jobs 0|--jobs 0
sweep.yaml --record all.orr|choose one with --point N
sweep.yaml --pcap captures|choose one with --point N
sweep.yaml --set 'sweep.at=each frame of tcp prot 1' --set sweep.link=node1/lan|libpcap refuses this filter
CASES
[[ ! -e all.orr ]] || fail 'a sweep wrote a recording'
expect_exit 0 "$orrery" check sweep.yaml
expect_said 'sweep: the fault at each move.step, each in a run of its own'
