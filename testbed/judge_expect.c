/* Whether expectations hold. */
#include "testbed/judge_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- expectations ------------------------------------------------------------------------------------------------------------- */

/* What there is to say of it now. */
static void write_actual(struct judge_expect_state *state)
{
    const struct scenario_expect *expect = &state->judge->scenario->expect[state->index];
    if (state->steps != NULL) {
        judge_sequence_actual(state, state->actual, sizeof state->actual);
    } else {
        judge_actual(state->judge, expect->holds, state->actual, sizeof state->actual);
    }
}

void judge_decide(struct judge_expect_state *state, enum truth held)
{
    if (state->decided) {
        return;
    }
    state->decided = true;
    state->held = held;
    state->decided_at = state->judge->now;
    write_actual(state);
}

/* never and always: the first instant at which it is not so decides. */
static void on_constant(void *context, enum truth truth)
{
    struct judge_expect_state *state = context;
    const struct scenario_expect *expect = &state->judge->scenario->expect[state->index];
    enum truth wanted = expect->kind == SCENARIO_EXPECT_ALWAYS ? TRUTH_TRUE : TRUTH_FALSE;
    if (truth != TRUTH_UNKNOWN && truth != wanted) {
        judge_decide(state, TRUTH_FALSE);
    } else if (truth == wanted && !state->decided) {
        state->held = TRUTH_TRUE;
    }
}

/* within: opens when `after` becomes true, is met when `holds` does. */
static void on_holds(void *context, enum truth truth)
{
    struct judge_expect_state *state = context;
    if (truth == TRUTH_TRUE && state->deadline != SIM_NEVER &&
        state->judge->now <= state->deadline) {
        judge_decide(state, TRUTH_TRUE);
    }
}

static void on_after(void *context, enum truth truth)
{
    struct judge_expect_state *state = context;
    struct judge *judge = state->judge;
    const struct scenario_expect *expect = &judge->scenario->expect[state->index];
    if (truth != TRUTH_TRUE || state->deadline != SIM_NEVER) {
        return;
    }
    state->deadline = judge->now + expect->within_ns;
    if (judge_evaluate(judge, expect->holds) == TRUTH_TRUE) {
        judge_decide(state, TRUTH_TRUE);
    } else if (judge->sim != NULL) {
        sim_event_arm(judge->sim, state->event, state->deadline + 1);
    }
}

static void on_deadline(void *context)
{
    struct judge_expect_state *state = context;
    state->judge->now = sim_now(state->judge->sim);
    judge_decide(state, TRUTH_FALSE);
}

void judge_expect(struct judge *judge)
{
    for (uint32_t i = 0; i < judge->scenario->expect_count; i++) {
        const struct scenario_expect *expect = &judge->scenario->expect[i];
        struct judge_expect_state *state = &judge->expectations[i];
        *state = (struct judge_expect_state){
            .held = TRUTH_UNKNOWN,
            .decided_at = SIM_NEVER,
            .deadline = SIM_NEVER,
            .event = SIM_NONE,
            .judge = judge,
            .index = i,
        };
        if (expect->kind == SCENARIO_EXPECT_NEVER || expect->kind == SCENARIO_EXPECT_ALWAYS) {
            judge_watch(judge, expect->holds, on_constant, state);
        } else if (expect->kind == SCENARIO_EXPECT_WITHIN) {
            if (judge->sim != NULL) {
                state->event = sim_event_new(judge->sim, judge->origin, on_deadline, state);
            }
            judge_watch(judge, expect->after, on_after, state);
            judge_watch(judge, expect->holds, on_holds, state);
        } else if (expect->kind == SCENARIO_EXPECT_SEQUENCE) {
            judge_sequence_begin(state);
        }
    }
}

void judge_free_expectations(struct judge *judge)
{
    for (uint32_t i = 0; i < judge->scenario->expect_count; i++) {
        struct judge_expect_state *state = &judge->expectations[i];
        if (state->judge != NULL && state->event != SIM_NONE) {
            sim_event_free(judge->sim, state->event);
            state->event = SIM_NONE;
        }
        free(state->steps);
        state->steps = NULL;
    }
}

void judge_finish_expectations(struct judge *judge)
{
    for (uint32_t i = 0; i < judge->scenario->expect_count; i++) {
        const struct scenario_expect *expect = &judge->scenario->expect[i];
        struct judge_expect_state *state = &judge->expectations[i];
        if (state->judge == NULL || state->decided) {
            continue;
        }
        switch (expect->kind) {
        case SCENARIO_EXPECT_THAT:
            state->held = judge->cut_short ? TRUTH_UNKNOWN : judge_evaluate(judge, expect->holds);
            break;
        case SCENARIO_EXPECT_WITHIN:
            /* Open at the end: too late if its time has passed, else nobody knows. */
            if (state->deadline != SIM_NEVER && judge->now > state->deadline) {
                state->held = TRUTH_FALSE;
            }
            break;
        case SCENARIO_EXPECT_SEQUENCE:
            judge_sequence_finish(state);
            break;
        default:
            break; /* never, always: whatever was seen stands */
        }
        write_actual(state);
    }
}

void judge_expectation(const struct judge *judge, uint32_t index, struct judge_expectation *out)
{
    const struct judge_expect_state *state = &judge->expectations[index];
    *out = (struct judge_expectation){.held = state->held, .decided_at = state->decided_at};
    memcpy(out->actual, state->actual, sizeof out->actual);
}
