#include "cluster/migration_service.h"

#include "cluster/migration_internal.h"

#include <string.h>

#define BACKLOG 16u

/* A connection that has come in, and the task that serves it. */
struct visitor {
    struct migration_service *service;
    struct rt_stream *stream;
};

/* An administrator's order to run a PREPARED VM. By id, for the entry may be gone when the task begins. */
struct forced {
    struct migration_service *service;
    uint64_t id, request;
};

uint32_t migration_pair_active(const struct migration_service *service, const char *peer)
{
    uint32_t active = 0;
    for (const struct migration_source *s = service->outgoing; s != NULL; s = s->next) {
        active += s->counted && strcmp(s->order.target.name, peer) == 0;
    }
    for (const struct migration_incoming *i = service->incoming; i != NULL; i = i->next) {
        active += i->state != MIGRATION_INCOMING_OWNED && strcmp(i->entry.peer.name, peer) == 0;
    }
    return active;
}

enum rt_error migration_connect(struct rt *rt, const struct migration_peer *peer,
                                rt_time patience_ns, rt_time give_up_at, struct rt_stream **out)
{
    enum rt_error err = RT_UNREACHABLE;
    for (uint32_t i = 0; i < peer->address_count; i++) {
        rt_time deadline = rt_now(rt) + patience_ns;
        err =
            rt_connect(rt, peer->addresses[i], deadline < give_up_at ? deadline : give_up_at, out);
        if (err == RT_OK || err == RT_CANCELLED) {
            return err;
        }
    }
    return err;
}

enum rt_error migration_say(struct rt *rt, struct rt_stream *stream,
                            enum migration_message_type type, uint64_t id, uint64_t argument,
                            rt_time deadline)
{
    struct migration_message message = {.type = type, .id = id, .argument = argument};
    return migration_send(rt, stream, &message, NULL, deadline);
}

void migration_record_handover(struct rt *rt, uint64_t request, uint64_t id, const char *state)
{
    const int64_t values[] = {(int64_t)request, (int64_t)id};
    rt_record(rt, &migration_record_kinds[MIGRATION_HANDOVER], values, state);
}

void migration_record_packed(struct rt *rt, uint64_t request, uint64_t pages, uint64_t before,
                             uint64_t after, rt_time busy_ns, const char *end)
{
    const int64_t values[] = {(int64_t)request, (int64_t)pages, (int64_t)before, (int64_t)after,
                              busy_ns};
    rt_record(rt, &migration_record_kinds[MIGRATION_PACKED_PAGES], values, end);
}

/* ---- what comes in ---------------------------------------------------------------------------------------------------- */

/* A target asks what became of an id (H5). Whoever is at work on it here knows best; without anybody the journal does. To an owner only
 * FORGET is said, and not before the id is settled: until then the one who settles it asks by itself, and needs the owner's answer. */
RT_BLOCKS static void answer_query(struct rt *rt, struct migration_service *service,
                                   struct rt_stream *stream, const struct migration_message *query)
{
    struct migration_entry entry;
    rt_time deadline = rt_now(rt) + service->settings.stall_limit_ns;
    bool owner = query->argument == MIGRATION_STAGE_OWNED;
    const struct migration_source *s = service->outgoing;
    while (s != NULL && s->id != query->id) {
        s = s->next;
    }
    if (s != NULL && (owner || !s->sure)) {
        return; /* not decided yet: silence, it will ask again */
    }
    bool given = s != NULL || (migration_journal_get(rt, query->id, &entry) == RT_OK &&
                               entry.stage == MIGRATION_STAGE_GIVEN);
    if (owner && given) {
        return;
    }
    (void)!migration_say(rt, stream,
                         owner   ? MIGRATION_FORGET
                         : given ? MIGRATION_GO
                                 : MIGRATION_DISCARD,
                         query->id, 0, deadline);
}

RT_BLOCKS static void serve_visitor(struct rt *rt, void *context)
{
    struct visitor visitor = *(struct visitor *)context;
    struct migration_message message;
    rt_free(rt, context);
    rt_time deadline = rt_now(rt) + visitor.service->settings.stall_limit_ns;
    if (migration_receive(rt, visitor.stream, &message, deadline) == RT_OK) {
        switch (message.type) {
        case MIGRATION_CONFIGURE:
            migration_target_serve(rt, visitor.service, visitor.stream, &message);
            break;
        case MIGRATION_GO:
            migration_target_go(rt, visitor.service, visitor.stream, message.id);
            break;
        case MIGRATION_QUERY:
            answer_query(rt, visitor.service, visitor.stream, &message);
            break;
        default:
            break; /* nobody starts a conversation like that */
        }
    }
    rt_close(rt, visitor.stream);
}

