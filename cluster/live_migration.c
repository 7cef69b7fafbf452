#include "cluster/live_migration.h"

#include "cluster/migration_rounds.h"

#include <string.h>

#define WORD_BITS 64u

const char *live_migration_step_name(enum live_migration_step step)
{
    switch (step) {
    case LIVE_MIGRATION_CONNECT:
        return "connect";
    case LIVE_MIGRATION_CONFIGURE:
        return "configure";
    case LIVE_MIGRATION_RESERVE:
        return "reserve";
    case LIVE_MIGRATION_PRE_COPY:
        return "pre-copy";
    case LIVE_MIGRATION_STOP_COPY:
        return "stop-copy";
    case LIVE_MIGRATION_DISKS:
        return "disks";
    case LIVE_MIGRATION_RESUME:
        return "resume";
    }
    return "?";
}

/* ---- small helpers ------------------------------------------------------------------------------------------------------ */

void migration_source_why(struct migration_source *m, const char *what, const char *detail)
{
    size_t at = strlen(what);
    size_t more = strlen(detail);
    memcpy(m->why, what, at);
    if (more > sizeof m->why - 1 - at) {
        more = sizeof m->why - 1 - at;
    }
    memcpy(m->why + at, detail, more);
    m->why[at + more] = 0;
}

static const char *error_text(enum rt_error err)
{
#define TEXT(name, text) text,
    static const char *const texts[RT_ERROR_COUNT] = {RT_ERRORS(TEXT)};
#undef TEXT
    return texts[err];
}

const char *migration_source_reason(const struct migration_source *m, enum rt_error err)
{
    bool late = err == RT_TIMED_OUT && rt_now(m->service->rt) >= m->give_up_at;
    return late ? "the time limit passed" : error_text(err);
}

rt_time migration_source_deadline(const struct migration_source *m)
{
    rt_time stall = rt_now(m->service->rt) + m->service->settings.stall_limit_ns;
    return stall < m->give_up_at ? stall : m->give_up_at;
}

static void begin_step(struct migration_source *m, enum live_migration_step step)
{
    const int64_t values[] = {(int64_t)m->order.request, (int64_t)step};
    rt_record(m->service->rt, &migration_record_kinds[MIGRATION_STEP], values,
              live_migration_step_name(step));
}

enum rt_error migration_source_wanted(struct migration_source *m)
{
    if (m->cancel_asked) {
        migration_source_why(m, "cancelled", "");
        return RT_CANCELLED;
    }
    if (rt_now(m->service->rt) >= m->give_up_at) {
        migration_source_why(m, "the time limit passed", "");
        return RT_CANCELLED;
    }
    return RT_OK;
}

/* Time that the product takes for itself. It can be cancelled, and the time limit counts. */
RT_BLOCKS static enum rt_error take_time(struct migration_source *m, rt_time length)
{
    struct rt *rt = m->service->rt;
    rt_time until = rt_now(rt) + length;
    enum rt_error err = migration_source_wanted(m);
    while (err == RT_OK && rt_now(rt) < until) {
        rt_time wake = until < m->give_up_at ? until : m->give_up_at;
        err = rt_wait(rt, &m->service->changed, wake) == RT_CANCELLED ? RT_CANCELLED
                                                                      : migration_source_wanted(m);
    }
    return err;
}

enum rt_error migration_source_await(struct migration_source *m, enum migration_message_type type,
                                     uint64_t *argument)
{
    struct rt *rt = m->service->rt;
    struct migration_message message;
    enum rt_error err = migration_receive(rt, m->stream, &message, migration_source_deadline(m));
    if (err != RT_OK) {
        migration_source_why(m, "no answer from the target: ", migration_source_reason(m, err));
        return err;
    }
    if (message.type == MIGRATION_REFUSED) {
        uint8_t *words = NULL;
        char text[128] = "";
        if (migration_receive_content(rt, m->stream, &message, &words,
                                      migration_source_deadline(m)) == RT_OK &&
            words != NULL) {
            uint32_t length =
                message.length < sizeof text - 1 ? message.length : (uint32_t)sizeof text - 1;
            memcpy(text, words, length);
            rt_free(rt, words);
        }
        migration_source_why(m, "refused by the target: ", text);
        return message.argument == MIGRATION_TRY_AGAIN ? RT_IN_USE : RT_DENIED;
    }
    if (message.type != type || message.id != m->id) {
        migration_source_why(
            m, "unexpected answer from the target: ", migration_message_name(message.type));
        return RT_INVALID;
    }
    *argument = message.argument;
    return RT_OK;
}

