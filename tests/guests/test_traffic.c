/* Ping, requests and bulk transfers (vm/traffic.h), and the servers of guests (guest_service.h). */
#include "fixture.h"

#include "vm/guest_service.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ping ------------------------------------------------------------------------------------------- */

enum trouble { NO_TROUBLE, LINK_DOWN, SENDER_FROZEN, SENDER_PAUSED, SENDER_OFF, ANSWERER_OFF };

static void begin_trouble(struct fixture *fixture, enum trouble trouble)
{
    struct fixture_client *clients = fixture->clients;
    switch (trouble) {
    case NO_TROUBLE:
        break;
    case LINK_DOWN:
        link_set_down(clients[1].down, true, 0);
        break;
    case SENDER_FROZEN:
        machine_freeze(clients[0].machine);
        break;
    case SENDER_PAUSED:
        machine_pause(clients[0].machine);
        break;
    case SENDER_OFF:
        machine_crash(clients[0].machine);
        break;
    case ANSWERER_OFF:
        machine_crash(clients[1].machine);
        break;
    }
}

static void end_trouble(struct fixture *fixture, enum trouble trouble)
{
    struct fixture_client *clients = fixture->clients;
    switch (trouble) {
    case NO_TROUBLE:
        break;
    case LINK_DOWN:
        link_set_down(clients[1].down, false, 0);
        break;
    case SENDER_FROZEN:
        machine_thaw(clients[0].machine);
        break;
    case SENDER_PAUSED:
        machine_resume(clients[0].machine);
        break;
    case SENDER_OFF:
        machine_power_on(clients[0].machine);
        break;
    case ANSWERER_OFF:
        machine_power_on(clients[1].machine);
        break;
    }
}

/* Every 10 ms from 0 on; the trouble lasts from 45 ms to `until`; then all are stopped at 195 ms, and 1 s more passes. */
static const struct {
    const char *name;
    enum trouble trouble;
    sim_time until_ms;
    uint32_t sent, replies;
    uint32_t lost_first, lost; /* numbers of those that were lost: one after the other */
} pings[] = {
    {"nothing happens", NO_TROUBLE, 50, 20, 20, 0, 0},
    {"the link is down", LINK_DOWN, 95, 20, 15, 6, 5},
    {"the answerer is off", ANSWERER_OFF, 95, 20, 15, 6, 5},
    /* Frozen: the one due at 50 ms goes at the thaw, 92 ms; the others of that time are not made up. */
    {"the sender is frozen", SENDER_FROZEN, 92, 5 + 11, 16, 0, 0},
    /* Paused for 47 ms of its time: those due at 50 ms and later go 47 ms later. */
    {"the sender is paused", SENDER_PAUSED, 92, 5 + 10, 15, 0, 0},
    /* Off: at once when it is found on again, after 92 ms. */
    {"the sender reboots", SENDER_OFF, 92, 5 + 11, 16, 0, 0},
};

Test(traffic, pings_through_trouble)
{
    for (size_t row = 0; row < sizeof pings / sizeof pings[0]; row++) {
        const char *name = pings[row].name;
        struct fixture *fixture = fixture_new(NULL, 16 << 20);
        struct ping *ping = ping_start(&(struct ping_options){
            .common = fixture_common(fixture, 0, fixture_client_end(fixture, 0),
                                     fixture_client_address(1)),
            .every_ns = 10 * SIM_MS,
            .timeout_ns = 300 * SIM_MS,
            .size_bytes = 56,
        });
        fixture_run(fixture, 45 * SIM_MS);
        begin_trouble(fixture, pings[row].trouble);
        fixture_run(fixture, pings[row].until_ms * SIM_MS);
        end_trouble(fixture, pings[row].trouble);
        fixture_run(fixture, 195 * SIM_MS);
        ping_stop(ping);
        fixture_run(fixture, 1195 * SIM_MS);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_PING_SENT), pings[row].sent, "%s: %u sent",
                     name, fixture_count(fixture, TRAFFIC_PING_SENT));
        cr_assert_eq(fixture_count(fixture, TRAFFIC_PING_REPLY), pings[row].replies,
                     "%s: %u replies", name, fixture_count(fixture, TRAFFIC_PING_REPLY));
        cr_assert_eq(fixture_count(fixture, TRAFFIC_PING_LOST), pings[row].lost, "%s: %u lost",
                     name, fixture_count(fixture, TRAFFIC_PING_LOST));
        for (uint32_t i = 0; i < pings[row].lost; i++) {
            const struct fixture_record *lost = fixture_find(fixture, TRAFFIC_PING_LOST, i);
            uint32_t number = pings[row].lost_first + i;
            const struct fixture_record *sent =
                fixture_find(fixture, TRAFFIC_PING_SENT, number - 1);
            cr_assert_eq(lost->values[0], number, "%s", name);
            cr_assert_eq(lost->time, sent->time + 300 * SIM_MS, "%s", name);
        }
        for (uint32_t i = 0; i < pings[row].sent; i++) {
            const struct fixture_record *sent = fixture_find(fixture, TRAFFIC_PING_SENT, i);
            cr_assert_eq(sent->values[0], i + 1, "%s", name);
            cr_assert_eq(sent->origin, fixture->actions[0]);
            cr_assert(i > 4 || sent->time == i * 10 * SIM_MS, "%s: number %u", name, i + 1);
        }
        for (uint32_t i = 0; i < pings[row].replies; i++) {
            const struct fixture_record *reply = fixture_find(fixture, TRAFFIC_PING_REPLY, i);
            const struct fixture_record *sent =
                fixture_find(fixture, TRAFFIC_PING_SENT, (uint32_t)reply->values[0] - 1);
            cr_assert_eq(reply->values[1], reply->time - sent->time, "%s", name);
            cr_assert(reply->values[1] > 0 && reply->values[1] < 100 * SIM_US, "%s", name);
        }
        cr_assert_eq(fixture_count(fixture, TRAFFIC_ENDED), 1, "%s", name);
        cr_assert_str_eq(fixture_find(fixture, TRAFFIC_ENDED, 0)->text, "stopped");
        ping_free(ping);
        fixture_free(fixture);
    }
}