RT_BLOCKS static void listen_for_peers(struct rt *rt, void *context)
{
    struct migration_service *service = context;
    struct rt_listener *listener = NULL;
    struct rt_address local = {.port = MIGRATION_PORT};
    while (rt_listen(rt, local, BACKLOG, &listener) != RT_OK) {
        if (rt_sleep_until(rt, rt_now(rt) + service->settings.retry_ns) != RT_OK) {
            return;
        }
    }
    for (;;) {
        struct rt_stream *stream = NULL;
        struct rt_address peer;
        enum rt_error err = rt_accept(rt, listener, RT_FOREVER, &stream, &peer);
        if (err == RT_CANCELLED) {
            break;
        }
        if (err != RT_OK) {
            continue;
        }
        struct rt_task *task = NULL;
        struct visitor *visitor = rt_alloc(rt, sizeof *visitor);
        if (visitor == NULL) {
            rt_close(rt, stream);
            continue;
        }
        *visitor = (struct visitor){service, stream};
        if (rt_spawn(rt, "migration-visitor", serve_visitor, visitor, &task) != RT_OK) {
            rt_free(rt, visitor);
            rt_close(rt, stream);
            continue;
        }
        rt_detach(rt, task);
    }
    rt_close_listener(rt, listener);
}

/* ---- after a reboot --------------------------------------------------------------------------------------------------- */

/* GIVEN outlived the node, the VM did not: the target has it, or it is lost. */
static void recover_given(struct rt *rt, struct migration_service *service,
                          const struct migration_entry *entry)
{
    struct migration_source *source = rt_alloc(rt, sizeof *source);
    struct rt_task *task = NULL;
    if (source == NULL) {
        return;
    }
    source->service = service;
    source->id = entry->id;
    source->given = true;
    source->sure = true;
    source->order.request = entry->request;
    source->order.target = entry->peer;
    memcpy(source->order.vm, entry->vm, sizeof entry->vm);
    source->next = service->outgoing;
    service->outgoing = source;
    if (rt_spawn(rt, "migration-settle", migration_source_run, source, &task) != RT_OK) {
        migration_source_free(rt, source);
        return;
    }
    rt_detach(rt, task);
}

/* PREPARED was in this node's memory and is gone with it (H4). */
RT_BLOCKS static void recover_prepared(struct rt *rt, const struct migration_entry *entry)
{
    if (migration_journal_remove(rt, entry->id) == RT_OK) {
        migration_record_handover(rt, entry->request, entry->id, "discarded");
    }
}

/* The VM ran here and is lost with its host. The entry stays until the source has heard DONE: "discarded" would make it resume a copy
 * that the world has moved on from. */
static void recover_owned(struct rt *rt, struct migration_service *service,
                          const struct migration_entry *entry)
{
    struct migration_incoming *incoming = rt_alloc(rt, sizeof *incoming);
    struct rt_task *task = NULL;
    if (incoming == NULL) {
        return;
    }
    incoming->service = service;
    incoming->entry = *entry;
    incoming->state = MIGRATION_INCOMING_OWNED;
    incoming->next = service->incoming;
    service->incoming = incoming;
    if (rt_spawn(rt, "migration-ask", migration_target_ask_run, incoming, &task) == RT_OK) {
        rt_detach(rt, task);
    }
}

RT_BLOCKS static void recover(struct rt *rt, void *context)
{
    struct migration_service *service = context;
    struct migration_entry entry;
    uint64_t after = 0;
    /* The journal is settled before the first peer can ask: an answer must not depend on how far this has come. */
    while (migration_journal_next(rt, after, &entry) == RT_OK) {
        after = entry.id;
        if (entry.stage == MIGRATION_STAGE_GIVEN) {
            recover_given(rt, service, &entry);
        } else if (entry.stage == MIGRATION_STAGE_OWNED) {
            recover_owned(rt, service, &entry);
        } else {
            recover_prepared(rt, &entry);
        }
    }
    listen_for_peers(rt, service);
}

