/* sim/machine.h - power domains: what runs, what stands still, and what time it is there.
 *
 *                power_on                  crash / power_off
 *        ┌─────┐ ───────► ┌─────────┐ ───────────────────────► ┌─────┐
 *        │ off │          │ running │ ◄──thaw/resume──┐        │ off │
 *        └─────┘          └─────────┘ ─freeze/pause─► stopped  └─────┘
 *
 * Machines nest: a guest in its host. A machine runs if it is on, neither frozen nor paused, and its parent runs; a child
 * dies with its parent. What each event does to what (test: tests/machines/test_machine_table.c):
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
 * The wall clock is read from a battery-backed clock at power-on (global time and the machine's offset, which survives a reboot)
 * and then counted by the same oscillator as the monotonic clock: it drifts with it, and stands still in a pause.
 *
 *  A1. Timers are kept in local monotonic time and re-armed when the clock's rate or the machine's state changes.
 *  A2. No timer or task of an old incarnation ever runs (DESIGN section 3).
 *  A3. Local time never goes backwards within an incarnation.
 *  A4. At the thaw overdue timers fire in the order of (local deadline, arming), each in an event of its own. Otherwise timers
 *      that come due in the same nanosecond of global time fire in the order of arming.
 *  A5. Wire and device events do not live here: they run on global time and look at machine_runs() themselves.
 *  A6. Freezes and pauses belong to an incarnation: after a crash there are none. A thaw or resume that comes too late for
 *      its incarnation, and finds nothing to undo, does nothing; nor does a freeze or pause of a machine that is off.
 *  A7. A machine whose parent stands still, stands still in the same way: its clock goes on in a frozen parent and stops in a paused
 *      one. Its clock's rate is its own: the parent's drift does not touch it.
 *
 * Rates are parts per billion. local = base_local + (global - base_global) * (1e9 + drift_ppb) / 1e9, rounded down; what does not fill
 * a nanosecond when the rate changes is carried. */
#ifndef ORRERY_SIM_MACHINE_H
#define ORRERY_SIM_MACHINE_H

#include "sim/kernel.h"

#define SIM_MACHINE_DRIFT_PPB_MAX 500000000 /* half as fast again, or half as fast */

struct machine;

enum machine_state { MACHINE_OFF, MACHINE_ON };

/* What watchers are told, in the event in which it happens, in the order in which they were added (powering on, thaw, resume) or its
 * reverse (crash, freeze, pause). A child's watchers hear of its parent's crash first, of its thaw last. A machine that is
 * powered on under a parent that stands still hears POWERED_ON at once and STARTED later; a crash is not preceded by STOPPED.
 * At CRASHED the machine is off, its timers are disarmed, and its ledger still stands.
 * A watcher changes no state of its own machine or of those above, and frees no machine but those below. */
enum machine_news {
    MACHINE_POWERED_ON, /* a new incarnation has begun  */
    MACHINE_CRASHED,    /* power is gone: volatile state vanishes; also for an orderly power-off */
    MACHINE_STOPPED,    /* it ran, and does not any more: frozen or paused, or its parent        */
    MACHINE_STARTED,    /* it runs again                                                         */
};
typedef void machine_watcher(void *context, enum machine_news news);

/* A new machine, off. `origin` is that of its path; parent NULL for a host. Owned by the caller; machine_free also
 * takes it from its parent and crashes it first if it is on. What has timers, tasks or cores here is closed before. */
struct machine *machine_new(struct sim *sim, struct machine *parent, uint32_t origin);
void machine_free(struct machine *machine);
/* Adds a watcher, and takes away the one added last with both. From within a watcher: it hears, or not, the next news. */
void machine_watch(struct machine *machine, machine_watcher *watcher, void *context);
void machine_unwatch(struct machine *machine, machine_watcher *watcher, void *context);

