#include "sim/recorder.h"

#include "sim/recording_writer.h"

#include <stdlib.h>
#include <string.h>

struct recorder_subscription {
    recorder_listener *listener;
    void *context;
};

/* All that one record of a kind needs, in one place. */
struct recorder_kind_state {
    uint64_t name_hash;
    const struct record_kind *kind;
    struct recorder_subscription *listeners; /* in the order of subscription */
    uint32_t listener_count;
    uint32_t own_listener_count; /* those that named this kind */
    uint8_t field_count;
    uint8_t origin_fields; /* bit i: field i is a RECORD_ORIGIN */
    bool text;
    bool detail;
    bool asked; /* by recorder_want */
};

struct recorder {
    struct recorder_state state; /* first: see recorder_frame */
    struct sim *sim;
    struct recorder_kind_state *kinds;
    uint8_t *field_counts;
    uint64_t *origin_hashes;
    uint32_t origin_count; /* of those known to origin_hashes */
    struct recording_writer *writer;
    uint64_t write_first;
    uint64_t write_last;
    bool frames_asked;
    bool dispatching;
    struct recorder_subscription *all; /* subscriptions to every kind, for kinds that come later */
    uint32_t all_count;
    uint64_t *checkpoints;
    uint32_t checkpoint_count;
    uint64_t *trail; /* of the caller; NULL: none */
    uint64_t trail_first;
    uint32_t trail_capacity;
    uint32_t trail_count;
    sim_time last_time;
    char text[RECORD_TEXT_MAX + 1]; /* a text that had to be cut */
};

_Static_assert(offsetof(struct recorder, state) == 0,
               "recorder_frame casts a recorder to its state");
_Static_assert(RECORD_VALUES_MAX <= 8, "origin_fields has a bit for each field");

/* Kept out of the way of the common case. */
#define RECORDER_COLD __attribute__((noinline, cold))

/* What SIM_NONE folds in place of a path's hash. */
#define RECORDER_NO_ORIGIN_HASH UINT64_C(0)

static void *recorder_grow(void *old, size_t count, size_t bytes)
{
    void *grown = realloc(old, count * bytes);
    SIM_ASSERT(grown != NULL);
    return grown;
}

struct recorder *recorder_new(struct sim *sim)
{
    SIM_ASSERT(sim != NULL);
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    SIM_ASSERT(recorder != NULL);
    recorder->state.hash = RUN_HASH_START;
    recorder->state.next_checkpoint = RECORDER_CHECKPOINT;
    recorder->state.frames_first = UINT64_MAX;
    recorder->write_last = UINT64_MAX;
    recorder->sim = sim;
    return recorder;
}

void recorder_close(struct recorder *recorder)
{
    SIM_ASSERT(!recorder->dispatching);
    for (uint32_t i = 0; i < recorder->state.kind_count; i++) {
        free(recorder->kinds[i].listeners);
    }
    free(recorder->kinds);
    free(recorder->field_counts);
    free(recorder->origin_hashes);
    free(recorder->all);
    free(recorder->checkpoints);
    free(recorder);
}

/* The number of ids at which the hash is looked at next: for a checkpoint, or for the trail. */
static uint64_t recorder_next_look(const struct recorder *recorder)
{
    uint64_t checkpoint = ((uint64_t)recorder->checkpoint_count + 1) * RECORDER_CHECKPOINT;
    uint64_t trail = recorder->trail_count < recorder->trail_capacity
                         ? recorder->trail_first + recorder->trail_count
                         : UINT64_MAX;
    return trail < checkpoint ? trail : checkpoint;
}

