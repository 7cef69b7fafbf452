/* nic/frame.h - a frame on its way: headers as fields, payload as slices of pages, bytes only when somebody looks.
 *
 * All frames of a run come from one pool and have one owner at a time: whoever holds it passes it on or frees it. What is on
 * the wire is exact: lengths, and every field that Ethernet, ARP, IPv4, ICMP, UDP and TCP carry; checksums are right by construction and
 * are computed where bytes are made (nic/frame_bytes.h), unless a fault corrupted the frame.
 *
 *  F1. wire_bytes is the length of the Ethernet frame without preamble, FCS and gap, padded to 60 as IEEE 802.3 asks.
 *  F2. Each slice owns one reference of its page.
 *  F3. digest covers all that the receiver can see: every header field and, for each slice, page identity, offset and length. It is
 *      computed once, when a stack or an injector first sends the frame (frame_seal), and changes only with the contents. It
 *      does not cover `corrupt`, which says what a fault did to the frame on its way.
 *  F4. A frame that will not fit FRAME_SLICES_MAX slices has its small slices gathered into one literal by its maker. */
#ifndef ORRERY_NIC_FRAME_H
#define ORRERY_NIC_FRAME_H

#include "sim/kernel.h"
#include "sim/rope.h"
#include "sim/run_hash.h"

#define FRAME_SLICES_MAX   6u
#define FRAME_MTU_MAX      9000u
#define ETH_HEADER_BYTES   14u
#define ETH_BYTES_MIN      60u /* without FCS: IEEE 802.3, 3.2.8 */
#define ETH_OVERHEAD_BYTES 24u /* preamble and SFD 8, FCS 4, gap 12 */
#define PPP_HEADER_BYTES                                                                           \
    2u /* framing: ppp replaces the Ethernet header and adds nothing on the wire */

enum ether_type { ETHER_IPV4 = 0x0800, ETHER_ARP = 0x0806 };
enum ip_protocol { IP_ICMP = 1, IP_TCP = 6, IP_UDP = 17 };

struct mac {
    uint64_t v; /* 48 bits, first byte on the wire highest */
};
struct ip4 {
    uint32_t v; /* host order */
};
#define MAC_BROADCAST ((struct mac){UINT64_C(0xffffffffffff)})

enum tcp_flag {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
};

struct tcp_sack_block {
    uint32_t left, right; /* RFC 2018: right is one past the last */
};

/* RFC 9293, 3.1. Options in the order in which they go on the wire: MSS, SACK permitted, time stamps, window scale, SACK. */
struct tcp_header {
    uint16_t source_port, destination_port;
    uint32_t sequence, acknowledgment;
    uint16_t window;
    uint8_t flags;
    uint8_t sack_count;   /* 0 to 4 */
    uint16_t mss;         /* 0: option absent */
    uint8_t window_scale; /* 0xff: option absent */
    bool sack_permitted;
    bool timestamps;
    uint8_t header_bytes; /* 20 to 60, with options padded to 4 */
    uint32_t ts_value, ts_echo;
    struct tcp_sack_block sack[4];
};

struct udp_header {
    uint16_t source_port, destination_port;
    uint16_t length;
};

struct icmp_header {
    uint8_t type, code;            /* 8 echo, 0 echo reply, 3 unreachable, 11 time exceeded */
    uint16_t identifier, sequence; /* the second word, whatever the type */
};

struct arp_header {
    uint16_t operation; /* 1 request, 2 reply; gratuitous: sender = target */
    struct mac sender_mac, target_mac;
    struct ip4 sender_ip, target_ip;
};

struct frame {
    struct frame *next; /* in the queue or free list that holds it */
    sim_time start;     /* first bit leaves the sender of the present link */
    sim_time arrival;   /* last bit is at the receiver of the present link */
    sim_time end;       /* last bit has left */
    uint64_t digest;
    struct mac destination, source;
    uint32_t wire_bytes;
    uint16_t ether_type;
    uint8_t protocol; /* enum ip_protocol; 0 for ARP */
    uint8_t slice_count;
    bool corrupt; /* fails its checksum at the receiver: a fault touched it */
    bool more_fragments, dont_fragment;
    uint8_t ttl;
    uint16_t ip_id;
    uint16_t fragment_offset; /* bytes, a multiple of 8; L4 header present only where 0 */
    uint16_t payload_bytes;   /* sum of the slices: what follows the last header */
    uint16_t
        rest_sum; /* first fragment: one's complement sum of what the later ones carry, for the L4 checksum */
    struct ip4 ip_source, ip_destination;
    union {
        struct tcp_header tcp;
        struct udp_header udp;
        struct icmp_header icmp;
        struct arp_header arp;
    };
    struct slice slices[FRAME_SLICES_MAX];
};

