#include "nic/rt_streams.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_ALIVE_NS (10 * SIM_S)
#define DATAGRAMS_MAX 64u /* waiting in a socket; later ones are dropped */

/* What the side knows of its streams: outlives incarnations. Streams and sockets hold pages outside of the ledger, so a crash has to find
 * them. */
struct streams {
    struct ip_stack *stack;
    uint32_t open;
    struct rt_stream *all;
    struct rt_socket *sockets;
};

struct rt_stream {
    struct rt_side *side;
    struct tcp_connection *connection; /* NULL before it exists and after it ended */
    struct rope left;                  /* what had arrived when it ended (B3) */
    struct task_queue readers, writers;
    uint64_t wanted;  /* bytes that the reader waits for */
    uint32_t waiters; /* tasks inside a call that blocks on this */
    bool connected, finished, ended, closing;
    enum tcp_end why;
    struct rt_stream *next; /* in the listener's queue */
    struct rt_stream *all_next, **all_link;
};

struct rt_listener {
    struct rt_side *side;
    struct rt_address local;
    struct rt_stream *first, *last; /* connected, not yet accepted */
    struct task_queue waiting;
    uint32_t waiters;
    bool closing;
};

struct datagram {
    struct datagram *next;
    struct rt_address from;
    struct rope payload;
};
struct rt_socket {
    struct rt_side *side;
    uint16_t port;
    struct datagram *first, *last;
    uint32_t count;
    struct task_queue waiting;
    uint32_t waiters;
    bool closing;
    struct rt_socket *all_next, **all_link;
};

static struct streams *streams_of(struct rt_side *side)
{
    SIM_ASSERT(side->streams != NULL);
    return side->streams;
}

static struct page_pool *pages_of(const struct rt_side *side)
{
    return side->pages;
}

/* ---- objects ------------------------------------------------------------------------------------------------------------ */

static struct rt_stream *stream_new(struct rt_side *side)
{
    struct rt_stream *stream = machine_alloc(side->machine, sizeof *stream);
    if (stream != NULL) {
        stream->side = side;
        struct streams *streams = streams_of(side);
        rope_init(&stream->left);
        streams->open++;
        stream->all_next = streams->all;
        stream->all_link = &streams->all;
        if (streams->all != NULL) {
            streams->all->all_link = &stream->all_next;
        }
        streams->all = stream;
    }
    return stream;
}

/* Frees a closed stream that nobody waits on any more. */
static void stream_maybe_free(struct rt_stream *stream)
{
    if (!stream->closing || stream->waiters > 0) {
        return;
    }
    struct rt_side *side = stream->side;
    rope_close(&stream->left, pages_of(side));
    streams_of(side)->open--;
    *stream->all_link = stream->all_next;
    if (stream->all_next != NULL) {
        stream->all_next->all_link = stream->all_link;
    }
    machine_free_memory(side->machine, stream);
}

static enum rt_error error_of_end(enum tcp_end why)
{
    switch (why) {
    case TCP_END_CLOSED:
        return RT_CLOSED;
    case TCP_END_REFUSED:
        return RT_REFUSED;
    case TCP_END_TIMED_OUT:
        return RT_TIMED_OUT;
    case TCP_END_NO_ROUTE:
        return RT_UNREACHABLE;
    case TCP_END_RESET:
    case TCP_END_ABORTED:
        break;
    }
    return RT_RESET;
}

/* The peer's FIN is here, in order: no more will come than what is already readable. (tcp_peer_finished waits until all was taken.) */
static bool has_fin(const struct tcp_connection *connection)
{
    enum tcp_state state = tcp_state(connection);
    return state == TCP_CLOSE_WAIT || state == TCP_CLOSING || state == TCP_LAST_ACK ||
           state == TCP_TIME_WAIT;
}

static uint64_t readable(const struct rt_stream *stream)
{
    return stream->left.bytes + (stream->connection != NULL ? tcp_readable(stream->connection) : 0);
}

