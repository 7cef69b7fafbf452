/* testbed/quantity.h - numbers that carry their unit, in exact integers.
 *
 *      kind        written as                                   held as
 *      time        ns us ms s min h                 1.5s        nanoseconds
 *      size        B KiB MiB GiB TiB kB MB GB TB    64MiB       bytes
 *      rate        bit/s kbit/s Mbit/s Gbit/s       1Gbit/s     bits a second
 *                  B/s kB/s MB/s GB/s KiB/s MiB/s GiB/s
 *      frequency   /s /min /h                       5000/s      occurrences an hour
 *      share       %                                2.5%        parts per billion
 *      drift       ppm ppb                          -20ppm      parts per billion
 *      factor      (a bare number)                  1.5         parts per billion
 *      count       (a bare whole number)            10          itself
 *
 *  Q1. A number is digits, with a fraction where a point stands between digits; no sign but in the kinds that may be negative
 *      (time, drift, count), no exponent, underscore, leading zero or space before the unit: such forms mean different things to
 *      different readers.
 *  Q2. The result is exact. What does not come out whole in the held unit (0.5ns, 1.5B) is an error, never rounded.
 *  Q3. What does not fit int64_t is an error. QUANTITY_ABSENT (INT64_MIN) is never the value of anything.
 *  Q4. quantity_parse(quantity_print(x)) == x for every value that a scenario can hold.
 *
 * Decimal prefixes are powers of 1,000 and binary ones of 1,024 (IEC 80000-13). */
#ifndef ORRERY_TESTBED_QUANTITY_H
#define ORRERY_TESTBED_QUANTITY_H

#include "sim/types.h"

#define QUANTITY_ABSENT      INT64_MIN /* "not given", in typed structs */
#define QUANTITY_TEXT_BYTES  48u
#define QUANTITY_ERROR_BYTES 256u
#define QUANTITY_WHOLE_PPB   INT64_C(1000000000) /* 100 %, or a factor of 1 */
#define QUANTITY_HOUR_NS     (INT64_C(3600) * SIM_S)

enum quantity_kind {
    QUANTITY_TIME,
    QUANTITY_SIZE,
    QUANTITY_RATE,
    QUANTITY_FREQUENCY,
    QUANTITY_SHARE,
    QUANTITY_DRIFT,
    QUANTITY_FACTOR,
    QUANTITY_COUNT,
    QUANTITY_KINDS
};

/* "time", "size", ... and "ns, us, ms, s, min or h" */
const char *quantity_kind_name(enum quantity_kind kind);
const char *quantity_kind_units(enum quantity_kind kind);

/* True and the value, or false and what is wrong and what was expected ("needs a unit: ns, us, ms, s, min or h"), to follow
 * the quoted word in a message. */
SIM_CHECKED bool quantity_parse(enum quantity_kind kind, const char *text, int64_t *out,
                                char error[QUANTITY_ERROR_BYTES]);

/* Reads the number and the unit that `text` starts with, whichever kind the unit belongs to; a bare number is a count, or a factor
 * where it has a fraction. For constants in expressions. `length` is that of what was read, also when it fails. */
SIM_CHECKED bool quantity_scan(const char *text, size_t *length, enum quantity_kind *kind,
                               int64_t *out, char error[QUANTITY_ERROR_BYTES]);

/* An exact text, in the unit that makes it easiest to read. Returns `out`. */
const char *quantity_print(enum quantity_kind kind, int64_t value, char out[QUANTITY_TEXT_BYTES]);
/* For people: three significant digits ("79.4 ms", "1.25 GiB"), rounded half up. Returns `out`. */
const char *quantity_print_rounded(enum quantity_kind kind, int64_t value,
                                   char out[QUANTITY_TEXT_BYTES]);

/* How often something of a frequency happens in the first `elapsed_ns` of it, rounded down. */
uint64_t quantity_occurrences(int64_t per_hour, sim_time elapsed_ns);

#endif
