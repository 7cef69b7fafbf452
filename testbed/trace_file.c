#define ZLIB_CONST /* next_in points to what is only read */
#include "testbed/trace_file.h"

#include "sim/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define TEXT_BYTES   65536u
#define GZIP_ONLY    (15 + 16) /* zlib's window bits for gzip streams and no others */
#define END          (-1)
#define NAME_MAX_    63u
#define INTERVAL_MAX INT64_C(1000000000) /* interval_ns */

/* A trace and the memory that it points into. */
struct loaded_trace {
    struct page_trace trace; /* first, so that its address is that of the whole */
    char name[NAME_MAX_ + 1];
    uint32_t *starts, *pages;
    struct page_trace_range *ranges;
};

struct reader {
    const char *name; /* of the file, for errors */
    char *why;
    size_t why_capacity;
    bool failed;
    z_stream zip;
    bool stream_ended;
    uint8_t text[TEXT_BYTES];
    size_t position, length; /* in text */
    uint64_t line;
    int c; /* the character at hand, or END */
    /* the header */
    bool has_ram, has_interval, has_intervals, has_writes;
    uint64_t page_writes;
    uint32_t capacity, range_count; /* of ranges */
    uint64_t pages_total;
    struct loaded_trace *out;
};

/* ---- errors -------------------------------------------------------------------------------------- */

/* Keeps the first. Returns false. */
__attribute__((format(printf, 2, 3))) static bool wrong(struct reader *reader, const char *format,
                                                        ...)
{
    if (!reader->failed) {
        char text[160], line[24] = "";
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        if (reader->line > 0) {
            (void)snprintf(line, sizeof line, "%llu:", (unsigned long long)reader->line);
        }
        (void)snprintf(reader->why, reader->why_capacity, "%s:%s %s", reader->name, line, text);
        reader->failed = true;
    }
    reader->c = END;
    return false;
}

/* What stands there, for an error. */
static const char *found(const struct reader *reader, char out[16])
{
    if (reader->c == END) {
        return "the end";
    }
    if (reader->c == '\n') {
        return "the end of the line";
    }
    bool plain = reader->c >= ' ' && reader->c <= '~';
    (void)snprintf(out, 16, plain ? "'%c'" : "byte 0x%02x", reader->c);
    return out;
}

static bool unexpected(struct reader *reader, const char *expected)
{
    char text[16];
    return wrong(reader, "expected %s, found %s", expected, found(reader, text));
}

/* ---- characters ------------------------------------------------------------------------------------ */

static void unpack(struct reader *reader)
{
    reader->position = 0;
    reader->length = 0;
    while (reader->length == 0 && !reader->stream_ended && !reader->failed) {
        reader->zip.next_out = reader->text;
        reader->zip.avail_out = TEXT_BYTES;
        int result = inflate(&reader->zip, Z_NO_FLUSH);
        reader->length = TEXT_BYTES - reader->zip.avail_out;
        if (result == Z_STREAM_END && reader->zip.avail_in > 0) {
            /* RFC 1952, 2.2: a file is one or more members, one after the other. */
            result = inflateReset(&reader->zip);
        } else if (result == Z_STREAM_END) {
            reader->stream_ended = true;
            result = Z_OK;
        }
        if (result == Z_BUF_ERROR) {
            (void)wrong(reader, "the file is cut short");
        } else if (result != Z_OK) {
            (void)wrong(reader, "%s",
                        reader->line == 1 && reader->length == 0 ? "not a gzip file"
                                                                 : "the gzip data are damaged");
        }
    }
}

static void next(struct reader *reader)
{
    if (reader->position == reader->length) {
        unpack(reader);
        if (reader->failed || reader->length == 0) {
            reader->c = END;
            return;
        }
    }
    reader->c = reader->text[reader->position++];
}

/* A decimal number up to `max`; the character behind it is then at hand. */
static bool number(struct reader *reader, const char *what, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (reader->c < '0' || reader->c > '9') {
        return unexpected(reader, what);
    }
    while (reader->c >= '0' && reader->c <= '9') {
        uint64_t digit = (uint64_t)(reader->c - '0');
        if (value > (max - digit) / 10) {
            return wrong(reader, "%s is more than %llu", what, (unsigned long long)max);
        }
        value = value * 10 + digit;
        next(reader);
    }
    *out = value;
    return true;
}

/* ---- header ------------------------------------------------------------------------------------------- */

/* A header value as a number from 1, or from 0 for the sum of pages. Each key once. */
static bool header_number(struct reader *reader, const char *key, const char *value, uint64_t min,
                          uint64_t max, bool *has, uint64_t *out)
{
    uint64_t result = 0;
    size_t digits = strspn(value, "0123456789");
    if (*has) {
        return wrong(reader, "%s stands in the header twice", key);
    }
    *has = true;
    if (digits == 0 || value[digits] != '\0') {
        return wrong(reader, "%s is not a number", key);
    }
    for (size_t i = 0; i < digits; i++) {
        uint64_t digit = (uint64_t)(value[i] - '0');
        if (result > (max - digit) / 10) {
            return wrong(reader, "%s is more than %llu", key, (unsigned long long)max);
        }
        result = result * 10 + digit;
    }
    if (result < min) {
        return wrong(reader, "%s is less than %llu", key, (unsigned long long)min);
    }
    *out = result;
    return true;
}

