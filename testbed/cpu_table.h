/* testbed/cpu_table.h - what the processors of the language can do.
 *
 *  generation         second-level tables   accessed/dirty bits in them   page-modification log
 *  intel/core2        -                     -                             -
 *  intel/nehalem      EPT                   -                             -
 *  intel/westmere     EPT                   -                             -
 *  intel/haswell      EPT                   yes                           -
 *  intel/broadwell    EPT                   yes                           yes
 *  amd/k8             -                     -                             -
 *  amd/k10, amd/zen   NPT                   yes                           -
 *
 * Spec: Intel SDM Vol. 3, "Accessed and Dirty Flags for EPT", "Page-Modification Logging"; AMD APM Vol. 2, "Nested Paging". */
#ifndef ORRERY_TESTBED_CPU_TABLE_H
#define ORRERY_TESTBED_CPU_TABLE_H

#include "testbed/scenario.h"

/* The best that the processor has: what `auto` stands for. */
enum scenario_paging cpu_table_paging(enum scenario_cpu cpu);
enum scenario_dirty_log cpu_table_dirty_log(enum scenario_cpu cpu, enum scenario_paging paging);
/* Whether a VM that started on one runs on the other: the same maker's, and no older generation, whose features it would miss. */
bool cpu_table_runs(enum scenario_cpu started_on, enum scenario_cpu moves_to);
/* Why the processor cannot do it; NULL if it can. */
const char *cpu_table_refuses_paging(enum scenario_cpu cpu, enum scenario_paging paging);
const char *cpu_table_refuses_dirty_log(enum scenario_cpu cpu, enum scenario_paging paging,
                                        enum scenario_dirty_log dirty_log);

#endif
