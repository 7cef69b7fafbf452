/* testbed/yaml_tree.h - a YAML text as a tree whose every key and value knows its place.
 *
 * libyaml gives events; this module makes nodes of them and refuses what a scenario has no use for, or what two readers of
 * YAML would take for two different things.
 *
 *  Y1. Each node, and each key of a mapping, has source, line and column. A plain value and a quoted one differ in `style`.
 *  Y2. The keys of a mapping are scalars, and no two of them are equal.
 *  Y3. A plain scalar means the same to YAML 1.1 and 1.2 readers: `on`, `no`, `1:30`, `0o10`, `1_000`, `1e3`, `2010-01-01`
 *      and their like are errors unless quoted. `<<` is an error, tags are errors.
 *  Y4. Memory is bounded: at most YAML_TREE_BYTES_MAX of text, YAML_TREE_NODES_MAX nodes after aliases are copied in, and
 *      YAML_TREE_DEPTH_MAX levels. An alias becomes a copy of what its anchor names, with the places of the original.
 *  Y5. The tree of one text holds nodes of other sources once `--set` or `extends` has put them there; places stay right
 *      because each carries its source.
 *
 * Spec: YAML 1.1 (2005) types bool, int, float, timestamp, merge; YAML 1.2.2 section 10.3, Core Schema. */
#ifndef ORRERY_TESTBED_YAML_TREE_H
#define ORRERY_TESTBED_YAML_TREE_H

#include "testbed/arena.h"
#include "testbed/diagnostics.h"

#define YAML_TREE_BYTES_MAX   (4u << 20)
#define YAML_TREE_NODES_MAX   200000u
#define YAML_TREE_DEPTH_MAX   64u
#define YAML_TREE_KEYS_MAX    10000u /* of one map: looking for a duplicate is linear */
#define YAML_TREE_ANCHORS_MAX 1000u  /* of one text */

enum yaml_kind { YAML_NODE_SCALAR, YAML_NODE_SEQUENCE, YAML_NODE_MAPPING };
enum yaml_style { YAML_STYLE_PLAIN, YAML_STYLE_QUOTED, YAML_STYLE_BLOCK };

struct yaml_node {
    enum yaml_kind kind;
    enum yaml_style style; /* of a scalar */
    const char *text;      /* of a scalar; zero-terminated, and holds no other zero byte */
    uint32_t length;
    bool
        refused; /* a scalar that is an error by Y3, or a broken alias: whoever reads it need not complain again */
    uint32_t child_count;
    struct source_place place;
    /* Where this node is a value in a mapping: its key. NULL otherwise. */
    const char *key;
    bool key_refused; /* as `refused`, of the key */
    struct source_place key_place;
    /* What paths in it are relative to, itself relative to the directory of the scenario; NULL: that one. */
    const char *directory;
    struct yaml_node *first_child,
        *last_child;        /* of a sequence or mapping, in the order of the file */
    struct yaml_node *next; /* sibling */
};

/* The tree of `text`, which stands in `diagnostics` as source `source`. NULL after at least one error; an error that leaves
 * a usable tree behind (a duplicate key, an ambiguous word) is reported and parsing goes on, so look at diagnostics_count. */
struct yaml_node *yaml_tree_parse(struct arena *arena, struct diagnostics *diagnostics,
                                  uint32_t source, const char *text, size_t length);

/* The value of `key` in a mapping; NULL where there is none, or where `mapping` is none. */
struct yaml_node *yaml_tree_get(const struct yaml_node *mapping, const char *key);
/* Puts `value` under `key`: in place of the present value, or at the end. */
void yaml_tree_put(struct yaml_node *mapping, const char *key, struct source_place key_place,
                   struct yaml_node *value);
/* Adds `child`, which belongs to no other node, at the end of a sequence or mapping. */
void yaml_tree_append(struct yaml_node *parent, struct yaml_node *child);
/* Takes the value of `key` out of a mapping; NULL where yaml_tree_get gives that. */
struct yaml_node *yaml_tree_remove(struct yaml_node *mapping, const char *key);
bool yaml_tree_is_null(const struct yaml_node *node); /* plain and empty, `~` or `null` */

/* Why two readers would differ over this plain scalar ("is a truth value in YAML 1.1 and a word in YAML 1.2"); NULL if they agree. */
const char *yaml_plain_ambiguity(const char *text);
/* Whether `text` has to be quoted to be read back as the same string by both. */
bool yaml_needs_quotes(const char *text);

#endif
