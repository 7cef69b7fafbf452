#include "nic/tcp_private.h"

#define KEEP_ALIVE_PROBES 9u
#define RTO_AFTER_SYN_NS  (3 * SIM_S)

void tcp_clock_read(struct tcp_layer *layer)
{
    layer->clock_global = *layer->clock;
    layer->now = machine_now(layer->machine);
    layer->now_ms = (uint32_t)((uint64_t)layer->now / (uint64_t)SIM_MS);
}

/* ---- the retransmission time-out: RFC 6298 ----------------------------------------------------------------------------- */

void tcp_rtt_sample(struct tcp_connection *c, sim_time rtt)
{
    SIM_ASSERT(rtt >= 0);
    if (c->srtt == 0) {
        c->srtt = rtt > 0 ? rtt : 1;
        c->rttvar = rtt / 2;
    } else {
        sim_time error = c->srtt > rtt ? c->srtt - rtt : rtt - c->srtt;
        c->rttvar += (error - c->rttvar) / 4;
        c->srtt += (rtt - c->srtt) / 8;
        c->srtt = c->srtt > 0 ? c->srtt : 1;
    }
    sim_time rto = c->srtt + 4 * c->rttvar;
    rto = rto < c->profile->rto_min_ns ? c->profile->rto_min_ns : rto;
    c->rto = rto > c->profile->rto_max_ns ? c->profile->rto_max_ns : rto;
    tcp_congestion_rtt(c, rtt);
}

sim_time tcp_rto_backed_off(const struct tcp_connection *c)
{
    sim_time most = c->profile->rto_max_ns;
    uint32_t doublings = c->backoff < TCP_BACKOFF_MAX ? c->backoff : TCP_BACKOFF_MAX;
    return c->rto < most >> doublings ? c->rto << doublings : most;
}

void tcp_rearm(struct tcp_connection *c)
{
    if (c->snd_una == c->snd_max) {
        c->deadlines[TCP_DEADLINE_RETRANSMIT] = SIM_NEVER;
    } else {
        tcp_deadline_set(c, TCP_DEADLINE_RETRANSMIT, c->layer->now + tcp_rto_backed_off(c));
    }
}

static void record_timeout(struct tcp_connection *c)
{
    struct net *net = c->layer->net;
    c->timeouts++;
    RECORD(net->recorder, net->record_base + NET_TCP_TIMEOUT, c->layer->origin, 0, "",
           (int64_t)c->flow, tcp_record_sequence(c->snd_una), (int64_t)tcp_rto_backed_off(c),
           (int64_t)c->backoff);
}

static void syn_expired(struct tcp_connection *c)
{
    if (c->retries >= c->profile->syn_retries) {
        tcp_end_connection(c, TCP_END_TIMED_OUT);
        return;
    }
    record_timeout(c);
    c->retries++;
    c->backoff++;
    c->syn_retransmitted = true;
    /* RFC 6298 (5.7): data begins with a cautious time-out, unless a round trip can still be timed. */
    tcp_send_syn(c);
    tcp_rearm(c);
}

static void probe_expired(struct tcp_connection *c)
{
    if (c->retries >= c->profile->data_retries) {
        tcp_end_connection(c, TCP_END_TIMED_OUT);
        return;
    }
    c->retries++;
    c->backoff = c->backoff < TCP_BACKOFF_MAX ? (uint8_t)(c->backoff + 1) : c->backoff;
    tcp_send_probe(c);
    if (c->snd_nxt > c->snd_una) {
        /* The window took it (override): the retransmission timer runs from here. */
        tcp_slow_set(c, TCP_SLOW_PROBING, false);
        c->backoff = 0;
        tcp_rearm(c);
        return;
    }
    tcp_deadline_set(c, TCP_DEADLINE_RETRANSMIT, c->layer->now + tcp_rto_backed_off(c));
}

/* RFC 6298 (5.4) to (5.6); RFC 5681, 3.1. The first segment goes out when the event ends. */
static void data_expired(struct tcp_connection *c)
{
    if (c->retries >= c->profile->data_retries) {
        tcp_end_connection(c, TCP_END_TIMED_OUT);
        return;
    }
    record_timeout(c);
    if (c->backoff == 0) {
        tcp_congestion_timeout(c);
    }
    if (c->retries > 0) {
        /* RFC 2018, 8: the peer may have dropped what it SACKed. A first time-out trusts it (RFC 6675, 5.1). */
        tcp_ranges_clear(&c->sacked);
    }
    c->retries++;
    c->backoff = c->backoff < TCP_BACKOFF_MAX ? (uint8_t)(c->backoff + 1) : c->backoff;
    c->recovery = TCP_RECOVERY_LOSS;
    c->recover = c->snd_max;
    c->duplicate_acks = 0;
    c->cwnd = c->mss;
    c->cwnd_acked = 0;
    c->snd_nxt = c->snd_una;
    c->high_rxt = c->snd_una;
    tcp_slow_set(c, TCP_SLOW_RECOVERY, true);
    tcp_rearm(c);
}

