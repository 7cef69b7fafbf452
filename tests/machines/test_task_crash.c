/* What crashes do to tasks: a small program on a machine is killed everywhere and by everybody, and nothing is left of it. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/machines/world.h"

#define WORKERS     3
#define ROUNDS      4
#define TASKS_MAX   16
#define PROGRAM_END (3 * SIM_MS)
#define SWEEP_STEP  (23 * SIM_US)
#define NEVER_HIT   UINT32_MAX

enum killer {
    BY_EARLY_EVENT, /* machine_crash in an event before those of the machine */
    BY_LATE_EVENT,  /* and in one after them                                 */
    BY_REBOOT,      /* both at once                                          */
    BY_PARENT,      /* the host of the machine crashes                       */
    BY_FREEZE,      /* frozen first, then crashed                            */
    BY_CLOSING,     /* task_host_free                                        */
    EVENT_KILLERS,
    BY_ITSELF = EVENT_KILLERS, /* a task of the machine calls machine_crash   */
    BY_ITS_REBOOT,             /* or machine_reboot                           */
    BY_ITS_PARENT,             /* or crashes the host                         */
    BY_ANOTHER,                /* a task of the host crashes the guest        */
    KILLERS,
};
static const char *const killer_names[KILLERS] = {
    "early event", "late event", "reboot",     "parent",     "freeze",
    "closing",     "itself",     "its reboot", "its parent", "another",
};

struct program {
    struct world *world;
    struct machine *machine;
    struct task_queue *foreign; /* a queue that is not the machine's */
    enum killer killer;
    uint32_t points, fatal_point; /* opportunities to crash from within */
    struct part {
        struct program *program;
        uint64_t incarnation;
        bool alive;
        uint32_t hooked;
    } parts[TASKS_MAX];
    uint32_t part_count;
    uint32_t hooks_called, finished;
};

static void part_hook(void *context)
{
    struct part *part = context;
    cr_assert(part->alive);
    part->alive = false;
    part->program->hooks_called++;
}

static void spare_hook(void *context)
{
    cr_assert(false, "a hook that was taken away was called for part %p", context);
}

static struct part *part_begin(struct program *program)
{
    cr_assert_lt(program->part_count, TASKS_MAX);
    struct part *part = &program->parts[program->part_count++];
    *part = (struct part){program, machine_incarnation(program->machine), true, 0};
    task_on_kill(task_running(), spare_hook, part);
    task_on_kill(task_running(), part_hook, part);
    task_off_kill(task_running(), spare_hook, part);
    return part;
}

/* After every call that may block: nothing of a former incarnation comes so far (A2). */
static void part_lives(const struct part *part)
{
    cr_assert(part->alive);
    cr_assert_eq(part->incarnation, machine_incarnation(part->program->machine));
    cr_assert(machine_runs(part->program->machine));
}

static void program_kill(struct program *program)
{
    switch (program->killer) {
    case BY_REBOOT:
    case BY_ITS_REBOOT:
        machine_reboot(program->machine);
        break;
    case BY_PARENT:
    case BY_ITS_PARENT:
        machine_crash(machine_parent(program->machine));
        break;
    case BY_FREEZE:
        machine_freeze(program->machine);
        machine_crash(program->machine);
        break;
    default:
        machine_crash(program->machine);
        break;
    }
}

static void empty_body(void *context)
{
    (void)context;
}

/* One opportunity to crash from within a task. What follows it on the same stack runs without an incarnation (T6). */
static void part_point(struct part *part)
{
    struct program *program = part->program;
    if (program->points++ != program->fatal_point) {
        return;
    }
    unsigned char *held = machine_alloc(program->machine, 64);
    program_kill(program);
    cr_assert_not(part->alive, "hooks are called in the event of the crash");
    cr_assert_eq(task_host_live(program->world->tasks), 0);
    cr_assert_eq(machine_ledger_bytes(program->machine), 0);
    held[63] = 1; /* still ours to touch, to the end of this event */
    machine_free_memory(program->machine, held);
    cr_assert_eq(task_spawn(program->world->tasks, "too late", empty_body, NULL), NULL);
    task_charge(SIM_US);
    world_check(program->world);
}

