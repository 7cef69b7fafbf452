/* Which records make which oracle fire, and which do not. */
#include "tests/report/report_world.h"

#include <criterion/criterion.h>
#include <string.h>

static const char scenario[] =
    "networks:\n"
    "  a: {rate: 1Gbit/s, delay: 5us}\n"
    "  b: {rate: 1Gbit/s, delay: 5us}\n"
    "nodes:\n"
    "  node1..node3: {memory: 4GiB, nics: [a, b]}\n"
    "vms:\n"
    "  web: {node: node1, memory: 512MiB, nics: [a]}\n"
    "timeline:\n"
    "  - {at: 5s, live-migrate: {vm: web, to: node2, over: [a]}, as: move}\n"
    "  - {at: 5s, fault: {link: node2/a, down: true}, as: down}\n"
    "  - {at: 5s, fault: {link: node2/a, loss: 10%}, as: loss}\n"
    "  - {at: 5s, fault: {link: node2/b, down: true}, as: elsewhere}\n"
    "  - {at: 5s, fault: {link: node3/a, down: true}, as: aside}\n"
    "  - {at: 5s, fault: {link: node1/a, loss: 100%, nth: 3}, as: third}\n"
    "  - {at: 5s, live-migrate: {vm: web, to: node2, over: [a, b]}, as: both}\n"
    "  - {at: 5s, power: {machine: web, do: power-off}, as: halt}\n"
    "end: {at: 1000s}\n";

/* The VM is paused at 10 s, 3000 pages left, which were predicted to take 100 ms. */
#define PAUSED                                                                                     \
    "boot\n"                                                                                       \
    "5s node1 migration.ordered 1 : web\n"                                                         \
    "5s web vm.created 2 node2 131072\n"                                                           \
    "9s node1 migration.round 1 1 131072 0 512MiB 4s 3000 100ms\n"                                 \
    "10s node1 migration.step 1 5 : stop-copy\n"                                                   \
    "10s web vm.paused 1 node1\n"
/* ... and given at 11 s. */
#define GIVEN                                                                                      \
    PAUSED "10.9s node2 migration.handover 1 5 : prepared\n"                                       \
           "11s node1 migration.handover 1 5 : given\n"
#define SOURCE_CRASHES(at)      at " web vm.gone 1 node1 0 0\n" at " node1 machine.state 1 : off\n"
#define TARGET_CRASHES(at)      at " web vm.gone 2 node2 0 0\n" at " node2 machine.state 1 : off\n"
#define OWNED(at)               at " node2 migration.handover 1 5 : owned\n"
#define LINK(at, direction, up) at " node2/a" direction " net.link_state " up " 1000000000 5000\n"
#define DOWN(at)                LINK(at, ">", "0") LINK(at, "<", "0")
#define UP(at)                  LINK(at, ">", "1") LINK(at, "<", "1")
#define RUNS(at)                at " web vm.runs 2 node2\n"

/* `oracle` fires at `at` with words that hold `what`, and no other; or none does (ORACLES). `judged` counts how often that oracle judged, where
 * none fires for the one that is named. */
