#!/usr/bin/env bash
# scripts/plants.sh fails when a planted bug is not found, found by other oracles, or stands in no table.
. "${0%/*}/../tools/script-test.sh"

# A program in which the oracles that fail are those named in FIRES, a list PLANT:ORACLE.
cat >"$scratch/orrery" <<'FAKE'
#!/usr/bin/env bash
code=0 oracles='{"name": "silent", "verdict": "pass"}'
for fire in $FIRES; do
    if [[ ${fire%%:*} == "$ORRERY_PLANT" ]]; then
        code=5 oracles+=", {\"name\": \"${fire#*:}\", \"verdict\": \"fail\"}"
    fi
done
echo "{\"oracles\": [$oracles]}" >"$5"
exit $code
FAKE
chmod +x "$scratch/orrery"
mkdir -p "$scratch/tree/cluster"
cp -R scripts "$scratch/tree/"
{
    echo '# plant scenario oracles'
    echo 'lost a.yaml memory,stored'
    echo 'twice b.yaml one-runs'
} >"$scratch/table"
echo 'if (RT_PLANTED(lost) || RT_PLANTED(twice)) {' >"$scratch/tree/cluster/code.c"
export PLANTS_TABLE=$scratch/table PLANTS_ORRERY=$scratch/orrery
while IFS='|' read -r name fires expected line; do
    FIRES=$fires expect_exit "$expected" "$scratch/tree/scripts/plants.sh"
    expect_said "$line"
done <<'CASES'
all are found|lost:stored lost:memory twice:one-runs|0|2 passed, 0 failed
one is not found|lost:stored lost:memory|1|b.yaml: with twice exit 0 instead of 5
one oracle is silent|lost:memory twice:one-runs|1|oracles that failed: memory instead of memory,stored
one oracle too many|lost:memory lost:stored twice:one-runs twice:memory|1|oracles that failed: memory,one-runs instead of one-runs
an oracle fails without a bug|:memory lost:stored lost:memory twice:one-runs|1|without lost exit 5
CASES
echo 'if (SIM_PLANTED(unlisted)) {' >>"$scratch/tree/cluster/code.c"
FIRES='lost:stored lost:memory twice:one-runs' expect_exit 1 "$scratch/tree/scripts/plants.sh"
expect_said 'FAIL unlisted is planted in the code'
expect_said '2 passed, 1 failed'
