#include "tests/testbed/scenario_run.h"

#include "nic/net.h"
#include "testbed/quantity.h"
#include "testbed/run_records.h"
#include "testbed/world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char scenario_run_base[] =
    "networks:\n"
    "  lan: {rate: 1Gbit/s}\n"
    "  wire: {rate: 1Gbit/s, kind: cable}\n"
    "nodes:\n"
    "  node1..node2: {memory: 256MiB, cores: 2, nics: [lan]}\n"
    "clients:\n"
    "  alice: {nics: [lan, wire]}\n"
    "  bob: {nics: [lan, wire]}\n"
    "vms:\n"
    "  web:\n"
    "    node: node1\n"
    "    memory: 4MiB\n"
    "    nics: [lan]\n"
    "    guest: {writers: [{pages: 64KiB, touch: 100/s}], services: [{port: 80}]}\n"
    "timeline:\n";

static void tell(void *context, const struct record *record)
{
    struct scenario_run *run = context;
    struct world *world = run_world(run->run);
    const struct record_kind *kind = recorder_kind(world->recorder, record->kind);
    char time[QUANTITY_TEXT_BYTES], values[128] = "";
    if (record->time == 0 && record->kind == world->record_base + RUN_MACHINE) {
        return; /* all are switched on at the start */
    }
    if (record->kind == world->net.record_base + NET_LINK_STATE) {
        char rate[QUANTITY_TEXT_BYTES], delay[QUANTITY_TEXT_BYTES];
        snprintf(values, sizeof values, " %s %s %s", record->values[0] != 0 ? "up" : "down",
                 quantity_print(QUANTITY_RATE, record->values[1], rate),
                 quantity_print(QUANTITY_TIME, record->values[2], delay));
    }
    if (record->kind == world->record_base + RUN_CLOCK) {
        char by[QUANTITY_TEXT_BYTES], drift[QUANTITY_TEXT_BYTES];
        snprintf(values, sizeof values, " %s %s",
                 quantity_print(QUANTITY_TIME, record->values[0], by),
                 quantity_print(QUANTITY_DRIFT, record->values[1], drift));
    } else if (record->kind == world->record_base + RUN_PROCESSOR ||
               record->kind == world->record_base + RUN_CONNECTION) {
        snprintf(values, sizeof values, " %lld", (long long)record->values[0]);
    }
    int length = snprintf(run->story + run->length, sizeof run->story - run->length,
                          "%s %s %s%s%s%s\n", quantity_print(QUANTITY_TIME, record->time, time),
                          sim_origin_path(world->sim, record->origin), kind->name, values,
                          record->text[0] != 0 ? ": " : "", record->text);
    run->length += (uint32_t)length;
    cr_assert_lt(run->length, sizeof run->story, "the story is too long");
}

static struct scenario *loaded(const char *name, const char *base, const char *rest)
{
    char *text = NULL, *errors = NULL;
    size_t length = 0, error_length = 0;
    FILE *out = open_memstream(&text, &length);
    cr_assert_not_null(out);
    fprintf(out, "%s%s", base, rest);
    fclose(out);
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario = scenario_load_text(name, text, length, NULL, diagnostics);
    if (scenario == NULL) {
        out = open_memstream(&errors, &error_length);
        diagnostics_print(diagnostics, out);
        fclose(out);
        cr_assert_fail("%s: is not right:\n%s", name, errors);
    }
    diagnostics_free(diagnostics);
    free(text);
    return scenario;
}

void scenario_run_make(struct scenario_run *run, const char *name, const char *base,
                       const char *rest)
{
    char why[256] = "";
    *run = (struct scenario_run){.scenario = loaded(name, base, rest)};
    run->run = run_new(
        &(struct run_options){
            .scenario = run->scenario,
            .until = SIM_NEVER,
            .until_text = "",
            .version = "test",
            .repeat = "",
            .pcap = {.until = SIM_NEVER},
        },
        why, sizeof why);
    cr_assert_not_null(run->run, "%s: %s", name, why);
    struct world *world = run_world(run->run);
    static const enum run_record told[] = {RUN_MACHINE,      RUN_ACTION_STARTS, RUN_ACTION_ENDS,
                                           RUN_FAULT_STARTS, RUN_FAULT_STOPS,   RUN_ENDS,
                                           RUN_CLOCK,        RUN_PROCESSOR,     RUN_CONNECTION};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        recorder_listen(world->recorder, world->record_base + told[i], tell, run);
    }
    recorder_listen(world->recorder, world->net.record_base + NET_LINK_STATE, tell, run);
}

void scenario_run_go(struct scenario_run *run, const char *name)
{
    char why[256] = "";
    cr_assert_eq(run_go(run->run, SIM_NEVER), RUN_OVER, "%s", name);
    cr_assert(run_finish(run->run, why, sizeof why), "%s: %s", name, why);
}

void scenario_run_open(struct scenario_run *run, const char *name, const char *base,
                       const char *rest)
{
    scenario_run_make(run, name, base, rest);
    scenario_run_go(run, name);
}

void scenario_run_close(struct scenario_run *run)
{
    run_free(run->run);
    scenario_free(run->scenario);
}

void scenario_run_verdicts(const struct scenario_run *run, const char *name, const char *letters)
{
    static const char letter_of[] = {
        [TRUTH_TRUE] = 'p', [TRUTH_FALSE] = 'f', [TRUTH_UNKNOWN] = 'u'};
    const struct run_result *result = run_result_of(run->run);
    cr_expect_eq(run->scenario->expect_count, strlen(letters), "%s", name);
    for (uint32_t i = 0; i < run->scenario->expect_count && letters[i] != 0; i++) {
        struct judge_expectation expectation;
        judge_expectation(result->judge, i, &expectation);
        cr_expect_eq(letter_of[expectation.held], letters[i],
                     "%s: expectation %u is %c instead of %c (%s)\n%s", name, i + 1,
                     letter_of[expectation.held], letters[i], expectation.actual, run->story);
    }
    cr_expect_str_neq(result->failed_by, "oracle", "%s: an oracle failed", name);
}
