/* sim/assert.h - assertions that are on in every build and say how to see the failure again.
 *
 * A failed assertion is a defect of Orrery, never of a scenario. It prints the condition and its place, then what the run
 * in progress says of itself (simulated time, event, machine, seed, and the command that repeats the run), closes nothing,
 * and exits with status 3. Node software has RT_ASSERT of rt/rt.h instead, which ends here too. */
#ifndef ORRERY_SIM_ASSERT_H
#define ORRERY_SIM_ASSERT_H

#include "sim/types.h"

#define SIM_ASSERT(condition)                                                                      \
    (SIM_LIKELY(condition) ? (void)0 : sim_assert_failed(#condition, __FILE__, __LINE__))

/* Invariants whose check costs more than the work they guard: debug builds only (make DEBUG=1). */
#ifdef ORRERY_DEBUG
#define SIM_ASSERT_SLOW(condition) SIM_ASSERT(condition)
#else
#define SIM_ASSERT_SLOW(condition) ((void)sizeof(condition))
#endif

/* Prints and exits with status 3; never returns. */
_Noreturn void sim_assert_failed(const char *condition, const char *file, int line);

/* What an assertion prints about the run in progress: `describe` writes at most `capacity` bytes with a final zero. One
 * describer at a time, the newest; NULL takes it away. The kernel installs its own for the time of sim_run. The second
 * text, set by the command line, is the line that repeats the run; it is borrowed until replaced. */
void sim_assert_describer(void (*describe)(void *context, char *out, size_t capacity),
                          void *context);
void sim_assert_repeat_command(const char *command);

#endif
