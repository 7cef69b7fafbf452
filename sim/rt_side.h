/* sim/rt_side.h - the simulator's side of rt/rt.h: one structure for each node, whose tables the rooms fill in.
 *
 * sim fills in the node (clock, tasks, memory, records), the store and pages; nic the streams (nic/rt_streams.h); vm the virtual
 * machines (vm/rt_vms.h); san the disks. testbed hands a machine its set.
 *
 *  Q1. Every call charges its processor time by itself (struct rt_costs); it is paid before the task next acts on the world: in each call
 *      that blocks or that others can see. Calls from outside of a task (an administrator's order) cost nothing.
 *  Q2. What a task obtained is gone with the node: memory by the machine's ledger, page references by rt_pages, the rest by its
 *      room's own watcher.
 *  Q3. Nothing here outlives an incarnation but the store. */
#ifndef ORRERY_SIM_RT_SIDE_H
#define ORRERY_SIM_RT_SIDE_H

#include "rt/rt.h"
#include "sim/page.h"
#include "sim/recorder.h"
#include "sim/task.h"

/* Processor time of calls, in nanoseconds; docs/models.md cites sources. */
struct rt_costs {
    sim_time call;           /* each call that enters the kernel                       */
    sim_time stream_per_kib; /* rt_read_*, rt_write of bytes: one copy                  */
    sim_time page;           /* rt_vm_page_get, rt_vm_page_put: map, copy or reference  */
    sim_time page_crc;       /* CRC32C over 4,096 bytes, with the processor's instruction */
    sim_time page_compress;  /* 4,096 bytes, by a fast compressor on one core           */
    sim_time page_expand;    /* ... and back                                            */
    sim_time store_write;    /* until a write to the node's store is durable            */
};
extern const struct rt_costs rt_costs_default;

struct node_store;
struct rt_page_ledger;

struct rt_side {
    struct rt rt; /* first: a struct rt * is a struct rt_side * */
    struct machine *machine;
    struct task_host *tasks;
    struct recorder *recorder;
    struct page_pool *pages;
    uint32_t origin;
    const struct rt_costs *costs;
    struct node_store *store;
    struct rt_page_ledger *page_ledger;
    void *streams; /* of nic/rt_streams.c */
    void *vms;     /* of vm/rt_vms.c */
    void *disks;   /* of san */
    /* Records of node software: kinds of its own, by table, as registered with the recorder. */
    const struct rt_record_kind *record_kinds;
    uint32_t record_kind_count, record_base;
    /* A test's eye on the node's software: called at each call that may block, before it does, with how many there were before it in this
     * incarnation's life and those before. NULL: none. It may arm events and nothing else. */
    void (*probe)(void *context, uint64_t ordinal);
    void *probe_context;
    uint64_t probe_ordinal;
};

struct rt_side_options {
    struct machine *machine; /* borrowed; watched */
    struct task_host *tasks;
    struct recorder *recorder;
    struct page_pool *pages;
    const struct rt_costs *costs;              /* NULL: default */
    const struct rt_record_kind *record_kinds; /* the node software's */
    uint32_t record_kind_count;
    uint32_t record_base; /* rt_side_add_kinds gave it */
};

/* Adds node software's kinds to a recorder, once for all nodes; the converted table lives as long as the process. */
uint32_t rt_side_add_kinds(struct recorder *recorder, const struct rt_record_kind *kinds,
                           uint32_t count);

/* Fills in node, store and page tables; the others fail with RT_NOT_FOUND or RT_UNREACHABLE until their rooms fill them in. */
struct rt_side *rt_side_new(const struct rt_side_options *options);
void rt_side_free(struct rt_side *side);

static inline struct rt_side *rt_side_of(struct rt *rt)
{
    return (struct rt_side *)(void *)rt;
}
/* Charges the running task, if any. */
static inline void rt_side_charge(sim_time cpu_ns)
{
    if (task_running() != NULL) {
        task_charge(cpu_ns);
    }
}
/* Tells the test's eye of a call that may block. */
static inline void rt_side_probe(struct rt_side *side)
{
    if (SIM_UNLIKELY(side->probe != NULL) && task_running() != NULL) {
        side->probe(side->probe_context, side->probe_ordinal++);
    }
}
/* Pays what the running task owes, before it acts on the world or waits; the machine may have been frozen meanwhile. */
static inline void rt_side_pay(struct rt_side *side)
{
    rt_side_probe(side);
    if (task_running() != NULL) {
        task_pay();
    }
}
static inline enum rt_error rt_side_wake(enum task_wake wake)
{
    return wake == TASK_SIGNALLED ? RT_OK : wake == TASK_TIMED_OUT ? RT_TIMED_OUT : RT_CANCELLED;
}

/* ---- pages that node software holds (sim/rt_pages.c) ---- */

/* A page whose reference node software now owns; pages of the simulator and of rt are the same number. */
struct rt_page rt_pages_give(struct rt_side *side, struct page page);
/* The reverse: node software gave its reference back. */
void rt_pages_take_back(struct rt_side *side, struct rt_page page);
static inline struct page rt_pages_of(struct rt_page page)
{
    return (struct page){page.v};
}
extern const struct rt_page_table rt_pages_table;
struct rt_page_ledger *rt_page_ledger_new(struct page_pool *pool);
void rt_page_ledger_free(struct rt_page_ledger *ledger); /* gives all references back */
void rt_page_ledger_reset(struct rt_page_ledger *ledger);
/* References that node software holds to literals. */
uint64_t rt_page_ledger_held(const struct rt_page_ledger *ledger);

/* ---- the node's store (sim/rt_store.c) ---- */
extern const struct rt_store_table rt_store_table;
struct node_store *node_store_new(void);
void node_store_free(struct node_store *store);
/* Fails writes from now on with RT_NO_SPACE (a full disk), or works again. */
void node_store_set_full(struct node_store *store, bool full);

#endif
