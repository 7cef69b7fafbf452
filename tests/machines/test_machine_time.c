/* Clocks and timers of machines against a slow model that integrates local time. */
#include <criterion/criterion.h>
#include <string.h>

#include "sim/chance.h"
#include "tests/machines/world.h"

__extension__ typedef unsigned __int128 ticks128;

#define SEEDS    40
#define OPS      400
#define TIMERS   12
#define RATE     1000000000
#define MACHINES 2

/* What the model knows of a machine: every nanosecond that its clock runs adds 1e9 + drift billionths. */
struct model {
    bool on;
    uint32_t freezes, pauses;
    int64_t drift;
    ticks128 ticks;
    sim_time wall_minus_local;
    sim_time wall_offset;
    sim_time last_local; /* A3 */
};

struct bed {
    struct world world;
    struct machine *machines[MACHINES]; /* host, guest */
    struct model models[MACHINES];
    sim_time model_now; /* up to which the model has integrated */
    struct bed_timer {
        struct bed *bed;
        uint32_t machine;
        struct machine_timer timer;
        sim_time deadline; /* SIM_NEVER where the model has it disarmed */
        uint64_t sequence;
        sim_time
            armed_at; /* or since when it could have fired: the instant of the last operation */
    } timers[TIMERS];
    uint64_t sequence;
    bool thawing; /* what fires at the instant of the last operation comes in the order of A4 */
    sim_time last_deadline[MACHINES];
    uint64_t last_sequence[MACHINES];
    sim_time last_op_at;
    uint32_t fired, ordered;
};

static bool model_clock_runs(const struct bed *bed, uint32_t which)
{
    bool runs = true;
    for (uint32_t machine = 0; machine <= which; machine++) {
        runs = runs && bed->models[machine].on && bed->models[machine].pauses == 0;
    }
    return runs;
}

static bool model_runs(const struct bed *bed, uint32_t which)
{
    bool runs = model_clock_runs(bed, which);
    for (uint32_t machine = 0; machine <= which; machine++) {
        runs = runs && bed->models[machine].freezes == 0;
    }
    return runs;
}

/* Local time at a global instant not before that of the last operation, if none comes between. */
static sim_time model_local(const struct bed *bed, uint32_t which, sim_time at)
{
    const struct model *model = &bed->models[which];
    ticks128 ticks = model->ticks;
    if (model_clock_runs(bed, which)) {
        ticks += (ticks128)(uint64_t)(at - bed->model_now) * (uint64_t)(RATE + model->drift);
    }
    return (sim_time)(ticks / RATE);
}

static void model_integrate(struct bed *bed, sim_time to)
{
    for (uint32_t which = 0; which < MACHINES; which++) {
        struct model *model = &bed->models[which];
        if (model_clock_runs(bed, which)) {
            model->ticks +=
                (ticks128)(uint64_t)(to - bed->model_now) * (uint64_t)(RATE + model->drift);
        }
    }
    bed->model_now = to;
}

static void on_timer(void *context)
{
    struct bed_timer *timer = context;
    struct bed *bed = timer->bed;
    sim_time now = sim_now(bed->world.sim);
    cr_assert(model_runs(bed, timer->machine), "a timer of a machine that stands still fired");
    cr_assert_neq(timer->deadline, SIM_NEVER, "a disarmed timer fired");
    cr_assert_not(machine_timer_armed(&timer->timer));
    cr_assert_leq(timer->deadline, model_local(bed, timer->machine, now), "too early");
    if (now > bed->last_op_at) {
        cr_assert_gt(timer->deadline, model_local(bed, timer->machine, now - 1), "too late");
    } else if (bed->thawing) {
        sim_time *last_deadline = &bed->last_deadline[timer->machine];
        uint64_t *last_sequence = &bed->last_sequence[timer->machine];
        cr_assert(timer->deadline > *last_deadline ||
                  (timer->deadline == *last_deadline && timer->sequence > *last_sequence));
        *last_deadline = timer->deadline;
        *last_sequence = timer->sequence;
        bed->ordered++;
    }
    timer->deadline = SIM_NEVER;
    bed->fired++;
}

