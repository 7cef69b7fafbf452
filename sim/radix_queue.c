/* sim/radix_queue.c - the monotone priority queue under the kernel. */
#include "sim/radix_queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RADIX_NEAR_CAPACITY_MIN 256u
/* Slots of at most this many chunks are sorted, longer ones moved to lower levels. */
#define RADIX_SORT_CHUNKS 4u
/* Up to this many entries, insertion alone is the faster way to sort. */
#define RADIX_FEW      8
#define RADIX_BIN_BITS 6u
#define RADIX_BINS     (1u << RADIX_BIN_BITS)
/* As many pushes as this may go into the near array before it goes back to slots. */
#define RADIX_NEAR_INSERTS 48u
/* The near array is filled from here, so that what comes soon can be put before it. */
#define RADIX_NEAR_HEADROOM 48u
/* Filling the near array goes on with further slots until it has as many as this. */
#define RADIX_NEAR_ENOUGH 12u
/* Records are fetched ahead when a chain of at most this many chunks comes nearer: what they take, 124 KiB, fits a second-level cache. */
#define RADIX_FETCH_CHUNKS      64u
#define RADIX_LINE_BYTES        64u
#define RADIX_SEGMENT_BYTES_MIN (32u * 1024)
#define RADIX_SEGMENT_DOUBLINGS 6u /* to 2 MiB, the size of a huge page */

_Static_assert(RADIX_SORT_CHUNKS *RADIX_CHUNK_ENTRIES < 256, "counts of a bin fit a byte");
_Static_assert(RADIX_NEAR_HEADROOM + RADIX_NEAR_ENOUGH + RADIX_SORT_CHUNKS * RADIX_CHUNK_ENTRIES +
                       RADIX_NEAR_INSERTS <=
                   RADIX_NEAR_CAPACITY_MIN,
               "whatever is taken fits, and what is then inserted");

static struct radix_chunk *radix_chunk_of(const struct radix_entry *entry)
{
    return (struct radix_chunk *)((uintptr_t)entry & ~(uintptr_t)(RADIX_CHUNK_BYTES - 1));
}

void radix_queue_init(struct radix_queue *queue)
{
    *queue = (struct radix_queue){.near_capacity = RADIX_NEAR_CAPACITY_MIN};
    queue->near = malloc(queue->near_capacity * sizeof(*queue->near));
    SIM_ASSERT(queue->near != NULL);
}

void radix_queue_close(struct radix_queue *queue)
{
    for (uint32_t i = 0; i < queue->segment_count; i++) {
        free(queue->segments[i]);
    }
    free(queue->segments);
    free(queue->near);
    *queue = (struct radix_queue){0};
}

/* Cuts a new segment into free chunks. */
static void radix_queue_grow(struct radix_queue *queue)
{
    uint32_t doublings = queue->segment_count < RADIX_SEGMENT_DOUBLINGS ? queue->segment_count
                                                                        : RADIX_SEGMENT_DOUBLINGS;
    size_t bytes = (size_t)RADIX_SEGMENT_BYTES_MIN << doublings;
    queue->segments =
        realloc(queue->segments, (queue->segment_count + 1) * sizeof(*queue->segments));
    SIM_ASSERT(queue->segments != NULL);
    struct radix_chunk *chunks =
        aligned_alloc(doublings == RADIX_SEGMENT_DOUBLINGS ? bytes : RADIX_CHUNK_BYTES, bytes);
    SIM_ASSERT(chunks != NULL);
#ifdef MADV_HUGEPAGE
    if (doublings == RADIX_SEGMENT_DOUBLINGS) {
        (void)madvise(chunks, bytes, MADV_HUGEPAGE); /* Only speed depends on it. */
    }
#endif
    queue->segments[queue->segment_count++] = chunks;
    for (size_t i = bytes / RADIX_CHUNK_BYTES; i-- > 0;) {
        chunks[i].next = queue->free_chunks;
        queue->free_chunks = &chunks[i];
    }
}

