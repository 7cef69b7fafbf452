#include "vm/guest_cpu.h"

#include "sim/assert.h"

#include <stdlib.h>

__extension__ typedef __int128 cpu_int128;

static sim_time scaled(sim_time value, int64_t by, int64_t of)
{
    return (sim_time)((cpu_int128)value * by / of);
}

int64_t guest_cpu_share(const struct guest_cpu *cpu)
{
    return scaled(cpu->share[GUEST_CPU_HYPERVISOR], cpu->share[GUEST_CPU_FAULT], GUEST_CPU_WHOLE);
}

/* How long it pauses behind each period (G3). */
static sim_time pause_of(const struct guest_cpu *cpu)
{
    int64_t share = guest_cpu_share(cpu);
    return scaled(GUEST_CPU_PERIOD_NS, GUEST_CPU_WHOLE - share, share);
}

/* Work and service are done; the pause begins, and the timer ends it. It is armed also where there is none: the machine may stand still. */
static void pause_then_open(struct guest_cpu *cpu)
{
    machine_timer_arm(cpu->timer, machine_now(cpu->machine) + pause_of(cpu));
}

/* Books what a vCPU was served: all but `left` of what it asked for. */
static void book(struct guest_vcpu *vcpu, sim_time left)
{
    sim_time served = vcpu->asked - left;
    SIM_ASSERT(served >= 0);
    vcpu->asked = left;
    vcpu->cpu->served_ns += served;
    vcpu->cpu->cores->served_ns += served;
}

static void on_served(void *context)
{
    struct guest_vcpu *vcpu = context;
    struct guest_cpu *cpu = vcpu->cpu;
    SIM_ASSERT(cpu->outstanding > 0);
    book(vcpu, 0);
    cpu->outstanding--;
    if (cpu->outstanding == 0 && guest_cpu_stands(cpu)) {
        pause_then_open(cpu);
    }
}

/* A period of which `left` of its work time is left. */
static void begin_period(struct guest_cpu *cpu, sim_time left)
{
    SIM_ASSERT(cpu->outstanding == 0);
    SIM_ASSERT(left > 0 && left <= GUEST_CPU_PERIOD_NS);
    cpu->began = machine_now(cpu->machine);
    for (uint32_t i = 0; i < cpu->count; i++) {
        struct guest_vcpu *vcpu = &cpu->vcpus[i];
        vcpu->asked = scaled(left, cpu->load_ppb, GUEST_CPU_WHOLE);
        cpu->outstanding++;
        core_user_demand(&vcpu->user, vcpu->asked);
    }
}

void guest_cpu_begin(struct guest_cpu *cpu, sim_time work)
{
    SIM_ASSERT(work >= 0);
    SIM_ASSERT(!guest_cpu_stands(cpu));
    bool gated = cpu->count > 0 || guest_cpu_share(cpu) < GUEST_CPU_WHOLE;
    if (!gated || cpu->end != SIM_NEVER) {
        return;
    }
    cpu->end = (work / GUEST_CPU_PERIOD_NS + 1) * GUEST_CPU_PERIOD_NS;
    begin_period(cpu, cpu->end - work);
}

static void next_period(struct guest_cpu *cpu)
{
    bool gated = cpu->count > 0 || guest_cpu_share(cpu) < GUEST_CPU_WHOLE;
    cpu->last_ns = machine_now(cpu->machine) - cpu->began;
    cpu->last_ns = cpu->last_ns > GUEST_CPU_PERIOD_NS ? cpu->last_ns : GUEST_CPU_PERIOD_NS;
    if (!gated) {
        cpu->end = SIM_NEVER;
        cpu->last_ns = GUEST_CPU_PERIOD_NS;
        return;
    }
    cpu->end += GUEST_CPU_PERIOD_NS;
    begin_period(cpu, GUEST_CPU_PERIOD_NS);
}

bool guest_cpu_end_period(struct guest_cpu *cpu)
{
    SIM_ASSERT(cpu->end != SIM_NEVER);
    SIM_ASSERT(!guest_cpu_stands(cpu));
    if (cpu->outstanding == 0 && guest_cpu_share(cpu) == GUEST_CPU_WHOLE) {
        next_period(cpu);
        return true;
    }
    cpu->since = machine_now(cpu->machine);
    if (cpu->outstanding == 0) {
        pause_then_open(cpu);
    }
    return false;
}

void guest_cpu_open(struct guest_cpu *cpu)
{
    SIM_ASSERT(guest_cpu_stands(cpu));
    SIM_ASSERT(cpu->outstanding == 0);
    cpu->stolen_ns += machine_now(cpu->machine) - cpu->since;
    cpu->since = SIM_NEVER;
    next_period(cpu);
}

void guest_cpu_set_share(struct guest_cpu *cpu, enum guest_cpu_taker taker, int64_t share_ppb)
{
    SIM_ASSERT(taker < GUEST_CPU_TAKERS);
    SIM_ASSERT(share_ppb >= GUEST_CPU_SHARE_MIN);
    SIM_ASSERT(share_ppb <= GUEST_CPU_WHOLE);
    cpu->share[taker] = share_ppb;
}

