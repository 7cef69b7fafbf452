#include "tests/rt/parts.h"

#include <string.h>

/* ---- tasks ------------------------------------------------------------------------------------------------------------------ */

struct work {
    struct rt_condition *condition;
    rt_time sleep_ns, deadline;
    uint32_t *order; /* counts up as tasks get there */
    uint32_t place;
    enum rt_error result, result_after;
    bool began, ended;
};

static void work_sleeps(struct rt *rt, void *context)
{
    struct work *work = context;
    work->began = true;
    work->result = rt_sleep_until(rt, rt_now(rt) + work->sleep_ns);
    work->result_after = rt_sleep_until(rt, rt_now(rt) + 1);
    work->ended = true;
}

static void work_waits(struct rt *rt, void *context)
{
    struct work *work = context;
    work->began = true;
    work->result = rt_wait(rt, work->condition, work->deadline);
    work->place = (*work->order)++;
    work->ended = true;
}

static struct rt_task *start(struct rt_part *part, void (*body)(struct rt *, void *),
                             struct work *work)
{
    struct rt_task *task = NULL;
    CHECK(part, rt_spawn(part->rt, "work", body, work, &task) == RT_OK);
    return task;
}

static void spawns_and_joins(struct rt_part *part)
{
    struct work work = {.sleep_ns = 100 * RT_CASE_MS};
    struct rt_task *task = start(part, work_sleeps, &work);
    CHECK(part, !work.began); /* soon, not now */
    rt_time began = rt_now(part->rt);
    CHECK(part, rt_join(part->rt, task, after(part, 20 * RT_CASE_MS)) == RT_TIMED_OUT);
    CHECK(part, work.began);
    CHECK(part, !work.ended);
    CHECK(part, rt_join(part->rt, task, RT_FOREVER) == RT_OK); /* it was still the caller's */
    CHECK(part, work.ended);
    CHECK(part, work.result == RT_OK);
    CHECK(part, rt_now(part->rt) - began >= 100 * RT_CASE_MS);
    CHECK(part, rt_now(part->rt) - began < 150 * RT_CASE_MS);
}

static void joins_the_ended(struct rt_part *part)
{
    struct work work = {.sleep_ns = 1};
    struct rt_task *task = start(part, work_sleeps, &work);
    nap(part, 20 * RT_CASE_MS);
    CHECK(part, work.ended);
    CHECK(part, rt_join(part->rt, task, rt_now(part->rt)) == RT_OK);
}

static void cancels(struct rt_part *part)
{
    struct work work = {.sleep_ns = 100 * RT_CASE_S}, early = {.sleep_ns = RT_CASE_S};
    struct rt_task *task = start(part, work_sleeps, &work);
    struct rt_task *other = start(part, work_sleeps, &early);
    rt_cancel(part->rt, other); /* before it began */
    nap(part, 20 * RT_CASE_MS);
    rt_cancel(part->rt, task);
    rt_cancel(part->rt, task);
    CHECK(part, rt_join(part->rt, task, after(part, RT_CASE_S)) == RT_OK);
    CHECK(part, rt_join(part->rt, other, after(part, RT_CASE_S)) == RT_OK);
    CHECK(part, work.result == RT_CANCELLED);
    CHECK(part, work.result_after == RT_CANCELLED); /* sticky */
    CHECK(part, early.ended);
    CHECK(part, early.result == RT_CANCELLED);
}

static void detaches(struct rt_part *part)
{
    struct work ended = {.sleep_ns = 1}, runs = {.sleep_ns = 30 * RT_CASE_MS};
    struct rt_task *one = start(part, work_sleeps, &ended);
    struct rt_task *two = start(part, work_sleeps, &runs);
    nap(part, 10 * RT_CASE_MS);
    rt_detach(part->rt, one);
    rt_detach(part->rt, two);
    nap(part, 60 * RT_CASE_MS);
    CHECK(part, ended.ended);
    CHECK(part, runs.ended);
}

#define WAITERS 4u

static void work_then_waits(struct rt *rt, void *context)
{
    struct work *work = context;
    rt_charge(rt, 5 * RT_CASE_MS);
    work->result = rt_wait(rt, work->condition, work->deadline);
    work->ended = true;
}

/* A wait has begun when its task has looked, though it pays for what it did before it stands still. */
static void signals_early(struct rt_part *part)
{
    struct rt_condition condition = {0};
    struct work work = {.condition = &condition, .deadline = after(part, RT_CASE_S)};
    struct rt_task *task = start(part, work_then_waits, &work);
    nap(part, 2 * RT_CASE_MS);
    rt_signal(part->rt, &condition);
    CHECK(part, rt_join(part->rt, task, after(part, 2 * RT_CASE_S)) == RT_OK);
    CHECK(part, work.ended);
    CHECK(part, work.result == RT_OK);
}

