#include "testbed/fault_driver.h"

#include "sim/assert.h"

#include <stdio.h>
#include <stdlib.h>

#define DIRECTIONS 2u /* of a link: from the NIC, to the NIC */

/* A fault that acts now, in the order of its start. */
struct active {
    struct active *next;
    uint32_t item;
    uint64_t cause; /* id of its RUN_FAULT_STARTS */
};

struct fault_driver {
    struct world *world;
    struct active *first, *last;
};

struct fault_driver *fault_driver_new(struct world *world)
{
    struct fault_driver *driver = calloc(1, sizeof *driver);
    SIM_ASSERT(driver != NULL);
    driver->world = world;
    return driver;
}

void fault_driver_free(struct fault_driver *driver)
{
    while (driver->first != NULL) {
        struct active *next = driver->first->next;
        free(driver->first);
        driver->first = next;
    }
    free(driver);
}

static const struct scenario_fault *fault_of(const struct fault_driver *driver, uint32_t item)
{
    const struct scenario_item *i = &driver->world->scenario->timeline[item];
    SIM_ASSERT(i->kind == SCENARIO_FAULT);
    return &i->action.fault;
}

static bool has(const struct scenario_fault *fault, enum fault_kind kind)
{
    return fault->value[kind] != QUANTITY_ABSENT;
}

/* ---- links ------------------------------------------------------------------------------------------------------------------ */

static struct link *direction_of(const struct fault_driver *driver, uint32_t link,
                                 uint32_t direction)
{
    const struct world_link *l = &driver->world->links[link];
    return direction == 0 ? l->from : l->to;
}

static bool covers(const struct scenario_fault *fault, uint32_t direction)
{
    return fault->direction == SCENARIO_BOTH ||
           (fault->direction == SCENARIO_FROM) == (direction == 0);
}

/* Whether a fault touches this very link object: on a cable, what goes to one end comes from the other. */
static bool touches(const struct fault_driver *driver, const struct scenario_fault *fault,
                    const struct link *link)
{
    for (uint32_t d = 0; d < DIRECTIONS; d++) {
        if (covers(fault, d) && direction_of(driver, fault->link.index, d) == link) {
            return true;
        }
    }
    return false;
}

/* The value of a kind that acts on a link now: that of the fault that began last. */
static int64_t effective(const struct fault_driver *driver, const struct link *link,
                         enum fault_kind kind, uint64_t *cause)
{
    int64_t value = QUANTITY_ABSENT;
    *cause = 0;
    for (const struct active *a = driver->first; a != NULL; a = a->next) {
        const struct scenario_fault *fault = fault_of(driver, a->item);
        if (fault->target == SCENARIO_FAULT_LINK && fault->nth == QUANTITY_ABSENT &&
            has(fault, kind) && touches(driver, fault, link)) {
            value = fault->value[kind];
            *cause = a->cause;
        }
    }
    return value;
}

/* Brings one direction of a link into the state that all active faults make. */
static void apply_link(struct fault_driver *driver, struct link *link,
                       const struct scenario_network *network)
{
    uint64_t cause = 0;
    int64_t down = effective(driver, link, FAULT_DOWN, &cause);
    if (link_is_down(link) != (down == 1)) {
        link_set_down(link, down == 1, cause);
    }
    int64_t loss = effective(driver, link, FAULT_LOSS, &cause);
    link_set_loss(link,
                  (struct link_fault_loss){loss == QUANTITY_ABSENT ? 0 : (uint64_t)loss, cause});
    int64_t delay = effective(driver, link, FAULT_DELAY, &cause);
    link_set_delay(link, network->delay_ns + (delay == QUANTITY_ABSENT ? 0 : delay), cause);
    int64_t rate = effective(driver, link, FAULT_RATE, &cause);
    link_set_rate(link, (uint64_t)(rate == QUANTITY_ABSENT ? network->rate_bps : rate), cause);
    int64_t queue = effective(driver, link, FAULT_QUEUE, &cause);
    link_set_queue(link, (uint64_t)(queue == QUANTITY_ABSENT ? network->queue_bytes : queue),
                   cause);
}

static void apply_to_link(struct fault_driver *driver, const struct scenario_fault *fault)
{
    const struct scenario_link *part = &driver->world->scenario->links[fault->link.index];
    const struct scenario_network *network = &driver->world->scenario->networks[part->network];
    for (uint32_t d = 0; d < DIRECTIONS; d++) {
        if (covers(fault, d)) {
            apply_link(driver, direction_of(driver, fault->link.index, d), network);
        }
    }
}

