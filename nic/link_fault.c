#include "nic/link_fault.h"

#include <stdlib.h>

#define WHOLE UINT64_C(1000000000) /* shares are parts of it */

enum { WHETHER, HOW_MUCH }; /* draws of a kind */

/* ---- the table -------------------------------------------------------------------------------- */

/* What a fault does to a frame that it picked. */
typedef void link_fault_act(struct link_faults *faults, const struct link_fault_entry *entry,
                            uint64_t ordinal, struct frame *frame, struct link_fate *fate);

static link_fault_act act_lose, act_corrupt, act_repaired, act_duplicate, act_reorder, act_jitter,
    act_delay;

static const struct {
    const char *sites[2]; /* of its draws; of the first: whether, by its share */
    link_fault_act *act;
    const char *reason; /* of the loss */
    bool all;           /* picks every frame: it has no share */
} kinds[LINK_FAULTS] = {
    [LINK_LOSS] = {{"link.loss", NULL}, act_lose, "loss", false},
    [LINK_BURSTS] = {{"link.burst", "link.burst-loss"}, act_lose, "burst", false},
    [LINK_PARTITION] = {{NULL, NULL}, act_lose, "partition", true},
    [LINK_BLACK_HOLE] = {{NULL, NULL}, act_lose, "black-hole", true},
    [LINK_CORRUPT] = {{"link.corrupt", NULL}, act_corrupt, NULL, false},
    [LINK_CORRUPT_REPAIRED] = {{"link.corrupt-repaired", "link.corrupt-byte"},
                               act_repaired,
                               NULL,
                               false},
    [LINK_DUPLICATE] = {{"link.duplicate", NULL}, act_duplicate, NULL, false},
    [LINK_REORDER] = {{"link.reorder", NULL}, act_reorder, NULL, false},
    [LINK_JITTER] = {{NULL, "link.jitter"}, act_jitter, NULL, true},
    [LINK_DELAY] = {{NULL, NULL}, act_delay, NULL, true},
};

/* ---- life ------------------------------------------------------------------------------------- */

void link_faults_init(struct link_faults *faults, struct net *net, uint32_t origin)
{
    SIM_ASSERT(net != NULL);
    SIM_ASSERT(origin != SIM_NONE);
    *faults = (struct link_faults){.net = net, .origin = origin};
}

void link_faults_close(struct link_faults *faults)
{
    struct frame *frame = link_faults_take(faults, SIM_NEVER);
    while (frame != NULL) {
        net_free_frame(faults->net, frame);
        frame = link_faults_take(faults, SIM_NEVER);
    }
    free(faults->entries);
    faults->entries = NULL;
    faults->count = 0;
    faults->capacity = 0;
}

/* Folding the keys takes a while, and most links never have a fault. */
static void fold_keys(struct link_faults *faults)
{
    const char *path = sim_origin_path(faults->net->sim, faults->origin);
    for (uint32_t kind = 0; kind < LINK_FAULTS; kind++) {
        for (uint32_t i = 0; i < 2; i++) {
            if (kinds[kind].sites[i] != NULL) {
                faults->chances[kind][i] =
                    chance_key(sim_seed(faults->net->sim), kinds[kind].sites[i], path);
            }
        }
    }
    faults->keyed = true;
}

/* ---- beginning and ending --------------------------------------------------------------------- */

static bool is_picky(const struct link_fault_entry *entry)
{
    return entry->debt || entry->setting.selects != NULL;
}

/* F3. */
static void find_acting(struct link_faults *faults)
{
    bool taken[LINK_FAULTS] = {false};
    for (uint32_t i = faults->count; i-- > 0;) {
        struct link_fault_entry *entry = &faults->entries[i];
        entry->acts = is_picky(entry) || !taken[entry->setting.kind];
        taken[entry->setting.kind] = taken[entry->setting.kind] || !is_picky(entry);
    }
}

/* Takes out those that say so, and keeps the order of the others. Returns how many frames they picked. */
static uint64_t remove_entries(struct link_faults *faults, enum link_fault kind, uint64_t cause,
                               bool debts)
{
    uint64_t touched = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < faults->count; i++) {
        const struct link_fault_entry *entry = &faults->entries[i];
        if (entry->setting.kind != kind || entry->setting.cause != cause || entry->debt != debts) {
            faults->entries[kept++] = *entry;
        } else {
            touched += entry->touched;
        }
    }
    faults->count = kept;
    find_acting(faults);
    return touched;
}

static void add_entry(struct link_faults *faults, const struct link_fault_entry *entry)
{
    if (!faults->keyed) {
        fold_keys(faults);
    }
    if (faults->count == faults->capacity) {
        faults->capacity = faults->capacity * 2 + 2;
        faults->entries = realloc(faults->entries, faults->capacity * sizeof *faults->entries);
        SIM_ASSERT(faults->entries != NULL);
    }
    faults->entries[faults->count++] = *entry;
    find_acting(faults);
}

