/* Neighbours: RFC 826, with the announcements of RFC 5227 section 3. */
#include "nic/ip_stack_private.h"

#include <stdlib.h>

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

static void arp_expire(void *context);

void arp_init(struct ip_stack *stack)
{
    struct arp_table *arp = &stack->arp;
    arp->free = SIM_NONE;
    for (uint32_t i = 0; i < ARP_BUCKETS; i++) {
        arp->buckets[i] = SIM_NONE;
    }
    machine_timer_init(&arp->timer, stack->machine, arp_expire, stack);
}

void arp_close(struct ip_stack *stack)
{
    machine_timer_close(&stack->arp.timer);
    free(stack->arp.entries);
    stack->arp.entries = NULL;
}

/* ---- the table ------------------------------------------------------------------------------ */

/* Addresses of a network differ in their low bits. */
static uint32_t arp_bucket(uint32_t interface, struct ip4 address)
{
    return (address.v ^ address.v >> 8 ^ interface * 31) % ARP_BUCKETS;
}

static uint32_t arp_find(const struct ip_stack *stack, uint32_t interface, struct ip4 address)
{
    const struct arp_table *arp = &stack->arp;
    uint32_t number = arp->buckets[arp_bucket(interface, address)];
    while (number != SIM_NONE) {
        const struct arp_entry *entry = &arp->entries[number];
        if (entry->address.v == address.v && entry->interface == interface) {
            return number;
        }
        number = entry->chain;
    }
    return SIM_NONE;
}

uint32_t arp_lookup(const struct ip_stack *stack, uint32_t interface, struct ip4 address)
{
    uint32_t number = arp_find(stack, interface, address);
    if (number != SIM_NONE && stack->arp.entries[number].state == ARP_INCOMPLETE) {
        return SIM_NONE;
    }
    return number;
}

static void arp_lose_first(struct ip_stack *stack, struct arp_entry *entry, const char *reason)
{
    struct frame *frame = entry->pending_first;
    SIM_ASSERT(frame != NULL);
    SIM_ASSERT(entry->pending_count > 0);
    entry->pending_first = frame->next;
    entry->pending_count--;
    if (reason == NULL) {
        net_free_frame(stack->net, frame);
        return;
    }
    /* It never got its addresses and its seal, which the record's length is taken from. */
    frame->wire_bytes = frame_header_bytes(frame) + frame->payload_bytes;
    net_lose_frame(stack->net, stack->origin, 0, reason, frame);
}

static void arp_remove(struct ip_stack *stack, uint32_t number, const char *reason)
{
    struct arp_table *arp = &stack->arp;
    struct arp_entry *entry = &arp->entries[number];
    SIM_ASSERT(entry->state != ARP_FREE);
    while (entry->pending_count > 0) {
        arp_lose_first(stack, entry, reason);
    }
    uint32_t *link = &arp->buckets[arp_bucket(entry->interface, entry->address)];
    while (*link != number) {
        SIM_ASSERT(*link != SIM_NONE);
        link = &arp->entries[*link].chain;
    }
    *link = entry->chain;
    entry->state = ARP_FREE;
    entry->chain = arp->free;
    arp->free = number;
    stack->epoch++;
}

void arp_reset(struct ip_stack *stack, const char *reason)
{
    for (uint32_t i = 0; i < stack->arp.count; i++) {
        if (stack->arp.entries[i].state != ARP_FREE) {
            arp_remove(stack, i, reason);
        }
    }
    machine_timer_cancel(&stack->arp.timer);
}

