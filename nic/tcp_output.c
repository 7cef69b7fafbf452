#include "nic/tcp_private.h"

#include <stdlib.h>

/* ---- the receive window as it is told ---------------------------------------------------------------------------------- */

/* Where the window could end now: what the user has taken, and a buffer more. */
static inline uint64_t window_edge(const struct tcp_connection *c)
{
    uint64_t used = c->receive.bytes;
    return c->rcv_nxt + (used < c->receive_buffer ? c->receive_buffer - used : 0);
}

static inline uint32_t window_step(const struct tcp_connection *c)
{
    uint32_t half = c->receive_buffer / 2;
    return c->mss < half ? c->mss : half;
}

/* The window field of the next segment. RFC 9293, 3.8.6.2.2: the edge stays until it can move by min(half the buffer, MSS),
 * and never moves back. The field is rounded down, so what the peer reads may lie less than one unit below the edge
 * (RFC 7323, 2.4); we still accept up to the edge. */
static inline uint16_t advertise(struct tcp_connection *c)
{
    uint64_t edge = window_edge(c);
    if (edge >= c->rcv_adv + window_step(c)) {
        c->rcv_adv = edge;
    }
    uint64_t window = c->rcv_adv > c->rcv_nxt ? (c->rcv_adv - c->rcv_nxt) >> c->rcv_scale : 0;
    return window < 65535 ? (uint16_t)window : 65535;
}

/* A segment for the window alone is worth its cost when a quarter of the buffer has come free, or when the peer may be
 * about to stop. */
bool tcp_window_update_due(const struct tcp_connection *c)
{
    uint64_t edge = window_edge(c);
    if (c->fin_received || edge <= c->rcv_adv || c->state < TCP_ESTABLISHED) {
        return false;
    }
    uint64_t growth = edge - c->rcv_adv;
    uint64_t open = c->rcv_adv > c->rcv_nxt ? c->rcv_adv - c->rcv_nxt : 0;
    if (growth >= c->receive_buffer / 4 && growth >= 2u * c->mss) {
        return true;
    }
    return open < c->receive_buffer / 8 + 2u * c->mss && growth >= window_step(c);
}

/* ---- one segment ------------------------------------------------------------------------------------------------------- */

/* A segment with every header field but SACK and length. */
static inline struct frame *segment_new(struct tcp_connection *c, uint64_t sequence, uint8_t flags)
{
    struct tcp_layer *layer = c->layer;
    struct frame *frame = frame_new(layer->net->frames);
    frame->ether_type = ETHER_IPV4;
    frame->protocol = IP_TCP;
    frame->dont_fragment = true;
    frame->ip_source.v = (uint32_t)c->addresses;
    frame->ip_destination.v = (uint32_t)(c->addresses >> 32);
    struct tcp_header *h = &frame->tcp;
    h->source_port = (uint16_t)c->ports;
    h->destination_port = (uint16_t)(c->ports >> 16);
    h->sequence = (uint32_t)sequence;
    h->acknowledgment = (uint32_t)c->rcv_nxt;
    h->window = advertise(c);
    h->flags = flags;
    h->sack_count = 0;
    h->mss = 0;
    h->window_scale = 0xff;
    h->sack_permitted = false;
    h->timestamps = c->timestamps;
    h->header_bytes = c->timestamps ? 32 : 20;
    h->ts_value = layer->now_ms + c->ts_offset;
    h->ts_echo = c->ts_recent;
    return frame;
}

/* Hands a segment down. Whatever it was, it carried the acknowledgment. */
static inline void segment_send(struct tcp_connection *c, struct frame *frame)
{
    c->rcv_acked = c->rcv_nxt;
    c->ack_now = false;
    c->deadlines[TCP_DEADLINE_DELAYED_ACK] = SIM_NEVER;
    c->segments_sent++;
    (void)ip_stack_send_on(c->layer->stack, &c->path, frame);
}

