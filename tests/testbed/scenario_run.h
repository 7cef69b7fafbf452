/* tests/testbed/scenario_run.h - runs small scenarios and tells what the testbed said and judged.
 *
 * A story is one line for each record of the kinds asked for, without those of pings and frames:
 *
 *     1s outage fault.starts: node2/lan
 *
 * with the time, the name of the origin, the record's kind, its values where they say more, and its text. */
#ifndef ORRERY_TESTS_TESTBED_SCENARIO_RUN_H
#define ORRERY_TESTS_TESTBED_SCENARIO_RUN_H

#include "testbed/run.h"

struct scenario_run {
    struct scenario *scenario;
    struct run *run;
    char story[4096];
    uint32_t length;
};

/* Two networks, two nodes that take little memory, two clients and a VM; ends with the line "timeline:". */
extern const char scenario_run_base[];

/* Runs `base` and `rest` one behind the other to the end; `name` is for messages. */
void scenario_run_open(struct scenario_run *run, const char *name, const char *base,
                       const char *rest);
/* The same in two steps, for those who listen in between. */
void scenario_run_make(struct scenario_run *run, const char *name, const char *base,
                       const char *rest);
void scenario_run_go(struct scenario_run *run, const char *name);
void scenario_run_close(struct scenario_run *run);
/* Fails the test where an expectation of the scenario did not come out as said: one letter each, in the order of the file:
 * p pass, f fail, u unknown. */
void scenario_run_verdicts(const struct scenario_run *run, const char *name, const char *letters);

#endif
