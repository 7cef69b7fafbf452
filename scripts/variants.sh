# The builds that the tests use, sourced by the scripts that run them.
# shellcheck shell=bash
#
# One build serves several purposes where it can: the release is also a row of the covering array, and so is the build of
# clang with sanitizers in which the suites run again. Builds with sanitizers also check every object's invariants after each
# event (DEBUG=1).

# A make inside make test must not inherit options that were meant for the outer one.
unset MAKEFLAGS MAKELEVEL MFLAGS

variant_directory() { # CC O SAN
    case $1-$2-$3 in
    gcc-2-0) echo build ;;
    *-0) echo "build/$1-O$2" ;;
    *-1) echo "build/$1-O$2-san" ;;
    esac
}

variant_make() { # CC O SAN TARGET...
    local cc=$1 o=$2 san=$3
    shift 3
    make "B=$(variant_directory "$cc" "$o" "$san")" "CC=$cc" "O=$o" "SAN=$san" "DEBUG=$san" "$@"
}