static void bed_compare(struct bed *bed)
{
    sim_time now = sim_now(bed->world.sim);
    for (uint32_t which = 0; which < MACHINES; which++) {
        struct model *model = &bed->models[which];
        const struct machine *machine = bed->machines[which];
        sim_time local = model->on ? model_local(bed, which, now) : 0;
        cr_assert_eq(machine_now(machine), local, "machine %u shows %ld, model %ld", which,
                     (long)machine_now(machine), (long)local);
        cr_assert_eq(machine_wall_clock(machine), model->on ? local + model->wall_minus_local : 0);
        cr_assert_eq(machine_runs(machine), model_runs(bed, which));
        cr_assert_geq(local, model->last_local);
        model->last_local = local;
    }
    for (uint32_t index = 0; index < TIMERS; index++) {
        const struct bed_timer *timer = &bed->timers[index];
        cr_assert_eq(timer->deadline, timer->timer.deadline);
        if (timer->deadline != SIM_NEVER && model_runs(bed, timer->machine)) {
            cr_assert_gt(timer->deadline, model_local(bed, timer->machine, now), "did not fire");
        }
    }
    machine_check(bed->machines[0]);
    machine_check(bed->machines[1]);
}

static void bed_crash(struct bed *bed, uint32_t which)
{
    machine_crash(bed->machines[which]);
    for (uint32_t machine = which; machine < MACHINES; machine++) {
        struct model *model = &bed->models[machine];
        *model = (struct model){.drift = model->drift, .wall_offset = model->wall_offset};
    }
    for (uint32_t index = 0; index < TIMERS; index++) {
        if (bed->timers[index].machine >= which) {
            bed->timers[index].deadline = SIM_NEVER;
        }
    }
}

static void bed_power_on(struct bed *bed, uint32_t which)
{
    struct model *model = &bed->models[which];
    machine_power_on(bed->machines[which]);
    model->on = true;
    model->wall_minus_local = SIM_WALL_CLOCK_START + model->wall_offset + bed->model_now;
}

static void bed_arm(struct bed *bed, uint32_t index, uint64_t draw)
{
    struct bed_timer *timer = &bed->timers[index];
    if (!bed->models[timer->machine].on) {
        return;
    }
    sim_time local = model_local(bed, timer->machine, bed->model_now);
    /* Few different deadlines, so that some are equal, some are past, and some lie a nanosecond apart. */
    timer->deadline =
        local / 1000 * 1000 + (sim_time)(draw % 9) * 700 - 1400 + (sim_time)(draw >> 60);
    timer->sequence = ++bed->sequence;
    machine_timer_arm(&timer->timer, timer->deadline);
}

static void bed_set_drift(struct bed *bed, uint32_t which, uint64_t draw)
{
    static const int32_t drifts[] = {0, 1, -1, 333333333, -333333333, 50000, -499999999, 500000000};
    bed->models[which].drift = drifts[draw % 8];
    machine_set_drift(bed->machines[which], drifts[draw % 8]);
}

static void bed_step(struct bed *bed, uint32_t which, uint64_t draw)
{
    struct model *model = &bed->models[which];
    sim_time by = (sim_time)(draw % 2000) - 1000;
    machine_step_wall_clock(bed->machines[which], by);
    model->wall_offset += by;
    model->wall_minus_local += by;
}

static void bed_set_monotonic(struct bed *bed, uint32_t which, uint64_t draw)
{
    struct model *model = &bed->models[which];
    for (uint32_t index = 0; index < TIMERS; index++) {
        if (bed->timers[index].machine == which) {
            bed->timers[index].deadline = SIM_NEVER;
            machine_timer_cancel(&bed->timers[index].timer);
        }
    }
    if (model->on) {
        sim_time by = (sim_time)(draw % 5000);
        machine_set_monotonic(bed->machines[which], model_local(bed, which, bed->model_now) + by);
        model->ticks += (ticks128)(uint64_t)by * RATE;
        model->wall_minus_local -= by;
    }
}

