/* sim/event_wave.c - the events of one wave: keys, and their order. */
#include "sim/event_wave.h"

#include "sim/assert.h"

#include <stdlib.h>

#define EVENT_WAVE_CAPACITY_MIN 32u
#define EVENT_WAVE_RUN          16u /* runs of this length are sorted by insertion, then merged */

void event_wave_close(struct event_wave *wave)
{
    free(wave->keys);
    free(wave->scratch);
    *wave = (struct event_wave){0};
}

void event_wave_grow(struct event_wave *wave)
{
    SIM_ASSERT(wave->capacity <= UINT32_MAX / 2);
    wave->capacity = wave->capacity == 0 ? EVENT_WAVE_CAPACITY_MIN : wave->capacity * 2;
    wave->keys = realloc(wave->keys, wave->capacity * sizeof(*wave->keys));
    SIM_ASSERT(wave->keys != NULL);
    /* Its content never outlives a sort. */
    free(wave->scratch);
    wave->scratch = malloc(wave->capacity * sizeof(*wave->scratch));
    SIM_ASSERT(wave->scratch != NULL);
}

static inline bool event_key_less(const struct event_key *a, const struct event_key *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->sequence < b->sequence;
}

static void event_keys_insert(struct event_key *keys, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct event_key key = keys[i];
        uint32_t place = i;
        while (place > 0 && event_key_less(&key, &keys[place - 1])) {
            keys[place] = keys[place - 1];
            place--;
        }
        keys[place] = key;
    }
}

/* Merges keys[0, middle) and keys[middle, count), both sorted, into out. */
static void event_keys_merge(const struct event_key *keys, uint32_t middle, uint32_t count,
                             struct event_key *out)
{
    uint32_t left = 0;
    uint32_t right = middle;
    for (uint32_t i = 0; i < count; i++) {
        bool from_right =
            left == middle || (right < count && event_key_less(&keys[right], &keys[left]));
        out[i] = from_right ? keys[right++] : keys[left++];
    }
}

void event_wave_sort(struct event_wave *wave)
{
    uint32_t count = wave->count;
    uint32_t sorted = 1;
    while (sorted < count && event_key_less(&wave->keys[sorted - 1], &wave->keys[sorted])) {
        sorted++;
    }
    if (sorted >= count) {
        return;
    }
    for (uint32_t start = 0; start < count; start += EVENT_WAVE_RUN) {
        uint32_t rest = count - start;
        event_keys_insert(wave->keys + start, rest < EVENT_WAVE_RUN ? rest : EVENT_WAVE_RUN);
    }
    for (uint64_t run = EVENT_WAVE_RUN; run < count; run *= 2) {
        for (uint64_t start = 0; start < count; start += 2 * run) {
            uint64_t rest = count - start;
            uint32_t middle = (uint32_t)(rest < run ? rest : run);
            uint32_t length = (uint32_t)(rest < 2 * run ? rest : 2 * run);
            event_keys_merge(wave->keys + start, middle, length, wave->scratch + start);
        }
        struct event_key *merged = wave->scratch;
        wave->scratch = wave->keys;
        wave->keys = merged;
    }
}
