#include "cluster/migration_target.h"

#include <string.h>

#define WORD_BITS 64u

/* What one connection needs to fill a VM. */
struct filling {
    struct migration_incoming *incoming;
    struct rt_stream *stream;
    struct migration_batch *batch;
    struct rt_slices slices;
    bool state_loaded;
    struct migration_packer_totals packed; /* what came compressed */
};

struct migration_incoming *migration_incoming_find(struct migration_service *service, uint64_t id)
{
    struct migration_incoming *i = service->incoming;
    while (i != NULL && i->entry.id != id) {
        i = i->next;
    }
    return i;
}

/* Takes the entry from the service; the VM stays where it is. */
static void drop_entry(struct rt *rt, struct migration_incoming *incoming)
{
    struct migration_incoming **link = &incoming->service->incoming;
    while (*link != incoming) {
        RT_ASSERT(rt, *link != NULL);
        link = &(*link)->next;
    }
    *link = incoming->next;
    rt_signal_all(rt, &incoming->changed);
    rt_signal_all(rt, &incoming->service->changed);
    rt_free(rt, incoming->present);
    rt_free(rt, incoming);
}

/* The VM will never run here: memory first, then the entry, so that PREPARED never outlives what it promises. */
RT_BLOCKS static void discard(struct rt *rt, struct migration_incoming *incoming)
{
    uint64_t id = incoming->entry.id, request = incoming->entry.request;
    bool prepared = incoming->state == MIGRATION_INCOMING_PREPARED;
    RT_ASSERT(rt, incoming->state != MIGRATION_INCOMING_OWNED);
    RT_ASSERT(rt, incoming->state != MIGRATION_INCOMING_TAKING);
    if (!RT_PLANTED(leak_at_discard)) {
        rt_vm_destroy(rt, incoming->vm);
    }
    drop_entry(rt, incoming);
    if (prepared) {
        while (migration_journal_remove(rt, id) == RT_TIMED_OUT) {
        }
    }
    migration_record_handover(rt, request, id, "discarded");
}

/* ---- filling ---------------------------------------------------------------------------------------------------------- */

/* Stores a checked batch. INVALID for a page beyond memory: then some may have been stored, and the VM is discarded. */
static enum rt_error store_batch(struct rt *rt, struct migration_incoming *incoming,
                                 struct migration_batch *batch)
{
    uint32_t next_page = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        uint64_t index = batch->entries[i] >> 1;
        bool zero = (batch->entries[i] & 1) != 0;
        struct rt_page page = zero ? (struct rt_page){0} : batch->pages[next_page++];
        if (index >= incoming->pages) {
            return RT_INVALID;
        }
        if (RT_PLANTED(skip_page) && index == 7 && incoming->entries_received > incoming->pages) {
            continue;
        }
        uint64_t bit = UINT64_C(1) << index % WORD_BITS;
        bool fresh = (incoming->present[index / WORD_BITS] & bit) == 0;
        incoming->present[index / WORD_BITS] |= bit;
        incoming->pages_present += fresh;
        if (fresh && zero) {
            continue; /* memory of an empty VM is zero */
        }
        enum rt_error err = rt_vm_page_put(rt, incoming->vm, index, page);
        if (err != RT_OK) {
            return err;
        }
    }
    incoming->entries_received += batch->count;
    return RT_OK;
}

/* Everything is here and right: PREPARED becomes durable, then READY may be said. */
RT_BLOCKS static enum rt_error become_prepared(struct rt *rt, const struct filling *filling,
                                               const struct migration_message *message)
{
    struct migration_incoming *incoming = filling->incoming;
    if (message->argument != incoming->entries_received ||
        incoming->pages_present != incoming->pages || !filling->state_loaded) {
        return RT_INVALID;
    }
    incoming->entry.stage = MIGRATION_STAGE_PREPARED;
    enum rt_error err = migration_journal_put(rt, &incoming->entry);
    if (err != RT_OK) {
        return err;
    }
    incoming->state = MIGRATION_INCOMING_PREPARED;
    migration_record_handover(rt, incoming->entry.request, incoming->entry.id, "prepared");
    return RT_OK;
}