static void send_ack(struct tcp_connection *c)
{
    SIM_ASSERT(c->state >= TCP_ESTABLISHED);
    /* While old data is sent again SND.NXT lies back; the peer has seen more. */
    uint64_t sequence = c->recovery == TCP_RECOVERY_LOSS ? c->snd_max : c->snd_nxt;
    struct frame *frame = segment_new(c, sequence, TCP_ACK);
    if (SIM_UNLIKELY(c->islands.count > 0)) {
        tcp_sack_fill(c, &frame->tcp);
    }
    segment_send(c, frame);
}

/* A round trip is timed by segments that were sent once (Karn; RFC 6298, 3), up to TCP_MARKS of them in each window. */
static inline void mark(struct tcp_connection *c, uint64_t end)
{
    if (c->mark_count < TCP_MARKS && end >= c->mark_next) {
        uint32_t place = (uint32_t)(c->mark_first + c->mark_count) % TCP_MARKS;
        c->marks[place] = (struct tcp_mark){.sequence = end, .sent = c->layer->now};
        if (c->mark_count++ == 0) {
            c->mark_sequence = end;
        }
        c->mark_next = end + c->cwnd / TCP_MARKS;
    }
}

static void marks_forget(struct tcp_connection *c)
{
    c->mark_count = 0;
    c->mark_sequence = UINT64_MAX;
    c->mark_next = c->snd_max + 1;
}

/* Puts at most `length` bytes of the stream from `sequence` on into the segment. A segment holds FRAME_SLICES_MAX slices at
 * most; what is cut smaller waits for the next. */
static inline uint32_t fill(const struct tcp_connection *c, struct frame *frame,
                            struct rope_cursor *cursor, uint32_t length)
{
    struct page_pool *pages = c->layer->net->pages;
    uint32_t filled = 0;
    uint32_t slices = rope_read(&c->send, cursor, length, frame->slices, FRAME_SLICES_MAX, &filled);
    for (uint32_t i = 0; i < slices; i++) {
        page_ref(pages, frame->slices[i].page);
    }
    frame->slice_count = (uint8_t)slices;
    frame->payload_bytes = (uint16_t)filled;
    return filled;
}

static uint32_t fit_beside_sack(const struct tcp_connection *c, struct frame *frame,
                                uint32_t length)
{
    uint32_t before = frame->tcp.header_bytes;
    tcp_sack_fill(c, &frame->tcp);
    uint32_t room = c->mss - (frame->tcp.header_bytes - before);
    return length < room ? length : room;
}

/* New data from SND.NXT on, at most `length` bytes (0 for FIN alone). Returns the sequence numbers used. */
static inline uint32_t send_new(struct tcp_connection *c, uint32_t length, bool fin)
{
    uint64_t sequence = c->snd_nxt;
    struct frame *frame = segment_new(c, sequence, TCP_ACK);
    if (SIM_UNLIKELY(c->islands.count > 0)) {
        length = fit_beside_sack(c, frame, length);
    }
    if (SIM_UNLIKELY(c->staged > 0) && sequence + length > c->snd_end - c->staged) {
        tcp_flush_staging(c);
    }
    if (SIM_LIKELY(length > 0)) {
        if (SIM_UNLIKELY(c->cursor_sequence != sequence)) {
            c->cursor = rope_seek(&c->send, sequence - c->snd_una);
        }
        length = fill(c, frame, &c->cursor, length);
        SIM_ASSERT(length > 0);
        c->cursor_sequence = sequence + length;
    }
    uint32_t used = length;
    if (SIM_UNLIKELY(sequence + length == c->snd_end)) {
        frame->tcp.flags |= TCP_PSH;
        if (fin) {
            frame->tcp.flags = TCP_ACK | TCP_FIN | (length > 0 ? TCP_PSH : 0);
            c->fin_sent = true;
            used++;
        }
    }
    SIM_ASSERT(sequence + used <= c->snd_una + c->snd_wnd);
    if (SIM_UNLIKELY(length < c->mss)) {
        c->snd_small = sequence + used;
    }
    c->snd_nxt = sequence + used;
    if (SIM_LIKELY(c->snd_max < c->snd_nxt)) {
        c->snd_max = c->snd_nxt;
        mark(c, c->snd_nxt);
    }
    c->last_sent = c->layer->now;
    if (SIM_UNLIKELY(c->deadlines[TCP_DEADLINE_RETRANSMIT] == SIM_NEVER)) {
        tcp_rearm(c);
    }
    segment_send(c, frame);
    return used;
}

