/* cluster/migration_internal.h - what the parts of the migration service share. Not for others. */
#ifndef ORRERY_CLUSTER_MIGRATION_INTERNAL_H
#define ORRERY_CLUSTER_MIGRATION_INTERNAL_H

#include "cluster/migration_journal.h"
#include "cluster/migration_packer.h"
#include "cluster/migration_records.h"
#include "cluster/migration_service.h"

/* Patience with an address. The first connection outlives the loss of any one frame: ARP requests and SYNs are repeated after a
 * second. Later ones are tried again and again anyway. */
#define MIGRATION_CONNECT_NS 2500000000
#define MIGRATION_ASK_NS     1000000000

/* Counts of one round. */
struct migration_sent {
    uint64_t pages, zero_pages, bytes;
};

/* An outgoing migration, from the order to its settlement. On the list of its service until it is freed. */
struct migration_source {
    struct migration_service *service;
    struct migration_source *next;
    struct migration_order order;
    uint64_t id;              /* of the present attempt; 0 until the journal gave one */
    struct rt_vm *vm;         /* NULL in a node that rebooted after GIVEN */
    struct rt_stream *stream; /* NULL where not connected */
    rt_time give_up_at;       /* end of the time limit; for ever once the VM is paused */
    uint64_t pages;           /* of the VM */
    uint64_t entries_sent;
    uint64_t *dirty; /* bitmap: what the present round sends */
    struct migration_batch batch;
    struct rt_slices slices;
    /* rounds (cluster/migration_rounds.h) */
    struct migration_progress progress;
    struct migration_sent sent;      /* in this round */
    struct migration_packer *packer; /* NULL where pages go as they are */
    uint64_t *again;                 /* bitmap: written again in this round; NULL: not looked at */
    uint64_t skipped_pages;          /* in this round */
    uint64_t peek_at_pages;          /* when so many have been sent, `again` is old */
    uint64_t left_pages;             /* of this round */
    enum migration_decision early;   /* what ended a round half-way */
    uint64_t rate_bps;               /* 0: as fast as it goes */
    rt_time pace_at;                 /* the next batch may go */
    rt_time paused_at;
    uint32_t share_percent; /* of its time that the guest has; 0 outside of rounds */
    bool counted;           /* takes one of the pair's places, and its VM */
    bool waited;            /* said so */
    bool given;             /* GIVEN is durable, or may be: cancel is too late */
    bool sure;              /* GIVEN is durable: GO may be said */
    bool cancel_asked;
    bool paused; /* by us */
    bool logging;
    char why[160]; /* how it ended, for the record */
};

enum migration_incoming_state {
    MIGRATION_INCOMING_FILLING,
    MIGRATION_INCOMING_PREPARED,
    MIGRATION_INCOMING_TAKING, /* GO is here; disks and OWNED are under way */
    MIGRATION_INCOMING_OWNED,
};

struct migration_incoming {
    struct migration_service *service;
    struct migration_incoming *next;
    struct migration_entry entry; /* the peer is the source */
    enum migration_incoming_state state;
    struct rt_vm *vm;
    uint64_t entries_received;
    uint64_t pages, pages_present; /* of the VM; those that have arrived at least once */
    uint64_t *present;
    struct rt_announcement announcement;
    struct rt_condition changed;
};

struct migration_service {
    struct rt *rt;
    struct migration_settings settings;
    struct migration_source *outgoing;
    struct migration_incoming *incoming;
    bool numbering;         /* a task takes an id from the journal, and waits for its store, ... */
    bool numbering_awaited; /* ... and others wait for it */
    struct rt_condition changed; /* a place between a pair has become free, or the journal */
};

/* Migrations between this node and `peer`, both directions, that take a place. */
uint32_t migration_pair_active(const struct migration_service *service, const char *peer);
/* The body of an outgoing migration's task; frees it at the end. */
RT_BLOCKS void migration_source_run(struct rt *rt, void *source);
/* After GIVEN: asks the target until DONE or DISCARDED (H2). Frees or takes back the VM. False if the task was cancelled. */
RT_BLOCKS bool migration_source_settle(struct rt *rt, struct migration_source *source);
void migration_source_free(struct rt *rt, struct migration_source *source);

/* ---- what its parts share (cluster/live_migration.c) ---- */

/* Why it ended, for the record: two parts, cut where they do not fit. */
void migration_source_why(struct migration_source *m, const char *what, const char *detail);
/* What a failed call came to. A deadline is that of the time limit (migration_source_deadline) once that has passed. */
const char *migration_source_reason(const struct migration_source *m, enum rt_error err);
/* Progress must come within the stall limit, and all of it within the time limit. */
rt_time migration_source_deadline(const struct migration_source *m);
/* What stops a migration between two of its actions. RT_CANCELLED and the reason in words, or RT_OK. */
RT_CHECKED enum rt_error migration_source_wanted(struct migration_source *m);
/* Waits for an answer of one type. REFUSED comes with words, and is IN_USE where a later attempt may do better; anything else is
 * INVALID. */
RT_CHECKED RT_BLOCKS enum rt_error migration_source_await(struct migration_source *m,
                                                          enum migration_message_type type,
                                                          uint64_t *argument);

/* Serves one connection whose first message was CONFIGURE, to its end. */
RT_BLOCKS void migration_target_serve(struct rt *rt, struct migration_service *service,
                                      struct rt_stream *stream,
                                      const struct migration_message *configure);
/* GO for an entry of ours: takes the VM over if it is PREPARED, and answers DONE or DISCARDED on the stream (NULL: on an administrator's
 * word, nobody to answer). Hears FORGET there too, if it comes. */
RT_BLOCKS void migration_target_go(struct rt *rt, struct migration_service *service,
                                   struct rt_stream *stream, uint64_t id);
struct migration_incoming *migration_incoming_find(struct migration_service *service, uint64_t id);
/* Asks the source about an entry that is PREPARED (H3) or OWNED until it is settled. */
RT_BLOCKS void migration_target_ask(struct rt *rt, struct migration_service *service, uint64_t id);

/* The same as the body of a task, for an entry just recovered. */
RT_BLOCKS void migration_target_ask_run(struct rt *rt, void *incoming);

/* Tries the peer's addresses in turn, each for `patience_ns`, and none after `give_up_at`. */
RT_CHECKED RT_BLOCKS enum rt_error migration_connect(struct rt *rt,
                                                     const struct migration_peer *peer,
                                                     rt_time patience_ns, rt_time give_up_at,
                                                     struct rt_stream **out);
/* Sends a message without content. */
RT_CHECKED RT_BLOCKS enum rt_error migration_say(struct rt *rt, struct rt_stream *stream,
                                                 enum migration_message_type type, uint64_t id,
                                                 uint64_t argument, rt_time deadline);
void migration_record_handover(struct rt *rt, uint64_t request, uint64_t id, const char *state);
/* What compression did at one end: "source", "target". */
void migration_record_packed(struct rt *rt, uint64_t request, uint64_t pages, uint64_t before,
                             uint64_t after, rt_time busy_ns, const char *end);

#endif
