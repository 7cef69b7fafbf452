#!/usr/bin/env bash
# orrery export: what it writes of one small run is what was reviewed, usage errors are said before anything is written, and a damaged
# recording is exported as far as it goes.  WRITE=1 rewrites tests/outputs/timeline.txt.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no program"
golden=$root/tests/outputs/timeline.txt
tool=$root/tests/tools/trace-events.py
cd "$scratch" || exit 1
"$orrery" run "$root/tests/golden/small-migration.yaml" --record run.orr --quiet || fail "the run: exit $?"

# The timeline, as text without what any change of the model moves: ids.
expect_exit 0 "$orrery" export run.orr --perfetto run.json --jsonl run.jsonl --csv run.csv
expect_silent
expect_exit 0 "$PYTHON" "$tool" run.json
if [[ ${WRITE:-} == 1 ]]; then
    cp out "$golden"
elif ! cmp -s out "$golden"; then
    fail "the timeline differs from ${golden#"$root"/}: $(diff "$golden" out | head -n 8 | tr '\n' '|')"
fi

# JSON lines and table say the same, and the same as the report of the run does.
"$PYTHON" - <<'CHECK' || fail "lines and table differ"
import csv, json, sys
lines = [json.loads(line) for line in open("run.jsonl")]
rows = list(csv.DictReader(open("run.csv", newline="")))
assert len(lines) == len(rows) > 1000, (len(lines), len(rows))
for line, row in zip(lines, rows):
    filled = {key: value for key, value in row.items() if value != ""}
    for key, value in line.items():
        text = "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)
        assert row[key] == text, (key, line, row)
        filled.pop(key, None)
    assert not filled, (filled, line)
rounds = [line for line in lines if line["record"] == "migration.round"]
assert [r["round"] for r in rounds] == [1, 2] and rounds[0]["pages"] == 2048, rounds
CHECK
"$orrery" run run.orr --json report.json --quiet
took=$("$PYTHON" -c 'import json; print(*[r["took_ns"] for r in json.load(open("report.json"))["rounds"]])')
exported=$("$orrery" export run.orr --csv - --what migration.round | cut -d , -f 11 | tail -n +2 | tr '\n' ' ')
[[ $exported == "$took " ]] || fail "rounds took $took; the table says $exported"

# The same recording gives the same bytes, a recording is not changed by it, and standard output is a file like others.
cp run.orr copy.orr
expect_exit 0 "$orrery" export copy.orr --perfetto again.json
cmp -s run.json again.json || fail "a second export differs"
cmp -s run.orr copy.orr || fail "the recording was changed"
expect_exit 0 bash -c '"$0" export run.orr --csv - | cmp - run.csv' "$orrery"

# Wrong usage and outputs: all said, exit 2, nothing written.
mkdir folder
echo 'name: x' >x.yaml
while IFS='|' read -r arguments said; do
    # shellcheck disable=SC2086 # several words
    expect_exit 2 "$orrery" export $arguments
    expect_said "$said"
    [[ ! -e never ]] || { fail "$arguments: wrote something"; rm never; }
done <<'CASES'
|which recording?
run.orr|in which format? --perfetto OUT, --jsonl OUT or --csv OUT
run.orr copy.orr --csv never|'copy.orr' is a second
absent.orr --csv never|absent.orr
x.yaml --csv never|x.yaml
folder --csv never|folder
run.orr --csv run.orr|run.orr: is read, and cannot be written too
run.orr --csv never --jsonl ./never|named for two outputs
run.orr --csv - --jsonl -|standard output: named for two outputs
run.orr --csv folder|folder: Is a directory
run.orr --csv folder/x/y|No such file or directory
run.orr --csv /dev/full|/dev/full: No space left on device
run.orr --csv never --what migration.rounds|no kind of record in run.orr is named like 'migration.rounds'; did you mean 'migration.round'?
run.orr --csv never --from 1|needs a unit
run.orr --csv never --from -1s|a run starts at 0s
run.orr --csv never --from 2s --until 1s|nothing happens from --from on and before --until
CASES

# A recording that was cut short, or damaged, is written as far as it goes; exit 4.
"$orrery" run "$root/tests/golden/small-migration.yaml" --record large.orr --record-pages all --quiet
size=$(stat -c %s large.orr)
head -c $((size * 2 / 3)) large.orr >cut.orr
cp large.orr hole.orr
printf 'XXXXXXXX' | dd of=hole.orr bs=1 seek=$((size / 2)) conv=notrunc status=none
for file in cut hole; do
    rm -f part.json part.jsonl
    expect_exit 4 "$orrery" export $file.orr --perfetto part.json --jsonl part.jsonl
    expect_said "$file.orr: "
    expect_said 'was written'
    expect_exit 0 "$PYTHON" "$tool" part.json
    [[ -e part.jsonl ]] || fail "$file.orr: nothing was written"
done
head -c 40 large.orr >stump.orr
expect_exit 2 "$orrery" export stump.orr --csv never
[[ ! -e never ]] || fail "a table of nothing was written"

# Memory does not grow with what is written: 140 MB of lines in 64 MB of address space. A signal closes what there is.
"$orrery" run "$root/scenarios/bench/migrate-busy-1g.yaml" --record pages.orr --record-pages all --quiet
for format in perfetto jsonl csv; do
    expect_exit 0 bash -c 'ulimit -v 65536; exec "$0" export pages.orr --"$1" /dev/null' "$orrery" $format
done
mkfifo pipe
"$orrery" export pages.orr --jsonl pipe 2>said &
pid=$!
exec 3<pipe
head -c 1000 <&3 >/dev/null # it is in the middle of it now, and waits for its reader
kill -TERM $pid
cat <&3 >rest
exec 3<&-
wait $pid
code=$?
[[ $code -eq 143 ]] || fail "exit $code instead of 143 after SIGTERM"
grep -q 'stopped by a signal' said || fail "says of SIGTERM: $(cat said)"
[[ $(tail -c 2 rest) == '}' && $(wc -c <rest) -lt 100000000 ]] || fail "SIGTERM left a line cut, or did not stop it"
