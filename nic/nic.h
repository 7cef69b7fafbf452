/* nic/nic.h - a network interface: a machine's door to a link, or a guest's to a virtual switch.
 *
 * A running machine takes each frame as it arrives. A machine that is on but does not run (frozen, paused) lets frames pile up in
 * the receive ring, which then drops; at the thaw the ring is drained in order. A machine that is off loses all of them.
 *
 *  N1. Nothing is sent for a machine that does not run.
 *  N2. The ring takes no frame beyond its size; frames of a dead incarnation are gone.
 *  N3. Frames enter the machine in the order in which they arrived, also across a freeze: the drain is an event of the instant of the
 *      thaw, and what arrives before it ran queues behind.
 *
 * Three things can be wrong with it. While it is *stalled* nobody takes frames out of the ring, though the machine runs. A ring of another size
 * holds fewer, and of size 0 none: nothing gets in. While it *hangs* it neither sends nor receives; when that ends it is reset: what
 * is in its ring is lost, as is what its link had not sent when it began.
 *
 * A NIC is made before what stands on it, so that it hears of power-on first and of a crash last (sim/machine.h). What is not for
 * its address is ignored without a record; what it loses is recorded. */
#ifndef ORRERY_NIC_NIC_H
#define ORRERY_NIC_NIC_H

#include "nic/link.h"
#include "sim/machine.h"

#define NIC_RING_FRAMES 512u

struct nic;

struct nic_options {
    struct machine *machine; /* borrowed; watched */
    uint32_t origin;
    struct mac mac;
    uint32_t mtu;
    uint32_t ring_frames; /* 0: NIC_RING_FRAMES */
};

struct nic *nic_new(struct net *net, const struct nic_options *options);
void nic_free(struct nic *nic);
/* Where sent frames go (a link, a virtual switch port) and where received ones go (a stack, a virtual switch's uplink). */
void nic_connect_out(struct nic *nic, struct frame_sink out);
void nic_connect_in(struct nic *nic, struct frame_sink in);
/* The same out, to a link, which then also hears of the machine's crash (link_sender_crashed, L4). */
void nic_connect_link(struct nic *nic, struct link *link);
/* The NIC as a sink for what arrives from the wire. */
struct frame_sink nic_wire_side(struct nic *nic);
/* The NIC as a sink for what the machine sends. */
struct frame_sink nic_machine_side(struct nic *nic);
void nic_set_mac(struct nic *nic, struct mac mac);
struct mac nic_mac(const struct nic *nic);
uint32_t nic_mtu(const struct nic *nic);
/* Receives every frame, not only its own and groups: a virtual switch's uplink. */
void nic_set_promiscuous(struct nic *nic, bool promiscuous);
/* Places of the receive ring; what is in it and beyond stays until it is taken. `cause` is named by what finds it full. */
void nic_set_ring(struct nic *nic, uint32_t frames, uint64_t cause);
void nic_set_stalled(struct nic *nic, bool stalled, uint64_t cause);
void nic_set_hung(struct nic *nic, bool hung, uint64_t cause);
void nic_reset(struct nic *nic, uint64_t cause);
uint64_t nic_ring_drops(const struct nic *nic);
void nic_check(const struct nic *nic);

#endif
