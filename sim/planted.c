#include "sim/planted.h"

#ifdef ORRERY_PLANTS

#include <stdlib.h>
#include <string.h>

bool sim_planted(const char *name)
{
    static const char *planted;
    if (planted == NULL) {
        planted = getenv("ORRERY_PLANT");
        if (planted == NULL) {
            planted = "";
        }
    }
    return strcmp(planted, name) == 0;
}

bool rt_planted(const char *name)
{
    return sim_planted(name);
}

#endif
