/* cli/test_documents.h - a test suite as documents: JUnit XML and JSON.
 *
 * JUnit has no standard; what is written fits both schemas in wide use, that of Ant's task and that of Jenkins: a testsuite for each file,
 * a testcase for each run, at most one of `skipped`, `failure`, `error` in it. A failed expectation or oracle is a failure of that type;
 * unknown, wrong input and defects of Orrery are errors of the types unknown, input, defect.
 *
 * The JSON document stands in docs/metrics.md and docs/report.schema.json. */
#ifndef ORRERY_CLI_TEST_DOCUMENTS_H
#define ORRERY_CLI_TEST_DOCUMENTS_H

#include "cli/test_baseline.h"
#include "cli/test_suite.h"

struct test_document {
    const struct test_suite *suite;
    int status; /* exit status of the command */
    double wall_seconds;
    int64_t began;                        /* seconds since 1970 */
    const struct test_baseline *baseline; /* NULL: none was given */
};

/* False, with the reason on standard error, where the file could not be written. */
bool test_document_junit(const struct test_document *document, const char *path);
bool test_document_json(const struct test_document *document, const char *path);

#endif
