#include "nic/tcp_fault.h"
#include "nic/tcp_private.h"

/* What the peer's SYN offers meets what we offered: an option is used if both did (RFC 7323, 1.3 and 3.2; RFC 2018, 2). */
static void take_options(struct tcp_connection *c, const struct tcp_header *h)
{
    bool scaled = h->window_scale != 0xff && c->rcv_scale_offered != 0xff;
    c->snd_scale = scaled ? (h->window_scale < 14 ? h->window_scale : 14) : 0;
    c->rcv_scale = scaled ? c->rcv_scale_offered : 0;
    c->sack = c->sack && h->sack_permitted;
    c->timestamps = c->timestamps && h->timestamps;
    c->ts_recent = h->timestamps ? h->ts_value : 0;
    /* RFC 9293, 3.7.1: 536 if the peer says nothing. */
    c->peer_mss = h->mss != 0 ? h->mss : 536;
    uint32_t mss = c->peer_mss < c->local_mss ? c->peer_mss : c->local_mss;
    mss = mss > TCP_MSS_MIN ? mss : TCP_MSS_MIN;
    c->mss = (uint16_t)(mss - (c->timestamps ? 12 : 0));
}

static void take_syn(struct tcp_connection *c, const struct frame *frame)
{
    const struct tcp_header *h = &frame->tcp;
    c->rcv_start = (UINT64_C(1) << 32) + h->sequence + 1;
    c->rcv_nxt = c->rcv_start;
    c->rcv_acked = c->rcv_start;
    c->rcv_adv = c->rcv_start;
    c->snd_wnd = h->window; /* never scaled in a SYN */
    c->snd_wnd_max = h->window;
    c->snd_wl1 = c->rcv_start - 1;
    take_options(c, h);
    tcp_witness_join_receiver(c);
}

void tcp_answer_syn(struct tcp_connection *c)
{
    if (c->snd_max >= c->snd_start) {
        c->syn_retransmitted = true;
    }
    tcp_send_syn(c);
    tcp_rearm(c);
}

/* ---- LISTEN: RFC 9293, 3.10.7.2 ---------------------------------------------------------------------------------------- */

static void receive_listen(struct tcp_layer *layer, struct tcp_listener *listener,
                           const struct frame *frame)
{
    const struct tcp_header *h = &frame->tcp;
    if ((h->flags & TCP_RST) != 0) {
        return;
    }
    if ((h->flags & TCP_ACK) != 0) {
        tcp_refuse(layer, frame);
        return;
    }
    if ((h->flags & TCP_SYN) == 0 || listener->pending >= listener->backlog) {
        return; /* a full backlog is silent: the peer asks again */
    }
    uint64_t addresses = (uint64_t)frame->ip_source.v << 32 | frame->ip_destination.v;
    uint32_t ports = (uint32_t)h->source_port << 16 | h->destination_port;
    struct tcp_connection *c = tcp_connection_new(layer, addresses, ports, &listener->options);
    if (c == NULL) {
        return;
    }
    c->passive = true;
    c->pending = true;
    listener->pending++;
    take_syn(c, frame);
    tcp_event_begin(c);
    tcp_set_state(c, TCP_SYN_RECEIVED);
    c->segments_received++;
    tcp_answer_syn(c);
    tcp_event_end(c);
}

/* A SYN that a fault refuses, or leaves without an answer; true if it was one. */
static __attribute__((noinline, cold)) bool meets_fault(struct tcp_layer *layer,
                                                        const struct frame *frame)
{
    const struct tcp_syn_rule *rule = tcp_syn_rule_find(layer->net, frame);
    if (rule == NULL) {
        return false;
    }
    RECORD(layer->net->recorder, layer->net->record_base + NET_FRAME_LOST, layer->origin,
           rule->cause, rule->refuse ? "refused" : "unanswered", (int64_t)frame->wire_bytes,
           (int64_t)frame_flow(frame), (int64_t)frame->tcp.sequence, (int64_t)frame->payload_bytes);
    if (rule->refuse) {
        tcp_refuse(layer, frame);
    }
    return true;
}

void tcp_receive_unknown(struct tcp_layer *layer, uint32_t interface, const struct frame *frame)
{
    (void)interface;
    if (SIM_UNLIKELY(layer->net->syn_rules != NULL) && meets_fault(layer, frame)) {
        return;
    }
    struct tcp_listener *listener = tcp_listener_find(layer, frame->tcp.destination_port);
    if (listener != NULL) {
        receive_listen(layer, listener, frame);
    } else {
        tcp_refuse(layer, frame);
    }
}

/* ---- SYN-SENT: RFC 9293, 3.10.7.3 -------------------------------------------------------------------------------------- */

void tcp_receive_syn_sent(struct tcp_connection *c, const struct frame *frame)
{
    const struct tcp_header *h = &frame->tcp;
    bool ack = (h->flags & TCP_ACK) != 0;
    if (ack && h->acknowledgment != (uint32_t)c->snd_start) {
        tcp_refuse(c->layer, frame); /* no RST for a RST */
        return;
    }
    if ((h->flags & TCP_RST) != 0) {
        if (ack) {
            tcp_end_connection(c, TCP_END_REFUSED);
        }
        return;
    }
    if ((h->flags & TCP_SYN) == 0) {
        return;
    }
    take_syn(c, frame);
    if (!ack) {
        /* Simultaneous open: our SYN goes again, now with the acknowledgment of theirs. */
        tcp_set_state(c, TCP_SYN_RECEIVED);
        tcp_send_syn(c);
        tcp_rearm(c);
        return;
    }
    if (c->syn_retransmitted && c->timestamps && h->ts_echo != 0) {
        uint32_t ms = c->layer->now_ms + c->ts_offset - h->ts_echo;
        tcp_rtt_sample(c, (ms > 0 ? (sim_time)ms : 1) * SIM_MS);
    }
    tcp_established(c);
    c->ack_now = true;
    c->news |= TCP_NEWS_CONNECTED;
}
