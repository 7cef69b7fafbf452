#include "nic/tcp_private.h"

#include <stdlib.h>

/* ---- listening --------------------------------------------------------------------------------------------------------- */

struct tcp_listener *tcp_listener_find(const struct tcp_layer *layer, uint16_t port)
{
    for (uint32_t i = 0; i < layer->listener_count; i++) {
        if (layer->listeners[i].port == port) {
            return &layer->listeners[i];
        }
    }
    return NULL;
}

enum ip_error tcp_listen(struct tcp_layer *layer, uint16_t port, uint32_t backlog,
                         const struct tcp_options *options, tcp_accept *accept, void *context)
{
    SIM_ASSERT(port != 0);
    SIM_ASSERT(accept != NULL);
    if (tcp_listener_find(layer, port) != NULL) {
        return IP_PORT_IN_USE;
    }
    if (layer->listener_count == layer->listener_capacity) {
        layer->listener_capacity = layer->listener_capacity == 0 ? 8 : layer->listener_capacity * 2;
        layer->listeners =
            realloc(layer->listeners, layer->listener_capacity * sizeof *layer->listeners);
        SIM_ASSERT(layer->listeners != NULL);
    }
    layer->listeners[layer->listener_count++] = (struct tcp_listener){
        .port = port,
        .backlog = backlog > 0 ? backlog : 1,
        .options = options != NULL ? *options : (struct tcp_options){.congestion = -1},
        .accept = accept,
        .context = context,
    };
    return IP_OK;
}

void tcp_unlisten(struct tcp_layer *layer, uint16_t port)
{
    struct tcp_listener *listener = tcp_listener_find(layer, port);
    if (listener == NULL) {
        return;
    }
    for (uint32_t i = 0; listener->pending > 0 && i < layer->chunk_count * TCP_CHUNK; i++) {
        struct tcp_connection *c = tcp_at(layer, i);
        if (c->used && c->pending && (uint16_t)c->ports == port) {
            tcp_abort(c);
        }
    }
    listener = tcp_listener_find(layer, port);
    SIM_ASSERT(listener->pending == 0);
    *listener = layer->listeners[--layer->listener_count];
}

/* ---- connecting -------------------------------------------------------------------------------------------------------- */

/* The next dynamic port that makes a connection of its own with the peer; 0 if all are taken. */
static uint16_t next_port(struct tcp_layer *layer, uint64_t addresses, uint16_t peer_port)
{
    for (uint32_t tried = TCP_PORT_FIRST; tried <= UINT16_MAX; tried++) {
        uint16_t port = layer->port_next;
        layer->port_next = (uint16_t)(port == UINT16_MAX ? TCP_PORT_FIRST : port + 1u);
        uint32_t ports = (uint32_t)peer_port << 16 | port;
        if (tcp_find(layer, addresses, ports) == NULL && tcp_listener_find(layer, port) == NULL) {
            return port;
        }
    }
    return 0;
}

enum ip_error tcp_connect(struct tcp_layer *layer, struct ip4 peer, uint16_t port,
                          const struct tcp_options *options, const struct tcp_user *user,
                          void *context, struct tcp_connection **out)
{
    static const struct tcp_options standard = {.congestion = -1};
    SIM_ASSERT(user != NULL);
    *out = NULL;
    if (!machine_runs(layer->machine)) {
        return IP_DOWN;
    }
    uint32_t interface = ip_stack_route(layer->stack, peer);
    if (interface == SIM_NONE) {
        return IP_NO_ROUTE;
    }
    tcp_clock(layer);
    struct ip4 local = ip_stack_interface(layer->stack, interface)->address;
    uint64_t addresses = (uint64_t)peer.v << 32 | local.v;
    uint16_t local_port = next_port(layer, addresses, port);
    if (local_port == 0) {
        return IP_PORT_IN_USE;
    }
    struct tcp_connection *c = tcp_connection_new(
        layer, addresses, (uint32_t)port << 16 | local_port, options != NULL ? options : &standard);
    SIM_ASSERT(c != NULL);
    c->user = user;
    c->context = context;
    tcp_call_begin(c);
    tcp_set_state(c, TCP_SYN_SENT);
    tcp_send_syn(c);
    tcp_rearm(c);
    tcp_call_end(c);
    *out = c;
    return IP_OK;
}

/* ---- sending ----------------------------------------------------------------------------------------------------------- */

uint64_t tcp_send_space(const struct tcp_connection *c)
{
    bool open = c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT ||
                c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED;
    uint64_t queued = c->send.bytes + c->staged;
    return open && !c->fin_queued && queued < c->send_buffer ? c->send_buffer - queued : 0;
}

