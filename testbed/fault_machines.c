#include "testbed/fault_machines.h"

#include "sim/assert.h"
#include "testbed/fault_rules.h"
#include "vm/vm_records.h"

#include <stdlib.h>

/* A fault that acts now, in the order of its start. */
struct acting {
    struct acting *next;
    struct fault_machines *machines;
    uint32_t item;
    uint64_t cause;
    uint32_t event; /* of a strobe; SIM_NONE */
    bool jumped;    /* the clocks are off by the strobe now */
};

struct held_vm {
    bool frozen;
    uint64_t cause;
};

struct fault_machines {
    struct world *world;
    struct acting *first, *last;
    struct held_vm *vms;
    uint32_t follow_event; /* an instance has begun to run */
};

static const struct scenario_fault *fault_of(const struct fault_machines *machines, uint32_t item)
{
    return &machines->world->scenario->timeline[item].action.fault;
}

static bool has(const struct scenario_fault *fault, enum fault_kind kind)
{
    return fault->value[kind] != QUANTITY_ABSENT;
}

bool fault_machines_kind(enum fault_kind kind)
{
    return kind >= FAULT_CLOCK_STEP && kind <= FAULT_SLOW;
}

static bool is_target(const struct scenario_fault *fault, struct scenario_part part)
{
    return fault->target == SCENARIO_FAULT_MACHINE && fault_has_part(&fault->machines, part);
}

/* What the fault that began last says; QUANTITY_ABSENT where none speaks of it (M2). */
static int64_t effective(const struct fault_machines *machines, struct scenario_part part,
                         enum fault_kind kind, uint64_t *cause)
{
    int64_t value = QUANTITY_ABSENT;
    for (const struct acting *a = machines->first; a != NULL; a = a->next) {
        const struct scenario_fault *fault = fault_of(machines, a->item);
        if (has(fault, kind) && is_target(fault, part)) {
            value = fault->value[kind];
            *cause = a->cause;
        }
    }
    return value;
}

/* ---- clocks ---------------------------------------------------------------------------------------------------------------- */

static void say_clock(struct world *world, const struct world_machine *m, int64_t by_ns,
                      int64_t drift_ppb, uint64_t cause)
{
    const int64_t values[] = {by_ns, drift_ppb};
    world_say(world, RUN_CLOCK, m->origin, cause, values, "");
}

static void step(struct fault_machines *machines, struct scenario_part part, int64_t by_ns,
                 uint64_t cause)
{
    struct world_machine *m = world_machine(machines->world, part);
    machine_step_wall_clock(m->machine, by_ns);
    say_clock(machines->world, m, by_ns, machine_drift(m->machine), cause);
}

static void step_all(struct fault_machines *machines, const struct scenario_fault *fault,
                     int64_t by_ns, uint64_t cause)
{
    for (uint32_t i = 0; i < fault->machines.count; i++) {
        step(machines, fault->machines.items[i], by_ns, cause);
    }
}

static int64_t own_drift(const struct world *world, struct scenario_part part)
{
    return part.kind == SCENARIO_NODE ? world->scenario->nodes[part.index].clock.drift_ppb
                                      : world->scenario->clients[part.index].clock.drift_ppb;
}

static void apply_drift(struct fault_machines *machines, struct scenario_part part, uint64_t cause)
{
    struct world_machine *m = world_machine(machines->world, part);
    int64_t drift = effective(machines, part, FAULT_CLOCK_DRIFT, &cause);
    drift = drift != QUANTITY_ABSENT ? drift : own_drift(machines->world, part);
    if (machine_drift(m->machine) != drift) {
        machine_set_drift(m->machine, (int32_t)drift);
        say_clock(machines->world, m, 0, drift, cause);
    }
}

static void on_strobe(void *context)
{
    struct acting *acting = context;
    struct fault_machines *machines = acting->machines;
    const struct scenario_fault *fault = fault_of(machines, acting->item);
    int64_t by_ns = fault->value[FAULT_CLOCK_STROBE];
    acting->jumped = !acting->jumped;
    step_all(machines, fault, acting->jumped ? by_ns : -by_ns, acting->cause);
    struct sim *sim = machines->world->sim;
    sim_event_arm(sim, acting->event, sim_now(sim) + fault->strobe_every_ns);
}

