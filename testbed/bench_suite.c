#include "testbed/bench_suite.h"

#include "sim/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STATUS_WRONG_INPUT = 2, STATUS_DEFECT = 3 };

/* Names of what is made: a folder, the copies in it, and the results beside them. */
struct folder {
    char path[PATH_MAX - 64];
};

static void copy_name(const struct folder *folder, uint32_t copy, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/small-%03u.yaml", folder->path, copy);
}

static void json_name(const struct folder *folder, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/results.json", folder->path);
}

__attribute__((format(printf, 3, 4))) static void fail(struct bench_suite_result *result,
                                                       int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->why, sizeof result->why, format, arguments);
    va_end(arguments);
    result->status = status;
}

static char *read_text(const char *path)
{
    char *text = NULL;
    size_t capacity = 0;
    FILE *file = fopen(path, "r");
    ssize_t length = file != NULL ? getdelim(&text, &capacity, 0, file) : -1;
    if (file != NULL) {
        fclose(file);
    }
    if (length < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static bool make_copies(struct folder *folder, const char *scenario)
{
    const char *temporary = getenv("TMPDIR");
    char path[PATH_MAX], *text = read_text(scenario);
    snprintf(folder->path, sizeof folder->path, "%s/orrery-bench-XXXXXX",
             temporary != NULL && temporary[0] != 0 ? temporary : "/tmp");
    bool good = text != NULL && mkdtemp(folder->path) != NULL;
    for (uint32_t copy = 0; copy < BENCH_SUITE_RUNS && good; copy++) {
        copy_name(folder, copy, path);
        FILE *out = fopen(path, "w");
        good = out != NULL && fprintf(out, "%s\nseed: %u\n", text, copy) > 0;
        good = out != NULL && fclose(out) == 0 && good;
    }
    free(text);
    return good;
}

static void remove_copies(const struct folder *folder)
{
    char path[PATH_MAX];
    for (uint32_t copy = 0; copy < BENCH_SUITE_RUNS; copy++) {
        copy_name(folder, copy, path);
        unlink(path);
    }
    json_name(folder, path);
    unlink(path);
    rmdir(folder->path);
}

static _Noreturn void exec_test(const char *program, const struct folder *folder)
{
    char json[PATH_MAX], path[PATH_MAX];
    char *const arguments[] = {(char *)"orrery", (char *)"test", path,
                               (char *)"--json", json,           NULL};
    json_name(folder, json);
    snprintf(path, sizeof path, "%s", folder->path);
    int null = open("/dev/null", O_WRONLY);
    if (null >= 0) {
        dup2(null, STDOUT_FILENO);
    }
    execv(program, arguments);
    fprintf(stderr, "orrery: %s: %s\n", program, strerror(errno));
    _exit(STATUS_WRONG_INPUT);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Processor time of the runs, and a hash over theirs. */
static double take_results(const struct folder *folder, struct bench_suite_result *result)
{
    char path[PATH_MAX];
    double seconds = 0;
    json_t *run;
    size_t index;
    json_name(folder, path);
    json_t *document = json_load_file(path, 0, NULL), *runs = json_object_get(document, "runs");
    if (json_array_size(runs) != BENCH_SUITE_RUNS) {
        fail(result, STATUS_DEFECT, "%zu runs in place of %u", json_array_size(runs),
             BENCH_SUITE_RUNS);
    }
    json_array_foreach(runs, index, run)
    {
        const char *hash = json_string_value(json_object_get(run, "run_hash"));
        seconds += json_number_value(json_object_get(run, "cpu_seconds"));
        result->run_hash = result->run_hash * 31 + (hash != NULL ? strtoull(hash, NULL, 16) : 0);
    }
    json_decref(document);
    return seconds;
}

static void measure(const char *program, const struct folder *folder,
                    struct bench_suite_result *result)
{
    struct rusage usage = {0};
    cpu_set_t set;
    int status = 0;
    double processors = sched_getaffinity(0, sizeof set, &set) == 0 ? (double)CPU_COUNT(&set) : 1;
    fflush(NULL);
    double began = wall_seconds();
    pid_t child = fork(), ended = child;
    if (child == 0) {
        exec_test(program, folder);
    }
    while (child > 0 && (ended = wait4(child, &status, 0, &usage)) < 0 && errno == EINTR) {
    }
    double wall = wall_seconds() - began;
    if (child < 0 || ended != child) {
        fail(result, STATUS_WRONG_INPUT, "%s", strerror(errno));
        return;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail(result, WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_DEFECT,
             "orrery test did not end well");
        return;
    }
    double runs = take_results(folder, result);
    result->cpu_s = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    result->peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    result->busy_percent = wall > 0 ? result->cpu_s / (wall * processors) * 100 : 0;
    result->each_ms = (wall * processors - runs) / BENCH_SUITE_RUNS * 1e3;
}

void bench_suite_measure(const char *program, const char *scenario,
                         struct bench_suite_result *result)
{
    struct folder folder;
    *result = (struct bench_suite_result){0};
    if (make_copies(&folder, scenario)) {
        measure(program, &folder, result);
    } else {
        fail(result, STATUS_WRONG_INPUT, "%s or %s: %s", scenario, folder.path, strerror(errno));
    }
    remove_copies(&folder);
}
