/* testbed/run.h - one run of a scenario from its inputs to its result: what `orrery run`, `bench`, `diff` and tests share.
 *
 *     run_new ──► run_go (as often as wanted, each to a later instant) ──► run_finish ──► run_result_of ──► run_free
 *
 *  R1. Everything that can be wrong with inputs and outputs is said by run_new, before anything runs.
 *  R2. Outputs change nothing: the run hash is the same with and without each of them.
 *  R3. run_finish closes all outputs, however the run ended. */
#ifndef ORRERY_TESTBED_RUN_H
#define ORRERY_TESTBED_RUN_H

#include "nic/pcap.h"
#include "sim/recording.h"
#include "testbed/report.h"
#include "testbed/scenario.h"
#include "testbed/sweep_point.h"

struct run;
struct world;

struct run_options {
    const struct scenario *scenario; /* borrowed for the life of the run */
    const struct recording
        *recording;           /* files come from there where it has them; NULL: from the disk */
    const char *record;       /* recording to write, or NULL */
    const char *record_pages; /* a VM of the scenario, "all", or NULL */
    bool record_frames;
    uint64_t record_first, record_last; /* only these ids; 0, 0: all */
    uint64_t trail_first; /* the first id whose hash is kept in `trail`: recorder_trail */
    uint64_t *trail;      /* NULL: none; borrowed */
    uint32_t trail_capacity;
    struct pcap_options pcap; /* directory NULL: no captures */
    sim_time until;           /* SIM_NEVER: as the scenario says */
    const char *until_text;   /* as it was given, or "" */
    struct sweep_watch
        sweep; /* asked at each point of the scenario's sweep; `reached` NULL: nobody is */
    const char *version;
    const char *repeat; /* the command that repeats the run; borrowed */
    bool formula;       /* run_result.formula */
};

/* Builds everything. NULL and a message where an input cannot be read or an output cannot be written. */
SIM_CHECKED struct run *run_new(const struct run_options *options, char *why, size_t why_capacity);

/* Why a run ended that was stopped by run_interrupt: run_result.ended, and the text of the record "run.ends". */
#define RUN_INTERRUPTED_TEXT "interrupted"

enum run_state { RUN_GOES_ON, RUN_OVER, RUN_INTERRUPTED };

/* Runs to the end of the scenario, or to `until` at most. */
enum run_state run_go(struct run *run, sim_time until);
/* The same for at most about `events` events: for progress lines. */
sim_time run_now(const struct run *run);
uint64_t run_events(const struct run *run);
/* Ids given so far, to records and frames. */
uint64_t run_records(const struct run *run);
sim_time run_end_at_most(const struct run *run);
/* Asks run_go to return soon; the one call that a signal handler may make. */
void run_interrupt(struct run *run);

/* Records totals, takes the world down, judges, and closes outputs. False and a message if an output could not be written. */
SIM_CHECKED bool run_finish(struct run *run, char *why, size_t why_capacity);
/* After run_finish; borrowed until run_free. */
const struct run_result *run_result_of(const struct run *run);
/* What is being run; borrowed, and gone with run_finish. For tests that break it in ways no scenario can say. */
struct world *run_world(struct run *run);
const struct judge *run_judge(const struct run *run);
/* Checkpoint hashes of the run; borrowed. */
const uint64_t *run_checkpoints(struct run *run, uint32_t *count);
/* How much of run_options.trail is there. */
uint32_t run_trail_count(struct run *run);
void run_free(struct run *run);

#endif
