#!/usr/bin/env bash
# The small goldens under many settings that must make no difference: compilers, locale, address layout and so on.
#
# usage: scripts/matrix.sh              8 rows that have every pair of settings together at least once
#        scripts/matrix.sh --product    every combination instead (long)
#        scripts/matrix.sh --rows       print the rows, run nothing
#
# Each row runs each tests/golden/*.yaml and must come to the same run hash, exit code and report (scripts/golden.sh).
# Ends with a line "N passed, N failed". With MATRIX_ORRERY=PROGRAM that program is run in all rows and nothing is built.
set -u
cd "${BASH_SOURCE[0]%/*}/.." || exit 2
root=$PWD
. scripts/variants.sh
golden=${GOLDEN:-tests/golden}

# name      one value      the other
settings='
compiler    gcc            clang
optimize    0              2
sanitizers  0              1
capture     without        with
recording   without        with
locale      C              comma
directory   root           elsewhere
layout      fixed          random
memory      00             A5
'

# The rows, one a line, values in the order of the table.
#
# Compiler, optimization and sanitizers decide the build. Four builds already have all pairs of these three, and of the two such
# sets of four the one is taken that has the release (gcc, 2, 0) and the build in which the suites run under sanitizers
# (clang, 2, 1). Rows take the builds in turn; the other settings of a row are the combination that covers most pairs not
# covered yet, the first such one.
rows() { # covering | product
    awk -v wanted="$1" '
    NF == 3 { columns++; value[columns, 0] = $2; value[columns, 1] = $3 }
    function show(    i, line) {
        line = value[1, bit[1]]
        for (i = 2; i <= columns; i++) {
            line = line " " value[i, bit[i]]
        }
        print line
    }
    # Sets bit[from..columns] to the binary digits of a number.
    function spread(number, from,    i) {
        for (i = columns; i >= from; i--) {
            bit[i] = number % 2
            number = int(number / 2)
        }
    }
    function pairs_gained(mark,    i, j, gained) {
        for (i = 1; i < columns; i++) {
            for (j = i + 1; j <= columns; j++) {
                if (!((i, j, bit[i], bit[j]) in covered)) {
                    gained++
                    if (mark) {
                        covered[i, j, bit[i], bit[j]] = 1
                    }
                }
            }
        }
        return gained
    }
    END {
        if (wanted == "product") {
            for (number = 0; number < 2 ^ columns; number++) {
                spread(number, 1)
                show()
            }
            exit
        }
        for (row = 0; row < 8; row++) {
            # gcc 2 0, clang 2 1, gcc 0 1, clang 0 0
            bit[1] = row % 2
            bit[2] = row % 4 < 2
            bit[3] = (row % 4 == 1 || row % 4 == 2)
            most = -1
            for (number = 0; number < 2 ^ (columns - 3); number++) {
                spread(number, 4)
                gained = pairs_gained(0)
                if (gained > most) {
                    most = gained
                    best = number
                }
            }
            spread(best, 4)
            pairs_gained(1)
            show()
        }
    }' <<<"$settings"
}

# The locale with a decimal comma is made here, for few systems have one; where even its source is missing, UTF-8 must do.
make_locale() {
    if [[ ! -d build/locale/de_DE.UTF-8 ]]; then
        mkdir -p build/locale
        localedef -i de_DE -f UTF-8 build/locale/de_DE.UTF-8 2>/dev/null || rm -rf build/locale/de_DE.UTF-8
    fi
}

orrery_of() { # COMPILER OPTIMIZE SANITIZERS
    realpath "${MATRIX_ORRERY:-$(variant_directory "$@")/orrery}"
}

# Prints nothing, or one FAIL line.
run_row() { # FILE VALUE...
    local file scratch orrery options=() environment=() prefix=() found
    file=$(realpath "$1")
    shift
    orrery=$(orrery_of "$1" "$2" "$3")
    scratch=$(mktemp -d) || return
    [[ $4 == without ]] || options+=(--pcap "$scratch/pcap")
    [[ $5 == without ]] || options+=(--record "$scratch/record.orr")
    if [[ $6 == C ]]; then
        environment+=(LC_ALL=C)
    elif [[ -d $root/build/locale/de_DE.UTF-8 ]]; then
        environment+=("LOCPATH=$root/build/locale" LC_ALL=de_DE.UTF-8)
    else
        environment+=(LC_ALL=C.UTF-8)
    fi
    # glibc fills what malloc gives with the complement of this number; the sanitizers have an allocator of their own.
    if [[ $9 == 00 ]]; then
        environment+=(GLIBC_TUNABLES=glibc.malloc.perturb=255 ASAN_OPTIONS=malloc_fill_byte=0:max_malloc_fill_size=16777216)
    else
        environment+=(GLIBC_TUNABLES=glibc.malloc.perturb=90 ASAN_OPTIONS=malloc_fill_byte=165:max_malloc_fill_size=16777216)
    fi
    [[ $8 == random ]] || ! setarch -R true 2>/dev/null || prefix=(setarch -R)
    if [[ $7 == elsewhere ]]; then
        cd "$scratch" || return
    else
        file=$(realpath --relative-to="$root" "$file")
    fi
    found=$(env "${environment[@]}" "${prefix[@]}" "$root/scripts/golden.sh" one "$orrery" "$file" "${options[@]}" 2>&1)
    cd "$root" || return
    rm -rf "$scratch"
    [[ -z $found ]] || echo "FAIL ($*) ${found#FAIL }"
}

case ${1:-} in
--rows)
    rows covering
    exit
    ;;
--run)
    shift
    run_row "$@"
    exit
    ;;
--product) chosen=$(rows product) ;;
'') chosen=$(rows covering) ;;
*)
    sed -n '4,6s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac

shopt -s nullglob
files=("$golden"/*.yaml)
if [[ ${#files[@]} -eq 0 ]]; then
    echo "0 passed, 0 failed"
    exit 0
fi
make_locale
if [[ -z ${MATRIX_ORRERY:-} ]]; then
    while read -r compiler optimize sanitizers; do
        variant_make "$compiler" "$optimize" "$sanitizers" all || { echo "FAIL build $compiler -O$optimize sanitizers=$sanitizers"; echo "0 passed, 1 failed"; exit 1; }
    done < <(cut -d' ' -f1-3 <<<"$chosen" | LC_ALL=C sort -u)
fi
found=$(for file in "${files[@]}"; do
    sed "s|^|$file |" <<<"$chosen"
done | xargs -P "$(nproc)" -L 1 scripts/matrix.sh --run)
cases=$((${#files[@]} * $(wc -l <<<"$chosen")))
failed=0
if [[ -n $found ]]; then
    echo "$found"
    failed=$(grep -c '^FAIL' <<<"$found")
fi
echo "$((cases - failed)) passed, $failed failed"
[[ $failed -eq 0 ]]