static bool header_key(struct reader *reader, const char *key, const char *value)
{
    struct page_trace *trace = &reader->out->trace;
    uint64_t result = 0;
    bool again = false;
    if (strcmp(key, "name") == 0) {
        (void)snprintf(reader->out->name, sizeof reader->out->name, "%s", value);
        return true;
    }
    if (strcmp(key, "ram_pages") == 0) {
        return header_number(reader, key, value, 1, TRACE_FILE_RAM_PAGES_MAX, &reader->has_ram,
                             &trace->ram_pages);
    }
    if (strcmp(key, "page_bytes") == 0) {
        return header_number(reader, key, value, 4096, 4096, &again, &result);
    }
    if (strcmp(key, "interval_ns") == 0) {
        bool good = header_number(reader, key, value, 1, (uint64_t)INTERVAL_MAX,
                                  &reader->has_interval, &result);
        trace->interval_ns = (sim_time)result;
        return good;
    }
    if (strcmp(key, "intervals") == 0) {
        bool good = header_number(reader, key, value, 1, TRACE_FILE_INTERVALS_MAX,
                                  &reader->has_intervals, &result);
        trace->intervals = (uint32_t)result;
        return good;
    }
    if (strcmp(key, "page_writes") == 0) {
        return header_number(reader, key, value, 0, UINT64_MAX / 16, &reader->has_writes,
                             &reader->page_writes);
    }
    return true;
}

/* One line behind its '#', which is at hand; goes on to the next line. */
static bool header_line(struct reader *reader)
{
    char text[TRACE_FILE_HEADER_MAX];
    size_t length = 0;
    for (next(reader); reader->c != '\n'; next(reader)) {
        if (reader->c == END) {
            return wrong(reader, "the header is cut short");
        }
        if (length + 1 == sizeof text) {
            return wrong(reader, "a header line of more than %u bytes", TRACE_FILE_HEADER_MAX);
        }
        text[length++] = (char)reader->c;
    }
    text[length] = '\0';
    if (reader->line == 1 && strcmp(text, " pwt: 1") != 0) {
        return wrong(reader, "not a page-write trace of version 1: its first line is '# pwt: 1'");
    }
    char *colon = strstr(text, ": ");
    if (text[0] == ' ' && colon != NULL) {
        *colon = '\0';
        if (!header_key(reader, text + 1, colon + 2)) {
            return false;
        }
    }
    reader->line++;
    next(reader);
    return true;
}

static bool read_header(struct reader *reader)
{
    next(reader);
    if (reader->c != '#') {
        return unexpected(reader, "'# pwt: 1'");
    }
    while (reader->c == '#') {
        if (!header_line(reader)) {
            return false;
        }
    }
    const char *missing = !reader->has_ram         ? "ram_pages"
                          : !reader->has_interval  ? "interval_ns"
                          : !reader->has_intervals ? "intervals"
                          : !reader->has_writes    ? "page_writes"
                                                   : NULL;
    if (missing != NULL && !reader->failed) {
        return wrong(reader, "the header has no %s", missing);
    }
    return !reader->failed;
}

/* ---- intervals ------------------------------------------------------------------------------------------ */

static bool add_range(struct reader *reader, uint64_t first, uint64_t count)
{
    struct loaded_trace *out = reader->out;
    if (reader->range_count == reader->capacity) {
        if (reader->capacity == TRACE_FILE_RANGES_MAX) {
            return wrong(reader, "more than %u ranges", TRACE_FILE_RANGES_MAX);
        }
        uint32_t capacity = reader->capacity == 0 ? 1024 : 2 * reader->capacity;
        struct page_trace_range *ranges = realloc(out->ranges, capacity * sizeof *ranges);
        if (ranges == NULL) {
            return wrong(reader, "no memory for so many ranges");
        }
        out->ranges = ranges;
        reader->capacity = capacity;
    }
    out->ranges[reader->range_count++] =
        (struct page_trace_range){(uint32_t)first, (uint32_t)count};
    return true;
}

/* GAP or GAP+LENGTH behind page `*end`, whose first digit is at hand. */
static bool read_range(struct reader *reader, bool first, uint64_t *end, uint64_t *pages)
{
    uint64_t ram = reader->out->trace.ram_pages;
    uint64_t gap, length = 1;
    if (!number(reader, "a range", UINT32_MAX, &gap)) {
        return false;
    }
    if (reader->c == '+') {
        next(reader);
        if (!number(reader, "a length", UINT32_MAX, &length)) {
            return false;
        }
        if (length < 2) {
            return wrong(reader, "a range of %u pages is written without a length above 1",
                         (unsigned)length);
        }
    }
    if (gap == 0 && !first) {
        return wrong(reader, "ranges do not rise, or are not maximal");
    }
    if (gap >= ram - *end || length > ram - *end - gap) {
        return wrong(reader, "page %llu lies beyond the RAM of %llu pages",
                     (unsigned long long)(*end + gap + length - 1), (unsigned long long)ram);
    }
    if (!add_range(reader, *end + gap, length)) {
        return false;
    }
    *end += gap + length;
    *pages += length;
    return true;
}

