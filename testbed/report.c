#include "testbed/report.h"

#include "sim/assert.h"
#include "testbed/report_private.h"

#include <string.h>

/* A table of rounds shows all of them up to this number; of more, the first and the last. */
#define ROUNDS_SHOWN       16u
#define ROUNDS_SHOWN_FIRST 8u
#define ROUNDS_SHOWN_LAST  6u
/* Verdicts of expectations stand in one column where the texts are not longer than this. */
#define EXPECT_COLUMNS 60u
#define EXPECT_INDENT  8u /* behind "expect" */

/* ---- the verdict ---------------------------------------------------------------------------------------------------------------- */

void run_result_decide(struct run_result *result)
{
    bool judged = false, failed = false, unknown = false;
    result->failed_by = "";
    for (uint32_t i = 0; i < ORACLES; i++) {
        struct oracle_verdict verdict;
        oracles_verdict(result->oracles, (enum oracle)i, &verdict);
        judged = judged || verdict.held != TRUTH_UNKNOWN;
        if (verdict.held == TRUTH_FALSE) {
            result->failed_by = "oracle";
        }
    }
    for (uint32_t i = 0; i < result->scenario->expect_count; i++) {
        struct judge_expectation expectation;
        judge_expectation(result->judge, i, &expectation);
        judged = true;
        failed = failed || expectation.held == TRUTH_FALSE;
        unknown = unknown || expectation.held == TRUTH_UNKNOWN;
    }
    if (failed && result->failed_by[0] == 0) {
        result->failed_by = "expectation";
    }
    result->verdict = result->failed_by[0] != 0 ? RUN_FAIL
                      : unknown || !judged      ? RUN_UNKNOWN
                                                : RUN_PASS;
}

int run_result_exit_status(const struct run_result *result)
{
    switch (result->verdict) {
    case RUN_PASS:
        return 0;
    case RUN_UNKNOWN:
        return 4;
    case RUN_FAIL:
        break;
    }
    return strcmp(result->failed_by, "oracle") == 0 ? 5 : 1;
}

/* ---- colors --------------------------------------------------------------------------------------------------------------------- */

struct page {
    FILE *out;
    bool color;
    const struct run_result *result;
    uint32_t indent; /* behind the verdict */
    bool begun;      /* the verdict stands */
};

/* Prints a word; the color says no more than the word. */
static void print_word(const struct page *page, const char *sgr, const char *word)
{
    if (page->color) {
        fprintf(page->out, "\033[%sm%s\033[0m", sgr, word);
    } else {
        fputs(word, page->out);
    }
}

static const char *const good = "1;32", *const bad = "1;31", *const doubtful = "1;33";

static const char *color_of(enum truth truth)
{
    return truth == TRUTH_TRUE ? good : truth == TRUTH_FALSE ? bad : doubtful;
}

/* ---- what happened ---------------------------------------------------------------------------------------------------------------- */

static void print_sentence(void *context, const char *text)
{
    static const char *const words[] = {
        [RUN_PASS] = "PASS", [RUN_FAIL] = "FAIL", [RUN_UNKNOWN] = "UNKNOWN"};
    static const enum truth truths[] = {
        [RUN_PASS] = TRUTH_TRUE, [RUN_FAIL] = TRUTH_FALSE, [RUN_UNKNOWN] = TRUTH_UNKNOWN};
    struct page *page = context;
    if (!page->begun) {
        const char *word = words[page->result->verdict];
        page->begun = true;
        page->indent = (uint32_t)strlen(word) + 2;
        print_word(page, color_of(truths[page->result->verdict]), word);
        fputs("  ", page->out);
    } else {
        fprintf(page->out, "%*s", (int)page->indent, "");
    }
    report_wrap(page->out, page->indent, page->indent + 2, text);
}

/* ---- rounds ------------------------------------------------------------------------------------------------------------------------- */