/* A free place; where there is none, that of the neighbour whose last confirmation is the oldest (I2). */
static uint32_t arp_take_place(struct ip_stack *stack)
{
    struct arp_table *arp = &stack->arp;
    if (arp->free == SIM_NONE && arp->count == ARP_ENTRIES) {
        uint32_t oldest = 0;
        for (uint32_t i = 1; i < arp->count; i++) {
            if (arp->entries[i].confirmed < arp->entries[oldest].confirmed) {
                oldest = i;
            }
        }
        arp_remove(stack, oldest, "arp");
    }
    if (arp->free != SIM_NONE) {
        uint32_t number = arp->free;
        arp->free = arp->entries[number].chain;
        return number;
    }
    if (arp->count == arp->capacity) {
        arp->capacity = arp->capacity == 0 ? 16 : arp->capacity * 2;
        arp->entries = realloc(arp->entries, arp->capacity * sizeof *arp->entries);
        SIM_ASSERT(arp->entries != NULL);
    }
    return arp->count++;
}

static uint32_t arp_add(struct ip_stack *stack, uint32_t interface, struct ip4 address)
{
    SIM_ASSERT(arp_find(stack, interface, address) == SIM_NONE);
    uint32_t number = arp_take_place(stack);
    struct arp_table *arp = &stack->arp;
    uint32_t *bucket = &arp->buckets[arp_bucket(interface, address)];
    arp->entries[number] = (struct arp_entry){
        .address = address,
        .interface = interface,
        .state = ARP_INCOMPLETE,
        .chain = *bucket,
        .confirmed = ++arp->confirmations,
    };
    *bucket = number;
    return number;
}

/* ---- time ----------------------------------------------------------------------------------- */

static void arp_set_deadline(struct ip_stack *stack, struct arp_entry *entry, sim_time after_ns)
{
    entry->deadline = machine_now(stack->machine) + after_ns;
    struct machine_timer *timer = &stack->arp.timer;
    if (!machine_timer_armed(timer) || entry->deadline < timer->deadline) {
        machine_timer_arm(timer, entry->deadline);
    }
}

static void arp_send(struct ip_stack *stack, struct ip_interface *interface, struct mac destination,
                     const struct arp_header *header)
{
    struct frame *frame = frame_new(stack->net->frames);
    frame->ether_type = ETHER_ARP;
    frame->protocol = 0;
    frame->arp = *header;
    ip_transmit(stack, interface, destination, frame);
}

/* Asks for a neighbour: everybody, or itself alone where its MAC is known. */
static void arp_ask(struct ip_stack *stack, struct arp_entry *entry)
{
    struct ip_interface *interface = &stack->interfaces[entry->interface];
    struct arp_header header = {
        .operation = ARP_REQUEST,
        .sender_mac = interface->options.mac,
        .sender_ip = interface->options.address,
        .target_ip = entry->address,
    };
    entry->tries++;
    arp_set_deadline(stack, entry, ARP_RETRY_NS);
    arp_send(stack, interface, entry->state == ARP_PROBED ? entry->mac : MAC_BROADCAST, &header);
}

static void arp_entry_expired(struct ip_stack *stack, uint32_t number)
{
    struct arp_entry *entry = &stack->arp.entries[number];
    if (entry->state == ARP_REACHABLE) {
        if (!entry->used) {
            arp_remove(stack, number, NULL);
            return;
        }
        entry->state = ARP_PROBED;
        entry->tries = 0;
    }
    if (entry->tries == ARP_TRIES) {
        arp_remove(stack, number, "arp");
        return;
    }
    arp_ask(stack, entry);
}

/* Neighbours whose time is up, and the next instant to look. */
static void arp_expire(void *context)
{
    struct ip_stack *stack = context;
    struct arp_table *arp = &stack->arp;
    sim_time now = machine_now(stack->machine);
    for (uint32_t i = 0; i < arp->count; i++) {
        if (arp->entries[i].state != ARP_FREE && arp->entries[i].deadline <= now) {
            arp_entry_expired(stack, i);
        }
    }
    sim_time next = SIM_NEVER;
    for (uint32_t i = 0; i < arp->count; i++) {
        if (arp->entries[i].state != ARP_FREE && arp->entries[i].deadline < next) {
            next = arp->entries[i].deadline;
        }
    }
    if (next == SIM_NEVER) {
        machine_timer_cancel(&arp->timer);
    } else {
        machine_timer_arm(&arp->timer, next);
    }
}

