#!/usr/bin/env bash
# Enforces scripts/include-rules.txt on every #include of the tree.
#
# usage: scripts/check-includes.sh [ROOT]      ROOT: the tree to look at (default: this one)
#
# Prints a line for each breach, FILE:LINE: what is wrong; exit 1 if there is one, 2 if the table itself is wrong.
set -u
rules=$(cd "${BASH_SOURCE[0]%/*}" && pwd)/include-rules.txt
cd "${1:-${BASH_SOURCE[0]%/*}/..}" || exit 2

rooms=(sim rt mmu cpu nic vm san cluster viz testbed cli tests)
files=$(for room in "${rooms[@]}"; do
    [[ ! -d $room ]] || find "$room" -name '*.[ch]' -print
done | LC_ALL=C sort)
[[ -n $files ]] || exit 0

# shellcheck disable=SC2086 # one argument for each file; our names hold no blanks
LC_ALL=C awk -v rules="$rules" '
# A shell pattern with * and nothing else, as a match of the whole name.
function matches(name, pattern) {
    gsub(/[.+]/, "[&]", pattern)
    gsub(/\*/, ".*", pattern)
    return name ~ ("^" pattern "$")
}
function is_allowed(name, list,    patterns, count, i) {
    count = split(list, patterns, ",")
    for (i = 1; i <= count; i++) {
        if (substr(patterns[i], 1, 1) == "!") {
            if (matches(name, substr(patterns[i], 2))) {
                return 0
            }
        } else if (matches(name, patterns[i])) {
            return 1
        }
    }
    return 0
}
function is_in_groups(name, list,    groups, count, i) {
    count = split(list, groups, ",")
    for (i = 1; i <= count; i++) {
        if (is_allowed(name, headers[groups[i]])) {
            return 1
        }
    }
    return 0
}
function is_known(name,    group) {
    for (group in headers) {
        if (is_allowed(name, headers[group])) {
            return 1
        }
    }
    return 0
}
function breach(text) {
    printf "%s:%d: %s\n", FILENAME, FNR, text
    breaches++
}
BEGIN {
    while ((getline line < rules) > 0) {
        if (line ~ /^#/ || line ~ /^[ \t]*$/) {
            continue
        }
        count = split(line, field, /[ \t]+/)
        if (field[1] == "group") {
            for (i = 3; i <= count; i++) {
                headers[field[2]] = headers[field[2]] (headers[field[2]] == "" ? "" : ",") field[i]
            }
        } else if (count == 3) {
            rows++
            row_files[rows] = field[1]
            row_ours[rows] = field[2]
            row_others[rows] = field[3]
        } else {
            printf "%s: three columns expected: %s\n", rules, line
            broken = 1
        }
    }
    for (row = 1; row <= rows; row++) {
        count = split(row_others[row], field, ",")
        for (i = 1; i <= count; i++) {
            if (!(field[i] in headers)) {
                printf "%s: no such group: %s\n", rules, field[i]
                broken = 1
            }
        }
    }
    if (broken || rows == 0) {
        broken = 1
        exit 2
    }
}
FNR == 1 {
    row = 1
    while (row <= rows && !matches(FILENAME, row_files[row])) {
        row++
    }
    if (row > rows) {
        breach("no row of scripts/include-rules.txt says what this file may include")
    }
}
row <= rows && /^[ \t]*#[ \t]*include/ {
    name = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
    mark = substr(name, 1, 1)
    name = substr(name, 2)
    sub(/[">].*/, "", name)
    if (mark == "\"") {
        if (name !~ /\// || name ~ /^\.|\/\./) {
            breach("\"" name "\" must be named by its path from the root of the tree")
        } else if (!is_allowed(name, row_ours[row])) {
            breach(row_files[row] " may not include \"" name "\"")
        }
    } else if (mark == "<") {
        if (!is_known(name)) {
            breach("<" name "> is in no group of scripts/include-rules.txt")
        } else if (!is_in_groups(name, row_others[row])) {
            breach(row_files[row] " may not include <" name ">")
        }
    } else {
        breach("an #include must name its file")
    }
}
END {
    if (broken) {
        exit 2
    }
    exit breaches > 0
}' $files
