/* IPv4 datagrams: in from the wire, cut to the MTU, and put together again (RFC 791; RFC 1122, 3.3.2). */
#include "nic/ip_stack_private.h"

#include <string.h>

/* ---- fragments out -------------------------------------------------------------------------- */

/* One's complement sum of bytes [from, end) of a rope as 16-bit words, `from` being even (RFC 1071). */
static uint16_t rope_sum(const struct rope *rope, const struct page_pool *pages, uint64_t from)
{
    uint8_t bytes[PAGE_BYTES];
    uint64_t sum = 0;
    while (from < rope->bytes) {
        uint64_t left = rope->bytes - from;
        uint32_t length = left < sizeof bytes ? (uint32_t)left : (uint32_t)sizeof bytes;
        rope_copy_out(rope, pages, from, length, bytes);
        for (uint32_t i = 0; i < length; i++) {
            sum += i % 2 == 0 ? (uint64_t)bytes[i] << 8 : bytes[i];
        }
        from += length;
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

/* Appends the next `length` bytes behind the cursor, with references of its own. */
static void frame_push_rope(struct net *net, struct frame *frame, const struct rope *rope,
                            struct rope_cursor *cursor, uint32_t length)
{
    while (length > 0) {
        struct slice slices[FRAME_SLICES_MAX];
        uint32_t taken;
        uint32_t count = rope_read(rope, cursor, length, slices, FRAME_SLICES_MAX, &taken);
        SIM_ASSERT(count > 0);
        for (uint32_t i = 0; i < count; i++) {
            page_ref(net->pages, slices[i].page);
            frame_push(net->frames, frame, slices[i]);
        }
        length -= taken;
    }
}

void ip_send_fragments(struct ip_stack *stack, struct ip_interface *interface, struct frame *first,
                       const struct rope *payload)
{
    struct net *net = stack->net;
    SIM_ASSERT(first->slice_count == 0);
    SIM_ASSERT(!first->dont_fragment);
    /* All but the last carry a multiple of 8 bytes behind the IP header. */
    uint32_t room = (interface->options.mtu - IP_HEADER_BYTES) & ~7u;
    uint32_t l4_bytes = frame_header_bytes(first) - ETH_HEADER_BYTES - IP_HEADER_BYTES;
    struct rope_cursor cursor = rope_seek(payload, 0);
    struct frame *frame = first;
    uint64_t sent = 0;
    uint32_t offset = 0;
    for (;;) {
        uint32_t capacity = room - (offset == 0 ? l4_bytes : 0);
        uint64_t left = payload->bytes - sent;
        uint32_t length = left < capacity ? (uint32_t)left : capacity;
        frame_push_rope(net, frame, payload, &cursor, length);
        sent += length;
        bool more = sent < payload->bytes;
        frame->more_fragments = more;
        frame->fragment_offset = (uint16_t)offset;
        if (offset == 0) {
            frame->rest_sum = rope_sum(payload, net->pages, sent);
        }
        offset += length + (offset == 0 ? l4_bytes : 0);
        struct frame *next = NULL;
        if (more) {
            next = frame_new(net->frames);
            next->ether_type = frame->ether_type;
            next->protocol = frame->protocol;
            next->ttl = frame->ttl;
            next->ip_id = frame->ip_id;
            next->ip_source = frame->ip_source;
            next->ip_destination = frame->ip_destination;
        }
        ip_output(stack, interface, frame);
        if (!more) {
            return;
        }
        frame = next;
    }
}

enum ip_error ip_send_datagram(struct ip_stack *stack, struct frame *first,
                               const struct rope *payload)
{
    struct net *net = stack->net;
    SIM_ASSERT(first->slice_count == 0);
    first->ether_type = ETHER_IPV4;
    uint32_t header_bytes = frame_header_bytes(first) - ETH_HEADER_BYTES;
    uint32_t number = ip_stack_route(stack, first->ip_destination);
    enum ip_error error = IP_OK;
    if (!stack->runs) {
        error = IP_DOWN;
    } else if (number == SIM_NONE) {
        error = IP_NO_ROUTE;
    } else if (header_bytes + payload->bytes > IP_DATAGRAM_MAX) {
        error = IP_TOO_LARGE;
    }
    if (error != IP_OK) {
        net_free_frame(net, first);
        return error;
    }
    struct ip_interface *interface = &stack->interfaces[number];
    ip_number(stack, interface, first);
    if (header_bytes + payload->bytes > interface->options.mtu) {
        ip_send_fragments(stack, interface, first, payload);
        return IP_OK;
    }
    struct rope_cursor cursor = rope_seek(payload, 0);
    frame_push_rope(net, first, payload, &cursor, (uint32_t)payload->bytes);
    ip_output(stack, interface, first);
    return IP_OK;
}

/* ---- up ------------------------------------------------------------------------------------- */

static void ip_lose_frames(struct ip_stack *stack, struct frame *first, const char *reason)
{
    while (first != NULL) {
        struct frame *next = first->next;
        if (reason == NULL) {
            net_free_frame(stack->net, first);
        } else {
            net_lose_frame(stack->net, stack->origin, 0, reason, first);
        }
        first = next;
    }
}

/* Moves the slices of the frames to the rope of what is being delivered. */
static void ip_gather_payload(struct ip_stack *stack, struct frame *first)
{
    SIM_ASSERT(stack->received.bytes == 0);
    for (struct frame *frame = first; frame != NULL; frame = frame->next) {
        for (uint32_t i = 0; i < frame->slice_count; i++) {
            rope_push(&stack->received, stack->net->pages, frame->slices[i]);
        }
        frame->slice_count = 0;
    }
}

/* A handler takes frames: fragments become one, if it can hold them. */
static void ip_hand_up(struct ip_stack *stack, struct ip_interface *interface, struct frame *first,
                       uint32_t payload_bytes)
{
    struct ip_handler *handler = &stack->handlers[first->protocol];
    if (first->next != NULL) {
        if (frame_header_bytes(first) - ETH_HEADER_BYTES + payload_bytes > FRAME_MTU_MAX) {
            ip_lose_frames(stack, first, "protocol");
            return;
        }
        struct frame *rest = first->next;
        for (struct frame *frame = rest; frame != NULL; frame = frame->next) {
            for (uint32_t i = 0; i < frame->slice_count; i++) {
                frame_push(stack->net->frames, first, frame->slices[i]);
            }
            frame->slice_count = 0;
        }
        first->next = NULL;
        first->more_fragments = false;
        ip_lose_frames(stack, rest, NULL);
    }
    handler->receive(handler->context, interface->number, first);
}

/* A whole datagram: one frame, or its fragments in order. */
static void ip_deliver(struct ip_stack *stack, struct ip_interface *interface, struct frame *first)
{
    uint32_t payload_bytes = 0;
    for (struct frame *frame = first; frame != NULL; frame = frame->next) {
        payload_bytes += frame->payload_bytes;
    }
    if (first->protocol < IP_PROTOCOLS && stack->handlers[first->protocol].receive != NULL) {
        ip_hand_up(stack, interface, first, payload_bytes);
        return;
    }
    const char *refusal = "protocol";
    if (first->protocol == IP_ICMP) {
        refusal = icmp_refuses(stack, interface, first, payload_bytes);
    } else if (first->protocol == IP_UDP) {
        refusal = udp_refuses(stack, interface, first, payload_bytes);
    }
    if (refusal != NULL) {
        ip_lose_frames(stack, first, refusal);
        return;
    }
    ip_gather_payload(stack, first);
    if (first->protocol == IP_ICMP) {
        icmp_deliver(stack, interface, first, &stack->received);
    } else {
        udp_deliver(stack, interface, first, &stack->received);
    }
    rope_drop(&stack->received, stack->net->pages, stack->received.bytes);
    ip_lose_frames(stack, first, NULL);
}

/* ---- fragments in --------------------------------------------------------------------------- */

/* Bytes behind the IP header. */
static uint32_t fragment_bytes(const struct frame *frame)
{
    return frame_header_bytes(frame) - ETH_HEADER_BYTES - IP_HEADER_BYTES + frame->payload_bytes;
}

static void reassembly_drop(struct ip_stack *stack, struct ip_reassembly *place, const char *reason)
{
    struct frame *first = place->first;
    place->first = NULL;
    ip_lose_frames(stack, first, reason);
}

void ip_reassembly_reset(struct ip_stack *stack, const char *reason)
{
    for (uint32_t i = 0; i < IP_REASSEMBLIES; i++) {
        reassembly_drop(stack, &stack->reassemblies[i], reason);
    }
    machine_timer_cancel(&stack->reassembly_timer);
}

void ip_reassembly_expire(void *context)
{
    struct ip_stack *stack = context;
    sim_time now = machine_now(stack->machine);
    sim_time next = SIM_NEVER;
    for (uint32_t i = 0; i < IP_REASSEMBLIES; i++) {
        struct ip_reassembly *place = &stack->reassemblies[i];
        if (place->first != NULL && place->deadline <= now) {
            reassembly_drop(stack, place, "reassembly");
        } else if (place->first != NULL && place->deadline < next) {
            next = place->deadline;
        }
    }
    if (next != SIM_NEVER) {
        machine_timer_arm(&stack->reassembly_timer, next);
    }
}

/* The place of the frame's datagram; a free one where it is the first fragment to come; where none is free, the one that
 * waited longest gives way. RFC 791, 3.2: source, destination, protocol and identification tell datagrams apart. */
static struct ip_reassembly *reassembly_place(struct ip_stack *stack,
                                              const struct ip_interface *interface,
                                              const struct frame *frame)
{
    struct ip_reassembly *unused = NULL;
    struct ip_reassembly *oldest = &stack->reassemblies[0];
    for (uint32_t i = 0; i < IP_REASSEMBLIES; i++) {
        struct ip_reassembly *place = &stack->reassemblies[i];
        if (place->first == NULL) {
            unused = unused == NULL ? place : unused;
            continue;
        }
        if (place->source.v == frame->ip_source.v && place->id == frame->ip_id &&
            place->destination.v == frame->ip_destination.v && place->protocol == frame->protocol &&
            place->interface == interface->number) {
            return place;
        }
        if (place->deadline < oldest->deadline) {
            oldest = place;
        }
    }
    if (unused == NULL) {
        reassembly_drop(stack, oldest, "reassembly");
        unused = oldest;
    }
    *unused = (struct ip_reassembly){
        .source = frame->ip_source,
        .destination = frame->ip_destination,
        .interface = interface->number,
        .id = frame->ip_id,
        .protocol = frame->protocol,
        .deadline = machine_now(stack->machine) + IP_REASSEMBLY_NS,
    };
    if (!machine_timer_armed(&stack->reassembly_timer)) {
        machine_timer_arm(&stack->reassembly_timer, unused->deadline);
    }
    return unused;
}

enum fragment_fit { FRAGMENT_FITS, FRAGMENT_KNOWN, FRAGMENT_CLASHES };

/* Where the fragment belongs among those that are there: `*before` is set to the pointer that shall lead to it. What is there
 * already is known; anything that overlaps otherwise, or lies beyond the end, spoils the datagram, as nobody sends
 * such fragments without a purpose (RFC 1858; Linux drops such datagrams too). */
static enum fragment_fit reassembly_fit(struct ip_reassembly *place, const struct frame *frame,
                                        struct frame ***before)
{
    uint32_t from = frame->fragment_offset;
    uint32_t to = from + fragment_bytes(frame);
    if (to > IP_DATAGRAM_MAX - IP_HEADER_BYTES || (frame->more_fragments && to % 8 != 0)) {
        return FRAGMENT_CLASHES;
    }
    struct frame **link = &place->first;
    for (; *link != NULL && (*link)->fragment_offset < to; link = &(*link)->next) {
        uint32_t there_from = (*link)->fragment_offset;
        uint32_t there_to = there_from + fragment_bytes(*link);
        if (there_from == from && there_to == to &&
            (*link)->more_fragments == frame->more_fragments) {
            return FRAGMENT_KNOWN;
        }
        if (there_to > from) {
            return FRAGMENT_CLASHES;
        }
    }
    bool last = !frame->more_fragments;
    if ((last && (*link != NULL || place->total_bytes != 0)) || to == from ||
        (place->total_bytes != 0 && to > place->total_bytes)) {
        return FRAGMENT_CLASHES;
    }
    *before = link;
    return FRAGMENT_FITS;
}

static void ip_reassemble(struct ip_stack *stack, struct ip_interface *interface,
                          struct frame *frame)
{
    struct ip_reassembly *place = reassembly_place(stack, interface, frame);
    struct frame **before = NULL;
    enum fragment_fit fit = reassembly_fit(place, frame, &before);
    if (fit == FRAGMENT_FITS && place->count == IP_FRAGMENTS_MAX) {
        fit = FRAGMENT_CLASHES;
    }
    if (fit == FRAGMENT_KNOWN) {
        net_lose_frame(stack->net, stack->origin, 0, "duplicate", frame);
        return;
    }
    if (fit == FRAGMENT_CLASHES) {
        net_lose_frame(stack->net, stack->origin, 0, "overlap", frame);
        reassembly_drop(stack, place, "overlap");
        return;
    }
    frame->next = *before;
    *before = frame;
    place->count++;
    place->held_bytes += fragment_bytes(frame);
    if (!frame->more_fragments) {
        place->total_bytes = frame->fragment_offset + fragment_bytes(frame);
    }
    if (place->total_bytes == 0 || place->held_bytes < place->total_bytes) {
        return;
    }
    SIM_ASSERT(place->held_bytes == place->total_bytes);
    SIM_ASSERT(place->first->fragment_offset == 0);
    struct frame *first = place->first;
    place->first = NULL;
    ip_deliver(stack, interface, first);
}

void ip_reassembly_check(const struct ip_stack *stack)
{
    for (uint32_t i = 0; i < IP_REASSEMBLIES; i++) {
        const struct ip_reassembly *place = &stack->reassemblies[i];
        if (place->first == NULL) {
            continue;
        }
        SIM_ASSERT(machine_timer_armed(&stack->reassembly_timer));
        SIM_ASSERT(stack->reassembly_timer.deadline <= place->deadline);
        uint32_t count = 0, held_bytes = 0, end = 0;
        for (const struct frame *frame = place->first; frame != NULL; frame = frame->next) {
            SIM_ASSERT(frame->fragment_offset >= end);
            end = frame->fragment_offset + fragment_bytes(frame);
            held_bytes += fragment_bytes(frame);
            count++;
        }
        SIM_ASSERT(count == place->count);
        SIM_ASSERT(count <= IP_FRAGMENTS_MAX);
        SIM_ASSERT(held_bytes == place->held_bytes);
        SIM_ASSERT(place->total_bytes == 0 || end <= place->total_bytes);
    }
}

/* ---- in ------------------------------------------------------------------------------------- */

void ip_receive(void *context, struct frame *frame)
{
    struct ip_interface *interface = context;
    struct ip_stack *stack = interface->stack;
    if (SIM_UNLIKELY(frame->corrupt)) {
        net_lose_frame(stack->net, stack->origin, 0, "checksum", frame);
        return;
    }
    if (SIM_UNLIKELY(!stack->runs)) {
        net_lose_frame(stack->net, stack->origin, 0, "off", frame);
        return;
    }
    if (SIM_UNLIKELY(frame->ether_type != ETHER_IPV4)) {
        arp_receive(stack, interface, frame);
        return;
    }
    if (SIM_UNLIKELY(frame->ip_destination.v != interface->options.address.v) &&
        !ip_is_own(stack, frame->ip_destination) &&
        !ip_is_broadcast(interface, frame->ip_destination)) {
        net_lose_frame(stack->net, stack->origin, 0, "address", frame);
        return;
    }
    if (SIM_UNLIKELY(frame->more_fragments || frame->fragment_offset != 0)) {
        ip_reassemble(stack, interface, frame);
        return;
    }
    struct ip_handler *handler = &stack->handlers[IP_TCP];
    if (SIM_LIKELY(frame->protocol == IP_TCP && handler->receive != NULL)) {
        handler->receive(handler->context, interface->number, frame);
        return;
    }
    frame->next = NULL;
    ip_deliver(stack, interface, frame);
}
