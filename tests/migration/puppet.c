#include "tests/migration/puppet.h"

#include "cluster/migration_service.h"
#include "sim/assert.h"
#include "testbed/diagnostics.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_NS (12 * SIM_S)
#define REQUEST     1 /* the one item of the timeline that is a migration; it never fires */

static const char scenario_text[] =
    "name: puppet\n"
    "networks:\n"
    "  move: {rate: 1Gbit/s, delay: 5us}\n"
    "nodes:\n"
    "  node1..node2: {cores: 2, memory: 64MiB, nics: [move]}\n"
    "vms:\n"
    "  web: {node: node1, memory: 64KiB, nics: [move], guest: {content: {zero: 50%}}}\n"
    "timeline:\n"
    "  - {at: 30min, live-migrate: {vm: web, to: node2, over: [move]}, as: mig}\n"
    "end: {at: 40s}\n";

void puppet_fail(struct puppet *puppet, const char *format, ...)
{
    va_list arguments;
    if (puppet->why[0] != 0) {
        return; /* the first counts */
    }
    va_start(arguments, format);
    vsnprintf(puppet->why, sizeof puppet->why, format, arguments);
    va_end(arguments);
}

static struct rt_address address_of(struct puppet *puppet, uint32_t node, uint16_t port)
{
    return (struct rt_address){puppet->world->nodes[node].addresses[0].v, port};
}

static uint32_t other_node(const struct puppet *puppet)
{
    return puppet->rt == &puppet->world->nodes[0].side->rt ? 1 : 0;
}

struct rt_stream *puppet_connect(struct puppet *puppet, uint16_t port)
{
    struct rt_stream *stream = NULL;
    enum rt_error err = rt_connect(puppet->rt, address_of(puppet, other_node(puppet), port),
                                   rt_now(puppet->rt) + PATIENCE_NS, &stream);
    if (err != RT_OK) {
        puppet_fail(puppet, "no connection: error %d", err);
    }
    return stream;
}

struct rt_stream *puppet_accept(struct puppet *puppet)
{
    struct rt_stream *stream = NULL;
    struct rt_address peer;
    if (puppet->listener == NULL && rt_listen(puppet->rt, (struct rt_address){.port = PUPPET_PORT},
                                              4, &puppet->listener) != RT_OK) {
        puppet_fail(puppet, "cannot listen");
        return NULL;
    }
    if (rt_accept(puppet->rt, puppet->listener, rt_now(puppet->rt) + PATIENCE_NS, &stream, &peer) !=
        RT_OK) {
        puppet_fail(puppet, "nobody connects");
    }
    return stream;
}

void puppet_sleep(struct puppet *puppet, rt_time for_ns)
{
    (void)!rt_sleep_until(puppet->rt, rt_now(puppet->rt) + for_ns);
}

/* ---- speaking ----------------------------------------------------------------------------------------------------------- */

static void send(struct puppet *puppet, struct rt_stream *stream,
                 const struct migration_message *message, const void *content)
{
    if (stream != NULL && migration_send(puppet->rt, stream, message, content,
                                         rt_now(puppet->rt) + PATIENCE_NS) != RT_OK) {
        puppet_fail(puppet, "%s could not be sent", migration_message_name(message->type));
    }
}

void puppet_say(struct puppet *puppet, struct rt_stream *stream, enum migration_message_type type,
                uint64_t id, uint64_t argument)
{
    struct migration_message message = {.type = type, .id = id, .argument = argument};
    send(puppet, stream, &message, NULL);
}

static struct rt_vm *vm_here(struct puppet *puppet)
{
    struct rt_vm *vm = NULL;
    if (rt_vm_find(puppet->rt, "web", &vm) != RT_OK) {
        puppet_fail(puppet, "the VM is not here");
    }
    return vm;
}

void puppet_configure(struct puppet *puppet, struct rt_stream *stream, uint64_t id)
{
    uint8_t content[MIGRATION_CONFIGURE_BYTES_MAX + 512];
    void *config = NULL;
    uint32_t length = 0;
    if (rt_vm_config(puppet->rt, vm_here(puppet), &config, &length) != RT_OK) {
        puppet_fail(puppet, "no configuration");
        return;
    }
    SIM_ASSERT(length <= 512);
    struct migration_configure configure = {
        .request = REQUEST,
        .vm = "web",
        .source = {.name = "node1",
                   .address_count = 1,
                   .addresses = {address_of(puppet, 0, PUPPET_PORT)}},
        .announcement = {.count = 1},
        .config = config,
        .config_length = length,
    };
    struct migration_message message = {.type = MIGRATION_CONFIGURE, .id = id};
    message.length = migration_encode_configure(&configure, content);
    send(puppet, stream, &message, content);
    rt_free(puppet->rt, config);
}

