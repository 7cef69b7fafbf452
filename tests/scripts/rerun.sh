#!/usr/bin/env bash
# A recording runs again with nothing else, to the same hash; one that is cut, or of another version, or whose files have changed, says so.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no program"
cd "$scratch" || exit 1

run() { # OPTION...; leaves $hash and $code
    rm -f run.json
    code=0
    "$orrery" run "$@" --json run.json >out 2>err </dev/null || code=$?
    hash=$(sed -nE 's/.*"run_hash": *"([0-9a-f]+)".*/\1/p' run.json)
}

# scenario | options: the recording comes to the same hash and exit code, in another directory, with the scenario gone.
while IFS='|' read -r scenario options; do
    mkdir -p source
    cp "$root/$scenario" source/a.yaml
    # shellcheck disable=SC2086 # words
    run source/a.yaml $options --record a.orr
    first=$hash first_code=$code
    [[ -n $first ]] || fail "$scenario $options: $(cat err)"
    rm -r source
    mkdir -p elsewhere
    mv a.orr elsewhere/
    run elsewhere/a.orr
    [[ $hash == "$first" && $code -eq $first_code ]] || fail "$scenario $options: again $hash, exit $code instead of $first, exit $first_code: $(cat err)"
    [[ ! -s err ]] || fail "$scenario $options: says $(cat err)"
    grep -q '^repeat  orrery run elsewhere/a.orr --seed ' out || fail "$scenario: $(tail -n 1 out)"
    # Recorded again it is the same, and a recording of that too.
    run elsewhere/a.orr --record b.orr
    run b.orr
    [[ $hash == "$first" ]] || fail "$scenario $options: a recording of a rerun has the hash $hash instead of $first"
done <<'CASES'
tests/golden/ping.yaml|
tests/golden/lossy-link.yaml|
tests/golden/lossy-link.yaml|--seed 7 --set networks.lan.delay=9us
tests/golden/small-migration.yaml|--until 1200ms
tests/golden/source-crash.yaml|--set name=other
CASES

# Another seed, limit or value than the recorded one is another run, and nobody complains.
run b.orr --seed 99
[[ $hash != "$first" && ! -s err ]] || fail "b.orr --seed 99: hash $hash, $(cat err)"

# Cut anywhere behind its scenario, it still runs; and says that it was cut.
"$orrery" run "$root/tests/golden/lossy-link.yaml" --record whole.orr --json run.json >/dev/null 2>&1
first=$(sed -nE 's/.*"run_hash": *"([0-9a-f]+)".*/\1/p' run.json)
bytes=$(stat -c %s whole.orr)
meta=$("$PYTHON" - <<'PYTHON'
import struct
with open('whole.orr', 'rb') as file:
    whole = file.read()
# The second chunk's magic: the meta chunk ends there.
print(whole.index(b'ORRC', 4))
PYTHON
)
for cut in "$meta" $((meta + 1)) $((bytes / 2)) $((bytes * 3 / 4)) $((bytes - 1)); do
    head -c "$cut" whole.orr >cut.orr
    run cut.orr
    [[ $hash == "$first" && $code -eq 0 ]] || fail "cut at $cut of $bytes: hash $hash, exit $code instead of $first"
    grep -q '^orrery: cut.orr: .* its scenario is whole' err || fail "cut at $cut of $bytes says: $(cat err)"
done
for cut in 4 20 $((meta - 1)); do
    head -c "$cut" whole.orr >cut.orr
    expect_exit 2 "$orrery" run cut.orr
    expect_said 'cut.orr'
done
: >cut.orr
expect_exit 2 "$orrery" run cut.orr

# A large file that the scenario reads is not in the recording: it must be where it was, and the same. A small one is.
mkdir -p folder/traces
cp "$root/scenarios/traces/pgbench.pwt.gz" "$root/scenarios/traces/boot.pwt.gz" folder/traces/
for trace in pgbench boot; do
    cp "$root/scenarios/trace-$trace.yaml" folder/
    run "folder/trace-$trace.yaml" --until 100ms --record "$trace.orr"
    [[ -n $hash ]] || fail "trace-$trace: $(cat err)"
    first=$hash
    rm "folder/trace-$trace.yaml"
    run "$trace.orr"
    [[ $hash == "$first" ]] || fail "$trace.orr: hash $hash instead of $first: $(cat err)"
done
printf 'x' | dd of=folder/traces/pgbench.pwt.gz bs=1 seek=5000 conv=notrunc status=none
printf 'x' | dd of=folder/traces/boot.pwt.gz bs=1 seek=5000 conv=notrunc status=none
expect_exit 2 "$orrery" run pgbench.orr
expect_said 'folder/traces/pgbench.pwt.gz: not the file that the recorded run read'
rm -r folder
expect_exit 2 "$orrery" run pgbench.orr
expect_said 'folder/traces/pgbench.pwt.gz: No such file or directory'
run boot.orr
[[ $hash == "$first" ]] || fail "boot.orr without its file: hash $hash instead of $first: $(cat err)"
