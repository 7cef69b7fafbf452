#include "testbed/oracles.h"

#include "nic/link_fault.h"

#include "cluster/migration_records.h"
#include "nic/net.h"
#include "sim/assert.h"
#include "testbed/oracle_liveness.h"
#include "testbed/run_records.h"
#include "vm/vm_records.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A node's service has one stream of its own: the listener. */
#define STREAMS_OF_SERVICE 1
/* How long after the last migration of a node its connections may linger, where all went well and where not: twice the patience with
 * which the service waits for a message. */
#define SETTLED_WELL_NS  (1 * SIM_S)
#define SETTLED_BADLY_NS (15 * SIM_S)
/* ... and how long a copy may stay prepared while its source could be asked: as long as that takes many times. */
#define SETTLED_AT_LAST_NS (30 * SIM_S)
#define INSTANCES_AT_ONCE  4u
#define DAMAGED_FLOWS      64u

/* What the oracles listen to. */
enum heard {
    HEARD_NOTHING,
    HEARD_VM_CREATED,
    HEARD_VM_RUNS,
    HEARD_VM_PAUSED,
    HEARD_VM_GONE,
    HEARD_VM_COMPARED,
    HEARD_VM_HARVESTED,
    HEARD_BULK_DONE,
    HEARD_STEP,
    HEARD_ROUND,
    HEARD_HANDOVER,
    HEARD_MIGRATION_ORDERED,
    HEARD_MIGRATION_ENDED,
    HEARD_DRAIN_MOVES,
    HEARD_MACHINE,
    HEARD_FAULT_STARTS,
    HEARD_FAULT_STOPS,
    HEARD_LINK_STATE,
    HEARD_FRAME_LOST,
    HEARD_FRAME_CHANGED,
    HEARD_STREAM_CHECKED,
    HEARD_LINK_TOTALS,
    HEARD_NODE_TOTALS,
    HEARD_LEAKS,
};

static const struct {
    const char *name;
    enum heard heard;
} heard_kinds[] = {
    {"vm.created", HEARD_VM_CREATED},
    {"vm.runs", HEARD_VM_RUNS},
    {"vm.paused", HEARD_VM_PAUSED},
    {"vm.gone", HEARD_VM_GONE},
    {"vm.compared", HEARD_VM_COMPARED},
    {"vm.harvested", HEARD_VM_HARVESTED},
    {"bulk.done", HEARD_BULK_DONE},
    {"migration.step", HEARD_STEP},
    {"migration.round", HEARD_ROUND},
    {"migration.handover", HEARD_HANDOVER},
    {"migration.ordered", HEARD_MIGRATION_ORDERED},
    {"migration.ended", HEARD_MIGRATION_ENDED},
    {"drain.moves", HEARD_DRAIN_MOVES},
    {"machine.state", HEARD_MACHINE},
    {"fault.starts", HEARD_FAULT_STARTS},
    {"fault.stops", HEARD_FAULT_STOPS},
    {"net.link_state", HEARD_LINK_STATE},
    {"net.frame_lost", HEARD_FRAME_LOST},
    {"net.stream_checked", HEARD_STREAM_CHECKED},
    {"net.frame_changed", HEARD_FRAME_CHANGED},
    {"link.totals", HEARD_LINK_TOTALS},
    {"node.totals", HEARD_NODE_TOTALS},
    {"run.leaks", HEARD_LEAKS},
};
#define HEARD_KINDS (sizeof heard_kinds / sizeof *heard_kinds)

static const struct {
    const char *name, *meaning;
} oracle_texts[ORACLES] = {
    [ORACLE_ONE_INSTANCE] = {"one-instance", "at most one instance of a VM runs at any instant"},
    [ORACLE_LIVENESS] = {"liveness",
                         "exactly one runs within 10 s after both hosts of a hand-over and a path "
                         "between them are up"},
    [ORACLE_MEMORY] = {"memory",
                       "an instance that runs on what it was sent has the pages of the one it "
                       "came from"},
    [ORACLE_STATE] = {"state", "an instance that runs on what it was sent has the processor and "
                               "device state of the one it came from"},
    [ORACLE_COMMIT] = {"commit", "the source stores nothing after the pause of a VM that it gave"},
    [ORACLE_DIRTY] = {"dirty", "what was stored is a subset of what was reported dirty"},
    [ORACLE_STREAMS] = {"streams", "every TCP stream arrived intact, in order, once"},
    [ORACLE_FRAMES] = {"frames", "no frame was delivered that was not sent"},
    [ORACLE_LEAKS] = {"leaks", "nothing is alive after everything was taken down, and a node holds "
                               "nothing for a migration that is settled"},
};

