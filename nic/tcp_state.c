/* A guest's connections as bytes. Each is one list of fields that is walked to save and to load, so the two cannot part. Times are
 * relative to the machine's clock; the clock of time stamps goes on where it was. */
#include "nic/tcp_private.h"

#include "sim/state.h"

#include <string.h>

#define TCP_STATE_TAG     UINT32_C(0x54435020) /* "TCP " */
#define TCP_STATE_VERSION 1u
#define NAME_BYTES_MAX    32u

/* One direction at a time: reader is NULL when saving. */
struct state_io {
    struct state_writer *writer;
    struct state_reader *reader;
    struct page_pool *pages;
    struct net *net;
    sim_time now;
};

static void io_u64(struct state_io *io, uint64_t *value)
{
    if (io->reader != NULL) {
        *value = state_get_u64(io->reader);
    } else {
        state_put_u64(io->writer, *value);
    }
}

static void io_u32(struct state_io *io, uint32_t *value)
{
    if (io->reader != NULL) {
        *value = state_get_u32(io->reader);
    } else {
        state_put_u32(io->writer, *value);
    }
}

static void io_u16(struct state_io *io, uint16_t *value)
{
    if (io->reader != NULL) {
        *value = state_get_u16(io->reader);
    } else {
        state_put_u16(io->writer, *value);
    }
}

static void io_u8(struct state_io *io, uint8_t *value)
{
    if (io->reader != NULL) {
        *value = state_get_u8(io->reader);
    } else {
        state_put_u8(io->writer, *value);
    }
}

static void io_bool(struct state_io *io, bool *value)
{
    uint8_t byte = *value;
    io_u8(io, &byte);
    *value = byte == 1;
    if (byte > 1) {
        io->reader->failed = true;
    }
}

static void io_duration(struct state_io *io, sim_time *value)
{
    uint64_t bits = (uint64_t)*value;
    io_u64(io, &bits);
    *value = (sim_time)bits;
}

/* An instant of the machine's clock; SIM_NEVER stays what it is. */
static void io_instant(struct state_io *io, sim_time *value)
{
    sim_time relative = *value == SIM_NEVER ? SIM_NEVER : *value - io->now;
    io_duration(io, &relative);
    if (io->reader != NULL) {
        bool never = relative == SIM_NEVER;
        if (!never && (relative > INT64_C(1) << 62 || relative < -(INT64_C(1) << 62))) {
            io->reader->failed = true;
            relative = 0;
        }
        *value = never ? SIM_NEVER : io->now + relative;
    }
}

static void io_rope(struct state_io *io, struct rope *rope)
{
    if (io->reader != NULL) {
        state_get_rope(io->reader, rope, io->pages);
    } else {
        state_put_rope(io->writer, rope, io->pages);
    }
}

/* ---- the parts of a connection ----------------------------------------------------------------------------------------- */

static void io_ranges(struct state_io *io, struct tcp_ranges *ranges)
{
    uint32_t count = ranges->count;
    uint64_t stamp = ranges->stamp;
    io_u32(io, &count);
    io_u64(io, &stamp);
    for (uint32_t i = 0; i < count; i++) {
        struct tcp_range range = {0};
        if (io->reader == NULL) {
            range = ranges->items[i];
        }
        io_u64(io, &range.left);
        io_u64(io, &range.right);
        io_u64(io, &range.stamp);
        if (io->reader == NULL) {
            continue;
        }
        bool apart =
            range.left < range.right && (i == 0 || ranges->items[i - 1].right < range.left);
        if (io->reader->failed || !apart || !tcp_ranges_add(ranges, range.left, range.right)) {
            io->reader->failed = true;
            return;
        }
        ranges->items[i].stamp = range.stamp;
    }
    ranges->stamp = stamp;
}

static void io_witness(struct state_io *io, struct stream_witness_end *end)
{
    uint64_t key = end->key;
    io_u64(io, &key);
    io_u64(io, &end->offset);
    io_u64(io, &end->sum);
    io_u64(io, &end->verified);
    io_bool(io, &end->wrong);
    if (io->reader != NULL && key != 0) {
        stream_witness_join(io->net->streams, end, key);
    }
}

static void io_cubic(struct state_io *io, struct tcp_cubic *q)
{
    io_instant(io, &q->epoch);
    io_instant(io, &q->recompute);
    io_u64(io, &q->k_ms);
    io_u32(io, &q->origin);
    io_u32(io, &q->w_max);
    io_u32(io, &q->prior);
    io_u32(io, &q->estimate);
    io_u64(io, &q->estimate_acked);
    io_u32(io, &q->every);
    io_bool(io, &q->conservative);
}

