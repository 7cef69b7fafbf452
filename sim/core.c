#include "sim/core.h"

#include <stdlib.h>

#include "sim/assert.h"

#define CORE_DEMAND_MAX (SIM_NEVER / 4)

struct core_list {
    struct core_user *first, *last;
    uint32_t count;
};

struct core_set {
    struct machine *machine;
    struct sim *sim;
    uint32_t count;
    bool running;             /* as the news has it: what is on a core is being served */
    struct core_list on_core; /* in the order in which turns began */
    struct core_list queue;   /* in the order in which they came   */
    uint64_t slowness_ppb;    /* 0: full speed */
    sim_time busy_ns;         /* without what was served since `since` of each on a core */
};

static void core_list_append(struct core_list *list, struct core_user *user)
{
    user->previous = list->last;
    user->next = NULL;
    if (list->last != NULL) {
        list->last->next = user;
    } else {
        list->first = user;
    }
    list->last = user;
    list->count++;
}

static void core_list_remove(struct core_list *list, struct core_user *user)
{
    SIM_ASSERT(list->count > 0);
    if (user->previous != NULL) {
        user->previous->next = user->next;
    } else {
        SIM_ASSERT(list->first == user);
        list->first = user->next;
    }
    if (user->next != NULL) {
        user->next->previous = user->previous;
    } else {
        SIM_ASSERT(list->last == user);
        list->last = user->previous;
    }
    user->previous = NULL;
    user->next = NULL;
    list->count--;
}

/* ---- turns --------------------------------------------------------------------------------------------------------- */

/* The end of the turn that is in progress now. Turns that ended while nobody waited are not events, only multiples of the slice;
 * a turn that ends this very nanosecond is still the one in progress. */
static sim_time core_turn_end(const struct core_user *user)
{
    sim_time used = user->turn_used + (sim_now(user->cores->sim) - user->since);
    sim_time turns = used == 0 ? 1 : (used + CORE_SLICE_NS - 1) / CORE_SLICE_NS;
    return user->since + turns * CORE_SLICE_NS - user->turn_used;
}

/* Queues the event of a user on a core: when it is served or, if somebody waits, when its turn ends. */
static void core_arm(struct core_user *user)
{
    const struct core_set *cores = user->cores;
    sim_time at = user->since + user->demand;
    if (cores->queue.count > 0) {
        sim_time turn_end = core_turn_end(user);
        at = turn_end < at ? turn_end : at;
    }
    if (sim_event_time(cores->sim, user->event) != at) {
        sim_event_arm(cores->sim, user->event, at);
    }
}

/* Books what was served until now. */
static void core_account(struct core_user *user)
{
    struct core_set *cores = user->cores;
    sim_time now = sim_now(cores->sim);
    sim_time served = now - user->since;
    SIM_ASSERT(cores->running);
    SIM_ASSERT(served >= 0);
    SIM_ASSERT(served <= user->demand);
    cores->busy_ns += served;
    user->demand -= served;
    user->since = now;
    /* A turn just used up stays used up: whoever waits gets the core next, also if a freeze comes between. */
    user->turn_used += served;
    if (user->turn_used > CORE_SLICE_NS) {
        user->turn_used = (user->turn_used - 1) % CORE_SLICE_NS + 1;
    }
}

static void core_put_on(struct core_user *user)
{
    struct core_set *cores = user->cores;
    SIM_ASSERT(cores->on_core.count < cores->count);
    core_list_append(&cores->on_core, user);
    user->state = CORE_USER_ON_CORE;
    user->since = sim_now(cores->sim);
    user->turn_used = 0;
    if (cores->running) {
        core_arm(user);
    }
}

/* Gives a core that became free to the first in the queue. */
static void core_give_next(struct core_set *cores)
{
    struct core_user *next = cores->queue.first;
    if (next != NULL) {
        core_list_remove(&cores->queue, next);
        core_put_on(next);
    }
}

