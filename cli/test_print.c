#include "cli/test_print.h"

#include "sim/assert.h"
#include "testbed/report_text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME_WIDTH_MAX 52
#define NOTE_BYTES     256u

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void erase_progress(struct test_print *print)
{
    if (print->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        print->shown = false;
    }
}

static void print_word(const struct test_print *print, enum test_outcome outcome)
{
    static const char *const colors[] = {
        [TEST_PASSED] = "1;32", [TEST_FAILED] = "1;31", [TEST_UNKNOWN] = "1;33",
        [TEST_ERROR] = "1;31",  [TEST_DEFECT] = "1;31", [TEST_SKIPPED] = "2",
    };
    const char *word = test_outcome_word(outcome);
    if (print->color) {
        fprintf(print->out, "\033[%sm%s\033[0m%*s", colors[outcome], word, (int)(9 - strlen(word)),
                "");
    } else {
        fprintf(print->out, "%-9s", word);
    }
}

/* ---- lines ---------------------------------------------------------------------------------------------------------------------- */

/* What an item's runs came to, together. */
struct sum {
    enum test_outcome outcome; /* the worst */
    uint32_t worst;            /* the first run that came to it */
    uint32_t bad, runs;
    sim_time downtime_ns; /* the longest */
    double cpu_seconds, wall_seconds;
};

static struct sum sum_of(const struct test_suite *suite, uint32_t item)
{
    /* From weak to strong. */
    static const int strength[] = {[TEST_PASSED] = 0, [TEST_SKIPPED] = 1, [TEST_UNKNOWN] = 2,
                                   [TEST_ERROR] = 3,  [TEST_FAILED] = 4,  [TEST_DEFECT] = 5};
    struct sum sum = {.worst = test_suite_first(suite, item), .downtime_ns = SIM_NEVER};
    sum.outcome = suite->runs[sum.worst].outcome;
    for (uint32_t r = sum.worst; r != SIM_NONE; r = test_suite_next(suite, r)) {
        const struct test_run *run = &suite->runs[r];
        SIM_ASSERT(run->done);
        sum.runs++;
        sum.bad += run->outcome != TEST_PASSED && run->outcome != TEST_SKIPPED;
        sum.cpu_seconds += run->cpu_seconds;
        sum.wall_seconds += run->wall_seconds;
        if (strength[run->outcome] > strength[sum.outcome]) {
            sum.outcome = run->outcome;
            sum.worst = r;
        }
        if (run->downtime_ns != SIM_NEVER &&
            (sum.downtime_ns == SIM_NEVER || run->downtime_ns > sum.downtime_ns)) {
            sum.downtime_ns = run->downtime_ns;
        }
    }
    return sum;
}

static void note_of(const struct test_suite *suite, uint32_t item, const struct sum *sum,
                    struct report_text *note)
{
    const struct test_item *it = &suite->items[item];
    const struct test_run *worst = &suite->runs[sum->worst];
    char figure[REPORT_FIGURE_BYTES];
    if (sum->runs > 1) {
        report_add(note, "%u seeds, ", sum->runs);
        if (sum->bad > 0) {
            report_add(note, "%u did not pass; %lld: ", sum->bad, (long long)worst->seed);
        }
    }
    if (sum->outcome == TEST_SKIPPED) {
        report_add(note, "no timeline and no expectations of its own");
    } else if (worst->message != NULL) {
        report_add(note, "%s", worst->message);
    } else if (sum->downtime_ns != SIM_NEVER) {
        report_add(note, "downtime %s%s", sum->runs > 1 ? "at most " : "",
                   report_time(sum->downtime_ns, figure));
    } else {
        report_add(note, "%s simulated", report_time(worst->simulated_ns, figure));
    }
    if (it->seeds_skipped > 0 && sum->outcome != TEST_SKIPPED) {
        if (worst->has_hash) {
            report_add(note, "; %llu more seeds skipped: nothing was drawn",
                       (unsigned long long)it->seeds_skipped);
        } else {
            report_add(note, "; %llu more seeds skipped", (unsigned long long)it->seeds_skipped);
        }
    }
}

