/* nic/ip_stack.h - a machine's IPv4 stack: interfaces, ARP, routing to attached networks, ICMP echo, UDP; TCP stands on it.
 *
 * It is an event-driven state machine in plain structures (DESIGN idea 4), the same for hosts, clients and guests. Time-outs
 * run on the machine's monotonic clock. A crash of the machine empties it; interfaces and addresses stay as configured.
 *
 *  I1. A datagram for an address that no interface's network holds is refused: there are no routers.
 *  I2. ARP keeps at most ARP_ENTRIES neighbours and, for each unresolved one, at most ARP_PENDING frames; the oldest give way.
 *      A gratuitous ARP or any ARP from a known neighbour updates its entry (RFC 826; RFC 5227 section 3).
 *      A neighbour is asked for three times, a second apart; then what waited for it is lost ("arp"). It is good for 60 s from the
 *      last ARP that came from it; one that was used in them is then asked again, alone, and kept meanwhile.
 *  I3. Datagrams larger than the MTU are fragmented (RFC 791); fragments are put together within 30 s or dropped, whole (RFC 1122,
 *      3.3.2), in at most IP_REASSEMBLIES places. Fragments that overlap spoil their datagram; exact copies are dropped alone.
 *  I4. A frame with a bad checksum is dropped before anything else looks at it. */
#ifndef ORRERY_NIC_IP_STACK_H
#define ORRERY_NIC_IP_STACK_H

#include "nic/net.h"
#include "sim/machine.h"

#define IP_INTERFACES_MAX 8u
#define ARP_ENTRIES       1024u
#define ARP_PENDING       3u
#define IP_REASSEMBLIES   16u
#define UDP_PAYLOAD_MAX   65507u

struct ip_stack;
struct tcp_layer;

enum ip_error {
    IP_OK,
    IP_NO_ROUTE, /* I1 */
    IP_PORT_IN_USE,
    IP_TOO_LARGE,
    IP_NO_MEMORY,
    IP_DOWN, /* the machine does not run */
};
const char *ip_error_text(enum ip_error error);

struct ip_interface_options {
    struct mac mac;
    struct ip4 address;
    uint8_t prefix_bits;
    uint32_t mtu;
    struct frame_sink out;
    /* Of the wire behind `out`; borrowed, NULL where nobody knows. TCP holds new data back while it is busy, as a driver's full ring makes
     * it (nic/tcp.h T6). */
    const struct wire_pace *pace;
};

/* `origin` names the machine in records. Owned by the caller; borrows machine and net. */
struct ip_stack *ip_stack_new(struct net *net, struct machine *machine, uint32_t origin);
void ip_stack_free(struct ip_stack *stack);
struct net *ip_stack_net(const struct ip_stack *stack);
struct machine *ip_stack_machine(const struct ip_stack *stack);
uint32_t ip_stack_origin(const struct ip_stack *stack);

/* Returns the interface's number. */
uint32_t ip_stack_add_interface(struct ip_stack *stack, const struct ip_interface_options *options);
uint32_t ip_stack_interfaces(const struct ip_stack *stack);
const struct ip_interface_options *ip_stack_interface(const struct ip_stack *stack,
                                                      uint32_t interface);
/* Tells an interface of its wire, which may be made after it. */
void ip_stack_set_pace(struct ip_stack *stack, uint32_t interface, const struct wire_pace *pace);
/* Where frames for an interface enter. */
struct frame_sink ip_stack_sink(struct ip_stack *stack, uint32_t interface);
/* Interface whose network holds `address`, or SIM_NONE. */
uint32_t ip_stack_route(const struct ip_stack *stack, struct ip4 address);

/* How often an address is announced, and when, in machine time. Gap n, from 1, lasts spacing_ns + (n - 1) * step_ns, at most
 * spacing_ns_max. */
