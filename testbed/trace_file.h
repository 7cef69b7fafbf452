/* testbed/trace_file.h - reads a page-write trace (.pwt.gz, docs/formats.md) into memory, and believes nothing in it.
 *
 *     # pwt: 1            header: "# KEY: VALUE"; keys that are not known are passed over
 *     # ram_pages: 131072
 *     ...
 *     I 0 0 5+138 15+2    interval, then ranges of pages: gap to the end of the last one, and length if it is not 1
 *
 *  F1. A trace that is returned is whole: the gzip stream came to its end with the right checksum, intervals and ranges rise, every page
 *      lies in RAM, and the pages add up to what the header says.
 *  F2. What is wrong is told with its line in the uncompressed text: the first thing only, for what follows it would mislead.
 *  F3. Memory stays below 8 bytes an interval and 16 bytes a range, within the limits below, whatever the file claims or unpacks to. */
#ifndef ORRERY_TESTBED_TRACE_FILE_H
#define ORRERY_TESTBED_TRACE_FILE_H

#include "vm/page_trace.h"

#define TRACE_FILE_BYTES_MAX     (UINT64_C(1) << 28) /* compressed */
#define TRACE_FILE_INTERVALS_MAX (UINT32_C(1) << 22) /* 11 hours of 10 ms */
#define TRACE_FILE_RANGES_MAX    (UINT32_C(1) << 26)
#define TRACE_FILE_RAM_PAGES_MAX UINT32_MAX /* 16 TiB */
#define TRACE_FILE_HEADER_MAX    4096u      /* bytes of a header line */

/* A trace of the bytes of a .pwt.gz file. NULL where they are none: then `why` holds "NAME:LINE: what is wrong", in lower case and
 * without a final full stop ("NAME: ..." where it concerns the file as a whole). Freed with trace_file_free. */
struct page_trace *trace_file_parse(const char *name, const void *bytes, size_t length, char *why,
                                    size_t why_capacity);
void trace_file_free(struct page_trace *trace); /* NULL is fine */
/* Asserts F1 as far as it concerns the intervals. */
void trace_file_check(const struct page_trace *trace);

#endif
