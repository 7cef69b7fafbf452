/* testbed/text_file.h - the whole of a small file as text. */
#ifndef ORRERY_TESTBED_TEXT_FILE_H
#define ORRERY_TESTBED_TEXT_FILE_H

#include "sim/types.h"

/* At most `limit` + 1 bytes of the file, with a final zero: one byte more than is allowed is enough to see that it is too large. The
 * caller frees it. NULL and errno where the file cannot be read. */
SIM_CHECKED char *text_file_read(const char *path, size_t limit, size_t *length);

#endif
