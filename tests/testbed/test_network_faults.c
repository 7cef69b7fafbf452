/* Faults of the network, each over a migration and traffic: no oracle fails, all of them strike, lists and patterns mean what they
 * say, and taking one away moves no draw of another. */
#include "tests/testbed/scenario_run.h"

#include "nic/net.h"
#include "testbed/world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* ---- a sweep ------------------------------------------------------------------------------------------------------------------ */

static const char *const faults[] = {
    "link: node2/lan, loss: 5%",
    "link: [node1/lan, node2/lan], bursts: {begin: 1%, end: 20%}",
    "link: node2/lan, duplicate: 20%",
    "link: node*/lan, duplicate: 100%",
    "link: node2/lan, corrupt: 5%",
    "link: node2/lan, corrupt-repaired: 2%",
    "link: node2/lan, corrupt-repaired: 100%, nth: 5",
    "link: node2/lan, reorder: 10%, hold: 500us",
    "link: node2/lan, reorder: 100%, jitter: 1ms",
    "link: node2/lan, jitter: 2ms",
    "link: '*/lan', jitter: 300us, shape: normal",
    "link: node2/lan, black-hole: 800B",
    "link: node2/lan, flap: {down: 3ms, up: 7ms}",
    "link: node2/lan, flap: {down: 15ms, up: 5ms}, direction: to",
    "link: node2/lan, ring: 0",
    "link: node2/lan, stall: true, ring: 3",
    "link: node2/lan, stall: true, ring: 1000",
    "link: node1/lan, hang: true",
    "link: node1/lan, reset: true",
    "switch: lan, crash: true",
    "switch: lan, reboot: true",
    "switch: lan, table: 0",
    "switch: lan, stale: true",
    "switch: lan, forget: true",
    "switch: lan, lose-announcements: 100%",
    "switch: lan, repeat-announcements: 3",
    "between: node1, and: node2, partition: true",
    "between: node1, and: [node2, alice], partition: true, one-way: true",
    "between: node2, and: [node1, alice, bob], partition: true",
    "between: node1, and: node2, delay: 2ms",
    "between: node1, and: node2, loss: 10%",
    "machine: bob, claims: web",
    "machine: bob, claims: node2",
    "machine: [node1, bob], freeze: true",
    "link: node2/lan, rate: 10Mbit/s, delay: 3ms, loss: 1%, duplicate: 5%, jitter: 1ms",
};
#define MOMENTS     6u
#define FAULT_COUNT (sizeof faults / sizeof *faults)

/* Whatever befalls the network while a VM moves: it ends up running once, or is said to have stayed, and what TCP carried is right. */
Test(network_faults, over_a_migration)
{
    uint32_t struck[FAULT_COUNT] = {0};
    for (uint32_t i = 0; i < FAULT_COUNT * MOMENTS; i++) {
        const char *fault = faults[i / MOMENTS];
        char rest[1024], name[160];
        struct scenario_run run;
        uint32_t moment = 1001 + i % MOMENTS * 10;
        snprintf(name, sizeof name, "{%s} at %u ms", fault, moment);
        snprintf(rest, sizeof rest,
                 "  - {at: 900ms, ping: {from: alice, to: web, every: 10ms}}\n"
                 "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
                 "  - {at: 950ms, tcp-bulk: {from: alice, to: node2, bytes: 1MiB}}\n"
                 "  - {at: %ums, fault: {%s, for: 60ms}, as: trouble}\n"
                 "end: {at: 20s}\n"
                 "expect:\n"
                 "  - web.state == running\n"
                 "  - {within: 10s, after: trouble.end, holds: move.end}\n"
                 "  - trouble.hits > 0\n",
                 moment, fault);
        scenario_run_open(&run, name, scenario_run_base, rest);
        struct judge_expectation strikes;
        judge_expectation(run_result_of(run.run)->judge, 2, &strikes);
        struck[i / MOMENTS] += strikes.held == TRUTH_TRUE ? 1 : 0;
        scenario_run_verdicts(&run, name, strikes.held == TRUTH_TRUE ? "ppp" : "ppf");
        scenario_run_close(&run);
    }
    for (uint32_t i = 0; i < FAULT_COUNT; i++) {
        bool waits = strstr(faults[i], "ring: 1000") != NULL; /* all is kept, none is lost */
        cr_expect_eq(struck[i] > 0, !waits, "{%s} struck in %u of %u runs", faults[i], struck[i],
                     MOMENTS);
    }
}

/* ---- what each is seen to do -------------------------------------------------------------------------------------------------- */

#define PINGS                                                                                      \
    "  - {at: 0s, ping: {from: alice, to: bob, every: 10ms, timeout: 50ms, count: 100}, as: "      \
    "ping}\n"
/* Of 100 pings from 0 to 990 ms those between 500 ms and 700 ms meet the fault: 20, there and back, with their frames. */
#define WITH(fault) PINGS "  - {at: 495ms, fault: {" fault ", for: 200ms}, as: a}\nend: {at: 2s}\n"

