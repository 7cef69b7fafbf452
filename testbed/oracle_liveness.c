#include "testbed/oracle_liveness.h"

#include "testbed/fault_rules.h"

#include "sim/assert.h"
#include "testbed/quantity.h"

#include <stdio.h>
#include <stdlib.h>

enum phase {
    SETTLED, /* not on its way */
    PAUSED,  /* stop-copy: the source answers for it */
    GIVEN,   /* both do */
    OWNED,   /* the target does */
};

struct vm_way {
    enum phase phase;
    uint32_t item;          /* its migration */
    uint32_t source;        /* node */
    sim_time calm_since;    /* the last disturbance */
    sim_time allowed;       /* from there */
    sim_time vanished_at;   /* its last instance went; SIM_NEVER */
    uint32_t vanished_from; /* node */
};

struct migration_way {
    bool stop_copy;
    uint32_t to; /* node */
    sim_time predicted_pause;
};

struct liveness {
    const struct scenario *scenario;
    struct vm_way *vms;
    struct migration_way *migrations; /* by item */
    bool *faults;                     /* by item: acts on a link now */
    bool *down[LIVENESS_DIRECTIONS];  /* by link: this direction carries nothing */
    enum liveness_power *nodes;
    uint32_t on_their_way; /* so that nothing is searched when none is */
    uint64_t judged;
    bool finished, violated;
    sim_time violated_at;
    char what[160];
};

static void *take(size_t count, size_t bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);
    SIM_ASSERT(memory != NULL);
    return memory;
}

struct liveness *liveness_new(const struct scenario *scenario)
{
    struct liveness *liveness = take(1, sizeof *liveness);
    liveness->scenario = scenario;
    liveness->vms = take(scenario->vm_count, sizeof *liveness->vms);
    liveness->migrations = take(scenario->item_count, sizeof *liveness->migrations);
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        const struct scenario_item *item = &scenario->timeline[i];
        liveness->migrations[i].to =
            item->kind == SCENARIO_MIGRATE ? item->action.migrate.to : SIM_NONE;
    }
    liveness->faults = take(scenario->item_count, sizeof *liveness->faults);
    for (uint32_t d = 0; d < LIVENESS_DIRECTIONS; d++) {
        liveness->down[d] = take(scenario->link_count, sizeof *liveness->down[d]);
    }
    liveness->nodes = take(scenario->node_count, sizeof *liveness->nodes);
    return liveness;
}

void liveness_free(struct liveness *liveness)
{
    free(liveness->vms);
    free(liveness->migrations);
    free(liveness->faults);
    for (uint32_t d = 0; d < LIVENESS_DIRECTIONS; d++) {
        free(liveness->down[d]);
    }
    free(liveness->nodes);
    free(liveness);
}

/* ---- who and where --------------------------------------------------------------------------------------------------------- */

static const struct scenario_migrate *migrate_of(const struct liveness *liveness, uint32_t item)
{
    SIM_ASSERT(item < liveness->scenario->item_count);
    SIM_ASSERT(liveness->scenario->timeline[item].kind == SCENARIO_MIGRATE);
    return &liveness->scenario->timeline[item].action.migrate;
}

static uint32_t target_of(const struct liveness *liveness, const struct vm_way *way)
{
    return liveness->migrations[way->item].to;
}

static bool concerns_node(const struct liveness *liveness, const struct vm_way *way, uint32_t node)
{
    return way->source == node || target_of(liveness, way) == node;
}

/* Whether a link belongs to one of the two nodes, on a network that the migration may use. */
static bool concerns_link(const struct liveness *liveness, const struct vm_way *way, uint32_t link)
{
    const struct scenario_link *l = &liveness->scenario->links[link];
    const struct scenario_indices *over = &migrate_of(liveness, way->item)->over;
    if (l->machine.kind != SCENARIO_NODE || !concerns_node(liveness, way, l->machine.index)) {
        return false;
    }
    for (uint32_t i = 0; i < over->count; i++) {
        if (over->items[i] == l->network) {
            return true;
        }
    }
    return false;
}

