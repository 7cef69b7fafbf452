#include "testbed/fault_private.h"

#include "sim/assert.h"
#include "testbed/fault_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fault_driver *fault_driver_new(struct world *world)
{
    struct fault_driver *driver = calloc(1, sizeof *driver);
    SIM_ASSERT(driver != NULL);
    driver->world = world;
    driver->passive = calloc(world->scenario->link_count + 1, sizeof *driver->passive);
    driver->switches = calloc(world->scenario->network_count + 1, sizeof *driver->switches);
    SIM_ASSERT(driver->passive != NULL);
    SIM_ASSERT(driver->switches != NULL);
    return driver;
}

static void free_active(struct active *active)
{
    if (active->flap_event != SIM_NONE) {
        sim_event_free(active->driver->world->sim, active->flap_event);
    }
    free(active);
}

void fault_driver_free(struct fault_driver *driver)
{
    while (driver->first != NULL) {
        struct active *next = driver->first->next;
        free_active(driver->first);
        driver->first = next;
    }
    free(driver->passive);
    free(driver->switches);
    free(driver);
}

const struct scenario_fault *fault_of(const struct fault_driver *driver, uint32_t item)
{
    const struct scenario_item *i = &driver->world->scenario->timeline[item];
    SIM_ASSERT(i->kind == SCENARIO_FAULT);
    return &i->action.fault;
}

/* ---- machines -------------------------------------------------------------------------------------------------------------------- */

/* Where a VM is powered on: where it ran last, as its administrator would expect. */
static uint32_t node_of(const struct world *world, uint32_t vm)
{
    const struct vm_host *host = vm_world_ran_last(&world->vms, &world->vm_specs[vm]);
    for (uint32_t i = 0; i < world->scenario->node_count; i++) {
        if (host == &world->nodes[i].vm_host) {
            return i;
        }
    }
    return world->scenario->vms[vm].node;
}

static void power_vm(struct world *world, uint32_t vm, bool on)
{
    struct vm_instance *instance = vm_world_current(&world->vms, &world->vm_specs[vm]);
    const int64_t values[] = {0};
    if (on && instance == NULL) {
        (void)world_boot_vm(world, vm, node_of(world, vm));
    } else if (!on && instance != NULL) {
        world_say(world, RUN_MACHINE, world->vm_specs[vm].origin, 0, values, "off");
        vm_instance_destroy(instance);
    }
}

static void set_power(struct world *world, struct scenario_part part, bool on)
{
    if (part.kind == SCENARIO_VM) {
        power_vm(world, part.index, on);
    } else {
        world_set_power(world, part, on);
    }
}

static void set_frozen(struct world *world, struct scenario_part part, bool frozen)
{
    if (part.kind != SCENARIO_VM) {
        world_set_frozen(world, part, frozen);
        return;
    }
    struct machine *machine = world_clock(world, part);
    if (machine == NULL || !machine_is_on(machine) || machine_is_frozen(machine) == frozen) {
        return;
    }
    const int64_t values[] = {(int64_t)machine_incarnation(machine)};
    world_say(world, RUN_MACHINE, world->vm_specs[part.index].origin, 0, values,
              frozen ? "frozen" : "thawed");
    if (frozen) {
        machine_freeze(machine);
    } else {
        machine_thaw(machine);
    }
}

/* Whether a fault that acts now holds that machine without power, or frozen. */
static bool holds_machine(const struct fault_driver *driver, struct scenario_part part, bool off)
{
    for (const struct active *a = driver->first; a != NULL; a = a->next) {
        const struct scenario_fault *fault = fault_of(driver, a->item);
        bool stands = off ? fault_has(fault, FAULT_CRASH) ||
                                (fault_has(fault, FAULT_REBOOT) && fault->for_ns != QUANTITY_ABSENT)
                          : fault_has(fault, FAULT_FREEZE);
        if (stands && fault->target == SCENARIO_FAULT_MACHINE &&
            fault_has_part(&fault->machines, part)) {
            return true;
        }
    }
    return false;
}

