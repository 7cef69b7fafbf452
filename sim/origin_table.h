/* sim/origin_table.h - the paths of origins, and the order that ties take from them.
 *
 * Private to sim/kernel.c. Origins are numbered as they are added; once all are there, the seal gives each a rank: its
 * place among the sorted paths, or among keyed draws, one a path, so that an origin more leaves the order of the others. */
#ifndef ORRERY_SIM_ORIGIN_TABLE_H
#define ORRERY_SIM_ORIGIN_TABLE_H

#include "sim/types.h"

struct origin_table {
    char **paths;
    uint32_t count;
    uint32_t capacity;
    uint32_t *ranks;  /* of each origin; NULL before the seal */
    uint32_t *sorted; /* origins in the order of their paths; NULL before the seal */
};

/* A table of zeroes is an empty one. */
void origin_table_close(struct origin_table *table);
/* Copies the path and returns the origin's number. */
uint32_t origin_table_add(struct origin_table *table, const char *path);
/* Asserts that the paths are unique, and ranks them: by path, or by the draw of chance site "sim.ties" and then by path. */
void origin_table_seal(struct origin_table *table, uint64_t seed, bool shuffle);
/* The origin of a path, or SIM_NONE; after the seal. O(log count). */
uint32_t origin_table_find(const struct origin_table *table, const char *path);

#endif
