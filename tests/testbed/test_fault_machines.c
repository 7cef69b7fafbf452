/* Faults of clocks, processors and connections: as records, and by what they did. */
#include "tests/testbed/scenario_run.h"

#include "testbed/world.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct {
    const char *name, *timeline, *story;
} stories[] = {
    {"a step is for good",
     "  - {at: 1s, fault: {machine: bob, clock-step: 5min, for: 1s}, as: a}\nend: {at: 3s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob\n1s bob clock.changed 5min 0ppm\n"
     "2s a fault.stops: bob\n2s a action.ends: over\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
    {"offsets add up and are taken back, each by itself",
     "  - {at: 1s, fault: {machine: bob, clock-offset: -2s, for: 3s}, as: a}\n"
     "  - {at: 2s, fault: {machine: bob, clock-offset: 5s, for: 4s}, as: b}\nend: {at: 7s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob\n1s bob clock.changed -2s 0ppm\n"
     "2s b action.starts: fault\n2s b fault.starts: bob\n2s bob clock.changed 5s 0ppm\n"
     "4s a fault.stops: bob\n4s bob clock.changed 2s 0ppm\n4s a action.ends: over\n"
     "6s b fault.stops: bob\n6s bob clock.changed -5s 0ppm\n6s b action.ends: over\n"
     "7s (timeline) run.ends: the scenario's end was reached\n"},
    {"of drifts the last acts, then the one before it",
     "  - {at: 1s, fault: {machine: bob, clock-drift: 100ppm, for: 4s}, as: a}\n"
     "  - {at: 2s, fault: {machine: bob, clock-drift: -50ppm, for: 1s}, as: b}\nend: {at: 7s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob\n1s bob clock.changed 0s 100ppm\n"
     "2s b action.starts: fault\n2s b fault.starts: bob\n2s bob clock.changed 0s -50ppm\n"
     "3s b fault.stops: bob\n3s bob clock.changed 0s 100ppm\n3s b action.ends: over\n"
     "5s a fault.stops: bob\n5s bob clock.changed 0s 0ppm\n5s a action.ends: over\n"
     "7s (timeline) run.ends: the scenario's end was reached\n"},
    {"a strobe ends where it began",
     "  - {at: 1s, fault: {machine: bob, clock-strobe: 1min, strobe-every: 1s, for: 2500ms}, as: "
     "a}\n"
     "end: {at: 5s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob\n1s bob clock.changed 60s 0ppm\n"
     "2s bob clock.changed -60s 0ppm\n3s bob clock.changed 60s 0ppm\n"
     "3.5s a fault.stops: bob\n3.5s bob clock.changed -60s 0ppm\n3.5s a action.ends: over\n"
     "5s (timeline) run.ends: the scenario's end was reached\n"},
    {"cores are slow, and well again",
     "  - {at: 1s, fault: {machine: node1, slow: 75%, for: 1s}, as: a}\nend: {at: 3s}\n",
     "1s a action.starts: fault\n1s a fault.starts: node1\n1s node1 processor.changed 250: cores\n"
     "2s a fault.stops: node1\n2s node1 processor.changed 1000: cores\n2s a action.ends: over\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
    {"a reset strikes both ends of a connection, and none where there is none",
     "  - {at: 0s, request: {from: alice, to: web, every: 100ms}, as: shop}\n"
     "  - {at: 1s, fault: {connection: {from: alice, to: web, port: 80}, tcp-reset: true}, as: a}\n"
     "  - {at: 1s, fault: {connection: {from: bob, to: web, port: 80}, tcp-reset: true}, as: b}\n"
     "end: {at: 3s}\n",
     "0s shop action.starts: request\n1s a action.starts: fault\n1s a fault.starts: alice -> web\n"
     "1s a connection.struck 1: reset at web\n1s a connection.struck 1: reset at alice\n"
     "1s b action.starts: fault\n1s b fault.starts: bob -> web\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
};

Test(fault_machines, each_change_is_a_record)
{
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        struct scenario_run run;
        scenario_run_open(&run, stories[i].name, scenario_run_base, stories[i].timeline);
        cr_expect_str_eq(run.story, stories[i].story, "%s: found\n%s", stories[i].name, run.story);
        scenario_run_close(&run);
    }
}

#define SHOP                                                                                       \
    "  - {at: 0s, request: {from: alice, to: web, every: 10ms, response-size: 1KiB, timeout: "     \
    "100ms}, as: shop}\n"
#define CONNECTION "fault: {connection: {from: alice, to: web, port: 80}, "

static const struct {
    const char *name, *rest, *letters;
} rows[] = {
    {"an exact reset ends the connection: the client connects again",
     SHOP "  - {at: 1s, " CONNECTION "tcp-reset: true}, as: a}\nend: {at: 3s}\nexpect:\n"
          "  - shop.reconnects == 1\n  - a.hits == 2\n  - shop.failed <= 1\n",
     "ppp"},
    {"a blind one does no harm (RFC 5961)",
     SHOP "  - {at: 1s, " CONNECTION "tcp-blind-reset: true}, as: a}\nend: {at: 3s}\nexpect:\n"
          "  - shop.reconnects == 0\n  - a.hits == 2\n  - shop.failed == 0\n",
     "ppp"},
    {"the end that has forgotten answers with a reset",
     SHOP "  - {at: 1s, " CONNECTION "tcp-half-open: true}, as: a}\nend: {at: 3s}\nexpect:\n"
          "  - shop.reconnects == 1\n  - a.hits == 1\n",
     "pp"},
    {"the client may be the one that forgets",
     SHOP "  - {at: 1s, fault: {connection: {from: alice, to: web, port: 80, end: from}, "
          "tcp-half-open: true}, as: a}\nend: {at: 3s}\nexpect:\n"
          "  - a.hits == 1\n  - shop.reconnects == 1\n",
     "pp"},
    {"refused: no new connection, and those that stand go on",
     SHOP "  - {at: 1s, " CONNECTION "tcp-refuse: true, for: 1s}, as: a}\nend: {at: 3s}\nexpect:\n"
          "  - shop.failed == 0\n  - a.hits == 0\n",
     "pp"},
    {"refused after a reset, then connected again",
     SHOP "  - {at: 1s, " CONNECTION "tcp-refuse: true, for: 1s}, as: a}\n"
          "  - {at: 1s, " CONNECTION "tcp-reset: true}, as: b}\nend: {at: 4s}\nexpect:\n"
          "  - shop.failed > 10\n  - a.hits > 10\n  - shop.longest-gap > 900ms\n"
          "  - shop.longest-gap < 1.2s\n",
     "pppp"},
    {"hung: the client waits in vain",
     SHOP "  - {at: 1s, " CONNECTION "tcp-hang: true, for: 1s}, as: a}\n"
          "  - {at: 1s, " CONNECTION "tcp-reset: true}, as: b}\nend: {at: 6s}\nexpect:\n"
          "  - a.hits >= 1\n  - shop.longest-gap > 900ms\n",
     "pp"},
    {"a VM whose processor time is stolen writes as much less",
     "  - {at: 0s, fault: {machine: web, steal: 50%}, as: a}\nend: {at: 10s}\nexpect:\n"
     "  - web.pages-written > 480\n  - web.pages-written < 530\n",
     "pp"},
    {"and what is stolen is stolen at the target of a migration too",
     "  - {at: 0s, fault: {machine: web, steal: 50%}, as: a}\n"
     "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\nend: {at: 10s}\nexpect:\n"
     "  - web.node == node2\n  - web.pages-written < 600\n",
     "pp"},
    {"a VM that hangs does not run",
     "  - {at: 1s, fault: {machine: web, freeze: true, for: 2s}, as: a}\nend: {at: 5s}\nexpect:\n"
     "  - {never: web.paused-for > 2s}\n  - web.longest-pause == 2s\n  - web.state == running\n"
     "  - {always: web.state == running}\n  - {never: web.paused-for > 1s}\n",
     "pppff"},
    {"a VM that hangs in pre-copy hangs at the target",
     "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
     "  - {when: move.step == pre-copy, fault: {machine: web, freeze: true}, as: a}\n"
     "end: {at: 10s}\nexpect:\n"
     "  - move.outcome == succeeded\n  - web.node == node2\n  - web.state == frozen\n",
     "ppp"},
    {"and thaws there",
     "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
     "  - {when: move.step == pre-copy, fault: {machine: web, freeze: true, for: 3s}, as: a}\n"
     "end: {at: 10s}\nexpect:\n  - web.state == running\n  - web.node == node2\n",
     "pp"},
};

Test(fault_machines, each_fault_does_what_it_says)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scenario_run run;
        scenario_run_open(&run, rows[i].name, scenario_run_base, rows[i].rest);
        scenario_run_verdicts(&run, rows[i].name, rows[i].letters);
        scenario_run_close(&run);
    }
}

