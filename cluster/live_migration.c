#include "cluster/live_migration.h"

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

/* Why it ended, for the record: two parts, cut where they do not fit. */
static void say_why(struct migration_source *m, const char *what, const char *detail)
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

/* What a failed call came to. A deadline is that of the time limit (deadline_of) once that has passed. */
static const char *reason(const struct migration_source *m, enum rt_error err)
{
    bool late = err == RT_TIMED_OUT && rt_now(m->service->rt) >= m->give_up_at;
    return late ? "the time limit passed" : error_text(err);
}

/* Progress must come within the stall limit, and all of it within the time limit. */
static rt_time deadline_of(const struct migration_source *m)
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

/* What stops a migration between two of its actions. RT_CANCELLED and the reason in words, or RT_OK. */
static enum rt_error still_wanted(struct migration_source *m)
{
    if (m->cancel_asked) {
        say_why(m, "cancelled", "");
        return RT_CANCELLED;
    }
    if (rt_now(m->service->rt) >= m->give_up_at) {
        say_why(m, "the time limit passed", "");
        return RT_CANCELLED;
    }
    return RT_OK;
}

/* Waits for an answer of one type. REFUSED comes with words, and is IN_USE where a later attempt may do better; anything else is
 * INVALID. */
RT_BLOCKS static enum rt_error await(struct migration_source *m, enum migration_message_type type,
                                     uint64_t *argument)
{
    struct rt *rt = m->service->rt;
    struct migration_message message;
    enum rt_error err = migration_receive(rt, m->stream, &message, deadline_of(m));
    if (err != RT_OK) {
        say_why(m, "no answer from the target: ", reason(m, err));
        return err;
    }
    if (message.type == MIGRATION_REFUSED) {
        uint8_t *words = NULL;
        char text[128] = "";
        if (migration_receive_content(rt, m->stream, &message, &words, deadline_of(m)) == RT_OK &&
            words != NULL) {
            uint32_t length =
                message.length < sizeof text - 1 ? message.length : (uint32_t)sizeof text - 1;
            memcpy(text, words, length);
            rt_free(rt, words);
        }
        say_why(m, "refused by the target: ", text);
        return message.argument == MIGRATION_TRY_AGAIN ? RT_IN_USE : RT_DENIED;
    }
    if (message.type != type || message.id != m->id) {
        say_why(m, "unexpected answer from the target: ", migration_message_name(message.type));
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
    message.length = migration_encode_configure(&configure, content);
    err = migration_send(rt, m->stream, &message, content, deadline_of(m));
    rt_free(rt, content);
    rt_free(rt, config);
    if (err != RT_OK) {
        say_why(m, "the configuration could not be sent: ", reason(m, err));
    }
    return err;
}

/* ---- step 4: rounds ------------------------------------------------------------------------------------------------------- */

/* Counts of one round. */
struct sent {
    uint64_t pages, zero_pages, bytes;
};

RT_BLOCKS static enum rt_error flush_batch(struct migration_source *m, struct sent *sent)
{
    enum rt_error err = still_wanted(m);
    if (err != RT_OK) {
        migration_release_batch(m->service->rt, &m->batch);
        return err;
    }
    uint32_t count = m->batch.count, pages = m->batch.page_count;
    err = migration_send_pages(m->service->rt, m->stream, m->id, &m->batch, deadline_of(m));
    if (err != RT_OK) {
        say_why(m, "the target takes no more pages: ", reason(m, err));
        return err;
    }
    m->entries_sent += count;
    sent->pages += count;
    sent->zero_pages += count - pages;
    sent->bytes += MIGRATION_HEADER_BYTES + 8 * (uint64_t)count + RT_PAGE_BYTES * (uint64_t)pages;
    return RT_OK;
}

/* Sends every page whose bit is set, as it is now, and clears the bits. */
RT_BLOCKS static enum rt_error send_dirty(struct migration_source *m, struct sent *sent)
{
    struct rt *rt = m->service->rt;
    uint64_t words = (m->pages + WORD_BITS - 1) / WORD_BITS;
    struct migration_batch *batch = &m->batch;
    RT_ASSERT(rt, batch->count == 0);
    for (uint64_t w = 0; w < words; w++) {
        uint64_t bits = m->dirty[w];
        m->dirty[w] = 0;
        while (bits != 0) {
            uint64_t index = w * WORD_BITS + (uint64_t)__builtin_ctzll(bits);
            bits &= bits - 1;
            struct rt_page page = rt_vm_page_get(rt, m->vm, index);
            bool zero = rt_page_is_zero(rt, page);
            batch->entries[batch->count++] = index << 1 | (uint64_t)zero;
            if (zero) {
                rt_page_unref(rt, page);
            } else {
                batch->pages[batch->page_count++] = page;
            }
            if (batch->count < MIGRATION_BATCH_PAGES) {
                continue;
            }
            enum rt_error err = flush_batch(m, sent);
            if (err != RT_OK) {
                return err;
            }
        }
    }
    return batch->count > 0 ? flush_batch(m, sent) : RT_OK;
}

/* Has the target confirm everything up to here (M2). */
RT_BLOCKS static enum rt_error confirm_round(struct migration_source *m, uint32_t round)
{
    uint64_t received = 0;
    enum rt_error err =
        migration_say(m->service->rt, m->stream, MIGRATION_ROUND_END, m->id, round, deadline_of(m));
    if (err != RT_OK) {
        say_why(m, "the end of a round could not be sent: ", reason(m, err));
        return err;
    }
    err = await(m, MIGRATION_ROUND_OK, &received);
    if (err == RT_OK && received != m->entries_sent) {
        say_why(m, "the target received another number of pages", "");
        err = RT_INVALID;
    }
    return err;
}

static enum rt_error harvest(struct migration_source *m, uint64_t *dirtied_pages)
{
    enum rt_error err = rt_vm_harvest(m->service->rt, m->vm, m->dirty, dirtied_pages);
    if (err != RT_OK) {
        say_why(m, "the dirty log could not be read: ", reason(m, err));
    }
    return err;
}

static void record_round(struct migration_source *m, uint32_t round, const struct sent *sent,
                         rt_time took, uint64_t dirtied, rt_time pause_ns)
{
    const int64_t values[] = {
        (int64_t)m->order.request, (int64_t)round, (int64_t)sent->pages, (int64_t)sent->zero_pages,
        (int64_t)sent->bytes,      took,           (int64_t)dirtied,     pause_ns};
    rt_record(m->service->rt, &migration_record_kinds[MIGRATION_ROUND], values, "");
}

static void record_rule(struct migration_source *m, const struct migration_progress *progress,
                        enum migration_decision decision)
{
    const int64_t values[] = {(int64_t)m->order.request, (int64_t)progress->round};
    rt_record(m->service->rt, &migration_record_kinds[MIGRATION_RULE], values,
              migration_decision_text(decision));
}

RT_BLOCKS static enum rt_error copy_rounds(struct migration_source *m, uint32_t *rounds)
{
    struct rt *rt = m->service->rt;
    struct migration_progress progress = {0};
    enum migration_decision decision = MIGRATION_GO_ON;
    enum rt_error err = rt_vm_log_start(rt, m->vm);
    if (err != RT_OK) {
        say_why(m, "the dirty log could not be started: ", reason(m, err));
        return err;
    }
    m->logging = true;
    for (uint64_t index = 0; index < m->pages; index++) { /* the first round sends everything */
        m->dirty[index / WORD_BITS] |= UINT64_C(1) << index % WORD_BITS;
    }
    while (decision == MIGRATION_GO_ON) {
        struct sent sent = {0};
        rt_time began = rt_now(rt);
        progress.round++;
        err = send_dirty(m, &sent);
        if (err == RT_OK) {
            err = confirm_round(m, progress.round);
        }
        if (err == RT_OK) {
            err = harvest(m, &progress.dirtied_pages);
        }
        if (err != RT_OK) {
            return err;
        }
        progress.sent_bytes = sent.bytes;
        progress.took_ns = rt_now(rt) - began;
        migration_policy_measure(&progress);
        record_round(m, progress.round, &sent, progress.took_ns, progress.dirtied_pages,
                     migration_policy_pause_ns(&progress));
        decision = migration_policy_decide(&m->order.policy, &progress);
    }
    record_rule(m, &progress, decision);
    *rounds = progress.round;
    return RT_OK;
}

/* ---- step 5 ------------------------------------------------------------------------------------------------------------------- */

RT_BLOCKS static enum rt_error send_state(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    void *state = NULL;
    uint32_t length = 0;
    enum rt_error err = rt_vm_state_save(rt, m->vm, &state, &length);
    if (err != RT_OK) {
        say_why(m, "the state could not be saved: ", reason(m, err));
        return err;
    }
    struct migration_message message = {.type = MIGRATION_STATE, .id = m->id, .length = length};
    err = migration_send(rt, m->stream, &message, state, deadline_of(m));
    rt_free(rt, state);
    if (err != RT_OK) {
        say_why(m, "the state could not be sent: ", reason(m, err));
    }
    return err;
}

RT_BLOCKS static enum rt_error stop_and_copy(struct migration_source *m, uint32_t rounds)
{
    struct rt *rt = m->service->rt;
    struct sent sent = {0};
    uint64_t left = 0;
    rt_time began = rt_now(rt);
    enum rt_error err = rt_vm_pause(rt, m->vm);
    if (err != RT_OK) {
        say_why(m, "the VM could not be paused: ", reason(m, err));
        return err;
    }
    m->paused = true;
    m->give_up_at = RT_FOREVER; /* to wake it here again would take as long as to go on */
    if (!RT_PLANTED(no_final_harvest)) {
        err = harvest(m, &left);
    }
    if (err == RT_OK) {
        err = send_dirty(m, &sent);
    }
    if (err == RT_OK) {
        err = send_state(m);
    }
    if (err == RT_OK) {
        err = confirm_round(m, rounds + 1);
    }
    if (err != RT_OK) {
        return err;
    }
    record_round(m, rounds + 1, &sent, rt_now(rt) - began, 0, 0);
    return RT_OK;
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
            say_why(m, "the node's store failed: ", reason(m, err));
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
    enum rt_error err =
        migration_say(rt, m->stream, MIGRATION_PREPARE, m->id, m->entries_sent, deadline_of(m));
    if (err != RT_OK) {
        say_why(m, "PREPARE could not be sent: ", reason(m, err));
        return err;
    }
    err = await(m, MIGRATION_READY, &ignored);
    if (err == RT_OK) {
        err = still_wanted(m);
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
    (void)!migration_say(rt, m->stream, MIGRATION_FORGET, m->id, 0, deadline_of(m));
    say_why(m, "completed", "");
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
        say_why(m, "lost: the source rebooted and the target had discarded it", "");
        return;
    }
    while (rt_vm_disks_acquire(rt, m->vm, deadline_of(m)) != RT_OK) {
        if (rt_sleep_until(rt, rt_now(rt) + m->service->settings.retry_ns) != RT_OK) {
            return;
        }
    }
    migration_record_handover(rt, m->order.request, m->id, "taken back");
    say_why(m, "the target discarded it; it runs on at the source", "");
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
            err = migration_say(rt, m->stream, MIGRATION_GO, m->id, 0, deadline_of(m));
        }
        if (err == RT_OK) {
            err = migration_receive(rt, m->stream, &answer, deadline_of(m));
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
    uint32_t rounds = 0;

    begin_step(m, LIVE_MIGRATION_CONNECT);
    enum rt_error err =
        migration_connect(rt, &m->order.target, MIGRATION_CONNECT_NS, m->give_up_at, &m->stream);
    if (err != RT_OK) {
        say_why(m, "no connection to the target: ", reason(m, err));
        return err;
    }
    begin_step(m, LIVE_MIGRATION_CONFIGURE);
    err = send_configuration(m);
    if (err != RT_OK) {
        return err;
    }
    begin_step(m, LIVE_MIGRATION_RESERVE);
    err = await(m, MIGRATION_RESERVED, &ignored);
    if (err != RT_OK) {
        return err;
    }
    begin_step(m, LIVE_MIGRATION_PRE_COPY);
    err = copy_rounds(m, &rounds);
    if (err != RT_OK) {
        return err;
    }
    begin_step(m, LIVE_MIGRATION_STOP_COPY);
    err = stop_and_copy(m, rounds);
    if (err != RT_OK) {
        return err;
    }
    begin_step(m, LIVE_MIGRATION_DISKS);
    err = give(m);
    if (err != RT_OK) {
        return err;
    }
    while (rt_vm_disks_release(rt, m->vm, deadline_of(m)) == RT_TIMED_OUT) {
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

/* Waits for the turn of the pair and of the VM; the earlier order goes first. */
RT_BLOCKS static enum rt_error take_place(struct migration_source *m)
{
    struct migration_service *service = m->service;
    for (;;) {
        bool leaving = is_leaving(m);
        if (!leaving &&
            migration_pair_active(service, m->order.target.name) < service->settings.max_per_pair) {
            break;
        }
        if (!m->order.queue_when_busy) {
            say_why(m,
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
        err = still_wanted(m);
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
    while (rt_now(rt) < until && still_wanted(m) == RT_OK) {
        if (rt_wait(rt, &m->service->changed, until) == RT_CANCELLED) {
            return false;
        }
    }
    return still_wanted(m) == RT_OK;
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
        say_why(m, "no id from the journal: ", reason(m, err));
    }
    return err;
}

/* What the seven steps need from this node before they begin. */
RT_BLOCKS static enum rt_error prepare(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    struct rt_vm_info info;
    if (rt_vm_find(rt, m->order.vm, &m->vm) != RT_OK) {
        say_why(m, "no such VM on this node", "");
        return RT_NOT_FOUND;
    }
    rt_vm_info(rt, m->vm, &info);
    if (info.state != RT_VM_RUNNING) {
        say_why(m, "the VM does not run", "");
        return RT_WRONG_STATE;
    }
    m->pages = info.pages;
    rt_free(rt, m->dirty);
    m->dirty = rt_alloc(rt, (size_t)((info.pages + WORD_BITS - 1) / WORD_BITS) * sizeof *m->dirty);
    if (m->dirty == NULL) {
        say_why(m, "no memory at the source", "");
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
