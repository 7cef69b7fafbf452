#include "cluster/migration_rounds.h"

#include <string.h>

#define WORD_BITS 64u
/* What a guest has that nobody throttles. */
#define FULL_PERCENT 100u

/* ---- pace -------------------------------------------------------------------------------------------------------------- */

/* Waits until the rate allows the next batch. A time limit ends the wait: then the caller sees it. */
RT_BLOCKS static enum rt_error keep_pace(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    rt_time until = m->pace_at < m->give_up_at ? m->pace_at : m->give_up_at;
    if (m->rate_bps == 0 || until <= rt_now(rt)) {
        return RT_OK;
    }
    return rt_sleep_until(rt, until);
}

/* Bytes are on their way, from `began` on. */
static void count_pace(struct migration_source *m, uint64_t bytes, rt_time began)
{
    m->pace_at =
        (m->pace_at > began ? m->pace_at : began) + migration_policy_pace_ns(m->rate_bps, bytes);
}

/* ---- batches ------------------------------------------------------------------------------------------------------------ */

/* Sends a batch, compressed or not, and releases it. */
RT_BLOCKS static enum rt_error send_batch(struct migration_source *m, struct migration_batch *batch)
{
    struct rt *rt = m->service->rt;
    struct migration_sent *sent = &m->sent;
    uint32_t count = batch->count, pages = batch->page_count;
    uint64_t bytes = MIGRATION_HEADER_BYTES + 8 * (uint64_t)count + RT_PAGE_BYTES * (uint64_t)pages;
    enum rt_error err = keep_pace(m);
    if (err == RT_OK) {
        err = migration_source_wanted(m);
    }
    if (err != RT_OK) {
        migration_release_batch(rt, batch);
        return err;
    }
    rt_time began = rt_now(rt);
    rt_time deadline = migration_source_deadline(m);
    err = m->packer != NULL ? migration_send_packed(rt, m->stream, m->id, batch, &bytes, deadline)
                            : migration_send_pages(rt, m->stream, m->id, batch, deadline);
    if (err != RT_OK) {
        migration_source_why(m,
                             "the target takes no more pages: ", migration_source_reason(m, err));
        return err;
    }
    count_pace(m, bytes, began);
    m->entries_sent += count;
    sent->pages += count;
    sent->zero_pages += count - pages;
    sent->bytes += bytes;
    return RT_OK;
}

/* Sends the oldest batch that the workers have. */
RT_BLOCKS static enum rt_error send_packed(struct migration_source *m)
{
    enum rt_error err = migration_packer_take(m->packer, &m->batch);
    return err == RT_OK ? send_batch(m, &m->batch) : err;
}

/* The batch is full, or the round is over. */
RT_BLOCKS static enum rt_error flush_batch(struct migration_source *m)
{
    if (m->packer == NULL) {
        return send_batch(m, &m->batch);
    }
    migration_packer_put(m->packer, &m->batch);
    return migration_packer_full(m->packer) ? send_packed(m) : RT_OK;
}

RT_BLOCKS static enum rt_error flush_all(struct migration_source *m)
{
    enum rt_error err = m->batch.count > 0 ? flush_batch(m) : RT_OK;
    while (err == RT_OK && m->packer != NULL && migration_packer_count(m->packer) > 0) {
        err = send_packed(m);
    }
    return err;
}

static void add_page(struct migration_source *m, uint64_t index)
{
    struct rt *rt = m->service->rt;
    struct migration_batch *batch = &m->batch;
    struct rt_page page = rt_vm_page_get(rt, m->vm, index);
    bool zero = rt_page_is_zero(rt, page);
    RT_ASSERT(rt, batch->count < MIGRATION_BATCH_PAGES);
    batch->entries[batch->count++] = index << 1 | (uint64_t)zero;
    if (zero) {
        rt_page_unref(rt, page);
    } else {
        batch->pages[batch->page_count++] = page;
    }
}

/* ---- which pages go ----------------------------------------------------------------------------------------------------------- */

/* Looks, now and then, which pages have been written again. */
RT_BLOCKS static enum rt_error look_again(struct migration_source *m)
{
    if (m->again == NULL || m->sent.pages < m->peek_at_pages) {
        return RT_OK;
    }
    m->peek_at_pages = m->sent.pages + m->order.policy.look_pages;
    enum rt_error err = rt_vm_peek(m->service->rt, m->vm, m->again);
    if (err != RT_OK) {
        migration_source_why(m,
                             "the dirty log could not be read: ", migration_source_reason(m, err));
    }
    return err;
}

/* What of a word is to be sent; what has been written again waits (N1). */
static uint64_t take_word(struct migration_source *m, uint64_t word)
{
    uint64_t bits = m->dirty[word];
    m->dirty[word] = 0;
    if (m->again != NULL) {
        for (uint64_t skipped = bits & m->again[word]; skipped != 0; skipped &= skipped - 1) {
            m->skipped_pages++;
            m->left_pages--;
        }
        bits &= ~m->again[word];
    }
    return bits;
}