/* ---- what TCP tells --------------------------------------------------------------------------------------------------------- */

static void on_connected(void *context, struct tcp_connection *connection)
{
    struct rt_stream *stream = context;
    (void)connection;
    stream->connected = true;
    task_wake_all(&stream->writers);
}

static void on_readable(void *context, struct tcp_connection *connection)
{
    struct rt_stream *stream = context;
    if (has_fin(connection)) {
        stream->finished = true;
    }
    if (readable(stream) >= stream->wanted || tcp_state(connection) != TCP_ESTABLISHED) {
        task_wake_all(&stream->readers);
    }
}

static void on_writable(void *context, struct tcp_connection *connection)
{
    struct rt_stream *stream = context;
    (void)connection;
    task_wake_all(&stream->writers);
}

static void on_ended(void *context, struct tcp_connection *connection, enum tcp_end why)
{
    struct rt_stream *stream = context;
    while (tcp_readable(connection) > 0) {
        rope_push(&stream->left, pages_of(stream->side), tcp_take(connection, UINT32_MAX));
    }
    stream->connection = NULL;
    stream->ended = true;
    stream->why = why;
    task_wake_all(&stream->readers);
    task_wake_all(&stream->writers);
}

static const struct tcp_user stream_user = {
    .connected = on_connected,
    .readable = on_readable,
    .writable = on_writable,
    .ended = on_ended,
};

static const struct tcp_options stream_options = {
    .no_delay = true,
    .keep_alive_ns = KEEP_ALIVE_NS,
    .congestion = -1,
};

/* ---- connecting ---------------------------------------------------------------------------------------------------------------- */

static struct tcp_accept_result on_accept(void *context, struct tcp_connection *connection)
{
    struct rt_listener *listener = context;
    struct rt_stream *stream = listener->closing ? NULL : stream_new(listener->side);
    if (stream == NULL) {
        return (struct tcp_accept_result){NULL, NULL};
    }
    stream->connection = connection;
    stream->connected = true;
    if (listener->last != NULL) {
        listener->last->next = stream;
    } else {
        listener->first = stream;
    }
    listener->last = stream;
    task_wake_one(&listener->waiting);
    return (struct tcp_accept_result){&stream_user, stream};
}

static enum rt_error streams_listen(struct rt *rt, struct rt_address local, uint32_t backlog,
                                    struct rt_listener **out)
{
    struct rt_side *side = rt_side_of(rt);
    rt_side_charge(side->costs->call);
    struct rt_listener *listener = machine_alloc(side->machine, sizeof *listener);
    if (listener == NULL) {
        return RT_NO_MEMORY;
    }
    listener->side = side;
    listener->local = local;
    enum ip_error err = tcp_listen(ip_stack_tcp(streams_of(side)->stack), local.port, backlog,
                                   &stream_options, on_accept, listener);
    if (err != IP_OK) {
        machine_free_memory(side->machine, listener);
        return err == IP_PORT_IN_USE ? RT_IN_USE : RT_NO_MEMORY;
    }
    streams_of(side)->open++;
    *out = listener;
    return RT_OK;
}

static void listener_maybe_free(struct rt_listener *listener)
{
    if (listener->closing && listener->waiters == 0) {
        streams_of(listener->side)->open--;
        machine_free_memory(listener->side->machine, listener);
    }
}

