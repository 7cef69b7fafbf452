#include "nic/net.h"

#define FIELD(field_name, field_unit)                                                              \
    {                                                                                              \
        .name = (field_name), .unit = (field_unit)                                                 \
    }

const struct record_kind net_record_kinds[NET_RECORD_KINDS] =
    {
        [NET_FRAME_LOST] =
            {
                .name = "net.frame_lost",
                .meaning = "A frame was lost; the text says why.",
                .fields = {FIELD("bytes", RECORD_BYTES), FIELD("flow", RECORD_NUMBER),
                           FIELD("sequence", RECORD_NUMBER), FIELD("payload", RECORD_BYTES)},
                .text = "reason",
            },
        [NET_LINK_STATE] =
            {
                .name = "net.link_state",
                .meaning = "One direction of a link went up or down, or got another rate or delay.",
                .fields = {FIELD("up", RECORD_FLAG), FIELD("rate_bps", RECORD_BPS),
                           FIELD("delay_ns", RECORD_NS)},
            },
        [NET_ARP_ANNOUNCE] =
            {
                .name = "net.arp_announce",
                .meaning = "A gratuitous ARP told the network where an address is now.",
                .fields = {FIELD("address", RECORD_IP4), FIELD("mac", RECORD_MAC),
                           FIELD("number", RECORD_COUNT)},
            },
        [NET_ARP_CLAIMED] =
            {
                .name = "net.arp_claimed",
                .meaning = "A machine answered for the address of another, or announced it: a "
                           "fault makes it do so.",
                .fields = {FIELD("address", RECORD_IP4), FIELD("mac", RECORD_MAC)},
            },
        [NET_SWITCH_LEARNED] =
            {
                .name = "net.switch_learned",
                .meaning = "A switch saw a MAC at another port than before.",
                .fields = {FIELD("mac", RECORD_MAC), FIELD("old_port", RECORD_NUMBER),
                           FIELD("new_port", RECORD_NUMBER)},
            },
        [NET_TCP_OPENED] =
            {
                .name = "net.tcp_opened",
                .meaning = "One end of a TCP connection is established.",
                .fields = {FIELD("flow", RECORD_NUMBER), FIELD("local_address", RECORD_NUMBER),
                           FIELD("local_port", RECORD_NUMBER), FIELD("peer_address", RECORD_IP4),
                           FIELD("peer_port", RECORD_NUMBER)},
            },
        [NET_TCP_CLOSED] =
            {
                .name = "net.tcp_closed",
                .meaning = "One end of a TCP connection is gone; the text says why.",
                .fields = {FIELD("flow", RECORD_NUMBER), FIELD("sent_bytes", RECORD_BYTES),
                           FIELD("received_bytes", RECORD_BYTES),
                           FIELD("retransmitted_segments", RECORD_COUNT),
                           FIELD("timeouts", RECORD_COUNT)},
                .text = "why",
            },
        [NET_TCP_TIMEOUT] =
            {
                .name = "net.tcp_timeout",
                .meaning = "A retransmission time-out of TCP expired.",
                .fields = {FIELD("flow", RECORD_NUMBER), FIELD("sequence", RECORD_NUMBER),
                           FIELD("rto_ns", RECORD_NS), FIELD("backoff", RECORD_COUNT)},
            },
        [NET_TCP_RECOVERY] =
            {
                .name = "net.tcp_recovery",
                .meaning =
                    "TCP noticed a loss by duplicate acknowledgments and entered fast recovery.",
                .fields = {FIELD("flow", RECORD_NUMBER), FIELD("sequence", RECORD_NUMBER),
                           FIELD("recover", RECORD_NUMBER), FIELD("cwnd_bytes", RECORD_BYTES)},
            },
        [NET_TCP_WINDOW_CLOSED] =
            {
                .name = "net.tcp_window_closed",
                .meaning = "The peer of a TCP connection closed its receive window.",
                .fields = {FIELD("flow", RECORD_NUMBER)},
            },
        [NET_ICMP_SENT] =
            {
                .name = "net.icmp_sent",
                .meaning = "An ICMP echo request was sent.",
                .fields = {FIELD("destination", RECORD_IP4), FIELD("identifier", RECORD_NUMBER),
                           FIELD("sequence", RECORD_NUMBER)},
            },
        [NET_ICMP_REPLY] =
            {
                .name = "net.icmp_reply",
                .meaning = "An ICMP echo reply came back.",
                .fields = {FIELD("source", RECORD_IP4), FIELD("identifier", RECORD_NUMBER),
                           FIELD("sequence", RECORD_NUMBER), FIELD("rtt_ns", RECORD_NS)},
            },
        [NET_FRAME_CHANGED] =
            {
                .name = "net.frame_changed",
                .meaning = "A fault changed, copied or held a frame that goes on; the text says "
                           "what it did.",
                .fields = {FIELD("bytes", RECORD_BYTES), FIELD("flow", RECORD_NUMBER),
                           FIELD("sequence", RECORD_NUMBER), FIELD("payload", RECORD_BYTES)},
                .text = "what",
            },
        [NET_STREAM_CHECKED] =
            {
                .name = "net.stream_checked",
                .meaning = "What came out of a TCP stream was compared with what went into it.",
                .fields = {FIELD("flow", RECORD_NUMBER), FIELD("bytes", RECORD_BYTES),
                           FIELD("ok", RECORD_FLAG)},
            },
};

void net_init(struct net *net, struct sim *sim, struct recorder *recorder, struct page_pool *pages)
{
    SIM_ASSERT(sim != NULL);
    SIM_ASSERT(recorder != NULL);
    *net = (struct net){
        .sim = sim,
        .recorder = recorder,
        .pages = pages,
        .frames = frame_pool_new(pages),
        .streams = stream_witness_new(),
        .record_base = recorder_add_kinds(recorder, net_record_kinds, NET_RECORD_KINDS),
    };
}

void net_close(struct net *net)
{
    stream_witness_close(net->streams);
    frame_pool_close(net->frames);
    *net = (struct net){0};
}

/* What tells frames of a flow apart: the sequence number of TCP, the number of an echo, else IP's identification. */
static uint32_t frame_sequence(const struct frame *frame)
{
    if (frame->ether_type != ETHER_IPV4) {
        return 0;
    }
    if (frame->fragment_offset == 0 && frame->protocol == IP_TCP) {
        return frame->tcp.sequence;
    }
    if (frame->fragment_offset == 0 && frame->protocol == IP_ICMP) {
        return frame->icmp.sequence;
    }
    return frame->ip_id;
}

uint64_t net_record_frame(struct net *net, enum net_record kind, uint32_t origin, uint64_t cause,
                          const char *text, const struct frame *frame)
{
    SIM_ASSERT(text != NULL);
    SIM_ASSERT(kind == NET_FRAME_LOST || kind == NET_FRAME_CHANGED);
    const int64_t values[] = {(int64_t)frame->wire_bytes, (int64_t)frame_flow(frame),
                              (int64_t)frame_sequence(frame), (int64_t)frame->payload_bytes};
    return recorder_record(net->recorder, net->record_base + kind, origin, cause, values, text);
}

void net_lose_frame(struct net *net, uint32_t origin, uint64_t cause, const char *reason,
                    struct frame *frame)
{
    (void)net_record_frame(net, NET_FRAME_LOST, origin, cause, reason, frame);
    net_free_frame(net, frame);
}
