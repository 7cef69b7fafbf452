#include "tests/rt/parts.h"

#include <string.h>

#define LONG_BYTES (24u << 20) /* more than any buffer between two nodes holds */

/* ---- connecting ---------------------------------------------------------------------------------------------------------- */

static struct rt_stream *join(struct rt_part *part)
{
    struct rt_stream *stream = NULL;
    rt_time deadline = after(part, 5 * RT_CASE_S);
    enum rt_error err = RT_REFUSED;
    while (err == RT_REFUSED &&
           rt_now(part->rt) < deadline) { /* the other may listen a moment later */
        err = rt_connect(part->rt, part->there, deadline, &stream);
        if (err == RT_REFUSED) {
            nap(part, 10 * RT_CASE_MS);
        }
    }
    CHECK(part, err == RT_OK);
    return stream;
}

static struct rt_stream *meet(struct rt_part *part)
{
    struct rt_listener *listener = NULL;
    struct rt_stream *stream = NULL;
    struct rt_address peer = {0};
    struct rt_address local = {.port = RT_CASE_PORT};
    CHECK(part, rt_listen(part->rt, local, 4, &listener) == RT_OK);
    CHECK(part, rt_accept(part->rt, listener, after(part, 5 * RT_CASE_S), &stream, &peer) == RT_OK);
    CHECK(part, peer.ip4 == part->there.ip4);
    CHECK(part, peer.port != 0);
    rt_close_listener(part->rt, listener);
    return stream;
}

static void put(struct rt_part *part, struct rt_stream *stream, const void *bytes, uint32_t length)
{
    const struct rt_slice slice = {.bytes = bytes, .length = length};
    CHECK(part, rt_write(part->rt, stream, &slice, 1, after(part, 5 * RT_CASE_S)) == RT_OK);
}

static enum rt_error get(struct rt_part *part, struct rt_stream *stream, void *bytes,
                         uint32_t length)
{
    return rt_read_bytes(part->rt, stream, bytes, length, after(part, 5 * RT_CASE_S));
}

/* ---- there and back --------------------------------------------------------------------------------------------------------- */

static void echo_asks(struct rt_part *part)
{
    char back[12];
    struct rt_stream *stream = join(part);
    put(part, stream, "hello world", 12);
    CHECK(part, get(part, stream, back, 12) == RT_OK);
    CHECK(part, memcmp(back, "hello world", 12) == 0);
    rt_close(part->rt, stream);
}

static void echo_answers(struct rt_part *part)
{
    char bytes[12];
    struct rt_stream *stream = meet(part);
    CHECK(part,
          get(part, stream, bytes, 5) == RT_OK); /* in two parts: cuts of the writer mean nothing */
    CHECK(part, get(part, stream, bytes + 5, 7) == RT_OK);
    put(part, stream, bytes, 12);
    CHECK(part, get(part, stream, bytes, 1) == RT_CLOSED);
    rt_close(part->rt, stream);
}

/* ---- partial reads ------------------------------------------------------------------------------------------------------------ */

static void drip_writes(struct rt_part *part)
{
    struct rt_stream *stream = join(part);
    put(part, stream, "0123456789", 10);
    nap(part, 300 * RT_CASE_MS);
    put(part, stream, "abcdefghij", 10);
    nap(part, RT_CASE_S);
    rt_close(part->rt, stream);
}

static void drip_reads(struct rt_part *part)
{
    struct rt_slices slices = {0};
    char bytes[20];
    struct rt_stream *stream = meet(part);
    enum rt_error err = rt_read_exact(part->rt, stream, 20, &slices, after(part, 100 * RT_CASE_MS));
    CHECK(part, err == RT_TIMED_OUT); /* and nothing was consumed */
    CHECK(part, slices.count == 0);
    err = rt_read_some(part->rt, stream, 4, &slices, after(part, RT_CASE_S));
    CHECK(part, err == RT_OK);
    CHECK(part, slices.count == 1);
    CHECK(part, slices.items[0].length == 4);
    rt_release_all(part->rt, &slices);
    CHECK(part, rt_read_bytes(part->rt, stream, bytes, 16, after(part, RT_CASE_S)) == RT_OK);
    CHECK(part, memcmp(bytes, "456789abcdefghij", 16) == 0);
    CHECK(part, rt_read_bytes(part->rt, stream, bytes, 1, after(part, 1)) == RT_TIMED_OUT);
    rt_close(part->rt, stream);
}

