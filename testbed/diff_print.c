#include "testbed/diff_print.h"

#include "sim/assert.h"
#include "sim/recording_writer.h"
#include "testbed/frame_text.h"
#include "testbed/scenario_diff.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define INPUTS_SHOWN 12u
#define BYTES_SHOWN  16u

static const char *const letters[DIFF_SIDES] = {"A", "B"};

static void print_seconds(FILE *out, sim_time ns)
{
    fprintf(out, "%" PRId64 ".%09" PRId64 " s", ns / SIM_S, ns % SIM_S);
}

/* ---- inputs --------------------------------------------------------------------------------------------------------------------- */

struct inputs_printer {
    FILE *out;
    bool said;
};

static void print_heading(struct inputs_printer *printer)
{
    if (!printer->said) {
        fputs("\nThe inputs differ (A | B):\n", printer->out);
    }
    printer->said = true;
}

static void print_difference(void *context, const char *path, const char *a, const char *b)
{
    struct inputs_printer *printer = context;
    print_heading(printer);
    fprintf(printer->out, "  %-32s %s | %s\n", path, a != NULL ? a : "(not there)",
            b != NULL ? b : "(not there)");
}

/* Length and digest of a file that a scenario names, as the run will read it. */
static bool file_identity(const struct run_input *input, const char *file, uint64_t *length,
                          uint64_t *digest)
{
    const char *path = NULL;
    const void *bytes = NULL;
    for (uint32_t i = 0; input->recording != NULL &&
                         recording_file(input->recording, i, &path, length, digest, &bytes);
         i++) {
        if (strcmp(path, file) == 0) {
            return true;
        }
    }
    char full[PATH_MAX];
    FILE *stream =
        scenario_path(input->scenario, file, full, sizeof full) ? fopen(full, "rb") : NULL;
    if (stream == NULL) {
        return false;
    }
    char *content = NULL;
    size_t room = 0, used = 0;
    while (feof(stream) == 0 && ferror(stream) == 0) {
        room += 1u << 20;
        content = realloc(content, room);
        SIM_ASSERT(content != NULL);
        used += fread(content + used, 1, room - used, stream);
    }
    fclose(stream);
    *length = used;
    *digest = recording_digest(content, used);
    free(content);
    return true;
}

/* Files of the same name that are not the same. */
static void print_files(struct inputs_printer *printer, const struct run_input inputs[DIFF_SIDES])
{
    const struct scenario *a = inputs[0].scenario, *b = inputs[1].scenario;
    for (uint32_t i = 0; i < a->vm_count && i < b->vm_count; i++) {
        const char *file = a->vms[i].guest.trace.file;
        bool comparable = a->vms[i].guest.trace.source != NULL &&
                          b->vms[i].guest.trace.source != NULL &&
                          strcmp(file, b->vms[i].guest.trace.file) == 0;
        for (uint32_t k = 0; comparable && k < i; k++) {
            comparable = a->vms[k].guest.trace.source == NULL ||
                         strcmp(a->vms[k].guest.trace.file, file) != 0;
        }
        uint64_t length[DIFF_SIDES], digest[DIFF_SIDES];
        if (comparable && file_identity(&inputs[0], file, &length[0], &digest[0]) &&
            file_identity(&inputs[1], file, &length[1], &digest[1]) && digest[0] != digest[1]) {
            print_heading(printer);
            fprintf(printer->out,
                    "  %-32s %" PRIu64 " B, digest %016" PRIx64 " | %" PRIu64
                    " B, digest %016" PRIx64 "\n",
                    file, length[0], digest[0], length[1], digest[1]);
        }
    }
}

void diff_print_inputs(FILE *out, const struct run_input inputs[DIFF_SIDES])
{
    struct inputs_printer printer = {.out = out};
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        fprintf(out, "%s  %s%s%s\n", letters[i], inputs[i].path,
                inputs[i].recording != NULL ? "  recorded by orrery " : "",
                inputs[i].recording != NULL ? recording_version(inputs[i].recording) : "");
    }
    uint32_t count = scenario_diff(inputs[0].scenario, inputs[1].scenario, INPUTS_SHOWN,
                                   print_difference, &printer);
    if (count > INPUTS_SHOWN) {
        fprintf(out, "  ... and %" PRIu32 " more values\n", count - INPUTS_SHOWN);
    }
    if (inputs[0].until != inputs[1].until) {
        print_difference(&printer, "--until",
                         inputs[0].until_text[0] != 0 ? inputs[0].until_text : NULL,
                         inputs[1].until_text[0] != 0 ? inputs[1].until_text : NULL);
    }
    print_files(&printer, inputs);
    fputs("\n", out);
}

