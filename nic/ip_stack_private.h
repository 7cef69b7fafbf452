/* nic/ip_stack_private.h - what the files of the IP stack share; nobody else includes it.
 *
 *      ip_stack_send, ip_stack_send_on           ip_stack_sink
 *            │ ip_stack.c: route, number              │ ipv4.c: checksum, address, reassembly
 *            ▼                                        ▼
 *      ip_send_datagram (fragments, ipv4.c)      handler (TCP), icmp.c, udp.c
 *            ▼                                        ▲
 *      arp_output: resolve, seal, out ── arp.c ── arp_receive */
#ifndef ORRERY_NIC_IP_STACK_PRIVATE_H
#define ORRERY_NIC_IP_STACK_PRIVATE_H

#include "nic/ip_stack.h"
#include "nic/link.h"

#define IP_HEADER_BYTES  20u
#define IP_DATAGRAM_MAX  65535u
#define IP_TTL           64u
#define IP_FRAGMENTS_MAX 128u /* of one datagram that is put together */
#define IP_PROTOCOLS     32u
#define IP_REASSEMBLY_NS (30 * SIM_S)
#define ARP_BUCKETS      256u
#define ARP_RETRY_NS     SIM_S
#define ARP_TRIES        3u
#define ARP_REACHABLE_NS (60 * SIM_S)
#define IP_LOOPBACK_BPS  UINT64_C(10000000000)
#define IP_LOOPBACK_NS   (10 * SIM_US)

struct ip_interface {
    struct ip_interface_options options;
    struct ip_stack *stack;
    uint32_t number;
    uint32_t mask;
    struct machine_timer announce_timer;
    uint32_t announce_left, announce_number;
    struct ip_announcement announcement;
};

/*             first frame for it            any ARP from it
 *    (free) ─────────────────► INCOMPLETE ───────────────► REACHABLE ◄─┐ any ARP from it
 *       ▲  3 requests unanswered   │                        │  60 s     │
 *       ├──────────────────────────┘        not used in them│  ▼ used   │
 *       ├───────────────────────────────────────────────────┘ PROBED ───┘
 *       └── 3 unicast requests unanswered ────────────────────┘
 *
 * PROBED neighbours are still used. (A simple form of RFC 4861's reachability, which Linux applies to ARP too: there is no
 * confirmation from protocols above, so a neighbour in use is asked once a minute.) */
enum arp_state { ARP_FREE, ARP_INCOMPLETE, ARP_REACHABLE, ARP_PROBED };

struct arp_entry {
    struct mac mac;
    struct ip4 address;
    uint32_t interface;
    uint8_t state; /* enum arp_state */
    uint8_t tries;
    uint8_t pending_count;
    bool used;          /* since it was last confirmed */
    uint32_t chain;     /* next of the bucket or of the free list */
    uint64_t confirmed; /* order of confirmations, for giving way */
    sim_time deadline;  /* machine's monotonic time */
    struct frame *pending_first, *pending_last;
};

struct arp_table {
    struct arp_entry *entries;
    uint32_t count, capacity, free; /* places in use ever, allocated, first of the free list */
    uint64_t confirmations;
    struct machine_timer timer; /* the earliest deadline */
    uint32_t buckets[ARP_BUCKETS];
};

/* A datagram whose fragments come in, sorted by offset and without overlap. */
struct ip_reassembly {
    struct frame *first; /* NULL: the place is free */
    struct ip4 source, destination;
    uint32_t interface;
    uint32_t count;
    uint32_t held_bytes,
        total_bytes; /* after the IP header; total 0 until the last fragment came */
    uint16_t id;
    uint8_t protocol;
    sim_time deadline;
};

struct ip_handler {
    void (*receive)(void *context, uint32_t interface, struct frame *frame);
    void *context;
};

struct icmp_listener {
    uint16_t identifier;
    ping_reply *reply;
    void *context;
};

struct udp_binding {
    uint16_t port;
    udp_receiver *receiver;
    void *context;
};

struct ip_stack {
    /* What every frame touches. */
    struct net *net;
    uint32_t epoch; /* changes whenever a number of a neighbour loses its meaning */
    uint32_t interface_count;
    uint16_t next_id;
    bool runs; /* of the machine, as its news said last */
    struct arp_table arp;
    struct ip_handler handlers[IP_PROTOCOLS];
    struct ip_interface interfaces[IP_INTERFACES_MAX];

