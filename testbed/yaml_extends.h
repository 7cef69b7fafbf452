/* testbed/yaml_extends.h - `extends`: a file that says only what differs from another one.
 *
 *     extends: base.yaml                        or [hosts.yaml, guests.yaml]: the later over the earlier
 *     vms: {web: {memory: 4GiB, announce: null}}
 *     timeline: [{at: 9s, ...}]
 *
 * What is extended is read first, and what it extends before it; then this file is laid over it.
 *
 *  X1. Maps merge deeply. `timeline` and `expect` of the whole append. Any other value, lists too, takes the place of the one before.
 *  X2. `KEY: null` (or nothing behind it) removes a key that is there.
 *  X3. Each file is relative to the directory of the file that names it; so are paths within: a node carries its `directory`.
 *  X4. A file does not extend itself, over whatever way; at most YAML_EXTENDS_DEPTH_MAX files stand behind each other, and at most
 *      YAML_EXTENDS_FILES_MAX are read.
 *  X5. Errors have the file and line where the text stands, and "extended by" with the place that brought the file in. */
#ifndef ORRERY_TESTBED_YAML_EXTENDS_H
#define ORRERY_TESTBED_YAML_EXTENDS_H

#include "testbed/yaml_tree.h"

#define YAML_EXTENDS_DEPTH_MAX 16u
#define YAML_EXTENDS_FILES_MAX 64u

struct yaml_extends_options {
    const char *file;      /* the name of the text that `root` is */
    const char *directory; /* where its paths begin */
    bool ignore_files;     /* read nothing: `extends` is an error */
};

/* The tree with all that it extends; `root` itself where it extends nothing. NULL after an error for which something is missing, so
 * that a look at the rest would only mislead. */
struct yaml_node *yaml_extends(struct arena *arena, struct diagnostics *diagnostics,
                               struct yaml_node *root, const struct yaml_extends_options *options);

#endif
