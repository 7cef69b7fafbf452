/* testbed/scenario_rules.h - what makes a scenario more than well-formed: its parts fit together.
 *
 * After the loader has checked each value by itself, the rules look across: does the VM fit into its node, has a cable two
 * ends, do both ends of a ping share a network (timeline_rules.h). They also decide what `auto` and left-out values of that
 * kind come to (S4 of scenario.h). */
#ifndef ORRERY_TESTBED_SCENARIO_RULES_H
#define ORRERY_TESTBED_SCENARIO_RULES_H

#include "testbed/scenario.h"

/* Decides and checks, and goes on after errors: what the loader could not fill in, and reported, is passed over. */
void scenario_rules_apply(struct scenario *scenario, bool ignore_files,
                          struct diagnostics *diagnostics);

#endif
