/* The trace reader (testbed/trace_file.h): what is right is read, and what is wrong is told with its line. */
#include "testbed/trace_file.h"

#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define HEADER                                                                                     \
    "# pwt: 1\n# name: made\n# ram_pages: 1000\n# page_bytes: 4096\n# interval_ns: 10000000\n"     \
    "# workload: two: colons, and #\n# intervals: 10\n"
#define WRITES(n) "# page_writes: " #n "\n"

/* A gzip member of some text; `level` 0 stores it. */
static size_t compress_text(const char *text, size_t length, int level, uint8_t *out, size_t room)
{
    z_stream zip = {0};
    cr_assert_eq(deflateInit2(&zip, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    zip.next_in = (Bytef *)(uintptr_t)text;
    zip.avail_in = (uInt)length;
    zip.next_out = out;
    zip.avail_out = (uInt)room;
    cr_assert_eq(deflate(&zip, Z_FINISH), Z_STREAM_END);
    size_t written = room - zip.avail_out;
    (void)deflateEnd(&zip);
    return written;
}

static struct page_trace *parse_text(const char *text, char *why)
{
    uint8_t bytes[16384];
    size_t length = compress_text(text, strlen(text), 6, bytes, sizeof bytes);
    why[0] = '\0';
    return trace_file_parse("t.pwt.gz", bytes, length, why, 256);
}

Test(trace_file, reads_what_is_right)
{
    char why[256];
    struct page_trace *trace =
        parse_text(HEADER WRITES(999) "I 0 0 5+138 15+2\nI 1 632+253\nI 7 12 0001+604\n", why);
    cr_assert(trace != NULL, "%s", why);
    trace_file_check(trace);
    static const struct page_trace_range ranges[] = {{0, 1},     {6, 138}, {159, 2},
                                                     {632, 253}, {12, 1},  {14, 604}};
    static const uint32_t starts[] = {0, 3, 4, 4, 4, 4, 4, 4, 6, 6, 6};
    static const uint32_t pages[] = {141, 253, 0, 0, 0, 0, 0, 605, 0, 0};
    cr_assert_str_eq(trace->name, "made");
    cr_assert_eq(trace->ram_pages, 1000);
    cr_assert_eq(trace->interval_ns, 10000000);
    cr_assert_eq(trace->intervals, 10);
    cr_assert_eq(memcmp(trace->ranges, ranges, sizeof ranges), 0);
    cr_assert_eq(memcmp(trace->starts, starts, sizeof starts), 0);
    cr_assert_eq(memcmp(trace->pages, pages, sizeof pages), 0);
    trace_file_free(trace);
    trace_file_free(NULL);
    trace = parse_text(HEADER WRITES(0), why);
    cr_assert(trace != NULL, "without writes: %s", why);
    trace_file_check(trace);
    trace_file_free(trace);
    trace = parse_text(HEADER WRITES(1000) "I 9 0+1000\n", why);
    cr_assert(trace != NULL, "all of RAM: %s", why);
    trace_file_free(trace);
}

static const struct {
    const char *text, *why;
} bad_texts[] = {
    {"", "t.pwt.gz:1: expected '# pwt: 1', found the end"},
    {"I 0 0\n", "t.pwt.gz:1: expected '# pwt: 1', found 'I'"},
    {"# pwt: 2\n", "t.pwt.gz:1: not a page-write trace of version 1: its first line is '# pwt: 1'"},
    {"# pwt: 1", "t.pwt.gz:1: the header is cut short"},
    {"# pwt: 1\n# name: x", "t.pwt.gz:2: the header is cut short"},
    {"# pwt: 1\n", "t.pwt.gz:2: the header has no ram_pages"},
    {"# pwt: 1\n# ram_pages: 5\n", "t.pwt.gz:3: the header has no interval_ns"},
    {"# pwt: 1\n# ram_pages: 5\n# interval_ns: 5\n", "t.pwt.gz:4: the header has no intervals"},
    {HEADER, "t.pwt.gz:8: the header has no page_writes"},
    {"# pwt: 1\n# ram_pages: x\n", "t.pwt.gz:2: ram_pages is not a number"},
    {"# pwt: 1\n# ram_pages: 5 \n", "t.pwt.gz:2: ram_pages is not a number"},
    {"# pwt: 1\n# ram_pages: -5\n", "t.pwt.gz:2: ram_pages is not a number"},
    {"# pwt: 1\n# ram_pages: \n", "t.pwt.gz:2: ram_pages is not a number"},
    {"# pwt: 1\n# ram_pages: 0\n", "t.pwt.gz:2: ram_pages is less than 1"},
    {"# pwt: 1\n# ram_pages: 4294967296\n", "t.pwt.gz:2: ram_pages is more than 4294967295"},
    {"# pwt: 1\n# ram_pages: 99999999999999999999\n",
     "t.pwt.gz:2: ram_pages is more than 4294967295"},
    {"# pwt: 1\n# ram_pages: 5\n# ram_pages: 5\n",
     "t.pwt.gz:3: ram_pages stands in the header twice"},
    {"# pwt: 1\n# page_bytes: 8192\n", "t.pwt.gz:2: page_bytes is more than 4096"},
    {"# pwt: 1\n# interval_ns: 1000000001\n", "t.pwt.gz:2: interval_ns is more than 1000000000"},
    {"# pwt: 1\n# interval_ns: 0\n", "t.pwt.gz:2: interval_ns is less than 1"},
    {"# pwt: 1\n# intervals: 4194305\n", "t.pwt.gz:2: intervals is more than 4194304"},
    {HEADER WRITES(1) "J 0 0\n", "t.pwt.gz:9: expected a line that begins with 'I', found 'J'"},
    {HEADER WRITES(1) "\n",
     "t.pwt.gz:9: expected a line that begins with 'I', found the end of the line"},
    {HEADER WRITES(1) "I 0 0\n# late: 1\n",
     "t.pwt.gz:10: expected a line that begins with 'I', found '#'"},
    {HEADER WRITES(1) "I0 0\n", "t.pwt.gz:9: expected a space, found '0'"},
    {HEADER WRITES(1) "I  0 0\n", "t.pwt.gz:9: expected an interval, found ' '"},
    {HEADER WRITES(1) "I x 0\n", "t.pwt.gz:9: expected an interval, found 'x'"},
    {HEADER WRITES(1) "I 0\n",
     "t.pwt.gz:9: expected a space and a range, found the end of the line"},
    {HEADER WRITES(1) "I 0 \n", "t.pwt.gz:9: expected a range, found the end of the line"},
    {HEADER WRITES(1) "I 0 +5\n", "t.pwt.gz:9: expected a range, found '+'"},
    {HEADER WRITES(1) "I 0 5+\n", "t.pwt.gz:9: expected a length, found the end of the line"},
    {HEADER WRITES(1) "I 0 5+1\n",
     "t.pwt.gz:9: a range of 1 pages is written without a length above 1"},
    {HEADER WRITES(1) "I 0 5+0\n",
     "t.pwt.gz:9: a range of 0 pages is written without a length above 1"},
    {HEADER WRITES(1) "I 0 5,6\n",
     "t.pwt.gz:9: expected a space, '+' or the end of the line, found ','"},
    {HEADER WRITES(1) "I 0 5\r\n",
     "t.pwt.gz:9: expected a space, '+' or the end of the line, found byte 0x0d"},
    {HEADER WRITES(1) "I 0 5", "t.pwt.gz:9: the line is cut short"},
    {HEADER WRITES(1) "I 0 5 ", "t.pwt.gz:9: expected a range, found the end"},
    {HEADER WRITES(2) "I 0 5 0\n", "t.pwt.gz:9: ranges do not rise, or are not maximal"},
    {HEADER WRITES(1) "I 10 5\n", "t.pwt.gz:9: interval 10, but there are 10"},
    {HEADER WRITES(1) "I 5000000000 5\n", "t.pwt.gz:9: an interval is more than 4294967295"},
    {HEADER WRITES(2) "I 3 5\nI 3 6\n", "t.pwt.gz:10: interval 3 does not rise"},
    {HEADER WRITES(2) "I 3 5\nI 2 6\n", "t.pwt.gz:10: interval 2 does not rise"},
    {HEADER WRITES(1) "I 0 1000\n", "t.pwt.gz:9: page 1000 lies beyond the RAM of 1000 pages"},
    {HEADER WRITES(2) "I 0 999+2\n", "t.pwt.gz:9: page 1000 lies beyond the RAM of 1000 pages"},
    {HEADER WRITES(9) "I 0 5\nI 1 500+499 1\n",
     "t.pwt.gz:10: page 1000 lies beyond the RAM of 1000 pages"},
    {HEADER WRITES(9) "I 0 4294967295+4294967295\n",
     "t.pwt.gz:9: page 8589934589 lies beyond the RAM of 1000 pages"},
    {HEADER WRITES(9) "I 0 1 2+3\nI 4 8+2\n",
     "t.pwt.gz:11: the intervals hold 6 pages, page_writes says 9"},
    {HEADER WRITES(5) "I 0 1 2+3\nI 4 8+2\n",
     "t.pwt.gz:11: the intervals hold 6 pages, page_writes says 5"},
};

Test(trace_file, says_what_is_wrong)
{
    for (size_t i = 0; i < sizeof bad_texts / sizeof bad_texts[0]; i++) {
        char why[256];
        struct page_trace *trace = parse_text(bad_texts[i].text, why);
        cr_assert(trace == NULL, "read: %s", bad_texts[i].text);
        cr_assert_str_eq(why, bad_texts[i].why, "%s: %s", bad_texts[i].text, why);
    }
    /* A header line as long as may be, and one byte longer. */
    char *text = malloc(3 * TRACE_FILE_HEADER_MAX);
    cr_assert(text != NULL);
    for (uint32_t longer = 0; longer < 2; longer++) {
        char why[256];
        int at = sprintf(text, "# pwt: 1\n#");
        memset(text + at, 'x', TRACE_FILE_HEADER_MAX - 1 + longer);
        (void)sprintf(text + at + TRACE_FILE_HEADER_MAX - 1 + longer, "\n");
        cr_assert(parse_text(text, why) == NULL);
        cr_assert_str_eq(why, longer == 0 ? "t.pwt.gz:3: the header has no ram_pages"
                                          : "t.pwt.gz:2: a header line of more than 4096 bytes");
    }
    free(text);
}

/* A trace in gzip, damaged as files are: cut anywhere, one byte changed, something behind it. */
Test(trace_file, survives_damage)
{
    static const char text[] = HEADER WRITES(999) "I 0 0 5+138 15+2\nI 1 632+253\nI 7 12 1+604\n";
    size_t length = sizeof text - 1;
    uint8_t good[2048], bad[4096];
    char why[256];
    for (int level = 0; level <= 9; level += 9) {
        size_t bytes = compress_text(text, length, level, good, sizeof good);
        for (size_t cut = 0; cut < bytes; cut++) {
            cr_assert(trace_file_parse("t", good, cut, why, sizeof why) == NULL, "cut at %zu", cut);
            cr_assert(strstr(why, "cut short") != NULL, "cut at %zu: %s", cut, why);
        }
        /* Flags, time, extra flags and system of the gzip header (RFC 1952, 2.3) say nothing about the content, nor do the bits
         * that fill up the first byte of a stored block (RFC 1951, 3.2.4). */
        for (size_t at = 0; at < bytes; at++) {
            memcpy(bad, good, bytes);
            bad[at] ^= 0x10;
            struct page_trace *trace = trace_file_parse("t", bad, bytes, why, sizeof why);
            cr_assert(trace == NULL || (at >= 3 && at < 10) || (at == 10 && level == 0),
                      "byte %zu changed", at);
            trace_file_free(trace);
        }
        memcpy(bad, good, bytes);
        memset(bad + bytes, 'x', 20);
        cr_assert(trace_file_parse("t", bad, bytes + 20, why, sizeof why) == NULL);
        cr_assert_str_eq(why, "t:12: the gzip data are damaged");
    }
    cr_assert(trace_file_parse("t", text, length, why, sizeof why) == NULL);
    cr_assert_str_eq(why, "t:1: not a gzip file");
    /* Two members are one text (RFC 1952, 2.2). */
    size_t first = compress_text(text, 100, 6, bad, sizeof bad);
    size_t all =
        first + compress_text(text + 100, length - 100, 6, bad + first, sizeof bad - first);
    struct page_trace *trace = trace_file_parse("t", bad, all, why, sizeof why);
    cr_assert(trace != NULL, "two members: %s", why);
    trace_file_free(trace);
}

/* Longer than the reader's buffer, with ranges across its borders. */
Test(trace_file, reads_long_traces)
{
    uint64_t state = 9;
    char *text = malloc(1 << 20);
    uint8_t *bytes = malloc(1 << 20);
    struct page_trace_range *ranges = malloc(60000 * sizeof *ranges);
    cr_assert(text != NULL && bytes != NULL && ranges != NULL);
    uint32_t count = 0;
    uint64_t pages = 0;
    char *lines = malloc(1 << 20);
    cr_assert(lines != NULL);
    size_t at = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t end = 0;
        at += (size_t)sprintf(lines + at, "I %u", i);
        for (uint32_t r = 0; r < 20; r++) {
            uint32_t gap = (r > 0) + (uint32_t)fixture_below(&state, 100000);
            uint32_t length = 1 + (uint32_t)fixture_below(&state, 1000);
            at += (size_t)(length == 1 ? sprintf(lines + at, " %u", gap)
                                       : sprintf(lines + at, " %u+%u", gap, length));
            ranges[count++] = (struct page_trace_range){end + gap, length};
            end += gap + length;
            pages += length;
        }
        at += (size_t)sprintf(lines + at, "\n");
    }
    size_t length = (size_t)sprintf(text,
                                    "# pwt: 1\n# ram_pages: 4000000\n# interval_ns: 1\n"
                                    "# intervals: 3001\n# page_writes: %llu\n",
                                    (unsigned long long)pages);
    cr_assert(length + at < 1 << 20);
    memcpy(text + length, lines, at);
    size_t packed = compress_text(text, length + at, 1, bytes, 1 << 20);
    char why[256];
    struct page_trace *trace = trace_file_parse("t", bytes, packed, why, sizeof why);
    cr_assert(trace != NULL, "%s", why);
    trace_file_check(trace);
    cr_assert_eq(trace->starts[3001], count);
    cr_assert_eq(memcmp(trace->ranges, ranges, count * sizeof *ranges), 0);
    trace_file_free(trace);
    free(lines);
    free(ranges);
    free(bytes);
    free(text);
}