static void io_hystart(struct state_io *io, struct tcp_hystart *h)
{
    io_u64(io, &h->round_end);
    io_duration(io, &h->rtt_last);
    io_duration(io, &h->rtt_now);
    io_duration(io, &h->rtt_baseline);
    io_u32(io, &h->samples);
    io_u32(io, &h->css_rounds);
}

static void io_sender(struct state_io *io, struct tcp_connection *c)
{
    io_u64(io, &c->snd_start);
    io_u64(io, &c->snd_una);
    io_u64(io, &c->snd_nxt);
    io_u64(io, &c->snd_max);
    io_u64(io, &c->snd_end);
    io_u64(io, &c->snd_wl1);
    io_u64(io, &c->snd_small);
    io_u32(io, &c->snd_wnd);
    io_u32(io, &c->snd_wnd_max);
    io_u32(io, &c->cwnd);
    io_u32(io, &c->ssthresh);
    io_u32(io, &c->cwnd_acked);
    io_bool(io, &c->cwnd_limited);
    io_bool(io, &c->starved);
    io_bool(io, &c->fin_queued);
    io_bool(io, &c->fin_sent);
    io_bool(io, &c->corked);
    io_bool(io, &c->syn_retransmitted);
    io_u8(io, &c->recovery);
    io_u8(io, &c->backoff);
    io_u32(io, &c->retries);
    io_u64(io, &c->recover);
    io_u64(io, &c->high_rxt);
    io_u64(io, &c->rescue_rxt);
    io_u64(io, &c->hole_rxt);
    io_u32(io, &c->resent);
    io_u64(io, &c->prr_flight);
    io_u64(io, &c->prr_delivered);
    io_u64(io, &c->prr_out);
    io_u32(io, &c->duplicate_acks);
    io_duration(io, &c->srtt);
    io_duration(io, &c->rttvar);
    io_duration(io, &c->rto);
    io_instant(io, &c->last_sent);
    io_u64(io, &c->mark_next);
    io_u8(io, &c->mark_count);
    if (c->mark_count > TCP_MARKS) {
        io->reader->failed = true;
        return;
    }
    for (uint32_t i = 0; i < c->mark_count; i++) {
        /* They are loaded to the front of the ring. */
        struct tcp_mark *mark = &c->marks[(c->mark_first + i) % TCP_MARKS];
        io_u64(io, &mark->sequence);
        io_instant(io, &mark->sent);
    }
    io_cubic(io, &c->cubic);
    io_hystart(io, &c->hystart);
    io_ranges(io, &c->sacked);
    io_rope(io, &c->send);
}

static void io_receiver(struct state_io *io, struct tcp_connection *c)
{
    io_u64(io, &c->rcv_start);
    io_u64(io, &c->rcv_nxt);
    io_u64(io, &c->rcv_adv);
    io_u64(io, &c->rcv_acked);
    io_u32(io, &c->ts_recent);
    io_u32(io, &c->ack_after);
    io_u16(io, &c->rcv_mss);
    io_u8(io, &c->quick_acks);
    io_bool(io, &c->ack_now);
    io_bool(io, &c->fin_received);
    io_bool(io, &c->received_total);
    io_instant(io, &c->last_received);
    io_u8(io, &c->keep_alive_probes);
    io_u8(io, &c->challenges);
    io_instant(io, &c->challenge_second);
    io_ranges(io, &c->islands);
    io_rope(io, &c->receive);
}

static void io_life(struct state_io *io, struct tcp_connection *c)
{
    io_u8(io, &c->state);
    io_u8(io, &c->slow);
    io_u8(io, &c->news);
    io_u8(io, &c->end);
    io_bool(io, &c->sack);
    io_bool(io, &c->timestamps);
    io_u8(io, &c->snd_scale);
    io_u8(io, &c->rcv_scale);
    io_u8(io, &c->rcv_scale_offered);
    io_u16(io, &c->mss);
    io_u16(io, &c->peer_mss);
    io_u16(io, &c->local_mss);
    io_bool(io, &c->released);
    io_bool(io, &c->passive);
    io_bool(io, &c->pending);
    io_bool(io, &c->opened);
    io_bool(io, &c->closed_recorded);
    io_bool(io, &c->told_ended);
    io_u64(io, &c->segments_sent);
    io_u64(io, &c->segments_received);
    io_u64(io, &c->retransmitted);
    io_u64(io, &c->timeouts);
    io_u64(io, &c->recoveries);
    io_u64(io, &c->probes);
    for (uint32_t i = 0; i < TCP_DEADLINES; i++) {
        io_instant(io, &c->deadlines[i]);
    }
}

