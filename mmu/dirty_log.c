#include "mmu/dirty_log.h"

#include "sim/planted.h"

#include <stdlib.h>
#include <string.h>

#define PEEK_RANGE_NS 10 /* a cache line read and ORed */
#define WORD_BITS     64u
#define RANGE_WORDS   (MMU_LARGE_PAGES / WORD_BITS)

/* Where these come from stands in docs/models.md, "Memory". */
const struct dirty_log_costs dirty_log_costs_default = {
    .write_fault_ns = 1000,
    .split_ns = 9000,
    .pml_full_ns = 6000,
    .scan_page_ns_per_1000 = 1000,
    .clear_page_ns = 6,
    .flush_ns = 2000,
};

/* A range is the 2 MiB of one large leaf. The bitmap has a bit for each page, the others have one for each range; `touched` says
 * where the bitmap is not zero, so that nothing here is ever searched through. */
struct dirty_log {
    struct second_level *tables;
    struct dirty_log_costs costs;
    enum dirty_log_mechanism mechanism;
    bool on;
    uint64_t page_count;
    uint64_t range_count;
    uint64_t *
        bitmap; /* while on: pages known to be written; with dirty bits the leaves alone know, and it stays empty */
    uint64_t *touched;
    uint64_t *split;                     /* has small leaves */
    uint64_t *whole;                     /* stored to, and could not be split */
    uint64_t pml[DIRTY_LOG_PML_ENTRIES]; /* page numbers, as the processor wrote them */
    uint32_t pml_count;
    struct dirty_log_statistics statistics;
};

/* ---- bits --------------------------------------------------------------------------------------------------------------- */

static uint64_t *bits_new(uint64_t bits)
{
    uint64_t *words = calloc((bits + WORD_BITS - 1) / WORD_BITS, sizeof *words);
    SIM_ASSERT(words != NULL);
    return words;
}

