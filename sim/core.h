/* sim/core.h - the cores of a machine, and whoever wants processor time on them: tasks and vCPUs.
 *
 *        demand, a core is free ─────────────────────────────► on a core ──served──► idle, `done` is called
 *        demand, all are taken ──► queue ──first come──► ───────┘     │
 *                                    ▲                                │ its turn is over and others wait
 *                                    └────────────────────────────────┘
 *
 *  Q1. A user has at most one demand. A core serves one user at a time; none idles while a user is queued.
 *  Q2. A turn is CORE_SLICE_NS long, counted from when the user got the core. At its end the user goes behind all who wait; if
 *      nobody does, a new turn begins. Whoever comes in the middle of a turn waits for its end.
 *  Q3. Only turns that end while somebody waits cost an event: a demand served on a free core that nobody else wants costs exactly one.
 *  Q4. Turns that began and end together, end in the order in which they began. What else happens to meet in one nanosecond has the
 *      order in which the kernel was told of it (K2), which repeats and means nothing.
 *  Q5. While the machine stands still nothing is served; turns go on where they stood. A crash forgets all demands without `done`.
 *  Q6. Slowed cores serve a demand of t in t / (1 - slowness) of time: what is asked for is stretched as it is asked, and what is left of it as the
 *      slowness changes. Turns keep their length, and busy time counts what passes on a core. */
#ifndef ORRERY_SIM_CORE_H
#define ORRERY_SIM_CORE_H

#include "sim/machine.h"

#define CORE_SLICE_NS SIM_MS
#define CORE_WHOLE    UINT64_C(1000000000)

struct core_set;

/* The cores of a machine; `count` > 0. Its owner passes on the machine's news, to be told of crashes before the owners of
 * users act on them. Freed when no user has a demand, before the machine. */
struct core_set *core_set_new(struct machine *machine, uint32_t count);
void core_set_free(struct core_set *cores);
void core_set_on_news(struct core_set *cores, enum machine_news news);
uint32_t core_set_count(const struct core_set *cores);
/* Processor time served so far, in this and all incarnations before it. */
sim_time core_set_busy_ns(const struct core_set *cores);
/* Users on a core or waiting for one. */
uint32_t core_set_load(const struct core_set *cores);
/* The share of their speed that the cores lack from now on, in parts per billion, below CORE_WHOLE; 0: none. */
void core_set_slow(struct core_set *cores, uint64_t slowness_ppb);
/* Asserts Q1 to Q3 and the bookkeeping (O(users)). */
void core_set_check(const struct core_set *cores);

enum core_user_state { CORE_USER_IDLE, CORE_USER_QUEUED, CORE_USER_ON_CORE };

/* In its owner's structure; all fields are core.c's. */
struct core_user {
    struct core_set *cores;
    sim_callback *done; /* called when `demand` is served */
    void *context;
    sim_time demand;    /* processor time still to be served, as of `since` */
    sim_time since;     /* on a core since then, global */
    sim_time turn_used; /* what had passed of its turn at `since` */
    uint32_t event;
    uint8_t state; /* enum core_user_state */
    struct core_user *previous, *next;
};
void core_user_init(struct core_user *user, struct core_set *cores, sim_callback *done,
                    void *context);
void core_user_close(struct core_user *user);
/* Asks for `cpu_ns` >= 0 of a core; `done` is called when it was served, in an event of the machine's origin, and may ask again. One
 * demand at a time, of a machine that is on. */
void core_user_demand(struct core_user *user, sim_time cpu_ns);
/* What is left of its demand now; 0 without one. */
sim_time core_user_left(const struct core_user *user);
/* Takes the demand back, if there is one; what is left of it is returned. */
sim_time core_user_cancel(struct core_user *user);

#endif
