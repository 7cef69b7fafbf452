#include "cli/sweep.h"

#include "cli/command.h"
#include "cli/jobs.h"
#include "cli/run_summary.h"
#include "sim/assert.h"
#include "testbed/report_text.h"
#include "testbed/sweep.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define STATUSES 6

/* Outcomes of one sort: what was struck, and what came of it. */
struct group {
    const struct sweep_outcome *first;
    uint64_t count;
};

struct table {
    const struct sweep_command *command;
    uint32_t workers;
    struct sweep_outcome
        *outcomes; /* in the order of points, when all are there; the run without the fault first */
    uint64_t count, capacity;
    struct group *groups; /* in the order of their first points */
    uint32_t group_count;
    uint64_t of_status[STATUSES];
    int worst;
    char hash[17];
    int broken; /* exit status of a worker that ended before its work was done */
};

/* ---- running ------------------------------------------------------------------------------------------------------------------ */

static void hand_over(void *context, const struct sweep_outcome *outcome)
{
    fwrite(outcome, sizeof *outcome, 1, context);
}

static int work(void *context, uint32_t index, FILE *out)
{
    const struct table *table = context;
    char why[512];
    uint64_t points = 0;
    const struct sweep_options options = {
        .run = table->command->run,
        .share = index,
        .shares = table->workers,
        .outcome = hand_over,
        .context = out,
    };
    if (!sweep_run(&options, &points, why, sizeof why)) {
        fprintf(stderr, "orrery: %s\n", why);
        return COMMAND_WRONG_INPUT;
    }
    return COMMAND_HELD;
}

static void add_outcomes(struct table *table, const void *outcomes, uint64_t more)
{
    table->outcomes = realloc(table->outcomes, (table->count + more + 1) * sizeof *table->outcomes);
    SIM_ASSERT(table->outcomes != NULL);
    memcpy(table->outcomes + table->count, outcomes, more * sizeof *table->outcomes);
    table->count += more;
}

static bool take(void *context, uint32_t index, const struct job_end *end)
{
    struct table *table = context;
    (void)index;
    fputs(end->said, stderr);
    add_outcomes(table, end->output, end->length / sizeof *table->outcomes);
    if (end->status != COMMAND_HELD && table->broken == COMMAND_HELD) {
        table->broken = end->status > 128 ? COMMAND_DEFECT : end->status;
    }
    return table->broken == COMMAND_HELD;
}

/* ---- sorting ------------------------------------------------------------------------------------------------------------------ */

static int by_point(const void *a, const void *b)
{
    uint64_t x = ((const struct sweep_outcome *)a)->point;
    uint64_t y = ((const struct sweep_outcome *)b)->point;
    return x < y ? -1 : x > y;
}

static bool is_same_sort(const struct sweep_outcome *a, const struct sweep_outcome *b)
{
    return a->status == b->status && strcmp(a->what, b->what) == 0 &&
           strcmp(a->failed, b->failed) == 0;
}

static void add_to_group(struct table *table, const struct sweep_outcome *outcome)
{
    for (uint32_t i = 0; i < table->group_count; i++) {
        if (is_same_sort(table->groups[i].first, outcome)) {
            table->groups[i].count++;
            return;
        }
    }
    table->groups = realloc(table->groups, (table->group_count + 1) * sizeof *table->groups);
    SIM_ASSERT(table->groups != NULL);
    table->groups[table->group_count++] = (struct group){outcome, 1};
}

/* DESIGN section 5: defect, oracle, failed, wrong input, unknown. */
static int stronger(int a, int b)
{
    static const int order[] = {COMMAND_DEFECT,      COMMAND_ORACLE,  COMMAND_FAILED,
                                COMMAND_WRONG_INPUT, COMMAND_UNKNOWN, COMMAND_HELD};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (a == order[i] || b == order[i]) {
            return order[i];
        }
    }
    return COMMAND_DEFECT;
}

static void sort_out(struct table *table)
{
    struct run_hash hash = RUN_HASH_START;
    qsort(table->outcomes, table->count, sizeof *table->outcomes, by_point);
    for (uint64_t i = 0; i < table->count; i++) {
        const struct sweep_outcome *outcome = &table->outcomes[i];
        run_hash_fold(&hash, outcome->point, strtoull(outcome->hash, NULL, 16));
        SIM_ASSERT(outcome->status >= 0 && outcome->status < STATUSES);
        table->worst = stronger(table->worst, outcome->status);
        if (outcome->point > 0) {
            table->of_status[outcome->status]++;
            add_to_group(table, outcome);
        }
    }
    run_hash_text(&hash, table->hash);
}

