#include "nic/link.h"

#include "nic/frame_bytes.h"
#include "sim/planted.h"

#include <stdlib.h>

/* Work is counted in bits times 1e9, so that work / rate is nanoseconds. */
#define NS_PER_S UINT64_C(1000000000)

__extension__ typedef unsigned __int128 link_wide;

struct link {
    /* What every frame touches. */
    struct net *net;
    struct frame *first, *last;
    struct frame *unstarted; /* first frame that had not started when last looked; NULL: all had */
    uint64_t queued_bytes;   /* of frames from `unstarted` on */
    struct wire_pace
        pace; /* busy until the end of the last frame, or when what came after it was cut off */
    sim_time delay_ns;
    uint64_t carry; /* work that did not fill a nanosecond, < rate_bps */
    uint64_t rate_bps;
    uint64_t cached_bytes; /* link bytes whose division stands in cached_ns and cached_carry */
    uint64_t cached_ns, cached_carry;
    uint64_t queue_bytes_max;
    uint64_t path_hash;
    struct frame_sink sink;
    uint32_t event, origin;
    bool down;
    bool ppp;
    bool faulty; /* a fault, a frame held by one or a tap is there: the slow way at arrival */
    uint64_t digests_sent, digests_delivered, digests_lost; /* sums modulo 2^64 (L6) */
    struct link_statistics statistics;

    /* Faults and watching. */
    uint64_t down_cause, queue_cause;
    uint64_t arrivals; /* opportunities of the faults, whether or not one is there */
    uint32_t held_event;
    link_tap *tap;
    void *tap_context;
    struct link_faults faults;
};

static void link_arrival(void *context);
static void link_held_arrive(void *context);

static void link_divide(struct link *link, uint64_t bytes)
{
    uint64_t work = bytes * 8 * NS_PER_S;
    link->cached_bytes = bytes;
    link->cached_ns = work / link->rate_bps;
    link->cached_carry = work % link->rate_bps;
}

static void link_find_patience(struct link *link)
{
    link_wide queue_ns = (link_wide)link->queue_bytes_max * 8 * NS_PER_S / link->rate_bps;
    bool short_queue = link->queue_bytes_max > 0 && queue_ns / 2 < WIRE_PATIENCE_NS;
    link->pace.patience_ns = short_queue ? (sim_time)(queue_ns / 2) : WIRE_PATIENCE_NS;
}

struct link *link_new(struct net *net, uint32_t origin, const struct link_options *options,
                      struct frame_sink sink)
{
    SIM_ASSERT(options->rate_bps > 0);
    SIM_ASSERT(options->delay_ns >= 0);
    struct link *link = calloc(1, sizeof *link);
    SIM_ASSERT(link != NULL);
    const char *path = sim_origin_path(net->sim, origin);
    link->net = net;
    link->origin = origin;
    link->sink = sink;
    link->rate_bps = options->rate_bps;
    link->delay_ns = options->delay_ns;
    link->ppp = options->framing == LINK_PPP;
    link->queue_bytes_max = options->queue_bytes_max;
    link->path_hash = recorder_name_hash(path);
    link_faults_init(&link->faults, net, origin);
    link->event = sim_event_new(net->sim, origin, link_arrival, link);
    link->held_event = sim_event_new(net->sim, origin, link_held_arrive, link);
    link_divide(link, 0);
    link_find_patience(link);
    return link;
}

void link_free(struct link *link)
{
    while (link->first != NULL) {
        struct frame *frame = link->first;
        link->first = frame->next;
        net_free_frame(link->net, frame);
    }
    link_faults_close(&link->faults);
    sim_event_free(link->net->sim, link->event);
    sim_event_free(link->net->sim, link->held_event);
    free(link);
}

void link_connect(struct link *link, struct frame_sink sink)
{
    link->sink = sink;
}

uint32_t link_origin(const struct link *link)
{
    return link->origin;
}

/* ---- sending -------------------------------------------------------------------------------- */

static uint64_t link_bytes(const struct link *link, const struct frame *frame)
{
    if (SIM_LIKELY(!link->ppp)) {
        return frame->wire_bytes + ETH_OVERHEAD_BYTES;
    }
    /* The Ethernet header goes, and with it the padding. */
    return frame_header_bytes(frame) - ETH_HEADER_BYTES + frame->payload_bytes + PPP_HEADER_BYTES;
}

