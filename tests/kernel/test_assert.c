/* tests/kernel/test_assert.c - misuse and livelock end the program with status 3 and a text that says how to see it again. */
#include <criterion/criterion.h>

#include "sim/assert.h"
#include "sim/kernel.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void do_nothing(void *context)
{
    (void)context;
}

static struct sim *sealed_sim(void)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 20931});
    sim_origin_add(sim, "node1");
    sim_origin_add(sim, "node1/migration");
    sim_origins_seal(sim);
    return sim;
}

static struct sim *acting;

static void arm_again_now(void *context)
{
    sim_call_at(acting, *(uint32_t *)context, sim_now(acting), arm_again_now, context);
}
static void livelock(void)
{
    static uint32_t origin = 1;
    acting = sealed_sim();
    sim_call_at(acting, origin, 5 * SIM_S + 17, arm_again_now, &origin);
    sim_run(acting, SIM_NEVER);
}
static void fail_in_event(void *context)
{
    (void)context;
    SIM_ASSERT(1 + 1 == 3);
}
static void in_an_event(void)
{
    acting = sealed_sim();
    sim_call_at(acting, 0, 1000, do_nothing, NULL);
    sim_call_at(acting, 1, 1204000000, fail_in_event, NULL);
    sim_run(acting, SIM_NEVER);
}
static void outside_of_a_run(void)
{
    acting = sealed_sim();
    sim_call_at(acting, 0, 1000, do_nothing, NULL);
    sim_run(acting, SIM_NEVER);
    SIM_ASSERT(1 + 1 == 3);
}
static void describe_badly(void *context, char *out, size_t capacity)
{
    (void)context;
    (void)out;
    SIM_ASSERT(capacity == 0);
}
static void in_the_describer(void)
{
    sim_assert_describer(describe_badly, NULL);
    SIM_ASSERT(1 + 1 == 3);
}
static void armed_for_the_past(void)
{
    struct sim *sim = sealed_sim();
    sim_run(sim, 10);
    sim_call_at(sim, 0, 20, do_nothing, NULL);
    sim_run(sim, 20);
    sim_call_at(sim, 0, 19, do_nothing, NULL);
}
static void armed_for_never(void)
{
    sim_call_at(sealed_sim(), 0, SIM_NEVER, do_nothing, NULL);
}
static void armed_unsealed(void)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1});
    sim_call_at(sim, sim_origin_add(sim, "a"), 1, do_nothing, NULL);
}
static void unknown_origin(void)
{
    sim_event_new(sealed_sim(), 2, do_nothing, NULL);
}
static void same_path_twice(void)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1});
    sim_origin_add(sim, "a");
    sim_origin_add(sim, "b");
    sim_origin_add(sim, "a");
    sim_origins_seal(sim);
}
static void origin_after_the_seal(void)
{
    sim_origin_add(sealed_sim(), "late");
}
static void freed_twice(void)
{
    struct sim *sim = sealed_sim();
    uint32_t event = sim_event_new(sim, 0, do_nothing, NULL);
    sim_event_free(sim, event);
    sim_event_free(sim, event);
}
static void call_cancelled_too_late(void)
{
    struct sim *sim = sealed_sim();
    uint32_t event = sim_call_at(sim, 0, 1, do_nothing, NULL);
    sim_run(sim, 1);
    sim_event_cancel(sim, event);
}
static void run_backwards(void)
{
    struct sim *sim = sealed_sim();
    sim_call_at(sim, 0, 50, do_nothing, NULL);
    sim_run(sim, 10);
    sim_run(sim, 9);
}
static void run_again(void *context)
{
    sim_run(context, SIM_NEVER);
}
static void run_within_a_run(void)
{
    struct sim *sim = sealed_sim();
    sim_call_at(sim, 0, 1, run_again, sim);
    sim_run(sim, SIM_NEVER);
}
static void stop_outside(void)
{
    sim_stop(sealed_sim());
}

