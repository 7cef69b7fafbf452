/* Orders that meet each other or a limit: a scenario for each case, judged by its expectations and the oracles. */
#include <criterion/criterion.h>

#include "tests/migration/rig.h"

#include <stdio.h>

/* Two nodes and two VMs that write; what differs is the nodes' `migration` and the timeline with the expectations. */
static const char frame[] =
    "name: orders\n"
    "networks:\n"
    "  lan:  {rate: 1Gbit/s, delay: 5us}\n"
    "  move: {rate: 1Gbit/s, delay: 5us}\n"
    "nodes:\n"
    "  node1..node3: {cores: 2, memory: 64MiB, nics: [lan, move], migration: {%s}}\n"
    "vms:\n"
    "  a:\n"
    "    node: node1\n"
    "    memory: 4MiB\n"
    "    nics: [lan]\n"
    "    guest: {writers: [{pages: 256KiB, touch: 500/s, order: uniform}]}\n"
    "  b:\n"
    "    node: node2\n"
    "    memory: 4MiB\n"
    "    nics: [lan]\n"
    "    guest: {writers: [{pages: 256KiB, touch: 500/s, order: uniform}]}\n"
    "%s";

static const struct order_case {
    const char *name, *nodes, *rest;
} cases[] = {
    {"two that cross, both queue: each lets the other through", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 1s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {at: 1s, live-migrate: {vm: b, to: node1, over: [move]}, as: two}\n"
     "end: {at: 30s}\n"
     "expect: [one.outcome == succeeded, two.outcome == succeeded, a.node == node2, b.node == "
     "node1]\n"},
    {"two that cross and may both run", "max-per-pair: 2",
     "timeline:\n"
     "  - {at: 1s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {at: 1s, live-migrate: {vm: b, to: node1, over: [move]}, as: two}\n"
     "end: {at: 4s}\n"
     "expect: [one.outcome == succeeded, two.outcome == succeeded, a.node == node2, b.node == "
     "node1]\n"},
    {"a pair that is busy: the second waits", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 0s, live-migrate: {vm: b, to: node1, over: [move]}, as: gather}\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {at: 3s, live-migrate: {vm: b, to: node2, over: [move]}, as: two}\n"
     "end: {at: 10s}\n"
     "expect: [one.outcome == succeeded, two.outcome == succeeded, a.node == node2, b.node == "
     "node2]\n"},
    {"a pair that is busy: the second is refused", "max-per-pair: 1, when-busy: refuse",
     "timeline:\n"
     "  - {at: 0s, live-migrate: {vm: b, to: node1, over: [move]}, as: gather}\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {at: 3s, live-migrate: {vm: b, to: node2, over: [move]}, as: two}\n"
     "end: {at: 10s}\n"
     "expect: [one.outcome == succeeded, two.outcome == refused, a.node == node2, b.node == node1, "
     "b.state == running]\n"},
    {"a pair that is busy at the target: refused", "max-per-pair: 1, when-busy: refuse",
     "timeline:\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {at: 3010ms, live-migrate: {vm: b, to: node1, over: [move]}, as: two}\n"
     "end: {at: 10s}\n"
     "expect: [one.outcome == succeeded, two.outcome == refused, a.node == node2, b.node == node2, "
     "b.state == running]\n"},
    {"two orders for one VM to one node", "max-per-pair: 3",
     "timeline:\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: two}\n"
     "end: {at: 10s}\n"
     "expect: [one.outcome == succeeded, two.outcome == failed, a.node == node2, a.state == "
     "running]\n"},
    {"two orders for one VM to two nodes", "max-per-pair: 3, when-busy: refuse",
     "timeline:\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {at: 3001ms, live-migrate: {vm: a, to: node3, over: [move]}, as: two}\n"
     "end: {at: 10s}\n"
     "expect: [one.outcome == succeeded, two.outcome == refused, a.node == node2, a.state == "
     "running]\n"},
    {"there and back at once", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {when: one.end, live-migrate: {vm: a, to: node1, over: [move]}, as: two}\n"
     "end: {at: 10s}\n"
     "expect: [one.outcome == succeeded, two.outcome == succeeded, a.node == node1, a.state == "
     "running]\n"},
    {"a time limit in pre-copy", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 2s, fault: {link: node2/move, rate: 1Mbit/s}, as: slow}\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move], time-limit: 2s}, as: one}\n"
     "end: {at: 10s}\n"
     "expect: [one.outcome == failed, one.total-time < 4s, a.node == node1, a.state == "
     "running]\n"},
    {"a time limit while it waits", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 0s, live-migrate: {vm: b, to: node1, over: [move]}, as: gather}\n"
     "  - {at: 2s, fault: {link: node2/move, rate: 1Mbit/s, for: 6s}, as: slow}\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {at: 3s, live-migrate: {vm: b, to: node2, over: [move], time-limit: 2s}, as: two}\n"
     "end: {at: 30s}\n"
     "expect: [one.outcome == succeeded, two.outcome == failed, two.total-time < 2500ms, a.node "
     "== node2, b.node == node1]\n"},
    {"a time limit while the target does not answer", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 2s, fault: {machine: node2, freeze: true, for: 10s}, as: hang}\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move], time-limit: 1s}, as: one}\n"
     "end: {at: 30s}\n"
     "expect: [one.outcome == failed, one.total-time < 1500ms, a.node == node1, a.state == "
     "running]\n"},
    {"a time limit that passes in stop-copy is too late", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move], time-limit: 1500ms}, as: one}\n"
     "  - {when: one.step == stop-copy, fault: {link: node2/move, down: true, for: 2s}, as: "
     "outage}\n"
     "end: {at: 30s}\n"
     "expect: [one.outcome == succeeded, one.total-time > 2s, a.node == node2, a.state == "
     "running]\n"},
    {"the first network is dead, the second is taken", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 2s, fault: {link: node2/move, down: true}, as: outage}\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move, lan]}, as: one}\n"
     "end: {at: 10s}\n"
     "expect: [one.outcome == succeeded, a.node == node2]\n"},
    {"a cancelled one, and the next attempt at once", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {when: one.step == pre-copy, delay: 5ms, cancel: one}\n"
     "  - {when: one.end, live-migrate: {vm: a, to: node2, over: [move], when-busy: refuse}, as: "
     "two}\n"
     "end: {at: 10s}\n"
     "expect: [one.outcome == cancelled, two.outcome == succeeded, a.node == node2, a.state == "
     "running]\n"},
    {"cancelled while it waits", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 0s, live-migrate: {vm: b, to: node1, over: [move]}, as: gather}\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {at: 3s, live-migrate: {vm: b, to: node2, over: [move]}, as: two}\n"
     "  - {at: 3010ms, cancel: two}\n"
     "end: {at: 10s}\n"
     "expect: [one.outcome == succeeded, two.outcome == cancelled, a.node == node2, b.node == "
     "node1]\n"},
    {"cut in pre-copy, and the next attempt once the link is back", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {when: one.step == pre-copy, fault: {link: node2/move, down: true, for: 6s}, as: "
     "outage}\n"
     "  - {when: outage.end, delay: 1s, live-migrate: {vm: a, to: node2, over: [move]}, as: two}\n"
     "end: {at: 40s}\n"
     "expect: [one.outcome == failed, two.outcome == succeeded, a.node == node2, a.state == "
     "running]\n"},
    {"the target crashes when it was given: taken back, and the next attempt", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {when: one.step == resume, fault: {machine: node2, crash: true, for: 1s}, as: blackout}\n"
     "  - {at: 25s, live-migrate: {vm: a, to: node2, over: [move]}, as: two}\n"
     "end: {at: 40s}\n"
     "expect: [one.outcome == failed, two.outcome == succeeded, a.node == node2, a.state == "
     "running]\n"},
    {"the source's host is lost before it gave: the target lets go, and has room for another",
     "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {when: one.step == pre-copy, fault: {machine: node1, crash: true, for: 1s}, as: "
     "blackout}\n"
     "  - {at: 25s, power: {machine: a, do: power-on}}\n"
     "  - {at: 26s, live-migrate: {vm: a, to: node2, over: [move]}, as: two}\n"
     "end: {at: 40s}\n"
     "expect: [one.outcome == failed, two.outcome == succeeded, a.node == node2, a.state == "
     "running]\n"},
    {"by force at the target, while the source is gone for good", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {when: one.step == disks, delay: 600us, fault: {machine: node1, crash: true}, as: "
     "blackout}\n"
     "  - {at: 10s, force-resume: {vm: a, node: node2}}\n"
     "end: {at: 30s}\n"
     "expect: [a.node == node2, a.state == running]\n"},
    {"by force at the target, and the source comes back", "max-per-pair: 1",
     "timeline:\n"
     "  - {at: 3s, live-migrate: {vm: a, to: node2, over: [move]}, as: one}\n"
     "  - {when: one.step == disks, delay: 600us, fault: {machine: node1, crash: true, for: 15s}, "
     "as: blackout}\n"
     "  - {at: 10s, force-resume: {vm: a, node: node2}}\n"
     "  - {when: blackout.end, delay: 12s, live-migrate: {vm: a, to: node1, over: [move]}, as: "
     "back}\n"
     "end: {at: 60s}\n"
     "expect: [back.outcome == succeeded, a.node == node1, a.state == running]\n"},
};

Test(orders, meet_as_they_should)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4096], why[512];
        int length = snprintf(text, sizeof text, frame, cases[i].nodes, cases[i].rest);
        cr_assert(length > 0 && (size_t)length < sizeof text);
        cr_expect(rig_holds(text, why, sizeof why), "%s: %s", cases[i].name, why);
    }
}