const char *oracle_name(enum oracle oracle)
{
    SIM_ASSERT(oracle < ORACLES);
    return oracle_texts[oracle].name;
}

const char *oracle_meaning(enum oracle oracle)
{
    SIM_ASSERT(oracle < ORACLES);
    return oracle_texts[oracle].meaning;
}

struct instance {
    int64_t number;
    uint32_t node;
    bool running, ran;
    bool given;    /* its node has passed the commit point with it */
    bool prepared; /* its node holds it for its source's word */
};

struct vm_instances {
    struct instance *items;
    uint32_t count, capacity;
};

/* Of a node, for what it may still hold at the end. */
struct node_past {
    sim_time migrated_at; /* last sign of a migration, or SIM_NEVER */
    bool disturbed;       /* power, freezing, or a migration that did not complete */
};

struct finding {
    uint64_t judged;
    bool violated;
    sim_time at;
    char what[160];
};

struct oracles {
    const struct scenario *scenario;
    struct recorder *recorder;
    struct liveness *liveness;
    uint8_t *heard; /* enum heard, by the recorder's number of the kind */
    uint32_t kind_count;
    struct scenario_part *parts; /* by origin */
    uint32_t origin_count;
    struct vm_instances *vms;
    struct node_past *nodes;
    uint32_t *targets; /* nodes, by item of the timeline: where its migration goes; SIM_NONE */
    struct finding findings[ORACLES];
    uint64_t damaged[DAMAGED_FLOWS]; /* flows whose payload a fault changed behind the checksums */
    uint32_t damaged_count;          /* beyond the array: nobody knows which */
    bool totals_begun;               /* the run is over, the world stands still */
};

/* ---- findings ------------------------------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 5, 6))) static void judge_that(struct oracles *oracles,
                                                             enum oracle oracle, sim_time now,
                                                             bool holds, const char *format, ...)
{
    struct finding *finding = &oracles->findings[oracle];
    finding->judged++;
    if (holds || finding->violated) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->what, sizeof finding->what, format, arguments);
    va_end(arguments);
    finding->violated = true;
    finding->at = now;
}

/* ---- which part ------------------------------------------------------------------------------------------------------------------ */

/* Paths of origins are names of parts, of link directions with a sign behind. */
static struct scenario_part part_of_path(const struct scenario *scenario, const char *path)
{
    char name[256];
    size_t length = strlen(path);
    if (length > 0 && (path[length - 1] == '>' || path[length - 1] == '<')) {
        length--;
    }
    if (length >= sizeof name) {
        return (struct scenario_part){SCENARIO_NO_PART, SIM_NONE};
    }
    memcpy(name, path, length);
    name[length] = 0;
    return scenario_find(scenario, name);
}

static struct scenario_part part_of(const struct oracles *oracles, uint32_t origin)
{
    if (origin >= oracles->origin_count) {
        return (struct scenario_part){SCENARIO_NO_PART, SIM_NONE};
    }
    return oracles->parts[origin];
}

static uint32_t index_of(const struct oracles *oracles, uint32_t origin,
                         enum scenario_part_kind kind)
{
    struct scenario_part part = part_of(oracles, origin);
    return part.kind == kind ? part.index : SIM_NONE;
}

/* The item of the timeline that a request number stands for, or SIM_NONE. */
static uint32_t migration_of(const struct oracles *oracles, int64_t request)
{
    if (request < 1 || (uint64_t)request > oracles->scenario->item_count ||
        oracles->scenario->timeline[request - 1].kind != SCENARIO_MIGRATE) {
        return SIM_NONE;
    }
    return (uint32_t)(request - 1);
}

static const char *node_name(const struct oracles *oracles, uint32_t node)
{
    return node < oracles->scenario->node_count ? oracles->scenario->nodes[node].name : "?";
}

static const char *vm_name(const struct oracles *oracles, uint32_t vm)
{
    return oracles->scenario->vms[vm].name;
}

/* ---- instances ------------------------------------------------------------------------------------------------------------------- */

