/* sim/radix_queue.h - the monotone priority queue under the kernel: least time first, among equal times any order.
 *
 * Private to sim/kernel.c, which makes an order of what comes out at one instant.
 *
 *            level 2 (digits of 1,024 ns)     level 1 (32 ns)      level 0 (1 ns)
 *   far ──► │ slot │ slot │ slot │ ... ──► │ slot │ slot │ ... ──► │ slot │ ... ──► near, sorted ──► out
 *
 * Times are numbers of 5-bit digits. An entry lies at the level of the highest digit in which its time differs from
 * `base`, in the slot of that digit's value; so all entries of a lower level come before all of a higher one, and the
 * first slot of the lowest level holds the least. When that slot is reached, `base` becomes its first instant: if few
 * entries are in it they are sorted into the near array, with those of the slots behind it until there are enough to be
 * worth it; else each moves to a lower level. Pushing is O(1), an entry moves at most 12 times, and a queue of few entries
 * is simply a sorted array. (This is the two-level radix heap of Ahuja, Mehlhorn, Orlin, Tarjan: Faster Algorithms for the
 * Shortest Path Problem, JACM 1990, with more levels, and slots found by bitmap.)
 *
 *  Q1. base never exceeds a time that is in the queue or may still be pushed: it moves to the first instant of a slot only
 *      if that is not after the caller's `until`, and the caller pushes nothing earlier than the least of `until` and the time
 *      that came out last.
 *  Q2. The near array holds exactly the entries with time < near_end, in order of time.
 *  Q3. Each entry in a slot of level l differs from base at digit l, and in no digit above.
 *
 * A slot is a ring of 512-byte chunks of 31 entries, of which only the newest is not full; chunks come from a pool that
 * grows and never shrinks, so the memory is that of the most entries ever held, wherever they lay. Slots are read from the
 * oldest entry, so what is pushed for one instant mostly comes out in the order of pushing, and costs no sorting.
 *
 * What limits a long queue is the memory of the host: the caller's records are fetched ahead, when their entries come near. */
#ifndef ORRERY_SIM_RADIX_QUEUE_H
#define ORRERY_SIM_RADIX_QUEUE_H

#include "sim/assert.h"
#include "sim/types.h"

#define RADIX_DIGIT_BITS    5u
#define RADIX_SLOTS         (1u << RADIX_DIGIT_BITS)
#define RADIX_LEVELS        13u
#define RADIX_CHUNK_BYTES   512u
#define RADIX_CHUNK_ENTRIES (RADIX_CHUNK_BYTES / 16 - 1)
/* Size of the records that indices count. */
#define RADIX_RECORD_BYTES 64u

struct radix_entry {
    sim_time time;
    uint32_t index;      /* the caller's, of a record */
    uint32_t generation; /* the caller's */
};

struct radix_chunk {
    struct radix_chunk
        *next;      /* newer chunk of the slot, of the newest one the oldest; or next free one */
    uint64_t depth; /* chunks from the oldest to this one */
    struct radix_entry entries[RADIX_CHUNK_ENTRIES];
};
_Static_assert(sizeof(struct radix_chunk) == RADIX_CHUNK_BYTES,
               "a chunk is found from its entries by masking");

struct radix_queue {
    uint64_t base;
    sim_time near_end; /* 0 where nothing is near */
    uint32_t near_first;
    uint32_t near_count; /* one past the last */
    uint32_t near_capacity;
    uint32_t near_limit; /* a push that finds this many near sends them back to finer slots first */
    uint32_t levels;     /* bit l: level l has entries */
    size_t count;        /* all entries */
    struct radix_entry *near;
    struct radix_chunk *free_chunks;
    uint32_t occupied[RADIX_LEVELS]; /* bit s: slot s has entries */
    /* Where the next entry of a slot goes; at the end of a chunk, or NULL, when a chunk must be added first. */
    struct radix_entry *cursors[RADIX_LEVELS][RADIX_SLOTS];
    const char *records; /* of the caller, RADIX_RECORD_BYTES each, for fetching ahead */
    void **segments;     /* what the chunks were cut from */
    uint32_t segment_count;
};

void radix_queue_init(struct radix_queue *queue);
void radix_queue_close(struct radix_queue *queue);

/* Slow halves of the inline functions below. */
void radix_queue_push_chunk(struct radix_queue *queue, struct radix_entry entry, uint32_t level,
                            uint32_t slot);
void radix_queue_near_insert(struct radix_queue *queue, struct radix_entry entry);
bool radix_queue_refill(struct radix_queue *queue, sim_time until);

/* Drops all entries that `keep` answers false for, in no particular order. O(count). */
void radix_queue_filter(struct radix_queue *queue,
                        bool (*keep)(void *context, const struct radix_entry *entry),
                        void *context);
/* Calls `visit` for each entry and asserts the invariants. O(count). */
void radix_queue_check(const struct radix_queue *queue,
                       void (*visit)(void *context, const struct radix_entry *entry),
                       void *context);

/* Puts an entry into its slot; its time is not before near_end. */
static inline void radix_queue_push_slot(struct radix_queue *queue, struct radix_entry entry)
{
    uint64_t difference = (uint64_t)entry.time ^ queue->base;
    uint32_t level = (63u - (uint32_t)__builtin_clzll(difference | 1)) / RADIX_DIGIT_BITS;
    uint32_t slot = (uint32_t)((uint64_t)entry.time >> (level * RADIX_DIGIT_BITS)) % RADIX_SLOTS;
    struct radix_entry *cursor = queue->cursors[level][slot];
    if (SIM_UNLIKELY(((uintptr_t)cursor & (RADIX_CHUNK_BYTES - 1)) == 0)) {
        radix_queue_push_chunk(queue, entry, level, slot);
        return;
    }
    *cursor = entry;
    queue->cursors[level][slot] = cursor + 1;
}

/* Adds an entry; its time is not before what Q1 allows. */
static inline void radix_queue_push(struct radix_queue *queue, struct radix_entry entry)
{
    queue->count++;
    if (entry.time < queue->near_end) {
        radix_queue_near_insert(queue, entry);
    } else {
        radix_queue_push_slot(queue, entry);
    }
}

/* Brings the least entry to the front of the near array. False if there is none, or if its slot begins after `until`; true
 * does not yet mean that its time is not. */
static inline bool radix_queue_front(struct radix_queue *queue, sim_time until)
{
    return queue->near_first < queue->near_count || radix_queue_refill(queue, until);
}

/* The least entry; radix_queue_front was true. */
static inline struct radix_entry radix_queue_first(const struct radix_queue *queue)
{
    return queue->near[queue->near_first];
}

/* True if another entry has the time of the first one. */
static inline bool radix_queue_first_tied(const struct radix_queue *queue)
{
    const struct radix_entry *first = &queue->near[queue->near_first];
    return queue->near_first + 1 < queue->near_count && first[1].time == first[0].time;
}

static inline void radix_queue_drop_first(struct radix_queue *queue)
{
    queue->near_first++;
    queue->count--;
}

#endif