/* Adds a chunk to a slot that has none or whose newest is full, and the entry to the chunk. */
void radix_queue_push_chunk(struct radix_queue *queue, struct radix_entry entry, uint32_t level,
                            uint32_t slot)
{
    if (SIM_UNLIKELY(queue->free_chunks == NULL)) {
        radix_queue_grow(queue);
    }
    struct radix_entry *cursor = queue->cursors[level][slot];
    struct radix_chunk *chunk = queue->free_chunks;
    queue->free_chunks = chunk->next;
    chunk->next = chunk;
    chunk->depth = 1;
    if (cursor != NULL) {
        struct radix_chunk *newest = radix_chunk_of(cursor - 1);
        chunk->next = newest->next;
        chunk->depth = newest->depth + 1;
        newest->next = chunk;
    }
    chunk->entries[0] = entry;
    queue->cursors[level][slot] = &chunk->entries[1];
    queue->occupied[level] |= UINT32_C(1) << slot;
    queue->levels |= UINT32_C(1) << level;
}

static void radix_queue_chunk_free(struct radix_queue *queue, struct radix_chunk *chunk)
{
    chunk->next = queue->free_chunks;
    queue->free_chunks = chunk;
}

/* The oldest chunk of a slot whose entries end at `end`. */
static inline struct radix_chunk *radix_slot_oldest(const struct radix_entry *end)
{
    return radix_chunk_of(end - 1)->next;
}

/* The entries of one chunk of such a slot end here. */
static inline struct radix_entry *radix_slot_chunk_end(struct radix_entry *end,
                                                       struct radix_chunk *chunk)
{
    return chunk == radix_chunk_of(end - 1) ? end : chunk->entries + RADIX_CHUNK_ENTRIES;
}

static inline uint64_t radix_slot_depth(const struct radix_entry *end)
{
    return radix_chunk_of(end - 1)->depth;
}

/* Takes all entries out of a slot: the caller reads the chunks, from the oldest to the one that ends at the result, and
 * frees them. */
static struct radix_entry *radix_queue_detach(struct radix_queue *queue, uint32_t level,
                                              uint32_t slot)
{
    struct radix_entry *end = queue->cursors[level][slot];
    SIM_ASSERT(end != NULL);
    queue->cursors[level][slot] = NULL;
    queue->occupied[level] &= ~(UINT32_C(1) << slot);
    if (queue->occupied[level] == 0) {
        queue->levels &= ~(UINT32_C(1) << level);
    }
    return end;
}

/* Sends what is near back to slots; the next refill finds a finer range. */
static void radix_queue_near_spill(struct radix_queue *queue)
{
    queue->near_end = 0;
    for (uint32_t i = queue->near_first; i < queue->near_count; i++) {
        radix_queue_push_slot(queue, queue->near[i]);
    }
    queue->near_first = queue->near_count = RADIX_NEAR_HEADROOM;
}

/* Puts an entry behind all those that are not later, moving up those that are. */
static inline void radix_queue_near_append(struct radix_queue *queue, struct radix_entry entry)
{
    struct radix_entry *near = queue->near;
    uint32_t first = queue->near_first;
    uint32_t place = queue->near_count++;
    while (place > first && near[place - 1].time > entry.time) {
        near[place] = near[place - 1];
        place--;
    }
    near[place] = entry;
}

void radix_queue_near_insert(struct radix_queue *queue, struct radix_entry entry)
{
    uint32_t live = queue->near_count - queue->near_first;
    if (SIM_UNLIKELY(live >= queue->near_limit)) {
        radix_queue_near_spill(queue);
        radix_queue_push_slot(queue, entry);
        return;
    }
    struct radix_entry *near = queue->near;
    uint32_t place = queue->near_first;
    if (live > 0 && place > 0 && entry.time < near[place + live / 2].time) {
        /* It belongs into the first half: rather move those before it down. */
        queue->near_first = --place;
        while (near[place + 1].time <= entry.time) {
            near[place] = near[place + 1];
            place++;
        }
        near[place] = entry;
        return;
    }
    if (SIM_UNLIKELY(queue->near_count == queue->near_capacity)) {
        memmove(near + RADIX_NEAR_HEADROOM, near + place, live * sizeof(*near));
        queue->near_first = RADIX_NEAR_HEADROOM;
        queue->near_count = RADIX_NEAR_HEADROOM + live;
    }
    radix_queue_near_append(queue, entry);
}

