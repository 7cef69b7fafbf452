#include "testbed/timeline.h"

#include "cluster/migration_records.h"
#include "sim/assert.h"
#include "sim/planted.h"
#include "testbed/drain.h"
#include "testbed/fault_driver.h"
#include "testbed/policy_rules.h"
#include "testbed/timeline_rules.h"
#include "vm/traffic.h"
#include "vm/video.h"

#include <stdlib.h>
#include <string.h>

/* A part whose stack and clock are looked up at each use: a VM's move with it. */
struct end_of_traffic {
    struct world *world;
    struct scenario_part part;
};

struct item {
    struct timeline *timeline;
    uint32_t number;
    uint32_t event;  /* its firing, and for a fault its end */
    int64_t risings; /* how often its condition became true */
    bool fired, ended;
    bool called_off; /* a repetition that will not fire any more */
    enum truth was;
    uint64_t cause; /* id of its RUN_ACTION_STARTS */
    struct end_of_traffic from, to;
    struct ping *ping;
    struct request *request;
    struct bulk *bulk;
    struct video *video;
    struct drain *drain;
    uint32_t target; /* node that a migration goes to */
};

struct timeline {
    struct world *world;
    struct sweep_point *point; /* NULL: the scenario sweeps nothing */
    struct judge *judge;
    struct fault_driver *faults;
    struct item *items;
    uint32_t start_event, end_event, look_event;
    bool end_armed;
    enum truth end_was;
    const char *ended;
};

static const struct scenario_item *scenario_item(const struct item *item)
{
    return &item->timeline->world->scenario->timeline[item->number];
}

/* ---- how it ends ------------------------------------------------------------------------------------------------------------- */

static void stop_run(struct timeline *timeline, const char *why)
{
    timeline->ended = why;
    sim_stop(timeline->world->sim);
}

static void on_end(void *context)
{
    stop_run(context, "the scenario's end was reached");
}

static void arm_end(struct timeline *timeline, sim_time after)
{
    if (!timeline->end_armed) {
        timeline->end_armed = true;
        sim_event_arm(timeline->world->sim, timeline->end_event,
                      sim_now(timeline->world->sim) + after);
    }
}

/* Actions that end by themselves; the others do not keep a run alive. */
static bool ends_by_itself(const struct scenario_item *item)
{
    switch (item->kind) {
    case SCENARIO_PING:
        return item->action.ping.count != QUANTITY_ABSENT;
    case SCENARIO_VIDEO:
        return item->action.video.for_ns != QUANTITY_ABSENT;
    case SCENARIO_REQUEST:
        return false;
    case SCENARIO_FAULT:
        return item->action.fault.for_ns != QUANTITY_ABSENT;
    default:
        return true;
    }
}

/* The fault of a sweep that waits for its point. */
static bool is_swept(const struct timeline *timeline, uint32_t item)
{
    const struct scenario *scenario = timeline->world->scenario;
    return timeline->point != NULL && item == scenario->sweep.item &&
           !sweep_point_picks_frames(scenario, item);
}

/* Everything has fired, and what ends by itself has ended: the last stretch begins. */
static void look_for_end(void *context)
{
    struct timeline *timeline = context;
    const struct scenario *scenario = timeline->world->scenario;
    if (scenario->end.kind != SCENARIO_END_AFTER_LAST) {
        return;
    }
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        struct item *item = &timeline->items[i];
        const char *how = NULL;
        if (item->called_off || (!item->fired && is_swept(timeline, i))) {
            continue; /* a point that never comes keeps nobody waiting */
        }
        if (!item->fired && !scenario->timeline[i].of_drain) {
            return;
        }
        if (!item->fired) {
            continue; /* a VM that a drain did not move */
        }
        bool over = item->ended || judge_action_end(timeline->judge, i, &how) != SIM_NEVER;
        if (!over && ends_by_itself(&scenario->timeline[i])) {
            return;
        }
    }
    arm_end(timeline, scenario->end.after_last_ns);
}

static void look_soon(struct timeline *timeline)
{
    if (!sim_event_queued(timeline->world->sim, timeline->look_event)) {
        sim_event_arm(timeline->world->sim, timeline->look_event, sim_now(timeline->world->sim));
    }
}

/* A record of the kinds that end a migration: look in an event of the next wave. */
static void on_record(void *context, const struct record *record)
{
    (void)record;
    look_soon(context);
}

static void on_end_condition(void *context, enum truth truth)
{
    struct timeline *timeline = context;
    if (truth == TRUTH_TRUE && timeline->end_was != TRUTH_TRUE) {
        arm_end(timeline, timeline->world->scenario->end.then_ns);
    }
    timeline->end_was = truth;
}

