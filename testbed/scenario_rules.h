/* testbed/scenario_rules.h - what makes a scenario more than well-formed: its parts fit together.
 *
 * After the loader has checked each value by itself, the rules look across: does the VM fit into its node, is the migration's
 * target another node, do both ends of a ping share a network, has a cable two ends. They also decide what `auto` and left-out
 * values of that kind come to (S4 of scenario.h). Each rule is one function; the table of them is at the end of the file. */
#ifndef ORRERY_TESTBED_SCENARIO_RULES_H
#define ORRERY_TESTBED_SCENARIO_RULES_H

#include "testbed/scenario.h"

/* Decides, then checks; both go on after errors. `diagnostics` may hold errors of the loader already: what is then absent is passed over. */
void scenario_rules_apply(struct scenario *scenario, bool ignore_files,
                          struct diagnostics *diagnostics);

#endif
