#include "testbed/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/diagnostics.h"

__extension__ typedef unsigned __int128 quantity_wide;

#define WHOLE_DIGITS_MAX    20u /* more cannot fit int64_t */
#define FRACTION_DIGITS_MAX 18u

struct unit {
    const char *name;
    enum quantity_kind kind;
    uint64_t scale;     /* in the unit that values are held in */
    bool never_printed; /* understood, but another one of its kind is printed */
};

#define KIBI (UINT64_C(1) << 10)
#define MEBI (UINT64_C(1) << 20)
#define GIBI (UINT64_C(1) << 30)
#define TEBI (UINT64_C(1) << 40)
#define KILO UINT64_C(1000)
#define MEGA UINT64_C(1000000)
#define GIGA UINT64_C(1000000000)
#define TERA UINT64_C(1000000000000)

/* Within a kind, the earlier is preferred where two texts are equally short. */
static const struct unit units[] = {
    {"h", QUANTITY_TIME, 3600 * GIGA, false}, {"min", QUANTITY_TIME, 60 * GIGA, false},
    {"s", QUANTITY_TIME, GIGA, false},        {"ms", QUANTITY_TIME, MEGA, false},
    {"us", QUANTITY_TIME, KILO, false},       {"ns", QUANTITY_TIME, 1, false},
    {"TiB", QUANTITY_SIZE, TEBI, false},      {"GiB", QUANTITY_SIZE, GIBI, false},
    {"MiB", QUANTITY_SIZE, MEBI, false},      {"KiB", QUANTITY_SIZE, KIBI, false},
    {"TB", QUANTITY_SIZE, TERA, false},       {"GB", QUANTITY_SIZE, GIGA, false},
    {"MB", QUANTITY_SIZE, MEGA, false},       {"kB", QUANTITY_SIZE, KILO, false},
    {"B", QUANTITY_SIZE, 1, false},           {"Gbit/s", QUANTITY_RATE, GIGA, false},
    {"Mbit/s", QUANTITY_RATE, MEGA, false},   {"kbit/s", QUANTITY_RATE, KILO, false},
    {"bit/s", QUANTITY_RATE, 1, false},       {"GiB/s", QUANTITY_RATE, 8 * GIBI, true},
    {"MiB/s", QUANTITY_RATE, 8 * MEBI, true}, {"KiB/s", QUANTITY_RATE, 8 * KIBI, true},
    {"GB/s", QUANTITY_RATE, 8 * GIGA, true},  {"MB/s", QUANTITY_RATE, 8 * MEGA, true},
    {"kB/s", QUANTITY_RATE, 8 * KILO, true},  {"B/s", QUANTITY_RATE, 8, true},
    {"/s", QUANTITY_FREQUENCY, 3600, false},  {"/min", QUANTITY_FREQUENCY, 60, false},
    {"/h", QUANTITY_FREQUENCY, 1, false},     {"%", QUANTITY_SHARE, 10 * MEGA, false},
    {"ppm", QUANTITY_DRIFT, KILO, false},     {"ppb", QUANTITY_DRIFT, 1, false},
    {"", QUANTITY_FACTOR, GIGA, false},       {"", QUANTITY_COUNT, 1, false},
};
#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

static const struct {
    const char *name, *units, *example, *finest;
} kinds[QUANTITY_KINDS] = {
    [QUANTITY_TIME] = {"a time", "ns, us, ms, s, min or h", "500ms", "nanosecond"},
    [QUANTITY_SIZE] = {"a size", "B, KiB, MiB, GiB, TiB, kB, MB, GB or TB", "64MiB", "byte"},
    [QUANTITY_RATE] =
        {"a rate", "bit/s, kbit/s, Mbit/s, Gbit/s, B/s, kB/s, MB/s, GB/s, KiB/s, MiB/s or GiB/s",
         "1Gbit/s", "bit a second"},
    [QUANTITY_FREQUENCY] = {"a frequency", "/s, /min or /h", "5000/s", "occurrence an hour"},
    [QUANTITY_SHARE] = {"a share", "%", "2.5%", "billionth"},
    [QUANTITY_DRIFT] = {"a drift", "ppm or ppb", "-20ppm", "billionth"},
    [QUANTITY_FACTOR] = {"a factor", "", "1.5", "billionth"},
    [QUANTITY_COUNT] = {"a whole number", "", "10", "one"},
};

