#include "cli/test_suite.h"

#include "cli/command.h"
#include "cli/jobs.h"
#include "cli/repeat_command.h"
#include "cli/test_child.h"
#include "cli/varying.h"
#include "sim/assert.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct test_job {
    uint32_t run;
    bool repeat; /* of a run that did not pass */
};

const char *test_outcome_word(enum test_outcome outcome)
{
    static const char *const words[] = {
        [TEST_PASSED] = "PASS", [TEST_FAILED] = "FAIL",   [TEST_UNKNOWN] = "UNKNOWN",
        [TEST_ERROR] = "ERROR", [TEST_DEFECT] = "DEFECT", [TEST_SKIPPED] = "SKIP",
    };
    return words[outcome];
}

static char *print_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *print_text(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    SIM_ASSERT(length >= 0);
    return text;
}

/* Room for one more in an array of `count`. */
static void *grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) {
        return array;
    }
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    array = realloc(array, *capacity * size);
    SIM_ASSERT(array != NULL);
    return array;
}

/* ---- names ------------------------------------------------------------------------------------------------------------------- */

uint32_t test_suite_first(const struct test_suite *suite, uint32_t item)
{
    return suite->items[item].first_run;
}

uint32_t test_suite_next(const struct test_suite *suite, uint32_t run)
{
    return suite->next_run[run];
}

static const char *cell_text(const struct test_item *item)
{
    return item->cells != NULL ? scenario_cell_text(item->cells, item->cell) : "";
}

char *test_suite_run_name(const struct test_suite *suite, uint32_t run)
{
    const struct test_run *r = &suite->runs[run];
    const char *name = suite->items[r->item].name;
    return r->has_seed ? print_text("%s seed %lld", name, (long long)r->seed)
                       : print_text("%s", name);
}

json_t *test_suite_metrics(const struct test_suite *suite, uint32_t run)
{
    const char *text = suite->runs[run].metrics;
    json_t *metrics = text != NULL ? json_loads(text, 0, NULL) : json_object();
    SIM_ASSERT(metrics != NULL);
    return metrics;
}

char *test_suite_repeat(const struct test_suite *suite, uint32_t run)
{
    const struct test_run *r = &suite->runs[run];
    const struct test_item *item = &suite->items[r->item];
    return repeat_command_new(&(struct repeat_options){
        .file = item->file,
        .cell = cell_text(item),
        .seed = r->seed,
        .no_seed = !r->has_seed && !r->has_hash,
    });
}

/* The folder of a run's artifacts: the words of its path, its cell and its seed, each as a file may be called. */
static char *artifacts_path(const struct test_suite *suite, uint32_t run)
{
    const struct test_run *r = &suite->runs[run];
    const struct test_item *item = &suite->items[r->item];
    char seed[32] = "";
    if (r->has_seed) {
        snprintf(seed, sizeof seed, "/seed-%lld", (long long)r->seed);
    }
    const char *cell = cell_text(item), *file = item->file;
    char *path = print_text("%s/%s%s%s%s", suite->options.artifacts, file + strspn(file, "/"),
                            cell[0] != 0 ? "/" : "", cell, seed);
    char *from = path + strlen(suite->options.artifacts) + 1;
    char *to_cell = from + strlen(file + strspn(file, "/"));
    for (char *c = from; *c != 0; c++) {
        bool in_cell = c > to_cell && c < to_cell + 1 + strlen(cell);
        bool plain = strchr("._-=+,", *c) != NULL || (*c >= '0' && *c <= '9') ||
                     (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c == '/' && !in_cell);
        /* Nothing is written above the folder. */
        bool up = *c == '.' && c[1] == '.' && (c == from || c[-1] == '/');
        if (!plain || up) {
            *c = '-';
        }
    }
    return path;
}

static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) {
            *slash = 0;
        }
        bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
        if (slash != NULL) {
            *slash = '/';
        }
        if (!made || slash == NULL) {
            return made;
        }
    }
}

/* ---- jobs -------------------------------------------------------------------------------------------------------------------- */