static struct instance *find_instance(struct vm_instances *vm, int64_t number)
{
    for (uint32_t i = 0; i < vm->count; i++) {
        if (vm->items[i].number == number) {
            return &vm->items[i];
        }
    }
    return NULL;
}

static void add_instance(struct vm_instances *vm, int64_t number, uint32_t node)
{
    SIM_ASSERT(find_instance(vm, number) == NULL);
    if (vm->count == vm->capacity) {
        vm->capacity = vm->capacity == 0 ? INSTANCES_AT_ONCE : vm->capacity * 2;
        vm->items = realloc(vm->items, vm->capacity * sizeof *vm->items);
        SIM_ASSERT(vm->items != NULL);
    }
    vm->items[vm->count++] = (struct instance){.number = number, .node = node};
}

static void instance_runs(struct oracles *oracles, uint32_t vm, struct instance *instance,
                          sim_time now)
{
    const struct vm_instances *all = &oracles->vms[vm];
    const struct instance *other = NULL;
    for (uint32_t i = 0; i < all->count; i++) {
        if (&all->items[i] != instance && all->items[i].running) {
            other = &all->items[i];
        }
    }
    judge_that(oracles, ORACLE_ONE_INSTANCE, now, other == NULL,
               "%s begins to run on %s while it runs on %s", vm_name(oracles, vm),
               node_name(oracles, instance->node),
               other != NULL ? node_name(oracles, other->node) : "");
    if (instance->given) {
        judge_that(oracles, ORACLE_COMMIT, now, false,
                   "%s runs on %s again, which gave it and did not take it back",
                   vm_name(oracles, vm), node_name(oracles, instance->node));
    }
    instance->running = true;
    instance->ran = true;
    liveness_vm_runs(oracles->liveness, vm, now);
}

static void instance_gone(struct oracles *oracles, uint32_t vm, struct instance *instance,
                          const struct record *record)
{
    struct vm_instances *all = &oracles->vms[vm];
    if (instance->given) {
        judge_that(oracles, ORACLE_COMMIT, record->time, record->values[3] == 0,
                   "%s gave %s, and stores by its copy after the pause were %" PRId64,
                   node_name(oracles, instance->node), vm_name(oracles, vm), record->values[3]);
    }
    uint32_t node = instance->node;
    *instance = all->items[--all->count];
    liveness_vm_gone(oracles->liveness, vm, node, all->count, record->time);
}

static void take_vm(struct oracles *oracles, enum heard heard, const struct record *record)
{
    uint32_t vm = index_of(oracles, record->origin, SCENARIO_VM);
    uint32_t node = index_of(oracles, (uint32_t)record->values[1], SCENARIO_NODE);
    if (vm == SIM_NONE) {
        return;
    }
    if (heard == HEARD_VM_CREATED) {
        add_instance(&oracles->vms[vm], record->values[0], node);
        return;
    }
    struct instance *instance = find_instance(&oracles->vms[vm], record->values[0]);
    if (instance == NULL) {
        return; /* a recording that begins later */
    }
    if (heard == HEARD_VM_RUNS) {
        instance_runs(oracles, vm, instance, record->time);
    } else if (heard == HEARD_VM_PAUSED) {
        instance->running = false;
        liveness_vm_paused(oracles->liveness, vm, node, record->time);
    } else {
        instance_gone(oracles, vm, instance, record);
    }
}

/* ---- what the hardware compared ---------------------------------------------------------------------------------------------------- */

static void take_compared(struct oracles *oracles, const struct record *record)
{
    uint32_t vm = index_of(oracles, record->origin, SCENARIO_VM);
    const int64_t *v = record->values;
    if (vm == SIM_NONE || v[5] == 0) {
        return;
    }
    const struct instance *instance = find_instance(&oracles->vms[vm], v[0]);
    const char *node = instance != NULL ? node_name(oracles, instance->node) : "?";
    judge_that(oracles, ORACLE_MEMORY, record->time, v[2] == 0,
               "%s on %s differs from what it was in %" PRId64
               " of its pages, the first is page %" PRId64,
               vm_name(oracles, vm), node, v[2], v[3]);
    judge_that(oracles, ORACLE_STATE, record->time, v[4] == 0,
               "%s on %s has another processor or device state than it had", vm_name(oracles, vm),
               node);
}

