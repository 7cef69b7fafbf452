/* UDP (RFC 768): ports, and datagrams of any size that IP carries. */
#include "nic/ip_stack_private.h"

#include <stdlib.h>

#define UDP_HEADER_BYTES 8u

static struct udp_binding *udp_find(struct ip_stack *stack, uint16_t port)
{
    for (uint32_t i = 0; i < stack->binding_count; i++) {
        if (stack->bindings[i].port == port) {
            return &stack->bindings[i];
        }
    }
    return NULL;
}

enum ip_error udp_bind(struct ip_stack *stack, uint16_t port, udp_receiver *receiver, void *context)
{
    SIM_ASSERT(receiver != NULL);
    if (udp_find(stack, port) != NULL) {
        return IP_PORT_IN_USE;
    }
    if (stack->binding_count == stack->binding_capacity) {
        stack->binding_capacity = stack->binding_capacity == 0 ? 4 : stack->binding_capacity * 2;
        stack->bindings =
            realloc(stack->bindings, stack->binding_capacity * sizeof *stack->bindings);
        SIM_ASSERT(stack->bindings != NULL);
    }
    stack->bindings[stack->binding_count++] = (struct udp_binding){port, receiver, context};
    return IP_OK;
}

void udp_unbind(struct ip_stack *stack, uint16_t port)
{
    struct udp_binding *binding = udp_find(stack, port);
    SIM_ASSERT(binding != NULL);
    *binding = stack->bindings[--stack->binding_count];
}

enum ip_error udp_send(struct ip_stack *stack, uint16_t source_port, struct ip4 to,
                       uint16_t to_port, const struct slice *slices, uint32_t count)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += slices[i].length;
    }
    if (bytes > UDP_PAYLOAD_MAX) {
        return IP_TOO_LARGE;
    }
    struct page_pool *pages = stack->net->pages;
    struct frame *frame = frame_new(stack->net->frames);
    frame->protocol = IP_UDP;
    frame->ip_destination = to;
    frame->udp = (struct udp_header){source_port, to_port, (uint16_t)(UDP_HEADER_BYTES + bytes)};
    struct rope payload;
    rope_init(&payload);
    for (uint32_t i = 0; i < count; i++) {
        page_ref(pages, slices[i].page);
        rope_push(&payload, pages, slices[i]);
    }
    enum ip_error error = ip_send_datagram(stack, frame, &payload);
    rope_close(&payload, pages);
    return error;
}

const char *udp_refuses(struct ip_stack *stack, struct ip_interface *interface,
                        const struct frame *first, uint32_t payload_bytes)
{
    if (first->udp.length != UDP_HEADER_BYTES + payload_bytes) {
        return "malformed";
    }
    if (udp_find(stack, first->udp.destination_port) == NULL) {
        icmp_unreachable(stack, interface, first);
        return "port";
    }
    return NULL;
}

void udp_deliver(struct ip_stack *stack, struct ip_interface *interface, const struct frame *first,
                 const struct rope *payload)
{
    (void)interface;
    struct udp_binding *binding = udp_find(stack, first->udp.destination_port);
    SIM_ASSERT(binding != NULL);
    struct udp_datagram datagram = {
        .source = first->ip_source,
        .source_port = first->udp.source_port,
        .payload = payload,
    };
    binding->receiver(binding->context, &datagram);
}
