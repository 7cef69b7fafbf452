/* testbed/fault_rules.h - what the schema cannot say of a fault: which kinds go with which target and with each other, and that its
 * machines have a network in common. Also writes what others read in place of lists and maps (scenario.h, struct scenario_fault). */
#ifndef ORRERY_TESTBED_FAULT_RULES_H
#define ORRERY_TESTBED_FAULT_RULES_H

#include "testbed/diagnostics.h"
#include "testbed/scenario.h"

void fault_rules_apply(const struct scenario *scenario, struct scenario_fault *fault,
                       struct diagnostics *diagnostics);
/* Whether a fault concerns this link: disturbs it, stands between it and others, or leads astray what is meant for its machine. */
bool fault_concerns_link(const struct scenario *scenario, const struct scenario_fault *fault,
                         uint32_t link);
/* Whether it is over as soon as it has begun. */
bool fault_is_instant(const struct scenario_fault *fault);
/* Whether a machine, or one of its links, is what the fault acts on. */
bool fault_concerns_machine(const struct scenario *scenario, const struct scenario_fault *fault,
                            struct scenario_part machine);
bool fault_has_part(const struct scenario_parts *parts, struct scenario_part part);

#endif