const char *quantity_kind_name(enum quantity_kind kind)
{
    SIM_ASSERT(kind < QUANTITY_KINDS);
    return kinds[kind].name;
}

const char *quantity_kind_units(enum quantity_kind kind)
{
    SIM_ASSERT(kind < QUANTITY_KINDS);
    return kinds[kind].units;
}

static bool fail(char error[QUANTITY_ERROR_BYTES], const char *message)
{
    snprintf(error, QUANTITY_ERROR_BYTES, "%s", message);
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number as it stands: mantissa / 10^decimals. */
struct number {
    bool negative, fraction;
    quantity_wide mantissa;
    uint32_t decimals;
    size_t length;
};

static bool number_scan(const char *text, struct number *out, char error[QUANTITY_ERROR_BYTES])
{
    *out = (struct number){0};
    const char *at = text;
    if (*at == '-' || *at == '+') {
        out->negative = *at == '-';
        at++;
    }
    size_t whole = strspn(at, "0123456789");
    if (whole == 0) {
        return fail(error,
                    *at == '.' ? "starts with a point; write 0 before it" : "is not a number");
    }
    if (at[0] == '0' && whole > 1) {
        return fail(error, "has a leading zero, which some readers take for octal; leave it out");
    }
    if (whole > WHOLE_DIGITS_MAX) {
        return fail(error, "is too large");
    }
    for (size_t i = 0; i < whole; i++) {
        out->mantissa = out->mantissa * 10 + (unsigned)(at[i] - '0');
    }
    at += whole;
    if (*at == '.' && is_digit(at[1])) {
        size_t digits = strspn(at + 1, "0123456789");
        size_t counted = digits;
        while (counted > 0 && at[counted] == '0') {
            counted--;
        }
        if (counted > FRACTION_DIGITS_MAX) {
            return fail(error, "has too many decimals");
        }
        for (size_t i = 1; i <= counted; i++) {
            out->mantissa = out->mantissa * 10 + (unsigned)(at[i] - '0');
        }
        out->decimals = (uint32_t)counted;
        out->fraction = true;
        at += 1 + digits;
    }
    out->length = (size_t)(at - text);
    return true;
}

static bool number_scale(const struct number *number, const struct unit *unit, int64_t *out,
                         char error[QUANTITY_ERROR_BYTES])
{
    quantity_wide power = 1;
    for (uint32_t i = 0; i < number->decimals; i++) {
        power *= 10;
    }
    if (number->mantissa != 0 && unit->scale > ~(quantity_wide)0 / number->mantissa) {
        return fail(error, "is too large");
    }
    quantity_wide product = number->mantissa * unit->scale;
    if (product / power > (quantity_wide)INT64_MAX) {
        return fail(error, "is too large");
    }
    if (product % power != 0 && unit->kind == QUANTITY_COUNT) {
        return fail(error, "is not a whole number");
    }
    if (product % power != 0) {
        snprintf(error, QUANTITY_ERROR_BYTES, "is finer than one %s, the smallest step of %s",
                 kinds[unit->kind].finest, kinds[unit->kind].name);
        return false;
    }
    int64_t value = (int64_t)(product / power);
    *out = number->negative ? -value : value;
    SIM_ASSERT(*out != QUANTITY_ABSENT);
    return true;
}

static const struct unit *unit_find(const char *name, size_t length)
{
    for (size_t i = 0; i < UNIT_COUNT && length > 0; i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0) {
            return &units[i];
        }
    }
    return NULL;
}

static const struct unit *unit_bare(enum quantity_kind kind)
{
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (units[i].kind == kind && units[i].name[0] == '\0') {
            return &units[i];
        }
    }
    return NULL;
}

/* What people write out of habit; the nearest word by letters would be another unit for some (Gb/s is not GB/s).
 * Where the kind is open, the first row counts. */
