#include "testbed/fault_private.h"

#include <stdlib.h>

#include "sim/assert.h"
#include "testbed/fault_rules.h"

/* ---- switches ------------------------------------------------------------------------------------------------------------------ */

static struct ether_switch *switch_of(const struct fault_driver *driver, uint32_t network)
{
    struct ether_switch *ether_switch = driver->world->networks[network].ether_switch;
    SIM_ASSERT(ether_switch != NULL);
    return ether_switch;
}

/* The fault whose value of a kind acts on a switch now: the one that began last. NULL: none. */
static struct active *effective(const struct fault_driver *driver, uint32_t network,
                                enum fault_kind kind)
{
    struct active *acts = NULL;
    for (struct active *a = driver->first; a != NULL; a = a->next) {
        const struct scenario_fault *fault = fault_of(driver, a->item);
        if (fault->target == SCENARIO_FAULT_SWITCH && fault->network == network &&
            fault_has(fault, kind)) {
            acts = a;
        }
    }
    return acts;
}

static int64_t value_of(const struct fault_driver *driver, const struct active *active,
                        enum fault_kind kind)
{
    return fault_of(driver, active->item)->value[kind];
}

static void settle(const struct fault_driver *driver, uint32_t network)
{
    struct switch_hold *hold = &driver->switches[network];
    struct ether_switch_statistics now = ether_switch_statistics(switch_of(driver, network));
    if (hold->table != NULL) {
        hold->table->hits += now.evicted - hold->since.evicted;
    }
    if (hold->stale != NULL) {
        hold->stale->hits += now.unlearnt - hold->since.unlearnt;
    }
    hold->since = now;
}

static bool is_held_off(const struct fault_driver *driver, uint32_t network)
{
    for (const struct active *a = driver->first; a != NULL; a = a->next) {
        const struct scenario_fault *fault = fault_of(driver, a->item);
        bool stands = fault_has(fault, FAULT_CRASH) ||
                      (fault_has(fault, FAULT_REBOOT) && fault->for_ns != QUANTITY_ABSENT);
        if (stands && fault->target == SCENARIO_FAULT_SWITCH && fault->network == network) {
            return true;
        }
    }
    return false;
}

static void change_power(struct fault_driver *driver, const struct active *active, bool begins)
{
    const struct scenario_fault *fault = fault_of(driver, active->item);
    struct ether_switch *ether_switch = switch_of(driver, fault->network);
    if (!fault_has(fault, FAULT_CRASH) && !fault_has(fault, FAULT_REBOOT)) {
        return;
    }
    bool at_once = fault_has(fault, FAULT_REBOOT) && fault->for_ns == QUANTITY_ABSENT;
    uint32_t origin = driver->world->networks[fault->network].origin;
    const int64_t values[] = {0};
    if (begins) {
        world_say(driver->world, RUN_MACHINE, origin, active->cause, values, "off");
        ether_switch_set_power(ether_switch, false, active->cause);
    }
    if (begins == at_once && !is_held_off(driver, fault->network)) {
        world_say(driver->world, RUN_MACHINE, origin, active->cause, values, "on");
        ether_switch_set_power(ether_switch, true, 0);
    }
}

void fault_switch_change(struct fault_driver *driver, struct active *active, bool begins)
{
    const struct scenario_fault *fault = fault_of(driver, active->item);
    uint32_t network = fault->network;
    struct ether_switch *ether_switch = switch_of(driver, network);
    settle(driver, network);
    struct active *table = effective(driver, network, FAULT_TABLE);
    struct active *stale = effective(driver, network, FAULT_STALE);
    const struct active *lose = effective(driver, network, FAULT_LOSE_ANNOUNCEMENTS);
    const struct active *repeat = effective(driver, network, FAULT_REPEAT_ANNOUNCEMENTS);
    driver->switches[network].table = table;
    driver->switches[network].stale = stale;
    ether_switch_set_limit(ether_switch, table != NULL
                                             ? (uint32_t)value_of(driver, table, FAULT_TABLE)
                                             : ETHER_SWITCH_ENTRIES);
    ether_switch_set_stale(ether_switch, stale != NULL);
    struct switch_announcements announcements = {0};
    if (lose != NULL) {
        announcements.loss_per_billion = (uint64_t)value_of(driver, lose, FAULT_LOSE_ANNOUNCEMENTS);
        announcements.loss_cause = lose->cause;
    }
    if (repeat != NULL) {
        announcements.repeats = (uint32_t)value_of(driver, repeat, FAULT_REPEAT_ANNOUNCEMENTS);
        announcements.repeats_cause = repeat->cause;
    }
    ether_switch_set_announcements(ether_switch, &announcements);
    if (begins && fault_has(fault, FAULT_FORGET)) {
        ether_switch_forget(ether_switch);
    }
    change_power(driver, active, begins);
}