static const struct row {
    const char *name, *records;
    enum oracle fires;
    const char *at, *what;
} rows[] = {
    /* one-instance */
    {"two run",
     GIVEN RUNS("11.1s") "11.2s web vm.runs 1 node1\n11.2s node1 migration.handover 1 5 : taken "
                         "back\nend 12s\n",
     ORACLES, NULL, "one-instance commit"},
    {"two run, never given",
     "boot\n5s web vm.created 2 node2 131072\n6s web vm.runs 2 node2\nend 12s\n",
     ORACLE_ONE_INSTANCE, "6s", "web begins to run on node2 while it runs on node1"},
    {"one after the other", "boot\n6s web vm.paused 1 node1\n7s web vm.runs 1 node1\nend 12s\n",
     ORACLES, NULL, NULL},
    {"the first is gone",
     "boot\n5s web vm.created 2 node2 131072\n6s web vm.gone 1 node1 1 0\n6s node1 machine.state 1 "
     ": off\n"
     "7s web vm.runs 2 node2\nend 12s\n",
     ORACLES, NULL, NULL},
    /* memory, state */
    {"a page differs", GIVEN "11.1s web vm.compared 2 1 1 77 0 1\n" RUNS("11.1s") "end 12s\n",
     ORACLE_MEMORY, "11.1s",
     "web on node2 differs from what it was in 1 of its pages, the first is page 77"},
    {"the state differs", GIVEN "11.1s web vm.compared 2 1 0 0 1 1\n" RUNS("11.1s") "end 12s\n",
     ORACLE_STATE, "11.1s", "processor or device state"},
    {"nothing to compare with",
     GIVEN "11.1s web vm.compared 2 1 1 77 1 0\n" RUNS("11.1s") "end 12s\n", ORACLES, NULL, NULL},
    /* commit */
    {"stores after the pause", GIVEN RUNS("11.1s") "11.2s web vm.gone 1 node1 0 3\nend 12s\n",
     ORACLE_COMMIT, "11.2s", "node1 gave web, and stores by its copy after the pause were 3"},
    {"stores after a pause that was undone",
     PAUSED
     "10.5s web vm.gone 2 node2 0 0\n10.6s web vm.runs 1 node1\n11s web vm.gone 1 node1 1 0\n"
     "11s node1 machine.state 1 : off\nend 12s\n",
     ORACLES, NULL, NULL},
    {"runs on after it gave", GIVEN "11.5s web vm.runs 1 node1\nend 12s\n", ORACLE_COMMIT, "11.5s",
     "web runs on node1 again, which gave it"},
    {"taken back",
     GIVEN TARGET_CRASHES("11.1s") "20s node2 machine.state 2 : on\n"
                                   "21s node1 migration.handover 1 5 : taken back\n21s web vm.runs "
                                   "1 node1\nend 60s\n",
     ORACLES, NULL, NULL},
    /* dirty */
    {"a store was missed", "boot\n6s web vm.harvested 1 100 2 5\nend 12s\n", ORACLE_DIRTY, "6s",
     "web: stores to 2 of its pages were not reported dirty, the first is page 5"},
    {"no store was missed", "boot\n6s web vm.harvested 1 100 0 0\nend 12s\n", ORACLES, NULL, NULL},
    /* streams, frames */
    {"a stream was damaged", "boot\n6s node2 net.stream_checked 5 1000 0\nend 12s\n",
     ORACLE_STREAMS, "6s",
     "a TCP stream to node2 did not arrive as it was sent; right until byte 1000"},
    {"a stream was right", "boot\n6s node2 net.stream_checked 5 1000 1\nend 12s\n", ORACLES, NULL,
     NULL},
    {"frames from nowhere", "boot\n12s node1/a> link.totals 5 5000 0 0 1s 0\nend 12s\n",
     ORACLE_FRAMES, "12s", "node1/a>: frames delivered"},
    {"all frames known", "boot\n12s node1/a> link.totals 5 5000 0 0 1s 1\nend 12s\n", ORACLES, NULL,
     NULL},
    /* leaks */
    {"a frame is alive", "boot\n12s (timeline) run.leaks 1 0 0 0\nend 12s\n", ORACLE_LEAKS, "12s",
     "taken down: frames, 1"},
    {"a page is alive", "boot\n12s (timeline) run.leaks 0 2 0 0\nend 12s\n", ORACLE_LEAKS, "12s",
     "taken down: literal pages, 2"},
    {"a fiber is alive", "boot\n12s (timeline) run.leaks 0 0 3 0\nend 12s\n", ORACLE_LEAKS, "12s",
     "taken down: fibers, 3"},
    {"an event is queued", "boot\n12s (timeline) run.leaks 0 0 0 4\nend 12s\n", ORACLE_LEAKS, "12s",
     "taken down: events, 4"},
    {"nothing is alive", "boot\n12s (timeline) run.leaks 0 0 0 0\nend 12s\n", ORACLES, NULL, NULL},
    {"a stream is open", "boot\n12s node1 node.totals 0 0 2 0 0\nend 12s\n", ORACLE_LEAKS, "12s",
     "node1: no migration is open, streams are: 1"},
    {"pages are held", "boot\n12s node1 node.totals 0 0 1 9 0\nend 12s\n", ORACLE_LEAKS, "12s",
     "node1: no migration is open, pages are held: 9"},
    {"the listener alone", "boot\n12s node1 node.totals 0 99 1 0 0\nend 12s\n", ORACLES, NULL,
     NULL},
    {"a migration is open", "boot\n12s node1 node.totals 0 0 3 9 1\nend 12s\n", ORACLES, NULL,
     NULL},
    {"a copy that never ran",
     "boot\n5s web vm.created 2 node2 131072\n12s node2 node.totals 0 0 1 0 0\nend 12s\n",
     ORACLE_LEAKS, "12s", "node2 keeps the memory of a copy of web"},
    {"a copy that was given", GIVEN RUNS("11.1s") "12s node1 node.totals 0 0 1 0 0\nend 12s\n",
     ORACLE_LEAKS, "12s", "node1 keeps the memory of a copy of web"},
    {"settled just now, connections linger",
     "boot\n5s node1 migration.ordered 1 : web\n11.5s node1 migration.ended 1 1 5 : completed\n"
     "12s node2 node.totals 0 0 2 1 0\nend 12s\n",
     ORACLES, NULL, NULL},
    {"settled long ago",
     "boot\n5s node1 migration.ordered 1 : web\n10.5s node1 migration.ended 1 1 5 : completed\n"
     "12s node2 node.totals 0 0 2 0 0\nend 12s\n",
     ORACLE_LEAKS, "12s", "node2: no migration is open, streams are: 1"},
    {"a peer died not long ago",
     "boot\n5s node1 migration.ordered 1 : web\n6s web vm.gone 1 node1 1 0\n6s node1 machine.state "
     "1 : off\n"
     "20s node2 node.totals 0 0 2 0 0\nend 20s\n",
     ORACLES, NULL, NULL},
    {"a peer died long ago",
     "boot\n5s node1 migration.ordered 1 : web\n6s web vm.gone 1 node1 1 0\n6s node1 machine.state "
     "1 : off\n"
     "22s node2 node.totals 0 0 2 0 0\nend 22s\n",
     ORACLE_LEAKS, "22s", "node2: no migration is open, streams are: 1"},
    /* liveness: paused */
    {"paused and resumed", PAUSED "20.2s web vm.runs 1 node1\nend 60s\n", ORACLES, NULL, NULL},
    {"paused for ever", PAUSED "end 60s\n", ORACLE_LIVENESS, "20.2s",
     "web was paused for its last pages, and ran nowhere 10.2 s after nothing stood in its way"},
    {"paused for too long", PAUSED "20.200000001s web vm.runs 1 node1\nend 60s\n", ORACLE_LIVENESS,
     "20.2s", "web was paused"},
    {"paused at the end", PAUSED "end 20.2s\n", ORACLES, NULL, NULL},
    {"paused, and the link is down: the source runs on all the same",
     PAUSED DOWN("12s") "end 60s\n", ORACLE_LIVENESS, "22.2s", "web"},
    {"paused, and the link loses frames to the end",
     PAUSED "12s loss fault.starts 1 100000000 : node2/a\nend 60s\n", ORACLES, NULL, NULL},
    {"paused, and lost with its host", PAUSED SOURCE_CRASHES("11s") "end 60s\n", ORACLES, NULL,
     NULL},
    {"paused, and destroyed", PAUSED "11s web vm.gone 1 node1 0 0\nend 60s\n", ORACLE_LIVENESS,
     "11s", "its last instance was destroyed on node1"},
    {"paused, and the copy discarded",
     PAUSED "11s web vm.gone 2 node2 0 0\n11.1s web vm.runs 1 node1\nend 60s\n", ORACLES, NULL,
     NULL},
    {"paused, and switched off",
     PAUSED "11s web machine.state 0 : off\n11s web vm.gone 1 node1 0 0\nend 60s\n", ORACLES, NULL,
     NULL},
    {"paused by an administrator", "boot\n6s web vm.paused 1 node1\nend 60s\n", ORACLES, NULL,
     NULL},
    {"paused on a frozen host", PAUSED "12s node1 machine.state 1 : frozen\nend 60s\n", ORACLES,
     NULL, NULL},
    {"paused on a host that thawed",
     PAUSED "12s node1 machine.state 1 : frozen\n40s node1 machine.state 1 : thawed\nend 60s\n",
     ORACLE_LIVENESS, "50.2s", "web"},
    /* liveness: given */
    {"given and taken", GIVEN RUNS("21s") "end 60s\n", ORACLES, NULL, NULL},
    {"given and taken too late", GIVEN RUNS("21.000000001s") "end 60s\n", ORACLE_LIVENESS, "21s",
     "web was given, and ran nowhere 10.0 s after both nodes and a path between them were up"},
    {"given, and nobody runs", GIVEN "end 60s\n", ORACLE_LIVENESS, "21s", "web was given"},
    {"given, and the run ends", GIVEN "end 21s\n", ORACLES, NULL, NULL},
    {"given, the source stays away", GIVEN SOURCE_CRASHES("12s") "end 60s\n", ORACLES, NULL, NULL},
    {"given, the source comes back",
     GIVEN SOURCE_CRASHES("12s") "30s node1 machine.state 2 : on\nend 60s\n", ORACLE_LIVENESS,
     "40s", "web was given"},
    {"given, the source comes back, the target runs",
     GIVEN SOURCE_CRASHES("12s") "30s node1 machine.state 2 : on\n" RUNS("40s") "end 60s\n",
     ORACLES, NULL, NULL},
    {"given, the target is frozen for a while",
     GIVEN "12s node2 machine.state 1 : frozen\n30s node2 machine.state 1 : thawed\n" RUNS(
         "40s") "end 60s\n",
     ORACLES, NULL, NULL},
    {"given, the target is frozen for a while and for too long after",
     GIVEN "12s node2 machine.state 1 : frozen\n30s node2 machine.state 1 : thawed\n" RUNS(
         "41s") "end 60s\n",
     ORACLE_LIVENESS, "40s", "web was given"},
    {"given, both lost with their hosts",
     GIVEN SOURCE_CRASHES("12s") TARGET_CRASHES("13s") "20s node1 machine.state 2 : on\n"
                                                       "20s node2 machine.state 2 : on\nend 60s\n",
     ORACLES, NULL, NULL},
    {"given, and discarded though nothing was lost but the source",
     GIVEN SOURCE_CRASHES(
         "12s") "20s node1 machine.state 2 : on\n21s web vm.gone 2 node2 0 0\nend 60s\n",
     ORACLE_LIVENESS, "21s", "its last instance was destroyed on node2"},
    {"given, switched off",
     GIVEN "12s web machine.state 0 : off\n12s web vm.gone 1 node1 0 0\nend 60s\n", ORACLES, NULL,
     NULL},
    {"given, the link stays down", GIVEN DOWN("12s") "end 60s\n", ORACLES, NULL, NULL},
    {"given, one direction of the link stays down", GIVEN LINK("12s", "<", "0") "end 60s\n",
     ORACLES, NULL, NULL},
    {"given, the link was down before, and stays", DOWN("1s") GIVEN "end 60s\n", ORACLES, NULL,
     NULL},
    {"given, the link comes back", GIVEN DOWN("12s") UP("30s") "end 60s\n", ORACLE_LIVENESS, "40s",
     "web was given"},
    {"given, the link comes back one way", GIVEN DOWN("12s") LINK("30s", ">", "1") "end 60s\n",
     ORACLES, NULL, NULL},
    {"given, the link has another rate", GIVEN LINK("12s", ">", "1") "end 60s\n", ORACLE_LIVENESS,
     "21s", "web was given"},
    {"given, the link comes back and it runs", GIVEN DOWN("12s") UP("30s") RUNS("40s") "end 60s\n",
     ORACLES, NULL, NULL},
    {"given, a link that it does not use is down",
     GIVEN "12s elsewhere fault.starts 0 1 : node2/b\nend 60s\n", ORACLE_LIVENESS, "21s", "web"},
    {"given, a link of another node is down",
     GIVEN "12s aside fault.starts 0 1 : node3/a\nend 60s\n", ORACLE_LIVENESS, "21s", "web"},
    {"given, another node crashes", GIVEN "12s node3 machine.state 1 : off\nend 60s\n",
     ORACLE_LIVENESS, "21s", "web"},
    {"given, a frame is taken later",
     GIVEN "12s third fault.starts 1 1000000000 : node1/a\n"
           "15s node1/a> net.frame_lost 100 0 0 0 @third : loss\n" RUNS("25s") "end 60s\n",
     ORACLES, NULL, NULL},
    {"given, a frame is taken later, and for too long after",
     GIVEN "12s third fault.starts 1 1000000000 : node1/a\n"
           "15s node1/a> net.frame_lost 100 0 0 0 @third : loss\nend 60s\n",
     ORACLE_LIVENESS, "25s", "web was given"},
    {"given, frames are lost to a full queue",
     GIVEN "15s node1/a> net.frame_lost 100 0 0 0 : queue\nend 60s\n", ORACLE_LIVENESS, "21s",
     "web"},
    {"given, and another network is left",
     "boot\n5s node1 migration.ordered 7 : web\n10s node1 migration.step 7 5 : stop-copy\n"
     "10s web vm.paused 1 node1\n11s node1 migration.handover 7 5 : given\n" DOWN(
         "12s") "end 60s\n",
     ORACLE_LIVENESS, "22s", "web was given"},
    /* liveness: owned */
    {"owned, and nobody runs", GIVEN OWNED("12s") "end 60s\n", ORACLE_LIVENESS, "22s",
     "web was taken over by its target, and ran nowhere 10.0 s after"},
    {"owned, and runs", GIVEN OWNED("12s") RUNS("22s") "end 60s\n", ORACLES, NULL, NULL},
    {"owned, without source or link",
     GIVEN OWNED("12s") DOWN("13s") SOURCE_CRASHES("13s") "end 60s\n", ORACLE_LIVENESS, "23s",
     "web was taken over"},
    {"owned, and lost with the target",
     GIVEN OWNED("12s") TARGET_CRASHES("12s") "13s node1 migration.handover 1 5 : freed\n"
                                              "13s web vm.gone 1 node1 0 0\nend 60s\n",
     ORACLES, NULL, NULL},
    {"owned, and destroyed at the target",
     GIVEN OWNED("12s") "13s web vm.gone 2 node2 0 0\nend 60s\n", ORACLE_LIVENESS, "13s",
     "was taken over by its target, and its last instance was destroyed on node2"},
    {"what is taken down at the end says nothing",
     GIVEN SOURCE_CRASHES(
         "12s") "60s node1/a> link.totals 5 5000 0 0 1s 1\n60s web vm.gone 2 node2 0 0\n"
                "61s (timeline) run.leaks 0 0 0 0\nend 61s\n",
     ORACLES, NULL, NULL},
};