/* Sends every page whose bit is set, as it is now, and clears the bits; fewer where a limit of the policy ends the round half-way (N2). */
RT_BLOCKS static enum rt_error send_dirty(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    uint64_t words = (m->pages + WORD_BITS - 1) / WORD_BITS;
    RT_ASSERT(rt, m->batch.count == 0);
    for (uint64_t w = 0; w < words; w++) {
        enum rt_error err = look_again(m);
        if (err != RT_OK) {
            return err;
        }
        uint64_t bits = take_word(m, w);
        while (bits != 0) {
            add_page(m, w * WORD_BITS + (uint64_t)__builtin_ctzll(bits));
            bits &= bits - 1;
            m->left_pages--;
            if (m->batch.count < MIGRATION_BATCH_PAGES) {
                continue;
            }
            err = flush_batch(m);
            if (err == RT_OK && !m->paused) {
                m->early = migration_policy_sample(&m->order.policy, &m->progress, rt_now(rt),
                                                   m->left_pages);
            }
            if (err != RT_OK || m->early != MIGRATION_GO_ON) {
                m->dirty[w] |= bits;
                return err != RT_OK ? err : flush_all(m);
            }
        }
    }
    return flush_all(m);
}

/* ---- a round ---------------------------------------------------------------------------------------------------------------------- */

/* Has the target confirm everything up to here (M2). */
RT_BLOCKS static enum rt_error confirm_round(struct migration_source *m, uint32_t round)
{
    uint64_t received = 0;
    enum rt_error err = migration_say(m->service->rt, m->stream, MIGRATION_ROUND_END, m->id, round,
                                      migration_source_deadline(m));
    if (err != RT_OK) {
        migration_source_why(
            m, "the end of a round could not be sent: ", migration_source_reason(m, err));
        return err;
    }
    err = migration_source_await(m, MIGRATION_ROUND_OK, &received);
    if (err == RT_OK && received != m->entries_sent) {
        migration_source_why(m, "the target received another number of pages", "");
        err = RT_INVALID;
    }
    return err;
}

static enum rt_error harvest(struct migration_source *m, uint64_t *dirtied_pages)
{
    enum rt_error err = rt_vm_harvest(m->service->rt, m->vm, m->dirty, dirtied_pages);
    if (err != RT_OK) {
        migration_source_why(m,
                             "the dirty log could not be read: ", migration_source_reason(m, err));
    }
    return err;
}

static void record_round(struct migration_source *m, uint32_t round, rt_time took, uint64_t dirtied,
                         rt_time pause_ns)
{
    const int64_t values[] = {(int64_t)m->order.request, (int64_t)round,
                              (int64_t)m->sent.pages,    (int64_t)m->sent.zero_pages,
                              (int64_t)m->sent.bytes,    took,
                              (int64_t)dirtied,          pause_ns};
    rt_record(m->service->rt, &migration_record_kinds[MIGRATION_ROUND], values, "");
}

/* How fast it may have been, and what waits for the next: where the policy has a say in that. */
static void record_pace(struct migration_source *m, uint32_t round)
{
    const int64_t values[] = {(int64_t)m->order.request, (int64_t)round, (int64_t)m->rate_bps,
                              (int64_t)m->skipped_pages};
    if (m->rate_bps > 0 || m->again != NULL) {
        rt_record(m->service->rt, &migration_record_kinds[MIGRATION_PACE], values, "");
    }
}

static void record_rule(struct migration_source *m, enum migration_decision decision)
{
    const int64_t values[] = {(int64_t)m->order.request, (int64_t)m->progress.round};
    rt_record(m->service->rt, &migration_record_kinds[MIGRATION_RULE], values,
              migration_decision_text(decision));
}

static void begin_round(struct migration_source *m)
{
    m->sent = (struct migration_sent){0};
    m->skipped_pages = 0;
    m->peek_at_pages = 0;
    m->early = MIGRATION_GO_ON;
    if (m->again != NULL) {
        memset(m->again, 0, (size_t)((m->pages + WORD_BITS - 1) / WORD_BITS) * sizeof m->again[0]);
    }
}

/* Sends a round, and has it confirmed and measured. */
RT_BLOCKS static enum rt_error copy_round(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    struct migration_progress *progress = &m->progress;
    rt_time began = rt_now(rt);
    begin_round(m);
    progress->round++;
    enum rt_error err = send_dirty(m);
    if (err == RT_OK) {
        err = keep_pace(m); /* the last batch takes its time, too */
    }
    if (err == RT_OK) {
        err = confirm_round(m, progress->round);
    }
    if (err == RT_OK) {
        err = harvest(m, &progress->dirtied_pages);
    }
    if (err != RT_OK) {
        return err;
    }
    progress->sent_pages = m->sent.pages;
    progress->skipped_pages = m->skipped_pages;
    progress->sent_bytes = m->sent.bytes;
    progress->took_ns = rt_now(rt) - began;
    migration_policy_measure(&m->order.policy, progress);
    struct migration_progress rest = *progress;
    rest.dirtied_pages += m->left_pages; /* of a round that was cut short */
    record_round(m, progress->round, progress->took_ns, progress->dirtied_pages,
                 migration_policy_pause_ns(&rest));
    record_pace(m, progress->round);
    return RT_OK;
}