static void part_end(struct part *part)
{
    part_point(part);
    if (part->alive) {
        part->alive = false;
        task_off_kill(task_running(), part_hook, part);
    }
}

static void worker_body(void *context)
{
    struct program *program = context;
    struct part *part = part_begin(program);
    unsigned char *memory = machine_alloc(program->machine, 100);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        task_charge(SIM_US * (round + 1) * 30);
        part_point(part);
        enum task_wake wake =
            task_wait(program->foreign, machine_now(program->machine) + 120 * SIM_US);
        part_lives(part);
        cr_assert_neq(wake, TASK_CANCELLED);
        task_charge(40 * SIM_US);
        part_point(part);
        task_pay();
        part_lives(part);
        memory[round] = (unsigned char)round;
        part_point(part);
        task_wake_one(program->foreign);
        task_sleep_until(machine_now(program->machine) + 50 * SIM_US);
        part_lives(part);
    }
    machine_free_memory(program->machine, memory);
    program->finished++;
    part_end(part);
}

struct lodger {
    struct program *program;
    struct task_queue *queue; /* on the stack of main */
};

static void lodger_body(void *context)
{
    struct lodger *lodger = context;
    struct part *part = part_begin(lodger->program);
    struct task_queue *queue = lodger->queue;
    cr_assert_eq(task_wait(queue, SIM_NEVER), TASK_SIGNALLED);
    part_lives(part);
    lodger->program->finished++;
    part_end(part);
}

static void main_body(void *context)
{
    struct program *program = context;
    struct part *part = part_begin(program);
    struct task_queue own = {NULL, NULL};
    struct lodger lodger = {program, &own};
    struct task *workers[WORKERS];
    machine_alloc(program->machine, 1000);
    for (uint32_t index = 0; index < WORKERS; index++) {
        workers[index] = task_spawn(program->world->tasks, "worker", worker_body, program);
    }
    task_detach(task_spawn(program->world->tasks, "lodger", lodger_body, &lodger));
    for (uint32_t index = 0; index < WORKERS; index++) {
        cr_assert_eq(task_join(workers[index], SIM_NEVER), TASK_SIGNALLED);
        part_lives(part);
        part_point(part);
    }
    task_wake_all(&own);
    task_sleep_until(machine_now(program->machine) + 10 * SIM_US);
    part_lives(part);
    program->finished++;
    part_end(part);
}

/* A task of the host that crashes the guest in the midst of its own life. */
static void another_body(void *context)
{
    struct program *program = context;
    task_sleep_until(program->fatal_point * SWEEP_STEP);
    if (machine_is_on(program->machine)) {
        program_kill(program);
    }
    task_charge(SIM_US);
    task_pay();
}

static void kill_event(void *context)
{
    program_kill(context);
}

static uint32_t program_alive(const struct program *program)
{
    uint32_t alive = 0;
    for (uint32_t index = 0; index < program->part_count; index++) {
        alive += program->parts[index].alive;
    }
    return alive;
}

static void program_start(struct program *program)
{
    program->part_count = 0;
    program->finished = 0;
    task_detach(task_spawn(program->world->tasks, "main", main_body, program));
}

/* The program from the beginning to its end, undisturbed. */
static void program_whole(struct program *program, const char *what, uint32_t nth)
{
    struct world *world = program->world;
    program->fatal_point = NEVER_HIT;
    program->hooks_called = 0;
    if (!machine_is_on(world->host)) {
        machine_power_on(world->host);
    }
    if (machine_is_on(program->machine)) {
        machine_reboot(program->machine);
    } else {
        machine_power_on(program->machine);
    }
    program_start(program);
    world_run(world, sim_now(world->sim) + PROGRAM_END);
    cr_assert_eq(program->finished, WORKERS + 2, "%s %u: the next incarnation finished %u", what,
                 nth, program->finished);
    cr_assert_eq(program->hooks_called, 0);
    cr_assert_eq(task_host_live(world->tasks), 0);
    cr_assert_eq(machine_ledger_bytes(program->machine), 1000);
}

