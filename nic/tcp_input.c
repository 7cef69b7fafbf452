#include "nic/tcp_private.h"

#include "sim/planted.h"

/* ---- header prediction ------------------------------------------------------------------------------------------------- */

/* True if the segment is the next in order, plain, and nothing is going on that it could concern. (After V. Jacobson: 4BSD
 * Header Prediction, 1990.) */
static inline bool predicted(const struct tcp_connection *c, const struct frame *frame)
{
    const struct tcp_header *h = &frame->tcp;
    uint32_t odd = (uint32_t)c->slow | ((h->flags & ~(uint32_t)TCP_PSH) ^ TCP_ACK) | h->sack_count |
                   (uint32_t)(h->timestamps != c->timestamps);
    if (odd != 0 || h->sequence != (uint32_t)c->rcv_nxt || h->window == 0) {
        return false;
    }
    if (c->timestamps && (int32_t)(h->ts_value - c->ts_recent) < 0) {
        return false;
    }
    uint32_t acked = h->acknowledgment - (uint32_t)c->snd_una;
    if (acked > c->snd_max - c->snd_una) {
        return false;
    }
    if (frame->payload_bytes == 0) {
        return acked != 0;
    }
    return frame->payload_bytes <= c->rcv_adv - c->rcv_nxt;
}

/* RFC 7323, 4.3: the echo is that of the segment which the last ACK sent had reached. */
static inline void take_timestamp(struct tcp_connection *c, const struct tcp_header *h,
                                  uint64_t sequence)
{
    if (c->timestamps && sequence <= c->rcv_acked) {
        c->ts_recent = h->ts_value;
    }
}

/* Data in order goes to the user; how soon it is acknowledged is decided here (RFC 9293, 3.8.6.3; RFC 5681, 4.2: at least every
 * second full segment). */
void tcp_deliver(struct tcp_connection *c, struct frame *frame)
{
    struct page_pool *pages = c->layer->net->pages;
    uint32_t slices = frame->slice_count;
    for (uint32_t i = 0; i < slices; i++) {
        uint32_t which = SIM_PLANTED(stream_swapped) ? slices - 1 - i : i;
        rope_push(&c->receive, pages, frame->slices[which]);
    }
    frame->slice_count = 0;
    c->rcv_nxt += frame->payload_bytes;
    c->news |= TCP_NEWS_READABLE;
    if (SIM_UNLIKELY(frame->payload_bytes > c->rcv_mss)) {
        c->rcv_mss = frame->payload_bytes;
        c->ack_after = c->quick_acks > 0 ? 0 : c->rcv_mss;
    }
    if (c->rcv_nxt - c->rcv_acked > c->ack_after) {
        c->ack_now = true;
    } else if (c->deadlines[TCP_DEADLINE_DELAYED_ACK] == SIM_NEVER) {
        tcp_deadline_set(c, TCP_DEADLINE_DELAYED_ACK, c->layer->now + c->profile->delayed_ack_ns);
    }
    if (SIM_UNLIKELY(c->quick_acks > 0) && --c->quick_acks == 0) {
        c->ack_after = c->rcv_mss;
    }
}

static inline void receive_predicted(struct tcp_connection *c, struct frame *frame)
{
    const struct tcp_header *h = &frame->tcp;
    take_timestamp(c, h, c->rcv_nxt);
    uint32_t acked = h->acknowledgment - (uint32_t)c->snd_una;
    uint32_t window = (uint32_t)h->window << c->snd_scale;
    c->snd_wl1 = c->rcv_nxt;
    c->snd_wnd = window;
    if (SIM_UNLIKELY(window > c->snd_wnd_max)) {
        c->snd_wnd_max = window;
    }
    if (acked > 0) {
        tcp_acknowledged(c, c->snd_una + acked);
        tcp_congestion_acked(c, acked);
    }
    if (frame->payload_bytes > 0) {
        tcp_deliver(c, frame);
    }
}

/* ---- the long way: RFC 9293, 3.10.7.4 ---------------------------------------------------------------------------------- */

/* RFC 5961, 7: an ACK that answers something odd, not more than TCP_CHALLENGES in a second, so that two ends that disagree
 * do not answer each other for ever. */
void tcp_challenge_ack(struct tcp_connection *c)
{
    sim_time now = c->layer->now;
    if (now - c->challenge_second >= SIM_S || c->challenges == 0) {
        c->challenge_second = now;
        c->challenges = 0;
    }
    if (c->challenges < TCP_CHALLENGES) {
        c->challenges++;
        c->ack_now = true;
    }
}

