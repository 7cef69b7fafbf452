/* Cores shared in turns, against a simulation of round robin that is too simple to be wrong. */
#include <criterion/criterion.h>

#include "sim/chance.h"
#include "sim/core.h"
#include "tests/machines/world.h"

#define USERS_MAX   12
#define DEMANDS_MAX 6
#define FREEZES_MAX 3
#define SEEDS       150

/* Every user comes at `start_ns`, has so many demands one after the other, and rests between them. */
struct plan {
    uint32_t cores, users, freezes;
    struct {
        sim_time start_ns;
        uint32_t demands;
        sim_time demand_ns[DEMANDS_MAX], rest_ns[DEMANDS_MAX];
    } user[USERS_MAX];
    sim_time freeze_at[FREEZES_MAX], thaw_at[FREEZES_MAX]; /* in order */
};

struct outcome {
    sim_time served_at[USERS_MAX][DEMANDS_MAX];
    sim_time busy_ns;
};

/* ---- the model: cores are slots, every end of a turn is looked at ------------------------------------------------------ */

enum { MODEL_RESTS, MODEL_QUEUED, MODEL_ON_CORE, MODEL_OVER };

struct model_user {
    int state;
    uint32_t demand;  /* which */
    sim_time left_ns; /* of the demand   */
    sim_time turn_ns; /* left of its turn */
    uint32_t turn;    /* counts turns as they began: the order among those that end at once */
    sim_time comes_at;
};

struct model {
    const struct plan *plan;
    struct outcome *outcome;
    struct model_user users[USERS_MAX];
    uint32_t queue[USERS_MAX], queued;
    uint32_t on_core;
    uint32_t turns;
    sim_time now;
};

static bool model_frozen(const struct plan *plan, sim_time now)
{
    for (uint32_t index = 0; index < plan->freezes; index++) {
        if (plan->freeze_at[index] <= now && now < plan->thaw_at[index]) {
            return true;
        }
    }
    return false;
}

static void model_fill(struct model *model)
{
    while (model->queued > 0 && model->on_core < model->plan->cores) {
        struct model_user *user = &model->users[model->queue[0]];
        model->queued--;
        for (uint32_t index = 0; index < model->queued; index++) {
            model->queue[index] = model->queue[index + 1];
        }
        user->state = MODEL_ON_CORE;
        user->turn_ns = CORE_SLICE_NS;
        user->turn = ++model->turns;
        model->on_core++;
    }
}

/* The next instant at which anything may happen. */
static sim_time model_next(const struct model *model)
{
    const struct plan *plan = model->plan;
    bool frozen = model_frozen(plan, model->now);
    sim_time next = SIM_NEVER;
    for (uint32_t index = 0; index < plan->users; index++) {
        const struct model_user *user = &model->users[index];
        sim_time at = SIM_NEVER;
        if (user->state == MODEL_RESTS) {
            at = user->comes_at;
        } else if (user->state == MODEL_ON_CORE && !frozen) {
            at = model->now + (user->left_ns < user->turn_ns ? user->left_ns : user->turn_ns);
        }
        next = at < next ? at : next;
    }
    for (uint32_t index = 0; index < plan->freezes; index++) {
        sim_time edges[2] = {plan->freeze_at[index], plan->thaw_at[index]};
        for (uint32_t edge = 0; edge < 2; edge++) {
            next = edges[edge] > model->now && edges[edge] < next ? edges[edge] : next;
        }
    }
    return next;
}

static void model_serve(struct model *model, sim_time until)
{
    bool frozen = model_frozen(model->plan, model->now);
    for (uint32_t index = 0; index < model->plan->users && !frozen; index++) {
        struct model_user *user = &model->users[index];
        if (user->state == MODEL_ON_CORE) {
            user->left_ns -= until - model->now;
            user->turn_ns -= until - model->now;
            model->outcome->busy_ns += until - model->now;
        }
    }
    model->now = until;
}