/* A fault on the n-th opportunity only is a debt of the link, not a state; one that stops before takes it back. */
static void owe_nth(struct fault_driver *driver, const struct scenario_fault *fault, bool begins,
                    uint64_t cause)
{
    for (uint32_t d = 0; d < DIRECTIONS; d++) {
        if (covers(fault, d)) {
            link_lose_nth(direction_of(driver, fault->link.index, d), (uint64_t)fault->nth - 1,
                          begins ? 1 : 0, cause);
        }
    }
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
        bool stands = off ? has(fault, FAULT_CRASH) ||
                                (has(fault, FAULT_REBOOT) && fault->for_ns != QUANTITY_ABSENT)
                          : has(fault, FAULT_FREEZE);
        if (stands && fault->target == SCENARIO_FAULT_MACHINE && fault->machine.kind == part.kind &&
            fault->machine.index == part.index) {
            return true;
        }
    }
    return false;
}

/* What lasts of the fault begins (`begins`), or ends, where no other fault of its kind goes on. */
static void strike_machine(struct fault_driver *driver, const struct scenario_fault *fault,
                           bool begins)
{
    struct world *world = driver->world;
    bool off = has(fault, FAULT_CRASH) || has(fault, FAULT_REBOOT);
    bool at_once = has(fault, FAULT_REBOOT) && fault->for_ns == QUANTITY_ABSENT;
    if (off && begins) {
        set_power(world, fault->machine, false);
    }
    if (off && begins == at_once && !holds_machine(driver, fault->machine, true)) {
        set_power(world, fault->machine, true);
    }
    if (has(fault, FAULT_FREEZE) && (begins || !holds_machine(driver, fault->machine, false))) {
        set_frozen(world, fault->machine, begins);
    }
}

/* ---- starting and stopping ---------------------------------------------------------------------------------------------------------- */

static const char *target_name(const struct fault_driver *driver,
                               const struct scenario_fault *fault)
{
    const struct scenario *scenario = driver->world->scenario;
    if (fault->target == SCENARIO_FAULT_LINK) {
        return scenario->links[fault->link.index].name;
    }
    switch (fault->machine.kind) {
    case SCENARIO_NODE:
        return scenario->nodes[fault->machine.index].name;
    case SCENARIO_CLIENT:
        return scenario->clients[fault->machine.index].name;
    default:
        return scenario->vms[fault->machine.index].name;
    }
}

static uint64_t say(const struct fault_driver *driver, uint32_t item, bool starts)
{
    const struct scenario_fault *fault = fault_of(driver, item);
    uint32_t origin = driver->world->action_origins[item];
    uint64_t id = 0;
    char text[RECORD_TEXT_MAX];
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        if (!has(fault, (enum fault_kind)kind)) {
            continue;
        }
        snprintf(text, sizeof text, "%s", target_name(driver, fault));
        const int64_t values[] = {kind, fault->value[kind]};
        id = world_say(driver->world, starts ? RUN_FAULT_STARTS : RUN_FAULT_STOPS, origin, 0,
                       values, text);
    }
    return id;
}

void fault_driver_start(struct fault_driver *driver, uint32_t item)
{
    const struct scenario_fault *fault = fault_of(driver, item);
    struct active *active = calloc(1, sizeof *active);
    SIM_ASSERT(active != NULL);
    active->item = item;
    active->cause = say(driver, item, true);
    if (driver->last != NULL) {
        driver->last->next = active;
    } else {
        driver->first = active;
    }
    driver->last = active;
    if (fault->target == SCENARIO_FAULT_MACHINE) {
        strike_machine(driver, fault, true);
    } else if (fault->nth != QUANTITY_ABSENT) {
        owe_nth(driver, fault, true, active->cause);
    } else {
        apply_to_link(driver, fault);
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
    uint64_t cause = active->cause;
    free(active);
    const struct scenario_fault *fault = fault_of(driver, item);
    (void)say(driver, item, false);
    if (fault->target == SCENARIO_FAULT_MACHINE) {
        strike_machine(driver, fault, false);
    } else if (fault->nth != QUANTITY_ABSENT) {
        owe_nth(driver, fault, false, cause);
    } else {
        apply_to_link(driver, fault);
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