static void too_much_reads(struct rt_part *part)
{
    struct rt_slices slices = {0};
    struct rt_stream *stream = meet(part);
    enum rt_error err =
        rt_read_exact(part->rt, stream, UINT64_C(1) << 31, &slices, after(part, RT_CASE_S));
    CHECK(part, err == RT_INVALID); /* no receive buffer holds that */
    CHECK(part, rt_read_exact(part->rt, stream, 0, &slices, after(part, RT_CASE_S)) == RT_INVALID);
    CHECK(part, rt_read_some(part->rt, stream, 0, &slices, after(part, RT_CASE_S)) == RT_INVALID);
    rt_close(part->rt, stream);
}

static void says_nothing(struct rt_part *part)
{
    struct rt_stream *stream = join(part);
    nap(part, 2 * RT_CASE_S);
    rt_close(part->rt, stream);
}

/* ---- ends ------------------------------------------------------------------------------------------------------------------------ */

static void half_close_asks(struct rt_part *part)
{
    char bytes[6];
    struct rt_stream *stream = join(part);
    put(part, stream, "question", 8);
    CHECK(part, rt_finish(part->rt, stream) == RT_OK);
    CHECK(part, get(part, stream, bytes, 6) == RT_OK);
    CHECK(part, memcmp(bytes, "answer", 6) == 0);
    CHECK(part, get(part, stream, bytes, 1) == RT_CLOSED);
    const struct rt_slice slice = {.bytes = "more", .length = 4};
    CHECK(part, rt_write(part->rt, stream, &slice, 1, after(part, RT_CASE_S)) != RT_OK);
    rt_close(part->rt, stream);
}

static void half_close_answers(struct rt_part *part)
{
    char bytes[8];
    struct rt_stream *stream = meet(part);
    CHECK(part, get(part, stream, bytes, 8) == RT_OK);
    CHECK(part, get(part, stream, bytes, 1) == RT_CLOSED);
    put(part, stream, "answer", 6);
    rt_close(part->rt, stream);
}

static void stops_in_the_middle(struct rt_part *part)
{
    struct rt_stream *stream = join(part);
    put(part, stream, "0123456789", 10);
    rt_close(part->rt, stream);
}

static void reads_what_there_is(struct rt_part *part)
{
    char bytes[20];
    struct rt_stream *stream = meet(part);
    rt_time began = rt_now(part->rt);
    CHECK(part, get(part, stream, bytes, 20) == RT_CLOSED); /* at once, and nothing is consumed */
    CHECK(part, rt_now(part->rt) - began < RT_CASE_S);
    CHECK(part, get(part, stream, bytes, 10) == RT_OK);
    CHECK(part, memcmp(bytes, "0123456789", 10) == 0);
    CHECK(part, get(part, stream, bytes, 1) == RT_CLOSED);
    CHECK(part, get(part, stream, bytes, 1) == RT_CLOSED);
    rt_close(part->rt, stream);
}

static void leaves_unread(struct rt_part *part)
{
    struct rt_stream *stream = meet(part);
    nap(part, 100 * RT_CASE_MS);
    rt_close(part->rt,
             stream); /* with bytes that nobody took: the writer must learn that they are lost */
}

static void writes_until_it_fails(struct rt_part *part)
{
    static const uint8_t bytes[4096];
    const struct rt_slice slice = {.bytes = bytes, .length = sizeof bytes};
    struct rt_stream *stream = join(part);
    enum rt_error err = RT_OK;
    for (int i = 0; err == RT_OK && i < 100; i++) {
        err = rt_write(part->rt, stream, &slice, 1, after(part, RT_CASE_S));
        nap(part, 10 * RT_CASE_MS);
    }
    CHECK(part, err == RT_RESET);
    CHECK(part, rt_write(part->rt, stream, &slice, 1, after(part, RT_CASE_S)) == RT_RESET);
    char byte;
    CHECK(part, get(part, stream, &byte, 1) == RT_RESET);
    CHECK(part, rt_finish(part->rt, stream) == RT_RESET);
    rt_close(part->rt, stream);
}