/* What happens to one user at the present instant. */
static void model_user_step(struct model *model, uint32_t index)
{
    const struct plan *plan = model->plan;
    struct model_user *user = &model->users[index];
    if (user->state == MODEL_RESTS && user->comes_at == model->now) {
        user->state = MODEL_QUEUED;
        user->left_ns = plan->user[index].demand_ns[user->demand];
        model->queue[model->queued++] = index;
    } else if (user->state == MODEL_ON_CORE && user->left_ns == 0) {
        model->outcome->served_at[index][user->demand] = model->now;
        model->on_core--;
        user->comes_at = model->now + plan->user[index].rest_ns[user->demand];
        user->state = ++user->demand < plan->user[index].demands ? MODEL_RESTS : MODEL_OVER;
        model_fill(model);
        model_user_step(model, index); /* a rest of nothing: it comes again behind all who wait */
    } else if (user->state == MODEL_ON_CORE && user->turn_ns == 0) {
        if (model->queued > 0) {
            model->on_core--;
            user->state = MODEL_QUEUED;
            model->queue[model->queued++] = index;
        } else {
            user->turn_ns = CORE_SLICE_NS;
            user->turn = ++model->turns;
        }
    }
    model_fill(model);
}

/* Those on a core in the order in which their turns began, then those that come. */
static void model_step(struct model *model)
{
    uint32_t order[USERS_MAX];
    uint32_t count = 0;
    for (uint32_t index = 0; index < model->plan->users; index++) {
        if (model->users[index].state == MODEL_ON_CORE) {
            uint32_t place = count++;
            for (; place > 0 && model->users[order[place - 1]].turn > model->users[index].turn;
                 place--) {
                order[place] = order[place - 1];
            }
            order[place] = index;
        }
    }
    for (uint32_t place = 0; place < count; place++) {
        model_user_step(model, order[place]);
    }
    for (uint32_t index = 0; index < model->plan->users; index++) {
        if (model->users[index].state == MODEL_RESTS) {
            model_user_step(model, index);
        }
    }
}

static void model_run(const struct plan *plan, struct outcome *outcome)
{
    struct model model = {.plan = plan, .outcome = outcome};
    for (uint32_t index = 0; index < plan->users; index++) {
        model.users[index].comes_at = plan->user[index].start_ns;
    }
    for (sim_time next = model_next(&model); next != SIM_NEVER; next = model_next(&model)) {
        model_serve(&model, next);
        model_step(&model);
    }
}

/* ---- the same with tasks and with core users ---------------------------------------------------------------------------- */

struct consumer {
    struct world *world;
    const struct plan *plan;
    struct outcome *outcome;
    uint32_t index;
    uint32_t demand;
    struct core_user core;
};

static void consumer_begin(void *context)
{
    struct consumer *consumer = context;
    core_user_demand(&consumer->core,
                     consumer->plan->user[consumer->index].demand_ns[consumer->demand]);
    core_set_check(task_host_cores(consumer->world->tasks));
}

static void consumer_done(void *context)
{
    struct consumer *consumer = context;
    uint32_t index = consumer->index;
    struct sim *sim = consumer->world->sim;
    core_set_check(task_host_cores(consumer->world->tasks));
    consumer->outcome->served_at[index][consumer->demand] = sim_now(sim);
    sim_time rest_ns = consumer->plan->user[index].rest_ns[consumer->demand];
    if (++consumer->demand == consumer->plan->user[index].demands) {
        return;
    }
    if (rest_ns == 0) {
        consumer_begin(consumer);
    } else {
        sim_call_at(sim, consumer->world->early, sim_now(sim) + rest_ns, consumer_begin, consumer);
    }
}

static void consumer_task(void *context)
{
    struct consumer *consumer = context;
    uint32_t index = consumer->index;
    const struct plan *plan = consumer->plan;
    task_sleep_until(plan->user[index].start_ns);
    for (uint32_t demand = 0; demand < plan->user[index].demands; demand++) {
        task_charge(plan->user[index].demand_ns[demand] / 3);
        task_charge(plan->user[index].demand_ns[demand] - plan->user[index].demand_ns[demand] / 3);
        task_pay();
        sim_time now = sim_now(consumer->world->sim);
        consumer->outcome->served_at[index][demand] = now;
        if (plan->user[index].rest_ns[demand] > 0) {
            task_sleep_until(now + plan->user[index].rest_ns[demand]);
        }
    }
}

