/* Figures, running text and tables of the report; and the verdict. */
#include "tests/report/report_world.h"

#include "testbed/report_text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(report_text, figures)
{
    static const struct {
        uint64_t value;
        const char *count, *size, *time, *instant;
    } rows[] = {
        {0, "0", "0 B", "0 ns", "0.000 s"},
        {1, "1", "1 B", "1 ns", "0.000 s"},
        {999, "999", "999 B", "999 ns", "0.000 s"},
        {1000, "1,000", "1000 B", "1.00 us", "0.000 s"},
        {1024, "1,024", "1.00 KiB", "1.02 us", "0.000 s"},
        {999999, "999,999", "977 KiB", "1000 us", "0.000 s"},
        {1000000, "1,000,000", "977 KiB", "1.00 ms", "0.001 s"},
        {12345678901, "12,345,678,901", "11.5 GiB", "12.3 s", "12.345 s"},
        {600000000000, "600,000,000,000", "559 GiB", "10.0 min", "600.000 s"},
        {UINT64_C(9223372036854775806), "9,223,372,036,854,775,806", "8388608 TiB", "2562048 h",
         "9223372036.854 s"},
    };
    char figure[REPORT_FIGURE_BYTES];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_str_eq(report_count(rows[i].value, figure), rows[i].count);
        cr_expect_str_eq(report_size(rows[i].value, figure), rows[i].size);
        cr_expect_str_eq(report_time((sim_time)rows[i].value, figure), rows[i].time);
        cr_expect_str_eq(report_instant((sim_time)rows[i].value, figure), rows[i].instant);
    }
    cr_expect_str_eq(report_plural(1, "page", "pages", figure), "1 page");
    cr_expect_str_eq(report_plural(2107, "page", "pages", figure), "2,107 pages");
    cr_expect_str_eq(report_plural(UINT64_MAX, "page", "pages", figure),
                     "18,446,744,073,709,551,615 pages");
    cr_expect_eq(report_bps(UINT64_C(1) << 40, 1), UINT64_MAX, "%llu",
                 (unsigned long long)report_bps(UINT64_C(1) << 40, 1));
    cr_expect_eq(report_bps(125000000, SIM_S), 1000000000);
    cr_expect_eq(report_bps(5, 0), 0);
    cr_expect_eq(report_percent(UINT64_MAX / 2, UINT64_MAX), 49);
    cr_expect_eq(report_percent(5, 0), 0);
}

static char *wrapped(uint32_t at, uint32_t indent, const char *text)
{
    char *out = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&out, &length);
    report_wrap(stream, at, indent, text);
    fclose(stream);
    return out;
}