static void add_round(struct report_table *table, const struct judge_round *round)
{
    char figure[REPORT_FIGURE_BYTES];
    report_cell(table, "%u", round->round);
    report_cell(table, "%llu", (unsigned long long)round->pages);
    report_cell(table, "%s", report_size(round->bytes, figure));
    report_cell(table, "%s", report_time(round->took, figure));
    report_cell(table, "%llu", (unsigned long long)round->dirtied);
    report_cell(table, "%s", report_time(round->pause_if_stopped, figure));
    report_row(table, NULL);
}

/* What was sent after the pause; the rest of the pause is what disks and resumption took. */
static void add_final(struct report_table *table, const struct judge_migration *m)
{
    const struct judge_round *final = &m->rounds[m->round_count - 1];
    char figure[REPORT_FIGURE_BYTES], note[REPORT_FIGURE_BYTES + 64] = "";
    report_cell(table, "final");
    report_cell(table, "%llu", (unsigned long long) final->pages);
    report_cell(table, "%s", report_size(final->bytes, figure));
    report_cell(table, "%s", report_time(final->took, figure));
    sim_time pause = m->running_known ? m->resumed_at - m->paused_at : 0;
    sim_time rest = pause - final->took;
    if (rest > 0) {
        snprintf(note, sizeof note, "(+%s %s)", report_time(rest, figure),
                 m->completed && rest < SIM_S ? "disks, resume" : "until it ran again");
    }
    report_row(table, note[0] != 0 ? note : NULL);
}

static void print_rounds(const struct page *page, uint32_t item)
{
    static const char *const headings[] = {
        "round", "pages", "sent", "time", "written meanwhile", "pause if stopped here"};
    const struct judge_migration *m = judge_migration(page->result->judge, item);
    uint32_t rounds = m->round_count - (m->has_final ? 1 : 0);
    if (m->round_count == 0) {
        return;
    }
    struct report_table *table = report_table_new("rrrrrr");
    for (uint32_t i = 0; i < sizeof headings / sizeof *headings; i++) {
        report_cell(table, "%s", headings[i]);
    }
    report_row(table, NULL);
    for (uint32_t i = 0; i < rounds; i++) {
        if (rounds > ROUNDS_SHOWN && i == ROUNDS_SHOWN_FIRST) {
            report_cell(table, "...");
            report_row(table, NULL);
            i = rounds - ROUNDS_SHOWN_LAST;
        }
        add_round(table, &m->rounds[i]);
    }
    if (m->has_final) {
        add_final(table, m);
    }
    fputc('\n', page->out);
    report_table_print(page->out, table);
    report_table_free(table);
}

static void print_why(const struct page *page, uint32_t item, const char *whose)
{
    struct report_why why;
    char lead[128] = "Why: ";
    report_explain(page->result, item, &why);
    if (why.text.length == 0) {
        return;
    }
    if (whose != NULL) {
        snprintf(lead, sizeof lead, "Why %s: ", whose);
    }
    fprintf(page->out, "\n%s", lead);
    report_wrap(page->out, (uint32_t)strlen(lead), 5, why.text.bytes);
}

/* ---- migrations --------------------------------------------------------------------------------------------------------------------- */

static bool is_begun_migration(const struct page *page, uint32_t item)
{
    return page->result->scenario->timeline[item].kind == SCENARIO_MIGRATE &&
           judge_action_start(page->result->judge, item) != SIM_NEVER;
}

static const char *vm_of(const struct page *page, uint32_t item)
{
    const struct scenario *scenario = page->result->scenario;
    return scenario->vms[scenario->timeline[item].action.migrate.vm].name;
}

/* Each with its rounds; with its name above them where there are several. */
static void print_each_migration(const struct page *page, uint32_t begun)
{
    const struct scenario *scenario = page->result->scenario;
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        if (!is_begun_migration(page, i)) {
            continue;
        }
        if (begun > 1 && judge_migration(page->result->judge, i)->round_count > 0) {
            fprintf(page->out, "\n%s: %s to %s", scenario->timeline[i].name, vm_of(page, i),
                    scenario->nodes[judge_migration(page->result->judge, i)->to_node].name);
        }
        print_rounds(page, i);
        if (page->result->formula) {
            report_formula(page->out, page->result, i);
        }
        print_why(page, i, begun > 1 ? scenario->timeline[i].name : NULL);
    }
}

