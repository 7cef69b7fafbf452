/* Bulk transfer (vm/traffic.h): a sender that keeps its send buffer full, a receiver that compares what lands (X3).
 *
 *     sender ── page k of the stream: a pattern, zero, or literal k of a ring ──► TCP ──► receiver
 *                                                                                  whole pages by handle, else byte by byte
 *
 * The receiver takes what completes a page of the stream, so that neighbouring slices have merged; at most a page less one byte waits in
 * the connection's buffer. */
#include "sim/assert.h"
#include "vm/traffic_place.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_BYTES (UINT64_C(64) << 20)
#define RING_PAGES                                                                                 \
    256u /* of literals: 1 MiB, which stays in a processor's cache while it is copied and compared */
#define NUMBER_BIT   (UINT64_C(1) << 46) /* apart from what guests store and answer */
#define NUMBER_SHIFT 48u

struct bulk {
    struct bulk_options options;
    struct page_pool *pages;
    uint64_t number_base;
    struct page *ring; /* literals */
    uint8_t *landing;  /* what the receiver reads them into */
    uint32_t begin_event;
    sim_time started;
    struct traffic_place from, to;
    bool begun, listening, landed, over;
    bool
        released; /* the sender has closed its connection, which goes on to its end by itself, wherever its VM moves */
    struct tcp_connection *out, *in;
    uint64_t flow_out, flow_in; /* 0: there was none yet */
    uint64_t sent, received, progress;
    uint64_t damaged;      /* pages of the stream that landed otherwise than they were sent */
    uint64_t damaged_last; /* the last of them, plus 1 */
};

/* ---- content ----------------------------------------------------------------------------------- */

static struct page page_of_stream(const struct bulk *bulk, uint64_t index)
{
    switch (bulk->options.content) {
    case BULK_PATTERN:
        return page_pattern(PAGE_RANDOM, bulk->number_base | (index & (NUMBER_BIT - 1)));
    case BULK_LITERAL:
        return bulk->ring[index % RING_PAGES];
    case BULK_ZERO:
        break;
    }
    return page_zero();
}

static void make_ring(struct bulk *bulk)
{
    struct net *net = bulk->options.common.net;
    uint32_t origin = bulk->options.common.origin;
    struct chance chance =
        chance_key(sim_seed(net->sim), "bulk.literal", sim_origin_path(net->sim, origin));
    bulk->ring = malloc(RING_PAGES * sizeof *bulk->ring);
    bulk->landing = malloc((size_t)RING_PAGES * PAGE_BYTES);
    SIM_ASSERT(bulk->ring != NULL && bulk->landing != NULL);
    for (uint32_t i = 0; i < RING_PAGES; i++) {
        uint64_t words[PAGE_BYTES / 8];
        for (uint32_t w = 0; w < PAGE_BYTES / 8; w++) {
            words[w] = chance_at(chance, (uint64_t)i * (PAGE_BYTES / 8) + w);
        }
        bulk->ring[i] = page_literal(bulk->pages, words, PAGE_BYTES);
    }
}

static void free_ring(struct bulk *bulk)
{
    for (uint32_t i = 0; bulk->ring != NULL && i < RING_PAGES; i++) {
        page_unref(bulk->pages, bulk->ring[i]);
    }
    free(bulk->ring);
    free(bulk->landing);
    bulk->ring = NULL;
    bulk->landing = NULL;
}

/* ---- the end ------------------------------------------------------------------------------------ */

static void unlisten(struct bulk *bulk)
{
    if (bulk->listening) {
        bulk->listening = false;
        tcp_unlisten(ip_stack_tcp(bulk->to.stack), bulk->options.port);
    }
}

/* Nothing of it goes on: connections are left to the caller. */
static void end(struct bulk *bulk, const char *why)
{
    const struct traffic_common *common = &bulk->options.common;
    SIM_ASSERT(!bulk->over);
    bulk->over = true;
    unlisten(bulk);
    (void)traffic_say(common, TRAFFIC_ENDED, 0, NULL, why);
}

static void abort_both(struct bulk *bulk)
{
    traffic_place_abort(&bulk->from, &bulk->out);
    traffic_place_abort(&bulk->to, &bulk->in);
}

static void fail(struct bulk *bulk, const char *why)
{
    const struct traffic_common *common = &bulk->options.common;
    if (bulk->over) {
        return;
    }
    end(bulk, why);
    abort_both(bulk);
    if (common->ended != NULL) {
        common->ended(common->context);
    }
}