/* What lasts of the fault begins (`begins`), or ends, where no other fault of its kind goes on. */
static void strike_machine(struct fault_driver *driver, const struct scenario_fault *fault,
                           struct scenario_part machine, bool begins)
{
    struct world *world = driver->world;
    bool off = fault_has(fault, FAULT_CRASH) || fault_has(fault, FAULT_REBOOT);
    bool at_once = fault_has(fault, FAULT_REBOOT) && fault->for_ns == QUANTITY_ABSENT;
    if (off && begins) {
        set_power(world, machine, false);
    }
    if (off && begins == at_once && !holds_machine(driver, machine, true)) {
        set_power(world, machine, true);
    }
    if (fault_has(fault, FAULT_FREEZE) && (begins || !holds_machine(driver, machine, false))) {
        set_frozen(world, machine, begins);
    }
}

/* A machine has the addresses of another too, on each network that both are on; or has them no more. */
static void claim_addresses(struct fault_driver *driver, const struct active *active,
                            struct scenario_part machine, bool begins)
{
    struct world *world = driver->world;
    const struct scenario_part other = fault_of(driver, active->item)->claims;
    const struct scenario_indices *own = scenario_part_nics(world->scenario, machine);
    const struct scenario_indices *its = scenario_part_nics(world->scenario, other);
    struct ip_stack *stack = world_stack(world, machine);
    if (!begins) {
        ip_stack_end_claims(stack, active->cause);
        return;
    }
    for (uint32_t i = 0; i < own->count; i++) {
        for (uint32_t j = 0; j < its->count; j++) {
            if (own->items[i] == its->items[j]) {
                struct ip4 address = world_address(world, other, own->items[i]);
                ip_stack_claim(stack, ip_stack_route(stack, address), address, active->cause);
            }
        }
    }
}

static void change_machines(struct fault_driver *driver, const struct active *active, bool begins)
{
    const struct scenario_fault *fault = fault_of(driver, active->item);
    for (uint32_t i = 0; i < fault->machines.count; i++) {
        strike_machine(driver, fault, fault->machines.items[i], begins);
        if (fault_has(fault, FAULT_CLAIMS)) {
            claim_addresses(driver, active, fault->machines.items[i], begins);
        }
    }
}

/* ---- starting and stopping ---------------------------------------------------------------------------------------------------------- */

/* The names of a list, as far as a record's text goes. */
static void list_names(const struct scenario *scenario, const struct scenario_parts *parts,
                       char *text, size_t capacity)
{
    size_t used = strlen(text);
    for (uint32_t i = 0; i < parts->count && used + 1 < capacity; i++) {
        int length = snprintf(text + used, capacity - used, "%s%s", i > 0 ? ", " : "",
                              scenario_part_name(scenario, parts->items[i]));
        used += length > 0 ? (size_t)length : 0;
    }
}

static void target_name(const struct scenario *scenario, const struct scenario_fault *fault,
                        char *text, size_t capacity)
{
    text[0] = '\0';
    if (fault->target == SCENARIO_FAULT_SWITCH) {
        snprintf(text, capacity, "%s", scenario->networks[fault->network].name);
        return;
    }
    list_names(scenario,
               fault->target == SCENARIO_FAULT_LINK      ? &fault->links
               : fault->target == SCENARIO_FAULT_MACHINE ? &fault->machines
                                                         : &fault->between,
               text, capacity);
    if (fault->target == SCENARIO_FAULT_PAIR) {
        size_t used = strlen(text);
        snprintf(text + used, capacity - used, " and ");
        list_names(scenario, &fault->others, text, capacity);
    }
}

static uint64_t say(const struct fault_driver *driver, uint32_t item, bool starts)
{
    const struct scenario_fault *fault = fault_of(driver, item);
    uint32_t origin = driver->world->action_origins[item];
    uint64_t id = 0;
    char text[RECORD_TEXT_MAX];
    target_name(driver->world->scenario, fault, text, sizeof text);
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        if (fault_has(fault, (enum fault_kind)kind)) {
            const int64_t values[] = {kind, fault->value[kind]};
            id = world_say(driver->world, starts ? RUN_FAULT_STARTS : RUN_FAULT_STOPS, origin, 0,
                           values, text);
        }
    }
    return id;
}

static void change(struct fault_driver *driver, struct active *active, bool begins)
{
    switch (fault_of(driver, active->item)->target) {
    case SCENARIO_FAULT_MACHINE:
        change_machines(driver, active, begins);
        break;
    case SCENARIO_FAULT_SWITCH:
        fault_switch_change(driver, active, begins);
        break;
    case SCENARIO_FAULT_PAIR:
        fault_pair_change(driver, active, begins);
        break;
    default:
        fault_links_change(driver, active, begins);
        break;
    }
}