/* A reply that waits in the ring of a frozen sender longer than the time-out counts as lost: X1. */
Test(traffic, a_reply_read_too_late_is_lost)
{
    static const struct {
        sim_time thaw_ms;
        uint32_t replies, lost;
    } rows[] = {{130, 5, 0}, {150, 4, 1}};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct fixture *fixture = fixture_new(NULL, 16 << 20);
        struct ping *ping = ping_start(&(struct ping_options){
            .common = fixture_common(fixture, 0, fixture_client_end(fixture, 0),
                                     fixture_client_address(1)),
            .every_ns = 10 * SIM_MS,
            .timeout_ns = 100 * SIM_MS,
            .size_bytes = 1400,
            .count = 5,
        });
        fixture_run(fixture, 40 * SIM_MS + 30 * SIM_US); /* the fifth is under way */
        machine_freeze(fixture->clients[0].machine);
        fixture_run(fixture, rows[row].thaw_ms * SIM_MS);
        machine_thaw(fixture->clients[0].machine);
        fixture_run(fixture, SIM_S);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_PING_REPLY), rows[row].replies, "row %zu", row);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_PING_LOST), rows[row].lost, "row %zu", row);
        ping_free(ping);
        fixture_free(fixture);
    }
}

static void count_end(void *context)
{
    (*(uint32_t *)context)++;
}

/* What is special about some pings: the count, the sequence number's wrap, a reply that is too late, an address without a way. */
static const struct {
    const char *name;
    sim_time every_ns, timeout_ns;
    uint64_t count;
    sim_time delay_ns; /* of the way there */
    uint32_t to;       /* address; 0: the other client */
    uint32_t sent, replies, lost, ended;
} special_pings[] = {
    {"three and no more", SIM_MS, SIM_S, 3, 0, 0, 3, 3, 0, 1},
    {"66,000: the sequence number wraps", 50 * SIM_US, SIM_S, 66000, 0, 0, 66000, 66000, 0, 1},
    /* 101 are sent before the neighbour is known, of which ARP keeps ARP_PENDING. */
    {"replies take 100 ms", SIM_MS, SIM_S, 500, 100 * SIM_MS, 0, 500, 402, 98, 1},
    {"replies take longer than the time-out", SIM_MS, 90 * SIM_MS, 500, 100 * SIM_MS, 0, 500, 0,
     500, 1},
    {"replies come long after the time-out", SIM_MS, 10 * SIM_MS, 50, 100 * SIM_MS, 0, 50, 0, 50,
     1},
    {"no way there", SIM_MS, 10 * SIM_MS, 5, 0, 0x0b000001, 5, 0, 5, 1},
    {"nobody there", SIM_MS, 10 * SIM_MS, 5, 0, 0x0a000042, 5, 0, 5, 1},
    {"more outstanding than are kept", 20 * SIM_US, 2 * SIM_S, 34000, 0, 0x0a000042, 34000, 0,
     34000, 1},
};

