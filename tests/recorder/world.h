/* tests/recorder/world.h - a kernel with a few origins, a recorder with a few kinds, and runs of random records.
 *
 * What was written is kept as a plain array beside it, which is what readers are compared with. */
#ifndef ORRERY_TESTS_RECORDER_WORLD_H
#define ORRERY_TESTS_RECORDER_WORLD_H

#include "sim/recorder.h"
#include "sim/recording.h"
#include "sim/recording_writer.h"

enum world_kind {
    WORLD_BARE,    /* no field, no text */
    WORLD_COUNT,   /* one integer */
    WORLD_PAIR,    /* an origin and an instant */
    WORLD_THREE,   /* an odd number of fields, and a text */
    WORLD_FULL,    /* as many fields as can be, of all units */
    WORLD_TEXT,    /* nothing but a text */
    WORLD_DETAIL,  /* detail with a field */
    WORLD_DETAIL2, /* detail with a text */
    WORLD_KINDS
};
extern const struct record_kind world_kinds[WORLD_KINDS];

#define WORLD_ORIGINS 5u
extern const char *const world_paths[WORLD_ORIGINS];

struct world {
    struct sim *sim;
    struct recorder *recorder;
    uint32_t base;                   /* number of the first kind */
    uint32_t origins[WORLD_ORIGINS]; /* of world_paths */
    uint64_t random;
};

/* `variant` changes what must not matter: the order in which origins and kinds were added. */
void world_open(struct world *world, uint64_t seed, unsigned variant);
void world_close(struct world *world);
void world_advance(struct world *world, sim_time ns);
uint64_t world_random(struct world *world);
uint64_t world_below(struct world *world, uint64_t bound);

/* One thing that happened: a record, or a frame. */
struct world_entry {
    bool frame;
    bool detail;
    struct record record; /* for a frame: time, id, origin (its link) */
    char text[RECORD_TEXT_MAX + 1];
    uint8_t bytes[64]; /* of a frame */
    uint32_t length;
};

/* Does something random: goes on in time (often not at all), then folds a frame or writes a record, of detail with a chance
 * of `detail_percent`. Fills in what was done. */
void world_step(struct world *world, unsigned detail_percent, struct world_entry *entry);

/* A file of its own for this process; removed by world_remove. */
const char *world_file(void);
void world_remove(void);
/* The whole file, on the heap. */
uint8_t *world_slurp(const char *path, size_t *length);
extern const struct recording_meta world_meta;

/* NULL if both are equal, else what differs. */
const char *world_differs(const struct record *read, const struct world_entry *written);

#endif
