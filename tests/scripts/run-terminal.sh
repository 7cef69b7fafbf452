#!/usr/bin/env bash
# The progress line is for terminals, colors are for terminals whose owner wants them, and neither changes the run.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no program"
script --quiet --return --command true /dev/null >/dev/null 2>&1 </dev/null || skip "no terminal can be made here"
cd "$scratch" || exit 1
short=$root/tests/golden/ping.yaml
escape=$(printf '\033')

cat >long.yaml <<'YAML'
name: some seconds
networks:
  lan: {rate: 1Gbit/s, delay: 5us}
clients:
  alice: {nics: [lan]}
  bob: {nics: [lan]}
timeline:
  - {at: 0s, tcp-bulk: {from: alice, to: bob, bytes: 100TiB, port: 5001}, as: bulk}
YAML

on_terminal() { # COMMAND; what it shows is in $scratch/shown
    TERM=${TERM:-xterm} script --quiet --return --command "$1" /dev/null >shown 2>&1 </dev/null
}

# Color: on a terminal, unless NO_COLOR is set and not empty, or the terminal is dumb.
while IFS='|' read -r environment expected; do
    on_terminal "env $environment $orrery run $short"
    grep -q PASS shown || fail "$environment: shows $(head -c 200 shown)"
    colored=no
    ! grep -q "$escape\[" shown || colored=yes
    [[ $colored == "$expected" ]] || fail "$environment: color $colored instead of $expected"
done <<'CASES'
-u NO_COLOR TERM=xterm|yes
NO_COLOR= TERM=xterm|yes
NO_COLOR=1 TERM=xterm|no
-u NO_COLOR TERM=dumb|no
CASES
expect_exit 0 env -u NO_COLOR "$orrery" run "$short"
! grep -q "$escape" out || fail "color in a pipe"

# Progress: simulated time, speed and events after a second, and nothing of it is left; nothing of it in a pipe.
# shellcheck disable=SC2016 # for the inner shell
on_terminal "timeout --foreground --signal=INT 2.5 $orrery run long.yaml --quiet"
grep -qE "$escape\[K[0-9.]+ s simulated, [0-9.]+x real time, [0-9.]+ M events" shown || fail "no progress on a terminal: $(head -c 200 shown)"
[[ $(tr '\r' '\n' <shown | tail -n 1) == "$escape[K"* ]] || fail "progress is left on the terminal: $(tr '\r' '\n' <shown | tail -n 2)"
expect_exit 124 timeout --signal=INT 1.5 "$orrery" run long.yaml --quiet
expect_silent
# What lasts less than a second shows none.
on_terminal "env NO_COLOR=1 $orrery run $short"
! grep -q simulated shown || fail "progress of a short run"

# The steps between two looks at the clock do not show in the hash.
on_terminal "$orrery run $root/tests/golden/lossy-link.yaml --json terminal.json"
expect_exit 0 "$orrery" run "$root/tests/golden/lossy-link.yaml" --json pipe.json
cmp terminal.json pipe.json >out || fail "another run on a terminal: $(cat out)"

# orrery test: how far it is, colors, and in a pipe neither.
on_terminal "env -u NO_COLOR TERM=xterm $orrery test $short $root/tests/golden/bulk.yaml"
grep -qE "$escape\[K1 of 2 runs, 0 did not pass" shown || fail "test: no progress on a terminal: $(head -c 300 shown)"
grep -qF "$escape[1;32mPASS$escape[0m" shown || fail "test: no color on a terminal: $(head -c 300 shown)"
[[ $(tr '\r' '\n' <shown | grep -c 'of 2 runs') -eq $(tr '\r' '\n' <shown | grep -c "^$escape\[K[0-9]* of 2 runs") ]] || fail 'test: progress is left on the terminal'
on_terminal "env NO_COLOR=1 $orrery test $short"
! grep -qF "$escape[1" shown || fail 'test: color in spite of NO_COLOR'
expect_exit 0 env -u NO_COLOR "$orrery" test "$short"
! grep -q "$escape" out || fail 'test: color in a pipe'
