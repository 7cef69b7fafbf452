#!/usr/bin/env bash
# The runner of the tests counts what passed, and lets nothing that failed, crashed, hung or said nothing pass.
. "${0%/*}/../tools/script-test.sh"

# A tree whose make builds nothing, and whose suites and scripts are pieces of shell.
tree=$scratch/tree
mkdir -p "$tree/scripts" "$tree/tests/scripts" "$tree/build/suites" "$tree/build/clang-O2-san/suites" "$tree/.ci" "$scratch/bin"
cp scripts/run-tests.sh scripts/variants.sh "$tree/scripts/"
cp .ci/run "$tree/.ci/"
put() { # FILE SHELL
    cat >"$1" <<PIECE
#!/usr/bin/env bash
summary() { echo "[====] Synthesis: Tested: \$1 | Passing: \$2 | Failing: \$3 | Crashing: 0 " >&2; }
$2
PIECE
    chmod +x "$1"
}
put "$scratch/bin/make" '
case $* in
list-suites) echo one ;;
list-fuzzers) echo ;;
test*) scripts/run-tests.sh || { echo "make: *** [Makefile:9: test] Error 1" >&2; exit 2; } ;;
*) [[ ! -e broken-${1##*/} ]] || { echo "x.c:1:1: error: wrong"; exit 2; } ;;
esac'
export PATH=$scratch/bin:$PATH TEST_LIMIT=1
for script in matrix golden plants fuzz docs; do
    put "$tree/scripts/$script.sh" 'echo 0 passed, 0 failed'
done
put "$tree/build/clang-O2-san/suites/one" 'summary 2 2 0'

closes() { # CASE EXIT LINE
    expect_exit "$2" "$tree/.ci/run"
    [[ $(tail -n 1 "$scratch/out") == "$3" ]] || fail "$1: closes with '$(tail -n 1 "$scratch/out")' instead of '$3'"
    [[ $(grep -cE '^[0-9]+ passed, ' "$scratch/out") -eq 1 ]] || fail "$1: not one line of counts"
}
# case | a suite (3 pass) | a script | the golden script, run twice | exit | the closing line
while IFS='|' read -r name suite script golden code line; do
    put "$tree/build/suites/one" "${suite:-summary 3 3 0}"
    put "$tree/tests/scripts/a.sh" "$script"
    put "$tree/scripts/golden.sh" "${golden:-echo 0 passed, 0 failed}"
    closes "$name" "$code" "$line"
done <<'CASES'
all is well||||0|6 passed, 0 failed
a test failed|summary 3 2 1; exit 1|||2|5 passed, 1 failed
a suite ends badly after its tests|summary 3 3 0; exit 1|||2|6 passed, 1 failed
a suite leaks|echo "==1==ERROR: LeakSanitizer: detected memory leaks" >&2; summary 3 3 0|||2|6 passed, 1 failed
a suite dies|kill -9 $$|||2|3 passed, 1 failed
a suite says nothing|exit 0|||2|3 passed, 1 failed
a suite hangs|sleep 5|||2|3 passed, 1 failed
a script says FAIL||echo "FAIL a"||2|5 passed, 1 failed
a script complains||echo "a.sh: line 3: oops"||2|5 passed, 1 failed
a script ends badly||exit 3||2|5 passed, 1 failed
a script skips||echo "SKIP a: needs b"||0|5 passed, 0 failed, 1 skipped
goldens hold|||echo 7 passed, 0 failed|0|20 passed, 0 failed
goldens differ|||echo FAIL x; echo 7 passed, 2 failed; exit 1|2|20 passed, 4 failed
goldens are skipped in part|||echo 7 passed, 0 failed, 1 skipped|0|20 passed, 0 failed, 2 skipped
goldens say nothing|||exit 0|2|6 passed, 2 failed
CASES

put "$tree/build/suites/one" 'summary 3 3 0'
put "$tree/tests/scripts/a.sh" ''
put "$tree/scripts/golden.sh" 'echo 0 passed, 0 failed'
touch "$tree/broken-B=build"
closes 'the release does not build' 2 '0 passed, 1 failed'
rm "$tree/broken-B=build"
touch "$tree/broken-clang-O2-san"
closes 'the build with sanitizers does not build' 2 '4 passed, 1 failed'

# make that gets nowhere still closes with counts.
put "$scratch/bin/make" 'echo "make: *** No rule to make target test" >&2; exit 2'
closes 'make gets nowhere' 2 '0 passed, 1 failed'
