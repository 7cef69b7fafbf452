#include "nic/ether_switch.h"

#include <stdlib.h>
#include <string.h>

#define SWITCH_BUCKETS 4096u

_Static_assert((SWITCH_BUCKETS & (SWITCH_BUCKETS - 1)) == 0, "buckets are chosen by masking");

struct switch_entry {
    struct mac mac;
    sim_time seen;
    uint32_t port;         /* SIM_NONE: the place is free */
    uint32_t chain;        /* next of the bucket or of the free list */
    uint32_t newer, older; /* neighbours in the order of use */
};

struct switch_port {
    struct ether_switch *owner;
    struct frame_sink out;
    bool used;
    uint32_t
        last_source; /* entries looked up last for this port: most frames are like the one before */
    uint32_t last_destination;
};

struct ether_switch {
    struct net *net;
    uint32_t origin;
    uint32_t ports_max;
    uint32_t ports_used;
    bool powered, stale;
    bool odd; /* off, stale or with a fault: the slow way for each frame */
    uint32_t limit;
    uint32_t used; /* entries in the table */
    uint64_t power_cause;
    struct ether_switch_statistics statistics;
    struct switch_faults faults;
    sim_time ageing_ns;
    uint32_t count; /* places in use ever */
    uint32_t free;  /* first of the free list */
    uint32_t newest, oldest;
    uint32_t buckets[SWITCH_BUCKETS]; /* index + 1, so that untouched memory is empty */
    struct switch_entry entries[ETHER_SWITCH_ENTRIES];
    struct switch_port ports[];
};

static void switch_leave(void *context, uint32_t port_number, struct frame *frame);

/* ---- life ----------------------------------------------------------------------------------- */

struct ether_switch *ether_switch_new(struct net *net, uint32_t origin, uint32_t ports_max,
                                      sim_time ageing_ns)
{
    SIM_ASSERT(ports_max > 0);
    SIM_ASSERT(ageing_ns > 0);
    /* From calloc, so that the parts of the table that no address ever reaches cost nothing. */
    struct ether_switch *ether_switch =
        calloc(1, sizeof *ether_switch + ports_max * sizeof ether_switch->ports[0]);
    SIM_ASSERT(ether_switch != NULL);
    ether_switch->net = net;
    ether_switch->origin = origin;
    ether_switch->ports_max = ports_max;
    ether_switch->ageing_ns = ageing_ns;
    ether_switch->powered = true;
    ether_switch->limit = ETHER_SWITCH_ENTRIES;
    switch_faults_init(&ether_switch->faults, net, origin, ports_max, switch_leave, ether_switch);
    ether_switch->free = SIM_NONE;
    ether_switch->newest = SIM_NONE;
    ether_switch->oldest = SIM_NONE;
    for (uint32_t i = 0; i < ports_max; i++) {
        ether_switch->ports[i].owner = ether_switch;
    }
    return ether_switch;
}

void ether_switch_free(struct ether_switch *ether_switch)
{
    switch_faults_close(&ether_switch->faults);
    free(ether_switch);
}

uint32_t ether_switch_add_port(struct ether_switch *ether_switch, struct frame_sink out)
{
    for (uint32_t i = 0; i < ether_switch->ports_max; i++) {
        struct switch_port *port = &ether_switch->ports[i];
        if (!port->used) {
            port->used = true;
            port->out = out;
            port->last_source = SIM_NONE;
            port->last_destination = SIM_NONE;
            ether_switch->ports_used++;
            return i;
        }
    }
    return SIM_NONE;
}

void ether_switch_set_out(struct ether_switch *ether_switch, uint32_t port, struct frame_sink out)
{
    SIM_ASSERT(port < ether_switch->ports_max);
    SIM_ASSERT(ether_switch->ports[port].used);
    ether_switch->ports[port].out = out;
}

/* ---- the table: chains by hash, and one list in the order of use ----------------------------- */

static uint32_t switch_bucket(struct mac mac)
{
    return (uint32_t)(mac.v * UINT64_C(0x9e3779b97f4a7c15) >> 52) & (SWITCH_BUCKETS - 1);
}

static uint32_t switch_find(const struct ether_switch *ether_switch, struct mac mac)
{
    uint32_t link = ether_switch->buckets[switch_bucket(mac)];
    while (link != 0) {
        const struct switch_entry *entry = &ether_switch->entries[link - 1];
        if (mac_same(entry->mac, mac)) {
            return link - 1;
        }
        link = entry->chain;
    }
    return SIM_NONE;
}

