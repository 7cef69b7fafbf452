#!/usr/bin/env bash
# scripts/golden.sh writes goldens that then hold, and sees when one no longer does.
. "${0%/*}/../tools/script-test.sh"

tree=$scratch/tree
mkdir -p "$tree/scenarios" "$tree/tests/golden" "$tree/build/clang-O2-san" "$scratch/bin"
cp -R scripts "$tree/"
for file in tests/golden/small scenarios/large; do
    echo 'name: fake' >"$tree/$file.yaml"
done
# A program whose hash and report follow from what it is told; valgrind only tells it that it is watched.
put() { # FILE SHELL
    printf '#!/usr/bin/env bash\n%s\n' "$2" >"$1"
    chmod +x "$1"
}
put "$scratch/bin/valgrind" 'while [[ $1 == --* ]]; do shift; done; WATCHED=1 exec "$@"'
export PATH=$scratch/bin:$PATH
program() { # SHELL to run first
    put "$tree/build/orrery" "$1"'
hash=${hash:-$(cksum <"$2" | cut -d" " -f1)}
echo "{\"run_hash\": \"$hash\"}" >"$4"
echo "${report:-PASS}"
echo "repeat  orrery $2"
exit ${code:-0}'
    cp "$tree/build/orrery" "$tree/build/clang-O2-san/orrery"
}

program ''
expect_exit 0 "$tree/scripts/golden.sh" write
expect_silent
[[ $(cut -d' ' -f2- "$tree/tests/golden/hashes.txt" | tr '\n' ' ') == '0 tests/golden/small.yaml 0 scenarios/large.yaml ' ]] ||
    fail "hashes: $(cat "$tree/tests/golden/hashes.txt")"
[[ $(cat "$tree/tests/golden/small.txt") == PASS ]] || fail "the report kept is $(cat "$tree/tests/golden/small.txt")"
[[ ! -e $tree/scenarios/large.txt ]] || fail "a large golden keeps its report"

# mode | what the program does | exit | closing line
while IFS='|' read -r mode code exit line; do
    program "$code"
    expect_exit "$exit" "$tree/scripts/golden.sh" "$mode"
    [[ $(tail -n 1 "$scratch/out") == "$line" ]] || fail "$mode, $code: closes with '$(tail -n 1 "$scratch/out")'"
done <<'CASES'
large||0|3 passed, 0 failed
large|hash=bad0|1|0 passed, 3 failed
large|code=1|1|0 passed, 3 failed
large|[[ $0 == *clang* ]] && hash=bad0|1|2 passed, 1 failed
large|[[ $0 != *clang* ]] && ! mkdir "${0%/*}/seen" 2>/dev/null && hash=bad0|1|2 passed, 1 failed
memcheck||0|1 passed, 0 failed
memcheck|[[ ${WATCHED:-} ]] && code=9|1|0 passed, 1 failed
memcheck|report=other|1|0 passed, 1 failed
CASES

# A run without a hash is not written down.
program 'exit 2'
expect_exit 1 "$tree/scripts/golden.sh" write
expect_said 'no run hash'
grep -q small "$tree/tests/golden/hashes.txt" || fail "a failed write took the goldens away"
