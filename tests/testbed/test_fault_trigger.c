/* Which frames a fault picks: by expectations about what was lost. Alice pings bob 100 times; each request and each reply crosses bob's
 * link. */
#include "tests/testbed/scenario_run.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define PINGS                                                                                      \
    "  - {at: 1s, ping: {from: alice, to: bob, over: lan, every: 10ms, timeout: 1s, count: 100}, " \
    "as: ping}\n"
#define FAULT(words) "  - {at: 0s, fault: {link: bob/lan, loss: 100%, " words "}, as: a}\n"
#define EXPECT       "end: {at: 4s}\nexpect:\n"

static const struct {
    const char *name, *rest, *letters;
} rows[] = {
    {"the n-th of the frames that match, over both directions, and no other",
     PINGS FAULT("frames: icmp, nth: 7") EXPECT "  - ping.lost == 1\n  - a.hits == 1\n", "pp"},
    {"the n-th of one direction",
     PINGS FAULT("frames: icmp, nth: 100, direction: to") EXPECT "  - ping.lost == 1\n", "p"},
    {"the n-th that never comes",
     PINGS FAULT("frames: icmp, nth: 201") EXPECT "  - ping.lost == 0\n  - a.hits == 0\n", "pp"},
    {"n-th without a filter counts ARP too", PINGS FAULT("nth: 1") EXPECT "  - a.hits == 1\n", "p"},
    {"each tenth request",
     PINGS FAULT("frames: 'icmp[icmptype] == icmp-echo', every-kth: 10") EXPECT
     "  - ping.lost == 10\n  - a.hits == 10\n",
     "pp"},
    {"each second frame of both directions: all replies, for each request comes first",
     PINGS FAULT("frames: icmp, every-kth: 2") EXPECT "  - ping.lost == 100\n", "p"},
    {"with probability 0 none",
     PINGS FAULT("frames: icmp, probability: 0%") EXPECT "  - ping.lost == 0\n", "p"},
    {"with probability 1 all",
     PINGS FAULT("frames: icmp, probability: 100%") EXPECT "  - ping.lost == 100\n", "p"},
    {"with probability a half, about half of one direction",
     PINGS FAULT("frames: icmp, probability: 50%, direction: to") EXPECT
     "  - ping.lost > 30\n  - ping.lost < 70\n",
     "pp"},
    {"the share counts beside the filter",
     PINGS "  - {at: 0s, fault: {link: bob/lan, loss: 0%, frames: icmp}, as: a}\n" EXPECT
           "  - ping.lost == 0\n",
     "p"},
    {"longer frames only: pings of 56 bytes are not",
     PINGS FAULT("frames: icmp and greater 1000") EXPECT "  - ping.lost == 0\n", "p"},
    {"a filter that reads payload",
     PINGS FAULT("frames: 'icmp[8:4] == 0x7fffffff'") EXPECT "  - ping.lost == 0\n", "p"},
    {"a fault that is over picks no more",
     PINGS
     "  - {at: 0s, fault: {link: bob/lan, loss: 100%, frames: icmp, for: 1.5s}, as: a}\n" EXPECT
     "  - ping.lost >= 49\n  - ping.lost <= 51\n",
     "pp"},
    {"two triggers on a link count by themselves",
     PINGS "  - {at: 0s, fault: {link: bob/lan, loss: 100%, frames: icmp, nth: 1}, as: a}\n"
           "  - {at: 0s, fault: {link: bob/lan, loss: 100%, frames: icmp, nth: 3}, as: b}\n" EXPECT
           "  - a.hits == 1\n  - b.hits == 1\n  - ping.lost == 2\n",
     "ppp"},
    {"several kinds act on the same frame, which counts once",
     PINGS "  - {at: 0s, fault: {link: bob/lan, duplicate: 100%, corrupt: 100%, direction: to, "
           "frames: icmp, nth: 5}, as: a}\n" EXPECT "  - ping.lost == 1\n",
     "p"},
};

Test(fault_trigger, each_row_picks_what_it_says)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scenario_run run;
        scenario_run_open(&run, rows[i].name, scenario_run_base, rows[i].rest);
        scenario_run_verdicts(&run, rows[i].name, rows[i].letters);
        scenario_run_close(&run);
    }
}

/* T3: what one fault draws does not depend on another. */
Test(fault_trigger, a_draw_stays_when_another_fault_is_taken_away)
{
    static const char with[] =
        PINGS FAULT("frames: icmp, probability: 20%, direction: to") "  - {at: 1.2s, fault: {link: "
                                                                     "bob/lan, loss: 100%, frames: "
                                                                     "'arp', probability: 50%}}\n"
                                                                     "end: {at: 4s}\n";
    static const char without[] =
        PINGS FAULT("frames: icmp, probability: 20%, direction: to") "end: {at: 4s}\n";
    struct scenario_run a, b;
    scenario_run_open(&a, "with", scenario_run_base, with);
    scenario_run_open(&b, "without", scenario_run_base, without);
    uint64_t lost[2] = {judge_ping(run_judge(a.run), 0)->lost,
                        judge_ping(run_judge(b.run), 0)->lost};
    cr_expect_eq(lost[0], lost[1], "%llu and %llu", (unsigned long long)lost[0],
                 (unsigned long long)lost[1]);
    cr_expect_gt(lost[0], 0);
    cr_expect_lt(lost[0], 100);
    scenario_run_close(&a);
    scenario_run_close(&b);
}
