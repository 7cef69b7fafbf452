/* vm/guest_replay.h - the replay of a page-write trace: which page is written next, and when.
 *
 *     trace time   0         I         2I        3I             I = interval_ns of the trace
 *                  ├─p─p─p─p─┼─────────┼─p──p──p─┼─ ...         pages of an interval, ascending, spread evenly over it
 *                       ▲ start_ns: here the guest begins
 *
 *  R1. Page j of P in an interval that lasts from a to b of the guest's work time is due at a + j * (b - a) / P, rounded down; a is
 *      (interval * interval_ns - start_ns) * 1e9 / speed_ppb, rounded down. So nothing drifts, whatever the speed.
 *  R2. A trace that ends begins again; intervals are counted on without end.
 *  R3. The interval and the page in it are all that is saved.
 *  R4. Copy c of C begins c / C of the trace further on (rounded down to the nanosecond), and its frame 0 lies c * ram_pages behind that of
 *      copy 0: on average C guests write C times as many pages, in C times as much memory, and their bursts do not coincide. What
 *      copies have due in one nanosecond comes in their order. */
#ifndef ORRERY_VM_GUEST_REPLAY_H
#define ORRERY_VM_GUEST_REPLAY_H

#include "vm/guest.h"

struct guest_replay_cursor {
    const struct guest_replay *replay;
    uint64_t interval;              /* counted over all rounds of the trace */
    uint32_t page;                  /* of the interval, the next to be written */
    uint32_t pages;                 /* of the interval */
    uint32_t range;                 /* of the trace, and ... */
    uint32_t offset;                /* ... page in it */
    sim_time due;                   /* of the next page; SIM_NEVER for a trace without writes */
    uint64_t step, step_part, part; /* from page to page, in pages-ths of a nanosecond */
};

/* At the first page due at or after work time 0. The pages of the trace must fit into `page_count` pages from first_page on.
 * Borrows the replay. */
void guest_replay_init(struct guest_replay_cursor *cursor, const struct guest_replay *replay,
                       uint64_t page_count);
/* Goes to a page of an interval; false, and nothing changed, where the trace has none there, or it is due too late to be counted. */
SIM_CHECKED bool guest_replay_seek(struct guest_replay_cursor *cursor, uint64_t interval,
                                   uint32_t page);
/* To the next interval that has pages: for guest_replay_next. */
void guest_replay_next_interval(struct guest_replay_cursor *cursor);

/* The page that is due; goes on to the next. */
static inline uint64_t guest_replay_next(struct guest_replay_cursor *cursor)
{
    const struct page_trace_range *range = &cursor->replay->trace->ranges[cursor->range];
    uint64_t page = cursor->replay->first_page + range->first + cursor->offset;
    if (++cursor->offset == range->count) {
        cursor->offset = 0;
        cursor->range++;
    }
    if (++cursor->page == cursor->pages) {
        guest_replay_next_interval(cursor);
        return page;
    }
    cursor->due += (sim_time)cursor->step;
    cursor->part += cursor->step_part;
    if (cursor->part >= cursor->pages) {
        cursor->part -= cursor->pages;
        cursor->due++;
    }
    return page;
}

/* The copies of a guest's replay. */
struct guest_replays {
    sim_time due;                      /* of the next page of any; SIM_NEVER where there is none */
    struct guest_replay_cursor *first; /* whose page that is; NULL for a guest without a trace */
    struct guest_replay_cursor *cursors;
    struct guest_replay *parts; /* each copy's own */
    uint32_t *heap;             /* of copies by (due, number): the first on top */
    uint32_t count;
};
/* Borrows the trace. `replay` may have none: then nothing is ever due. */
void guest_replays_init(struct guest_replays *replays, const struct guest_replay *replay,
                        uint64_t page_count);
void guest_replays_close(struct guest_replays *replays);
/* To the first page due at or after work time 0. */
void guest_replays_rewind(struct guest_replays *replays);
void guest_replays_save(const struct guest_replays *replays, struct state_writer *writer);
SIM_CHECKED bool guest_replays_load(struct guest_replays *replays, struct state_reader *reader);
/* The copy on top has gone on: finds the one that is due now. */
void guest_replays_settle(struct guest_replays *replays);
void guest_replays_check(const struct guest_replays *replays);

/* The page that is due, of several copies; goes on to the next. */
static inline uint64_t guest_replays_next(struct guest_replays *replays)
{
    uint64_t page = guest_replay_next(replays->first);
    guest_replays_settle(replays);
    return page;
}

#endif
