#include "nic/tcp_private.h"

/* RFC 9293, figure 5: bit `to` of row `from` says that the move exists. Any state may go to CLOSED. */
#define TO(state) (1u << (state))
static const uint16_t state_moves[] = {
    [TCP_CLOSED] = TO(TCP_SYN_SENT) | TO(TCP_SYN_RECEIVED),
    [TCP_SYN_SENT] = TO(TCP_SYN_RECEIVED) | TO(TCP_ESTABLISHED),
    [TCP_SYN_RECEIVED] = TO(TCP_ESTABLISHED),
    [TCP_ESTABLISHED] = TO(TCP_FIN_WAIT_1) | TO(TCP_CLOSE_WAIT),
    [TCP_FIN_WAIT_1] = TO(TCP_FIN_WAIT_2) | TO(TCP_CLOSING),
    [TCP_FIN_WAIT_2] = TO(TCP_TIME_WAIT),
    [TCP_CLOSE_WAIT] = TO(TCP_LAST_ACK),
    [TCP_CLOSING] = TO(TCP_TIME_WAIT),
    [TCP_LAST_ACK] = 0,
    [TCP_TIME_WAIT] = 0,
};

const char *tcp_state_text(enum tcp_state state)
{
    static const char *const texts[] = {
        [TCP_CLOSED] = "CLOSED",
        [TCP_SYN_SENT] = "SYN-SENT",
        [TCP_SYN_RECEIVED] = "SYN-RECEIVED",
        [TCP_ESTABLISHED] = "ESTABLISHED",
        [TCP_FIN_WAIT_1] = "FIN-WAIT-1",
        [TCP_FIN_WAIT_2] = "FIN-WAIT-2",
        [TCP_CLOSE_WAIT] = "CLOSE-WAIT",
        [TCP_CLOSING] = "CLOSING",
        [TCP_LAST_ACK] = "LAST-ACK",
        [TCP_TIME_WAIT] = "TIME-WAIT",
    };
    return texts[state];
}

const char *tcp_end_text(enum tcp_end end)
{
    static const char *const texts[] = {
        [TCP_END_CLOSED] = "closed",   [TCP_END_RESET] = "reset",
        [TCP_END_REFUSED] = "refused", [TCP_END_TIMED_OUT] = "timed out",
        [TCP_END_ABORTED] = "aborted", [TCP_END_NO_ROUTE] = "no route",
    };
    return texts[end];
}

void tcp_slow_set(struct tcp_connection *c, enum tcp_slow bit, bool on)
{
    c->slow = (uint8_t)(on ? c->slow | bit : c->slow & ~bit);
}

void tcp_set_state(struct tcp_connection *c, enum tcp_state state)
{
    SIM_ASSERT(state == TCP_CLOSED || (state_moves[c->state] & TO(state)) != 0);
    c->state = (uint8_t)state;
    tcp_slow_set(c, TCP_SLOW_STATE, state != TCP_ESTABLISHED || c->released);
    if (state == TCP_CLOSED) {
        tcp_table_remove(c);
    }
}

/* ---- records ----------------------------------------------------------------------------------------------------------- */

int64_t tcp_record_sequence(uint64_t sequence)
{
    return (int64_t)(uint32_t)sequence;
}

static uint64_t bytes_received(const struct tcp_connection *c)
{
    return c->rcv_nxt > c->rcv_start ? c->rcv_nxt - c->rcv_start - c->fin_received : 0;
}

static uint64_t bytes_sent(const struct tcp_connection *c)
{
    uint64_t end = c->snd_max < c->snd_end ? c->snd_max : c->snd_end;
    return end > c->snd_start ? end - c->snd_start : 0;
}

static void record_opened(struct tcp_connection *c)
{
    struct net *net = c->layer->net;
    RECORD(net->recorder, net->record_base + NET_TCP_OPENED, c->layer->origin, 0, "",
           (int64_t)c->flow, (int64_t)(uint32_t)c->addresses, (int64_t)(uint16_t)c->ports,
           (int64_t)(c->addresses >> 32), (int64_t)(c->ports >> 16));
    c->opened = true;
}

static void record_checked(struct tcp_connection *c, bool ok)
{
    struct net *net = c->layer->net;
    RECORD(net->recorder, net->record_base + NET_STREAM_CHECKED, c->layer->origin, 0, "",
           (int64_t)c->flow, (int64_t)c->received_witness.verified, (int64_t)ok);
}

