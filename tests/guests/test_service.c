/* The servers of guests (guest_service.h), talked to byte by byte, and their saved state, damaged. */
#include "fixture.h"

#include "sim/wire_bytes.h"
#include "vm/guest_service.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct guest_service services[] = {{80, 2 * SIM_MS}, {81, 0}, {82, 50 * SIM_MS}};

static const struct guest_spec server = {
    .number = 5,
    .page_count = 64,
    .zero_pages = 64,
    .services = services,
    .service_count = 3,
    .tcp = &tcp_profile_linux,
};

/* A client that sends what the test says and counts what comes. */
struct raw {
    struct fixture *fixture;
    struct tcp_connection *connection;
    uint64_t received;
    sim_time last; /* byte came */
    bool finished; /* the server closed in order */
    bool ended;
    enum tcp_end why;
    uint64_t pages[64]; /* handles that came, each as often as it began */
    uint32_t page_count;
};

static void raw_readable(void *context, struct tcp_connection *connection)
{
    struct raw *raw = context;
    while (tcp_readable(connection) > 0) {
        struct slice slice = tcp_take(connection, UINT32_MAX);
        raw->received += slice.length;
        raw->last = sim_now(raw->fixture->sim);
        if (slice.offset == 0 && raw->page_count < 64) {
            raw->pages[raw->page_count++] = slice.page.v;
        }
        page_unref(raw->fixture->pages, slice.page);
    }
    raw->finished = raw->finished || tcp_peer_finished(connection);
}

static void raw_ended(void *context, struct tcp_connection *connection, enum tcp_end why)
{
    struct raw *raw = context;
    (void)connection;
    raw->connection = NULL;
    raw->ended = true;
    raw->why = why;
}

static const struct tcp_user raw_user = {.readable = raw_readable, .ended = raw_ended};

static void raw_connect(struct raw *raw, struct fixture *fixture, uint32_t client, uint16_t port)
{
    const struct tcp_options options = {.no_delay = true, .congestion = -1};
    *raw = (struct raw){.fixture = fixture};
    cr_assert_eq(tcp_connect(fixture->clients[client].tcp, fixture_vm_address(), port, &options,
                             &raw_user, raw, &raw->connection),
                 IP_OK);
}

static void raw_send(struct raw *raw, const void *bytes, uint32_t length)
{
    tcp_send(raw->connection,
             (struct slice){page_literal(raw->fixture->pages, bytes, length), 0, length});
}

/* ---- the protocol ------------------------------------------------------------------------------------ */

#define ASK(request, answer) "\0\0" request "\0\0" answer /* two bytes each, as a string */

static const struct {
    const char *name;
    uint16_t port;
    uint32_t piece; /* bytes sent at a time, a millisecond apart */
    const char *bytes;
    uint32_t length;
    bool finish; /* then FIN */
    uint64_t answered;
    bool finished, reset; /* by the server */
} talks[] = {
    {"one request", 81, 8, ASK("\0\10", "\1\0"), 8, false, 256, false, false},
    {"its header byte by byte", 81, 1, ASK("\0\10", "\1\0"), 8, false, 256, false, false},
    {"its body in pieces", 81, 5, ASK("\0\24", "\1\0") "abcdefghijkl", 20, false, 256, false,
     false},
    {"three at once", 80, 28,
     ASK("\0\10", "\1\0") ASK("\0\14", "\2\0") "abcd" ASK("\0\10", "\0\20"), 28, false,
     256 + 512 + 16, false, false},
    {"three in pieces across their borders", 80, 11,
     ASK("\0\10", "\1\0") ASK("\0\14", "\2\0") "abcd" ASK("\0\10", "\0\20"), 28, false,
     256 + 512 + 16, false, false},
    {"not all of the body", 81, 20, ASK("\0\25", "\1\0") "abcdefghijkl", 20, false, 0, false,
     false},
    {"the client finishes behind a request", 80, 8, ASK("\0\10", "\1\0"), 8, true, 256, true,
     false},
    {"the client finishes behind two", 80, 16, ASK("\0\10", "\1\0") ASK("\0\10", "\1\0"), 16, true,
     512, true, false},
    {"the client finishes within a header", 81, 7, ASK("\0\10", "\1\0"), 7, true, 0, true, false},
    {"the client finishes within a body", 81, 9, ASK("\0\20", "\1\0") "a", 9, true, 0, true, false},
    {"the client says nothing", 81, 8, "", 0, true, 0, true, false},
    {"a request of less than its header", 81, 8, ASK("\0\7", "\1\0"), 8, false, 0, false, true},
    {"an answer of less than eight bytes", 81, 8, ASK("\0\10", "\0\7"), 8, false, 0, false, true},
    {"an answer larger than the send buffer", 81, 8, "\0\0\0\10\1\0\0\0", 8, false, 16777216, false,
     false},
    {"nonsense behind a good one", 81, 16, ASK("\0\10", "\1\0") ASK("\0\0", "\0\0"), 16, false, 256,
     false, true},
};

