/* testbed/expect_rules.h - what an expectation needs besides its keys: companions, the parts that steps of a sequence speak of, and the text
 * that reports show. */
#ifndef ORRERY_TESTBED_EXPECT_RULES_H
#define ORRERY_TESTBED_EXPECT_RULES_H

#include "testbed/scenario.h"

void expect_rules_apply(struct scenario *scenario, struct scenario_expect *expect,
                        struct diagnostics *diagnostics);

#endif
