/* nic/net.h - what all network parts of a run share: kernel, recorder, pools, and the record kinds of this room. */
#ifndef ORRERY_NIC_NET_H
#define ORRERY_NIC_NET_H

#include "nic/frame.h"
#include "nic/stream_witness.h"
#include "sim/recorder.h"

/* Kinds, in the order of net_record_kinds. Each drop is a record with the reason as text and the frame as numbers, so that every
 * retransmission in a capture has its explanation. */
enum net_record {
    NET_FRAME_LOST, /* origin link, NIC, switch or stack; text: see below; {bytes, flow, sequence, payload} */
    NET_LINK_STATE,   /* {up, rate_bps, delay_ns} */
    NET_ARP_ANNOUNCE, /* gratuitous ARP sent {address, mac, number} */
    NET_ARP_CLAIMED, /* by a fault, a machine announced the address of another, or answered for it {address, mac} */
    NET_SWITCH_LEARNED, /* a MAC moved to another port {mac, old_port, new_port} */
    NET_TCP_OPENED,     /* {flow, local_address, local_port, peer_address, peer_port} */
    NET_TCP_CLOSED, /* {flow, sent_bytes, received_bytes, retransmitted_segments, timeouts}; text: why */
    NET_TCP_TIMEOUT,       /* retransmission time-out {flow, sequence, rto_ns, backoff} */
    NET_TCP_RECOVERY,      /* fast recovery entered {flow, sequence, recover, cwnd_bytes} */
    NET_TCP_WINDOW_CLOSED, /* the peer's window is 0 {flow} */
    NET_ICMP_SENT,         /* {destination, identifier, sequence} */
    NET_ICMP_REPLY,        /* {source, identifier, sequence, rtt_ns} */
    NET_FRAME_CHANGED, /* a fault touched a frame that goes on {bytes, flow, sequence, payload}; text: what it did */
    NET_STREAM_CHECKED, /* what came out of a TCP stream was compared with what went in, at the receiver {flow, bytes, ok} */
    NET_RECORD_KINDS
};
/* Reasons: down, loss, burst, partition, black-hole, queue, crash (link); ring, off, stopped, mtu, crash, hang, reset (NIC); off, partition,
 * loss, announcement (switch); checksum, address, arp, mtu,
 * port, protocol, malformed, overlap, duplicate, reassembly, reset, refused, unanswered (stack). flow is frame_flow; sequence is that of TCP or of an ICMP echo, else
 * the IP identification. */
extern const struct record_kind net_record_kinds[NET_RECORD_KINDS];

struct net {
    struct sim *sim;
    struct recorder *recorder;
    struct page_pool *pages;
    struct frame_pool *frames;
    struct stream_witness *streams;
    struct tcp_syn_rule *syn_rules; /* nic/tcp_fault.h; NULL: no connection is refused or hangs */
    uint32_t record_base;           /* number of NET_FRAME_LOST in the recorder */
};

/* How a wire tells senders to hold back: they wait while it is busy beyond now + patience_ns. That is WIRE_PATIENCE_NS, or half of what
 * its queue holds where that is less, so that those who heed it never overflow it. */
#define WIRE_PATIENCE_NS SIM_MS
struct wire_pace {
    sim_time busy_until; /* the instant at which all that was queued will have been sent */
    sim_time patience_ns;
};

/* Adds the kinds and makes the frame pool and the witness of streams. The other parts are borrowed. */
void net_init(struct net *net, struct sim *sim, struct recorder *recorder, struct page_pool *pages);
/* Asserts that no frame is alive, and no TCP connection. */
void net_close(struct net *net);
static inline void net_free_frame(struct net *net, struct frame *frame)
{
    frame_free(net->frames, net->pages, frame);
}
/* Records something about a frame, of kind NET_FRAME_LOST or NET_FRAME_CHANGED. Returns the record's id. */
uint64_t net_record_frame(struct net *net, enum net_record kind, uint32_t origin, uint64_t cause,
                          const char *text, const struct frame *frame);
/* Records that `frame` is lost at `origin` for `reason`, and frees it. `cause` as in records. */
void net_lose_frame(struct net *net, uint32_t origin, uint64_t cause, const char *reason,
                    struct frame *frame);

#endif
