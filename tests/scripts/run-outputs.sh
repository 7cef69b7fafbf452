#!/usr/bin/env bash
# orrery run says what is wrong with its options and outputs before the run, and never calls good what is not whole.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no program"
ping=$root/tests/golden/ping.yaml
migration=$root/tests/golden/small-migration.yaml
cd "$scratch" || exit 1

run() { # OPTION...; exit 0, leaves $hash
    "$orrery" run --json run.json "$@" >report 2>&1 </dev/null || fail "exit $?: orrery run $* ($(tail -n 2 report | tr '\n' '|'))"
    hash=$(sed -nE 's/.*"run_hash": *"([0-9a-f]+)".*/\1/p' run.json)
    [[ -n $hash ]] || fail "no run hash: orrery run $*"
}

# Wrong options and outputs: options | what is said. All exit 2, before anything is run or written.
mkdir folder
touch empty
cp "$ping" copy.yaml
while IFS='|' read -r options said; do
    eval "set -- $options"
    expect_exit 2 "$orrery" run "$@"
    expect_said "$said"
    [[ ! -e never ]] || { fail "$options: wrote something"; rm -r never; }
done <<'CASES'
|which scenario, or recording?
absent.yaml|absent.yaml: cannot be read: No such file or directory
folder|folder: cannot be read: Is a directory
copy.yaml copy.yaml|'copy.yaml' is a second
copy.yaml --sed 1|--sed
copy.yaml --seed x|--seed x: a whole number is expected
copy.yaml --seed 9223372036854775808|too large
copy.yaml --until 5|needs a unit: ns, us, ms, s, min or h
copy.yaml --until -1s|a run starts at 0s
copy.yaml --set x|expected path=value
copy.yaml --set networks.lan.rat=1Gbit/s|did you mean 'rate'?
copy.yaml --set networks.lan.rate=fast|--set networks.lan.rate=fast
copy.yaml --record never/a.orr|never/a.orr: No such file or directory
copy.yaml --record folder|folder: Is a directory
copy.yaml --record /dev/full|/dev/full: No space left on device
copy.yaml --record ./copy.yaml|is read by this run
copy.yaml --json folder/../copy.yaml|is read by this run
copy.yaml --json never/a.json --record never|never/a.json: No such file or directory
copy.yaml --json a.out --record ./a.out|named for two outputs
copy.yaml --json folder|folder: Is a directory
copy.yaml --pcap empty|empty
copy.yaml --pcap folder --pcap-link 'nobody/*'|no link is named like 'nobody/*'; the first is alice/lan
copy.yaml --pcap folder --pcap-frames 0|at least one frame
copy.yaml --pcap folder --pcap-from 2s --pcap-until 1s|no frame arrives
copy.yaml --pcap-link x|--pcap-... go with --pcap DIR
copy.yaml --record-frames|go with --record OUT
"$migration" --record never --record-pages wbe|there is no VM 'wbe'; did you mean 'web'?
CASES
cmp -s "$ping" copy.yaml || fail "an input was overwritten"

# A trace that the scenario names is an input too.
mkdir traced
cp "$root/scenarios/traces/boot.pwt.gz" traced/boot.pwt.gz
sed "s|file:.*traces/boot|file: boot|; s|traces/boot.pwt.gz|boot.pwt.gz|" "$root/scenarios/trace-boot.yaml" >traced/trace.yaml
expect_exit 2 "$orrery" run traced/trace.yaml --until 0s --record traced/boot.pwt.gz
expect_said "is read by this run"

# Where permissions count.
as_user=()
[[ $EUID -ne 0 ]] || as_user=(setpriv --reuid 65534 --clear-groups)
chmod 755 "$scratch"
mkdir -m 555 closed
touch readonly
chmod 444 readonly
if "${as_user[@]}" test -r "$ping" 2>/dev/null && "${as_user[@]}" test -x "$orrery"; then
    for options in '--record closed/a.orr' '--json closed/a.json' '--pcap closed/captures' '--record readonly' '--json readonly'; do
        # shellcheck disable=SC2086 # two words
        expect_exit 2 "${as_user[@]}" "$orrery" run copy.yaml $options
        expect_said 'Permission denied'
    done
