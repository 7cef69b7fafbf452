#include "cli/run_summary.h"

#include "cli/command.h"
#include "sim/assert.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- in the child -------------------------------------------------------------------------------------------------------------- */

static sim_time longest_downtime(const struct run_result *result)
{
    sim_time longest = SIM_NEVER;
    for (uint32_t i = 0; i < result->scenario->item_count; i++) {
        if (result->scenario->timeline[i].kind != SCENARIO_MIGRATE) {
            continue;
        }
        const struct judge_migration *m = judge_migration(result->judge, i);
        sim_time pause =
            m->paused_known && m->running_known ? m->resumed_at - m->paused_at : SIM_NEVER;
        if (pause != SIM_NEVER && (longest == SIM_NEVER || pause > longest)) {
            longest = pause;
        }
    }
    return longest;
}

/* "move.downtime < 500ms is 612 ms (and 2 more)", of the expectations that came to `held`. False where none did. */
static bool add_expectation(const struct run_result *result, enum truth held, char *out)
{
    uint32_t found = 0;
    int length = 0;
    for (uint32_t i = 0; i < result->scenario->expect_count; i++) {
        struct judge_expectation expectation;
        judge_expectation(result->judge, i, &expectation);
        if (expectation.held != held) {
            continue;
        }
        if (found++ == 0) {
            length = snprintf(out, RUN_SUMMARY_TEXT_BYTES - 32, "%s%s%s",
                              result->scenario->expect[i].text,
                              held == TRUTH_FALSE ? ", but it was " : " is ", expectation.actual);
        }
    }
    if (found > 1 && length >= 0 && length < (int)RUN_SUMMARY_TEXT_BYTES - 32) {
        snprintf(out + length, 32, " (and %u more)", found - 1);
    }
    return found > 0;
}

static void say_what_failed(const struct run_result *result, char out[RUN_SUMMARY_TEXT_BYTES])
{
    out[0] = 0;
    for (uint32_t i = 0; i < ORACLES; i++) {
        struct oracle_verdict verdict;
        oracles_verdict(result->oracles, (enum oracle)i, &verdict);
        if (verdict.held == TRUTH_FALSE) {
            snprintf(out, RUN_SUMMARY_TEXT_BYTES, "oracle %s: %s", verdict.name, verdict.what);
            return;
        }
    }
    if (result->verdict == RUN_FAIL) {
        (void)add_expectation(result, TRUTH_FALSE, out);
    } else if (result->verdict == RUN_UNKNOWN && !add_expectation(result, TRUTH_UNKNOWN, out)) {
        snprintf(out, RUN_SUMMARY_TEXT_BYTES, "nothing was judged");
    }
}

/* One of the two reports into a file of the artifacts. */
static bool keep(const struct run_result *result, const char *folder, const char *name,
                 bool (*print)(FILE *out, const struct run_result *result))
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    bool good = file != NULL && print(file, result);
    good = file != NULL && fclose(file) == 0 && good;
    if (!good) {
        fprintf(stderr, "orrery: %s: %s\n", path, strerror(errno));
    }
    return good;
}

static bool print_plain(FILE *out, const struct run_result *result)
{
    return report_print(out, result, false);
}

/* A text of the result, in memory; the caller frees it. */
static char *text_of(const struct run_result *result, size_t *length,
                     bool (*print)(FILE *out, const struct run_result *result))
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    SIM_ASSERT(out != NULL);
    (void)print(out, result);
    int closed = fclose(out);
    SIM_ASSERT(closed == 0);
    return text;
}

static void put_text(const char *text, size_t length, FILE *out)
{
    fwrite(text != NULL ? text : "", 1, length + 1, out);
}

void run_summary_write(const struct run_summary *summary, FILE *out)
{
    struct run_summary bare = *summary;
    bare.report = bare.json = bare.extra = NULL; /* pointers mean nothing to the parent */
    fwrite(&bare, sizeof bare, 1, out);
    put_text(summary->report, summary->report_length, out);
    put_text(summary->json, summary->json_length, out);
    put_text(summary->extra, summary->extra_length, out);
}

