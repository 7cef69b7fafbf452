/* testbed/policy_rules.h - the policies of a scenario's migrations: what they leave open is decided, and drains get their migrations.
 *
 * For the loader. A policy is built up from the constants of the one that it is like (cluster/migration_policy.h), or, where it does not
 * say, from the scenario's own; then come the keys that it has. */
#ifndef ORRERY_TESTBED_POLICY_RULES_H
#define ORRERY_TESTBED_POLICY_RULES_H

#include "cluster/migration_policy.h"
#include "testbed/scenario.h"

/* Adds to the timeline an item for each VM that a drain may move, and its name. When all names are resolved, before conditions are checked. */
void policy_rules_add_moves(struct scenario *scenario, struct diagnostics *diagnostics);
/* Decides all policies, and checks that they can end. */
void policy_rules_apply(struct scenario *scenario, struct diagnostics *diagnostics);
/* A decided policy as node software takes it. */
struct migration_policy policy_rules_policy(const struct scenario_policy *policy);
/* "hyper-v", ... */
const char *policy_rules_word(enum scenario_policy_like like);

#endif