static bool has_kind_beside_down(const struct scenario_fault *fault)
{
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        if (kind != FAULT_DOWN && fault->value[kind] != QUANTITY_ABSENT) {
            return true;
        }
    }
    return false;
}

/* Whether a fault stands in the way of one of the two nodes, on a network that the migration may use. */
static bool meets(const struct liveness *liveness, const struct vm_way *way,
                  const struct scenario_fault *fault)
{
    for (uint32_t i = 0; i < liveness->scenario->link_count; i++) {
        if (fault_concerns_link(liveness->scenario, fault, i) && concerns_link(liveness, way, i)) {
            return true;
        }
    }
    return false;
}

/* ---- is there a way ---------------------------------------------------------------------------------------------------------- */

/* A fault other than `down` acts on a link of theirs (V2). */
static bool hampered(const struct liveness *liveness, const struct vm_way *way)
{
    for (uint32_t i = 0; i < liveness->scenario->item_count; i++) {
        if (liveness->faults[i]) {
            const struct scenario_fault *fault = &liveness->scenario->timeline[i].action.fault;
            if (has_kind_beside_down(fault) && meets(liveness, way, fault)) {
                return true;
            }
        }
    }
    return false;
}

/* The link of a node on a network does not carry both ways. */
static bool is_down(const struct liveness *liveness, uint32_t link)
{
    bool down = false;
    for (uint32_t d = 0; d < LIVENESS_DIRECTIONS; d++) {
        down = down || liveness->down[d][link];
    }
    return down;
}

static bool path_is_up(const struct liveness *liveness, const struct vm_way *way)
{
    const struct scenario_migrate *migrate = migrate_of(liveness, way->item);
    for (uint32_t i = 0; i < migrate->over.count; i++) {
        uint32_t network = migrate->over.items[i];
        struct scenario_part source = {SCENARIO_NODE, way->source};
        struct scenario_part target = {SCENARIO_NODE, target_of(liveness, way)};
        uint32_t here = scenario_link_find(liveness->scenario, source, network);
        uint32_t there = scenario_link_find(liveness->scenario, target, network);
        if (here != SIM_NONE && there != SIM_NONE && !is_down(liveness, here) &&
            !is_down(liveness, there)) {
            return true;
        }
    }
    return false;
}

/* Nothing excuses that it does not run. */
static bool is_calm(const struct liveness *liveness, const struct vm_way *way)
{
    bool source_on = liveness->nodes[way->source] == LIVENESS_ON;
    bool target_on = liveness->nodes[target_of(liveness, way)] == LIVENESS_ON;
    switch (way->phase) {
    case PAUSED:
        return source_on && !hampered(liveness, way);
    case GIVEN:
        return source_on && target_on && !hampered(liveness, way) && path_is_up(liveness, way);
    case OWNED:
        return target_on;
    case SETTLED:
        break;
    }
    return false;
}

/* ---- judging ------------------------------------------------------------------------------------------------------------------- */

static const char *phase_text(enum phase phase)
{
    return phase == PAUSED  ? "was paused for its last pages"
           : phase == GIVEN ? "was given"
                            : "was taken over by its target";
}

static const char *calm_text(enum phase phase)
{
    return phase == PAUSED  ? "nothing stood in its way"
           : phase == GIVEN ? "both nodes and a path between them were up"
                            : "that or after the target was up again";
}

static void settle(struct liveness *liveness, struct vm_way *way)
{
    SIM_ASSERT(way->phase != SETTLED);
    SIM_ASSERT(liveness->on_their_way > 0);
    way->phase = SETTLED;
    liveness->on_their_way--;
}

static void violate(struct liveness *liveness, struct vm_way *way, sim_time at, const char *text)
{
    const char *vm = liveness->scenario->vms[way - liveness->vms].name;
    liveness->judged++;
    if (!liveness->violated) {
        liveness->violated = true;
        liveness->violated_at = at;
        snprintf(liveness->what, sizeof liveness->what, "%s %s", vm, text);
    }
    settle(liveness, way);
}