/* ---- out ------------------------------------------------------------------------------------ */

void arp_output(struct ip_stack *stack, struct ip_interface *interface, struct frame *frame)
{
    uint32_t number = arp_find(stack, interface->number, frame->ip_destination);
    bool known = number != SIM_NONE;
    if (!known) {
        number = arp_add(stack, interface->number, frame->ip_destination);
    }
    struct arp_entry *entry = &stack->arp.entries[number];
    entry->used = true;
    if (entry->state != ARP_INCOMPLETE) {
        ip_transmit(stack, interface, entry->mac, frame);
        return;
    }
    if (entry->pending_count == ARP_PENDING) {
        arp_lose_first(stack, entry, "arp");
    }
    frame->next = NULL;
    if (entry->pending_count == 0) {
        entry->pending_first = frame;
    } else {
        entry->pending_last->next = frame;
    }
    entry->pending_last = frame;
    entry->pending_count++;
    if (!known) {
        arp_ask(stack, entry);
    }
}

void arp_announce(struct ip_stack *stack, struct ip_interface *interface)
{
    /* RFC 5227, 3: an ARP announcement is a request in which both addresses are the sender's. */
    struct arp_header header = {
        .operation = ARP_REQUEST,
        .sender_mac = interface->options.mac,
        .sender_ip = interface->options.address,
        .target_ip = interface->options.address,
    };
    RECORD(stack->net->recorder, stack->net->record_base + NET_ARP_ANNOUNCE, stack->origin, 0, "",
           (int64_t)header.sender_ip.v, (int64_t)header.sender_mac.v,
           (int64_t)interface->announce_number);
    arp_send(stack, interface, MAC_BROADCAST, &header);
}

/* ---- the address of another ------------------------------------------------------------------ */

static const struct ip_claim *arp_claim(const struct ip_stack *stack, uint32_t interface,
                                        struct ip4 address)
{
    for (uint32_t i = 0; i < stack->claim_count; i++) {
        const struct ip_claim *claim = &stack->claims[i];
        if (claim->interface == interface && claim->address.v == address.v) {
            return claim;
        }
    }
    return NULL;
}

/* Says to `to` that the claimed address is here: an answer, or an announcement to all. */
static void arp_send_claim(struct ip_stack *stack, const struct ip_claim *claim,
                           const struct arp_header *asked)
{
    struct ip_interface *interface = &stack->interfaces[claim->interface];
    struct arp_header header = {
        .operation = asked != NULL ? ARP_REPLY : ARP_REQUEST,
        .sender_mac = interface->options.mac,
        .sender_ip = claim->address,
        .target_ip = asked != NULL ? asked->sender_ip : claim->address,
    };
    header.target_mac = asked != NULL ? asked->sender_mac : header.target_mac;
    RECORD(stack->net->recorder, stack->net->record_base + NET_ARP_CLAIMED, stack->origin,
           claim->cause, "", (int64_t)claim->address.v, (int64_t)header.sender_mac.v);
    arp_send(stack, interface, asked != NULL ? asked->sender_mac : MAC_BROADCAST, &header);
}

void ip_stack_claim(struct ip_stack *stack, uint32_t interface, struct ip4 address, uint64_t cause)
{
    SIM_ASSERT(interface < stack->interface_count);
    SIM_ASSERT(!ip_is_own(stack, address));
    if (stack->claim_count == IP_CLAIMS_MAX) {
        return;
    }
    stack->claims[stack->claim_count++] = (struct ip_claim){interface, address, cause};
    if (stack->runs) {
        arp_send_claim(stack, &stack->claims[stack->claim_count - 1], NULL);
    }
}

void ip_stack_end_claims(struct ip_stack *stack, uint64_t cause)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < stack->claim_count; i++) {
        if (stack->claims[i].cause != cause) {
            stack->claims[kept++] = stack->claims[i];
        }
    }
    stack->claim_count = kept;
}

