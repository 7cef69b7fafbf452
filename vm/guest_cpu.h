/* vm/guest_cpu.h - the processor time of a guest: what its vCPUs need of their host's cores, and what they do not get.
 *
 * A guest's work time is cut into periods of GUEST_CPU_PERIOD_NS. In each, every vCPU needs `load` times that of a core, which it asks for
 * at the period's beginning and shares with the node's software and with other vCPUs (sim/core.h). The work of a period may be
 * done at once, as its touches fall due; the next period begins when
 *
 *     its work time has passed ─► all its vCPUs were served ─► the hypervisor's pause is over ─► next period
 *         (10 ms at least)            (later on a busy host)        (throttled, or stolen)
 *
 *  G1. A guest whose vCPUs get what they need in time, and that nobody throttles, works at full speed; one without a load, and not throttled,
 *      costs nothing here: its period never ends.
 *  G2. What passes between the end of a period's work and the next period is stolen: machine time = start + late + lost + stolen + work.
 *      So all touches, and the work on requests, come as much later.
 *  G3. With a share s of its time a guest pauses for (1 - s) / s of a period after each period: as QEMU throttles vCPUs by putting each
 *      to sleep between slices of 10 ms (softmmu/cpu-throttle.c). Shares of hypervisor and faults multiply.
 *  G4. Periods, and what was asked for, belong to the host: a guest that arrives begins with the rest of its period. What was stolen,
 *      and served, so far belongs to the guest and moves with it.
 *  G5. While the VM stands still its demands are taken back, and made again for what was left. */
#ifndef ORRERY_VM_GUEST_CPU_H
#define ORRERY_VM_GUEST_CPU_H

#include "sim/core.h"

#define GUEST_CPU_PERIOD_NS (10 * SIM_MS)
#define GUEST_CPU_WHOLE     INT64_C(1000000000) /* a share of all its time */
#define GUEST_CPU_SHARE_MIN (GUEST_CPU_WHOLE / 1000)

/* Who takes time away. */
enum guest_cpu_taker { GUEST_CPU_HYPERVISOR, GUEST_CPU_FAULT, GUEST_CPU_TAKERS };

/* The cores of a host, as its guests see them. */
struct guest_cores {
    struct core_set *set; /* shared with the node's tasks; NULL: vCPUs need none */
    sim_time served_ns;   /* to vCPUs, without what is being served */
};

struct guest_vcpu {
    struct guest_cpu *cpu;
    struct core_user user;
    sim_time asked; /* in this period */
    bool held;      /* the VM stands still: `asked` is to be asked for again */
};

struct guest_cpu {
    struct machine *machine;     /* the guest's own */
    struct machine_timer *timer; /* the guest's: armed for the end of a pause */
    struct guest_cores *cores;
    int64_t load_ppb;
    uint32_t count; /* of vcpus; 0 without a load */
    struct guest_vcpu *vcpus;
    uint32_t outstanding; /* vCPUs not served yet */
    sim_time end;         /* work time at which the period ends; SIM_NEVER: it does not */
    sim_time since;       /* machine time since which it has not worked; SIM_NEVER: it works */
    sim_time stolen_ns;   /* without what passed since `since` */
    sim_time served_ns;   /* of processor time */
    sim_time began,
        last_ns; /* the period at hand, in machine time; how long the last whole one was */
    int64_t share[GUEST_CPU_TAKERS];
};

/* Borrows all; `timer` is armed only while the guest does not work. */
void guest_cpu_init(struct guest_cpu *cpu, struct machine *machine, struct machine_timer *timer,
                    struct guest_cores *cores, uint32_t vcpus, int64_t load_ppb);
void guest_cpu_close(struct guest_cpu *cpu);
/* Forgets demands and counters; shares stay. */
void guest_cpu_reset(struct guest_cpu *cpu);
/* A guest that is at `work` of its work time begins, or goes on after a change of shares: the rest of that period. */
void guest_cpu_begin(struct guest_cpu *cpu, sim_time work);
/* The work of a period is done. True: the next one has begun. False: the guest stands, until the timer fires. */
SIM_CHECKED bool guest_cpu_end_period(struct guest_cpu *cpu);
/* The timer fired while the guest stood: the next period begins. */
void guest_cpu_open(struct guest_cpu *cpu);
/* From GUEST_CPU_SHARE_MIN to GUEST_CPU_WHOLE; acts from the end of the period at hand on. */
void guest_cpu_set_share(struct guest_cpu *cpu, enum guest_cpu_taker taker, int64_t share_ppb);
/* The VM's machine, and not its host alone, was stopped or runs again. */
void guest_cpu_hold(struct guest_cpu *cpu);
void guest_cpu_resume(struct guest_cpu *cpu);
/* What of its time it may use, of GUEST_CPU_WHOLE. */
int64_t guest_cpu_share(const struct guest_cpu *cpu);
/* Stolen until now. */
sim_time guest_cpu_stolen(const struct guest_cpu *cpu);
/* Served until now; and of that, what is not yet in the counter of the host's cores. */
sim_time guest_cpu_served(const struct guest_cpu *cpu);
sim_time guest_cpu_being_served(const struct guest_cpu *cpu);
/* How long work of `work_ns` takes at the pace of the last period. */
sim_time guest_cpu_stretch(const struct guest_cpu *cpu, sim_time work_ns);
static inline bool guest_cpu_stands(const struct guest_cpu *cpu)
{
    return cpu->since != SIM_NEVER;
}
void guest_cpu_check(const struct guest_cpu *cpu);

#endif
