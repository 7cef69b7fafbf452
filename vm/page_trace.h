/* vm/page_trace.h - a page-write trace in memory: which page frames a real guest wrote in each interval of its own time.
 *
 * Read-only and shared by all guests that replay it. testbed/trace_file.h reads it from a .pwt.gz file (docs/formats.md). */
#ifndef ORRERY_VM_PAGE_TRACE_H
#define ORRERY_VM_PAGE_TRACE_H

#include "sim/types.h"

struct page_trace_range {
    uint32_t first, count; /* page frames, rising within an interval */
};

struct page_trace {
    const char *name;
    uint64_t ram_pages;
    sim_time interval_ns;
    uint32_t intervals;
    const uint32_t
        *starts; /* intervals + 1: ranges of interval i are starts[i] .. starts[i + 1] - 1 */
    const uint32_t *pages; /* intervals: pages written in interval i */
    const struct page_trace_range *ranges;
};

#endif