void tcp_send(struct tcp_connection *c, struct slice slice)
{
    struct net *net = c->layer->net;
    SIM_ASSERT(slice.length > 0);
    SIM_ASSERT(slice.length <= tcp_send_space(c));
    tcp_call_begin(c);
    stream_witness_sent(net->streams, &c->sent_witness, net->pages, &slice);
    tcp_send_slice(c, slice);
    c->starved = 2 * (c->send.bytes + c->staged) > c->send_buffer;
    tcp_call_end(c);
}

void tcp_cork(struct tcp_connection *c)
{
    c->corked = true;
}

void tcp_uncork(struct tcp_connection *c)
{
    tcp_call_begin(c);
    c->corked = false;
    tcp_call_end(c);
}

void tcp_shutdown(struct tcp_connection *c)
{
    if (c->fin_queued || c->state == TCP_CLOSED) {
        return;
    }
    tcp_call_begin(c);
    c->fin_queued = true;
    stream_witness_sent_all(c->layer->net->streams, &c->sent_witness);
    if (c->state == TCP_ESTABLISHED) {
        tcp_set_state(c, TCP_FIN_WAIT_1);
    } else if (c->state == TCP_CLOSE_WAIT) {
        tcp_set_state(c, TCP_LAST_ACK);
    }
    tcp_call_end(c);
}

/* ---- ending ------------------------------------------------------------------------------------------------------------ */

void tcp_abort(struct tcp_connection *c)
{
    tcp_call_begin(c);
    c->user = NULL;
    c->released = true;
    bool silent = c->state == TCP_CLOSED || c->state == TCP_SYN_SENT || c->state == TCP_TIME_WAIT;
    if (!silent) {
        tcp_send_rst(c);
    }
    tcp_end_connection(c, TCP_END_ABORTED);
    tcp_call_end(c);
}

void tcp_release(struct tcp_connection *c)
{
    SIM_ASSERT(!c->released);
    if (c->receive.bytes > 0 || c->state == TCP_SYN_SENT || c->state == TCP_CLOSED) {
        /* RFC 1122, 4.2.2.13: the peer must learn that not all of its bytes were read. */
        tcp_abort(c);
        return;
    }
    tcp_call_begin(c);
    c->user = NULL;
    c->released = true;
    tcp_slow_set(c, TCP_SLOW_STATE, true);
    if (c->state == TCP_FIN_WAIT_2) {
        tcp_deadline_set(c, TCP_DEADLINE_LINGER, c->layer->now + c->profile->time_wait_ns);
    }
    tcp_shutdown(c);
    tcp_call_end(c);
}

/* ---- receiving --------------------------------------------------------------------------------------------------------- */

uint64_t tcp_receive_buffer(const struct tcp_connection *connection)
{
    return connection->receive_buffer;
}

uint64_t tcp_readable(const struct tcp_connection *c)
{
    return c->receive.bytes;
}

bool tcp_peer_finished(const struct tcp_connection *c)
{
    return c->fin_received && c->receive.bytes == 0;
}

struct slice tcp_take(struct tcp_connection *c, uint64_t length_max)
{
    struct net *net = c->layer->net;
    SIM_ASSERT(length_max > 0);
    SIM_ASSERT(c->receive.bytes > 0);
    struct slice slice = rope_take(&c->receive, net->pages, length_max);
    tcp_witness_taken(c, &slice);
    c->took = true;
    bool finished = SIM_UNLIKELY(c->fin_received) && c->receive.bytes == 0;
    if (c->depth > 0 && !finished) {
        return slice; /* the event looks at the window when it ends */
    }
    if (finished || tcp_window_update_due(c)) {
        tcp_call_begin(c);
        if (finished) {
            tcp_witness_end_of_stream(c);
            tcp_finish_if_read(c);
        }
        tcp_call_end(c);
    }
    return slice;
}

/* ---- looking ----------------------------------------------------------------------------------------------------------- */