void link_faults_begin(struct link_faults *faults, const struct link_fault_setting *setting)
{
    SIM_ASSERT(setting->kind < LINK_FAULTS);
    SIM_ASSERT(kinds[setting->kind].all || setting->selects != NULL || setting->values[0] <= WHOLE);
    (void)remove_entries(faults, setting->kind, setting->cause, false);
    add_entry(faults, &(struct link_fault_entry){.setting = *setting});
}

uint64_t link_faults_end(struct link_faults *faults, enum link_fault kind, uint64_t cause)
{
    SIM_ASSERT(kind < LINK_FAULTS);
    return remove_entries(faults, kind, cause, false);
}

void link_faults_owe(struct link_faults *faults, const struct link_fault_setting *setting,
                     uint64_t skip, uint64_t count)
{
    SIM_ASSERT(setting->selects == NULL);
    (void)remove_entries(faults, setting->kind, setting->cause, true);
    if (count > 0) {
        add_entry(faults, &(struct link_fault_entry){
                              .setting = *setting,
                              .debt = true,
                              .skip = skip,
                              .count = count,
                          });
    }
}

static void forget_paid(struct link_faults *faults)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < faults->count; i++) {
        if (!faults->entries[i].debt || faults->entries[i].count > 0) {
            faults->entries[kept++] = faults->entries[i];
        }
    }
    faults->count = kept;
}

/* ---- picking ---------------------------------------------------------------------------------- */

static bool hits(const struct link_faults *faults, enum link_fault kind, uint32_t draw,
                 uint64_t ordinal, uint64_t share)
{
    return chance_hit(faults->chances[kind][draw], ordinal, share, WHOLE);
}

static bool owes(struct link_fault_entry *entry)
{
    if (entry->skip > 0) {
        entry->skip--;
        return false;
    }
    entry->count--;
    return true;
}

/* The state that the frame meets is that after the step: a burst that begins takes its first frame. */
static bool picks_in_burst(const struct link_faults *faults, struct link_fault_entry *entry,
                           uint64_t ordinal)
{
    const uint64_t *values = entry->setting.values;
    uint64_t change = values[entry->bad ? 1 : 0];
    if (hits(faults, LINK_BURSTS, WHETHER, ordinal, change)) {
        entry->bad = !entry->bad;
    }
    return hits(faults, LINK_BURSTS, HOW_MUCH, ordinal, values[entry->bad ? 2 : 3]);
}

static bool is_too_long(const struct link_fault_entry *entry, const struct frame *frame)
{
    return frame->ether_type == ETHER_IPV4 &&
           frame_header_bytes(frame) - ETH_HEADER_BYTES + frame->payload_bytes >
               entry->setting.values[0];
}

static bool picks(const struct link_faults *faults, struct link_fault_entry *entry,
                  uint64_t ordinal, const struct frame *frame)
{
    const struct link_fault_setting *setting = &entry->setting;
    if (entry->debt) {
        return owes(entry);
    }
    if (setting->selects != NULL && !setting->selects(setting->context, frame)) {
        return false;
    }
    switch (setting->kind) {
    case LINK_BURSTS:
        return picks_in_burst(faults, entry, ordinal);
    case LINK_BLACK_HOLE:
        return is_too_long(entry, frame);
    case LINK_PARTITION:
    case LINK_JITTER:
    case LINK_DELAY:
        return true;
    default:
        return setting->selects != NULL ||
               hits(faults, setting->kind, WHETHER, ordinal, setting->values[0]);
    }
}

/* ---- what they do ----------------------------------------------------------------------------- */

static void act_lose(struct link_faults *faults, const struct link_fault_entry *entry,
                     uint64_t ordinal, struct frame *frame, struct link_fate *fate)
{
    (void)faults;
    (void)ordinal;
    (void)frame;
    fate->lost = kinds[entry->setting.kind].reason;
    fate->cause = entry->setting.cause;
}

static void say(const struct link_faults *faults, const struct link_fault_entry *entry,
                const struct frame *frame, const char *what)
{
    net_record_frame(faults->net, NET_FRAME_CHANGED, faults->origin, entry->setting.cause, what,
                     frame);
}

static void act_corrupt(struct link_faults *faults, const struct link_fault_entry *entry,
                        uint64_t ordinal, struct frame *frame, struct link_fate *fate)
{
    (void)ordinal;
    (void)fate;
    frame->corrupt = true;
    say(faults, entry, frame, "corrupted");
}

