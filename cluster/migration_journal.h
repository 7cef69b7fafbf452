/* cluster/migration_journal.h - what must survive a reboot of a node in the middle of a hand-over: one entry of rt_store for each.
 *
 * Key "migration/" and the id in 16 hexadecimal digits. The target writes PREPARED, then OWNED; the source writes GIVEN. */
#ifndef ORRERY_CLUSTER_MIGRATION_JOURNAL_H
#define ORRERY_CLUSTER_MIGRATION_JOURNAL_H

#include "cluster/migration_wire.h"

enum migration_stage {
    MIGRATION_STAGE_NONE,
    MIGRATION_STAGE_PREPARED,
    MIGRATION_STAGE_OWNED,
    MIGRATION_STAGE_GIVEN
};

struct migration_entry {
    uint64_t id;
    uint64_t request;
    enum migration_stage stage;
    char vm[MIGRATION_NAME_MAX];
    struct migration_peer peer; /* the other node */
};

/* A new id, never given out before by this node: counts durably. One call at a time (it blocks between reading and writing). Errors of
 * rt_store_put. */
RT_CHECKED RT_BLOCKS enum rt_error migration_journal_new_id(struct rt *rt, uint64_t *id);
/* Durable when it returns RT_OK. Errors of rt_store_put. */
RT_CHECKED RT_BLOCKS enum rt_error migration_journal_put(struct rt *rt,
                                                         const struct migration_entry *entry);
RT_CHECKED RT_BLOCKS enum rt_error migration_journal_remove(struct rt *rt, uint64_t id);
/* NOT_FOUND; INVALID for an entry that cannot be read. */
RT_CHECKED enum rt_error migration_journal_get(struct rt *rt, uint64_t id,
                                               struct migration_entry *entry);
/* The readable entry with the least id above `after`. NOT_FOUND past the last. */
RT_CHECKED enum rt_error migration_journal_next(struct rt *rt, uint64_t after,
                                                struct migration_entry *entry);

#endif