void recorder_check(const struct recorder *recorder)
{
    const struct recorder_state *state = &recorder->state;
    SIM_ASSERT(state->next_checkpoint == recorder_next_look(recorder));
    SIM_ASSERT(recorder->trail_count <= recorder->trail_capacity);
    SIM_ASSERT(state->ids <= state->next_checkpoint);
    SIM_ASSERT(state->field_counts == recorder->field_counts);
    SIM_ASSERT(recorder->last_time <= sim_now(recorder->sim));
    SIM_ASSERT(recorder->origin_count <= sim_origin_count(recorder->sim));
    for (uint32_t i = 0; i < state->kind_count; i++) {
        const struct recorder_kind_state *entry = &recorder->kinds[i];
        SIM_ASSERT(entry->listener_count == entry->own_listener_count + recorder->all_count);
        SIM_ASSERT(entry->field_count == recorder->field_counts[i]);
        SIM_ASSERT(entry->detail == entry->kind->detail);
    }
    /* Without a writer no frame is wanted (C4). */
    SIM_ASSERT(recorder->writer != NULL || state->frames_first > state->frames_last);
}

/* ---- kinds and listeners -------------------------------------------------------------------------------------------- */

static void recorder_subscribe(struct recorder_kind_state *entry,
                               struct recorder_subscription subscription)
{
    entry->listeners = recorder_grow(entry->listeners, (size_t)entry->listener_count + 1,
                                     sizeof(*entry->listeners));
    entry->listeners[entry->listener_count++] = subscription;
}

static void recorder_add_kind(struct recorder *recorder, const struct record_kind *kind)
{
    SIM_ASSERT(kind->name != NULL && kind->name[0] != 0);
    struct recorder_kind_state entry = {
        .kind = kind,
        .name_hash = recorder_name_hash(kind->name),
        .text = kind->text != NULL,
        .detail = kind->detail,
    };
    while (entry.field_count < RECORD_VALUES_MAX &&
           kind->fields[entry.field_count].unit != RECORD_END) {
        const struct record_field *field = &kind->fields[entry.field_count];
        SIM_ASSERT(field->name != NULL);
        SIM_ASSERT(field->unit < RECORD_UNITS);
        if (field->unit == RECORD_ORIGIN) {
            entry.origin_fields = (uint8_t)(entry.origin_fields | 1u << entry.field_count);
        }
        entry.field_count++;
    }
    uint32_t number = recorder->state.kind_count;
    for (uint32_t i = 0; i < number; i++) {
        SIM_ASSERT(recorder->kinds[i].name_hash != entry.name_hash); /* names are unique */
    }
    for (uint32_t i = 0; i < recorder->all_count; i++) {
        recorder_subscribe(&entry, recorder->all[i]);
    }
    recorder->kinds[number] = entry;
    recorder->field_counts[number] = entry.field_count;
    recorder->state.kind_count++;
}

uint32_t recorder_add_kinds(struct recorder *recorder, const struct record_kind *kinds,
                            uint32_t count)
{
    SIM_ASSERT(!recorder->dispatching);
    uint32_t first = recorder->state.kind_count;
    SIM_ASSERT(count <= RECORDING_KINDS_MAX - first);
    size_t total = (size_t)first + count + 1;
    recorder->kinds = recorder_grow(recorder->kinds, total, sizeof(*recorder->kinds));
    recorder->field_counts =
        recorder_grow(recorder->field_counts, total, sizeof(*recorder->field_counts));
    recorder->state.field_counts = recorder->field_counts;
    for (uint32_t i = 0; i < count; i++) {
        recorder_add_kind(recorder, &kinds[i]);
    }
    SIM_ASSERT(recorder->state.kind_count == first + count);
    return first;
}

uint32_t recorder_kind_count(const struct recorder *recorder)
{
    return recorder->state.kind_count;
}

const struct record_kind *recorder_kind(const struct recorder *recorder, uint32_t kind)
{
    SIM_ASSERT(kind < recorder->state.kind_count);
    return recorder->kinds[kind].kind;
}

uint32_t recorder_kind_find(const struct recorder *recorder, const char *name)
{
    for (uint32_t i = 0; i < recorder->state.kind_count; i++) {
        if (strcmp(recorder->kinds[i].kind->name, name) == 0) {
            return i;
        }
    }
    return SIM_NONE;
}

