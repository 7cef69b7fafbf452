/* tests/rt/cases.h - what every side of rt/rt.h must do: a table of cases, written as node software.
 *
 * A case has a `first` and perhaps a `second` part. Each runs on a task of its own, on two nodes that reach each other; they begin at about the
 * same time. A case without a second part leaves the other node idle. Parts use rt/rt.h and nothing else, so that each side can run the same table:
 * the simulator does in tests/rt/test_simulator.c. */
#ifndef ORRERY_TESTS_RT_CASES_H
#define ORRERY_TESTS_RT_CASES_H

#include "rt/rt.h"

#define RT_CASE_PORT 7000 /* of streams and datagrams, on both nodes */
#define RT_CASE_S    INT64_C(1000000000)
#define RT_CASE_MS   INT64_C(1000000)

struct rt_part {
    struct rt *rt;
    struct rt_address here, there; /* the nodes' addresses, with RT_CASE_PORT */
    struct rt_address nobody;      /* on their network, and nobody has it */
    bool pages_stay_whole;         /* R2 holds to the letter */
    uint32_t checks;
    const char *failed; /* the first check that failed, or NULL */
    int failed_line;
    bool done;
};

struct rt_case {
    const char *name;
    void (*first)(struct rt_part *part);
    void (*second)(struct rt_part *part);
};
/* One table for each subject; each ends with a case without a name. */
extern const struct rt_case rt_cases_streams[], rt_cases_tasks[], rt_cases_store[];

#endif