/* What the time until now says, before something changes. */
static void look(struct liveness *liveness, struct vm_way *way, sim_time now)
{
    char text[120], allowed[QUANTITY_TEXT_BYTES];
    if (way->phase == SETTLED) {
        return;
    }
    if (way->vanished_at != SIM_NEVER && now > way->vanished_at) {
        snprintf(text, sizeof text, "%s, and its last instance was destroyed on %s",
                 phase_text(way->phase), liveness->scenario->nodes[way->vanished_from].name);
        violate(liveness, way, way->vanished_at, text);
        return;
    }
    if (now - way->calm_since > way->allowed && is_calm(liveness, way)) {
        snprintf(text, sizeof text, "%s, and ran nowhere %s after %s", phase_text(way->phase),
                 quantity_print_rounded(QUANTITY_TIME, way->allowed, allowed),
                 calm_text(way->phase));
        violate(liveness, way, way->calm_since + way->allowed, text);
    }
}

static void disturb(struct liveness *liveness, struct vm_way *way, sim_time now)
{
    look(liveness, way, now);
    way->calm_since = now;
}

static void set_out(struct liveness *liveness, uint32_t vm, uint32_t item, uint32_t source,
                    enum phase phase, sim_time now)
{
    struct vm_way *way = &liveness->vms[vm];
    look(liveness, way, now);
    if (way->phase != SETTLED) {
        settle(liveness, way);
    }
    *way = (struct vm_way){
        .phase = phase,
        .item = item,
        .source = source,
        .calm_since = now,
        .allowed = LIVENESS_LIMIT_NS +
                   (phase == PAUSED ? 2 * liveness->migrations[item].predicted_pause : 0),
        .vanished_at = SIM_NEVER,
    };
    liveness->on_their_way++;
}

/* ---- migrations ------------------------------------------------------------------------------------------------------------------ */

void liveness_target(struct liveness *liveness, uint32_t item, uint32_t node)
{
    liveness->migrations[item].to = node;
}

void liveness_stop_copy_begins(struct liveness *liveness, uint32_t item)
{
    liveness->migrations[item].stop_copy = true;
}

void liveness_round(struct liveness *liveness, uint32_t item, sim_time predicted_pause_ns)
{
    liveness->migrations[item].predicted_pause = predicted_pause_ns;
}

void liveness_given(struct liveness *liveness, uint32_t item, uint32_t source, sim_time now)
{
    if (!liveness->finished) {
        set_out(liveness, migrate_of(liveness, item)->vm, item, source, GIVEN, now);
    }
}

void liveness_owned(struct liveness *liveness, uint32_t item, sim_time now)
{
    struct vm_way *way = &liveness->vms[migrate_of(liveness, item)->vm];
    if (!liveness->finished && way->phase == GIVEN && way->item == item) {
        disturb(liveness, way, now);
        if (way->phase == GIVEN) {
            way->phase = OWNED;
        }
    }
}

void liveness_ends(struct liveness *liveness, uint32_t item)
{
    liveness->migrations[item].stop_copy = false;
}

/* ---- instances ------------------------------------------------------------------------------------------------------------------- */

void liveness_vm_paused(struct liveness *liveness, uint32_t vm, uint32_t node, sim_time now)
{
    for (uint32_t i = 0; i < liveness->scenario->item_count && !liveness->finished; i++) {
        if (liveness->migrations[i].stop_copy && migrate_of(liveness, i)->vm == vm) {
            set_out(liveness, vm, i, node, PAUSED, now);
        }
    }
}

void liveness_vm_runs(struct liveness *liveness, uint32_t vm, sim_time now)
{
    struct vm_way *way = &liveness->vms[vm];
    if (liveness->finished) {
        return;
    }
    look(liveness, way, now);
    if (way->phase != SETTLED) {
        liveness->judged++;
        settle(liveness, way);
    }
}

void liveness_vm_gone(struct liveness *liveness, uint32_t vm, uint32_t node, uint32_t left,
                      sim_time now)
{
    struct vm_way *way = &liveness->vms[vm];
    if (liveness->finished || way->phase == SETTLED) {
        return;
    }
    look(liveness, way, now);
    /* Before GIVEN the target's copy is nothing: the source's is the VM. After OWNED it is the other way round. */
    bool vanished = way->phase == PAUSED  ? node == way->source
                    : way->phase == OWNED ? node == target_of(liveness, way)
                                          : left == 0;
    if (way->phase != SETTLED && vanished) {
        way->vanished_at = now;
        way->vanished_from = node;
    }
}