/* Time to send one frame with all that goes around it. What does not fill a nanosecond is carried to the next frame, so a
 * burst ends exactly where one long frame would. Frames mostly come in one size: its division is kept. */
static inline sim_time link_serialize(struct link *link, const struct frame *frame)
{
    uint64_t bytes = link_bytes(link, frame);
    if (SIM_UNLIKELY(bytes != link->cached_bytes)) {
        link_divide(link, bytes);
    }
    uint64_t carry = link->carry + link->cached_carry;
    uint64_t ns = link->cached_ns;
    if (carry >= link->rate_bps) {
        carry -= link->rate_bps;
        ns++;
    }
    link->carry = carry;
    return (sim_time)ns;
}

/* Moves the line between started and not up to the present instant; each frame is passed once. */
static inline void link_pass_started(struct link *link, sim_time now)
{
    struct frame *frame = link->unstarted;
    while (frame != NULL && frame->start <= now) {
        link->queued_bytes -= frame->wire_bytes;
        frame = frame->next;
    }
    link->unstarted = frame;
}

static void link_lose(struct link *link, uint64_t cause, const char *reason, struct frame *frame)
{
    link->digests_lost += frame->digest;
    link->statistics.frames_lost++;
    net_lose_frame(link->net, link->origin, cause, reason, frame);
}

void link_send(struct link *link, struct frame *frame)
{
    sim_time now = sim_now(link->net->sim);
    link->statistics.frames_sent++;
    link->statistics.bytes_sent += frame->wire_bytes;
    link->digests_sent += frame->digest;
    if (SIM_UNLIKELY(link->down)) {
        link_lose(link, link->down_cause, "down", frame);
        return;
    }
    link_pass_started(link, now);
    sim_time start = link->pace.busy_until;
    if (start < now) {
        start = now;
        link->carry = 0;
    }
    if (start > now) {
        uint64_t queued_bytes = link->queued_bytes + frame->wire_bytes;
        if (SIM_UNLIKELY(link->queue_bytes_max != 0 && queued_bytes > link->queue_bytes_max)) {
            link_lose(link, link->queue_cause, "queue", frame);
            return;
        }
        link->queued_bytes = queued_bytes;
        if (queued_bytes > link->statistics.queue_bytes_peak) {
            link->statistics.queue_bytes_peak = queued_bytes;
        }
        if (link->unstarted == NULL) {
            link->unstarted = frame;
        }
    }
    sim_time sending_ns = link_serialize(link, frame);
    frame->start = start;
    frame->end = start + sending_ns;
    frame->arrival = frame->end + link->delay_ns;
    frame->next = NULL;
    link->pace.busy_until = frame->end;
    link->statistics.busy_ns += sending_ns;
    if (link->first != NULL) {
        if (SIM_UNLIKELY(frame->arrival < link->last->arrival)) {
            frame->arrival = link->last->arrival; /* L1: a shorter delay does not overtake */
        }
        link->last->next = frame;
        link->last = frame;
        return;
    }
    link->first = frame;
    link->last = frame;
    sim_event_arm(link->net->sim, link->event, frame->arrival);
}

static void link_receive(void *context, struct frame *frame)
{
    link_send(context, frame);
}

struct frame_sink link_entrance(struct link *link)
{
    return (struct frame_sink){link_receive, link};
}

/* ---- arriving ------------------------------------------------------------------------------- */

/* As it arrived, whatever becomes of it; only where a recording asked for frames. */
static __attribute__((noinline, cold)) void link_write_frame(const struct link *link, uint64_t id,
                                                             const struct frame *frame)
{
    uint8_t bytes[FRAME_BYTES_MAX];
    uint32_t length = frame_bytes(link->net, frame, bytes);
    recorder_write_frame(link->net->recorder, id, link->origin, bytes, length);
}

/* Of a long queue frames come from far memory: the one after the next is fetched while others arrive. */
static inline __attribute__((always_inline)) void link_expect(const struct frame *frame)
{
    const char *lines = (const char *)frame;
    __builtin_prefetch(lines);
    __builtin_prefetch(lines + 64);
    __builtin_prefetch(lines + 128);
}