static void core_user_on_event(void *context)
{
    struct core_user *user = context;
    struct core_set *cores = user->cores;
    SIM_ASSERT(user->state == CORE_USER_ON_CORE);
    core_account(user);
    if (user->demand == 0) {
        core_list_remove(&cores->on_core, user);
        user->state = CORE_USER_IDLE;
        core_give_next(cores);
        user->done(user->context);
        return;
    }
    SIM_ASSERT(user->turn_used == CORE_SLICE_NS);
    user->turn_used = 0;
    if (cores->queue.count == 0) {
        /* Whoever waited when this was armed has got another core. */
        core_arm(user);
        return;
    }
    core_list_remove(&cores->on_core, user);
    core_list_append(&cores->queue, user);
    user->state = CORE_USER_QUEUED;
    core_give_next(cores);
}

/* ---- speed --------------------------------------------------------------------------------------------------------- */

__extension__ typedef unsigned __int128 core_wide;

/* What takes `ns` at speed `to`, at speed `from`; rounded up, so that nothing asked for becomes nothing. */
static sim_time core_stretch(sim_time ns, uint64_t from, uint64_t to)
{
    core_wide stretched = ((core_wide)(uint64_t)ns * from + to - 1) / to;
    return stretched < (core_wide)CORE_DEMAND_MAX ? (sim_time)stretched : CORE_DEMAND_MAX;
}

void core_set_slow(struct core_set *cores, uint64_t slowness_ppb)
{
    SIM_ASSERT(slowness_ppb < CORE_WHOLE);
    uint64_t before = CORE_WHOLE - cores->slowness_ppb, after = CORE_WHOLE - slowness_ppb;
    if (before == after) {
        return;
    }
    for (struct core_user *user = cores->on_core.first; user != NULL; user = user->next) {
        if (cores->running) {
            core_account(user);
        }
        user->demand = core_stretch(user->demand, before, after);
        if (cores->running) {
            core_arm(user);
        }
    }
    for (struct core_user *user = cores->queue.first; user != NULL; user = user->next) {
        user->demand = core_stretch(user->demand, before, after);
    }
    cores->slowness_ppb = slowness_ppb;
}

/* ---- users --------------------------------------------------------------------------------------------------------- */

void core_user_init(struct core_user *user, struct core_set *cores, sim_callback *done,
                    void *context)
{
    SIM_ASSERT(done != NULL);
    *user = (struct core_user){
        .cores = cores,
        .done = done,
        .context = context,
        .event =
            sim_event_new(cores->sim, machine_origin(cores->machine), core_user_on_event, user),
        .state = CORE_USER_IDLE,
    };
}

void core_user_close(struct core_user *user)
{
    (void)core_user_cancel(user);
    sim_event_free(user->cores->sim, user->event);
    user->event = SIM_NONE;
}

void core_user_demand(struct core_user *user, sim_time cpu_ns)
{
    struct core_set *cores = user->cores;
    SIM_ASSERT(user->state == CORE_USER_IDLE);
    SIM_ASSERT(cpu_ns >= 0);
    SIM_ASSERT(cpu_ns <= CORE_DEMAND_MAX);
    SIM_ASSERT(machine_is_on(cores->machine));
    user->demand = cpu_ns;
    if (SIM_UNLIKELY(cores->slowness_ppb != 0)) {
        user->demand = core_stretch(cpu_ns, CORE_WHOLE, CORE_WHOLE - cores->slowness_ppb);
    }
    if (cores->on_core.count < cores->count) {
        SIM_ASSERT(cores->queue.count == 0);
        core_put_on(user);
        return;
    }
    core_list_append(&cores->queue, user);
    user->state = CORE_USER_QUEUED;
    if (cores->queue.count == 1 && cores->running) {
        /* The first to wait: from now on the ends of turns count. */
        for (struct core_user *other = cores->on_core.first; other != NULL; other = other->next) {
            core_arm(other);
        }
    }
}

sim_time core_user_left(const struct core_user *user)
{
    bool served = user->state == CORE_USER_ON_CORE && user->cores->running;
    return user->demand - (served ? sim_now(user->cores->sim) - user->since : 0);
}

sim_time core_user_cancel(struct core_user *user)
{
    struct core_set *cores = user->cores;
    if (user->state == CORE_USER_ON_CORE) {
        if (cores->running) {
            core_account(user);
        }
        sim_event_cancel(cores->sim, user->event);
        core_list_remove(&cores->on_core, user);
        core_give_next(cores);
    } else if (user->state == CORE_USER_QUEUED) {
        core_list_remove(&cores->queue, user);
    }
    sim_time left = user->demand;
    if (SIM_UNLIKELY(cores->slowness_ppb != 0)) {
        left = core_stretch(left, CORE_WHOLE - cores->slowness_ppb, CORE_WHOLE);
    }
    user->state = CORE_USER_IDLE;
    user->demand = 0;
    return left;
}

