#!/usr/bin/env bash
# What page-write traces hold (scenarios/traces/FORMAT.md): for each a row with its memory, its length, and how many different pages are
# written in an interval, in a second and in ten: what docs/describe-your-vm.md compares with a hypervisor's counters.
#
# usage: scripts/pwt-stat.sh FILE.pwt.gz...
#
# Windows are aligned; what follows the last whole one is left out, unless it is the only one. Pages are of 4 KiB.
set -u -o pipefail
if [[ $# -eq 0 ]]; then
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
echo '| trace | memory, MiB | s | pages in an interval: mean, most | in 1 s: mean, most | in 10 s: mean, most | ever |'
echo '|---|---|---|---|---|---|---|'
status=0
for file; do
    # shellcheck disable=SC2016 # awk's own
    gzip -dc -- "$file" | awk -v file="$file" '
    function wrong(what) { print file ":" NR ": " what >"/dev/stderr"; failed = 1; exit 1 }
    function close_window(k, whole) {
        if (whole || closed[k] == 0) { closed[k]++; sum[k] += pages[k]; if (pages[k] > most[k]) most[k] = pages[k] }
        pages[k] = 0
    }
    # The window of length k that interval `index` lies in begins; those before it end.
    function advance(k, index_,   window) {
        window = int(index_ / per[k])
        while (at[k] < window) { close_window(k, 1); at[k]++ }
    }
    NR == 1 && $0 != "# pwt: 1" { wrong("not a page-write trace of version 1") }
    $1 == "#" { header[substr($2, 1, length($2) - 1)] = $3; next }
    $1 != "I" { wrong("a line that begins with I is expected") }
    !begun { begin() }
    function begin() {
        begun = 1
        if (header["interval_ns"] < 1 || header["ram_pages"] < 1 || header["intervals"] < 1) wrong("the header lacks a figure")
        per[1] = 1
        per[2] = int(1e9 / header["interval_ns"]); if (per[2] < 1) per[2] = 1
        per[3] = int(1e10 / header["interval_ns"]); if (per[3] < 1) per[3] = 1
        for (k = 1; k <= 3; k++) at[k] = 0
    }
    {
        for (k = 1; k <= 3; k++) advance(k, $2)
        end = 0
        for (i = 3; i <= NF; i++) {
            split($i, piece, "+")
            first = end + piece[1]
            end = first + (piece[2] == "" ? 1 : piece[2])
            if (end > header["ram_pages"]) wrong("a page beyond the memory")
            total += end - first
            for (page = first; page < end; page++) {
                pages[1]++
                if (seen[page] == "") ever++
                split(seen[page], last, " ")
                if (last[1] != at[2] + 1) pages[2]++
                if (last[2] != at[3] + 1) pages[3]++
                seen[page] = (at[2] + 1) " " (at[3] + 1)
            }
        }
    }
    END {
        if (failed) exit 1
        if (NR == 0) exit 1
        if (!begun) begin()
        if (total != header["page_writes"]) wrong("page_writes is not what the lines hold")
        for (k = 1; k <= 3; k++) {
            advance(k, header["intervals"])
            close_window(k, 0)
        }
        printf "| %s | %.1f | %.1f |", header["name"], header["ram_pages"] / 256, header["intervals"] * header["interval_ns"] / 1e9
        for (k = 1; k <= 3; k++) printf " %d, %d |", closed[k] ? sum[k] / closed[k] : 0, most[k]
        printf " %d |\n", ever
    }' || status=1
done
exit $status