void tcp_statistics(const struct tcp_connection *c, struct tcp_statistics *out)
{
    uint64_t una = c->snd_una < c->snd_start ? c->snd_start : c->snd_una;
    uint64_t sent = c->snd_max < c->snd_end ? c->snd_max : c->snd_end;
    *out = (struct tcp_statistics){
        .sent_bytes = sent > c->snd_start ? sent - c->snd_start : 0,
        .acknowledged_bytes = (una < c->snd_end ? una : c->snd_end) - c->snd_start,
        .received_bytes =
            c->rcv_nxt > c->rcv_start ? c->rcv_nxt - c->rcv_start - c->fin_received : 0,
        .segments_sent = c->segments_sent,
        .segments_received = c->segments_received,
        .retransmitted_segments = c->retransmitted,
        .timeouts = c->timeouts,
        .recoveries = c->recoveries,
        .probes = c->probes,
        .cwnd_bytes = c->cwnd,
        .ssthresh_bytes = c->ssthresh,
        .flight_bytes = c->snd_max - c->snd_una,
        .srtt_ns = c->srtt,
        .rto_ns = c->rto,
    };
}

enum tcp_state tcp_state(const struct tcp_connection *c)
{
    return (enum tcp_state)c->state;
}

uint64_t tcp_flow(const struct tcp_connection *c)
{
    return c->flow;
}

void tcp_addresses(const struct tcp_connection *c, struct ip4 *local, uint16_t *local_port,
                   struct ip4 *peer, uint16_t *peer_port)
{
    local->v = (uint32_t)c->addresses;
    *local_port = (uint16_t)c->ports;
    peer->v = (uint32_t)(c->addresses >> 32);
    *peer_port = (uint16_t)(c->ports >> 16);
}

bool tcp_released(const struct tcp_connection *c)
{
    return c->released;
}

void *tcp_context(const struct tcp_connection *c)
{
    return c->context;
}

void tcp_set_user(struct tcp_connection *c, const struct tcp_user *user, void *context)
{
    c->user = user;
    c->context = context;
}

/* ---- invariants -------------------------------------------------------------------------------------------------------- */

static void check_sender(const struct tcp_connection *c)
{
    SIM_ASSERT(c->snd_una <= c->snd_nxt);
    SIM_ASSERT(c->snd_nxt <= c->snd_max || (c->slow & TCP_SLOW_PROBING) != 0);
    SIM_ASSERT(c->snd_max <= c->snd_end + 1);
    uint64_t front = c->snd_una > c->snd_start ? c->snd_una : c->snd_start;
    SIM_ASSERT(front >= c->snd_end || c->send.bytes + c->staged == c->snd_end - front);
    SIM_ASSERT(c->send.bytes + c->staged <= (uint64_t)c->send_buffer + PAGE_BYTES);
    SIM_ASSERT(c->cwnd >= c->mss);
    SIM_ASSERT(c->fin_queued || !c->fin_sent);
    SIM_ASSERT(c->staged <= TCP_STAGING);
    /* Something is in flight, so something will happen: T1. */
    SIM_ASSERT(c->snd_una == c->snd_max || c->deadlines[TCP_DEADLINE_RETRANSMIT] != SIM_NEVER);
    tcp_ranges_check(&c->sacked);
    SIM_ASSERT(c->sacked.count == 0 || c->sacked.items[0].left > c->snd_una);
    SIM_ASSERT(c->sacked.count == 0 || (c->slow & TCP_SLOW_RECOVERY) != 0);
    SIM_ASSERT(c->recovery == TCP_RECOVERY_NONE || (c->slow & TCP_SLOW_RECOVERY) != 0);
}

static void check_receiver(const struct tcp_connection *c)
{
    SIM_ASSERT(c->rcv_acked <= c->rcv_nxt);
    SIM_ASSERT(c->rcv_nxt <= c->rcv_adv + 1); /* T3, and FIN */
    SIM_ASSERT(c->receive.bytes <= c->receive_buffer);
    SIM_ASSERT((c->held_first == NULL) == (c->held_count == 0));
    SIM_ASSERT(c->held_count <= TCP_HELD_MAX);
    tcp_ranges_check(&c->islands);
    SIM_ASSERT((c->islands.count == 0) == (c->held_count == 0));
    SIM_ASSERT(c->islands.count == 0 || c->islands.items[0].left > c->rcv_nxt);
    SIM_ASSERT(c->held_count == 0 || (c->slow & TCP_SLOW_REASSEMBLY) != 0);
}

void tcp_check(const struct tcp_connection *c)
{
    sim_time earliest = SIM_NEVER;
    for (uint32_t i = 0; i < TCP_DEADLINES; i++) {
        earliest = c->deadlines[i] < earliest ? c->deadlines[i] : earliest;
    }
    SIM_ASSERT(c->dead || c->timer.deadline <= earliest); /* Z4 */
    SIM_ASSERT(c->state != TCP_CLOSED || !c->in_table);
    if (c->state >= TCP_ESTABLISHED && !c->dead) {
        check_sender(c);
        check_receiver(c);
    }
}
