/* cluster/migration_records.h - what a live migration says of itself. All records of one carry the orderer's request number. */
#ifndef ORRERY_CLUSTER_MIGRATION_RECORDS_H
#define ORRERY_CLUSTER_MIGRATION_RECORDS_H

#include "rt/rt.h"

enum migration_record {
    MIGRATION_ORDERED, /* {request}; text: VM */
    MIGRATION_WAITS,   /* {request, active}; text: peer: the pair has as many as it may */
    MIGRATION_STEP, /* {request, number}; text: connect, configure, reserve, pre-copy, stop-copy, disks, resume */
    MIGRATION_ROUND, /* {request, round, pages, zero_pages, bytes, took, dirtied, pause_if_stopped} */
    MIGRATION_RULE, /* {request, rounds}; text: why pre-copy stopped */
    MIGRATION_HANDOVER, /* {request, id}; text: prepared, given, owned, discarded, taken back, freed, forgotten, forced */
    MIGRATION_ENDED, /* {request, completed, id}; text: how it ended, in words; from the source */
    MIGRATION_PACE, /* {request, round, rate, skipped}: of a round whose policy has a say in that */
    MIGRATION_THROTTLED, /* {request, round, left}: from this round on the guest has so many percent */
    MIGRATION_PACKED_PAGES, /* {request, pages, before, after, busy}; text: source, target */
    MIGRATION_RECORDS
};
extern const struct rt_record_kind migration_record_kinds[MIGRATION_RECORDS];

#endif
