/* That every property gets a value in some run, and when conditions of time are judged. */
#include "testbed/property_table.h"
#include "tests/testbed/scenario_run.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* A run in which everything happens that a property can speak of. */
static const char busy[] =
    "  - {at: 0s, ping: {from: alice, to: web, every: 10ms}, as: ping}\n"
    "  - {at: 0s, request: {from: bob, to: web, every: 10ms}, as: shop}\n"
    "  - {at: 0s, video: {from: web, to: alice}, as: film}\n"
    "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
    "  - {at: 2s, tcp-bulk: {from: alice, to: bob, bytes: 1MiB}, as: bulk}\n"
    "  - {at: 3s, fault: {link: alice/lan, loss: 10%, for: 100ms}, as: noise}\n"
    "  - {at: 3500ms, drain: node2, as: empty}\n"
    "  - {at: 4s, power: {machine: bob, do: freeze}, as: hang}\n"
    "  - {at: 4500ms, cancel: move, as: too-late}\n"
    "  - {at: 4600ms, force-resume: {vm: web, node: node2}, as: force}\n"
    "  - {at: 5s, stop: ping, as: quiet}\n"
    "end: {at: 6s}\n";

Test(judge_value, every_property_has_a_value)
{
    struct scenario_run run;
    scenario_run_open(&run, "busy", scenario_run_base, busy);
    const struct scenario *s = run.scenario;
    const struct {
        enum scenario_part_kind kind;
        uint32_t count;
    } parts[] = {
        {SCENARIO_ACTION, s->item_count},     {SCENARIO_VM, s->vm_count},
        {SCENARIO_NODE, s->node_count},       {SCENARIO_CLIENT, s->client_count},
        {SCENARIO_NETWORK, s->network_count}, {SCENARIO_LINK, s->link_count},
    };
    for (uint32_t row = 0; row < property_table_count; row++) {
        const struct property_row *property = &property_table[row];
        uint32_t asked = 0, known = 0;
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            for (uint32_t index = 0; index < parts[i].count; index++) {
                struct scenario_part part = {parts[i].kind, index};
                if ((property->classes & property_class(s, part)) != 0) {
                    asked++;
                    known += judge_value(run_result_of(run.run)->judge, part, property).known;
                }
            }
        }
        cr_expect_gt(asked, 0, "no part has %s", property->name);
        cr_expect_gt(known, 0, "nobody knows %s", property->name);
    }
    scenario_run_close(&run);
}