static uint64_t send_all_pages(struct puppet *puppet, struct rt_stream *stream, uint64_t id,
                               uint64_t first, bool packed)
{
    struct migration_batch batch = {0};
    uint64_t bytes = 0;
    struct rt_vm *vm = vm_here(puppet);
    for (uint64_t index = first; index < PUPPET_PAGES; index++) {
        struct rt_page page = rt_vm_page_get(puppet->rt, vm, index);
        bool zero = rt_page_is_zero(puppet->rt, page);
        batch.entries[batch.count++] = index << 1 | (uint64_t)zero;
        if (!zero) {
            batch.pages[batch.page_count++] = page;
        }
    }
    uint64_t count = batch.count;
    rt_time deadline = rt_now(puppet->rt) + PATIENCE_NS;
    if (packed) {
        migration_pack(puppet->rt, &batch);
    }
    if (stream == NULL ||
        (packed ? migration_send_packed(puppet->rt, stream, id, &batch, &bytes, deadline)
                : migration_send_pages(puppet->rt, stream, id, &batch, deadline)) != RT_OK) {
        puppet_fail(puppet, "pages could not be sent");
    }
    return count;
}

uint64_t puppet_pages(struct puppet *puppet, struct rt_stream *stream, uint64_t id, uint64_t first)
{
    return send_all_pages(puppet, stream, id, first, false);
}

uint64_t puppet_packed_pages(struct puppet *puppet, struct rt_stream *stream, uint64_t id,
                             uint64_t first)
{
    return send_all_pages(puppet, stream, id, first, true);
}

void puppet_state(struct puppet *puppet, struct rt_stream *stream, uint64_t id)
{
    void *state = NULL;
    uint32_t length = 0;
    if (rt_vm_state_save(puppet->rt, vm_here(puppet), &state, &length) != RT_OK) {
        puppet_fail(puppet, "the state could not be saved");
        return;
    }
    struct migration_message message = {.type = MIGRATION_STATE, .id = id, .length = length};
    send(puppet, stream, &message, state);
    rt_free(puppet->rt, state);
}

/* ---- hearing ------------------------------------------------------------------------------------------------------------- */

/* The next message, its content skipped; type 0 where none comes. */
static struct migration_message next_message(struct puppet *puppet, struct rt_stream *stream,
                                             rt_time patience)
{
    struct migration_message message = {0};
    rt_time deadline = rt_now(puppet->rt) + patience;
    if (stream == NULL || migration_receive(puppet->rt, stream, &message, deadline) != RT_OK) {
        return (struct migration_message){0};
    }
    if (message.type == MIGRATION_PAGES) {
        struct migration_batch batch;
        struct rt_slices slices = {0};
        if (migration_receive_pages(puppet->rt, stream, &message, &batch, &slices, deadline) ==
            RT_OK) {
            migration_release_batch(puppet->rt, &batch);
        }
        rt_release_all(puppet->rt, &slices);
    } else {
        uint8_t *content = NULL;
        if (migration_receive_content(puppet->rt, stream, &message, &content, deadline) == RT_OK) {
            rt_free(puppet->rt, content);
        }
    }
    return message;
}

uint64_t puppet_hear(struct puppet *puppet, struct rt_stream *stream,
                     enum migration_message_type type, uint64_t id)
{
    struct migration_message message = next_message(puppet, stream, PATIENCE_NS);
    if (message.type != type || message.id != id) {
        puppet_fail(puppet, "%s instead of %s", migration_message_name(message.type),
                    migration_message_name(type));
    }
    return message.argument;
}

void puppet_hear_nothing(struct puppet *puppet, struct rt_stream *stream, rt_time for_ns)
{
    struct migration_message message = next_message(puppet, stream, for_ns);
    if (message.type != 0) {
        puppet_fail(puppet, "%s instead of nothing", migration_message_name(message.type));
    }
}

struct rt_stream *puppet_take(struct puppet *puppet, uint64_t *id)
{
    struct rt_stream *stream = puppet_accept(puppet);
    uint64_t entries = 0;
    for (;;) {
        struct migration_message message = next_message(puppet, stream, PATIENCE_NS);
        switch (message.type) {
        case MIGRATION_CONFIGURE:
            *id = message.id;
            puppet_say(puppet, stream, MIGRATION_RESERVED, *id, 0);
            break;
        case MIGRATION_PAGES:
            entries += message.argument;
            break;
        case MIGRATION_STATE:
            break;
        case MIGRATION_ROUND_END:
            puppet_say(puppet, stream, MIGRATION_ROUND_OK, *id, entries);
            break;
        case MIGRATION_PREPARE:
            return stream;
        default:
            puppet_fail(puppet, "%s before PREPARE", migration_message_name(message.type));
            return stream;
        }
    }
}