/* ---- processors -------------------------------------------------------------------------------------------------------------- */

static void say_processor(struct world *world, uint32_t origin, int64_t share_ppb, const char *what,
                          uint64_t cause)
{
    const int64_t values[] = {share_ppb / 1000000};
    world_say(world, RUN_PROCESSOR, origin, cause, values, what);
}

static void apply_slow(struct fault_machines *machines, struct scenario_part part, uint64_t cause)
{
    struct world_machine *m = world_machine(machines->world, part);
    int64_t slow = effective(machines, part, FAULT_SLOW, &cause);
    slow = slow != QUANTITY_ABSENT ? slow : 0;
    core_set_slow(task_host_cores(m->tasks), (uint64_t)slow);
    say_processor(machines->world, m->origin, QUANTITY_WHOLE_PPB - slow, "cores", cause);
}

static void apply_steal(struct fault_machines *machines, uint32_t vm, uint64_t cause)
{
    struct world *world = machines->world;
    struct vm_instance *instance = vm_world_current(&world->vms, &world->vm_specs[vm]);
    int64_t stolen =
        effective(machines, (struct scenario_part){SCENARIO_VM, vm}, FAULT_STEAL, &cause);
    stolen = stolen != QUANTITY_ABSENT ? stolen : 0;
    if (instance != NULL) {
        vm_instance_set_stolen(instance, QUANTITY_WHOLE_PPB - stolen);
    }
    say_processor(world, world->vm_specs[vm].origin, QUANTITY_WHOLE_PPB - stolen, "vCPUs", cause);
}

/* ---- VMs that move (M4) ------------------------------------------------------------------------------------------------------ */

static void freeze_instance(struct fault_machines *machines, uint32_t vm, bool frozen,
                            uint64_t cause)
{
    struct world *world = machines->world;
    struct machine *machine = world_clock(world, (struct scenario_part){SCENARIO_VM, vm});
    if (machine == NULL || !machine_is_on(machine) || machine_is_frozen(machine) == frozen) {
        return;
    }
    const int64_t values[] = {(int64_t)machine_incarnation(machine)};
    world_say(world, RUN_MACHINE, world->vm_specs[vm].origin, cause, values,
              frozen ? "frozen" : "thawed");
    if (frozen) {
        machine_freeze(machine);
    } else {
        machine_thaw(machine);
    }
}

void fault_machines_set_frozen(struct fault_machines *machines, uint32_t vm, bool frozen,
                               uint64_t cause)
{
    struct vm_instance *instance =
        vm_world_current(&machines->world->vms, &machines->world->vm_specs[vm]);
    machines->vms[vm] = (struct held_vm){frozen && instance != NULL, cause};
    freeze_instance(machines, vm, frozen, cause);
}

void fault_machines_forget(struct fault_machines *machines, uint32_t vm)
{
    machines->vms[vm] = (struct held_vm){false, 0};
}

static void on_follow(void *context)
{
    struct fault_machines *machines = context;
    uint64_t cause = 0;
    for (uint32_t vm = 0; vm < machines->world->scenario->vm_count; vm++) {
        struct scenario_part part = {SCENARIO_VM, vm};
        struct vm_instance *instance =
            vm_world_current(&machines->world->vms, &machines->world->vm_specs[vm]);
        if (instance == NULL || vm_instance_state(instance) != VM_RUNNING) {
            continue;
        }
        if (machines->vms[vm].frozen) {
            freeze_instance(machines, vm, true, machines->vms[vm].cause);
        }
        if (effective(machines, part, FAULT_STEAL, &cause) != QUANTITY_ABSENT) {
            apply_steal(machines, vm, cause);
        }
    }
}

/* A VM runs, perhaps a new instance of it. Only where something holds: what is not in use arms nothing. */
static void on_vm_runs(void *context, const struct record *record)
{
    struct fault_machines *machines = context;
    bool holds = machines->first != NULL;
    (void)record;
    for (uint32_t vm = 0; vm < machines->world->scenario->vm_count && !holds; vm++) {
        holds = machines->vms[vm].frozen;
    }
    if (holds && machines->follow_event != SIM_NONE) {
        sim_event_arm(machines->world->sim, machines->follow_event, sim_now(machines->world->sim));
    }
}