/* ---- the table ---------------------------------------------------------------------------------------------------------------- */

static const char *word_of(int status)
{
    static const char *const words[STATUSES] = {"held",   "failed",  "wrong input",
                                                "defect", "unknown", "oracle"};
    return words[status];
}

static uint64_t points_of(const struct table *table)
{
    return table->count > 0 ? table->count - 1 : 0;
}

/* All points at which the same was struck, whatever came of it: the rows of the table. */
static void print_rows(const struct table *table, FILE *out)
{
    static const int columns[] = {COMMAND_HELD, COMMAND_FAILED, COMMAND_ORACLE, COMMAND_UNKNOWN,
                                  COMMAND_DEFECT};
    int width = (int)strlen("struck");
    for (uint32_t i = 0; i < table->group_count; i++) {
        int length = (int)strlen(table->groups[i].first->what);
        width = length > width ? length : width;
    }
    fprintf(out, "%-*s  %8s", width, "struck", "points");
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
        if (table->of_status[columns[c]] > 0) {
            fprintf(out, "  %7s", word_of(columns[c]));
        }
    }
    fprintf(out, "  the first\n");
    for (uint32_t i = 0; i < table->group_count; i++) {
        const struct sweep_outcome *first = table->groups[i].first;
        uint64_t counts[STATUSES] = {0}, all = 0;
        bool again = false;
        for (uint32_t j = 0; j < table->group_count; j++) {
            if (strcmp(table->groups[j].first->what, first->what) == 0) {
                again = again || j < i;
                counts[table->groups[j].first->status] += table->groups[j].count;
                all += table->groups[j].count;
            }
        }
        if (again) {
            continue;
        }
        fprintf(out, "%-*s  %8llu", width, first->what, (unsigned long long)all);
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
            if (table->of_status[columns[c]] > 0) {
                fprintf(out, "  %7llu", (unsigned long long)counts[columns[c]]);
            }
        }
        fprintf(out, "  --point %llu\n", (unsigned long long)first->point);
    }
}

/* One of each sort that did not hold, with the command that repeats it. */
static void print_failures(const struct table *table, FILE *out)
{
    for (uint32_t i = 0; i < table->group_count; i++) {
        const struct group *group = &table->groups[i];
        char figure[REPORT_FIGURE_BYTES];
        if (group->first->status == COMMAND_HELD) {
            continue;
        }
        fprintf(out, "\n%s  %s, %s: %s\n", word_of(group->first->status), group->first->what,
                report_plural(group->count, "point", "points", figure), group->first->failed);
        if (group->first->actual[0] != 0) {
            fprintf(out, "        found: %s\n", group->first->actual);
        }
        fprintf(out, "        %s --point %llu\n", table->command->repeat,
                (unsigned long long)group->first->point);
    }
}

static void print_head(const struct table *table, FILE *out)
{
    const struct scenario *scenario = table->command->run->scenario;
    const struct scenario_sweep *sweep = &scenario->sweep;
    char figure[REPORT_FIGURE_BYTES], held[REPORT_FIGURE_BYTES];
    fprintf(out, "%s  %s: %s",
            table->worst == COMMAND_HELD      ? "PASS"
            : table->worst == COMMAND_UNKNOWN ? "UNKNOWN"
                                              : "FAIL",
            scenario->name, report_plural(points_of(table), "point", "points", figure));
    fprintf(out, ", %s", sweep->at);
    if (sweep->kind == SCENARIO_SWEEP_FRAMES) {
        fprintf(out, " on %s", scenario_part_name(scenario, sweep->link));
    }
    fprintf(out, "\n      %s held; without the fault: %s\n\n",
            report_count(table->of_status[COMMAND_HELD], held),
            table->count > 0 ? word_of(table->outcomes[0].status) : "not run");
}

static bool print_table(const struct table *table, FILE *out)
{
    print_head(table, out);
    if (table->group_count > 0) {
        print_rows(table, out);
        print_failures(table, out);
        fputc('\n', out);
    }
    fprintf(out, "repeat  %s     hash %s\n", table->command->repeat, table->hash);
    return fflush(out) == 0 && ferror(out) == 0;
}

