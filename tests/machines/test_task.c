/* Tasks: how waits end, in which order, joining, charges. What crashes do to them: test_task_crash.c. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/machines/world.h"

#define US(n) ((n)*SIM_US)
#define NEVER (-1)

/* ---- how a wait ends -------------------------------------------------------------------------------------------------- */

enum kind { ON_QUEUE, IN_SLEEP, IN_JOIN, KINDS };
static const char *const kind_names[KINDS] = {"wait", "sleep", "join"};

struct waiter {
    struct world *world;
    enum kind kind;
    struct task_queue queue;
    struct task_queue joined_queue; /* what the joined task waits for before it ends */
    struct task *task, *joined;
    sim_time deadline, charge;
    enum task_wake wake, next_wake;
    sim_time woken_at, next_at;
    bool cancelled;
};

static void joined_body(void *context)
{
    struct waiter *waiter = context;
    task_wait(&waiter->joined_queue, SIM_NEVER);
}

static void waiter_body(void *context)
{
    struct waiter *waiter = context;
    task_charge(waiter->charge);
    switch (waiter->kind) {
    case ON_QUEUE:
        waiter->wake = task_wait(&waiter->queue, waiter->deadline);
        break;
    case IN_SLEEP:
        waiter->wake = task_sleep_until(waiter->deadline);
        break;
    default:
        waiter->wake = task_join(waiter->joined, waiter->deadline);
        break;
    }
    waiter->woken_at = sim_now(waiter->world->sim);
    waiter->next_wake = task_sleep_until(waiter->woken_at + US(500));
    waiter->next_at = sim_now(waiter->world->sim);
    waiter->cancelled = task_cancelled(waiter->task);
}

static void waiter_signal(void *context)
{
    struct waiter *waiter = context;
    task_wake_one(waiter->kind == IN_JOIN ? &waiter->joined_queue : &waiter->queue);
}

static void waiter_cancel(void *context)
{
    struct waiter *waiter = context;
    task_cancel(waiter->task);
}

#define E 'e' /* from an origin that comes before the machine's in a wave */
#define L 'l' /* from one that comes after                               */

static const struct wait_row {
    const char *name;
    int64_t deadline_us, charge_us, signal_us, cancel_us;
    char signal_from, cancel_from;
    enum task_wake wake;
    int64_t at_us;
    bool next_cancelled;
    const char *kinds; /* w, s, j: those it is true of */
} wait_rows[] = {
    {"signal", 100, 0, 50, NEVER, E, E, TASK_SIGNALLED, 50, false, "wj"},
    {"signal, no deadline", NEVER, 0, 50, NEVER, E, E, TASK_SIGNALLED, 50, false, "wj"},
    {"deadline", 100, 0, NEVER, NEVER, E, E, TASK_TIMED_OUT, 100, false, "wsj"},
    {"deadline before signal", 100, 0, 101, NEVER, E, E, TASK_TIMED_OUT, 100, false, "wsj"},
    {"a deadline in the past", -50, 0, NEVER, NEVER, E, E, TASK_TIMED_OUT, 0, false, "wsj"},
    {"T4: signal first", 100, 0, 100, NEVER, E, E, TASK_SIGNALLED, 100, false, "w"},
    {"T4: deadline first", 100, 0, 100, NEVER, L, E, TASK_SIGNALLED, 100, false, "w"},
    {"cancel", 100, 0, NEVER, 50, E, E, TASK_CANCELLED, 50, true, "wsj"},
    {"cancel, no deadline", NEVER, 0, NEVER, 50, E, L, TASK_CANCELLED, 50, true, "wsj"},
    {"cancel before it waits", 100, 0, NEVER, 0, E, E, TASK_CANCELLED, 0, true, "wsj"},
    {"cancel after it ended", 100, 0, NEVER, 700, E, E, TASK_TIMED_OUT, 100, false, "wsj"},
    {"cancel after the signal", 100, 0, 50, 50, E, L, TASK_SIGNALLED, 50, true, "w"},
    {"cancel before the signal", 100, 0, 50, 50, L, E, TASK_CANCELLED, 50, true, "w"},
    {"cancel after the deadline, before it runs", 100, 0, NEVER, 100, E, L, TASK_CANCELLED, 100,
     true, "wj"},
    {"cancel before the deadline", 100, 0, NEVER, 100, E, E, TASK_CANCELLED, 100, true, "wsj"},
    {"signal while it pays", 500, 200, 50, NEVER, E, E, TASK_SIGNALLED, 200, false, "wj"},
    {"deadline while it pays", 100, 200, NEVER, NEVER, E, E, TASK_TIMED_OUT, 200, false, "wsj"},
    {"deadline, then signal, while it pays", 100, 200, 150, NEVER, E, E, TASK_SIGNALLED, 200, false,
     "wj"},
    {"deadline after it paid", 300, 200, NEVER, NEVER, E, E, TASK_TIMED_OUT, 300, false, "wsj"},
    {"signal after it paid", 300, 200, 250, NEVER, E, E, TASK_SIGNALLED, 250, false, "wj"},
    {"cancel while it pays", 300, 200, NEVER, 50, E, E, TASK_CANCELLED, 200, true, "wsj"},
    {"signal, then cancel, while it pays", 300, 200, 50, 60, E, E, TASK_SIGNALLED, 200, true, "wj"},
    {"cancel, then signal, while it pays", 300, 200, 60, 50, E, E, TASK_CANCELLED, 200, true, "wj"},
    {"cancelled before it pays and waits", 300, 200, NEVER, 0, E, E, TASK_CANCELLED, 200, true,
     "wsj"},
};

