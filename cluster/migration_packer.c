#include "cluster/migration_packer.h"

#include <string.h>

enum slot_state { SLOT_EMPTY, SLOT_PUT, SLOT_PACKING, SLOT_PACKED };

struct slot {
    enum slot_state state;
    struct migration_batch batch;
};

struct migration_packer {
    struct rt *rt;
    uint32_t workers, running; /* tasks; those that have not ended */
    uint32_t slot_count;
    uint32_t oldest, count; /* slots in use, from the oldest on */
    bool stopping;
    struct rt_condition work, done; /* something was put; something was packed, or a worker ended */
    struct migration_packer_totals totals;
    struct slot slots[];
};

static struct slot *slot_at(struct migration_packer *packer, uint32_t nth)
{
    return &packer->slots[(packer->oldest + nth) % packer->slot_count];
}

void migration_packer_check(const struct migration_packer *packer)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < packer->slot_count; i++) {
        used += packer->slots[i].state != SLOT_EMPTY;
        RT_ASSERT(packer->rt, packer->slots[i].batch.page_count <= MIGRATION_BATCH_PAGES);
    }
    RT_ASSERT(packer->rt, used == packer->count);
    RT_ASSERT(packer->rt, packer->oldest < packer->slot_count);
    RT_ASSERT(packer->rt, packer->running <= packer->workers);
    RT_ASSERT(packer->rt, packer->totals.after_bytes <= packer->totals.before_bytes);
}

/* The oldest batch that nobody works on, or NULL. */
static struct slot *next_put(struct migration_packer *packer)
{
    for (uint32_t i = 0; i < packer->count; i++) {
        if (slot_at(packer, i)->state == SLOT_PUT) {
            return slot_at(packer, i);
        }
    }
    return NULL;
}

static void count_batch(struct migration_packer *packer, const struct migration_batch *batch)
{
    for (uint32_t i = 0; i < batch->page_count; i++) {
        packer->totals.after_bytes +=
            batch->packed[i].length > 0 ? batch->packed[i].length : RT_PAGE_BYTES;
    }
    packer->totals.pages += batch->page_count;
    packer->totals.before_bytes += (uint64_t)batch->page_count * RT_PAGE_BYTES;
}

RT_BLOCKS static void work(struct rt *rt, void *context)
{
    struct migration_packer *packer = context;
    while (!packer->stopping) {
        struct slot *slot = next_put(packer);
        if (slot == NULL) {
            if (rt_wait(rt, &packer->work, RT_FOREVER) != RT_OK) {
                break;
            }
            continue;
        }
        slot->state = SLOT_PACKING;
        rt_time busy = rt_busy(rt);
        migration_pack(rt, &slot->batch);
        packer->totals.busy_ns += rt_busy(rt) - busy;
        enum rt_error err = rt_sleep_until(rt, rt_now(rt)); /* the time that it took passes (P2) */
        count_batch(packer, &slot->batch);
        slot->state = SLOT_PACKED;
        rt_signal_all(rt, &packer->done);
        if (err != RT_OK) {
            break;
        }
    }
    packer->running--;
    rt_signal_all(rt, &packer->done);
}

struct migration_packer *migration_packer_start(struct rt *rt, uint32_t workers)
{
    uint32_t slots = workers * 2;
    RT_ASSERT(rt, workers > 0 && workers <= MIGRATION_WORKERS_MAX);
    struct migration_packer *packer =
        rt_alloc(rt, sizeof *packer + slots * sizeof packer->slots[0]);
    if (packer == NULL) {
        return NULL;
    }
    packer->rt = rt;
    packer->slot_count = slots;
    for (uint32_t i = 0; i < workers; i++) {
        struct rt_task *task = NULL;
        if (rt_spawn(rt, "migration-packer", work, packer, &task) == RT_OK) {
            packer->workers++;
            packer->running++;
            rt_detach(rt, task);
        }
    }
    if (packer->workers == 0) {
        rt_free(rt, packer);
        return NULL;
    }
    return packer;
}

uint32_t migration_packer_count(const struct migration_packer *packer)
{
    return packer->count;
}

bool migration_packer_full(const struct migration_packer *packer)
{
    return packer->count == packer->slot_count;
}

void migration_packer_put(struct migration_packer *packer, struct migration_batch *batch)
{
    RT_ASSERT(packer->rt, !migration_packer_full(packer));
    RT_ASSERT(packer->rt, batch->count > 0);
    struct slot *slot = slot_at(packer, packer->count);
    RT_ASSERT(packer->rt, slot->state == SLOT_EMPTY);
    slot->batch = *batch;
    slot->state = SLOT_PUT;
    packer->count++;
    batch->count = 0;
    batch->page_count = 0;
    rt_signal(packer->rt, &packer->work);
}

enum rt_error migration_packer_take(struct migration_packer *packer, struct migration_batch *out)
{
    RT_ASSERT(packer->rt, packer->count > 0);
    struct slot *slot = slot_at(packer, 0);
    while (slot->state != SLOT_PACKED) {
        enum rt_error err = rt_wait(packer->rt, &packer->done, RT_FOREVER);
        if (err != RT_OK) {
            return err;
        }
    }
    *out = slot->batch;
    slot->state = SLOT_EMPTY;
    slot->batch.count = 0;
    slot->batch.page_count = 0;
    memset(slot->batch.packed, 0, sizeof slot->batch.packed);
    packer->oldest = (packer->oldest + 1) % packer->slot_count;
    packer->count--;
    migration_packer_check(packer);
    return RT_OK;
}

void migration_packer_totals(const struct migration_packer *packer,
                             struct migration_packer_totals *out)
{
    *out = packer->totals;
}

void migration_packer_stop(struct migration_packer *packer)
{
    struct rt *rt = packer->rt;
    packer->stopping = true;
    rt_signal_all(rt, &packer->work);
    while (packer->running > 0 && rt_wait(rt, &packer->done, RT_FOREVER) == RT_OK) {
    }
    RT_ASSERT(rt, packer->running == 0); /* nobody cancels a migration's task */
    for (uint32_t i = 0; i < packer->slot_count; i++) {
        migration_release_batch(rt, &packer->slots[i].batch);
    }
    rt_free(rt, packer);
}
