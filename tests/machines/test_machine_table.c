/* What each event does to tasks, timers, clocks and memory: the table of sim/machine.h, cell by cell. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/machines/world.h"

#define MEMORY_BYTES   100
#define ACTIONS_MAX    6
#define WALL_STEP      (3600 * SIM_S)
#define TIMER_LOCAL    (10 * SIM_MS)
#define TIMER_NEVER    (-1)
#define US(n)          ((n)*SIM_US)
#define FIRST_LOOK_AT  US(20250)
#define SECOND_LOOK_AT US(40250)

enum action {
    NOTHING,
    FREEZE,
    THAW,
    PAUSE,
    RESUME,
    CRASH,
    POWER_ON,
    REBOOT,
    FAST, /* half as fast again */
    SLOW, /* half as fast       */
    NO_DRIFT,
    STEP,
    FREEZE_HOST,
    THAW_HOST,
    PAUSE_HOST,
    RESUME_HOST,
    CRASH_HOST,
    REBOOT_HOST,
    POWER_ON_HOST,
    FAST_HOST,
};

/* What is seen of the guest. The task ticks once each millisecond of local time; the timer was set for 10 ms of local time; times in
 * microseconds, the wall clock less its start. */
struct cells {
    bool runs;
    int64_t monotonic_us;
    int64_t wall_us;
    uint32_t ticks;
    int64_t timer_us; /* when it fired, global */
    size_t memory;
    uint64_t incarnation;
};

