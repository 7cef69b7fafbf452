/* sim/task.h - tasks of node software.
 *
 * A task is a fiber that belongs to a machine. It runs only while the machine runs; it dies with its incarnation, its stack
 * returned at once. It blocks on conditions with a deadline in local monotonic time, and can be cancelled: then the wait it is in,
 * and every later one, returns TASK_CANCELLED until it ends.
 *
 *        spawn ─► ready ◄──────────── wake ◄──┐
 *                   │  an event of its own    │ deadline, signal, cancel
 *                   ▼                         │
 *         ┌──► running ────── wait ──────► waiting
 *         │      │   │
 *         │      │   └─ pay ─► paying: a core serves its charge (sim/core.h)
 *         └──────┼──────────────┘
 *                ▼
 *              ended (kept until joined or detached, or the machine dies)
 *
 *  T1. One task of a run executes at a time, inside one event of its machine's origin.
 *  T2. Charged time is kept on a core: with as many runnable tasks and vCPUs as cores, charges run in parallel; with more, in turns of
 *      CORE_SLICE_NS, first come first served. A charge of a frozen machine goes on at the thaw. Code itself takes no
 *      simulated time, and so needs no core to run.
 *  T3. Small charges are gathered and paid before the task next acts on the world (its caller's task_pay), waits or ends. A wait has
 *      begun before it pays: what is signalled meanwhile is not lost.
 *  T4. A wait that a signal and a deadline end at once reports the signal: any signal that comes before the task has run again. A wait
 *      that was signalled is not cancelled any more, so that no signal is lost with it; the next one is.
 *  T5. Waiters wake in the order in which they began to wait, each in an event of its own.
 *  T6. At a crash no task of the machine runs again. Only the one in whose midst the crash is called, from whatever it called, goes on to its
 *      next wait, payment, or end, from which it does not return; its hooks were called at the crash, its stack is returned when it
 *      has been switched away from. It can spawn nothing. */
#ifndef ORRERY_SIM_TASK_H
#define ORRERY_SIM_TASK_H

#include "sim/core.h"
#include "sim/machine.h"

#define TASK_NAME_BYTES 32 /* with the final zero; longer names are cut */

struct task;
struct task_host; /* tasks and cores of one machine */

enum task_wake { TASK_SIGNALLED, TASK_TIMED_OUT, TASK_CANCELLED };

struct fiber_pool;

/* Tasks of `machine`, which has `cores` cores. Watches the machine: stops and kills tasks as it says. task_host_free kills what
 * lives as a crash would; it comes before that of the machine and of the pool, after the end of all users of its cores. */
struct task_host *task_host_new(struct machine *machine, uint32_t cores, struct fiber_pool *stacks);
void task_host_free(struct task_host *host);
uint32_t task_host_live(const struct task_host *host); /* tasks not ended */
struct machine *task_host_machine(const struct task_host *host);
/* The cores that the tasks share with vCPUs. Borrowed as long as the host. */
struct core_set *task_host_cores(const struct task_host *host);
/* Processor time served by this machine's cores so far. */
sim_time task_host_busy_ns(const struct task_host *host);
/* Asserts the invariants of all tasks and of the cores (O(n)). */
void task_host_check(const struct task_host *host);

/* Adds a hook, called in the event of the crash, before a task's stack goes: for what it held outside of the ledger. The newest is called first.
 * A hook wakes whom it likes, but neither blocks nor spawns. task_off_kill takes the newest with both away. */
void task_on_kill(struct task *task, void (*hook)(void *context), void *context);
void task_off_kill(struct task *task, void (*hook)(void *context), void *context);

/* Starts body(context) in the next wave. NULL where there is no stack for it or the machine is off. */
struct task *task_spawn(struct task_host *host, const char *name, void (*body)(void *context),
                        void *context);
/* Ends the wait it is in, and all that follow; what it pays for goes on. Of a task that ended: nothing. */
void task_cancel(struct task *task);
bool task_cancelled(const struct task *task);
bool task_ended(const struct task *task);
/* Waits until it ended, and forgets it. On a task of the same machine only; one at a time. A task that has ended already can be
 * joined also by one that is cancelled. */
enum task_wake task_join(struct task *task, sim_time deadline);
/* Forgets it as soon as it ends. */
void task_detach(struct task *task);
/* The task that is running; NULL outside. */
struct task *task_running(void);
struct task_host *task_host_of(const struct task *task);
const char *task_name(const struct task *task);

/* A queue of waiting tasks, in its owner's structure; all zero is empty. Its owner wakes all before it goes; a crash takes
 * the tasks that it kills out of whatever queue they stand in. */
struct task_queue {
    struct task *first, *last;
};
/* Blocks the running task until woken, `deadline` (local monotonic; SIM_NEVER for none), or cancelled. */
enum task_wake task_wait(struct task_queue *queue, sim_time deadline);
/* Wakes the first waiter, or all. Callable from tasks and from events. */
void task_wake_one(struct task_queue *queue);
void task_wake_all(struct task_queue *queue);
static inline bool task_queue_empty(const struct task_queue *queue)
{
    return queue->first == NULL;
}
/* Blocks until `deadline`, at least until the next wave: TASK_TIMED_OUT or TASK_CANCELLED. */
enum task_wake task_sleep_until(sim_time deadline);

/* Adds to the running task's debt of processor time. Does not block. */
void task_charge(sim_time cpu_ns);
/* All that the running task was charged with since it began, paid or not. */
sim_time task_charged(void);
/* Keeps a core for the debt and returns when it is paid; at once if there is none. Blocks, and is not cancelled. */
void task_pay(void);

#endif
