#include "cli/jobs.h"

#include "cli/command.h"
#include "sim/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_PARALLEL_MAX 1024u
#define JOBS_SAID_MAX     (1u << 20)
#define JOBS_READ_BYTES   65536u
/* How long children that were told to end may take for it. */
#define JOBS_GRACE_SECONDS 5.0

struct text {
    char *bytes;
    size_t length, capacity;
};

/* One that ended and waits for its turn (J2). */
struct ended {
    struct job_end end;
    struct text output, said;
    bool there;
};

/* A child. `pid` 0: the slot is free. */
struct slot {
    pid_t pid;
    uint32_t index;
    int fds[2]; /* its output, its standard error; -1 where that has ended */
    struct text texts[2];
    double began;
    bool killed; /* at the limit */
};

struct jobs {
    const struct jobs_options *options;
    struct slot *slots;
    uint32_t parallel, running;
    uint32_t begun;    /* jobs 0 .. begun - 1 have begun */
    uint32_t reported; /* jobs 0 .. reported - 1 have had their `done` */
    struct ended *ended;
    uint32_t ended_capacity; /* of `ended`, by number of the job */
    bool stopped;            /* `done` wants no more */
    double told_at;          /* 0, or when children were told to end */
    sigset_t waiting_mask;   /* signals as they were: in children, and while the parent waits */
};

static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
    signal_seen = number;
}

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

uint32_t jobs_processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? (uint32_t)count : 1;
}

static uint32_t count_now(const struct jobs *jobs)
{
    const struct jobs_options *options = jobs->options;
    return options->count_now != NULL ? *options->count_now : options->count;
}

/* ---- text -------------------------------------------------------------------------------------------------------------------- */

/* Room for `more` bytes and a final zero. */
static void text_reserve(struct text *text, size_t more)
{
    if (text->length + more < text->capacity) {
        return;
    }
    size_t capacity = (text->length + more + 1) * 2;
    text->bytes = realloc(text->bytes, capacity);
    SIM_ASSERT(text->bytes != NULL);
    text->capacity = capacity;
}

static void text_end(struct text *text)
{
    text_reserve(text, 0);
    text->bytes[text->length] = 0;
}

/* ---- in the child ------------------------------------------------------------------------------------------------------------- */

static _Noreturn void work(struct jobs *jobs, uint32_t index, int pipes[2][2], pid_t parent)
{
    const struct jobs_options *options = jobs->options;
    /* A group of its own, so that whoever ends it ends what it has begun. */
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(COMMAND_DEFECT);
    }
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &jobs->waiting_mask, NULL);
    for (uint32_t i = 0; i < jobs->parallel; i++) {
        for (int j = 0; j < 2 && jobs->slots[i].pid != 0; j++) {
            if (jobs->slots[i].fds[j] >= 0) {
                close(jobs->slots[i].fds[j]);
            }
        }
    }
    close(pipes[0][0]);
    close(pipes[1][0]);
    FILE *out = fdopen(pipes[0][1], "w");
    if (out == NULL || dup2(pipes[1][1], STDERR_FILENO) < 0) {
        _exit(COMMAND_DEFECT);
    }
    close(pipes[1][1]);
    int status = options->work(options->context, index, out);
    /* Not exit: what the parent has registered and not yet printed is the parent's. */
    bool written = fflush(out) == 0 && !ferror(out);
    fflush(stderr);
    _exit(written ? status : COMMAND_DEFECT);
}

/* ---- in the parent ------------------------------------------------------------------------------------------------------------ */

static void close_pipes(int pipes[2][2])
{
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            if (pipes[i][j] >= 0) {
                close(pipes[i][j]);
            }
        }
    }
}

/* False where the system has no more processes or descriptors now. */
static bool begin(struct jobs *jobs, struct slot *slot)
{
    int pipes[2][2] = {{-1, -1}, {-1, -1}};
    pid_t parent = getpid();
    SIM_ASSERT(slot->pid == 0);
    if (pipe2(pipes[0], O_CLOEXEC) != 0 || pipe2(pipes[1], O_CLOEXEC) != 0) {
        close_pipes(pipes);
        return false;
    }
    double now = wall_seconds();
    pid_t pid = fork();
    if (pid == 0) {
        work(jobs, jobs->begun, pipes, parent);
    }
    if (pid < 0) {
        close_pipes(pipes);
        return false;
    }
    (void)setpgid(pid, pid);
    close(pipes[0][1]);
    close(pipes[1][1]);
    *slot = (struct slot){
        .pid = pid, .index = jobs->begun++, .fds = {pipes[0][0], pipes[1][0]}, .began = now};
    jobs->running++;
    if (jobs->options->begun != NULL) {
        *jobs->options->begun = jobs->begun;
    }
    return true;
}