static void bit_set(uint64_t *words, uint64_t bit)
{
    words[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
}

static bool bit_get(const uint64_t *words, uint64_t bit)
{
    return (words[bit / WORD_BITS] >> bit % WORD_BITS & 1) != 0;
}

static uint64_t range_words(const struct dirty_log *log)
{
    return (log->range_count + WORD_BITS - 1) / WORD_BITS;
}

/* Words of the pages' bitmap that belong to a range: fewer for a last range that is short. */
static uint32_t page_words(const struct dirty_log *log, uint64_t range)
{
    uint64_t words = (log->page_count + WORD_BITS - 1) / WORD_BITS - range * RANGE_WORDS;
    return words < RANGE_WORDS ? (uint32_t)words : RANGE_WORDS;
}

static struct gpa range_gpa(uint64_t range)
{
    return (struct gpa){range << MMU_LARGE_SHIFT};
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */

struct dirty_log *dirty_log_new(struct second_level *tables, uint64_t page_count,
                                enum dirty_log_mechanism mechanism,
                                const struct dirty_log_costs *costs)
{
    SIM_ASSERT(tables != NULL);
    SIM_ASSERT(page_count > 0);
    struct dirty_log *log = calloc(1, sizeof *log);
    SIM_ASSERT(log != NULL);
    log->tables = tables;
    log->costs = *costs;
    log->mechanism = mechanism;
    log->page_count = page_count;
    log->range_count = (page_count + MMU_LARGE_PAGES - 1) / MMU_LARGE_PAGES;
    return log;
}

static void free_bits(struct dirty_log *log)
{
    free(log->bitmap);
    free(log->touched);
    free(log->split);
    free(log->whole);
    log->bitmap = log->touched = log->split = log->whole = NULL;
}

void dirty_log_free(struct dirty_log *log)
{
    free_bits(log);
    free(log);
}

bool dirty_log_is_on(const struct dirty_log *log)
{
    return log->on;
}

void dirty_log_statistics(const struct dirty_log *log, struct dirty_log_statistics *out)
{
    *out = log->statistics;
}

/* Time to look at all leaves, as start and stop do. */
static sim_time scan_ns(const struct dirty_log *log, uint64_t leaves)
{
    return (sim_time)leaves * log->costs.scan_page_ns_per_1000 / 1000;
}

/* ---- on and off ----------------------------------------------------------------------------------------------------------- */

/* Whether a small leaf that nobody has stored to may be stored to without a fault. */
static bool clean_is_writable(const struct dirty_log *log)
{
    return log->mechanism != DIRTY_LOG_WRITE_PROTECT;
}

/* All 512 leaves of a split range: clean. */
static void clean_range(struct dirty_log *log, uint64_t *leaf)
{
    for (uint32_t i = 0; i < MMU_LARGE_PAGES; i++) {
        leaf[i] = second_level_leaf_set(log->tables, leaf[i], clean_is_writable(log), false);
    }
}

sim_time dirty_log_start(struct dirty_log *log)
{
    SIM_ASSERT(!log->on);
    SIM_ASSERT(log->bitmap == NULL);
    log->bitmap = bits_new(log->page_count);
    log->touched = bits_new(log->range_count);
    log->split = bits_new(log->range_count);
    log->whole = bits_new(log->range_count);
    log->pml_count = 0;
    for (uint64_t range = 0; range < log->range_count; range++) {
        bool large;
        uint64_t *leaf = second_level_leaf(log->tables, range_gpa(range), &large);
        if (leaf == NULL) {
            continue;
        }
        if (large) {
            *leaf = second_level_leaf_set(log->tables, *leaf, false, false);
        } else {
            clean_range(log, leaf);
            bit_set(log->split, range);
        }
    }
    second_level_flush(log->tables);
    log->on = true;
    return scan_ns(log, log->tables->large_leaves + log->tables->small_leaves) +
           log->costs.flush_ns;
}

/* All leaves of a range writable again, and one large one where that is possible. */
static void release_range(struct dirty_log *log, uint64_t range)
{
    bool large;
    uint64_t *leaf = second_level_leaf(log->tables, range_gpa(range), &large);
    if (leaf == NULL) {
        return;
    }
    uint32_t leaves = large ? 1 : MMU_LARGE_PAGES;
    for (uint32_t i = 0; i < leaves; i++) {
        bool dirty = second_level_leaf_dirty(log->tables, leaf[i]);
        leaf[i] = second_level_leaf_set(log->tables, leaf[i], true, dirty);
    }
    if (!large) {
        second_level_merge(log->tables, range_gpa(range));
    }
}

sim_time dirty_log_stop(struct dirty_log *log)
{
    SIM_ASSERT(log->on);
    sim_time host_ns =
        scan_ns(log, log->tables->large_leaves + log->tables->small_leaves) + log->costs.flush_ns;
    for (uint64_t range = 0; range < log->range_count; range++) {
        release_range(log, range);
    }
    second_level_flush(log->tables);
    free_bits(log);
    log->pml_count = 0;
    log->on = false;
    return host_ns;
}

/* ---- the MMU's side --------------------------------------------------------------------------------------------------------- */

static void mark(struct dirty_log *log, uint64_t page)
{
    bit_set(log->bitmap, page);
    bit_set(log->touched, page / MMU_LARGE_PAGES);
}

/* The first `count` entries of the page-modification log go into the bitmap, and it is empty. */
static void drain_pml(struct dirty_log *log, uint32_t count)
{
    SIM_ASSERT(count <= log->pml_count);
    for (uint32_t i = 0; i < count; i++) {
        mark(log, log->pml[i]);
    }
    log->pml_count = 0;
}

/* The leaf of a range could not be split: it is logged as a whole until the next harvest. */
static void open_whole(struct dirty_log *log, uint64_t range, uint64_t *leaf)
{
    SIM_ASSERT(!bit_get(log->whole, range));
    *leaf = second_level_leaf_set(log->tables, *leaf, true, false);
    bit_set(log->whole, range);
    log->statistics.unsplit++;
}

/* Splits the leaf of a range at its first store; false if there was no memory for the table. */
static bool split_range(struct dirty_log *log, uint64_t range, sim_time *guest_ns)
{
    if (!second_level_split(log->tables, range_gpa(range))) {
        return false;
    }
    log->statistics.splits++;
    *guest_ns += log->costs.split_ns;
    bool large;
    uint64_t *leaf = second_level_leaf(log->tables, range_gpa(range), &large);
    SIM_ASSERT(!large);
    if (SIM_PLANTED(split_forgets)) {
        for (uint32_t i = 0; i < MMU_LARGE_PAGES; i++) {
            leaf[i] = second_level_leaf_set(log->tables, leaf[i], true, true);
        }
        return true;
    }
    clean_range(log, leaf);
    bit_set(log->split, range);
    return true;
}

void dirty_log_fault(struct dirty_log *log, struct gpa gpa, sim_time *guest_ns)
{
    uint64_t page = gpa.v >> MMU_PAGE_SHIFT;
    uint64_t range = page / MMU_LARGE_PAGES;
    SIM_ASSERT(log->on);
    SIM_ASSERT(page < log->page_count);
    log->statistics.write_faults++;
    *guest_ns += log->costs.write_fault_ns;
    /* Each exit empties the page-modification log, as KVM does, so it is full only after 512 pages without one. */
    drain_pml(log, log->pml_count);
    bool large;
    uint64_t *leaf = second_level_leaf(log->tables, gpa, &large);
    SIM_ASSERT(leaf != NULL);
    SIM_ASSERT(!second_level_leaf_writable(log->tables, *leaf));
    SIM_ASSERT(large || log->mechanism == DIRTY_LOG_WRITE_PROTECT);
    if (large) {
        if (!split_range(log, range, guest_ns)) {
            open_whole(log, range, leaf);
            return;
        }
        leaf = second_level_leaf(log->tables, gpa, &large);
    }
    if (log->mechanism == DIRTY_LOG_WRITE_PROTECT && bit_get(log->split, range)) {
        /* More rights need no flush: the violation itself let go of what was cached of this address (SDM Vol. 3, 29.4.3.1
         * "Operations that Invalidate Cached Mappings"). */
        *leaf = second_level_leaf_set(log->tables, *leaf, true, false);
        mark(log, page);
    }
}

void dirty_log_note(struct dirty_log *log, struct gpa gpa, sim_time *guest_ns)
{
    if (!log->on || log->mechanism != DIRTY_LOG_PML) {
        return;
    }
    /* SDM Vol. 3, 29.3.6 "Page-Modification Logging": the exit comes before the access that finds the log full. */
    if (log->pml_count == DIRTY_LOG_PML_ENTRIES) {
        log->statistics.pml_exits++;
        *guest_ns += log->costs.pml_full_ns;
        drain_pml(log, SIM_PLANTED(pml_full_lost) ? log->pml_count - 1 : log->pml_count);
    }
    log->pml[log->pml_count++] = gpa.v >> MMU_PAGE_SHIFT;
}

/* ---- harvest ---------------------------------------------------------------------------------------------------------------- */

/* Finds the dirty flags of 64 small leaves, and clears them. */
static uint64_t take_dirty_flags(const struct dirty_log *log, uint64_t *leaf)
{
    uint64_t flag = second_level_dirty_flag(log->tables);
    uint32_t shift = (uint32_t)__builtin_ctzll(flag);
    uint64_t found = 0;
    for (uint32_t i = 0; i < WORD_BITS; i++) {
        found |= (leaf[i] >> shift & 1) << i;
    }
    for (uint32_t i = 0; i < WORD_BITS && found != 0; i++) {
        leaf[i] &= ~flag;
    }
    return found;
}

/* Makes the small leaves whose bits are set clean again. */
static void clean_leaves(const struct dirty_log *log, uint64_t *leaf, uint64_t bits)
{
    bool writable = clean_is_writable(log);
    for (; bits != 0; bits &= bits - 1) {
        uint64_t *at = &leaf[__builtin_ctzll(bits)];
        *at = second_level_leaf_set(log->tables, *at, writable, false);
    }
}

/* What was written in a range that was logged as a whole: everything. */
static uint64_t take_whole(const struct dirty_log *log, uint64_t word)
{
    uint64_t pages = log->page_count - word * WORD_BITS;
    return pages < WORD_BITS ? (UINT64_C(1) << pages) - 1 : UINT64_MAX;
}

/* Reports one range, and makes it clean; returns the number of its pages that were written. */
static uint64_t harvest_range(struct dirty_log *log, uint64_t range, uint64_t *bitmap)
{
    uint64_t pages = 0;
    uint32_t words = page_words(log, range);
    bool large;
    uint64_t *leaf = second_level_leaf(log->tables, range_gpa(range), &large);
    if (leaf == NULL) {
        /* Unmapped meanwhile: there is nothing to send. */
        memset(&log->bitmap[range * RANGE_WORDS], 0, words * sizeof *log->bitmap);
        return 0;
    }
    for (uint32_t i = 0; i < words; i++) {
        uint64_t word = range * RANGE_WORDS + i;
        uint64_t found;
        if (large) {
            SIM_ASSERT(bit_get(log->whole, range));
            found = take_whole(log, word);
        } else if (log->mechanism == DIRTY_LOG_DIRTY_BITS) {
            found = take_dirty_flags(log, &leaf[i * WORD_BITS]);
        } else {
            found = log->bitmap[word];
            clean_leaves(log, &leaf[i * WORD_BITS], found);
        }
        log->bitmap[word] = 0;
        bitmap[word] |= found;
        pages += (uint64_t)__builtin_popcountll(found);
    }
    if (large) {
        *leaf = second_level_leaf_set(log->tables, *leaf, false, false);
    }
    return pages;
}

uint64_t dirty_log_harvest(struct dirty_log *log, uint64_t *bitmap, sim_time *host_ns)
{
    SIM_ASSERT(log->on);
    uint64_t pages = 0;
    uint64_t scanned = 0;
    uint64_t last = 0;
    drain_pml(log, log->pml_count);
    const uint64_t *active = log->mechanism == DIRTY_LOG_DIRTY_BITS ? log->split : log->touched;
    for (uint64_t word = 0; word < range_words(log); word++) {
        for (uint64_t bits = active[word] | log->whole[word]; bits != 0; bits &= bits - 1) {
            last = word * WORD_BITS + (uint64_t)__builtin_ctzll(bits);
            pages += harvest_range(log, last, bitmap);
            scanned += MMU_LARGE_PAGES;
        }
        log->touched[word] = 0;
        log->whole[word] = 0;
    }
    if (SIM_PLANTED(dirty_lost_at_swap) && pages > 0) {
        uint64_t word = last * RANGE_WORDS + page_words(log, last) - 1;
        while (bitmap[word] == 0) {
            word--;
        }
        bitmap[word] &= ~(UINT64_C(1) << (63 - __builtin_clzll(bitmap[word])));
        pages--;
    }
    /* D2: no guest runs between the clearing of flags above and this (SDM Vol. 3, 29.4.3.4 "Guidelines for Use of the INVEPT
     * Instruction": after clearing a right or a dirty flag). */
    second_level_flush(log->tables);
    *host_ns += (sim_time)pages * log->costs.clear_page_ns + log->costs.flush_ns;
    if (log->mechanism == DIRTY_LOG_DIRTY_BITS) {
        *host_ns += scan_ns(log, scanned);
    }
    return pages;
}

/* ---- peek ------------------------------------------------------------------------------------------------------------------- */

/* The dirty flags of 64 small leaves. */
static uint64_t read_dirty_flags(const struct dirty_log *log, const uint64_t *leaf)
{
    uint32_t shift = (uint32_t)__builtin_ctzll(second_level_dirty_flag(log->tables));
    uint64_t found = 0;
    for (uint32_t i = 0; i < WORD_BITS; i++) {
        found |= (leaf[i] >> shift & 1) << i;
    }
    return found;
}

static void peek_range(const struct dirty_log *log, uint64_t range, uint64_t *bitmap)
{
    bool large;
    const uint64_t *leaf = second_level_leaf(log->tables, range_gpa(range), &large);
    if (leaf == NULL) {
        return;
    }
    for (uint32_t i = 0; i < page_words(log, range); i++) {
        uint64_t word = range * RANGE_WORDS + i;
        bitmap[word] |= large ? take_whole(log, word)
                        : log->mechanism == DIRTY_LOG_DIRTY_BITS
                            ? read_dirty_flags(log, &leaf[i * WORD_BITS])
                            : log->bitmap[word];
    }
}

void dirty_log_peek(struct dirty_log *log, uint64_t *bitmap, sim_time *host_ns)
{
    SIM_ASSERT(log->on);
    uint64_t ranges = 0;
    drain_pml(log, log->pml_count);
    const uint64_t *active = log->mechanism == DIRTY_LOG_DIRTY_BITS ? log->split : log->touched;
    for (uint64_t word = 0; word < range_words(log); word++) {
        for (uint64_t bits = active[word] | log->whole[word]; bits != 0; bits &= bits - 1) {
            peek_range(log, word * WORD_BITS + (uint64_t)__builtin_ctzll(bits), bitmap);
            ranges++;
        }
    }
    /* A range is 64 bytes of bitmap, or 512 leaves to look at. */
    *host_ns += log->mechanism == DIRTY_LOG_DIRTY_BITS ? scan_ns(log, ranges * MMU_LARGE_PAGES)
                                                       : (sim_time)ranges * PEEK_RANGE_NS;
}

/* ---- check ------------------------------------------------------------------------------------------------------------------ */

static bool in_pml(const struct dirty_log *log, uint64_t page)
{
    for (uint32_t i = 0; i < log->pml_count; i++) {
        if (log->pml[i] == page) {
            return true;
        }
    }
    return false;
}

static void check_small(const struct dirty_log *log, uint64_t range, const uint64_t *leaf)
{
    for (uint32_t i = 0; i < MMU_LARGE_PAGES; i++) {
        uint64_t page = range * MMU_LARGE_PAGES + i;
        bool marked = page < log->page_count && bit_get(log->bitmap, page);
        bool writable = second_level_leaf_writable(log->tables, leaf[i]);
        bool dirty = second_level_leaf_dirty(log->tables, leaf[i]);
        SIM_ASSERT(writable == (marked || clean_is_writable(log)));
        switch (log->mechanism) {
        case DIRTY_LOG_WRITE_PROTECT:
            SIM_ASSERT(marked || !dirty);
            break;
        case DIRTY_LOG_DIRTY_BITS:
            SIM_ASSERT(!marked);
            break;
        case DIRTY_LOG_PML:
            SIM_ASSERT(dirty == (marked || in_pml(log, page)));
            break;
        }
    }
}

static void check_range_on(const struct dirty_log *log, uint64_t range)
{
    bool large;
    const uint64_t *leaf = second_level_leaf(log->tables, range_gpa(range), &large);
    uint64_t marked = 0;
    for (uint32_t i = 0; i < page_words(log, range); i++) {
        marked |= log->bitmap[range * RANGE_WORDS + i];
    }
    SIM_ASSERT((marked != 0) == bit_get(log->touched, range));
    if (leaf == NULL) {
        return;
    }
    SIM_ASSERT(large != bit_get(log->split, range));
    if (large) {
        SIM_ASSERT(second_level_leaf_writable(log->tables, *leaf) == bit_get(log->whole, range));
    } else {
        check_small(log, range, leaf);
    }
}

void dirty_log_check(const struct dirty_log *log)
{
    SIM_ASSERT(log->on == (log->bitmap != NULL));
    SIM_ASSERT(log->pml_count <= DIRTY_LOG_PML_ENTRIES);
    SIM_ASSERT(log->pml_count == 0 || log->mechanism == DIRTY_LOG_PML);
    for (uint64_t range = 0; log->on && range < log->range_count; range++) {
        check_range_on(log, range);
    }
}