/* First check: does any of the segment lie in the window? */
static bool acceptable(const struct tcp_connection *c, uint64_t sequence, uint32_t length)
{
    uint64_t edge = c->rcv_adv > c->rcv_nxt ? c->rcv_adv : c->rcv_nxt;
    if (edge == c->rcv_nxt) {
        return length == 0 && sequence == c->rcv_nxt;
    }
    if (length == 0) {
        return sequence >= c->rcv_nxt && sequence < edge;
    }
    return sequence < edge && sequence + length > c->rcv_nxt;
}

/* Second check, with RFC 5961, 3.2: only the exact sequence number resets. */
static void receive_rst(struct tcp_connection *c, uint64_t sequence)
{
    if (sequence != c->rcv_nxt) {
        if (acceptable(c, sequence, 0)) {
            tcp_challenge_ack(c);
        }
        return;
    }
    if (c->state == TCP_TIME_WAIT) {
        return; /* RFC 1337, fix F1: it would end the quiet time early */
    }
    tcp_end_connection(c, c->state == TCP_SYN_RECEIVED ? TCP_END_REFUSED : TCP_END_RESET);
}

/* RFC 7323, 5.3 R1: an old time stamp marks an old segment, unless the connection was idle for 24 days. */
static bool paws_rejects(const struct tcp_connection *c, const struct tcp_header *h)
{
    return c->timestamps && h->timestamps && (h->flags & TCP_RST) == 0 &&
           (int32_t)(h->ts_value - c->ts_recent) < 0 &&
           c->layer->now - c->last_received < 24 * 24 * 3600 * SIM_S;
}

/* Fifth check. False if the segment is through. */
static bool receive_acknowledgment(struct tcp_connection *c, const struct frame *frame,
                                   uint64_t sequence)
{
    const struct tcp_header *h = &frame->tcp;
    if ((h->flags & TCP_ACK) == 0) {
        return false;
    }
    uint64_t ack = tcp_unwrap(c->snd_una, h->acknowledgment);
    if (c->state == TCP_SYN_RECEIVED) {
        if (ack <= c->snd_una || ack > c->snd_max) {
            tcp_refuse(c->layer, frame);
            return false;
        }
        c->snd_wl1 = sequence;
        tcp_established(c);
        c->news |= c->passive ? TCP_NEWS_ACCEPT : TCP_NEWS_CONNECTED;
    }
    /* RFC 5961, 5.2. */
    if (ack > c->snd_max || ack + c->snd_wnd_max < c->snd_una) {
        tcp_challenge_ack(c);
        return false;
    }
    tcp_receive_ack(c, frame, sequence, ack);
    bool fin_acked = c->fin_sent && c->snd_una > c->snd_end;
    if (!fin_acked) {
        return true;
    }
    if (c->state == TCP_FIN_WAIT_1) {
        tcp_set_state(c, TCP_FIN_WAIT_2);
        if (c->released) {
            tcp_deadline_set(c, TCP_DEADLINE_LINGER, c->layer->now + c->profile->time_wait_ns);
        }
    } else if (c->state == TCP_CLOSING) {
        tcp_enter_time_wait(c);
    } else if (c->state == TCP_LAST_ACK) {
        tcp_end_connection(c, TCP_END_CLOSED);
        return false;
    }
    return true;
}

static void receive_fin(struct tcp_connection *c)
{
    SIM_ASSERT(!c->fin_received);
    c->fin_received = true;
    c->rcv_nxt++;
    c->ack_now = true;
    c->news |= TCP_NEWS_READABLE;
    switch (c->state) {
    case TCP_ESTABLISHED:
        tcp_set_state(c, TCP_CLOSE_WAIT);
        break;
    case TCP_FIN_WAIT_1:
        /* Our FIN is not acknowledged yet, or the fifth check would have left this state. */
        tcp_set_state(c, TCP_CLOSING);
        break;
    case TCP_FIN_WAIT_2:
        tcp_enter_time_wait(c);
        break;
    default:
        SIM_ASSERT(false && "a FIN is taken in three states");
    }
    if (c->receive.bytes == 0) {
        tcp_witness_end_of_stream(c);
    }
}

/* Takes bytes off the front or the end of a payload. */
static void trim(struct tcp_connection *c, struct frame *frame, uint32_t front, uint32_t keep)
{
    struct page_pool *pages = c->layer->net->pages;
    uint32_t out = 0;
    for (uint32_t i = 0; i < frame->slice_count; i++) {
        struct slice slice = frame->slices[i];
        uint32_t skip = front < slice.length ? front : slice.length;
        front -= skip;
        slice.offset += skip;
        slice.length -= skip;
        slice.length = slice.length < keep ? slice.length : keep;
        keep -= slice.length;
        if (slice.length == 0) {
            page_unref(pages, slice.page);
        } else {
            frame->slices[out++] = slice;
        }
    }
    frame->slice_count = (uint8_t)out;
}

