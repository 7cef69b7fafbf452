/* tests/migration/rig.h - a small cluster with one migration, broken at will.
 *
 * Two nodes on a switch of their own for migration, a client that pings, a VM of 128 pages that writes all the time. A rig
 * is one run of it with at most one break; what came of it is judged by the oracles and by where the VM runs. */
#ifndef ORRERY_TESTS_MIGRATION_RIG_H
#define ORRERY_TESTS_MIGRATION_RIG_H

#include "testbed/run.h"
#include "testbed/world.h"

#define RIG_ORDERED_AT SIM_S /* the migration */
#define RIG_AGAIN_AT   (40 * SIM_S)

enum rig_break {
    RIG_NOTHING,
    RIG_DROP_FRAME, /* the nth frame that arrives on a direction of a link */
    RIG_CRASH_AT_CALL, /* power of a node fails at its nth blocking call after the order; back after `for_ns` */
    RIG_CUT_AT_CALL, /* a node's migration link is cut, one direction or both, at its nth blocking call, for `for_ns` */
    RIG_FREEZE_AT_CALL,
    RIG_CANCEL_AT_CALL,     /* an administrator cancels it */
    RIG_FILL_STORE_AT_CALL, /* nothing more fits on a node's store */
};

struct rig_plan {
    enum rig_break kind;
    uint32_t node; /* 0: source, 1: target */
    bool to, from; /* directions, for drops and cuts */
    uint64_t nth;
    bool again;      /* the VM is ordered to go there again at RIG_AGAIN_AT */
    sim_time for_ns; /* SIM_NEVER: to the end */
    const char *set; /* `PATH=VALUE` of the scenario, or NULL */
};

/* Where the VM is at the end. */
enum rig_place { RIG_AT_SOURCE, RIG_AT_TARGET, RIG_NOWHERE };

struct rig_outcome {
    bool used;             /* the break happened */
    enum rig_place place;  /* of the running instance */
    bool paused_somewhere; /* an instance that does not run is left */
    enum judge_step step;  /* of the migration when the break happened */
    bool given, owned;     /* had happened when the break did */
    bool cancelled;        /* the cancel was accepted */
    char why[256];         /* the first oracle that failed, or "" */
    char how[192];         /* the migration's end */
    uint64_t calls[2];     /* blocking calls of the nodes */
    uint64_t frames[2][2]; /* that arrived on the migration links: node; from, to */
    uint64_t hash;
};

/* Runs the rig's scenario once. Asserts that everything could be taken down without leaks. */
struct rig_outcome rig_run(const struct rig_plan *plan);
/* Runs a scenario of its own: whether all that it expects and all oracles held, and if not, what did not. */
bool rig_holds(const char *text, char *why, size_t capacity);

/* For others that run the like: a scenario from its text, which must be right; the first oracle that failed, or "". */
struct scenario *rig_load(const char *text, const struct scenario_options *options);
void rig_violation(const struct run_result *result, char *why, size_t capacity);

/* Sanitizers make everything ten times slower: sweeps then take every n-th step only. */
#if defined(__SANITIZE_ADDRESS__)
#define RIG_SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RIG_SLOW 1
#endif
#endif
#ifndef RIG_SLOW
#define RIG_SLOW 0
#endif
#define RIG_STRIDE(release, slow) (RIG_SLOW ? (slow) : (release))

#endif
