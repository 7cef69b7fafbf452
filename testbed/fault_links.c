#include "testbed/fault_private.h"

#include "sim/assert.h"
#include "testbed/fault_rules.h"

/* ---- which link object ------------------------------------------------------------------------------------------------------ */

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
    for (uint32_t i = 0; i < fault->links.count; i++) {
        for (uint32_t d = 0; d < FAULT_DIRECTIONS; d++) {
            if (covers(fault, d) && direction_of(driver, fault->links.items[i].index, d) == link) {
                return true;
            }
        }
    }
    return false;
}

/* The fault whose value of a kind acts on a link now: the one that began last. NULL: none. A link that flaps is down now and then. */
static struct active *effective(const struct fault_driver *driver, const struct link *link,
                                enum fault_kind kind)
{
    struct active *acts = NULL;
    for (struct active *a = driver->first; a != NULL; a = a->next) {
        const struct scenario_fault *fault = fault_of(driver, a->item);
        bool flaps = kind == FAULT_DOWN && fault_has(fault, FAULT_FLAP) && !a->flap_up;
        if (fault->target == SCENARIO_FAULT_LINK && fault->nth == QUANTITY_ABSENT &&
            (fault_has(fault, kind) || flaps) && touches(driver, fault, link)) {
            acts = a;
        }
    }
    return acts;
}

static int64_t value_of(const struct fault_driver *driver, const struct active *active,
                        enum fault_kind kind)
{
    return active == NULL ? QUANTITY_ABSENT : fault_of(driver, active->item)->value[kind];
}

/* ---- kinds that pick frames ------------------------------------------------------------------------------------------------ */

/* The setting of a link that stands for a kind; false where the link has none. */
static bool setting_of(const struct scenario_fault *fault, enum fault_kind kind,
                       struct link_fault_setting *out)
{
    uint64_t value = (uint64_t)fault->value[kind];
    out->values[0] = value;
    switch (kind) {
    case FAULT_LOSS:
        out->kind = LINK_LOSS;
        return true;
    case FAULT_BURSTS:
        out->kind = LINK_BURSTS;
        out->values[0] = (uint64_t)fault->bursts.begin_ppb;
        out->values[1] = (uint64_t)fault->bursts.end_ppb;
        out->values[2] = (uint64_t)fault->bursts.loss_ppb;
        out->values[3] = (uint64_t)fault->bursts.between_ppb;
        return true;
    case FAULT_DUPLICATE:
        out->kind = LINK_DUPLICATE;
        return true;
    case FAULT_CORRUPT:
        out->kind = LINK_CORRUPT;
        return true;
    case FAULT_CORRUPT_REPAIRED:
        out->kind = LINK_CORRUPT_REPAIRED;
        return true;
    case FAULT_REORDER:
        out->kind = LINK_REORDER;
        out->values[1] = (uint64_t)fault->hold_ns;
        return true;
    case FAULT_JITTER:
        out->kind = LINK_JITTER;
        out->values[1] =
            fault->shape == SCENARIO_JITTER_NORMAL ? LINK_JITTER_NORMAL : LINK_JITTER_UNIFORM;
        return true;
    case FAULT_BLACK_HOLE:
        out->kind = LINK_BLACK_HOLE;
        return true;
    default:
        return false;
    }
}

static void change_settings(struct fault_driver *driver, const struct active *active, bool begins,
                            struct link *link)
{
    const struct scenario_fault *fault = fault_of(driver, active->item);
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        struct link_fault_setting setting = {.cause = active->cause};
        if (!fault_has(fault, (enum fault_kind)kind) ||
            !setting_of(fault, (enum fault_kind)kind, &setting)) {
            continue;
        }
        if (active->trigger != NULL) {
            setting.selects = fault_trigger_selects;
            setting.context = fault_trigger_on(active->trigger, link, (enum fault_kind)kind);
        }
        if (begins) {
            link_begin_fault(link, &setting);
        } else {
            (void)link_end_fault(link, setting.kind, active->cause);
        }
    }
}

/* ---- kinds that are a state ------------------------------------------------------------------------------------------------- */

/* A fault's counts go to it as another takes its place. */
static void settle(const struct link *link, struct passive_hold *hold, struct active *now)
{
    uint64_t arrivals = link_arrivals(link);
    if (hold->active != NULL) {
        hold->active->hits += arrivals - hold->arrivals;
    }
    *hold = (struct passive_hold){now, arrivals};
}

