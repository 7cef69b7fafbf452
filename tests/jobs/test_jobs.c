/* tests/jobs/test_jobs.c - work in processes of its own: order, limits, what breaks, signals. */
#include <criterion/criterion.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* The command's own files are in no library. */
#include "cli/jobs.c"

/* What children and parent see of each other. */
struct shared {
    atomic_uint alive, alive_max, begun;
};

struct fixture {
    struct shared *shared;
    uint32_t count;      /* jobs by now */
    uint32_t done;       /* in their order */
    uint32_t grow_until; /* each `done` orders one more, up to this */
    uint32_t stop_after; /* SIM_NONE: never */
    int statuses[64];
    bool timed_out[64];
    char outputs[64][64];
    char said[64][64];
    size_t lengths[64];
};

static struct fixture *fixture_new(uint32_t count)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    cr_assert_not_null(fixture);
    fixture->shared = mmap(NULL, sizeof *fixture->shared, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(fixture->shared != MAP_FAILED);
    fixture->count = count;
    fixture->stop_after = UINT32_MAX;
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    munmap(fixture->shared, sizeof *fixture->shared);
    free(fixture);
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_nsec = ms * 1000000};
    nanosleep(&time, NULL);
}

static bool take_end(void *context, uint32_t index, const struct job_end *end)
{
    struct fixture *fixture = context;
    cr_assert_eq(index, fixture->done, "job %u is handed on as number %u", index, fixture->done);
    fixture->done++;
    fixture->statuses[index] = end->status;
    fixture->timed_out[index] = end->timed_out;
    fixture->lengths[index] = end->length;
    cr_assert_eq(strnlen(end->output, end->length), end->length, "job %u", index);
    snprintf(fixture->outputs[index], 64, "%.60s", end->output);
    snprintf(fixture->said[index], 64, "%.60s", end->said);
    if (fixture->count < fixture->grow_until) {
        fixture->count++;
    }
    return index != fixture->stop_after;
}

/* ---- one job ------------------------------------------------------------------------------------------------------------------- */

#define LARGE_BYTES 300000u

static int end_well(FILE *out)
{
    fputs("result", out);
    fputs("said", stderr);
    return 0;
}

static int end_large(FILE *out)
{
    for (uint32_t i = 0; i < LARGE_BYTES; i++) {
        fputc('x', out);
        fputc('y', stderr);
    }
    return 4;
}

static int end_by_signal(FILE *out)
{
    fputs("lost in a buffer", out);
    signal(SIGUSR1, SIG_DFL);
    raise(SIGUSR1);
    return 0;
}

static int end_never(FILE *out)
{
    fputs("a part", out);
    fflush(out);
    while (pause() != 0) {
    }
    return 0;
}

static int end_by_exit(FILE *out)
{
    (void)out;
    _exit(9);
}

static int nested_work(void *context, uint32_t index, FILE *out)
{
    (void)context;
    fprintf(out, "%u", index);
    return 0;
}

static bool nested_done(void *context, uint32_t index, const struct job_end *end)
{
    FILE *out = context;
    fputs(end->output, out);
    return index < 100;
}

static int end_nested(FILE *out)
{
    return jobs_run(&(struct jobs_options){
        .count = 4, .parallel = 2, .work = nested_work, .done = nested_done, .context = out});
}

struct one {
    const char *name;
    int (*work)(FILE *out);
    double wall_limit;
    int status;
    bool timed_out;
    const char *output, *said;
    size_t length;
};
static const struct one ones[] = {
    {"well", end_well, 0, 0, false, "result", "said", 6},
    {"more than a pipe holds", end_large, 0, 4, false, "xxxx", "yyyy", LARGE_BYTES},
    {"by a signal", end_by_signal, 0, 128 + SIGUSR1, false, "", "", 0},
    {"at the limit", end_never, 0.1, 128 + SIGKILL, true, "a part", "", 6},
    {"within the limit", end_well, 60, 0, false, "result", "said", 6},
    {"by _exit", end_by_exit, 0, 9, false, "", "", 0},
    {"with jobs of its own", end_nested, 0, 0, false, "0123", "", 4},
};

static int work_one(void *context, uint32_t index, FILE *out)
{
    (void)index;
    const struct one *one = *(const struct one *const *)context;
    return one->work(out);
}

struct one_context {
    const struct one *one;
    struct fixture *fixture;
};

static bool one_done(void *context, uint32_t index, const struct job_end *end)
{
    return take_end(((struct one_context *)context)->fixture, index, end);
}

