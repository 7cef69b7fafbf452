#include "nic/tcp_private.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_AT_START 64u

/* ---- the table of connections ------------------------------------------------------------------------------------------ */

struct tcp_connection *tcp_at(const struct tcp_layer *layer, uint32_t index)
{
    SIM_ASSERT(index / TCP_CHUNK < layer->chunk_count);
    return &layer->chunks[index / TCP_CHUNK][index % TCP_CHUNK];
}

static uint32_t bucket_of(const struct tcp_layer *layer, uint64_t addresses, uint32_t ports)
{
    uint64_t hash =
        (addresses ^ (uint64_t)ports * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(hash >> 32) & (layer->bucket_count - 1);
}

struct tcp_connection *tcp_find(const struct tcp_layer *layer, uint64_t addresses, uint32_t ports)
{
    uint32_t index = layer->buckets[bucket_of(layer, addresses, ports)];
    while (index != SIM_NONE) {
        struct tcp_connection *c = tcp_at(layer, index);
        if (c->addresses == addresses && c->ports == ports) {
            return c;
        }
        index = c->hash_next;
    }
    return NULL;
}

static void table_insert(struct tcp_layer *layer, struct tcp_connection *c)
{
    uint32_t *bucket = &layer->buckets[bucket_of(layer, c->addresses, c->ports)];
    c->hash_next = *bucket;
    *bucket = c->index;
    c->in_table = true;
}

void tcp_table_remove(struct tcp_connection *c)
{
    struct tcp_layer *layer = c->layer;
    if (!c->in_table) {
        return;
    }
    uint32_t *link = &layer->buckets[bucket_of(layer, c->addresses, c->ports)];
    while (*link != c->index) {
        SIM_ASSERT(*link != SIM_NONE);
        link = &tcp_at(layer, *link)->hash_next;
    }
    *link = c->hash_next;
    c->in_table = false;
    if (layer->last == c) {
        layer->last = NULL;
    }
}

static void table_grow(struct tcp_layer *layer)
{
    layer->bucket_count *= 2;
    layer->buckets = realloc(layer->buckets, layer->bucket_count * sizeof *layer->buckets);
    SIM_ASSERT(layer->buckets != NULL);
    memset(layer->buckets, 0xff, layer->bucket_count * sizeof *layer->buckets);
    for (uint32_t i = 0; i < layer->chunk_count * TCP_CHUNK; i++) {
        struct tcp_connection *c = tcp_at(layer, i);
        if (c->used && c->in_table) {
            table_insert(layer, c);
        }
    }
}

/* ---- the pool ---------------------------------------------------------------------------------------------------------- */

static void pool_grow(struct tcp_layer *layer)
{
    uint32_t first = layer->chunk_count * TCP_CHUNK;
    layer->chunks =
        realloc(layer->chunks, (layer->chunk_count + 1) * sizeof(struct tcp_connection *));
    SIM_ASSERT(layer->chunks != NULL);
    struct tcp_connection *chunk = aligned_alloc(64, TCP_CHUNK * sizeof *chunk);
    SIM_ASSERT(chunk != NULL);
    memset(chunk, 0, TCP_CHUNK * sizeof *chunk);
    layer->chunks[layer->chunk_count++] = chunk;
    for (uint32_t i = TCP_CHUNK; i-- > 0;) {
        chunk[i].index = first + i;
        chunk[i].hash_next = layer->free_first;
        layer->free_first = first + i;
    }
    if (layer->chunk_count * TCP_CHUNK > layer->bucket_count) {
        table_grow(layer);
    }
}

static struct tcp_connection *pool_take(struct tcp_layer *layer)
{
    if (layer->free_first == SIM_NONE) {
        pool_grow(layer);
    }
    struct tcp_connection *c = tcp_at(layer, layer->free_first);
    uint32_t index = c->index;
    SIM_ASSERT(!c->used);
    layer->free_first = c->hash_next;
    memset(c, 0, sizeof *c);
    c->used = true;
    c->index = index;
    c->layer = layer;
    layer->live++;
    machine_timer_init(&c->timer, layer->machine, tcp_timer_expired, c);
    rope_init(&c->send);
    rope_init(&c->receive);
    for (uint32_t i = 0; i < TCP_DEADLINES; i++) {
        c->deadlines[i] = SIM_NEVER;
    }
    return c;
}

/* Gives the place back; nothing of the connection is left. */
static void pool_return(struct tcp_connection *c)
{
    struct tcp_layer *layer = c->layer;
    SIM_ASSERT(c->depth == 0);
    SIM_ASSERT(!c->in_table);
    machine_timer_close(&c->timer);
    rope_close(&c->send, layer->net->pages);
    rope_close(&c->receive, layer->net->pages);
    tcp_reassembly_clear(c);
    tcp_ranges_close(&c->sacked);
    tcp_ranges_close(&c->islands);
    free(c->staging);
    if (c->sent_witness.key != 0) {
        stream_witness_leave(layer->net->streams, &c->sent_witness);
    }
    if (c->received_witness.key != 0) {
        stream_witness_leave(layer->net->streams, &c->received_witness);
    }
    c->used = false;
    c->hash_next = layer->free_first;
    layer->free_first = c->index;
    layer->live--;
}

/* ---- connections ------------------------------------------------------------------------------------------------------- */

static uint8_t scale_for(uint64_t buffer)
{
    uint8_t scale = 0;
    while (scale < 14 && buffer >> scale > 65535) {
        scale++;
    }
    return scale;
}

static uint32_t buffer_bytes(uint64_t asked, uint64_t otherwise)
{
    uint64_t bytes = asked != 0 ? asked : otherwise;
    return bytes < TCP_WINDOW_MAX ? (uint32_t)bytes : TCP_WINDOW_MAX;
}

struct tcp_connection *tcp_connection_place(struct tcp_layer *layer, uint64_t addresses,
                                            uint32_t ports, const struct tcp_options *options)
{
    struct ip_path path;
    if (ip_stack_path(layer->stack, (struct ip4){(uint32_t)(addresses >> 32)}, &path) != IP_OK) {
        return NULL;
    }
    struct tcp_connection *c = pool_take(layer);
    c->addresses = addresses;
    c->ports = ports;
    c->path = path;
    c->pace = ip_stack_interface(layer->stack, path.interface)->pace;
    c->flow =
        frame_flow_between((struct ip4){(uint32_t)addresses}, (uint16_t)ports,
                           (struct ip4){(uint32_t)(addresses >> 32)}, (uint16_t)(ports >> 16));
    c->profile = options->profile != NULL ? options->profile : layer->profile;
    c->no_delay = options->no_delay;
    c->keep_alive = options->keep_alive_ns;
    c->send_buffer = buffer_bytes(options->send_buffer_bytes, c->profile->send_buffer_bytes);
    c->receive_buffer =
        buffer_bytes(options->receive_buffer_bytes, c->profile->receive_buffer_bytes);
    c->congestion =
        (uint8_t)(options->congestion < 0 ? (int)c->profile->congestion : options->congestion);
    c->sack = c->profile->sack;
    c->timestamps = c->profile->timestamps;
    c->rcv_scale_offered = scale_for(c->receive_buffer);
    c->local_mss = (uint16_t)(ip_stack_interface(layer->stack, path.interface)->mtu - 40);
    c->mss = c->local_mss;
    c->rcv_mss = 536;
    c->ack_after = c->rcv_mss;
    c->rto = c->profile->rto_initial_ns;
    c->cwnd = c->mss;
    c->slow = TCP_SLOW_STATE;
    c->mark_sequence = UINT64_MAX;
    c->last_received = layer->now;
    table_insert(layer, c);
    return c;
}

struct tcp_connection *tcp_connection_new(struct tcp_layer *layer, uint64_t addresses,
                                          uint32_t ports, const struct tcp_options *options)
{
    SIM_ASSERT(tcp_find(layer, addresses, ports) == NULL);
    struct tcp_connection *c = tcp_connection_place(layer, addresses, ports, options);
    if (c == NULL) {
        return NULL;
    }
    /* RFC 6528: a clock of 4 us ticks and what cannot be guessed. */
    uint64_t drawn = chance_identifier(layer->isn, layer->opened++);
    uint32_t isn = (uint32_t)(layer->now / 4096) + (uint32_t)drawn;
    c->ts_offset = (uint32_t)(drawn >> 32);
    c->snd_una = (UINT64_C(1) << 32) + isn;
    c->snd_start = c->snd_una + 1;
    c->snd_nxt = c->snd_una;
    c->snd_max = c->snd_una;
    c->snd_end = c->snd_start;
    c->recover = c->snd_una;
    tcp_witness_join_sender(c);
    return c;
}

void tcp_connection_free(struct tcp_connection *c)
{
    if (c->pending) {
        struct tcp_listener *listener = tcp_listener_find(c->layer, (uint16_t)c->ports);
        SIM_ASSERT(listener != NULL && listener->pending > 0);
        listener->pending--;
        c->pending = false;
    }
    tcp_table_remove(c);
    c->state = TCP_CLOSED;
    if (c->depth > 0) {
        c->dead = true;
        return;
    }
    pool_return(c);
}

/* ---- the layer --------------------------------------------------------------------------------------------------------- */

static void free_all(struct tcp_layer *layer)
{
    for (uint32_t i = 0; i < layer->chunk_count * TCP_CHUNK; i++) {
        struct tcp_connection *c = tcp_at(layer, i);
        if (c->used && !c->dead) {
            tcp_connection_free(c);
        }
    }
    while (layer->deferred_first != NULL) {
        struct frame *frame = layer->deferred_first;
        layer->deferred_first = frame->next;
        net_free_frame(layer->net, frame);
    }
    layer->deferred_last = NULL;
    sim_event_cancel(layer->net->sim, layer->settle_event);
}

/* T4: with the power everything goes, listeners too; only counters stay that keep ports and draws from coming again. */
static void machine_news(void *context, enum machine_news news)
{
    struct tcp_layer *layer = context;
    layer->clock_global = -1;
    if (news == MACHINE_CRASHED) {
        free_all(layer);
        layer->listener_count = 0;
    }
}

struct tcp_layer *tcp_layer_new(struct ip_stack *stack, const struct tcp_profile *profile)
{
    SIM_ASSERT(profile != NULL);
    struct tcp_layer *layer = calloc(1, sizeof *layer);
    SIM_ASSERT(layer != NULL);
    layer->stack = stack;
    layer->net = ip_stack_net(stack);
    layer->machine = ip_stack_machine(stack);
    layer->origin = ip_stack_origin(stack);
    layer->profile = profile;
    layer->clock = &((const struct sim_clock *)(const void *)layer->net->sim)->now;
    layer->clock_global = -1;
    layer->port_next = TCP_PORT_FIRST;
    layer->free_first = SIM_NONE;
    layer->isn = chance_key(sim_seed(layer->net->sim), "tcp.isn",
                            sim_origin_path(layer->net->sim, layer->origin));
    layer->bucket_count = BUCKETS_AT_START;
    layer->buckets = malloc(layer->bucket_count * sizeof *layer->buckets);
    SIM_ASSERT(layer->buckets != NULL);
    memset(layer->buckets, 0xff, layer->bucket_count * sizeof *layer->buckets);
    layer->settle_event = sim_event_new(layer->net->sim, layer->origin, tcp_layer_settle, layer);
    ip_stack_set_protocol(stack, IP_TCP, tcp_receive, layer);
    ip_stack_set_tcp(stack, layer);
    machine_watch(layer->machine, machine_news, layer);
    return layer;
}

void tcp_layer_free(struct tcp_layer *layer)
{
    SIM_ASSERT(layer->busy == 0);
    machine_unwatch(layer->machine, machine_news, layer);
    ip_stack_set_protocol(layer->stack, IP_TCP, NULL, NULL);
    ip_stack_set_tcp(layer->stack, NULL);
    free_all(layer);
    sim_event_free(layer->net->sim, layer->settle_event);
    for (uint32_t i = 0; i < layer->chunk_count; i++) {
        free(layer->chunks[i]);
    }
    free(layer->chunks);
    free(layer->buckets);
    free(layer->listeners);
    free(layer);
}

uint32_t tcp_layer_live(const struct tcp_layer *layer)
{
    return layer->live;
}

struct tcp_connection *tcp_layer_next(const struct tcp_layer *layer,
                                      const struct tcp_connection *after)
{
    uint32_t first = after == NULL ? 0 : after->index + 1;
    for (uint32_t i = first; i < layer->chunk_count * TCP_CHUNK; i++) {
        struct tcp_connection *c = tcp_at(layer, i);
        if (c->used && !c->dead) {
            return c;
        }
    }
    return NULL;
}

void tcp_layer_check(const struct tcp_layer *layer)
{
    uint32_t live = 0, pending = 0, backlog = 0;
    for (uint32_t i = 0; i < layer->chunk_count * TCP_CHUNK; i++) {
        const struct tcp_connection *c = tcp_at(layer, i);
        SIM_ASSERT(c->index == i);
        if (c->used) {
            live++;
            pending += c->pending;
            SIM_ASSERT(c->layer == layer);
            SIM_ASSERT(!c->in_table || tcp_find(layer, c->addresses, c->ports) == c);
            tcp_check(c);
        }
    }
    for (uint32_t i = 0; i < layer->listener_count; i++) {
        backlog += layer->listeners[i].pending;
    }
    SIM_ASSERT(live == layer->live);
    SIM_ASSERT(pending == backlog);
}