/* ---- actions ------------------------------------------------------------------------------------------------------------------ */

static void say_end(struct item *item, const char *how)
{
    const int64_t values[] = {item->number + 1};
    if (item->ended) {
        return;
    }
    item->ended = true;
    world_say(item->timeline->world, RUN_ACTION_ENDS,
              item->timeline->world->action_origins[item->number], 0, values, how);
    look_soon(item->timeline);
}

static void on_traffic_ended(void *context)
{
    say_end(context, "done");
}

static struct ip_stack *stack_of_end(void *context)
{
    struct end_of_traffic *end = context;
    return world_stack(end->world, end->part);
}

static struct machine *clock_of_end(void *context)
{
    struct end_of_traffic *end = context;
    return world_clock(end->world, end->part);
}

static struct traffic_end traffic_end_of(struct item *item, struct end_of_traffic *end,
                                         struct scenario_part part)
{
    *end = (struct end_of_traffic){item->timeline->world, part};
    return (struct traffic_end){stack_of_end, clock_of_end, end};
}

static struct traffic_common common_of(struct item *item, struct scenario_part from,
                                       struct scenario_part to, uint32_t over)
{
    struct world *world = item->timeline->world;
    return (struct traffic_common){
        .net = &world->net,
        .record_base = world->vms.record_base,
        .origin = world->action_origins[item->number],
        .from = traffic_end_of(item, &item->from, from),
        .to = world_address(world, to, over),
        .ended = on_traffic_ended,
        .context = item,
    };
}

static void start_ping(struct item *item)
{
    const struct scenario_ping *ping = &scenario_item(item)->action.ping;
    item->ping = ping_start(&(struct ping_options){
        .common = common_of(item, ping->from, ping->to, ping->over),
        .every_ns = ping->every_ns,
        .timeout_ns = ping->timeout_ns,
        .size_bytes = (uint32_t)ping->size_bytes,
        .count = ping->count == QUANTITY_ABSENT ? 0 : (uint64_t)ping->count,
    });
}

static void start_request(struct item *item)
{
    const struct scenario_request *request = &scenario_item(item)->action.request;
    item->request = request_start(&(struct request_options){
        .common = common_of(item, request->from, request->to, request->over),
        .port = (uint16_t)request->port,
        .request_bytes = (uint32_t)request->size_bytes,
        .response_bytes = (uint32_t)request->response_bytes,
        .every_ns = request->pace == SCENARIO_EVERY ? request->every_ns : 0,
        .think_ns = request->pace == SCENARIO_THINK ? request->think_ns : 0,
        .timeout_ns = request->timeout_ns,
    });
}

static void start_bulk(struct item *item)
{
    const struct scenario_bulk *bulk = &scenario_item(item)->action.bulk;
    static const enum bulk_content contents[] = {
        [SCENARIO_BULK_PATTERN] = BULK_PATTERN,
        [SCENARIO_BULK_ZERO] = BULK_ZERO,
        [SCENARIO_BULK_LITERAL] = BULK_LITERAL,
    };
    item->bulk = bulk_start(&(struct bulk_options){
        .common = common_of(item, bulk->from, bulk->to, bulk->over),
        .receiver = traffic_end_of(item, &item->to, bulk->to),
        .port = (uint16_t)bulk->port,
        .bytes = (uint64_t)bulk->bytes,
        .content = contents[bulk->content],
        .congestion = bulk->congestion == SCENARIO_RENO ? TCP_RENO : TCP_CUBIC,
        .close = bulk->close,
    });
}

static void start_video(struct item *item)
{
    const struct scenario_video *video = &scenario_item(item)->action.video;
    sim_time period = SIM_S * 3600 / video->frames_per_hour;
    sim_time buffer = (video->buffer_ns + period - 1) / period;
    sim_time frames = video->for_ns == QUANTITY_ABSENT ? 0 : (video->for_ns + period - 1) / period;
    item->video = video_start(&(struct video_options){
        .common = common_of(item, video->to, video->from, video->over),
        .port = (uint16_t)video->port,
        .frame_bytes = (uint32_t)timeline_video_frame_bytes(video),
        .period_ns = period,
        .buffer_frames = buffer < 2 ? 2 : (uint32_t)buffer,
        .frames = (uint64_t)frames,
    });
}