static inline void link_deliver(struct link *link, struct frame *frame)
{
    link->digests_delivered += frame->digest;
    link->statistics.frames_delivered++;
    link->statistics.bytes_delivered += frame->wire_bytes;
    link->sink.receive(link->sink.context, frame);
}

/* Takes the frame out of the FIFO, and sees to the next one. */
static inline __attribute__((always_inline)) void link_pull(struct link *link, struct frame *frame)
{
    struct net *net = link->net;
    if (link->unstarted == frame) {
        link_pass_started(link, frame->arrival);
    }
    link->first = frame->next;
    if (link->first != NULL) {
        sim_event_arm(net->sim, link->event, link->first->arrival);
        if (link->first->next != NULL) {
            link_expect(link->first->next);
        }
    }
    link->arrivals++;
}

/* The arrival in the run hash; its bytes in the recording, where asked for. */
static inline __attribute__((always_inline)) void link_note_arrival(const struct link *link,
                                                                    const struct frame *frame)
{
    struct net *net = link->net;
    uint64_t id;
    struct run_hash *hash = recorder_frame(net->recorder, &id);
    run_hash_fold(hash, link->path_hash ^ (uint64_t)frame->arrival,
                  frame->digest ^ frame->wire_bytes);
    if (SIM_UNLIKELY(recorder_wants_frame(net->recorder, id))) {
        link_write_frame(link, id, frame);
    }
}

static void link_note_faults(struct link *link)
{
    link->faulty = link_faults_act(&link->faults) || link->tap != NULL;
}

/* ---- arriving where there is a fault or a tap ----------------------------------------------- */

static void link_show(const struct link *link, const struct frame *frame, bool delivered)
{
    link_note_arrival(link, frame);
    if (link->tap != NULL) {
        link->tap(link->tap_context, frame, sim_now(link->net->sim), delivered);
    }
}

static void link_arm_held(struct link *link)
{
    sim_time next = link_faults_next(&link->faults);
    if (next == SIM_NEVER) {
        sim_event_cancel(link->net->sim, link->held_event);
    } else {
        sim_event_arm(link->net->sim, link->held_event, next);
    }
}

/* Delivers the frames that a fault held and that are due: before what arrives now (nic/link_fault.h, F5). */
static void link_release(struct link *link)
{
    sim_time now = sim_now(link->net->sim);
    struct frame *frame = link_faults_take(&link->faults, now);
    while (frame != NULL) {
        link_show(link, frame, true);
        link_deliver(link, frame);
        frame = link_faults_take(&link->faults, now);
    }
}

static void link_held_arrive(void *context)
{
    struct link *link = context;
    SIM_ASSERT(link_faults_next(&link->faults) == sim_now(link->net->sim));
    link_release(link);
    link_arm_held(link);
    link_note_faults(link);
}

static __attribute__((noinline)) void link_suffer(struct link *link, struct frame *frame)
{
    struct link_faults *faults = &link->faults;
    link_release(link);
    struct link_fate fate = link_faults_decide(faults, link->arrivals, frame);
    if (fate.lost != NULL) {
        link_show(link, frame, false);
        link_lose(link, fate.cause, fate.lost, frame);
    } else {
        struct frame *copy = fate.twice ? link_faults_copy(faults, frame) : NULL;
        bool hold = link_faults_must_hold(faults, &fate);
        for (struct frame *each = frame; each != NULL; each = each == frame ? copy : NULL) {
            if (hold) {
                link_faults_hold(faults, &fate, each);
            } else {
                link_show(link, each, true);
                link_deliver(link, each);
            }
        }
    }
    link_arm_held(link);
    link_note_faults(link);
}

static void link_arrival(void *context)
{
    struct link *link = context;
    struct frame *frame = link->first;
    SIM_ASSERT(frame != NULL);
    SIM_ASSERT(frame->arrival == sim_now(link->net->sim));
    link_pull(link, frame);
    if (SIM_UNLIKELY(link->faulty)) {
        link_suffer(link, frame);
        return;
    }
    link_note_arrival(link, frame);
    if (SIM_PLANTED(frame_twice) && link->arrivals % 100 == 0) {
        link_deliver(link, frame_copy(link->net->frames, frame));
    }
    link_deliver(link, frame);
}

/* ---- what may change while it runs ---------------------------------------------------------- */

