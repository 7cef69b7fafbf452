#include "slow_link.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct slow_frame *queue_first(const struct slow_queue *queue)
{
    return queue->count == 0 ? NULL : queue->items[queue->first % SLOW_FRAMES_MAX];
}

static void queue_push(struct slow_queue *queue, struct slow_frame *frame)
{
    cr_assert(queue->count < SLOW_FRAMES_MAX);
    queue->items[(queue->first + queue->count++) % SLOW_FRAMES_MAX] = frame;
}

static struct slow_frame *queue_pop(struct slow_queue *queue)
{
    struct slow_frame *frame = queue_first(queue);
    if (frame != NULL) {
        queue->first++;
        queue->count--;
    }
    return frame;
}

static void slow_note(struct slow_link *link, const struct slow_frame *frame, enum slow_fate fate)
{
    cr_assert(link->outcome_count < SLOW_FRAMES_MAX);
    link->outcomes[link->outcome_count++] =
        (struct slow_outcome){frame->id, fate, sim_now(link->sim)};
}

/* The frame on the wire that comes next has the event. A frame being sent is at the end of the wire already: what it
 * lacks is only its tail. */
static void slow_arm_arrival(struct slow_link *link)
{
    const struct slow_frame *next = queue_first(&link->wire);
    if (next == NULL) {
        sim_event_cancel(link->sim, link->arrival_event);
    } else if (!sim_event_queued(link->sim, link->arrival_event)) {
        sim_event_arm(link->sim, link->arrival_event, next->arrival);
    }
}

static void slow_start_next(struct slow_link *link)
{
    struct slow_frame *frame = queue_pop(&link->waiting);
    if (frame == NULL) {
        return;
    }
    sim_time now = sim_now(link->sim);
    if (now > link->last_end) {
        link->burst_start = now;
        link->burst_work = 0;
    }
    link->burst_work += (unsigned long long)(frame->bytes + 24) * 8 * 1000000000;
    frame->start = now;
    frame->end = link->burst_start + (sim_time)(link->burst_work / link->rate_bps);
    frame->arrival = frame->end + link->delay_ns;
    if (link->wire.count > 0 && frame->arrival < link->last_arrival) {
        frame->arrival = link->last_arrival;
    }
    link->last_arrival = frame->arrival;
    link->last_end = frame->end;
    link->busy_ns += frame->end - frame->start;
    link->sending = frame;
    queue_push(&link->wire, frame);
    sim_event_arm(link->sim, link->end_event, frame->end);
    slow_arm_arrival(link);
}

/* Lets happen what happens before anything else at this instant: an end, and the next start. */
static void slow_settle(struct slow_link *link)
{
    while (link->sending != NULL && link->sending->end <= sim_now(link->sim)) {
        link->sending = NULL;
        sim_event_cancel(link->sim, link->end_event);
        slow_start_next(link);
    }
}

static void slow_end(void *context)
{
    slow_settle(context);
}

/* ---- what goes wrong at the end of the wire ---- */

static bool slow_hits(const struct slow_link *link, const char *site, uint64_t share)
{
    return chance_hit(chance_key(link->seed, site, "link"), link->arrivals, share, 1000000000);
}

/* The one that is due first; of those of one instant that which keeps its order, and else the one that came first. */
static struct slow_held *slow_next_held(struct slow_link *link)
{
    struct slow_held *next = NULL;
    for (uint32_t i = 0; i < link->held_count; i++) {
        struct slow_held *held = &link->held[i];
        if (next == NULL || held->due < next->due ||
            (held->due == next->due && held->ordered && !next->ordered)) {
            next = held;
        }
    }
    return next;
}

static void slow_note_id(struct slow_link *link, uint32_t id, enum slow_fate fate)
{
    slow_note(link, &(struct slow_frame){.id = id}, fate);
}

