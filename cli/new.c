/* cli/new.c - `orrery new [TEMPLATE]`: a commented scenario to start from. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/templates.h"
#include "testbed/diagnostics.h"

struct new_arguments {
    const char *name;
    const char *output; /* NULL: the template's name with .yaml */
    bool force;
};

enum { OPTION_OUTPUT = 'o', OPTION_FORCE = 'f' };

static const struct argp_option options[] = {
    {"output", OPTION_OUTPUT, "FILE", 0,
     "write it there instead of to TEMPLATE.yaml; - for standard output", 0},
    {"force", OPTION_FORCE, NULL, 0, "replace a file that is there", 0},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct new_arguments *a = state->input;
    switch (key) {
    case OPTION_OUTPUT:
        a->output = arg;
        return 0;
    case OPTION_FORCE:
        a->force = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->name != NULL) {
            argp_error(state, "one template at a time; '%s' is a second", arg);
        }
        a->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (a->name == NULL && (a->output != NULL || a->force)) {
            argp_error(state, "which template? 'orrery new' lists them");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "[TEMPLATE]",
    .doc = "Write a commented scenario to start from; without a name, list what there is.\v"
           "Every template passes 'orrery check' and runs as it is. A file that is there already "
           "is left alone unless --force is given.\n\n"
           "Examples:\n"
           "  orrery new\n"
           "  orrery new two-node; orrery run two-node.yaml\n"
           "  orrery new drain -o tests/maintenance.yaml\n\n"
           "Exit status: 0 written or listed, 2 no such template, or a file that could not be "
           "written.",
};

/* The question of a template: its first comment after the line for editors. */
static void print_summary(const struct template *template)
{
    const char *line = strchr((const char *)template->bytes, '\n');
    line = line != NULL ? line + 1 : "";
    line += strspn(line, "# ");
    printf("  %-16s %.*s\n", template->name, (int)strcspn(line, "\n"), line);
}

static int list_templates(void)
{
    for (const struct template *t = templates; t->name != NULL; t++) {
        print_summary(t);
    }
    fputs("\n'orrery new NAME' writes one to NAME.yaml.\n", stdout);
    if (fflush(stdout) != 0) {
        perror("orrery: standard output");
        return COMMAND_WRONG_INPUT;
    }
    return COMMAND_HELD;
}

static const struct template *find_template(const char *name)
{
    struct nearest_word nearest;
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    nearest_word_init(&nearest, name);
    for (const struct template *t = templates; t->name != NULL; t++) {
        if (strcmp(t->name, name) == 0) {
            return t;
        }
        nearest_word_offer(&nearest, t->name);
    }
    fprintf(stderr, "orrery: there is no template %s%s\n", diagnostics_quote(name, quoted),
            nearest_word_hint(&nearest, hint));
    if (nearest.best == NULL) {
        fputs("orrery: 'orrery new' lists the templates\n", stderr);
    }
    return NULL;
}

/* True where all of it was written and the file is closed. A file that is there is opened only with `force`; the system refuses the
 * other case in the same step, so that nobody's file is lost between a look and a write. */
static bool write_template(const struct template *template, const char *path, bool force)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0666);
    if (fd < 0) {
        fprintf(stderr, "orrery: %s: %s%s\n", path, strerror(errno),
                errno == EEXIST ? "; --force replaces it" : "");
        return false;
    }
    FILE *file = fdopen(fd, "w");
    bool good =
        file != NULL && fwrite(template->bytes, 1, template->length, file) == template->length;
    int error = errno;
    if (file == NULL) {
        close(fd);
    } else if (fclose(file) != 0 && good) {
        error = errno;
        good = false;
    }
    if (!good) {
        fprintf(stderr, "orrery: %s: %s\n", path, strerror(error));
    }
    return good;
}

int cmd_new(int argc, char **argv)
{
    struct new_arguments a = {0};
    char own[64];
    if (argp_parse(&parser, argc, argv, 0, NULL, &a) != 0) {
        return COMMAND_WRONG_INPUT;
    }
    if (a.name == NULL) {
        return list_templates();
    }
    const struct template *template = find_template(a.name);
    if (template == NULL) {
        return COMMAND_WRONG_INPUT;
    }
    if (a.output != NULL && strcmp(a.output, "-") == 0) {
        fwrite(template->bytes, 1, template->length, stdout);
        if (fflush(stdout) != 0) {
            perror("orrery: standard output");
            return COMMAND_WRONG_INPUT;
        }
        return COMMAND_HELD;
    }
    snprintf(own, sizeof own, "%.50s.yaml", template->name);
    const char *path = a.output != NULL ? a.output : own;
    if (!write_template(template, path, a.force)) {
        return COMMAND_WRONG_INPUT;
    }
    printf("wrote %s; next: orrery run %s\n", path, path);
    return COMMAND_HELD;
}
