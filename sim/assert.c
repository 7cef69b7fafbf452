/* sim/assert.c - the end of a run that met a defect of Orrery. */
#include "sim/assert.h"

#include <stdio.h>
#include <unistd.h>

#define ASSERT_EXIT_STATUS     3
#define ASSERT_DESCRIPTION_MAX 1024

static void (*assert_describe)(void *context, char *out, size_t capacity);
static void *assert_describe_context;
static const char *assert_repeat_command;
static bool assert_failing;

void sim_assert_describer(void (*describe)(void *context, char *out, size_t capacity),
                          void *context)
{
    assert_describe = describe;
    assert_describe_context = context;
}

void sim_assert_repeat_command(const char *command)
{
    assert_repeat_command = command;
}

_Noreturn void sim_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "orrery: assertion failed: %s (%s:%d)\n", condition, file, line);
    /* The describer reads a structure that may be the broken one: an assertion inside of it ends here at once. */
    if (!assert_failing) {
        assert_failing = true;
        if (assert_describe != NULL) {
            char description[ASSERT_DESCRIPTION_MAX] = "";
            assert_describe(assert_describe_context, description, sizeof(description));
            fprintf(stderr, "  %s\n", description);
        }
        if (assert_repeat_command != NULL) {
            fprintf(stderr, "  repeat: %s\n", assert_repeat_command);
        }
    }
    /* Not exit: handlers that tidy up would walk the state that was just found to be wrong. */
    _exit(ASSERT_EXIT_STATUS);
}