/* ---- segments that wait for their turn --------------------------------------------------------------------------------- */

static void save_held(struct state_io *io, const struct tcp_connection *c)
{
    state_put_u32(io->writer, c->held_count);
    for (const struct frame *frame = c->held_first; frame != NULL; frame = frame->next) {
        state_put_u32(io->writer, frame->tcp.sequence);
        state_put_u8(io->writer, frame->tcp.flags);
        state_put_u8(io->writer, frame->slice_count);
        /* As a rope that borrows the frame's slices: they are not merged again. */
        struct slice slices[8];
        memcpy(slices, frame->slices, frame->slice_count * sizeof slices[0]);
        struct rope rope = {.slices = slices,
                            .capacity = 8,
                            .count = frame->slice_count,
                            .bytes = frame->payload_bytes};
        state_put_rope(io->writer, &rope, io->pages);
    }
}
_Static_assert(FRAME_SLICES_MAX <= 8, "a frame's slices fit a small ring");

static void load_held_one(struct state_io *io, struct tcp_connection *c)
{
    uint32_t sequence = state_get_u32(io->reader);
    uint8_t flags = state_get_u8(io->reader);
    uint8_t count = state_get_u8(io->reader);
    struct rope rope;
    rope_init(&rope);
    state_get_rope(io->reader, &rope, io->pages);
    if (io->reader->failed || rope.count > FRAME_SLICES_MAX || count != rope.count ||
        rope.bytes > FRAME_MTU_MAX || (rope.bytes == 0 && (flags & TCP_FIN) == 0)) {
        io->reader->failed = true;
        rope_close(&rope, io->pages);
        return;
    }
    struct frame *frame = frame_new(io->net->frames);
    frame->tcp = (struct tcp_header){.sequence = sequence, .flags = flags};
    frame->next = NULL;
    while (rope.count > 0) {
        frame_push(io->net->frames, frame, rope_take(&rope, io->pages, UINT32_MAX));
    }
    rope_close(&rope, io->pages);
    if (c->held_last == NULL) {
        c->held_first = frame;
    } else {
        c->held_last->next = frame;
    }
    c->held_last = frame;
    c->held_count++;
    c->held_bytes += frame->payload_bytes;
}

static void io_held(struct state_io *io, struct tcp_connection *c)
{
    if (io->reader == NULL) {
        save_held(io, c);
        return;
    }
    uint32_t count = state_get_u32(io->reader);
    for (uint32_t i = 0; i < count && !io->reader->failed; i++) {
        load_held_one(io, c);
    }
}

static void io_connection(struct state_io *io, struct tcp_connection *c)
{
    io_life(io, c);
    io_sender(io, c);
    io_receiver(io, c);
    io_held(io, c);
    io_witness(io, &c->sent_witness);
    io_witness(io, &c->received_witness);
    if (io->reader != NULL && c->fin_queued && c->sent_witness.key != 0) {
        stream_witness_sent_all(io->net->streams, &c->sent_witness);
    }
}

/* ---- saving ------------------------------------------------------------------------------------------------------------ */

static void save_connection(struct state_io *io, const struct tcp_layer *layer,
                            const struct tcp_connection *saved)
{
    struct tcp_connection copy = *saved;
    const char *profile = copy.profile->name;
    state_put_u64(io->writer, copy.addresses);
    state_put_u32(io->writer, copy.ports);
    state_put_bytes(io->writer, profile, (uint32_t)strlen(profile));
    state_put_u8(io->writer, copy.no_delay);
    state_put_u64(io->writer, (uint64_t)copy.keep_alive);
    state_put_u32(io->writer, copy.send_buffer);
    state_put_u32(io->writer, copy.receive_buffer);
    state_put_u8(io->writer, copy.congestion);
    state_put_u32(io->writer, (uint32_t)((uint64_t)io->now / (uint64_t)SIM_MS) + copy.ts_offset);
    io_connection(io, &copy);
    /* Small writes that were gathered and not sent. */
    state_put_bytes(io->writer, copy.staging, copy.staged);
    (void)layer;
}