static void switch_unlink(struct ether_switch *ether_switch, uint32_t index)
{
    const struct switch_entry *entry = &ether_switch->entries[index];
    if (entry->newer == SIM_NONE) {
        ether_switch->newest = entry->older;
    } else {
        ether_switch->entries[entry->newer].older = entry->older;
    }
    if (entry->older == SIM_NONE) {
        ether_switch->oldest = entry->newer;
    } else {
        ether_switch->entries[entry->older].newer = entry->newer;
    }
}

static void switch_link_newest(struct ether_switch *ether_switch, uint32_t index)
{
    struct switch_entry *entry = &ether_switch->entries[index];
    entry->newer = SIM_NONE;
    entry->older = ether_switch->newest;
    if (ether_switch->newest == SIM_NONE) {
        ether_switch->oldest = index;
    } else {
        ether_switch->entries[ether_switch->newest].newer = index;
    }
    ether_switch->newest = index;
}

static void switch_remove(struct ether_switch *ether_switch, uint32_t index)
{
    struct switch_entry *entry = &ether_switch->entries[index];
    SIM_ASSERT(entry->port != SIM_NONE);
    uint32_t *link = &ether_switch->buckets[switch_bucket(entry->mac)];
    while (*link != index + 1) {
        SIM_ASSERT(*link != 0);
        link = &ether_switch->entries[*link - 1].chain;
    }
    *link = entry->chain;
    switch_unlink(ether_switch, index);
    ether_switch->used--;
    entry->port = SIM_NONE;
    entry->mac = MAC_BROADCAST; /* equals no source, so remembered indices see that it is gone */
    entry->chain = ether_switch->free;
    ether_switch->free = index;
}

/* SIM_NONE where there is no place at all. */
static uint32_t switch_add(struct ether_switch *ether_switch, struct mac mac, uint32_t port)
{
    if (SIM_UNLIKELY(ether_switch->used == ether_switch->limit)) { /* S3 */
        ether_switch->statistics.evicted++;
        if (ether_switch->limit == 0) {
            return SIM_NONE;
        }
        switch_remove(ether_switch, ether_switch->oldest);
    }
    uint32_t index = ether_switch->free;
    if (index != SIM_NONE) {
        ether_switch->free = ether_switch->entries[index].chain;
    } else {
        index = ether_switch->count++;
    }
    uint32_t *bucket = &ether_switch->buckets[switch_bucket(mac)];
    ether_switch->entries[index] = (struct switch_entry){
        .mac = mac,
        .seen = sim_now(ether_switch->net->sim),
        .port = port,
        .chain = *bucket,
    };
    *bucket = index + 1;
    ether_switch->used++;
    switch_link_newest(ether_switch, index);
    return index;
}

static bool switch_is_fresh(const struct ether_switch *ether_switch,
                            const struct switch_entry *entry)
{
    return sim_now(ether_switch->net->sim) - entry->seen <= ether_switch->ageing_ns;
}

/* The entry of a MAC, first where it was found last time. */
static inline uint32_t switch_find_again(struct ether_switch *ether_switch, struct mac mac,
                                         uint32_t *last)
{
    if (SIM_LIKELY(*last != SIM_NONE && mac_same(ether_switch->entries[*last].mac, mac))) {
        return *last;
    }
    *last = switch_find(ether_switch, mac);
    return *last;
}

/* IEEE 802.1Q, 8.7 The Learning Process: group addresses are nobody's source. */
static void switch_learn(struct ether_switch *ether_switch, uint32_t port_number, struct mac source)
{
    struct switch_port *port = &ether_switch->ports[port_number];
    if (SIM_UNLIKELY(mac_is_group(source))) {
        return;
    }
    uint32_t index = switch_find_again(ether_switch, source, &port->last_source);
    if (SIM_UNLIKELY(index == SIM_NONE)) {
        port->last_source = switch_add(ether_switch, source, port_number);
        return;
    }
    struct switch_entry *entry = &ether_switch->entries[index];
    if (SIM_UNLIKELY(entry->port != port_number)) {
        if (switch_is_fresh(ether_switch, entry)) {
            RECORD(ether_switch->net->recorder, ether_switch->net->record_base + NET_SWITCH_LEARNED,
                   ether_switch->origin, 0, "", (int64_t)source.v, (int64_t)entry->port,
                   (int64_t)port_number);
        }
        entry->port = port_number;
    }
    entry->seen = sim_now(ether_switch->net->sim);
    if (ether_switch->newest != index) {
        switch_unlink(ether_switch, index);
        switch_link_newest(ether_switch, index);
    }
}

/* ---- frames --------------------------------------------------------------------------------- */

/* Sends a copy by every other port; the last one gets the frame itself. */
static void switch_flood(struct ether_switch *ether_switch, uint32_t in, struct frame *frame)
{
    struct switch_port *last = NULL;
    for (uint32_t i = 0; i < ether_switch->ports_max; i++) {
        struct switch_port *port = &ether_switch->ports[i];
        if (i == in || !port->used) {
            continue;
        }
        if (last != NULL) {
            last->out.receive(last->out.context, frame_copy(ether_switch->net->frames, frame));
        }
        last = port;
    }
    if (last == NULL) {
        net_free_frame(ether_switch->net, frame);
        return;
    }
    last->out.receive(last->out.context, frame);
}

