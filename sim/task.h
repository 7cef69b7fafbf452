/* sim/task.h - tasks of node software, and the cores they share.
 *
 * A task is a fiber that belongs to a machine. It runs only while the machine runs; it dies with its incarnation, its stack
 * returned at once. It blocks on conditions with a deadline in local monotonic time, and can be cancelled: then the wait it is in,
 * and every later one, returns TASK_CANCELLED until it ends.
 *
 *        spawn ─► ready ◄─────────── wake ◄──┐
 *                   │  core free             │ deadline, signal, cancel
 *                   ▼                        │
 *                running ── wait ──► waiting ┘
 *                   │  charge: keeps a core for that long; 1 ms at a time where others wait
 *                   ▼
 *                 ended (kept until joined or the machine dies)
 *
 *  T1. One task of a run executes at a time, inside one event of its machine's origin.
 *  T2. Charged time is kept on a core: with as many runnable tasks and vCPUs as cores, charges run in parallel; with more, in turns of
 *      CORE_SLICE_NS, first come first served. A charge of a frozen machine goes on at the thaw.
 *  T3. Small charges are gathered and paid before the task next acts on the world or waits: task_pay.
 *  T4. A wait that a signal and a deadline end at once reports the signal.
 *  T5. Waiters wake in the order in which they began to wait, each in an event of its own. */
#ifndef ORRERY_SIM_TASK_H
#define ORRERY_SIM_TASK_H

#include "sim/machine.h"

#define CORE_SLICE_NS SIM_MS

struct task;
struct task_host; /* tasks and cores of one machine */

enum task_wake { TASK_SIGNALLED, TASK_TIMED_OUT, TASK_CANCELLED };

struct fiber_pool;

/* Tasks of `machine`, which has `cores` cores. Watches the machine: stops and kills tasks as it says. */
struct task_host *task_host_new(struct machine *machine, uint32_t cores, struct fiber_pool *stacks);
void task_host_free(struct task_host *host);
uint32_t task_host_live(const struct task_host *host); /* tasks not ended */
struct machine *task_host_machine(const struct task_host *host);
/* Called in the event of the crash, before a task's stack goes: for what it held outside of the ledger. */
void task_on_kill(struct task *task, void (*hook)(void *context), void *context);

/* Starts body(context) in the next wave. NULL where there is no stack for it or the machine is off. */
struct task *task_spawn(struct task_host *host, const char *name, void (*body)(void *context), void *context);
void task_cancel(struct task *task);
bool task_cancelled(const struct task *task);
bool task_ended(const struct task *task);
/* Waits until it ended, and forgets it. On a task only. */
enum task_wake task_join(struct task *task, sim_time deadline);
/* Forgets it as soon as it ends. */
void task_detach(struct task *task);
/* The task that is running; NULL outside. */
struct task *task_running(void);
struct task_host *task_host_of(const struct task *task);
const char *task_name(const struct task *task);

/* A queue of waiting tasks, in its owner's structure. */
struct task_queue {
    struct task *first, *last;
};
/* Blocks the running task until woken, `deadline` (local monotonic), or cancelled. */
enum task_wake task_wait(struct task_queue *queue, sim_time deadline);
/* Wakes the first waiter, or all. Callable from tasks and from events. */
void task_wake_one(struct task_queue *queue);
void task_wake_all(struct task_queue *queue);
enum task_wake task_sleep_until(sim_time deadline);

/* Adds to the running task's debt of processor time. Does not block. */
void task_charge(sim_time cpu_ns);
/* Keeps a core for the debt and returns when it is paid. Blocks. */
void task_pay(void);

/* ---- vCPUs and other consumers of cores that are not tasks ---- */
struct core_user {
    struct task_host *host;
    sim_callback *done; /* called when `demand` is served */
    void *context;
    sim_time demand;    /* processor time still to be served */
    sim_time since;     /* on a core since then, global */
    uint8_t state;
    uint32_t event;
    struct core_user *next;
};
void core_user_init(struct core_user *user, struct task_host *host, sim_callback *done, void *context);
void core_user_close(struct core_user *user);
/* Asks for `cpu_ns` of a core; `done` is called when it was served. One demand at a time. */
void core_user_demand(struct core_user *user, sim_time cpu_ns);
void core_user_cancel(struct core_user *user);
/* Processor time served by this machine's cores so far. */
sim_time task_host_busy_ns(const struct task_host *host);

#endif
