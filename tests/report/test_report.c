/* What the report says of runs that are made up: tests/report/cases/NAME.case has a scenario, its records, and the report.
 * ORRERY_WRITE_GOLDEN=1 writes the third part anew from what the report says now. */
#include "tests/report/report_world.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS "--- records\n"
#define REPORT  "--- report\n"

struct parts {
    char *yaml, *records, *report;
};

static char *slurp(const char *path)
{
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    char *text = calloc(1, 65536);
    size_t length = fread(text, 1, 65535, file);
    cr_assert_lt(length, 65535);
    fclose(file);
    return text;
}

/* Cuts a file into its parts, which lie in `text`. */
static struct parts cut(const char *path, char *text)
{
    struct parts parts = {.yaml = text};
    parts.records = strstr(text, RECORDS);
    parts.report = strstr(text, REPORT);
    cr_assert(parts.records != NULL && parts.report != NULL, "%s: three parts", path);
    *parts.records = 0;
    *parts.report = 0;
    parts.records += strlen(RECORDS);
    parts.report += strlen(REPORT);
    return parts;
}

static char *print(const struct run_result *result, bool color)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    cr_assert(report_print(out, result, color));
    fclose(out);
    return text;
}

static void write_case(const char *path, const struct parts *parts, const char *report)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file, "%s" RECORDS "%s" REPORT "%s", parts->yaml, parts->records, report);
    fclose(file);
}

/* Takes colors away. */
static void fade(char *text)
{
    char *to = text;
    for (const char *from = text; *from != 0;) {
        if (*from == '\033') {
            from += strcspn(from, "m") + 1;
        } else {
            *to++ = *from++;
        }
    }
    *to = 0;
}

/* The exit status, and what every document must say of itself. */
static void check_json(const char *path, const struct run_result *result)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    cr_assert(report_json(out, result));
    fclose(out);
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(document, "%s: JSON", path);
    static const char *const verdicts[] = {"pass", "fail", "unknown"};
    cr_expect_str_eq(json_string_value(json_object_get(document, "verdict")),
                     verdicts[result->verdict], "%s", path);
    const char *key = NULL, *before = "";
    json_t *value = NULL;
    json_object_foreach(json_object_get(document, "metrics"), key, value)
    {
        cr_expect_lt(strcmp(before, key), 0, "%s: %s before %s", path, before, key);
        cr_expect(json_is_integer(value) || json_is_string(value), "%s: %s", path, key);
        before = key;
    }
    json_decref(document);
    const char *directory = getenv("GOLDEN_JSON");
    if (directory != NULL) {
        char name[512];
        snprintf(name, sizeof name, "%s/report-%s.json", directory, strrchr(path, '/') + 1);
        FILE *file = fopen(name, "w");
        if (file != NULL) {
            fwrite(text, 1, length, file);
            fclose(file);
        }
    }
    free(text);
}

static void check_case(const char *path)
{
    struct report_world world;
    char *text = slurp(path);
    struct parts parts = cut(path, text);
    report_world_open(&world, path, parts.yaml, parts.records);
    char *report = print(&world.result, false);
    char *colored = print(&world.result, true);
    if (getenv("ORRERY_WRITE_GOLDEN") != NULL) {
        write_case(path, &parts, report);
    } else {
        cr_expect_str_eq(report, parts.report, "%s says:\n%s", path, report);
    }
    cr_expect_not_null(strchr(colored, '\033'), "%s: no color", path);
    fade(colored);
    cr_expect_str_eq(colored, report, "%s: color changes words", path);
    check_json(path, &world.result);
    free(colored);
    free(report);
    report_world_close(&world);
    free(text);
}

Test(report, cases)
{
    glob_t found;
    cr_assert_eq(glob("tests/report/cases/*.case", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        check_case(found.gl_pathv[i]);
    }
    cr_assert_geq(found.gl_pathc, 14);
    globfree(&found);
}