static void add_job(struct test_suite *suite, uint32_t run, bool repeat)
{
    suite->jobs = grow(suite->jobs, suite->job_count, &suite->job_capacity, sizeof *suite->jobs);
    suite->jobs[suite->job_count++] = (struct test_job){.run = run, .repeat = repeat};
    suite->jobs_added++;
    suite->items[suite->runs[run].item].pending++;
}

/* A run behind the last of its item, and its job. */
static void add_run(struct test_suite *suite, uint32_t item, int64_t seed, uint32_t last)
{
    uint32_t capacity = suite->run_capacity, index = suite->run_count;
    suite->runs = grow(suite->runs, index, &suite->run_capacity, sizeof *suite->runs);
    suite->next_run = grow(suite->next_run, index, &capacity, sizeof *suite->next_run);
    suite->run_count++;
    suite->runs[index] = (struct test_run){
        .item = item,
        .seed = seed,
        .has_seed = suite->options.has_seeds,
        .downtime_ns = SIM_NEVER,
    };
    suite->next_run[index] = SIM_NONE;
    if (last == SIM_NONE) {
        suite->items[item].first_run = index;
    } else {
        suite->next_run[last] = index;
    }
    suite->items[item].run_count++;
    add_job(suite, index, false);
}

static bool is_of_this_shard(const struct test_suite *suite, uint64_t unit)
{
    return unit % suite->options.shard_count == suite->options.shard;
}

static uint64_t seeds_of(const struct test_suite_options *options)
{
    return options->has_seeds ? (uint64_t)(options->seed_last - options->seed_first) + 1 : 1;
}

/* The seeds of this shard that come after `after`, which may be one before the first. */
static bool next_seed(const struct test_suite *suite, const struct test_item *item, uint64_t *at)
{
    while (*at < seeds_of(&suite->options)) {
        if (is_of_this_shard(suite, item->unit + (*at)++)) {
            return true;
        }
    }
    return false;
}

static int work(void *context, uint32_t index, FILE *out)
{
    const struct test_suite *suite = context;
    const struct test_job *job = &suite->jobs[index];
    const struct test_run *run = &suite->runs[job->run];
    const struct test_item *item = &suite->items[run->item];
    return test_child_run(
        &(struct test_child_options){
            .item = item,
            .seed = run->seed,
            .has_seed = run->has_seed,
            .artifacts = job->repeat ? run->artifacts : NULL,
            .metrics = suite->options.metrics,
        },
        out);
}

/* ---- results ------------------------------------------------------------------------------------------------------------------ */

/* A line of `text`, the first that is not empty; the caller frees it. */
static char *first_line(const char *text)
{
    text += strspn(text, "\n");
    return print_text("%.*s", (int)strcspn(text, "\n"), text);
}

static char *why_ended(const struct test_suite *suite, const struct job_end *end)
{
    if (end->timed_out) {
        return print_text("the limit on wall time of %g s was reached", suite->options.wall_limit);
    }
    if (end->said[0] != 0) {
        return first_line(end->said);
    }
    if (end->status > 128) {
        return print_text("ended by signal %d, %s", end->status - 128,
                          strsignal(end->status - 128));
    }
    return print_text("ended with status %d and said nothing", end->status);
}

static enum test_outcome outcome_of(int status)
{
    switch (status) {
    case COMMAND_HELD:
        return TEST_PASSED;
    case COMMAND_FAILED:
    case COMMAND_ORACLE:
        return TEST_FAILED;
    case COMMAND_WRONG_INPUT:
        return TEST_ERROR;
    case COMMAND_UNKNOWN:
        return TEST_UNKNOWN;
    default:
        return TEST_DEFECT;
    }
}

