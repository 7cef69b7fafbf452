/* cli/varying.h - whether a scenario file can have several cells, told without loading it.
 *
 * Most files do not vary, and for those reading them twice would be half of the time of a small run. A file varies only where it, or
 * what it extends, has the key `vary`; so one without the words `vary` and `extends` has one cell. */
#ifndef ORRERY_CLI_VARYING_H
#define ORRERY_CLI_VARYING_H

#include <stdbool.h>
#include <stdint.h>

/* True where the text of the file, or an assignment of `--set`, holds one of the words. False too for what cannot be read. */
bool varying_is_possible(const char *path, const char *const *set, uint32_t set_count);

#endif
