/* sim/kernel.c - one clock, one order.
 *
 * An event's record says what it is and when it is to run; the queue holds entries, which are hints of where to look:
 *
 *   record {time, sequence, generation, entry_time ...}  ◄── index, generation ──  queue entry {time}
 *
 *  E1. A record has at most one entry that matters, that of its generation, at entry_time (SIM_NEVER: none).
 *      An entry of another generation is stale.
 *  E2. A record queued for a later instant than now has such an entry with entry_time <= time. When the entry surfaces, it
 *      is the event's turn (equal), or it moves on to `time` (less), or goes away (the event is idle).
 *  E3. A record queued for now stands in the present or in the next wave, with its sequence in the wave's key. The key is
 *      void once the record has another sequence or is idle (K5). */
#include "sim/kernel.h"

#include "sim/assert.h"
#include "sim/event_wave.h"
#include "sim/origin_table.h"
#include "sim/radix_queue.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SIM_RECORDS_MIN       256u
#define SIM_HUGE_PAGE_BYTES   (UINT64_C(2) << 20)
#define SIM_COMPACT_SLACK     64u /* useless entries that are not worth a walk through the queue */
#define SIM_FETCH_AHEAD       12u /* in a long wave, the records of so many events ahead are fetched */
#define SIM_CHECK_EVENTS_MASK 1023u

enum sim_record_state { SIM_RECORD_FREE, SIM_RECORD_PERMANENT, SIM_RECORD_CALL };

struct sim_record {
    sim_callback *callback;
    void *context;
    sim_time time; /* SIM_NEVER: idle */
    sim_time entry_time;
    uint64_t sequence; /* of the last arming */
    uint32_t origin;
    uint32_t generation;
    uint32_t state;
    uint32_t next_free;
    uint64_t unused;
};
_Static_assert(sizeof(struct sim_record) == RADIX_RECORD_BYTES, "a record is one cache line");

struct sim {
    struct sim_clock clock; /* first: kernel.h reads it there */
    uint64_t sequence;
    struct sim_record *records;
    uint32_t record_capacity;
    uint32_t record_count; /* records ever used */
    uint32_t free_record;
    uint32_t running_origin;
    uint64_t events_run;
    size_t queued;
    struct radix_queue queue;
    struct event_wave present; /* the wave that is running, where it is more than one event */
    struct event_wave next;    /* armed for now: the next wave */
    uint32_t wave;             /* number of the wave at this instant */
    bool wave_ran;             /* some wave has run at this instant */
    bool running;
    bool sealed;
    bool ties_shuffle;
    volatile sig_atomic_t stop;
    uint64_t seed;
    struct origin_table origins;
};

/* ---- life ---------------------------------------------------------------------------------------------------------- */

struct sim *sim_new(const struct sim_options *options)
{
    SIM_ASSERT(options != NULL);
    struct sim *sim = calloc(1, sizeof(*sim));
    SIM_ASSERT(sim != NULL);
    sim->seed = options->seed;
    sim->ties_shuffle = options->ties_shuffle;
    sim->free_record = SIM_NONE;
    sim->running_origin = SIM_NONE;
    radix_queue_init(&sim->queue);
    return sim;
}

void sim_close(struct sim *sim)
{
    SIM_ASSERT(!sim->running);
    radix_queue_close(&sim->queue);
    event_wave_close(&sim->present);
    event_wave_close(&sim->next);
    origin_table_close(&sim->origins);
    free(sim->records);
    free(sim);
}

/* ---- origins ------------------------------------------------------------------------------------------------------- */

uint32_t sim_origin_add(struct sim *sim, const char *path)
{
    SIM_ASSERT(!sim->sealed);
    return origin_table_add(&sim->origins, path);
}

void sim_origins_seal(struct sim *sim)
{
    SIM_ASSERT(!sim->sealed);
    origin_table_seal(&sim->origins, sim->seed, sim->ties_shuffle);
    sim->sealed = true;
}

uint32_t sim_origin_count(const struct sim *sim)
{
    return sim->origins.count;
}