fi

# What fills up while it is written is said, by name, and the exit code tells.
expect_exit 2 bash -c '"$0" run "$1" >/dev/full' "$orrery" "$ping"
expect_said 'standard output: No space left on device'
expect_exit 2 "$orrery" run "$ping" --json /dev/full
expect_said '/dev/full: No space left on device'
mkdir full
ln -s /dev/full full/alice-lan.pcap
expect_exit 2 "$orrery" run "$ping" --pcap full
expect_said 'full/alice-lan.pcap: No space left on device'
expect_exit 2 bash -c 'ulimit -f 64; exec "$@"' - "$orrery" run "$migration" --record cut.orr --record-frames --json cut.json
expect_said 'cut.orr: File too large'
expect_exit 2 bash -c 'ulimit -f 64; exec "$@"' - "$orrery" run "$migration" --pcap cut
expect_said '.pcap: File too large'
# The beginning of the recording can be used all the same.
expect_exit 0 "$orrery" run cut.orr
expect_said "cut.orr: "

# Outputs change nothing. Each is the same the second time.
run "$migration"
plain=$hash
for again in 1 2; do
    run "$migration" --record $again.orr --record-pages all --record-frames --pcap captures$again
    [[ $hash == "$plain" ]] || fail "hash $hash with outputs, $plain without"
done
cmp 1.orr 2.orr >out || fail "recordings of one run differ: $(cat out)"
diff -r captures1 captures2 >out || fail "captures of one run differ: $(cat out)"
[[ $(ls captures1 | tr '\n' ' ') == 'alice-lan.pcap bob-lan.pcap node1-lan.pcap node1-migration.pcap node2-lan.pcap node2-migration.pcap ' ]] ||
    fail "captures are $(ls captures1 | tr '\n' ' ')"
run "$migration" --pcap some --pcap-link 'node2/*'
[[ $(ls some | tr '\n' ' ') == 'node2-lan.pcap node2-migration.pcap ' ]] || fail "captures of node2/* are $(ls some | tr '\n' ' ')"

# --json - is all of standard output; --quiet is silence.
"$orrery" run "$ping" --json - >out 2>err </dev/null || fail "--json -: exit $?"
"$PYTHON" -m json.tool out >/dev/null || fail "--json -: not JSON"
[[ ! -s err ]] || fail "--json - says: $(cat err)"
expect_exit 0 "$orrery" run "$ping" --quiet
expect_silent

# The repeat command is for a shell, whatever is in it, and repeats the run.
mkdir "it's a \$HOME"
odd="it's a \$HOME/-\"odd\" & name;.yaml"
cp "$migration" "$odd"
while IFS='|' read -r options; do
    eval "set -- $options"
    run "$@"
    first=$hash
    repeat=$(sed -nE 's/^repeat +(orrery run .*)     hash [0-9a-f]+$/\1/p' report)
    [[ $repeat == *' --seed '* ]] || fail "$options: the repeat command is '$repeat'"
    eval "set -- ${repeat#orrery run }"
    run "$@"
    [[ $hash == "$first" ]] || fail "$options: '$repeat' has the hash $hash instead of $first"
done <<'CASES'
"$odd"
"$odd" --seed 17
"$odd" --seed 3 --seed 17 --set seed=5
"$odd" --set "name=it's & \"\$(odd)\"" --set networks.lan.delay=7us
"$migration" --set vms.web.memory=16MiB --until 20s
CASES
cp "$ping" ./-dash.yaml
run -- -dash.yaml
grep -qF 'orrery run ./-dash.yaml --seed 1' report || fail "the repeat command of -dash.yaml is $(grep ^repeat report)"

# --until ends it there.
expect_exit 1 "$orrery" run "$ping" --until 500ms --json until.json
grep -q '"simulated_ns": *500000000' until.json || fail "--until 500ms ended at $(grep simulated_ns until.json)"

# Who reads only the first line of the report has the other outputs whole.
"$orrery" run "$migration" --json head.json --record head.orr 2>err </dev/null | head -n 1 >out
"$PYTHON" -m json.tool head.json >/dev/null || fail "a reader that stops spoils --json"