/* ---- all rounds ---------------------------------------------------------------------------------------------------------------------- */

/* The guest gets what the policy leaves it. */
static void throttle(struct migration_source *m)
{
    uint32_t left = FULL_PERCENT - m->progress.throttle_percent;
    if (left == m->share_percent) {
        return;
    }
    const int64_t values[] = {(int64_t)m->order.request, (int64_t)m->progress.round + 1,
                              (int64_t)left};
    m->share_percent = left;
    rt_vm_throttle(m->service->rt, m->vm, left);
    rt_record(m->service->rt, &migration_record_kinds[MIGRATION_THROTTLED], values, "");
}

/* What rounds need of this node: bitmaps, workers, the log. */
static enum rt_error begin_rounds(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    size_t words = (size_t)((m->pages + WORD_BITS - 1) / WORD_BITS);
    if (m->order.policy.skip_redirtied) {
        m->again = rt_alloc(rt, words * sizeof m->again[0]);
    }
    if (m->order.compress_workers > 0) {
        m->packer = migration_packer_start(rt, m->order.compress_workers);
    }
    if ((m->order.policy.skip_redirtied && m->again == NULL) ||
        (m->order.compress_workers > 0 && m->packer == NULL)) {
        migration_source_why(m, "no memory at the source", "");
        return RT_NO_MEMORY;
    }
    enum rt_error err = rt_vm_log_start(rt, m->vm);
    if (err != RT_OK) {
        migration_source_why(
            m, "the dirty log could not be started: ", migration_source_reason(m, err));
        return err;
    }
    m->logging = true;
    for (uint64_t index = 0; index < m->pages; index++) { /* the first round sends everything */
        m->dirty[index / WORD_BITS] |= UINT64_C(1) << index % WORD_BITS;
    }
    migration_policy_begin(&m->order.policy, &m->progress, m->pages, rt_now(rt));
    m->left_pages = m->pages;
    m->rate_bps = m->progress.rate_bps;
    m->share_percent = FULL_PERCENT;
    m->pace_at = 0;
    return RT_OK;
}

enum rt_error migration_rounds_copy(struct migration_source *m)
{
    enum rt_error err = begin_rounds(m);
    while (err == RT_OK) {
        err = copy_round(m);
        if (err != RT_OK) {
            return err;
        }
        enum migration_decision decision =
            m->early != MIGRATION_GO_ON ? m->early
                                        : migration_policy_decide(&m->order.policy, &m->progress);
        enum migration_act act = migration_policy_act(&m->order.policy, &m->progress, decision);
        if (act != MIGRATION_ACT_GO_ON) {
            record_rule(m, decision);
        }
        if (act == MIGRATION_ACT_SWITCH) {
            return RT_OK;
        }
        if (act == MIGRATION_ACT_ABORT) {
            migration_source_why(m, "did not converge: ", migration_decision_text(decision));
            return RT_CANCELLED;
        }
        throttle(m);
        migration_policy_next_round(&m->order.policy, &m->progress);
        m->rate_bps = m->progress.rate_bps;
        m->left_pages = m->progress.dirtied_pages;
    }
    return err;
}

/* ---- after the pause ------------------------------------------------------------------------------------------------------------------- */

enum rt_error migration_rounds_send_rest(struct migration_source *m, uint64_t *pages)
{
    RT_ASSERT(m->service->rt, m->paused);
    enum rt_error err = RT_OK;
    *pages = 0;
    begin_round(m);
    rt_free(m->service->rt, m->again); /* nothing is written any more */
    m->again = NULL;
    m->rate_bps = migration_policy_final_bps(&m->order.policy);
    m->pace_at = 0;
    if (!RT_PLANTED(no_final_harvest)) {
        err = harvest(m, pages);
    }
    return err == RT_OK ? send_dirty(m) : err;
}

enum rt_error migration_rounds_confirm_rest(struct migration_source *m)
{
    enum rt_error err = confirm_round(m, m->progress.round + 1);
    if (err == RT_OK) {
        record_round(m, m->progress.round + 1, rt_now(m->service->rt) - m->paused_at, 0, 0);
        record_pace(m, m->progress.round + 1);
    }
    return err;
}

void migration_rounds_end(struct migration_source *m)
{
    struct rt *rt = m->service->rt;
    migration_release_batch(rt, &m->batch);
    if (m->packer != NULL) {
        struct migration_packer_totals totals;
        struct migration_packer *packer = m->packer;
        m->packer = NULL;
        migration_packer_totals(packer, &totals);
        migration_packer_stop(packer);
        migration_record_packed(rt, m->order.request, totals.pages, totals.before_bytes,
                                totals.after_bytes, totals.busy_ns, "source");
    }
    if (m->share_percent > 0 && m->share_percent < FULL_PERCENT) {
        rt_vm_throttle(rt, m->vm, FULL_PERCENT);
    }
    m->share_percent = 0;
    rt_free(rt, m->again);
    m->again = NULL;
}
