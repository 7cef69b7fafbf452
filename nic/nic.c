#include "nic/nic.h"

#include <stdlib.h>

struct nic {
    /* What every frame touches. */
    struct net *net;
    struct frame_sink in;
    struct link
        *link; /* where sent frames go, and who is told of crashes; NULL where they go to `out` */
    struct frame_sink out;
    struct mac mac;
    uint32_t frame_bytes_max; /* MTU and Ethernet header */
    uint32_t ring_count;
    bool takes, sends; /* what arrives goes straight in, if nothing waits; what is sent goes out */
    bool runs;         /* of the machine, as its news said last */
    bool stalled, hung;
    bool promiscuous;

    /* The receive ring: frames wait in it in the order of arrival. */
    struct frame *ring_first, *ring_last;
    uint32_t ring_frames_max;
    uint32_t drain_event;
    uint64_t ring_drops;
    uint64_t ring_cause, hang_cause;

    struct machine *machine;
    uint32_t origin;
    uint32_t mtu;
};

static void nic_machine_news(void *context, enum machine_news news);
static void nic_drain(void *context);

/* After the last of what they depend on has changed. */
static void nic_note_state(struct nic *nic)
{
    nic->takes = nic->runs && !nic->stalled && !nic->hung && nic->ring_frames_max > 0;
    nic->sends = nic->runs && !nic->hung;
}

static void sink_nowhere(void *context, struct frame *frame)
{
    struct nic *nic = context;
    net_lose_frame(nic->net, nic->origin, 0, "down", frame);
}

struct nic *nic_new(struct net *net, const struct nic_options *options)
{
    SIM_ASSERT(options->machine != NULL);
    SIM_ASSERT(options->mtu <= FRAME_MTU_MAX);
    SIM_ASSERT(!mac_is_group(options->mac));
    struct nic *nic = calloc(1, sizeof *nic);
    SIM_ASSERT(nic != NULL);
    nic->net = net;
    nic->in = (struct frame_sink){sink_nowhere, nic};
    nic->out = nic->in;
    nic->mac = options->mac;
    nic->mtu = options->mtu;
    nic->frame_bytes_max = options->mtu + ETH_HEADER_BYTES;
    nic->ring_frames_max = options->ring_frames != 0 ? options->ring_frames : NIC_RING_FRAMES;
    nic->machine = options->machine;
    nic->origin = options->origin;
    nic->runs = machine_runs(options->machine);
    nic_note_state(nic);
    nic->drain_event = sim_event_new(net->sim, options->origin, nic_drain, nic);
    machine_watch(options->machine, nic_machine_news, nic);
    return nic;
}

/* Takes the first frame out of the ring. */
static struct frame *nic_ring_take(struct nic *nic)
{
    struct frame *frame = nic->ring_first;
    SIM_ASSERT(frame != NULL);
    SIM_ASSERT(nic->ring_count > 0);
    nic->ring_first = frame->next;
    nic->ring_count--;
    return frame;
}

void nic_free(struct nic *nic)
{
    machine_unwatch(nic->machine, nic_machine_news, nic);
    while (nic->ring_count > 0) {
        net_free_frame(nic->net, nic_ring_take(nic));
    }
    sim_event_free(nic->net->sim, nic->drain_event);
    free(nic);
}

void nic_connect_out(struct nic *nic, struct frame_sink out)
{
    nic->out = out;
    nic->link = NULL;
}

void nic_connect_link(struct nic *nic, struct link *link)
{
    nic->link = link;
}