static void signals(struct rt_part *part)
{
    struct rt_condition condition = {0};
    struct work works[WAITERS] = {0};
    struct rt_task *tasks[WAITERS];
    uint32_t order = 0;
    rt_signal(part->rt, &condition); /* nobody waits: not remembered */
    rt_signal_all(part->rt, &condition);
    CHECK(part, rt_wait(part->rt, &condition, after(part, 10 * RT_CASE_MS)) == RT_TIMED_OUT);
    for (uint32_t i = 0; i < WAITERS; i++) {
        works[i] = (struct work){.condition = &condition, .deadline = RT_FOREVER, .order = &order};
        tasks[i] = start(part, work_waits, &works[i]);
        nap(part, RT_CASE_MS);
    }
    rt_signal(part->rt, &condition);
    nap(part, RT_CASE_MS);
    CHECK(part, works[0].ended); /* who has waited longest */
    CHECK(part, !works[1].ended);
    rt_cancel(part->rt, tasks[1]);
    nap(part, RT_CASE_MS);
    CHECK(part, works[1].result == RT_CANCELLED);
    rt_signal_all(part->rt, &condition);
    for (uint32_t i = 0; i < WAITERS; i++) {
        CHECK(part, rt_join(part->rt, tasks[i], after(part, RT_CASE_S)) == RT_OK);
        CHECK(part, i == 1 || works[i].result == RT_OK);
        CHECK(part, works[i].place == i);
    }
}

static void waits_by_deadline(struct rt_part *part)
{
    struct rt_condition condition = {0};
    rt_time deadline = after(part, 30 * RT_CASE_MS);
    CHECK(part, rt_wait(part->rt, &condition, deadline) == RT_TIMED_OUT);
    CHECK(part, rt_now(part->rt) >= deadline);
    CHECK(part, rt_wait(part->rt, &condition, deadline) == RT_TIMED_OUT); /* long past */
    CHECK(part, rt_sleep_until(part->rt, 0) == RT_OK);
}

/* ---- the node ----------------------------------------------------------------------------------------------------------------- */

static void has_memory(struct rt_part *part)
{
    uint8_t *memory = rt_alloc(part->rt, 10000);
    uint32_t sum = 0;
    CHECK(part, memory != NULL);
    for (uint32_t i = 0; i < 10000; i++) {
        sum += memory[i];
    }
    CHECK(part, sum == 0);
    memset(memory, 1, 10000);
    rt_free(part->rt, memory);
    rt_free(part->rt, NULL);
}

static void charges(struct rt_part *part)
{
    rt_time began = rt_now(part->rt);
    rt_charge(part->rt, 20 * RT_CASE_MS);
    nap(part, 0); /* paid before it acts */
    CHECK(part, rt_now(part->rt) - began >= 20 * RT_CASE_MS || !part->pages_stay_whole);
    CHECK(part, rt_draw(part->rt, "site", 1) == rt_draw(part->rt, "site", 1));
    CHECK(part, rt_draw(part->rt, "site", 1) != rt_draw(part->rt, "site", 2));
    CHECK(part, rt_draw(part->rt, "site", 1) != rt_draw(part->rt, "other", 1));
    CHECK(part, strlen(rt_id(part->rt)) > 0);
    CHECK(part, rt_wall_clock(part->rt) > 0);
}

/* ---- pages ---------------------------------------------------------------------------------------------------------------------- */

/* Whatever rt_page_compress made of a page comes back as that page; anything else is refused. */
static void packs_pages(struct rt_part *part)
{
    struct rt *rt = part->rt;
    uint8_t *bytes = rt_alloc(rt, RT_PAGE_BYTES);
    for (uint32_t i = 0; i < RT_PAGE_BYTES; i++) {
        bytes[i] = (uint8_t)(i / 64);
    }
    const struct rt_slice all = {.bytes = bytes, .length = RT_PAGE_BYTES};
    struct rt_page page = {0}, again = {0}, nothing = {0};
    struct rt_slice packed = {0};
    CHECK(part, rt_page_make(rt, &all, 1, &page) == RT_OK);
    rt_time busy = rt_busy(rt);
    CHECK(part, rt_page_compress(rt, page, &packed) == RT_OK);
    CHECK(part, rt_busy(rt) >= busy);
    CHECK(part, packed.length > 0 && packed.length < RT_PAGE_BYTES / 4);
    CHECK(part, rt_page_expand(rt, &packed, 1, &again) == RT_OK);
    CHECK(part, rt_page_equal(rt, page, again));
    CHECK(part, rt_page_expand(rt, &all, 1, &nothing) == RT_INVALID);
    CHECK(part, rt_page_expand(rt, &packed, 0, &nothing) == RT_INVALID);
    struct rt_slice cut = packed;
    cut.length--;
    CHECK(part, rt_page_expand(rt, &cut, 1, &nothing) == RT_INVALID);
    rt_page_unref(rt, packed.page);
    rt_page_unref(rt, page);
    rt_page_unref(rt, again);
    uint64_t noise = 1;
    for (uint32_t i = 0; i < RT_PAGE_BYTES; i++) {
        noise = noise * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (uint8_t)(noise >> 56);
    }
    CHECK(part, rt_page_make(rt, &all, 1, &page) == RT_OK);
    CHECK(part, rt_page_compress(rt, page, &packed) == RT_NO_SPACE);
    rt_page_unref(rt, page);
    rt_free(rt, bytes);
}

