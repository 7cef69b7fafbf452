#include "nic/ip_stack_private.h"

#include <stdlib.h>

static void ip_announce_again(void *context);
static void ip_machine_news(void *context, enum machine_news news);

const char *ip_error_text(enum ip_error error)
{
    switch (error) {
    case IP_OK:
        return "ok";
    case IP_NO_ROUTE:
        return "no interface is in that network";
    case IP_PORT_IN_USE:
        return "port is in use";
    case IP_TOO_LARGE:
        return "datagram is too large";
    case IP_NO_MEMORY:
        return "no memory";
    case IP_DOWN:
        return "machine does not run";
    }
    return "unknown";
}

/* ---- life ----------------------------------------------------------------------------------- */

struct ip_stack *ip_stack_new(struct net *net, struct machine *machine, uint32_t origin)
{
    SIM_ASSERT(machine != NULL);
    struct ip_stack *stack = calloc(1, sizeof *stack);
    SIM_ASSERT(stack != NULL);
    stack->net = net;
    stack->machine = machine;
    stack->origin = origin;
    stack->runs = machine_runs(machine);
    rope_init(&stack->received);
    arp_init(stack);
    machine_timer_init(&stack->reassembly_timer, machine, ip_reassembly_expire, stack);
    machine_watch(machine, ip_machine_news, stack);
    return stack;
}

/* Empties what a crash or a suspend empties; frames are lost for `reason`, without a record where it is NULL. */
static void ip_empty(struct ip_stack *stack, const char *reason)
{
    arp_reset(stack, reason);
    ip_reassembly_reset(stack, reason);
    for (uint32_t i = 0; i < stack->interface_count; i++) {
        stack->interfaces[i].announce_left = 0;
        machine_timer_cancel(&stack->interfaces[i].announce_timer);
    }
    if (stack->loopback != NULL) {
        link_free(stack->loopback);
        stack->loopback = NULL;
    }
}

void ip_stack_free(struct ip_stack *stack)
{
    machine_unwatch(stack->machine, ip_machine_news, stack);
    ip_empty(stack, NULL);
    for (uint32_t i = 0; i < stack->interface_count; i++) {
        machine_timer_close(&stack->interfaces[i].announce_timer);
    }
    machine_timer_close(&stack->reassembly_timer);
    arp_close(stack);
    rope_close(&stack->received, stack->net->pages);
    free(stack->listeners);
    free(stack->bindings);
    free(stack);
}

void ip_stack_reset(struct ip_stack *stack)
{
    ip_empty(stack, "reset");
}

static void ip_machine_news(void *context, enum machine_news news)
{
    struct ip_stack *stack = context;
    switch (news) {
    case MACHINE_POWERED_ON:
        stack->runs = machine_runs(stack->machine);
        break;
    case MACHINE_STARTED:
        stack->runs = true;
        break;
    case MACHINE_STOPPED:
        stack->runs = false;
        break;
    case MACHINE_CRASHED:
        stack->runs = false;
        ip_empty(stack, "crash");
        break;
    }
}

struct net *ip_stack_net(const struct ip_stack *stack)
{
    return stack->net;
}

struct machine *ip_stack_machine(const struct ip_stack *stack)
{
    return stack->machine;
}

uint32_t ip_stack_origin(const struct ip_stack *stack)
{
    return stack->origin;
}

/* ---- interfaces ----------------------------------------------------------------------------- */

uint32_t ip_stack_add_interface(struct ip_stack *stack, const struct ip_interface_options *options)
{
    SIM_ASSERT(stack->interface_count < IP_INTERFACES_MAX);
    SIM_ASSERT(options->prefix_bits >= 1 && options->prefix_bits <= 32);
    /* RFC 791, 3.2: every module must be able to forward a datagram of 68 octets without further fragmentation. */
    SIM_ASSERT(options->mtu >= 68 && options->mtu <= FRAME_MTU_MAX);
    uint32_t number = stack->interface_count++;
    struct ip_interface *interface = &stack->interfaces[number];
    *interface = (struct ip_interface){
        .options = *options,
        .stack = stack,
        .number = number,
        .mask = UINT32_MAX << (32 - options->prefix_bits),
    };
    machine_timer_init(&interface->announce_timer, stack->machine, ip_announce_again, interface);
    return number;
}

uint32_t ip_stack_interfaces(const struct ip_stack *stack)
{
    return stack->interface_count;
}

void ip_stack_set_pace(struct ip_stack *stack, uint32_t interface, const struct wire_pace *pace)
{
    SIM_ASSERT(interface < stack->interface_count);
    stack->interfaces[interface].options.pace = pace;
}

