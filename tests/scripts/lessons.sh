#!/usr/bin/env bash
# scenarios/teach: each asks a question, passes, and stands in docs/lessons.md; and --formula, which the lessons rest on, says where
# V(D/R)^i holds, and why not where it does not.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no program"

for file in scenarios/teach/*.yaml; do
    sed -n 2p "$file" | grep -qE '^# .*\?$' || fail "$file asks nothing in its second line"
    grep -qF "<!-- made by: orrery run $file" docs/lessons.md || fail "docs/lessons.md does not show $file"
    expect_exit 0 "$orrery" run "$file" --quiet
done

# A sequential guest on a set as large as its memory, at rates of which the formula says what happens.
for touch in 1 5 12 17 21; do
    expect_exit 0 "$orrery" run scenarios/teach/converges.yaml --formula --set "vms.toy.guest.writers.0.touch=$touch/s" \
        --set expect.0='toy.node == node2' --set expect.1='move.rounds > 0' --set timeline.move.live-migrate.rounds=20
    expect_said 'V (D/R)^i holds in every round'
    if grep -qE 'hot set$|neither$|formula$' "$scratch/out"; then
        fail "touch $touch/s: a round that does not fit both: $(grep -E 'hot set$|neither$|formula$' "$scratch/out" | head -n 1)"
    fi
done

# Where it fails, and why: scenario | settings | what is said.
while IFS='|' read -r file settings said; do
    # shellcheck disable=SC2086 # several words
    "$orrery" run "$file" --formula $settings >"$scratch/report" 2>&1
    [[ $(tr -s ' \n' ' ' <"$scratch/report") == *"$said"* ]] || fail "$file $settings does not say '$said': $(sed -n '/^Formula/,/^$/p' "$scratch/report" | tr '\n' '|')"
done <<'CASES'
scenarios/teach/does-not-converge.yaml||fails from round 2 on: the formula has the guest write 357 different pages in round 1, and it writes in a hot set of W = 256 only
scenarios/teach/hot-page.yaml||fails in the final round: the formula has the guest write 8927 different pages
scenarios/teach/random-touches.yaml||touches hit the same pages again: of D T = 71.4 in round 1 about 62.3 were of different pages. The hot set explains every round.
scenarios/teach/stop-clean.yaml||D = 0.00 written a second
scenarios/teach/stop-time-limit.yaml||no round was sent, so there is nothing to compare
scenarios/teach/converges.yaml|--set vms.toy.guest.writers.0.touch=28.6/s --set vms.toy.guest.writers.0.pages=512KiB|fails from round 2 on: the formula has the guest write 255 different pages in round 1, and it writes in a hot set of W = 128 only
scenarios/trace-boot.yaml||the guest replays a trace, and has no rate D
scenarios/link-lost-in-stop-copy.yaml||The hot set explains every round
CASES

# Nothing else of the report, and no hash, changes with it.
"$orrery" run scenarios/teach/hot-set.yaml >"$scratch/plain"
"$orrery" run scenarios/teach/hot-set.yaml --formula | sed '/^Formula: /,/^$/d' >"$scratch/without"
cmp -s "$scratch/plain" "$scratch/without" || fail "--formula changes the report: $(diff "$scratch/plain" "$scratch/without" | head -n 4 | tr '\n' '|')"