static void record_closed(struct tcp_connection *c, enum tcp_end why)
{
    struct net *net = c->layer->net;
    if (c->closed_recorded) {
        return;
    }
    c->closed_recorded = true;
    if (!c->opened && c->passive) {
        return; /* a SYN that came to nothing */
    }
    RECORD(net->recorder, net->record_base + NET_TCP_CLOSED, c->layer->origin, 0, tcp_end_text(why),
           (int64_t)c->flow, (int64_t)bytes_sent(c), (int64_t)bytes_received(c),
           (int64_t)c->retransmitted, (int64_t)c->timeouts);
}

/* ---- oracle "streams" -------------------------------------------------------------------------------------------------- */

static uint64_t witness_end(uint32_t address, uint32_t port)
{
    return (uint64_t)address << 16 | port;
}

void tcp_witness_join_sender(struct tcp_connection *c)
{
    uint64_t local = witness_end((uint32_t)c->addresses, c->ports & 0xffff);
    uint64_t peer = witness_end((uint32_t)(c->addresses >> 32), c->ports >> 16);
    stream_witness_join(c->layer->net->streams, &c->sent_witness,
                        stream_witness_key(local, peer, (uint32_t)(c->snd_start - 1)));
}

void tcp_witness_join_receiver(struct tcp_connection *c)
{
    uint64_t local = witness_end((uint32_t)c->addresses, c->ports & 0xffff);
    uint64_t peer = witness_end((uint32_t)(c->addresses >> 32), c->ports >> 16);
    stream_witness_join(c->layer->net->streams, &c->received_witness,
                        stream_witness_key(peer, local, (uint32_t)(c->rcv_start - 1)));
}

void tcp_witness_taken(struct tcp_connection *c, const struct slice *slice)
{
    struct net *net = c->layer->net;
    if (SIM_UNLIKELY(
            !stream_witness_received(net->streams, &c->received_witness, net->pages, slice))) {
        record_checked(c, false);
    }
}

void tcp_witness_end_of_stream(struct tcp_connection *c)
{
    SIM_ASSERT(c->fin_received);
    SIM_ASSERT(c->receive.bytes == 0);
    if (!c->received_total) {
        c->received_total = true;
        bool ok = stream_witness_received_all(c->layer->net->streams, &c->received_witness);
        if (!ok || !c->received_witness.wrong) {
            record_checked(c, ok); /* a stream that was wrong before is recorded already */
        }
    }
}

/* ---- events and calls -------------------------------------------------------------------------------------------------- */

static void tell_ended(struct tcp_connection *c)
{
    const struct tcp_user *user = c->user;
    c->told_ended = true;
    c->user = NULL;
    if (user != NULL && user->ended != NULL) {
        user->ended(c->context, c,
                    (enum tcp_end)c->end); /* the last chance to take what is there */
    }
    c->released = true;
    rope_drop(&c->receive, c->layer->net->pages, c->receive.bytes);
    if (c->state == TCP_CLOSED) {
        tcp_connection_free(c);
    }
}

static void tell_accept(struct tcp_connection *c)
{
    const struct tcp_listener *listener = tcp_listener_find(c->layer, (uint16_t)c->ports);
    struct tcp_accept_result result = {NULL, NULL};
    if (listener != NULL) {
        result = listener->accept(listener->context, c);
    }
    if (c->dead) {
        return;
    }
    if (result.user == NULL) {
        tcp_abort(c);
        return;
    }
    c->user = result.user;
    c->context = result.context;
}

/* Tells the user the first of what there is to tell. */
static void tell(struct tcp_connection *c)
{
    uint32_t news = c->news & -(uint32_t)c->news;
    c->news = (uint8_t)(c->news & ~news);
    if (news == TCP_NEWS_ENDED) {
        tell_ended(c);
        return;
    }
    if (news == TCP_NEWS_ACCEPT) {
        tell_accept(c);
        return;
    }
    const struct tcp_user *user = c->user;
    if (user == NULL || (news == TCP_NEWS_WRITABLE && (c->starved || c->fin_queued))) {
        return; /* nobody, or the buffer was filled again, or closed, meanwhile */
    }
    void (*told)(void *, struct tcp_connection *) = news == TCP_NEWS_READABLE   ? user->readable
                                                    : news == TCP_NEWS_WRITABLE ? user->writable
                                                    : news == TCP_NEWS_DRAINED  ? user->drained
                                                                                : user->connected;
    if (told != NULL) {
        told(c->context, c);
    }
}

