#!/usr/bin/env bash
# What others measured comes out here, too: the scenarios of scenarios/validation/ expect published values within their tolerances.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip 'there is no program'
expect_exit 0 "$orrery" test scenarios/validation
grep -q '^3 passed, 0 failed' "$scratch/out" || fail "not three runs: $(tail -n 1 "$scratch/out")"
# A tolerance that nothing could miss would prove nothing: with other rules the same guest comes out of it.
expect_exit 1 "$orrery" run scenarios/validation/clark-2005-specweb.yaml --set policy=hyper-v