/* Seventh and eighth check: text and FIN. Returns true if the frame is kept. */
static bool receive_text(struct tcp_connection *c, struct frame *frame, uint64_t sequence)
{
    bool fin = (frame->tcp.flags & TCP_FIN) != 0;
    uint32_t length = frame->payload_bytes;
    bool open =
        c->state == TCP_ESTABLISHED || c->state == TCP_FIN_WAIT_1 || c->state == TCP_FIN_WAIT_2;
    if (!open || (length == 0 && !fin)) {
        return false; /* after a FIN nothing can follow */
    }
    if (c->released && length > 0 && sequence + length > c->rcv_nxt) {
        /* RFC 9293, 3.10.7.4 and RFC 1122, 4.2.2.13: nobody will read it; the peer must learn that. */
        tcp_send_rst(c);
        tcp_end_connection(c, TCP_END_ABORTED);
        return false;
    }
    uint32_t front = sequence < c->rcv_nxt ? (uint32_t)(c->rcv_nxt - sequence) : 0;
    if (front > length) {
        front = length;
        fin = false; /* an old FIN: this state has seen none, so it is not the end of this stream */
    }
    uint64_t first = sequence + front;
    uint32_t keep = length - front;
    if (first + keep + fin > c->rcv_adv) {
        /* What lies beyond the window is dropped, and FIN with it. */
        fin = false;
        keep = c->rcv_adv - first < keep ? (uint32_t)(c->rcv_adv - first) : keep;
        c->ack_now = true;
    }
    if (front > 0 || keep < length) {
        trim(c, frame, front, keep);
        frame->payload_bytes = (uint16_t)keep;
        frame->tcp.sequence = (uint32_t)first;
        c->ack_now = c->ack_now || front > 0;
    }
    if (keep == 0 && !fin) {
        return false;
    }
    if (first == c->rcv_nxt && c->held_count == 0) {
        if (keep > 0) {
            tcp_deliver(c, frame);
        }
        if (fin) {
            receive_fin(c);
        }
        return false;
    }
    frame->tcp.flags = fin ? TCP_ACK | TCP_FIN : TCP_ACK;
    bool kept = tcp_hold(c, frame, first);
    if (tcp_reassemble(c)) {
        receive_fin(c);
    }
    return kept;
}

/* A segment that lies outside of the window is answered, so that the other end can find back. */
static void receive_unacceptable(struct tcp_connection *c, const struct frame *frame,
                                 uint32_t length)
{
    if ((frame->tcp.flags & TCP_RST) != 0) {
        return;
    }
    if (c->state == TCP_TIME_WAIT && (frame->tcp.flags & TCP_FIN) != 0) {
        tcp_deadline_set(c, TCP_DEADLINE_LINGER, c->layer->now + c->profile->time_wait_ns);
    }
    if (length > 0) {
        c->quick_acks = TCP_QUICK_ACKS;
        c->ack_after = 0;
        c->ack_now = true;
    } else {
        tcp_challenge_ack(c);
    }
}

