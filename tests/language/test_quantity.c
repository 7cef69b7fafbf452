#include <criterion/criterion.h>
#include <string.h>

#include "sim/chance.h"
#include "testbed/quantity.h"

static const struct {
    enum quantity_kind kind;
    const char *text;
    int64_t value; /* QUANTITY_ABSENT: refused */
    const char *error;
} cases[] = {
    {QUANTITY_TIME, "0s", 0, NULL},
    {QUANTITY_TIME, "1ns", 1, NULL},
    {QUANTITY_TIME, "1.5s", 1500000000, NULL},
    {QUANTITY_TIME, "0.000000001s", 1, NULL},
    {QUANTITY_TIME, "1.500000000000s", 1500000000, NULL},
    {QUANTITY_TIME, "10min", 600 * SIM_S, NULL},
    {QUANTITY_TIME, "-2s", -2 * SIM_S, NULL},
    {QUANTITY_TIME, "+2s", 2 * SIM_S, NULL},
    {QUANTITY_TIME, "9223372036854775807ns", INT64_MAX, NULL},
    {QUANTITY_TIME, "-9223372036854775807ns", -INT64_MAX, NULL},
    {QUANTITY_TIME, "9223372036854775808ns", QUANTITY_ABSENT, "is too large"},
    {QUANTITY_TIME, "9223372037s", QUANTITY_ABSENT, "is too large"},
    {QUANTITY_TIME, "99999999999999999999h", QUANTITY_ABSENT, "is too large"},
    {QUANTITY_TIME, "999999999999999999999s", QUANTITY_ABSENT, "is too large"},
    {QUANTITY_TIME, "0.5ns", QUANTITY_ABSENT,
     "is finer than one nanosecond, the smallest step of a time"},
    {QUANTITY_TIME, "0.0000000000000000001s", QUANTITY_ABSENT, "has too many decimals"},
    {QUANTITY_TIME, "5", QUANTITY_ABSENT, "needs a unit: ns, us, ms, s, min or h"},
    {QUANTITY_TIME, "", QUANTITY_ABSENT, "is not a time, as in 500ms"},
    {QUANTITY_TIME, "soon", QUANTITY_ABSENT, "is not a time, as in 500ms"},
    {QUANTITY_TIME, "5 s", QUANTITY_ABSENT, "has a space before its unit; write the two together"},
    {QUANTITY_TIME, "5S", QUANTITY_ABSENT, "has the unknown unit 'S'; did you mean 's'?"},
    {QUANTITY_TIME, "05s", QUANTITY_ABSENT,
     "has a leading zero, which some readers take for octal; leave it out"},
    {QUANTITY_TIME, ".5s", QUANTITY_ABSENT, "starts with a point; write 0 before it"},
    {QUANTITY_TIME, "5.s", QUANTITY_ABSENT,
     "has the unknown unit '.s'; units of a time: ns, us, ms, s, min or h"},
    {QUANTITY_TIME, "5MiB", QUANTITY_ABSENT, "is a size; expected a time, as in 500ms"},
    {QUANTITY_TIME, "1e3s", QUANTITY_ABSENT,
     "has the unknown unit 'e3s'; units of a time: ns, us, ms, s, min or h"},
    {QUANTITY_TIME, "1:30", QUANTITY_ABSENT,
     "has a colon in its number; write a quantity with its unit, as in 90s"},
    {QUANTITY_SIZE, "1KiB", 1024, NULL},
    {QUANTITY_SIZE, "1kB", 1000, NULL},
    {QUANTITY_SIZE, "1.5GiB", INT64_C(1610612736), NULL},
    {QUANTITY_SIZE, "2TiB", INT64_C(2) << 40, NULL},
    {QUANTITY_SIZE, "8388607TiB", INT64_C(8388607) << 40, NULL},
    {QUANTITY_SIZE, "8388608TiB", QUANTITY_ABSENT, "is too large"},
    {QUANTITY_SIZE, "1.5B", QUANTITY_ABSENT, "is finer than one byte, the smallest step of a size"},
    {QUANTITY_SIZE, "1_000B", QUANTITY_ABSENT, "has an underscore in its number; leave it out"},
    {QUANTITY_SIZE, "1,000B", QUANTITY_ABSENT,
     "has a comma in its number; decimals come after a point, and thousands are not marked"},
    {QUANTITY_RATE, "1Gbit/s", 1000000000, NULL},
    {QUANTITY_RATE, "2.5Gbit/s", INT64_C(2500000000), NULL},
    {QUANTITY_RATE, "1MB/s", 8000000, NULL},
    {QUANTITY_RATE, "1MiB/s", 8388608, NULL},
    {QUANTITY_RATE, "0.125B/s", 1, NULL},
    {QUANTITY_RATE, "1Gbit", QUANTITY_ABSENT,
     "has the unknown unit 'Gbit'; did you mean 'Gbit/s'?"},
    {QUANTITY_FREQUENCY, "5000/s", INT64_C(18000000), NULL},
    {QUANTITY_FREQUENCY, "10/min", 600, NULL},
    {QUANTITY_FREQUENCY, "0.5/min", 30, NULL},
    {QUANTITY_FREQUENCY, "1/h", 1, NULL},
    {QUANTITY_FREQUENCY, "0.5/h", QUANTITY_ABSENT,
     "is finer than one occurrence an hour, the smallest step of a frequency"},
    {QUANTITY_FREQUENCY, "100", QUANTITY_ABSENT, "needs a unit: /s, /min or /h"},
    {QUANTITY_SHARE, "100%", QUANTITY_WHOLE_PPB, NULL},
    {QUANTITY_SHARE, "0.0000001%", 1, NULL},
    {QUANTITY_SHARE, "2.5%", 25000000, NULL},
    {QUANTITY_SHARE, "0.00000001%", QUANTITY_ABSENT,
     "is finer than one billionth, the smallest step of a share"},
    {QUANTITY_DRIFT, "-20ppm", -20000, NULL},
    {QUANTITY_DRIFT, "1.5ppm", 1500, NULL},
    {QUANTITY_DRIFT, "3ppb", 3, NULL},
    {QUANTITY_FACTOR, "1.5", 1500000000, NULL},
    {QUANTITY_FACTOR, "6", INT64_C(6000000000), NULL},
    {QUANTITY_FACTOR, "6x", QUANTITY_ABSENT, "is not a factor, as in 1.5"},
    {QUANTITY_COUNT, "10", 10, NULL},
    {QUANTITY_COUNT, "9223372036854775807", INT64_MAX, NULL},
    {QUANTITY_COUNT, "10.0", 10, NULL},
    {QUANTITY_COUNT, "1.5", QUANTITY_ABSENT, "is not a whole number"},
    {QUANTITY_COUNT, "0x10", QUANTITY_ABSENT, "is not a whole number, as in 10"},
    {QUANTITY_COUNT, "10s", QUANTITY_ABSENT, "is a time; expected a whole number, as in 10"},
};