Test(traffic, special_pings)
{
    for (size_t row = 0; row < sizeof special_pings / sizeof special_pings[0]; row++) {
        const char *name = special_pings[row].name;
        uint32_t ended = 0, to = special_pings[row].to;
        struct fixture *fixture = fixture_new(NULL, 16 << 20);
        link_set_delay(fixture->clients[0].up, 5 * SIM_US + special_pings[row].delay_ns, 0);
        struct traffic_common common =
            fixture_common(fixture, 1, fixture_client_end(fixture, 0),
                           to != 0 ? (struct ip4){to} : fixture_client_address(1));
        common.ended = count_end;
        common.context = &ended;
        struct ping *ping = ping_start(&(struct ping_options){
            .common = common,
            .every_ns = special_pings[row].every_ns,
            .timeout_ns = special_pings[row].timeout_ns,
            .size_bytes = 8,
            .count = special_pings[row].count,
        });
        fixture_run(fixture, 8 * SIM_S);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_PING_SENT), special_pings[row].sent, "%s",
                     name);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_PING_REPLY), special_pings[row].replies,
                     "%s: %u", name, fixture_count(fixture, TRAFFIC_PING_REPLY));
        cr_assert_eq(fixture_count(fixture, TRAFFIC_PING_LOST), special_pings[row].lost, "%s: %u",
                     name, fixture_count(fixture, TRAFFIC_PING_LOST));
        cr_assert_eq(ended, special_pings[row].ended, "%s", name);
        ping_free(ping);
        fixture_free(fixture);
    }
}

/* ---- requests -------------------------------------------------------------------------------------------- */

static const struct guest_service services[] = {{80, 2 * SIM_MS}, {81, 0}, {82, 50 * SIM_MS}};

static const struct guest_spec server = {
    .number = 5,
    .page_count = 64,
    .zero_pages = 64,
    .services = services,
    .service_count = 3,
    .tcp = &tcp_profile_linux,
};

/* A request is answered after work_ns and a way of 24 us at most for what is small. */
static const struct {
    const char *name;
    uint16_t port;
    uint32_t request_bytes, response_bytes;
    sim_time every_ns, think_ns, timeout_ns;
    sim_time for_ns;
    uint32_t done, lost;
    const char *why; /* of what was lost */
    sim_time latency_min, latency_max;
    sim_time period; /* start to start; 0: end to start is think_ns */
} paces[] = {
    {"every 10 ms", 80, 128, 1024, 10 * SIM_MS, 0, SIM_S, 99 * SIM_MS, 10, 0, NULL, 2 * SIM_MS,
     2200 * SIM_US, 10 * SIM_MS},
    {"as fast as it is answered", 80, 128, 1024, SIM_US, 0, SIM_S, 50 * SIM_MS, 24, 0, NULL,
     2 * SIM_MS, 2200 * SIM_US, 0},
    {"thinks 5 ms", 80, 128, 1024, 0, 5 * SIM_MS, SIM_S, 69 * SIM_MS, 10, 0, NULL, 2 * SIM_MS,
     2200 * SIM_US, 0},
    {"no work, no thought", 81, 8, 8, 0, 0, SIM_S, 10 * SIM_MS, 0, 0, NULL, 10 * SIM_US,
     150 * SIM_US, 0},
    {"large ones", 81, 3000000, 5000000, 100 * SIM_MS, 0, SIM_S, 199 * SIM_MS, 2, 0, NULL,
     64 * SIM_MS, 90 * SIM_MS, 100 * SIM_MS},
    {"work takes longer than the time-out", 82, 128, 128, 30 * SIM_MS, 0, 20 * SIM_MS, 160 * SIM_MS,
     0, 5, "timed out", 0, 0, 30 * SIM_MS},
    {"nobody listens", 83, 128, 128, 10 * SIM_MS, 0, SIM_S, 95 * SIM_MS, 0, 10, "refused", 0, 0,
     10 * SIM_MS},
    {"nobody listens, no thought", 83, 128, 128, 0, 0, SIM_S, 20 * SIM_MS, 0, 20, "refused", 0, 0,
     0},
};

static void check_pace(const struct fixture *fixture, size_t row)
{
    const char *name = paces[row].name;
    uint32_t sent = fixture_count(fixture, TRAFFIC_REQUEST_SENT);
    for (uint32_t i = 0; i < sent; i++) {
        const struct fixture_record *record = fixture_find(fixture, TRAFFIC_REQUEST_SENT, i);
        const struct fixture_record *done = fixture_find(fixture, TRAFFIC_REQUEST_DONE, i);
        const struct fixture_record *next = fixture_find(fixture, TRAFFIC_REQUEST_SENT, i + 1);
        cr_assert_eq(record->values[0], i + 1, "%s", name);
        if (next != NULL && paces[row].period != 0) {
            cr_assert_eq(next->time - record->time, paces[row].period, "%s", name);
        }
        if (done == NULL) {
            continue;
        }
        cr_assert_eq(done->values[0], i + 1, "%s", name);
        cr_assert_eq(done->values[1], done->time - record->time, "%s", name);
        cr_assert(done->values[1] >= paces[row].latency_min, "%s: %lld ns", name,
                  (long long)done->values[1]);
        cr_assert(done->values[1] <= paces[row].latency_max, "%s: %lld ns", name,
                  (long long)done->values[1]);
        if (next != NULL && paces[row].period == 0) {
            cr_assert_eq(next->time - done->time, paces[row].think_ns, "%s", name);
        }
    }
}

