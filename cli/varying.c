#include "cli/varying.h"

#include "testbed/yaml_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"vary", "extends"};
#define WORD_COUNT (sizeof words / sizeof words[0])

bool varying_is_possible(const char *path, const char *const *set, uint32_t set_count)
{
    bool found = false;
    for (uint32_t i = 0; i < set_count * WORD_COUNT && !found; i++) {
        const char *word = words[i % WORD_COUNT];
        found = strncmp(set[i / WORD_COUNT], word, strlen(word)) == 0;
    }
    FILE *file = found ? NULL : fopen(path, "rb");
    if (file == NULL) {
        return found;
    }
    char magic[4] = "";
    size_t length = fread(magic, 1, sizeof magic, file);
    /* A recording holds a scenario that is resolved. */
    if (length == sizeof magic && memcmp(magic, "ORRC", sizeof magic) != 0) {
        char *text = malloc(YAML_TREE_BYTES_MAX);
        rewind(file);
        length = text != NULL ? fread(text, 1, YAML_TREE_BYTES_MAX, file) : 0;
        for (size_t i = 0; i < WORD_COUNT && !found; i++) {
            found = memmem(text, length, words[i], strlen(words[i])) != NULL;
        }
        free(text);
    }
    fclose(file);
    return found;
}
