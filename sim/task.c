#include "sim/task.h"

#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "sim/fiber.h"

/* A cancelled task whose waits all return at once must come to its end; one that does not is a livelock inside an event. */
#define TASK_CANCELLED_WAITS_MAX 100000

/*   from       to         by
 *   free       ready      task_spawn
 *   ready      running    its event (task_on_ready)
 *   running    waiting    task_wait, task_sleep_until
 *   running    paying     task_pay
 *   running    ended      its body returned
 *   waiting    ready      task_wake_*, deadline (task_on_deadline), task_cancel
 *   waiting    running    deadline of a sleep, which nothing can signal
 *   paying     running    a core served it (task_on_paid)
 *   any        free       crash; join and detach of an ended one   */
enum task_state {
    TASK_FREE,
    TASK_READY,
    TASK_RUNNING,
    TASK_WAITING,
    TASK_PAYING,
    TASK_ENDED,
    TASK_STATES
};

static const bool task_moves[TASK_STATES][TASK_STATES] = {
    [TASK_FREE] = {[TASK_READY] = true},
    [TASK_READY] = {[TASK_RUNNING] = true, [TASK_FREE] = true},
    [TASK_RUNNING] =
        {[TASK_WAITING] = true, [TASK_PAYING] = true, [TASK_ENDED] = true, [TASK_FREE] = true},
    [TASK_WAITING] = {[TASK_READY] = true, [TASK_RUNNING] = true, [TASK_FREE] = true},
    [TASK_PAYING] = {[TASK_RUNNING] = true, [TASK_FREE] = true},
    [TASK_ENDED] = {[TASK_FREE] = true},
};

/* How far the wait of a task has come. */
enum task_progress {
    TASK_NOT_WAITING,
    TASK_PENDING,     /* nothing ended it yet                              */
    TASK_OVERDUE,     /* its deadline did; a signal may still overrule (T4) */
    TASK_WOKEN,       /* a signal did                                      */
    TASK_INTERRUPTED, /* task_cancel did                                   */
};

struct task_hook {
    void (*hook)(void *context);
    void *context;
    struct task_hook *next;
};

struct task {
    struct task_host *host;
    char name[TASK_NAME_BYTES];
    void (*body)(void *context);
    void *context;
    struct fiber *fiber; /* NULL when it has ended */
    enum task_state state;
    enum task_progress progress;
    bool cancelled;
    bool detached;
    bool doomed; /* its incarnation is gone, and it has not been switched away from yet (T6) */
    uint32_t cancelled_waits;
    sim_time debt;
    sim_time charged; /* since it began, the debt included */
    struct core_user core;
    struct machine_timer timer; /* deadline of the wait                */
    uint32_t event;             /* runs it when it is ready            */
    struct task_hook *hooks;    /* newest first                        */
    struct task_queue joiners;
    struct task_queue *queue; /* where it waits; NULL if nowhere */
    struct task *queue_previous, *queue_next;
    struct task *ready_next;
    struct task *previous,
        *next; /* all tasks of the host, in the order of their spawning; free ones by next */
};

struct task_host {
    struct machine *machine;
    struct sim *sim;
    struct fiber_pool *stacks;
    struct core_set *cores;
    struct task *first, *last;
    struct task *first_ready, *last_ready; /* in the order in which they became so */
    struct task *free;                     /* to be used again, with their events   */
    struct task_hook *free_hooks;
    uint32_t live;
    bool killing; /* nothing becomes ready any more */
};

static struct task *running;

static void task_move(struct task *task, enum task_state to)
{
    SIM_ASSERT(task_moves[task->state][to]);
    task->state = to;
}

/* The running task, for calls that only a task may make. */
static struct task *task_self(void)
{
    SIM_ASSERT(running != NULL);
    SIM_ASSERT(running->state == TASK_RUNNING);
    return running;
}

/* ---- queues -------------------------------------------------------------------------------------------------------- */

static void task_enqueue(struct task *task, struct task_queue *queue)
{
    SIM_ASSERT(task->queue == NULL);
    task->queue = queue;
    task->queue_previous = queue->last;
    task->queue_next = NULL;
    if (queue->last != NULL) {
        queue->last->queue_next = task;
    } else {
        queue->first = task;
    }
    queue->last = task;
}

