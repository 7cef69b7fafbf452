/* testbed/diff.h - where two runs part: the first record or frame that is not the same in both.
 *
 *     checkpoints of A and B ──bisect──► one interval of RECORDER_CHECKPOINT ids
 *       run both again with a trail ───► the one id (sim/recorder.h, recorder_trail)
 *       run both again, writing out ───► that record or frame, what caused it, and a few before
 *
 *  D1. Checkpoints come from a recording that has them; otherwise from a run.
 *  D2. What is kept is checkpoints, one trail of each side, and the ids from DIFF_WINDOW before the difference on: memory does not
 *      grow with what happens in a run.
 *  D3. A recording is believed as far as it goes. If its scenario no longer gives the run that it holds, the records in it are
 *      compared, and the result says so. One that was cut short is compared up to where it ends.
 *  D4. Equal means equal run hashes; it never means that nothing was found. */
#ifndef ORRERY_TESTBED_DIFF_H
#define ORRERY_TESTBED_DIFF_H

#include "testbed/diff_entry.h"
#include "testbed/run_input.h"

#define DIFF_CONTEXT        8u    /* records and frames shown in front of the difference, at most */
#define DIFF_CONTEXT_FRAMES 3u    /* frames among them */
#define DIFF_WINDOW         2048u /* ids in front of it that are looked through for them */
#define DIFF_SIDES          2u

enum diff_outcome {
    DIFF_EQUAL,
    DIFF_EQUAL_SO_FAR, /* up to where a recording was cut short */
    DIFF_NOTHING_LEFT, /* of a recording that was cut short */
    DIFF_DIFFERENT,
    DIFF_NOT_REPEATABLE, /* the same scenario gave two runs: a defect of Orrery */
    DIFF_FAILED,         /* an input cannot be run; see `why` */
};

struct diff_side {
    bool recorded;     /* checkpoints come from the recording */
    bool cut;          /* the recording ends before its run did */
    bool as_recorded;  /* D3: it could not be repeated, so its own records were compared */
    uint64_t run_hash; /* 0 where the recording was cut */
    char hash_text[17];
    uint64_t ids; /* 0 where it was not run to its end */
    sim_time simulated_ns;
    struct diff_entry at;    /* what this side has in the place of the difference */
    struct diff_entry cause; /* and what caused that; of a frame, what its machine said last */
};

struct diff_result {
    enum diff_outcome outcome;
    uint64_t id;   /* of the first difference; of the last one compared where there is none */
    sim_time time; /* of the last that both have */
    bool
        frames_only; /* all records are the same: the difference is in frames, which a recording does not hold */
    uint32_t context_count;
    char context[DIFF_CONTEXT][DIFF_LINE_BYTES]; /* the same on both sides, oldest first */
    struct diff_side side[DIFF_SIDES];
    char why[512];
};

struct diff_options {
    const char *version; /* as in run_options */
    /* Called now and then; `side` is 0 or 1, `again` counts the runs of that side so far. May be NULL. */
    void (*progress)(void *context, uint32_t side, uint32_t again, sim_time now);
    void *context;
};

/* Compares; runs what has to be run. The inputs are borrowed, and their recordings stand anywhere afterwards. The caller frees. */
SIM_CHECKED struct diff_result *diff_run(const struct run_input inputs[DIFF_SIDES],
                                         const struct diff_options *options);
void diff_free(struct diff_result *result);

#endif
