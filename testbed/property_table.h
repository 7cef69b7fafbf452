/* testbed/property_table.h - what an expectation or a `when` can ask of a part: one row each.
 *
 * `web.state`, `move.downtime`, `ping.rtt.max`: the part before the first point is a name of the scenario, the rest is a
 * property of its class. The loader checks references and their units by this table, docs/scenario.md is printed from it, and
 * the judge answers for each row from the recording. To add one: a row here and its answer in the judge.
 *
 *  T1. A property's value is unknown until what it speaks of has happened.
 *  T3. A distribution has the percentiles of rows `NAME.p50` and so on, and every other on demand.
 *  T2. An instant is known from the moment it happened: as a condition it means "has happened". */
#ifndef ORRERY_TESTBED_PROPERTY_TABLE_H
#define ORRERY_TESTBED_PROPERTY_TABLE_H

#include "testbed/quantity.h"
#include "testbed/scenario.h"

enum property_type {
    PROPERTY_QUANTITY, /* of `unit`                                             */
    PROPERTY_INSTANT,  /* run time, ns; compares with times                     */
    PROPERTY_WORD,     /* one of `words`                                        */
    PROPERTY_NODE,     /* name of a node                                        */
    PROPERTY_FLAG,     /* true or false                                         */
};

struct property_row {
    uint32_t
        classes; /* 1 << enum scenario_part_kind, or for actions PROPERTY_OF(enum scenario_action_kind) */
    const char *name; /* "rtt.max" */
    enum property_type type;
    enum quantity_kind unit;
    const char *const *words; /* ends with NULL */
    const char *meaning;      /* one sentence */
    uint32_t
        percentile_ppm; /* of a distribution: how many of a million values are at most as large; 0: no percentile */
    bool grows; /* with time alone, from one record to the next */
};

#define PROPERTY_CLASS(part_kind) (UINT32_C(1) << (part_kind))
#define PROPERTY_OF(action_kind)  (UINT32_C(1) << (SCENARIO_PART_KINDS + (action_kind)))
#define PROPERTY_OF_ANY_ACTION    (~(PROPERTY_OF(0) - 1))

extern const struct property_row property_table[];
extern const uint32_t property_table_count;

/* The class bit of a part: of its kind, or of the kind of its action. */
uint32_t property_class(const struct scenario *scenario, struct scenario_part part);
/* The row of `name` for that class, or NULL. */
const struct property_row *property_find(uint32_t class_bit, const char *name);
/* The same, and for a percentile that has no row of its own (`rtt.p99.95`, more than 0 and less than 100, at most four decimals) a row
 * like that of its neighbour, taken from `arena`. */
const struct property_row *property_resolve(struct arena *arena, uint32_t class_bit,
                                            const char *name);

#endif
