#include "cli/output_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool complain(const char *path, int error)
{
    fprintf(stderr, "orrery: %s: %s\n", path, strerror(error));
    return false;
}

bool output_check_writable(const char *path)
{
    struct stat status;
    bool exists = stat(path, &status) == 0;
    if (exists && S_ISDIR(status.st_mode)) {
        return complain(path, EISDIR);
    }
    if (exists && !S_ISREG(status.st_mode)) {
        /* Opening a pipe or a device can wait for its other side, or do something. */
        return access(path, W_OK) == 0 || complain(path, errno);
    }
    int fd = open(path, O_WRONLY | O_CLOEXEC | (exists ? 0 : O_CREAT | O_EXCL), 0666);
    if (fd < 0) {
        return complain(path, errno);
    }
    close(fd);
    if (!exists) {
        unlink(path);
    }
    return true;
}

bool output_check_folder(const char *folder)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path - 16, "%s", folder);
    if (length <= 0 || (size_t)length >= sizeof path - 16) {
        return complain(folder, length == 0 ? ENOENT : ENAMETOOLONG);
    }
    for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = 0;
        (void)mkdir(path, 0777);
        *slash = '/';
    }
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        return complain(folder, errno);
    }
    strcat(path, "/.orrery-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0) {
        return complain(folder, errno);
    }
    close(fd);
    unlink(path);
    return true;
}

/* The directory resolved, and the last word of the path behind it: for a file that does not exist yet. */
static bool resolve_new(const char *path, char out[PATH_MAX])
{
    char directory[PATH_MAX], resolved[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    int length = slash == NULL ? snprintf(directory, sizeof directory, ".")
                 : slash == path
                     ? snprintf(directory, sizeof directory, "/")
                     : snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
    if (length < 0 || (size_t)length >= sizeof directory || realpath(directory, resolved) == NULL) {
        return false;
    }
    length = snprintf(out, PATH_MAX, "%s/%s", resolved, name);
    return length >= 0 && length < PATH_MAX;
}

bool output_check_same(const char *a, const char *b)
{
    struct stat status_a, status_b;
    char path_a[PATH_MAX], path_b[PATH_MAX];
    if (a == NULL || b == NULL) {
        return false;
    }
    bool exists_a = stat(a, &status_a) == 0, exists_b = stat(b, &status_b) == 0;
    if (exists_a != exists_b) {
        return false;
    }
    if (exists_a) {
        return status_a.st_dev == status_b.st_dev && status_a.st_ino == status_b.st_ino;
    }
    return resolve_new(a, path_a) && resolve_new(b, path_b) && strcmp(path_a, path_b) == 0;
}
