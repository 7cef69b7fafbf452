#include "testbed/bench.h"

#include "sim/assert.h"
#include "testbed/bench_queue.h"
#include "testbed/bench_suite.h"
#include "testbed/run.h"
#include "testbed/run_input.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEUE_EVENTS  UINT64_C(10000000)
#define STARTUP_TIMES 9u /* starts for one measurement, for one is too short to be told exactly */

enum { STATUS_WRONG_INPUT = 2, STATUS_DEFECT = 3 };

static const struct bench_row rows[] = {
    {"queue-exp-1e3", "hold model, exponential delays", BENCH_EVENTS_A_SECOND, 20e6, "exp", 1000},
    {"queue-exp-1e5", "hold model, exponential delays", BENCH_EVENTS_A_SECOND, 12e6, "exp", 100000},
    {"queue-exp-1e6", "hold model, exponential delays", BENCH_EVENTS_A_SECOND, 6e6, "exp", 1000000},
    {"queue-bimodal-1e3", "hold model, packets and time-outs", BENCH_EVENTS_A_SECOND, 20e6,
     "bimodal", 1000},
    {"queue-bimodal-1e5", "hold model, packets and time-outs", BENCH_EVENTS_A_SECOND, 12e6,
     "bimodal", 100000},
    {"queue-bimodal-1e6", "hold model, packets and time-outs", BENCH_EVENTS_A_SECOND, 6e6,
     "bimodal", 1000000},
    {"tcp-1g", "1 GiB over one cable, every segment an event", BENCH_CPU_SECONDS, 0.12, NULL, 0},
    {"tcp-1g-ppp", "the same with framing: ppp", BENCH_CPU_SECONDS, 0.12, NULL, 0},
    {"tcp-1g-switch", "the same through a switch", BENCH_CPU_SECONDS, 0.20, NULL, 0},
    {"tcp-1g-bytes", "the same, literal bytes landing and compared", BENCH_CPU_SECONDS, 0.40, NULL,
     0},
    {"tcp-8x256m", "8 pairs, one switch", BENCH_CPU_SECONDS, 0.5, NULL, 0},
    {"migrate-busy-1g", "a guest of 1 GiB that writes 62.5 MB/s, one cable", BENCH_CPU_SECONDS,
     0.35, NULL, 0},
    {"migrate-16-nodes", "8 of these at once, one switch", BENCH_CPU_SECONDS, 4, NULL, 0},
    {"migrate-64g", "an idle guest of 64 GiB over 10 Gbit/s", BENCH_MIB, 1536, NULL, 0},
    {"memory-16x256g", "16 nodes with 256 GiB of idle guests each, a minute", BENCH_MIB, 2048, NULL,
     0},
    {"startup", "the program, started on a trivial scenario", BENCH_CPU_MILLISECONDS, 5, NULL, 0},
    {"test-200", "orrery test of 200 small migrations: how busy processors are", BENCH_BUSY_PERCENT,
     90, NULL, 0},
    {"test-200-each", "the same: what a run costs beside itself, idle time too",
     BENCH_OVERHEAD_MILLISECONDS, 1, NULL, 0},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

const struct bench_row *bench_rows(uint32_t *count)
{
    *count = ROW_COUNT;
    return rows;
}

const struct bench_row *bench_row_find(const char *name)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

const char *bench_unit_name(enum bench_unit unit)
{
    static const char *const names[] = {
        [BENCH_EVENTS_A_SECOND] = "events/s", [BENCH_CPU_SECONDS] = "s",
        [BENCH_CPU_MILLISECONDS] = "ms",      [BENCH_MIB] = "MiB",
        [BENCH_BUSY_PERCENT] = "%",           [BENCH_OVERHEAD_MILLISECONDS] = "ms",
    };
    SIM_ASSERT(unit < sizeof names / sizeof names[0]);
    return names[unit];
}

bool bench_reached(const struct bench_row *row, double value)
{
    bool least = row->unit == BENCH_EVENTS_A_SECOND || row->unit == BENCH_BUSY_PERCENT;
    return least ? value >= row->reach : value <= row->reach;
}

/* ---- in the child --------------------------------------------------------------------------------------------------------------- */

/* What a child tells its parent, through a pipe. */
struct child_report {
    uint64_t run_hash;
    sim_time simulated_ns;
    double work_cpu_s; /* of the queue alone; 0 for others */
    int status;
    char why[256];
};

static double cpu_seconds(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1e-6;
}

static void measure_queue(const struct bench_row *row, struct child_report *report)
{
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    struct bench_queue_result result =
        bench_queue_run(row->distribution, row->pending, QUEUE_EVENTS);
    getrusage(RUSAGE_SELF, &after);
    SIM_ASSERT(result.events >= QUEUE_EVENTS);
    report->work_cpu_s = cpu_seconds(&after) - cpu_seconds(&before);
    report->run_hash = result.checksum;
    report->simulated_ns = result.simulated_ns;
}

static void scenario_path_of(const struct bench_row *row, const struct bench_options *options,
                             char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/bench/%s.yaml", options->folder, row->name);
}

/* The run as `orrery run` makes it, without a report. */
static void run_scenario(const struct bench_row *row, const struct bench_options *options,
                         struct child_report *report)
{
    char path[PATH_MAX];
    struct run_input input;
    scenario_path_of(row, options, path);
    report->status = STATUS_WRONG_INPUT;
    if (!run_input_open(&input, path, NULL, stderr)) {
        snprintf(report->why, sizeof report->why, "the scenario cannot be run");
        return;
    }
    const struct run_options wanted = {
        .scenario = input.scenario,
        .pcap = {.until = SIM_NEVER},
        .until = SIM_NEVER,
        .version = options->version,
    };
    struct run *run = run_new(&wanted, report->why, sizeof report->why);
    if (run != NULL) {
        enum run_state state = run_go(run, SIM_NEVER);
        SIM_ASSERT(state != RUN_GOES_ON);
        if (run_finish(run, report->why, sizeof report->why)) {
            const struct run_result *result = run_result_of(run);
            report->run_hash = result->run_hash;
            report->simulated_ns = result->simulated_ns;
            report->status = run_result_exit_status(result);
            snprintf(report->why, sizeof report->why, "%s",
                     report->status != 0 ? result->failed_by : "");
        }
        run_free(run);
    }
    run_input_close(&input);
}

static _Noreturn void exec_startup(const struct bench_row *row, const struct bench_options *options)
{
    char path[PATH_MAX];
    char *const arguments[] = {(char *)"orrery", (char *)"run", path, (char *)"--quiet", NULL};
    scenario_path_of(row, options, path);
    execv(options->program, arguments);
    fprintf(stderr, "orrery: %s: %s\n", options->program, strerror(errno));
    _exit(STATUS_WRONG_INPUT);
}

/* ---- in the parent -------------------------------------------------------------------------------------------------------------- */

struct measurement {
    struct child_report report;
    double cpu_s;
    double value; /* of test-*; 0 for others */
    uint64_t peak_rss_bytes;
};

static void fail(struct child_report *report, int status, const char *why)
{
    report->status = status;
    snprintf(report->why, sizeof report->why, "%s", why);
}

/* Waits for a child, and takes over what the system says of it. */
static int wait_for(pid_t child, struct measurement *measurement)
{
    struct rusage usage;
    int status = 0;
    pid_t ended;
    do {
        ended = wait4(child, &status, 0, &usage);
    } while (ended < 0 && errno == EINTR);
    SIM_ASSERT(ended == child);
    measurement->cpu_s += cpu_seconds(&usage);
    measurement->peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* One measurement in a child that reports through a pipe. */
static void measure_in_child(const struct bench_row *row, const struct bench_options *options,
                             struct measurement *measurement)
{
    int ends[2];
    fflush(NULL);
    if (pipe(ends) != 0) {
        fail(&measurement->report, STATUS_WRONG_INPUT, strerror(errno));
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        struct child_report report = {0};
        close(ends[0]);
        if (row->distribution != NULL) {
            measure_queue(row, &report);
        } else {
            run_scenario(row, options, &report);
        }
        ssize_t written = write(ends[1], &report, sizeof report);
        _exit(written == (ssize_t)sizeof report ? 0 : STATUS_DEFECT);
    }
    close(ends[1]);
    if (child < 0) {
        fail(&measurement->report, STATUS_WRONG_INPUT, strerror(errno));
    } else {
        /* A report is shorter than what a pipe passes at once. */
        _Static_assert(sizeof(struct child_report) <= PIPE_BUF, "one write, one read");
        ssize_t taken = read(ends[0], &measurement->report, sizeof measurement->report);
        int status = wait_for(child, measurement);
        if (status != 0 || taken != (ssize_t)sizeof measurement->report) {
            fail(&measurement->report, status != 0 ? status : STATUS_DEFECT, "it did not end well");
        }
    }
    close(ends[0]);
}

/* The mean of a few starts; hash and simulated time come from a run in a child. */
static void measure_startup(const struct bench_row *row, const struct bench_options *options,
                            struct measurement *measurement)
{
    measure_in_child(row, options, measurement);
    measurement->cpu_s = 0;
    fflush(NULL);
    for (uint32_t i = 0; i < STARTUP_TIMES && measurement->report.status == 0; i++) {
        pid_t child = fork();
        if (child == 0) {
            exec_startup(row, options);
        }
        if (child < 0) {
            fail(&measurement->report, STATUS_WRONG_INPUT, strerror(errno));
            return;
        }
        int status = wait_for(child, measurement);
        if (status != 0) {
            fail(&measurement->report, status, "the program did not end well");
        }
    }
    measurement->cpu_s /= STARTUP_TIMES;
}

static bool is_suite(const struct bench_row *row)
{
    return row->unit == BENCH_BUSY_PERCENT || row->unit == BENCH_OVERHEAD_MILLISECONDS;
}

static void measure_suite(const struct bench_row *row, const struct bench_options *options,
                          struct measurement *measurement)
{
    char path[PATH_MAX];
    struct bench_suite_result result;
    snprintf(path, sizeof path, "%s/bench/test-200.yaml", options->folder);
    bench_suite_measure(options->program, path, &result);
    fail(&measurement->report, result.status, result.why);
    measurement->report.run_hash = result.run_hash;
    measurement->cpu_s = result.cpu_s;
    measurement->peak_rss_bytes = result.peak_rss_bytes;
    measurement->value = row->unit == BENCH_BUSY_PERCENT ? result.busy_percent : result.each_ms;
}

static double value_of(const struct bench_row *row, const struct measurement *measurement)
{
    switch (row->unit) {
    case BENCH_EVENTS_A_SECOND:
        return (double)QUEUE_EVENTS /
               (measurement->report.work_cpu_s > 0 ? measurement->report.work_cpu_s : 1e-9);
    case BENCH_CPU_MILLISECONDS:
        return measurement->cpu_s * 1e3;
    case BENCH_MIB:
        return (double)measurement->peak_rss_bytes / (1 << 20);
    case BENCH_BUSY_PERCENT:
    case BENCH_OVERHEAD_MILLISECONDS:
        return measurement->value;
    default:
        return measurement->cpu_s;
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle one, or the lower of the two in the middle. */
static double median(double *values, uint32_t count)
{
    SIM_ASSERT(count > 0);
    qsort(values, count, sizeof *values, compare_doubles);
    return values[(count - 1) / 2];
}

void bench_measure(const struct bench_row *row, const struct bench_options *options,
                   struct bench_result *result)
{
    const uint32_t runs = options->runs;
    SIM_ASSERT(runs > 0);
    double *figures = calloc((size_t)runs * 3, sizeof *figures);
    SIM_ASSERT(figures != NULL);
    double *cpu_s = figures, *values = figures + runs, *peaks = figures + 2 * (size_t)runs;
    *result = (struct bench_result){0};
    for (uint32_t i = 0; i < runs && result->status == 0; i++) {
        struct measurement measurement = {0};
        if (is_suite(row)) {
            measure_suite(row, options, &measurement);
        } else if (row->unit == BENCH_CPU_MILLISECONDS) {
            measure_startup(row, options, &measurement);
        } else {
            measure_in_child(row, options, &measurement);
        }
        cpu_s[i] = measurement.cpu_s;
        values[i] = value_of(row, &measurement);
        peaks[i] = (double)measurement.peak_rss_bytes;
        result->status = measurement.report.status;
        snprintf(result->why, sizeof result->why, "%s", measurement.report.why);
        if (result->status == 0 && i > 0 && result->run_hash != measurement.report.run_hash) {
            result->status = STATUS_DEFECT;
            snprintf(result->why, sizeof result->why, "its hash does not repeat");
        }
        result->run_hash = measurement.report.run_hash;
        result->simulated_ns = measurement.report.simulated_ns;
    }
    if (result->status == 0) {
        result->cpu_s = median(cpu_s, runs);
        result->value = median(values, runs);
        result->peak_rss_bytes = (uint64_t)median(peaks, runs);
    }
    free(figures);
}