/* What has not happened is unknown; what is sums of nothing is not. */
static const struct {
    const char *name, *rest, *verdicts;
} rows[] = {
    {"an action that never began",
     "  - {when: bob.state == frozen, live-migrate: {vm: web, to: node2}, as: move}\n"
     "  - {when: bob.state == frozen, ping: {from: alice, to: bob}, as: ping}\n"
     "  - {when: bob.state == frozen, fault: {link: alice/lan, loss: 1%}, as: noise}\n"
     "end: {at: 1s}\n"
     "expect: [move.downtime < 1s, move.step == waiting, ping.lost == 0, noise.hits == 0, "
     "move.start, not move.end, not (move.downtime > 0s and web.node == node2)]\n",
     "uuuuuup"},
    {"at the end, not before",
     "  - {at: 1s, power: {machine: bob, do: freeze}}\n"
     "  - {at: 2s, power: {machine: bob, do: thaw}}\n"
     "end: {at: 3s}\n"
     "expect: [bob.state == running, bob.state == frozen, {that: alice.state == running}]\n",
     "pfp"},
    {"never and always at every change",
     "  - {at: 1s, power: {machine: bob, do: freeze}}\n"
     "  - {at: 1s, power: {machine: bob, do: thaw}}\n"
     "  - {when: alice.state == frozen, ping: {from: alice, to: bob}, as: ping}\n"
     "end: {at: 3s}\n"
     "expect:\n"
     "  - {never: bob.state == frozen}\n"
     "  - {always: bob.state == running}\n"
     "  - {never: bob.state == powered-down}\n"
     "  - {always: alice.state == running}\n"
     "  - {never: ping.lost > 0}\n"
     "  - {always: ping.lost == 0}\n",
     "ffppuu"},
    {"within: its last instant is in time, the next is not",
     "  - {at: 1s, power: {machine: bob, do: freeze}, as: a}\n"
     "  - {at: 2s, power: {machine: bob, do: thaw}, as: b}\n"
     "  - {when: alice.state == frozen, power: {machine: bob, do: thaw}, as: c}\n"
     "end: {at: 3s}\n"
     "expect:\n"
     "  - {within: 1s, after: a.start, holds: bob.state == running}\n"
     "  - {within: 1s, after: a.end, holds: bob.state == running}\n"
     "  - {within: 999999999ns, after: a.end, holds: bob.state == running}\n"
     "  - {within: 0s, after: b.end, holds: bob.state == running}\n"
     "  - {within: 1s, after: b.end, holds: bob.state == frozen}\n"
     "  - {within: 999ms, after: b.end, holds: bob.state == frozen}\n"
     "  - {within: 2s, after: b.end, holds: bob.state == frozen}\n"
     "  - {within: 1s, after: c.start, holds: bob.state == running}\n"
     "  - {within: 500ms, after: bob.state == frozen, holds: alice.state == running}\n",
     "ppfpufuup"},
    {"paused-for grows between records, and is seen to the nanosecond",
     "  - {at: 1s, power: {machine: web, do: pause}}\n"
     "  - {at: 2s, power: {machine: web, do: resume}}\n"
     "end: {at: 3s}\n"
     "expect:\n"
     "  - {never: web.paused-for > 1s}\n"
     "  - {never: web.paused-for >= 1s}\n"
     "  - {never: web.paused-for > 999999999ns}\n"
     "  - {never: web.paused-for == 500ms}\n"
     "  - {always: web.paused-for != 123456789ns}\n"
     "  - {always: web.longest-pause <= 1s}\n"
     "  - {always: web.longest-pause < 1s}\n"
     "  - web.paused-for == 0s\n"
     "  - web.longest-pause == 1s\n",
     "pffffpfpp"},
    {"a VM that stands still at the end",
     "  - {at: 1s, power: {machine: web, do: pause}}\n"
     "end: {at: 3s}\n"
     "expect: [web.paused-for == 2s, web.longest-pause == 2s, web.state == paused, "
     "{within: 1500ms, after: web.state == paused, holds: web.paused-for >= 1500ms}, "
     "{within: 1499ms, after: web.state == paused, holds: web.paused-for >= 1500ms}]\n",
     "ppppf"},
    {"a request that waits when the run ends",
     "  - {at: 0s, request: {from: alice, to: web, every: 10ms}, as: shop}\n"
     "  - {at: 1s, power: {machine: web, do: pause}}\n"
     "end: {at: 3s}\n"
     "expect: [shop.longest-gap > 1990ms, shop.longest-gap <= 2010ms, shop.failed == 0]\n",
     "ppp"},
    {"a video that stands still once, one that does so when the run ends, one that never played",
     "  - {at: 0s, video: {from: web, to: alice, buffer: 200ms}, as: film}\n"
     "  - {at: 0s, video: {from: web, to: bob, buffer: 1s, port: 555}, as: other}\n"
     "  - {at: 1500ms, power: {machine: web, do: pause}}\n"
     "  - {at: 2s, power: {machine: web, do: resume}}\n"
     "  - {at: 3s, stop: film}\n"
     "  - {at: 3s, power: {machine: web, do: pause}}\n"
     "  - {at: 4s, video: {from: web, to: alice, port: 556}, as: late}\n"
     "end: {at: 6s}\n"
     "expect: [film.stalls == 1, film.longest-stall >= 250ms, film.longest-stall < 350ms, "
     "film.stalled-for == film.longest-stall, film.buffer-low == 0s, other.stalls == 1, "
     "other.stalled-for >= 1900ms, {never: film.stalls > 1}, late.stalls == 0, "
     "late.reconnects == 0, film.frames >= 60]\n",
     "ppppppppupp"},
    {"processor time: none without a load, and nothing stolen",
     "end: {at: 1s}\n"
     "expect: [web.processor-time == 0s, web.stolen-time == 0s, web.pages-read == 0]\n",
     "ppp"},
    {"a when that waits for a pause to last",
     "  - {at: 1s, power: {machine: web, do: pause}, as: a}\n"
     "  - {when: web.paused-for >= 250ms, power: {machine: web, do: resume}, as: b}\n"
     "end: {at: 3s}\n"
     "expect: [web.longest-pause == 250ms, b.start - a.start == 250ms, web.state == running]\n",
     "ppp"},
    {"what came of bulk transfers and requests to nobody",
     "  - {at: 0s, power: {machine: bob, do: power-off}}\n"
     "  - {at: 0s, power: {machine: web, do: power-off}}\n"
     "  - {at: 1s, request: {from: alice, to: web, port: 81, every: 1s, timeout: 500ms}, as: ask}\n"
     "  - {at: 1s, ping: {from: alice, to: bob, over: lan, count: 3, every: 1s, timeout: 500ms}, "
     "as: ping}\n"
     "end: {at: 10s}\n"
     "expect: [ask.answered == 0, ask.failed > 0, ping.lost == 3, ping.received == 0, "
     "ping.rtt.max < 1s, bob.state == powered-down]\n",
     "ppppup"},
    {"a port that only a request names is served",
     "  - {at: 1s, request: {from: alice, to: web, port: 81, every: 1s}, as: ask}\n"
     "  - {at: 1s, request: {from: bob, to: web, every: 1s}, as: too}\n"
     "end: {at: 9500ms}\n"
     "expect: [ask.answered == 9, ask.failed == 0, too.answered == 9]\n",
     "ppp"},
};

Test(judge_value, rows)
{
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct scenario_run run;
        scenario_run_open(&run, rows[row].name, scenario_run_base, rows[row].rest);
        scenario_run_verdicts(&run, rows[row].name, rows[row].verdicts);
        scenario_run_close(&run);
    }
}