/* Lets those go that are due; SLOW_DOWN loses them all. */
static void slow_release(struct slow_link *link, enum slow_fate fate)
{
    struct slow_held *held = slow_next_held(link);
    while (held != NULL && (fate == SLOW_DOWN || held->due <= sim_now(link->sim))) {
        slow_note_id(link, held->id, fate == SLOW_DOWN ? SLOW_DOWN : held->fate);
        memmove(held, held + 1, (size_t)(link->held + --link->held_count - held) * sizeof *held);
        held = slow_next_held(link);
    }
    if (held == NULL) {
        sim_event_cancel(link->sim, link->held_event);
    } else {
        sim_event_arm(link->sim, link->held_event, held->due);
    }
}

static void slow_held_arrive(void *context)
{
    slow_release(context, SLOW_ARRIVED);
}

static bool slow_loses(struct slow_link *link, const struct slow_frame *frame)
{
    struct slow_faults *faults = &link->faults;
    bool lost = faults->cut || slow_hits(link, "link.loss", faults->loss);
    if (link->nth_skip > 0) {
        link->nth_skip--;
    } else if (link->nth_count > 0) {
        link->nth_count--;
        lost = true;
    }
    if (faults->bursts) {
        uint64_t change = faults->bad ? faults->burst_end : faults->burst_begin;
        faults->bad ^= slow_hits(link, "link.burst", change);
        uint64_t share = faults->bad ? faults->burst_loss : faults->burst_between;
        lost = slow_hits(link, "link.burst-loss", share) || lost;
    }
    /* Without its Ethernet header it is what IP sees. */
    return lost || (faults->black_hole_bytes > 0 && frame->bytes - 14 > faults->black_hole_bytes);
}

static void slow_pass(struct slow_link *link, uint32_t id, enum slow_fate fate, bool overtaken,
                      sim_time hold_ns)
{
    sim_time due = sim_now(link->sim) + hold_ns;
    bool wait = hold_ns > 0;
    for (uint32_t i = 0; i < link->held_count && !overtaken; i++) {
        const struct slow_held *held = &link->held[i];
        wait = wait || held->ordered;
        due = held->ordered && held->due > due ? held->due : due;
    }
    if (!wait) {
        slow_note_id(link, id, fate);
        return;
    }
    cr_assert(link->held_count < SLOW_FRAMES_MAX);
    link->held[link->held_count++] = (struct slow_held){id, fate, due, !overtaken};
}

static void slow_arrival(void *context)
{
    struct slow_link *link = context;
    const struct slow_faults *faults = &link->faults;
    struct slow_frame *frame = queue_pop(&link->wire);
    cr_assert(frame != NULL);
    cr_assert_eq(frame->arrival, sim_now(link->sim));
    slow_settle(link);
    slow_arm_arrival(link);
    slow_release(link, SLOW_ARRIVED);
    link->arrivals++;
    if (slow_loses(link, frame)) {
        slow_note(link, frame, SLOW_LOSS);
        return;
    }
    enum slow_fate fate = SLOW_ARRIVED;
    fate = slow_hits(link, "link.corrupt-repaired", faults->change) ? SLOW_CHANGED : fate;
    fate = slow_hits(link, "link.corrupt", faults->corrupt) ? SLOW_CORRUPT : fate;
    bool twice = slow_hits(link, "link.duplicate", faults->duplicate);
    bool overtaken = slow_hits(link, "link.reorder", faults->reorder);
    sim_time hold_ns = faults->delay_ns + (overtaken ? faults->hold_ns : 0);
    if (faults->jitter_ns > 0) {
        hold_ns += (sim_time)chance_below(chance_key(link->seed, "link.jitter", "link"),
                                          link->arrivals, (uint64_t)faults->jitter_ns + 1);
    }
    for (uint32_t i = 0; i < (twice ? 2u : 1u); i++) {
        slow_pass(link, frame->id, fate, overtaken, hold_ns);
    }
    link->doubled += twice ? 1 : 0;
    slow_release(link, SLOW_ARRIVED);
}