/* Makes room for the entries of one instant, however many they are. */
static void radix_queue_near_reserve(struct radix_queue *queue, size_t count)
{
    if (count <= queue->near_capacity) {
        return;
    }
    SIM_ASSERT(count < UINT32_MAX / 2);
    while (queue->near_capacity < count) {
        queue->near_capacity *= 2;
    }
    queue->near = realloc(queue->near, queue->near_capacity * sizeof(*queue->near));
    SIM_ASSERT(queue->near != NULL);
}

/* Tells the processor to have a caller's record in its cache soon. */
static inline void radix_queue_fetch(const struct radix_queue *queue,
                                     const struct radix_entry *entry)
{
    __builtin_prefetch(queue->records + (size_t)entry->index * RADIX_RECORD_BYTES, 1);
}

/* Appends a short slot to the near array: its chain ends at `end`, and its times differ in the low `width_bits` bits. The
 * entries are counted into bins by the highest of these bits, which leaves little to the insertion that follows. */
static void radix_queue_take_slot(struct radix_queue *queue, struct radix_entry *end,
                                  uint32_t width_bits)
{
    uint64_t bins[RADIX_BINS / 8] = {0}; /* eight to a word: first counts, then places */
    uint32_t shift = width_bits > RADIX_BIN_BITS ? width_bits - RADIX_BIN_BITS : 0;
    uint64_t depth = radix_slot_depth(end);
    struct radix_chunk *oldest = radix_slot_oldest(end);
    struct radix_chunk *chunk = oldest;
    for (uint64_t i = 0; i < depth; i++, chunk = chunk->next) {
        const struct radix_entry *chunk_end = radix_slot_chunk_end(end, chunk);
        for (const struct radix_entry *entry = chunk->entries; entry < chunk_end; entry++) {
            uint32_t bin = (uint32_t)((uint64_t)entry->time >> shift) % RADIX_BINS;
            bins[bin / 8] += UINT64_C(1) << (bin % 8 * 8);
            radix_queue_fetch(queue, entry);
        }
    }
    /* Multiplying by ones adds up the bytes below each byte: the sum of the counts so far. */
    uint64_t before = 0;
    for (uint32_t i = 0; i < RADIX_BINS / 8; i++) {
        uint64_t sums = bins[i] * UINT64_C(0x0101010101010101);
        bins[i] = (sums << 8) + before * UINT64_C(0x0101010101010101);
        before += sums >> 56;
    }
    struct radix_entry *out = queue->near + queue->near_count;
    chunk = oldest;
    for (uint64_t i = 0; i < depth; i++) {
        struct radix_chunk *newer = chunk->next;
        const struct radix_entry *chunk_end = radix_slot_chunk_end(end, chunk);
        for (const struct radix_entry *entry = chunk->entries; entry < chunk_end; entry++) {
            uint32_t bin = (uint32_t)((uint64_t)entry->time >> shift) % RADIX_BINS;
            out[bins[bin / 8] >> (bin % 8 * 8) & 255] = *entry;
            bins[bin / 8] += UINT64_C(1) << (bin % 8 * 8);
        }
        radix_queue_chunk_free(queue, chunk);
        chunk = newer;
    }
    for (uint32_t i = 1; i < before; i++) {
        struct radix_entry entry = out[i];
        uint32_t place = i;
        while (place > 0 && out[place - 1].time > entry.time) {
            out[place] = out[place - 1];
            place--;
        }
        out[place] = entry;
    }
    queue->near_count += (uint32_t)before;
}

/* Adds a slot of few entries, which ends at `end`, to the near array. */
static void radix_queue_take_few(struct radix_queue *queue, struct radix_entry *end)
{
    struct radix_chunk *chunk = radix_chunk_of(end - 1);
    for (struct radix_entry *entry = chunk->entries; entry < end; entry++) {
        radix_queue_fetch(queue, entry);
        radix_queue_near_append(queue, *entry);
    }
    radix_queue_chunk_free(queue, chunk);
}

/* Appends all chunks of a slot of level 0, where all times are equal. */
static void radix_queue_take_instant(struct radix_queue *queue, struct radix_entry *end)
{
    radix_queue_near_reserve(queue, RADIX_NEAR_HEADROOM + queue->count + RADIX_NEAR_INSERTS);
    struct radix_chunk *chunk = radix_slot_oldest(end);
    for (uint64_t left = radix_slot_depth(end); left > 0; left--) {
        struct radix_chunk *newer = chunk->next;
        size_t count = (size_t)(radix_slot_chunk_end(end, chunk) - chunk->entries);
        memcpy(queue->near + queue->near_count, chunk->entries, count * sizeof(*queue->near));
        queue->near_count += (uint32_t)count;
        radix_queue_chunk_free(queue, chunk);
        chunk = newer;
    }
}