void recorder_listen(struct recorder *recorder, uint32_t kind, recorder_listener *listener,
                     void *context)
{
    SIM_ASSERT(listener != NULL);
    SIM_ASSERT(!recorder->dispatching);
    struct recorder_subscription subscription = {.listener = listener, .context = context};
    if (kind != SIM_NONE) {
        SIM_ASSERT(kind < recorder->state.kind_count);
        recorder_subscribe(&recorder->kinds[kind], subscription);
        recorder->kinds[kind].own_listener_count++;
        return;
    }
    recorder->all =
        recorder_grow(recorder->all, (size_t)recorder->all_count + 1, sizeof(*recorder->all));
    recorder->all[recorder->all_count++] = subscription;
    for (uint32_t i = 0; i < recorder->state.kind_count; i++) {
        recorder_subscribe(&recorder->kinds[i], subscription);
    }
}

/* ---- what is written ------------------------------------------------------------------------------------------------ */

/* The next id lies in the interval that is to be written. */
static bool recorder_in_window(const struct recorder *recorder, uint64_t id)
{
    return id >= recorder->write_first && id <= recorder->write_last;
}

static void recorder_update_frames(struct recorder *recorder)
{
    bool on = recorder->writer != NULL && recorder->frames_asked;
    recorder->state.frames_first = on ? recorder->write_first : UINT64_MAX;
    recorder->state.frames_last = on ? recorder->write_last : 0;
}

/* A checkpoint is taken when the next id is given, for a frame is folded by its link after it got its id. Whoever looks
 * in between takes the one that is due first, so that the time of looking does not show. */
static void recorder_settle(struct recorder *recorder)
{
    if (recorder->state.ids == recorder->state.next_checkpoint) {
        recorder_checkpoint(recorder);
    }
}

void recorder_write_to(struct recorder *recorder, struct recording_writer *writer)
{
    SIM_ASSERT(!recorder->dispatching);
    recorder_settle(recorder);
    recorder->writer = writer;
    recorder_update_frames(recorder);
    if (writer == NULL) {
        return;
    }
    for (uint32_t i = 0; i < recorder->checkpoint_count; i++) {
        recording_writer_checkpoint(writer, ((uint64_t)i + 1) * RECORDER_CHECKPOINT,
                                    recorder->checkpoints[i]);
    }
}

void recorder_write_ids(struct recorder *recorder, uint64_t first, uint64_t last)
{
    SIM_ASSERT(first <= last);
    recorder->write_first = first;
    recorder->write_last = last;
    recorder_update_frames(recorder);
}

void recorder_want(struct recorder *recorder, uint32_t kind)
{
    SIM_ASSERT(kind < recorder->state.kind_count);
    recorder->kinds[kind].asked = true;
}

void recorder_want_frames(struct recorder *recorder)
{
    recorder->frames_asked = true;
    recorder_update_frames(recorder);
}

bool recorder_wants(const struct recorder *recorder, uint32_t kind)
{
    SIM_ASSERT(kind < recorder->state.kind_count);
    const struct recorder_kind_state *entry = &recorder->kinds[kind];
    if (!entry->detail || entry->own_listener_count > 0) {
        return true;
    }
    if (!entry->asked) {
        return false;
    }
    bool written =
        recorder->writer != NULL && recorder_in_window(recorder, recorder->state.ids + 1);
    return written || entry->listener_count > 0;
}

/* ---- records -------------------------------------------------------------------------------------------------------- */

static RECORDER_COLD void recorder_learn_origins(struct recorder *recorder)
{
    uint32_t count = sim_origin_count(recorder->sim);
    recorder->origin_hashes =
        recorder_grow(recorder->origin_hashes, (size_t)count + 1, sizeof(uint64_t));
    for (uint32_t i = recorder->origin_count; i < count; i++) {
        recorder->origin_hashes[i] = recorder_name_hash(sim_origin_path(recorder->sim, i));
    }
    recorder->origin_count = count;
}