    struct machine *machine;
    uint32_t origin;
    struct tcp_layer *tcp;
    struct link *loopback; /* made when first used */
    struct ip_reassembly reassemblies[IP_REASSEMBLIES];
    struct machine_timer reassembly_timer;
    struct rope received; /* payload of the datagram that is being delivered */
    struct icmp_listener *listeners;
    uint32_t listener_count, listener_capacity;
    struct udp_binding *bindings;
    uint32_t binding_count, binding_capacity;
    struct ip_claim {
        uint32_t interface;
        struct ip4 address;
        uint64_t cause;
    } claims[IP_CLAIMS_MAX]; /* in the order of their begin */
    uint32_t claim_count;
};

/* Seals the frame and sends it to a neighbour's MAC. */
static inline void ip_transmit(struct ip_stack *stack, struct ip_interface *interface,
                               struct mac mac, struct frame *frame)
{
    frame->destination = mac;
    frame->source = interface->options.mac;
    frame_seal(stack->net->frames, frame);
    interface->options.out.receive(interface->options.out.context, frame);
}

/* ---- ip_stack.c ---- */
/* True for an address of this stack, on whichever interface. */
bool ip_is_own(const struct ip_stack *stack, struct ip4 address);
/* Broadcast of the interface's network, or limited broadcast. */
bool ip_is_broadcast(const struct ip_interface *interface, struct ip4 address);
/* Fills in what every datagram of ours has: type, ttl, identification, source. */
void ip_number(struct ip_stack *stack, const struct ip_interface *interface, struct frame *frame);
/* One numbered datagram or fragment, to the link: broadcast, back to ourselves, or through ARP. */
void ip_output(struct ip_stack *stack, struct ip_interface *interface, struct frame *frame);

/* ---- ipv4.c ---- */
/* A datagram: `first` has IP and L4 fields and no payload yet and is taken over; the payload's references are taken anew. */
enum ip_error ip_send_datagram(struct ip_stack *stack, struct frame *first,
                               const struct rope *payload);
/* Fragments a numbered frame that the MTU does not take. */
void ip_send_fragments(struct ip_stack *stack, struct ip_interface *interface, struct frame *first,
                       const struct rope *payload);
/* A frame from the wire; the context is the interface. */
void ip_receive(void *context, struct frame *frame);
/* Loses all fragments, for `reason`; without a record where it is NULL. */
void ip_reassembly_reset(struct ip_stack *stack, const char *reason);
void ip_reassembly_expire(void *context);
void ip_reassembly_check(const struct ip_stack *stack);

/* ---- arp.c ---- */
void arp_init(struct ip_stack *stack);
void arp_close(struct ip_stack *stack);
void arp_reset(struct ip_stack *stack, const char *reason);
/* Number of a neighbour that can be sent to now, or SIM_NONE. */
uint32_t arp_lookup(const struct ip_stack *stack, uint32_t interface, struct ip4 address);
/* Sends the frame to its IP destination, or keeps it until that is resolved. */
void arp_output(struct ip_stack *stack, struct ip_interface *interface, struct frame *frame);
void arp_receive(struct ip_stack *stack, struct ip_interface *interface, struct frame *frame);
void arp_announce(struct ip_stack *stack, struct ip_interface *interface);
void arp_check(const struct ip_stack *stack);

/* ---- icmp.c, udp.c: datagrams that came whole ----
 * `refuses` says before the payload is touched why a datagram is not for us, or NULL; `first` is its only frame or its
 * first fragment, `payload_bytes` what follows the L4 header. `deliver` then borrows header and payload. */
const char *icmp_refuses(struct ip_stack *stack, struct ip_interface *interface,
                         const struct frame *first, uint32_t payload_bytes);
void icmp_deliver(struct ip_stack *stack, struct ip_interface *interface, const struct frame *first,
                  const struct rope *payload);
/* Port unreachable, for a datagram that udp_refuses turned away. */
void icmp_unreachable(struct ip_stack *stack, struct ip_interface *interface,
                      const struct frame *first);
const char *udp_refuses(struct ip_stack *stack, struct ip_interface *interface,
                        const struct frame *first, uint32_t payload_bytes);
void udp_deliver(struct ip_stack *stack, struct ip_interface *interface, const struct frame *first,
                 const struct rope *payload);

#endif