/* Moves the entries of a detached slot to lower levels, base being the slot's first instant by now. */
static void radix_queue_redistribute(struct radix_queue *queue, struct radix_entry *end)
{
    uint64_t depth = radix_slot_depth(end);
    bool soon = depth <= RADIX_FETCH_CHUNKS;
    struct radix_chunk *chunk = radix_slot_oldest(end);
    for (uint64_t left = depth; left > 0; left--) {
        struct radix_chunk *newer = chunk->next;
        for (uint32_t i = 0; i < RADIX_CHUNK_BYTES; i += RADIX_LINE_BYTES) {
            __builtin_prefetch((const char *)newer + i, 1);
        }
        const struct radix_entry *chunk_end = radix_slot_chunk_end(end, chunk);
        for (const struct radix_entry *entry = chunk->entries; entry < chunk_end; entry++) {
            if (soon) {
                radix_queue_fetch(queue, entry);
            }
            radix_queue_push_slot(queue, *entry);
        }
        radix_queue_chunk_free(queue, chunk);
        chunk = newer;
    }
}

/* The first slot of the lowest level: which it is, and its first instant. */
struct radix_place {
    uint32_t level;
    uint32_t slot;
    uint64_t start;
    uint64_t width;
};

static inline struct radix_place radix_queue_lowest(const struct radix_queue *queue)
{
    uint32_t level = (uint32_t)__builtin_ctz(queue->levels);
    uint32_t slot = (uint32_t)__builtin_ctz(queue->occupied[level]);
    uint64_t width = UINT64_C(1) << (level * RADIX_DIGIT_BITS);
    uint64_t digits_kept = ~(width * RADIX_SLOTS - 1);
    return (struct radix_place){.level = level,
                                .slot = slot,
                                .start = (queue->base & digits_kept) | slot * width,
                                .width = width};
}

/* Few enough entries to be sorted at once. */
static inline bool radix_queue_short(const struct radix_queue *queue, struct radix_place place)
{
    const struct radix_entry *end = queue->cursors[place.level][place.slot];
    return radix_slot_depth(end) <= RADIX_SORT_CHUNKS;
}

/* Takes short slots until the near array is worth having been filled. */
static void radix_queue_take(struct radix_queue *queue, struct radix_place place)
{
    for (;;) {
        struct radix_entry *last = radix_queue_detach(queue, place.level, place.slot);
        const struct radix_chunk *newest = radix_chunk_of(last - 1);
        if (newest->depth == 1 && last - newest->entries <= RADIX_FEW) {
            radix_queue_take_few(queue, last);
        } else {
            radix_queue_take_slot(queue, last, place.level * RADIX_DIGIT_BITS);
        }
        uint64_t end = place.start + place.width;
        queue->near_end = end < (uint64_t)SIM_NEVER ? (sim_time)end : SIM_NEVER;
        queue->near_limit = queue->near_count - queue->near_first + RADIX_NEAR_INSERTS;
        if (queue->near_count - queue->near_first >= RADIX_NEAR_ENOUGH || queue->levels == 0) {
            return;
        }
        place = radix_queue_lowest(queue);
        if (!radix_queue_short(queue, place)) {
            return;
        }
    }
}

bool radix_queue_refill(struct radix_queue *queue, sim_time until)
{
    SIM_ASSERT(queue->near_first == queue->near_count);
    while (queue->levels != 0) {
        struct radix_place place = radix_queue_lowest(queue);
        if (place.start > (uint64_t)until) {
            return false;
        }
        SIM_ASSERT(place.start >= queue->base);
        queue->base = place.start;
        queue->near_first = queue->near_count = RADIX_NEAR_HEADROOM;
        if (radix_queue_short(queue, place)) {
            radix_queue_take(queue, place);
            return true;
        }
        struct radix_entry *end = radix_queue_detach(queue, place.level, place.slot);
        if (place.level == 0) {
            queue->near_end = (sim_time)(place.start + 1);
            radix_queue_take_instant(queue, end);
            queue->near_limit = queue->near_count - queue->near_first + RADIX_NEAR_INSERTS;
            return true;
        }
        queue->near_end = 0;
        radix_queue_redistribute(queue, end);
    }
    return false;
}