/* All bytes have landed: the transfer is over, though their acknowledgment may still be on its way. */
static void succeed(struct bulk *bulk)
{
    const struct traffic_common *common = &bulk->options.common;
    SIM_ASSERT(bulk->landed);
    end(bulk, "done");
    if (common->ended != NULL) {
        common->ended(common->context);
    }
}

/* ---- sending --------------------------------------------------------------------------------------- */

static void fill(struct bulk *bulk)
{
    struct tcp_connection *out = bulk->out;
    uint64_t space = tcp_send_space(out);
    uint64_t left = bulk->options.bytes - bulk->sent;
    uint64_t length = space < left ? space : left;
    for (uint64_t end_at = bulk->sent + length; bulk->sent < end_at;) {
        uint32_t offset = (uint32_t)(bulk->sent % PAGE_BYTES);
        uint32_t piece = PAGE_BYTES - offset;
        piece = end_at - bulk->sent < piece ? (uint32_t)(end_at - bulk->sent) : piece;
        struct page page = page_ref(bulk->pages, page_of_stream(bulk, bulk->sent / PAGE_BYTES));
        bulk->sent += piece;
        tcp_send(out, (struct slice){page, offset, piece});
    }
    if (bulk->sent == bulk->options.bytes) {
        tcp_uncork(out); /* the last segment may be short */
    }
}

static void on_sender_ready(void *context, struct tcp_connection *connection)
{
    struct bulk *bulk = context;
    SIM_ASSERT(bulk->out == connection);
    fill(bulk);
}

static void on_sender_drained(void *context, struct tcp_connection *connection)
{
    struct bulk *bulk = context;
    SIM_ASSERT(bulk->out == connection);
    if (bulk->sent < bulk->options.bytes) {
        fill(bulk);
    } else if (bulk->options.close) {
        bulk->released = traffic_place_runs(&bulk->from);
        traffic_place_release(&bulk->from, &bulk->out);
    }
}

static void on_sender_ended(void *context, struct tcp_connection *connection, enum tcp_end why)
{
    struct bulk *bulk = context;
    SIM_ASSERT(bulk->out == connection);
    bulk->out = NULL;
    fail(bulk, tcp_end_text(why));
}

static const struct tcp_user sender_user = {
    .connected = on_sender_ready,
    .writable = on_sender_ready,
    .drained = on_sender_drained,
    .ended = on_sender_ended,
};

/* ---- receiving --------------------------------------------------------------------------------------- */

/* Literal bytes are read into the receiver's buffer, as a program's read does, and compared there. */
static bool literal_is_right(const struct bulk *bulk, struct slice slice, uint64_t index)
{
    uint8_t *place = bulk->landing + (size_t)(index % RING_PAGES) * PAGE_BYTES + slice.offset;
    const uint8_t *bytes = page_literal_bytes(bulk->pages, slice.page);
    const uint8_t *sent = page_literal_bytes(bulk->pages, bulk->ring[index % RING_PAGES]);
    if (bytes != NULL) {
        memcpy(place, bytes + slice.offset, slice.length);
    } else {
        page_copy_out(bulk->pages, slice.page, slice.offset, slice.length, place);
    }
    return memcmp(place, sent + slice.offset, slice.length) == 0;
}

/* Byte by byte, whatever the representation: for what does not have the handle or the place that it was sent with. */
static bool bytes_are_right(const struct bulk *bulk, struct slice slice, struct page expected,
                            uint32_t offset)
{
    uint8_t landed[PAGE_BYTES], sent[PAGE_BYTES];
    page_copy_out(bulk->pages, slice.page, slice.offset, slice.length, landed);
    page_copy_out(bulk->pages, expected, offset, slice.length, sent);
    return memcmp(landed, sent, slice.length) == 0;
}

static bool slice_is_right(const struct bulk *bulk, struct slice slice)
{
    uint64_t index = bulk->received / PAGE_BYTES;
    uint32_t offset = (uint32_t)(bulk->received % PAGE_BYTES);
    struct page expected = page_of_stream(bulk, index);
    bool in_place = slice.offset == offset;
    if (bulk->options.content == BULK_LITERAL && in_place) {
        return literal_is_right(bulk, slice, index);
    }
    if (SIM_LIKELY(page_same_handle(slice.page, expected) && in_place)) {
        return true;
    }
    return bytes_are_right(bulk, slice, expected, offset);
}