struct ip_announcement {
    uint32_t count;
    sim_time spacing_ns;
    sim_time step_ns;
    sim_time spacing_ns_max;
};
/* Broadcasts gratuitous ARPs for an interface's address, the first now. Ends what an earlier call began. */
void ip_stack_announce(struct ip_stack *stack, uint32_t interface,
                       const struct ip_announcement *announcement);

/* Address conflicts (RFC 5227, 1.1): the stack has the address of another machine too, by mistake. It announces it once and answers ARP
 * requests for it; what then comes for it is lost, "address". Each announcement and answer is a NET_ARP_CLAIMED with this cause. At
 * most IP_CLAIMS_MAX at a time; further ones are ignored. */
#define IP_CLAIMS_MAX 64u
void ip_stack_claim(struct ip_stack *stack, uint32_t interface, struct ip4 address, uint64_t cause);
/* Ends all that have this cause. */
void ip_stack_end_claims(struct ip_stack *stack, uint64_t cause);

/* ---- for protocols above: the way out --------------------------------------------------------------------------------
 * A frame with IP and L4 fields and payload set; the stack fills in Ethernet, ttl, ip_id, resolves, fragments, seals and
 * sends. Takes over the frame in any case. */
enum ip_error ip_stack_send(struct ip_stack *stack, struct frame *frame);

/* The same for the hot path: a neighbour that was resolved once is kept by number. Sends at once if it still is. */
struct ip_path {
    uint32_t interface;
    uint32_t neighbour; /* SIM_NONE: not resolved yet */
    uint32_t epoch;     /* of the ARP table when it was */
};
enum ip_error ip_stack_path(struct ip_stack *stack, struct ip4 peer, struct ip_path *path);
enum ip_error ip_stack_send_on(struct ip_stack *stack, struct ip_path *path, struct frame *frame);

/* Hands datagrams of a protocol up: sole receiver, owns the frame. TCP installs itself here. */
void ip_stack_set_protocol(struct ip_stack *stack, enum ip_protocol protocol,
                           void (*receive)(void *context, uint32_t interface, struct frame *frame),
                           void *context);
/* The TCP layer attached to this stack (nic/tcp.h), NULL before tcp_layer_new. */
void ip_stack_set_tcp(struct ip_stack *stack, struct tcp_layer *tcp);
struct tcp_layer *ip_stack_tcp(const struct ip_stack *stack);

/* ---- ICMP echo (RFC 792) --------------------------------------------------------------------------------------------
 * Requests are answered by every stack whose machine runs. */
typedef void ping_reply(void *context, struct ip4 source, uint16_t identifier, uint16_t sequence,
                        uint32_t payload_bytes);
enum ip_error icmp_ping(struct ip_stack *stack, struct ip4 to, uint16_t identifier,
                        uint16_t sequence, uint32_t payload_bytes);
/* One listener for each identifier. */
void icmp_listen(struct ip_stack *stack, uint16_t identifier, ping_reply *reply, void *context);
void icmp_unlisten(struct ip_stack *stack, uint16_t identifier);

/* ---- UDP (RFC 768) -------------------------------------------------------------------------------------------------- */
struct udp_datagram {
    struct ip4 source;
    uint16_t source_port;
    const struct rope *payload; /* borrowed for the call */
};
typedef void udp_receiver(void *context, const struct udp_datagram *datagram);
enum ip_error udp_bind(struct ip_stack *stack, uint16_t port, udp_receiver *receiver,
                       void *context);
void udp_unbind(struct ip_stack *stack, uint16_t port);
/* Slices are borrowed; the stack takes its own references. */
enum ip_error udp_send(struct ip_stack *stack, uint16_t source_port, struct ip4 to,
                       uint16_t to_port, const struct slice *slices, uint32_t count);

/* ---- state of a guest's stack: neighbours and reassembly are lost, as on a real suspend they may be ---- */
void ip_stack_reset(
    struct ip_stack *stack); /* empties all but interfaces, listeners and bindings */
void ip_stack_check(const struct ip_stack *stack);

#endif
