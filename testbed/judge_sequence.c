/* Sequences: steps that happen one after the other.
 *
 * Of all ways to have reached a step the one that began last is kept: whatever completes an older one in time completes that one too. */
#include "sim/assert.h"
#include "testbed/judge_private.h"
#include "testbed/name_range.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct scenario_expect *expect_of(const struct judge_expect_state *state)
{
    return &state->judge->scenario->expect[state->index];
}

/* Whether a way that began then has time left, or none is set. */
static bool in_time(const struct scenario_expect *expect, sim_time began, sim_time now)
{
    return expect->within_ns == QUANTITY_ABSENT || now - began <= expect->within_ns;
}

/* Step `step` happens now. */
static void reach(struct judge_expect_state *state, uint32_t step)
{
    const struct scenario_expect *expect = expect_of(state);
    struct judge_step_state *steps = state->steps;
    sim_time now = state->judge->now;
    sim_time began = step == 0 ? now : steps[step - 1].began;
    if (state->decided || began == SIM_NEVER || !in_time(expect, began, now)) {
        return;
    }
    SIM_ASSERT(steps[step].began == SIM_NEVER || steps[step].began <= began);
    steps[step].began = began;
    steps[step].reached = now;
    if (step + 1 == expect->step_count) {
        judge_decide(state, TRUTH_TRUE);
    }
}

/* Of steps that wait for the same the later ones go first: one happening is one step. */
static void on_step(void *context, enum truth truth)
{
    struct judge_step_state *step = context;
    const struct scenario_expect *expect = expect_of(step->state);
    const struct expression *holds = expect->steps[step->step].holds;
    for (uint32_t i = expect->step_count; truth == TRUTH_TRUE && i-- > step->step;) {
        const struct expression *other = expect->steps[i].holds;
        if (other != NULL && strcmp(other->text, holds->text) == 0) {
            reach(step->state, i);
        }
    }
}

static bool waits_for_the_same_before(const struct scenario_expect *expect, uint32_t step)
{
    for (uint32_t i = 0; i < step; i++) {
        if (expect->steps[i].holds != NULL && expect->steps[step].holds != NULL &&
            strcmp(expect->steps[i].holds->text, expect->steps[step].holds->text) == 0) {
            return true;
        }
    }
    return false;
}

void judge_sequence_begin(struct judge_expect_state *state)
{
    struct judge *judge = state->judge;
    const struct scenario_expect *expect = expect_of(state);
    state->steps = calloc(expect->step_count, sizeof *state->steps);
    SIM_ASSERT(state->steps != NULL);
    for (uint32_t i = 0; i < expect->step_count; i++) {
        const struct scenario_step *step = &expect->steps[i];
        state->steps[i] = (struct judge_step_state){
            .state = state, .step = i, .began = SIM_NEVER, .kind = SIM_NONE};
        if (step->kind == SCENARIO_STEP_RECORD) {
            uint32_t kind = recorder_kind_find(judge->recorder, step->record);
            SIM_ASSERT(kind < judge->kind_count);
            state->steps[i].kind = kind;
            judge->kinds[kind] |= JUDGE_KIND_IN_SEQUENCE;
        }
    }
    for (uint32_t i = 0; i < expect->step_count; i++) {
        if (expect->steps[i].holds != NULL && !waits_for_the_same_before(expect, i)) {
            judge_watch(judge, expect->steps[i].holds, on_step, &state->steps[i]);
        }
    }
}

/* ---- records ---------------------------------------------------------------------------------------------------------- */

static bool is_among(const struct scenario_step *step, struct scenario_part part)
{
    for (uint32_t i = 0; i < step->part_count; i++) {
        if (step->parts[i].kind == part.kind && step->parts[i].index == part.index) {
            return true;
        }
    }
    return false;
}

static bool matches(struct judge *judge, const struct scenario_step *step,
                    const struct record *record)
{
    if (step->of != NULL && !is_among(step, judge_part_of(judge, record->origin))) {
        /* Records of migrations are written by nodes; their first value is the number of the item. */
        int64_t request = record->values[0];
        if (strncmp(step->record, "migration.", strlen("migration.")) != 0 || request < 1 ||
            !is_among(step, (struct scenario_part){SCENARIO_ACTION, (uint32_t)(request - 1)})) {
            return false;
        }
    }
    return step->record_text == NULL || text_glob_matches(step->record_text, record->text);
}

void judge_take_in_sequence(struct judge *judge, const struct record *record)
{
    for (uint32_t i = 0; i < judge->scenario->expect_count; i++) {
        struct judge_expect_state *state = &judge->expectations[i];
        const struct scenario_expect *expect = &judge->scenario->expect[i];
        if (state->steps == NULL || state->decided) {
            continue;
        }
        for (uint32_t step = expect->step_count; step-- > 0;) {
            if (state->steps[step].kind == record->kind &&
                matches(judge, &expect->steps[step], record)) {
                reach(state, step);
            }
        }
    }
}

/* ---- the end ---------------------------------------------------------------------------------------------------------- */

void judge_sequence_finish(struct judge_expect_state *state)
{
    const struct scenario_expect *expect = expect_of(state);
    bool open = state->judge->cut_short || state->steps[0].began == SIM_NEVER;
    for (uint32_t i = 0; i < expect->step_count && expect->within_ns != QUANTITY_ABSENT; i++) {
        open = open || (state->steps[i].began != SIM_NEVER &&
                        in_time(expect, state->steps[i].began, state->judge->now));
    }
    state->held = open ? TRUTH_UNKNOWN : TRUTH_FALSE;
}

const char *judge_sequence_actual(const struct judge_expect_state *state, char *out,
                                  size_t capacity)
{
    const struct scenario_expect *expect = expect_of(state);
    const struct judge_step_state *steps = state->steps;
    uint32_t reached = expect->step_count;
    char first[QUANTITY_TEXT_BYTES], last[QUANTITY_TEXT_BYTES];
    while (reached > 0 && steps[reached - 1].began == SIM_NEVER) {
        reached--;
    }
    if (reached == 0) {
        snprintf(out, capacity, "no %s", expect->steps[0].words);
    } else if (reached == expect->step_count) {
        const struct judge_step_state *end = &steps[reached - 1];
        snprintf(out, capacity, "%s, from %s on",
                 quantity_print_rounded(QUANTITY_TIME, end->reached - end->began, first),
                 quantity_print_rounded(QUANTITY_TIME, end->began, last));
    } else {
        bool limited = expect->within_ns != QUANTITY_ABSENT;
        sim_time until = limited ? steps[reached - 1].began + expect->within_ns : 0;
        int used = snprintf(
            out, capacity, "%u of %u; no %s %s %s", (unsigned)reached, (unsigned)expect->step_count,
            expect->steps[reached].words, limited ? "from" : "after",
            quantity_print_rounded(QUANTITY_TIME, steps[reached - 1].reached, last));
        if (limited && used > 0 && (size_t)used < capacity) {
            snprintf(out + used, capacity - (size_t)used, " to %s",
                     quantity_print_rounded(QUANTITY_TIME, until, last));
        }
    }
    return out;
}