static void take_harvested(struct oracles *oracles, const struct record *record)
{
    uint32_t vm = index_of(oracles, record->origin, SCENARIO_VM);
    const int64_t *v = record->values;
    if (vm != SIM_NONE) {
        judge_that(oracles, ORACLE_DIRTY, record->time, v[2] == 0,
                   "%s: stores to %" PRId64
                   " of its pages were not reported dirty, the first is page %" PRId64,
                   vm_name(oracles, vm), v[2], v[3]);
    }
}

/* ---- migrations -------------------------------------------------------------------------------------------------------------------- */

static void node_migrates(struct oracles *oracles, uint32_t node, sim_time now)
{
    if (node != SIM_NONE) {
        oracles->nodes[node].migrated_at = now;
    }
}

static void take_handover(struct oracles *oracles, uint32_t item, uint32_t node,
                          const struct record *record)
{
    bool given = strcmp(record->text, "given") == 0;
    bool prepared = strcmp(record->text, "prepared") == 0;
    bool taken_back = strcmp(record->text, "taken back") == 0;
    if (strcmp(record->text, "owned") == 0) {
        liveness_owned(oracles->liveness, item, record->time);
    }
    uint32_t vm = oracles->scenario->timeline[item].action.migrate.vm;
    if (node == SIM_NONE || (!given && !taken_back && !prepared)) {
        return;
    }
    for (uint32_t i = 0; i < oracles->vms[vm].count; i++) {
        struct instance *instance = &oracles->vms[vm].items[i];
        if (instance->node == node) {
            instance->given = given;
            instance->prepared = prepared;
        }
    }
    if (given) {
        liveness_given(oracles->liveness, item, node, record->time);
    }
}

static void take_migration(struct oracles *oracles, enum heard heard, const struct record *record)
{
    uint32_t item = migration_of(oracles, record->values[0]);
    uint32_t node = index_of(oracles, record->origin, SCENARIO_NODE);
    if (item == SIM_NONE) {
        return;
    }
    node_migrates(oracles, node, record->time);
    node_migrates(oracles, oracles->targets[item], record->time);
    switch (heard) {
    case HEARD_STEP:
        if (strcmp(record->text, "stop-copy") == 0) {
            liveness_stop_copy_begins(oracles->liveness, item);
        }
        break;
    case HEARD_ROUND:
        liveness_round(oracles->liveness, item, record->values[7]);
        break;
    case HEARD_HANDOVER:
        take_handover(oracles, item, node, record);
        break;
    case HEARD_MIGRATION_ENDED:
        liveness_ends(oracles->liveness, item);
        if (record->values[1] == 0 && node != SIM_NONE) {
            oracles->nodes[node].disturbed = true;
            oracles->nodes[oracles->targets[item]].disturbed = true;
        }
        break;
    default:
        break;
    }
}

/* A drain chose where one of its migrations goes. */
static void take_drain_move(struct oracles *oracles, const struct record *record)
{
    struct scenario_part part = part_of(oracles, record->origin);
    uint32_t node = index_of(oracles, (uint32_t)record->values[1], SCENARIO_NODE);
    if (part.kind == SCENARIO_ACTION && node != SIM_NONE) {
        oracles->targets[part.index] = node;
        liveness_target(oracles->liveness, part.index, node);
    }
}

/* ---- what disturbs ------------------------------------------------------------------------------------------------------------------ */

static void take_machine(struct oracles *oracles, const struct record *record)
{
    struct scenario_part part = part_of(oracles, record->origin);
    bool off = strcmp(record->text, "off") == 0;
    if (part.kind == SCENARIO_VM && off) {
        liveness_vm_off(oracles->liveness, part.index);
    }
    if (part.kind != SCENARIO_NODE) {
        return;
    }
    enum liveness_power power = off                                   ? LIVENESS_OFF
                                : strcmp(record->text, "frozen") == 0 ? LIVENESS_FROZEN
                                                                      : LIVENESS_ON;
    liveness_machine(oracles->liveness, part.index, power, record->time);
    if (record->time > 0) {
        for (uint32_t i = 0; i < oracles->scenario->node_count; i++) {
            oracles->nodes[i].disturbed = true; /* whoever was talking to it may wait for it */
            if (oracles->nodes[i].migrated_at != SIM_NEVER) {
                oracles->nodes[i].migrated_at = record->time;
            }
        }
    }
}