/* ---- JSON --------------------------------------------------------------------------------------------------------------------- */

static json_t *json_group(const struct table *table, const struct group *group)
{
    char *command = NULL;
    size_t length = 0;
    FILE *text = open_memstream(&command, &length);
    SIM_ASSERT(text != NULL);
    fprintf(text, "%s --point %llu", table->command->repeat,
            (unsigned long long)group->first->point);
    fclose(text);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:s}", "struck", group->first->what, "outcome",
        word_of(group->first->status), "failed", group->first->failed, "actual",
        group->first->actual, "points", (json_int_t)group->count, "first_point",
        (json_int_t)group->first->point, "first_hash", group->first->hash, "repeat", command);
    SIM_ASSERT(json != NULL);
    free(command);
    return json;
}

static bool write_json(const struct table *table, FILE *out)
{
    const struct run_options *run = table->command->run;
    const struct scenario *scenario = run->scenario;
    json_t *groups = json_array();
    for (uint32_t i = 0; i < table->group_count; i++) {
        json_array_append_new(groups, json_group(table, &table->groups[i]));
    }
    json_t *json = json_pack(
        "{s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:{s:s, s:I, s:I, s:s, s:o}, s:{s:s}}", "schema", 1,
        "orrery", run->version, "scenario", scenario->file, "name", scenario->name, "seed",
        (json_int_t)scenario->seed, "verdict",
        table->worst == COMMAND_HELD      ? "pass"
        : table->worst == COMMAND_UNKNOWN ? "unknown"
                                          : "fail",
        "run_hash", table->hash, "sweep", "at", scenario->sweep.at, "points",
        (json_int_t)points_of(table), "held", (json_int_t)table->of_status[COMMAND_HELD],
        "without_fault", table->count > 0 ? word_of(table->outcomes[0].status) : "not run",
        "groups", groups, "repeat", "command", table->command->repeat);
    SIM_ASSERT(json != NULL);
    bool good = json_dumpf(json, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF;
    json_decref(json);
    return good;
}

static bool say_json(const struct table *table, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *out = standard ? stdout : fopen(path, "w");
    bool good = out != NULL && write_json(table, out);
    if (out != NULL) {
        good = (standard ? fflush(out) : fclose(out)) == 0 && good;
    }
    if (!good) {
        fprintf(stderr, "orrery: %s: %s\n", path, strerror(errno != 0 ? errno : EIO));
    }
    return good;
}

/* ---- the command -------------------------------------------------------------------------------------------------------------- */

static bool say(const struct table *table)
{
    const struct sweep_command *command = table->command;
    bool standard = command->json != NULL && strcmp(command->json, "-") == 0;
    bool good = command->json == NULL || say_json(table, command->json);
    if (!command->quiet && !standard && !print_table(table, stdout)) {
        fprintf(stderr, "orrery: standard output: %s\n", strerror(errno));
        good = false;
    }
    return good;
}

static int status_of(const struct table *table)
{
    return points_of(table) == 0 ? stronger(table->worst, COMMAND_UNKNOWN) : table->worst;
}

int sweep_command_run(const struct sweep_command *command)
{
    struct table table = {.command = command};
    table.workers = command->jobs > 0 ? command->jobs : jobs_processors();
    const struct jobs_options jobs = {
        .count = table.workers,
        .parallel = table.workers,
        .work = work,
        .done = take,
        .context = &table,
    };
    fflush(stdout);
    int number = jobs_run(&jobs);
    int status = table.broken;
    if (number != 0) {
        status = 128 + number;
    } else if (status == COMMAND_HELD) {
        sort_out(&table);
        bool written = say(&table);
        status = status_of(&table);
        status = written ? status : stronger(status, COMMAND_WRONG_INPUT);
    }
    free(table.outcomes);
    free(table.groups);
    return status;
}

/* ---- in a job ----------------------------------------------------------------------------------------------------------------- */

static void keep_outcome(void *context, const struct sweep_outcome *outcome)
{
    add_outcomes(context, outcome, 1);
}

/* The first run that came to the worst, in a line. */
static void say_worst(const struct table *table, char out[RUN_SUMMARY_TEXT_BYTES])
{
    uint64_t more = 0;
    const struct sweep_outcome *first = NULL;
    for (uint64_t i = 0; i < table->count; i++) {
        const struct sweep_outcome *outcome = &table->outcomes[i];
        if (outcome->status != COMMAND_HELD && outcome->status == table->worst) {
            first = first == NULL ? outcome : first;
            more += first != outcome;
        }
    }
    if (first == NULL) {
        snprintf(out, RUN_SUMMARY_TEXT_BYTES, "the sweep came by no point");
        return;
    }
    char place[SWEEP_WHAT_BYTES + 32] = "without the fault", rest[48] = "";
    if (first->point > 0) {
        snprintf(place, sizeof place, "point %llu, %s", (unsigned long long)first->point,
                 first->what);
    }
    if (more > 0) {
        snprintf(rest, sizeof rest, " (and %llu more)", (unsigned long long)more);
    }
    int length = snprintf(out, RUN_SUMMARY_TEXT_BYTES, "%s: %s%s%s%s", place,
                          first->failed[0] != 0 ? first->failed : word_of(first->status),
                          first->actual[0] != 0 ? ", but it was " : "", first->actual, rest);
    SIM_ASSERT(length > 0); /* what is longer is cut */
}

static bool keep_artifacts(const struct table *table, const char *folder)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/report.txt", folder);
    FILE *file = fopen(path, "w");
    bool good = file != NULL && print_table(table, file);
    good = file != NULL && fclose(file) == 0 && good;
    if (!good) {
        fprintf(stderr, "orrery: %s: %s\n", path, strerror(errno));
    }
    snprintf(path, sizeof path, "%s/report.json", folder);
    return say_json(table, path) && good;
}