/* ---- steps 2 and 3 ------------------------------------------------------------------------------------------------------- */

RT_BLOCKS static enum rt_error send_configuration(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    void *config = NULL;
    uint32_t config_length = 0;
    enum rt_error err = rt_vm_config(rt, m->vm, &config, &config_length);
    if (err != RT_OK) {
        return err;
    }
    struct migration_configure configure = {
        .request = m->order.request,
        .source = m->order.self,
        .announcement = m->order.announcement,
        .config = config,
        .config_length = config_length,
    };
    memcpy(configure.vm, m->order.vm, sizeof configure.vm);
    uint8_t *content = rt_alloc(rt, MIGRATION_CONFIGURE_BYTES_MAX + (size_t)config_length);
    if (content == NULL) {
        rt_free(rt, config);
        return RT_NO_MEMORY;
    }
    struct migration_message message = {.type = MIGRATION_CONFIGURE, .id = m->id};
    message.version = m->order.compress_workers > 0 ? MIGRATION_VERSION_PACKED : MIGRATION_VERSION;
    message.length = migration_encode_configure(&configure, content);
    err = migration_send(rt, m->stream, &message, content, migration_source_deadline(m));
    rt_free(rt, content);
    rt_free(rt, config);
    if (err != RT_OK) {
        migration_source_why(
            m, "the configuration could not be sent: ", migration_source_reason(m, err));
    }
    return err;
}

/* ---- step 5 ------------------------------------------------------------------------------------------------------------------- */

RT_BLOCKS static enum rt_error send_state(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    void *state = NULL;
    uint32_t length = 0;
    enum rt_error err = rt_vm_state_save(rt, m->vm, &state, &length);
    if (err != RT_OK) {
        migration_source_why(m, "the state could not be saved: ", migration_source_reason(m, err));
        return err;
    }
    struct migration_message message = {.type = MIGRATION_STATE, .id = m->id, .length = length};
    err = migration_send(rt, m->stream, &message, state, migration_source_deadline(m));
    rt_free(rt, state);
    if (err != RT_OK) {
        migration_source_why(m, "the state could not be sent: ", migration_source_reason(m, err));
    }
    return err;
}

RT_BLOCKS static enum rt_error stop_and_copy(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    uint64_t left = 0;
    m->paused_at = rt_now(rt);
    enum rt_error err = rt_vm_pause(rt, m->vm);
    if (err != RT_OK) {
        migration_source_why(m, "the VM could not be paused: ", migration_source_reason(m, err));
        return err;
    }
    m->paused = true;
    m->give_up_at = RT_FOREVER; /* to wake it here again would take as long as to go on */
    err = migration_rounds_send_rest(m, &left);
    if (err == RT_OK) {
        err = send_state(m);
    }
    if (err == RT_OK) {
        err = migration_rounds_confirm_rest(m);
    }
    return err == RT_OK ? take_time(m, m->service->settings.switch_over_ns) : err;
}

/* Steps 4 and 5; the workers go with them. */
RT_BLOCKS static enum rt_error copy_memory(struct migration_source *m)
{
    begin_step(m, LIVE_MIGRATION_PRE_COPY);
    enum rt_error err = migration_rounds_copy(m);
    if (err == RT_OK) {
        begin_step(m, LIVE_MIGRATION_STOP_COPY);
        err = stop_and_copy(m);
    }
    migration_rounds_end(m);
    return err;
}

/* ---- steps 6 and 7 -------------------------------------------------------------------------------------------------------------- */

/* The commit point. A write that failed for want of space or medium did not happen, and nothing was given; one that was not confirmed
 * may have (rt.h R4), and from then on the only way is forward. */