static const struct {
    const char *name, *rest, *verdicts;
} effects[] = {
    {"a black hole: nothing is as long",
     WITH("link: bob/lan, black-hole: 84B") "expect: [a.hits == 0, ping.lost == 0]\n", "pp"},
    {"a black hole: all are longer",
     WITH("link: bob/lan, black-hole: 83B") "expect: [a.hits == 20, ping.lost == 20]\n", "pp"},
    {"all come twice, there alone",
     WITH("link: bob/lan, duplicate: 100%, direction: to") "expect: [a.hits == 20, ping.lost == 0, "
                                                           "ping.received == 100]\n",
     "ppp"},
    {"all damaged",
     WITH(
         "link: bob/lan, corrupt: 100%, direction: to") "expect: [a.hits == 20, ping.lost == 20]\n",
     "pp"},
    {"all held, in order",
     WITH("link: bob/lan, reorder: 100%, hold: 3ms, direction: to") "expect: [a.hits == 20, "
                                                                    "ping.rtt.max > 3ms, "
                                                                    "ping.rtt.max < 3100us]\n",
     "ppp"},
    {"held beyond the time-out",
     WITH("link: bob/lan, reorder: 100%, hold: 60ms, direction: to") "expect: [ping.lost == 20]\n",
     "p"},
    {"late, and counted as it ends",
     WITH("link: bob/lan, jitter: 4ms") "expect: [a.hits == 40, ping.lost == 0, ping.rtt.max > "
                                        "4ms]\n",
     "ppp"},
    {"a delay, counted as it ends",
     WITH("link: bob/lan, delay: 4ms, direction: to") "expect: [a.hits == 20, ping.rtt.max > 4ms, "
                                                      "ping.rtt.max < 4100us]\n",
     "ppp"},
    {"a rate that another takes the place of",
     PINGS
     "  - {at: 495ms, fault: {link: bob/lan, rate: 1Mbit/s, direction: to, for: 400ms}, as: a}\n"
     "  - {at: 595ms, fault: {link: bob/lan, rate: 2Mbit/s, direction: to, for: 100ms}, as: b}\n"
     "end: {at: 2s}\nexpect: [a.hits == 30, b.hits == 10]\n",
     "pp"},
    {"losses that overlap: the one that began last acts, then the one before it",
     PINGS "  - {at: 495ms, fault: {link: bob/lan, loss: 100%, direction: to, for: 400ms}, as: a}\n"
           "  - {at: 595ms, fault: {link: bob/lan, loss: 0%, direction: to, for: 100ms}, as: b}\n"
           "end: {at: 2s}\nexpect: [a.hits == 30, b.hits == 0, ping.lost == 30]\n",
     "ppp"},
    {"tables that overlap",
     PINGS "  - {at: 495ms, fault: {switch: lan, stale: true, for: 400ms}, as: a}\n"
           "  - {at: 595ms, fault: {switch: lan, table: 0, for: 100ms}, as: b}\n"
           "  - {at: 645ms, stop: b}\n"
           "end: {at: 2s}\nexpect: [a.hits > 0, b.hits > 0, ping.lost == 0]\n",
     "ppp"},
    {"a delay that is never ended",
     PINGS "  - {at: 895ms, fault: {link: bob/lan, delay: 1ms, direction: to}, as: a}\n"
           "end: {at: 2s}\nexpect: [a.hits == 10]\n",
     "p"},
    {"a burst that never ends loses all",
     WITH("link: bob/lan, bursts: {begin: 100%, end: 0%}") "expect: [a.hits == 20, ping.lost == "
                                                           "20]\n",
     "pp"},
    {"bursts that never begin",
     WITH("link: bob/lan, bursts: {begin: 0%, end: 10%}") "expect: [a.hits == 0, ping.lost == 0]\n",
     "pp"},
    {"flaps: down half of the time",
     WITH(
         "link: bob/lan, flap: {down: 20ms, up: 20ms}") "expect: [a.hits == 10, ping.lost == 10]\n",
     "pp"},
    {"a partition",
     WITH("between: alice, and: bob, partition: true") "expect: [a.hits == 20, ping.lost == 20]\n",
     "pp"},
    {"a partition of others",
     WITH("between: node*, and: [alice, bob], partition: true") "expect: [a.hits == 0, ping.lost "
                                                                "== 0]\n",
     "pp"},
    {"a partition, the way back alone",
     WITH("between: bob, and: alice, partition: true, one-way: true") "expect: [a.hits == 20, "
                                                                      "ping.lost == 20]\n",
     "pp"},
    {"a partition of another network",
     WITH("between: alice, and: bob, over: wire, partition: true") "expect: [a.hits == 0, "
                                                                   "ping.lost == 0]\n",
     "pp"},
    {"a slow pair",
     WITH("between: alice, and: bob, delay: 2ms") "expect: [a.hits == 40, ping.lost == 0, "
                                                  "ping.rtt.max > 4ms, ping.rtt.max < 4100us]\n",
     "pppp"},
    {"a cable: both ways",
     "  - {at: 0s, ping: {from: alice, to: bob, over: wire, every: 10ms, timeout: 50ms, count: "
     "100}, as: ping}\n"
     "  - {at: 295ms, fault: {between: alice, and: bob, over: wire, delay: 2ms, for: 100ms}, as: "
     "slow}\n"
     "  - {at: 495ms, fault: {between: alice, and: bob, over: wire, partition: true, for: 100ms}, "
     "as: cut}\n"
     "end: {at: 2s}\n"
     "expect: [slow.hits == 20, cut.hits == 10, ping.lost == 10, ping.rtt.max > 4ms]\n",
     "pppp"},
    {"a switch without power",
     WITH("switch: lan, crash: true") "expect: [a.hits == 1, ping.lost == 20]\n", "pp"},
    {"two outages of a switch that overlap",
     PINGS "  - {at: 495ms, fault: {switch: lan, crash: true, for: 200ms}, as: a}\n"
           "  - {at: 595ms, fault: {switch: lan, reboot: true, for: 50ms}, as: b}\n"
           "end: {at: 2s}\nexpect: [ping.lost == 20]\n",
     "p"},
    {"a NIC that hangs",
     WITH("link: bob/lan, hang: true") "expect: [a.hits == 20, ping.lost == 20]\n", "pp"},
    {"two hangs that overlap",
     PINGS "  - {at: 495ms, fault: {link: bob/lan, hang: true, for: 200ms}, as: a}\n"
           "  - {at: 595ms, fault: {link: bob/lan, hang: true, for: 50ms}, as: b}\n"
           "end: {at: 2s}\nexpect: [ping.lost == 20]\n",
     "p"},
    {"a ring that nobody empties, and what waited is answered late",
     WITH("link: bob/lan, stall: true, ring: 8") "expect: [a.hits == 12, ping.lost == 20, "
                                                 "ping.received == 80]\n",
     "ppp"},
    {"groups: two clients freeze, all nodes restart",
     PINGS "  - {at: 495ms, fault: {machine: [alice, bob], freeze: true, for: 200ms}, as: a}\n"
           "  - {at: 1500ms, fault: {machine: node*, crash: true, for: 100ms}, as: b}\n"
           "end: {at: 2s}\n"
           "expect: [ping.lost == 0, node1.state == running, web.state == lost, {never: bob.state "
           "== powered-down}]\n",
     "pppp"},
    {"an address that two have",
     "  - {at: 0s, ping: {from: alice, to: node1, every: 10ms, timeout: 50ms, count: 100}, as: "
     "ping}\n"
     "  - {at: 495ms, fault: {machine: bob, claims: node1, for: 200ms}, as: a}\n"
     "end: {at: 2s}\nexpect: [a.hits >= 1, ping.lost > 15]\n",
     "pp"},
};

