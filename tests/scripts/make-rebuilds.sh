#!/usr/bin/env bash
# make compiles what must be compiled again, and nothing else.
. "${0%/*}/../tools/script-test.sh"

mkdir -p "$scratch/tree/sim" "$scratch/tree/cli" "$scratch/tree/tests/sums"
cp Makefile "$scratch/tree/"
cd "$scratch/tree" || exit 1
echo 'int sim_one(void);' >sim/one.h
printf '#include "sim/one.h"\nint sim_one(void)\n{\n    return 1;\n}\n' >sim/one.c
printf 'int sim_two(void);\nint sim_two(void)\n{\n    return 2;\n}\n' >sim/two.c
printf '#include "sim/one.h"\nint main(void)\n{\n    return sim_one() - 1;\n}\n' >cli/main.c
printf '#include <criterion/criterion.h>\n#include "sim/one.h"\nTest(sums, one)\n{\n    cr_assert(sim_one() == 1);\n}\n' >tests/sums/test_one.c

made() { # WORD COUNT: the last make said so many lines with it
    local count
    count=$(grep -c "$1" "$scratch/out")
    [[ $count -eq $2 ]] || fail "$3: $count lines of $1 instead of $2: $(tr '\n' '|' <"$scratch/out")"
}
builds() { # CASE COMPILED LINKED MAKE-ARGUMENTS...
    local name=$1 compiled=$2 linked=$3
    shift 3
    expect_exit 0 make all suites "$@"
    made ' CC ' "$compiled" "$name"
    made ' LINK ' "$linked" "$name"
}
builds 'from nothing' 4 2
builds 'nothing changed' 0 0
expect_exit 0 build/orrery
expect_exit 0 build/suites/sums
sleep 0.02
touch sim/one.h
builds 'a header changed' 3 2
builds 'another optimization' 4 2 O=0
builds 'the same again' 0 0 O=0
builds 'another compiler' 4 2 O=0 CC='gcc -m64'
builds 'more flags, with quotes' 4 2 EXTRA_CFLAGS="-DNAME='\"x y\"'"
builds 'another directory' 4 2 B=build/other
builds 'another directory again' 0 0 B=build/other
builds 'the first directory, as it was last' 0 0 EXTRA_CFLAGS="-DNAME='\"x y\"'"
rm sim/two.c
builds 'a module went away' 0 2 EXTRA_CFLAGS="-DNAME='\"x y\"'"
ar t build/liborrery.a >"$scratch/out"
[[ $(cat "$scratch/out") == one.o ]] || fail "the archive holds $(tr '\n' ' ' <"$scratch/out")"

# A warning is an error, and a failed make says so.
echo 'int unused_parameter(int x) { return 0; }' >sim/two.c
expect_exit 2 make all
expect_said 'unused'
