/* When items of the timeline fire and end, and how a run ends. */
#include "tests/testbed/scenario_run.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* What fires when: the story of the whole run. */
static const struct {
    const char *name, *timeline, *story;
} stories[] = {
    {"in the order of times, not of the file; at one instant in the order of names",
     "  - {at: 2s, power: {machine: bob, do: power-on}, as: c}\n"
     "  - {at: 1s, power: {machine: bob, do: power-off}, as: b}\n"
     "  - {at: 2s, power: {machine: alice, do: power-off}, as: a}\n"
     "end: {at: 3s}\n",
     "1s b action.starts: power\n1s bob machine.state: off\n1s b action.ends: done\n"
     "2s a action.starts: power\n2s alice machine.state: off\n2s a action.ends: done\n"
     "2s c action.starts: power\n2s bob machine.state: on\n2s c action.ends: done\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
    {"when, with a delay",
     "  - {when: bob.state == powered-down, delay: 250ms, power: {machine: bob, do: power-on}, as: "
     "b}\n"
     "  - {at: 1s, power: {machine: bob, do: power-off}, as: a}\n"
     "end: {at: 3s}\n",
     "1s a action.starts: power\n1s bob machine.state: off\n1s a action.ends: done\n"
     "1250ms b action.starts: power\n1250ms bob machine.state: on\n1250ms b action.ends: done\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
    {"when, the second time only; true at the start is the first",
     "  - {when: bob.state == running, nth: 2, power: {machine: alice, do: freeze}, as: b}\n"
     "  - {at: 1s, power: {machine: bob, do: reboot}, as: a}\n"
     "  - {at: 2s, power: {machine: bob, do: reboot}, as: c}\n"
     "end: {at: 3s}\n",
     "1s a action.starts: power\n1s bob machine.state: off\n1s bob machine.state: on\n"
     "1s a action.ends: done\n1s b action.starts: power\n1s alice machine.state: frozen\n"
     "1s b action.ends: done\n"
     "2s c action.starts: power\n2s bob machine.state: off\n2s bob machine.state: on\n"
     "2s c action.ends: done\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
    {"a delay goes on where the condition is false again",
     "  - {when: bob.state == powered-down, delay: 1s, power: {machine: alice, do: crash}, as: b}\n"
     "  - {at: 1s, power: {machine: bob, do: reboot}, as: a}\n"
     "end: {at: 3s}\n",
     "1s a action.starts: power\n1s bob machine.state: off\n1s bob machine.state: on\n"
     "1s a action.ends: done\n2s b action.starts: power\n2s alice machine.state: off\n"
     "2s b action.ends: done\n3s (timeline) run.ends: the scenario's end was reached\n"},
    {"a chain of conditions within one instant",
     "  - {when: b.end, power: {machine: alice, do: freeze}, as: a}\n"
     "  - {when: c.end, power: {machine: alice, do: crash}, as: b}\n"
     "  - {at: 1s, power: {machine: alice, do: thaw}, as: c}\n"
     "end: {at: 2s}\n",
     "1s c action.starts: power\n1s c action.ends: done\n"
     "1s b action.starts: power\n1s alice machine.state: off\n1s b action.ends: done\n"
     "1s a action.starts: power\n1s a action.ends: done\n"
     "2s (timeline) run.ends: the scenario's end was reached\n"},
    {"what stands for a time ends by itself; a stop ends it before, once",
     "  - {at: 1s, fault: {machine: bob, freeze: true, for: 500ms}, as: a}\n"
     "  - {at: 2s, fault: {machine: bob, freeze: true, for: 5s}, as: b}\n"
     "  - {at: 3s, stop: b, as: c}\n"
     "end: {at: 10s}\n",
     "1s a action.starts: fault\n1s a fault.starts: bob\n1s bob machine.state: frozen\n"
     "1.5s a fault.stops: bob\n1.5s bob machine.state: thawed\n1.5s a action.ends: over\n"
     "2s b action.starts: fault\n2s b fault.starts: bob\n2s bob machine.state: frozen\n"
     "3s c action.starts: stop\n3s b fault.stops: bob\n3s bob machine.state: thawed\n"
     "3s b action.ends: stopped\n3s c action.ends: done\n"
     "10s (timeline) run.ends: the scenario's end was reached\n"},
    {"a stop of what has not begun does nothing, and it begins",
     "  - {at: 2s, ping: {from: alice, to: bob, count: 1}, as: a}\n"
     "  - {at: 1s, stop: a, as: b}\n"
     "end: {at: 4s}\n",
     "1s b action.starts: stop\n1s b action.ends: done\n2s a action.starts: ping\n"
     "2000046592ns a action.ends: done\n"
     "4s (timeline) run.ends: the scenario's end was reached\n"},
    {"an end when: at the first time, and then as long as it says",
     "  - {at: 1s, power: {machine: bob, do: power-off}, as: a}\n"
     "  - {at: 2s, power: {machine: bob, do: power-on}, as: b}\n"
     "  - {at: 3s, power: {machine: bob, do: power-off}, as: c}\n"
     "end: {when: bob.state == powered-down, then: 1500ms}\n",
     "1s a action.starts: power\n1s bob machine.state: off\n1s a action.ends: done\n"
     "2s b action.starts: power\n2s bob machine.state: on\n2s b action.ends: done\n"
     "2.5s (timeline) run.ends: the scenario's end was reached\n"},
    {"after the last: what keeps no run alive is not waited for",
     "  - {at: 0s, ping: {from: alice, to: bob}, as: a}\n"
     "  - {at: 1s, fault: {link: bob/lan, loss: 1%}, as: b}\n"
     "end: {after-last: 2s}\n",
     "0s a action.starts: ping\n1s b action.starts: fault\n1s b fault.starts: bob/lan\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
    {"after the last: what ends by itself is",
     "  - {at: 1s, fault: {link: bob/lan, loss: 1%, for: 5s}, as: b}\n"
     "end: {after-last: 2s}\n",
     "1s b action.starts: fault\n1s b fault.starts: bob/lan\n6s b fault.stops: bob/lan\n"
     "6s b action.ends: over\n8s (timeline) run.ends: the scenario's end was reached\n"},
    {"at most, where the end's condition never comes true",
     "  - {at: 1s, ping: {from: alice, to: bob, count: 1}, as: a}\n"
     "end: {when: bob.state == powered-down, at-most: 4s}\n",
     "1s a action.starts: ping\n1000046592ns a action.ends: done\n"
     "4s (timeline) run.ends: the longest time that the scenario allows was reached\n"},
    {"at most, where an item never fires",
     "  - {when: bob.state == powered-down, ping: {from: alice, to: bob}, as: a}\n"
     "end: {after-last: 1s, at-most: 4s}\n",
     "4s (timeline) run.ends: the longest time that the scenario allows was reached\n"},
    {"every and times: at, and then again",
     "  - {at: 1s, every: 250ms, times: 3, power: {machine: bob, do: freeze}, as: a}\n"
     "end: {after-last: 1s}\n",
     "1s a-1 action.starts: power\n"
     "1s bob machine.state: frozen\n"
     "1s a-1 action.ends: done\n"
     "1250ms a-2 action.starts: power\n"
     "1250ms a-2 action.ends: done\n"
     "1.5s a-3 action.starts: power\n"
     "1.5s a-3 action.ends: done\n"
     "2.5s (timeline) run.ends: the scenario's end was reached\n"},
    {"when, delay, every and times: from the condition on, whatever becomes of it",
     "  - {when: bob.state == powered-down, delay: 100ms, every: 1s, times: 2, power: {machine: "
     "bob, do: power-on}, as: b}\n"
     "  - {at: 1s, power: {machine: bob, do: power-off}, as: a}\n"
     "end: {at: 3s}\n",
     "1s a action.starts: power\n"
     "1s bob machine.state: off\n"
     "1s a action.ends: done\n"
     "1.1s b-1 action.starts: power\n"
     "1.1s bob machine.state: on\n"
     "1.1s b-1 action.ends: done\n"
     "2.1s b-2 action.starts: power\n"
     "2.1s b-2 action.ends: done\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
    {"when and times: each time that it becomes true",
     "  - {when: bob.state == powered-down, times: 2, power: {machine: bob, do: power-on}, as: b}\n"
     "  - {at: 1s, every: 1s, times: 3, power: {machine: bob, do: power-off}, as: a}\n"
     "end: {at: 4s}\n",
     "1s a-1 action.starts: power\n"
     "1s bob machine.state: off\n"
     "1s a-1 action.ends: done\n"
     "1s b-1 action.starts: power\n"
     "1s bob machine.state: on\n"
     "1s b-1 action.ends: done\n"
     "2s a-2 action.starts: power\n"
     "2s bob machine.state: off\n"
     "2s a-2 action.ends: done\n"
     "2s b-2 action.starts: power\n"
     "2s bob machine.state: on\n"
     "2s b-2 action.ends: done\n"
     "3s a-3 action.starts: power\n"
     "3s bob machine.state: off\n"
     "3s a-3 action.ends: done\n"
     "4s (timeline) run.ends: the scenario's end was reached\n"},
    {"when, nth, delay and times: from the second time on",
     "  - {when: bob.state == powered-down, nth: 2, delay: 100ms, times: 2, power: {machine: "
     "alice, do: freeze}, as: b}\n"
     "  - {at: 1s, every: 1s, times: 4, power: {machine: bob, do: reboot}, as: a}\n"
     "end: {at: 5s}\n",
     "1s a-1 action.starts: power\n"
     "1s bob machine.state: off\n"
     "1s bob machine.state: on\n"
     "1s a-1 action.ends: done\n"
     "2s a-2 action.starts: power\n"
     "2s bob machine.state: off\n"
     "2s bob machine.state: on\n"
     "2s a-2 action.ends: done\n"
     "2.1s b-1 action.starts: power\n"
     "2.1s alice machine.state: frozen\n"
     "2.1s b-1 action.ends: done\n"
     "3s a-3 action.starts: power\n"
     "3s bob machine.state: off\n"
     "3s bob machine.state: on\n"
     "3s a-3 action.ends: done\n"
     "3.1s b-2 action.starts: power\n"
     "3.1s b-2 action.ends: done\n"
     "4s a-4 action.starts: power\n"
     "4s bob machine.state: off\n"
     "4s bob machine.state: on\n"
     "4s a-4 action.ends: done\n"
     "5s (timeline) run.ends: the scenario's end was reached\n"},
    {"when, nth, delay, every and times",
     "  - {when: bob.state == powered-down, nth: 2, delay: 100ms, every: 200ms, times: 2, power: "
     "{machine: alice, do: freeze}, as: b}\n"
     "  - {at: 1s, every: 1s, times: 3, power: {machine: bob, do: reboot}, as: a}\n"
     "end: {at: 4s}\n",
     "1s a-1 action.starts: power\n"
     "1s bob machine.state: off\n"
     "1s bob machine.state: on\n"
     "1s a-1 action.ends: done\n"
     "2s a-2 action.starts: power\n"
     "2s bob machine.state: off\n"
     "2s bob machine.state: on\n"
     "2s a-2 action.ends: done\n"
     "2.1s b-1 action.starts: power\n"
     "2.1s alice machine.state: frozen\n"
     "2.1s b-1 action.ends: done\n"
     "2.3s b-2 action.starts: power\n"
     "2.3s b-2 action.ends: done\n"
     "3s a-3 action.starts: power\n"
     "3s bob machine.state: off\n"
     "3s bob machine.state: on\n"
     "3s a-3 action.ends: done\n"
     "4s (timeline) run.ends: the scenario's end was reached\n"},
    {"faults that overlap: it is mended when the last has ended",
     "  - {at: 1s, every: 300ms, times: 2, fault: {machine: bob, freeze: true, for: 500ms}, as: "
     "a}\n"
     "end: {at: 3s}\n",
     "1s a-1 action.starts: fault\n"
     "1s a-1 fault.starts: bob\n"
     "1s bob machine.state: frozen\n"
     "1.3s a-2 action.starts: fault\n"
     "1.3s a-2 fault.starts: bob\n"
     "1.5s a-1 fault.stops: bob\n"
     "1.5s a-1 action.ends: over\n"
     "1.8s a-2 fault.stops: bob\n"
     "1.8s bob machine.state: thawed\n"
     "1.8s a-2 action.ends: over\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
    {"a stop ends all that act, and calls off those to come",
     "  - {at: 1s, every: 1s, times: 4, fault: {machine: bob, freeze: true, for: 5s}, as: a}\n"
     "  - {at: 2500ms, stop: a, as: c}\n"
     "end: {after-last: 1s}\n",
     "1s a-1 action.starts: fault\n"
     "1s a-1 fault.starts: bob\n"
     "1s bob machine.state: frozen\n"
     "2s a-2 action.starts: fault\n"
     "2s a-2 fault.starts: bob\n"
     "2.5s c action.starts: stop\n"
     "2.5s a-1 fault.stops: bob\n"
     "2.5s a-1 action.ends: stopped\n"
     "2.5s a-2 fault.stops: bob\n"
     "2.5s bob machine.state: thawed\n"
     "2.5s a-2 action.ends: stopped\n"
     "2.5s c action.ends: done\n"
     "3.5s (timeline) run.ends: the scenario's end was reached\n"},
    {"a stop of conditions that wait",
     "  - {when: bob.state == frozen, delay: 1s, times: 2, ping: {from: alice, to: bob, over: lan, "
     "count: 1, timeout: 100ms}, as: a}\n"
     "  - {at: 1s, power: {machine: bob, do: freeze}, as: b}\n"
     "  - {at: 1500ms, stop: a, as: c}\n"
     "  - {at: 2s, power: {machine: bob, do: thaw}, as: d}\n"
     "  - {at: 2s, power: {machine: bob, do: freeze}, as: e}\n"
     "end: {after-last: 3s}\n",
     "1s b action.starts: power\n"
     "1s bob machine.state: frozen\n"
     "1s b action.ends: done\n"
     "1.5s c action.starts: stop\n"
     "1.5s c action.ends: done\n"
     "2s d action.starts: power\n"
     "2s bob machine.state: thawed\n"
     "2s d action.ends: done\n"
     "2s e action.starts: power\n"
     "2s bob machine.state: frozen\n"
     "2s e action.ends: done\n"
     "5s (timeline) run.ends: the scenario's end was reached\n"},
    {"times: 1 is once, under the name that was given",
     "  - {at: 1s, times: 1, power: {machine: bob, do: freeze}, as: a}\n"
     "  - {at: 2s, every: 1s, times: 1, power: {machine: bob, do: thaw}}\n"
     "end: {at: 3s}\n",
     "1s a action.starts: power\n"
     "1s bob machine.state: frozen\n"
     "1s a action.ends: done\n"
     "2s power2 action.starts: power\n"
     "2s bob machine.state: thawed\n"
     "2s power2 action.ends: done\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
    {"items without a name",
     "  - {at: 1s, every: 1s, times: 2, power: {machine: bob, do: freeze}}\n"
     "  - {at: 2500ms, power: {machine: bob, do: thaw}}\n"
     "end: {at: 3s}\n",
     "1s power1-1 action.starts: power\n"
     "1s bob machine.state: frozen\n"
     "1s power1-1 action.ends: done\n"
     "2s power1-2 action.starts: power\n"
     "2s power1-2 action.ends: done\n"
     "2.5s power2 action.starts: power\n"
     "2.5s bob machine.state: thawed\n"
     "2.5s power2 action.ends: done\n"
     "3s (timeline) run.ends: the scenario's end was reached\n"},
};

Test(timeline, fires_and_ends)
{
    for (size_t row = 0; row < sizeof stories / sizeof *stories; row++) {
        struct scenario_run run;
        scenario_run_open(&run, stories[row].name, scenario_run_base, stories[row].timeline);
        cr_expect_str_eq(run.story, stories[row].story, "%s:\n%s---- instead of\n%s",
                         stories[row].name, run.story, stories[row].story);
        scenario_run_close(&run);
    }
}

/* Ties are drawn from the seed, and nothing that is asked here may depend on them. */
Test(timeline, ties_shuffled)
{
    char first[17] = "";
    uint32_t different = 0;
    for (uint32_t seed = 0; seed < 12; seed++) {
        char rest[1024], name[32];
        struct scenario_run run;
        snprintf(name, sizeof name, "seed %u", seed);
        snprintf(rest, sizeof rest,
                 "  - {at: 0s, ping: {from: alice, to: web, every: 10ms}, as: ping}\n"
                 "  - {at: 0s, ping: {from: bob, to: web, every: 10ms}, as: ping2}\n"
                 "  - {at: 0s, request: {from: bob, to: web, every: 10ms}, as: shop}\n"
                 "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
                 "ties: shuffle\nseed: %u\nend: {at: 2s}\n"
                 "expect: [web.node == node2, ping.lost < 10, shop.failed == 0]\n",
                 seed);
        scenario_run_open(&run, name, scenario_run_base, rest);
        scenario_run_verdicts(&run, name, "ppp");
        const char *hash = run_result_of(run.run)->hash_text;
        different += seed > 0 && strcmp(first, hash) != 0;
        if (seed == 0) {
            memcpy(first, hash, sizeof first);
        }
        scenario_run_close(&run);
    }
    cr_expect_eq(different, 11, "%u of 11 other seeds gave another run", different);
}