static void freeze_host(void *context)
{
    machine_freeze(((struct world *)context)->host);
}

static void thaw_host(void *context)
{
    machine_thaw(((struct world *)context)->host);
}

static void subject_run(const struct plan *plan, struct outcome *outcome, bool with_tasks)
{
    struct world world;
    struct consumer consumers[USERS_MAX];
    world_open(&world, plan->cores, false);
    for (uint32_t index = 0; index < plan->users; index++) {
        consumers[index] = (struct consumer){&world, plan, outcome, index, 0, {0}};
        core_user_init(&consumers[index].core, task_host_cores(world.tasks), consumer_done,
                       &consumers[index]);
        if (with_tasks) {
            task_detach(task_spawn(world.tasks, "consumer", consumer_task, &consumers[index]));
        } else {
            sim_call_at(world.sim, world.early, plan->user[index].start_ns, consumer_begin,
                        &consumers[index]);
        }
    }
    for (uint32_t index = 0; index < plan->freezes; index++) {
        sim_call_at(world.sim, world.early, plan->freeze_at[index], freeze_host, &world);
        sim_call_at(world.sim, world.early, plan->thaw_at[index], thaw_host, &world);
    }
    cr_assert_eq(sim_run(world.sim, SIM_NEVER - 1), SIM_STOP_IDLE);
    world_check(&world);
    cr_assert_eq(core_set_load(task_host_cores(world.tasks)), 0);
    cr_assert_eq(task_host_live(world.tasks), 0);
    outcome->busy_ns = task_host_busy_ns(world.tasks);
    for (uint32_t index = 0; index < plan->users; index++) {
        core_user_close(&consumers[index].core);
    }
    world_close(&world);
}

static void outcome_compare(const struct plan *plan, const struct outcome *subject,
                            const struct outcome *model, const char *what, uint64_t seed)
{
    for (uint32_t index = 0; index < plan->users; index++) {
        for (uint32_t demand = 0; demand < plan->user[index].demands; demand++) {
            cr_assert_eq(subject->served_at[index][demand], model->served_at[index][demand],
                         "seed %lu, %s: user %u demand %u served at %ld, by the model at %ld", seed,
                         what, index, demand, (long)subject->served_at[index][demand],
                         (long)model->served_at[index][demand]);
        }
    }
    cr_assert_eq(subject->busy_ns, model->busy_ns, "seed %lu, %s: busy", seed, what);
}

/* Arrivals at odd nanoseconds, so that only turns that began together, at a thaw, end together. Tasks have no freezes: their rests are in local time, those of the model in global. */
static void plan_draw(struct plan *plan, uint64_t seed, bool with_freezes)
{
    struct chance chance = chance_key(seed, "test.core", "plan");
    uint64_t ordinal = 0;
    *plan = (struct plan){.cores = 1};
    plan->cores += (uint32_t)chance_below(chance, ordinal++, 4);
    plan->users = 1 + (uint32_t)chance_below(chance, ordinal++, USERS_MAX);
    for (uint32_t index = 0; index < plan->users; index++) {
        plan->user[index].start_ns = 1 + (sim_time)chance_below(chance, ordinal++, 8 * SIM_MS);
        plan->user[index].demands = 1 + (uint32_t)chance_below(chance, ordinal++, DEMANDS_MAX);
        for (uint32_t demand = 0; demand < plan->user[index].demands; demand++) {
            bool longer = chance_hit(chance, ordinal++, 1, 3);
            uint64_t most = longer ? 7 * SIM_MS : 300 * SIM_US;
            plan->user[index].demand_ns[demand] =
                1 + (sim_time)chance_below(chance, ordinal++, most);
            bool rests = chance_hit(chance, ordinal++, 2, 3);
            plan->user[index].rest_ns[demand] =
                rests ? 1 + (sim_time)chance_below(chance, ordinal++, 2 * SIM_MS) : 0;
        }
    }
    sim_time at = 1;
    for (; with_freezes && plan->freezes < FREEZES_MAX; plan->freezes++) {
        at += 1 + (sim_time)chance_below(chance, ordinal++, 5 * SIM_MS);
        plan->freeze_at[plan->freezes] = at;
        at += 1 + (sim_time)chance_below(chance, ordinal++, 4 * SIM_MS);
        plan->thaw_at[plan->freezes] = at;
    }
}