Test(network_faults, effects)
{
    for (size_t row = 0; row < sizeof effects / sizeof *effects; row++) {
        struct scenario_run run;
        scenario_run_open(&run, effects[row].name, scenario_run_base, effects[row].rest);
        scenario_run_verdicts(&run, effects[row].name, effects[row].verdicts);
        scenario_run_close(&run);
    }
}

/* ---- draws ----------------------------------------------------------------------------------------------------------------------- */

/* Which frames a fault touched: their sequence numbers, in order. */
struct touched {
    int64_t sequences[512];
    uint32_t count;
};

static void on_changed(void *context, const struct record *record)
{
    struct touched *touched = context;
    if (strcmp(record->text, "duplicated") == 0 && touched->count < 512) {
        touched->sequences[touched->count++] = record->values[2];
    }
}

/* Duplicates alone, and beside loss behind it, corruption and jitter: the same frames are doubled. */
Test(network_faults, draws_do_not_move)
{
    static const char *const beside[] = {"", "corrupt: 30%, ",
                                         "corrupt-repaired: 20%, jitter: 1ms, "};
    static struct touched touched[3];
    for (uint32_t i = 0; i < 3; i++) {
        char rest[512];
        struct scenario_run run;
        snprintf(
            rest, sizeof rest,
            "  - {at: 0s, ping: {from: alice, to: bob, every: 1ms, timeout: 50ms, count: 1000}}\n"
            "  - {at: 100us, fault: {link: bob/lan, %sduplicate: 20%%, direction: to}}\n"
            "end: {at: 2s}\n",
            beside[i]);
        scenario_run_make(&run, "draws", scenario_run_base, rest);
        struct world *world = run_world(run.run);
        recorder_listen(world->recorder, world->net.record_base + NET_FRAME_CHANGED, on_changed,
                        &touched[i]);
        scenario_run_go(&run, "draws");
        scenario_run_close(&run);
        cr_expect(touched[i].count > 150 && touched[i].count < 250, "%u", touched[i].count);
        cr_expect_eq(touched[i].count, touched[0].count);
        cr_expect_arr_eq(touched[i].sequences, touched[0].sequences, sizeof touched[0].sequences);
    }
}