static inline uint64_t recorder_origin_hash(struct recorder *recorder, uint32_t origin)
{
    if (SIM_UNLIKELY(origin >= recorder->origin_count)) {
        if (origin == SIM_NONE) {
            return RECORDER_NO_ORIGIN_HASH;
        }
        recorder_learn_origins(recorder);
        SIM_ASSERT(origin < recorder->origin_count);
    }
    return recorder->origin_hashes[origin];
}

/* The first RECORD_TEXT_MAX bytes of a text, less what is left of a UTF-8 character cut in two. */
static RECORDER_COLD const char *recorder_cut_text(struct recorder *recorder, const char *text)
{
    size_t length = RECORD_TEXT_MAX;
    while (length > 0 && ((uint8_t)text[length] & 0xc0) == 0x80) {
        length--;
    }
    memcpy(recorder->text, text, length);
    recorder->text[length] = 0;
    return recorder->text;
}

static void recorder_fold_values(struct recorder *recorder, const struct recorder_kind_state *entry,
                                 const int64_t *values)
{
    uint64_t words[RECORD_VALUES_MAX + 1] = {0};
    for (uint32_t i = 0; i < entry->field_count; i++) {
        words[i] = (uint64_t)values[i];
    }
    for (uint32_t fields = entry->origin_fields; fields != 0; fields &= fields - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(fields);
        SIM_ASSERT(values[i] >= 0);
        SIM_ASSERT(values[i] <= (int64_t)SIM_NONE);
        words[i] = recorder_origin_hash(recorder, (uint32_t)values[i]);
    }
    for (uint32_t i = 0; i < entry->field_count; i += 2) {
        run_hash_fold(&recorder->state.hash, words[i], words[i + 1]);
    }
}

/* Writes and tells. The recording comes first, so that it holds what a listener is about to judge. */
static void recorder_deliver(struct recorder *recorder, const struct recorder_kind_state *entry,
                             const struct record *head, const int64_t *values, bool write)
{
    struct record record = *head;
    for (uint32_t i = 0; i < entry->field_count; i++) {
        record.values[i] = values[i];
    }
    if (write) {
        recording_writer_record(recorder->writer, &record);
    }
    recorder->dispatching = true;
    for (uint32_t i = 0; i < entry->listener_count; i++) {
        entry->listeners[i].listener(entry->listeners[i].context, &record);
    }
    recorder->dispatching = false;
}

static uint64_t recorder_record_detail(struct recorder *recorder,
                                       const struct recorder_kind_state *entry,
                                       const struct record *head, const int64_t *values)
{
    if (!recorder_wants(recorder, head->kind)) {
        return 0;
    }
    bool write = entry->asked && recorder->writer != NULL &&
                 recorder_in_window(recorder, recorder->state.ids + 1);
    recorder_deliver(recorder, entry, head, values, write);
    return 0;
}

uint64_t recorder_record(struct recorder *recorder, uint32_t kind, uint32_t origin, uint64_t cause,
                         const int64_t *values, const char *text)
{
    SIM_ASSERT(kind < recorder->state.kind_count);
    SIM_ASSERT(!recorder->dispatching);
    SIM_ASSERT(cause <= recorder->state.ids);
    const struct recorder_kind_state *entry = &recorder->kinds[kind];
    SIM_ASSERT(entry->text || text == NULL || text[0] == 0);
    sim_time now = sim_now(recorder->sim);
    SIM_ASSERT(now >= recorder->last_time);
    recorder->last_time = now;
    size_t text_length = 0;
    if (text == NULL) {
        text = "";
    } else if (entry->text) {
        text_length = strnlen(text, RECORD_TEXT_MAX + 1);
        if (SIM_UNLIKELY(text_length > RECORD_TEXT_MAX)) {
            text = recorder_cut_text(recorder, text);
            text_length = strlen(text);
        }
    }
    struct record head = {
        .time = now, .cause = cause, .kind = kind, .origin = origin, .text = text};
    if (SIM_UNLIKELY(entry->detail)) {
        return recorder_record_detail(recorder, entry, &head, values);
    }
    recorder_settle(recorder);
    struct run_hash *hash = &recorder->state.hash;
    run_hash_fold(hash, entry->name_hash, (uint64_t)now);
    run_hash_fold(hash, recorder_origin_hash(recorder, origin), cause);
    recorder_fold_values(recorder, entry, values);
    if (entry->text) {
        run_hash_fold_bytes(hash, text, text_length);
    }
    head.id = ++recorder->state.ids;
    bool write = recorder->writer != NULL && recorder_in_window(recorder, head.id);
    if (write || entry->listener_count > 0) {
        recorder_deliver(recorder, entry, &head, values, write);
    }
    return head.id;
}

