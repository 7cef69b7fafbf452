/* tests/report/report_world.h - a scenario whose records are made up: judge, oracles and report see what a text says happened.
 *
 * A text has one record on each line:      TIME ORIGIN KIND VALUE... [@ACTION] [: TEXT]
 *
 *     5s node1 migration.round 2 1 131072 0 512MiB 4.58s 23184 810ms
 *     6s node2/migration> net.frame_lost 1500 0 0 0 @outage : down
 *
 * in any order; they are written in the order of their times. Values are integers, quantities with their unit, addresses, or the name of a
 * part where the field is an origin. @ACTION names the fault whose start is the cause. Besides:
 *
 *     boot                                  all machines on and all VMs running, at 0 s; instance numbers are 1, 2, ...
 *     ping NAME FROM UNTIL EVERY RTT        echo requests that are answered; `-` for RTT: lost, said 1 s later
 *     end TIME                              the run ends; later records are those after judging: run.leaks
 *
 * Empty lines and lines that begin with # say nothing. */
#ifndef ORRERY_TESTS_REPORT_WORLD_H
#define ORRERY_TESTS_REPORT_WORLD_H

#include "sim/recorder.h"
#include "testbed/judge.h"
#include "testbed/oracles.h"
#include "testbed/report.h"

struct report_world {
    struct scenario *scenario;
    struct sim *sim;
    struct recorder *recorder;
    struct judge *judge;
    struct oracles *oracles;
    struct run_result result;
};

/* Fails the test, naming `name`, where the scenario or a line of the records is wrong. */
void report_world_open(struct report_world *world, const char *name, const char *yaml,
                       const char *records);
void report_world_close(struct report_world *world);

#endif
