#include "nic/tcp_private.h"

/* ---- acknowledged data leaves ------------------------------------------------------------------------------------------ */

/* The newest mark that is acknowledged times the round trip. */
static void take_marks(struct tcp_connection *c, uint64_t ack)
{
    sim_time sent = 0;
    while (c->mark_count > 0 && c->marks[c->mark_first].sequence <= ack) {
        sent = c->marks[c->mark_first].sent;
        c->mark_first = (uint8_t)((c->mark_first + 1) % TCP_MARKS);
        c->mark_count--;
    }
    c->mark_sequence = c->mark_count > 0 ? c->marks[c->mark_first].sequence : UINT64_MAX;
    tcp_rtt_sample(c, c->layer->now - sent);
}

void tcp_acknowledged(struct tcp_connection *c, uint64_t ack)
{
    SIM_ASSERT(ack > c->snd_una);
    SIM_ASSERT(ack <= c->snd_max);
    uint64_t from = c->snd_una > c->snd_start ? c->snd_una : c->snd_start;
    uint64_t to = ack < c->snd_end ? ack : c->snd_end;
    if (SIM_LIKELY(to > from)) {
        rope_drop(&c->send, c->layer->net->pages, to - from);
    }
    c->snd_una = ack;
    if (SIM_UNLIKELY(c->snd_nxt < ack)) {
        c->snd_nxt = ack;
    }
    if (ack >= c->mark_sequence) {
        take_marks(c, ack);
    }
    c->retries = 0;
    c->backoff = 0;
    tcp_rearm(c);
    if (SIM_UNLIKELY(c->starved) && 2 * (c->snd_end - ack) <= c->send_buffer) {
        c->starved = false;
        c->news |= TCP_NEWS_WRITABLE;
    }
    if (SIM_UNLIKELY(ack >= c->snd_end) && to > from) {
        c->news |= TCP_NEWS_DRAINED;
    }
}

/* ---- recovery ---------------------------------------------------------------------------------------------------------- */

static void recovery_bit(struct tcp_connection *c)
{
    bool on = c->recovery != TCP_RECOVERY_NONE || c->duplicate_acks > 0 || c->sacked.count > 0;
    tcp_slow_set(c, TCP_SLOW_RECOVERY, on);
}

/* Sends the first hole, from SND.UNA on. */
static uint32_t send_hole(struct tcp_connection *c)
{
    uint32_t used =
        tcp_retransmit(c, c->snd_una, tcp_ranges_gap(&c->sacked, c->snd_una, c->snd_max));
    c->hole_rxt = c->snd_max;
    c->prr_out += used;
    tcp_rearm(c);
    return used;
}

static void record_recovery(struct tcp_connection *c)
{
    struct net *net = c->layer->net;
    RECORD(net->recorder, net->record_base + NET_TCP_RECOVERY, c->layer->origin, 0, "",
           (int64_t)c->flow, tcp_record_sequence(c->snd_una), tcp_record_sequence(c->recover),
           (int64_t)c->cwnd);
}

/* RFC 6582, 3.2, step 2; RFC 6675, 5, step 4. */
static void enter_fast_recovery(struct tcp_connection *c)
{
    tcp_congestion_loss(c);
    c->recovery = TCP_RECOVERY_FAST;
    c->recover = c->snd_max;
    c->recoveries++;
    c->cwnd = c->ssthresh + (c->sack ? 0 : TCP_DUP_THRESH * c->mss);
    c->rescue_rxt = 0;
    c->resent = 0;
    c->prr_flight = c->snd_max - c->snd_una;
    c->prr_delivered = 0;
    c->prr_out = 0;
    record_recovery(c);
    c->high_rxt = c->snd_una + send_hole(c);
}

/* The first hole was filled again, and data that was sent after it is SACKed: the retransmission is lost too. RFC 6675 leaves
 * that to the time-out; Linux finds it by time (RFC 8985). We repair a few, with the second reduction that RFC 5681, 4.3 asks for. */