Test(jobs, ends)
{
    for (size_t row = 0; row < sizeof ones / sizeof ones[0]; row++) {
        const struct one *one = &ones[row];
        struct one_context context = {one, fixture_new(1)};
        int stopped = jobs_run(&(struct jobs_options){.count = 1,
                                                      .wall_limit = one->wall_limit,
                                                      .work = work_one,
                                                      .done = one_done,
                                                      .context = &context});
        const struct fixture *f = context.fixture;
        cr_expect_eq(stopped, 0, "%s", one->name);
        cr_expect_eq(f->done, 1, "%s", one->name);
        cr_expect_eq(f->statuses[0], one->status, "%s: status %d", one->name, f->statuses[0]);
        cr_expect_eq(f->timed_out[0], one->timed_out, "%s", one->name);
        cr_expect_eq(f->lengths[0], one->length, "%s: %zu bytes", one->name, f->lengths[0]);
        cr_expect_eq(strncmp(f->outputs[0], one->output, strlen(one->output)), 0, "%s: '%s'",
                     one->name, f->outputs[0]);
        cr_expect_eq(strncmp(f->said[0], one->said, strlen(one->said)), 0, "%s: '%s'", one->name,
                     f->said[0]);
        fixture_free(context.fixture);
    }
}

/* ---- many ------------------------------------------------------------------------------------------------------------------------ */

/* Ends the later, the lower its number among its neighbours. */
static int work_many(void *context, uint32_t index, FILE *out)
{
    struct shared *shared = ((struct fixture *)context)->shared;
    unsigned alive = atomic_fetch_add(&shared->alive, 1) + 1,
             most = atomic_load(&shared->alive_max);
    atomic_fetch_add(&shared->begun, 1);
    while (alive > most && !atomic_compare_exchange_weak(&shared->alive_max, &most, alive)) {
    }
    pause_ms(2 + 4 * (3 - index % 4));
    fprintf(out, "%u", index);
    atomic_fetch_sub(&shared->alive, 1);
    return (int)(index % 3);
}

struct many {
    const char *name;
    uint32_t count, parallel, grow_until, stop_after;
    uint32_t done; /* expected; where it is stopped, at least */
};
static const struct many manys[] = {
    {"none", 0, 2, 0, UINT32_MAX, 0},
    {"one at a time", 6, 1, 0, UINT32_MAX, 6},
    {"three at a time", 24, 3, 0, UINT32_MAX, 24},
    {"more at a time than there are", 3, 16, 0, UINT32_MAX, 3},
    {"work that grows", 2, 4, 30, UINT32_MAX, 30},
    {"no more are wanted", 40, 2, 0, 5, 6},
};

Test(jobs, order_and_limits)
{
    for (size_t row = 0; row < sizeof manys / sizeof manys[0]; row++) {
        const struct many *many = &manys[row];
        struct fixture *f = fixture_new(many->count);
        f->grow_until = many->grow_until;
        f->stop_after = many->stop_after;
        int stopped = jobs_run(&(struct jobs_options){.parallel = many->parallel,
                                                      .work = work_many,
                                                      .done = take_end,
                                                      .context = f,
                                                      .count_now = &f->count});
        uint32_t begun = atomic_load(&f->shared->begun);
        cr_expect_eq(stopped, 0, "%s", many->name);
        cr_expect_eq(f->done, begun, "%s: %u begun, %u done", many->name, begun, f->done);
        cr_expect(f->done >= many->done &&
                      f->done <= many->done + 4 * many->parallel * (many->stop_after != UINT32_MAX),
                  "%s: %u done", many->name, f->done);
        cr_expect_leq(atomic_load(&f->shared->alive_max), many->parallel, "%s", many->name);
        for (uint32_t i = 0; i < f->done; i++) {
            cr_expect_eq(strtoul(f->outputs[i], NULL, 10), i, "%s: job %u says '%s'", many->name, i,
                         f->outputs[i]);
            cr_expect_eq(f->statuses[i], (int)(i % 3), "%s: job %u", many->name, i);
        }
        fixture_free(f);
    }
}

/* ---- signals --------------------------------------------------------------------------------------------------------------------- */

static int work_until_told(void *context, uint32_t index, FILE *out)
{
    struct fixture *fixture = context;
    (void)out;
    atomic_fetch_add(&fixture->shared->begun, 1);
    if (index == 1) {
        kill(getppid(), fixture->statuses[63]);
    }
    while (pause() != 0) {
    }
    return 0;
}

/* The parent returns when its children are gone, and its own handlers stand again. */
static volatile sig_atomic_t own_handler;

static void handle(int number)
{
    own_handler = number;
}

Test(jobs, stops_at_signals, .timeout = 60)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    for (size_t row = 0; row < sizeof numbers / sizeof numbers[0]; row++) {
        struct fixture *f = fixture_new(10);
        signal(numbers[row], handle);
        f->statuses[63] = numbers[row];
        int stopped = jobs_run(&(struct jobs_options){
            .count = 10, .parallel = 2, .work = work_until_told, .done = take_end, .context = f});
        cr_expect_eq(stopped, numbers[row]);
        /* The other child may have been told before it came to its work. */
        cr_expect_leq(atomic_load(&f->shared->begun), 2, "one begins after the signal");
        cr_expect_eq(f->done, 0);
        cr_expect_eq(own_handler, 0);
        raise(numbers[row]);
        cr_expect_eq(own_handler, numbers[row], "the handler is not put back");
        own_handler = 0;
        fixture_free(f);
    }
}