Test(traffic, requests_keep_their_pace)
{
    for (size_t row = 0; row < sizeof paces / sizeof paces[0]; row++) {
        const char *name = paces[row].name;
        struct fixture *fixture = fixture_new(&server, 16 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        struct request *request = request_start(&(struct request_options){
            .common =
                fixture_common(fixture, 2, fixture_client_end(fixture, 0), fixture_vm_address()),
            .port = paces[row].port,
            .request_bytes = paces[row].request_bytes,
            .response_bytes = paces[row].response_bytes,
            .every_ns = paces[row].every_ns,
            .think_ns = paces[row].think_ns,
            .timeout_ns = paces[row].timeout_ns,
        });
        fixture_run(fixture, paces[row].for_ns);
        uint32_t done = fixture_count(fixture, TRAFFIC_REQUEST_DONE);
        uint32_t lost = fixture_count(fixture, TRAFFIC_REQUEST_LOST);
        cr_assert(paces[row].done == 0 ? done > 100 || lost > 0 : done == paces[row].done,
                  "%s: %u done", name, done);
        cr_assert_eq(lost, paces[row].lost, "%s: %u lost", name, lost);
        for (uint32_t i = 0; i < lost; i++) {
            cr_assert_str_eq(fixture_find(fixture, TRAFFIC_REQUEST_LOST, i)->text, paces[row].why,
                             "%s: %s", name, fixture_find(fixture, TRAFFIC_REQUEST_LOST, i)->text);
        }
        check_pace(fixture, row);
        struct guest_statistics statistics;
        guest_statistics(vm_instance_guest(instance), &statistics);
        cr_assert(statistics.requests_served >= done, "%s", name);
        request_stop(request);
        fixture_run(fixture, paces[row].for_ns + 2 * SIM_S);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_ENDED), 1, "%s", name);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_REQUEST_SENT),
                     fixture_count(fixture, TRAFFIC_REQUEST_DONE) +
                         fixture_count(fixture, TRAFFIC_REQUEST_LOST),
                     "%s: each is done or lost", name);
        request_free(request);
        fixture_free(fixture);
    }
}

/* The server's machine dies, or the client's: what is at hand is lost, and when all is well again it goes on. */
Test(traffic, requests_outlive_crashes)
{
    struct fixture *fixture = fixture_new(&server, 16 << 20);
    (void)fixture_boot(fixture, 0);
    struct request *request = request_start(&(struct request_options){
        .common = fixture_common(fixture, 2, fixture_client_end(fixture, 0), fixture_vm_address()),
        .port = 80,
        .request_bytes = 100,
        .response_bytes = 100,
        .every_ns = 10 * SIM_MS,
        .timeout_ns = 400 * SIM_MS,
    });
    fixture_run(fixture, 41 * SIM_MS); /* the fifth is being worked on */
    cr_assert_eq(fixture_count(fixture, TRAFFIC_REQUEST_DONE), 4);
    machine_crash(fixture->nodes[0].machine);
    fixture_run(fixture, 100 * SIM_MS);
    (void)fixture_boot(fixture, 1);
    fixture_run(fixture, SIM_S);
    cr_assert_eq(fixture_count(fixture, TRAFFIC_REQUEST_LOST), 1);
    cr_assert_eq(fixture_find(fixture, TRAFFIC_REQUEST_LOST, 0)->values[0], 5);
    uint32_t done = fixture_count(fixture, TRAFFIC_REQUEST_DONE);
    cr_assert(done > 50, "%u done", done);
    fixture_run(fixture, SIM_S + 2 * SIM_MS); /* one is being worked on */
    machine_reboot(fixture->clients[0].machine);
    fixture_run(fixture, 2 * SIM_S);
    cr_assert_eq(fixture_count(fixture, TRAFFIC_REQUEST_LOST), 2);
    cr_assert_str_eq(fixture_find(fixture, TRAFFIC_REQUEST_LOST, 1)->text, "the client lost power");
    cr_assert(fixture_count(fixture, TRAFFIC_REQUEST_DONE) > done + 90);
    request_free(request);
    fixture_free(fixture);
}

/* ---- moves ------------------------------------------------------------------------------------------------- */

struct timed {
    uint32_t kind;
    sim_time time;
    int64_t values[2];
};