/* The slice that byte `at` of the payload lies in; `at` becomes the byte's place within it. */
static struct slice *slice_of(struct frame *frame, uint32_t *at)
{
    for (uint32_t i = 0; i < frame->slice_count; i++) {
        if (*at < frame->slices[i].length) {
            return &frame->slices[i];
        }
        *at -= frame->slices[i].length;
    }
    SIM_ASSERT(false && "the byte lies behind the payload");
    return NULL;
}

/* One byte of the payload becomes another, whichever. Frames without payload have nothing to change, and of a datagram in fragments
 * the checksum stands in the first: only that one can be repaired. */
static void act_repaired(struct link_faults *faults, const struct link_fault_entry *entry,
                         uint64_t ordinal, struct frame *frame, struct link_fate *fate)
{
    (void)fate;
    if (frame->payload_bytes == 0 || frame->fragment_offset != 0) {
        return;
    }
    uint64_t draw = chance_at(faults->chances[LINK_CORRUPT_REPAIRED][HOW_MUCH], ordinal);
    uint32_t at = (uint32_t)((draw >> 8) % frame->payload_bytes);
    uint8_t flip = (uint8_t)(1 + draw % 255);
    struct slice *slice = slice_of(frame, &at);
    struct page_pool *pages = faults->net->pages;
    uint8_t bytes[PAGE_BYTES];
    page_copy_out(pages, slice->page, slice->offset, slice->length, bytes);
    bytes[at] ^= flip;
    struct page changed = page_literal(pages, bytes, slice->length);
    page_unref(pages, slice->page);
    *slice = (struct slice){changed, 0, slice->length};
    uint64_t before = frame->digest;
    frame->digest = frame_digest(faults->net->frames, frame);
    faults->digests_made += frame->digest - before; /* F6 */
    say(faults, entry, frame, LINK_REPAIRED_TEXT);
}

static void act_duplicate(struct link_faults *faults, const struct link_fault_entry *entry,
                          uint64_t ordinal, struct frame *frame, struct link_fate *fate)
{
    (void)ordinal;
    fate->twice = true;
    say(faults, entry, frame, "duplicated");
}

static void act_reorder(struct link_faults *faults, const struct link_fault_entry *entry,
                        uint64_t ordinal, struct frame *frame, struct link_fate *fate)
{
    (void)ordinal;
    fate->overtaken = true;
    fate->hold_ns += (sim_time)entry->setting.values[1];
    say(faults, entry, frame, "held");
}

/* Quantiles of the normal distribution between -3 and 3 deviations, in 64 steps, on a scale of 0 to 65536. */
static const uint32_t normal_quantiles[65] = {
    0,     9594,  12615, 14597, 16115, 17367, 18443, 19396, 20257, 21046, 21778, 22465, 23112,
    23728, 24315, 24880, 25424, 25950, 26461, 26959, 27445, 27920, 28387, 28846, 29297, 29743,
    30184, 30621, 31054, 31485, 31914, 32341, 32768, 33195, 33622, 34051, 34482, 34915, 35352,
    35793, 36239, 36690, 37149, 37616, 38091, 38577, 39075, 39586, 40112, 40656, 41221, 41808,
    42424, 43071, 43758, 44490, 45279, 46140, 47093, 48169, 49421, 50939, 52921, 55942, 65536};

/* A number below 65536 from 32 even bits, straight lines between quantiles. */
static uint64_t normal_of(uint32_t even)
{
    uint32_t step = even >> 26;
    uint64_t within = even & ((UINT32_C(1) << 26) - 1);
    uint64_t low = normal_quantiles[step], high = normal_quantiles[step + 1];
    return low + ((high - low) * within >> 26);
}

static void act_jitter(struct link_faults *faults, const struct link_fault_entry *entry,
                       uint64_t ordinal, struct frame *frame, struct link_fate *fate)
{
    (void)frame;
    struct chance chance = faults->chances[LINK_JITTER][HOW_MUCH];
    uint64_t up_to = entry->setting.values[0];
    uint64_t ns;
    if (entry->setting.values[1] == LINK_JITTER_NORMAL) {
        uint64_t share = normal_of((uint32_t)(chance_at(chance, ordinal) >> 32));
        ns = (uint64_t)((run_hash_product)up_to * share >> 16);
    } else {
        ns = chance_below(chance, ordinal, up_to + 1);
    }
    SIM_ASSERT(ns <= up_to);
    fate->hold_ns += (sim_time)ns;
}

static void act_delay(struct link_faults *faults, const struct link_fault_entry *entry,
                      uint64_t ordinal, struct frame *frame, struct link_fate *fate)
{
    (void)faults;
    (void)ordinal;
    (void)frame;
    fate->hold_ns += (sim_time)entry->setting.values[0];
}