uint32_t tcp_retransmit(struct tcp_connection *c, uint64_t sequence, uint64_t length)
{
    SIM_ASSERT(sequence >= c->snd_una);
    SIM_ASSERT(sequence < c->snd_max);
    marks_forget(c);
    uint64_t left = c->snd_end - sequence;
    uint32_t wanted = c->mss;
    wanted = length < wanted ? (uint32_t)length : wanted;
    wanted = left < wanted ? (uint32_t)left : wanted;
    struct frame *frame = segment_new(c, sequence, TCP_ACK);
    uint32_t used = 0;
    if (wanted > 0) {
        if (c->islands.count > 0) {
            wanted = fit_beside_sack(c, frame, wanted);
        }
        if (c->retransmit_sequence != sequence) {
            c->retransmit_cursor = rope_seek(&c->send, sequence - c->snd_una);
        }
        used = fill(c, frame, &c->retransmit_cursor, wanted);
        SIM_ASSERT(used > 0);
        c->retransmit_sequence = sequence + used;
    }
    if (sequence + used == c->snd_end) {
        frame->tcp.flags |= used > 0 ? TCP_PSH : 0;
        if (c->fin_sent) {
            frame->tcp.flags |= TCP_FIN;
            used++;
        }
    }
    SIM_ASSERT(used > 0);
    c->retransmitted++;
    c->last_sent = c->layer->now;
    segment_send(c, frame);
    return used;
}

/* ---- what may go ------------------------------------------------------------------------------------------------------- */

/* Waits for the window: the probe timer runs instead of the retransmission timer (RFC 9293, 3.8.6.1). */
static void begin_probing(struct tcp_connection *c)
{
    if ((c->slow & TCP_SLOW_PROBING) == 0) {
        tcp_slow_set(c, TCP_SLOW_PROBING, true);
        c->backoff = 0;
        if (c->snd_wnd == 0) {
            RECORD(c->layer->net->recorder, c->layer->net->record_base + NET_TCP_WINDOW_CLOSED,
                   c->layer->origin, 0, "", (int64_t)c->flow);
        }
        tcp_deadline_set(c, TCP_DEADLINE_RETRANSMIT, c->layer->now + tcp_rto_backed_off(c));
    }
}

/* Less than a full segment is left, or the window is short: RFC 9293, 3.8.6.2.1 (sender's silly window avoidance) and 3.7.4
 * (Nagle), with Minshall's modification of appendix A.3, as Linux has it: a small segment waits only for an earlier small one. */
static void output_rest(struct tcp_connection *c, uint64_t by_cwnd)
{
    uint64_t by_window = c->snd_una + c->snd_wnd;
    uint64_t data = c->snd_end - c->snd_nxt;
    uint64_t open = by_window > c->snd_nxt ? by_window - c->snd_nxt : 0;
    if (open >= c->mss && data >= c->mss) {
        return; /* cwnd says wait */
    }
    if (open < data || open == 0) {
        if (open > 0 && open >= c->snd_wnd_max / 2 && by_cwnd >= c->snd_nxt + open) {
            send_new(c, (uint32_t)open, false);
        } else if (c->snd_nxt == c->snd_una) {
            begin_probing(c);
        }
        return;
    }
    if (by_cwnd < c->snd_nxt + data) {
        return;
    }
    bool hold = c->corked || (!c->no_delay && c->snd_small > c->snd_una);
    if (hold && !c->fin_queued) {
        return;
    }
    /* What has more slices than a segment holds goes in several. */
    bool fin = c->fin_queued && open > data;
    do {
        send_new(c, (uint32_t)(c->snd_end - c->snd_nxt), fin);
    } while (c->snd_nxt < c->snd_end);
}