/* Everything that two requesting clients and a pinging VM see while the VM is away for 4 ms, moved or only paused. */
static uint32_t observe(bool moves, sim_time at, struct timed *out, uint32_t room)
{
    struct fixture *fixture = fixture_new(&server, 16 << 20);
    struct vm_instance *instance = fixture_boot(fixture, 0);
    struct request *requests[2];
    for (uint32_t i = 0; i < 2; i++) {
        requests[i] = request_start(&(struct request_options){
            .common =
                fixture_common(fixture, i, fixture_client_end(fixture, i), fixture_vm_address()),
            .port = (uint16_t)(80 + 2 * i), /* 2 ms and 50 ms of work */
            .request_bytes = 20000,
            .response_bytes = 30000,
            .every_ns = 20 * SIM_MS,
            .timeout_ns = SIM_S,
        });
    }
    fixture_run(fixture, at);
    uint32_t before = fixture->record_count;
    if (moves) {
        (void)fixture_move(fixture, instance, 1, 4 * SIM_MS);
    } else {
        cr_assert_eq(vm_instance_pause(instance), VM_OK);
        ip_stack_reset(vm_instance_stack(instance)); /* as a move does: neighbours are not saved */
        fixture_run(fixture, at + 4 * SIM_MS);
        cr_assert_eq(vm_instance_resume(instance), VM_OK);
    }
    fixture_run(fixture, at + SIM_S);
    uint32_t count = 0;
    for (uint32_t i = before; i < fixture->record_count; i++) {
        const struct fixture_record *record = &fixture->records[i];
        if (record->kind >= TRAFFIC_PING_SENT) {
            cr_assert(count < room);
            out[count++] =
                (struct timed){record->kind, record->time, {record->values[0], record->values[1]}};
        }
    }
    request_free(requests[0]);
    request_free(requests[1]);
    fixture_free(fixture);
    return count;
}

/* U4: while nothing is on the wire, a client cannot tell a move from a pause. Client 0 is served at 80.3 to 82.6 ms, client 1 at 60
 * to 110 ms, so at these instants connections are idle or worked on. */
Test(traffic, a_move_looks_like_a_pause)
{
    static const sim_time instants[] = {75 * SIM_MS, 81500 * SIM_US, 87 * SIM_MS, 105 * SIM_MS};
    enum { ROOM = 1000 };
    struct timed *paused = calloc(ROOM, sizeof *paused), *moved = calloc(ROOM, sizeof *moved);
    cr_assert(paused != NULL && moved != NULL);
    for (size_t i = 0; i < sizeof instants / sizeof instants[0]; i++) {
        uint32_t a = observe(false, instants[i], paused, ROOM);
        uint32_t b = observe(true, instants[i], moved, ROOM);
        cr_assert(a > 100);
        cr_assert_eq(a, b, "instant %zu: %u and %u records", i, a, b);
        for (uint32_t r = 0; r < a; r++) {
            cr_assert_eq(paused[r].kind, moved[r].kind, "instant %zu, record %u", i, r);
            cr_assert_eq(paused[r].time, moved[r].time, "instant %zu, record %u", i, r);
            cr_assert_eq(paused[r].values[0], moved[r].values[0], "instant %zu, record %u", i, r);
            cr_assert_eq(paused[r].values[1], moved[r].values[1], "instant %zu, record %u", i, r);
        }
    }
    free(paused);
    free(moved);
}