const char *sim_origin_path(const struct sim *sim, uint32_t origin)
{
    SIM_ASSERT(origin < sim->origins.count);
    return sim->origins.paths[origin];
}

uint32_t sim_origin_find(const struct sim *sim, const char *path)
{
    SIM_ASSERT(sim->sealed);
    return origin_table_find(&sim->origins, path);
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

/* Doubles the pool. Indices stay, addresses move: nobody holds the address of a record across a call that may get here. */
static void sim_records_grow(struct sim *sim)
{
    SIM_ASSERT(sim->record_capacity < SIM_NONE / 2);
    uint32_t capacity = sim->record_capacity == 0 ? SIM_RECORDS_MIN : sim->record_capacity * 2;
    size_t bytes = (size_t)capacity * sizeof(struct sim_record);
    bool huge = bytes >= SIM_HUGE_PAGE_BYTES;
    struct sim_record *records =
        aligned_alloc(huge ? SIM_HUGE_PAGE_BYTES : sizeof(struct sim_record), bytes);
    SIM_ASSERT(records != NULL);
#ifdef MADV_HUGEPAGE
    if (huge) {
        (void)madvise(records, bytes, MADV_HUGEPAGE); /* Only speed depends on it. */
    }
#endif
    if (sim->record_count > 0) {
        memcpy(records, sim->records, sim->record_count * sizeof(*records));
    }
    free(sim->records);
    sim->records = records;
    sim->queue.records = (const char *)records;
    sim->record_capacity = capacity;
}

static uint32_t sim_record_take(struct sim *sim, uint32_t origin, sim_callback *callback,
                                void *context, enum sim_record_state state)
{
    SIM_ASSERT(origin < sim->origins.count);
    SIM_ASSERT(callback != NULL);
    uint32_t index = sim->free_record;
    uint32_t generation = 0;
    if (SIM_LIKELY(index != SIM_NONE)) {
        SIM_ASSERT(sim->records[index].state == SIM_RECORD_FREE);
        sim->free_record = sim->records[index].next_free;
        generation = sim->records[index].generation;
    } else {
        if (sim->record_count == sim->record_capacity) {
            sim_records_grow(sim);
        }
        index = sim->record_count++;
    }
    sim->records[index] = (struct sim_record){
        .callback = callback,
        .context = context,
        .time = SIM_NEVER,
        .entry_time = SIM_NEVER,
        .origin = origin,
        .generation = generation,
        .state = state,
        .next_free = SIM_NONE,
    };
    return index;
}

/* The record is idle. Its entry, if it has one, becomes stale. */
static inline void sim_record_put(struct sim *sim, uint32_t index)
{
    struct sim_record *record = &sim->records[index];
    record->generation += record->entry_time != SIM_NEVER;
    record->entry_time = SIM_NEVER;
    record->state = SIM_RECORD_FREE;
    record->next_free = sim->free_record;
    sim->free_record = index;
}

static inline struct sim_record *sim_record_get(const struct sim *sim, uint32_t event)
{
    SIM_ASSERT(event < sim->record_count);
    struct sim_record *record = &sim->records[event];
    SIM_ASSERT(record->state != SIM_RECORD_FREE);
    return record;
}

uint32_t sim_event_new(struct sim *sim, uint32_t origin, sim_callback *callback, void *context)
{
    return sim_record_take(sim, origin, callback, context, SIM_RECORD_PERMANENT);
}

void sim_event_free(struct sim *sim, uint32_t event)
{
    const struct sim_record *record = sim_record_get(sim, event);
    bool permanent = record->state == SIM_RECORD_PERMANENT;
    sim_event_cancel(sim, event);
    if (permanent) {
        sim_record_put(sim, event);
    }
}

static bool sim_entry_needed(void *context, const struct radix_entry *entry)
{
    struct sim *sim = context;
    struct sim_record *record = &sim->records[entry->index];
    if (record->generation != entry->generation) {
        return false;
    }
    if (record->time >= entry->time && record->time != SIM_NEVER) {
        return true;
    }
    record->entry_time = SIM_NEVER;
    return false;
}

/* Drops the entries that nobody waits for, once they outnumber the others. */
static inline void sim_queue_compact(struct sim *sim)
{
    if (SIM_UNLIKELY(sim->queue.count > 2 * sim->queued + SIM_COMPACT_SLACK)) {
        radix_queue_filter(&sim->queue, sim_entry_needed, sim);
        SIM_ASSERT(sim->queue.count <= sim->queued);
    }
}

void sim_event_arm(struct sim *sim, uint32_t event, sim_time at)
{
    SIM_ASSERT(sim->sealed);
    SIM_ASSERT(at >= sim->clock.now);
    SIM_ASSERT(at != SIM_NEVER);
    struct sim_record *record = sim_record_get(sim, event);
    sim->queued += record->time == SIM_NEVER;
    record->time = at;
    record->sequence = sim->sequence++;
    if (at == sim->clock.now) {
        event_wave_add(&sim->next, (struct event_key){.rank = sim->origins.ranks[record->origin],
                                                      .index = event,
                                                      .sequence = record->sequence});
        return;
    }
    if (at >= record->entry_time) {
        return;
    }
    if (record->entry_time != SIM_NEVER) {
        record->generation++;
        sim_queue_compact(sim);
    }
    record->entry_time = at;
    struct radix_entry entry = {.time = at, .index = event, .generation = record->generation};
    radix_queue_push(&sim->queue, entry);
}

void sim_event_cancel(struct sim *sim, uint32_t event)
{
    struct sim_record *record = sim_record_get(sim, event);
    if (record->time == SIM_NEVER) {
        return;
    }
    record->time = SIM_NEVER;
    SIM_ASSERT(sim->queued > 0);
    sim->queued--;
    /* A call that will not run is over: nobody else would give its record back. */
    if (record->state == SIM_RECORD_CALL) {
        sim_record_put(sim, event);
    }
    sim_queue_compact(sim);
}

bool sim_event_queued(const struct sim *sim, uint32_t event)
{
    return sim_record_get(sim, event)->time != SIM_NEVER;
}

sim_time sim_event_time(const struct sim *sim, uint32_t event)
{
    return sim_record_get(sim, event)->time;
}

uint32_t sim_call_at(struct sim *sim, uint32_t origin, sim_time at, sim_callback *callback,
                     void *context)
{
    uint32_t event = sim_record_take(sim, origin, callback, context, SIM_RECORD_CALL);
    sim_event_arm(sim, event, at);
    return event;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

/* The first entry of the queue is not its event's turn: it is stale, or the event was cancelled or put off. */
static void sim_entry_pass(struct sim *sim)
{
    struct radix_entry entry = radix_queue_first(&sim->queue);
    struct sim_record *record = &sim->records[entry.index];
    radix_queue_drop_first(&sim->queue);
    if (record->generation != entry.generation) {
        return;
    }
    SIM_ASSERT(record->entry_time == entry.time);
    SIM_ASSERT(record->time > entry.time);
    record->entry_time = record->time;
    if (record->time != SIM_NEVER) {
        entry.time = record->time;
        radix_queue_push(&sim->queue, entry);
    }
}

/* Brings the next event's entry to the front of the queue. False if there is none up to `until`. */
static inline bool sim_next_find(struct sim *sim, sim_time until)
{
    struct radix_queue *queue = &sim->queue;
    for (;;) {
        if (!radix_queue_front(queue, until)) {
            return false;
        }
        struct radix_entry entry = radix_queue_first(queue);
        if (entry.time > until) {
            return false;
        }
        const struct sim_record *record = &sim->records[entry.index];
        if (SIM_LIKELY(record->generation == entry.generation && record->time == entry.time)) {
            return true;
        }
        sim_entry_pass(sim);
    }
}

static inline void sim_event_fire(struct sim *sim, uint32_t event)
{
    struct sim_record *record = &sim->records[event];
    sim_callback *callback = record->callback;
    void *context = record->context;
    SIM_ASSERT(record->time == sim->clock.now);
    record->time = SIM_NEVER;
    sim->queued--;
    sim->events_run++;
    sim->running_origin = record->origin;
    if (record->state == SIM_RECORD_CALL) {
        sim_record_put(sim, event);
    }
    callback(context);
}

/* An event cancelled, freed or armed anew since it took its place in a wave has nothing to do with it any more (E3). */
static inline bool sim_key_valid(const struct sim *sim, struct event_key key)
{
    const struct sim_record *record = &sim->records[key.index];
    return record->sequence == key.sequence && record->time == sim->clock.now;
}

static void sim_wave_run(struct sim *sim)
{
    event_wave_sort(&sim->present);
    for (uint32_t i = 0; i < sim->present.count; i++) {
        struct event_key key = sim->present.keys[i];
        if (i + SIM_FETCH_AHEAD < sim->present.count) {
            __builtin_prefetch(&sim->records[sim->present.keys[i + SIM_FETCH_AHEAD].index], 1);
        }
        if (sim_key_valid(sim, key)) {
            sim_event_fire(sim, key.index);
        }
    }
    sim->present.count = 0;
}

/* Runs the next wave of the present instant. One whose events were all cancelled is none. */
static void sim_wave_next(struct sim *sim)
{
    SIM_ASSERT(sim->present.count == 0);
    uint32_t void_count = 0;
    while (void_count < sim->next.count && !sim_key_valid(sim, sim->next.keys[void_count])) {
        void_count++;
    }
    if (void_count == sim->next.count) {
        sim->next.count = 0;
        return;
    }
    sim->wave = sim->wave_ran ? sim->wave + 1 : 0;
    sim->wave_ran = true;
    SIM_ASSERT(sim->wave < SIM_WAVES_MAX &&
               "livelock: the origin below arms events for the present instant, for ever");
    struct event_wave next = sim->next;
    sim->next = sim->present;
    sim->present = next;
    sim_wave_run(sim);
}

/* Runs wave 0 of the instant whose first event is at the front of the queue. */
static inline void sim_instant_run(struct sim *sim)
{
    struct radix_entry entry = radix_queue_first(&sim->queue);
    SIM_ASSERT(entry.time > sim->clock.now);
    sim->clock.now = entry.time;
    sim->wave = 0;
    sim->wave_ran = true;
    if (SIM_LIKELY(!radix_queue_first_tied(&sim->queue))) {
        radix_queue_drop_first(&sim->queue);
        sim->records[entry.index].entry_time = SIM_NEVER;
        sim_event_fire(sim, entry.index);
        return;
    }
    do {
        entry = radix_queue_first(&sim->queue);
        if (sim->queue.near_first + SIM_FETCH_AHEAD < sim->queue.near_count) {
            uint32_t ahead = sim->queue.near[sim->queue.near_first + SIM_FETCH_AHEAD].index;
            __builtin_prefetch(&sim->records[ahead], 1);
        }
        radix_queue_drop_first(&sim->queue);
        struct sim_record *record = &sim->records[entry.index];
        record->entry_time = SIM_NEVER;
        event_wave_add(&sim->present, (struct event_key){.rank = sim->origins.ranks[record->origin],
                                                         .index = entry.index,
                                                         .sequence = record->sequence});
    } while (sim_next_find(sim, sim->clock.now));
    sim_wave_run(sim);
}

static void sim_describe(void *context, char *out, size_t capacity)
{
    const struct sim *sim = context;
    uint64_t now = (uint64_t)sim->clock.now;
    const char *origin = sim->running_origin < sim->origins.count
                             ? sim->origins.paths[sim->running_origin]
                             : "(none)";
    snprintf(out, capacity,
             "at %" PRIu64 ".%09" PRIu64 " s (wave %" PRIu32 "), event %" PRIu64
             ", origin %s, seed %" PRIu64,
             now / (uint64_t)SIM_S, now % (uint64_t)SIM_S, sim->wave, sim->events_run, origin,
             sim->seed);
}

/* Debug builds look at the whole queue, after every wave while it is short. */
static inline void sim_check_debug(const struct sim *sim)
{
#ifdef ORRERY_DEBUG
    if (sim->record_count <= SIM_RECORDS_MIN || (sim->events_run & SIM_CHECK_EVENTS_MASK) == 0) {
        sim_check(sim);
    }
#else
    (void)sim;
#endif
}

static enum sim_stop sim_run_loop(struct sim *sim, sim_time until)
{
    for (;;) {
        if (SIM_UNLIKELY(sim->stop)) {
            sim->stop = 0;
            return SIM_STOP_ASKED;
        }
        sim_check_debug(sim);
        if (sim->next.count > 0) {
            sim_wave_next(sim);
        } else if (sim->queued == 0) {
            return SIM_STOP_IDLE;
        } else if (sim_next_find(sim, until)) {
            sim_instant_run(sim);
        } else {
            /* Nothing of `until` itself has run if it is a later instant than that of the last event. */
            sim->wave_ran = sim->wave_ran && sim->clock.now == until;
            sim->clock.now = until;
            return SIM_STOP_UNTIL;
        }
    }
}

enum sim_stop sim_run(struct sim *sim, sim_time until)
{
    SIM_ASSERT(!sim->running);
    SIM_ASSERT(sim->sealed);
    SIM_ASSERT(until >= sim->clock.now);
    sim->running = true;
    sim_assert_describer(sim_describe, sim);
    enum sim_stop why = sim_run_loop(sim, until);
    sim_assert_describer(NULL, NULL);
    sim->running_origin = SIM_NONE;
    sim->running = false;
    return why;
}

void sim_stop(struct sim *sim)
{
    SIM_ASSERT(sim->running);
    sim->stop = 1;
}

void sim_interrupt(struct sim *sim)
{
    sim->stop = 1;
}

/* ---- looking ------------------------------------------------------------------------------------------------------- */

uint64_t sim_seed(const struct sim *sim)
{
    return sim->seed;
}

uint64_t sim_events_run(const struct sim *sim)
{
    return sim->events_run;
}

uint32_t sim_wave(const struct sim *sim)
{
    return sim->wave;
}

uint32_t sim_running_origin(const struct sim *sim)
{
    return sim->running_origin;
}

size_t sim_events_queued(const struct sim *sim)
{
    return sim->queued;
}

static void sim_check_entry(void *context, const struct radix_entry *entry)
{
    const struct sim *sim = context;
    SIM_ASSERT(entry->index < sim->record_count);
    const struct sim_record *record = &sim->records[entry->index];
    SIM_ASSERT(entry->time > sim->clock.now);
    if (record->generation == entry->generation) {
        SIM_ASSERT(record->state != SIM_RECORD_FREE);
        SIM_ASSERT(record->entry_time == entry->time);
    }
}

void sim_check(const struct sim *sim)
{
    radix_queue_check(&sim->queue, sim_check_entry, (void *)(uintptr_t)sim);
    SIM_ASSERT(sim->queue.base <= (uint64_t)sim->clock.now); /* Q1 */
    size_t queued = 0;
    size_t queued_now = 0;
    uint32_t free_count = 0;
    for (uint32_t i = 0; i < sim->record_count; i++) {
        const struct sim_record *record = &sim->records[i];
        if (record->state == SIM_RECORD_FREE) {
            SIM_ASSERT(record->time == SIM_NEVER);
            SIM_ASSERT(record->entry_time == SIM_NEVER);
            free_count++;
            continue;
        }
        SIM_ASSERT(record->time >= sim->clock.now);
        SIM_ASSERT(record->sequence <= sim->sequence);
        if (record->time == SIM_NEVER) {
            continue;
        }
        queued++;
        queued_now += record->time == sim->clock.now;
        SIM_ASSERT(record->time == sim->clock.now || record->entry_time <= record->time);
    }
    SIM_ASSERT(queued == sim->queued);
    size_t standing = 0;
    for (uint32_t i = 0; i < sim->next.count; i++) {
        standing += sim_key_valid(sim, sim->next.keys[i]);
    }
    /* Between waves; inside of one, the rest of the present wave is queued for now as well. */
    SIM_ASSERT(standing == queued_now || sim->present.count > 0);
    for (uint32_t i = sim->free_record; i != SIM_NONE; i = sim->records[i].next_free) {
        SIM_ASSERT(free_count > 0);
        free_count--;
    }
    SIM_ASSERT(free_count == 0);
}