static void take_run(struct test_suite *suite, struct test_run *run, const struct job_end *end)
{
    struct run_summary summary;
    bool whole = run_summary_take(end->output, end->length, &summary) && !end->timed_out;
    /* What a job can end with by itself; a sanitizer, a signal or an odd status is a defect. */
    bool proper = whole ? end->status == summary.status : end->status == COMMAND_WRONG_INPUT;
    run->done = true;
    run->cpu_seconds = end->cpu_seconds;
    run->wall_seconds = end->wall_seconds;
    run->status = end->timed_out ? COMMAND_UNKNOWN : proper ? end->status : COMMAND_DEFECT;
    run->outcome = outcome_of(run->status);
    if (end->status == TEST_CHILD_SKIPPED && !whole) {
        run->status = COMMAND_HELD;
        run->outcome = TEST_SKIPPED;
    }
    if (whole) {
        run->seed = summary.seed;
        run->has_hash = true;
        memcpy(run->hash, summary.hash, sizeof run->hash);
        memcpy(run->failed_by, summary.failed_by, sizeof run->failed_by);
        run->draws = summary.draws;
        run->events = summary.events;
        run->simulated_ns = summary.simulated_ns;
        run->downtime_ns = summary.downtime_ns;
        if (summary.json_length > 0) {
            run->metrics = print_text("%s", summary.json);
        }
    }
    if (end->said[0] != 0) {
        run->said = print_text("%s", end->said);
    }
    if (run->outcome != TEST_PASSED && run->outcome != TEST_SKIPPED) {
        run->message = whole && proper && summary.message[0] != 0
                           ? print_text("%s", summary.message)
                           : why_ended(suite, end);
        run->report = whole && summary.report_length > 0 ? print_text("%s", summary.report) : NULL;
        suite->runs_bad++;
    }
    suite->runs_done++;
}

/* What a child wrote before it broke is an artifact too. */
static void keep_said(const struct test_run *run, const char *said)
{
    char *path = print_text("%s/stderr.txt", run->artifacts);
    FILE *file = said[0] != 0 ? fopen(path, "w") : NULL;
    if (file != NULL) {
        fputs(said, file);
        fclose(file);
    }
    free(path);
}

static void take_repeat(struct test_run *run, const struct job_end *end)
{
    struct run_summary summary;
    bool whole = run_summary_take(end->output, end->length, &summary) && !end->timed_out;
    char *note = NULL;
    keep_said(run, end->said);
    if (whole && run->has_hash && strcmp(summary.hash, run->hash) != 0) {
        note = print_text("does not repeat: the hash was %s, and %s the second time", run->hash,
                          summary.hash);
    } else if (whole != run->has_hash && !end->timed_out && run->status != COMMAND_UNKNOWN) {
        note = print_text("does not repeat: it came to its end only the %s time",
                          whole ? "second" : "first");
    }
    if (note != NULL) {
        run->status = COMMAND_DEFECT;
        run->outcome = TEST_DEFECT;
        free(run->message);
        run->message = note;
    } else if (whole && summary.status != run->status) {
        /* The outcome stands; what could not be written is said. */
        free(run->said);
        run->said = print_text("%s", end->said);
    }
}

/* Makes the repeat of a run that did not pass. */
static void order_repeat(struct test_suite *suite, uint32_t index)
{
    struct test_run *run = &suite->runs[index];
    bool wanted =
        run->outcome == TEST_FAILED || run->outcome == TEST_UNKNOWN || run->outcome == TEST_DEFECT;
    if (suite->options.artifacts == NULL || !wanted) {
        return;
    }
    run->artifacts = artifacts_path(suite, index);
    if (make_folders(run->artifacts)) {
        add_job(suite, index, true);
        return;
    }
    fprintf(stderr, "orrery: %s: %s\n", run->artifacts, strerror(errno));
    free(run->artifacts);
    run->artifacts = NULL;
}

/* The further seeds of an item whose first run is there. */
static void order_seeds(struct test_suite *suite, uint32_t first)
{
    uint32_t item = suite->runs[first].item, last = first;
    bool decides = suite->runs[first].draws > 0 || !suite->runs[first].has_hash;
    bool hopeless =
        suite->runs[first].outcome == TEST_ERROR || suite->runs[first].outcome == TEST_SKIPPED;
    uint64_t at = 0;
    if (!next_seed(suite, &suite->items[item], &at)) {
        return;
    }
    while (next_seed(suite, &suite->items[item], &at)) {
        if (!decides || hopeless) {
            suite->items[item].seeds_skipped++;
        } else {
            add_run(suite, item, suite->options.seed_first + (int64_t)at - 1, last);
            last = suite->run_count - 1;
        }
    }
}

