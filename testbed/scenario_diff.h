/* testbed/scenario_diff.h - in which values two scenarios differ, everything that was left out written out.
 *
 * Both are compared as resolved (testbed/resolved.h), place by place: "networks.lan.rate: 1Gbit/s | 10Gbit/s". */
#ifndef ORRERY_TESTBED_SCENARIO_DIFF_H
#define ORRERY_TESTBED_SCENARIO_DIFF_H

#include "testbed/scenario.h"

/* One difference: the place as --set takes it ("timeline.1.live-migrate.rounds"), and what stands there in each;
 * NULL where nothing does. A map or list that only one has is shown in short. Texts are borrowed for the call. */
typedef void scenario_difference(void *context, const char *path, const char *a, const char *b);

/* Calls `report` for the first `most` differences, in the order of the resolved text; returns how many there are in all. */
uint32_t scenario_diff(const struct scenario *a, const struct scenario *b, uint32_t most,
                       scenario_difference *report, void *context);

#endif
