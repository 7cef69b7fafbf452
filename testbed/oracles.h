/* testbed/oracles.h - what must hold in every run, judged from the hardware's records.
 *
 *   one-instance   at most one instance of a VM runs at any instant
 *   liveness       exactly one runs within 10 s after both hosts of a hand-over and a path between them are up
 *   memory         an instance that runs on what it was sent has the pages of the one it came from
 *   state          ... and its processor and device state
 *   commit         the source stores nothing after the pause of a VM that it gave
 *   dirty          what was stored is a subset of what was reported dirty
 *   streams        every TCP stream arrived intact, in order, once
 *   frames         no frame was delivered that was not sent: each was delivered, recorded as lost, or is on its way
 *   leaks          nothing is alive after everything was taken down; a node holds nothing for a migration that is settled
 *
 *  O1. An oracle that judged nothing says unknown. That fails no run.
 *  O2. The first violation of each is kept, with its instant and words.
 *  O3. A stream into whose payload a fault put another byte behind all checksums (corrupt-repaired) is not judged by `streams`: TCP cannot
 *      know. Who uses the stream must notice, and `memory` and `state` judge whether it did. */
#ifndef ORRERY_TESTBED_ORACLES_H
#define ORRERY_TESTBED_ORACLES_H

#include "sim/recorder.h"
#include "testbed/expression.h"
#include "testbed/scenario.h"

enum oracle {
    ORACLE_ONE_INSTANCE,
    ORACLE_LIVENESS,
    ORACLE_MEMORY,
    ORACLE_STATE,
    ORACLE_COMMIT,
    ORACLE_DIRTY,
    ORACLE_STREAMS,
    ORACLE_FRAMES,
    ORACLE_LEAKS,
    ORACLES
};

struct oracle_verdict {
    const char *name;
    const char *meaning;
    enum truth held; /* unknown: judged nothing */
    uint64_t judged; /* how often */
    sim_time at;     /* of the first violation */
    char what[160];
};

const char *oracle_name(enum oracle oracle);
const char *oracle_meaning(enum oracle oracle);

struct oracles;

struct oracles *oracles_new(const struct scenario *scenario, struct recorder *recorder);
void oracles_free(struct oracles *oracles);
/* One record; what the listener does, and what a reader of a recording calls. */
void oracles_take(struct oracles *oracles, const struct record *record);
/* The run is over at `now`. */
void oracles_finish(struct oracles *oracles, sim_time now);
void oracles_verdict(const struct oracles *oracles, enum oracle oracle, struct oracle_verdict *out);

#endif