void machine_power_on(struct machine *machine); /* off, and the parent (if any) on */
void machine_crash(struct machine *machine);    /* on -> off, children first */
void machine_reboot(struct machine *machine); /* crash, power_on in one event; children stay off */
void machine_freeze(struct machine *machine); /* counts: as many thaws as freezes */
void machine_thaw(struct machine *machine);
void machine_pause(struct machine *machine); /* counts as well */
void machine_resume(struct machine *machine);
/* The rate stays over reboots. Of a machine that is off, a step changes the offset that it will start with. */
void machine_set_drift(struct machine *machine, int32_t drift_ppb);
int32_t machine_drift(const struct machine *machine);
void machine_step_wall_clock(struct machine *machine, sim_time by_ns);
/* Sets the local monotonic clock forward (A3), of a machine that is on and has no armed timers: what vm_state_load does. The wall
 * clock is left as it is. */
void machine_set_monotonic(struct machine *machine, sim_time local_now);

bool machine_is_on(const struct machine *machine);
bool machine_runs(const struct machine *machine);
/* Itself, whatever its parent does. */
bool machine_is_paused(const struct machine *machine);
bool machine_is_frozen(const struct machine *machine);
uint64_t machine_incarnation(const struct machine *machine); /* 0 before the first power_on */
struct sim *machine_sim(const struct machine *machine);
uint32_t machine_origin(const struct machine *machine);
struct machine *machine_parent(const struct machine *machine);
/* Local monotonic time since power_on, and wall-clock time (ns since 1970-01-01; every run starts at SIM_WALL_CLOCK_START plus the
 * machine's offset). 0 for a machine that is off. */
sim_time machine_now(const struct machine *machine);
sim_time machine_wall_clock(const struct machine *machine);
#define SIM_WALL_CLOCK_START INT64_C(1262304000000000000) /* 2010-01-01T00:00:00Z */
/* The first instant of global time at which the local clock will show `local` (now, if it does already); SIM_NEVER if that is out of
 * reach or the clock stands. */
sim_time machine_global_time(const struct machine *machine, sim_time local);
/* Asserts all invariants of the machine and of its timers and ledger (O(n)). */
void machine_check(const struct machine *machine);

/* ---- timers ---------------------------------------------------------------------------------------------------------
 * A timer lives in its owner's structure and belongs to one machine, before whose end it is closed. A crash disarms all of them
 * without a callback. An armed timer of a running machine has one queued event of the kernel, made at its first arming and kept;
 * while the machine stands still, none. */
struct machine_timer {
    struct machine *machine;
    sim_callback *callback;
    void *context;
    sim_time deadline; /* local monotonic; SIM_NEVER when disarmed */
    uint64_t sequence; /* order of arming, for A4 */
    uint32_t event;
    struct machine_timer *previous, *next; /* armed timers of the machine */
};
void machine_timer_init(struct machine_timer *timer, struct machine *machine,
                        sim_callback *callback, void *context);
void machine_timer_close(struct machine_timer *timer);
/* Arms or re-arms for local monotonic time `deadline` (in the past: as soon as the machine runs, in the next wave); SIM_NEVER
 * disarms. The machine is on. */
void machine_timer_arm(struct machine_timer *timer, sim_time deadline);
void machine_timer_cancel(struct machine_timer *timer);
static inline bool machine_timer_armed(const struct machine_timer *timer)
{
    return timer->deadline != SIM_NEVER;
}

/* ---- ledger ---------------------------------------------------------------------------------------------------------
 * Memory that a machine's software obtained; a crash returns it at once. Only if the crash is called from a fiber (whose task may
 * be about to vanish, and holds some of it) the return is put off to the next wave: nobody can obtain it any more, and the
 * running code does not trip. */

/* Filled with zeroes, aligned for any type; NULL when the limit is reached, there is no memory, or the machine is off. */
void *machine_alloc(struct machine *machine, size_t bytes);
/* Gives back what machine_alloc of this machine's present incarnation returned; NULL is left as it is. */
void machine_free_memory(struct machine *machine, void *memory);
size_t machine_ledger_bytes(const struct machine *machine);  /* as asked for, without overhead */
size_t machine_ledger_blocks(const struct machine *machine); /* pieces that stand; O(n) */
/* There is none at first. What stands already may exceed it. */
void machine_set_ledger_limit(struct machine *machine, size_t bytes);

#endif