/* The administrator asks the node that runs the VM. */
static void start_migration(struct item *item)
{
    struct world *world = item->timeline->world;
    const struct scenario_migrate *migrate = &scenario_item(item)->action.migrate;
    const struct scenario_vm *vm = &world->scenario->vms[migrate->vm];
    struct vm_instance *instance = vm_world_current(&world->vms, &world->vm_specs[migrate->vm]);
    uint32_t source = SIM_NONE;
    for (uint32_t i = 0; instance != NULL && i < world->scenario->node_count; i++) {
        if (vm_instance_host(instance) == &world->nodes[i].vm_host) {
            source = i;
        }
    }
    if (source == SIM_NONE || world->nodes[source].migration == NULL) {
        say_end(item, "refused: no node has the VM");
        return;
    }
    if (source == item->target) {
        say_end(item, "refused: the VM is on that node");
        return;
    }
    enum scenario_when_busy busy = migrate->when_busy == SCENARIO_AS_NODE
                                       ? world->scenario->nodes[source].migration.when_busy
                                       : migrate->when_busy;
    struct migration_order order = {
        .request = item->number + 1,
        .policy = policy_rules_policy(&migrate->policy),
        .compress_workers =
            migrate->compress.source != NULL ? (uint32_t)migrate->compress.workers : 0,
        .time_limit_ns = migrate->time_limit_ns == QUANTITY_ABSENT ? 0 : migrate->time_limit_ns,
        .priority = (uint32_t)migrate->priority,
        .queue_when_busy = busy == SCENARIO_QUEUE,
        .announcement = {(uint32_t)vm->announce.count, vm->announce.spacing_ns,
                         vm->announce.step_ns, vm->announce.spacing_max_ns},
    };
    strncpy(order.vm, vm->name, sizeof order.vm - 1);
    world_migration_peer(world, source, &migrate->over, item->target, &order.self);
    world_migration_peer(world, item->target, &migrate->over, source, &order.target);
    if (migration_service_order(world->nodes[source].migration, &order) != RT_OK) {
        say_end(item,
                "refused: the two nodes share none of the networks, or the source has no memory");
    }
}

/* Repetitions that have not fired will not. What fires once is left alone: it has not begun, and there is nothing to end. */
static void call_off(struct timeline *timeline, uint32_t first)
{
    uint32_t repetitions = timeline->world->scenario->timeline[first].repetitions;
    for (uint32_t i = first; repetitions > 1 && i < first + repetitions; i++) {
        struct item *item = &timeline->items[i];
        if (!item->fired) {
            item->called_off = true;
            sim_event_cancel(timeline->world->sim, item->event);
        }
    }
}

static void cancel_migration(struct item *item)
{
    struct world *world = item->timeline->world;
    uint32_t first = scenario_item(item)->action.cancel.migration;
    uint32_t repetitions = world->scenario->timeline[first].repetitions;
    bool asked = false, given = false;
    for (uint32_t i = 0; i < world->scenario->node_count; i++) {
        struct migration_service *service = world->nodes[i].migration;
        for (uint32_t j = 0; service != NULL && j < repetitions; j++) {
            enum rt_error err = migration_service_cancel(service, first + j + 1);
            asked = asked || err == RT_OK;
            given = given || err == RT_WRONG_STATE;
        }
    }
    call_off(item->timeline, first);
    say_end(item, asked   ? "asked"
                  : given ? "too late: the VM has been given"
                          : "too late: there is no such migration");
}

static void force_resume(struct item *item)
{
    struct world *world = item->timeline->world;
    const struct scenario_force_resume *force = &scenario_item(item)->action.force_resume;
    struct migration_service *service = world->nodes[force->node].migration;
    enum rt_error err =
        service != NULL
            ? migration_service_force_resume(service, world->scenario->vms[force->vm].name)
            : RT_NOT_FOUND;
    say_end(item, err == RT_OK ? "asked" : "there is no prepared VM of that name on the node");
}

static void stop_item(struct item *item)
{
    if (item->ping != NULL) {
        ping_stop(item->ping);
    }
    if (item->request != NULL) {
        request_stop(item->request);
    }
    if (item->bulk != NULL) {
        bulk_stop(item->bulk);
    }
    if (item->video != NULL) {
        video_stop(item->video);
    }
    if (item->fired && scenario_item(item)->kind == SCENARIO_FAULT) {
        sim_event_cancel(item->timeline->world->sim, item->event);
        fault_driver_stop(item->timeline->faults, item->number);
    }
    if (item->fired) {
        say_end(item, "stopped");
    }
}

/* Goes on with what drains there are; one that is over says so. */
static void go_on_with_drains(struct timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->world->scenario->item_count; i++) {
        struct item *item = &timeline->items[i];
        const char *how = NULL;
        if (item->drain != NULL && !item->ended && drain_go_on(item->drain, &how)) {
            say_end(item, how);
        }
    }
}

