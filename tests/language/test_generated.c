/* docs/scenario.md and docs/orrery.schema.json are what the tables print now. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "testbed/schema_docs.h"
#include "testbed/schema_json.h"
#include "tests/language/helpers.h"

static void compare(const char *path, void (*print)(FILE *out))
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    print(out);
    fclose(out);
    char *stored = helper_read(path, NULL);
    cr_assert_not_null(stored, "%s is missing", path);
    cr_expect(strcmp(text, stored) == 0, "%s is out of date: make docs", path);
    free(stored);
    free(text);
}

Test(generated, reference_and_schema_are_current)
{
    compare("docs/scenario.md", schema_docs_print);
    compare("docs/orrery.schema.json", schema_json_print);
}

/* Exit 0: it does; 77: python3-yaml or python3-jsonschema is not installed. */
Test(generated, the_schema_tells_right_from_wrong)
{
    int status = system("PATH=/usr/bin:$PATH python3 tests/language/schema-refuses.py");
    cr_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        cr_skip_test("a Python module is missing");
    }
    cr_expect_eq(WEXITSTATUS(status), 0);
}