void guest_cpu_hold(struct guest_cpu *cpu)
{
    for (uint32_t i = 0; i < cpu->count; i++) {
        struct guest_vcpu *vcpu = &cpu->vcpus[i];
        if (vcpu->user.state != CORE_USER_IDLE) {
            book(vcpu, core_user_cancel(&vcpu->user));
            vcpu->held = true;
        }
    }
}

void guest_cpu_resume(struct guest_cpu *cpu)
{
    for (uint32_t i = 0; i < cpu->count; i++) {
        struct guest_vcpu *vcpu = &cpu->vcpus[i];
        if (vcpu->held) {
            vcpu->held = false;
            core_user_demand(&vcpu->user, vcpu->asked);
        }
    }
}

sim_time guest_cpu_stolen(const struct guest_cpu *cpu)
{
    sim_time stands = guest_cpu_stands(cpu) ? machine_now(cpu->machine) - cpu->since : 0;
    return cpu->stolen_ns + stands;
}

sim_time guest_cpu_served(const struct guest_cpu *cpu)
{
    return cpu->served_ns + guest_cpu_being_served(cpu);
}

sim_time guest_cpu_being_served(const struct guest_cpu *cpu)
{
    sim_time served = 0;
    for (uint32_t i = 0; i < cpu->count; i++) {
        const struct guest_vcpu *vcpu = &cpu->vcpus[i];
        served +=
            vcpu->user.state == CORE_USER_IDLE ? 0 : vcpu->asked - core_user_left(&vcpu->user);
    }
    return served;
}

sim_time guest_cpu_stretch(const struct guest_cpu *cpu, sim_time work_ns)
{
    return scaled(work_ns, cpu->last_ns, GUEST_CPU_PERIOD_NS);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

void guest_cpu_init(struct guest_cpu *cpu, struct machine *machine, struct machine_timer *timer,
                    struct guest_cores *cores, uint32_t vcpus, int64_t load_ppb)
{
    SIM_ASSERT(load_ppb >= 0);
    SIM_ASSERT(load_ppb <= GUEST_CPU_WHOLE);
    *cpu = (struct guest_cpu){
        .machine = machine, .timer = timer, .cores = cores, .load_ppb = load_ppb};
    for (uint32_t i = 0; i < GUEST_CPU_TAKERS; i++) {
        cpu->share[i] = GUEST_CPU_WHOLE;
    }
    cpu->count = cores->set != NULL && load_ppb > 0 ? vcpus : 0;
    cpu->vcpus = calloc((size_t)cpu->count + 1, sizeof *cpu->vcpus);
    SIM_ASSERT(cpu->vcpus != NULL);
    for (uint32_t i = 0; i < cpu->count; i++) {
        cpu->vcpus[i].cpu = cpu;
        core_user_init(&cpu->vcpus[i].user, cores->set, on_served, &cpu->vcpus[i]);
    }
    guest_cpu_reset(cpu);
}

void guest_cpu_reset(struct guest_cpu *cpu)
{
    for (uint32_t i = 0; i < cpu->count; i++) {
        if (cpu->vcpus[i].user.state != CORE_USER_IDLE) {
            book(&cpu->vcpus[i], core_user_cancel(&cpu->vcpus[i].user));
        }
        cpu->vcpus[i].asked = 0;
        cpu->vcpus[i].held = false;
    }
    cpu->outstanding = 0;
    cpu->end = SIM_NEVER;
    cpu->since = SIM_NEVER;
    cpu->stolen_ns = 0;
    cpu->served_ns = 0;
    cpu->began = 0;
    cpu->last_ns = GUEST_CPU_PERIOD_NS;
}

void guest_cpu_close(struct guest_cpu *cpu)
{
    for (uint32_t i = 0; i < cpu->count; i++) {
        core_user_close(&cpu->vcpus[i].user);
    }
    free(cpu->vcpus);
    cpu->vcpus = NULL;
    cpu->count = 0;
}

void guest_cpu_check(const struct guest_cpu *cpu)
{
    uint32_t outstanding = 0;
    for (uint32_t i = 0; i < cpu->count; i++) {
        const struct guest_vcpu *vcpu = &cpu->vcpus[i];
        bool demands = vcpu->user.state != CORE_USER_IDLE;
        SIM_ASSERT(!demands || !vcpu->held);
        SIM_ASSERT(vcpu->asked >= 0);
        outstanding += demands || vcpu->held;
    }
    SIM_ASSERT(outstanding == cpu->outstanding);
    SIM_ASSERT(cpu->end == SIM_NEVER || cpu->end % GUEST_CPU_PERIOD_NS == 0);
    SIM_ASSERT(!guest_cpu_stands(cpu) || cpu->end != SIM_NEVER);
    SIM_ASSERT(cpu->stolen_ns >= 0);
    SIM_ASSERT(cpu->served_ns >= 0);
    SIM_ASSERT(cpu->last_ns >= GUEST_CPU_PERIOD_NS);
}