/* X1: for every column to begin at, lines fit, words come in order, and no figure is torn from its unit. */
Test(report_text, wrap)
{
    static const char text[] =
        "one two 16.3 ms three, four 1 round five six 512 MiB (of 1.00 GiB) seven eight 9 and ten "
        "eleven twelve 941 Mbit/s thirteen fourteen naïve 15 s sixteen seventeen 18.00 KiB end";
    for (uint32_t indent = 0; indent < 60; indent++) {
        char *out = wrapped(indent, indent, text);
        char joined[512] = "";
        cr_expect_eq(out[strlen(out) - 1], '\n');
        for (char *line = strtok(out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            const char *words = line + strspn(line, " ");
            cr_expect_leq(strlen(line), REPORT_COLUMNS + 1, "indent %u: %s", indent, line);
            cr_expect(joined[0] == 0 || (size_t)(words - line) == indent, "indent %u: %s", indent,
                      line);
            char last = line[strlen(line) - 1];
            cr_expect(last < '0' || last > '9', "indent %u: %s", indent, line);
            strcat(joined, joined[0] != 0 ? " " : "");
            strcat(joined, words);
        }
        cr_expect_str_eq(joined, text, "indent %u", indent);
        free(out);
    }
    char *long_word = wrapped(10, 4,
                              "a-word-that-is-longer-than-any-line-can-be-and-that-cannot-be-"
                              "cut-anywhere-because-it-is-a-path b");
    cr_expect_str_eq(long_word, "a-word-that-is-longer-than-any-line-can-be-and-that-cannot-be-"
                                "cut-anywhere-because-it-is-a-path\n    b\n");
    free(long_word);
}

/* A text that is full stays as it is. */
Test(report_text, bound)
{
    static struct report_text text;
    for (uint32_t i = 0; i < 1000; i++) {
        report_add(&text, "%s", "seven b");
        cr_assert_lt(text.length, REPORT_TEXT_BYTES);
        cr_assert_eq(strlen(text.bytes), text.length);
    }
    cr_expect_eq(text.length, REPORT_TEXT_BYTES - 1);
}

/* X2: columns of figures of every magnitude end in one place. */
Test(report_text, table)
{
    struct report_table *table = report_table_new("rrl");
    uint64_t value = 1;
    report_cell(table, "n");
    report_cell(table, "count");
    report_cell(table, "words");
    report_row(table, NULL);
    for (uint32_t i = 0; i < 20; i++, value *= 10) {
        char figure[REPORT_FIGURE_BYTES];
        report_cell(table, "%u", i);
        report_cell(table, "%s", report_count(value, figure));
        report_cell(table, "x");
        report_row(table, NULL);
    }
    report_cell(table, "end");
    report_row(table, "(a note)");
    char *out = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&out, &length);
    report_table_print(stream, table);
    fclose(stream);
    report_table_free(table);
    const size_t column = 3 + 3 + 26 + 3;
    char *line = strtok(out, "\n");
    cr_expect_eq(strlen(line), column + strlen("words"), "%s", line);
    for (uint32_t i = 0; i < 20; i++) {
        line = strtok(NULL, "\n");
        cr_expect_eq(strlen(line), column + 1, "%s", line);
        cr_expect_eq(line[column], 'x', "%s", line);
    }
    line = strtok(NULL, "\n");
    cr_expect_str_eq(line, "end      (a note)");
    free(out);
}

/* An oracle beats an expectation, which beats one that is unknown. */
Test(report, verdicts)
{
    static const struct {
        const char *expect, *records;
        enum run_verdict verdict;
        const char *failed_by;
        int status;
    } rows[] = {
        {"  - web.state == running\n", "", RUN_PASS, "", 0},
        {"  - web.state == paused\n", "", RUN_FAIL, "expectation", 1},
        {"  - move.downtime < 1s\n", "", RUN_UNKNOWN, "", 4},
        {"  - move.downtime < 1s\n  - web.state == paused\n", "", RUN_FAIL, "expectation", 1},
        {"  - web.state == running\n", "9s (timeline) run.leaks 1 0 0 0\n", RUN_FAIL, "oracle", 5},
        {"  - web.state == paused\n", "9s (timeline) run.leaks 1 0 0 0\n", RUN_FAIL, "oracle", 5},
        {"  - move.downtime < 1s\n", "9s (timeline) run.leaks 1 0 0 0\n", RUN_FAIL, "oracle", 5},
        {"  - move.downtime < 1s or web.state == running\n", "", RUN_PASS, "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct report_world world;
        char yaml[1024], records[256];
        snprintf(yaml, sizeof yaml,
                 "networks:\n  a: {rate: 1Gbit/s, delay: 5us}\n"
                 "nodes:\n  node1..node2: {memory: 4GiB, nics: [a]}\n"
                 "vms:\n  web: {node: node1, memory: 512MiB, nics: [a]}\n"
                 "timeline:\n  - {at: 50s, live-migrate: {vm: web, to: node2}, as: move}\n"
                 "end: {at: 10s}\nexpect:\n%s",
                 rows[i].expect);
        snprintf(records, sizeof records, "boot\n%send 10s\n", rows[i].records);
        report_world_open(&world, rows[i].expect, yaml, records);
        cr_expect_eq(world.result.verdict, rows[i].verdict, "%s", rows[i].expect);
        cr_expect_str_eq(world.result.failed_by, rows[i].failed_by, "%s", rows[i].expect);
        cr_expect_eq(run_result_exit_status(&world.result), rows[i].status, "%s", rows[i].expect);
        report_world_close(&world);
    }
}
