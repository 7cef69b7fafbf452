#!/usr/bin/env bash
# All C files are laid out as clang-format lays them out.
. "${0%/*}/../tools/script-test.sh"

expect_exit 0 make check-format
if [[ -s $scratch/out ]]; then
    fail "make format would change $(grep -oE '^[^ :]+\.[ch]:' "$scratch/out" | sort -u | tr -d : | tr '\n' ' ')"
fi