/* Whether the machine's own wire has enough to do (T6). Then a timer looks again when half of that is sent. */
static inline bool wire_is_busy(struct tcp_connection *c)
{
    if (c->pace == NULL) {
        return false;
    }
    sim_time ahead = c->pace->busy_until - c->layer->clock_global;
    if (SIM_LIKELY(ahead <= c->pace->patience_ns)) {
        return false;
    }
    tcp_deadline_set(c, TCP_DEADLINE_DEVICE, c->layer->now + ahead - c->pace->patience_ns / 2);
    return true;
}

/* Sends new data as far as the peer's window and `by_cwnd` allow. */
static void output_new(struct tcp_connection *c, uint64_t by_cwnd)
{
    uint64_t by_window = c->snd_una + c->snd_wnd;
    uint64_t edge = by_cwnd < by_window ? by_cwnd : by_window;
    uint64_t last_full = c->snd_end - c->snd_nxt >= c->mss ? c->snd_end - c->mss : 0;
    uint64_t last_allowed = edge >= c->mss ? edge - c->mss : 0;
    last_full = last_full < last_allowed ? last_full : last_allowed;
    while (c->snd_nxt <= last_full) {
        if (SIM_UNLIKELY(wire_is_busy(c))) {
            c->cwnd_limited = false;
            return;
        }
        send_new(c, c->mss, c->fin_queued && edge > c->snd_nxt + c->mss);
    }
    c->cwnd_limited = tcp_send_limit(c) > c->snd_nxt && by_cwnd < c->snd_nxt + c->mss;
    if (tcp_send_limit(c) > c->snd_nxt) {
        output_rest(c, by_cwnd);
    }
}

/* Fast recovery with SACK: RFC 6675, 5, step C. */
static void output_sack(struct tcp_connection *c)
{
    uint64_t pipe = tcp_sack_pipe(c);
    while (pipe + c->mss <= c->cwnd) {
        struct tcp_next next;
        bool lost = tcp_sack_next(c, &next, true);
        if (!lost) {
            uint64_t before = c->snd_nxt;
            if (tcp_send_limit(c) > before) {
                output_new(c, before + (c->cwnd - pipe));
                if (c->snd_nxt > before) {
                    pipe += c->snd_nxt - before;
                    c->prr_out += c->snd_nxt - before;
                    continue;
                }
            }
            if (!tcp_sack_next(c, &next, false)) {
                return;
            }
        }
        uint32_t used = tcp_retransmit(c, next.sequence, next.length);
        if (next.rescue) {
            c->rescue_rxt = c->recover;
        } else {
            c->high_rxt = next.sequence + used;
        }
        pipe += used;
        c->prr_out += used;
    }
}

/* After a time-out: everything from SND.NXT on again but what is SACKed, then what is new. */
static void output_loss(struct tcp_connection *c)
{
    uint64_t flight =
        c->snd_nxt - c->snd_una - tcp_ranges_within(&c->sacked, c->snd_una, c->snd_nxt);
    for (;;) {
        uint64_t next = tcp_ranges_skip(&c->sacked, c->snd_nxt);
        c->snd_nxt = next < c->snd_max ? next : c->snd_max;
        if (c->snd_nxt >= c->snd_max) {
            break;
        }
        uint64_t length = tcp_ranges_gap(&c->sacked, c->snd_nxt, c->snd_max);
        length = length < c->mss ? length : c->mss;
        if (flight > 0 && flight + length > c->cwnd) {
            return;
        }
        uint32_t used = tcp_retransmit(c, c->snd_nxt, length);
        c->snd_nxt += used;
        flight += used;
    }
    if (tcp_send_limit(c) > c->snd_nxt && flight < c->cwnd) {
        output_new(c, c->snd_nxt + (c->cwnd - flight));
    }
}

