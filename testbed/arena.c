#include "testbed/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"

#define ARENA_CHUNK_BYTES ((size_t)64 << 10)

struct arena_chunk {
    struct arena_chunk *next;
    size_t bytes;
    alignas(max_align_t) unsigned char memory[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

void arena_close(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (struct arena){0};
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    SIM_ASSERT(bytes < SIZE_MAX / 2);
    const size_t align = alignof(max_align_t);
    bytes = (bytes + align - 1) / align * align;
    arena->total_bytes += bytes;
    if (arena->chunks == NULL || arena->chunks->bytes - arena->used < bytes) {
        size_t chunk_bytes = bytes > ARENA_CHUNK_BYTES ? bytes : ARENA_CHUNK_BYTES;
        struct arena_chunk *chunk = calloc(1, sizeof(*chunk) + chunk_bytes);
        SIM_ASSERT(chunk != NULL);
        chunk->bytes = chunk_bytes;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->used = 0;
    }
    SIM_ASSERT(arena->chunks->bytes - arena->used >= bytes);
    void *result = arena->chunks->memory + arena->used;
    arena->used += bytes;
    return result;
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    if (length > 0) {
        memcpy(copy, text, length);
    }
    return copy;
}

char *arena_print(struct arena *arena, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    SIM_ASSERT(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    va_start(list, format);
    vsnprintf(text, (size_t)length + 1, format, list);
    va_end(list);
    return text;
}