/* ---- starting and stopping ------------------------------------------------------------------------------------------------------ */

static void apply(struct fault_machines *machines, const struct acting *acting)
{
    const struct scenario_fault *fault = fault_of(machines, acting->item);
    for (uint32_t i = 0; i < fault->machines.count; i++) {
        struct scenario_part part = fault->machines.items[i];
        if (has(fault, FAULT_CLOCK_DRIFT)) {
            apply_drift(machines, part, acting->cause);
        }
        if (has(fault, FAULT_SLOW)) {
            apply_slow(machines, part, acting->cause);
        }
        if (has(fault, FAULT_STEAL)) {
            apply_steal(machines, part.index, acting->cause);
        }
    }
}

static bool concerns(const struct scenario_fault *fault)
{
    bool any = false;
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        any = any ||
              (has(fault, (enum fault_kind)kind) && fault_machines_kind((enum fault_kind)kind));
    }
    return any;
}

void fault_machines_begin(struct fault_machines *machines, uint32_t item, uint64_t cause)
{
    const struct scenario_fault *fault = fault_of(machines, item);
    if (!concerns(fault)) {
        return;
    }
    struct acting *acting = calloc(1, sizeof *acting);
    SIM_ASSERT(acting != NULL);
    *acting =
        (struct acting){.machines = machines, .item = item, .cause = cause, .event = SIM_NONE};
    if (machines->last != NULL) {
        machines->last->next = acting;
    } else {
        machines->first = acting;
    }
    machines->last = acting;
    if (has(fault, FAULT_CLOCK_STEP)) {
        step_all(machines, fault, fault->value[FAULT_CLOCK_STEP], cause);
    }
    if (has(fault, FAULT_CLOCK_OFFSET)) {
        step_all(machines, fault, fault->value[FAULT_CLOCK_OFFSET], cause);
    }
    if (has(fault, FAULT_CLOCK_STROBE)) {
        struct world *world = machines->world;
        acting->event = sim_event_new(world->sim, world->action_origins[item], on_strobe, acting);
        on_strobe(acting);
    }
    apply(machines, acting);
}

static void undo(struct fault_machines *machines, const struct acting *acting)
{
    const struct scenario_fault *fault = fault_of(machines, acting->item);
    if (has(fault, FAULT_CLOCK_OFFSET)) {
        step_all(machines, fault, -fault->value[FAULT_CLOCK_OFFSET], acting->cause);
    }
    if (acting->jumped) {
        step_all(machines, fault, -fault->value[FAULT_CLOCK_STROBE], acting->cause);
    }
    apply(machines, acting);
}

static void free_acting(struct fault_machines *machines, struct acting *acting)
{
    if (acting->event != SIM_NONE) {
        sim_event_free(machines->world->sim, acting->event);
    }
    free(acting);
}

void fault_machines_end(struct fault_machines *machines, uint32_t item)
{
    struct acting **link = &machines->first;
    struct acting *before = NULL;
    while (*link != NULL && (*link)->item != item) {
        before = *link;
        link = &(*link)->next;
    }
    struct acting *acting = *link;
    if (acting == NULL) {
        return;
    }
    *link = acting->next;
    if (machines->last == acting) {
        machines->last = before;
    }
    undo(machines, acting);
    free_acting(machines, acting);
}

/* ---- life -------------------------------------------------------------------------------------------------------------------- */

struct fault_machines *fault_machines_new(struct world *world)
{
    struct fault_machines *machines = calloc(1, sizeof *machines);
    SIM_ASSERT(machines != NULL);
    machines->world = world;
    machines->vms = calloc(world->scenario->vm_count + 1, sizeof *machines->vms);
    SIM_ASSERT(machines->vms != NULL);
    machines->follow_event = sim_event_new(world->sim, world->control_origin, on_follow, machines);
    recorder_listen(world->recorder, world->vms.record_base + VM_RUNS, on_vm_runs, machines);
    return machines;
}

void fault_machines_free(struct fault_machines *machines)
{
    while (machines->first != NULL) {
        struct acting *next = machines->first->next;
        free_acting(machines, machines->first);
        machines->first = next;
    }
    sim_event_free(machines->world->sim, machines->follow_event);
    free(machines->vms);
    free(machines);
}