static const struct {
    const char *written;
    enum quantity_kind kind;
    const char *advice;
} habits[] = {
    {"sec", QUANTITY_TIME, "did you mean 's'?"},
    {"secs", QUANTITY_TIME, "did you mean 's'?"},
    {"second", QUANTITY_TIME, "did you mean 's'?"},
    {"seconds", QUANTITY_TIME, "did you mean 's'?"},
    {"msec", QUANTITY_TIME, "did you mean 'ms'?"},
    {"usec", QUANTITY_TIME, "did you mean 'us'?"},
    {"m", QUANTITY_TIME, "'min' is a minute and 'ms' a millisecond"},
    {"minute", QUANTITY_TIME, "did you mean 'min'?"},
    {"minutes", QUANTITY_TIME, "did you mean 'min'?"},
    {"hour", QUANTITY_TIME, "did you mean 'h'?"},
    {"hours", QUANTITY_TIME, "did you mean 'h'?"},
    {"d", QUANTITY_TIME, "days are written in hours, as in 24h"},
    {"T", QUANTITY_SIZE, "did you mean 'TiB'?"},
    {"G", QUANTITY_SIZE, "did you mean 'GiB'?"},
    {"g", QUANTITY_SIZE, "did you mean 'GiB'?"},
    {"M", QUANTITY_SIZE, "did you mean 'MiB'?"},
    {"m", QUANTITY_SIZE, "did you mean 'MiB'?"},
    {"K", QUANTITY_SIZE, "did you mean 'KiB'?"},
    {"k", QUANTITY_SIZE, "did you mean 'KiB'?"},
    {"Gb/s", QUANTITY_RATE, "did you mean 'Gbit/s'?"},
    {"Gbps", QUANTITY_RATE, "did you mean 'Gbit/s'?"},
    {"gbps", QUANTITY_RATE, "did you mean 'Gbit/s'?"},
    {"G", QUANTITY_RATE, "did you mean 'Gbit/s'?"},
    {"Mb/s", QUANTITY_RATE, "did you mean 'Mbit/s'?"},
    {"Mbps", QUANTITY_RATE, "did you mean 'Mbit/s'?"},
    {"mbps", QUANTITY_RATE, "did you mean 'Mbit/s'?"},
    {"M", QUANTITY_RATE, "did you mean 'Mbit/s'?"},
    {"kb/s", QUANTITY_RATE, "did you mean 'kbit/s'?"},
    {"kbps", QUANTITY_RATE, "did you mean 'kbit/s'?"},
    {"bps", QUANTITY_RATE, "did you mean 'bit/s'?"},
    {"k/s", QUANTITY_FREQUENCY, "write the thousands out, as in 5000/s"},
    {"M/s", QUANTITY_FREQUENCY, "write the millions out, as in 2000000/s"},
    {"Hz", QUANTITY_FREQUENCY, "did you mean '/s'?"},
};
#define HABIT_COUNT (sizeof(habits) / sizeof(habits[0]))

/* NULL where nobody has the habit. `kind` QUANTITY_KINDS: any. */
static const char *habit_advice(enum quantity_kind kind, const char *unit)
{
    for (size_t i = 0; i < HABIT_COUNT; i++) {
        if ((kind == QUANTITY_KINDS || habits[i].kind == kind) &&
            strcmp(habits[i].written, unit) == 0) {
            return habits[i].advice;
        }
    }
    return NULL;
}

/* What to say of a unit that is none, or none of this kind. */
static bool fail_unit(enum quantity_kind kind, const char *unit, char error[QUANTITY_ERROR_BYTES])
{
    const struct unit *other = unit_find(unit, strlen(unit));
    if (other != NULL) {
        snprintf(error, QUANTITY_ERROR_BYTES, "is %s; expected %s, as in %s",
                 kinds[other->kind].name, kinds[kind].name, kinds[kind].example);
        return false;
    }
    if (kinds[kind].units[0] == '\0') {
        snprintf(error, QUANTITY_ERROR_BYTES, "is not %s, as in %s", kinds[kind].name,
                 kinds[kind].example);
        return false;
    }
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    char hint[DIAGNOSTICS_QUOTE_BYTES];
    char word[16];
    snprintf(word, sizeof(word), "%s", unit);
    const char *advice = habit_advice(kind, unit);
    if (advice != NULL) {
        snprintf(error, QUANTITY_ERROR_BYTES, "has the unknown unit %s; %s",
                 diagnostics_quote(word, quoted), advice);
        return false;
    }
    struct nearest_word nearest;
    nearest_word_init(&nearest, word);
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (units[i].kind == kind) {
            nearest_word_offer(&nearest, units[i].name);
        }
    }
    if (nearest.best != NULL) {
        snprintf(error, QUANTITY_ERROR_BYTES, "has the unknown unit %s%s",
                 diagnostics_quote(word, quoted), nearest_word_hint(&nearest, hint));
    } else {
        snprintf(error, QUANTITY_ERROR_BYTES, "has the unknown unit %s; units of %s: %s",
                 diagnostics_quote(word, quoted), kinds[kind].name, kinds[kind].units);
    }
    return false;
}