/* Takes and compares `length` bytes that lie in one page of the stream. */
static void land(struct bulk *bulk, uint64_t length)
{
    uint64_t page = bulk->received / PAGE_BYTES + 1;
    for (uint64_t end_at = bulk->received + length; bulk->received < end_at;) {
        struct slice slice = tcp_take(bulk->in, end_at - bulk->received);
        if (SIM_UNLIKELY(!slice_is_right(bulk, slice)) && bulk->damaged_last != page) {
            bulk->damaged_last = page;
            bulk->damaged++;
        }
        page_unref(bulk->pages, slice.page);
        bulk->received += slice.length;
    }
}

static void say_progress(struct bulk *bulk)
{
    const struct traffic_common *common = &bulk->options.common;
    sim_time took = sim_now(common->net->sim) - bulk->started;
    const int64_t values[] = {(int64_t)bulk->received, took};
    bulk->progress = bulk->received;
    (void)traffic_say(common, TRAFFIC_BULK_PROGRESS, 0, values, "");
}

static void say_landed(struct bulk *bulk)
{
    const struct traffic_common *common = &bulk->options.common;
    sim_time took = sim_now(common->net->sim) - bulk->started;
    const int64_t values[] = {(int64_t)bulk->received, took, (int64_t)bulk->damaged};
    if (bulk->progress < bulk->received) {
        say_progress(bulk);
    }
    bulk->landed = true;
    (void)traffic_say(common, TRAFFIC_BULK_DONE, 0, values, "");
    succeed(bulk);
}

/* Takes every page of the stream that is there to its end. */
static void receive(struct bulk *bulk)
{
    struct tcp_connection *in = bulk->in;
    uint64_t readable = tcp_readable(in);
    while (readable > 0 && bulk->received < bulk->options.bytes) {
        uint64_t left = bulk->options.bytes - bulk->received;
        uint64_t length = PAGE_BYTES - bulk->received % PAGE_BYTES;
        length = length < left ? length : left;
        if (length > readable) {
            break;
        }
        land(bulk, length);
        readable -= length;
        if (SIM_UNLIKELY(bulk->received - bulk->progress >= PROGRESS_BYTES)) {
            say_progress(bulk);
        }
    }
    if (!bulk->landed && bulk->received == bulk->options.bytes) {
        say_landed(bulk);
    }
}

static void on_receiver_readable(void *context, struct tcp_connection *connection)
{
    struct bulk *bulk = context;
    SIM_ASSERT(bulk->in == connection);
    receive(bulk);
    if (SIM_LIKELY(!bulk->landed) && !tcp_peer_finished(connection)) {
        return;
    }
    if (bulk->landed && (tcp_readable(connection) > 0 || tcp_peer_finished(connection))) {
        traffic_place_release(&bulk->to, &bulk->in); /* more than was sent: a reset says so */
    } else if (!bulk->landed) {
        fail(bulk, "the sender finished early");
    }
}

static void on_receiver_ended(void *context, struct tcp_connection *connection, enum tcp_end why)
{
    struct bulk *bulk = context;
    SIM_ASSERT(bulk->in == connection);
    bulk->in = NULL;
    if (!bulk->landed) {
        fail(bulk, tcp_end_text(why));
    }
}

static const struct tcp_user receiver_user = {
    .readable = on_receiver_readable,
    .ended = on_receiver_ended,
};

/* One connection is expected, and no second. */
static struct tcp_accept_result on_accept(void *context, struct tcp_connection *connection)
{
    struct bulk *bulk = context;
    if (bulk->flow_in != 0 || tcp_flow(connection) != bulk->flow_out) {
        return (struct tcp_accept_result){NULL, NULL};
    }
    bulk->in = connection;
    bulk->flow_in = tcp_flow(connection);
    return (struct tcp_accept_result){&receiver_user, bulk};
}

/* ---- where the ends are ---------------------------------------------------------------------------------- */

static void on_from_attached(void *context, bool goes_on)
{
    struct bulk *bulk = context;
    if (!bulk->begun || bulk->released || (bulk->over && !bulk->landed)) {
        return;
    }
    bulk->out = goes_on ? traffic_place_connection(&bulk->from, bulk->flow_out) : NULL;
    if (bulk->out == NULL) {
        fail(bulk, "the sender lost its connection");
        return;
    }
    tcp_set_user(bulk->out, &sender_user, bulk);
    struct tcp_statistics statistics;
    tcp_statistics(bulk->out, &statistics);
    fill(bulk);
    if (statistics.acknowledged_bytes == bulk->options.bytes) {
        on_sender_drained(bulk, bulk->out);
    }
}