RT_BLOCKS static enum rt_error commit(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    struct migration_entry entry = {.id = m->id,
                                    .request = m->order.request,
                                    .stage = MIGRATION_STAGE_GIVEN,
                                    .peer = m->order.target};
    enum rt_error err = RT_OK;
    bool perhaps = false;
    memcpy(entry.vm, m->order.vm, sizeof entry.vm);
    m->given = true;
    if (!RT_PLANTED(no_given)) {
        err = migration_journal_put(rt, &entry);
    }
    while (err != RT_OK) {
        perhaps = perhaps || err == RT_TIMED_OUT || err == RT_CANCELLED;
        if (!perhaps) {
            m->given = false;
            migration_source_why(m, "the node's store failed: ", migration_source_reason(m, err));
            return err;
        }
        if (rt_sleep_until(rt, rt_now(rt) + m->service->settings.retry_ns) != RT_OK) {
            return RT_CANCELLED;
        }
        err = migration_journal_put(rt, &entry);
    }
    m->sure = true;
    migration_record_handover(rt, m->order.request, m->id, "given");
    return RT_OK;
}

/* PREPARE, READY, and the commit point. */
RT_BLOCKS static enum rt_error give(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    uint64_t ignored = 0;
    enum rt_error err = migration_say(rt, m->stream, MIGRATION_PREPARE, m->id, m->entries_sent,
                                      migration_source_deadline(m));
    if (err != RT_OK) {
        migration_source_why(m, "PREPARE could not be sent: ", migration_source_reason(m, err));
        return err;
    }
    err = migration_source_await(m, MIGRATION_READY, &ignored);
    if (err == RT_OK) {
        err = migration_source_wanted(m);
    }
    return err == RT_OK ? commit(m) : err;
}

/* The VM runs at the target: nothing of it stays here. */
RT_BLOCKS static void free_given(struct rt *rt, struct migration_source *m)
{
    if (m->vm != NULL) {
        rt_vm_destroy(rt, m->vm);
        m->vm = NULL;
    }
    while (migration_journal_remove(rt, m->id) == RT_TIMED_OUT) {
    }
    migration_record_handover(rt, m->order.request, m->id, "freed");
    (void)!migration_say(rt, m->stream, MIGRATION_FORGET, m->id, 0, migration_source_deadline(m));
    if (m->service->settings.clean_up_ns > 0) {
        (void)!rt_sleep_until(rt, rt_now(rt) + m->service->settings.clean_up_ns);
    }
    migration_source_why(m, "completed", "");
}

/* The VM goes on here as it was before its migration. */
RT_BLOCKS static void run_on(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    if (m->paused && rt_vm_resume(rt, m->vm) == RT_OK) {
        m->paused = false;
    }
    if (m->logging) {
        rt_vm_log_stop(rt, m->vm);
        m->logging = false;
    }
}

/* The target said that it will never run the VM. */
RT_BLOCKS static void take_back(struct rt *rt, struct migration_source *m)
{
    m->sure = false; /* whoever asks now gets no GO any more */
    while (migration_journal_remove(rt, m->id) == RT_TIMED_OUT) {
    }
    if (m->vm == NULL) {
        migration_record_handover(rt, m->order.request, m->id, "lost with its host");
        migration_source_why(m, "lost: the source rebooted and the target had discarded it", "");
        return;
    }
    while (rt_vm_disks_acquire(rt, m->vm, migration_source_deadline(m)) != RT_OK) {
        if (rt_sleep_until(rt, rt_now(rt) + m->service->settings.retry_ns) != RT_OK) {
            return;
        }
    }
    migration_record_handover(rt, m->order.request, m->id, "taken back");
    migration_source_why(m, "the target discarded it; it runs on at the source", "");
    run_on(m);
}

