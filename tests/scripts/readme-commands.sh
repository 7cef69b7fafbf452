#!/usr/bin/env bash
# What README.md tells a newcomer to type works: the scenarios of its commands are there and right, and its first scenario passes.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no program"

files=0
while read -r file; do
    files=$((files + 1))
    expect_exit 0 "$orrery" check "$file"
done < <(grep -oE 'orrery run (scenarios|tests)/[^` ]*\.yaml' README.md | cut -d ' ' -f 3 | LC_ALL=C sort -u)
[[ $files -ge 5 ]] || fail "README.md names $files scenarios"

awk '/^## A scenario of your own/ { wanted = 1 } wanted && /^```yaml/ { inside = 1; next } inside && /^```/ { exit } inside' README.md >"$scratch/my.yaml"
lines=$(grep -c . "$scratch/my.yaml")
[[ $lines -ge 5 && $lines -le 10 ]] || fail "the first scenario of README.md has $lines lines"
expect_exit 0 "$orrery" run "$scratch/my.yaml"
expect_said 'PASS'

# Every row of the table of questions ends with a command or a dash.
rows=0
while read -r row; do
    rows=$((rows + 1))
    [[ $row =~ \|\ (\`orrery\ [^\`]+\`|-)\ \|$ ]] || fail "README.md: neither a command nor a dash: $row"
done < <(awk '/^\| question/ { wanted = 1; getline; next } wanted && /^\|/ { print; next } wanted { exit }' README.md)
[[ $rows -ge 10 ]] || fail "README.md: $rows questions"
