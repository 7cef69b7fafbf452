/* tests/cluster/fake_rt.h - just enough of rt/rt.h for code that encodes, decodes and stores: no tasks, no time, no network.
 *
 * A stream is a buffer: what is written is appended, what is read is taken from its front, and where it is short a read fails with
 * RT_CLOSED. Pages are counted buffers. The store is an array. Nothing blocks. */
#ifndef ORRERY_TESTS_CLUSTER_FAKE_RT_H
#define ORRERY_TESTS_CLUSTER_FAKE_RT_H

#include "rt/rt.h"

#define FAKE_STORE_ITEMS 64u

struct rt_stream {
    uint8_t *bytes;
    size_t length, capacity, taken;
    uint32_t cut; /* pages are read back in slices of at most this many bytes; 0: as whole pages */
};

struct fake_item {
    char key[64];
    uint8_t bytes[4096];
    uint32_t length;
};

struct fake_rt {
    struct rt rt; /* first */
    const char *name;
    uint32_t live_memory, live_pages;
    struct fake_item items[FAKE_STORE_ITEMS]; /* sorted by key */
    uint32_t item_count;
    enum rt_error put_fails; /* RT_OK: it does not */
};

void fake_rt_init(struct fake_rt *fake, const char *name);
/* A page of these 4,096 bytes; the caller owns the reference. */
struct rt_page fake_page(struct fake_rt *fake, const uint8_t bytes[RT_PAGE_BYTES]);
void fake_stream_put(struct rt_stream *stream, const void *bytes, size_t length);
void fake_stream_close(struct rt_stream *stream);

#endif
