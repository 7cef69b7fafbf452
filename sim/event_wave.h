/* sim/event_wave.h - the events of one wave: keys, and their order.
 *
 * Private to sim/kernel.c. A wave is filled in the order of arming, sorted once by (rank, sequence), and read from the
 * front. Sequences are unique, so the order is total. Storage is kept from wave to wave. */
#ifndef ORRERY_SIM_EVENT_WAVE_H
#define ORRERY_SIM_EVENT_WAVE_H

#include "sim/types.h"

struct event_key {
    uint64_t sequence;
    uint32_t rank;
    uint32_t index; /* of the event's record */
};

struct event_wave {
    struct event_key *keys;
    struct event_key *scratch; /* of the merge sort, as long as keys */
    uint32_t count;
    uint32_t capacity;
};

/* A wave of zeroes is an empty one. */
void event_wave_close(struct event_wave *wave);
void event_wave_grow(struct event_wave *wave);
void event_wave_sort(struct event_wave *wave);

/* Appends a key; allocates when the wave is longer than any before it. */
static inline void event_wave_add(struct event_wave *wave, struct event_key key)
{
    if (SIM_UNLIKELY(wave->count == wave->capacity)) {
        event_wave_grow(wave);
    }
    wave->keys[wave->count++] = key;
}

#endif