static void nobody_is_there(struct rt_part *part)
{
    struct rt_stream *stream = NULL;
    CHECK(part, rt_connect(part->rt, part->there, after(part, RT_CASE_S), &stream) == RT_REFUSED);
    rt_time deadline = after(part, RT_CASE_S);
    enum rt_error err = rt_connect(part->rt, part->nobody, deadline, &stream);
    CHECK(part, err == RT_TIMED_OUT || err == RT_UNREACHABLE);
    CHECK(part, rt_now(part->rt) <= deadline + RT_CASE_MS);
    CHECK(part, stream == NULL);
    err = rt_connect(part->rt, part->there, rt_now(part->rt), &stream);
    CHECK(part, err == RT_TIMED_OUT);
}

static void listens(struct rt_part *part)
{
    struct rt_listener *one = NULL, *two = NULL;
    struct rt_stream *stream = NULL;
    struct rt_address peer, local = {.port = RT_CASE_PORT};
    CHECK(part, rt_listen(part->rt, local, 4, &one) == RT_OK);
    CHECK(part, rt_listen(part->rt, local, 4, &two) == RT_IN_USE);
    rt_time deadline = after(part, 50 * RT_CASE_MS);
    CHECK(part, rt_accept(part->rt, one, deadline, &stream, &peer) == RT_TIMED_OUT);
    CHECK(part, rt_now(part->rt) >= deadline);
    rt_close_listener(part->rt, one);
    CHECK(part, rt_listen(part->rt, local, 4, &two) == RT_OK);
    rt_close_listener(part->rt, two);
}

/* ---- back pressure ------------------------------------------------------------------------------------------------------------------- */

static void writes_much(struct rt_part *part)
{
    uint8_t *bytes = rt_alloc(part->rt, LONG_BYTES);
    struct rt_stream *stream = join(part);
    for (uint32_t i = 0; i < LONG_BYTES; i++) {
        bytes[i] = (uint8_t)(i ^ i >> 9);
    }
    rt_time began = rt_now(part->rt);
    const struct rt_slice slice = {.bytes = bytes, .length = LONG_BYTES};
    CHECK(part, rt_write(part->rt, stream, &slice, 1, after(part, 20 * RT_CASE_S)) == RT_OK);
    CHECK(part, rt_now(part->rt) - began > RT_CASE_S); /* it waited for the reader */
    memset(bytes, 0xee, LONG_BYTES);                   /* R1: nobody sees this */
    rt_free(part->rt, bytes);
    char byte;
    CHECK(part, get(part, stream, &byte, 1) == RT_OK);
    rt_close(part->rt, stream);
}

static void reads_much_late(struct rt_part *part)
{
    struct rt_stream *stream = meet(part);
    uint32_t at = 0, wrong = 0;
    nap(part, 2 * RT_CASE_S);
    while (at < LONG_BYTES) {
        uint8_t bytes[1536];
        uint32_t length = LONG_BYTES - at < sizeof bytes ? LONG_BYTES - at : (uint32_t)sizeof bytes;
        if (get(part, stream, bytes, length) != RT_OK) {
            break;
        }
        for (uint32_t i = 0; i < length; i++, at++) {
            wrong += bytes[i] != (uint8_t)(at ^ at >> 9);
        }
    }
    CHECK(part, at == LONG_BYTES);
    CHECK(part, wrong == 0);
    put(part, stream, "k", 1);
    rt_close(part->rt, stream);
}

