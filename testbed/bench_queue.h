/* testbed/bench_queue.h - the hold model through the kernel's own calls: how many events a second.
 *
 * A constant number of events is pending. Each that fires draws a delay from a table of 4,096 and takes its own place again:
 * every second one re-arms itself, the others are calls that make a successor. Every fourth firing also disturbs another pending
 * event, which it re-arms, or cancels and replaces, in turns. So the figure is that of the calls that the model makes, and not of
 * a bare queue. Draws and delays are integers, and the checksum is the same on every machine. */
#ifndef ORRERY_TESTBED_BENCH_QUEUE_H
#define ORRERY_TESTBED_BENCH_QUEUE_H

#include "sim/types.h"

struct bench_queue_result {
    uint64_t events;   /* that fired */
    uint64_t checksum; /* of time and identity of every one, in order */
    sim_time simulated_ns;
};

/* Fires `events` events (to the end of the wave in which that number is reached) with `pending` > 0 pending at any time.
 * Distributions: "exp" (mean 1 ms), "uniform" (1 ns to 2 ms), "bimodal" (nine in ten about 12 us, as packets on a
 * gigabit link, the others 200 ms, as their time-outs). Any other name is an assertion: ask bench_queue_known. */
struct bench_queue_result bench_queue_run(const char *distribution, uint32_t pending,
                                          uint64_t events);
bool bench_queue_known(const char *distribution);

#endif
