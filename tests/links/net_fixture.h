/* tests/links/net_fixture.h - a kernel, a recorder and frames for tests of links, switches and NICs. */
#ifndef ORRERY_TESTS_NET_FIXTURE_H
#define ORRERY_TESTS_NET_FIXTURE_H

#include "nic/net.h"

#define FIXTURE_RECORDS_MAX 32768u

struct fixture_record {
    sim_time time;
    uint32_t kind; /* enum net_record */
    uint32_t origin;
    uint64_t cause;
    int64_t values[RECORD_VALUES_MAX];
    char text[16];
};

struct fixture {
    struct sim *sim;
    struct page_pool *pages;
    struct recorder *recorder;
    struct net net;
    struct fixture_record records[FIXTURE_RECORDS_MAX];
    uint32_t record_count;
};

/* Origins are the given paths, in their order. */
struct fixture *fixture_new(const char *const *paths, uint32_t count, uint64_t seed);
/* Asserts that no frame and no page is left. */
void fixture_free(struct fixture *fixture);
/* A sealed UDP frame of `wire_bytes` (60 or more) with `id` as its IP identification, which records show as its sequence. */
struct frame *fixture_frame(struct fixture *fixture, uint16_t id, uint32_t wire_bytes,
                            struct mac from, struct mac to);
/* Records of a kind with this text (NULL: any). */
uint32_t fixture_count(const struct fixture *fixture, uint32_t kind, const char *text);

/* A sink that notes identification and time of what comes, and frees it. */
struct collector {
    struct fixture *fixture;
    uint32_t count;
    uint16_t ids[1024];
    sim_time times[1024];
};
struct frame_sink collector_sink(struct collector *collector);

#endif