static const struct row {
    const char *name;
    struct {
        enum action action;
        int64_t at_us;
    } actions[ACTIONS_MAX];
    struct cells first, second; /* after 20.25 and 40.25 ms of global time */
} rows[] = {
    {.name = "nothing",
     .first = {true, 20250, 20250, 20, 10000, 100, 1},
     .second = {true, 40250, 40250, 40, 10000, 100, 1}},
    {.name = "freeze",
     .actions = {{FREEZE, 5500}, {THAW, 20500}},
     .first = {false, 20250, 20250, 5, -1, 100, 1},
     .second = {true, 40250, 40250, 40, 20500, 100, 1}},
    {.name = "freeze of the host",
     .actions = {{FREEZE_HOST, 5500}, {THAW_HOST, 20500}},
     .first = {false, 20250, 20250, 5, -1, 100, 1},
     .second = {true, 40250, 40250, 40, 20500, 100, 1}},
    {.name = "freeze, thawed before the timer is due",
     .actions = {{FREEZE, 5500}, {THAW, 8500}},
     .first = {true, 20250, 20250, 20, 10000, 100, 1},
     .second = {true, 40250, 40250, 40, 10000, 100, 1}},
    {.name = "freeze twice, thaw once",
     .actions = {{FREEZE, 5500}, {FREEZE, 6500}, {THAW, 7500}},
     .first = {false, 20250, 20250, 5, -1, 100, 1},
     .second = {false, 40250, 40250, 5, -1, 100, 1}},
    {.name = "freeze of both, the host thaws first",
     .actions = {{FREEZE, 5500}, {FREEZE_HOST, 6500}, {THAW_HOST, 7500}, {THAW, 20500}},
     .first = {false, 20250, 20250, 5, -1, 100, 1},
     .second = {true, 40250, 40250, 40, 20500, 100, 1}},
    {.name = "pause",
     .actions = {{PAUSE, 5500}, {RESUME, 20500}},
     .first = {false, 5500, 5500, 5, -1, 100, 1},
     .second = {true, 25250, 25250, 25, 25000, 100, 1}},
    {.name = "pause of the host",
     .actions = {{PAUSE_HOST, 5500}, {RESUME_HOST, 20500}},
     .first = {false, 5500, 5500, 5, -1, 100, 1},
     .second = {true, 25250, 25250, 25, 25000, 100, 1}},
    {.name = "pause twice, resume once",
     .actions = {{PAUSE, 5500}, {PAUSE, 6500}, {RESUME, 7500}},
     .first = {false, 5500, 5500, 5, -1, 100, 1},
     .second = {false, 5500, 5500, 5, -1, 100, 1}},
    {.name = "freeze during a pause",
     .actions = {{PAUSE, 5500}, {FREEZE, 8500}, {RESUME, 12500}, {THAW, 20500}},
     .first = {false, 13250, 13250, 5, -1, 100, 1},
     .second = {true, 33250, 33250, 33, 20500, 100, 1}},
    {.name = "pause during a freeze",
     .actions = {{FREEZE, 5500}, {PAUSE, 8500}, {THAW, 12500}, {RESUME, 20500}},
     .first = {false, 8500, 8500, 5, -1, 100, 1},
     .second = {true, 28250, 28250, 28, 22000, 100, 1}},
    {.name = "pause of the host during a freeze",
     .actions = {{FREEZE, 5500}, {PAUSE_HOST, 8500}, {THAW, 12500}, {RESUME_HOST, 20500}},
     .first = {false, 8500, 8500, 5, -1, 100, 1},
     .second = {true, 28250, 28250, 28, 22000, 100, 1}},
    {.name = "crash",
     .actions = {{CRASH, 5500}, {POWER_ON, 20500}},
     .first = {false, 0, 0, 5, -1, 0, 1},
     .second = {true, 19750, 40250, 5, -1, 0, 2}},
    {.name = "crash of the host",
     .actions = {{CRASH_HOST, 5500}, {POWER_ON_HOST, 20500}},
     .first = {false, 0, 0, 5, -1, 0, 1},
     .second = {false, 0, 0, 5, -1, 0, 1}},
    {.name = "crash of the host, both come back",
     .actions = {{CRASH_HOST, 5500}, {POWER_ON_HOST, 10500}, {POWER_ON, 20500}},
     .first = {false, 0, 0, 5, -1, 0, 1},
     .second = {true, 19750, 40250, 5, -1, 0, 2}},
    {.name = "reboot",
     .actions = {{REBOOT, 5500}},
     .first = {true, 14750, 20250, 5, -1, 0, 2},
     .second = {true, 34750, 40250, 5, -1, 0, 2}},
    {.name = "reboot of the host",
     .actions = {{REBOOT_HOST, 5500}},
     .first = {false, 0, 0, 5, -1, 0, 1},
     .second = {false, 0, 0, 5, -1, 0, 1}},
    {.name = "crash of a frozen machine; the thaw comes too late",
     .actions = {{FREEZE, 5500}, {CRASH, 8500}, {POWER_ON, 9500}, {THAW, 12500}},
     .first = {true, 10750, 20250, 5, -1, 0, 2},
     .second = {true, 30750, 40250, 5, -1, 0, 2}},
    {.name = "crash of a paused machine; the resume comes while it is off",
     .actions = {{PAUSE, 5500}, {CRASH, 8500}, {RESUME, 9500}, {POWER_ON, 12500}},
     .first = {true, 7750, 20250, 5, -1, 0, 2},
     .second = {true, 27750, 40250, 5, -1, 0, 2}},
    {.name = "freeze and pause of a machine that is off",
     .actions = {{CRASH, 5500}, {FREEZE, 6500}, {PAUSE, 7500}, {POWER_ON, 10500}},
     .first = {true, 9750, 20250, 5, -1, 0, 2},
     .second = {true, 29750, 40250, 5, -1, 0, 2}},
    {.name = "power on in a frozen host",
     .actions = {{CRASH, 5500}, {FREEZE_HOST, 6500}, {POWER_ON, 10500}, {THAW_HOST, 30500}},
     .first = {false, 9750, 20250, 5, -1, 0, 2},
     .second = {true, 29750, 40250, 5, -1, 0, 2}},
    {.name = "fast",
     .actions = {{FAST, 5500}, {NO_DRIFT, 20500}},
     .first = {true, 27625, 27625, 27, 8500, 100, 1},
     .second = {true, 47750, 47750, 47, 8500, 100, 1}},
    {.name = "slow",
     .actions = {{SLOW, 5500}, {NO_DRIFT, 20500}},
     .first = {true, 12875, 12875, 12, 14500, 100, 1},
     .second = {true, 32750, 32750, 32, 14500, 100, 1}},
    {.name = "a fast host",
     .actions = {{FAST_HOST, 5500}},
     .first = {true, 20250, 20250, 20, 10000, 100, 1},
     .second = {true, 40250, 40250, 40, 10000, 100, 1}},
    {.name = "slow while frozen",
     .actions = {{FREEZE, 5500}, {SLOW, 6500}, {THAW, 30500}},
     .first = {false, 13375, 13375, 5, -1, 100, 1},
     .second = {true, 23375, 23375, 23, 30500, 100, 1}},
    {.name = "fast while paused",
     .actions = {{PAUSE, 5500}, {FAST, 6500}, {RESUME, 20500}},
     .first = {false, 5500, 5500, 5, -1, 100, 1},
     .second = {true, 35125, 35125, 35, 23500, 100, 1}},
    {.name = "drift survives a reboot",
     .actions = {{FAST, 5500}, {REBOOT, 10500}},
     .first = {true, 14625, 25125, 13, 8500, 0, 2},
     .second = {true, 44625, 55125, 13, 8500, 0, 2}},
    {.name = "step",
     .actions = {{STEP, 5500}},
     .first = {true, 20250, 20250 + WALL_STEP / SIM_US, 20, 10000, 100, 1},
     .second = {true, 40250, 40250 + WALL_STEP / SIM_US, 40, 10000, 100, 1}},
    {.name = "step of a machine that is off, over a reboot",
     .actions = {{CRASH, 5500}, {STEP, 6500}, {POWER_ON, 10500}, {REBOOT, 30500}},
     .first = {true, 9750, 20250 + WALL_STEP / SIM_US, 5, -1, 0, 2},
     .second = {true, 9750, 40250 + WALL_STEP / SIM_US, 5, -1, 0, 3}},
};

