#include "sim/rt_side.h"

#include "sim/assert.h"
#include "sim/chance.h"

#include <stdio.h>
#include <stdlib.h>

const struct rt_costs rt_costs_default = {
    .call = 300,
    .stream_per_kib = 100,
    .page = 150,
    .page_crc = 250,
    .page_compress = 48 * SIM_US,
    .page_expand = 12 * SIM_US,
    .store_write = 400 * SIM_US,
};

/* ---- the node's table --------------------------------------------------------------------------------------------------- */

static rt_time node_now(struct rt *rt)
{
    return machine_now(rt_side_of(rt)->machine);
}

static rt_time node_wall_clock(struct rt *rt)
{
    return machine_wall_clock(rt_side_of(rt)->machine);
}

static enum rt_error node_sleep_until(struct rt *rt, rt_time deadline)
{
    rt_side_pay(rt_side_of(rt));
    enum task_wake wake = task_sleep_until(deadline);
    return wake == TASK_CANCELLED ? RT_CANCELLED : RT_OK;
}

/* The body of a task of node software, with the two arguments that it wants. */
struct body {
    struct rt *rt;
    void (*run)(struct rt *, void *);
    void *context;
};

static void run_body(void *context)
{
    struct body body = *(struct body *)context;
    machine_free_memory(rt_side_of(body.rt)->machine, context);
    body.run(body.rt, body.context);
}

static enum rt_error node_spawn(struct rt *rt, const char *name, void (*run)(struct rt *, void *),
                                void *context, struct rt_task **out)
{
    struct rt_side *side = rt_side_of(rt);
    rt_side_charge(side->costs->call);
    struct body *body = machine_alloc(side->machine, sizeof *body);
    if (body == NULL) {
        return RT_NO_MEMORY;
    }
    *body = (struct body){rt, run, context};
    struct task *task = task_spawn(side->tasks, name, run_body, body);
    if (task == NULL) {
        machine_free_memory(side->machine, body);
        return RT_NO_MEMORY;
    }
    *out = (struct rt_task *)(void *)task;
    return RT_OK;
}

static struct task *task_of(struct rt_task *task)
{
    return (struct task *)(void *)task;
}

static enum rt_error node_join(struct rt *rt, struct rt_task *task, rt_time deadline)
{
    rt_side_pay(rt_side_of(rt));
    return rt_side_wake(task_join(task_of(task), deadline));
}

static void node_cancel(struct rt *rt, struct rt_task *task)
{
    (void)rt;
    task_cancel(task_of(task));
}

static void node_detach(struct rt *rt, struct rt_task *task)
{
    (void)rt;
    task_detach(task_of(task));
}

_Static_assert(sizeof(struct task_queue) <= sizeof(struct rt_condition),
               "a condition holds a queue of tasks");

static struct task_queue *queue_of(struct rt_condition *condition)
{
    return (struct task_queue *)(void *)condition;
}

static enum rt_error node_wait(struct rt *rt, struct rt_condition *condition, rt_time deadline)
{
    rt_side_charge(rt_side_of(rt)->costs->call);
    rt_side_probe(rt_side_of(rt));
    /* It stands in the queue before it pays (sim/task.h T3): what is signalled meanwhile is not lost. */
    return rt_side_wake(task_wait(queue_of(condition), deadline));
}

static void node_signal(struct rt *rt, struct rt_condition *condition, bool all)
{
    rt_side_charge(rt_side_of(rt)->costs->call);
    if (all) {
        task_wake_all(queue_of(condition));
    } else {
        task_wake_one(queue_of(condition));
    }
}

static void *node_alloc(struct rt *rt, size_t bytes)
{
    return machine_alloc(rt_side_of(rt)->machine, bytes);
}

static void node_free(struct rt *rt, void *memory)
{
    if (memory != NULL) {
        machine_free_memory(rt_side_of(rt)->machine, memory);
    }
}

static void node_charge(struct rt *rt, rt_time cpu_ns)
{
    (void)rt;
    rt_side_charge(cpu_ns);
}

static rt_time node_busy(struct rt *rt)
{
    (void)rt;
    return task_running() != NULL ? task_charged() : 0;
}

static const char *node_id(struct rt *rt)
{
    struct rt_side *side = rt_side_of(rt);
    return sim_origin_path(machine_sim(side->machine), side->origin);
}

static uint64_t node_draw(struct rt *rt, const char *site, uint64_t ordinal)
{
    struct sim *sim = machine_sim(rt_side_of(rt)->machine);
    return chance_at(chance_key(sim_seed(sim), site, node_id(rt)), ordinal);
}

