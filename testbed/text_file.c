#include "testbed/text_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/assert.h"

char *text_file_read(const char *path, size_t limit, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *text = malloc(limit + 2);
    SIM_ASSERT(text != NULL);
    *length = fread(text, 1, limit + 1, file);
    int error = ferror(file) != 0 ? errno : 0;
    fclose(file);
    if (error != 0) {
        free(text);
        errno = error;
        return NULL;
    }
    text[*length] = '\0';
    return text;
}
