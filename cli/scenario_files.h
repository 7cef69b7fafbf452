/* cli/scenario_files.h - the files that arguments name: a file is itself, a folder all *.yaml below it.
 *
 *  F1. Sorted by path, byte by byte; a file that two arguments name is there once.
 *  F2. Hidden files and folders below an argument are left out, and links to folders are not followed. */
#ifndef ORRERY_CLI_SCENARIO_FILES_H
#define ORRERY_CLI_SCENARIO_FILES_H

#include <stdbool.h>
#include <stdint.h>

struct scenario_file {
    char *path;
    bool walked; /* found in a folder, not named itself */
};

struct scenario_files {
    struct scenario_file *items;
    uint32_t count, capacity;
};

/* Adds what `argument` names. False, with the reason on standard error, where it is not there, cannot be read, or is a folder without
 * any such file. */
bool scenario_files_add(struct scenario_files *files, const char *argument);
/* After the last: F1. */
void scenario_files_sort(struct scenario_files *files);
void scenario_files_free(struct scenario_files *files);

#endif
