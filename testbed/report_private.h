/* testbed/report_private.h - what the parts of the report share: what happened (report_happened.c), why (report_why.c), the page for
 * people (report.c) and the JSON document (report_json.c). */
#ifndef ORRERY_TESTBED_REPORT_PRIVATE_H
#define ORRERY_TESTBED_REPORT_PRIVATE_H

#include "testbed/report.h"
#include "testbed/report_text.h"

/* Migrations up to this number are told one by one, each with its rounds; of more there is a table. */
#define REPORT_TOLD_MIGRATIONS 3u

/* ---- what happened ---------------------------------------------------------------------------------------------------------- */

/* Calls `line` with each sentence of what happened, to whom: migrations, VMs, traffic, what was done to them. */
void report_happened(const struct run_result *result, void (*line)(void *context, const char *text),
                     void *context);
/* "node2/migration was down": what a fault of the timeline does, in the past tense. */
void report_add_fault(struct report_text *text, const struct scenario *scenario, uint32_t item);
/* " and took 214 frames": how many frames met it, or what it came to; nothing where there is nothing to say. */
void report_add_hits(struct report_text *text, const struct run_result *result, uint32_t item,
                     uint64_t hits);
/* Whether it goes on until somebody ends it. */
bool report_fault_lasts(const struct scenario_fault *fault);
/* Items of the timeline that are migrations, and began. */
uint32_t report_migration_count(const struct run_result *result);
/* A property of a part by its name; unknown where the part has none of that name. */
struct expression_value report_value(const struct run_result *result, struct scenario_part part,
                                     const char *property);

/* ---- why ------------------------------------------------------------------------------------------------------------------------ */

enum report_limit {
    REPORT_LIMIT_NONE,      /* nothing was full, or it never came to pages */
    REPORT_LIMIT_GUEST,     /* it writes as fast as pages are sent */
    REPORT_LIMIT_LINK,      /* carried 90 % or more of what TCP can carry over it */
    REPORT_LIMIT_PROCESSOR, /* the software of a node worked 80 % of the time or more */
    REPORT_LIMIT_LOSSES,    /* TCP waited for time-outs */
    REPORT_LIMIT_TARGET,    /* it refused */
    REPORT_LIMIT_POLICY,    /* it allowed no higher rate */
    REPORT_LIMITS
};
const char *report_limit_word(enum report_limit limit);

struct report_why {
    enum report_limit limit;
    uint64_t goodput_bps;  /* of the rounds before the pause; 0 where there was none */
    uint64_t capacity_bps; /* what TCP can carry over the network that it used; 0 where unknown */
    struct report_text text;
};
/* Why a migration that began went as it did. */
void report_explain(const struct run_result *result, uint32_t item, struct report_why *out);
/* What TCP can carry over a network at best, in payload. */
uint64_t report_capacity_bps(const struct scenario_network *network);
/* The step that it was in when it ended, or is in. */
enum judge_step report_last_step(const struct judge_migration *migration);

/* ---- the formula ---------------------------------------------------------------------------------------------------------------- */

/* Prints the rounds of a migration that began beside V (D/R)^i, and where that fails and why. */
void report_formula(FILE *out, const struct run_result *result, uint32_t item);

#endif
