#!/usr/bin/env bash
# make fuzz builds and runs every tests/fuzz/fuzz_*.c, starts from its corpus, and says which found something.
. "${0%/*}/../tools/script-test.sh"

mkdir -p "$scratch/tree/tests/fuzz/corpus/trap"
cp -R Makefile scripts "$scratch/tree/"
cd "$scratch/tree" || exit 1
fuzzer() { # NAME STATEMENT
    cat >"tests/fuzz/fuzz_$1.c" <<CODE
#include <stddef.h>
#include <stdint.h>
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    if (length == 9 && data[8] == 'x') {
        $2;
    }
    return 0;
}
CODE
}
# Nine bytes that no short run would find: they are in the corpus.
echo -n 'abcdefghx' >tests/fuzz/corpus/trap/once-failed
fuzzer trap '__builtin_trap()'
fuzzer calm 'return 0'
expect_exit 2 make fuzz FUZZ_SECONDS=1
expect_said 'FAIL fuzz trap: '
expect_said '1 passed, 1 failed'
failed=(build/fuzz/failed-trap-*)
[[ -e ${failed[0]} ]] || fail "the input that failed was not kept"
expect_exit 0 make fuzz FUZZ_SECONDS=1 FUZZ_NAMES=calm
expect_said '1 passed, 0 failed'