static void write_summary(const struct run_summary_options *options,
                          const struct run_result *result, int status, FILE *out)
{
    struct run_summary summary = {
        .status = status,
        .verdict = result->verdict,
        .seed = result->scenario->seed,
        .draws = result->draws,
        .events = result->events,
        .simulated_ns = result->simulated_ns,
        .downtime_ns = longest_downtime(result),
        .has_hash = true,
    };
    char *report = NULL, *json = NULL, *extra = NULL;
    memcpy(summary.hash, result->hash_text, sizeof summary.hash);
    snprintf(summary.failed_by, sizeof summary.failed_by, "%s", result->failed_by);
    say_what_failed(result, summary.message);
    if (status != COMMAND_HELD) {
        report = text_of(result, &summary.report_length, print_plain);
    }
    if (options->json || options->metrics) {
        json = text_of(result, &summary.json_length,
                       options->metrics ? report_metrics_json : report_json);
    }
    if (options->add != NULL) {
        FILE *stream = open_memstream(&extra, &summary.extra_length);
        SIM_ASSERT(stream != NULL);
        options->add(result, options->context, stream);
        int closed = fclose(stream);
        SIM_ASSERT(closed == 0);
    }
    summary.report = report;
    summary.json = json;
    summary.extra = extra;
    run_summary_write(&summary, out);
    free(report);
    free(json);
    free(extra);
}

int run_summary_make(const struct run_summary_options *options, FILE *out)
{
    char why[1024], recording[PATH_MAX], captures[PATH_MAX];
    struct run_options wanted = options->run;
    if (options->artifacts != NULL) {
        snprintf(recording, sizeof recording, "%s/run.orr", options->artifacts);
        snprintf(captures, sizeof captures, "%s/pcap", options->artifacts);
        wanted.record = recording;
        wanted.pcap.directory = captures;
        wanted.pcap.frames_max = RUN_SUMMARY_ARTIFACT_FRAMES;
    }
    sim_assert_repeat_command(wanted.repeat);
    signal(SIGXFSZ, SIG_IGN);
    struct run *run = run_new(&wanted, why, sizeof why);
    if (run == NULL) {
        fprintf(stderr, "orrery: %s\n", why);
        return COMMAND_WRONG_INPUT;
    }
    enum run_state state = run_go(run, SIM_NEVER);
    SIM_ASSERT(state != RUN_GOES_ON);
    bool good = run_finish(run, why, sizeof why);
    if (!good) {
        fprintf(stderr, "orrery: %s\n", why);
    }
    const struct run_result *result = run_result_of(run);
    if (options->artifacts != NULL) {
        good = keep(result, options->artifacts, "report.txt", print_plain) && good;
        good = keep(result, options->artifacts, "report.json", report_json) && good;
    }
    int status = run_result_exit_status(result);
    if (!good && (status == COMMAND_HELD || status == COMMAND_UNKNOWN)) {
        status = COMMAND_WRONG_INPUT;
    }
    write_summary(options, result, status, out);
    /* The run is not freed: the process ends here, and giving back page by page what the kernel takes back at once is time. */
    return status;
}

/* ---- in the parent -------------------------------------------------------------------------------------------------------------- */

bool run_summary_take(const char *bytes, size_t length, struct run_summary *out)
{
    *out = (struct run_summary){.downtime_ns = SIM_NEVER};
    if (length < sizeof *out) {
        return false;
    }
    struct run_summary summary;
    memcpy(&summary, bytes, sizeof summary);
    size_t whole =
        sizeof summary + summary.report_length + summary.json_length + summary.extra_length + 3;
    if (whole != length) {
        return false;
    }
    summary.report = bytes + sizeof summary;
    summary.json = summary.report + summary.report_length + 1;
    summary.extra = summary.json + summary.json_length + 1;
    SIM_ASSERT(summary.extra[summary.extra_length] == 0);
    *out = summary;
    return true;
}