static enum rt_error streams_accept(struct rt *rt, struct rt_listener *listener, rt_time deadline,
                                    struct rt_stream **out, struct rt_address *peer)
{
    struct rt_side *side = rt_side_of(rt);
    enum task_wake wake = TASK_SIGNALLED;
    rt_side_charge(side->costs->call);
    listener->waiters++;
    rt_side_pay(side);
    while (listener->first == NULL && !listener->closing && wake == TASK_SIGNALLED) {
        wake = task_wait(&listener->waiting, deadline);
    }
    listener->waiters--;
    if (listener->closing) {
        listener_maybe_free(listener);
        return RT_CANCELLED;
    }
    if (listener->first == NULL) {
        return rt_side_wake(wake);
    }
    struct rt_stream *stream = listener->first;
    listener->first = stream->next;
    if (listener->first == NULL) {
        listener->last = NULL;
    }
    stream->next = NULL;
    *peer = (struct rt_address){0};
    if (stream->connection != NULL) {
        struct ip4 here, there;
        uint16_t port;
        tcp_addresses(stream->connection, &here, &port, &there, &peer->port);
        peer->ip4 = there.v;
    }
    *out = stream;
    return RT_OK;
}

static void streams_close(struct rt *rt, struct rt_stream *stream)
{
    (void)rt;
    SIM_ASSERT(!stream->closing);
    if (stream->connection != NULL) {
        tcp_release(stream->connection);
        stream->connection = NULL;
    }
    stream->closing = true;
    task_wake_all(&stream->readers);
    task_wake_all(&stream->writers);
    stream_maybe_free(stream);
}

static void streams_close_listener(struct rt *rt, struct rt_listener *listener)
{
    tcp_unlisten(ip_stack_tcp(streams_of(listener->side)->stack), listener->local.port);
    for (struct rt_stream *stream = listener->first; stream != NULL;) {
        struct rt_stream *next = stream->next;
        streams_close(rt, stream);
        stream = next;
    }
    listener->closing = true;
    task_wake_all(&listener->waiting);
    listener_maybe_free(listener);
}

static enum rt_error streams_connect(struct rt *rt, struct rt_address peer, rt_time deadline,
                                     struct rt_stream **out)
{
    struct rt_side *side = rt_side_of(rt);
    rt_side_charge(side->costs->call);
    rt_side_pay(rt_side_of(rt));
    struct rt_stream *stream = stream_new(side);
    if (stream == NULL) {
        return RT_NO_MEMORY;
    }
    enum ip_error err =
        tcp_connect(ip_stack_tcp(streams_of(side)->stack), (struct ip4){peer.ip4}, peer.port,
                    &stream_options, &stream_user, stream, &stream->connection);
    if (err != IP_OK) {
        stream->connection = NULL;
        streams_close(rt, stream);
        return err == IP_NO_MEMORY ? RT_NO_MEMORY : RT_UNREACHABLE;
    }
    enum task_wake wake = TASK_SIGNALLED;
    while (!stream->connected && !stream->ended && wake == TASK_SIGNALLED) {
        wake = task_wait(&stream->writers, deadline);
    }
    if (stream->connected && !stream->ended && wake == TASK_SIGNALLED) {
        *out = stream;
        return RT_OK;
    }
    enum rt_error error = stream->ended ? error_of_end(stream->why) : rt_side_wake(wake);
    if (stream->connection != NULL) {
        tcp_abort(stream->connection);
        stream->connection = NULL;
    }
    streams_close(rt, stream);
    return error;
}

/* ---- reading and writing ----------------------------------------------------------------------------------------------------------- */

/* A task is inside a call on a stream from before it pays for the call until it comes out: the object stays while others close it. */
static void enter(struct rt_stream *stream)
{
    stream->waiters++;
    rt_side_pay(stream->side);
}

static void leave(struct rt_stream *stream)
{
    SIM_ASSERT(stream->waiters > 0);
    stream->waiters--;
    stream_maybe_free(stream);
}

