/* sim/types.h - the few words that every room of the house uses.
 *
 * Time is a signed 64-bit count of nanoseconds since the start of the run (DESIGN idea 1). SIM_NEVER is later than any
 * instant that a run can reach; it is what an unarmed deadline holds. */
#ifndef ORRERY_SIM_TYPES_H
#define ORRERY_SIM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t sim_time;

#define SIM_NEVER INT64_MAX
#define SIM_US    INT64_C(1000)
#define SIM_MS    INT64_C(1000000)
#define SIM_S     INT64_C(1000000000)

/* A result that must be looked at. */
#define SIM_CHECKED             __attribute__((warn_unused_result))
#define SIM_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define SIM_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* An index that names nothing: pools and tables of ours count from 0. */
#define SIM_NONE UINT32_MAX

#endif
