# What the tests in tests/scripts/ share; they source it first:  . "${0%/*}/../tools/script-test.sh"
#
# A script test prints nothing when all holds, a line "FAIL ..." for what does not, and a line "SKIP ..." when what it needs is
# not there. It starts in the root of the tree, with
#   $B         the build directory
#   $scratch   a directory of its own, taken away at the end
#   $orrery    the program, or nothing while there is none
# shellcheck shell=bash
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
B=${B:-build}
root=$PWD
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
orrery=
[[ ! -x $B/orrery ]] || orrery=$(cd "$B" && pwd)/orrery
PYTHON=${PYTHON:-/usr/bin/python3}
# What the caller's environment says about asking and installing must not decide here, nor may made-up runs be kept as real ones.
unset CI YES NO_INSTALL GOLDEN_JSON MAKEFLAGS MAKELEVEL MFLAGS

fail() { # WHAT, in words
    echo "FAIL ${0##*/}: $*"
}

skip() { # WHY; ends the test
    echo "SKIP ${0##*/}: $*"
    exit 0
}

# Runs a command, keeps both outputs in $scratch/out, and says when it exits otherwise than expected.
expect_exit() { # CODE COMMAND...
    local expected=$1 code=0
    shift
    "$@" >"$scratch/out" 2>&1 </dev/null || code=$?
    [[ $code -eq $expected ]] || fail "exit $code instead of $expected: $* ($(tail -n 3 "$scratch/out" | tr '\n' '|'))"
}

# The last expect_exit printed this.
expect_said() { # FIXED TEXT
    grep -qF -- "$1" "$scratch/out" || fail "does not say '$1' but: $(head -n 5 "$scratch/out" | tr '\n' '|')"
}

expect_silent() {
    [[ ! -s $scratch/out ]] || fail "was to say nothing, but: $(head -n 5 "$scratch/out" | tr '\n' '|')"
}
