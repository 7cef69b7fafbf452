/* tests/diff/fixture.h - scenarios to compare, as files that are taken away again. */
#ifndef ORRERY_TESTS_DIFF_FIXTURE_H
#define ORRERY_TESTS_DIFF_FIXTURE_H

#include "testbed/diff.h"

/* A few pings, some hundred records and frames. */
extern const char fixture_small[];
/* The same beside a transfer: more than two checkpoints. */
extern const char fixture_long[];

/* Writes a file of its own for this process and that number; the path is borrowed. */
const char *fixture_file(uint32_t number, const void *bytes, size_t length);
/* A path that fixture_remove will take away. */
const char *fixture_path(uint32_t number);
void fixture_remove(void);

/* Loads `path` with one value replaced (NULL: none), or asserts. */
void fixture_open(struct run_input *input, const char *path, const char *set);
/* Runs it, with a recording at `record` unless NULL, and keeps the hash after each of the first `capacity` ids. Returns the
 * number of ids. */
uint64_t fixture_run(const struct run_input *input, const char *record, uint64_t *trail,
                     uint32_t capacity);
/* The whole file; the caller frees. */
uint8_t *fixture_slurp(const char *path, size_t *length);

#endif