static void look(void *context)
{
    go_on_with_drains(context);
    look_for_end(context);
}

static void fire(struct item *item);

/* A drain has come to one of its VMs. */
static void move_of_drain(void *context, uint32_t number, uint32_t node)
{
    struct timeline *timeline = context;
    struct world *world = timeline->world;
    struct item *item = &timeline->items[number];
    const struct scenario_item *s = scenario_item(item);
    const int64_t values[] = {(int64_t)s->drain + 1, (int64_t)world->nodes[node].origin};
    item->target = node;
    world_say(world, RUN_DRAIN_MOVES, world->action_origins[number], 0, values,
              world->scenario->vms[s->action.migrate.vm].name);
    fire(item);
}

static void start_drain(struct item *item)
{
    struct timeline *timeline = item->timeline;
    item->drain =
        drain_new(timeline->world, timeline->judge, item->number, move_of_drain, timeline);
    go_on_with_drains(timeline);
}

static void stop_items(struct timeline *timeline, uint32_t first)
{
    uint32_t repetitions = timeline->world->scenario->timeline[first].repetitions;
    for (uint32_t i = first; i < first + repetitions; i++) {
        stop_item(&timeline->items[i]);
    }
    call_off(timeline, first);
}

static void act(struct item *item)
{
    const struct scenario_item *s = scenario_item(item);
    struct timeline *timeline = item->timeline;
    switch (s->kind) {
    case SCENARIO_PING:
        start_ping(item);
        break;
    case SCENARIO_REQUEST:
        start_request(item);
        break;
    case SCENARIO_BULK:
        start_bulk(item);
        break;
    case SCENARIO_VIDEO:
        start_video(item);
        break;
    case SCENARIO_MIGRATE:
        start_migration(item);
        break;
    case SCENARIO_CANCEL:
        cancel_migration(item);
        break;
    case SCENARIO_FAULT:
        fault_driver_start(timeline->faults, item->number);
        if (s->action.fault.for_ns != QUANTITY_ABSENT) {
            sim_event_arm(timeline->world->sim, item->event,
                          sim_now(timeline->world->sim) + s->action.fault.for_ns);
        }
        break;
    case SCENARIO_POWER:
        say_end(item, fault_driver_power(timeline->faults, &s->action.power, item->cause));
        break;
    case SCENARIO_FORCE_RESUME:
        force_resume(item);
        break;
    case SCENARIO_STOP:
        stop_items(timeline, s->action.stop.what);
        say_end(item, "done");
        break;
    case SCENARIO_DRAIN:
        start_drain(item);
        break;
    default:
        SIM_ASSERT(false && "an item has an action");
    }
}

/* ---- firing ---------------------------------------------------------------------------------------------------------------------- */

static const char *action_word(enum scenario_action_kind kind)
{
    static const char *const words[SCENARIO_ACTIONS] = {
        [SCENARIO_PING] = "ping",     [SCENARIO_REQUEST] = "request",
        [SCENARIO_BULK] = "tcp-bulk", [SCENARIO_MIGRATE] = "live-migrate",
        [SCENARIO_CANCEL] = "cancel", [SCENARIO_FAULT] = "fault",
        [SCENARIO_POWER] = "power",   [SCENARIO_FORCE_RESUME] = "force-resume",
        [SCENARIO_STOP] = "stop",     [SCENARIO_VIDEO] = "video",
        [SCENARIO_DRAIN] = "drain",
    };
    return words[kind];
}

static void on_item(void *context)
{
    struct item *item = context;
    if (item->fired) { /* a fault's time is over */
        fault_driver_stop(item->timeline->faults, item->number);
        say_end(item, "over");
        return;
    }
    fire(item);
}

static void fire(struct item *item)
{
    struct world *world = item->timeline->world;
    item->fired = true;
    SIM_ASSERT(!SIM_PLANTED(assertion)); /* a test looks at what a failed one prints */
    const int64_t values[] = {item->number + 1};
    item->cause = world_say(world, RUN_ACTION_STARTS, world->action_origins[item->number], 0,
                            values, action_word(scenario_item(item)->kind));
    act(item);
    look_soon(item->timeline);
}

