#!/usr/bin/env bash
# The tree keeps to scripts/include-rules.txt, and each sort of breach is seen.
. "${0%/*}/../tools/script-test.sh"

expect_exit 0 scripts/check-includes.sh
expect_silent

# FILE | what it includes | what is to be said (nothing: allowed)
while IFS='|' read -r file line expected; do
    rm -rf "$scratch/tree"
    mkdir -p "$scratch/tree/${file%/*}"
    printf '/* first line */\n%s\n' "$line" >"$scratch/tree/$file"
    if [[ -z $expected ]]; then
        expect_exit 0 scripts/check-includes.sh "$scratch/tree"
        expect_silent
    else
        expect_exit 1 scripts/check-includes.sh "$scratch/tree"
        expect_said "$file:2: $expected"
    fi
done <<'CASES'
sim/kernel.c|#include "sim/kernel.h"|
sim/kernel.c|#include "nic/link.h"|sim/* may not include "nic/link.h"
sim/kernel.c|#include "rt/rt.h"|sim/* may not include "rt/rt.h"
sim/rt_clock.c|#include "rt/rt.h"|
sim/kernel.c|#include "kernel.h"|"kernel.h" must be named by its path from the root of the tree
sim/kernel.c|#include "../sim/kernel.h"|"../sim/kernel.h" must be named by its path
sim/kernel.c|#include <zlib.h>|sim/* may not include <zlib.h>
sim/recorder.c|#include <zlib.h>|
sim/kernel.c|#  include <openssl/sha.h>|<openssl/sha.h> is in no group of scripts/include-rules.txt
sim/kernel.c|#include FILE_NAME|an #include must name its file
rt/rt.h|#include <stdint.h>|
rt/rt.h|#include "sim/types.h"|rt/rt.h may not include "sim/types.h"
rt/posix_stream.c|#include <uv.h>|
rt/conformance.c|#include <uv.h>|rt/* may not include <uv.h>
mmu/ept.c|#include "nic/link.h"|mmu/* may not include "nic/link.h"
nic/link.c|#include "mmu/ept.h"|
nic/link.c|#include "cpu/cpu.h"|nic/* may not include "cpu/cpu.h"
nic/link.c|#include <pcap.h>|nic/* may not include <pcap.h>
nic/pcap_writer.c|#include <pcap/pcap.h>|
vm/instance.c|#include "cpu/cpu.h"|
vm/instance.c|#include "cluster/live_migration.h"|vm/* may not include "cluster/live_migration.h"
cluster/live_migration.c|#include "rt/rt.h"|
cluster/live_migration.c|#include "sim/kernel.h"|cluster/* may not include "sim/kernel.h"
cluster/live_migration.c|#include "rt/posix_stream.h"|cluster/* may not include "rt/posix_stream.h"
cluster/live_migration.c|#include <stdlib.h>|cluster/* may not include <stdlib.h>
cluster/live_migration.c|#include <sys/socket.h>|cluster/* may not include <sys/socket.h>
cluster/live_migration.c|#include <zlib.h>|
san/iscsi_target.c|#include "san/disk.h"|san/iscsi* may not include "san/disk.h"
san/iscsi_target.c|#include "san/scsi.h"|
san/disk.c|#include "san/iscsi_wire.h"|san/* may not include "san/iscsi_wire.h"
san/disk.c|#include "mmu/memory.h"|
testbed/build.c|#include "viz/sdl_window.h"|testbed/* may not include "viz/sdl_window.h"
testbed/build.c|#include "viz/svg.h"|
testbed/load.c|#include <yaml.h>|
nic/load.c|#include <yaml.h>|nic/* may not include <yaml.h>
cli/main.c|#include <pcap.h>|cli/* may not include <pcap.h>
viz/svg.c|#include "sim/recording.h"|
viz/svg.c|#include "sim/kernel.h"|viz/* may not include "sim/kernel.h"
viz/svg.c|#include <SDL2/SDL.h>|viz/* may not include <SDL2/SDL.h>
viz/sdl_window.c|#include <SDL2/SDL.h>|
CASES

# A file in no room of the table is not overlooked: the table itself would have to name it.
grep -v '^nic/' scripts/include-rules.txt >"$scratch/rules"
mkdir -p "$scratch/tree/scripts" "$scratch/tree/nic"
cp scripts/check-includes.sh "$scratch/tree/scripts/"
cp "$scratch/rules" "$scratch/tree/scripts/include-rules.txt"
echo >"$scratch/tree/nic/link.c"
expect_exit 1 "$scratch/tree/scripts/check-includes.sh"
expect_said "nic/link.c:1: no row of scripts/include-rules.txt says"
echo 'nic/*  nothing' >>"$scratch/tree/scripts/include-rules.txt"
expect_exit 2 "$scratch/tree/scripts/check-includes.sh"
expect_said "three columns expected"