static void add_summary(struct report_table *table, const struct page *page, uint32_t item)
{
    const struct run_result *result = page->result;
    const struct scenario *scenario = result->scenario;
    const struct judge_migration *m = judge_migration(result->judge, item);
    struct report_why why;
    char figure[REPORT_FIGURE_BYTES];
    report_explain(result, item, &why);
    report_cell(table, "%s", scenario->timeline[item].name);
    report_cell(table, "%s", vm_of(page, item));
    report_cell(table, "%s", m->from_node != SIM_NONE ? scenario->nodes[m->from_node].name : "-");
    report_cell(table, "%s", scenario->nodes[m->to_node].name);
    report_cell(table, "%s",
                m->ended
                    ? report_time(m->ended_at - judge_action_start(result->judge, item), figure)
                    : "-");
    report_cell(table, "%s",
                m->paused_known && m->running_known
                    ? report_time(m->resumed_at - m->paused_at, figure)
                    : "-");
    report_cell(table, "%u", m->round_count - (m->has_final ? 1 : 0));
    report_cell(table, "%s", report_size(m->bytes_sent, figure));
    report_cell(table, "%s", report_limit_word(why.limit));
    struct expression_value outcome =
        report_value(result, (struct scenario_part){SCENARIO_ACTION, item}, "outcome");
    report_cell(table, "%s", outcome.known ? outcome.word : "open");
    report_row(table, NULL);
}

/* One line each, and the reasons of the one that was away longest. */
static void print_summary(const struct page *page)
{
    static const char *const headings[] = {"migration", "VM",     "from", "to",    "time",
                                           "away",      "rounds", "sent", "limit", "outcome"};
    struct report_table *table = report_table_new("llllrrrrll");
    uint32_t longest = SIM_NONE;
    sim_time away = -1;
    for (uint32_t i = 0; i < sizeof headings / sizeof *headings; i++) {
        report_cell(table, "%s", headings[i]);
    }
    report_row(table, NULL);
    for (uint32_t i = 0; i < page->result->scenario->item_count; i++) {
        if (!is_begun_migration(page, i)) {
            continue;
        }
        add_summary(table, page, i);
        const struct judge_migration *m = judge_migration(page->result->judge, i);
        if (m->paused_known && m->running_known && m->resumed_at - m->paused_at > away) {
            away = m->resumed_at - m->paused_at;
            longest = i;
        }
    }
    fputc('\n', page->out);
    report_table_print(page->out, table);
    report_table_free(table);
    if (longest != SIM_NONE) {
        print_why(page, longest, page->result->scenario->timeline[longest].name);
    }
}

/* ---- what was judged ------------------------------------------------------------------------------------------------------------------- */

static void print_oracles(const struct page *page)
{
    bool judged = false, space = false;
    char figure[REPORT_FIGURE_BYTES];
    for (uint32_t i = 0; i < ORACLES; i++) {
        struct oracle_verdict verdict;
        oracles_verdict(page->result->oracles, (enum oracle)i, &verdict);
        judged = judged || verdict.held != TRUTH_UNKNOWN;
        if (verdict.held != TRUTH_FALSE) {
            continue;
        }
        if (!space) {
            fputc('\n', page->out);
            space = true;
        }
        struct report_text text = {0};
        report_add(&text, "%s at %s: %s (rule: %s)", verdict.name,
                   report_instant(verdict.at, figure), verdict.what, verdict.meaning);
        fputs("oracle  ", page->out);
        print_word(page, bad, "fail");
        fputs("  ", page->out);
        report_wrap(page->out, 14, 14, text.bytes);
    }
    if (!judged) {
        fputs("\noracle  ", page->out);
        print_word(page, doubtful, "unknown");
        fputs("  none of them had anything to judge\n", page->out);
    }
}