const struct ip_interface_options *ip_stack_interface(const struct ip_stack *stack,
                                                      uint32_t interface)
{
    SIM_ASSERT(interface < stack->interface_count);
    return &stack->interfaces[interface].options;
}

struct frame_sink ip_stack_sink(struct ip_stack *stack, uint32_t interface)
{
    SIM_ASSERT(interface < stack->interface_count);
    return (struct frame_sink){ip_receive, &stack->interfaces[interface]};
}

uint32_t ip_stack_route(const struct ip_stack *stack, struct ip4 address)
{
    for (uint32_t i = 0; i < stack->interface_count; i++) {
        const struct ip_interface *interface = &stack->interfaces[i];
        if (((interface->options.address.v ^ address.v) & interface->mask) == 0) {
            return i;
        }
    }
    return SIM_NONE;
}

bool ip_is_own(const struct ip_stack *stack, struct ip4 address)
{
    for (uint32_t i = 0; i < stack->interface_count; i++) {
        if (stack->interfaces[i].options.address.v == address.v) {
            return true;
        }
    }
    return false;
}

bool ip_is_broadcast(const struct ip_interface *interface, struct ip4 address)
{
    if (address.v == UINT32_MAX) {
        return true;
    }
    uint32_t hosts = ~interface->mask;
    /* RFC 3021: networks of 31 and 32 bits have no broadcast address. */
    return hosts > 1 && address.v == (interface->options.address.v | hosts);
}

void ip_stack_announce(struct ip_stack *stack, uint32_t interface,
                       const struct ip_announcement *announcement)
{
    SIM_ASSERT(interface < stack->interface_count);
    SIM_ASSERT(announcement->spacing_ns >= 0);
    SIM_ASSERT(announcement->step_ns >= 0);
    struct ip_interface *at = &stack->interfaces[interface];
    at->announcement = *announcement;
    at->announce_left = announcement->count;
    at->announce_number = 0;
    machine_timer_cancel(&at->announce_timer);
    if (announcement->count == 0 || !machine_is_on(stack->machine)) {
        at->announce_left = 0;
        return;
    }
    if (stack->runs) {
        ip_announce_again(at);
    } else {
        machine_timer_arm(&at->announce_timer, machine_now(stack->machine));
    }
}

/* Between announcement `number`, from 1, and the next. */
static sim_time announce_gap(const struct ip_announcement *announcement, uint32_t number)
{
    SIM_ASSERT(number > 0);
    sim_time room = announcement->spacing_ns_max - announcement->spacing_ns;
    sim_time more = 0;
    for (uint32_t i = 1; i < number && more < room; i++) {
        more = announcement->step_ns < room - more ? more + announcement->step_ns : room;
    }
    return announcement->spacing_ns + more;
}

static void ip_announce_again(void *context)
{
    struct ip_interface *interface = context;
    struct ip_stack *stack = interface->stack;
    SIM_ASSERT(interface->announce_left > 0);
    interface->announce_left--;
    interface->announce_number++;
    arp_announce(stack, interface);
    if (interface->announce_left > 0) {
        machine_timer_arm(&interface->announce_timer,
                          machine_now(stack->machine) +
                              announce_gap(&interface->announcement, interface->announce_number));
    }
}

/* ---- the way out ---------------------------------------------------------------------------- */

void ip_number(struct ip_stack *stack, const struct ip_interface *interface, struct frame *frame)
{
    frame->ether_type = ETHER_IPV4;
    frame->ttl = IP_TTL;
    frame->ip_id = stack->next_id++;
    frame->ip_source = interface->options.address;
    /* As Linux does: TCP finds the size of its segments itself (RFC 1191) and never wants them cut. */
    frame->dont_fragment = frame->protocol == IP_TCP;
}

/* The way back to ourselves is a wire like others, fast and short, so that what is sent to oneself takes time too. */
static void ip_loop_back(struct ip_stack *stack, struct ip_interface *interface,
                         struct frame *frame)
{
    if (stack->loopback == NULL) {
        struct link_options options = {.rate_bps = IP_LOOPBACK_BPS, .delay_ns = IP_LOOPBACK_NS};
        stack->loopback =
            link_new(stack->net, stack->origin, &options, ip_stack_sink(stack, interface->number));
    }
    frame->destination = interface->options.mac;
    frame->source = interface->options.mac;
    frame_seal(stack->net->frames, frame);
    link_send(stack->loopback, frame);
}