/* The number has been read, `rest` follows it. */
static bool parse_unit(enum quantity_kind kind, const char *rest, const struct unit **out,
                       char error[QUANTITY_ERROR_BYTES])
{
    if (*rest == '\0') {
        *out = unit_bare(kind);
        if (*out == NULL) {
            snprintf(error, QUANTITY_ERROR_BYTES, "needs a unit: %s", kinds[kind].units);
        }
        return *out != NULL;
    }
    if (*rest == ' ') {
        return fail(error, "has a space before its unit; write the two together");
    }
    if (*rest == '_') {
        return fail(error, "has an underscore in its number; leave it out");
    }
    if (*rest == ',') {
        return fail(
            error,
            "has a comma in its number; decimals come after a point, and thousands are not marked");
    }
    if (*rest == ':') {
        return fail(error, "has a colon in its number; write a quantity with its unit, as in 90s");
    }
    const struct unit *unit = unit_find(rest, strlen(rest));
    if (unit == NULL || unit->kind != kind) {
        return fail_unit(kind, rest, error);
    }
    *out = unit;
    return true;
}

bool quantity_parse(enum quantity_kind kind, const char *text, int64_t *out,
                    char error[QUANTITY_ERROR_BYTES])
{
    SIM_ASSERT(kind < QUANTITY_KINDS);
    struct number number;
    const struct unit *unit = NULL;
    if (!number_scan(text, &number, error)) {
        if (strcmp(error, "is not a number") == 0) {
            snprintf(error, QUANTITY_ERROR_BYTES, "is not %s, as in %s", kinds[kind].name,
                     kinds[kind].example);
        }
        return false;
    }
    if (!parse_unit(kind, text + number.length, &unit, error)) {
        return false;
    }
    return number_scale(&number, unit, out, error);
}

/* In an expression any unit may follow a number. */
static bool fail_unknown_unit(const char *unit, size_t length, char error[QUANTITY_ERROR_BYTES])
{
    char word[16], quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    struct nearest_word nearest;
    snprintf(word, sizeof(word), "%.*s", (int)(length < sizeof(word) ? length : sizeof(word) - 1),
             unit);
    nearest_word_init(&nearest, word);
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        nearest_word_offer(&nearest, units[i].name);
    }
    diagnostics_quote(word, quoted);
    const char *advice = habit_advice(QUANTITY_KINDS, word);
    if (advice != NULL) {
        snprintf(error, QUANTITY_ERROR_BYTES, "has the unknown unit %s; %s", quoted, advice);
    } else if (nearest.best != NULL) {
        snprintf(error, QUANTITY_ERROR_BYTES, "has the unknown unit %s%s", quoted,
                 nearest_word_hint(&nearest, hint));
    } else {
        snprintf(error, QUANTITY_ERROR_BYTES,
                 "has the unknown unit %s; there are ns us ms s min h, B KiB MiB GiB TiB, bit/s to "
                 "Gbit/s, /s /min /h, %%",
                 quoted);
    }
    return false;
}

