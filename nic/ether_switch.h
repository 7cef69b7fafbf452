/* nic/ether_switch.h - a learning store-and-forward switch: physical, or virtual inside a host.
 *
 * A frame that has arrived whole is sent on at the same instant: to the port where its destination was last seen, to all others
 * if it is unknown or a group address. Sources are learnt with the time; entries older than the ageing time are as good as
 * absent (IEEE 802.1Q, 8.7 and 8.8). Output queues are those of the links behind the ports.
 *
 *  S1. A frame never leaves by the port it came in.
 *  S2. A MAC stands at one port at most; a frame from another port moves it, and a record says so.
 *  S3. The table is bounded; when it is full the entry whose source was not seen for longest gives way. With a limit of 0 nothing is learnt.
 *  S4. While it is stale no entry is made and none moves; those that are there age, and are refreshed by their own port alone.
 *  S5. Without power it takes nothing in, forgets its table, and loses what a fault holds in it. */
#ifndef ORRERY_NIC_ETHER_SWITCH_H
#define ORRERY_NIC_ETHER_SWITCH_H

#include "nic/switch_fault.h"

#define ETHER_SWITCH_AGEING_NS (300 * SIM_S)
#define ETHER_SWITCH_ENTRIES   4096u

struct ether_switch;

struct ether_switch *ether_switch_new(struct net *net, uint32_t origin, uint32_t ports_max,
                                      sim_time ageing_ns);
void ether_switch_free(struct ether_switch *ether_switch);
/* A new port; frames for it go to `out`. Returns its number, or SIM_NONE when all are taken. */
uint32_t ether_switch_add_port(struct ether_switch *ether_switch, struct frame_sink out);
/* Frames for the port go to `out` from now on. */
void ether_switch_set_out(struct ether_switch *ether_switch, uint32_t port, struct frame_sink out);
/* Takes the port away and forgets its addresses; its number may be given out again. */
void ether_switch_remove_port(struct ether_switch *ether_switch, uint32_t port);
/* Where frames enter by this port. Valid until the port is removed. */
struct frame_sink ether_switch_port(struct ether_switch *ether_switch, uint32_t port);
/* Port at which `mac` was last seen and not aged out, or SIM_NONE. */
uint32_t ether_switch_lookup(const struct ether_switch *ether_switch, struct mac mac);
void ether_switch_forget(struct ether_switch *ether_switch); /* empties the table */
/* While it is off it takes nothing in and forgets its table. `cause` is named by the frames it loses. */
void ether_switch_set_power(struct ether_switch *ether_switch, bool powered, uint64_t cause);

/* ---- faults (nic/switch_fault.h) ---- */
/* At most ETHER_SWITCH_ENTRIES; the entries that were not seen for longest go at once. */
void ether_switch_set_limit(struct ether_switch *ether_switch, uint32_t entries);
void ether_switch_set_stale(struct ether_switch *ether_switch, bool stale);
void ether_switch_set_announcements(struct ether_switch *ether_switch,
                                    const struct switch_announcements *announcements);
void ether_switch_begin_pair(struct ether_switch *ether_switch, const struct switch_pair *pair);
uint64_t ether_switch_end_pair(struct ether_switch *ether_switch, uint64_t cause);
struct ether_switch_statistics {
    uint64_t evicted; /* entries that gave way, or were not made, for want of a place */
    uint64_t
        unlearnt; /* frames whose source would have been learnt or moved, had it not been stale */
};
struct ether_switch_statistics ether_switch_statistics(const struct ether_switch *ether_switch);
void ether_switch_check(const struct ether_switch *ether_switch);

#endif
