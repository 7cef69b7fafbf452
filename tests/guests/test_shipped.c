/* The traces that come with the program: the table of testbed/shipped_traces.h says what the files say. */
#include "testbed/shipped_traces.h"
#include "testbed/trace_file.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define FILE_BYTES_MAX (4u << 20)

static struct page_trace *load(const char *path)
{
    char why[256] = "";
    uint8_t *bytes = malloc(FILE_BYTES_MAX);
    FILE *file = fopen(path, "rb");
    cr_assert(bytes != NULL && file != NULL, "%s", path);
    size_t length = fread(bytes, 1, FILE_BYTES_MAX, file);
    fclose(file);
    struct page_trace *trace = trace_file_parse(path, bytes, length, why, sizeof why);
    cr_assert(trace != NULL, "%s", why);
    free(bytes);
    return trace;
}

/* content_zlib1_ratio_mean of the header, in thousandths. */
static int header_ratio(const char *path)
{
    static const char key[] = "# content_zlib1_ratio_mean: 0.";
    char line[4096];
    gzFile file = gzopen(path, "rb");
    cr_assert(file != NULL);
    int ratio = -1;
    while (ratio < 0 && gzgets(file, line, sizeof line) != NULL && line[0] == '#') {
        if (strncmp(line, key, sizeof key - 1) == 0) {
            char digits[4] = "000";
            for (size_t i = 0; i < 3 && line[sizeof key - 1 + i] >= '0'; i++) {
                digits[i] = line[sizeof key - 1 + i];
            }
            ratio = atoi(digits);
        }
    }
    gzclose(file);
    return ratio;
}

Test(shipped, the_table_says_what_the_files_say)
{
    char path[PATH_MAX];
    cr_assert(shipped_trace(SCENARIO_LIKE_NONE) == NULL);
    for (int like = SCENARIO_LIKE_NONE + 1; like < SCENARIO_LIKES; like++) {
        const struct shipped_trace *shipped = shipped_trace((enum scenario_like)like);
        cr_assert(shipped_trace_path(shipped, path, sizeof path), "%s", path);
        struct page_trace *trace = load(path);
        cr_expect_eq(trace->ram_pages * 4096, (uint64_t)shipped->memory_bytes, "%s", shipped->word);
        cr_expect_str_eq(trace->name, shipped->word);
        int ratio = header_ratio(path);
        cr_expect(ratio > 0 && ratio < 1000, "%s: %d", shipped->word, ratio);
        cr_expect_eq(shipped->page_class == SCENARIO_PAGES_COMPRESSIBLE, ratio < 400, "%s: 0.%03d",
                     shipped->word, ratio);
        trace_file_free(trace);
    }
}

/* They are found from where the program lies, not from where it is called. */
Test(shipped, are_found_from_any_directory)
{
    char path[PATH_MAX];
    cr_assert_eq(chdir("/"), 0);
    cr_assert(shipped_trace_path(shipped_trace(SCENARIO_LIKE_IDLE), path, sizeof path), "%s", path);
    cr_expect_eq(path[0], '/', "%s", path);
    cr_expect_eq(access(path, R_OK), 0, "%s", path);
}