static int64_t time_of(const char *text)
{
    char error[QUANTITY_ERROR_BYTES];
    int64_t value = 0;
    cr_assert(quantity_parse(QUANTITY_TIME, text, &value, error), "%s: %s", text, error);
    return value;
}

/* Whether an oracle is to fire in a row: the one of `fires`, or those that `what` lists where there are several. */
static bool is_to_fire(const struct row *row, const char *oracle, enum oracle number)
{
    if (row->fires != ORACLES) {
        return number == row->fires;
    }
    return row->what != NULL && strstr(row->what, oracle) != NULL;
}

static void check_row(const struct row *row)
{
    struct report_world world;
    report_world_open(&world, row->name, scenario, row->records);
    for (uint32_t i = 0; i < ORACLES; i++) {
        struct oracle_verdict verdict;
        oracles_verdict(world.oracles, (enum oracle)i, &verdict);
        bool fires = is_to_fire(row, verdict.name, (enum oracle)i);
        cr_expect_eq(verdict.held == TRUTH_FALSE, fires, "%s: %s %s at %lld: %s", row->name,
                     verdict.name, truth_word(verdict.held), (long long)verdict.at, verdict.what);
        cr_expect_eq(verdict.held == TRUTH_UNKNOWN, verdict.judged == 0, "%s: %s", row->name,
                     verdict.name);
        if (fires && row->at != NULL) {
            cr_expect_eq(verdict.at, time_of(row->at), "%s: at %lld", row->name,
                         (long long)verdict.at);
            cr_expect_not_null(strstr(verdict.what, row->what), "%s: %s", row->name, verdict.what);
        }
    }
    bool any = row->fires != ORACLES || row->what != NULL;
    cr_expect_eq(run_result_exit_status(&world.result) == 5, any, "%s: exit status", row->name);
    report_world_close(&world);
}

Test(oracles, fire)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_row(&rows[i]);
    }
}

/* O1, O2: what judged nothing says so; of two violations the first is kept. */
Test(oracles, first_and_unknown)
{
    struct report_world world;
    struct oracle_verdict verdict;
    report_world_open(&world, "first", scenario,
                      "boot\n6s web vm.harvested 1 100 2 5\n7s web vm.harvested 1 100 9 1\n"
                      "8s web vm.harvested 1 100 0 0\nend 12s\n");
    oracles_verdict(world.oracles, ORACLE_DIRTY, &verdict);
    cr_expect_eq(verdict.at, 6 * SIM_S);
    cr_expect_eq(verdict.judged, 3);
    cr_expect_not_null(strstr(verdict.what, "to 2 of"), "%s", verdict.what);
    oracles_verdict(world.oracles, ORACLE_STREAMS, &verdict);
    cr_expect_eq(verdict.held, TRUTH_UNKNOWN);
    cr_expect_str_eq(verdict.what, "");
    report_world_close(&world);
}