void nic_connect_in(struct nic *nic, struct frame_sink in)
{
    nic->in = in;
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* A frame that cannot go straight in: the machine does not run, or others wait in front. */
static void nic_hold(struct nic *nic, struct frame *frame)
{
    if (!machine_is_on(nic->machine)) {
        net_lose_frame(nic->net, nic->origin, 0, "off", frame);
        return;
    }
    if (nic->hung) {
        net_lose_frame(nic->net, nic->origin, nic->hang_cause, "hang", frame);
        return;
    }
    if (nic->ring_count >= nic->ring_frames_max) {
        nic->ring_drops++;
        net_lose_frame(nic->net, nic->origin, nic->ring_cause, "ring", frame);
        return;
    }
    frame->next = NULL;
    if (nic->ring_count == 0) {
        nic->ring_first = frame;
    } else {
        nic->ring_last->next = frame;
    }
    nic->ring_last = frame;
    nic->ring_count++;
}

static void nic_receive(void *context, struct frame *frame)
{
    struct nic *nic = context;
    if (SIM_UNLIKELY(!mac_same(frame->destination, nic->mac)) &&
        !mac_is_group(frame->destination) && !nic->promiscuous) {
        net_free_frame(nic->net, frame);
        return;
    }
    if (SIM_UNLIKELY(frame->wire_bytes > nic->frame_bytes_max)) {
        net_lose_frame(nic->net, nic->origin, 0, "mtu", frame);
        return;
    }
    if (SIM_UNLIKELY(!nic->takes || nic->ring_count > 0)) {
        nic_hold(nic, frame);
        return;
    }
    nic->in.receive(nic->in.context, frame);
}

/* Hands in what waited, for as long as it is taken: what comes out may stop the machine again. */
static void nic_drain(void *context)
{
    struct nic *nic = context;
    while (nic->takes && nic->ring_count > 0) {
        nic->in.receive(nic->in.context, nic_ring_take(nic));
    }
}

static void nic_lose_ring(struct nic *nic, uint64_t cause, const char *reason)
{
    while (nic->ring_count > 0) {
        net_lose_frame(nic->net, nic->origin, cause, reason, nic_ring_take(nic));
    }
}

/* Frames may go in again: those that waited first. */
static void nic_let_in(struct nic *nic)
{
    nic_note_state(nic);
    if (nic->takes && nic->ring_count > 0) {
        sim_event_arm(nic->net->sim, nic->drain_event, sim_now(nic->net->sim));
    }
}

static void nic_machine_news(void *context, enum machine_news news)
{
    struct nic *nic = context;
    switch (news) {
    case MACHINE_POWERED_ON:
        SIM_ASSERT(nic->ring_count == 0);
        nic->runs = machine_runs(nic->machine);
        nic_note_state(nic);
        break;
    case MACHINE_STARTED:
        nic->runs = true;
        nic_let_in(nic);
        break;
    case MACHINE_STOPPED:
        nic->runs = false;
        nic_note_state(nic);
        break;
    case MACHINE_CRASHED:
        nic->runs = false;
        nic_note_state(nic);
        sim_event_cancel(nic->net->sim, nic->drain_event);
        nic_lose_ring(nic, 0, "crash");
        if (nic->link != NULL) {
            link_sender_crashed(nic->link);
        }
        break;
    }
}

/* ---- sending -------------------------------------------------------------------------------- */

static void nic_send(void *context, struct frame *frame)
{
    struct nic *nic = context;
    if (SIM_UNLIKELY(!nic->sends)) {
        const char *reason = nic->runs ? "hang" : machine_is_on(nic->machine) ? "stopped" : "off";
        net_lose_frame(nic->net, nic->origin, nic->runs ? nic->hang_cause : 0, reason, frame);
        return;
    }
    if (SIM_UNLIKELY(frame->wire_bytes > nic->frame_bytes_max)) {
        net_lose_frame(nic->net, nic->origin, 0, "mtu", frame);
        return;
    }
    if (SIM_LIKELY(nic->link != NULL)) {
        link_send(nic->link, frame);
        return;
    }
    nic->out.receive(nic->out.context, frame);
}

/* ---- looking and setting -------------------------------------------------------------------- */

struct frame_sink nic_wire_side(struct nic *nic)
{
    return (struct frame_sink){nic_receive, nic};
}

struct frame_sink nic_machine_side(struct nic *nic)
{
    return (struct frame_sink){nic_send, nic};
}

void nic_set_mac(struct nic *nic, struct mac mac)
{
    SIM_ASSERT(!mac_is_group(mac));
    nic->mac = mac;
}

struct mac nic_mac(const struct nic *nic)
{
    return nic->mac;
}

uint32_t nic_mtu(const struct nic *nic)
{
    return nic->mtu;
}

void nic_set_promiscuous(struct nic *nic, bool promiscuous)
{
    nic->promiscuous = promiscuous;
}

void nic_set_ring(struct nic *nic, uint32_t frames, uint64_t cause)
{
    nic->ring_frames_max = frames;
    nic->ring_cause = cause;
    nic_let_in(nic);
}

void nic_set_stalled(struct nic *nic, bool stalled, uint64_t cause)
{
    nic->stalled = stalled;
    nic->ring_cause = cause;
    nic_let_in(nic);
}

void nic_reset(struct nic *nic, uint64_t cause)
{
    nic_lose_ring(nic, cause, "reset");
    sim_event_cancel(nic->net->sim, nic->drain_event);
    if (nic->link != NULL) {
        link_sender_reset(nic->link, cause);
    }
}

void nic_set_hung(struct nic *nic, bool hung, uint64_t cause)
{
    if (nic->hung == hung) {
        return;
    }
    nic->hung = hung;
    nic_reset(nic, hung ? cause : nic->hang_cause);
    nic->hang_cause = cause;
    nic_note_state(nic);
}

uint64_t nic_ring_drops(const struct nic *nic)
{
    return nic->ring_drops;
}

void nic_check(const struct nic *nic)
{
    SIM_ASSERT(nic->runs == machine_runs(nic->machine));
    SIM_ASSERT(machine_is_on(nic->machine) || nic->ring_count == 0);
    uint32_t count = 0;
    for (const struct frame *frame = nic->ring_first; count < nic->ring_count;
         frame = frame->next) {
        SIM_ASSERT(frame != NULL);
        count++;
        SIM_ASSERT(count < nic->ring_count || frame == nic->ring_last);
    }
    SIM_ASSERT(!nic->takes || count == 0 || sim_event_queued(nic->net->sim, nic->drain_event));
    SIM_ASSERT(!nic->hung || count == 0);
    SIM_ASSERT(nic->takes ==
               (nic->runs && !nic->stalled && !nic->hung && nic->ring_frames_max > 0));
}