/* ---- frames where something is wrong -------------------------------------------------------- */

static void switch_leave(void *context, uint32_t port_number, struct frame *frame)
{
    struct ether_switch *ether_switch = context;
    const struct switch_port *port = &ether_switch->ports[port_number];
    if (!port->used) { /* the port went while the frame was held */
        net_free_frame(ether_switch->net, frame);
        return;
    }
    port->out.receive(port->out.context, frame);
}

static void switch_send_oddly(struct ether_switch *ether_switch, uint32_t in, uint32_t out,
                              struct frame *frame)
{
    if (switch_faults_send(&ether_switch->faults, in, out, frame)) {
        switch_leave(ether_switch, out, frame);
    }
}

/* S4. */
static void switch_learn_oddly(struct ether_switch *ether_switch, uint32_t in, struct mac source)
{
    if (!ether_switch->stale) {
        switch_learn(ether_switch, in, source);
        return;
    }
    uint32_t index = mac_is_group(source) ? SIM_NONE : switch_find(ether_switch, source);
    if (index != SIM_NONE && ether_switch->entries[index].port == in) {
        switch_learn(ether_switch, in, source);
    } else if (!mac_is_group(source)) {
        ether_switch->statistics.unlearnt++;
    }
}

static void switch_forward_oddly(struct ether_switch *ether_switch, uint32_t in,
                                 struct frame *frame)
{
    uint32_t out = SIM_NONE;
    if (!mac_is_group(frame->destination)) {
        out = ether_switch_lookup(ether_switch, frame->destination);
    }
    if (out != SIM_NONE) {
        if (out == in) {
            net_free_frame(ether_switch->net, frame);
        } else {
            switch_send_oddly(ether_switch, in, out, frame);
        }
        return;
    }
    for (uint32_t i = 0; i < ether_switch->ports_max; i++) {
        if (i != in && ether_switch->ports[i].used) {
            switch_send_oddly(ether_switch, in, i, frame_copy(ether_switch->net->frames, frame));
        }
    }
    net_free_frame(ether_switch->net, frame);
}

static __attribute__((noinline)) void switch_receive_oddly(struct ether_switch *ether_switch,
                                                           uint32_t in, struct frame *frame)
{
    if (!ether_switch->powered) {
        net_lose_frame(ether_switch->net, ether_switch->origin, ether_switch->power_cause, "off",
                       frame);
        return;
    }
    uint32_t repeats;
    if (switch_faults_receive(&ether_switch->faults, frame, &repeats)) {
        return;
    }
    switch_learn_oddly(ether_switch, in, frame->source);
    for (uint32_t i = 0; i < repeats; i++) {
        switch_forward_oddly(ether_switch, in, frame_copy(ether_switch->net->frames, frame));
    }
    switch_forward_oddly(ether_switch, in, frame);
}

/* ---- frames where nothing is ---------------------------------------------------------------- */

static void switch_receive(void *context, struct frame *frame)
{
    struct switch_port *port = context;
    struct ether_switch *ether_switch = port->owner;
    uint32_t in = (uint32_t)(port - ether_switch->ports);
    SIM_ASSERT(port->used);
    if (SIM_UNLIKELY(ether_switch->odd)) {
        switch_receive_oddly(ether_switch, in, frame);
        return;
    }
    switch_learn(ether_switch, in, frame->source);
    uint32_t index = SIM_NONE;
    if (SIM_LIKELY(!mac_is_group(frame->destination))) {
        index = switch_find_again(ether_switch, frame->destination, &port->last_destination);
    }
    if (SIM_UNLIKELY(index == SIM_NONE ||
                     !switch_is_fresh(ether_switch, &ether_switch->entries[index]))) {
        switch_flood(ether_switch, in, frame);
        return;
    }
    uint32_t out = ether_switch->entries[index].port;
    if (SIM_UNLIKELY(out == in)) {
        net_free_frame(ether_switch->net, frame); /* S1: whoever it is for has seen it */
        return;
    }
    struct frame_sink *sink = &ether_switch->ports[out].out;
    sink->receive(sink->context, frame);
}

struct frame_sink ether_switch_port(struct ether_switch *ether_switch, uint32_t port)
{
    SIM_ASSERT(port < ether_switch->ports_max);
    SIM_ASSERT(ether_switch->ports[port].used);
    return (struct frame_sink){switch_receive, &ether_switch->ports[port]};
}

/* ---- what may change ------------------------------------------------------------------------ */

