#include "tests/outputs/output_run.h"

#include "testbed/diagnostics.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void run_to_end(struct output_run *run, struct run_options *options)
{
    char why[1024] = "";
    struct run *r = run_new(options, why, sizeof why);
    cr_assert_not_null(r, "%s", why);
    cr_assert_eq(run_go(r, SIM_NEVER), RUN_OVER);
    cr_assert(run_finish(r, why, sizeof why), "%s", why);
    run->run_hash = run_result_of(r)->run_hash;
    run->records = run_records(r);
    run_free(r);
}

void output_run(struct output_run *run, const struct output_run_options *wanted)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "tests/golden/%s.yaml", wanted->scenario);
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario = scenario_load_file(path, NULL, diagnostics);
    diagnostics_print(diagnostics, stderr);
    diagnostics_free(diagnostics);
    cr_assert_not_null(scenario);
    *run = (struct output_run){.directory = "/tmp/orrery-outputs-XXXXXX"};
    cr_assert_not_null(mkdtemp(run->directory));
    snprintf(run->recording, sizeof run->recording, "%s/run.orr", run->directory);
    snprintf(run->captures, sizeof run->captures, "%s/captures", run->directory);
    struct run_options options = {
        .scenario = scenario,
        .record = wanted->record ? run->recording : NULL,
        .record_pages = wanted->pages,
        .record_frames = wanted->frames,
        .record_first = wanted->first,
        .record_last = wanted->last,
        .pcap = wanted->limits,
        .until = SIM_NEVER,
        .version = wanted->version != NULL ? wanted->version : "test",
    };
    if (wanted->pcap) {
        options.pcap.directory = run->captures;
        options.pcap.until = wanted->limits.until != 0 ? wanted->limits.until : SIM_NEVER;
    }
    run_to_end(run, &options);
    scenario_free(scenario);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void output_run_close(struct output_run *run)
{
    int removed = nftw(run->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    cr_assert_eq(removed, 0);
}

void *output_run_read(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fseek(file, 0, SEEK_END), 0);
    long end = ftell(file);
    cr_assert_geq(end, 0);
    rewind(file);
    *length = (size_t)end;
    void *bytes = malloc(*length + 1);
    cr_assert_not_null(bytes);
    cr_assert_eq(fread(bytes, 1, *length, file), *length);
    fclose(file);
    return bytes;
}
