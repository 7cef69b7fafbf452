#include "cli/repeat_command.h"

#include "sim/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Characters that no shell gives a meaning to, wherever they stand in a word. */
static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            "_-./:=@%+,";

/* POSIX Shell Command Language, 2.2.2 Single-Quotes: all is literal up to the next quote, so a quote itself stands outside, escaped. */
static void put_word(FILE *out, const char *word)
{
    if (word[0] != 0 && word[strspn(word, plain)] == 0) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (const char *c = word; *c != 0; c++) {
        if (*c == '\'') {
            fputs("'\\''", out);
        } else {
            fputc(*c, out);
        }
    }
    fputc('\'', out);
}

static void put_file(FILE *out, const char *file)
{
    if (file[0] != '-') {
        put_word(out, file);
        return;
    }
    /* A name that would be taken for an option. */
    char *path = malloc(strlen(file) + sizeof "./");
    SIM_ASSERT(path != NULL);
    sprintf(path, "./%s", file);
    put_word(out, path);
    free(path);
}

char *repeat_command_new(const struct repeat_options *options)
{
    char *command = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&command, &length);
    SIM_ASSERT(out != NULL);
    fputs("orrery run ", out);
    put_file(out, options->file);
    if (options->cell != NULL && options->cell[0] != 0) {
        fputs(" --cell ", out);
        put_word(out, options->cell);
    }
    if (!options->no_seed) {
        fprintf(out, " --seed %lld", (long long)options->seed);
    }
    for (uint32_t i = 0; i < options->set_count; i++) {
        if (strncmp(options->set[i], "sweep.point=", 12) == 0) {
            fputs(" --point ", out);
            put_word(out, options->set[i] + 12);
        } else if (strncmp(options->set[i], "seed=", 5) != 0) {
            fputs(" --set ", out);
            put_word(out, options->set[i]);
        }
    }
    if (options->until != NULL) {
        fputs(" --until ", out);
        put_word(out, options->until);
    }
    int closed = fclose(out);
    SIM_ASSERT(closed == 0);
    return command;
}