static void run_wait(const struct wait_row *row, enum kind kind)
{
    struct world world;
    struct waiter waiter = {
        .world = &world,
        .kind = kind,
        .deadline = row->deadline_us == NEVER ? SIM_NEVER : US(row->deadline_us),
        .charge = US(row->charge_us),
        .woken_at = -1,
    };
    world_open(&world, 1, false);
    waiter.joined = task_spawn(world.tasks, "joined", joined_body, &waiter);
    waiter.task = task_spawn(world.tasks, "waiter", waiter_body, &waiter);
    if (row->cancel_us == 0) {
        task_cancel(waiter.task);
    } else if (row->cancel_us != NEVER) {
        sim_call_at(world.sim, row->cancel_from == E ? world.early : world.late, US(row->cancel_us),
                    waiter_cancel, &waiter);
    }
    if (row->signal_us != NEVER) {
        sim_call_at(world.sim, row->signal_from == E ? world.early : world.late, US(row->signal_us),
                    waiter_signal, &waiter);
    }
    for (int64_t at_us = 0; at_us <= 1200; at_us += 10) {
        world_run(&world, US(at_us));
    }
    const char *kind_name = kind_names[kind];
    cr_expect_eq(waiter.woken_at, US(row->at_us), "%s, %s: at %ld", kind_name, row->name,
                 (long)waiter.woken_at);
    cr_expect_eq(waiter.wake, row->wake, "%s, %s: %d", kind_name, row->name, (int)waiter.wake);
    cr_expect_eq(waiter.next_wake, row->next_cancelled ? TASK_CANCELLED : TASK_TIMED_OUT,
                 "%s, %s: next", kind_name, row->name);
    cr_expect_eq(waiter.next_at, waiter.woken_at + (row->next_cancelled ? 0 : US(500)),
                 "%s, %s: next", kind_name, row->name);
    cr_expect_eq(waiter.cancelled, row->next_cancelled, "%s, %s", kind_name, row->name);
    cr_expect(task_ended(waiter.task));
    cr_expect(task_queue_empty(&waiter.queue));
    world_close(&world);
}

Test(task, a_wait_ends_in_one_way)
{
    for (size_t index = 0; index < sizeof wait_rows / sizeof wait_rows[0]; index++) {
        for (enum kind kind = 0; kind < KINDS; kind++) {
            if (strchr(wait_rows[index].kinds, kind_names[kind][0]) != NULL) {
                run_wait(&wait_rows[index], kind);
            }
        }
    }
}

/* ---- order: T5 --------------------------------------------------------------------------------------------------------- */

#define CROWD 5

struct crowd {
    struct world *world;
    struct task_queue queue;
    struct member {
        struct crowd *crowd;
        char name;
        uint64_t woken_in; /* number of the event */
    } members[CROWD];
    struct task *tasks[CROWD];
    char order[CROWD + 1];
};

static void member_body(void *context)
{
    struct member *member = context;
    struct crowd *crowd = member->crowd;
    task_sleep_until(US(CROWD - (member->name - 'a')));
    if (task_wait(&crowd->queue, US(100)) == TASK_SIGNALLED) {
        size_t length = strlen(crowd->order);
        crowd->order[length] = member->name;
    }
    member->woken_in = sim_events_run(crowd->world->sim);
}

