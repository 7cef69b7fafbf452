#include "tests/diff/fixture.h"

#include "sim/assert.h"
#include "testbed/run.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES 8u

const char fixture_small[] = "name: small\n"
                             "networks:\n"
                             "  lan: {rate: 1Gbit/s, delay: 5us}\n"
                             "clients:\n"
                             "  alice: {nics: [lan]}\n"
                             "  bob: {nics: [lan]}\n"
                             "timeline:\n"
                             "  - {at: 0s, ping: {from: alice, to: bob, every: 10ms}, as: ping}\n"
                             "end: {at: 200ms}\n";

const char fixture_long[] =
    "name: long\n"
    "networks:\n"
    "  lan: {rate: 1Gbit/s, delay: 5us}\n"
    "  other: {rate: 1Gbit/s, delay: 5us}\n"
    "clients:\n"
    "  alice: {nics: [lan, other]}\n"
    "  bob: {nics: [lan, other]}\n"
    "timeline:\n"
    "  - {at: 0s, tcp-bulk: {from: alice, to: bob, over: lan, bytes: 64MiB}, as: bulk}\n"
    "  - {at: 400ms, ping: {from: alice, to: bob, over: other, every: 10ms}, as: ping}\n"
    "end: {at: 1s}\n";

static char paths[FILES][64];

const char *fixture_path(uint32_t number)
{
    cr_assert_lt(number, FILES);
    snprintf(paths[number], sizeof paths[number], "/tmp/orrery-test-%ld-%u", (long)getpid(),
             (unsigned)number);
    return paths[number];
}

const char *fixture_file(uint32_t number, const void *bytes, size_t length)
{
    const char *path = fixture_path(number);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fwrite(bytes, 1, length, file), length);
    cr_assert_eq(fclose(file), 0);
    return path;
}

void fixture_remove(void)
{
    for (uint32_t i = 0; i < FILES; i++) {
        if (paths[i][0] != 0) {
            unlink(paths[i]);
        }
    }
}

void fixture_open(struct run_input *input, const char *path, const char *set)
{
    const struct scenario_options options = {.set = &set, .set_count = set != NULL ? 1 : 0};
    cr_assert(run_input_open(input, path, &options, stderr), "%s, %s", path,
              set != NULL ? set : "as it is");
}

uint64_t fixture_run(const struct run_input *input, const char *record, uint64_t *trail,
                     uint32_t capacity)
{
    char why[512];
    const struct run_options options = {
        .scenario = input->scenario,
        .record = record,
        .pcap = {.until = SIM_NEVER},
        .until = SIM_NEVER,
        .version = "0.1-test",
        .trail = trail,
        .trail_first = trail != NULL ? 1 : 0,
        .trail_capacity = capacity,
    };
    struct run *run = run_new(&options, why, sizeof why);
    cr_assert_not_null(run, "%s", why);
    cr_assert_eq(run_go(run, SIM_NEVER), RUN_OVER);
    cr_assert(run_finish(run, why, sizeof why), "%s", why);
    uint64_t ids = run_records(run);
    if (trail != NULL) {
        cr_assert_eq(run_trail_count(run), ids < capacity ? ids : capacity);
    }
    run_free(run);
    return ids;
}

uint8_t *fixture_slurp(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *bytes = malloc((size_t)size + 1);
    cr_assert_not_null(bytes);
    *length = fread(bytes, 1, (size_t)size, file);
    cr_assert_eq(*length, (size_t)size);
    fclose(file);
    return bytes;
}