static void task_dequeue(struct task *task)
{
    struct task_queue *queue = task->queue;
    if (queue == NULL) {
        return;
    }
    if (task->queue_previous != NULL) {
        task->queue_previous->queue_next = task->queue_next;
    } else {
        SIM_ASSERT(queue->first == task);
        queue->first = task->queue_next;
    }
    if (task->queue_next != NULL) {
        task->queue_next->queue_previous = task->queue_previous;
    } else {
        SIM_ASSERT(queue->last == task);
        queue->last = task->queue_previous;
    }
    task->queue = NULL;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

static void task_arm_ready(struct task *task)
{
    struct sim *sim = task->host->sim;
    sim_event_arm(sim, task->event, sim_now(sim));
}

static void task_make_ready(struct task *task)
{
    struct task_host *host = task->host;
    if (host->killing) {
        return;
    }
    task_move(task, TASK_READY);
    task->ready_next = NULL;
    if (host->last_ready != NULL) {
        host->last_ready->ready_next = task;
    } else {
        host->first_ready = task;
    }
    host->last_ready = task;
    if (machine_runs(host->machine)) {
        task_arm_ready(task);
    }
}

static void task_forget_hooks(struct task *task)
{
    while (task->hooks != NULL) {
        struct task_hook *hook = task->hooks;
        task->hooks = hook->next;
        hook->next = task->host->free_hooks;
        task->host->free_hooks = hook;
    }
}

/* Returns what is left of its stack and its structure; the last that happens to a task. */
static void task_recycle(struct task *task)
{
    struct task_host *host = task->host;
    SIM_ASSERT(task != running);
    SIM_ASSERT(task->queue == NULL);
    SIM_ASSERT(task->core.state == CORE_USER_IDLE);
    SIM_ASSERT(!machine_timer_armed(&task->timer));
    if (task->fiber != NULL) {
        fiber_free(task->fiber);
        task->fiber = NULL;
    }
    task_forget_hooks(task);
    task_move(task, TASK_FREE);
    task->next = host->free;
    host->free = task;
}

static void task_unlink(struct task *task)
{
    struct task_host *host = task->host;
    if (task->previous != NULL) {
        task->previous->next = task->next;
    } else {
        SIM_ASSERT(host->first == task);
        host->first = task->next;
    }
    if (task->next != NULL) {
        task->next->previous = task->previous;
    } else {
        SIM_ASSERT(host->last == task);
        host->last = task->previous;
    }
}

static void task_end(struct task *task)
{
    SIM_ASSERT(task->debt == 0);
    SIM_ASSERT(task->host->live > 0);
    task->host->live--;
    task_move(task, TASK_ENDED);
    fiber_free(task->fiber);
    task->fiber = NULL;
    task_forget_hooks(task);
    if (task->detached) {
        SIM_ASSERT(task_queue_empty(&task->joiners));
        task_unlink(task);
        task_recycle(task);
        return;
    }
    task_wake_all(&task->joiners);
}

/* Switches to the task until it blocks or ends. */
static void task_run(struct task *task)
{
    SIM_ASSERT(running == NULL);
    SIM_ASSERT(machine_runs(task->host->machine));
    task_move(task, TASK_RUNNING);
    running = task;
    fiber_resume(task->fiber);
    running = NULL;
    if (task->doomed) {
        task_recycle(task);
    } else if (fiber_done(task->fiber)) {
        task_end(task);
    }
}

static void task_on_ready(void *context)
{
    struct task *task = context;
    struct task_host *host = task->host;
    SIM_ASSERT(host->first_ready == task);
    host->first_ready = task->ready_next;
    if (host->first_ready == NULL) {
        host->last_ready = NULL;
    }
    task_run(task);
}

static void task_on_deadline(void *context)
{
    struct task *task = context;
    SIM_ASSERT(task->state == TASK_WAITING);
    SIM_ASSERT(task->progress == TASK_PENDING);
    task->progress = TASK_OVERDUE;
    if (task->queue == NULL) {
        task_run(task);
    } else {
        task_make_ready(task);
    }
}

static void task_on_paid(void *context)
{
    struct task *task = context;
    SIM_ASSERT(task->state == TASK_PAYING);
    task_run(task);
}

/* The lowest function on a task's stack. */
static void task_main(void *context)
{
    struct task *task = context;
    SIM_ASSERT(task == running);
    task->body(task->context);
    task_pay();
}

/* Leaves the stack of the running task until it is run again. */
static void task_block(struct task *task, enum task_state state)
{
    task_move(task, state);
    fiber_yield();
    SIM_ASSERT(task == running);
    SIM_ASSERT(task->state == TASK_RUNNING);
}

/* Where a task whose incarnation is gone stops for ever; task_run returns its stack. */
static void task_vanish(const struct task *task)
{
    SIM_ASSERT(task->doomed);
    fiber_yield();
    sim_assert_failed("a task outlived its incarnation", __FILE__, __LINE__);
}

/* ---- charges ------------------------------------------------------------------------------------------------------- */

void task_charge(sim_time cpu_ns)
{
    struct task *task = task_self();
    SIM_ASSERT(cpu_ns >= 0);
    SIM_ASSERT(cpu_ns < SIM_NEVER / 4 - task->debt);
    task->debt += cpu_ns;
    task->charged += cpu_ns;
}

sim_time task_charged(void)
{
    return task_self()->charged;
}

void task_pay(void)
{
    struct task *task = task_self();
    if (task->doomed) {
        task_vanish(task);
    }
    if (task->debt == 0) {
        return;
    }
    sim_time debt = task->debt;
    task->debt = 0;
    core_user_demand(&task->core, debt);
    task_block(task, TASK_PAYING);
}

/* ---- waiting ------------------------------------------------------------------------------------------------------- */

/* Waits in `queue`, or for nothing but the deadline where it is NULL. */
static enum task_wake task_wait_in(struct task_queue *queue, sim_time deadline)
{
    struct task *task = task_self();
    if (task->cancelled || task->doomed) {
        task_pay();
        SIM_ASSERT(task->cancelled_waits < TASK_CANCELLED_WAITS_MAX);
        task->cancelled_waits++;
        return TASK_CANCELLED;
    }
    task->progress = TASK_PENDING;
    if (queue != NULL) {
        task_enqueue(task, queue);
    }
    task_pay();
    if (task->progress == TASK_PENDING) {
        machine_timer_arm(&task->timer, deadline);
        task_block(task, TASK_WAITING);
    }
    enum task_progress progress = task->progress;
    task->progress = TASK_NOT_WAITING;
    task_dequeue(task);
    SIM_ASSERT(!machine_timer_armed(&task->timer));
    switch (progress) {
    case TASK_WOKEN:
        return TASK_SIGNALLED;
    case TASK_OVERDUE:
        return TASK_TIMED_OUT;
    default:
        SIM_ASSERT(progress == TASK_INTERRUPTED);
        return TASK_CANCELLED;
    }
}

enum task_wake task_wait(struct task_queue *queue, sim_time deadline)
{
    SIM_ASSERT(queue != NULL);
    return task_wait_in(queue, deadline);
}

enum task_wake task_sleep_until(sim_time deadline)
{
    return task_wait_in(NULL, deadline);
}

/* Ends the wait of a task, which may still be paying before it, or be ready because of its deadline. */
static void task_end_wait(struct task *task, enum task_progress progress)
{
    SIM_ASSERT(task->progress == TASK_PENDING || task->progress == TASK_OVERDUE);
    task->progress = progress;
    task_dequeue(task);
    if (task->state == TASK_WAITING) {
        machine_timer_cancel(&task->timer);
        task_make_ready(task);
    }
}

void task_wake_one(struct task_queue *queue)
{
    if (queue->first != NULL) {
        SIM_ASSERT(queue->first->queue == queue);
        task_end_wait(queue->first, TASK_WOKEN);
    }
}

void task_wake_all(struct task_queue *queue)
{
    while (queue->first != NULL) {
        task_wake_one(queue);
    }
}

void task_cancel(struct task *task)
{
    SIM_ASSERT(task->state != TASK_FREE || task->doomed);
    if (task->state == TASK_ENDED) {
        return;
    }
    task->cancelled = true;
    if (task->progress == TASK_PENDING || task->progress == TASK_OVERDUE) {
        task_end_wait(task, TASK_INTERRUPTED);
    }
}

bool task_cancelled(const struct task *task)
{
    return task->cancelled;
}

/* ---- a task's life ------------------------------------------------------------------------------------------------- */

/* A free structure, or a new one; NULL without memory. */
static struct task *task_obtain(struct task_host *host)
{
    struct task *task = host->free;
    if (task != NULL) {
        SIM_ASSERT(task->state == TASK_FREE);
        host->free = task->next;
        return task;
    }
    task = calloc(1, sizeof *task);
    if (task == NULL) {
        return NULL;
    }
    task->host = host;
    task->event = sim_event_new(host->sim, machine_origin(host->machine), task_on_ready, task);
    machine_timer_init(&task->timer, host->machine, task_on_deadline, task);
    core_user_init(&task->core, host->cores, task_on_paid, task);
    return task;
}

struct task *task_spawn(struct task_host *host, const char *name, void (*body)(void *context),
                        void *context)
{
    SIM_ASSERT(body != NULL);
    bool doomed = running != NULL && running->doomed && running->host == host;
    if (doomed || host->killing || !machine_is_on(host->machine)) {
        return NULL;
    }
    struct task *task = task_obtain(host);
    if (task == NULL) {
        return NULL;
    }
    task->fiber = fiber_new(host->stacks, task_main, task);
    if (task->fiber == NULL) {
        task->next = host->free;
        host->free = task;
        return NULL;
    }
    size_t length = strnlen(name, TASK_NAME_BYTES - 1);
    memcpy(task->name, name, length);
    task->name[length] = '\0';
    task->body = body;
    task->context = context;
    task->progress = TASK_NOT_WAITING;
    task->cancelled = false;
    task->detached = false;
    task->doomed = false;
    task->cancelled_waits = 0;
    task->debt = 0;
    task->joiners = (struct task_queue){NULL, NULL};
    task->previous = host->last;
    task->next = NULL;
    if (host->last != NULL) {
        host->last->next = task;
    } else {
        host->first = task;
    }
    host->last = task;
    host->live++;
    task_make_ready(task);
    return task;
}

bool task_ended(const struct task *task)
{
    return task->state == TASK_ENDED;
}

enum task_wake task_join(struct task *task, sim_time deadline)
{
    const struct task *self = task_self();
    if (!self->doomed && task->state != TASK_ENDED) {
        SIM_ASSERT(task != self);
        SIM_ASSERT(task->host == self->host);
        SIM_ASSERT(!task->detached);
        SIM_ASSERT(task_queue_empty(&task->joiners));
        enum task_wake wake = task_wait(&task->joiners, deadline);
        if (wake != TASK_SIGNALLED) {
            return wake;
        }
    }
    task_pay();
    SIM_ASSERT(task->state == TASK_ENDED);
    task_unlink(task);
    task_recycle(task);
    return TASK_SIGNALLED;
}

void task_detach(struct task *task)
{
    SIM_ASSERT(!task->detached);
    SIM_ASSERT(task_queue_empty(&task->joiners));
    task->detached = true;
    if (task->state == TASK_ENDED) {
        task_unlink(task);
        task_recycle(task);
    }
}

struct task *task_running(void)
{
    return running;
}

struct task_host *task_host_of(const struct task *task)
{
    return task->host;
}

const char *task_name(const struct task *task)
{
    return task->name;
}

void task_on_kill(struct task *task, void (*hook)(void *context), void *context)
{
    struct task_host *host = task->host;
    SIM_ASSERT(hook != NULL);
    if (task->doomed) {
        /* Its crash is over: what it comes to hold now goes at once. */
        hook(context);
        return;
    }
    SIM_ASSERT(task->state != TASK_FREE);
    SIM_ASSERT(task->state != TASK_ENDED);
    struct task_hook *entry = host->free_hooks;
    if (entry != NULL) {
        host->free_hooks = entry->next;
    } else {
        entry = malloc(sizeof *entry);
        SIM_ASSERT(entry != NULL);
    }
    *entry = (struct task_hook){.hook = hook, .context = context, .next = task->hooks};
    task->hooks = entry;
}

void task_off_kill(struct task *task, void (*hook)(void *context), void *context)
{
    if (task->doomed) {
        return;
    }
    struct task_hook **link = &task->hooks;
    while (*link != NULL && ((*link)->hook != hook || (*link)->context != context)) {
        link = &(*link)->next;
    }
    struct task_hook *entry = *link;
    SIM_ASSERT(entry != NULL);
    *link = entry->next;
    entry->next = task->host->free_hooks;
    task->host->free_hooks = entry;
}

/* ---- hosts --------------------------------------------------------------------------------------------------------- */

/* Takes a task out of everything that might touch it; its stack still stands. */
static void task_disconnect(struct task *task)
{
    task_dequeue(task);
    task->progress = TASK_NOT_WAITING;
    task->joiners = (struct task_queue){NULL, NULL};
    machine_timer_cancel(&task->timer);
    sim_event_cancel(task->host->sim, task->event);
    (void)core_user_cancel(&task->core);
}

/* Hooks first, for they may need other tasks' stacks; then every queue, for a queue may stand on another task's stack; stacks
 * last. The running task keeps its own until task_run has it back (T6). */
static void task_host_kill(struct task_host *host)
{
    host->killing = true;
    for (struct task *task = host->first; task != NULL; task = task->next) {
        while (task->hooks != NULL) {
            struct task_hook *entry = task->hooks;
            struct task_hook copy = *entry;
            task->hooks = entry->next;
            entry->next = host->free_hooks;
            host->free_hooks = entry;
            copy.hook(copy.context);
        }
    }
    for (struct task *task = host->first; task != NULL; task = task->next) {
        task_disconnect(task);
    }
    while (host->first != NULL) {
        struct task *task = host->first;
        task_unlink(task);
        if (task == running) {
            task->doomed = true;
            task->debt = 0;
        } else {
            task_recycle(task);
        }
    }
    host->first_ready = NULL;
    host->last_ready = NULL;
    host->live = 0;
    host->killing = false;
}

static void task_host_on_news(void *context, enum machine_news news)
{
    struct task_host *host = context;
    core_set_on_news(host->cores, news);
    switch (news) {
    case MACHINE_POWERED_ON:
        SIM_ASSERT(host->first == NULL);
        break;
    case MACHINE_STARTED:
        for (struct task *task = host->first_ready; task != NULL; task = task->ready_next) {
            task_arm_ready(task);
        }
        break;
    case MACHINE_STOPPED:
        for (struct task *task = host->first_ready; task != NULL; task = task->ready_next) {
            sim_event_cancel(host->sim, task->event);
        }
        break;
    case MACHINE_CRASHED:
        task_host_kill(host);
        break;
    }
}

struct task_host *task_host_new(struct machine *machine, uint32_t cores, struct fiber_pool *stacks)
{
    struct task_host *host = calloc(1, sizeof *host);
    SIM_ASSERT(host != NULL);
    host->machine = machine;
    host->sim = machine_sim(machine);
    host->stacks = stacks;
    host->cores = core_set_new(machine, cores);
    machine_watch(machine, task_host_on_news, host);
    return host;
}

void task_host_free(struct task_host *host)
{
    SIM_ASSERT(running == NULL || running->host != host);
    machine_unwatch(host->machine, task_host_on_news, host);
    task_host_kill(host);
    while (host->free != NULL) {
        struct task *task = host->free;
        host->free = task->next;
        machine_timer_close(&task->timer);
        core_user_close(&task->core);
        sim_event_free(host->sim, task->event);
        free(task);
    }
    while (host->free_hooks != NULL) {
        struct task_hook *hook = host->free_hooks;
        host->free_hooks = hook->next;
        free(hook);
    }
    core_set_free(host->cores);
    free(host);
}

uint32_t task_host_live(const struct task_host *host)
{
    return host->live;
}

struct machine *task_host_machine(const struct task_host *host)
{
    return host->machine;
}

struct core_set *task_host_cores(const struct task_host *host)
{
    return host->cores;
}

sim_time task_host_busy_ns(const struct task_host *host)
{
    return core_set_busy_ns(host->cores);
}

/* What must hold of one task in its state. */
static void task_check(const struct task *task)
{
    const struct task_host *host = task->host;
    bool waits = task->progress == TASK_PENDING || task->progress == TASK_OVERDUE;
    SIM_ASSERT(task->state != TASK_FREE);
    SIM_ASSERT(!task->doomed);
    SIM_ASSERT((task->state == TASK_RUNNING) == (task == running));
    SIM_ASSERT((task->state == TASK_ENDED) == (task->fiber == NULL));
    SIM_ASSERT((task->state == TASK_PAYING) == (task->core.state != CORE_USER_IDLE));
    SIM_ASSERT(task->state != TASK_WAITING || task->progress == TASK_PENDING);
    SIM_ASSERT(task->queue == NULL || waits);
    SIM_ASSERT(!machine_timer_armed(&task->timer) || task->state == TASK_WAITING);
    SIM_ASSERT(sim_event_queued(host->sim, task->event) ==
               (task->state == TASK_READY && machine_runs(host->machine)));
}

void task_host_check(const struct task_host *host)
{
    uint32_t live = 0;
    uint32_t ready = 0;
    const struct task *previous = NULL;
    for (const struct task *task = host->first; task != NULL; task = task->next) {
        SIM_ASSERT(task->host == host);
        SIM_ASSERT(task->previous == previous);
        task_check(task);
        live += task->state != TASK_ENDED;
        ready += task->state == TASK_READY;
        previous = task;
    }
    SIM_ASSERT(host->last == previous);
    SIM_ASSERT(live == host->live);
    for (const struct task *task = host->first_ready; task != NULL; task = task->ready_next) {
        SIM_ASSERT(task->state == TASK_READY);
        SIM_ASSERT(ready > 0);
        ready--;
    }
    SIM_ASSERT(ready == 0);
    core_set_check(host->cores);
}