/* `moves`: after every second piece the VM moves. */
static void talk(size_t row, bool moves)
{
    const char *name = talks[row].name;
    struct fixture *fixture = fixture_new(&server, 16 << 20);
    struct vm_instance *instance = fixture_boot(fixture, 0);
    uint32_t node = 1;
    struct raw raw;
    raw_connect(&raw, fixture, 0, talks[row].port);
    fixture_run(fixture, SIM_MS);
    for (uint32_t at = 0; at < talks[row].length; at += talks[row].piece) {
        uint32_t left = talks[row].length - at;
        raw_send(&raw, talks[row].bytes + at, left < talks[row].piece ? left : talks[row].piece);
        fixture_run(fixture, sim_now(fixture->sim) + SIM_MS);
        if (moves && at / talks[row].piece % 2 == 0) {
            instance = fixture_move(fixture, instance, node++ % 2, 500 * SIM_US);
        }
    }
    if (talks[row].finish) {
        tcp_shutdown(raw.connection);
    }
    fixture_run(fixture, sim_now(fixture->sim) + 2 * SIM_S);
    /* A reset throws away what the client has not read yet. */
    cr_assert(raw.received == talks[row].answered || talks[row].reset, "%s: %llu bytes", name,
              (unsigned long long)raw.received);
    cr_assert_eq(raw.finished, talks[row].finished, "%s", name);
    cr_assert_eq(raw.ended && raw.why == TCP_END_RESET, talks[row].reset, "%s", name);
    uint32_t live = tcp_layer_live(vm_instance_tcp(instance));
    bool open = !talks[row].finished && !talks[row].reset;
    cr_assert_eq(live, open, "%s: %u connections are live", name, live);
    fixture_free(fixture);
}

Test(service, talks)
{
    for (size_t row = 0; row < sizeof talks / sizeof talks[0]; row++) {
        talk(row, false);
        talk(row, true);
    }
}

/* S1, S2: answers of one service come in the order of asking; their pages are all different, and no store's. */
static void ask_all(bool moves)
{
    struct fixture *fixture = fixture_new(&server, 16 << 20);
    struct vm_instance *instance = fixture_boot(fixture, 0);
    enum { CLIENTS = 7 };
    struct raw raws[CLIENTS];
    for (uint32_t i = 0; i < CLIENTS; i++) {
        raw_connect(&raws[i], fixture, i % 2, i == 3 ? 80 : 82);
        fixture_run(fixture, (i + 1) * SIM_MS);
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        uint8_t ask[8];
        put_be32(ask, 8);
        put_be32(ask + 4, 3 * PAGE_BYTES);
        raw_send(&raws[i], ask, sizeof ask);
        fixture_run(fixture, sim_now(fixture->sim) + 400 * SIM_US);
    }
    if (moves) {
        (void)fixture_move(fixture, instance, 1, 20 * SIM_US);
    }
    fixture_run(fixture, SIM_S);
    sim_time before = 0;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        sim_time work_ns = i == 3 ? 2 * SIM_MS : 50 * SIM_MS;
        sim_time asked = CLIENTS * SIM_MS + i * 400 * SIM_US;
        cr_assert_eq(raws[i].received, 3 * PAGE_BYTES);
        cr_assert(raws[i].last >= asked + work_ns && raws[i].last < asked + work_ns + SIM_MS);
        cr_assert(i == 3 || raws[i].last > before);
        before = i == 3 ? before : raws[i].last;
        cr_assert_eq(raws[i].page_count, 3);
        for (uint32_t p = 0; p < 3; p++) {
            struct page page = {raws[i].pages[p]};
            cr_assert(page_is_pattern(page));
            cr_assert_eq(page_pattern_number(page) >> 47, 5 << 1 | 1);
            for (uint32_t other = 0; other < 3 * CLIENTS; other++) {
                cr_assert(other == 3 * i + p || raws[other / 3].pages[other % 3] != page.v);
            }
        }
        tcp_abort(raws[i].connection);
    }
    fixture_free(fixture);
}