/* Waits until `length` bytes can be read. On failure nothing was consumed. */
static enum rt_error wait_readable(struct rt_stream *stream, uint64_t length, rt_time deadline)
{
    enum task_wake wake = TASK_SIGNALLED;
    while (!stream->closing && readable(stream) < length && !stream->ended && !stream->finished &&
           wake == TASK_SIGNALLED) {
        if (stream->connection != NULL && has_fin(stream->connection)) {
            stream->finished = true;
            break;
        }
        /* The least that any reader waits for; each that wakes says again what it wants. */
        if (stream->wanted == 0 || length < stream->wanted) {
            stream->wanted = length;
        }
        wake = task_wait(&stream->readers, deadline);
        stream->wanted = 0;
    }
    if (stream->closing) {
        return RT_CANCELLED;
    }
    if (readable(stream) >= length) {
        return RT_OK;
    }
    if (wake != TASK_SIGNALLED) {
        return rt_side_wake(wake);
    }
    return stream->ended ? error_of_end(stream->why) : RT_CLOSED;
}

/* Takes the next slice of at most `length` bytes; there is one. */
static struct slice take(struct rt_stream *stream, uint64_t length)
{
    if (stream->left.bytes > 0) {
        return rope_take(&stream->left, pages_of(stream->side), length);
    }
    return tcp_take(stream->connection, length);
}

static enum rt_error append(struct rt_side *side, struct rt_slices *out, struct slice slice)
{
    if (out->count == out->capacity) {
        uint32_t capacity = out->capacity == 0 ? 16 : out->capacity * 2;
        struct rt_slice *items = machine_alloc(side->machine, capacity * sizeof *items);
        if (items == NULL) {
            page_unref(side->pages, slice.page);
            return RT_NO_MEMORY;
        }
        if (out->count > 0) {
            memcpy(items, out->items, out->count * sizeof *items);
            machine_free_memory(side->machine, out->items);
        }
        out->items = items;
        out->capacity = capacity;
    }
    out->items[out->count++] = (struct rt_slice){
        .page = rt_pages_give(side, slice.page),
        .offset = slice.offset,
        .length = slice.length,
    };
    return RT_OK;
}

/* Moves exactly `length` readable bytes to the caller. */
static enum rt_error take_all(struct rt_stream *stream, uint64_t length, struct rt_slices *out)
{
    struct rt_side *side = stream->side;
    enum rt_error err = RT_OK;
    rt_side_charge((sim_time)(length >> 10) * side->costs->stream_per_kib);
    while (length > 0 && err == RT_OK) {
        struct slice slice = take(stream, length);
        length -= slice.length;
        err = append(side, out, slice);
    }
    return err;
}

static uint64_t receive_capacity(const struct rt_stream *stream)
{
    return stream->connection != NULL ? tcp_receive_buffer(stream->connection) : UINT64_MAX;
}

static enum rt_error streams_read_exact(struct rt *rt, struct rt_stream *stream, uint64_t length,
                                        struct rt_slices *out, rt_time deadline)
{
    rt_side_charge(rt_side_of(rt)->costs->call);
    if (length == 0 || length > receive_capacity(stream)) {
        return RT_INVALID;
    }
    enter(stream);
    enum rt_error err = wait_readable(stream, length, deadline);
    if (err == RT_OK) {
        err = take_all(stream, length, out);
    }
    leave(stream);
    return err;
}

static enum rt_error streams_read_some(struct rt *rt, struct rt_stream *stream, uint64_t length_max,
                                       struct rt_slices *out, rt_time deadline)
{
    rt_side_charge(rt_side_of(rt)->costs->call);
    if (length_max == 0) {
        return RT_INVALID;
    }
    enter(stream);
    enum rt_error err = wait_readable(stream, 1, deadline);
    if (err == RT_OK) {
        uint64_t there = readable(stream);
        err = take_all(stream, there < length_max ? there : length_max, out);
    }
    leave(stream);
    return err;
}