void tcp_layer_save(const struct tcp_layer *layer, struct state_writer *writer)
{
    SIM_ASSERT(layer->busy == 0);
    struct state_io io = {
        .writer = writer,
        .pages = layer->net->pages,
        .net = layer->net,
        .now = machine_now(layer->machine),
    };
    size_t place = state_begin_section(writer, TCP_STATE_TAG, TCP_STATE_VERSION);
    state_put_u64(writer, layer->opened);
    state_put_u16(writer, layer->port_next);
    state_put_u32(writer, layer->live);
    for (struct tcp_connection *c = tcp_layer_next(layer, NULL); c != NULL;
         c = tcp_layer_next(layer, c)) {
        save_connection(&io, layer, c);
    }
    state_end_section(writer, place);
}

/* ---- loading ----------------------------------------------------------------------------------------------------------- */

/* What tcp_check asserts, asked of bytes that may be anything. */
static bool plausible(const struct tcp_connection *c)
{
    uint64_t front = c->snd_una > c->snd_start ? c->snd_una : c->snd_start;
    uint64_t queued = c->snd_end > front ? c->snd_end - front : 0;
    bool sender = c->snd_una <= c->snd_nxt && c->snd_nxt <= c->snd_max &&
                  c->snd_max <= c->snd_end + 1 && c->snd_start <= c->snd_end &&
                  c->snd_una + 1 >= c->snd_start && c->send.bytes <= queued &&
                  queued <= (uint64_t)c->send_buffer + PAGE_BYTES && c->mss >= TCP_MSS_MIN - 12 &&
                  c->mss <= FRAME_MTU_MAX && c->cwnd >= c->mss && (c->fin_queued || !c->fin_sent);
    bool recovery =
        c->recovery <= TCP_RECOVERY_LOSS && c->backoff <= TCP_BACKOFF_MAX &&
        c->high_rxt <= c->snd_max &&
        (c->sacked.count == 0 || (c->sacked.items[0].left > c->snd_una &&
                                  c->sacked.items[c->sacked.count - 1].right <= c->snd_max &&
                                  (c->slow & TCP_SLOW_RECOVERY) != 0)) &&
        (c->recovery == TCP_RECOVERY_NONE || (c->slow & TCP_SLOW_RECOVERY) != 0);
    bool receiver =
        c->rcv_acked <= c->rcv_nxt && c->rcv_nxt <= c->rcv_adv + 1 &&
        c->receive.bytes <= c->receive_buffer && c->snd_scale <= 14 && c->rcv_scale <= 14 &&
        (c->rcv_scale_offered <= 14 || c->rcv_scale_offered == 0xff) &&
        c->held_count <= TCP_HELD_MAX && (c->islands.count == 0) == (c->held_count == 0) &&
        (c->held_count == 0 ||
         ((c->slow & TCP_SLOW_REASSEMBLY) != 0 && c->islands.items[0].left > c->rcv_nxt));
    bool life = c->state <= TCP_TIME_WAIT && c->end <= TCP_END_NO_ROUTE &&
                (c->state != TCP_CLOSED || c->fin_received) &&
                (c->state == TCP_ESTABLISHED || (c->slow & TCP_SLOW_STATE) != 0) && c->srtt >= 0 &&
                c->rttvar >= 0 && c->rto > 0;
    bool watched = c->state < TCP_ESTABLISHED || c->snd_una == c->snd_max ||
                   c->deadlines[TCP_DEADLINE_RETRANSMIT] != SIM_NEVER;
    bool pending = c->pending == (c->passive && c->state == TCP_SYN_RECEIVED);
    return sender && recovery && receiver && life && watched && pending;
}

/* Held frames are in order, and islands are what they make. */
static bool held_plausible(const struct tcp_connection *c)
{
    struct tcp_ranges made = {0};
    uint64_t before = c->rcv_nxt;
    bool right = true;
    for (const struct frame *frame = c->held_first; frame != NULL && right; frame = frame->next) {
        uint64_t sequence = tcp_unwrap(c->rcv_nxt, frame->tcp.sequence);
        uint64_t end = sequence + frame->payload_bytes + ((frame->tcp.flags & TCP_FIN) != 0);
        right = sequence >= before && tcp_ranges_add(&made, sequence, end);
        before = sequence;
    }
    right = right && made.count == c->islands.count;
    for (uint32_t i = 0; i < made.count && right; i++) {
        right = made.items[i].left == c->islands.items[i].left &&
                made.items[i].right == c->islands.items[i].right;
    }
    tcp_ranges_close(&made);
    return right;
}