static void begin_all(struct jobs *jobs)
{
    bool able = true;
    /* What stands in buffers would be written by each child again. */
    if (jobs->begun < count_now(jobs)) {
        fflush(NULL);
    }
    for (uint32_t i = 0; i < jobs->parallel && able; i++) {
        bool more = jobs->begun < count_now(jobs) && !jobs->stopped && signal_seen == 0;
        if (more && jobs->slots[i].pid == 0) {
            able = begin(jobs, &jobs->slots[i]);
        }
    }
    if (!able && jobs->running == 0) {
        fprintf(stderr, "orrery: no process can be begun: %s\n", strerror(errno));
        exit(COMMAND_DEFECT);
    }
}

/* Where job `index` is kept until those before it have been handed on. */
static struct ended *ended_of(struct jobs *jobs, uint32_t index)
{
    if (index >= jobs->ended_capacity) {
        uint32_t capacity = (index + 64) * 2;
        jobs->ended = realloc(jobs->ended, capacity * sizeof *jobs->ended);
        SIM_ASSERT(jobs->ended != NULL);
        memset(jobs->ended + jobs->ended_capacity, 0,
               (capacity - jobs->ended_capacity) * sizeof *jobs->ended);
        jobs->ended_capacity = capacity;
    }
    return &jobs->ended[index];
}

/* Both its pipes have ended. */
static void reap(struct jobs *jobs, struct slot *slot)
{
    struct rusage usage = {0};
    int status = 0;
    pid_t pid;
    do {
        pid = wait4(slot->pid, &status, 0, &usage);
    } while (pid < 0 && errno == EINTR);
    SIM_ASSERT(pid == slot->pid);
    struct ended *ended = ended_of(jobs, slot->index);
    SIM_ASSERT(!ended->there);
    ended->there = true;
    ended->output = slot->texts[0];
    ended->said = slot->texts[1];
    text_end(&ended->output);
    text_end(&ended->said);
    ended->end = (struct job_end){
        .status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
        .timed_out = slot->killed && WIFSIGNALED(status),
        .output = ended->output.bytes,
        .length = ended->output.length,
        .said = ended->said.bytes,
        .cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6,
        .wall_seconds = wall_seconds() - slot->began,
    };
    *slot = (struct slot){.fds = {-1, -1}};
    SIM_ASSERT(jobs->running > 0);
    jobs->running--;
}

static void free_ended(struct ended *ended)
{
    free(ended->output.bytes);
    free(ended->said.bytes);
    *ended = (struct ended){0};
}

/* Hands on what is next in order, as far as it is there. */
static void hand_on(struct jobs *jobs)
{
    const struct jobs_options *options = jobs->options;
    while (jobs->reported < jobs->begun && jobs->reported < jobs->ended_capacity &&
           jobs->ended[jobs->reported].there && jobs->told_at == 0) {
        uint32_t index = jobs->reported++;
        struct ended ended = jobs->ended[index];
        jobs->ended[index] = (struct ended){0};
        if (!options->done(options->context, index, &ended.end)) {
            jobs->stopped = true;
        }
        free_ended(&ended);
    }
}

/* Reads what is there; at the end closes. */
static void take(struct slot *slot, int which)
{
    struct text *text = &slot->texts[which];
    text_reserve(text, JOBS_READ_BYTES);
    ssize_t taken = read(slot->fds[which], text->bytes + text->length, JOBS_READ_BYTES);
    if (taken > 0) {
        text->length += (size_t)taken;
        if (which == 1 && text->length > JOBS_SAID_MAX) {
            text->length = JOBS_SAID_MAX;
        }
    } else if (taken == 0 || errno != EINTR) {
        close(slot->fds[which]);
        slot->fds[which] = -1;
    }
}