static void maybe_send_hole_again(struct tcp_connection *c)
{
    uint64_t later = tcp_ranges_within(&c->sacked, c->hole_rxt, c->snd_max);
    if (c->resent < TCP_RESENT_MAX && later >= TCP_DUP_THRESH * c->mss &&
        c->high_rxt > c->snd_una) {
        c->resent++;
        tcp_congestion_loss(c);
        record_recovery(c);
        send_hole(c);
    }
}

/* Proportional rate reduction (RFC 6937): how much may go for what has arrived, so that recovery neither pauses nor bursts, and
 * ends with cwnd at ssthresh. `safe`: SND.UNA moved, and no further loss came to light (RFC 9937, SafeACK). */
static void reduce_rate(struct tcp_connection *c, uint64_t delivered, bool safe)
{
    uint64_t pipe = tcp_sack_pipe(c);
    uint64_t allowed;
    SIM_ASSERT(c->prr_flight > 0);
    c->prr_delivered += delivered;
    if (pipe > c->ssthresh) {
        allowed = (c->prr_delivered * c->ssthresh + c->prr_flight - 1) / c->prr_flight;
        allowed = allowed > c->prr_out ? allowed - c->prr_out : 0;
    } else {
        allowed = c->prr_delivered > c->prr_out ? c->prr_delivered - c->prr_out : 0;
        if (safe) {
            allowed = (allowed > delivered ? allowed : delivered) + c->mss;
        }
        allowed = allowed < c->ssthresh - pipe ? allowed : c->ssthresh - pipe;
    }
    c->cwnd = pipe + allowed > c->mss ? (uint32_t)(pipe + allowed) : c->mss;
}

static void leave_recovery(struct tcp_connection *c)
{
    if (c->recovery == TCP_RECOVERY_FAST) {
        uint32_t cwnd = c->ssthresh;
        if (!c->sack) {
            /* RFC 6582, 3.2, step 3, full acknowledgment, option 1: no burst. */
            uint64_t flight = c->snd_max - c->snd_una;
            uint64_t least = (flight > c->mss ? flight : c->mss) + c->mss;
            cwnd = least < cwnd ? (uint32_t)least : cwnd;
        }
        c->cwnd = cwnd;
        c->cwnd_acked = 0;
    }
    c->recovery = TCP_RECOVERY_NONE;
    c->duplicate_acks = 0;
}

/* RFC 6582, 3.2, step 3, partial acknowledgment: the next hole is lost as well. */
static void partial_ack(struct tcp_connection *c, uint64_t acked)
{
    if (c->sack) {
        c->hole_rxt = c->snd_max;
        return; /* output_sack finds what is lost */
    }
    uint64_t cwnd = c->cwnd > acked ? c->cwnd - acked : 0;
    cwnd += acked >= c->mss ? c->mss : 0;
    c->cwnd = cwnd > c->mss ? (uint32_t)cwnd : c->mss;
    tcp_retransmit(c, c->snd_una, c->snd_max - c->snd_una);
}

static void new_ack(struct tcp_connection *c, const struct frame *frame, uint64_t ack)
{
    uint64_t acked = ack - c->snd_una;
    bool timed = c->mark_sequence <= ack;
    sim_time deadline = c->deadlines[TCP_DEADLINE_RETRANSMIT];
    tcp_acknowledged(c, ack);
    if (!timed && frame->tcp.timestamps && frame->tcp.ts_echo != 0 &&
        (c->slow & TCP_SLOW_RECOVERY) != 0) {
        /* RFC 7323, 4.1: after retransmissions only the echo tells which copy arrived. Its clock ticks in ms. */
        uint32_t ms = c->layer->now_ms + c->ts_offset - frame->tcp.ts_echo;
        if (ms < UINT32_C(1) << 24) {
            tcp_rtt_sample(c, (ms > 0 ? (sim_time)ms : 1) * SIM_MS);
        }
    }
    tcp_ranges_drop_below(&c->sacked, ack);
    if (SIM_UNLIKELY(c->sacked.count > 0) && c->sacked.items[0].left == ack) {
        /* The peer asks for what it said it had: it has thrown it away (RFC 2018, 8), and maybe more. */
        tcp_ranges_clear(&c->sacked);
    }
    if (c->recovery == TCP_RECOVERY_NONE) {
        c->duplicate_acks = 0;
        tcp_congestion_acked(c, (uint32_t)acked);
    } else if (ack >= c->recover) {
        leave_recovery(c);
    } else if (c->recovery == TCP_RECOVERY_LOSS) {
        c->duplicate_acks = 0;
        c->cwnd_limited = true;
        tcp_congestion_acked(c, (uint32_t)acked);
    } else {
        bool first = c->duplicate_acks > 0;
        c->duplicate_acks = 0;
        partial_ack(c, acked);
        if (!c->sack && !first && deadline != SIM_NEVER) {
            c->deadlines[TCP_DEADLINE_RETRANSMIT] =
                deadline; /* RFC 6582: only the first partial ACK resets it */
        }
    }
}