RT_BLOCKS static enum rt_error load_state(struct rt *rt, struct filling *filling,
                                          const struct migration_message *message, rt_time deadline)
{
    uint8_t *state = NULL;
    enum rt_error err = migration_receive_content(rt, filling->stream, message, &state, deadline);
    if (err != RT_OK) {
        return err;
    }
    err = rt_vm_state_load(rt, filling->incoming->vm, state, message->length);
    rt_free(rt, state);
    filling->state_loaded = err == RT_OK;
    return err;
}

/* Receives a batch and stores it; of one that comes compressed, counts what that costs. */
RT_BLOCKS static enum rt_error take_batch(struct rt *rt, struct filling *filling,
                                          const struct migration_message *message, rt_time deadline)
{
    struct migration_batch *batch = filling->batch;
    rt_time busy = rt_busy(rt);
    enum rt_error err =
        migration_receive_pages(rt, filling->stream, message, batch, &filling->slices, deadline);
    if (err != RT_OK) {
        return err;
    }
    if (message->type == MIGRATION_PACKED) {
        filling->packed.busy_ns += rt_busy(rt) - busy;
        filling->packed.pages += batch->page_count;
        filling->packed.before_bytes += (uint64_t)batch->page_count * RT_PAGE_BYTES;
        filling->packed.after_bytes += message->length - 8 * message->argument;
    }
    err = store_batch(rt, filling->incoming, batch);
    migration_release_batch(rt, batch);
    return err;
}

/* One message of the source while the VM is FILLING. */
RT_BLOCKS static enum rt_error fill_with(struct rt *rt, struct filling *filling,
                                         const struct migration_message *message, rt_time deadline)
{
    struct migration_incoming *incoming = filling->incoming;
    if (message->id != incoming->entry.id) {
        return RT_INVALID;
    }
    switch (message->type) {
    case MIGRATION_PAGES:
    case MIGRATION_PACKED:
        return take_batch(rt, filling, message, deadline);
    case MIGRATION_ROUND_END:
        return migration_say(rt, filling->stream, MIGRATION_ROUND_OK, incoming->entry.id,
                             incoming->entries_received, deadline);
    case MIGRATION_STATE:
        return load_state(rt, filling, message, deadline);
    case MIGRATION_PREPARE:
        return become_prepared(rt, filling, message);
    default:
        return RT_INVALID; /* CANCEL too: it is discarded and said so */
    }
}

/* Reads until PREPARED or failure. The source may be busy with a harvest or waiting for a store: twice its patience. */
RT_BLOCKS static enum rt_error fill(struct rt *rt, struct filling *filling)
{
    enum rt_error err = RT_OK;
    while (err == RT_OK && filling->incoming->state == MIGRATION_INCOMING_FILLING) {
        struct migration_message message;
        rt_time deadline = rt_now(rt) + 2 * filling->incoming->service->settings.stall_limit_ns;
        err = migration_receive(rt, filling->stream, &message, deadline);
        if (err == RT_OK) {
            err = fill_with(rt, filling, &message, deadline);
        }
    }
    return err;
}

/* ---- the beginning ------------------------------------------------------------------------------------------------------ */

/* Whether an earlier migration stands in the way of this one, and will not for ever. */
static bool busy(const struct migration_service *service,
                 const struct migration_configure *configure, const char **why)
{
    if (migration_pair_active(service, configure->source.name) >= service->settings.max_per_pair) {
        *why = "another migration runs between these nodes";
        return true;
    }
    for (const struct migration_incoming *i = service->incoming; i != NULL; i = i->next) {
        if (i->state != MIGRATION_INCOMING_OWNED && strcmp(i->entry.vm, configure->vm) == 0 &&
            strcmp(i->entry.peer.name, configure->source.name) == 0) {
            *why = "an earlier migration of the VM to this node is not settled";
            return true;
        }
    }
    return false;
}

