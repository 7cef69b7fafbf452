/* ICMP: echo, and the unreachable port (RFC 792; RFC 1122, 3.2.2).
 *
 * As ping programs do, a request of 8 bytes or more begins with the sender's clock, from which the reply's round trip is
 * known without a table; the rest is zero. */
#include "nic/frame_bytes.h"
#include "nic/ip_stack_private.h"

#include <stdlib.h>

enum icmp_type { ICMP_ECHO_REPLY = 0, ICMP_UNREACHABLE = 3, ICMP_ECHO = 8 };
enum { ICMP_PORT_UNREACHABLE = 3, ICMP_STAMP_BYTES = 8 };

static struct frame *icmp_frame(struct ip_stack *stack, struct ip4 to, struct icmp_header header)
{
    struct frame *frame = frame_new(stack->net->frames);
    frame->protocol = IP_ICMP;
    frame->ip_destination = to;
    frame->icmp = header;
    return frame;
}

/* ---- asking --------------------------------------------------------------------------------- */

/* The payload of a request: clock, then zeroes. */
static void icmp_fill(struct ip_stack *stack, struct rope *payload, uint32_t payload_bytes)
{
    struct page_pool *pages = stack->net->pages;
    uint32_t left = payload_bytes;
    if (left >= ICMP_STAMP_BYTES) {
        uint8_t stamp[ICMP_STAMP_BYTES];
        uint64_t now = (uint64_t)machine_now(stack->machine);
        for (uint32_t i = 0; i < ICMP_STAMP_BYTES; i++) {
            stamp[i] = (uint8_t)(now >> (56 - 8 * i));
        }
        rope_push_bytes(payload, pages, stamp, sizeof stamp);
        left -= ICMP_STAMP_BYTES;
    }
    while (left > 0) {
        uint32_t length = left < PAGE_BYTES ? left : PAGE_BYTES;
        rope_push(payload, pages, (struct slice){page_zero(), 0, length});
        left -= length;
    }
}

enum ip_error icmp_ping(struct ip_stack *stack, struct ip4 to, uint16_t identifier,
                        uint16_t sequence, uint32_t payload_bytes)
{
    if (payload_bytes > IP_DATAGRAM_MAX - IP_HEADER_BYTES - 8) {
        return IP_TOO_LARGE;
    }
    if (!stack->runs) {
        return IP_DOWN;
    }
    if (ip_stack_route(stack, to) == SIM_NONE) {
        return IP_NO_ROUTE;
    }
    RECORD(stack->net->recorder, stack->net->record_base + NET_ICMP_SENT, stack->origin, 0, "",
           (int64_t)to.v, (int64_t)identifier, (int64_t)sequence);
    struct frame *frame = icmp_frame(
        stack, to,
        (struct icmp_header){.type = ICMP_ECHO, .identifier = identifier, .sequence = sequence});
    struct rope payload;
    rope_init(&payload);
    icmp_fill(stack, &payload, payload_bytes);
    enum ip_error error = ip_send_datagram(stack, frame, &payload);
    rope_close(&payload, stack->net->pages);
    return error;
}

static struct icmp_listener *icmp_find(struct ip_stack *stack, uint16_t identifier)
{
    for (uint32_t i = 0; i < stack->listener_count; i++) {
        if (stack->listeners[i].identifier == identifier) {
            return &stack->listeners[i];
        }
    }
    return NULL;
}

void icmp_listen(struct ip_stack *stack, uint16_t identifier, ping_reply *reply, void *context)
{
    SIM_ASSERT(reply != NULL);
    SIM_ASSERT(icmp_find(stack, identifier) == NULL);
    if (stack->listener_count == stack->listener_capacity) {
        stack->listener_capacity = stack->listener_capacity == 0 ? 4 : stack->listener_capacity * 2;
        stack->listeners =
            realloc(stack->listeners, stack->listener_capacity * sizeof *stack->listeners);
        SIM_ASSERT(stack->listeners != NULL);
    }
    stack->listeners[stack->listener_count++] = (struct icmp_listener){identifier, reply, context};
}

void icmp_unlisten(struct ip_stack *stack, uint16_t identifier)
{
    struct icmp_listener *listener = icmp_find(stack, identifier);
    SIM_ASSERT(listener != NULL);
    *listener = stack->listeners[--stack->listener_count];
}

/* ---- answering ------------------------------------------------------------------------------ */

const char *icmp_refuses(struct ip_stack *stack, struct ip_interface *interface,
                         const struct frame *first, uint32_t payload_bytes)
{
    (void)stack;
    (void)payload_bytes;
    /* RFC 1122, 3.2.2.6: an echo request to a broadcast address may be discarded. */
    if (first->icmp.type == ICMP_ECHO && ip_is_broadcast(interface, first->ip_destination)) {
        return "address";
    }
    return NULL;
}

static void icmp_receive_reply(struct ip_stack *stack, const struct frame *first,
                               const struct rope *payload)
{
    sim_time rtt_ns = 0;
    if (payload->bytes >= ICMP_STAMP_BYTES) {
        uint8_t stamp[ICMP_STAMP_BYTES];
        rope_copy_out(payload, stack->net->pages, 0, sizeof stamp, stamp);
        uint64_t sent = 0;
        for (uint32_t i = 0; i < ICMP_STAMP_BYTES; i++) {
            sent = sent << 8 | stamp[i];
        }
        rtt_ns = (sim_time)((uint64_t)machine_now(stack->machine) - sent);
    }
    RECORD(stack->net->recorder, stack->net->record_base + NET_ICMP_REPLY, stack->origin, 0, "",
           (int64_t)first->ip_source.v, (int64_t)first->icmp.identifier,
           (int64_t)first->icmp.sequence, rtt_ns);
    struct icmp_listener *listener = icmp_find(stack, first->icmp.identifier);
    if (listener != NULL) {
        listener->reply(listener->context, first->ip_source, first->icmp.identifier,
                        first->icmp.sequence, (uint32_t)payload->bytes);
    }
}

void icmp_deliver(struct ip_stack *stack, struct ip_interface *interface, const struct frame *first,
                  const struct rope *payload)
{
    (void)interface;
    if (first->icmp.type == ICMP_ECHO_REPLY) {
        icmp_receive_reply(stack, first, payload);
        return;
    }
    if (first->icmp.type != ICMP_ECHO) {
        return;
    }
    /* RFC 1122, 3.2.2.6: the reply carries all that the request did, back to where it came from. */
    struct icmp_header header = first->icmp;
    header.type = ICMP_ECHO_REPLY;
    header.code = 0;
    (void)ip_send_datagram(stack, icmp_frame(stack, first->ip_source, header), payload);
}

void icmp_unreachable(struct ip_stack *stack, struct ip_interface *interface,
                      const struct frame *first)
{
    /* RFC 1122, 3.2.2: no error about what was for many. */
    if (ip_is_broadcast(interface, first->ip_destination)) {
        return;
    }
    uint8_t bytes[FRAME_BYTES_MAX];
    (void)frame_bytes(stack->net, first, bytes);
    struct rope payload;
    rope_init(&payload);
    /* RFC 792: the header of what was refused and the first 8 bytes behind it. */
    rope_push_bytes(&payload, stack->net->pages, bytes + ETH_HEADER_BYTES, IP_HEADER_BYTES + 8);
    struct icmp_header header = {.type = ICMP_UNREACHABLE, .code = ICMP_PORT_UNREACHABLE};
    (void)ip_send_datagram(stack, icmp_frame(stack, first->ip_source, header), &payload);
    rope_close(&payload, stack->net->pages);
}
