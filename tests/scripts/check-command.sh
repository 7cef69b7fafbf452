#!/usr/bin/env bash
# orrery check and the command itself: what they say, and with which exit status.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no $B/orrery"

expect_exit 0 "$orrery" check scenarios/live-migration.yaml
expect_said 'scenarios/live-migration.yaml: right'
expect_exit 0 "$orrery" check --resolved scenarios/live-migration.yaml
expect_said 'paging: ept'
cp "$scratch/out" "$scratch/resolved.yaml"
sed -i 's|file: traces/|file: '"$root"'/scenarios/traces/|' "$scratch/resolved.yaml"
expect_exit 0 "$orrery" check "$scratch/resolved.yaml"
expect_exit 0 "$orrery" check --set vms.web.memory=2GiB --set seed=7 --resolved scenarios/live-migration.yaml
expect_said 'memory: 2GiB'
expect_said 'seed: 7'

expect_exit 2 "$orrery" check --set vms.web.memroy=2GiB scenarios/live-migration.yaml
expect_said "--set vms.web.memroy=2GiB: unknown key 'memroy'; did you mean 'memory'?"
expect_exit 2 "$orrery" check tests/language/bad/name-twice.yaml
expect_exit 2 "$orrery" check "$scratch/no-such-file.yaml"
expect_said 'no-such-file.yaml: cannot be read: No such file or directory'
expect_exit 2 "$orrery" check
expect_said 'which scenario'
expect_exit 2 "$orrery" check one.yaml two.yaml
expect_exit 2 "$orrery" check --colour scenarios/live-migration.yaml
expect_exit 2 bash -c "'$orrery' check --resolved scenarios/live-migration.yaml >/dev/full"
expect_said 'standard output'

expect_exit 2 "$orrery"
expect_said 'Usage: orrery COMMAND'
expect_exit 2 "$orrery" chekc
expect_said "there is no command 'chekc'; did you mean 'check'?"
expect_exit 2 "$orrery" frobnicate
expect_said "'orrery --help' lists the commands"
expect_exit 0 "$orrery" --help
expect_said 'check a scenario without running it'
expect_exit 0 "$orrery" check --help
expect_said '--set=PATH=VALUE'
expect_exit 0 "$orrery" --version
expect_exit 2 "$orrery" docs
expect_exit 0 "$orrery" docs scenario