static void tell(struct jobs *jobs, int number)
{
    for (uint32_t i = 0; i < jobs->parallel; i++) {
        if (jobs->slots[i].pid != 0) {
            kill(-jobs->slots[i].pid, number);
        }
    }
}

/* Ends what is over its limit. Returns the seconds until somebody is next; negative for never. */
static double look_at_limits(struct jobs *jobs)
{
    double now = wall_seconds(), next = -1;
    if (signal_seen != 0 && jobs->told_at == 0) {
        jobs->told_at = now;
        tell(jobs, SIGTERM);
    }
    if (jobs->told_at != 0) {
        next = jobs->told_at + JOBS_GRACE_SECONDS - now;
        if (next <= 0) {
            tell(jobs, SIGKILL);
            next = JOBS_GRACE_SECONDS;
        }
    }
    for (uint32_t i = 0; i < jobs->parallel && jobs->options->wall_limit > 0; i++) {
        struct slot *slot = &jobs->slots[i];
        double left = slot->began + jobs->options->wall_limit - now;
        if (slot->pid == 0 || slot->killed) {
            continue;
        }
        if (left <= 0) {
            slot->killed = true;
            kill(-slot->pid, SIGKILL);
        } else if (next < 0 || left < next) {
            next = left;
        }
    }
    return next;
}

/* Waits for anything, and takes it. */
static void wait_for_some(struct jobs *jobs, struct pollfd *polled, double seconds)
{
    struct timespec limit = {.tv_sec = (time_t)seconds,
                             .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nfds_t count = 0;
    for (uint32_t i = 0; i < jobs->parallel; i++) {
        for (int j = 0; j < 2; j++) {
            polled[count++] = (struct pollfd){
                .fd = jobs->slots[i].pid != 0 ? jobs->slots[i].fds[j] : -1, .events = POLLIN};
        }
    }
    /* Signals get through here only: one that came a moment ago is not slept over. */
    int ready = ppoll(polled, count, seconds >= 0 ? &limit : NULL, &jobs->waiting_mask);
    for (nfds_t i = 0; ready > 0 && i < count; i++) {
        if (polled[i].fd >= 0 && polled[i].revents != 0) {
            take(&jobs->slots[i / 2], (int)(i % 2));
        }
    }
    for (uint32_t i = 0; i < jobs->parallel; i++) {
        struct slot *slot = &jobs->slots[i];
        if (slot->pid != 0 && slot->fds[0] < 0 && slot->fds[1] < 0) {
            reap(jobs, slot);
        }
    }
}

static void loop(struct jobs *jobs)
{
    struct pollfd *polled = calloc(2 * (size_t)jobs->parallel, sizeof *polled);
    SIM_ASSERT(polled != NULL);
    for (;;) {
        /* First the processors, then what has come in. */
        begin_all(jobs);
        hand_on(jobs);
        begin_all(jobs);
        if (jobs->running == 0) {
            break;
        }
        wait_for_some(jobs, polled, look_at_limits(jobs));
    }
    free(polled);
}

int jobs_run(const struct jobs_options *options)
{
    struct sigaction action = {.sa_handler = on_signal}, old_int, old_term;
    struct jobs jobs = {.options = options, .parallel = options->parallel};
    sigset_t blocked, old_mask;
    if (jobs.parallel == 0) {
        jobs.parallel = jobs_processors();
    }
    jobs.parallel = jobs.parallel < JOBS_PARALLEL_MAX ? jobs.parallel : JOBS_PARALLEL_MAX;
    jobs.slots = calloc(jobs.parallel, sizeof *jobs.slots);
    SIM_ASSERT(jobs.slots != NULL);
    signal_seen = 0;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &old_mask);
    sigaction(SIGINT, &action, &old_int);
    sigaction(SIGTERM, &action, &old_term);
    jobs.waiting_mask = old_mask;
    sigdelset(&jobs.waiting_mask, SIGINT);
    sigdelset(&jobs.waiting_mask, SIGTERM);
    loop(&jobs);
    int stopped_by = (int)signal_seen;
    SIM_ASSERT(jobs.running == 0);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    sigprocmask(SIG_SETMASK, &old_mask, NULL);
    for (uint32_t i = 0; i < jobs.ended_capacity; i++) {
        free_ended(&jobs.ended[i]);
    }
    free(jobs.ended);
    free(jobs.slots);
    return stopped_by;
}