void ip_output(struct ip_stack *stack, struct ip_interface *interface, struct frame *frame)
{
    if (SIM_UNLIKELY(ip_is_broadcast(interface, frame->ip_destination))) {
        ip_transmit(stack, interface, MAC_BROADCAST, frame);
    } else if (SIM_UNLIKELY(ip_is_own(stack, frame->ip_destination))) {
        ip_loop_back(stack, interface, frame);
    } else {
        arp_output(stack, interface, frame);
    }
}

/* A frame whose interface is known: numbered, cut if need be, and out. */
static enum ip_error ip_send_from(struct ip_stack *stack, struct ip_interface *interface,
                                  struct frame *frame)
{
    ip_number(stack, interface, frame);
    uint32_t bytes = frame_header_bytes(frame) - ETH_HEADER_BYTES + frame->payload_bytes;
    if (SIM_LIKELY(bytes <= interface->options.mtu)) {
        ip_output(stack, interface, frame);
        return IP_OK;
    }
    if (frame->dont_fragment) {
        net_free_frame(stack->net, frame);
        return IP_TOO_LARGE;
    }
    struct rope payload;
    rope_init(&payload);
    for (uint32_t i = 0; i < frame->slice_count; i++) {
        rope_push(&payload, stack->net->pages, frame->slices[i]);
    }
    frame->slice_count = 0;
    frame->payload_bytes = 0;
    ip_send_fragments(stack, interface, frame, &payload);
    rope_close(&payload, stack->net->pages);
    return IP_OK;
}

enum ip_error ip_stack_send(struct ip_stack *stack, struct frame *frame)
{
    if (!stack->runs) {
        net_free_frame(stack->net, frame);
        return IP_DOWN;
    }
    uint32_t number = ip_stack_route(stack, frame->ip_destination);
    if (number == SIM_NONE) {
        net_free_frame(stack->net, frame);
        return IP_NO_ROUTE;
    }
    return ip_send_from(stack, &stack->interfaces[number], frame);
}

enum ip_error ip_stack_path(struct ip_stack *stack, struct ip4 peer, struct ip_path *path)
{
    path->interface = ip_stack_route(stack, peer);
    path->neighbour = SIM_NONE;
    path->epoch = stack->epoch;
    if (path->interface == SIM_NONE) {
        return IP_NO_ROUTE;
    }
    path->neighbour = arp_lookup(stack, path->interface, peer);
    return IP_OK;
}

enum ip_error ip_stack_send_on(struct ip_stack *stack, struct ip_path *path, struct frame *frame)
{
    SIM_ASSERT(path->interface < stack->interface_count);
    struct ip_interface *interface = &stack->interfaces[path->interface];
    if (SIM_UNLIKELY(!stack->runs)) {
        net_free_frame(stack->net, frame);
        return IP_DOWN;
    }
    uint32_t bytes = IP_HEADER_BYTES + frame->tcp.header_bytes + frame->payload_bytes;
    if (SIM_UNLIKELY(path->neighbour == SIM_NONE || path->epoch != stack->epoch ||
                     frame->protocol != IP_TCP || bytes > interface->options.mtu)) {
        path->epoch = stack->epoch;
        path->neighbour = arp_lookup(stack, path->interface, frame->ip_destination);
        return ip_send_from(stack, interface, frame);
    }
    struct arp_entry *neighbour = &stack->arp.entries[path->neighbour];
    SIM_ASSERT(neighbour->address.v == frame->ip_destination.v);
    neighbour->used = true;
    ip_number(stack, interface, frame);
    ip_transmit(stack, interface, neighbour->mac, frame);
    return IP_OK;
}

/* ---- protocols above ------------------------------------------------------------------------ */

void ip_stack_set_protocol(struct ip_stack *stack, enum ip_protocol protocol,
                           void (*receive)(void *context, uint32_t interface, struct frame *frame),
                           void *context)
{
    SIM_ASSERT((uint32_t)protocol < IP_PROTOCOLS);
    stack->handlers[protocol] = (struct ip_handler){receive, context};
}

void ip_stack_set_tcp(struct ip_stack *stack, struct tcp_layer *tcp)
{
    stack->tcp = tcp;
}

struct tcp_layer *ip_stack_tcp(const struct ip_stack *stack)
{
    return stack->tcp;
}

void ip_stack_check(const struct ip_stack *stack)
{
    SIM_ASSERT(stack->runs == machine_runs(stack->machine));
    SIM_ASSERT(stack->received.bytes == 0);
    for (uint32_t i = 0; i < stack->interface_count; i++) {
        const struct ip_interface *interface = &stack->interfaces[i];
        SIM_ASSERT(interface->number == i);
        SIM_ASSERT((interface->announce_left > 0) ==
                   machine_timer_armed(&interface->announce_timer));
    }
    arp_check(stack);
    ip_reassembly_check(stack);
}
