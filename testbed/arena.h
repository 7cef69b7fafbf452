/* testbed/arena.h - memory that is given back all at once.
 *
 * A scenario, its tree and its texts live as long as each other, so they share one arena. Blocks are zero-filled and
 * aligned for any object; nothing is freed by itself.
 *
 *  R1. An address stays valid, and its content untouched by the arena, until arena_close.
 *  R2. Where the host has no memory left the process ends: input limits (yaml_tree.h, loader.h) keep that from being reached. */
#ifndef ORRERY_TESTBED_ARENA_H
#define ORRERY_TESTBED_ARENA_H

#include "sim/types.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used;                /* bytes given out of the newest */
    size_t total_bytes;         /* asked for since arena_init */
};

void arena_init(struct arena *arena);
void arena_close(struct arena *arena);

/* `bytes` zero bytes; 0 bytes give a valid address too. */
void *arena_alloc(struct arena *arena, size_t bytes);
/* A copy with a final zero. */
char *arena_copy(struct arena *arena, const char *text, size_t length);
/* Formatted text, as by printf. */
char *arena_print(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
