#include "testbed/shipped_traces.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sim/assert.h"

#define MIB        (INT64_C(1) << 20)
#define LEVELS_MAX 5 /* from the program's folder up to that of the sources */

static const struct shipped_trace traces[SCENARIO_LIKES] = {
    [SCENARIO_LIKE_REDIS] = {"redis", "redis-server under four load generators", 512 * MIB,
                             SCENARIO_PAGES_COMPRESSIBLE},
    [SCENARIO_LIKE_PGBENCH] = {"pgbench", "PostgreSQL with 8 clients, as TPC-B", 512 * MIB,
                               SCENARIO_PAGES_COMPRESSIBLE},
    [SCENARIO_LIKE_SQLITE] = {"sqlite", "sqlite3 on a file in memory", 512 * MIB,
                              SCENARIO_PAGES_RANDOM},
    [SCENARIO_LIKE_CC1] = {"cc1", "a C compiler in a loop", 512 * MIB, SCENARIO_PAGES_COMPRESSIBLE},
    [SCENARIO_LIKE_IDLE] = {"idle", "a small Linux that waits", 256 * MIB,
                            SCENARIO_PAGES_COMPRESSIBLE},
    [SCENARIO_LIKE_BOOT] = {"boot", "the boot of a small Linux", 256 * MIB,
                            SCENARIO_PAGES_COMPRESSIBLE},
};

const struct shipped_trace *shipped_trace(enum scenario_like like)
{
    SIM_ASSERT(like < SCENARIO_LIKES);
    return like == SCENARIO_LIKE_NONE ? NULL : &traces[like];
}

/* Cuts the last name off a path. False at its root. */
static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        return false;
    }
    *slash = '\0';
    return true;
}

bool shipped_trace_path(const struct shipped_trace *trace, char *out, size_t capacity)
{
    char folder[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
    folder[length > 0 ? length : 0] = '\0';
    if (length <= 0 || !go_up(folder)) {
        (void)snprintf(out, capacity, "scenarios/traces/%s.pwt.gz", trace->word);
        return access(out, R_OK) == 0;
    }
    (void)snprintf(out, capacity, "%s/../share/orrery/scenarios/traces/%s.pwt.gz", folder,
                   trace->word);
    for (int level = 0; access(out, R_OK) != 0; level++) {
        if (level == LEVELS_MAX || !go_up(folder)) {
            return false;
        }
        (void)snprintf(out, capacity, "%s/scenarios/traces/%s.pwt.gz", folder, trace->word);
    }
    return true;
}