struct slow_link *slow_link_new(struct sim *sim, uint32_t origin, uint64_t seed, uint64_t rate_bps,
                                sim_time delay_ns, uint64_t queue_bytes_max)
{
    struct slow_link *link = calloc(1, sizeof *link);
    cr_assert(link != NULL);
    link->sim = sim;
    link->seed = seed;
    link->rate_bps = rate_bps;
    link->delay_ns = delay_ns;
    link->queue_bytes_max = queue_bytes_max;
    link->end_event = sim_event_new(sim, origin, slow_end, link);
    link->arrival_event = sim_event_new(sim, origin, slow_arrival, link);
    link->held_event = sim_event_new(sim, origin, slow_held_arrive, link);
    return link;
}

void slow_link_free(struct slow_link *link)
{
    sim_event_free(link->sim, link->end_event);
    sim_event_free(link->sim, link->arrival_event);
    sim_event_free(link->sim, link->held_event);
    free(link);
}

uint64_t slow_link_queued_bytes(struct slow_link *link)
{
    slow_settle(link);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < link->waiting.count; i++) {
        bytes += link->waiting.items[(link->waiting.first + i) % SLOW_FRAMES_MAX]->bytes;
    }
    return bytes;
}

void slow_link_send(struct slow_link *link, uint32_t id, uint32_t bytes)
{
    slow_settle(link);
    cr_assert(link->frame_count < SLOW_FRAMES_MAX);
    struct slow_frame *frame = &link->frames[link->frame_count++];
    *frame = (struct slow_frame){.id = id, .bytes = bytes};
    if (link->down) {
        slow_note(link, frame, SLOW_DOWN);
        return;
    }
    if (link->sending != NULL && link->queue_bytes_max != 0 &&
        slow_link_queued_bytes(link) + bytes > link->queue_bytes_max) {
        slow_note(link, frame, SLOW_QUEUE);
        return;
    }
    queue_push(&link->waiting, frame);
    if (link->sending == NULL) {
        slow_start_next(link);
    }
}

/* Loses frames of the wire from the nth on, and all that wait. */
static void slow_cut(struct slow_link *link, uint32_t nth, enum slow_fate fate)
{
    sim_time now = sim_now(link->sim);
    uint32_t wire_count = link->wire.count;
    link->wire.count = nth;
    if (nth == 0) {
        sim_event_cancel(link->sim, link->arrival_event);
    } else {
        link->last_arrival =
            link->wire.items[(link->wire.first + nth - 1) % SLOW_FRAMES_MAX]->arrival;
    }
    for (uint32_t i = nth; i < wire_count; i++) {
        const struct slow_frame *frame = link->wire.items[(link->wire.first + i) % SLOW_FRAMES_MAX];
        slow_note(link, frame, fate);
    }
    while (link->waiting.count > 0) {
        slow_note(link, queue_pop(&link->waiting), fate);
    }
    if (link->sending != NULL) {
        link->busy_ns -= link->sending->end - now;
        link->sending = NULL;
        sim_event_cancel(link->sim, link->end_event);
    }
    link->last_end = now < link->last_end ? now : link->last_end;
    link->burst_start = link->last_end;
    link->burst_work = 0;
}

void slow_link_set_down(struct slow_link *link, bool down)
{
    slow_settle(link);
    if (down && !link->down) {
        slow_release(link, SLOW_DOWN);
        slow_cut(link, 0, SLOW_DOWN);
    }
    link->down = down;
}

void slow_link_crash(struct slow_link *link)
{
    slow_settle(link);
    slow_cut(link, link->wire.count - (link->sending != NULL ? 1 : 0), SLOW_CRASH);
}

void slow_link_set_rate(struct slow_link *link, uint64_t rate_bps)
{
    slow_settle(link);
    if (rate_bps != link->rate_bps) {
        link->rate_bps = rate_bps;
        link->burst_start = link->last_end;
        link->burst_work = 0;
    }
}

void slow_link_set_delay(struct slow_link *link, sim_time delay_ns)
{
    slow_settle(link);
    link->delay_ns = delay_ns;
}