static void take_fault(struct oracles *oracles, bool starts, const struct record *record)
{
    uint32_t item = index_of(oracles, record->origin, SCENARIO_ACTION);
    if (item == SIM_NONE || oracles->scenario->timeline[item].kind != SCENARIO_FAULT) {
        return;
    }
    const struct scenario_fault *fault = &oracles->scenario->timeline[item].action.fault;
    if (fault->target != SCENARIO_FAULT_MACHINE || fault->value[FAULT_CLAIMS] != QUANTITY_ABSENT) {
        liveness_fault(oracles->liveness, item, starts, record->time);
        for (uint32_t i = 0; i < oracles->scenario->node_count; i++) {
            oracles->nodes[i].disturbed = true;
            if (oracles->nodes[i].migrated_at != SIM_NEVER) {
                oracles->nodes[i].migrated_at = record->time;
            }
        }
    }
}

/* The path of a direction ends with the sign of its way. */
static void take_link_state(struct oracles *oracles, const struct record *record)
{
    uint32_t link = index_of(oracles, record->origin, SCENARIO_LINK);
    if (link != SIM_NONE) {
        const char *path = sim_origin_path(recorder_sim(oracles->recorder), record->origin);
        uint32_t direction = path[strlen(path) - 1] == '<' ? 1 : 0;
        liveness_link(oracles->liveness, link, direction, record->values[0] != 0, record->time);
    }
}

static void take_frame_lost(struct oracles *oracles, const struct record *record)
{
    uint32_t link = index_of(oracles, record->origin, SCENARIO_LINK);
    if (link != SIM_NONE && record->cause != 0) {
        liveness_frame_taken(oracles->liveness, link, record->time);
    }
}

/* ---- the network ---------------------------------------------------------------------------------------------------------------------- */

static bool is_damaged(const struct oracles *oracles, uint64_t flow)
{
    bool damaged = oracles->damaged_count > DAMAGED_FLOWS;
    for (uint32_t i = 0; i < oracles->damaged_count && i < DAMAGED_FLOWS; i++) {
        damaged = damaged || oracles->damaged[i] == flow;
    }
    return damaged;
}

static void take_frame_changed(struct oracles *oracles, const struct record *record)
{
    uint64_t flow = (uint64_t)record->values[1];
    if (strcmp(record->text, LINK_REPAIRED_TEXT) != 0 || is_damaged(oracles, flow)) {
        return;
    }
    if (oracles->damaged_count < DAMAGED_FLOWS) {
        oracles->damaged[oracles->damaged_count] = flow;
    }
    oracles->damaged_count += oracles->damaged_count <= DAMAGED_FLOWS ? 1 : 0;
}

static void take_stream(struct oracles *oracles, const struct record *record)
{
    if (is_damaged(oracles, (uint64_t)record->values[0])) {
        return; /* O3 */
    }
    struct scenario_part part = part_of(oracles, record->origin);
    judge_that(oracles, ORACLE_STREAMS, record->time, record->values[2] != 0,
               "a TCP stream to %s did not arrive as it was sent; right until byte %" PRId64,
               part.kind != SCENARIO_NO_PART ? scenario_part_name(oracles->scenario, part) : "?",
               record->values[1]);
}

static void take_bulk(struct oracles *oracles, const struct record *record)
{
    uint32_t item = index_of(oracles, record->origin, SCENARIO_ACTION);
    if (item != SIM_NONE && oracles->damaged_count == 0) { /* O3 */
        judge_that(oracles, ORACLE_STREAMS, record->time, record->values[2] == 0,
                   "%s: pieces that landed and are not what was sent: %" PRId64,
                   oracles->scenario->timeline[item].name, record->values[2]);
    }
}

static void take_link_totals(struct oracles *oracles, const struct record *record)
{
    judge_that(oracles, ORACLE_FRAMES, record->time, record->values[5] != 0,
               "%s: frames delivered, lost and on their way are not those that were sent",
               record->origin < oracles->origin_count
                   ? sim_origin_path(recorder_sim(oracles->recorder), record->origin)
                   : "?");
}

/* ---- what is left ------------------------------------------------------------------------------------------------------------------------ */

/* A copy that never ran, on a node without a migration. */
static void judge_copies(struct oracles *oracles, uint32_t node, sim_time now)
{
    for (uint32_t vm = 0; vm < oracles->scenario->vm_count; vm++) {
        for (uint32_t i = 0; i < oracles->vms[vm].count; i++) {
            const struct instance *instance = &oracles->vms[vm].items[i];
            if (instance->node == node) {
                judge_that(oracles, ORACLE_LEAKS, now, instance->ran && !instance->given,
                           "%s keeps the memory of a copy of %s though no migration is open there",
                           node_name(oracles, node), vm_name(oracles, vm));
            }
        }
    }
}