static enum rt_error streams_read_bytes(struct rt *rt, struct rt_stream *stream, void *bytes,
                                        size_t length, rt_time deadline)
{
    struct rt_side *side = rt_side_of(rt);
    uint8_t *at = bytes;
    rt_side_charge(side->costs->call);
    if (length == 0) {
        return RT_INVALID;
    }
    enter(stream);
    enum rt_error err = wait_readable(stream, length, deadline);
    if (err != RT_OK) {
        leave(stream);
        return err;
    }
    rt_side_charge((sim_time)(length * (uint64_t)side->costs->stream_per_kib >> 10));
    while (length > 0) {
        struct slice slice = take(stream, length);
        page_copy_out(side->pages, slice.page, slice.offset, slice.length, at);
        page_unref(side->pages, slice.page);
        at += slice.length;
        length -= slice.length;
    }
    leave(stream);
    return RT_OK;
}

/* Waits until something can be sent. */
static enum rt_error wait_writable(struct rt_stream *stream, rt_time deadline)
{
    enum task_wake wake = TASK_SIGNALLED;
    while (!stream->closing && !stream->ended && tcp_send_space(stream->connection) == 0 &&
           wake == TASK_SIGNALLED) {
        wake = task_wait(&stream->writers, deadline);
    }
    if (stream->closing) {
        return RT_CANCELLED;
    }
    if (stream->ended) {
        return stream->why == TCP_END_TIMED_OUT ? RT_TIMED_OUT : RT_RESET;
    }
    return rt_side_wake(wake);
}

/* Hands one piece, at most `space` bytes, to TCP; returns its length. */
static uint32_t send_piece(struct rt_stream *stream, const struct rt_slice *slice, uint32_t done,
                           uint64_t space)
{
    struct page_pool *pool = pages_of(stream->side);
    uint32_t length = slice->length - done;
    if (length > space) {
        length = (uint32_t)space;
    }
    if (slice->bytes != NULL) {
        length = length < PAGE_BYTES ? length : PAGE_BYTES;
        const uint8_t *bytes = (const uint8_t *)slice->bytes + slice->offset + done;
        tcp_send(stream->connection, (struct slice){page_literal(pool, bytes, length), 0, length});
    } else {
        struct page page = page_ref(pool, rt_pages_of(slice->page));
        tcp_send(stream->connection, (struct slice){page, slice->offset + done, length});
    }
    return length;
}

/* Where a writer is: `done` bytes of slice `at` have been handed over. */
struct written {
    uint32_t at, done;
};

/* Hands over as much as there is space for, as one burst. */
static void send_burst(struct rt_stream *stream, const struct rt_slice *slices, uint32_t count,
                       struct written *written)
{
    tcp_cork(stream->connection);
    while (written->at < count && !stream->ended) {
        const struct rt_slice *slice = &slices[written->at];
        uint64_t space = tcp_send_space(stream->connection);
        if (space == 0) {
            break;
        }
        if (written->done < slice->length) {
            written->done += send_piece(stream, slice, written->done, space);
        }
        if (written->done == slice->length) {
            *written = (struct written){written->at + 1, 0};
        }
    }
    if (!stream->ended) {
        tcp_uncork(stream->connection);
    }
}

static enum rt_error streams_write(struct rt *rt, struct rt_stream *stream,
                                   const struct rt_slice *slices, uint32_t count, rt_time deadline)
{
    struct rt_side *side = rt_side_of(rt);
    struct written written = {0, 0};
    enum rt_error err = RT_OK;
    rt_side_charge(side->costs->call);
    for (uint32_t i = 0; i < count; i++) {
        rt_side_charge((sim_time)(slices[i].length * (uint64_t)side->costs->stream_per_kib >> 10));
    }
    enter(stream);
    while (written.at < count && err == RT_OK) {
        err = wait_writable(stream, deadline);
        if (err == RT_OK) {
            send_burst(stream, slices, count, &written);
        }
    }
    leave(stream);
    return err;
}

static enum rt_error streams_finish(struct rt *rt, struct rt_stream *stream)
{
    (void)rt;
    if (stream->connection == NULL) {
        return RT_RESET;
    }
    tcp_shutdown(stream->connection);
    return RT_OK;
}

/* ---- datagrams ------------------------------------------------------------------------------------------------------------------------ */