/* The other phase of a link that flaps begins. */
static void on_flap(void *context)
{
    struct active *active = context;
    struct fault_driver *driver = active->driver;
    const struct scenario_fault *fault = fault_of(driver, active->item);
    active->flap_up = !active->flap_up;
    fault_links_apply(driver, fault);
    sim_event_arm(driver->world->sim, active->flap_event,
                  sim_now(driver->world->sim) +
                      (active->flap_up ? fault->flap.up_ns : fault->flap.down_ns));
}

static struct active *add_active(struct fault_driver *driver, uint32_t item)
{
    struct world *world = driver->world;
    struct active *active = calloc(1, sizeof *active);
    SIM_ASSERT(active != NULL);
    active->driver = driver;
    active->item = item;
    active->cause = say(driver, item, true);
    active->flap_event = SIM_NONE;
    if (fault_has(fault_of(driver, item), FAULT_FLAP)) {
        active->flap_event =
            sim_event_new(world->sim, world->action_origins[item], on_flap, active);
        sim_event_arm(world->sim, active->flap_event,
                      sim_now(world->sim) + fault_of(driver, item)->flap.down_ns);
    }
    if (driver->last != NULL) {
        driver->last->next = active;
    } else {
        driver->first = active;
    }
    driver->last = active;
    return active;
}

void fault_driver_start(struct fault_driver *driver, uint32_t item)
{
    change(driver, add_active(driver, item), true);
}

/* What kinds touched that write no record for each frame. */
static void say_hits(struct fault_driver *driver, const struct active *active)
{
    const struct scenario_fault *fault = fault_of(driver, active->item);
    bool counted = false;
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        counted = counted || ((fault_table[kind].ways & FAULT_PASSIVE) != 0 &&
                              fault_has(fault, (enum fault_kind)kind));
    }
    if (counted) {
        const int64_t values[] = {(int64_t)active->hits};
        world_say(driver->world, RUN_FAULT_HITS, driver->world->action_origins[active->item],
                  active->cause, values, "");
    }
}

void fault_driver_stop(struct fault_driver *driver, uint32_t item)
{
    struct active **link = &driver->first;
    struct active *before = NULL;
    while (*link != NULL && (*link)->item != item) {
        before = *link;
        link = &(*link)->next;
    }
    struct active *active = *link;
    if (active == NULL) {
        return;
    }
    *link = active->next;
    if (driver->last == active) {
        driver->last = before;
    }
    (void)say(driver, item, false);
    change(driver, active, false);
    say_hits(driver, active);
    free_active(active);
}

void fault_driver_finish(struct fault_driver *driver)
{
    fault_links_settle(driver);
    fault_switches_settle(driver);
    for (struct active *a = driver->first; a != NULL; a = a->next) {
        if (fault_of(driver, a->item)->target == SCENARIO_FAULT_PAIR) {
            fault_pair_change(driver, a, false);
        }
        say_hits(driver, a);
    }
}

void fault_driver_power(struct fault_driver *driver, const struct scenario_power *power)
{
    struct world *world = driver->world;
    struct vm_instance *instance = NULL;
    if (power->machine.kind == SCENARIO_VM) {
        instance = vm_world_current(&world->vms, &world->vm_specs[power->machine.index]);
    }
    switch (power->verb) {
    case SCENARIO_POWER_ON:
        set_power(world, power->machine, true);
        break;
    case SCENARIO_POWER_OFF:
    case SCENARIO_CRASH:
        set_power(world, power->machine, false);
        break;
    case SCENARIO_REBOOT:
        set_power(world, power->machine, false);
        set_power(world, power->machine, true);
        break;
    case SCENARIO_FREEZE:
        set_frozen(world, power->machine, true);
        break;
    case SCENARIO_THAW:
        set_frozen(world, power->machine, false);
        break;
    case SCENARIO_PAUSE:
        if (instance != NULL) {
            (void)!vm_instance_pause(instance);
        }
        break;
    case SCENARIO_RESUME:
        if (instance != NULL && vm_instance_state(instance) == VM_PAUSED_STATE) {
            (void)!vm_instance_resume(instance);
        }
        break;
    }
}