/* At any instant: clients of a moving VM, and clients in it, lose nothing but time. */
Test(traffic, nothing_is_lost_in_a_move)
{
    uint64_t state = 21;
    for (uint32_t round = 0; round < 12; round++) {
        struct fixture *fixture = fixture_new(&server, 16 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        struct request *request = request_start(&(struct request_options){
            .common =
                fixture_common(fixture, 0, fixture_client_end(fixture, 0), fixture_vm_address()),
            .port = 80,
            .request_bytes = 50000,
            .response_bytes = 100000,
            .think_ns = 3 * SIM_MS,
            .timeout_ns = 60 * SIM_S,
        });
        struct bulk *out = bulk_start(&(struct bulk_options){
            .common =
                fixture_common(fixture, 1, fixture_vm_end(fixture), fixture_client_address(1)),
            .receiver = fixture_client_end(fixture, 1),
            .port = 5001,
            .bytes = 20000001,
            .content = (enum bulk_content)(round % 3),
            .congestion = -1,
            .close = true,
        });
        struct bulk *in = bulk_start(&(struct bulk_options){
            .common =
                fixture_common(fixture, 2, fixture_client_end(fixture, 1), fixture_vm_address()),
            .receiver = fixture_vm_end(fixture),
            .port = 5002,
            .bytes = 20000001,
            .content = (enum bulk_content)(round % 3),
            .congestion = -1,
            .close = true,
        });
        struct ping *ping = ping_start(&(struct ping_options){
            .common =
                fixture_common(fixture, 3, fixture_vm_end(fixture), fixture_client_address(0)),
            .every_ns = 10 * SIM_MS,
            .timeout_ns = 5 * SIM_S,
            .size_bytes = 56,
        });
        for (uint32_t move = 0; move < 3; move++) {
            fixture_run(fixture, sim_now(fixture->sim) +
                                     (sim_time)fixture_below(&state, 80 * (uint64_t)SIM_MS));
            instance = fixture_move(fixture, instance, 1 - move % 2, 3 * SIM_MS);
            vm_instance_announce(instance, &(struct ip_announcement){.count = 1});
        }
        fixture_run(fixture, 3 * SIM_S);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_REQUEST_LOST), 0);
        cr_assert(fixture_count(fixture, TRAFFIC_REQUEST_DONE) > 100);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_BULK_DONE), 2, "round %u", round);
        for (uint32_t i = 0; i < 2; i++) {
            const struct fixture_record *done = fixture_find(fixture, TRAFFIC_BULK_DONE, i);
            cr_assert_eq(done->values[0], 20000001);
            cr_assert_eq(done->values[2], 0, "damaged");
        }
        /* One a move may have been on its way to the instance that went. */
        cr_assert(fixture_count(fixture, TRAFFIC_PING_LOST) <= 3);
        cr_assert(fixture_count(fixture, TRAFFIC_PING_REPLY) > 250);
        request_free(request);
        bulk_free(out);
        bulk_free(in);
        ping_free(ping);
        fixture_free(fixture);
    }
}

/* A client in a VM, which moves in the middle of whatever it does, and its server, which does not. */
Test(traffic, a_client_moves_with_its_vm)
{
    uint64_t state = 22;
    for (uint32_t round = 0; round < 20; round++) {
        struct guest_services standing;
        struct fixture *fixture = fixture_new(&server, 16 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        struct fixture_client *client = &fixture->clients[1];
        guest_services_init(&standing, &server, client->machine, client->stack, client->tcp, NULL);
        guest_services_listen(&standing);
        guest_services_start(&standing);
        struct request *request = request_start(&(struct request_options){
            .common =
                fixture_common(fixture, 0, fixture_vm_end(fixture), fixture_client_address(1)),
            .port = (uint16_t)(80 + round % 2),
            .request_bytes = round % 5 == 0 ? 6000000 : 1000, /* more than the send buffer */
            .response_bytes = 100000,
            .every_ns = 10 * SIM_MS,
            .timeout_ns = 10 * SIM_S,
        });
        for (uint32_t move = 0; move < 4; move++) {
            /* The first while it resolves the address or connects. */
            sim_time within = move == 0 ? 80 * SIM_US : 15 * SIM_MS;
            fixture_run(fixture,
                        sim_now(fixture->sim) + (sim_time)fixture_below(&state, (uint64_t)within));
            instance = fixture_move(fixture, instance, 1 - move % 2, 3 * SIM_MS);
        }
        fixture_run(fixture, 1500 * SIM_MS);
        request_stop(request);
        fixture_run(fixture, 4 * SIM_S);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_REQUEST_LOST), 0, "round %u", round);
        cr_assert(fixture_count(fixture, TRAFFIC_REQUEST_DONE) > 10, "round %u: %u done", round,
                  fixture_count(fixture, TRAFFIC_REQUEST_DONE));
        cr_assert_eq(fixture_count(fixture, TRAFFIC_REQUEST_DONE), standing.served);
        guest_services_check(&standing);
        guest_services_close(&standing);
        request_free(request);
        fixture_free(fixture);
    }
}

/* ---- bulk ---------------------------------------------------------------------------------------------------- */

enum damage { DAMAGE_NONE, DAMAGE_FLIP, DAMAGE_SHIFT };

/* Stands between the switch and client 1, and damages the nth frame with data: one bit of its first slice, or which bytes of its page
 * that slice holds. */
struct damager {
    struct fixture *fixture;
    enum damage damage;
    uint32_t nth;
    uint32_t seen;
};

static void damage_slice(struct damager *damager, struct slice *slice)
{
    struct page_pool *pages = damager->fixture->pages;
    if (damager->damage == DAMAGE_SHIFT) {
        cr_assert(slice->offset > 0);
        slice->offset--;
        return;
    }
    uint8_t bytes[PAGE_BYTES];
    page_copy_out(pages, slice->page, 0, PAGE_BYTES, bytes);
    bytes[slice->offset + slice->length / 2] ^= 1;
    page_unref(pages, slice->page);
    slice->page = page_literal(pages, bytes, PAGE_BYTES);
}