static void on_to_attached(void *context, bool goes_on)
{
    struct bulk *bulk = context;
    if (!bulk->begun || bulk->landed || bulk->over) {
        return;
    }
    bulk->in =
        goes_on && bulk->flow_in != 0 ? traffic_place_connection(&bulk->to, bulk->flow_in) : NULL;
    if (bulk->in == NULL) {
        fail(bulk, "the receiver lost its connection");
        return;
    }
    tcp_set_user(bulk->in, &receiver_user, bulk);
    on_receiver_readable(bulk, bulk->in);
}

static void on_from_detached(void *context)
{
    struct bulk *bulk = context;
    traffic_place_forget(&bulk->out);
}

static void on_to_detached(void *context)
{
    struct bulk *bulk = context;
    traffic_place_forget(&bulk->in);
    if (machine_is_on(bulk->to.machine)) {
        unlisten(bulk);
    }
    bulk->listening = false; /* a crash takes the port with it */
}

static void on_gone(void *context)
{
    struct bulk *bulk = context;
    if (bulk->begun && !bulk->over) {
        fail(bulk, bulk->from.machine == NULL ? "the sender's machine is gone"
                                              : "the receiver's machine is gone");
    }
}

/* ---- life --------------------------------------------------------------------------------------------------- */

/* Opens the port and connects; what went wrong, or NULL. */
static const char *begin(struct bulk *bulk)
{
    const struct bulk_options *options = &bulk->options;
    const struct tcp_options tcp = {.congestion = options->congestion};
    if (!traffic_place_runs(&bulk->from)) {
        return "refused: the sender does not run";
    }
    if (!traffic_place_runs(&bulk->to)) {
        return "refused: the receiver does not run";
    }
    enum ip_error error =
        tcp_listen(ip_stack_tcp(bulk->to.stack), options->port, 1, &tcp, on_accept, bulk);
    if (error != IP_OK) {
        return ip_error_text(error);
    }
    bulk->listening = true;
    /* Segments are full until the last one, which waits for nothing. */
    const struct tcp_options sender = {.congestion = options->congestion, .no_delay = true};
    error = tcp_connect(ip_stack_tcp(bulk->from.stack), options->common.to, options->port, &sender,
                        &sender_user, bulk, &bulk->out);
    if (error != IP_OK) {
        return ip_error_text(error);
    }
    tcp_cork(bulk->out);
    bulk->flow_out = tcp_flow(bulk->out);
    return NULL;
}

static void on_begin(void *context)
{
    struct bulk *bulk = context;
    bulk->begin_event = SIM_NONE;
    bulk->begun = true;
    if (bulk->options.content == BULK_LITERAL) {
        make_ring(bulk);
    }
    const char *why = begin(bulk);
    if (why != NULL) {
        fail(bulk, why);
    }
}

struct bulk *bulk_start(const struct bulk_options *options)
{
    const struct traffic_common *common = &options->common;
    SIM_ASSERT(options->bytes > 0);
    struct bulk *bulk = calloc(1, sizeof *bulk);
    SIM_ASSERT(bulk != NULL);
    bulk->options = *options;
    bulk->pages = common->net->pages;
    bulk->started = sim_now(common->net->sim);
    bulk->number_base = (uint64_t)(common->origin & 0x3fff) << NUMBER_SHIFT | NUMBER_BIT;
    bulk->from = (struct traffic_place){
        .net = common->net,
        .end = common->from,
        .attached = on_from_attached,
        .detached = on_from_detached,
        .gone = on_gone,
        .context = bulk,
    };
    bulk->to = bulk->from;
    bulk->to.end = options->receiver;
    bulk->to.attached = on_to_attached;
    bulk->to.detached = on_to_detached;
    traffic_place_open(&bulk->from, common->origin);
    traffic_place_open(&bulk->to, common->origin);
    /* In an event of its own, so that whoever started it knows it before it can end. */
    bulk->begin_event =
        sim_call_at(common->net->sim, common->origin, bulk->started, on_begin, bulk);
    return bulk;
}

void bulk_stop(struct bulk *bulk)
{
    if (bulk->over) {
        return;
    }
    if (bulk->begin_event != SIM_NONE) {
        sim_event_cancel(bulk->options.common.net->sim, bulk->begin_event);
        bulk->begin_event = SIM_NONE;
    }
    end(bulk, "stopped");
    abort_both(bulk);
}

void bulk_free(struct bulk *bulk)
{
    if (bulk->begin_event != SIM_NONE) {
        sim_event_cancel(bulk->options.common.net->sim, bulk->begin_event);
    }
    traffic_place_close(&bulk->from);
    traffic_place_close(&bulk->to);
    free_ring(bulk);
    free(bulk);
}