static void writes_in_vain(struct rt_part *part)
{
    uint8_t *bytes = rt_alloc(part->rt, LONG_BYTES);
    struct rt_stream *stream = join(part);
    const struct rt_slice slice = {.bytes = bytes, .length = LONG_BYTES};
    rt_time deadline = after(part, RT_CASE_S);
    CHECK(part, rt_write(part->rt, stream, &slice, 1, deadline) == RT_TIMED_OUT);
    CHECK(part, rt_now(part->rt) >= deadline);
    rt_free(part->rt, bytes);
    rt_close(part->rt, stream);
}

static void reads_nothing(struct rt_part *part)
{
    struct rt_stream *stream = meet(part);
    nap(part, 3 * RT_CASE_S);
    rt_close(part->rt, stream);
}

/* ---- pages on streams ------------------------------------------------------------------------------------------------------------------ */

#define PAGES 24u

static void fill(uint8_t *bytes, uint32_t number)
{
    for (uint32_t i = 0; i < RT_PAGE_BYTES; i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 256 + number);
    }
}

/* A header of odd length, pages, a part of one, and one in two halves. */
static void writes_pages(struct rt_part *part)
{
    struct rt *rt = part->rt;
    uint8_t *bytes = rt_alloc(rt, RT_PAGE_BYTES);
    struct rt_slice slices[PAGES + 4] = {{.bytes = "odd header", .length = 7}};
    struct rt_stream *stream = join(part);
    for (uint32_t i = 0; i < PAGES + 2; i++) {
        struct rt_page page;
        fill(bytes, i);
        const struct rt_slice whole = {.bytes = bytes, .length = RT_PAGE_BYTES};
        CHECK(part, rt_page_make(rt, &whole, 1, &page) == RT_OK);
        slices[1 + i] = (struct rt_slice){.page = page, .length = RT_PAGE_BYTES};
    }
    slices[PAGES + 1].offset = 100;
    slices[PAGES + 1].length = 200;
    slices[PAGES + 3] = slices[PAGES + 2];
    slices[PAGES + 2].length = 1000;
    slices[PAGES + 3].offset = 1000;
    slices[PAGES + 3].length = RT_PAGE_BYTES - 1000;
    CHECK(part, rt_write(rt, stream, slices, PAGES + 4, after(part, 5 * RT_CASE_S)) == RT_OK);
    for (uint32_t i = 0; i < PAGES + 2; i++) { /* R1: it has references of its own */
        rt_page_unref(rt, slices[1 + i].page);
    }
    memset(bytes, 0, RT_PAGE_BYTES);
    rt_free(rt, bytes);
    rt_close(rt, stream);
}

/* The bytes of a page made of these slices are those of page `number` from `offset` on. */
static void check_page(struct rt_part *part, struct rt_page page, uint32_t number)
{
    uint8_t *wanted = rt_alloc(part->rt, 2 * RT_PAGE_BYTES);
    fill(wanted, number);
    rt_page_bytes(part->rt, page, 0, RT_PAGE_BYTES, wanted + RT_PAGE_BYTES);
    CHECK(part, memcmp(wanted, wanted + RT_PAGE_BYTES, RT_PAGE_BYTES) == 0);
    rt_free(part->rt, wanted);
}

static void reads_pages(struct rt_part *part)
{
    struct rt *rt = part->rt;
    struct rt_slices slices = {0};
    uint8_t bytes[200];
    struct rt_stream *stream = meet(part);
    CHECK(part, get(part, stream, bytes, 7) == RT_OK);
    for (uint32_t i = 0; i < PAGES; i++) {
        struct rt_page page;
        rt_time deadline = after(part, 5 * RT_CASE_S);
        CHECK(part, rt_read_exact(rt, stream, RT_PAGE_BYTES, &slices, deadline) == RT_OK);
        CHECK(part, !part->pages_stay_whole ||
                        (slices.count == 1 && slices.items[0].bytes == NULL &&
                         slices.items[0].offset == 0 && slices.items[0].length == RT_PAGE_BYTES));
        CHECK(part, rt_page_make(rt, slices.items, slices.count, &page) == RT_OK);
        rt_release(rt, &slices); /* the page lives on */
        check_page(part, page, i);
        rt_page_unref(rt, page);
    }
    CHECK(part, get(part, stream, bytes, 200) == RT_OK);
    CHECK(part, bytes[0] == (uint8_t)(100 * 31 + PAGES));
    CHECK(part, bytes[199] == (uint8_t)(299 * 31 + 299 / 256 + PAGES));
    rt_time deadline = after(part, 5 * RT_CASE_S);
    CHECK(part, rt_read_exact(rt, stream, RT_PAGE_BYTES, &slices, deadline) == RT_OK);
    CHECK(part, !part->pages_stay_whole ||
                    slices.count == 1); /* neighbouring slices of one page are one */
    struct rt_page page;
    CHECK(part, rt_page_make(rt, slices.items, slices.count, &page) == RT_OK);
    rt_release_all(rt, &slices);
    check_page(part, page, PAGES + 1);
    rt_page_unref(rt, page);
    rt_close(rt, stream);
}