/* RFC 5681, 3.2, and for SACK RFC 6675, 2: such an ACK says that a segment has left the network. */
static void duplicate_ack(struct tcp_connection *c)
{
    c->duplicate_acks++;
    if (c->recovery == TCP_RECOVERY_FAST && !c->sack) {
        c->cwnd += c->mss;
    }
}

static void maybe_enter_recovery(struct tcp_connection *c)
{
    if (c->recovery != TCP_RECOVERY_NONE || c->snd_una >= c->snd_max || c->snd_una < c->recover) {
        return; /* what was sent before the last recovery ended must not start another (RFC 6582, 4) */
    }
    bool lost = c->sack ? tcp_sack_lost_edge(c) > c->snd_una : c->duplicate_acks >= TCP_DUP_THRESH;
    lost = lost || (c->sack && c->duplicate_acks >= TCP_DUP_THRESH && c->sacked.count > 0);
    if (lost) {
        enter_fast_recovery(c);
    }
}

/* ---- the window -------------------------------------------------------------------------------------------------------- */

static void window_update(struct tcp_connection *c, const struct frame *frame, uint64_t sequence)
{
    uint32_t window = (uint32_t)frame->tcp.window << c->snd_scale;
    c->snd_wl1 = sequence;
    c->snd_wnd = window;
    c->snd_wnd_max = window > c->snd_wnd_max ? window : c->snd_wnd_max;
    if ((c->slow & TCP_SLOW_PROBING) != 0) {
        c->retries = 0; /* the peer lives: RFC 9293, 3.8.6.1 */
        if (window > 0) {
            tcp_slow_set(c, TCP_SLOW_PROBING, false);
            c->backoff = 0;
            c->deadlines[TCP_DEADLINE_RETRANSMIT] = SIM_NEVER;
        }
    }
}

void tcp_receive_ack(struct tcp_connection *c, const struct frame *frame, uint64_t sequence,
                     uint64_t ack)
{
    const struct tcp_header *h = &frame->tcp;
    SIM_ASSERT(ack <= c->snd_max);
    if (ack < c->snd_una) {
        return;
    }
    uint64_t una = c->snd_una;
    uint64_t sacked = c->sacked.bytes;
    uint64_t lost_edge = c->recovery == TCP_RECOVERY_FAST ? tcp_sack_lost_edge(c) : 0;
    bool same_window = (uint32_t)h->window << c->snd_scale == c->snd_wnd;
    bool news = c->sack && h->sack_count > 0 && tcp_sack_update(c, h);
    if (sequence >= c->snd_wl1) {
        window_update(c, frame, sequence);
    }
    if (ack > c->snd_una) {
        new_ack(c, frame, ack);
    } else if (c->snd_una < c->snd_max) {
        bool plain =
            frame->payload_bytes == 0 && (h->flags & (TCP_SYN | TCP_FIN)) == 0 && same_window;
        if (c->sack ? news : plain && (c->slow & TCP_SLOW_PROBING) == 0) {
            duplicate_ack(c);
        }
    }
    maybe_enter_recovery(c);
    if (c->recovery == TCP_RECOVERY_FAST && c->sack) {
        if (news) {
            maybe_send_hole_again(c);
        }
        uint64_t delivered = c->snd_una - una + c->sacked.bytes - sacked;
        reduce_rate(c, delivered, c->snd_una > una && tcp_sack_lost_edge(c) <= lost_edge);
    }
    recovery_bit(c);
}
