#!/usr/bin/env bash
# scripts/pwt-record.c records what a program writes: the pages that it wrote, all of them, in a trace that a guest can replay.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip 'there is no program'
CC=${CC:-cc}

expect_exit 0 "$CC" -O2 -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -shared -fPIC -pthread \
    -o "$scratch/pwt-record.so" scripts/pwt-record.c -lz
# Writes pages 1000 to 1099 of its mapping again and again, after a pause in which the recording begins, and page 5000 once.
cat >"$scratch/writer.c" <<'CODE'
#define _GNU_SOURCE
#include <sys/mman.h>
#include <time.h>
int main(void)
{
    const struct timespec pause = {0, 5000000}, begin = {0, 100000000};
    volatile char *m = mmap(0, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 16384; i++) {
        m[i * 4096] = 1;
    }
    nanosleep(&begin, 0);
    for (int k = 0; k < 40; k++) {
        for (int i = 1000; i < 1100; i++) {
            m[i * 4096] = (char)k;
        }
        if (k == 35) {
            m[5000 * 4096] = 2;
        }
        nanosleep(&pause, 0);
    }
    return 0;
}
CODE
expect_exit 0 "$CC" -O1 -o "$scratch/writer" "$scratch/writer.c"

record() { # FILE [NAME=VALUE...]
    local file=$1
    shift
    expect_exit 0 env "$@" LD_PRELOAD="$scratch/pwt-record.so" PWT_OUT="$file" "$scratch/writer"
    ! grep -q 'not recorded' "$scratch/out" || skip "$(sed 's/^pwt-record: //' "$scratch/out")"
}

# Not told where to write, it does nothing.
expect_exit 0 env LD_PRELOAD="$scratch/pwt-record.so" "$scratch/writer"
expect_silent

# The one mapping: pages keep their places.
record "$scratch/largest.pwt.gz" PWT_MAPPING=largest PWT_NAME=writer
gzip -dc "$scratch/largest.pwt.gz" >"$scratch/largest" || fail 'not a gzip file'
for line in '# pwt: 1' '# name: writer' '# ram_pages: 16384' '# interval_ns: 10000000'; do
    grep -qxF -- "$line" "$scratch/largest" || fail "no line '$line'"
done
"$PYTHON" - "$scratch/largest" <<'CHECK'
import sys
sets = []
for line in open(sys.argv[1]):
    if line.startswith("I "):
        pages, end = set(), 0
        for piece in line.split()[2:]:
            gap, _, length = piece.partition("+")
            first = end + int(gap)
            end = first + int(length or 1)
            pages.update(range(first, end))
        sets.append(pages)
hot = set(range(1000, 1100))
rounds = [s for s in sets if s == hot or s == hot | {5000}]
if not rounds:
    print("FAIL no interval holds the pages that were written, and those alone")
if not any(5000 in s for s in sets):
    print("FAIL the page that was written once is not there")
if any(s - hot - {5000} for s in sets[-3:]):
    print("FAIL pages that nobody wrote stand in the last intervals")
CHECK

# What it holds, in figures; those of a shipped trace stand in its FORMAT.md as well.
expect_exit 0 scripts/pwt-stat.sh scenarios/traces/idle.pwt.gz "$scratch/largest.pwt.gz"
expect_said '| idle | 256.0 | 60.0 | 1, 207 | 52, 229 | 130, 262 | 338 |'
expect_said '| writer | 64.0 |'
sed '$d' "$scratch/largest" | gzip >"$scratch/cut.pwt.gz"
expect_exit 1 scripts/pwt-stat.sh "$scratch/cut.pwt.gz"
expect_said 'page_writes is not what the lines hold'
expect_exit 1 scripts/pwt-stat.sh README.md
expect_exit 2 scripts/pwt-stat.sh

# All memory: numbered as they come. Either is a trace that a guest replays.
record "$scratch/all.pwt.gz" PWT_INTERVAL_MS=20 PWT_SECONDS=1
for trace in largest all; do
    cat >"$scratch/$trace.yaml" <<SCENARIO
nodes: {node1: {memory: 1GiB}}
vms: {web: {node: node1, memory: 256MiB, guest: {trace: {file: $trace.pwt.gz}}}}
end: {at: 1s}
expect: [web.pages-written > 100]
SCENARIO
    expect_exit 0 "$orrery" run "$scratch/$trace.yaml"
done