void fault_switches_settle(struct fault_driver *driver)
{
    for (uint32_t i = 0; i < driver->world->scenario->network_count; i++) {
        if (driver->switches[i].table != NULL || driver->switches[i].stale != NULL) {
            settle(driver, i);
        }
    }
}

/* ---- what goes between two groups of machines ------------------------------------------------------------------------------------- */

/* Ports of a group's machines on a switch; `out` holds as many as there are links. */
static uint32_t ports_of(const struct world *world, const struct scenario_parts *group,
                         uint32_t network, uint32_t *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->scenario->link_count; i++) {
        const struct scenario_link *l = &world->scenario->links[i];
        if (l->network == network && fault_has_part(group, l->machine)) {
            out[count++] = world->links[i].switch_port;
        }
    }
    return count;
}

static void change_on_switch(struct fault_driver *driver, struct active *active, bool begins,
                             uint32_t network)
{
    struct world *world = driver->world;
    const struct scenario_fault *fault = fault_of(driver, active->item);
    struct ether_switch *ether_switch = switch_of(driver, network);
    if (!begins) {
        active->hits += ether_switch_end_pair(ether_switch, active->cause);
        return;
    }
    uint32_t *ports = calloc(world->scenario->link_count * 2u + 1, sizeof *ports);
    SIM_ASSERT(ports != NULL);
    uint32_t from_count = ports_of(world, &fault->between, network, ports);
    uint32_t to_count = ports_of(world, &fault->others, network, ports + from_count);
    if (from_count > 0 && to_count > 0) {
        ether_switch_begin_pair(
            ether_switch,
            &(struct switch_pair){
                .from = ports,
                .to = ports + from_count,
                .from_count = from_count,
                .to_count = to_count,
                .one_way = fault->one_way,
                .cut = fault_has(fault, FAULT_PARTITION),
                .loss_per_billion =
                    fault_has(fault, FAULT_LOSS) ? (uint64_t)fault->value[FAULT_LOSS] : 0,
                .delay_ns = fault_has(fault, FAULT_DELAY) ? fault->value[FAULT_DELAY] : 0,
                .cause = active->cause,
            });
    }
    free(ports);
}

static void change_setting(struct active *active, struct link *link,
                           const struct link_fault_setting *setting, bool begins)
{
    if (begins) {
        link_begin_fault(link, setting);
        return;
    }
    uint64_t touched = link_end_fault(link, setting->kind, setting->cause);
    active->hits += setting->kind == LINK_DELAY ? touched : 0; /* others have a record for each */
}

/* A cable has nothing between its ends but itself: there the wire does it. What its group sends, or with both ways also what it gets. */
static void change_on_cable(struct fault_driver *driver, struct active *active, bool begins,
                            uint32_t network)
{
    const struct world *world = driver->world;
    const struct scenario_fault *fault = fault_of(driver, active->item);
    for (uint32_t i = 0; i < world->scenario->link_count; i++) {
        const struct scenario_link *l = &world->scenario->links[i];
        bool first = fault_has_part(&fault->between, l->machine);
        bool second = !fault->one_way && fault_has_part(&fault->others, l->machine);
        if (l->network != network || (!first && !second)) {
            continue;
        }
        struct link *link = world->links[i].from;
        struct link_fault_setting setting = {.cause = active->cause};
        if (fault_has(fault, FAULT_PARTITION)) {
            setting.kind = LINK_PARTITION;
            change_setting(active, link, &setting, begins);
        }
        if (fault_has(fault, FAULT_LOSS)) {
            setting.kind = LINK_LOSS;
            setting.values[0] = (uint64_t)fault->value[FAULT_LOSS];
            change_setting(active, link, &setting, begins);
        }
        if (fault_has(fault, FAULT_DELAY)) {
            setting.kind = LINK_DELAY;
            setting.values[0] = (uint64_t)fault->value[FAULT_DELAY];
            change_setting(active, link, &setting, begins);
        }
    }
}

static bool meet_on(const struct world *world, const struct scenario_fault *fault, uint32_t network)
{
    bool first = false, second = false;
    for (uint32_t i = 0; i < world->scenario->link_count; i++) {
        const struct scenario_link *l = &world->scenario->links[i];
        first = first || (l->network == network && fault_has_part(&fault->between, l->machine));
        second = second || (l->network == network && fault_has_part(&fault->others, l->machine));
    }
    return first && second;
}

void fault_pair_change(struct fault_driver *driver, struct active *active, bool begins)
{
    struct world *world = driver->world;
    const struct scenario_fault *fault = fault_of(driver, active->item);
    for (uint32_t i = 0; i < world->scenario->network_count; i++) {
        if ((fault->over != SIM_NONE && fault->over != i) || !meet_on(world, fault, i)) {
            continue;
        }
        if (world->networks[i].ether_switch != NULL) {
            change_on_switch(driver, active, begins, i);
        } else {
            change_on_cable(driver, active, begins, i);
        }
    }
}
