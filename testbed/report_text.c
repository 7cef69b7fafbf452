#include "testbed/report_text.h"

#include "sim/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S   UINT64_C(1000000000)
#define COLUMN_GAP 3
#define NOTE_GAP   6

__extension__ typedef unsigned __int128 wide;

/* ---- figures ------------------------------------------------------------------------------------------------------------- */

static int64_t fit(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

const char *report_time(sim_time ns, char out[REPORT_FIGURE_BYTES])
{
    _Static_assert(REPORT_FIGURE_BYTES >= QUANTITY_TEXT_BYTES, "a figure holds a quantity");
    return quantity_print_rounded(QUANTITY_TIME, ns, out);
}

const char *report_size(uint64_t bytes, char out[REPORT_FIGURE_BYTES])
{
    return quantity_print_rounded(QUANTITY_SIZE, fit(bytes), out);
}

const char *report_rate(uint64_t bps, char out[REPORT_FIGURE_BYTES])
{
    return quantity_print_rounded(QUANTITY_RATE, fit(bps), out);
}

const char *report_count(uint64_t count, char out[REPORT_FIGURE_BYTES])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *to = out;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = 0;
    return out;
}

const char *report_instant(sim_time at, char out[REPORT_FIGURE_BYTES])
{
    SIM_ASSERT(at >= 0);
    uint64_t ns = (uint64_t)at;
    snprintf(out, REPORT_FIGURE_BYTES, "%" PRIu64 ".%03" PRIu64 " s", ns / NS_PER_S,
             ns % NS_PER_S / 1000000);
    return out;
}

const char *report_plural(uint64_t count, const char *one, const char *many,
                          char out[REPORT_FIGURE_BYTES])
{
    char figure[REPORT_FIGURE_BYTES];
    snprintf(out, REPORT_FIGURE_BYTES, "%.26s %.20s", report_count(count, figure),
             count == 1 ? one : many);
    return out;
}

uint64_t report_bps(uint64_t bytes, sim_time ns)
{
    if (ns <= 0) {
        return 0;
    }
    wide bps = (wide)bytes * 8 * NS_PER_S / (uint64_t)ns;
    return bps > UINT64_MAX ? UINT64_MAX : (uint64_t)bps;
}

uint64_t report_percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (uint64_t)((wide)part * 100 / whole);
}

/* ---- running text ---------------------------------------------------------------------------------------------------------- */

void report_add(struct report_text *text, const char *format, ...)
{
    SIM_ASSERT(text->length < sizeof text->bytes);
    va_list arguments;
    va_start(arguments, format);
    int length =
        vsnprintf(text->bytes + text->length, sizeof text->bytes - text->length, format, arguments);
    va_end(arguments);
    SIM_ASSERT(length >= 0);
    size_t room = sizeof text->bytes - 1 - text->length;
    text->length += (size_t)length < room ? (size_t)length : room;
}

/* Columns that UTF-8 text takes, where every character takes one. */
static uint32_t width_of(const char *text, size_t length)
{
    uint32_t width = 0;
    for (size_t i = 0; i < length; i++) {
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return width;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What is not cut: a word; a figure with its unit. */
static size_t piece_length(const char *text)
{
    size_t length = strcspn(text, " ");
    bool figure = length > 0 && is_digit(text[0]) && is_digit(text[length - 1]);
    if (figure && text[length] == ' ' && text[length + 1] != ' ' && text[length + 1] != 0) {
        length += 1 + strcspn(text + length + 1, " ");
    }
    return length;
}

void report_wrap(FILE *out, uint32_t at, uint32_t indent, const char *text)
{
    bool begun = false; /* a word stands on this line */
    while (*text != 0) {
        size_t length = piece_length(text);
        uint32_t width = width_of(text, length);
        if (begun && at + 1 + width > REPORT_COLUMNS) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
            begun = false;
        }
        if (begun) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, length, out);
        at += width;
        begun = true;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

/* ---- tables --------------------------------------------------------------------------------------------------------------- */

struct row {
    struct row *next;
    char *cells[REPORT_TABLE_COLUMNS];
    uint32_t count;
    char *note;
};

struct report_table {
    char alignment[REPORT_TABLE_COLUMNS + 1];
    uint32_t columns;
    struct row *first, *last;
    struct row open; /* the row that cells go into */
};

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    SIM_ASSERT(copy != NULL);
    return copy;
}

struct report_table *report_table_new(const char *alignment)
{
    struct report_table *table = calloc(1, sizeof *table);
    SIM_ASSERT(table != NULL);
    table->columns = (uint32_t)strlen(alignment);
    SIM_ASSERT(table->columns <= REPORT_TABLE_COLUMNS);
    memcpy(table->alignment, alignment, table->columns);
    return table;
}

static void free_cells(struct row *row)
{
    for (uint32_t i = 0; i < row->count; i++) {
        free(row->cells[i]);
    }
    free(row->note);
}

void report_table_free(struct report_table *table)
{
    while (table->first != NULL) {
        struct row *next = table->first->next;
        free_cells(table->first);
        free(table->first);
        table->first = next;
    }
    free_cells(&table->open);
    free(table);
}

void report_cell(struct report_table *table, const char *format, ...)
{
    char text[256];
    va_list arguments;
    SIM_ASSERT(table->open.count < table->columns);
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    table->open.cells[table->open.count++] = copy_text(text);
}

void report_row(struct report_table *table, const char *note)
{
    struct row *row = malloc(sizeof *row);
    SIM_ASSERT(row != NULL);
    *row = table->open;
    row->note = note != NULL ? copy_text(note) : NULL;
    if (table->last != NULL) {
        table->last->next = row;
    } else {
        table->first = row;
    }
    table->last = row;
    table->open = (struct row){0};
}

static uint32_t cell_width(const struct row *row, uint32_t column)
{
    return column < row->count ? width_of(row->cells[column], strlen(row->cells[column])) : 0;
}

static void print_row(FILE *out, const struct report_table *table, const struct row *row,
                      const uint32_t *widths)
{
    uint32_t owed = 0; /* spaces that are printed when something follows them */
    for (uint32_t i = 0; i < row->count; i++) {
        uint32_t width = cell_width(row, i);
        uint32_t left = widths[i] - width;
        owed += i > 0 ? COLUMN_GAP : 0;
        if (table->alignment[i] == 'r') {
            owed += left;
            left = 0;
        }
        if (width > 0) {
            fprintf(out, "%*s%s", (int)owed, "", row->cells[i]);
            owed = 0;
        }
        owed += left;
    }
    if (row->note != NULL) {
        fprintf(out, "%*s%s", (int)owed + NOTE_GAP, "", row->note);
    }
    fputc('\n', out);
}

void report_table_print(FILE *out, const struct report_table *table)
{
    uint32_t widths[REPORT_TABLE_COLUMNS] = {0};
    for (const struct row *row = table->first; row != NULL; row = row->next) {
        for (uint32_t i = 0; i < table->columns; i++) {
            uint32_t width = cell_width(row, i);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    for (const struct row *row = table->first; row != NULL; row = row->next) {
        print_row(out, table, row, widths);
    }
}