/* One random operation on both the machine and the model. */
static void bed_operate(struct bed *bed, uint64_t draw)
{
    uint32_t which = (uint32_t)(draw >> 8 & 1);
    struct machine *machine = bed->machines[which];
    struct model *model = &bed->models[which];
    uint64_t more = draw >> 16;
    switch (draw % 20) {
    case 0:
        machine_freeze(machine);
        model->freezes += model->on;
        break;
    case 1:
    case 2:
        machine_thaw(machine);
        model->freezes -= model->freezes > 0;
        break;
    case 3:
        machine_pause(machine);
        model->pauses += model->on;
        break;
    case 4:
    case 5:
        machine_resume(machine);
        model->pauses -= model->pauses > 0;
        break;
    case 6:
    case 7:
        bed_set_drift(bed, which, more);
        break;
    case 8:
        bed_step(bed, which, more);
        break;
    case 9:
        if (model->on && more % 4 == 0) {
            bed_crash(bed, which);
        }
        break;
    case 10:
        if (more % 4 == 0) {
            bed_set_monotonic(bed, which, more);
        }
        break;
    case 11:
        machine_timer_cancel(&bed->timers[more % TIMERS].timer);
        bed->timers[more % TIMERS].deadline = SIM_NEVER;
        break;
    default:
        if (!model->on && (which == 0 || bed->models[0].on)) {
            bed_power_on(bed, which);
        }
        bed_arm(bed, (uint32_t)(more % TIMERS), draw);
        break;
    }
    /* Whoever re-queues all at once fires what is due in the order of A4; a single arming falls in behind. */
    bed->thawing = draw % 20 < 8;
    for (which = 0; which < MACHINES; which++) {
        bed->last_deadline[which] = -SIM_NEVER;
        bed->last_sequence[which] = 0;
    }
}

static void run_seed(uint64_t seed, uint32_t *fired, uint32_t *ordered)
{
    struct bed bed = {.last_op_at = 0};
    struct chance chance = chance_key(seed, "test.machine_time", "bed");
    world_open(&bed.world, 1, false);
    bed.machines[0] = bed.world.host;
    bed.machines[1] = bed.world.guest;
    for (uint32_t which = 0; which < MACHINES; which++) {
        bed.models[which] = (struct model){.on = true, .wall_minus_local = SIM_WALL_CLOCK_START};
    }
    for (uint32_t index = 0; index < TIMERS; index++) {
        bed.timers[index] =
            (struct bed_timer){.bed = &bed, .machine = index % 2, .deadline = SIM_NEVER};
        machine_timer_init(&bed.timers[index].timer, bed.machines[index % 2], on_timer,
                           &bed.timers[index]);
    }
    for (uint64_t op = 0; op < OPS; op++) {
        uint64_t draw = chance_at(chance, op * 2);
        sim_time at =
            bed.model_now + (sim_time)(chance_at(chance, op * 2 + 1) % 3000) * (draw % 5 != 0);
        world_run(&bed.world, at);
        model_integrate(&bed, at);
        bed_compare(&bed);
        bed.last_op_at = at;
        bed_operate(&bed, draw);
    }
    for (uint32_t index = 0; index < TIMERS; index++) {
        machine_timer_close(&bed.timers[index].timer);
    }
    world_close(&bed.world);
    *fired += bed.fired;
    *ordered += bed.ordered;
}

Test(machine_time, clocks_and_timers_equal_a_model_that_integrates)
{
    uint32_t fired = 0, ordered = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        run_seed(seed, &fired, &ordered);
    }
    cr_assert_gt(fired, SEEDS * 20, "the test has become empty: %u fired", fired);
    cr_assert_gt(ordered, SEEDS, "the test has become empty: %u at a thaw", ordered);
}

/* ---- A4 ------------------------------------------------------------------------------------------------------------ */

#define OVERDUE 8

struct overdue {
    char name;
    struct machine_timer timer;
};
static char order[OVERDUE + 1];

static void on_overdue(void *context)
{
    const struct overdue *overdue = context;
    size_t length = strlen(order);
    order[length] = overdue->name;
    order[length + 1] = '\0';
}