/* Nothing is left of the program but what stands in the test's own tables. */
static void program_is_gone(const struct program *program, const char *what, uint32_t nth)
{
    cr_assert_eq(program_alive(program), 0, "%s %u: a task ended without its hook", what, nth);
    cr_assert(task_queue_empty(program->foreign), "%s %u: in a queue of others", what, nth);
    cr_assert_eq(task_host_live(program->world->tasks), 0, "%s %u", what, nth);
    cr_assert_eq(fiber_pool_live(program->world->stacks), 0, "%s %u: stacks", what, nth);
    cr_assert_eq(machine_ledger_bytes(program->machine), 0, "%s %u: memory", what, nth);
}

/* Runs the program with its end at the nth place; false if it had ended before. */
static bool sweep(enum killer killer, uint32_t nth)
{
    const char *what = killer_names[killer];
    struct world world;
    struct task_queue foreign = {NULL, NULL};
    struct program program = {.world = &world, .foreign = &foreign, .killer = killer};
    world_open(&world, 2, true);
    program.machine = world.guest;
    program.fatal_point = killer >= EVENT_KILLERS ? nth : NEVER_HIT;
    program_start(&program);
    struct fiber_pool *other_stacks = fiber_pool_new(WORLD_STACK_BYTES);
    struct task_host *others = task_host_new(world.host, 1, other_stacks);
    if (killer == BY_ANOTHER) {
        task_detach(task_spawn(others, "another", another_body, &program));
    } else if (killer != BY_CLOSING && killer < EVENT_KILLERS) {
        sim_call_at(world.sim, killer == BY_LATE_EVENT ? world.late : world.early, nth * SWEEP_STEP,
                    kill_event, &program);
    } else if (killer == BY_CLOSING) {
        world_run(&world, nth * SWEEP_STEP);
        task_host_free(world.tasks);
        world.tasks = task_host_new(world.guest, 2, world.stacks);
        machine_reboot(world.guest);
    }
    world_run(&world, PROGRAM_END);
    bool hit = program.hooks_called > 0;
    if (hit) {
        program_is_gone(&program, what, nth);
    } else {
        cr_assert(program.finished == WORKERS + 2 || nth == 0, "%s %u: %u", what, nth,
                  program.finished);
    }
    program_whole(&program, what, nth);
    task_host_free(others);
    fiber_pool_close(other_stacks);
    world_close(&world);
    return hit;
}

Test(task_crash, anywhere_by_anybody)
{
    for (enum killer killer = 0; killer < KILLERS; killer++) {
        uint32_t nth = killer < EVENT_KILLERS || killer == BY_ANOTHER ? 1 : 0;
        uint32_t hits = 0;
        while (sweep(killer, nth)) {
            nth++;
            hits++;
        }
        cr_assert_geq(hits, 25, "%s: the sweep has become empty: %u", killer_names[killer], hits);
    }
}

/* ---- hooks ------------------------------------------------------------------------------------------------------------- */

static char hook_order[32];
static struct task *hook_victims[2];
static struct task_queue hook_queue;

static void hook_named(void *context)
{
    strcat(hook_order, context);
}

static void hook_that_wakes(void *context)
{
    hook_named(context);
    task_wake_all(&hook_queue);
    task_cancel(hook_victims[1]);
}

static void hooked_body(void *context)
{
    char *const *names = context;
    task_on_kill(task_running(), hook_named, names[0]);
    task_on_kill(task_running(), hook_that_wakes, names[1]);
    task_wait(&hook_queue, SIM_NEVER);
    cr_assert(false, "woken after the crash");
}

/* Tasks in the order of their spawning, of each the newest hook first; what hooks wake of the same machine does not run. */
Test(task_crash, hooks_in_order)
{
    struct world world;
    char *names[2][2] = {{"a", "b"}, {"c", "d"}};
    world_open(&world, 1, false);
    hook_victims[0] = task_spawn(world.tasks, "first", hooked_body, names[0]);
    hook_victims[1] = task_spawn(world.tasks, "second", hooked_body, names[1]);
    world_run(&world, SIM_US);
    machine_reboot(world.host);
    cr_assert_str_eq(hook_order, "badc");
    world_run(&world, SIM_MS);
    cr_assert(task_queue_empty(&hook_queue));
    world_close(&world);
}