/* A condition's rising edge; being true at the start counts as one. */
static void on_condition(void *context, enum truth truth)
{
    struct item *item = context;
    const struct scenario_item *s = scenario_item(item);
    bool rises = truth == TRUTH_TRUE && item->was != TRUTH_TRUE;
    item->was = truth;
    if (rises && ++item->risings == s->nth && !item->fired && !item->called_off) {
        struct sim *sim = item->timeline->world->sim;
        sim_event_arm(sim, item->event, sim_now(sim) + s->delay_ns);
    }
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------------- */

static void on_start(void *context)
{
    struct timeline *timeline = context;
    const struct scenario *scenario = timeline->world->scenario;
    world_power_on(timeline->world);
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        if (scenario->timeline[i].trigger == SCENARIO_WHEN) {
            judge_watch(timeline->judge, scenario->timeline[i].when, on_condition,
                        &timeline->items[i]);
        }
    }
    if (scenario->end.kind == SCENARIO_END_WHEN) {
        judge_watch(timeline->judge, scenario->end.when, on_end_condition, timeline);
    }
    look_for_end(timeline);
}

static void arm_items(struct timeline *timeline)
{
    struct world *world = timeline->world;
    const struct scenario *scenario = world->scenario;
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        struct item *item = &timeline->items[i];
        item->timeline = timeline;
        item->number = i;
        item->was = TRUTH_UNKNOWN;
        if (scenario->timeline[i].kind == SCENARIO_MIGRATE) {
            item->target = scenario->timeline[i].action.migrate.to;
        }
        item->event = sim_event_new(world->sim, world->action_origins[i], on_item, item);
        if (scenario->timeline[i].trigger == SCENARIO_AT && !is_swept(timeline, i)) {
            sim_event_arm(world->sim, item->event, scenario->timeline[i].at_ns);
        }
    }
}

struct timeline *timeline_new(struct world *world, struct judge *judge,
                              const struct sweep_watch *watch)
{
    struct timeline *timeline = calloc(1, sizeof *timeline);
    SIM_ASSERT(timeline != NULL);
    timeline->world = world;
    timeline->judge = judge;
    timeline->end_was = TRUTH_UNKNOWN;
    timeline->faults = fault_driver_new(world);
    timeline->items = calloc(world->scenario->item_count + 1, sizeof *timeline->items);
    SIM_ASSERT(timeline->items != NULL);
    timeline->start_event = sim_event_new(world->sim, world->control_origin, on_start, timeline);
    timeline->end_event = sim_event_new(world->sim, world->control_origin, on_end, timeline);
    timeline->look_event = sim_event_new(world->sim, world->control_origin, look, timeline);
    /* "(timeline)" sorts before every name, so the world is powered on before anything else of instant 0. */
    sim_event_arm(world->sim, timeline->start_event, 0);
    if (world->scenario->sweep.source != NULL) {
        timeline->point =
            sweep_point_new(world, watch, on_item, &timeline->items[world->scenario->sweep.item]);
        world->sweep_point = timeline->point;
    }
    arm_items(timeline);
    if (world->scenario->end.kind == SCENARIO_END_AT) {
        timeline->end_armed = true;
        sim_event_arm(world->sim, timeline->end_event, world->scenario->end.at_ns);
    }
    recorder_listen(world->recorder, world->migration_record_base + MIGRATION_ENDED, on_record,
                    timeline);
    recorder_listen(world->recorder, world->record_base + RUN_MACHINE, on_record, timeline);
    return timeline;
}

void timeline_free(struct timeline *timeline)
{
    struct sim *sim = timeline->world->sim;
    for (uint32_t i = 0; i < timeline->world->scenario->item_count; i++) {
        struct item *item = &timeline->items[i];
        if (item->ping != NULL) {
            ping_free(item->ping);
        }
        if (item->request != NULL) {
            request_free(item->request);
        }
        if (item->bulk != NULL) {
            bulk_free(item->bulk);
        }
        if (item->video != NULL) {
            video_free(item->video);
        }
        drain_free(item->drain);
        sim_event_free(sim, item->event);
    }
    sim_event_free(sim, timeline->start_event);
    sim_event_free(sim, timeline->end_event);
    sim_event_free(sim, timeline->look_event);
    fault_driver_free(timeline->faults);
    if (timeline->point != NULL) {
        sweep_point_stop(timeline->point);
    }
    free(timeline->items);
    free(timeline);
}

void timeline_finish(struct timeline *timeline)
{
    fault_driver_finish(timeline->faults);
}

sim_time timeline_at_most(const struct timeline *timeline)
{
    int64_t at_most = timeline->world->scenario->end.at_most_ns;
    return at_most == QUANTITY_ABSENT ? SIM_NEVER - 1 : at_most;
}

const char *timeline_ended(const struct timeline *timeline)
{
    return timeline->ended;
}