static void damage(void *context, struct frame *frame)
{
    struct damager *damager = context;
    if (frame->protocol == IP_TCP && frame->payload_bytes > 0 && ++damager->seen == damager->nth) {
        damage_slice(damager, &frame->slices[0]);
        frame_seal(damager->fixture->net.frames, frame);
    }
    struct frame_sink sink = nic_wire_side(damager->fixture->clients[1].nic);
    sink.receive(sink.context, frame);
}

static const struct {
    const char *name;
    uint64_t bytes;
    enum bulk_content content;
    uint32_t loss_ppb;
    uint32_t damaged; /* the nth frame with data; 0: none */
    bool close;
    int congestion;
    enum damage damage;
} transfers[] = {
    {"one byte", 1, BULK_PATTERN, 0, 0, true, -1, DAMAGE_NONE},
    {"a page less one", 4095, BULK_PATTERN, 0, 0, true, -1, DAMAGE_NONE},
    {"a page", 4096, BULK_LITERAL, 0, 0, true, TCP_RENO, DAMAGE_NONE},
    {"a page and one", 4097, BULK_ZERO, 0, 0, false, TCP_CUBIC, DAMAGE_NONE},
    {"patterns", 9000001, BULK_PATTERN, 0, 0, true, -1, DAMAGE_NONE},
    {"literals, more than the ring holds", 3000001, BULK_LITERAL, 0, 0, true, -1, DAMAGE_NONE},
    {"zeroes", 5000000, BULK_ZERO, 0, 0, false, -1, DAMAGE_NONE},
    {"more than two reports of progress", 150000000, BULK_PATTERN, 0, 0, true, -1, DAMAGE_NONE},
    {"patterns with loss", 3000001, BULK_PATTERN, 3000000, 0, true, TCP_RENO, DAMAGE_NONE},
    {"literals with loss", 3000001, BULK_LITERAL, 3000000, 0, true, -1, DAMAGE_NONE},
    {"zeroes with loss", 3000001, BULK_ZERO, 3000000, 0, true, -1, DAMAGE_NONE},
    {"a pattern with a bit flipped", 3000001, BULK_PATTERN, 0, 300, true, -1, DAMAGE_FLIP},
    {"a literal with a bit flipped", 3000001, BULK_LITERAL, 0, 301, true, -1, DAMAGE_FLIP},
    {"a zero with a bit flipped", 3000001, BULK_ZERO, 0, 302, true, -1, DAMAGE_FLIP},
    {"the first byte flipped", 10, BULK_PATTERN, 0, 1, true, -1, DAMAGE_FLIP},
    {"other bytes of the same pattern", 3000001, BULK_PATTERN, 0, 303, true, -1, DAMAGE_SHIFT},
    {"other bytes of the same literal", 3000001, BULK_LITERAL, 0, 304, true, -1, DAMAGE_SHIFT},
};

static void transfer(size_t row)
{
    const char *name = transfers[row].name;
    uint32_t ended = 0;
    struct fixture *fixture = fixture_new(NULL, 16 << 20);
    struct damager damager = {
        .fixture = fixture, .damage = transfers[row].damage, .nth = transfers[row].damaged};
    struct fixture_client *receiver = &fixture->clients[1];
    link_connect(receiver->down, (struct frame_sink){damage, &damager});
    link_set_loss(receiver->down, (struct link_fault_loss){transfers[row].loss_ppb, 0});
    struct traffic_common common =
        fixture_common(fixture, 0, fixture_client_end(fixture, 0), fixture_client_address(1));
    common.ended = count_end;
    common.context = &ended;
    fixture_run(fixture, 3 * SIM_MS);
    struct bulk *bulk = bulk_start(&(struct bulk_options){
        .common = common,
        .receiver = fixture_client_end(fixture, 1),
        .port = 5001,
        .bytes = transfers[row].bytes,
        .content = transfers[row].content,
        .congestion = transfers[row].congestion,
        .close = transfers[row].close,
    });
    fixture_run(fixture, 100 * SIM_S);
    const struct fixture_record *done = fixture_find(fixture, TRAFFIC_BULK_DONE, 0);
    cr_assert_eq(fixture_count(fixture, TRAFFIC_BULK_DONE), 1, "%s", name);
    cr_assert_eq(done->values[0], (int64_t)transfers[row].bytes, "%s", name);
    cr_assert_eq(done->values[1], done->time - 3 * SIM_MS, "%s", name);
    cr_assert_eq(done->values[2], transfers[row].damaged != 0, "%s: %lld damaged", name,
                 (long long)done->values[2]);
    uint32_t progress = fixture_count(fixture, TRAFFIC_BULK_PROGRESS);
    cr_assert_eq(progress, 1 + transfers[row].bytes / (64 << 20), "%s: %u", name, progress);
    cr_assert_eq(ended, 1, "%s", name);
    cr_assert_str_eq(fixture_find(fixture, TRAFFIC_ENDED, 0)->text, "done", "%s", name);
    uint32_t open = tcp_layer_live(fixture->clients[0].tcp) + tcp_layer_live(receiver->tcp);
    cr_assert_eq(open, transfers[row].close ? 0 : 2, "%s: %u connections are open", name, open);
    bulk_free(bulk);
    fixture_free(fixture);
}