struct bench {
    struct world world;
    uint32_t ticks;
    sim_time timer_fired_at;
    struct machine_timer timer;
};

static void tick_body(void *context)
{
    struct bench *bench = context;
    for (sim_time next = SIM_MS;; next += SIM_MS) {
        if (task_sleep_until(next) != TASK_TIMED_OUT) {
            return;
        }
        bench->ticks++;
    }
}

static void timer_fired(void *context)
{
    struct bench *bench = context;
    cr_assert_eq(bench->timer_fired_at, TIMER_NEVER);
    bench->timer_fired_at = sim_now(bench->world.sim);
}

static void act(struct bench *bench, enum action action)
{
    struct machine *host = bench->world.host;
    struct machine *guest = bench->world.guest;
    switch (action) {
    case NOTHING:
        break;
    case FREEZE:
        machine_freeze(guest);
        break;
    case THAW:
        machine_thaw(guest);
        break;
    case PAUSE:
        machine_pause(guest);
        break;
    case RESUME:
        machine_resume(guest);
        break;
    case CRASH:
        machine_crash(guest);
        break;
    case POWER_ON:
        machine_power_on(guest);
        break;
    case REBOOT:
        machine_reboot(guest);
        break;
    case FAST:
        machine_set_drift(guest, SIM_MACHINE_DRIFT_PPB_MAX);
        break;
    case SLOW:
        machine_set_drift(guest, -SIM_MACHINE_DRIFT_PPB_MAX);
        break;
    case NO_DRIFT:
        machine_set_drift(guest, 0);
        break;
    case STEP:
        machine_step_wall_clock(guest, WALL_STEP);
        break;
    case FREEZE_HOST:
        machine_freeze(host);
        break;
    case THAW_HOST:
        machine_thaw(host);
        break;
    case PAUSE_HOST:
        machine_pause(host);
        break;
    case RESUME_HOST:
        machine_resume(host);
        break;
    case CRASH_HOST:
        machine_crash(host);
        break;
    case REBOOT_HOST:
        machine_reboot(host);
        break;
    case POWER_ON_HOST:
        machine_power_on(host);
        break;
    case FAST_HOST:
        machine_set_drift(host, SIM_MACHINE_DRIFT_PPB_MAX);
        break;
    }
}

static void look(const struct bench *bench, const struct row *row, const struct cells *cells)
{
    const struct machine *guest = bench->world.guest;
    sim_time wall = machine_is_on(guest) ? cells->wall_us * SIM_US + SIM_WALL_CLOCK_START : 0;
    sim_time at = sim_now(bench->world.sim);
    cr_expect_eq(machine_runs(guest), cells->runs, "%s: runs", row->name);
    cr_expect_eq(machine_now(guest), US(cells->monotonic_us), "%s at %ld: monotonic %ld", row->name,
                 (long)at, (long)machine_now(guest));
    cr_expect_eq(machine_wall_clock(guest), wall, "%s at %ld: wall %ld", row->name, (long)at,
                 (long)(machine_wall_clock(guest) - SIM_WALL_CLOCK_START));
    cr_expect_eq(bench->ticks, cells->ticks, "%s at %ld: %u ticks", row->name, (long)at,
                 bench->ticks);
    cr_expect_eq(bench->timer_fired_at,
                 cells->timer_us == TIMER_NEVER ? TIMER_NEVER : US(cells->timer_us),
                 "%s at %ld: timer fired at %ld", row->name, (long)at, (long)bench->timer_fired_at);
    cr_expect_eq(machine_ledger_bytes(guest), cells->memory, "%s at %ld: memory", row->name,
                 (long)at);
    cr_expect_eq(machine_incarnation(guest), cells->incarnation, "%s at %ld: incarnation",
                 row->name, (long)at);
}