/* What follows from the rest. */
static void derive(struct tcp_connection *c)
{
    c->mark_sequence = c->mark_count > 0 ? c->marks[0].sequence : UINT64_MAX;
    sim_time next = SIM_NEVER;
    if (c->news != 0) {
        c->deadlines[TCP_DEADLINE_NEWS] = c->layer->now;
    }
    for (uint32_t i = 0; i < TCP_DEADLINES; i++) {
        next = c->deadlines[i] < next ? c->deadlines[i] : next;
    }
    if (next != SIM_NEVER) {
        machine_timer_arm(&c->timer, next);
    }
    if (c->state == TCP_CLOSED) {
        tcp_table_remove(c);
    }
}

static bool load_staging(struct state_io *io, struct tcp_connection *c)
{
    uint32_t length = 0;
    const uint8_t *bytes = state_get_bytes(io->reader, &length);
    uint64_t front = c->snd_una > c->snd_start ? c->snd_una : c->snd_start;
    uint64_t queued = c->snd_end > front ? c->snd_end - front : 0;
    if (io->reader->failed || length > TCP_STAGING || c->send.bytes + length != queued) {
        return false;
    }
    if (length > 0) {
        rope_push_bytes(&c->send, io->pages, bytes, length);
    }
    return true;
}

static struct tcp_connection *load_place(struct state_io *io, struct tcp_layer *layer)
{
    uint64_t addresses = state_get_u64(io->reader);
    uint32_t ports = state_get_u32(io->reader);
    uint32_t length = 0;
    const uint8_t *bytes = state_get_bytes(io->reader, &length);
    char name[NAME_BYTES_MAX] = {0};
    if (length < sizeof name && bytes != NULL) {
        memcpy(name, bytes, length);
    }
    struct tcp_options options = {
        .profile = tcp_profile_find(name),
        .no_delay = state_get_u8(io->reader) != 0,
        .keep_alive_ns = (sim_time)state_get_u64(io->reader),
        .send_buffer_bytes = state_get_u32(io->reader),
        .receive_buffer_bytes = state_get_u32(io->reader),
        .congestion = state_get_u8(io->reader),
    };
    uint32_t ts_value = state_get_u32(io->reader);
    bool right = !io->reader->failed && options.keep_alive_ns >= 0 &&
                 options.congestion <= TCP_CUBIC && options.send_buffer_bytes > 0 &&
                 options.send_buffer_bytes <= TCP_WINDOW_MAX && options.receive_buffer_bytes > 0 &&
                 options.receive_buffer_bytes <= TCP_WINDOW_MAX &&
                 tcp_find(layer, addresses, ports) == NULL;
    struct tcp_connection *c =
        right ? tcp_connection_place(layer, addresses, ports, &options) : NULL;
    if (c != NULL) {
        c->ts_offset = ts_value - layer->now_ms;
    }
    return c;
}

static bool load_connection(struct state_io *io, struct tcp_layer *layer)
{
    struct tcp_connection *c = load_place(io, layer);
    if (c == NULL) {
        return false;
    }
    io_connection(io, c);
    bool pending = c->pending;
    c->pending = false; /* not counted yet */
    bool right = load_staging(io, c);
    c->pending = pending;
    right = right && plausible(c) && held_plausible(c);
    c->pending = false;
    if (!right) {
        return false;
    }
    derive(c);
    if (pending) {
        struct tcp_listener *listener = tcp_listener_find(layer, (uint16_t)c->ports);
        if (listener == NULL) {
            tcp_connection_free(c); /* nobody listens here: as if its SYN had come too early */
            return true;
        }
        listener->pending++;
        c->pending = true;
    }
    return true;
}

bool tcp_layer_load(struct tcp_layer *layer, struct state_reader *reader)
{
    SIM_ASSERT(layer->live == 0);
    struct state_reader section = state_get_section(reader, TCP_STATE_TAG, TCP_STATE_VERSION);
    layer->clock_global = -1;
    tcp_clock(layer);
    struct state_io io = {
        .reader = &section,
        .pages = layer->net->pages,
        .net = layer->net,
        .now = layer->now,
    };
    uint64_t opened = state_get_u64(&section);
    uint16_t port_next = state_get_u16(&section);
    uint32_t count = state_get_u32(&section);
    bool right = !section.failed && port_next >= TCP_PORT_FIRST;
    for (uint32_t i = 0; i < count && right; i++) {
        right = load_connection(&io, layer);
    }
    if (!right || !state_reader_done(&section)) {
        for (struct tcp_connection *c = tcp_layer_next(layer, NULL); c != NULL;
             c = tcp_layer_next(layer, NULL)) {
            tcp_connection_free(c);
        }
        return false;
    }
    layer->opened = opened;
    layer->port_next = port_next;
    tcp_layer_check(layer);
    return true;
}