Test(traffic, bulk_lands_and_is_compared)
{
    for (size_t row = 0; row < sizeof transfers / sizeof transfers[0]; row++) {
        transfer(row);
    }
}

enum mishap {
    STOPPED,
    STOPPED_AT_ONCE,
    FREED_AT_ONCE,
    PORT_TAKEN,
    NO_WAY,
    RECEIVER_OFF,
    SENDER_OFF_BEFORE,
    RECEIVER_CRASHES,
    SENDER_CRASHES,
    SENDER_REBOOTS,
};
static const struct {
    enum mishap mishap;
    const char *why; /* NULL: nothing is said */
    uint32_t ended;
} mishaps[] = {
    {STOPPED, "stopped", 0},
    {STOPPED_AT_ONCE, "stopped", 0},
    {FREED_AT_ONCE, NULL, 0},
    {PORT_TAKEN, "port is in use", 1},
    {NO_WAY, "no interface is in that network", 1},
    {RECEIVER_OFF, "refused: the receiver does not run", 1},
    {SENDER_OFF_BEFORE, "refused: the sender does not run", 1},
    {RECEIVER_CRASHES, "the receiver's machine is gone", 1},
    {SENDER_CRASHES, "the sender's machine is gone", 1},
    {SENDER_REBOOTS, "the sender lost its connection", 1},
};

static struct tcp_accept_result accept_none(void *context, struct tcp_connection *connection)
{
    (void)context;
    (void)connection;
    return (struct tcp_accept_result){NULL, NULL};
}

static void happen(struct fixture *fixture, struct bulk *bulk, enum mishap mishap)
{
    switch (mishap) {
    case STOPPED:
    case STOPPED_AT_ONCE:
        bulk_stop(bulk);
        bulk_stop(bulk);
        break;
    case RECEIVER_CRASHES:
        machine_crash(fixture->clients[1].machine);
        break;
    case SENDER_CRASHES:
        machine_crash(fixture->clients[0].machine);
        break;
    case SENDER_REBOOTS:
        machine_reboot(fixture->clients[0].machine);
        break;
    default:
        break;
    }
}

Test(traffic, bulk_says_why_it_failed)
{
    for (size_t row = 0; row < sizeof mishaps / sizeof mishaps[0]; row++) {
        enum mishap mishap = mishaps[row].mishap;
        uint32_t ended = 0;
        struct fixture *fixture = fixture_new(NULL, 16 << 20);
        struct traffic_common common =
            fixture_common(fixture, 0, fixture_client_end(fixture, 0),
                           mishap == NO_WAY ? (struct ip4){0x0b000001} : fixture_client_address(1));
        common.ended = count_end;
        common.context = &ended;
        if (mishap == PORT_TAKEN) {
            cr_assert_eq(tcp_listen(fixture->clients[1].tcp, 5001, 1, NULL, accept_none, NULL),
                         IP_OK);
        }
        if (mishap == RECEIVER_OFF || mishap == SENDER_OFF_BEFORE) {
            machine_crash(fixture->clients[mishap == RECEIVER_OFF].machine);
        }
        struct bulk *bulk = bulk_start(&(struct bulk_options){
            .common = common,
            .receiver = fixture_client_end(fixture, 1),
            .port = 5001,
            .bytes = 50000000,
            .content = BULK_LITERAL,
            .congestion = -1,
            .close = true,
        });
        if (mishap == STOPPED_AT_ONCE) {
            happen(fixture, bulk, mishap);
        }
        if (mishap != FREED_AT_ONCE) {
            fixture_run(fixture, 100 * SIM_MS);
            happen(fixture, bulk, mishap);
            fixture_run(fixture, 5 * SIM_S);
        }
        const struct fixture_record *end = fixture_find(fixture, TRAFFIC_ENDED, 0);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_ENDED), mishaps[row].why != NULL, "row %zu",
                     row);
        if (end != NULL) {
            cr_assert_str_eq(end->text, mishaps[row].why, "row %zu: %s", row, end->text);
        }
        cr_assert_eq(ended, mishaps[row].ended, "row %zu", row);
        cr_assert_eq(fixture_count(fixture, TRAFFIC_BULK_DONE), 0, "row %zu", row);
        bulk_free(bulk);
        fixture_free(fixture);
    }
}
