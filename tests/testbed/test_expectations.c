/* Expectations on several parts, percentiles and sequences, judged in whole runs: what comes out and what the report says of it. */
#include "tests/testbed/scenario_run.h"

#include <criterion/criterion.h>
#include <string.h>

static const char base[] = "networks:\n  lan: {rate: 1Gbit/s}\n"
                           "nodes:\n  node1..node2: {memory: 256MiB, cores: 2, nics: [lan]}\n"
                           "clients:\n  alice: {nics: [lan]}\n  bob: {nics: [lan]}\n"
                           "vms:\n  web1..web3: {node: node1, memory: 4MiB, nics: [lan]}\n"
                           "timeline:\n";

/* Verdicts as in scenario_run_verdicts; `actual` are the reports' words for each, separated by `|`. */
static const struct {
    const char *name, *rest, *verdicts, *actual;
} rows[] = {
    {"at the end, on VMs, nodes, links and actions",
     "  - {at: 1s, live-migrate: {vm: web2, to: node2}, as: move2}\n"
     "  - {at: 2s, live-migrate: {vm: web3, to: node2}, as: move3}\n"
     "  - {at: 3s, power: {machine: web1, do: pause}}\n"
     "end: {at: 4s}\n"
     "expect:\n"
     "  - each(web*.state == running)\n"
     "  - count(web*.node == node2) == 2\n"
     "  - each(move*.outcome == succeeded)\n"
     "  - max(move*.end) < 3s\n"
     "  - each(node*.state == running) and each(*/lan.drops == 0)\n"
     "  - any(web*.paused-for) == 1s\n"
     "  - max(web?.longest-pause) == 1s\n"
     "  - min(move*.start) == 1s\n"
     "  - max(web*.downtime) == max(move*.downtime)\n"
     "  - web2.downtime == move2.downtime and web3.downtime == move3.downtime\n"
     "  - max(web?.downtime) > 0s\n",
     "fpppppppupp",
     "web1 paused|2 of 3|all 2|at 2.08 s (move3)|all 2|web1 1.00 s|1.00 s (web1)|at 1.00 s "
     "(move2)"},
    {"an action that never began leaves all of them unknown, but for what another decides",
     "  - {at: 1s, power: {machine: bob, do: freeze}, as: cut1}\n"
     "  - {when: alice.state == frozen, power: {machine: bob, do: thaw}, as: cut2}\n"
     "end: {at: 2s}\n"
     "expect:\n"
     "  - each(cut*.end)\n"
     "  - any(cut*.end)\n"
     "  - each(cut*.end) < 500ms\n"
     "  - count(cut*.end) >= 1\n"
     "  - count(cut*.end) == 2\n"
     "  - max(cut*.end) > 500ms\n"
     "  - max(cut*.end) < 500ms\n",
     "upfpupf", NULL},
    {"never, always and within see the part that changes",
     "  - {at: 1s, power: {machine: web2, do: pause}, as: a}\n"
     "  - {at: 2s, power: {machine: web3, do: pause}, as: b}\n"
     "  - {at: 3s, power: {machine: web2, do: resume}, as: c}\n"
     "  - {at: 4s, power: {machine: web3, do: resume}, as: d}\n"
     "end: {at: 6s}\n"
     "expect:\n"
     "  - {never: count(web*.state == paused) >= 2}\n"
     "  - {never: count(web*.state == paused) >= 3}\n"
     "  - {always: any(web*.state == running)}\n"
     "  - {always: each(web*.paused-for <= 2s)}\n"
     "  - {always: each(web*.paused-for) < 2s}\n"
     "  - {never: sum(web*.paused-for) > 3s}\n"
     "  - {within: 1s, after: c.end, holds: each(web*.state == running)}\n"
     "  - {within: 999ms, after: c.end, holds: each(web*.state == running)}\n"
     "  - {within: 1s, after: any(web*.state == paused), holds: count(web*.state == paused) == 2}\n"
     "  - {within: 1s, after: each(web*.state == paused), holds: web1.state == running}\n",
     "fpppfppfpu", NULL},
    {"a when on several parts",
     "  - {at: 1s, power: {machine: web2, do: pause}, as: a}\n"
     "  - {at: 2s, power: {machine: web3, do: pause}, as: b}\n"
     "  - {when: count(web*.state == paused) == 2, delay: 10ms, power: {machine: web2, do: "
     "resume}, "
     "as: c}\n"
     "  - {when: any(web*.paused-for) > 1500ms, power: {machine: web3, do: resume}, as: d}\n"
     "end: {when: each(web*.state == running) and c.end, then: 0s, at-most: 9s}\n"
     "expect: [c.start == 2010ms, d.start == 3500000001ns, b.end == 2s]\n",
     "ppp", NULL},
    {"percentiles",
     "  - {at: 0s, ping: {from: alice, to: bob, every: 10ms, count: 100}, as: ping}\n"
     "  - {at: 995ms, fault: {link: bob/lan, delay: 1ms, for: 100ms}, as: slow}\n"
     "  - {at: 0s, request: {from: bob, to: web1, every: 10ms}, as: shop}\n"
     "end: {at: 2s}\n"
     "expect:\n"
     "  - ping.received == 100\n"
     "  - ping.rtt.p99 < 100us\n"
     "  - ping.rtt.p99.01 < 100us\n"
     "  - ping.rtt.p99.9 == ping.rtt.max\n"
     "  - ping.rtt.p50 >= ping.rtt.min and ping.rtt.p50 <= ping.rtt.p90\n"
     "  - ping.rtt.p0.0001 < ping.rtt.p50 * 1.01\n"
     "  - shop.latency.p90 < 1ms\n"
     "  - each(*g.rtt.p99) < 100us\n",
     "pppppppp", NULL},
    {"sequences of conditions",
     "  - {at: 1s, power: {machine: web1, do: pause}, as: a}\n"
     "  - {at: 2s, power: {machine: web2, do: pause}, as: b}\n"
     "  - {at: 3s, power: {machine: web1, do: resume}, as: c}\n"
     "  - {at: 4s, power: {machine: web1, do: pause}, as: d}\n"
     "  - {at: 4500ms, power: {machine: web1, do: resume}, as: e}\n"
     "end: {at: 6s}\n"
     "expect:\n"
     "  - {sequence: [a.start, b.start, c.start], within: 2s}\n"
     "  - {sequence: [a.start, b.start, c.start], within: 1999999999ns}\n"
     "  - {sequence: [b.start, a.start]}\n"
     "  - {sequence: [web1.state == paused, web1.state == running], within: 500ms}\n"
     "  - {sequence: [web1.state == paused, web1.state == running], within: 499ms}\n"
     "  - {sequence: [web1.state == paused, web2.state == paused, web1.state == paused]}\n"
     "  - {sequence: [web1.state == paused, web1.state == paused, web1.state == paused]}\n"
     "  - {sequence: [web3.state == paused, web1.state == running]}\n"
     "  - {sequence: [e.end, web3.state == paused], within: 2s}\n"
     "  - {sequence: [e.end, web3.state == paused], within: 1s}\n"
     "  - {sequence: [web2.state == paused]}\n"
     "  - {sequence: [any(web*.state == paused), count(web*.state == paused) == 2, "
     "each(web*.state == running)]}\n",
     "pffpfpfuufpf",
     "2.00 s, from 1.00 s on|2 of 3; no c.start from 2.00 s to 3.00 s|1 of 2; no a.start after "
     "2.00 s|500 "
     "ms, from 4.00 s on|1 of 2; no web1.state == running from 4.00 s to 4.50 s|3.00 s, from 1.00 "
     "s on|2 of 3; no web1.state == paused after 4.00 s"},
    {"a sequence of records, of whom and with what text",
     "  - {at: 1s, live-migrate: {vm: web2, to: node2}, as: move2}\n"
     "  - {at: 2s, live-migrate: {vm: web3, to: node2}, as: move3}\n"
     "  - {at: 3s, every: 100ms, times: 3, fault: {link: bob/lan, loss: 1%, for: 50ms}, as: blip}\n"
     "end: {at: 4s}\n"
     "expect:\n"
     "  - sequence: [{record: vm.paused}, {record: vm.runs}, {record: vm.paused}]\n"
     "  - sequence: [{record: vm.paused, of: web2}, {record: vm.runs, of: web2}, move2.end]\n"
     "  - sequence: [{record: vm.paused, of: web3}, {record: vm.runs, of: web2}]\n"
     "  - sequence: [{record: migration.step, of: move3, text: stop-copy}, {record: vm.paused, of: "
     "web3}]\n"
     "  - sequence: [{record: migration.step, of: move2, text: stop-copy}, {record: vm.paused, of: "
     "web3}]\n"
     "  - sequence: [{record: migration.step, of: node1, text: \"*-copy\"}, {record: "
     "migration.ended, of: move*}]\n"
     "  - sequence: [{record: fault.starts, of: blip}, {record: fault.stops, of: blip}, {record: "
     "fault.starts, of: blip-2}, {record: fault.starts, of: blip-?}]\n"
     "  - sequence: [{record: fault.starts, of: blip}, {record: fault.starts, of: blip}, {record: "
     "fault.starts, of: blip}, {record: fault.starts, of: blip}]\n"
     "  - sequence: [{record: fault.starts, text: \"b*lan\"}, {record: fault.stops, text: "
     "bob?lan}]\n"
     "  - sequence: [{record: vm.gone, of: web1}, move3.end]\n"
     "  - {sequence: [{record: vm.paused, of: web2}, {record: vm.runs, of: web2}], within: 1ns}\n",
     "ppfppppfpuf", NULL},
};

Test(expectations, in_whole_runs)
{
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct scenario_run run;
        scenario_run_open(&run, rows[row].name, base, rows[row].rest);
        scenario_run_verdicts(&run, rows[row].name, rows[row].verdicts);
        const char *wanted = rows[row].actual;
        for (uint32_t i = 0; wanted != NULL; i++) {
            struct judge_expectation expectation;
            const char *end = strchr(wanted, '|');
            size_t length = end != NULL ? (size_t)(end - wanted) : strlen(wanted);
            judge_expectation(run_result_of(run.run)->judge, i, &expectation);
            cr_expect(strlen(expectation.actual) == length &&
                          strncmp(expectation.actual, wanted, length) == 0,
                      "%s: %u shows '%s' instead of '%.*s'", rows[row].name, i + 1,
                      expectation.actual, (int)length, wanted);
            wanted = end != NULL ? end + 1 : NULL;
        }
        scenario_run_close(&run);
    }
}