struct row {
    const char *name;
    void (*misuse)(void);
    const char *said[7]; /* all must be there */
    const char *unsaid;  /* must not be there */
};
static const struct row rows[] = {
    {"livelock",
     livelock,
     {"livelock", "5.000000017 s", "wave 100000", "event 100000", "origin node1/migration",
      "seed 20931", "repeat: orrery run x.yaml --seed 7"},
     NULL},
    {"in an event",
     in_an_event,
     {"1 + 1 == 3", "test_assert.c:", "1.204000000 s", "event 2,", "origin node1/migration",
      "seed 20931", "repeat: orrery run x.yaml --seed 7"},
     NULL},
    {"outside of a run", outside_of_a_run, {"1 + 1 == 3", "repeat: "}, "origin"},
    {"in the describer", in_the_describer, {"1 + 1 == 3", "capacity == 0"}, "repeat: "},
    {"armed for the past", armed_for_the_past, {"at >= sim->clock.now"}, NULL},
    {"armed for never", armed_for_never, {"assertion failed"}, NULL},
    {"armed before the seal", armed_unsealed, {"assertion failed"}, NULL},
    {"unknown origin", unknown_origin, {"origin < sim->origins.count"}, NULL},
    {"same path twice", same_path_twice, {"unique"}, NULL},
    {"origin after the seal", origin_after_the_seal, {"!sim->sealed"}, NULL},
    {"freed twice", freed_twice, {"SIM_RECORD_FREE"}, NULL},
    {"call cancelled after it ran", call_cancelled_too_late, {"SIM_RECORD_FREE"}, NULL},
    {"run backwards", run_backwards, {"until >= sim->clock.now"}, NULL},
    {"run within a run", run_within_a_run, {"!sim->running"}, NULL},
    {"stop outside of a run", stop_outside, {"sim->running"}, NULL},
};

/* Runs the row in a child; returns its wait status and what it said. */
static int run_child(const struct row *row, char *said, size_t capacity)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        sim_assert_repeat_command("orrery run x.yaml --seed 7");
        row->misuse();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], said + length, capacity - 1 - length)) > 0) {
        length += (size_t)got;
    }
    said[length] = 0;
    close(ends[0]);
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

Test(assert, says_how_to_repeat)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        char said[4096];
        int status = run_child(row, said, sizeof(said));
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 3, "%s: status %x, said %s",
                  row->name, (unsigned)status, said);
        for (size_t j = 0; j < sizeof(row->said) / sizeof(row->said[0]) && row->said[j]; j++) {
            cr_expect_not_null(strstr(said, row->said[j]), "%s: no \"%s\" in %s", row->name,
                               row->said[j], said);
        }
        cr_expect(row->unsaid == NULL || strstr(said, row->unsaid) == NULL, "%s: \"%s\" in %s",
                  row->name, row->unsaid, said);
    }
}

/* The same through the runner's own eyes. */
Test(assert, livelock_exits_with_3, .exit_code = 3)
{
    livelock();
}

struct chain {
    struct sim *sim;
    uint32_t left;
};

static void next_link(void *context)
{
    struct chain *chain = context;
    if (--chain->left > 0) {
        sim_call_at(chain->sim, 0, sim_now(chain->sim), next_link, chain);
    }
}

/* The longest instant that is not yet a livelock: SIM_WAVES_MAX waves, in two instants, and once more after a stop. */
Test(assert, many_waves_are_allowed)
{
    struct chain chain = {.sim = sealed_sim()};
    for (sim_time at = 0; at < 3; at++) {
        chain.left = SIM_WAVES_MAX;
        sim_call_at(chain.sim, 0, at, next_link, &chain);
        cr_assert_eq(sim_run(chain.sim, SIM_NEVER), SIM_STOP_IDLE);
        cr_assert_eq(chain.left, 0);
        cr_assert_eq(sim_wave(chain.sim), SIM_WAVES_MAX - 1);
    }
    sim_close(chain.sim);
}