static void output_recovery(struct tcp_connection *c)
{
    if (c->recovery == TCP_RECOVERY_LOSS) {
        output_loss(c);
        return;
    }
    if (c->recovery == TCP_RECOVERY_FAST && c->sack) {
        output_sack(c);
        return;
    }
    if (tcp_send_limit(c) <= c->snd_nxt) {
        return;
    }
    /* Limited Transmit (RFC 3042): a duplicate ACK says that a segment has left the network. With SACK we know which; during
     * fast recovery without it cwnd itself is inflated (RFC 6582, 3.2). */
    uint64_t left = c->sacked.bytes;
    if (!c->sack && c->recovery == TCP_RECOVERY_NONE) {
        uint32_t segments =
            c->duplicate_acks < TCP_DUP_THRESH ? c->duplicate_acks : TCP_DUP_THRESH - 1;
        left = segments * c->mss;
    }
    output_new(c, c->snd_una + c->cwnd + left);
}

void tcp_output(struct tcp_connection *c)
{
    if (SIM_LIKELY(c->state >= TCP_ESTABLISHED)) {
        if (SIM_UNLIKELY((c->slow & TCP_SLOW_RECOVERY) != 0)) {
            output_recovery(c);
        } else if (c->snd_nxt != tcp_send_limit(c)) {
            if (SIM_UNLIKELY(c->snd_una == c->snd_nxt)) {
                tcp_congestion_idle(c);
            }
            output_new(c, c->snd_una + c->cwnd);
        }
        if (c->ack_now) {
            send_ack(c);
        }
    }
}

/* ---- segments of their own --------------------------------------------------------------------------------------------- */

void tcp_send_syn(struct tcp_connection *c)
{
    bool answer = c->state == TCP_SYN_RECEIVED;
    SIM_ASSERT(answer || c->state == TCP_SYN_SENT);
    struct frame *frame = segment_new(c, c->snd_start - 1, answer ? TCP_SYN | TCP_ACK : TCP_SYN);
    struct tcp_header *h = &frame->tcp;
    if (!answer) {
        h->acknowledgment = 0;
        h->ts_echo = 0;
    }
    /* The window of a SYN is never scaled (RFC 7323, 2.2). */
    uint32_t window = c->receive_buffer < 65535 ? c->receive_buffer : 65535;
    h->window = (uint16_t)window;
    c->rcv_adv = c->rcv_nxt + window;
    h->mss = c->local_mss;
    h->sack_permitted = c->sack;
    h->window_scale = c->rcv_scale_offered;
    h->header_bytes = frame_tcp_header_bytes(h);
    if (c->snd_max < c->snd_start) {
        c->snd_nxt = c->snd_start;
        c->snd_max = c->snd_start;
        c->mark_next = 0;
        mark(c, c->snd_start);
    } else {
        marks_forget(c);
        c->retransmitted++;
    }
    c->last_sent = c->layer->now;
    segment_send(c, frame);
}

void tcp_send_rst(struct tcp_connection *c)
{
    struct frame *frame = segment_new(c, c->snd_nxt, TCP_RST | TCP_ACK);
    segment_send(c, frame);
}