/* ---- a run ------------------------------------------------------------------------------------------------------------------- */

struct show {
    struct puppet puppet;
    enum puppet_part part;
    puppet_act *act;
};

static void perform(struct rt *rt, void *context)
{
    struct show *show = context;
    show->puppet.rt = rt;
    show->act(&show->puppet);
    show->puppet.done = true;
    if (show->puppet.listener != NULL) {
        rt_close_listener(rt, show->puppet.listener);
    }
}

/* The service of node1 is told to send the VM to the puppet. */
static void order(struct world *world)
{
    struct migration_order order = {
        .request = REQUEST,
        .vm = "web",
        .self = {.name = "node1",
                 .address_count = 1,
                 .addresses = {{world->nodes[0].addresses[0].v, MIGRATION_PORT}}},
        .target = {.name = "node2",
                   .address_count = 1,
                   .addresses = {{world->nodes[1].addresses[0].v, PUPPET_PORT}}},
        .policy = {.rounds_max = 2},
        .announcement = {.count = 1},
    };
    enum rt_error err = migration_service_order(world->nodes[0].migration, &order);
    SIM_ASSERT(err == RT_OK);
}

static void begin(void *context)
{
    struct show *show = context;
    struct rt_task *task = NULL;
    uint32_t node = show->part == PUPPET_SOURCE ? 0 : 1;
    struct rt *rt = &show->puppet.world->nodes[node].side->rt;
    if (show->part == PUPPET_TARGET && show->puppet.rt == NULL) {
        show->puppet.rt = rt;
    }
    enum rt_error err = rt_spawn(rt, "puppet", perform, show, &task);
    SIM_ASSERT(err == RT_OK);
    rt_detach(rt, task);
}

static void begin_order(void *context)
{
    order(context);
}

static void look(const struct world *world, struct puppet_end *end)
{
    struct world_machine *nodes = world->nodes;
    const struct vm_instance *here = vm_host_find(&nodes[0].vm_host, "web");
    const struct vm_instance *there = vm_host_find(&nodes[1].vm_host, "web");
    end->at_source = here != NULL;
    end->at_target = there != NULL;
    end->runs_at_source = here != NULL && vm_instance_state(here) == VM_RUNNING;
    end->runs_at_target = there != NULL && vm_instance_state(there) == VM_RUNNING;
    end->open_at_source = migration_service_active(nodes[0].migration);
    end->open_at_target = migration_service_active(nodes[1].migration);
}

struct puppet_end puppet_run(enum puppet_part part, puppet_act *act, char *why, size_t capacity)
{
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario =
        scenario_load_text("puppet", scenario_text, sizeof scenario_text - 1, NULL, diagnostics);
    if (scenario == NULL) {
        diagnostics_print(diagnostics, stderr);
    }
    SIM_ASSERT(scenario != NULL);
    diagnostics_free(diagnostics);
    struct run *run =
        run_new(&(struct run_options){.scenario = scenario, .until = SIM_NEVER, .version = "test"},
                why, capacity);
    SIM_ASSERT(run != NULL);
    struct world *world = run_world(run);
    struct show show = {.puppet = {.world = world}, .part = part, .act = act};
    uint32_t event = sim_event_new(world->sim, world->control_origin, begin, &show);
    uint32_t order_event = sim_event_new(world->sim, world->control_origin, begin_order, world);
    sim_event_arm(world->sim, event, SIM_S);
    if (part == PUPPET_TARGET) {
        sim_event_arm(world->sim, order_event, SIM_S + SIM_MS);
    }
    SIM_ASSERT(run_go(run, SIM_NEVER) == RUN_OVER);
    struct puppet_end end = {0};
    look(world, &end);
    sim_event_free(world->sim, event);
    sim_event_free(world->sim, order_event);
    bool finished = run_finish(run, why, capacity);
    SIM_ASSERT(finished);
    const struct run_result *result = run_result_of(run);
    snprintf(end.how, sizeof end.how, "%s", judge_migration(result->judge, 0)->how);
    for (uint32_t i = 0; i < ORACLES && end.oracle[0] == 0; i++) {
        struct oracle_verdict verdict;
        oracles_verdict(result->oracles, (enum oracle)i, &verdict);
        if (verdict.held == TRUTH_FALSE) {
            snprintf(end.oracle, sizeof end.oracle, "%s: %s", verdict.name, verdict.what);
        }
    }
    if (!show.puppet.done) {
        puppet_fail(&show.puppet, "the act did not come to its end");
    }
    snprintf(why, capacity, "%s", show.puppet.why);
    run_free(run);
    scenario_free(scenario);
    return end;
}