static void run_row(const struct row *row)
{
    struct bench bench = {.timer_fired_at = TIMER_NEVER};
    world_open(&bench.world, 1, true);
    struct machine *guest = bench.world.guest;
    machine_timer_init(&bench.timer, guest, timer_fired, &bench);
    machine_timer_arm(&bench.timer, TIMER_LOCAL);
    cr_assert_neq(machine_alloc(guest, MEMORY_BYTES), NULL);
    cr_assert_neq(task_spawn(bench.world.tasks, "ticks", tick_body, &bench), NULL);
    bool looked = false;
    for (uint32_t index = 0; index < ACTIONS_MAX && row->actions[index].action != NOTHING;
         index++) {
        if (US(row->actions[index].at_us) > FIRST_LOOK_AT && !looked) {
            world_run(&bench.world, FIRST_LOOK_AT);
            look(&bench, row, &row->first);
            looked = true;
        }
        world_run(&bench.world, US(row->actions[index].at_us));
        act(&bench, row->actions[index].action);
        world_check(&bench.world);
    }
    if (!looked) {
        world_run(&bench.world, FIRST_LOOK_AT);
        look(&bench, row, &row->first);
    }
    world_run(&bench.world, SECOND_LOOK_AT);
    look(&bench, row, &row->second);
    machine_timer_close(&bench.timer);
    world_close(&bench.world);
}

Test(machine_table, every_cell)
{
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        run_row(&rows[index]);
    }
}

/* ---- the order of news --------------------------------------------------------------------------------------------- */

static char log_text[200];

struct watch {
    const char *name;
};

static void watch_news(void *context, enum machine_news news)
{
    static const char *const names[] = {"on ", "crash ", "stop ", "start "};
    const struct watch *watch = context;
    strcat(strcat(strcat(log_text, watch->name), ":"), names[news]);
}

Test(machine_table, news_come_in_order)
{
    static const struct {
        const char *name;
        enum action actions[3];
        const char *log;
    } cases[] = {
        {"freeze host", {FREEZE_HOST}, "g:stop h2:stop h1:stop "},
        {"freeze, thaw host",
         {FREEZE_HOST, THAW_HOST},
         "g:stop h2:stop h1:stop h1:start h2:start g:start "},
        {"crash host", {CRASH_HOST}, "g:crash h2:crash h1:crash "},
        {"reboot host", {REBOOT_HOST}, "g:crash h2:crash h1:crash h1:on h2:on "},
        {"crash frozen", {FREEZE, CRASH}, "g:stop g:crash "},
        {"freeze twice", {FREEZE, FREEZE, THAW}, "g:stop "},
        {"pause in a freeze", {FREEZE, PAUSE, THAW}, "g:stop "},
        {"guest already stopped",
         {PAUSE, FREEZE_HOST, THAW_HOST},
         "g:stop h2:stop h1:stop h1:start h2:start "},
        {"freeze what is off", {CRASH, FREEZE, THAW}, "g:crash "},
        {"power on in a frozen host",
         {CRASH, FREEZE_HOST, POWER_ON},
         "g:crash h2:stop h1:stop g:on "},
        {"drift and step", {FAST, STEP}, ""},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct bench bench;
        struct watch h1 = {"h1"}, h2 = {"h2"}, guest = {"g"};
        world_open(&bench.world, 1, false);
        machine_watch(bench.world.host, watch_news, &h1);
        machine_watch(bench.world.host, watch_news, &h2);
        machine_watch(bench.world.guest, watch_news, &guest);
        log_text[0] = '\0';
        for (uint32_t step = 0; step < 3; step++) {
            act(&bench, cases[index].actions[step]);
            world_check(&bench.world);
        }
        cr_expect_str_eq(log_text, cases[index].log, "%s", cases[index].name);
        machine_unwatch(bench.world.host, watch_news, &h2);
        machine_unwatch(bench.world.host, watch_news, &h1);
        machine_unwatch(bench.world.guest, watch_news, &guest);
        log_text[0] = '\0';
        world_close(&bench.world);
        cr_expect_str_empty(log_text, "%s: heard after unwatch", cases[index].name);
    }
}

/* Watchers that come and go while news is told: the one that is taken away hears nothing more, the new one hears the next. */
struct turncoat {
    struct machine *machine;
    struct watch *other, *added;
};

static void turncoat_news(void *context, enum machine_news news)
{
    struct turncoat *turncoat = context;
    if (news == MACHINE_STOPPED) {
        machine_unwatch(turncoat->machine, watch_news, turncoat->other);
        machine_unwatch(turncoat->machine, turncoat_news, turncoat);
        machine_watch(turncoat->machine, watch_news, turncoat->added);
    }
}

Test(machine_table, watchers_may_change_while_news_is_told)
{
    struct world world;
    world_open(&world, 1, false);
    struct watch first = {"first"}, other = {"other"}, added = {"added"};
    struct turncoat turncoat = {world.host, &other, &added};
    machine_watch(world.host, watch_news, &other);
    machine_watch(world.host, watch_news, &first);
    machine_watch(world.host, turncoat_news, &turncoat);
    log_text[0] = '\0';
    machine_freeze(world.host);
    machine_thaw(world.host);
    cr_expect_str_eq(log_text, "first:stop first:start added:start ");
    machine_unwatch(world.host, watch_news, &first);
    machine_unwatch(world.host, watch_news, &added);
    world_close(&world);
}