RT_BLOCKS static void refuse(struct rt *rt, struct rt_stream *stream, uint64_t id, bool try_again,
                             const char *why)
{
    struct migration_message message = {
        .type = MIGRATION_REFUSED,
        .id = id,
        .argument = try_again ? MIGRATION_TRY_AGAIN : 0,
        .length = (uint32_t)strlen(why),
    };
    (void)!migration_send(rt, stream, &message, why, rt_now(rt) + MIGRATION_ASK_NS);
}

/* Builds the entry's VM. */
RT_BLOCKS static enum rt_error build_vm(struct rt *rt, struct migration_incoming *incoming,
                                        const struct migration_configure *configure,
                                        const char **why)
{
    struct rt_vm_info info;
    enum rt_error err =
        rt_vm_create(rt, configure->config, configure->config_length, &incoming->vm, why);
    if (err != RT_OK) {
        return err;
    }
    rt_vm_info(rt, incoming->vm, &info);
    incoming->pages = info.pages;
    incoming->present = rt_alloc(rt, (size_t)((info.pages + WORD_BITS - 1) / WORD_BITS) *
                                         sizeof *incoming->present);
    if (incoming->present == NULL) {
        rt_vm_destroy(rt, incoming->vm);
        *why = "not enough memory";
        return RT_NO_MEMORY;
    }
    return RT_OK;
}

/* An entry with an empty VM whose memory is reserved, or NULL and the reason. It stands in the list before the VM is built, for that takes
 * time, in which others ask for the same place. */
RT_BLOCKS static struct migration_incoming *reserve(struct rt *rt,
                                                    struct migration_service *service,
                                                    const struct migration_configure *configure,
                                                    uint64_t id, const char **why)
{
    struct migration_incoming *incoming = rt_alloc(rt, sizeof *incoming);
    *why = "not enough memory";
    if (incoming == NULL) {
        return NULL;
    }
    *incoming = (struct migration_incoming){
        .service = service,
        .next = service->incoming,
        .entry = {.id = id, .request = configure->request, .peer = configure->source},
        .announcement = configure->announcement,
    };
    memcpy(incoming->entry.vm, configure->vm, sizeof configure->vm);
    service->incoming = incoming;
    if (build_vm(rt, incoming, configure, why) != RT_OK) {
        drop_entry(rt, incoming);
        return NULL;
    }
    return incoming;
}

/* Waits for GO on the connection that brought READY; without it, asks (H3). */
RT_BLOCKS static void await_go(struct rt *rt, struct migration_service *service,
                               struct rt_stream *stream, uint64_t id)
{
    struct migration_message message;
    rt_time deadline = rt_now(rt) + service->settings.stall_limit_ns;
    enum rt_error err = migration_say(rt, stream, MIGRATION_READY, id, 0, deadline);
    if (RT_PLANTED(resume_without_go)) {
        migration_target_go(rt, service, stream, id);
        return;
    }
    if (err == RT_OK) {
        err = migration_receive(rt, stream, &message, deadline);
    }
    struct migration_incoming *incoming = migration_incoming_find(service, id);
    if (err == RT_OK && message.id == id && message.type == MIGRATION_GO) {
        migration_target_go(rt, service, stream, id);
    } else if (err == RT_OK && message.id == id && message.type == MIGRATION_CANCEL &&
               incoming != NULL && incoming->state == MIGRATION_INCOMING_PREPARED) {
        discard(rt, incoming);
        (void)!migration_say(rt, stream, MIGRATION_DISCARDED, id, 0, deadline);
    }
    if (!RT_PLANTED(never_asks)) {
        migration_target_ask(rt, service, id);
    }
}