/* ---- what was found ------------------------------------------------------------------------------------------------------------- */

static void print_side(FILE *out, const struct run_input *input, const struct diff_side *side,
                       uint32_t number)
{
    fprintf(out, "%s  ", letters[number]);
    if (side->cut) {
        fputs("the recording was cut short at ", out);
    } else {
        fprintf(out, "hash %s  ", side->hash_text);
    }
    print_seconds(out, side->simulated_ns);
    if (side->ids > 0) {
        fprintf(out, "  %" PRIu64 " records and frames", side->ids);
    }
    fputs(side->recorded && !side->cut ? "  (from the recording)\n" : "\n", out);
    const char *damage = input->recording != NULL ? recording_damage(input->recording) : "";
    if (damage[0] != 0) {
        fprintf(out, "   note: %s\n", damage);
    }
    if (side->as_recorded) {
        fputs("   note: run again, its scenario gives another run: it was recorded by another "
              "build of "
              "Orrery, or this one has a defect.\n"
              "   So the records of the recording are compared, and frames are not.\n",
              out);
    }
}

static void print_absent(FILE *out, const struct diff_entry *entry, uint32_t number)
{
    if (entry->sort == DIFF_NOTHING) {
        fprintf(out, "  %s has ended before.\n", letters[number]);
    } else if (entry->sort == DIFF_UNSEEN_FRAME) {
        fprintf(out, "  In %s a frame arrives here, which the recording does not hold.\n",
                letters[number]);
    }
}

static void print_row(FILE *out, const char *name, const char *a, const char *b)
{
    a = a != NULL ? a : "";
    b = b != NULL ? b : "";
    fprintf(out, "  %s %-24s %-32s %s\n", strcmp(a, b) != 0 ? "*" : " ", name, a, b);
}

/* One row for each name that either has; a star where the values differ. */
static void print_both(FILE *out, const struct diff_entry *a, const struct diff_entry *b)
{
    fprintf(out, "  %-26s %-32s %s\n", "", letters[0], letters[1]);
    for (uint32_t i = 0; i < a->field_count; i++) {
        print_row(out, a->fields[i].name, a->fields[i].value,
                  diff_entry_value(b, a->fields[i].name));
    }
    for (uint32_t i = 0; i < b->field_count; i++) {
        if (diff_entry_value(a, b->fields[i].name) == NULL) {
            print_row(out, b->fields[i].name, NULL, b->fields[i].value);
        }
    }
}

static bool same_value(const struct diff_entry *a, const struct diff_entry *b, const char *name)
{
    const char *in_a = diff_entry_value(a, name), *in_b = diff_entry_value(b, name);
    return in_a != NULL && in_b != NULL && strcmp(in_a, in_b) == 0;
}

static void print_one(FILE *out, const struct diff_entry *entry, uint32_t number)
{
    print_absent(out, entry, number);
    if (entry->field_count > 0) {
        fprintf(out, "  In %s:\n", letters[number]);
    }
    for (uint32_t i = 0; i < entry->field_count; i++) {
        fprintf(out, "    %-24s %s\n", entry->fields[i].name, entry->fields[i].value);
    }
}

static void print_bytes(FILE *out, const struct diff_entry *entry, uint32_t at, uint32_t number)
{
    fprintf(out, "    %s  ", letters[number]);
    for (uint32_t i = at; i < entry->length && i < at + BYTES_SHOWN; i++) {
        fprintf(out, " %02x", entry->bytes[i]);
    }
    fputs(at >= entry->length ? "(ends)\n" : "\n", out);
}