static void link_record_state(const struct link *link, uint64_t cause)
{
    RECORD(link->net->recorder, link->net->record_base + NET_LINK_STATE, link->origin, cause, "",
           link->down ? 0 : 1, (int64_t)link->rate_bps, (int64_t)link->delay_ns);
}

/* Loses `frame` and all behind it; `before` is the one in front, NULL where there is none. The link is idle then. */
static void link_cut(struct link *link, struct frame *before, struct frame *frame, uint64_t cause,
                     const char *reason)
{
    sim_time now = sim_now(link->net->sim);
    link_pass_started(link, now);
    link->last = before;
    if (before == NULL) {
        link->first = NULL;
        sim_event_cancel(link->net->sim, link->event);
    } else {
        before->next = NULL;
    }
    link->unstarted = NULL;
    link->queued_bytes = 0;
    link->carry = 0;
    if (link->pace.busy_until > now) {
        link->pace.busy_until = now;
    }
    while (frame != NULL) {
        struct frame *next = frame->next;
        sim_time sent_until = frame->start > now ? frame->start : now;
        if (frame->end > sent_until) {
            link->statistics.busy_ns -= frame->end - sent_until;
        }
        link_lose(link, cause, reason, frame);
        frame = next;
    }
}

void link_set_down(struct link *link, bool down, uint64_t cause)
{
    if (link->down == down) {
        return;
    }
    link->down = down;
    link->down_cause = cause;
    link_record_state(link, cause);
    if (down) {
        struct frame *held = link_faults_take(&link->faults, SIM_NEVER);
        while (held != NULL) {
            link_lose(link, cause, "down", held);
            held = link_faults_take(&link->faults, SIM_NEVER);
        }
        link_arm_held(link);
        link_note_faults(link);
        link_cut(link, NULL, link->first, cause, "down");
    }
}

bool link_is_down(const struct link *link)
{
    return link->down;
}

static void link_lose_unsent(struct link *link, uint64_t cause, const char *reason)
{
    sim_time now = sim_now(link->net->sim);
    struct frame *before = NULL;
    struct frame *frame = link->first;
    while (frame != NULL && frame->end <= now) {
        before = frame;
        frame = frame->next;
    }
    link_cut(link, before, frame, cause, reason);
}

void link_sender_crashed(struct link *link)
{
    link_lose_unsent(link, 0, "crash");
}

void link_sender_reset(struct link *link, uint64_t cause)
{
    link_lose_unsent(link, cause, "reset");
}

/* The last frame that has started and not arrived, NULL where there is none: O(frames on the wire). */
static struct frame *link_last_started(struct link *link)
{
    struct frame *started = NULL;
    for (struct frame *frame = link->first; frame != link->unstarted; frame = frame->next) {
        started = frame;
    }
    return started;
}

/* Computes anew when frames that have not started will start, end and arrive (L4). The head has always started, so the
 * event that is armed for it stays. */
static void link_retime(struct link *link, bool new_rate)
{
    link_pass_started(link, sim_now(link->net->sim));
    if (link->unstarted == NULL) {
        if (new_rate) {
            link->carry = 0;
        }
        return;
    }
    struct frame *before = link_last_started(link);
    sim_time start = link->unstarted->start;
    SIM_ASSERT(before != NULL);
    SIM_ASSERT(before->end == start);
    sim_time arrival = before->arrival;
    if (new_rate) {
        link->carry = 0;
    }
    for (struct frame *frame = link->unstarted; frame != NULL; frame = frame->next) {
        if (new_rate) {
            sim_time sending_ns = link_serialize(link, frame);
            link->statistics.busy_ns += sending_ns - (frame->end - frame->start);
            frame->start = start;
            frame->end = start + sending_ns;
            start = frame->end;
        }
        frame->arrival = frame->end + link->delay_ns;
        if (frame->arrival < arrival) {
            frame->arrival = arrival;
        }
        arrival = frame->arrival;
    }
    link->pace.busy_until = link->last->end;
}

void link_set_rate(struct link *link, uint64_t rate_bps, uint64_t cause)
{
    SIM_ASSERT(rate_bps > 0);
    if (rate_bps == link->rate_bps) {
        return;
    }
    link->rate_bps = rate_bps;
    link_divide(link, 0);
    link_find_patience(link);
    link_retime(link, true);
    link_record_state(link, cause);
}