bool migration_source_settle(struct rt *rt, struct migration_source *m)
{
    m->give_up_at = RT_FOREVER; /* also where the order came before a reboot */
    for (;;) {
        struct migration_message answer;
        enum rt_error err =
            m->stream != NULL
                ? RT_OK
                : migration_connect(rt, &m->order.target, MIGRATION_ASK_NS, RT_FOREVER, &m->stream);
        if (err == RT_OK) {
            err =
                migration_say(rt, m->stream, MIGRATION_GO, m->id, 0, migration_source_deadline(m));
        }
        if (err == RT_OK) {
            err = migration_receive(rt, m->stream, &answer, migration_source_deadline(m));
        }
        if (err == RT_OK && answer.id == m->id && answer.type == MIGRATION_DONE) {
            free_given(rt, m);
            return true;
        }
        if (err == RT_OK && answer.id == m->id && answer.type == MIGRATION_DISCARDED) {
            take_back(rt, m);
            return true;
        }
        if (m->stream != NULL) {
            rt_close(rt, m->stream);
            m->stream = NULL;
        }
        if (RT_PLANTED(resume_after_given) && m->vm != NULL) {
            return rt_vm_resume(rt, m->vm) == RT_OK;
        }
        if (err == RT_CANCELLED ||
            rt_sleep_until(rt, rt_now(rt) + m->service->settings.retry_ns) != RT_OK) {
            return false;
        }
    }
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------- */

/* The seven steps. RT_OK once the hand-over is settled, either way; an error where it ended before the commit point. */
RT_BLOCKS static enum rt_error live_migrate(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    uint64_t ignored = 0;

    begin_step(m, LIVE_MIGRATION_CONNECT);
    enum rt_error err = take_time(m, m->service->settings.setup_ns);
    if (err != RT_OK) {
        return err;
    }
    err = migration_connect(rt, &m->order.target, MIGRATION_CONNECT_NS, m->give_up_at, &m->stream);
    if (err != RT_OK) {
        migration_source_why(m, "no connection to the target: ", migration_source_reason(m, err));
        return err;
    }
    begin_step(m, LIVE_MIGRATION_CONFIGURE);
    err = send_configuration(m);
    if (err != RT_OK) {
        return err;
    }
    begin_step(m, LIVE_MIGRATION_RESERVE);
    err = migration_source_await(m, MIGRATION_RESERVED, &ignored);
    if (err != RT_OK) {
        return err;
    }
    err = copy_memory(m);
    if (err != RT_OK) {
        return err;
    }
    begin_step(m, LIVE_MIGRATION_DISKS);
    err = give(m);
    if (err != RT_OK) {
        return err;
    }
    while (rt_vm_disks_release(rt, m->vm, migration_source_deadline(m)) == RT_TIMED_OUT) {
    }
    begin_step(m, LIVE_MIGRATION_RESUME);
    return migration_source_settle(rt, m) ? RT_OK : RT_CANCELLED;
}

/* Failure before the commit point: the VM runs on here (M3), then the target is told, as well as may be. */
RT_BLOCKS static void undo(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    struct migration_message message;
    RT_ASSERT(rt, !m->given);
    run_on(m);
    if (m->stream != NULL) {
        rt_time deadline = rt_now(rt) + MIGRATION_ASK_NS;
        if (migration_say(rt, m->stream, MIGRATION_CANCEL, m->id, 0, deadline) == RT_OK) {
            (void)!migration_receive(rt, m->stream, &message, deadline);
        }
    }
}

/* The VM is already on its way by another order. */
static bool is_leaving(const struct migration_source *m)
{
    const struct migration_source *s = m->service->outgoing;
    while (s != NULL && !(s != m && s->counted && strcmp(s->order.vm, m->order.vm) == 0)) {
        s = s->next;
    }
    return s != NULL;
}

/* One that is more urgent waits for the same pair. */
static bool gives_way(const struct migration_source *m)
{
    const struct migration_source *s = m->service->outgoing;
    while (s != NULL && !(s->waited && !s->counted && s->order.priority > m->order.priority &&
                          strcmp(s->order.target.name, m->order.target.name) == 0)) {
        s = s->next;
    }
    return s != NULL;
}

/* Says, once, that it waits. */
static void record_waits(struct migration_source *m)
{
    const struct migration_service *service = m->service;
    const int64_t values[] = {(int64_t)m->order.request,
                              (int64_t)migration_pair_active(service, m->order.target.name)};
    if (!m->waited) {
        m->waited = true;
        rt_record(service->rt, &migration_record_kinds[MIGRATION_WAITS], values,
                  m->order.target.name);
    }
}

/* Waits for the turn of the pair and of the VM; the more urgent, else the earlier order goes first. */
RT_BLOCKS static enum rt_error take_place(struct migration_source *m)
{
    struct migration_service *service = m->service;
    for (;;) {
        bool leaving = is_leaving(m);
        if (!leaving && !(m->order.queue_when_busy && gives_way(m)) &&
            migration_pair_active(service, m->order.target.name) < service->settings.max_per_pair) {
            break;
        }
        if (!m->order.queue_when_busy) {
            migration_source_why(m,
                                 leaving ? "refused: the VM is already on its way"
                                         : "refused: another migration runs between these nodes",
                                 "");
            return RT_DENIED;
        }
        record_waits(m);
        enum rt_error err = rt_wait(service->rt, &service->changed, m->give_up_at);
        if (err == RT_CANCELLED) {
            return err;
        }
        err = migration_source_wanted(m);
        if (err != RT_OK) {
            return err;
        }
    }
    m->counted = true;
    return RT_OK;
}

/* The target has no place for it yet: gives its own place up, so that two nodes that want to send to each other do not wait for ever,
 * and waits a while that differs from node to node and time to time. False where it need not try again. */
RT_BLOCKS static bool wait_for_target(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    rt_time pause = m->service->settings.retry_ns;
    if (!m->order.queue_when_busy) {
        return false;
    }
    record_waits(m);
    m->counted = false;
    rt_signal_all(rt, &m->service->changed);
    rt_time until =
        rt_now(rt) + pause / 2 + (rt_time)(rt_draw(rt, "migration-retry", m->id) % (uint64_t)pause);
    until = until < m->give_up_at ? until : m->give_up_at;
    while (rt_now(rt) < until && migration_source_wanted(m) == RT_OK) {
        if (rt_wait(rt, &m->service->changed, until) == RT_CANCELLED) {
            return false;
        }
    }
    return migration_source_wanted(m) == RT_OK;
}

/* One at a time: between reading the counter and storing it another task would read the same, and two migrations bear one id. */
RT_BLOCKS static enum rt_error take_id(struct migration_source *m)
{
    struct migration_service *service = m->service;
    struct rt *rt = service->rt;
    enum rt_error err = RT_OK;
    while (service->numbering && err == RT_OK) {
        service->numbering_awaited = true;
        err = rt_wait(rt, &service->changed, m->give_up_at);
    }
    if (err == RT_OK) {
        service->numbering = true;
        err = migration_journal_new_id(rt, &m->id);
        service->numbering = false;
    }
    if (service->numbering_awaited && !service->numbering) {
        service->numbering_awaited = false;
        rt_signal_all(rt, &service->changed);
    }
    if (err != RT_OK) {
        migration_source_why(m, "no id from the journal: ", migration_source_reason(m, err));
    }
    return err;
}

/* What the seven steps need from this node before they begin. */
RT_BLOCKS static enum rt_error prepare(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    struct rt_vm_info info;
    if (rt_vm_find(rt, m->order.vm, &m->vm) != RT_OK) {
        migration_source_why(m, "no such VM on this node", "");
        return RT_NOT_FOUND;
    }
    rt_vm_info(rt, m->vm, &info);
    if (info.state != RT_VM_RUNNING) {
        migration_source_why(m, "the VM does not run", "");
        return RT_WRONG_STATE;
    }
    m->pages = info.pages;
    rt_free(rt, m->dirty);
    m->dirty = rt_alloc(rt, (size_t)((info.pages + WORD_BITS - 1) / WORD_BITS) * sizeof *m->dirty);
    if (m->dirty == NULL) {
        migration_source_why(m, "no memory at the source", "");
        return RT_NO_MEMORY;
    }
    return take_id(m);
}

void migration_source_free(struct rt *rt, struct migration_source *m)
{
    struct migration_source **link = &m->service->outgoing;
    while (*link != m) {
        RT_ASSERT(rt, *link != NULL);
        link = &(*link)->next;
    }
    *link = m->next;
    rt_signal_all(rt, &m->service->changed);
    rt_release_all(rt, &m->slices);
    rt_free(rt, m->dirty);
    rt_free(rt, m);
}

/* One attempt, up to its settlement. IN_USE where the target has no place for it. */
RT_BLOCKS static enum rt_error attempt(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    enum rt_error err = take_place(m);
    if (err == RT_OK) {
        err = prepare(m);
    }
    if (err != RT_OK) {
        return err;
    }
    m->entries_sent = 0;
    err = live_migrate(m);
    if (err != RT_OK && !m->given) {
        undo(m);
    }
    if (m->stream != NULL) {
        rt_close(rt, m->stream);
        m->stream = NULL;
    }
    return err;
}

void migration_source_run(struct rt *rt, void *context)
{
    struct migration_source *m = context;
    if (m->given) {
        (void)migration_source_settle(rt, m);
        if (m->stream != NULL) {
            rt_close(rt, m->stream);
        }
    } else {
        while (attempt(m) == RT_IN_USE && wait_for_target(m)) {
        }
    }
    const int64_t values[] = {(int64_t)m->order.request, strcmp(m->why, "completed") == 0,
                              (int64_t)m->id};
    rt_record(rt, &migration_record_kinds[MIGRATION_ENDED], values, m->why);
    migration_source_free(rt, m);
}
