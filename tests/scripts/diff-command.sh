#!/usr/bin/env bash
# orrery diff: what it exits with, what it says, and what it leaves behind.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip 'there is no program'

cat >"$scratch/a.yaml" <<'SCENARIO'
networks:
  lan: {rate: 1Gbit/s, delay: 5us}
clients:
  alice: {nics: [lan]}
  bob: {nics: [lan]}
timeline:
  - {at: 0s, ping: {from: alice, to: bob, every: 10ms}, as: ping}
end: {at: 1s}
SCENARIO
sed 's/every: 10ms/every: 20ms/' "$scratch/a.yaml" >"$scratch/b.yaml"
sed 's/nics: \[lan\]/nics: [lam]/' "$scratch/a.yaml" >"$scratch/wrong.yaml"
cd "$scratch" || exit 1
"$orrery" run a.yaml --quiet --record a.orr
"$orrery" run a.yaml --quiet --until 500ms --record half.orr

# exit | arguments | what is said
while IFS='|' read -r code arguments said; do
    # shellcheck disable=SC2086 # words
    expect_exit "$code" "$orrery" diff $arguments
    [[ -z $said ]] || expect_said "$said"
done <<'CASES'
0|a.yaml a.yaml|Equal: both runs have the hash
0|a.orr a.yaml|Equal: both runs have the hash
1|a.yaml b.yaml|timeline.0.ping.every            10ms | 20ms
1|a.yaml b.yaml|The first difference, #
1|a.orr half.orr|--until                          (not there) | 500ms
2|a.yaml|which two scenarios, or recordings?
2|a.yaml b.yaml a.orr|'a.orr' is a third
2|a.yaml nowhere.yaml|nowhere.yaml: cannot be read
2|wrong.yaml a.yaml|nothing is named 'lam'
CASES

# A recording that was cut short is compared as far as it goes, and one that is none is said to be.
size=$(stat -c %s a.orr)
head -c $((size - 60)) a.orr >cut.orr
expect_exit 0 "$orrery" diff a.yaml cut.orr
expect_said 'cut short'
head -c 4 a.orr >nothing.orr
expect_exit 2 "$orrery" diff a.yaml nothing.orr

# Nothing is left where the runs were written out.
mkdir tmp
before=$(ls -A)
TMPDIR=$scratch/tmp expect_exit 1 "$orrery" diff a.yaml b.yaml
rm -f out
[[ -z $(ls -A tmp) ]] || fail "left $(ls -A tmp)"
[[ $(ls -A | grep -vx out) == "$(grep -vx out <<<"$before")" ]] || fail "left $(ls -A)"
