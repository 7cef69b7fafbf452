/* sim/origin_table.c - the paths of origins, and the order that ties take from them. */
#include "sim/origin_table.h"

#include "sim/assert.h"
#include "sim/chance.h"

#include <stdlib.h>
#include <string.h>

#define ORIGIN_CAPACITY_MIN 16u

void origin_table_close(struct origin_table *table)
{
    for (uint32_t i = 0; i < table->count; i++) {
        free(table->paths[i]);
    }
    free(table->paths);
    free(table->ranks);
    free(table->sorted);
    *table = (struct origin_table){0};
}

uint32_t origin_table_add(struct origin_table *table, const char *path)
{
    SIM_ASSERT(path != NULL);
    SIM_ASSERT(table->sorted == NULL);
    if (table->count == table->capacity) {
        SIM_ASSERT(table->capacity < SIM_NONE / 2);
        table->capacity = table->capacity == 0 ? ORIGIN_CAPACITY_MIN : table->capacity * 2;
        table->paths = realloc(table->paths, table->capacity * sizeof(*table->paths));
        SIM_ASSERT(table->paths != NULL);
    }
    char *copy = strdup(path);
    SIM_ASSERT(copy != NULL);
    table->paths[table->count] = copy;
    return table->count++;
}

/* What origins are sorted by: draws, if there are any, then paths. No two are equal. */
struct origin_order {
    const struct origin_table *table;
    const uint64_t *draws; /* NULL: paths only */
    uint32_t *origins;
};

static bool origin_less(const struct origin_order *order, uint32_t a, uint32_t b)
{
    if (order->draws != NULL && order->draws[a] != order->draws[b]) {
        return order->draws[a] < order->draws[b];
    }
    return strcmp(order->table->paths[a], order->table->paths[b]) < 0;
}

static void origin_swap(uint32_t *a, uint32_t *b)
{
    uint32_t swapped = *a;
    *a = *b;
    *b = swapped;
}

static void origin_sift(const struct origin_order *order, uint32_t root, uint32_t count)
{
    uint32_t *origins = order->origins;
    for (uint32_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && origin_less(order, origins[child], origins[child + 1])) {
            child++;
        }
        if (!origin_less(order, origins[root], origins[child])) {
            return;
        }
        origin_swap(&origins[root], &origins[child]);
    }
}

/* Heapsort of all origins: the C library's sort has no place for the table. */
static uint32_t *origin_sort(const struct origin_table *table, const uint64_t *draws)
{
    uint32_t *origins = calloc(table->count + 1u, sizeof(*origins));
    SIM_ASSERT(origins != NULL);
    struct origin_order order = {.table = table, .draws = draws, .origins = origins};
    for (uint32_t i = 0; i < table->count; i++) {
        origins[i] = i;
    }
    for (uint32_t root = table->count / 2; root-- > 0;) {
        origin_sift(&order, root, table->count);
    }
    for (uint32_t end = table->count; end-- > 1;) {
        origin_swap(&origins[0], &origins[end]);
        origin_sift(&order, 0, end);
    }
    return origins;
}

/* Ranks by a draw for each path, and not by a shuffle of the list. */
static uint32_t *origin_sort_shuffled(const struct origin_table *table, uint64_t seed)
{
    uint64_t *draws = calloc(table->count + 1u, sizeof(*draws));
    SIM_ASSERT(draws != NULL);
    for (uint32_t i = 0; i < table->count; i++) {
        draws[i] = chance_at(chance_key(seed, "sim.ties", table->paths[i]), 0);
    }
    uint32_t *order = origin_sort(table, draws);
    free(draws);
    return order;
}

void origin_table_seal(struct origin_table *table, uint64_t seed, bool shuffle)
{
    SIM_ASSERT(table->sorted == NULL);
    table->sorted = origin_sort(table, NULL);
    for (uint32_t i = 1; i < table->count; i++) {
        int order = strcmp(table->paths[table->sorted[i - 1]], table->paths[table->sorted[i]]);
        bool unique = order != 0;
        SIM_ASSERT(unique);
        SIM_ASSERT(order < 0);
    }
    table->ranks = calloc(table->count + 1u, sizeof(*table->ranks));
    SIM_ASSERT(table->ranks != NULL);
    uint32_t *order = shuffle ? origin_sort_shuffled(table, seed) : table->sorted;
    for (uint32_t rank = 0; rank < table->count; rank++) {
        table->ranks[order[rank]] = rank;
    }
    if (shuffle) {
        free(order);
    }
}

uint32_t origin_table_find(const struct origin_table *table, const char *path)
{
    SIM_ASSERT(table->sorted != NULL);
    uint32_t low = 0;
    uint32_t high = table->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(path, table->paths[table->sorted[middle]]);
        if (order == 0) {
            return table->sorted[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return SIM_NONE;
}