/* ---- others at work on the same ------------------------------------------------------------------------------------------------------------ */

struct helper {
    struct rt_part *part;
    struct rt_stream *stream;
    struct rt_listener *listener;
    struct rt_socket *socket;
    uint32_t length;
    rt_time debt; /* to pay when the call begins */
    enum rt_error result;
    bool ended;
};

static void help_read(struct rt *rt, void *context)
{
    struct helper *helper = context;
    struct rt_slices slices = {0};
    rt_charge(rt, helper->debt);
    helper->result = rt_read_exact(rt, helper->stream, helper->length, &slices, RT_FOREVER);
    rt_release_all(rt, &slices);
    helper->ended = true;
}

static void help_write(struct rt *rt, void *context)
{
    struct helper *helper = context;
    void *bytes = rt_alloc(rt, helper->length);
    const struct rt_slice slice = {.bytes = bytes, .length = helper->length};
    rt_charge(rt, helper->debt);
    helper->result = rt_write(rt, helper->stream, &slice, 1, RT_FOREVER);
    rt_free(rt, bytes);
    helper->ended = true;
}

static void help_accept(struct rt *rt, void *context)
{
    struct helper *helper = context;
    struct rt_stream *stream = NULL;
    struct rt_address peer;
    rt_charge(rt, helper->debt);
    helper->result = rt_accept(rt, helper->listener, RT_FOREVER, &stream, &peer);
    helper->ended = true;
}

static void help_receive(struct rt *rt, void *context)
{
    struct helper *helper = context;
    struct rt_slices slices = {0};
    struct rt_address from;
    rt_charge(rt, helper->debt);
    helper->result = rt_receive(rt, helper->socket, RT_FOREVER, &from, &slices);
    rt_release_all(rt, &slices);
    helper->ended = true;
}

static struct rt_task *start(struct rt_part *part, void (*body)(struct rt *, void *),
                             struct helper *helper)
{
    struct rt_task *task = NULL;
    CHECK(part, rt_spawn(part->rt, "helper", body, helper, &task) == RT_OK);
    nap(part, 50 * RT_CASE_MS);
    CHECK(part, !helper->ended);
    return task;
}

/* Whatever the others are at, waiting or still paying for their call, they end with RT_CANCELLED. */
static void close_under(struct rt_part *part, rt_time debt)
{
    struct rt_address local = {.port = RT_CASE_PORT + 1};
    struct rt_stream *stream = join(part), *other = join(part);
    struct helper helpers[] = {{.stream = stream, .length = 10, .debt = debt},
                               {.stream = other, .length = LONG_BYTES, .debt = debt},
                               {.debt = debt},
                               {.debt = debt}};
    void (*const bodies[])(struct rt *, void *) = {help_read, help_write, help_accept,
                                                   help_receive};
    struct rt_task *tasks[4];
    CHECK(part, rt_listen(part->rt, local, 4, &helpers[2].listener) == RT_OK);
    CHECK(part, rt_bind(part->rt, RT_CASE_PORT + 1, &helpers[3].socket) == RT_OK);
    for (uint32_t i = 0; i < 4; i++) {
        tasks[i] = start(part, bodies[i], &helpers[i]);
    }
    rt_close(part->rt, stream);
    rt_close(part->rt, other);
    rt_close_listener(part->rt, helpers[2].listener);
    rt_close_socket(part->rt, helpers[3].socket);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(part, rt_join(part->rt, tasks[i], after(part, 5 * RT_CASE_S)) == RT_OK);
        CHECK(part, helpers[i].result == RT_CANCELLED);
    }
}