/* Brings the jobs that have just been added before those that have not begun. */
static void bring_forward(struct test_suite *suite)
{
    uint32_t added = suite->jobs_added, from = suite->job_count - added;
    if (added == 0) {
        return;
    }
    SIM_ASSERT(suite->jobs_begun <= from);
    struct test_job *moved = calloc(added, sizeof *moved);
    SIM_ASSERT(moved != NULL);
    memcpy(moved, suite->jobs + from, added * sizeof *moved);
    memmove(suite->jobs + suite->jobs_begun + added, suite->jobs + suite->jobs_begun,
            (from - suite->jobs_begun) * sizeof *moved);
    memcpy(suite->jobs + suite->jobs_begun, moved, added * sizeof *moved);
    free(moved);
    suite->jobs_added = 0;
}

/* T2. After a signal what is whole is reported, whatever is missing before it. */
static void report_items(struct test_suite *suite, bool all)
{
    for (; suite->items_reported < suite->item_count; suite->items_reported++) {
        bool whole = suite->items[suite->items_reported].pending == 0;
        if (whole) {
            suite->options.item_done(suite->options.context, suite, suite->items_reported);
        } else if (!all) {
            return;
        }
    }
}

static bool done(void *context, uint32_t index, const struct job_end *end)
{
    struct test_suite *suite = context;
    struct test_job job = suite->jobs[index];
    uint32_t item = suite->runs[job.run].item;
    if (job.repeat) {
        take_repeat(&suite->runs[job.run], end);
    } else {
        take_run(suite, &suite->runs[job.run], end);
        order_repeat(suite, job.run);
        if (suite->items[item].first_run == job.run) {
            order_seeds(suite, job.run);
        }
    }
    SIM_ASSERT(suite->items[item].pending > 0);
    suite->items[item].pending--;
    if (suite->options.run_done != NULL) {
        suite->options.run_done(suite->options.context, suite);
    }
    bring_forward(suite);
    report_items(suite, false);
    return true;
}

/* ---- planning ----------------------------------------------------------------------------------------------------------------- */

/* Which files have several cells is found out in jobs (T1). */
struct plan {
    struct test_suite *suite;
    uint32_t *candidates;  /* files */
    uint32_t *cell_counts; /* by file */
};

static int count_cells(void *context, uint32_t index, FILE *out)
{
    const struct plan *plan = context;
    const struct scenario_files *files = plan->suite->options.files;
    return test_child_count_cells(files->items[plan->candidates[index]].path, out);
}

static bool take_count(void *context, uint32_t index, const struct job_end *end)
{
    struct plan *plan = context;
    /* One that cannot be read is an item all the same, and says so when it is run. */
    if (end->status == COMMAND_HELD) {
        plan->cell_counts[plan->candidates[index]] = (uint32_t)strtoul(end->output, NULL, 10);
    }
    return true;
}

static bool is_wanted(const struct test_suite *suite, const char *name, const char *file)
{
    const char *filter = suite->options.filter, *slash = strrchr(file, '/');
    size_t before = slash != NULL ? (size_t)(slash + 1 - file) : 0;
    /* The name, or what is left of it without the folder. */
    return filter == NULL || fnmatch(filter, name, 0) == 0 ||
           fnmatch(filter, name + before, 0) == 0;
}

static void add_item(struct test_suite *suite, const struct scenario_file *file, bool may_vary,
                     struct scenario_cells *cells, uint32_t cell, uint64_t *unit)
{
    struct test_item item = {
        .file = file->path,
        .walked = file->walked,
        .may_vary = may_vary,
        .cells = cells,
        .cell = cell,
        .first_run = SIM_NONE,
    };
    item.name = cells != NULL ? print_text("%s [%s]", file->path, scenario_cell_text(cells, cell))
                              : print_text("%s", file->path);
    if (!is_wanted(suite, item.name, file->path)) {
        suite->filtered++;
        free(item.name);
        return;
    }
    item.unit = (uint32_t)(*unit % suite->options.shard_count);
    uint64_t at = 0, seeds = seeds_of(&suite->options), mine = 0;
    for (uint32_t i = 0; i < suite->options.shard_count; i++) {
        mine += is_of_this_shard(suite, *unit + i) && i < seeds;
    }
    *unit += seeds;
    if (mine == 0) {
        suite->other_shards++;
        free(item.name);
        return;
    }
    suite->items = grow(suite->items, suite->item_count, &suite->item_capacity, sizeof item);
    suite->items[suite->item_count++] = item;
    bool has = next_seed(suite, &item, &at);
    SIM_ASSERT(has);
    add_run(suite, suite->item_count - 1, suite->options.seed_first + (int64_t)at - 1, SIM_NONE);
}