struct link_fate link_faults_decide(struct link_faults *faults, uint64_t ordinal,
                                    struct frame *frame)
{
    struct link_fate fate = {0};
    bool paid = false;
    /* First who takes the frame, then what else there is: the order of the kinds, not of their begin. */
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < faults->count; i++) {
            struct link_fault_entry *entry = &faults->entries[i];
            bool loses = kinds[entry->setting.kind].reason != NULL;
            if (!entry->acts || loses != (pass == 0)) {
                continue;
            }
            bool picked = picks(faults, entry, ordinal, frame);
            paid = paid || (entry->debt && entry->count == 0);
            if (picked && (loses || fate.lost == NULL)) {
                entry->touched++;
                kinds[entry->setting.kind].act(faults, entry, ordinal, frame, &fate);
            }
        }
    }
    if (paid) {
        forget_paid(faults);
    }
    return fate;
}

struct frame *link_faults_copy(struct link_faults *faults, const struct frame *frame)
{
    struct frame *copy = frame_copy(faults->net->frames, frame);
    faults->digests_made += copy->digest;
    faults->frames_made++;
    return copy;
}

/* ---- holding ---------------------------------------------------------------------------------- */

bool link_faults_must_hold(const struct link_faults *faults, const struct link_fate *fate)
{
    return fate->hold_ns > 0 || (!fate->overtaken && faults->ordered.count > 0);
}

/* Behind all that arrive no later. Mostly that is the end: a list is looked through only where a hold became shorter. */
static void held_insert(struct link_held *held, struct frame *frame)
{
    struct frame **place = &held->first;
    if (held->count > 0 && held->last->arrival <= frame->arrival) {
        place = &held->last->next;
    }
    while (*place != NULL && (*place)->arrival <= frame->arrival) {
        place = &(*place)->next;
    }
    frame->next = *place;
    *place = frame;
    if (frame->next == NULL) {
        held->last = frame;
    }
    held->count++;
}

void link_faults_hold(struct link_faults *faults, const struct link_fate *fate, struct frame *frame)
{
    sim_time at = sim_now(faults->net->sim) + fate->hold_ns;
    if (!fate->overtaken) {
        if (faults->ordered.count > 0 && at < faults->ordered_until) {
            at = faults->ordered_until;
        }
        faults->ordered_until = at;
    }
    frame->arrival = at;
    held_insert(fate->overtaken ? &faults->loose : &faults->ordered, frame);
}

static sim_time held_next(const struct link_held *held)
{
    return held->count > 0 ? held->first->arrival : SIM_NEVER;
}

sim_time link_faults_next(const struct link_faults *faults)
{
    sim_time ordered = held_next(&faults->ordered), loose = held_next(&faults->loose);
    return ordered <= loose ? ordered : loose;
}

struct frame *link_faults_take(struct link_faults *faults, sim_time until)
{
    bool ordered = held_next(&faults->ordered) <= held_next(&faults->loose);
    struct link_held *held = ordered ? &faults->ordered : &faults->loose; /* F5 */
    if (held->count == 0 || held->first->arrival > until) {
        return NULL;
    }
    struct frame *frame = held->first;
    held->first = frame->next;
    held->count--;
    frame->next = NULL;
    return frame;
}

/* ---- looking ---------------------------------------------------------------------------------- */

uint64_t link_faults_audit(const struct link_faults *faults, uint64_t *digests)
{
    const struct link_held *const lists[] = {&faults->ordered, &faults->loose};
    uint64_t frames = 0;
    for (uint32_t i = 0; i < 2; i++) {
        const struct frame *frame = lists[i]->first;
        for (uint32_t n = 0; n < lists[i]->count; n++, frame = frame->next) {
            *digests += frame->digest;
            frames++;
        }
    }
    return frames;
}

static void held_check(const struct link_held *held, sim_time now)
{
    const struct frame *frame = held->first;
    sim_time before = now;
    for (uint32_t i = 0; i < held->count; i++, frame = frame->next) {
        SIM_ASSERT(frame != NULL);
        SIM_ASSERT(frame->arrival >= before);
        SIM_ASSERT((frame->next == NULL) == (i + 1 == held->count));
        SIM_ASSERT(frame->next != NULL || frame == held->last);
        before = frame->arrival;
    }
}

void link_faults_check(const struct link_faults *faults)
{
    sim_time now = sim_now(faults->net->sim);
    held_check(&faults->ordered, now);
    held_check(&faults->loose, now);
    SIM_ASSERT(faults->ordered.count == 0 ||
               faults->ordered.last->arrival == faults->ordered_until);
    SIM_ASSERT(faults->count <= faults->capacity);
    for (uint32_t i = 0; i < faults->count; i++) {
        SIM_ASSERT(!faults->entries[i].debt || faults->entries[i].count > 0);
        SIM_ASSERT(faults->entries[i].acts || !is_picky(&faults->entries[i]));
    }
}
