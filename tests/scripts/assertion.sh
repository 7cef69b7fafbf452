#!/usr/bin/env bash
# A failed assertion says when, in which event, in which part, and how to see it again; what was written until then can be read.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no program"
. scripts/variants.sh

# The release has no bugs to plant: the build that the planted bugs are found with has.
variant_make clang 0 0 all >"$scratch/make" 2>&1 || fail "does not build: $(tail -n 3 "$scratch/make")"
planted=$root/$(variant_directory clang 0 0)/orrery
scenario=$root/tests/golden/small-migration.yaml
cd "$scratch" || exit 1

expect_exit 3 env ORRERY_PLANT=assertion "$planted" run "$scenario" --set "name=it's" --record a.orr
expect_said 'orrery: assertion failed: !SIM_PLANTED(assertion) (testbed/timeline.c:'
grep -qE '^  at 0\.000000000 s \(wave [0-9]+\), event [0-9]+, origin ping, seed 1$' out || fail "says neither when nor where: $(cat out)"
expect_said "  repeat: orrery run $scenario --seed 1 --set 'name=it'\\''s'"
# The command repeats it.
repeat=$(sed -n 's/^  repeat: orrery //p' out)
eval "set -- $repeat"
expect_exit 3 env ORRERY_PLANT=assertion "$planted" "$@"
expect_said 'origin ping, seed 1'
# The recording of it has no end, and repeats it too.
expect_exit 3 env ORRERY_PLANT=assertion "$planted" run a.orr
expect_said 'its scenario is whole'
expect_said 'repeat: orrery run a.orr --seed 1'
# Without the plant the same program has nothing to say.
expect_exit 0 env ORRERY_PLANT= "$planted" run a.orr --quiet
expect_exit 0 "$orrery" run "$scenario" --quiet
expect_silent
