/* tests/links/slow_link.h - a link as a book would draw it: one event for the end of each frame (and with it the start of the next)
 * and one for each arrival. Nothing is computed ahead. nic/link.c must do the same in all that can be seen. */
#ifndef ORRERY_TESTS_SLOW_LINK_H
#define ORRERY_TESTS_SLOW_LINK_H

#include "sim/chance.h"
#include "sim/kernel.h"

#define SLOW_FRAMES_MAX 4096u

enum slow_fate {
    SLOW_ARRIVED,
    SLOW_DOWN,
    SLOW_LOSS, /* also in bursts, in black holes and in partitions */
    SLOW_QUEUE,
    SLOW_CRASH,
    SLOW_CORRUPT, /* arrived, with a wrong checksum */
    SLOW_CHANGED, /* arrived, with another payload */
    SLOW_FATES
};

struct slow_outcome {
    uint32_t id;
    enum slow_fate fate;
    sim_time time;
};

struct slow_frame {
    uint32_t id, bytes;
    sim_time start, end, arrival;
};

/* A frame that a fault holds at the end of the wire. */
struct slow_held {
    uint32_t id;
    enum slow_fate fate;
    sim_time due;
    bool ordered;
};

/* What goes wrong at the end of the wire: shares per billion, all 0 at first. */
struct slow_faults {
    uint64_t loss, duplicate, corrupt, change, reorder, black_hole_bytes;
    uint64_t burst_begin, burst_end, burst_loss, burst_between;
    sim_time hold_ns, jitter_ns, delay_ns;
    bool bursts, bad, cut;
};

struct slow_queue {
    struct slow_frame *items[SLOW_FRAMES_MAX];
    uint32_t first, count;
};

struct slow_link {
    struct sim *sim;
    uint64_t rate_bps, queue_bytes_max;
    sim_time delay_ns;
    bool down;
    struct slow_queue waiting, wire;
    struct slow_frame *sending;
    struct slow_frame frames[SLOW_FRAMES_MAX];
    uint32_t frame_count;
    /* A burst ends where one long frame would: its beginning, and all its bits so far times 1e9. */
    sim_time burst_start, last_end, last_arrival;
    unsigned long long burst_work;
    sim_time busy_ns;
    uint32_t end_event, arrival_event;
    uint64_t seed, arrivals, nth_skip, nth_count;
    struct slow_faults faults;
    struct slow_held held[SLOW_FRAMES_MAX];
    uint32_t held_count, held_event;
    uint32_t doubled;
    struct slow_outcome outcomes[SLOW_FRAMES_MAX];
    uint32_t outcome_count;
};

/* Draws as the link "link" does, with this seed. */
struct slow_link *slow_link_new(struct sim *sim, uint32_t origin, uint64_t seed, uint64_t rate_bps,
                                sim_time delay_ns, uint64_t queue_bytes_max);
void slow_link_free(struct slow_link *link);
void slow_link_send(struct slow_link *link, uint32_t id, uint32_t bytes);
void slow_link_set_down(struct slow_link *link, bool down);
void slow_link_crash(struct slow_link *link);
void slow_link_set_rate(struct slow_link *link, uint64_t rate_bps);
void slow_link_set_delay(struct slow_link *link, sim_time delay_ns);
uint64_t slow_link_queued_bytes(struct slow_link *link);

#endif
