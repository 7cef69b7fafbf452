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
    driver->machines = fault_machines_new(world);
    driver->connections = fault_connections_new(world);
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
    fault_trigger_free(active->trigger);
    free(active);
}

void fault_driver_free(struct fault_driver *driver)
{
    while (driver->first != NULL) {
        struct active *next = driver->first->next;
        free_active(driver->first);
        driver->first = next;
    }
    fault_machines_free(driver->machines);
    fault_connections_free(driver->connections);
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

static bool power_vm(struct fault_driver *driver, uint32_t vm, bool on, uint64_t cause)
{
    struct world *world = driver->world;
    struct vm_instance *instance = vm_world_current(&world->vms, &world->vm_specs[vm]);
    const int64_t values[] = {0};
    if (on && instance == NULL) {
        return world_boot_vm(world, vm, node_of(world, vm));
    }
    if (!on && instance != NULL) {
        world_say(world, RUN_MACHINE, world->vm_specs[vm].origin, cause, values, "off");
        fault_machines_forget(driver->machines, vm);
        vm_instance_destroy(instance);
    }
    return true;
}

/* False where a VM cannot be switched on: its node is off, or refuses it. */
static bool set_power(struct fault_driver *driver, struct scenario_part part, bool on,
                      uint64_t cause)
{
    if (part.kind == SCENARIO_VM) {
        return power_vm(driver, part.index, on, cause);
    }
    world_set_power(driver->world, part, on, cause);
    return true;
}

static void set_frozen(struct fault_driver *driver, struct scenario_part part, bool frozen,
                       uint64_t cause)
{
    if (part.kind == SCENARIO_VM) {
        fault_machines_set_frozen(driver->machines, part.index, frozen, cause);
    } else {
        world_set_frozen(driver->world, part, frozen, cause);
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
static void strike_machine(struct fault_driver *driver, const struct active *active,
                           struct scenario_part machine, bool begins)
{
    const struct scenario_fault *fault = fault_of(driver, active->item);
    bool off = fault_has(fault, FAULT_CRASH) || fault_has(fault, FAULT_REBOOT);
    bool at_once = fault_has(fault, FAULT_REBOOT) && fault->for_ns == QUANTITY_ABSENT;
    if (off && begins) {
        (void)set_power(driver, machine, false, active->cause);
    }
    if (off && begins == at_once && !holds_machine(driver, machine, true)) {
        (void)set_power(driver, machine, true, active->cause);
    }
    if (fault_has(fault, FAULT_FREEZE) && (begins || !holds_machine(driver, machine, false))) {
        set_frozen(driver, machine, begins, active->cause);
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
    if (begins) {
        fault_machines_begin(driver->machines, active->item, active->cause);
    } else {
        fault_machines_end(driver->machines, active->item);
    }
    for (uint32_t i = 0; i < fault->machines.count; i++) {
        strike_machine(driver, active, fault->machines.items[i], begins);
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
    if (fault->target == SCENARIO_FAULT_CONNECTION) {
        snprintf(text, capacity, "%s -> %s", scenario_part_name(scenario, fault->connection.from),
                 scenario_part_name(scenario, fault->connection.to));
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
    case SCENARIO_FAULT_CONNECTION:
        if (begins) {
            fault_connections_begin(driver->connections, active->item, active->cause);
        } else {
            fault_connections_end(driver->connections, active->item);
        }
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
    active->trigger = fault_trigger_new(world, item);
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

/* How it went, in words. */
static const char *pause_or_resume(struct world *world, const struct scenario_power *power)
{
    struct vm_instance *instance =
        vm_world_current(&world->vms, &world->vm_specs[power->machine.index]);
    bool pause = power->verb == SCENARIO_PAUSE;
    if (instance == NULL) {
        return "failed: the VM is off";
    }
    if (!pause && vm_instance_state(instance) != VM_PAUSED_STATE) {
        return "failed: the VM is not paused";
    }
    enum vm_error error = pause ? vm_instance_pause(instance) : vm_instance_resume(instance);
    return error == VM_OK ? "done" : "failed: the VM does not run";
}

const char *fault_driver_power(struct fault_driver *driver, const struct scenario_power *power,
                               uint64_t cause)
{
    bool good = true;
    switch (power->verb) {
    case SCENARIO_POWER_ON:
        good = set_power(driver, power->machine, true, cause);
        break;
    case SCENARIO_POWER_OFF:
    case SCENARIO_CRASH:
        good = set_power(driver, power->machine, false, cause);
        break;
    case SCENARIO_REBOOT:
        good = set_power(driver, power->machine, false, cause) &&
               set_power(driver, power->machine, true, cause);
        break;
    case SCENARIO_FREEZE:
        set_frozen(driver, power->machine, true, cause);
        break;
    case SCENARIO_THAW:
        set_frozen(driver, power->machine, false, cause);
        break;
    case SCENARIO_PAUSE:
    case SCENARIO_RESUME:
        return pause_or_resume(driver->world, power);
    }
    return good ? "done" : "failed: its node is off, or has no room for it";
}