/* A copy that waits for its source's word where nothing keeps it from asking. */
static void judge_prepared(struct oracles *oracles, uint32_t node, sim_time now)
{
    if (!liveness_all_is_well(oracles->liveness) ||
        now - oracles->nodes[node].migrated_at < SETTLED_AT_LAST_NS) {
        return;
    }
    for (uint32_t vm = 0; vm < oracles->scenario->vm_count; vm++) {
        for (uint32_t i = 0; i < oracles->vms[vm].count; i++) {
            const struct instance *instance = &oracles->vms[vm].items[i];
            if (instance->node == node && instance->prepared) {
                judge_that(oracles, ORACLE_LEAKS, now, instance->ran,
                           "%s keeps a prepared copy of %s and does not ask what became of it",
                           node_name(oracles, node), vm_name(oracles, vm));
            }
        }
    }
}

static void take_node_totals(struct oracles *oracles, const struct record *record)
{
    uint32_t node = index_of(oracles, record->origin, SCENARIO_NODE);
    const int64_t *v = record->values;
    if (node == SIM_NONE) {
        return;
    }
    const struct node_past *past = &oracles->nodes[node];
    if (v[4] != 0) {
        if (past->migrated_at != SIM_NEVER) {
            judge_prepared(oracles, node, record->time);
        }
        return;
    }
    sim_time patience = past->disturbed ? SETTLED_BADLY_NS : SETTLED_WELL_NS;
    judge_copies(oracles, node, record->time);
    if (past->migrated_at != SIM_NEVER && record->time - past->migrated_at < patience) {
        return;
    }
    judge_that(oracles, ORACLE_LEAKS, record->time, v[2] <= STREAMS_OF_SERVICE,
               "%s: no migration is open, streams are: %" PRId64, node_name(oracles, node),
               v[2] - STREAMS_OF_SERVICE);
    judge_that(oracles, ORACLE_LEAKS, record->time, v[3] == 0,
               "%s: no migration is open, pages are held: %" PRId64, node_name(oracles, node),
               v[3]);
}

static void take_leaks(struct oracles *oracles, const struct record *record)
{
    static const char *const what[] = {"frames", "literal pages", "fibers", "events"};
    for (uint32_t i = 0; i < sizeof what / sizeof *what; i++) {
        judge_that(oracles, ORACLE_LEAKS, record->time, record->values[i] == 0,
                   "alive after everything was taken down: %s, %" PRId64, what[i],
                   record->values[i]);
    }
}

/* ---- records -------------------------------------------------------------------------------------------------------------------------------- */

static void take_totals(struct oracles *oracles, enum heard heard, const struct record *record)
{
    if (!oracles->totals_begun) {
        oracles->totals_begun = true;
        liveness_finish(oracles->liveness, record->time);
    }
    if (heard == HEARD_LINK_TOTALS) {
        take_link_totals(oracles, record);
    } else if (heard == HEARD_NODE_TOTALS) {
        take_node_totals(oracles, record);
    } else {
        take_leaks(oracles, record);
    }
}

void oracles_take(struct oracles *oracles, const struct record *record)
{
    enum heard heard = record->kind < oracles->kind_count ? (enum heard)oracles->heard[record->kind]
                                                          : HEARD_NOTHING;
    switch (heard) {
    case HEARD_NOTHING:
        break;
    case HEARD_VM_CREATED:
    case HEARD_VM_RUNS:
    case HEARD_VM_PAUSED:
    case HEARD_VM_GONE:
        take_vm(oracles, heard, record);
        break;
    case HEARD_VM_COMPARED:
        take_compared(oracles, record);
        break;
    case HEARD_VM_HARVESTED:
        take_harvested(oracles, record);
        break;
    case HEARD_BULK_DONE:
        take_bulk(oracles, record);
        break;
    case HEARD_STEP:
    case HEARD_ROUND:
    case HEARD_HANDOVER:
    case HEARD_MIGRATION_ORDERED:
    case HEARD_MIGRATION_ENDED:
        take_migration(oracles, heard, record);
        break;
    case HEARD_DRAIN_MOVES:
        take_drain_move(oracles, record);
        break;
    case HEARD_MACHINE:
        take_machine(oracles, record);
        break;
    case HEARD_FAULT_STARTS:
    case HEARD_FAULT_STOPS:
        take_fault(oracles, heard == HEARD_FAULT_STARTS, record);
        break;
    case HEARD_LINK_STATE:
        take_link_state(oracles, record);
        break;
    case HEARD_FRAME_CHANGED:
        take_frame_changed(oracles, record);
        break;
    case HEARD_FRAME_LOST:
        take_frame_lost(oracles, record);
        break;
    case HEARD_STREAM_CHECKED:
        take_stream(oracles, record);
        break;
    case HEARD_LINK_TOTALS:
    case HEARD_NODE_TOTALS:
    case HEARD_LEAKS:
        take_totals(oracles, heard, record);
        break;
    }
}

