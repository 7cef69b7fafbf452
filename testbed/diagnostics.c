#include "testbed/diagnostics.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/assert.h"
#include "testbed/arena.h"

#define EXCERPT_CHARACTERS 100u
#define WORD_CHARACTERS    64u

struct source {
    enum source_kind kind;
    const char *name;
    const char *text;
    size_t length;
    struct source_place parent; /* line 0: none */
    struct source *next;
};

struct problem {
    struct source_place place;
    char *message; /* allocated: many may come and go before the first fifty are known */
    uint32_t arrival;
    const char *about;    /* the first that it was about; NULL: none */
    uint32_t about_count; /* of how many it was said, */
    uint32_t about_last;  /* and the number of the last */
};

struct diagnostics {
    struct arena arena;
    struct source *sources, **last_source;
    uint32_t source_count;
    struct problem problems[DIAGNOSTICS_KEPT];
    uint32_t kept;
    uint32_t count;
    uint64_t reports;
    const char *about;
    uint32_t about_count;
};

struct diagnostics *diagnostics_new(void)
{
    struct diagnostics *diagnostics = calloc(1, sizeof(*diagnostics));
    SIM_ASSERT(diagnostics != NULL);
    arena_init(&diagnostics->arena);
    diagnostics->last_source = &diagnostics->sources;
    return diagnostics;
}

void diagnostics_free(struct diagnostics *diagnostics)
{
    if (diagnostics == NULL) {
        return;
    }
    for (uint32_t i = 0; i < diagnostics->kept; i++) {
        free(diagnostics->problems[i].message);
    }
    arena_close(&diagnostics->arena);
    free(diagnostics);
}

/* ---- clean text ---------------------------------------------------------------------------------------------------- */