static void closes_under_waiters(struct rt_part *part)
{
    close_under(part, 0);
}

static void closes_under_payers(struct rt_part *part)
{
    close_under(part, 500 * RT_CASE_MS);
}

/* Two connections that are left alone. */
static void meets_twice(struct rt_part *part)
{
    struct rt_listener *listener = NULL;
    struct rt_stream *streams[2] = {NULL, NULL};
    struct rt_address peer, local = {.port = RT_CASE_PORT};
    CHECK(part, rt_listen(part->rt, local, 4, &listener) == RT_OK);
    for (uint32_t i = 0; i < 2; i++) {
        rt_time deadline = after(part, 5 * RT_CASE_S);
        CHECK(part, rt_accept(part->rt, listener, deadline, &streams[i], &peer) == RT_OK);
    }
    nap(part, 3 * RT_CASE_S);
    rt_close(part->rt, streams[0]);
    rt_close(part->rt, streams[1]);
    rt_close_listener(part->rt, listener);
}

static void cancels_waiters(struct rt_part *part)
{
    struct rt_stream *stream = join(part);
    struct helper reader = {.stream = stream, .length = 10};
    struct rt_task *task = start(part, help_read, &reader);
    rt_cancel(part->rt, task);
    CHECK(part, rt_join(part->rt, task, after(part, RT_CASE_S)) == RT_OK);
    CHECK(part, reader.result == RT_CANCELLED);
    char byte = 'x'; /* the stream is as good as before */
    put(part, stream, &byte, 1);
    CHECK(part, get(part, stream, &byte, 1) == RT_OK);
    rt_close(part->rt, stream);
}

static void echoes_a_byte(struct rt_part *part)
{
    char byte;
    struct rt_stream *stream = meet(part);
    CHECK(part, get(part, stream, &byte, 1) == RT_OK);
    put(part, stream, &byte, 1);
    rt_close(part->rt, stream);
}

/* Two readers: the one that needs little is not kept waiting for the other's much. */
static void two_read(struct rt_part *part)
{
    struct rt_stream *stream = meet(part);
    struct helper little = {.stream = stream, .length = 4},
                  much = {.stream = stream, .length = 1000};
    struct rt_task *one = start(part, help_read, &little);
    struct rt_task *two = start(part, help_read, &much);
    CHECK(part, rt_join(part->rt, one, after(part, 2 * RT_CASE_S)) == RT_OK);
    CHECK(part, little.result == RT_OK);
    CHECK(part, !much.ended);
    CHECK(part, rt_join(part->rt, two, after(part, 3 * RT_CASE_S)) == RT_OK);
    CHECK(part, much.result == RT_OK);
    rt_close(part->rt, stream);
}

static void writes_little_then_much(struct rt_part *part)
{
    uint8_t bytes[1000] = {0};
    struct rt_stream *stream = join(part);
    nap(part, RT_CASE_S);
    put(part, stream, bytes, 4);
    nap(part, RT_CASE_S);
    put(part, stream, bytes, 1000);
    rt_close(part->rt, stream);
}

/* ---- datagrams ------------------------------------------------------------------------------------------------------------------------------- */