static void write_summary(const struct table *table, int status, FILE *out)
{
    struct run_summary summary = {
        .status = status,
        .verdict = status == COMMAND_HELD      ? RUN_PASS
                   : status == COMMAND_UNKNOWN ? RUN_UNKNOWN
                                               : RUN_FAIL,
        .seed = table->command->run->scenario->seed,
        .downtime_ns = SIM_NEVER,
        .has_hash = true,
    };
    memcpy(summary.hash, table->hash, sizeof summary.hash);
    for (uint64_t i = 0; i < table->count; i++) {
        summary.draws += table->outcomes[i].draws;
        summary.events += table->outcomes[i].events;
        summary.simulated_ns += table->outcomes[i].simulated_ns;
    }
    snprintf(summary.failed_by, sizeof summary.failed_by, "%s",
             status == COMMAND_ORACLE   ? "oracle"
             : status == COMMAND_FAILED ? "expectation"
                                        : "");
    char *report = NULL;
    if (status != COMMAND_HELD) {
        say_worst(table, summary.message);
        FILE *text = open_memstream(&report, &summary.report_length);
        SIM_ASSERT(text != NULL);
        (void)print_table(table, text);
        int closed = fclose(text);
        SIM_ASSERT(closed == 0);
        summary.report = report;
    }
    run_summary_write(&summary, out);
    free(report);
}

int sweep_command_summarize(const struct sweep_command *command, const char *artifacts, FILE *out)
{
    struct table table = {.command = command};
    char why[512];
    uint64_t points = 0;
    const struct sweep_options options = {
        .run = command->run,
        .share = 0,
        .shares = 1,
        .outcome = keep_outcome,
        .context = &table,
    };
    int status = COMMAND_WRONG_INPUT;
    if (sweep_run(&options, &points, why, sizeof why)) {
        sort_out(&table);
        status = status_of(&table);
        if (artifacts != NULL && !keep_artifacts(&table, artifacts)) {
            status = stronger(status, COMMAND_WRONG_INPUT);
        }
        write_summary(&table, status, out);
    } else {
        fprintf(stderr, "orrery: %s\n", why);
    }
    free(table.outcomes);
    free(table.groups);
    return status;
}

bool sweep_command_wanted(const struct scenario *scenario)
{
    return scenario->sweep.source != NULL && scenario->sweep.point == QUANTITY_ABSENT;
}

void sweep_command_describe(const struct scenario *scenario, FILE *out)
{
    const struct scenario_sweep *sweep = &scenario->sweep;
    fprintf(out, "sweep: the fault at %s", sweep->at);
    if (sweep->kind == SCENARIO_SWEEP_FRAMES) {
        fprintf(out, " on %s", scenario_part_name(scenario, sweep->link));
    }
    if (sweep->point != QUANTITY_ABSENT) {
        fprintf(out, ": at point %lld alone\n", (long long)sweep->point);
    } else {
        fprintf(out, ", each in a run of its own; a first run finds the points\n");
    }
}