static void add_file(struct test_suite *suite, const struct scenario_file *file, bool may_vary,
                     uint32_t cell_count, uint64_t *unit)
{
    struct scenario_cells *cells = NULL;
    if (cell_count > 1) {
        struct diagnostics *diagnostics = diagnostics_new();
        cells = scenario_cells_load_file(file->path, NULL, diagnostics);
        diagnostics_free(diagnostics);
    }
    if (cells == NULL) {
        add_item(suite, file, may_vary, NULL, 0, unit);
        return;
    }
    suite->cells[suite->cells_count++] = cells;
    for (uint32_t cell = 0; cell < scenario_cells_count(cells); cell++) {
        add_item(suite, file, may_vary, cells, cell, unit);
    }
}

int test_suite_plan(struct test_suite *suite, const struct test_suite_options *options)
{
    const struct scenario_files *files = options->files;
    *suite = (struct test_suite){.options = *options};
    struct plan plan = {.suite = suite};
    uint32_t candidate_count = 0;
    uint64_t unit = 0;
    SIM_ASSERT(options->shard < options->shard_count);
    plan.candidates = calloc(files->count + 1, sizeof *plan.candidates);
    plan.cell_counts = calloc(files->count + 1, sizeof *plan.cell_counts);
    suite->cells = calloc(files->count + 1, sizeof(struct scenario_cells *));
    SIM_ASSERT(plan.candidates != NULL && plan.cell_counts != NULL && suite->cells != NULL);
    for (uint32_t i = 0; i < files->count; i++) {
        if (varying_is_possible(files->items[i].path, NULL, 0)) {
            plan.cell_counts[i] = 1;
            plan.candidates[candidate_count++] = i;
        }
    }
    int signal_number = candidate_count == 0 ? 0
                                             : jobs_run(&(struct jobs_options){
                                                   .count = candidate_count,
                                                   .parallel = options->parallel,
                                                   .wall_limit = options->wall_limit,
                                                   .work = count_cells,
                                                   .done = take_count,
                                                   .context = &plan,
                                               });
    for (uint32_t i = 0; i < files->count && signal_number == 0; i++) {
        add_file(suite, &files->items[i], plan.cell_counts[i] > 0, plan.cell_counts[i], &unit);
    }
    free(plan.candidates);
    free(plan.cell_counts);
    return signal_number;
}

int test_suite_run(struct test_suite *suite)
{
    suite->jobs_added = 0;
    int signal_number = jobs_run(&(struct jobs_options){
        .parallel = suite->options.parallel,
        .wall_limit = suite->options.wall_limit,
        .work = work,
        .done = done,
        .context = suite,
        .count_now = &suite->job_count,
        .begun = &suite->jobs_begun,
    });
    report_items(suite, true);
    return signal_number;
}

int test_suite_status(const struct test_suite *suite)
{
    int status = COMMAND_HELD;
    for (uint32_t i = 0; i < suite->run_count; i++) {
        if (suite->runs[i].done) {
            status = command_worse(status, suite->runs[i].status);
        }
    }
    return status;
}

void test_suite_free(struct test_suite *suite)
{
    for (uint32_t i = 0; i < suite->run_count; i++) {
        struct test_run *run = &suite->runs[i];
        free(run->message);
        free(run->report);
        free(run->said);
        free(run->artifacts);
        free(run->metrics);
    }
    for (uint32_t i = 0; i < suite->item_count; i++) {
        free(suite->items[i].name);
    }
    for (uint32_t i = 0; i < suite->cells_count; i++) {
        scenario_cells_free(suite->cells[i]);
    }
    free(suite->cells);
    free(suite->runs);
    free(suite->next_run);
    free(suite->items);
    free(suite->jobs);
    *suite = (struct test_suite){0};
}
