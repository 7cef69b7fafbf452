#include "vm/guest_replay.h"

#include "sim/assert.h"

#include <stdlib.h>

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

/* ---- copies ---------------------------------------------------------------------------------------------- */

static bool comes_before(const struct guest_replays *replays, uint32_t a, uint32_t b)
{
    sim_time x = replays->cursors[a].due, y = replays->cursors[b].due;
    return x != y ? x < y : a < b;
}

static void sift_down(struct guest_replays *replays, uint32_t at)
{
    uint32_t moved = replays->heap[at];
    for (uint32_t child = 2 * at + 1; child < replays->count; child = 2 * at + 1) {
        if (child + 1 < replays->count &&
            comes_before(replays, replays->heap[child + 1], replays->heap[child])) {
            child++;
        }
        if (!comes_before(replays, replays->heap[child], moved)) {
            break;
        }
        replays->heap[at] = replays->heap[child];
        at = child;
    }
    replays->heap[at] = moved;
}

void guest_replays_settle(struct guest_replays *replays)
{
    sift_down(replays, 0);
    replays->first = &replays->cursors[replays->heap[0]];
    replays->due = replays->first->due;
}

static void settle_all(struct guest_replays *replays)
{
    for (uint32_t i = replays->count / 2; i-- > 0;) {
        sift_down(replays, i);
    }
    if (replays->count > 0) {
        guest_replays_settle(replays);
    }
}

void guest_replays_init(struct guest_replays *replays, const struct guest_replay *replay,
                        uint64_t page_count)
{
    const struct page_trace *trace = replay->trace;
    uint32_t count = trace == NULL ? 0 : replay->copies > 1 ? replay->copies : 1;
    *replays = (struct guest_replays){.due = SIM_NEVER, .count = count};
    if (count == 0) {
        return;
    }
    SIM_ASSERT(trace->ram_pages <= page_count / count);
    SIM_ASSERT(replay->first_page <= page_count - count * trace->ram_pages);
    replays->cursors = calloc(count, sizeof *replays->cursors);
    replays->parts = calloc(count, sizeof *replays->parts);
    replays->heap = calloc(count, sizeof *replays->heap);
    SIM_ASSERT(replays->cursors != NULL && replays->parts != NULL && replays->heap != NULL);
    replay_int128 length = (replay_int128)trace->interval_ns * trace->intervals;
    for (uint32_t i = 0; i < count; i++) {
        replays->parts[i] = *replay;
        replays->parts[i].first_page += i * trace->ram_pages;
        replays->parts[i].start_ns = (sim_time)((replay->start_ns + length * i / count) % length);
        replays->heap[i] = i;
        guest_replay_init(&replays->cursors[i], &replays->parts[i], page_count);
    }
    settle_all(replays);
}

void guest_replays_close(struct guest_replays *replays)
{
    free(replays->cursors);
    free(replays->parts);
    free(replays->heap);
    *replays = (struct guest_replays){.due = SIM_NEVER};
}

void guest_replays_rewind(struct guest_replays *replays)
{
    for (uint32_t i = 0; i < replays->count; i++) {
        struct guest_replay_cursor *cursor = &replays->cursors[i];
        const struct guest_replay *part = &replays->parts[i];
        guest_replay_init(cursor, part, part->first_page + part->trace->ram_pages);
    }
    settle_all(replays);
}

void guest_replays_save(const struct guest_replays *replays, struct state_writer *writer)
{
    bool any = replays->due != SIM_NEVER;
    state_put_u8(writer, any);
    for (uint32_t i = 0; any && i < replays->count; i++) {
        state_put_u64(writer, replays->cursors[i].interval);
        state_put_u32(writer, replays->cursors[i].page);
    }
}

bool guest_replays_load(struct guest_replays *replays, struct state_reader *reader)
{
    bool any = replays->due != SIM_NEVER;
    if (state_get_u8(reader) != any) {
        return false;
    }
    for (uint32_t i = 0; any && i < replays->count; i++) {
        uint64_t interval = state_get_u64(reader);
        uint32_t page = state_get_u32(reader);
        if (!state_reader_ok(reader) || !guest_replay_seek(&replays->cursors[i], interval, page)) {
            return false;
        }
    }
    settle_all(replays);
    return true;
}

void guest_replays_check(const struct guest_replays *replays)
{
    SIM_ASSERT((replays->first == NULL) == (replays->count == 0));
    SIM_ASSERT(replays->count > 0 || replays->due == SIM_NEVER);
    for (uint32_t i = 0; i < replays->count; i++) {
        SIM_ASSERT(replays->cursors[i].due >= replays->due);
        SIM_ASSERT(replays->cursors[i].replay == &replays->parts[i]);
        SIM_ASSERT(replays->heap[i] < replays->count);
        SIM_ASSERT(i == 0 || !comes_before(replays, replays->heap[i], replays->heap[(i - 1) / 2]));
    }
}