Test(core, turns_equal_a_simple_round_robin)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct plan plan;
        struct outcome model = {.busy_ns = 0}, subject = {.busy_ns = 0};
        plan_draw(&plan, seed, seed % 2 == 0);
        model_run(&plan, &model);
        subject_run(&plan, &subject, false);
        outcome_compare(&plan, &subject, &model, "users", seed);
        if (plan.freezes == 0) {
            subject_run(&plan, &subject, true);
            outcome_compare(&plan, &subject, &model, "tasks", seed);
        }
    }
}

/* ---- tables: who is served when, and what it costs ------------------------------------------------------------------------ */

#define COME_LATER 6 /* users from this one on come at 2.5 ms */

Test(core, tables)
{
    static const struct {
        const char *name;
        uint32_t cores, users;
        int64_t demand_us[USERS_MAX];
        int64_t served_us[USERS_MAX];
        uint64_t events; /* beside those that bring the users */
    } cases[] = {
        {"alone, however long", 1, 1, {60000000}, {60000000}, 1},
        {"as many as cores", 3, 3, {5000, 100, 70000}, {5000, 100, 70000}, 3},
        {"nothing asked", 1, 1, {0}, {0}, 1},
        {"two on one core", 1, 2, {2000, 2000}, {3000, 4000}, 4},
        {"short behind long", 1, 2, {10000, 10}, {10010, 1010}, 3},
        {"three on two cores", 2, 3, {3000, 3000, 3000}, {4000, 4000, 5000}, 9},
        {"first come first served", 1, 4, {100, 200, 300, 400}, {100, 300, 600, 1000}, 4},
        {"a demand of exactly one turn", 1, 3, {1000, 1000, 1000}, {1000, 2000, 3000}, 3},
        {"a long one is cut when somebody comes", 1, 7, {60000, [6] = 500}, {60500, [6] = 3500}, 3},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct plan plan = {.cores = cases[index].cores, .users = cases[index].users};
        for (uint32_t user = 0; user < plan.users; user++) {
            plan.user[user].demands = cases[index].demand_us[user] > 0 || plan.users == 1;
            plan.user[user].demand_ns[0] = cases[index].demand_us[user] * SIM_US;
            plan.user[user].start_ns = user >= COME_LATER ? 2500 * SIM_US : 0;
        }
        struct world world;
        struct outcome outcome = {.busy_ns = 0};
        struct consumer consumers[USERS_MAX];
        world_open(&world, plan.cores, false);
        uint64_t come = 0;
        for (uint32_t user = 0; user < plan.users; user++) {
            consumers[user] = (struct consumer){&world, &plan, &outcome, user, 0, {0}};
            core_user_init(&consumers[user].core, task_host_cores(world.tasks), consumer_done,
                           &consumers[user]);
            if (plan.user[user].demands > 0) {
                sim_call_at(world.sim, world.early, plan.user[user].start_ns, consumer_begin,
                            &consumers[user]);
                come++;
            }
        }
        sim_run(world.sim, SIM_NEVER - 1);
        for (uint32_t user = 0; user < plan.users; user++) {
            cr_expect_eq(outcome.served_at[user][0], cases[index].served_us[user] * SIM_US,
                         "%s: user %u served at %ld", cases[index].name, user,
                         (long)outcome.served_at[user][0]);
            core_user_close(&consumers[user].core);
        }
        cr_expect_eq(sim_events_run(world.sim) - come, cases[index].events, "%s: %lu events",
                     cases[index].name, sim_events_run(world.sim) - come);
        world_close(&world);
    }
}