void link_set_delay(struct link *link, sim_time delay_ns, uint64_t cause)
{
    SIM_ASSERT(delay_ns >= 0);
    if (delay_ns == link->delay_ns) {
        return;
    }
    link->delay_ns = delay_ns;
    link_retime(link, false);
    link_record_state(link, cause);
}

void link_set_queue(struct link *link, uint64_t queue_bytes_max, uint64_t cause)
{
    link->queue_bytes_max = queue_bytes_max;
    link->queue_cause = cause;
    link_find_patience(link);
}

void link_begin_fault(struct link *link, const struct link_fault_setting *setting)
{
    link_faults_begin(&link->faults, setting);
    link_note_faults(link);
}

uint64_t link_end_fault(struct link *link, enum link_fault kind, uint64_t cause)
{
    uint64_t touched = link_faults_end(&link->faults, kind, cause);
    link_note_faults(link);
    return touched;
}

void link_owe_fault(struct link *link, const struct link_fault_setting *setting, uint64_t skip,
                    uint64_t count)
{
    link_faults_owe(&link->faults, setting, skip, count);
    link_note_faults(link);
}

void link_lose_nth(struct link *link, uint64_t skip, uint64_t count, uint64_t cause)
{
    link_owe_fault(link, &(struct link_fault_setting){.kind = LINK_LOSS, .cause = cause}, skip,
                   count);
}

void link_set_tap(struct link *link, link_tap *tap, void *context)
{
    link->tap = tap;
    link->tap_context = context;
    link_note_faults(link);
}

/* ---- looking -------------------------------------------------------------------------------- */

struct link_statistics link_statistics(const struct link *link)
{
    return link->statistics;
}

uint64_t link_arrivals(const struct link *link)
{
    return link->arrivals;
}

uint64_t link_rate(const struct link *link)
{
    return link->rate_bps;
}

const struct wire_pace *link_pace(const struct link *link)
{
    return &link->pace;
}

uint64_t link_queued_bytes(struct link *link)
{
    link_pass_started(link, sim_now(link->net->sim));
    return link->queued_bytes;
}

bool link_audit(const struct link *link)
{
    uint64_t digests = link->digests_delivered + link->digests_lost;
    uint64_t frames = link->statistics.frames_delivered + link->statistics.frames_lost;
    for (const struct frame *frame = link->first; frame != NULL; frame = frame->next) {
        digests += frame->digest;
        frames++;
    }
    frames += link_faults_audit(&link->faults, &digests);
    return digests == link->digests_sent + link->faults.digests_made &&
           frames == link->statistics.frames_sent + link->faults.frames_made;
}

void link_check(const struct link *link)
{
    sim_time now = sim_now(link->net->sim);
    SIM_ASSERT(link->carry < link->rate_bps);
    SIM_ASSERT(sim_event_queued(link->net->sim, link->event) == (link->first != NULL));
    SIM_ASSERT(!link->down || link->first == NULL);
    SIM_ASSERT(!link->down || link_faults_next(&link->faults) == SIM_NEVER);
    SIM_ASSERT(link->faulty == (link_faults_act(&link->faults) || link->tap != NULL));
    SIM_ASSERT(sim_event_queued(link->net->sim, link->held_event) ==
               (link_faults_next(&link->faults) != SIM_NEVER));
    link_faults_check(&link->faults);
    uint64_t queued_bytes = 0;
    bool unstarted = false;
    for (const struct frame *frame = link->first; frame != NULL; frame = frame->next) {
        unstarted = unstarted || frame == link->unstarted;
        queued_bytes += unstarted ? frame->wire_bytes : 0;
        SIM_ASSERT(unstarted || frame->start <= now);
        SIM_ASSERT(frame->start <= frame->end);
        SIM_ASSERT(frame->end <= frame->arrival);
        SIM_ASSERT(frame->arrival >= now);
        if (frame->next != NULL) {
            SIM_ASSERT(frame->next->start >= frame->end);
            SIM_ASSERT(frame->next->arrival >= frame->arrival);
        } else {
            SIM_ASSERT(frame == link->last);
            SIM_ASSERT(frame->end <= link->pace.busy_until);
        }
    }
    SIM_ASSERT(unstarted == (link->unstarted != NULL));
    SIM_ASSERT(queued_bytes == link->queued_bytes);
    SIM_ASSERT(link_audit(link));
}