static void print_line(struct test_print *print, const struct test_suite *suite, uint32_t item)
{
    struct report_text note = {.length = 0};
    struct sum sum = sum_of(suite, item);
    note_of(suite, item, &sum, &note);
    print_word(print, sum.outcome);
    fprintf(print->out, "%-*s  %s", print->name_width, suite->items[item].name, note.bytes);
    if (sum.outcome != TEST_SKIPPED) {
        fprintf(print->out, "  (%.2f s, CPU %.2f s)", sum.wall_seconds, sum.cpu_seconds);
    }
    fputc('\n', print->out);
}

/* ---- TAP ------------------------------------------------------------------------------------------------------------------------ */

/* TAP 14, Description: "\" and "#" are escaped. */
static void print_escaped(FILE *out, const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '#' || *text == '\\') {
            fputc('\\', out);
        }
        fputc(*text == '\n' ? ' ' : *text, out);
    }
}

/* A double-quoted scalar of YAML: what JSON has is in it. */
static void print_quoted(FILE *out, const char *key, const char *text)
{
    json_t *string = json_string(text);
    char *quoted = string != NULL ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    fprintf(out, "  %s: %s\n", key, quoted != NULL ? quoted : "\"(not UTF-8)\"");
    free(quoted);
    json_decref(string);
}

static void print_points(struct test_print *print, const struct test_suite *suite, uint32_t item)
{
    for (uint32_t r = test_suite_first(suite, item); r != SIM_NONE; r = test_suite_next(suite, r)) {
        const struct test_run *run = &suite->runs[r];
        bool good = run->outcome == TEST_PASSED || run->outcome == TEST_SKIPPED;
        char *name = test_suite_run_name(suite, r);
        fprintf(print->out, "%s %u - ", good ? "ok" : "not ok", ++print->points);
        print_escaped(print->out, name);
        free(name);
        if (run->outcome == TEST_SKIPPED) {
            fputs(" # SKIP not a scenario of its own", print->out);
        }
        fputc('\n', print->out);
        if (!good) {
            char *repeat = test_suite_repeat(suite, r);
            fputs("  ---\n", print->out);
            print_quoted(print->out, "message", run->message);
            print_quoted(print->out, "outcome", test_outcome_word(run->outcome));
            print_quoted(print->out, "repeat", repeat);
            if (run->artifacts != NULL) {
                print_quoted(print->out, "artifacts", run->artifacts);
            }
            fputs("  ...\n", print->out);
            free(repeat);
        }
    }
    if (suite->items[item].seeds_skipped > 0) {
        fprintf(print->out, "# %llu more seeds skipped: nothing was drawn\n",
                (unsigned long long)suite->items[item].seeds_skipped);
    }
}

/* ---- as it goes ------------------------------------------------------------------------------------------------------------------ */

void test_print_begin(struct test_print *print, const struct test_suite *suite)
{
    print->began = wall_seconds();
    for (uint32_t i = 0; i < suite->item_count; i++) {
        int length = (int)strlen(suite->items[i].name);
        if (length > print->name_width && length <= NAME_WIDTH_MAX) {
            print->name_width = length;
        }
    }
    if (print->tap) {
        fputs("TAP version 14\n", print->out);
    }
}

void test_print_item(void *context, struct test_suite *suite, uint32_t item)
{
    struct test_print *print = context;
    erase_progress(print);
    if (print->tap) {
        print_points(print, suite, item);
    } else {
        print_line(print, suite, item);
    }
    /* Who watches a pipe wants to see it as it happens. */
    fflush(print->out);
}

void test_print_progress(void *context, struct test_suite *suite)
{
    struct test_print *print = context;
    if (print->progress) {
        fprintf(stderr, "\r\033[K%u of %u runs, %u did not pass", suite->runs_done,
                suite->run_count, suite->runs_bad);
        fflush(stderr);
        print->shown = true;
    }
}

/* ---- failures and the sum --------------------------------------------------------------------------------------------------------- */