static void node_record(struct rt *rt, const struct rt_record_kind *kind, const int64_t *values,
                        const char *text)
{
    struct rt_side *side = rt_side_of(rt);
    SIM_ASSERT(kind >= side->record_kinds);
    SIM_ASSERT(kind < side->record_kinds + side->record_kind_count);
    uint32_t index = (uint32_t)(kind - side->record_kinds);
    recorder_record(side->recorder, side->record_base + index, side->origin, 0, values, text);
}

static void node_assert_failed(struct rt *rt, const char *condition, const char *file, int line)
{
    (void)rt;
    sim_assert_failed(condition, file, line);
}

static const struct rt_node_table node_table = {
    .now = node_now,
    .wall_clock = node_wall_clock,
    .sleep_until = node_sleep_until,
    .spawn = node_spawn,
    .join = node_join,
    .cancel = node_cancel,
    .detach = node_detach,
    .wait = node_wait,
    .signal = node_signal,
    .alloc = node_alloc,
    .free = node_free,
    .charge = node_charge,
    .busy = node_busy,
    .draw = node_draw,
    .id = node_id,
    .record = node_record,
    .assert_failed = node_assert_failed,
};

/* ---- what stands in until a room fills its table in ------------------------------------------------------------------------ */

static enum rt_error no_disk(struct rt *rt, const char *name, struct rt_disk **out)
{
    (void)rt, (void)name, (void)out;
    return RT_NOT_FOUND;
}

static const struct rt_disk_table no_disks = {.open = no_disk};

/* ---- kinds -------------------------------------------------------------------------------------------------------------------- */

static enum record_unit unit_of(enum rt_unit unit)
{
    switch (unit) {
    case RT_UNIT_END:
        return RECORD_END;
    case RT_UNIT_COUNT:
        return RECORD_COUNT;
    case RT_UNIT_PAGES:
        return RECORD_PAGES;
    case RT_UNIT_BYTES:
        return RECORD_BYTES;
    case RT_UNIT_NS:
        return RECORD_NS;
    case RT_UNIT_INSTANT:
        return RECORD_INSTANT;
    case RT_UNIT_BPS:
        return RECORD_BPS;
    case RT_UNIT_FLAG:
        return RECORD_FLAG;
    case RT_UNIT_NUMBER:
        break;
    }
    return RECORD_NUMBER;
}

/* Converted tables are few, and recorders point into them: they are kept, and found again for the next run. */
#define TABLES_MAX 16u
static struct {
    const struct rt_record_kind *from;
    struct record_kind *to;
} converted[TABLES_MAX];

uint32_t rt_side_add_kinds(struct recorder *recorder, const struct rt_record_kind *kinds,
                           uint32_t count)
{
    uint32_t slot = 0;
    while (slot < TABLES_MAX && converted[slot].from != NULL && converted[slot].from != kinds) {
        slot++;
    }
    SIM_ASSERT(slot < TABLES_MAX);
    if (converted[slot].from == NULL) {
        struct record_kind *to = calloc(count, sizeof *to);
        SIM_ASSERT(to != NULL);
        for (uint32_t i = 0; i < count; i++) {
            to[i].name = kinds[i].name;
            to[i].meaning = kinds[i].meaning;
            to[i].text = kinds[i].text;
            for (uint32_t f = 0; f < RECORD_VALUES_MAX; f++) {
                to[i].fields[f].name = kinds[i].fields[f].name;
                to[i].fields[f].unit = unit_of(kinds[i].fields[f].unit);
            }
        }
        converted[slot].from = kinds;
        converted[slot].to = to;
    }
    return recorder_add_kinds(recorder, converted[slot].to, count);
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------- */

static void on_machine(void *context, enum machine_news news)
{
    struct rt_side *side = context;
    if (news == MACHINE_CRASHED) {
        rt_page_ledger_reset(side->page_ledger);
    }
}

struct rt_side *rt_side_new(const struct rt_side_options *options)
{
    struct rt_side *side = calloc(1, sizeof *side);
    SIM_ASSERT(side != NULL);
    side->rt.node = &node_table;
    side->rt.store = &rt_store_table;
    side->rt.pages = &rt_pages_table;
    side->rt.disks = &no_disks;
    side->machine = options->machine;
    side->tasks = options->tasks;
    side->recorder = options->recorder;
    side->pages = options->pages;
    side->origin = machine_origin(options->machine);
    side->costs = options->costs != NULL ? options->costs : &rt_costs_default;
    side->record_kinds = options->record_kinds;
    side->record_kind_count = options->record_kind_count;
    side->record_base = options->record_base;
    side->store = node_store_new();
    side->page_ledger = rt_page_ledger_new(options->pages);
    machine_watch(options->machine, on_machine, side);
    return side;
}

void rt_side_free(struct rt_side *side)
{
    machine_unwatch(side->machine, on_machine, side);
    rt_page_ledger_free(side->page_ledger);
    node_store_free(side->store);
    free(side);
}