/* ---- in ------------------------------------------------------------------------------------- */

/* The neighbour is there, at this MAC; what waited for it goes out. */
static void arp_confirm(struct ip_stack *stack, struct ip_interface *interface, uint32_t number,
                        struct mac mac)
{
    struct arp_entry *entry = &stack->arp.entries[number];
    entry->mac = mac;
    entry->state = ARP_REACHABLE;
    entry->tries = 0;
    entry->used = false;
    entry->confirmed = ++stack->arp.confirmations;
    arp_set_deadline(stack, entry, ARP_REACHABLE_NS);
    struct frame *frame = entry->pending_first;
    uint32_t count = entry->pending_count;
    entry->pending_count = 0;
    entry->used = count > 0;
    for (uint32_t i = 0; i < count; i++) {
        struct frame *next = frame->next;
        ip_transmit(stack, interface, mac, frame);
        frame = next;
    }
}

void arp_receive(struct ip_stack *stack, struct ip_interface *interface, struct frame *frame)
{
    struct arp_header header = frame->arp;
    net_free_frame(stack->net, frame);
    struct ip4 own = interface->options.address;
    bool sender_is_neighbour = ((header.sender_ip.v ^ own.v) & interface->mask) == 0 &&
                               header.sender_ip.v != own.v && !mac_is_group(header.sender_mac);
    bool for_us = header.target_ip.v == own.v;
    /* RFC 826, packet reception: whoever is known is updated; whoever asks for us is worth knowing. */
    if (sender_is_neighbour) {
        uint32_t number = arp_find(stack, interface->number, header.sender_ip);
        if (number == SIM_NONE && for_us) {
            number = arp_add(stack, interface->number, header.sender_ip);
        }
        if (number != SIM_NONE) {
            arp_confirm(stack, interface, number, header.sender_mac);
        }
    }
    const struct ip_claim *claim = arp_claim(stack, interface->number, header.target_ip);
    if (claim != NULL && header.operation == ARP_REQUEST &&
        header.sender_ip.v != header.target_ip.v) {
        arp_send_claim(stack, claim, &header);
    }
    if (for_us && header.operation == ARP_REQUEST && header.sender_ip.v != own.v) {
        struct arp_header reply = {
            .operation = ARP_REPLY,
            .sender_mac = interface->options.mac,
            .target_mac = header.sender_mac,
            .sender_ip = own,
            .target_ip = header.sender_ip,
        };
        arp_send(stack, interface, header.sender_mac, &reply);
    }
}

void arp_check(const struct ip_stack *stack)
{
    const struct arp_table *arp = &stack->arp;
    SIM_ASSERT(arp->count <= ARP_ENTRIES);
    uint32_t chained = 0, used = 0;
    for (uint32_t bucket = 0; bucket < ARP_BUCKETS; bucket++) {
        for (uint32_t i = arp->buckets[bucket]; i != SIM_NONE; i = arp->entries[i].chain) {
            SIM_ASSERT(arp->entries[i].state != ARP_FREE);
            SIM_ASSERT(arp_bucket(arp->entries[i].interface, arp->entries[i].address) == bucket);
            chained++;
        }
    }
    for (uint32_t i = 0; i < arp->count; i++) {
        const struct arp_entry *entry = &arp->entries[i];
        if (entry->state == ARP_FREE) {
            continue;
        }
        used++;
        SIM_ASSERT(entry->pending_count <= ARP_PENDING);
        SIM_ASSERT(entry->pending_count == 0 || entry->state == ARP_INCOMPLETE);
        SIM_ASSERT(entry->tries <= ARP_TRIES);
        SIM_ASSERT(machine_timer_armed(&arp->timer));
        SIM_ASSERT(arp->timer.deadline <= entry->deadline);
    }
    SIM_ASSERT(chained == used);
}