/* Returns true if the frame is kept. */
static bool receive_segment(struct tcp_connection *c, struct frame *frame)
{
    const struct tcp_header *h = &frame->tcp;
    uint64_t sequence = tcp_unwrap(c->rcv_nxt, h->sequence);
    uint32_t length = frame->payload_bytes;
    length += (h->flags & TCP_SYN) != 0;
    length += (h->flags & TCP_FIN) != 0;
    if (c->timestamps && !h->timestamps && (h->flags & TCP_RST) == 0) {
        return false; /* RFC 7323, 3.2 */
    }
    if (c->state == TCP_SYN_RECEIVED && (h->flags & TCP_SYN) != 0 && sequence + 1 == c->rcv_start &&
        (h->flags & TCP_RST) == 0) {
        if ((h->flags & TCP_ACK) == 0) {
            tcp_answer_syn(c);
            return false;
        }
        /* Simultaneous open (RFC 9293, 3.5, figure 7): the SYN is old, its acknowledgment is not. */
        sequence++;
        length--;
        c->ack_now = true;
    } else if (paws_rejects(c, h)) {
        receive_unacceptable(c, frame, length);
        return false;
    } else if (!acceptable(c, sequence, length)) {
        bool rst = (h->flags & TCP_RST) != 0 && sequence == c->rcv_nxt;
        /* With a closed window RST and ACK are still heard (RFC 9293, 3.10.7.4). */
        if (rst) {
            receive_rst(c, sequence);
            return false;
        }
        if (c->state >= TCP_ESTABLISHED && (h->flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK &&
            sequence == c->rcv_nxt) {
            receive_acknowledgment(c, frame, sequence);
        }
        if (!c->dead && c->state != TCP_CLOSED) {
            receive_unacceptable(c, frame, length);
        }
        return false;
    } else if ((h->flags & TCP_RST) != 0) {
        receive_rst(c, sequence);
        return false;
    } else if ((h->flags & TCP_SYN) != 0) {
        tcp_challenge_ack(c); /* RFC 5961, 4.2 */
        return false;
    }
    take_timestamp(c, h, sequence);
    if (!receive_acknowledgment(c, frame, sequence)) {
        return false;
    }
    if (c->dead || c->state == TCP_CLOSED) {
        return false;
    }
    return receive_text(c, frame, sequence);
}

/* ---- a segment arrives ------------------------------------------------------------------------------------------------- */

/* RFC 9293, 3.10.7.4, with RFC 6191: a new SYN may take the place of a connection in TIME-WAIT. */
static bool reopens(const struct tcp_connection *c, const struct tcp_header *h)
{
    if (c->state != TCP_TIME_WAIT || (h->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN) {
        return false;
    }
    if (c->timestamps && h->timestamps && (int32_t)(h->ts_value - c->ts_recent) > 0) {
        return true;
    }
    return tcp_unwrap(c->rcv_nxt, h->sequence) > c->rcv_nxt;
}

static inline struct tcp_connection *find(struct tcp_layer *layer, const struct frame *frame)
{
    uint64_t addresses = (uint64_t)frame->ip_source.v << 32 | frame->ip_destination.v;
    uint32_t ports = (uint32_t)frame->tcp.source_port << 16 | frame->tcp.destination_port;
    struct tcp_connection *c = layer->last;
    if (SIM_LIKELY(c != NULL) && c->addresses == addresses && c->ports == ports) {
        return c;
    }
    c = tcp_find(layer, addresses, ports);
    if (c != NULL) {
        layer->last = c;
    }
    return c;
}

static void receive_one(struct tcp_layer *layer, uint32_t interface, struct frame *frame)
{
    struct net *net = layer->net;
    struct tcp_connection *c = find(layer, frame);
    if (c != NULL && SIM_UNLIKELY(reopens(c, &frame->tcp))) {
        if (!c->told_ended && !c->released) {
            tcp_set_state(c, TCP_CLOSED); /* off the table; its user may go on reading */
        } else {
            tcp_connection_free(c);
        }
        c = NULL;
    }
    if (SIM_UNLIKELY(c == NULL)) {
        tcp_receive_unknown(layer, interface, frame);
        net_free_frame(net, frame);
        return;
    }
    tcp_event_begin(c);
    c->segments_received++;
    bool kept = false;
    if (SIM_LIKELY(predicted(c, frame))) {
        receive_predicted(c, frame);
    } else if (c->state == TCP_SYN_SENT) {
        tcp_receive_syn_sent(c, frame);
    } else {
        kept = receive_segment(c, frame);
    }
    c->last_received = layer->now;
    c->keep_alive_probes = 0;
    if (SIM_LIKELY(!kept)) {
        net_free_frame(net, frame);
    }
    tcp_event_end(c);
}

void tcp_receive(void *context, uint32_t interface, struct frame *frame)
{
    struct tcp_layer *layer = context;
    if (SIM_UNLIKELY(layer->busy > 0)) {
        /* Z3. */
        frame->next = NULL;
        if (layer->deferred_last == NULL) {
            layer->deferred_first = frame;
        } else {
            layer->deferred_last->next = frame;
        }
        layer->deferred_last = frame;
        return;
    }
    tcp_clock(layer);
    receive_one(layer, interface, frame);
    if (SIM_UNLIKELY(layer->deferred_first != NULL)) {
        tcp_layer_settle(layer);
    }
}

void tcp_layer_settle(void *context)
{
    struct tcp_layer *layer = context;
    SIM_ASSERT(layer->busy == 0);
    tcp_clock(layer);
    while (layer->deferred_first != NULL) {
        struct frame *frame = layer->deferred_first;
        layer->deferred_first = frame->next;
        if (layer->deferred_first == NULL) {
            layer->deferred_last = NULL;
        }
        receive_one(layer, SIM_NONE, frame);
    }
}