/* Fills the VM of an entry; on failure nothing of it stays. */
RT_BLOCKS static bool fill_entry(struct rt *rt, struct migration_incoming *incoming,
                                 struct rt_stream *stream)
{
    struct filling filling = {.incoming = incoming, .stream = stream};
    uint64_t id = incoming->entry.id;
    rt_time deadline = rt_now(rt) + incoming->service->settings.stall_limit_ns;
    enum rt_error err = RT_NO_MEMORY;
    filling.batch = rt_alloc(rt, sizeof *filling.batch);
    if (filling.batch != NULL) {
        err = migration_say(rt, stream, MIGRATION_RESERVED, id, 0, deadline);
    }
    if (err == RT_OK) {
        err = fill(rt, &filling);
    }
    rt_release_all(rt, &filling.slices);
    rt_free(rt, filling.batch);
    if (filling.packed.pages > 0) {
        migration_record_packed(rt, incoming->entry.request, filling.packed.pages,
                                filling.packed.before_bytes, filling.packed.after_bytes,
                                filling.packed.busy_ns, "target");
    }
    if (err == RT_OK) {
        return true;
    }
    /* An unsure PREPARED counts as PREPARED for the removal (rt.h R4). */
    if (incoming->entry.stage == MIGRATION_STAGE_PREPARED) {
        incoming->state = MIGRATION_INCOMING_PREPARED;
    }
    discard(rt, incoming);
    (void)!migration_say(rt, stream, MIGRATION_DISCARDED, id, 0, rt_now(rt) + MIGRATION_ASK_NS);
    return false;
}

void migration_target_serve(struct rt *rt, struct migration_service *service,
                            struct rt_stream *stream, const struct migration_message *message)
{
    uint8_t *content = NULL;
    struct migration_configure configure;
    const char *why = "the configuration could not be read";
    rt_time deadline = rt_now(rt) + service->settings.stall_limit_ns;
    uint64_t id = message->id;
    if (migration_receive_content(rt, stream, message, &content, deadline) != RT_OK) {
        return;
    }
    struct migration_incoming *incoming = NULL;
    bool try_again = false;
    if (migration_decode_configure(content, message->length, &configure) == RT_OK &&
        migration_incoming_find(service, id) == NULL) {
        try_again = busy(service, &configure, &why);
        incoming = try_again ? NULL : reserve(rt, service, &configure, id, &why);
    }
    rt_free(rt, content);
    if (incoming == NULL) {
        refuse(rt, stream, id, try_again, why);
        return;
    }
    if (fill_entry(rt, incoming, stream)) {
        await_go(rt, service, stream, id);
    }
}

/* ---- GO, and what follows ------------------------------------------------------------------------------------------------ */

/* Disks, then OWNED, then it runs. False where it stays PREPARED. */
RT_BLOCKS static bool take_over(struct rt *rt, struct migration_incoming *incoming)
{
    rt_time deadline = rt_now(rt) + incoming->service->settings.stall_limit_ns;
    incoming->state = MIGRATION_INCOMING_TAKING; /* nobody else drops it now */
    if (rt_vm_disks_acquire(rt, incoming->vm, deadline) != RT_OK) {
        incoming->state = MIGRATION_INCOMING_PREPARED;
        rt_signal_all(rt, &incoming->changed);
        return false;
    }
    incoming->entry.stage = MIGRATION_STAGE_OWNED;
    while (migration_journal_put(rt, &incoming->entry) != RT_OK) {
        if (rt_sleep_until(rt, rt_now(rt) + incoming->service->settings.retry_ns) != RT_OK) {
            return false;
        }
    }
    migration_record_handover(rt, incoming->entry.request, incoming->entry.id, "owned");
    if (!RT_PLANTED(owned_not_resumed) && rt_vm_resume(rt, incoming->vm) == RT_OK) {
        rt_vm_announce(rt, incoming->vm, &incoming->announcement);
    }
    incoming->state = MIGRATION_INCOMING_OWNED;
    rt_signal_all(rt, &incoming->changed);
    rt_signal_all(rt, &incoming->service->changed);
    return true;
}

RT_BLOCKS static void forget(struct rt *rt, struct migration_service *service, uint64_t id)
{
    struct migration_incoming *incoming = migration_incoming_find(service, id);
    if (incoming == NULL || incoming->state != MIGRATION_INCOMING_OWNED) {
        return;
    }
    uint64_t request = incoming->entry.request;
    drop_entry(rt, incoming);
    while (migration_journal_remove(rt, id) == RT_TIMED_OUT) {
    }
    migration_record_handover(rt, request, id, "forgotten");
}