static uint32_t expect_width(const struct scenario *scenario)
{
    uint32_t width = 0;
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        uint32_t length = (uint32_t)strlen(scenario->expect[i].text);
        width = length > width && length <= EXPECT_COLUMNS ? length : width;
    }
    return width;
}

/* Why nobody knows. */
static const char *doubt_of(const struct page *page, const struct scenario_expect *expect,
                            const struct judge_expectation *expectation)
{
    if (page->result->interrupted && expect->kind == SCENARIO_EXPECT_THAT) {
        return "the run was interrupted";
    }
    if (expect->kind == SCENARIO_EXPECT_WITHIN) {
        return "its time was not over when the run ended, or never began";
    }
    bool several = expect->holds == NULL || expect->holds->quantifier_count > 0;
    return several ? expectation->actual : "it speaks of something that never happened";
}

static void print_expectation(const struct page *page, uint32_t index, uint32_t width,
                              uint32_t verdict_width)
{
    const struct scenario_expect *expect = &page->result->scenario->expect[index];
    struct judge_expectation expectation;
    char figure[REPORT_FIGURE_BYTES];
    static const char *const words[] = {
        [TRUTH_FALSE] = "fail", [TRUTH_TRUE] = "pass", [TRUTH_UNKNOWN] = "unknown"};
    judge_expectation(page->result->judge, index, &expectation);
    if (strlen(expect->text) > EXPECT_COLUMNS) { /* on lines of its own */
        fputs("expect  ", page->out);
        report_wrap(page->out, EXPECT_INDENT, EXPECT_INDENT + 2, expect->text);
        fprintf(page->out, "%*s    ", (int)(EXPECT_INDENT + width), "");
    } else {
        fprintf(page->out, "expect  %-*s    ", (int)width, expect->text);
    }
    const char *word = words[expectation.held];
    print_word(page, color_of(expectation.held), word);
    fprintf(page->out, "%*s", (int)(verdict_width - (uint32_t)strlen(word)), "");
    if (expectation.held == TRUTH_UNKNOWN) {
        fprintf(page->out, "   %s", doubt_of(page, expect, &expectation));
    } else {
        fprintf(page->out, "   %s", expectation.actual);
    }
    if (expectation.held == TRUTH_FALSE && expectation.decided_at != SIM_NEVER) {
        fprintf(page->out, ", at %s", report_instant(expectation.decided_at, figure));
    }
    fputc('\n', page->out);
}

/* Failed ones first, then unknown ones, then the rest, each in the scenario's order. */
static void print_expectations(const struct page *page)
{
    static const enum truth order[] = {TRUTH_FALSE, TRUTH_UNKNOWN, TRUTH_TRUE};
    const struct scenario *scenario = page->result->scenario;
    uint32_t width = expect_width(scenario);
    uint32_t verdict_width = 4;
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        struct judge_expectation expectation;
        judge_expectation(page->result->judge, i, &expectation);
        verdict_width = expectation.held == TRUTH_UNKNOWN ? 7 : verdict_width;
    }
    fputc('\n', page->out);
    for (uint32_t pass = 0; pass < 3; pass++) {
        for (uint32_t i = 0; i < scenario->expect_count; i++) {
            struct judge_expectation expectation;
            judge_expectation(page->result->judge, i, &expectation);
            if (expectation.held == order[pass]) {
                print_expectation(page, i, width, verdict_width);
            }
        }
    }
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------------ */

bool report_print(FILE *out, const struct run_result *result, bool color)
{
    struct page page = {.out = out, .color = color, .result = result};
    uint32_t begun = report_migration_count(result);
    report_happened(result, print_sentence, &page);
    if (begun > REPORT_TOLD_MIGRATIONS) {
        print_summary(&page);
    } else {
        print_each_migration(&page, begun);
    }
    print_oracles(&page);
    print_expectations(&page);
    fprintf(out, "repeat  %s     hash %s\n", result->repeat, result->hash_text);
    return ferror(out) == 0;
}