void ether_switch_remove_port(struct ether_switch *ether_switch, uint32_t port)
{
    SIM_ASSERT(port < ether_switch->ports_max);
    SIM_ASSERT(ether_switch->ports[port].used);
    for (uint32_t i = 0; i < ether_switch->count; i++) {
        if (ether_switch->entries[i].port == port) {
            switch_remove(ether_switch, i);
        }
    }
    ether_switch->ports[port].used = false;
    ether_switch->ports_used--;
}

uint32_t ether_switch_lookup(const struct ether_switch *ether_switch, struct mac mac)
{
    uint32_t index = switch_find(ether_switch, mac);
    if (index == SIM_NONE || !switch_is_fresh(ether_switch, &ether_switch->entries[index])) {
        return SIM_NONE;
    }
    return ether_switch->entries[index].port;
}

void ether_switch_forget(struct ether_switch *ether_switch)
{
    memset(ether_switch->buckets, 0, sizeof ether_switch->buckets);
    ether_switch->count = 0;
    ether_switch->used = 0;
    ether_switch->free = SIM_NONE;
    ether_switch->newest = SIM_NONE;
    ether_switch->oldest = SIM_NONE;
    for (uint32_t i = 0; i < ether_switch->ports_max; i++) {
        ether_switch->ports[i].last_source = SIM_NONE;
        ether_switch->ports[i].last_destination = SIM_NONE;
    }
}

static void switch_note_oddities(struct ether_switch *ether_switch)
{
    ether_switch->odd =
        !ether_switch->powered || ether_switch->stale || switch_faults_act(&ether_switch->faults);
}

void ether_switch_set_power(struct ether_switch *ether_switch, bool powered, uint64_t cause)
{
    ether_switch->powered = powered;
    ether_switch->power_cause = cause;
    if (!powered) {
        ether_switch_forget(ether_switch);
        switch_faults_lose(&ether_switch->faults, cause);
    }
    switch_note_oddities(ether_switch);
}

void ether_switch_set_limit(struct ether_switch *ether_switch, uint32_t entries)
{
    SIM_ASSERT(entries <= ETHER_SWITCH_ENTRIES);
    ether_switch->limit = entries;
    while (ether_switch->used > entries) {
        ether_switch->statistics.evicted++;
        switch_remove(ether_switch, ether_switch->oldest);
    }
}

void ether_switch_set_stale(struct ether_switch *ether_switch, bool stale)
{
    ether_switch->stale = stale;
    switch_note_oddities(ether_switch);
}

void ether_switch_set_announcements(struct ether_switch *ether_switch,
                                    const struct switch_announcements *announcements)
{
    switch_faults_set_announcements(&ether_switch->faults, announcements);
    switch_note_oddities(ether_switch);
}

void ether_switch_begin_pair(struct ether_switch *ether_switch, const struct switch_pair *pair)
{
    switch_faults_begin_pair(&ether_switch->faults, pair);
    switch_note_oddities(ether_switch);
}

uint64_t ether_switch_end_pair(struct ether_switch *ether_switch, uint64_t cause)
{
    uint64_t delayed = switch_faults_end_pair(&ether_switch->faults, cause);
    switch_note_oddities(ether_switch);
    return delayed;
}

struct ether_switch_statistics ether_switch_statistics(const struct ether_switch *ether_switch)
{
    return ether_switch->statistics;
}

void ether_switch_check(const struct ether_switch *ether_switch)
{
    SIM_ASSERT(ether_switch->count <= ETHER_SWITCH_ENTRIES);
    SIM_ASSERT(ether_switch->powered || ether_switch->count == 0);
    uint32_t listed = 0, used = 0;
    sim_time seen = SIM_NEVER;
    for (uint32_t i = ether_switch->newest; i != SIM_NONE; i = ether_switch->entries[i].older) {
        const struct switch_entry *entry = &ether_switch->entries[i];
        SIM_ASSERT(entry->seen <= seen);
        SIM_ASSERT(switch_find(ether_switch, entry->mac) == i); /* S2 */
        SIM_ASSERT(entry->port < ether_switch->ports_max);
        SIM_ASSERT(ether_switch->ports[entry->port].used);
        SIM_ASSERT(entry->older != SIM_NONE || i == ether_switch->oldest);
        seen = entry->seen;
        listed++;
        SIM_ASSERT(listed <= ether_switch->count);
    }
    for (uint32_t i = 0; i < ether_switch->count; i++) {
        used += ether_switch->entries[i].port != SIM_NONE ? 1 : 0;
    }
    SIM_ASSERT(listed == used);
    SIM_ASSERT(ether_switch->used == used);
    SIM_ASSERT(used <= ether_switch->limit);
    switch_faults_check(&ether_switch->faults);
}
