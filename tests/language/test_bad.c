/* What is said of wrong scenarios: tests/language/bad/NAME.yaml, and beside it, in NAME.txt, every word of it.
 * ORRERY_GOLDEN=1 writes the .txt files anew. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/language/helpers.h"

Test(bad, every_file_is_refused_in_these_words)
{
    char **paths = helper_glob("tests/language/bad/*.yaml");
    const char *golden = getenv("ORRERY_GOLDEN");
    bool rewrite = golden != NULL && strcmp(golden, "1") == 0;
    size_t count = 0;
    for (size_t i = 0; paths[i] != NULL; i++, count++) {
        char *errors = helper_errors_path(paths[i], NULL);
        char *expected_path = strdup(paths[i]);
        memcpy(expected_path + strlen(expected_path) - strlen("yaml"), "txt", strlen("txt") + 1);
        if (rewrite) {
            helper_write(expected_path, errors);
        }
        char *expected = helper_read(expected_path, NULL);
        cr_assert_not_null(expected, "%s is missing; it should hold\n%s", expected_path, errors);
        cr_expect_str_eq(errors, expected, "%s:\nfound\n%s\nexpected\n%s", paths[i], errors,
                         expected);
        free(expected);
        free(expected_path);
        free(errors);
    }
    cr_expect_geq(count, 60);
    helper_free_paths(paths);
}

/* Errors of --set name the option. */
static const struct {
    const char *name, *set, *expected;
} sets[] = {
    {"no equals sign", "seed", "--set seed: expected path=value, as in vms.web.memory=2GiB\n"},
    {"empty path", "=1", "--set =1: expected path=value, as in vms.web.memory=2GiB\n"},
    {"path that ends with a dot", "vms.=1",
     "--set vms.=1: expected path=value, as in vms.web.memory=2GiB\n"},
    {"unknown key", "sed=1", "--set sed=1: unknown key 'sed'; did you mean 'seed'?\n"},
    {"wrong value", "vms.web.memory=2",
     "--set vms.web.memory=2: memory: '2' needs a unit: B, KiB, MiB, GiB, TiB, kB, MB, GB or TB\n"},
    {"ambiguous value", "seed=1_000",
     "--set seed=1_000: '1_000' is a number in YAML 1.1 and a word in YAML 1.2; leave the "
     "underscores "
     "out, or quote it\n"},
    {"unknown element", "timeline.2.at=1s",
     "--set timeline.2.at=1s: the list has no element '2': it has 2, numbered from 0\n"},
    {"unknown item", "timeline.mvoe.at=1s",
     "--set timeline.mvoe.at=1s: the list has no element 'mvoe': it has 2, numbered from 0\n"},
    {"below a single value", "seed.x=1",
     "--set seed.x=1: 'x' cannot be looked up: what is before it is a single value\n"},
    {"broken YAML", "seed=[1",
     "--set seed=[1: not YAML: did not find expected ',' or ']', while parsing a flow sequence "
     "that began in line 1\n"},
    {"one of a range", "nodes.node1.memory=4GiB",
     "--set nodes.node1.memory=4GiB: 'node1' is one of 'node1..node2', which can only be set "
     "together: put the range into the path\n"},
    {"one of a range, whole", "nodes.node2={}",
     "--set nodes.node2={}: 'node2' is one of 'node1..node2', which can only be set together: put "
     "the range into the path\n"},
    {"unknown name", "vms.web.node=node7",
     "--set vms.web.node=node7: nothing is named 'node7'; expected the name of a node; did you "
     "mean "
     "'node1'?\n"},
};

Test(bad, errors_of_set_name_the_option)
{
    char text[2048];
    snprintf(text, sizeof(text), "seed: 7\n%s", helper_base);
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        struct scenario_options options = {.set = &sets[i].set, .set_count = 1};
        char *errors = helper_errors(text, &options);
        cr_expect_str_eq(errors, sets[i].expected, "%s:\nfound\n%s\nexpected\n%s", sets[i].name,
                         errors, sets[i].expected);
        free(errors);
    }
}

Test(bad, files_that_cannot_be_read)
{
    char *errors = helper_errors_path("tests/language/no-such-file.yaml", NULL);
    cr_expect_str_eq(
        errors, "tests/language/no-such-file.yaml: cannot be read: No such file or directory\n");
    free(errors);
    errors = helper_errors_path("tests/language", NULL);
    cr_expect_str_eq(errors, "tests/language: cannot be read: Is a directory\n");
    free(errors);
}

/* Memory and time stay within bounds, whatever a file of a few kilobytes asks for. */
Test(bad, small_files_cannot_become_large)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    fputs("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n", out);
    for (int i = 1; i < 10; i++) {
        fprintf(out, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++) {
            fprintf(out, "%s*a%d", j == 0 ? "" : ", ", i - 1);
        }
        fputs("]\n", out);
    }
    fclose(out);
    char *errors = helper_errors(text, NULL);
    cr_expect_not_null(strstr(errors, "larger than a scenario may be"), "%s", errors);
    free(errors);
    free(text);

    out = open_memstream(&text, &length);
    fputs("vms:\n  v1..v4096:\n    node: n\n    memory: 4KiB\n    guest:\n      writers:\n", out);
    for (int i = 0; i < 1000; i++) {
        fputs("      - {pages: 4KiB, touch: 1/s}\n", out);
    }
    fclose(out);
    errors = helper_errors(text, NULL);
    cr_expect_not_null(strstr(errors, "larger than a scenario may be"), "%s", errors);
    free(errors);
    free(text);
}