static void makes_pages(struct rt_part *part)
{
    struct rt *rt = part->rt;
    uint8_t *bytes = rt_alloc(rt, 3 * RT_PAGE_BYTES);
    for (uint32_t i = 0; i < 2 * RT_PAGE_BYTES; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 300);
    }
    const struct rt_slice parts[] = {
        {.bytes = bytes, .length = 1000},
        {.bytes = bytes, .offset = 1000, .length = RT_PAGE_BYTES - 1000},
    };
    const struct rt_slice zero = {
        .bytes = bytes, .offset = 2 * RT_PAGE_BYTES, .length = RT_PAGE_BYTES};
    struct rt_page page = {0}, same = {0}, other = {0}, nothing = {0};
    CHECK(part, rt_page_make(rt, parts, 2, &page) == RT_OK);
    CHECK(part, rt_page_make(rt, parts, 1, &nothing) == RT_INVALID);
    CHECK(part, rt_page_make(rt, parts, 0, &nothing) == RT_INVALID);
    const struct rt_slice whole = {.page = page, .length = RT_PAGE_BYTES};
    CHECK(part, rt_page_make(rt, &whole, 1, &same) == RT_OK);
    CHECK(part, rt_page_equal(rt, page, same));
    const struct rt_slice pieces[] = {{.page = page, .offset = 10, .length = RT_PAGE_BYTES - 10},
                                      {.page = page, .length = 10}};
    CHECK(part, rt_page_make(rt, pieces, 2, &other) == RT_OK);
    CHECK(part, !rt_page_equal(rt, page, other));
    uint8_t some[20];
    rt_page_bytes(rt, other, RT_PAGE_BYTES - 20, 20, some);
    CHECK(part, memcmp(some, bytes + RT_PAGE_BYTES - 10, 10) == 0);
    CHECK(part, memcmp(some + 10, bytes, 10) == 0);
    CHECK(part, rt_page_crc32c(rt, page) == rt_crc32c(rt, 0, bytes, RT_PAGE_BYTES));
    uint32_t both = rt_crc32c_concat(rt, rt_crc32c(rt, 0, "ab", 2), rt_crc32c(rt, 0, "cde", 3), 3);
    CHECK(part, both == rt_crc32c(rt, 0, "abcde", 5));
    CHECK(part, rt_crc32c(rt, 0, "123456789", 9) == 0xe3069283u); /* RFC 3720, B.4's polynomial */
    CHECK(part, !rt_page_is_zero(rt, page));
    CHECK(part, rt_page_make(rt, &zero, 1, &nothing) == RT_OK);
    CHECK(part, rt_page_is_zero(rt, nothing));
    struct rt_page again = rt_page_ref(rt, page);
    rt_page_unref(rt, page);
    rt_page_unref(rt, same);
    CHECK(part, rt_page_crc32c(rt, again) == rt_crc32c(rt, 0, bytes, RT_PAGE_BYTES));
    rt_page_unref(rt, again);
    rt_page_unref(rt, other);
    rt_page_unref(rt, nothing);
    rt_free(rt, bytes);
}

const struct rt_case rt_cases_tasks[] = {
    {"a task is joined", spawns_and_joins, NULL},
    {"a task that has ended is joined", joins_the_ended, NULL},
    {"a task is cancelled, for good", cancels, NULL},
    {"a task is let go", detaches, NULL},
    {"signals wake who waits, in their order", signals, NULL},
    {"a wait ends with its deadline", waits_by_deadline, NULL},
    {"memory is zeroed", has_memory, NULL},
    {"time is charged, chance is keyed", charges, NULL},
    {"pages are made of slices", makes_pages, NULL},
    {"pages are compressed", packs_pages, NULL},
    {"a signal while a wait is paid for is not lost", signals_early, NULL},
    {0},
};