/* One line, whose 'I' is at hand. `*done` intervals have their ranges. */
static bool read_interval(struct reader *reader, uint32_t *done)
{
    struct loaded_trace *out = reader->out;
    uint64_t index, end = 0, pages = 0;
    next(reader);
    if (reader->c != ' ') {
        return unexpected(reader, "a space");
    }
    next(reader);
    if (!number(reader, "an interval", UINT32_MAX, &index)) {
        return false;
    }
    if (index >= out->trace.intervals) {
        return wrong(reader, "interval %llu, but there are %u", (unsigned long long)index,
                     out->trace.intervals);
    }
    if (index < *done) {
        return wrong(reader, "interval %llu does not rise", (unsigned long long)index);
    }
    while (*done <= index) {
        out->starts[(*done)++] = reader->range_count;
    }
    if (reader->c != ' ') {
        return unexpected(reader, "a space and a range");
    }
    for (bool first = true; reader->c == ' '; first = false) {
        next(reader);
        if (!read_range(reader, first, &end, &pages)) {
            return false;
        }
    }
    if (reader->c == END) {
        return wrong(reader, "the line is cut short");
    }
    if (reader->c != '\n') {
        return unexpected(reader, "a space, '+' or the end of the line");
    }
    out->pages[index] = (uint32_t)pages;
    reader->pages_total += pages;
    reader->line++;
    next(reader);
    return true;
}

static bool read_intervals(struct reader *reader)
{
    struct loaded_trace *out = reader->out;
    uint32_t intervals = out->trace.intervals, done = 0;
    out->starts = calloc(intervals + 1, sizeof *out->starts);
    out->pages = calloc(intervals, sizeof *out->pages);
    if (out->starts == NULL || out->pages == NULL) {
        return wrong(reader, "no memory for %u intervals", intervals);
    }
    while (reader->c == 'I') {
        if (!read_interval(reader, &done)) {
            return false;
        }
    }
    if (reader->c != END) {
        return unexpected(reader, "a line that begins with 'I'");
    }
    if (reader->failed) {
        return false;
    }
    if (reader->pages_total != reader->page_writes) {
        return wrong(reader, "the intervals hold %llu pages, page_writes says %llu",
                     (unsigned long long)reader->pages_total,
                     (unsigned long long)reader->page_writes);
    }
    while (done <= intervals) {
        out->starts[done++] = reader->range_count;
    }
    return true;
}

/* ---- a trace --------------------------------------------------------------------------------------------- */

struct page_trace *trace_file_parse(const char *name, const void *bytes, size_t length, char *why,
                                    size_t why_capacity)
{
    struct reader *reader = calloc(1, sizeof *reader);
    struct loaded_trace *out = calloc(1, sizeof *out);
    SIM_ASSERT(reader != NULL && out != NULL);
    reader->name = name;
    reader->why = why;
    reader->why_capacity = why_capacity;
    reader->out = out;
    reader->line = 1;
    reader->zip.next_in = (const Bytef *)bytes;
    reader->zip.avail_in = (uInt)length;
    bool good = length <= TRACE_FILE_BYTES_MAX && inflateInit2(&reader->zip, GZIP_ONLY) == Z_OK;
    if (good) {
        good = read_header(reader) && read_intervals(reader);
        (void)inflateEnd(&reader->zip);
    } else {
        reader->line = 0;
        (void)wrong(reader, "larger than a trace may be, or no memory to read it");
    }
    SIM_ASSERT(good == !reader->failed);
    out->trace.name = out->name;
    out->trace.starts = out->starts;
    out->trace.pages = out->pages;
    out->trace.ranges = out->ranges;
    free(reader);
    if (!good) {
        trace_file_free(&out->trace);
        return NULL;
    }
    return &out->trace;
}

void trace_file_free(struct page_trace *trace)
{
    if (trace == NULL) {
        return;
    }
    struct loaded_trace *loaded = (struct loaded_trace *)(void *)trace;
    free(loaded->starts);
    free(loaded->pages);
    free(loaded->ranges);
    free(loaded);
}

void trace_file_check(const struct page_trace *trace)
{
    SIM_ASSERT(trace->intervals > 0);
    SIM_ASSERT(trace->interval_ns > 0);
    SIM_ASSERT(trace->starts[0] == 0);
    for (uint32_t i = 0; i < trace->intervals; i++) {
        uint64_t end = 0, pages = 0;
        SIM_ASSERT(trace->starts[i] <= trace->starts[i + 1]);
        for (uint32_t r = trace->starts[i]; r < trace->starts[i + 1]; r++) {
            SIM_ASSERT(trace->ranges[r].first >= end);
            SIM_ASSERT(trace->ranges[r].count > 0);
            end = (uint64_t)trace->ranges[r].first + trace->ranges[r].count;
            pages += trace->ranges[r].count;
        }
        SIM_ASSERT(end <= trace->ram_pages);
        SIM_ASSERT(pages == trace->pages[i]);
    }
}