/* A node that computes at half its speed needs its processors for twice as long. */
Test(fault_machines, a_slow_node_is_busy_for_longer)
{
    static const char *const faults[2] = {"", "  - {at: 0s, fault: {machine: node1, slow: 50%}}\n"};
    sim_time busy[2];
    for (size_t i = 0; i < 2; i++) {
        char rest[512];
        struct scenario_run run;
        snprintf(rest, sizeof rest, "%s%s", faults[i],
                 "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\nend: {at: 5s}\n");
        scenario_run_open(&run, "slow", scenario_run_base, rest);
        busy[i] = judge_node_busy(run_judge(run.run), 0);
        scenario_run_close(&run);
    }
    cr_expect_gt(busy[1], busy[0] * 19 / 10, "%lld and %lld", (long long)busy[0],
                 (long long)busy[1]);
    cr_expect_lt(busy[1], busy[0] * 21 / 10, "%lld and %lld", (long long)busy[0],
                 (long long)busy[1]);
}

Test(fault_machines, switching_on_in_vain_is_said)
{
    static const char rest[] = "  - {at: 1s, power: {machine: node1, do: crash}}\n"
                               "  - {at: 2s, power: {machine: web, do: power-on}, as: again}\n"
                               "end: {at: 3s}\n";
    struct scenario_run run;
    const char *how = NULL;
    scenario_run_open(&run, "in vain", scenario_run_base, rest);
    (void)judge_action_end(run_judge(run.run), 1, &how);
    cr_expect_str_eq(how, "failed: its node is off, or has no room for it");
    scenario_run_close(&run);
}