/* Deadlines in microseconds in the order of arming; a frozen machine is thawed at 100 us. */
Test(machine_time, overdue_timers_fire_by_deadline_then_by_arming)
{
    static const struct {
        const char *name;
        int64_t deadlines_us[OVERDUE]; /* 0 ends them */
        bool armed_in_the_freeze;
        const char *at_thaw; /* fired in the waves of the thaw */
        const char *at_end;
    } cases[] = {
        {"in order", {10, 20, 30}, false, "abc", "abc"},
        {"backwards", {30, 20, 10}, false, "cba", "cba"},
        {"equal ones as armed", {20, 10, 20, 10, 20}, false, "bdace", "bdace"},
        {"not due yet", {150, 10, 100, 120}, false, "bc", "bcda"},
        {"armed in the freeze", {30, 10, 20}, true, "bca", "bca"},
        {"armed for the past", {30, -5, 20}, true, "bca", "bca"},
        {"none", {0}, false, "", ""},
        {"all eight", {80, 70, 60, 50, 40, 30, 20, 10}, true, "hgfedcba", "hgfedcba"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct world world;
        struct overdue overdue[OVERDUE];
        world_open(&world, 1, false);
        order[0] = '\0';
        if (cases[index].armed_in_the_freeze) {
            machine_freeze(world.host);
        }
        uint32_t count = 0;
        for (; count < OVERDUE && cases[index].deadlines_us[count] != 0; count++) {
            overdue[count].name = (char)('a' + count);
            machine_timer_init(&overdue[count].timer, world.host, on_overdue, &overdue[count]);
            machine_timer_arm(&overdue[count].timer, cases[index].deadlines_us[count] * SIM_US);
        }
        if (!cases[index].armed_in_the_freeze) {
            machine_freeze(world.host);
        }
        world_run(&world, 100 * SIM_US);
        cr_expect_str_eq(order, "", "%s: fired in the freeze", cases[index].name);
        machine_thaw(world.host);
        world_run(&world, 100 * SIM_US);
        cr_expect_str_eq(order, cases[index].at_thaw, "%s: %s", cases[index].name, order);
        world_run(&world, 200 * SIM_US);
        cr_expect_str_eq(order, cases[index].at_end, "%s: %s", cases[index].name, order);
        while (count > 0) {
            machine_timer_close(&overdue[--count].timer);
        }
        world_close(&world);
    }
}

/* Deadlines that no run reaches are held without an event, at any rate, and come back when the rate does. */
Test(machine_time, deadlines_out_of_reach)
{
    static const sim_time deadlines[] = {SIM_NEVER - 1, SIM_NEVER - SIM_S, SIM_NEVER / 2 + 1,
                                         INT64_MIN, -1};
    static const int32_t drifts[] = {0, -SIM_MACHINE_DRIFT_PPB_MAX, SIM_MACHINE_DRIFT_PPB_MAX};
    for (size_t index = 0; index < sizeof deadlines / sizeof deadlines[0]; index++) {
        for (size_t drift = 0; drift < sizeof drifts / sizeof drifts[0]; drift++) {
            struct world world;
            struct overdue overdue = {.name = 'x'};
            world_open(&world, 1, false);
            order[0] = '\0';
            world_run(&world, SIM_S);
            machine_set_drift(world.host, drifts[drift]);
            machine_timer_init(&overdue.timer, world.host, on_overdue, &overdue);
            machine_timer_arm(&overdue.timer, deadlines[index]);
            world_run(&world, 2 * SIM_S);
            cr_expect_str_eq(order, deadlines[index] < 0 ? "x" : "", "%zu at drift %zu", index,
                             drift);
            machine_freeze(world.host);
            machine_thaw(world.host);
            world_run(&world, 3 * SIM_S);
            machine_timer_arm(&overdue.timer, SIM_NEVER);
            cr_expect_not(machine_timer_armed(&overdue.timer));
            machine_timer_close(&overdue.timer);
            world_close(&world);
        }
    }
}
