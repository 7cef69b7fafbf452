/* testbed/yaml_set.h - `--set path=value`: one value of a scenario replaced from the command line.
 *
 * A path is keys joined by dots: `vms.web.memory`. Two dots stand for themselves, so that ranges can be named:
 * `nodes.node1..node4.cores`. An element of a list is named by its number from 0, one of the timeline also by its `as`:
 * `timeline.move.live-migrate.rounds`. The value is YAML: `--set 'nodes.node1.nics=[lan, san]'`. A key that is not there is
 * added, with the maps that lead to it; whether it may be there, the schema says, and errors name the option.
 *
 * It works on the tree, before the schema looks at it, as `extends` and `$name` will. */
#ifndef ORRERY_TESTBED_YAML_SET_H
#define ORRERY_TESTBED_YAML_SET_H

#include "testbed/yaml_tree.h"

/* Applies one assignment ("path=value") to the tree. Errors go to `diagnostics`, under a source of their own. */
void yaml_set(struct arena *arena, struct diagnostics *diagnostics, struct yaml_node *root,
              const char *assignment);

#endif