void radix_queue_filter(struct radix_queue *queue,
                        bool (*keep)(void *context, const struct radix_entry *entry), void *context)
{
    uint32_t kept = queue->near_first;
    for (uint32_t i = queue->near_first; i < queue->near_count; i++) {
        if (keep(context, &queue->near[i])) {
            queue->near[kept++] = queue->near[i];
        }
    }
    queue->count -= queue->near_count - kept;
    queue->near_count = kept;
    for (uint32_t level = 0; level < RADIX_LEVELS; level++) {
        for (uint32_t slots = queue->occupied[level]; slots != 0; slots &= slots - 1) {
            struct radix_entry *end =
                radix_queue_detach(queue, level, (uint32_t)__builtin_ctz(slots));
            struct radix_chunk *chunk = radix_slot_oldest(end);
            for (uint64_t left = radix_slot_depth(end); left > 0; left--) {
                struct radix_chunk *newer = chunk->next;
                const struct radix_entry *chunk_end = radix_slot_chunk_end(end, chunk);
                for (const struct radix_entry *entry = chunk->entries; entry < chunk_end; entry++) {
                    if (keep(context, entry)) {
                        radix_queue_push_slot(queue, *entry);
                    } else {
                        queue->count--;
                    }
                }
                radix_queue_chunk_free(queue, chunk);
                chunk = newer;
            }
        }
    }
}

static size_t radix_queue_check_slot(const struct radix_queue *queue, uint32_t level, uint32_t slot,
                                     void (*visit)(void *context, const struct radix_entry *entry),
                                     void *context)
{
    size_t count = 0;
    struct radix_entry *end = queue->cursors[level][slot];
    if (end == NULL) {
        return 0;
    }
    struct radix_chunk *chunk = radix_slot_oldest(end);
    for (uint64_t depth = 1; depth <= radix_slot_depth(end); depth++, chunk = chunk->next) {
        SIM_ASSERT(chunk->depth == depth);
        const struct radix_entry *chunk_end = radix_slot_chunk_end(end, chunk);
        for (const struct radix_entry *entry = chunk->entries; entry < chunk_end; entry++) {
            uint64_t difference = (uint64_t)entry->time ^ queue->base;
            SIM_ASSERT(entry->time >= queue->near_end);
            SIM_ASSERT((uint64_t)entry->time >= queue->base);
            SIM_ASSERT((63u - (uint32_t)__builtin_clzll(difference | 1)) / RADIX_DIGIT_BITS ==
                       level);
            SIM_ASSERT(((uint64_t)entry->time >> (level * RADIX_DIGIT_BITS)) % RADIX_SLOTS == slot);
            visit(context, entry);
            count++;
        }
    }
    SIM_ASSERT(chunk == radix_slot_oldest(end));
    return count;
}

void radix_queue_check(const struct radix_queue *queue,
                       void (*visit)(void *context, const struct radix_entry *entry), void *context)
{
    SIM_ASSERT(queue->near_first <= queue->near_count);
    SIM_ASSERT(queue->near_count <= queue->near_capacity);
    size_t count = queue->near_count - queue->near_first;
    for (uint32_t i = queue->near_first; i < queue->near_count; i++) {
        SIM_ASSERT(queue->near[i].time < queue->near_end);
        SIM_ASSERT((uint64_t)queue->near[i].time >= queue->base);
        SIM_ASSERT(i == queue->near_first || queue->near[i - 1].time <= queue->near[i].time);
        visit(context, &queue->near[i]);
    }
    for (uint32_t level = 0; level < RADIX_LEVELS; level++) {
        SIM_ASSERT((queue->occupied[level] != 0) == ((queue->levels >> level & 1) != 0));
        for (uint32_t slot = 0; slot < RADIX_SLOTS; slot++) {
            bool occupied = (queue->occupied[level] >> slot & 1) != 0;
            SIM_ASSERT(occupied == (queue->cursors[level][slot] != NULL));
            count += radix_queue_check_slot(queue, level, slot, visit, context);
        }
    }
    SIM_ASSERT(count == queue->count);
}