/* ---- cancelling, freezing, crashing ---------------------------------------------------------------------------------------- */

static void never_done(void *context)
{
    cr_assert(false, "user %u was served", *(uint32_t *)context);
}

Test(core, a_demand_can_be_taken_back_anywhere)
{
    struct world world;
    struct core_user users[3];
    uint32_t names[3] = {0, 1, 2};
    world_open(&world, 1, false);
    struct core_set *cores = task_host_cores(world.tasks);
    for (uint32_t index = 0; index < 3; index++) {
        core_user_init(&users[index], cores, never_done, &names[index]);
        core_user_demand(&users[index], 10 * SIM_MS);
    }
    world_run(&world, 400 * SIM_US);
    cr_assert_eq(core_user_cancel(&users[1]), 10 * SIM_MS, "in the queue");
    cr_assert_eq(core_user_cancel(&users[1]), 0, "idle");
    cr_assert_eq(core_user_cancel(&users[0]), 10 * SIM_MS - 400 * SIM_US, "on the core");
    cr_assert_eq(core_set_load(cores), 1);
    world_run(&world, 1100 * SIM_US);
    machine_freeze(world.host);
    world_run(&world, 50 * SIM_MS);
    cr_assert_eq(task_host_busy_ns(world.tasks), 1100 * SIM_US, "a frozen machine serves nobody");
    core_user_demand(&users[0], SIM_MS);
    world_check(&world);
    cr_assert_eq(core_user_cancel(&users[2]), 10 * SIM_MS - 700 * SIM_US, "frozen");
    world_check(&world);
    machine_thaw(world.host);
    world_run(&world, 50 * SIM_MS + 300 * SIM_US);
    core_user_demand(&users[1], SIM_MS);
    machine_reboot(world.host);
    world_run(&world, 70 * SIM_MS);
    cr_assert_eq(core_set_load(cores), 0, "a crash forgets demands");
    cr_assert_eq(task_host_busy_ns(world.tasks), 1400 * SIM_US);
    for (uint32_t index = 0; index < 3; index++) {
        core_user_close(&users[index]);
    }
    world_close(&world);
}

static void served(void *context)
{
    (void)context;
}

/* Q6: what is asked for takes as much longer, also what is being served when the speed changes, and what is taken back is as it was asked. */
Test(core, slow_cores_take_longer)
{
    struct world world;
    struct core_user users[2];
    world_open(&world, 1, false);
    struct core_set *cores = task_host_cores(world.tasks);
    for (uint32_t index = 0; index < 2; index++) {
        core_user_init(&users[index], cores, served, NULL);
    }
    core_set_slow(cores, CORE_WHOLE / 2);
    core_user_demand(&users[0], 10 * SIM_MS);
    world_run(&world, 19999 * SIM_US);
    cr_expect_eq(core_set_load(cores), 1, "20 ms, not less");
    world_run(&world, 20 * SIM_MS);
    cr_expect_eq(core_set_load(cores), 0, "10 ms at half the speed");

    core_user_demand(&users[0], 10 * SIM_MS);
    world_run(&world, 30 * SIM_MS);
    core_set_slow(cores, 0);
    world_check(&world);
    world_run(&world, 34999 * SIM_US);
    cr_expect_eq(core_set_load(cores), 1);
    world_run(&world, 35 * SIM_MS);
    cr_expect_eq(core_set_load(cores), 0, "the rest of it at full speed");

    core_user_demand(&users[0], 10 * SIM_MS);
    core_user_demand(&users[1], 10 * SIM_MS);
    world_run(&world, 35 * SIM_MS + 400 * SIM_US);
    core_set_slow(cores, CORE_WHOLE * 3 / 4);
    world_check(&world);
    cr_expect_eq(core_user_cancel(&users[1]), 10 * SIM_MS, "in the queue");
    cr_expect_eq(core_user_cancel(&users[0]), 10 * SIM_MS - 400 * SIM_US, "on the core");
    for (uint32_t index = 0; index < 2; index++) {
        core_user_close(&users[index]);
    }
    world_close(&world);
}