static inline void send_what_is_due(struct tcp_connection *c)
{
    if (c->took) {
        c->took = false;
        c->ack_now = c->ack_now || tcp_window_update_due(c);
    }
    tcp_output(c);
}

void tcp_event_end(struct tcp_connection *c)
{
    struct tcp_layer *layer = c->layer;
    SIM_ASSERT(c->depth == 1);
    while (c->news != 0 && !c->dead) {
        tell(c);
    }
    if (SIM_LIKELY(!c->dead)) {
        send_what_is_due(c);
    }
    c->depth = 0;
    layer->busy--;
    SIM_ASSERT_SLOW((tcp_check(c), true));
    if (SIM_UNLIKELY(c->dead)) {
        tcp_connection_free(c);
    }
}

void tcp_call_end(struct tcp_connection *c)
{
    struct tcp_layer *layer = c->layer;
    SIM_ASSERT(c->depth > 0);
    if (c->depth == 1 && !c->dead) {
        send_what_is_due(c);
    }
    layer->busy--;
    if (--c->depth > 0) {
        return;
    }
    if (c->dead) {
        tcp_connection_free(c);
    } else if (c->news != 0) {
        tcp_deadline_set(c, TCP_DEADLINE_NEWS, layer->now);
    }
    if (SIM_UNLIKELY(layer->deferred_first != NULL) && layer->busy == 0) {
        sim_event_arm(layer->net->sim, layer->settle_event, sim_now(layer->net->sim));
    }
}

/* ---- beginning and end ------------------------------------------------------------------------------------------------- */

void tcp_established(struct tcp_connection *c)
{
    SIM_ASSERT(c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED);
    if (c->passive) {
        struct tcp_listener *listener = tcp_listener_find(c->layer, (uint16_t)c->ports);
        SIM_ASSERT(listener != NULL && listener->pending > 0);
        listener->pending--;
        c->pending = false;
    }
    tcp_set_state(c, TCP_ESTABLISHED);
    if (c->snd_una < c->snd_start) {
        tcp_acknowledged(c, c->snd_start);
    }
    if (c->syn_retransmitted && c->srtt == 0 && c->rto < 3 * SIM_S) {
        c->rto = 3 * SIM_S; /* RFC 6298 (5.7) */
    }
    tcp_congestion_init(c);
    c->recover = c->snd_start;
    c->snd_small = c->snd_start;
    record_opened(c);
    tcp_keep_alive_restart(c);
    if (c->fin_queued) {
        tcp_set_state(c, TCP_FIN_WAIT_1);
    }
}

static void deadlines_clear(struct tcp_connection *c)
{
    for (uint32_t i = 0; i < TCP_DEADLINES; i++) {
        c->deadlines[i] = SIM_NEVER;
    }
}

void tcp_finish_if_read(struct tcp_connection *c)
{
    if (c->told_ended || !c->fin_received ||
        (c->state != TCP_TIME_WAIT && c->state != TCP_CLOSED)) {
        return;
    }
    if (c->released) {
        c->told_ended = true;
        if (c->state == TCP_CLOSED) {
            tcp_connection_free(c);
        }
    } else if (c->receive.bytes == 0) {
        c->end = TCP_END_CLOSED;
        c->news |= TCP_NEWS_ENDED;
    }
}

void tcp_enter_time_wait(struct tcp_connection *c)
{
    tcp_set_state(c, TCP_TIME_WAIT);
    deadlines_clear(c);
    tcp_deadline_set(c, TCP_DEADLINE_LINGER, c->layer->now + c->profile->time_wait_ns);
    record_closed(c, TCP_END_CLOSED);
    tcp_finish_if_read(c);
}

void tcp_end_connection(struct tcp_connection *c, enum tcp_end why)
{
    record_closed(c, why);
    tcp_set_state(c, TCP_CLOSED);
    deadlines_clear(c);
    c->ack_now = false;
    c->end = (uint8_t)why;
    if (c->user == NULL) {
        /* Released, or never accepted: there is nobody to tell. */
        tcp_connection_free(c);
    } else if (why == TCP_END_CLOSED && c->fin_received) {
        tcp_finish_if_read(c);
    } else {
        c->news = TCP_NEWS_ENDED;
    }
}
