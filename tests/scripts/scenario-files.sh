#!/usr/bin/env bash
# Every shipped scenario means the same in YAML 1.1 and 1.2, and fits the schema that editors use.
. "${0%/*}/../tools/script-test.sh"

mapfile -t scenarios < <(find scenarios tests/golden -name '*.yaml' 2>/dev/null | LC_ALL=C sort)
if [[ ${#scenarios[@]} -gt 0 ]]; then
    expect_exit 0 "$PYTHON" tests/tools/yaml-versions.py "${scenarios[@]}"
    expect_silent
    if [[ -e docs/orrery.schema.json ]]; then
        expect_exit 0 "$PYTHON" tests/tools/check-schema.py docs/orrery.schema.json "${scenarios[@]}"
        expect_silent
    fi
fi

# What the two versions read differently is seen.
while IFS='|' read -r expected line; do
    echo "$line" >"$scratch/case.yaml"
    expect_exit "$expected" "$PYTHON" tests/tools/yaml-versions.py "$scratch/case.yaml"
done <<'CASES'
0|{a: 1, b: true, c: [x, 5s, 1Gbit/s, 25%], d: {}, e: null, f: 0.5}
1|a: yes
1|a: off
1|on: 1
1|{a: [1, y, no]}
1|a: 010
1|a: 1:30
1|a: 0o17
1|a: 1_000
1|a: [x, y]
1|a: [1
CASES

# So is what does not fit a schema.
echo '{"type": "object", "properties": {"seed": {"type": "integer"}}, "required": ["name"]}' >"$scratch/schema.json"
echo '{name: a, seed: 1}' >"$scratch/fits.yaml"
echo '{"seed": "x"}' >"$scratch/unfit.json"
echo '{"seed": ' >"$scratch/cut.json"
expect_exit 0 "$PYTHON" tests/tools/check-schema.py "$scratch/schema.json" "$scratch/fits.yaml"
expect_exit 1 "$PYTHON" tests/tools/check-schema.py "$scratch/schema.json" "$scratch/fits.yaml" "$scratch/unfit.json"
expect_said "unfit.json: /seed: 'x' is not of type 'integer'"
expect_said "unfit.json: /: 'name' is a required property"
expect_exit 1 "$PYTHON" tests/tools/check-schema.py "$scratch/schema.json" "$scratch/cut.json"
expect_said 'cut.json: cannot be read'
