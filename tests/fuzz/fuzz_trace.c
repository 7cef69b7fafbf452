/* Any bytes as a page-write trace (F1 to F3 of testbed/trace_file.h): no crash, no read outside, bounded memory, and what is accepted is whole.
 *
 * What does not begin as gzip does is taken for the text and stored in a gzip stream, so that mutations reach the text. */
#include "sim/assert.h"
#include "testbed/trace_file.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const uint8_t *bytes, size_t length)
{
    char why[256] = "";
    struct page_trace *trace = trace_file_parse("t", bytes, length, why, sizeof why);
    SIM_ASSERT((trace == NULL) == (why[0] != '\0'));
    if (trace != NULL) {
        trace_file_check(trace);
    }
    trace_file_free(trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 2 && data[0] == 0x1f && data[1] == 0x8b) {
        parse(data, size);
        return 0;
    }
    z_stream zip = {0};
    SIM_ASSERT(deflateInit2(&zip, 0, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t room = deflateBound(&zip, size) + 64;
    uint8_t *bytes = malloc(room), *text = malloc(size + 1);
    SIM_ASSERT(bytes != NULL && text != NULL);
    memcpy(text, data, size);
    zip.next_in = text;
    zip.avail_in = (uInt)size;
    zip.next_out = bytes;
    zip.avail_out = (uInt)room;
    SIM_ASSERT(deflate(&zip, Z_FINISH) == Z_STREAM_END);
    parse(bytes, room - zip.avail_out);
    (void)deflateEnd(&zip);
    free(text);
    free(bytes);
    return 0;
}