/* ---- orders ------------------------------------------------------------------------------------------------------------ */

struct migration_service *migration_service_start(struct rt *rt,
                                                  const struct migration_settings *settings)
{
    struct migration_service *service = rt_alloc(rt, sizeof *service);
    struct rt_task *task = NULL;
    if (service == NULL) {
        return NULL;
    }
    service->rt = rt;
    service->settings = *settings;
    RT_ASSERT(rt, settings->max_per_pair > 0);
    if (service->settings.stall_limit_ns == 0) {
        service->settings.stall_limit_ns = 5000000000;
    }
    if (service->settings.retry_ns == 0) {
        service->settings.retry_ns = 500000000;
    }
    if (rt_spawn(rt, "migration-service", recover, service, &task) != RT_OK) {
        rt_free(rt, service);
        return NULL;
    }
    rt_detach(rt, task);
    return service;
}

enum rt_error migration_service_order(struct migration_service *service,
                                      const struct migration_order *order)
{
    struct rt *rt = service->rt;
    if (order->request == 0 || !migration_policy_valid(&order->policy) ||
        order->compress_workers > MIGRATION_WORKERS_MAX || order->target.address_count == 0) {
        return RT_INVALID;
    }
    struct migration_source *source = rt_alloc(rt, sizeof *source);
    struct rt_task *task = NULL;
    if (source == NULL) {
        return RT_NO_MEMORY;
    }
    source->service = service;
    source->order = *order;
    source->give_up_at = order->time_limit_ns > 0 ? rt_now(rt) + order->time_limit_ns : RT_FOREVER;
    /* At the end of the list: those that wait for a pair's turn get it in the order in which they were asked for. */
    struct migration_source **last = &service->outgoing;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = source;
    const int64_t values[] = {(int64_t)order->request};
    rt_record(rt, &migration_record_kinds[MIGRATION_ORDERED], values, order->vm);
    enum rt_error err = rt_spawn(rt, "live-migration", migration_source_run, source, &task);
    if (err != RT_OK) {
        migration_source_free(rt, source);
        return err;
    }
    rt_detach(rt, task);
    return RT_OK;
}

enum rt_error migration_service_cancel(struct migration_service *service, uint64_t request)
{
    for (struct migration_source *s = service->outgoing; s != NULL; s = s->next) {
        if (s->order.request != request) {
            continue;
        }
        if (s->given) {
            return RT_WRONG_STATE;
        }
        s->cancel_asked = true;
        rt_signal_all(service->rt, &service->changed);
        return RT_OK;
    }
    return RT_NOT_FOUND;
}

/* An administrator's word stands in for GO. */
RT_BLOCKS static void run_forced(struct rt *rt, void *context)
{
    struct forced forced = *(struct forced *)context;
    rt_free(rt, context);
    migration_record_handover(rt, forced.request, forced.id, "forced");
    migration_target_go(rt, forced.service, NULL, forced.id);
}

enum rt_error migration_service_force_resume(struct migration_service *service, const char *vm)
{
    struct rt *rt = service->rt;
    struct migration_incoming *i = service->incoming;
    while (i != NULL && (i->state != MIGRATION_INCOMING_PREPARED || strcmp(i->entry.vm, vm) != 0)) {
        i = i->next;
    }
    if (i == NULL) {
        return RT_NOT_FOUND;
    }
    struct rt_task *task = NULL;
    struct forced *forced = rt_alloc(rt, sizeof *forced);
    if (forced == NULL) {
        return RT_NO_MEMORY;
    }
    *forced = (struct forced){service, i->entry.id, i->entry.request};
    enum rt_error err = rt_spawn(rt, "force-resume", run_forced, forced, &task);
    if (err != RT_OK) {
        rt_free(rt, forced);
        return err;
    }
    rt_detach(rt, task);
    return RT_OK;
}

uint32_t migration_service_active(const struct migration_service *service)
{
    uint32_t active = 0;
    for (const struct migration_source *s = service->outgoing; s != NULL; s = s->next) {
        active++;
    }
    for (const struct migration_incoming *i = service->incoming; i != NULL; i = i->next) {
        active++;
    }
    return active;
}
