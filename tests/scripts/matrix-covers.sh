#!/usr/bin/env bash
# The covering array covers every pair of settings in eight rows, and a run that depends on any setting is seen.
. "${0%/*}/../tools/script-test.sh"

scripts/matrix.sh --rows >"$scratch/rows"
[[ $(wc -l <"$scratch/rows") -eq 8 ]] || fail "$(wc -l <"$scratch/rows") rows instead of 8"
# Counted here from the rows alone: each two columns of two values each must show four different pairs.
awk '{
        for (i = 1; i <= NF; i++) {
            values[i] += !seen[i, $i]++
            for (j = i + 1; j <= NF; j++) {
                pairs[i, j] += !seen[i, j, $i, $j]++
            }
        }
        columns = NF
    }
    END {
        if (columns < 9) {
            print "FAIL only " columns " settings"
        }
        for (i = 1; i <= columns; i++) {
            for (j = i + 1; j <= columns; j++) {
                if (pairs[i, j] != values[i] * values[j] || values[i] != 2) {
                    print "FAIL settings " i " and " j " come together in " pairs[i, j] + 0 " ways"
                }
            }
        }
    }' "$scratch/rows"
builds=$(cut -d' ' -f1-3 "$scratch/rows" | sort -u)
[[ $(wc -l <<<"$builds") -eq 4 ]] || fail "more than four builds: $builds"
[[ $builds == *"clang 2 1"* && $builds == *"gcc 2 0"* ]] || fail "the release or the sanitizer build is not among $builds"

# A program whose hash is what a piece of shell says; the golden says c0ffee.
mkdir "$scratch/golden"
echo 'name: fake' >"$scratch/golden/fake.yaml"
echo 'the report' >"$scratch/golden/fake.txt"
echo "c0ffee 0 $(realpath --relative-to=. "$scratch/golden/fake.yaml")" >"$scratch/golden/hashes.txt"
while IFS='|' read -r name expected code; do
    # Some containers forbid fixed layouts; then there is nothing to be seen.
    [[ $name != layout* ]] || setarch -R true 2>/dev/null || continue
    cat >"$scratch/orrery" <<FAKE
#!/usr/bin/env bash
hash=c0ffee report='the report' code=0
[[ \$1 == run && -e \$2 && \$3 == --json ]] || exit 2
$code
echo "{\"schema\": 1, \"run_hash\": \"\$hash\"}" >"\$4"
echo "\$report"
echo "repeat  orrery \$*"
exit \$code
FAKE
    chmod +x "$scratch/orrery"
    GOLDEN=$scratch/golden MATRIX_ORRERY=$scratch/orrery expect_exit $((expected > 0)) scripts/matrix.sh
    [[ $(tail -n 1 "$scratch/out") == "$((8 - expected)) passed, $expected failed" ]] || fail "$name: $(cat "$scratch/out")"
done <<'CASES'
nothing differs|0|
capture matters|4|[[ "$*" != *--pcap* ]] || hash=bad0
recording matters|4|[[ "$*" != *--record* ]] || hash=bad0
locale matters|4|[[ $LC_ALL == C ]] || hash=bad0
directory matters|4|[[ $2 != /* ]] || hash=bad0
layout matters|4|[[ $(</proc/self/personality) != *40000 ]] || hash=bad0
fill matters to malloc|4|[[ $GLIBC_TUNABLES == *=255 ]] || hash=bad0
fill matters to sanitizers|4|[[ $ASAN_OPTIONS == *byte=0:* ]] || hash=bad0
the report differs|8|report='another report'
the exit code differs|8|code=1
no hash at all|8|hash=
CASES

# A scenario without a line of its own is not passed over.
: >"$scratch/golden/hashes.txt"
GOLDEN=$scratch/golden MATRIX_ORRERY=$scratch/orrery expect_exit 1 scripts/matrix.sh
expect_said "has no line in"
