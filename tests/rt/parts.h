/* tests/rt/parts.h - what the parts of cases share. */
#ifndef ORRERY_TESTS_RT_PARTS_H
#define ORRERY_TESTS_RT_PARTS_H

#include "tests/rt/cases.h"

#define CHECK(part, condition) rt_part_check((part), (condition), #condition, __LINE__)

static inline void rt_part_check(struct rt_part *part, bool holds, const char *text, int line)
{
    part->checks++;
    if (!holds && part->failed == NULL) {
        part->failed = text;
        part->failed_line = line;
    }
}

static inline rt_time after(struct rt_part *part, rt_time ns)
{
    return rt_now(part->rt) + ns;
}

static inline void nap(struct rt_part *part, rt_time ns)
{
    CHECK(part, rt_sleep_until(part->rt, after(part, ns)) == RT_OK);
}

#endif