bool quantity_scan(const char *text, size_t *length, enum quantity_kind *kind, int64_t *out,
                   char error[QUANTITY_ERROR_BYTES])
{
    struct number number;
    *length = strspn(text, "0123456789");
    if (!number_scan(text, &number, error)) {
        return false;
    }
    const char *rest = text + number.length;
    size_t unit_length =
        strspn(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_/%:0123456789");
    *length = number.length + unit_length;
    if (unit_length == 0) {
        *kind = number.fraction ? QUANTITY_FACTOR : QUANTITY_COUNT;
        return number_scale(&number, unit_bare(*kind), out, error);
    }
    const struct unit *unit = unit_find(rest, unit_length);
    if (unit == NULL) {
        return fail_unknown_unit(rest, unit_length, error);
    }
    *kind = unit->kind;
    return number_scale(&number, unit, out, error);
}

/* ---- printing ------------------------------------------------------------------------------------------------------ */

/* `magnitude` in `unit`, exactly, if nine decimals suffice. */
static bool print_in(const struct unit *unit, bool negative, uint64_t magnitude,
                     char out[QUANTITY_TEXT_BYTES])
{
    quantity_wide rest = magnitude % unit->scale;
    char fraction[12] = "";
    uint32_t digits = 0;
    while (rest != 0 && digits < 9) {
        rest *= 10;
        fraction[digits++] = (char)('0' + (int)(rest / unit->scale));
        rest %= unit->scale;
    }
    if (rest != 0) {
        return false;
    }
    snprintf(out, QUANTITY_TEXT_BYTES, "%s%" PRIu64 "%s%s%s", negative ? "-" : "",
             magnitude / unit->scale, digits > 0 ? "." : "", fraction, unit->name);
    return true;
}

/* Short is good, and whole numbers are easier than fractions, above all those below 1: 100ms, not 0.1s. */
static size_t reading_effort(const char *text)
{
    const char *digits = text + (*text == '-');
    return strlen(text) + (strchr(text, '.') != NULL ? 2 : 0) + (digits[0] == '0' ? 3 : 0);
}

const char *quantity_print(enum quantity_kind kind, int64_t value, char out[QUANTITY_TEXT_BYTES])
{
    SIM_ASSERT(kind < QUANTITY_KINDS);
    SIM_ASSERT(value != QUANTITY_ABSENT);
    uint64_t magnitude = value < 0 ? (uint64_t)-value : (uint64_t)value;
    out[0] = '\0';
    if (value == 0) {
        static const char *const zero[QUANTITY_KINDS] = {"0s", "0B",   "0bit/s", "0/s",
                                                         "0%", "0ppm", "0",      "0"};
        snprintf(out, QUANTITY_TEXT_BYTES, "%s", zero[kind]);
        return out;
    }
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        char candidate[QUANTITY_TEXT_BYTES];
        if (units[i].kind == kind && !units[i].never_printed &&
            print_in(&units[i], value < 0, magnitude, candidate) &&
            (out[0] == '\0' || reading_effort(candidate) < reading_effort(out))) {
            memcpy(out, candidate, sizeof(candidate));
        }
    }
    SIM_ASSERT(out[0] != '\0');
    return out;
}

/* Units for people: no decimal sizes, minutes only from ten of them on. */
static const struct unit *unit_for_people(enum quantity_kind kind, uint64_t magnitude)
{
    const struct unit *smallest = NULL;
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        const struct unit *unit = &units[i];
        bool decimal_size = kind == QUANTITY_SIZE && unit->scale % KILO == 0;
        if (unit->kind != kind || unit->never_printed || decimal_size) {
            continue;
        }
        smallest = unit;
        bool minutes = kind == QUANTITY_TIME && unit->scale == 60 * GIGA;
        if (magnitude >= (minutes ? 10 * unit->scale : unit->scale)) {
            return unit;
        }
    }
    return smallest;
}

const char *quantity_print_rounded(enum quantity_kind kind, int64_t value,
                                   char out[QUANTITY_TEXT_BYTES])
{
    SIM_ASSERT(value != QUANTITY_ABSENT);
    uint64_t magnitude = value < 0 ? (uint64_t)-value : (uint64_t)value;
    const struct unit *unit = unit_for_people(kind, magnitude);
    SIM_ASSERT(unit != NULL);
    const char *sign = value < 0 ? "-" : "";
    const char *gap = unit->name[0] == '\0' || unit->name[0] == '/' ? "" : " ";
    uint64_t whole = magnitude / unit->scale;
    uint32_t decimals = whole >= 100 || unit->scale == 1 ? 0 : whole >= 10 ? 1 : 2;
    uint64_t power = decimals == 0 ? 1 : decimals == 1 ? 10 : 100;
    quantity_wide scaled =
        ((quantity_wide)magnitude * power * 2 + unit->scale) / (2 * (quantity_wide)unit->scale);
    uint64_t rounded = (uint64_t)scaled;
    if (decimals == 0) {
        snprintf(out, QUANTITY_TEXT_BYTES, "%s%" PRIu64 "%s%s", sign, rounded, gap, unit->name);
    } else {
        snprintf(out, QUANTITY_TEXT_BYTES, "%s%" PRIu64 ".%0*" PRIu64 "%s%s", sign, rounded / power,
                 (int)decimals, rounded % power, gap, unit->name);
    }
    return out;
}

uint64_t quantity_occurrences(int64_t per_hour, sim_time elapsed_ns)
{
    SIM_ASSERT(per_hour >= 0);
    SIM_ASSERT(elapsed_ns >= 0);
    quantity_wide product = (quantity_wide)(uint64_t)per_hour * (uint64_t)elapsed_ns;
    quantity_wide result = product / (uint64_t)QUANTITY_HOUR_NS;
    return result > UINT64_MAX ? UINT64_MAX : (uint64_t)result;
}