void recorder_write_frame(struct recorder *recorder, uint64_t id, uint32_t link, const void *bytes,
                          uint32_t length)
{
    SIM_ASSERT(id > 0);
    SIM_ASSERT(id <= recorder->state.ids);
    if (recorder_wants_frame(recorder, id)) {
        recording_writer_frame(recorder->writer, id, sim_now(recorder->sim), link, bytes, length);
    }
}

/* ---- the hash ------------------------------------------------------------------------------------------------------- */

static void recorder_keep_checkpoint(struct recorder *recorder, uint64_t value)
{
    uint32_t count = recorder->checkpoint_count;
    /* The capacity is the least power of two that holds the count. */
    if ((count & (count - 1)) == 0) {
        size_t capacity = count == 0 ? 1 : (size_t)count * 2;
        recorder->checkpoints = recorder_grow(recorder->checkpoints, capacity, sizeof(uint64_t));
    }
    recorder->checkpoints[count] = value;
    recorder->checkpoint_count++;
    if (recorder->writer != NULL) {
        recording_writer_checkpoint(recorder->writer, recorder->state.ids, value);
    }
}

RECORDER_COLD void recorder_checkpoint(struct recorder *recorder)
{
    uint64_t ids = recorder->state.ids;
    SIM_ASSERT(ids == recorder->state.next_checkpoint);
    struct run_hash hash = recorder_hash(recorder);
    uint64_t value = run_hash_value(&hash);
    if (recorder->trail_count < recorder->trail_capacity &&
        ids == recorder->trail_first + recorder->trail_count) {
        recorder->trail[recorder->trail_count++] = value;
    }
    if (ids % RECORDER_CHECKPOINT == 0) {
        recorder_keep_checkpoint(recorder, value);
    }
    recorder->state.next_checkpoint = recorder_next_look(recorder);
    recorder_check(recorder);
}

void recorder_trail(struct recorder *recorder, uint64_t first, uint64_t *hashes, uint32_t capacity)
{
    recorder_settle(recorder);
    SIM_ASSERT(recorder->trail == NULL);
    SIM_ASSERT(hashes != NULL);
    SIM_ASSERT(first > recorder->state.ids);
    recorder->trail = hashes;
    recorder->trail_first = first;
    recorder->trail_capacity = capacity;
    recorder->state.next_checkpoint = recorder_next_look(recorder);
    recorder_check(recorder);
}

uint32_t recorder_trail_count(struct recorder *recorder)
{
    recorder_settle(recorder);
    return recorder->trail_count;
}

uint64_t recorder_records(const struct recorder *recorder)
{
    return recorder->state.ids;
}

struct run_hash recorder_hash(const struct recorder *recorder)
{
    struct run_hash hash = recorder->state.hash;
    run_hash_fold(&hash, recorder->state.ids, 0);
    return hash;
}

const uint64_t *recorder_checkpoints(struct recorder *recorder, uint32_t *count)
{
    recorder_settle(recorder);
    *count = recorder->checkpoint_count;
    return recorder->checkpoints;
}

uint64_t recorder_name_hash(const char *name)
{
    struct run_hash hash = RUN_HASH_START;
    run_hash_fold_bytes(&hash, name, strlen(name));
    return run_hash_value(&hash);
}

struct sim *recorder_sim(const struct recorder *recorder)
{
    return recorder->sim;
}