Test(service, answers_are_in_order_and_unlike)
{
    ask_all(false);
    ask_all(true);
}

/* ---- saved state, damaged -------------------------------------------------------------------------------- */

/* Whatever the bytes, loading them fails in an orderly way or not at all; after a failure the true ones can be loaded. */
Test(service, loading_survives_damage)
{
    struct guest_load writer = {.page_count = 64, .touches_per_hour = 3600000, .order = GUEST_ZIPF};
    struct guest_spec spec = server;
    spec.writers = &writer;
    spec.writer_count = 1;
    struct fixture *fixture = fixture_new(&spec, 16 << 20);
    struct vm_instance *instance = fixture_boot(fixture, 0);
    struct raw raws[4];
    for (uint32_t i = 0; i < 4; i++) {
        raw_connect(&raws[i], fixture, i % 2, i == 3 ? 81 : 82);
    }
    fixture_run(fixture, SIM_MS);
    raw_send(&raws[0], ASK("\0\10", "\1\0"), 8);        /* at work */
    raw_send(&raws[1], ASK("\0\24", "\1\0") "abc", 11); /* within a body */
    raw_send(&raws[2], ASK("\0\10", "\1\0"), 3);        /* within a header */
    raw_send(&raws[3], "\0\0\0\10\1\0\0\0", 8);         /* answering 16 MiB */
    fixture_run(fixture, 10 * SIM_MS);
    cr_assert_eq(vm_instance_pause(instance), VM_OK);
    struct state_writer state;
    state_writer_init(&state);
    cr_assert_eq(vm_instance_save(instance, &state), VM_OK);
    uint8_t *bytes = malloc(state.length);
    cr_assert(bytes != NULL);
    uint64_t random = 4;
    uint32_t refused = 0;
    struct vm_instance *copy;
    cr_assert_eq(vm_instance_create(&fixture->nodes[1].host, &fixture->vms.specs[0], &copy), VM_OK);
    for (uint32_t round = 0; round < 400; round++) {
        size_t length = state.length;
        memcpy(bytes, state.bytes, length);
        if (round % 4 == 0) {
            length = fixture_below(&random, length);
        } else {
            bytes[fixture_below(&random, length)] = (uint8_t)fixture_random(&random);
        }
        if (vm_instance_load(copy, bytes, length) == VM_OK) {
            vm_instance_destroy(copy);
            cr_assert_eq(vm_instance_create(&fixture->nodes[1].host, &fixture->vms.specs[0], &copy),
                         VM_OK);
        } else {
            refused++;
            cr_assert_eq(vm_instance_state(copy), VM_EMPTY);
        }
    }
    cr_assert(refused >= 100, "%u refused", refused);
    cr_assert_eq(vm_instance_load(copy, state.bytes, state.length), VM_OK);
    vm_instance_destroy(copy);
    /* U5, in an instance of which nobody has asked anything before. */
    cr_assert_eq(vm_instance_create(&fixture->nodes[1].host, &fixture->vms.specs[0], &copy), VM_OK);
    cr_assert_eq(vm_instance_load(copy, state.bytes, state.length), VM_OK);
    struct state_writer again;
    state_writer_init(&again);
    cr_assert_eq(vm_instance_save(copy, &again), VM_OK);
    cr_assert_eq(again.length, state.length);
    cr_assert_eq(memcmp(again.bytes, state.bytes, state.length), 0);
    state_writer_close(&again);
    state_writer_close(&state);
    free(bytes);
    for (uint32_t i = 0; i < 4; i++) {
        tcp_abort(raws[i].connection);
    }
    fixture_free(fixture);
}