/* DONE, and FORGET if the source answers it here. */
RT_BLOCKS static void report_done(struct rt *rt, struct migration_service *service,
                                  struct rt_stream *stream, uint64_t id)
{
    struct migration_message message;
    rt_time deadline = rt_now(rt) + service->settings.stall_limit_ns;
    if (migration_say(rt, stream, MIGRATION_DONE, id, 0, deadline) == RT_OK &&
        migration_receive(rt, stream, &message, deadline) == RT_OK &&
        message.type == MIGRATION_FORGET && message.id == id) {
        forget(rt, service, id);
    }
}

void migration_target_go(struct rt *rt, struct migration_service *service, struct rt_stream *stream,
                         uint64_t id)
{
    struct migration_incoming *incoming = migration_incoming_find(service, id);
    while (incoming != NULL && incoming->state == MIGRATION_INCOMING_TAKING) {
        if (rt_wait(rt, &incoming->changed, RT_FOREVER) == RT_CANCELLED) {
            return;
        }
        incoming = migration_incoming_find(service, id);
    }
    if (incoming ==
        NULL) { /* H4: never here, or discarded; or owned and forgotten, and then the source has freed */
        if (stream != NULL) {
            (void)!migration_say(rt, stream, MIGRATION_DISCARDED, id, 0,
                                 rt_now(rt) + MIGRATION_ASK_NS);
        }
        return;
    }
    if (incoming->state == MIGRATION_INCOMING_FILLING) {
        return; /* GO before READY is no message of ours */
    }
    if (incoming->state == MIGRATION_INCOMING_PREPARED && !take_over(rt, incoming)) {
        return;
    }
    if (stream != NULL) {
        report_done(rt, service, stream, id);
    }
}

void migration_target_ask(struct rt *rt, struct migration_service *service, uint64_t id)
{
    struct migration_incoming *incoming = migration_incoming_find(service, id);
    while (incoming != NULL) {
        struct migration_peer source = incoming->entry.peer;
        struct migration_message answer;
        struct rt_stream *stream = NULL;
        rt_time pause = service->settings.retry_ns * 2;
        if (incoming->state == MIGRATION_INCOMING_OWNED) {
            pause *= 5; /* only the entry waits, nobody's VM */
        }
        if (rt_sleep_until(rt, rt_now(rt) + pause) != RT_OK) {
            return;
        }
        enum rt_error err = migration_connect(rt, &source, MIGRATION_ASK_NS, RT_FOREVER, &stream);
        incoming = migration_incoming_find(service, id);
        if (err == RT_OK && incoming != NULL) {
            rt_time deadline = rt_now(rt) + MIGRATION_ASK_NS;
            bool owned = incoming->state == MIGRATION_INCOMING_OWNED;
            err = migration_say(rt, stream, MIGRATION_QUERY, id,
                                owned ? MIGRATION_STAGE_OWNED : MIGRATION_STAGE_PREPARED, deadline);
            if (err == RT_OK) {
                err = migration_receive(rt, stream, &answer, deadline);
            }
            incoming = migration_incoming_find(service, id);
            if (err == RT_OK && answer.id == id && answer.type == MIGRATION_GO) {
                migration_target_go(rt, service, stream, id);
            } else if (err == RT_OK && answer.id == id && answer.type == MIGRATION_DISCARD &&
                       incoming != NULL && incoming->state == MIGRATION_INCOMING_PREPARED) {
                discard(rt, incoming);
            } else if (err == RT_OK && answer.id == id && answer.type == MIGRATION_FORGET) {
                forget(rt, service, id);
            }
        }
        if (stream != NULL) {
            rt_close(rt, stream);
        }
        if (err == RT_CANCELLED) {
            return;
        }
        incoming = migration_incoming_find(service, id);
    }
}

void migration_target_ask_run(struct rt *rt, void *context)
{
    const struct migration_incoming *incoming = context;
    migration_target_ask(rt, incoming->service, incoming->entry.id);
}