/* Members begin to wait in the order e, d, c, b, a. */
Test(task, waiters_wake_in_the_order_in_which_they_came)
{
    static const struct {
        const char *name;
        int wakes;     /* -1: all */
        int cancelled; /* a member, or -1 */
        const char *order;
    } cases[] = {
        {"nobody", 0, -1, ""},
        {"one", 1, -1, "e"},
        {"three", 3, -1, "edc"},
        {"all", -1, -1, "edcba"},
        {"more than there are", 9, -1, "edcba"},
        {"one, whose place is another's", 1, 4, "d"},
        {"all but one", -1, 2, "edba"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct world world;
        struct crowd crowd = {.world = &world};
        world_open(&world, 1, false);
        for (uint32_t name = 0; name < CROWD; name++) {
            crowd.members[name] = (struct member){&crowd, (char)('a' + name), 0};
            crowd.tasks[name] =
                task_spawn(world.tasks, "member", member_body, &crowd.members[name]);
        }
        world_run(&world, US(50));
        if (cases[index].cancelled >= 0) {
            task_cancel(crowd.tasks[cases[index].cancelled]);
        }
        for (int wake = 0; wake < cases[index].wakes; wake++) {
            task_wake_one(&crowd.queue);
        }
        if (cases[index].wakes < 0) {
            task_wake_all(&crowd.queue);
        }
        world_run(&world, US(50));
        cr_expect_str_eq(crowd.order, cases[index].order, "%s: %s", cases[index].name, crowd.order);
        for (size_t place = 1; place < strlen(crowd.order); place++) {
            cr_expect_eq(crowd.members[crowd.order[place] - 'a'].woken_in,
                         crowd.members[crowd.order[place - 1] - 'a'].woken_in + 1, "%s",
                         cases[index].name);
        }
        world_close(&world); /* with those alive that still wait */
    }
}

/* ---- lives ------------------------------------------------------------------------------------------------------------- */

struct life {
    struct world *world;
    uint32_t begun, ended;
    sim_time joined_at;
    enum task_wake joined;
    sim_time charge;
};

static void child_body(void *context)
{
    struct life *life = context;
    life->begun++;
    cr_assert_str_eq(task_name(task_running()), "a name that is too long to be k");
    cr_assert_eq(task_host_of(task_running()), life->world->tasks);
    task_sleep_until(US(10));
    task_charge(life->charge);
    life->ended++;
}

static struct task *child_spawn(struct life *life)
{
    struct task *task = task_spawn(life->world->tasks, "a name that is too long to be kept whole",
                                   child_body, life);
    cr_assert_neq(task, NULL);
    cr_assert_not(task_ended(task));
    return task;
}

static void parent_body(void *context)
{
    struct life *life = context;
    struct task *child = child_spawn(life);
    cr_assert_eq(life->begun, 0, "a task starts in the next wave");
    life->joined = task_join(child, SIM_NEVER);
    life->joined_at = sim_now(life->world->sim);
    child = child_spawn(life);
    task_sleep_until(US(500));
    cr_assert(task_ended(child));
    task_cancel(task_running());
    cr_assert_eq(task_join(child, US(600)), TASK_SIGNALLED,
                 "who ended can be joined by a cancelled task");
    child = child_spawn(life);
    cr_assert_eq(task_join(child, US(600)), TASK_CANCELLED);
    task_detach(child);
    task_detach(child_spawn(life));
    cr_assert_eq(sim_now(life->world->sim), US(500));
}

/* T3: what a task owes when it ends is paid before it is joined. */
Test(task, join_and_detach)
{
    struct world world;
    struct life life = {.world = &world, .charge = US(30)};
    world_open(&world, 2, false);
    struct task *parent = task_spawn(world.tasks, "parent", parent_body, &life);
    cr_assert_eq(task_host_live(world.tasks), 1);
    world_run(&world, US(400));
    cr_assert_eq(life.joined, TASK_SIGNALLED);
    cr_assert_eq(life.joined_at, US(40));
    world_run(&world, SIM_MS);
    cr_assert_eq(life.ended, 4);
    cr_assert_eq(task_host_live(world.tasks), 0);
    cr_assert_eq(fiber_pool_live(world.stacks), 0, "stacks go when tasks end");
    cr_assert(task_ended(parent));
    task_detach(parent);
    cr_assert_eq(task_running(), NULL);
    cr_assert_eq(task_host_machine(world.tasks), world.host);
    world_close(&world);
}

Test(task, no_stack_no_task)
{
    struct world world;
    struct life life = {.world = &world};
    world_open(&world, 1, false);
    struct fiber_pool *huge = fiber_pool_new(SIZE_MAX / 4);
    struct task_host *tasks = task_host_new(world.guest, 1, huge);
    cr_assert_eq(task_spawn(tasks, "too big", child_body, &life), NULL);
    cr_assert_eq(task_host_live(tasks), 0);
    task_host_check(tasks);
    task_host_free(tasks);
    fiber_pool_close(huge);
    machine_crash(world.host);
    cr_assert_eq(task_spawn(world.tasks, "off", child_body, &life), NULL);
    world_close(&world);
}

/* ---- charges ----------------------------------------------------------------------------------------------------------- */

struct worker {
    struct world *world;
    sim_time charge_ns, paid_at;
};

static void worker_body(void *context)
{
    struct worker *worker = context;
    task_charge(worker->charge_ns);
    task_pay();
    worker->paid_at = sim_now(worker->world->sim);
    task_pay();
    cr_assert_eq(sim_now(worker->world->sim), worker->paid_at, "nothing is owed");
}

static void freeze_host(void *context)
{
    machine_freeze(((struct world *)context)->host);
}

static void thaw_host(void *context)
{
    machine_thaw(((struct world *)context)->host);
}

Test(task, charges)
{
    static const struct {
        const char *name;
        uint32_t cores, workers;
        int64_t charge_us[3], paid_us[3];
        bool frozen; /* from 4 ms to 20 ms */
        uint64_t pay_events;
    } cases[] = {
        {"one", 1, 1, {10}, {10}, false, 1},
        {"one, long", 1, 1, {5000000}, {5000000}, false, 1},
        {"nothing", 1, 1, {0}, {0}, false, 0},
        {"two cores", 2, 2, {3000, 3000}, {3000, 3000}, false, 2},
        {"in turns", 1, 2, {3000, 1500}, {4500, 3500}, false, 5},
        {"three on two cores", 2, 3, {3000, 3000, 3000}, {4000, 4000, 5000}, false, 9},
        {"frozen in the middle", 1, 1, {10000}, {26000}, true, 1},
        {"frozen, in turns", 1, 2, {4000, 4000}, {23000, 24000}, true, 8},
        {"frozen in the middle of a turn", 1, 2, {1300, 4000}, {2300, 21300}, true, 4},
        {"frozen where turns end", 2, 3, {3500, 3500, 3500}, {20500, 21000, 21500}, true, 12},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct world world;
        struct worker workers[3];
        world_open(&world, cases[index].cores, false);
        uint64_t other = cases[index].workers;
        for (uint32_t worker = 0; worker < cases[index].workers; worker++) {
            workers[worker] = (struct worker){&world, US(cases[index].charge_us[worker]), -1};
            task_detach(task_spawn(world.tasks, "worker", worker_body, &workers[worker]));
        }
        if (cases[index].frozen) {
            sim_call_at(world.sim, world.early, 4 * SIM_MS, freeze_host, &world);
            sim_call_at(world.sim, world.early, 20 * SIM_MS, thaw_host, &world);
            other += 2;
        }
        sim_run(world.sim, SIM_NEVER - 1);
        sim_time total = 0;
        for (uint32_t worker = 0; worker < cases[index].workers; worker++) {
            total += workers[worker].charge_ns;
            cr_expect_eq(workers[worker].paid_at, US(cases[index].paid_us[worker]),
                         "%s: %u paid at %ld", cases[index].name, worker,
                         (long)workers[worker].paid_at);
        }
        cr_expect_eq(sim_events_run(world.sim) - other, cases[index].pay_events, "%s: %lu events",
                     cases[index].name, sim_events_run(world.sim) - other);
        cr_expect_eq(task_host_busy_ns(world.tasks), total, "%s", cases[index].name);
        world_close(&world);
    }
}

/* What ten sleeps cost: one event each; ten waits that are signalled: one event each, beside that of who signals. */
static void sleeper_body(void *context)
{
    struct worker *worker = context;
    for (sim_time turn = 1; turn <= 10; turn++) {
        cr_assert_eq(task_sleep_until(US(turn)), TASK_TIMED_OUT);
        cr_assert_eq(sim_now(worker->world->sim), US(turn));
    }
}

Test(task, a_sleep_costs_one_event)
{
    struct world world;
    struct worker worker = {.world = &world};
    world_open(&world, 1, false);
    task_detach(task_spawn(world.tasks, "sleeper", sleeper_body, &worker));
    cr_assert_eq(sim_run(world.sim, SIM_NEVER - 1), SIM_STOP_IDLE);
    cr_assert_eq(sim_events_run(world.sim), 11);
    world_close(&world);
}
