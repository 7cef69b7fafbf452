#include "cli/scenario_files.h"

#include "sim/assert.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool complain(const char *path, const char *why)
{
    fprintf(stderr, "orrery: %s: %s\n", path, why);
    return false;
}

static void add(struct scenario_files *files, const char *path, bool walked)
{
    if (files->count == files->capacity) {
        files->capacity = files->capacity == 0 ? 64 : files->capacity * 2;
        files->items = realloc(files->items, files->capacity * sizeof *files->items);
        SIM_ASSERT(files->items != NULL);
    }
    char *copy = strdup(path);
    SIM_ASSERT(copy != NULL);
    files->items[files->count++] = (struct scenario_file){copy, walked};
}

static bool is_yaml(const char *name)
{
    size_t length = strlen(name), suffix = strlen(".yaml");
    return length > suffix && strcmp(name + length - suffix, ".yaml") == 0;
}

/* The order in which a folder is read does not matter: all are sorted at the end. */
static bool walk(struct scenario_files *files, const char *folder)
{
    DIR *directory = opendir(folder);
    bool good = true;
    if (directory == NULL) {
        return complain(folder, strerror(errno));
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL && good;) {
        char path[PATH_MAX];
        struct stat status;
        if (entry->d_name[0] == '.') {
            continue;
        }
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof path) {
            good = complain(folder, "a path in it is too long");
        } else if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
            good = walk(files, path);
        } else if (is_yaml(entry->d_name)) {
            add(files, path, true);
        }
    }
    closedir(directory);
    return good;
}

bool scenario_files_add(struct scenario_files *files, const char *argument)
{
    struct stat status;
    if (stat(argument, &status) != 0) {
        return complain(argument, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) {
        add(files, argument, false);
        return true;
    }
    char *folder = strdup(argument);
    SIM_ASSERT(folder != NULL);
    for (size_t length = strlen(folder); length > 1 && folder[length - 1] == '/';) {
        folder[--length] = 0;
    }
    uint32_t before = files->count;
    bool good = walk(files, folder);
    if (good && files->count == before) {
        good = complain(argument, "there is no *.yaml in it or below it");
    }
    free(folder);
    return good;
}

/* One that was named goes before the same that was found. */
static int by_path(const void *a, const void *b)
{
    const struct scenario_file *first = a, *second = b;
    int order = strcmp(first->path, second->path);
    return order != 0 ? order : (int)first->walked - (int)second->walked;
}

static const char *without_dot(const char *path)
{
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
    }
    return path;
}

void scenario_files_sort(struct scenario_files *files)
{
    uint32_t kept = 0;
    /* "./a.yaml" and "a.yaml" are one name, and the shorter is printed. */
    for (uint32_t i = 0; i < files->count; i++) {
        char *path = files->items[i].path;
        const char *rest = without_dot(path);
        if (rest[0] != '-') {
            memmove(path, rest, strlen(rest) + 1);
        }
    }
    qsort(files->items, files->count, sizeof *files->items, by_path);
    for (uint32_t i = 0; i < files->count; i++) {
        if (kept > 0 && strcmp(files->items[kept - 1].path, files->items[i].path) == 0) {
            free(files->items[i].path);
        } else {
            files->items[kept++] = files->items[i];
        }
    }
    files->count = kept;
}

void scenario_files_free(struct scenario_files *files)
{
    for (uint32_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
    }
    free(files->items);
    *files = (struct scenario_files){0};
}