void liveness_vm_off(struct liveness *liveness, uint32_t vm)
{
    if (!liveness->finished && liveness->vms[vm].phase != SETTLED) {
        settle(liveness, &liveness->vms[vm]);
    }
}

/* ---- what disturbs ------------------------------------------------------------------------------------------------------------------ */

void liveness_machine(struct liveness *liveness, uint32_t node, enum liveness_power power,
                      sim_time now)
{
    for (uint32_t i = 0; i < liveness->scenario->vm_count && liveness->on_their_way > 0; i++) {
        struct vm_way *way = &liveness->vms[i];
        if (liveness->finished || way->phase == SETTLED || !concerns_node(liveness, way, node)) {
            continue;
        }
        if (power == LIVENESS_OFF && way->vanished_at == now && way->vanished_from == node) {
            settle(liveness, way); /* lost with its host: nobody's fault */
        } else {
            disturb(liveness, way, now);
        }
    }
    liveness->nodes[node] = power;
}

void liveness_fault(struct liveness *liveness, uint32_t item, bool starts, sim_time now)
{
    const struct scenario_fault *fault = &liveness->scenario->timeline[item].action.fault;
    bool claims = fault->value[FAULT_CLAIMS] != QUANTITY_ABSENT;
    SIM_ASSERT(fault->target != SCENARIO_FAULT_MACHINE || claims);
    for (uint32_t i = 0; i < liveness->scenario->vm_count && liveness->on_their_way > 0; i++) {
        struct vm_way *way = &liveness->vms[i];
        if (!liveness->finished && way->phase != SETTLED && meets(liveness, way, fault)) {
            disturb(liveness, way, now);
        }
    }
    /* One that waits for its n-th frame does not act until then, and is seen by what it takes. Neighbours go on believing a claim
     * after it has ended, for as long as their entries last. */
    liveness->faults[item] =
        (starts || claims) && fault->nth == QUANTITY_ABSENT && !fault_is_instant(fault);
}

void liveness_link(struct liveness *liveness, uint32_t link, uint32_t direction, bool up,
                   sim_time now)
{
    SIM_ASSERT(direction < LIVENESS_DIRECTIONS);
    if (liveness->down[direction][link] == !up) {
        return;
    }
    liveness_frame_taken(liveness, link, now);
    liveness->down[direction][link] = !up;
}

void liveness_frame_taken(struct liveness *liveness, uint32_t link, sim_time now)
{
    for (uint32_t i = 0; i < liveness->scenario->vm_count && liveness->on_their_way > 0; i++) {
        struct vm_way *way = &liveness->vms[i];
        if (!liveness->finished && way->phase != SETTLED && concerns_link(liveness, way, link)) {
            disturb(liveness, way, now);
        }
    }
}

/* ---- results --------------------------------------------------------------------------------------------------------------------------- */

void liveness_finish(struct liveness *liveness, sim_time now)
{
    for (uint32_t i = 0; i < liveness->scenario->vm_count && !liveness->finished; i++) {
        look(liveness, &liveness->vms[i], now);
    }
    liveness->finished = true;
}

bool liveness_all_is_well(const struct liveness *liveness)
{
    const struct scenario *scenario = liveness->scenario;
    bool well = true;
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        well = well && liveness->nodes[i] == LIVENESS_ON;
    }
    for (uint32_t i = 0; i < scenario->link_count; i++) {
        well = well && !is_down(liveness, i);
    }
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        well = well && !liveness->faults[i];
    }
    return well;
}

uint64_t liveness_judged(const struct liveness *liveness)
{
    return liveness->judged;
}

const char *liveness_violation(const struct liveness *liveness, sim_time *at)
{
    *at = liveness->violated_at;
    return liveness->violated ? liveness->what : NULL;
}
