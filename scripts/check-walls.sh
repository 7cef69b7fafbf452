#!/usr/bin/env bash
# What the compiler made of the walls of DESIGN section 2.
#
# usage: scripts/check-walls.sh [B]      B: the build directory (default: build); a build without sanitizers
#
#  W1. Node software (cluster/, the protocol half of san/) has no writable static data: all simulated nodes share one process.
#  W2. It calls rt, what rt/libc.allow lists, and itself; nothing else.
#  W3. The program is not linked with SDL, which alone costs 4 to 8 ms at start.
#
# Prints a line for each breach; exit 1 if there is one.
set -u
allow=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)/rt/libc.allow
build=${1:-build}
for tool in objdump nm ldd; do
    type -P "$tool" >/dev/null || { echo "check-walls: needs $tool"; exit 2; }
done
breaches=0
breach() {
    echo "$1"
    breaches=$((breaches + 1))
}

shopt -s nullglob
objects=("$build"/cluster/*.o "$build"/san/iscsi*.o "$build"/san/scsi*.o "$build"/san/vhd*.o)

# W1. Sections, not nm's letters: a constant table of pointers is in .data.rel.ro, which nm calls data too, but which the
# loader makes read-only. A section may also hold what has no symbol. An empty .data and .bss is in every object.
for object in "${objects[@]}"; do
    writable='^[.](data|bss|tdata|tbss)([.]|$)'
    while read -r what; do
        breach "$object: writable static data: $what"
    done < <(
        {
            # ADDRESS FLAGS SECTION<tab>SIZE [.hidden] NAME
            objdump -t "$object" | awk -F '\t' -v writable="$writable" '
                NF == 2 {
                    split($1, place, " ")
                    section = place[length(place)]
                    name = $2
                    sub(/.* /, "", name)
                    if ((section == "*COM*" || (section ~ writable && section !~ /^[.]data[.]rel[.]ro/)) && name !~ /^[.]/) {
                        print name
                    }
                }'
            objdump -h "$object" | awk -v writable="$writable" '
                $2 ~ writable && $2 !~ /^[.]data[.]rel[.]ro/ && $3 !~ /^0+$/ { print "section " $2 " of 0x" $3 " bytes" }'
        } | LC_ALL=C sort
    )
done

# W2.
if [[ ${#objects[@]} -gt 0 ]]; then
    while read -r object symbol; do
        breach "$object: calls $symbol"
    done < <(
        {
            sed 's/^/allow /' "$allow"
            nm -A --defined-only "${objects[@]}" | awk '{ print "allow", $NF }'
            nm -A --undefined-only "${objects[@]}" | awk '{ sub(/:.*/, "", $1); print "call", $1, $NF }'
        } | awk '
            $1 == "allow" { allowed[$2] = 1 }
            $1 == "call" && !($3 in allowed) && $3 !~ /^rt_/ && $3 != "_GLOBAL_OFFSET_TABLE_" { print $2, $3 }'
    )
fi

# W3.
if [[ -x $build/orrery ]]; then
    while read -r library; do
        breach "$build/orrery: linked with $library"
    done < <(ldd "$build/orrery" | awk 'tolower($1) ~ /sdl/ { print $1 }')
fi

[[ $breaches -eq 0 ]]