Test(quantity, texts_are_read_exactly_or_refused)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = QUANTITY_ABSENT;
        char error[QUANTITY_ERROR_BYTES] = "";
        bool read = quantity_parse(cases[i].kind, cases[i].text, &value, error);
        cr_expect_eq(read, cases[i].value != QUANTITY_ABSENT, "'%s': %s", cases[i].text, error);
        cr_expect_eq(value, cases[i].value, "'%s' is %lld", cases[i].text, (long long)value);
        cr_expect(read || (cases[i].error != NULL && strcmp(error, cases[i].error) == 0), "'%s' %s",
                  cases[i].text, error);
    }
}

static const struct {
    enum quantity_kind kind;
    int64_t value;
    const char *exact, *rounded;
} prints[] = {
    {QUANTITY_TIME, 0, "0s", "0 ns"},
    {QUANTITY_TIME, 1, "1ns", "1 ns"},
    {QUANTITY_TIME, 100 * SIM_MS, "100ms", "100 ms"},
    {QUANTITY_TIME, 550 * SIM_MS, "550ms", "550 ms"},
    {QUANTITY_TIME, 79412345, "79412345ns", "79.4 ms"},
    {QUANTITY_TIME, 1500 * SIM_MS, "1.5s", "1.50 s"},
    {QUANTITY_TIME, -2 * SIM_S, "-2s", "-2.00 s"},
    {QUANTITY_TIME, 90 * SIM_S, "90s", "90.0 s"},
    {QUANTITY_TIME, 600 * SIM_S, "600s", "10.0 min"},
    {QUANTITY_TIME, 300 * SIM_S, "5min", "300 s"},
    {QUANTITY_TIME, 3600 * SIM_S, "1h", "1.00 h"},
    {QUANTITY_SIZE, 1500, "1500B", "1.46 KiB"},
    {QUANTITY_SIZE, 1 << 20, "1MiB", "1.00 MiB"},
    {QUANTITY_SIZE, 1000000, "1MB", "977 KiB"},
    {QUANTITY_SIZE, INT64_C(1) << 30, "1GiB", "1.00 GiB"},
    {QUANTITY_RATE, 1000000000, "1Gbit/s", "1.00 Gbit/s"},
    {QUANTITY_RATE, 941500000, "941500kbit/s", "942 Mbit/s"},
    {QUANTITY_FREQUENCY, 18000000, "5000/s", "5000/s"},
    {QUANTITY_FREQUENCY, 1, "1/h", "1/h"},
    {QUANTITY_SHARE, 25000000, "2.5%", "2.50 %"},
    {QUANTITY_SHARE, 1, "0.0000001%", "0.00 %"},
    {QUANTITY_DRIFT, -20000, "-20ppm", "-20.0 ppm"},
    {QUANTITY_FACTOR, 1500000000, "1.5", "1.50"},
    {QUANTITY_COUNT, -7, "-7", "-7"},
};

