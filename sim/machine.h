/* sim/machine.h - power domains: what runs, what stands still, and what time it is there.
 *
 *                power_on                  crash / power_off
 *        ┌─────┐ ───────► ┌─────────┐ ───────────────────────► ┌─────┐
 *        │ off │          │ running │ ◄──thaw/resume──┐        │ off │
 *        └─────┘          └─────────┘ ─freeze/pause─► stopped  └─────┘
 *
 * Machines nest: a guest in its host. A machine runs if it is on, neither frozen nor paused, and its parent runs; a child
 * dies with its parent. What each event does to what (test table: tests/sim/machine_table.c):
 *
 *                    tasks    timers                     monotonic clock   memory   store   frames on the wire
 *    freeze          stop     stop, overdue ones fire    goes on           stays    stays   arrive, ring fills
 *                             in order at the thaw
 *    pause           stop     stop                       stops             stays    stays   arrive, ring fills
 *    crash           vanish   vanish                     vanishes          vanishes stays   arrive, are lost
 *    reboot          a new incarnation: crash, then power_on; its monotonic clock starts at 0
 *    drift           -        re-armed at the new rate   new rate          -        -       -
 *    step, offset    -        -                          -                 -        -       -       (wall clock only)
 *
 *  A1. Timers are kept in local monotonic time and re-armed when the clock's rate or the machine's state changes.
 *  A2. No timer or task of an old incarnation ever runs (DESIGN section 3).
 *  A3. Local time never goes backwards within an incarnation.
 *  A4. At the thaw overdue timers fire in the order of (local deadline, arming).
 *  A5. Wire and device events do not live here: they run on global time and look at machine_runs() themselves.
 *
 * Rates are parts per billion. local = base_local + (global - base_global) * (1e9 + drift_ppb) / 1e9, rounded down. */
#ifndef ORRERY_SIM_MACHINE_H
#define ORRERY_SIM_MACHINE_H

#include "sim/kernel.h"

#define SIM_MACHINE_DRIFT_PPB_MAX 500000000 /* half as fast again, or half as fast */

struct machine;

enum machine_state { MACHINE_OFF, MACHINE_ON };

/* What watchers are told, in the event in which it happens, in the order in which they were added (powering on, thaw, resume) or its
 * reverse (crash, freeze, pause). A child's watchers hear of its parent's crash first, of its thaw last. */
enum machine_news {
    MACHINE_POWERED_ON, /* a new incarnation has begun  */
    MACHINE_CRASHED,    /* power is gone: volatile state vanishes; also for an orderly power-off */
    MACHINE_STOPPED,    /* it ran, and does not any more: frozen or paused, or its parent        */
    MACHINE_STARTED,    /* it runs again                                                         */
};
typedef void machine_watcher(void *context, enum machine_news news);

/* A new machine, off. `origin` is that of its path; parent NULL for a host. Owned by the caller; machine_free also
 * takes it from its parent and crashes it first if it is on. */
struct machine *machine_new(struct sim *sim, struct machine *parent, uint32_t origin);
void machine_free(struct machine *machine);
void machine_watch(struct machine *machine, machine_watcher *watcher, void *context);
void machine_unwatch(struct machine *machine, machine_watcher *watcher, void *context);

void machine_power_on(struct machine *machine);  /* off, and the parent (if any) on */
void machine_crash(struct machine *machine);     /* on -> off, children first */
void machine_reboot(struct machine *machine);    /* crash, power_on in one event; children stay off */
void machine_freeze(struct machine *machine);    /* counts: as many thaws as freezes */
void machine_thaw(struct machine *machine);
void machine_pause(struct machine *machine);     /* counts as well */
void machine_resume(struct machine *machine);
void machine_set_drift(struct machine *machine, int32_t drift_ppb);
void machine_step_wall_clock(struct machine *machine, sim_time by_ns);
/* Sets the local monotonic clock of a machine that is on and has no armed timers: what vm_state_load does. */
void machine_set_monotonic(struct machine *machine, sim_time local_now);

bool machine_is_on(const struct machine *machine);
bool machine_runs(const struct machine *machine);
bool machine_is_paused(const struct machine *machine);
uint64_t machine_incarnation(const struct machine *machine); /* 0 before the first power_on */
struct sim *machine_sim(const struct machine *machine);
uint32_t machine_origin(const struct machine *machine);
struct machine *machine_parent(const struct machine *machine);
/* Local monotonic time since power_on, and wall-clock time (ns since 1970-01-01; every run starts at SIM_WALL_CLOCK_START plus the
 * machine's offset). 0 for a machine that is off. */
sim_time machine_now(const struct machine *machine);
sim_time machine_wall_clock(const struct machine *machine);
#define SIM_WALL_CLOCK_START INT64_C(1262304000000000000) /* 2010-01-01T00:00:00Z */

/* ---- timers ---------------------------------------------------------------------------------------------------------
 * A timer lives in its owner's structure and belongs to one machine. A crash disarms all of them without a callback. */
struct machine_timer {
    struct machine *machine;
    sim_callback *callback;
    void *context;
    sim_time deadline;      /* local monotonic; SIM_NEVER when disarmed */
    uint64_t sequence;      /* order of arming, for A4 */
    uint32_t event;
    struct machine_timer *previous, *next; /* armed timers of the machine */
};
void machine_timer_init(struct machine_timer *timer, struct machine *machine, sim_callback *callback, void *context);
void machine_timer_close(struct machine_timer *timer);
/* Arms or re-arms for local monotonic time `deadline` (in the past: as soon as the machine runs, in the next wave). */
void machine_timer_arm(struct machine_timer *timer, sim_time deadline);
void machine_timer_cancel(struct machine_timer *timer);
static inline bool machine_timer_armed(const struct machine_timer *timer)
{
    return timer->deadline != SIM_NEVER;
}

/* ---- ledger ---------------------------------------------------------------------------------------------------------
 * Memory that a machine's software obtained; a crash returns it at once. */
void *machine_alloc(struct machine *machine, size_t bytes); /* filled with zeroes; NULL when the limit is reached */
void machine_free_memory(struct machine *machine, void *memory);
size_t machine_ledger_bytes(const struct machine *machine);
void machine_set_ledger_limit(struct machine *machine, size_t bytes);

#endif