void tcp_send_probe(struct tcp_connection *c)
{
    uint64_t by_window = c->snd_una + c->snd_wnd;
    uint64_t data = c->snd_end - c->snd_nxt;
    c->probes++;
    if (by_window > c->snd_nxt && data > 0) {
        /* RFC 9293, 3.8.6.2.1: the override time-out. Whatever the window takes goes. */
        uint64_t open = by_window - c->snd_nxt;
        uint64_t usable = open < data ? open : data;
        send_new(c, usable < c->mss ? (uint32_t)usable : c->mss, false);
        return;
    }
    /* One byte, or FIN, that the peer may refuse. SND.NXT stays: it goes again with the rest. */
    struct frame *frame = segment_new(c, c->snd_una, TCP_ACK);
    if (data > 0) {
        tcp_flush_staging(c);
        struct rope_cursor cursor = rope_seek(&c->send, 0);
        uint32_t filled = fill(c, frame, &cursor, 1);
        SIM_ASSERT(filled == 1);
    } else {
        SIM_ASSERT(c->fin_queued);
        frame->tcp.flags |= TCP_FIN;
        c->fin_sent = true;
    }
    if (c->snd_max < c->snd_una + 1) {
        c->snd_max = c->snd_una + 1;
    }
    c->last_sent = c->layer->now;
    segment_send(c, frame);
}

void tcp_send_keep_alive(struct tcp_connection *c)
{
    /* RFC 9293, 3.8.4: an old sequence number, so that the peer answers with its state; no byte of garbage. */
    c->probes++;
    segment_send(c, segment_new(c, c->snd_una - 1, TCP_ACK));
}

void tcp_refuse(struct tcp_layer *layer, const struct frame *arrived)
{
    const struct tcp_header *in = &arrived->tcp;
    if ((in->flags & TCP_RST) != 0) {
        return;
    }
    struct frame *frame = frame_new(layer->net->frames);
    frame->ether_type = ETHER_IPV4;
    frame->protocol = IP_TCP;
    frame->dont_fragment = true;
    frame->ip_source = arrived->ip_destination;
    frame->ip_destination = arrived->ip_source;
    frame->tcp = (struct tcp_header){
        .source_port = in->destination_port,
        .destination_port = in->source_port,
        .window_scale = 0xff,
        .header_bytes = 20,
        .flags = TCP_RST,
    };
    if ((in->flags & TCP_ACK) != 0) {
        frame->tcp.sequence = in->acknowledgment;
    } else {
        uint32_t length = arrived->payload_bytes;
        length += (in->flags & TCP_SYN) != 0;
        length += (in->flags & TCP_FIN) != 0;
        frame->tcp.flags = TCP_RST | TCP_ACK;
        frame->tcp.acknowledgment = in->sequence + length;
    }
    (void)ip_stack_send(layer->stack, frame);
}

/* ---- the send buffer --------------------------------------------------------------------------------------------------- */

void tcp_flush_staging(struct tcp_connection *c)
{
    if (c->staged > 0) {
        rope_push_bytes(&c->send, c->layer->net->pages, c->staging, c->staged);
        c->staged = 0;
        c->last_small = false;
    }
}

/* Small writes in a row are gathered, for a segment holds few slices: the second and further ones wait in `staging` until a
 * segment wants them. Pages and their parts go in as they are, so that they come out as pages. */
void tcp_send_slice(struct tcp_connection *c, struct slice slice)
{
    struct page_pool *pages = c->layer->net->pages;
    bool small = page_is_literal(slice.page) && slice.length <= TCP_STAGED_MAX &&
                 slice.offset == 0 && page_length(pages, slice.page) == slice.length;
    if (small && (c->staged > 0 || (c->last_small && c->small_start >= c->snd_max))) {
        if (c->staged + slice.length > TCP_STAGING) {
            tcp_flush_staging(c);
        }
        if (c->staging == NULL) {
            c->staging = malloc(TCP_STAGING);
            SIM_ASSERT(c->staging != NULL);
        }
        page_copy_out(pages, slice.page, 0, slice.length, c->staging + c->staged);
        c->staged = (uint16_t)(c->staged + slice.length);
        page_unref(pages, slice.page);
    } else {
        tcp_flush_staging(c);
        rope_push(&c->send, pages, slice);
    }
    c->last_small = small;
    c->small_start = c->snd_end;
    c->snd_end += slice.length;
}
