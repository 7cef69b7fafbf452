#include "vm/guest_replay.h"

#include "sim/assert.h"

__extension__ typedef __int128 replay_int128;

#define SPEED_ONE INT64_C(1000000000)

/* Work time at which an interval begins (R1), clipped to what a sim_time holds. */
static sim_time interval_begin(const struct guest_replay *replay, uint64_t interval)
{
    replay_int128 trace_ns =
        (replay_int128)interval * replay->trace->interval_ns -
        replay->start_ns % (replay->trace->interval_ns * (sim_time)replay->trace->intervals);
    replay_int128 scaled = trace_ns * SPEED_ONE;
    replay_int128 speed = (replay_int128)replay->speed_ppb;
    replay_int128 begin = scaled / speed - (scaled < 0 && scaled % speed != 0);
    return begin < SIM_NEVER ? (sim_time)begin : SIM_NEVER;
}

/* Stands at page 0 of an interval with pages. */
static void enter(struct guest_replay_cursor *cursor, uint64_t interval)
{
    const struct page_trace *trace = cursor->replay->trace;
    uint32_t index = (uint32_t)(interval % trace->intervals);
    sim_time begin = interval_begin(cursor->replay, interval);
    sim_time end = interval_begin(cursor->replay, interval + 1);
    SIM_ASSERT(begin < end);
    SIM_ASSERT(trace->pages[index] > 0);
    cursor->interval = interval;
    cursor->page = 0;
    cursor->pages = trace->pages[index];
    cursor->range = trace->starts[index];
    cursor->offset = 0;
    cursor->due = begin;
    cursor->step = (uint64_t)(end - begin) / cursor->pages;
    cursor->step_part = (uint64_t)(end - begin) % cursor->pages;
    cursor->part = 0;
}

void guest_replay_next_interval(struct guest_replay_cursor *cursor)
{
    const struct page_trace *trace = cursor->replay->trace;
    uint64_t interval = cursor->interval + 1;
    while (trace->pages[interval % trace->intervals] == 0) {
        interval++;
    }
    enter(cursor, interval);
}

bool guest_replay_seek(struct guest_replay_cursor *cursor, uint64_t interval, uint32_t page)
{
    const struct page_trace *trace = cursor->replay->trace;
    if (page >= trace->pages[interval % trace->intervals] || interval >= UINT64_MAX / 2 ||
        interval_begin(cursor->replay, interval + 1) >= SIM_NEVER / 2) {
        return false;
    }
    enter(cursor, interval);
    while (cursor->page < page) {
        (void)guest_replay_next(cursor);
    }
    return true;
}

void guest_replay_init(struct guest_replay_cursor *cursor, const struct guest_replay *replay,
                       uint64_t page_count)
{
    const struct page_trace *trace = replay->trace;
    SIM_ASSERT(trace->ram_pages <= page_count);
    SIM_ASSERT(replay->first_page <= page_count - trace->ram_pages);
    SIM_ASSERT(trace->interval_ns > 0 && trace->intervals > 0);
    SIM_ASSERT(trace->interval_ns < SIM_NEVER / (sim_time)trace->intervals);
    SIM_ASSERT(replay->start_ns >= 0 && replay->speed_ppb > 0);
    /* An interval lasts at least a nanosecond of the guest, so that time goes on. */
    SIM_ASSERT(replay->speed_ppb / (uint64_t)SPEED_ONE < (uint64_t)trace->interval_ns);
    *cursor = (struct guest_replay_cursor){.replay = replay, .due = SIM_NEVER};
    uint32_t first = (uint32_t)(replay->start_ns / trace->interval_ns % trace->intervals);
    uint32_t empty = 0;
    while (empty < trace->intervals && trace->pages[(first + empty) % trace->intervals] == 0) {
        empty++;
    }
    if (empty == trace->intervals) {
        return;
    }
    enter(cursor, (uint64_t)first + empty);
    while (cursor->due < 0) {
        (void)guest_replay_next(cursor);
    }
}