struct frame_pool;

struct frame_pool *frame_pool_new(struct page_pool *pages);
/* Asserts that no frame is alive. */
void frame_pool_close(struct frame_pool *pool);
uint32_t frame_pool_live(const struct frame_pool *pool);
struct page_pool *frame_pool_pages(const struct frame_pool *pool);

/* First member of a frame pool. */
struct frame_free_list {
    struct frame *first;
    uint32_t live;
};
struct frame *frame_pool_grow(struct frame_pool *pool); /* for frame_new only */

/* A frame with undefined contents but slice_count, corrupt, payload_bytes, rest_sum and fragment fields, which are 0. The caller
 * owns it. */
static inline struct frame *frame_new(struct frame_pool *pool)
{
    struct frame_free_list *list = (struct frame_free_list *)(void *)pool;
    struct frame *frame = list->first;
    if (SIM_UNLIKELY(frame == NULL)) {
        frame = frame_pool_grow(pool);
    }
    list->first = frame->next;
    list->live++;
    frame->slice_count = 0;
    frame->corrupt = false;
    frame->more_fragments = false;
    frame->dont_fragment = false;
    frame->fragment_offset = 0;
    frame->payload_bytes = 0;
    frame->rest_sum = 0;
    return frame;
}
/* Gives back its pages and the frame. */
static inline void frame_free(struct frame_pool *pool, struct page_pool *pages, struct frame *frame)
{
    struct frame_free_list *list = (struct frame_free_list *)(void *)pool;
    for (uint32_t i = 0; i < frame->slice_count; i++) {
        page_unref(pages, frame->slices[i].page);
    }
    SIM_ASSERT(list->live > 0);
    list->live--;
    frame->next = list->first;
    list->first = frame;
}
/* A second frame with the same contents, references taken. For flooding and duplication. */
struct frame *frame_copy(struct frame_pool *pool, const struct frame *frame);
void frame_push_tight(struct frame_pool *pool, struct frame *frame,
                      struct slice slice); /* for frame_push only */

/* Appends a slice; takes over its reference. Merges neighbours of a page; gathers small slices when full (F4). */
static inline void frame_push(struct frame_pool *pool, struct frame *frame, struct slice slice)
{
    SIM_ASSERT(slice.length > 0);
    SIM_ASSERT(frame->payload_bytes + slice.length <= FRAME_MTU_MAX);
    uint32_t count = frame->slice_count;
    frame->payload_bytes = (uint16_t)(frame->payload_bytes + slice.length);
    if (SIM_LIKELY(count == 0 || (count < FRAME_SLICES_MAX &&
                                  !page_same_handle(frame->slices[count - 1].page, slice.page)))) {
        frame->slices[count] = slice;
        frame->slice_count = (uint8_t)(count + 1);
        return;
    }
    frame_push_tight(pool, frame, slice);
}
/* Sets wire_bytes from the headers and the payload, and digest (F1, F3). After the last change to the frame. */
void frame_seal(struct frame_pool *pool, struct frame *frame);
/* The digest of the contents as they are: what frame_seal stores. */
uint64_t frame_digest(const struct frame_pool *pool, const struct frame *frame);
/* Bytes before the payload: Ethernet, IP, L4 with options. */
uint32_t frame_header_bytes(const struct frame *frame);
/* Length of a TCP header with these options, laid out as frame_bytes writes them: time stamps and SACK each begin with two
 * NOPs, but time stamps take the place of them behind SACK permitted; window scale begins with one (RFC 7323, appendix A).
 * At most 60, which three SACK blocks beside time stamps just fill. What tcp_header.header_bytes holds. */
uint8_t frame_tcp_header_bytes(const struct tcp_header *tcp);

/* One number for both directions between two ends, in 63 bits: what records call flow. Ports are 0 where there are none. */
uint64_t frame_flow_between(struct ip4 a, uint16_t port_a, struct ip4 b, uint16_t port_b);
/* The same of a frame: TCP and UDP with ports, but for fragments that do not show them; ARP by its addresses. */
uint64_t frame_flow(const struct frame *frame);

static inline bool mac_same(struct mac a, struct mac b)
{
    return a.v == b.v;
}
static inline bool mac_is_group(struct mac mac)
{
    return (mac.v >> 40 & 1) != 0;
}

/* Where frames go: a NIC, a switch port, a stack. receive takes over the frame, whatever becomes of it. */
struct frame_sink {
    void (*receive)(void *context, struct frame *frame);
    void *context;
};

#endif