static void listen(void *context, const struct record *record)
{
    oracles_take(context, record);
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------------------- */

static void *take(size_t count, size_t bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);
    SIM_ASSERT(memory != NULL);
    return memory;
}

struct oracles *oracles_new(const struct scenario *scenario, struct recorder *recorder)
{
    struct oracles *oracles = take(1, sizeof *oracles);
    const struct sim *sim = recorder_sim(recorder);
    oracles->scenario = scenario;
    oracles->recorder = recorder;
    oracles->liveness = liveness_new(scenario);
    oracles->vms = take(scenario->vm_count, sizeof *oracles->vms);
    oracles->nodes = take(scenario->node_count, sizeof *oracles->nodes);
    oracles->targets = take(scenario->item_count, sizeof *oracles->targets);
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        oracles->targets[i] = scenario->timeline[i].kind == SCENARIO_MIGRATE
                                  ? scenario->timeline[i].action.migrate.to
                                  : SIM_NONE;
    }
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        oracles->nodes[i].migrated_at = SIM_NEVER;
    }
    oracles->origin_count = sim_origin_count(sim);
    oracles->parts = take(oracles->origin_count, sizeof *oracles->parts);
    for (uint32_t i = 0; i < oracles->origin_count; i++) {
        oracles->parts[i] = part_of_path(scenario, sim_origin_path(sim, i));
    }
    oracles->kind_count = recorder_kind_count(recorder);
    oracles->heard = take(oracles->kind_count, sizeof *oracles->heard);
    for (size_t i = 0; i < HEARD_KINDS; i++) {
        uint32_t kind = recorder_kind_find(recorder, heard_kinds[i].name);
        SIM_ASSERT(kind != SIM_NONE);
        oracles->heard[kind] = (uint8_t)heard_kinds[i].heard;
        recorder_listen(recorder, kind, listen, oracles);
    }
    return oracles;
}

void oracles_free(struct oracles *oracles)
{
    for (uint32_t i = 0; i < oracles->scenario->vm_count; i++) {
        free(oracles->vms[i].items);
    }
    liveness_free(oracles->liveness);
    free(oracles->heard);
    free(oracles->parts);
    free(oracles->vms);
    free(oracles->nodes);
    free(oracles->targets);
    free(oracles);
}

void oracles_finish(struct oracles *oracles, sim_time now)
{
    liveness_finish(oracles->liveness, now);
    oracles->totals_begun = true;
}

void oracles_verdict(const struct oracles *oracles, enum oracle oracle, struct oracle_verdict *out)
{
    SIM_ASSERT(oracle < ORACLES);
    const struct finding *finding = &oracles->findings[oracle];
    *out = (struct oracle_verdict){
        .name = oracle_texts[oracle].name,
        .meaning = oracle_texts[oracle].meaning,
        .held = finding->violated     ? TRUTH_FALSE
                : finding->judged > 0 ? TRUTH_TRUE
                                      : TRUTH_UNKNOWN,
        .judged = finding->judged,
        .at = finding->at,
    };
    memcpy(out->what, finding->what, sizeof out->what);
    if (oracle == ORACLE_LIVENESS) {
        sim_time at = 0;
        const char *what = liveness_violation(oracles->liveness, &at);
        out->judged = liveness_judged(oracles->liveness);
        out->held = what != NULL ? TRUTH_FALSE : out->judged > 0 ? TRUTH_TRUE : TRUTH_UNKNOWN;
        out->at = what != NULL ? at : 0;
        snprintf(out->what, sizeof out->what, "%s", what != NULL ? what : "");
    }
}