static void print_first_byte(FILE *out, const struct diff_entry *a, const struct diff_entry *b)
{
    uint32_t at = 0;
    while (at < a->length && at < b->length && a->bytes[at] == b->bytes[at]) {
        at++;
    }
    if (at == a->length && at == b->length) {
        fputs("  All bytes are the same.\n", out);
        return;
    }
    const struct diff_entry *longer = a->length > b->length ? a : b;
    fprintf(out, "  The bytes differ from offset %" PRIu32 " on (%s):\n", at,
            frame_text_place(longer->bytes, longer->length, at));
    print_bytes(out, a, at, 0);
    print_bytes(out, b, at, 1);
}

static bool same_entry(const struct diff_entry *a, const struct diff_entry *b)
{
    bool same = a->sort == b->sort && a->field_count == b->field_count && a->cause == b->cause;
    for (uint32_t i = 0; same && i < a->field_count; i++) {
        same = strcmp(a->fields[i].name, b->fields[i].name) == 0 &&
               strcmp(a->fields[i].value, b->fields[i].value) == 0;
    }
    return same;
}

static void print_causes(FILE *out, const struct diff_result *result)
{
    const struct diff_entry *a = &result->side[0].cause, *b = &result->side[1].cause;
    char line[DIFF_LINE_BYTES];
    bool same = a->field_count > 0 && a->id == b->id && same_entry(a, b);
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        const struct diff_entry *cause = &result->side[i].cause;
        if (cause->field_count > 0 && !(same && i > 0)) {
            diff_entry_line(cause, line);
            bool frame = result->side[i].at.sort == DIFF_FRAME;
            fprintf(out, "  %s: %s\n    %s\n", same ? "In both" : letters[i],
                    frame ? "the last record of its machine was" : "it was caused by", line);
        }
    }
}

static void print_difference_found(FILE *out, const struct diff_result *result)
{
    const struct diff_entry *a = &result->side[0].at, *b = &result->side[1].at;
    if (result->context_count > 0) {
        fputs("\nShortly before, in both:\n", out);
    }
    for (uint32_t i = 0; i < result->context_count; i++) {
        fprintf(out, "    %s\n", result->context[i]);
    }
    fprintf(out, "\nThe first difference, #%" PRIu64 ":\n", result->id);
    if (a->sort == b->sort && same_value(a, b, "record")) {
        print_both(out, a, b);
        if (a->sort == DIFF_FRAME && b->sort == DIFF_FRAME) {
            print_first_byte(out, a, b);
        }
        if (same_entry(a, b)) {
            fputs("  What is shown is the same. The pages behind it are not: one is a pattern and "
                  "the other a "
                  "literal,\n  or a name of a part or record kind was lost.\n",
                  out);
        }
    } else {
        print_one(out, a, 0);
        print_one(out, b, 1);
    }
    print_causes(out, result);
}

void diff_print(FILE *out, const struct run_input inputs[DIFF_SIDES],
                const struct diff_result *result)
{
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        print_side(out, &inputs[i], &result->side[i], i);
    }
    switch (result->outcome) {
    case DIFF_EQUAL:
        fprintf(out, "\nEqual: both runs have the hash %s.\n", result->side[0].hash_text);
        return;
    case DIFF_EQUAL_SO_FAR:
        fprintf(out, "\nEqual up to #%" PRIu64 " at ", result->id);
        print_seconds(out, result->time);
        fputs(", where a recording was cut short; what came then was not compared.\n", out);
        return;
    case DIFF_NOTHING_LEFT:
        fputs("\nNothing was compared: the recording was cut short before its first record.\n",
              out);
        return;
    case DIFF_NOT_REPEATABLE:
        fputs("\nA scenario gave another run when it was run again: this is a defect of Orrery.\n",
              out);
        return;
    case DIFF_FAILED:
        fprintf(out, "\nNot compared: %s\n", result->why);
        return;
    case DIFF_DIFFERENT:
        break;
    }
    if (result->frames_only) {
        fprintf(out,
                "\nDifferent: some frame behind #%" PRIu64 ", while all records are the same; the "
                "recording does not hold frames.\n",
                result->id);
        return;
    }
    fprintf(out, "\nDifferent from #%" PRIu64 " on, at ", result->id);
    print_seconds(out, result->time);
    fprintf(out, "; the %" PRIu64 " records and frames before are the same.\n", result->id - 1);
    print_difference_found(out, result);
}