/* ---- the set ------------------------------------------------------------------------------------------------------- */

struct core_set *core_set_new(struct machine *machine, uint32_t count)
{
    SIM_ASSERT(count > 0);
    struct core_set *cores = calloc(1, sizeof *cores);
    SIM_ASSERT(cores != NULL);
    cores->machine = machine;
    cores->sim = machine_sim(machine);
    cores->count = count;
    cores->running = machine_runs(machine);
    return cores;
}

void core_set_free(struct core_set *cores)
{
    SIM_ASSERT(cores->on_core.count == 0);
    SIM_ASSERT(cores->queue.count == 0);
    free(cores);
}

/* Books what was served, and lets nothing more be served. */
static void core_set_stop(struct core_set *cores)
{
    if (!cores->running) {
        return;
    }
    for (struct core_user *user = cores->on_core.first; user != NULL; user = user->next) {
        core_account(user);
        sim_event_cancel(cores->sim, user->event);
    }
    cores->running = false;
}

static void core_set_start(struct core_set *cores)
{
    SIM_ASSERT(!cores->running);
    cores->running = true;
    for (struct core_user *user = cores->on_core.first; user != NULL; user = user->next) {
        user->since = sim_now(cores->sim);
        core_arm(user);
    }
}

static void core_list_forget(struct core_list *list)
{
    while (list->first != NULL) {
        struct core_user *user = list->first;
        core_list_remove(list, user);
        user->state = CORE_USER_IDLE;
        user->demand = 0;
    }
}

void core_set_on_news(struct core_set *cores, enum machine_news news)
{
    switch (news) {
    case MACHINE_POWERED_ON:
        SIM_ASSERT(cores->on_core.count == 0);
        cores->running = machine_runs(cores->machine);
        break;
    case MACHINE_STARTED:
        core_set_start(cores);
        break;
    case MACHINE_STOPPED:
        core_set_stop(cores);
        break;
    case MACHINE_CRASHED:
        core_set_stop(cores);
        core_list_forget(&cores->on_core);
        core_list_forget(&cores->queue);
        break;
    }
}

uint32_t core_set_count(const struct core_set *cores)
{
    return cores->count;
}

sim_time core_set_busy_ns(const struct core_set *cores)
{
    sim_time busy_ns = cores->busy_ns;
    if (cores->running) {
        for (const struct core_user *user = cores->on_core.first; user != NULL; user = user->next) {
            busy_ns += sim_now(cores->sim) - user->since;
        }
    }
    return busy_ns;
}

uint32_t core_set_load(const struct core_set *cores)
{
    return cores->on_core.count + cores->queue.count;
}

void core_set_check(const struct core_set *cores)
{
    SIM_ASSERT(cores->on_core.count <= cores->count);
    SIM_ASSERT(cores->queue.count == 0 || cores->on_core.count == cores->count);
    SIM_ASSERT(cores->running == machine_runs(cores->machine));
    uint32_t count = 0;
    for (const struct core_user *user = cores->on_core.first; user != NULL; user = user->next) {
        SIM_ASSERT(user->cores == cores);
        SIM_ASSERT(user->state == CORE_USER_ON_CORE);
        SIM_ASSERT(user->turn_used <= CORE_SLICE_NS);
        SIM_ASSERT(sim_event_queued(cores->sim, user->event) == cores->running);
        if (cores->running) {
            SIM_ASSERT(sim_event_time(cores->sim, user->event) <= user->since + user->demand);
            SIM_ASSERT(cores->queue.count == 0 ||
                       sim_event_time(cores->sim, user->event) <= core_turn_end(user));
        }
        count++;
    }
    SIM_ASSERT(count == cores->on_core.count);
    count = 0;
    for (const struct core_user *user = cores->queue.first; user != NULL; user = user->next) {
        SIM_ASSERT(user->state == CORE_USER_QUEUED);
        SIM_ASSERT(!sim_event_queued(cores->sim, user->event));
        count++;
    }
    SIM_ASSERT(count == cores->queue.count);
}
