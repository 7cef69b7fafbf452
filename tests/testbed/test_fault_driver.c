/* What faults do to links and machines, how they overlap, and that each start, stop and hit is a record. */
#include "tests/testbed/scenario_run.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct {
    const char *name, *timeline, *story;
} stories[] = {
    {"down and up, both directions",
     "  - {at: 1s, fault: {link: bob/lan, down: true, for: 1s}, as: a}\n"
     "end: {at: 3s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob/lan\n"
     "1s bob/lan> net.link_state down 1Gbit/s 5us\n1s bob/lan< net.link_state down 1Gbit/s 5us\n"
     "2s a fault.stops: bob/lan\n2s bob/lan> net.link_state up 1Gbit/s 5us\n"
     "2s bob/lan< net.link_state up 1Gbit/s 5us\n2s a action.ends: over\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
    {"one direction: to the machine",
     "  - {at: 1s, fault: {link: bob/lan, down: true, direction: to}, as: a}\n"
     "end: {at: 3s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob/lan\n"
     "1s bob/lan< net.link_state down 1Gbit/s 5us\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
    {"the one that began last acts, and then the one before it again",
     "  - {at: 1s, fault: {link: bob/lan, rate: 100Mbit/s, direction: from, for: 5s}, as: a}\n"
     "  - {at: 2s, fault: {link: bob/lan, rate: 10Mbit/s, direction: from, for: 2s}, as: b}\n"
     "  - {at: 3s, fault: {link: bob/lan, delay: 1ms, direction: from, for: 4s}, as: c}\n"
     "end: {at: 9s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob/lan\n"
     "1s bob/lan> net.link_state up 100Mbit/s 5us\n"
     "2s b action.starts: fault\n2s b fault.starts: bob/lan\n"
     "2s bob/lan> net.link_state up 10Mbit/s 5us\n"
     "3s c action.starts: fault\n3s c fault.starts: bob/lan\n"
     "3s bob/lan> net.link_state up 10Mbit/s 1005us\n"
     "4s b fault.stops: bob/lan\n4s bob/lan> net.link_state up 100Mbit/s 1005us\n"
     "4s b action.ends: over\n"
     "6s a fault.stops: bob/lan\n6s bob/lan> net.link_state up 1Gbit/s 1005us\n"
     "6s a action.ends: over\n"
     "7s c fault.stops: bob/lan\n7s bob/lan> net.link_state up 1Gbit/s 5us\n"
     "7s c action.ends: over\n"
     "9s (timeline) run.ends: the scenario's end was reached\n"},
    {"the one that began first ends first: nothing changes",
     "  - {at: 1s, fault: {link: bob/lan, down: true, direction: to, for: 2s}, as: a}\n"
     "  - {at: 2s, fault: {link: bob/lan, down: true, direction: to, for: 2s}, as: b}\n"
     "end: {at: 9s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob/lan\n"
     "1s bob/lan< net.link_state down 1Gbit/s 5us\n"
     "2s b action.starts: fault\n2s b fault.starts: bob/lan\n"
     "3s a fault.stops: bob/lan\n3s a action.ends: over\n"
     "4s b fault.stops: bob/lan\n4s bob/lan< net.link_state up 1Gbit/s 5us\n"
     "4s b action.ends: over\n"
     "9s (timeline) run.ends: the scenario's end was reached\n"},
    {"on a cable what one end sends is what comes to the other: faults of both ends meet",
     "  - {at: 1s, fault: {link: alice/wire, rate: 1Mbit/s, direction: from, for: 2s}, as: a}\n"
     "  - {at: 2s, fault: {link: bob/wire, rate: 2Mbit/s, direction: to, for: 2s}, as: b}\n"
     "end: {at: 9s}\n",
     "1s a action.starts: fault\n1s a fault.starts: alice/wire\n"
     "1s alice/wire> net.link_state up 1Mbit/s 5us\n"
     "2s b action.starts: fault\n2s b fault.starts: bob/wire\n"
     "2s alice/wire> net.link_state up 2Mbit/s 5us\n"
     "3s a fault.stops: alice/wire\n3s a action.ends: over\n"
     "4s b fault.stops: bob/wire\n4s alice/wire> net.link_state up 1Gbit/s 5us\n"
     "4s b action.ends: over\n"
     "9s (timeline) run.ends: the scenario's end was reached\n"},
    {"two crashes that overlap: power comes back with the end of the later one",
     "  - {at: 1s, fault: {machine: bob, crash: true, for: 4s}, as: a}\n"
     "  - {at: 2s, fault: {machine: bob, crash: true, for: 1s}, as: b}\n"
     "end: {at: 9s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob\n1s bob machine.state: off\n"
     "2s b action.starts: fault\n2s b fault.starts: bob\n3s b fault.stops: bob\n"
     "3s b action.ends: over\n"
     "5s a fault.stops: bob\n5s bob machine.state: on\n5s a action.ends: over\n"
     "9s (timeline) run.ends: the scenario's end was reached\n"},
    {"two freezes that overlap",
     "  - {at: 1s, fault: {machine: bob, freeze: true, for: 2s}, as: a}\n"
     "  - {at: 2s, fault: {machine: bob, freeze: true, for: 2s}, as: b}\n"
     "end: {at: 9s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob\n1s bob machine.state: frozen\n"
     "2s b action.starts: fault\n2s b fault.starts: bob\n3s a fault.stops: bob\n"
     "3s a action.ends: over\n"
     "4s b fault.stops: bob\n4s bob machine.state: thawed\n4s b action.ends: over\n"
     "9s (timeline) run.ends: the scenario's end was reached\n"},
    {"a reboot at once, one that takes its time, and one of a machine that has no power",
     "  - {at: 1s, fault: {machine: bob, reboot: true}, as: a}\n"
     "  - {at: 2s, fault: {machine: bob, reboot: true, for: 1s}, as: b}\n"
     "  - {at: 4s, fault: {machine: bob, crash: true}, as: c}\n"
     "  - {at: 5s, fault: {machine: bob, reboot: true}, as: d}\n"
     "  - {at: 6s, stop: c, as: e}\n"
     "end: {at: 9s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob\n1s bob machine.state: off\n"
     "1s bob machine.state: on\n"
     "2s b action.starts: fault\n2s b fault.starts: bob\n2s bob machine.state: off\n"
     "3s b fault.stops: bob\n3s bob machine.state: on\n3s b action.ends: over\n"
     "4s c action.starts: fault\n4s c fault.starts: bob\n4s bob machine.state: off\n"
     "5s d action.starts: fault\n5s d fault.starts: bob\n"
     "6s e action.starts: stop\n6s c fault.stops: bob\n6s bob machine.state: on\n"
     "6s c action.ends: stopped\n6s e action.ends: done\n"
     "9s (timeline) run.ends: the scenario's end was reached\n"},
    {"power: off, on, on again, frozen, off while frozen, thawed while off",
     "  - {at: 1s, power: {machine: bob, do: power-off}}\n"
     "  - {at: 2s, power: {machine: bob, do: power-on}}\n"
     "  - {at: 3s, power: {machine: bob, do: power-on}}\n"
     "  - {at: 4s, power: {machine: bob, do: freeze}}\n"
     "  - {at: 5s, power: {machine: bob, do: crash}}\n"
     "  - {at: 6s, power: {machine: bob, do: thaw}}\n"
     "  - {at: 7s, power: {machine: bob, do: reboot}}\n"
     "end: {at: 9s}\n"
     "expect: [bob.state == running]\n",
     "1s power1 action.starts: power\n1s bob machine.state: off\n1s power1 action.ends: done\n"
     "2s power2 action.starts: power\n2s bob machine.state: on\n2s power2 action.ends: done\n"
     "3s power3 action.starts: power\n3s power3 action.ends: done\n"
     "4s power4 action.starts: power\n4s bob machine.state: frozen\n4s power4 action.ends: done\n"
     "5s power5 action.starts: power\n5s bob machine.state: off\n5s power5 action.ends: done\n"
     "6s power6 action.starts: power\n6s power6 action.ends: done\n"
     "7s power7 action.starts: power\n7s bob machine.state: on\n7s power7 action.ends: done\n"
     "9s (timeline) run.ends: the scenario's end was reached\n"},
};

Test(fault_driver, starts_and_stops)
{
    for (size_t row = 0; row < sizeof stories / sizeof *stories; row++) {
        struct scenario_run run;
        scenario_run_open(&run, stories[row].name, scenario_run_base, stories[row].timeline);
        cr_expect_str_eq(run.story, stories[row].story, "%s:\n%s---- instead of\n%s",
                         stories[row].name, run.story, stories[row].story);
        scenario_run_close(&run);
    }
}

/* What they do to traffic, and that each frame names the fault that took it. */
static const struct {
    const char *name, *rest, *verdicts;
} effects[] = {
    {"down: what is sent meanwhile is lost, once for each fault that took it",
     "  - {at: 0s, ping: {from: alice, to: bob, over: lan, every: 100ms, timeout: 50ms, count: "
     "30}, "
     "as: ping}\n"
     "  - {at: 950ms, fault: {link: bob/lan, down: true, for: 1s}, as: a}\n"
     "expect: [ping.lost == 10, a.hits == 10, bob/lan.drops == 10, lan.drops == 10]\n",
     "pppp"},
    {"what a cable's ends share is down for both",
     "  - {at: 0s, ping: {from: alice, to: bob, over: wire, every: 100ms, count: 30}, as: ping}\n"
     "  - {at: 950ms, fault: {link: bob/wire, down: true, direction: to, for: 1s}, as: a}\n"
     "expect: [ping.lost == 10, a.hits == 10, bob/wire.drops + alice/wire.drops == 10]\n",
     "ppp"},
    {"loss of all and of none",
     "  - {at: 0s, ping: {from: alice, to: bob, over: lan, every: 100ms, timeout: 50ms, count: "
     "30}, "
     "as: ping}\n"
     "  - {at: 950ms, fault: {link: alice/lan, loss: 100%, direction: to, for: 1s}, as: a}\n"
     "  - {at: 1050ms, fault: {link: alice/lan, loss: 0%, direction: to, for: 300ms}, as: b}\n"
     "expect: [ping.lost == 7, a.hits == 7, b.hits == 0]\n",
     "ppp"},
    {"delay: each way once where it is for one direction",
     "  - {at: 0s, ping: {from: alice, to: bob, over: lan, every: 100ms, count: 30}, as: ping}\n"
     "  - {at: 950ms, fault: {link: alice/lan, delay: 10ms, direction: to, for: 1s}, as: a}\n"
     "expect: [ping.lost == 0, ping.rtt.max > 10ms, ping.rtt.max < 11ms, ping.rtt.min < 1ms]\n",
     "pppp"},
    {"rate",
     "  - {at: 0s, fault: {link: alice/wire, rate: 10Mbit/s, direction: from}, as: a}\n"
     "  - {at: 1s, tcp-bulk: {from: alice, to: bob, over: wire, bytes: 1MiB}, as: bulk}\n"
     "expect: [bulk.goodput > 9Mbit/s, bulk.goodput < 10Mbit/s]\n",
     "pp"},
    {"queue: frames that do not fit name it",
     "  - {at: 0s, fault: {link: bob/lan, rate: 100Mbit/s, direction: to}, as: slow}\n"
     "  - {at: 0s, fault: {link: bob/lan, queue: 4KiB, direction: to, for: 10s}, as: a}\n"
     "  - {at: 1s, tcp-bulk: {from: alice, to: bob, over: lan, bytes: 256KiB}, as: bulk}\n"
     "expect: [a.hits > 0, a.hits == bob/lan.drops, bob/lan.queue-max <= 4KiB, bulk.outcome == "
     "succeeded]\n",
     "pppp"},
    {"queue: TCP does not overflow that of its own NIC",
     "  - {at: 0s, fault: {link: alice/lan, queue: 4KiB, direction: from}, as: a}\n"
     "  - {at: 1s, tcp-bulk: {from: alice, to: bob, over: lan, bytes: 256KiB}, as: bulk}\n"
     "expect: [a.hits == 0, alice/lan.queue-max <= 4KiB, bulk.goodput > 900Mbit/s]\n",
     "ppp"},
    {"a VM starts again where it ran last",
     "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
     "  - {at: 3s, power: {machine: web, do: reboot}}\n"
     "  - {at: 4s, power: {machine: web, do: power-off}}\n"
     "  - {at: 5s, power: {machine: web, do: power-on}}\n"
     "end: {at: 6s}\n"
     "expect: [move.outcome == succeeded, web.node == node2, web.state == running, {never: "
     "web.node == node1 and move.end}]\n",
     "pppp"},
    {"the n-th frame of two faults, each its own",
     "  - {at: 0s, ping: {from: alice, to: bob, over: lan, every: 100ms, count: 30}, as: ping}\n"
     "  - {at: 950ms, fault: {link: bob/lan, loss: 100%, nth: 2, direction: to}, as: a}\n"
     "  - {at: 950ms, fault: {link: bob/lan, loss: 100%, nth: 5, direction: to}, as: b}\n"
     "  - {at: 950ms, fault: {link: bob/lan, loss: 100%, nth: 500, direction: to}, as: c}\n"
     "expect: [ping.lost == 2, a.hits == 1, b.hits == 1, c.hits == 0]\n",
     "pppp"},
    {"the n-th frame comes too late",
     "  - {at: 0s, ping: {from: alice, to: bob, over: lan, every: 100ms, count: 30}, as: ping}\n"
     "  - {at: 950ms, fault: {link: bob/lan, loss: 100%, nth: 4, direction: to, for: 300ms}, as: "
     "a}\n"
     "expect: [ping.lost == 0, a.hits == 0]\n",
     "pp"},
    {"a VM paused, and resumed",
     "  - {at: 0s, ping: {from: alice, to: web, every: 100ms, timeout: 50ms, count: 40}, as: "
     "ping}\n"
     "  - {at: 950ms, power: {machine: web, do: pause}}\n"
     "  - {at: 1s, power: {machine: web, do: pause}}\n"
     "  - {at: 1950ms, power: {machine: web, do: resume}}\n"
     "  - {at: 2s, power: {machine: web, do: resume}}\n"
     "expect: [ping.lost == 10, web.longest-pause == 1s, web.state == running, {never: web.state "
     "== "
     "powered-down}]\n",
     "pppp"},
    {"a VM frozen twice, for the longer of both",
     "  - {at: 0s, ping: {from: alice, to: web, every: 100ms, timeout: 50ms, count: 40}, as: "
     "ping}\n"
     "  - {at: 950ms, fault: {machine: web, freeze: true, for: 1s}, as: a}\n"
     "  - {at: 1s, fault: {machine: web, freeze: true, for: 100ms}, as: b}\n"
     "expect: [ping.lost == 10, a.hits == 1, b.hits == 1]\n",
     "ppp"},
    {"a VM off, on where it was, restarted, and off with its host",
     "  - {at: 1s, power: {machine: web, do: power-off}}\n"
     "  - {at: 2s, power: {machine: web, do: power-on}}\n"
     "  - {at: 3s, power: {machine: web, do: reboot}}\n"
     "  - {at: 4s, fault: {machine: node1, crash: true}, as: a}\n"
     "  - {at: 5s, power: {machine: web, do: power-on}}\n"
     "end: {at: 6s}\n"
     "expect:\n"
     "  - web.state == lost\n"
     "  - {within: 0s, after: power2.end, holds: web.state == running}\n"
     "  - {within: 0s, after: power1.end, holds: web.state == powered-down}\n"
     "  - {never: web.state == paused}\n",
     "pppp"},
};

Test(fault_driver, effects)
{
    for (size_t row = 0; row < sizeof effects / sizeof *effects; row++) {
        struct scenario_run run;
        scenario_run_open(&run, effects[row].name, scenario_run_base, effects[row].rest);
        scenario_run_verdicts(&run, effects[row].name, effects[row].verdicts);
        scenario_run_close(&run);
    }
}

/* Whatever an administrator does to a VM while it moves: the migration ends and says how, and no oracle fails. */
Test(fault_driver, power_in_a_migration)
{
    static const char *const verbs[] = {"power-off", "crash", "reboot", "pause", "freeze"};
    uint32_t failed = 0, succeeded = 0;
    for (uint32_t moment = 0; moment < 5 * 30; moment++) {
        char rest[512], name[64];
        struct scenario_run run;
        snprintf(name, sizeof name, "%s after %u ms", verbs[moment % 5], moment / 5 * 2);
        snprintf(rest, sizeof rest,
                 "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
                 "  - {at: %ums, power: {machine: web, do: %s}}\n"
                 "  - {at: 1100ms, power: {machine: web, do: thaw}}\n"
                 "  - {at: 1100ms, power: {machine: web, do: resume}}\n"
                 "end: {at: 30s}\n"
                 "expect: [{within: 20s, after: move.start, holds: move.end}]\n",
                 1000 + moment / 5 * 2, verbs[moment % 5]);
        scenario_run_open(&run, name, scenario_run_base, rest);
        scenario_run_verdicts(&run, name, "p");
        const struct judge_migration *m = judge_migration(run_result_of(run.run)->judge, 0);
        cr_expect_neq(m->how[0], 0, "%s: it does not say how it ended", name);
        failed += !m->completed;
        succeeded += m->completed;
        scenario_run_close(&run);
    }
    cr_expect_gt(failed, 20, "%u failed", failed);
    cr_expect_gt(succeeded, 20, "%u succeeded", succeeded);
}