static void print_indented(FILE *out, const char *text)
{
    while (*text != 0) {
        size_t length = strcspn(text, "\n");
        fprintf(out, "%s%.*s\n", length > 0 ? "    " : "", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_failure(const struct test_print *print, const struct test_suite *suite,
                          uint32_t index)
{
    const struct test_run *run = &suite->runs[index];
    char *name = test_suite_run_name(suite, index), *repeat = test_suite_repeat(suite, index);
    fputc('\n', print->out);
    print_word(print, run->outcome);
    fprintf(print->out, "%s\n", name);
    if (run->report == NULL || run->outcome == TEST_DEFECT) {
        print_indented(print->out, run->message);
    }
    if (run->report != NULL) {
        print_indented(print->out, run->report);
    }
    /* The line that stands above already is not said again. */
    if (run->said != NULL && strncmp(run->said, run->message, strlen(run->message)) == 0) {
        const char *rest = run->said + strlen(run->message);
        print_indented(print->out, rest + (*rest == '\n'));
    } else if (run->said != NULL) {
        print_indented(print->out, run->said);
    }
    if (run->report == NULL) {
        fprintf(print->out, "    repeat  %s\n", repeat);
    }
    if (run->artifacts != NULL) {
        fprintf(print->out, "    artifacts  %s\n", run->artifacts);
    }
    free(repeat);
    free(name);
}

static void print_failures(const struct test_print *print, const struct test_suite *suite)
{
    uint32_t printed = 0;
    for (uint32_t item = 0; item < suite->item_count; item++) {
        uint32_t r = test_suite_first(suite, item);
        for (; r != SIM_NONE; r = test_suite_next(suite, r)) {
            enum test_outcome outcome = suite->runs[r].outcome;
            if (!suite->runs[r].done || outcome == TEST_PASSED || outcome == TEST_SKIPPED) {
                continue;
            }
            if (printed++ < TEST_PRINT_WHOLE) {
                print_failure(print, suite, r);
            }
        }
    }
    if (printed > TEST_PRINT_WHOLE) {
        fprintf(print->out, "\n... and %u more; --json and --junit have all of them\n",
                printed - TEST_PRINT_WHOLE);
    }
}

static void add_count(struct report_text *text, uint64_t count, const char *what)
{
    if (count > 0) {
        report_add(text, ", %llu %s", (unsigned long long)count, what);
    }
}

static void print_sum(const struct test_print *print, const struct test_suite *suite,
                      int signal_number)
{
    uint32_t counts[TEST_SKIPPED + 1] = {0};
    uint64_t not_run = 0, seeds_skipped = 0;
    struct report_text text = {.length = 0};
    double cpu_seconds = 0;
    for (uint32_t r = 0; r < suite->run_count; r++) {
        if (suite->runs[r].done) {
            counts[suite->runs[r].outcome]++;
            cpu_seconds += suite->runs[r].cpu_seconds;
        } else {
            not_run++;
        }
    }
    for (uint32_t i = 0; i < suite->item_count; i++) {
        seeds_skipped += suite->items[i].seeds_skipped;
    }
    report_add(&text, "%u passed, %u failed", counts[TEST_PASSED], counts[TEST_FAILED]);
    add_count(&text, counts[TEST_UNKNOWN], "unknown");
    add_count(&text, counts[TEST_ERROR], "wrong");
    add_count(&text, counts[TEST_DEFECT], "defects of Orrery");
    add_count(&text, counts[TEST_SKIPPED], "no scenarios");
    add_count(&text, seeds_skipped, "seeds skipped");
    add_count(&text, not_run, "not run");
    if (signal_number != 0) {
        report_add(&text, "; stopped by a signal");
    }
    fprintf(print->out, "\n%s  (%.2f s, CPU %.2f s)\n", text.bytes, wall_seconds() - print->began,
            cpu_seconds);
}

void test_print_end(struct test_print *print, const struct test_suite *suite, int signal_number)
{
    erase_progress(print);
    if (print->tap) {
        if (signal_number != 0) {
            fputs("Bail out! stopped by a signal\n", print->out);
        } else if (print->points == 0) {
            fputs("1..0 # SKIP nothing in this shard\n", print->out);
        } else {
            fprintf(print->out, "1..%u\n", print->points);
        }
        return;
    }
    print_failures(print, suite);
    print_sum(print, suite, signal_number);
}
