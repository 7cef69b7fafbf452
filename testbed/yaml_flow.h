/* testbed/yaml_flow.h - a small tree as one line of text: `[lan, migration]`, `{zero: 25%}`.
 *
 * What a table and `--cell` call a value that is not a single one, and the pieces of such a choice. */
#ifndef ORRERY_TESTBED_YAML_FLOW_H
#define ORRERY_TESTBED_YAML_FLOW_H

#include "testbed/yaml_tree.h"

/* The node as one line; a single value alone is its text. In the arena. */
const char *yaml_flow_text(struct arena *arena, const struct yaml_node *node);
/* Bytes up to the next comma that stands in no bracket and no quotes, or up to the end. */
size_t yaml_flow_piece(const char *text);

#endif