static void retransmit_expired(struct tcp_connection *c)
{
    if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED) {
        syn_expired(c);
    } else if ((c->slow & TCP_SLOW_PROBING) != 0) {
        probe_expired(c);
    } else if (c->snd_una < c->snd_max) {
        data_expired(c);
    }
}

/* ---- keep-alive: RFC 9293, 3.8.4 --------------------------------------------------------------------------------------- */

void tcp_keep_alive_restart(struct tcp_connection *c)
{
    if (c->keep_alive > 0) {
        c->keep_alive_probes = 0;
        tcp_deadline_set(c, TCP_DEADLINE_KEEP_ALIVE, c->layer->now + c->keep_alive);
    }
}

static void keep_alive_expired(struct tcp_connection *c)
{
    sim_time interval = c->keep_alive / 10 > 0 ? c->keep_alive / 10 : 1;
    sim_time due = c->last_received + c->keep_alive;
    if (due > c->layer->now || c->snd_una != c->snd_max) {
        /* The peer was heard of meanwhile, or the retransmission timer watches over it. */
        c->keep_alive_probes = 0;
        sim_time at = due > c->layer->now ? due : c->layer->now + c->keep_alive;
        tcp_deadline_set(c, TCP_DEADLINE_KEEP_ALIVE, at);
        return;
    }
    if (c->keep_alive_probes == KEEP_ALIVE_PROBES) {
        tcp_end_connection(c, TCP_END_TIMED_OUT);
        return;
    }
    c->keep_alive_probes++;
    tcp_send_keep_alive(c);
    tcp_deadline_set(c, TCP_DEADLINE_KEEP_ALIVE, c->layer->now + interval);
}

/* ---- the one timer of a connection ------------------------------------------------------------------------------------- */

static void linger_expired(struct tcp_connection *c)
{
    SIM_ASSERT(c->state == TCP_TIME_WAIT || c->state == TCP_FIN_WAIT_2);
    if (c->state == TCP_TIME_WAIT && !c->told_ended && !c->released) {
        tcp_set_state(c, TCP_CLOSED); /* its user has still to read */
        return;
    }
    if (!c->told_ended) {
        tcp_end_connection(c, TCP_END_CLOSED);
        return;
    }
    tcp_connection_free(c);
}

static void deadline_expired(struct tcp_connection *c, enum tcp_deadline deadline)
{
    switch (deadline) {
    case TCP_DEADLINE_RETRANSMIT:
        retransmit_expired(c);
        break;
    case TCP_DEADLINE_DELAYED_ACK:
        c->ack_now = c->rcv_nxt != c->rcv_acked;
        break;
    case TCP_DEADLINE_KEEP_ALIVE:
        keep_alive_expired(c);
        break;
    case TCP_DEADLINE_LINGER:
        linger_expired(c);
        break;
    case TCP_DEADLINE_DEVICE: /* output follows when the event ends */
    case TCP_DEADLINE_NEWS:
    case TCP_DEADLINES:
        break;
    }
}

void tcp_timer_expired(void *context)
{
    struct tcp_connection *c = context;
    struct tcp_layer *layer = c->layer;
    tcp_clock(layer);
    tcp_event_begin(c);
    sim_time now = layer->now;
    for (uint32_t i = 0; i < TCP_DEADLINES && !c->dead; i++) {
        if (c->deadlines[i] <= now) {
            c->deadlines[i] = SIM_NEVER;
            deadline_expired(c, (enum tcp_deadline)i);
        }
    }
    if (!c->dead) {
        sim_time next = SIM_NEVER;
        for (uint32_t i = 0; i < TCP_DEADLINES; i++) {
            next = c->deadlines[i] < next ? c->deadlines[i] : next;
        }
        if (next != SIM_NEVER) {
            machine_timer_arm(&c->timer, next);
        }
    }
    tcp_event_end(c);
    if (layer->deferred_first != NULL) {
        tcp_layer_settle(layer);
    }
}