Test(quantity, values_are_printed_for_machines_and_for_people)
{
    for (size_t i = 0; i < sizeof(prints) / sizeof(prints[0]); i++) {
        char text[QUANTITY_TEXT_BYTES];
        cr_expect_str_eq(quantity_print(prints[i].kind, prints[i].value, text), prints[i].exact);
        cr_expect_str_eq(quantity_print_rounded(prints[i].kind, prints[i].value, text),
                         prints[i].rounded);
    }
}

/* Q4: numbers of every size, round and not. */
Test(quantity, what_is_printed_is_read_back)
{
    struct chance key = chance_key(1, "test.quantity", "language");
    for (uint64_t draw = 0; draw < 40000; draw++) {
        enum quantity_kind kind = (enum quantity_kind)(draw % QUANTITY_KINDS);
        uint64_t bits = chance_at(key, draw);
        int64_t value = (int64_t)(bits >> (1 + draw / QUANTITY_KINDS % 63));
        static const int64_t steps[] = {1, 1000, 1024, 60000000000, 1 << 20, 10000000, 3600};
        int64_t step = steps[bits % 7];
        value = draw % 3 == 0 ? value / step * step : value;
        value = bits & 1 ? -value : value;
        char text[QUANTITY_TEXT_BYTES], error[QUANTITY_ERROR_BYTES];
        int64_t again;
        quantity_print(kind, value, text);
        cr_assert(quantity_parse(kind, text, &again, error), "%s %s", text, error);
        cr_assert_eq(again, value, "%lld became %s and then %lld", (long long)value, text,
                     (long long)again);
    }
}

Test(quantity, scanning_finds_the_kind_and_the_end)
{
    static const struct {
        const char *text;
        size_t length;
        bool read;
        enum quantity_kind kind;
        int64_t value;
    } scans[] = {
        {"500ms", 5, true, QUANTITY_TIME, 500 * SIM_MS},
        {"500ms)", 5, true, QUANTITY_TIME, 500 * SIM_MS},
        {"5/s and", 3, true, QUANTITY_FREQUENCY, 18000},
        {"10 * 2", 2, true, QUANTITY_COUNT, 10},
        {"1.5 ", 3, true, QUANTITY_FACTOR, 1500000000},
        {"1%<", 2, true, QUANTITY_SHARE, 10000000},
        {"1Mbit/s", 7, true, QUANTITY_RATE, 1000000},
        {"1parsec ", 7, false, QUANTITY_TIME, 0},
        {"10/2", 4, false, QUANTITY_TIME, 0},
    };
    for (size_t i = 0; i < sizeof(scans) / sizeof(scans[0]); i++) {
        size_t length;
        enum quantity_kind kind = QUANTITY_KINDS;
        int64_t value = 0;
        char error[QUANTITY_ERROR_BYTES];
        bool read = quantity_scan(scans[i].text, &length, &kind, &value, error);
        cr_expect_eq(read, scans[i].read, "%s", scans[i].text);
        cr_expect_eq(length, scans[i].length, "%s: %zu", scans[i].text, length);
        cr_expect(!read || (kind == scans[i].kind && value == scans[i].value), "%s", scans[i].text);
    }
}

Test(quantity, occurrences_do_not_overflow)
{
    int64_t per_hour;
    char error[QUANTITY_ERROR_BYTES];
    cr_assert(quantity_parse(QUANTITY_FREQUENCY, "15259/s", &per_hour, error));
    cr_expect_eq(quantity_occurrences(per_hour, SIM_S), 15259);
    cr_expect_eq(quantity_occurrences(per_hour, 10 * SIM_S - 1), 152589);
    cr_expect_eq(quantity_occurrences(per_hour, 0), 0);
    cr_expect_eq(quantity_occurrences(1, QUANTITY_HOUR_NS - 1), 0);
    cr_expect_eq(quantity_occurrences(1, QUANTITY_HOUR_NS), 1);
    cr_expect_eq(quantity_occurrences(INT64_C(3600000000000), INT64_MAX),
                 UINT64_C(9223372036854775807));
    cr_expect_eq(quantity_occurrences(INT64_MAX, INT64_MAX), UINT64_MAX);
}