static void apply_direction(struct fault_driver *driver, uint32_t index, uint32_t direction)
{
    struct link *link = direction_of(driver, index, direction);
    const struct scenario_link *part = &driver->world->scenario->links[index];
    const struct scenario_network *network = &driver->world->scenario->networks[part->network];
    struct passive_hold *passive = driver->passive[index][direction];
    struct active *down = effective(driver, link, FAULT_DOWN);
    if (link_is_down(link) != (down != NULL)) {
        link_set_down(link, down != NULL, down != NULL ? down->cause : 0);
    }
    struct active *delay = effective(driver, link, FAULT_DELAY);
    settle(link, &passive[PASSIVE_DELAY], delay);
    link_set_delay(link,
                   network->delay_ns + (delay != NULL ? value_of(driver, delay, FAULT_DELAY) : 0),
                   delay != NULL ? delay->cause : 0);
    struct active *rate = effective(driver, link, FAULT_RATE);
    settle(link, &passive[PASSIVE_RATE], rate);
    link_set_rate(link,
                  (uint64_t)(rate != NULL ? value_of(driver, rate, FAULT_RATE) : network->rate_bps),
                  rate != NULL ? rate->cause : 0);
    settle(link, &passive[PASSIVE_JITTER], effective(driver, link, FAULT_JITTER));
    struct active *queue = effective(driver, link, FAULT_QUEUE);
    link_set_queue(
        link,
        (uint64_t)(queue != NULL ? value_of(driver, queue, FAULT_QUEUE) : network->queue_bytes),
        queue != NULL ? queue->cause : 0);
}

/* A cable's wire has two names: it is always counted under the one that sends. */
static void find_sender(const struct fault_driver *driver, uint32_t *index, uint32_t *direction)
{
    const struct world *world = driver->world;
    const struct world_link *l = &world->links[*index];
    if (*direction == 0 || l->owns_to) {
        return;
    }
    for (uint32_t i = 0; i < world->scenario->link_count; i++) {
        if (world->links[i].from == l->to) {
            *index = i;
            *direction = 0;
            return;
        }
    }
    SIM_ASSERT(false && "a cable has two ends");
}

/* ---- NICs --------------------------------------------------------------------------------------------------------------------- */

/* A NIC has no directions: whatever the fault's, it is the whole NIC's. */
static struct active *effective_of_nic(const struct fault_driver *driver, uint32_t index,
                                       enum fault_kind kind)
{
    struct active *acts = NULL;
    for (struct active *a = driver->first; a != NULL; a = a->next) {
        const struct scenario_fault *fault = fault_of(driver, a->item);
        if (fault->target == SCENARIO_FAULT_LINK && fault_has(fault, kind) &&
            fault_has_part(&fault->links, (struct scenario_part){SCENARIO_LINK, index})) {
            acts = a;
        }
    }
    return acts;
}

static void apply_nic(struct fault_driver *driver, const struct scenario_fault *fault,
                      uint32_t index)
{
    struct nic *nic = driver->world->links[index].nic;
    if (fault_has(fault, FAULT_HANG)) {
        const struct active *hang = effective_of_nic(driver, index, FAULT_HANG);
        nic_set_hung(nic, hang != NULL, hang != NULL ? hang->cause : 0);
    }
    const struct active *ring = effective_of_nic(driver, index, FAULT_RING);
    const struct active *stall = effective_of_nic(driver, index, FAULT_STALL);
    if (fault_has(fault, FAULT_RING) || fault_has(fault, FAULT_STALL)) {
        int64_t places = ring != NULL ? value_of(driver, ring, FAULT_RING) : NIC_RING_FRAMES;
        uint64_t cause = stall != NULL ? stall->cause : ring != NULL ? ring->cause : 0;
        nic_set_stalled(nic, stall != NULL, cause);
        nic_set_ring(nic, (uint32_t)places, cause);
    }
}

/* ---- what the driver calls ---------------------------------------------------------------------------------------------------- */

void fault_links_apply(struct fault_driver *driver, const struct scenario_fault *fault)
{
    for (uint32_t i = 0; i < fault->links.count; i++) {
        for (uint32_t d = 0; d < FAULT_DIRECTIONS; d++) {
            uint32_t index = fault->links.items[i].index, direction = d;
            if (covers(fault, d)) {
                find_sender(driver, &index, &direction);
                apply_direction(driver, index, direction);
            }
        }
    }
}

void fault_links_change(struct fault_driver *driver, struct active *active, bool begins)
{
    const struct scenario_fault *fault = fault_of(driver, active->item);
    for (uint32_t i = 0; i < fault->links.count; i++) {
        uint32_t index = fault->links.items[i].index;
        for (uint32_t d = 0; d < FAULT_DIRECTIONS; d++) {
            if (covers(fault, d)) {
                change_settings(driver, active, begins, direction_of(driver, index, d));
            }
        }
        apply_nic(driver, fault, index);
        if (begins && fault_has(fault, FAULT_RESET)) {
            nic_reset(driver->world->links[index].nic, active->cause);
        }
    }
    if (active->trigger == NULL) {
        fault_links_apply(driver, fault);
    }
}

void fault_links_settle(struct fault_driver *driver)
{
    for (uint32_t i = 0; i < driver->world->scenario->link_count; i++) {
        for (uint32_t d = 0; d < FAULT_DIRECTIONS; d++) {
            for (uint32_t k = 0; k < PASSIVE_KINDS; k++) {
                struct passive_hold *hold = &driver->passive[i][d][k];
                if (hold->active != NULL) {
                    settle(direction_of(driver, i, d), hold, hold->active);
                }
            }
        }
    }
}
