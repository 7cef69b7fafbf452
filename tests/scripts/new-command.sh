#!/usr/bin/env bash
# orrery new: every template is listed, is written as it is, is right and passes, from any directory; nothing is overwritten unasked.
# orrery schema prints what docs/ has.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no program"
mkdir "$scratch/anywhere"
cd "$scratch/anywhere" || exit 1

expect_exit 0 "$orrery" new
cp "$scratch/out" "$scratch/list"
[[ -z $(awk 'length($0) > 80' "$scratch/list") ]] || fail "the list is wider than 80 columns"
templates=("$root"/scenarios/templates/*.yaml)
[[ ${#templates[@]} -ge 6 ]] || fail "there are ${#templates[@]} templates"
for template in "${templates[@]}"; do
    file=${template##*/} name=${template##*/}
    name=${name%.yaml}
    [[ $(head -n 1 "$template") == '# yaml-language-server: $schema=orrery.schema.json' ]] || fail "$name: no line for editors"
    grep -qE "^  $name  +[A-Z0-9]" "$scratch/list" || fail "orrery new does not list $name with a sentence"
    expect_exit 0 "$orrery" new "$name"
    expect_said "wrote $file; next: orrery run $file"
    cmp -s "$template" "$file" || fail "$name is not written as it is"
    expect_exit 0 "$orrery" check "$file"
    expect_exit 0 "$orrery" run "$file" --quiet --json "$scratch/result.json"
    grep -q '"verdict": *"pass"' "$scratch/result.json" || fail "$name does not pass"
done
[[ $(grep -c '^  ' "$scratch/list") -eq ${#templates[@]} ]] || fail "orrery new lists others than scenarios/templates has"

# What is there stays.
echo mine >two-node.yaml
expect_exit 2 "$orrery" new two-node
expect_said 'two-node.yaml: File exists; --force replaces it'
[[ $(cat two-node.yaml) == mine ]] || fail "a file was overwritten"
expect_exit 0 "$orrery" new two-node --force
cmp -s "$root/scenarios/templates/two-node.yaml" two-node.yaml || fail "--force does not replace"
ln -s nowhere.yaml link.yaml
expect_exit 2 "$orrery" new two-node -o link.yaml
expect_exit 0 "$orrery" new two-node -o other.yaml
expect_exit 0 cmp other.yaml two-node.yaml
expect_exit 0 bash -c '"$0" new two-node -o - | cmp - two-node.yaml' "$orrery"
expect_silent

while IFS='|' read -r arguments said; do
    # shellcheck disable=SC2086 # several words
    expect_exit 2 "$orrery" $arguments
    expect_said "$said"
done <<'CASES'
new two-nodes|there is no template 'two-nodes'; did you mean 'two-node'?
new qqqqqqqq|'orrery new' lists the templates
new two-node drain|one template at a time; 'drain' is a second
new -o x.yaml|which template?
new two-node -o never/x.yaml|never/x.yaml: No such file or directory
new two-node -f -o /dev/full|/dev/full: No space left on device
schema x|no argument is expected
schema --report --metrics|one page at a time
CASES
[[ ! -e x.yaml && ! -e never ]] || fail "a refused command left a file"

while IFS='|' read -r option page; do
    # shellcheck disable=SC2086 # none or one
    expect_exit 0 "$orrery" schema $option
    cmp -s "$scratch/out" "$root/docs/$page" || fail "orrery schema $option is not docs/$page"
done <<'CASES'
|orrery.schema.json
--report|report.schema.json
--reference|scenario.md
--metrics|metrics.md
CASES
expect_exit 2 bash -c '"$0" schema >/dev/full' "$orrery"
expect_said 'standard output: No space left on device'