static void on_datagram(void *context, const struct udp_datagram *udp)
{
    struct rt_socket *socket = context;
    struct page_pool *pool = pages_of(socket->side);
    if (socket->count == DATAGRAMS_MAX) {
        return;
    }
    struct datagram *datagram = machine_alloc(socket->side->machine, sizeof *datagram);
    if (datagram == NULL) {
        return;
    }
    datagram->from = (struct rt_address){udp->source.v, udp->source_port};
    rope_init(&datagram->payload);
    for (uint32_t i = 0; i < udp->payload->count; i++) {
        struct slice slice =
            udp->payload->slices[(udp->payload->head + i) & (udp->payload->capacity - 1)];
        (void)page_ref(pool, slice.page);
        rope_push(&datagram->payload, pool, slice);
    }
    if (socket->last != NULL) {
        socket->last->next = datagram;
    } else {
        socket->first = datagram;
    }
    socket->last = datagram;
    socket->count++;
    task_wake_one(&socket->waiting);
}

static enum rt_error streams_bind(struct rt *rt, uint16_t port, struct rt_socket **out)
{
    struct rt_side *side = rt_side_of(rt);
    rt_side_charge(side->costs->call);
    struct rt_socket *socket = machine_alloc(side->machine, sizeof *socket);
    if (socket == NULL) {
        return RT_NO_MEMORY;
    }
    socket->side = side;
    socket->port = port;
    if (udp_bind(streams_of(side)->stack, port, on_datagram, socket) != IP_OK) {
        machine_free_memory(side->machine, socket);
        return RT_IN_USE;
    }
    struct streams *streams = streams_of(side);
    streams->open++;
    socket->all_next = streams->sockets;
    socket->all_link = &streams->sockets;
    if (streams->sockets != NULL) {
        streams->sockets->all_link = &socket->all_next;
    }
    streams->sockets = socket;
    *out = socket;
    return RT_OK;
}

static enum rt_error streams_send(struct rt *rt, struct rt_socket *socket, struct rt_address to,
                                  const struct rt_slice *slices, uint32_t count)
{
    struct rt_side *side = rt_side_of(rt);
    struct rope rope;
    uint64_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        length += slices[i].length;
    }
    if (length > UDP_PAYLOAD_MAX) {
        return RT_INVALID;
    }
    rt_side_charge(side->costs->call +
                   (sim_time)(length * (uint64_t)side->costs->stream_per_kib >> 10));
    rope_init(&rope);
    for (uint32_t i = 0; i < count; i++) {
        const struct rt_slice *slice = &slices[i];
        if (slice->bytes != NULL) {
            rope_push_bytes(&rope, side->pages, (const uint8_t *)slice->bytes + slice->offset,
                            slice->length);
        } else if (slice->length > 0) {
            struct page page = page_ref(side->pages, rt_pages_of(slice->page));
            rope_push(&rope, side->pages, (struct slice){page, slice->offset, slice->length});
        }
    }
    /* The ring starts at its first slice: nothing was taken from it. */
    enum ip_error err = udp_send(streams_of(side)->stack, socket->port, (struct ip4){to.ip4},
                                 to.port, rope.slices, rope.count);
    rope_close(&rope, side->pages);
    return err == IP_OK ? RT_OK : err == IP_TOO_LARGE ? RT_INVALID : RT_UNREACHABLE;
}

static void socket_maybe_free(struct rt_socket *socket)
{
    if (socket->closing && socket->waiters == 0) {
        streams_of(socket->side)->open--;
        *socket->all_link = socket->all_next;
        if (socket->all_next != NULL) {
            socket->all_next->all_link = socket->all_link;
        }
        machine_free_memory(socket->side->machine, socket);
    }
}