/* Bytes of the well-formed UTF-8 character at `text` that may go to a terminal; 0 if there is none. RFC 3629 section 4. */
static size_t utf8_printable(const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text;
    if (length == 0) {
        return 0;
    }
    if (at[0] < 0x80) {
        return at[0] >= 0x20 && at[0] != 0x7f ? 1 : 0;
    }
    size_t bytes = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc2 ? 2 : 0;
    if (bytes == 0 || bytes > length || at[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool surrogate = at[0] == 0xed && at[1] >= 0xa0;
    bool beyond = at[0] == 0xf4 && at[1] >= 0x90;
    bool c1_control = at[0] == 0xc2 && at[1] < 0xa0;
    return overlong || surrogate || beyond || c1_control ? 0 : bytes;
}

/* Bytes of the next character however broken: a stray byte is one character. */
static size_t utf8_step(const char *text, size_t length)
{
    size_t bytes = utf8_printable(text, length);
    return bytes == 0 ? 1 : bytes;
}

/* A copy in which every byte may go to a terminal. */
static const char *clean_copy(struct arena *arena, const char *text)
{
    size_t length = strlen(text);
    char *copy = arena_copy(arena, text, length);
    for (size_t at = 0; at < length; at += utf8_step(text + at, length - at)) {
        if (utf8_printable(text + at, length - at) == 0) {
            copy[at] = '?';
        }
    }
    return copy;
}

/* ---- sources and errors ------------------------------------------------------------------------------------------- */

uint32_t diagnostics_add_source(struct diagnostics *diagnostics, enum source_kind kind,
                                const char *name, const char *text, size_t length)
{
    struct source *source = arena_alloc(&diagnostics->arena, sizeof(*source));
    source->kind = kind;
    source->name = clean_copy(&diagnostics->arena, name);
    source->text = arena_copy(&diagnostics->arena, text, length);
    source->length = length;
    *diagnostics->last_source = source;
    diagnostics->last_source = &source->next;
    return diagnostics->source_count++;
}

static const struct source *source_get(const struct diagnostics *diagnostics, uint32_t index)
{
    SIM_ASSERT(index < diagnostics->source_count);
    const struct source *source = diagnostics->sources;
    while (index-- > 0) {
        source = source->next;
    }
    return source;
}

void diagnostics_about(struct diagnostics *diagnostics, const char *about)
{
    diagnostics->about = about == NULL ? NULL : clean_copy(&diagnostics->arena, about);
    diagnostics->about_count += about != NULL;
}

void diagnostics_set_parent(struct diagnostics *diagnostics, uint32_t source,
                            struct source_place parent)
{
    struct source *child = diagnostics->sources;
    SIM_ASSERT(source < diagnostics->source_count);
    SIM_ASSERT(parent.source < source);
    for (uint32_t i = 0; i < source; i++) {
        child = child->next;
    }
    child->parent = parent;
}

const char *diagnostics_source_name(const struct diagnostics *diagnostics, uint32_t source)
{
    return source_get(diagnostics, source)->name;
}

static bool sources_equal(const struct source *a, const struct source *b)
{
    return a->kind == b->kind && a->length == b->length && strcmp(a->name, b->name) == 0 &&
           memcmp(a->text, b->text, a->length) == 0;
}

/* Whether all sources of the list stand in a row from `at` on. */
static bool sources_stand(const struct source *at, const struct source *list)
{
    while (at != NULL && list != NULL && sources_equal(at, list)) {
        at = at->next;
        list = list->next;
    }
    return list == NULL;
}

uint32_t diagnostics_adopt(struct diagnostics *to, const struct diagnostics *from)
{
    uint32_t offset = 0;
    SIM_ASSERT(to != from);
    for (const struct source *at = to->sources; at != NULL; at = at->next, offset++) {
        if (sources_stand(at, from->sources)) {
            return offset;
        }
    }
    SIM_ASSERT(offset == to->source_count);
    for (const struct source *source = from->sources; source != NULL; source = source->next) {
        uint32_t number =
            diagnostics_add_source(to, source->kind, source->name, source->text, source->length);
        if (source->parent.line > 0) {
            struct source_place parent = source->parent;
            parent.source += offset;
            diagnostics_set_parent(to, number, parent);
        }
    }
    return offset;
}

const char *diagnostics_quote(const char *text, char out[DIAGNOSTICS_QUOTE_BYTES])
{
    size_t length = strlen(text);
    size_t used = 0;
    out[used++] = '\'';
    for (size_t at = 0; at < length;) {
        size_t step = utf8_step(text + at, length - at);
        if (used + step > DIAGNOSTICS_QUOTE_BYTES - 6) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (utf8_printable(text + at, length - at) > 0) {
            memcpy(out + used, text + at, step);
            used += step;
        } else {
            out[used++] = text[at] == '\n' || text[at] == '\t' ? ' ' : '?';
        }
        at += step;
    }
    out[used++] = '\'';
    out[used] = '\0';
    SIM_ASSERT(used < DIAGNOSTICS_QUOTE_BYTES);
    return out;
}

static int place_compare(struct source_place a, struct source_place b)
{
    if (a.source != b.source) {
        return a.source < b.source ? -1 : 1;
    }
    if (a.line != b.line) {
        return a.line < b.line ? -1 : 1;
    }
    if (a.column != b.column) {
        return a.column < b.column ? -1 : 1;
    }
    return 0;
}

static int problem_compare(const struct problem *a, const struct problem *b)
{
    int order = place_compare(a->place, b->place);
    if (order == 0 && a->arrival != b->arrival) {
        order = a->arrival < b->arrival ? -1 : 1;
    }
    return order;
}

/* Keeps the problems sorted; when full, the last by place makes room, so that what is shown is always the beginning. */
static void problem_insert(struct diagnostics *diagnostics, struct problem problem,
                           const char *message)
{
    uint32_t at = diagnostics->kept;
    while (at > 0 && problem_compare(&problem, &diagnostics->problems[at - 1]) < 0) {
        at--;
    }
    if (at == DIAGNOSTICS_KEPT) {
        return;
    }
    uint32_t last = diagnostics->kept;
    if (last == DIAGNOSTICS_KEPT) {
        last--;
        free(diagnostics->problems[last].message);
    }
    problem.message = strdup(message);
    SIM_ASSERT(problem.message != NULL);
    memmove(&diagnostics->problems[at + 1], &diagnostics->problems[at],
            (last - at) * sizeof(diagnostics->problems[0]));
    diagnostics->problems[at] = problem;
    diagnostics->kept = last + 1;
}

void diagnostics_error(struct diagnostics *diagnostics, struct source_place place,
                       const char *format, ...)
{
    SIM_ASSERT(place.source < diagnostics->source_count);
    char message[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof(message), format, list);
    va_end(list);
    diagnostics->reports++;
    for (uint32_t i = 0; i < diagnostics->kept; i++) {
        struct problem *other = &diagnostics->problems[i];
        if (place_compare(other->place, place) == 0 && strcmp(other->message, message) == 0) {
            other->about_count +=
                diagnostics->about != NULL && other->about_last != diagnostics->about_count;
            other->about_last = diagnostics->about_count;
            return;
        }
    }
    diagnostics->count++;
    problem_insert(diagnostics,
                   (struct problem){.place = place,
                                    .arrival = diagnostics->count,
                                    .about = diagnostics->about,
                                    .about_count = diagnostics->about != NULL,
                                    .about_last = diagnostics->about_count},
                   message);
}

uint32_t diagnostics_count(const struct diagnostics *diagnostics)
{
    return diagnostics->count;
}

uint64_t diagnostics_reports(const struct diagnostics *diagnostics)
{
    return diagnostics->reports;
}

/* ---- printing ------------------------------------------------------------------------------------------------------ */

/* The line's text without its end. */
static const char *source_line(const struct source *source, uint32_t line, size_t *length)
{
    const char *at = source->text;
    const char *end = source->text + source->length;
    if (source->length >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) {
        at += 3;
    }
    for (uint32_t i = 1; i < line && at < end; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline == NULL ? end : newline + 1;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    const char *stop = newline == NULL ? end : newline;
    if (stop > at && stop[-1] == '\r') {
        stop--;
    }
    *length = (size_t)(stop - at);
    return at;
}

/* Prints the line from character `first`, and under it carets at `column`. Long lines are cut at both ends. */
static void print_excerpt(FILE *out, const struct source *source, struct source_place place)
{
    size_t length;
    const char *line = source_line(source, place.line, &length);
    uint32_t first =
        place.column > EXCERPT_CHARACTERS * 3 / 4 ? place.column - EXCERPT_CHARACTERS / 2 : 1;
    char margin[16];
    snprintf(margin, sizeof(margin), "%6u", (unsigned)place.line);
    fprintf(out, "%s | %s", margin, first > 1 ? "..." : "");
    uint32_t column = 1;
    for (size_t at = 0; at < length; column++) {
        size_t step = utf8_step(line + at, length - at);
        if (column >= first + EXCERPT_CHARACTERS) {
            fputs("...", out);
            break;
        }
        if (column >= first) {
            bool printable = utf8_printable(line + at, length - at) > 0;
            fwrite(printable ? line + at : (line[at] == '\t' ? " " : "?"), 1, printable ? step : 1,
                   out);
        }
        at += step;
    }
    uint32_t columns = column;
    fprintf(out, "\n%*s | %s", (int)strlen(margin), "", first > 1 ? "   " : "");
    for (uint32_t i = first; i < place.column; i++) {
        fputc(' ', out);
    }
    fputc('^', out);
    for (uint32_t i = 1; i < place.width && place.column + i < columns; i++) {
        fputc('~', out);
    }
    fputc('\n', out);
}

static void print_about(const struct diagnostics *diagnostics, const struct problem *problem,
                        FILE *out)
{
    if (problem->about == NULL || problem->about_count == diagnostics->about_count) {
        return;
    }
    if (problem->about_count == 1) {
        fprintf(out, "       in the cell %s\n", problem->about);
    } else {
        fprintf(out, "       in %u cells of %u, the first is %s\n", (unsigned)problem->about_count,
                (unsigned)diagnostics->about_count, problem->about);
    }
}

static void print_parents(const struct diagnostics *diagnostics, const struct source *source,
                          FILE *out)
{
    while (source->parent.line > 0) {
        struct source_place place = source->parent;
        source = source_get(diagnostics, place.source);
        fprintf(out, "       extended by %s", source->name);
        if (source->kind == SOURCE_FILE) {
            fprintf(out, ":%u:%u", (unsigned)place.line, (unsigned)place.column);
        }
        fputc('\n', out);
    }
}

void diagnostics_print(const struct diagnostics *diagnostics, FILE *out)
{
    for (uint32_t i = 0; i < diagnostics->kept; i++) {
        const struct problem *problem = &diagnostics->problems[i];
        const struct source *source = source_get(diagnostics, problem->place.source);
        if (source->kind == SOURCE_OPTION || problem->place.line == 0) {
            fprintf(out, "%s: %s\n", source->name, problem->message);
        } else {
            fprintf(out, "%s:%u:%u: %s\n", source->name, (unsigned)problem->place.line,
                    (unsigned)problem->place.column, problem->message);
        }
        if (problem->place.line > 0 && source->kind == SOURCE_FILE) {
            print_excerpt(out, source, problem->place);
        }
        print_about(diagnostics, problem, out);
        print_parents(diagnostics, source, out);
    }
    if (diagnostics->count > diagnostics->kept) {
        fprintf(out, "... and %u more\n", (unsigned)(diagnostics->count - diagnostics->kept));
    }
}

/* ---- near words ---------------------------------------------------------------------------------------------------- */

/* An edit costs 2, but 1 where only the case of a letter changes. */
#define EDIT_COST 2u

static uint32_t replace_cost(char a, char b)
{
    if (a == b) {
        return 0;
    }
    bool letters = ((a | 0x20) >= 'a' && (a | 0x20) <= 'z');
    return letters && (a | 0x20) == (b | 0x20) ? 1 : EDIT_COST;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance of words of at most WORD_CHARACTERS bytes. */
static uint32_t word_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    uint32_t rows[3][WORD_CHARACTERS + 1];
    uint32_t *before = rows[0], *last = rows[1], *row = rows[2];
    SIM_ASSERT(a_length <= WORD_CHARACTERS);
    SIM_ASSERT(b_length <= WORD_CHARACTERS);
    for (uint32_t j = 0; j <= b_length; j++) {
        last[j] = j * EDIT_COST;
        before[j] = j * EDIT_COST;
    }
    for (uint32_t i = 1; i <= a_length; i++) {
        row[0] = i * EDIT_COST;
        for (uint32_t j = 1; j <= b_length; j++) {
            uint32_t best = last[j - 1] + replace_cost(a[i - 1], b[j - 1]);
            best = smaller(best, smaller(last[j], row[j - 1]) + EDIT_COST);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                best = smaller(best, before[j - 2] + EDIT_COST);
            }
            row[j] = best;
        }
        uint32_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_length];
}

/* What still counts as near: all letters in the wrong case; an edit in a short word; an edit for every three letters. */
static bool is_near(uint32_t distance, const char *a, size_t a_length, const char *b,
                    size_t b_length)
{
    size_t longer = a_length > b_length ? a_length : b_length;
    if (a_length == b_length && strncasecmp(a, b, a_length) == 0) {
        return true;
    }
    if (longer <= 2) {
        return false;
    }
    return distance <= (longer < 6 ? 1 : (uint32_t)(longer / 3)) * EDIT_COST;
}

void nearest_word_init(struct nearest_word *nearest, const char *wanted)
{
    *nearest = (struct nearest_word){.wanted = wanted, .distance = UINT32_MAX};
}

void nearest_word_offer(struct nearest_word *nearest, const char *candidate)
{
    size_t wanted_length = strlen(nearest->wanted);
    size_t length = strlen(candidate);
    if (wanted_length > WORD_CHARACTERS || length > WORD_CHARACTERS || wanted_length == 0) {
        return;
    }
    uint32_t distance = word_distance(nearest->wanted, wanted_length, candidate, length);
    if (distance < nearest->distance &&
        is_near(distance, nearest->wanted, wanted_length, candidate, length)) {
        nearest->distance = distance;
        nearest->best = candidate;
    }
}

const char *nearest_word_hint(const struct nearest_word *nearest, char out[DIAGNOSTICS_QUOTE_BYTES])
{
    out[0] = '\0';
    if (nearest->best != NULL) {
        char quoted[DIAGNOSTICS_QUOTE_BYTES];
        snprintf(out, DIAGNOSTICS_QUOTE_BYTES, "; did you mean %s?",
                 diagnostics_quote(nearest->best, quoted));
    }
    return out;
}
