#include "nic/nic.h"

#include <stdlib.h>

struct nic {
    /* What every frame touches. */
    struct net *net;
    struct frame_sink in, out;
    struct mac mac;
    uint32_t frame_bytes_max; /* MTU and Ethernet header */
    uint32_t ring_count;
    bool runs; /* of the machine, as its news said last */
    bool promiscuous;

    /* The receive ring: frames wait in it in the order of arrival. */
    struct frame *ring_first, *ring_last;
    uint32_t ring_frames_max;
    uint32_t drain_event;
    uint64_t ring_drops;

    struct machine *machine;
    struct link *link; /* told of crashes; NULL where `out` is something else */
    uint32_t origin;
    uint32_t mtu;
};

static void nic_machine_news(void *context, enum machine_news news);
static void nic_drain(void *context);

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
    nic->out = link_entrance(link);
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
    if (nic->ring_count == nic->ring_frames_max) {
        nic->ring_drops++;
        net_lose_frame(nic->net, nic->origin, 0, "ring", frame);
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
    if (SIM_UNLIKELY(!nic->runs || nic->ring_count > 0)) {
        nic_hold(nic, frame);
        return;
    }
    nic->in.receive(nic->in.context, frame);
}

/* Hands in what waited, for as long as the machine runs: what comes out may stop it again. */
static void nic_drain(void *context)
{
    struct nic *nic = context;
    while (nic->runs && nic->ring_count > 0) {
        nic->in.receive(nic->in.context, nic_ring_take(nic));
    }
}

static void nic_lose_ring(struct nic *nic)
{
    while (nic->ring_count > 0) {
        net_lose_frame(nic->net, nic->origin, 0, "crash", nic_ring_take(nic));
    }
}

static void nic_machine_news(void *context, enum machine_news news)
{
    struct nic *nic = context;
    switch (news) {
    case MACHINE_POWERED_ON:
        SIM_ASSERT(nic->ring_count == 0);
        nic->runs = machine_runs(nic->machine);
        break;
    case MACHINE_STARTED:
        nic->runs = true;
        if (nic->ring_count > 0) {
            sim_event_arm(nic->net->sim, nic->drain_event, sim_now(nic->net->sim));
        }
        break;
    case MACHINE_STOPPED:
        nic->runs = false;
        break;
    case MACHINE_CRASHED:
        nic->runs = false;
        sim_event_cancel(nic->net->sim, nic->drain_event);
        nic_lose_ring(nic);
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
    if (SIM_UNLIKELY(!nic->runs)) {
        const char *reason = machine_is_on(nic->machine) ? "stopped" : "off";
        net_lose_frame(nic->net, nic->origin, 0, reason, frame);
        return;
    }
    if (SIM_UNLIKELY(frame->wire_bytes > nic->frame_bytes_max)) {
        net_lose_frame(nic->net, nic->origin, 0, "mtu", frame);
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

uint64_t nic_ring_drops(const struct nic *nic)
{
    return nic->ring_drops;
}

void nic_check(const struct nic *nic)
{
    SIM_ASSERT(nic->runs == machine_runs(nic->machine));
    SIM_ASSERT(nic->ring_count <= nic->ring_frames_max);
    SIM_ASSERT(machine_is_on(nic->machine) || nic->ring_count == 0);
    uint32_t count = 0;
    for (const struct frame *frame = nic->ring_first; count < nic->ring_count;
         frame = frame->next) {
        SIM_ASSERT(frame != NULL);
        count++;
        SIM_ASSERT(count < nic->ring_count || frame == nic->ring_last);
    }
    SIM_ASSERT(!nic->runs || count == 0 || sim_event_queued(nic->net->sim, nic->drain_event));
}