static enum rt_error streams_receive(struct rt *rt, struct rt_socket *socket, rt_time deadline,
                                     struct rt_address *from, struct rt_slices *out)
{
    struct rt_side *side = rt_side_of(rt);
    enum task_wake wake = TASK_SIGNALLED;
    rt_side_charge(side->costs->call);
    socket->waiters++;
    rt_side_pay(side);
    while (socket->first == NULL && !socket->closing && wake == TASK_SIGNALLED) {
        wake = task_wait(&socket->waiting, deadline);
    }
    socket->waiters--;
    if (socket->closing) {
        socket_maybe_free(socket);
        return RT_CANCELLED;
    }
    struct datagram *datagram = socket->first;
    if (datagram == NULL) {
        return rt_side_wake(wake);
    }
    socket->first = datagram->next;
    if (socket->first == NULL) {
        socket->last = NULL;
    }
    socket->count--;
    *from = datagram->from;
    enum rt_error err = RT_OK;
    while (datagram->payload.bytes > 0 && err == RT_OK) {
        err = append(side, out, rope_take(&datagram->payload, side->pages, UINT32_MAX));
    }
    rope_close(&datagram->payload, side->pages);
    machine_free_memory(side->machine, datagram);
    return err;
}

static void drop_datagrams(struct rt_socket *socket)
{
    struct rt_side *side = socket->side;
    for (struct datagram *datagram = socket->first; datagram != NULL;) {
        struct datagram *next = datagram->next;
        rope_close(&datagram->payload, side->pages);
        machine_free_memory(side->machine, datagram);
        datagram = next;
    }
    socket->first = NULL;
    socket->last = NULL;
    socket->count = 0;
}

static void streams_close_socket(struct rt *rt, struct rt_socket *socket)
{
    (void)rt;
    struct rt_side *side = socket->side;
    udp_unbind(streams_of(side)->stack, socket->port);
    drop_datagrams(socket);
    socket->closing = true;
    task_wake_all(&socket->waiting);
    socket_maybe_free(socket);
}

/* ---- the table ------------------------------------------------------------------------------------------------------------------------------ */

static const struct rt_stream_table stream_table = {
    .listen = streams_listen,
    .accept = streams_accept,
    .close_listener = streams_close_listener,
    .connect = streams_connect,
    .read_exact = streams_read_exact,
    .read_some = streams_read_some,
    .read_bytes = streams_read_bytes,
    .write = streams_write,
    .finish = streams_finish,
    .close = streams_close,
    .bind = streams_bind,
    .send = streams_send,
    .receive = streams_receive,
    .close_socket = streams_close_socket,
};

/* ---- life -------------------------------------------------------------------------------------------------------------------------------------- */

/* The ledger takes the objects, the stack its connections and bindings; what they hold of the run's pages is given back here. */
static void forget_all(struct rt_side *side)
{
    struct streams *streams = streams_of(side);
    for (struct rt_stream *stream = streams->all; stream != NULL; stream = stream->all_next) {
        rope_close(&stream->left, side->pages);
    }
    for (struct rt_socket *socket = streams->sockets; socket != NULL; socket = socket->all_next) {
        drop_datagrams(socket);
    }
    streams->all = NULL;
    streams->sockets = NULL;
    streams->open = 0;
}

static void on_machine(void *context, enum machine_news news)
{
    if (news == MACHINE_CRASHED) {
        forget_all(context);
    }
}

void rt_streams_attach(struct rt_side *side, struct ip_stack *stack)
{
    struct streams *streams = calloc(1, sizeof *streams);
    SIM_ASSERT(streams != NULL);
    SIM_ASSERT(ip_stack_tcp(stack) != NULL);
    streams->stack = stack;
    side->streams = streams;
    side->rt.streams = &stream_table;
    machine_watch(side->machine, on_machine, side);
}

void rt_streams_detach(struct rt_side *side)
{
    machine_unwatch(side->machine, on_machine, side);
    forget_all(side);
    free(side->streams);
    side->streams = NULL;
}

uint32_t rt_streams_open(const struct rt_side *side)
{
    const struct streams *streams = side->streams;
    return streams->open;
}