static void sends_datagrams(struct rt_part *part)
{
    struct rt *rt = part->rt;
    struct rt_socket *socket = NULL, *other = NULL;
    uint8_t *bytes = rt_alloc(rt, 70000);
    CHECK(part, rt_bind(rt, RT_CASE_PORT, &socket) == RT_OK);
    CHECK(part, rt_bind(rt, RT_CASE_PORT, &other) == RT_IN_USE);
    nap(part, 100 * RT_CASE_MS);
    const struct rt_slice two[] = {{.bytes = "ping", .length = 4}, {.bytes = "pong", .length = 4}};
    CHECK(part, rt_send(rt, socket, part->there, two, 2) == RT_OK);
    nap(part, 100 * RT_CASE_MS); /* its first fragments must not wait for an address */
    for (uint32_t i = 0; i < 70000; i++) {
        bytes[i] = (uint8_t)(i % 251);
    }
    struct rt_slice big = {.bytes = bytes, .length = 65507}; /* the most that IPv4 carries */
    CHECK(part, rt_send(rt, socket, part->there, &big, 1) == RT_OK);
    big.length++;
    CHECK(part, rt_send(rt, socket, part->there, &big, 1) == RT_INVALID);
    struct rt_slices back = {0};
    struct rt_address from;
    CHECK(part, rt_receive(rt, socket, after(part, RT_CASE_S), &from, &back) == RT_OK);
    CHECK(part, from.ip4 == part->there.ip4);
    CHECK(part, from.port == RT_CASE_PORT);
    rt_release_all(rt, &back);
    CHECK(part, rt_receive(rt, socket, after(part, 50 * RT_CASE_MS), &from, &back) == RT_TIMED_OUT);
    rt_close_socket(rt, socket);
    CHECK(part, rt_bind(rt, RT_CASE_PORT, &socket) == RT_OK);
    rt_close_socket(rt, socket);
    rt_free(rt, bytes);
}

static uint64_t length_of(const struct rt_slices *slices)
{
    uint64_t length = 0;
    for (uint32_t i = 0; i < slices->count; i++) {
        length += slices->items[i].length;
    }
    return length;
}

static void receives_datagrams(struct rt_part *part)
{
    struct rt *rt = part->rt;
    struct rt_socket *socket = NULL;
    struct rt_slices got = {0};
    struct rt_address from = {0};
    char bytes[8] = "";
    CHECK(part, rt_bind(rt, RT_CASE_PORT, &socket) == RT_OK);
    CHECK(part, rt_receive(rt, socket, after(part, RT_CASE_S), &from, &got) == RT_OK);
    CHECK(part, from.ip4 == part->there.ip4);
    CHECK(part, length_of(&got) == 8);
    uint32_t at = 0;
    for (uint32_t i = 0; i < got.count && at < 8; i++) {
        const struct rt_slice *slice = &got.items[i];
        rt_page_bytes(rt, slice->page, slice->offset, slice->length, bytes + at);
        at += slice->length;
    }
    CHECK(part, memcmp(bytes, "pingpong", 8) == 0);
    rt_release(rt, &got);
    CHECK(part, rt_receive(rt, socket, after(part, RT_CASE_S), &from, &got) == RT_OK);
    CHECK(part, length_of(&got) == 65507);
    rt_release_all(rt, &got);
    const struct rt_slice slice = {.bytes = "back", .length = 4};
    CHECK(part, rt_send(rt, socket, from, &slice, 1) == RT_OK);
    rt_close_socket(rt, socket);
}

const struct rt_case rt_cases_streams[] = {
    {"bytes go there and back", echo_asks, echo_answers},
    {"a read that fails consumes nothing", drip_writes, drip_reads},
    {"a read of more than a buffer, or of nothing", says_nothing, too_much_reads},
    {"half a connection goes on", half_close_asks, half_close_answers},
    {"the peer stops in the middle", stops_in_the_middle, reads_what_there_is},
    {"the peer leaves with bytes unread", writes_until_it_fails, leaves_unread},
    {"nobody listens, nobody is there", nobody_is_there, NULL},
    {"listening, twice and in vain", listens, NULL},
    {"a long write waits for its reader", writes_much, reads_much_late},
    {"a long write without a reader", writes_in_vain, reads_nothing},
    {"pages stay what they are", writes_pages, reads_pages},
    {"closed under those who wait", closes_under_waiters, meets_twice},
    {"closed under those who pay for their call", closes_under_payers, meets_twice},
    {"cancelled while it waits", cancels_waiters, echoes_a_byte},
    {"two readers of one stream", writes_little_then_much, two_read},
    {"datagrams", sends_datagrams, receives_datagrams},
    {0},
};
