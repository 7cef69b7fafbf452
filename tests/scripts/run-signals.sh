#!/usr/bin/env bash
# SIGINT and SIGTERM end a run within 2 seconds, with every output whole up to there.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no program"
cd "$scratch" || exit 1

# Hours of work: a VM that moves to and fro, and bytes on a wire.
cat >long.yaml <<'YAML'
name: long
networks:
  lan: {rate: 1Gbit/s, delay: 5us}
nodes:
  node1..node2: {cores: 2, memory: 2GiB, nics: [lan]}
clients:
  alice: {nics: [lan]}
  bob: {nics: [lan]}
vms:
  web:
    node: node1
    memory: 1GiB
    nics: [lan]
    guest: {writers: [{pages: 512MiB, touch: 100000/s, order: uniform}]}
timeline:
  - {at: 0s, tcp-bulk: {from: alice, to: bob, bytes: 100TiB, port: 5001}, as: bulk}
  - {at: 100ms, live-migrate: {vm: web, to: node2, over: [lan], rounds: 1000, threshold: 1ms}, as: move}
end: {after-last: 1s}
expect:
  - web.node == node2
  - {never: web.paused-for > 1h}
YAML
expect_exit 0 "$orrery" check long.yaml
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

stopped() { # SIGNAL CODE OPTION...
    local name=$1 expected=$2 code=0 began
    shift 2
    rm -rf run.* captures
    # Ignored signals stay ignored over exec, and background jobs of a script ignore SIGINT.
    "$PYTHON" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$orrery" run long.yaml --record run.orr --json run.json --pcap captures --pcap-frames 2000 "$@" >said 2>&1 &
    local pid=$!
    for _ in {1..500}; do
        [[ ! -s captures/alice-lan.pcap ]] || break
        sleep 0.02
    done
    began=$(milliseconds)
    kill -s "$name" $pid 2>/dev/null || fail "$name: the run was over before: $(tail -n 2 said)"
    wait $pid || code=$?
    local took=$(($(milliseconds) - began))
    [[ $code -eq $expected ]] || fail "$name: exit $code instead of $expected: $(tail -n 2 said)"
    [[ $took -lt 2000 ]] || fail "$name: took $took ms"
}

for case in INT:130 TERM:143; do
    name=${case%:*} code=${case#*:}
    for options in '' '--record-pages all' '--record-frames'; do
        # shellcheck disable=SC2086 # words
        stopped $name $code $options
        "$PYTHON" - <<'PYTHON' || fail "$name $options: the JSON is $(head -c 300 run.json)"
import json
run = json.load(open('run.json'))
assert run['verdict'] == 'unknown', run['verdict']
assert run['ended'] == 'interrupted', run['ended']
assert run['simulated_ns'] > 0
PYTHON
        # Its end has been written: nothing is said of it but what a run of it would say.
        expect_exit 1 "$orrery" run run.orr --until 1ms --quiet
        expect_silent
    done
    if type -P tshark >/dev/null; then
        expect_exit 0 env TCPCLEAN=0 "$root/tests/tools/pcap-check.sh" captures/*.pcap
    fi
done
grep -q '^repeat  orrery run long.yaml --seed 1 ' said || fail "an interrupted run prints no repeat command: $(tail -n 1 said)"

# Before the first event too, and a second signal does not wait for anything.
"$PYTHON" - "$orrery" <<'PYTHON' || fail "a signal at an early moment"
import signal
import subprocess
import sys
import time

for delay in (0.0, 0.002, 0.004, 0.006, 0.01, 0.03):
    with open('early.out', 'wb') as out:
        run = subprocess.Popen([sys.argv[1], 'run', 'long.yaml', '--record', 'early.orr', '--quiet'], stdout=out, stderr=out)
        time.sleep(delay)
        run.send_signal(signal.SIGTERM)
        code = run.wait(2)
    # By the signal itself as long as there is nothing to close.
    assert code in (143, -signal.SIGTERM), code
    assert delay < 0.03 or code == 143, code
PYTHON
