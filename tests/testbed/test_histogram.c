/* Percentiles against a sorted array. */
#include "sim/chance.h"
#include "testbed/histogram.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define VALUES_MAX 3000u

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The value that at least `ppm` millionths do not exceed, by counting. */
static int64_t plainly(const int64_t *sorted, uint32_t count, uint32_t ppm)
{
    uint32_t i = 0;
    while ((uint64_t)(i + 1) * 1000000 < (uint64_t)count * ppm) {
        i++;
    }
    return sorted[i];
}

static const struct {
    const char *name;
    uint32_t count;
    uint32_t bits; /* values below 2^bits, each power of two as often as the next */
    int64_t base;
} rows[] = {
    {"one value", 1, 40, 0},
    {"two", 2, 20, 0},
    {"small ones, kept as they are", 2000, 7, 0},
    {"times of a network", 3000, 12, 23904},
    {"from nanoseconds to hours", 3000, 42, 0},
    {"all there are", 3000, 63, 0},
    {"at the very top", 1000, 10, INT64_MAX - 1024},
};

Test(histogram, percentiles_are_at_most_a_bucket_too_large)
{
    static const uint32_t ppms[] = {1,      100,    1000,   10000,  125000,  500000,
                                    900000, 990000, 999000, 999999, 1000000, 333333};
    static int64_t values[VALUES_MAX];
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct histogram histogram = {.count = 0};
        struct chance key = chance_key(3, "test.histogram", rows[row].name);
        uint64_t draw = 0;
        for (uint32_t i = 0; i < rows[row].count; i++) {
            uint64_t bits = chance_below(key, draw++, rows[row].bits + 1);
            values[i] = rows[row].base +
                        (int64_t)(bits == 0 ? 0 : chance_below(key, draw++, UINT64_C(1) << bits));
            histogram_add(&histogram, values[i]);
        }
        histogram_check(&histogram);
        qsort(values, rows[row].count, sizeof *values, compare);
        cr_expect_eq(histogram.min, values[0], "%s", rows[row].name);
        cr_expect_eq(histogram.max, values[rows[row].count - 1], "%s", rows[row].name);
        for (size_t i = 0; i < sizeof ppms / sizeof *ppms; i++) {
            int64_t plain = plainly(values, rows[row].count, ppms[i]);
            int64_t said = histogram_percentile(&histogram, ppms[i]);
            cr_expect(said >= plain && said - plain <= plain / 128 && said <= histogram.max,
                      "%s: %u millionths are %lld instead of %lld", rows[row].name, ppms[i],
                      (long long)said, (long long)plain);
        }
        histogram_close(&histogram);
        cr_expect_eq(histogram.count, 0);
    }
}

/* A bucket ends where the next one begins: each value comes back as itself or the end of its bucket, and none is out of order. */
Test(histogram, edges)
{
    int64_t before = -1;
    for (uint32_t bits = 0; bits < 63; bits++) {
        for (int64_t around = -2; around <= 2; around++) {
            int64_t value = (INT64_C(1) << bits) + around;
            if (value < 0 || value <= before) {
                continue;
            }
            struct histogram histogram = {.count = 0};
            histogram_add(&histogram, value);
            histogram_add(&histogram, INT64_MAX);
            int64_t said = histogram_percentile(&histogram, 500000);
            cr_expect(said >= value && said - value <= value / 128, "%lld is %lld",
                      (long long)value, (long long)said);
            histogram_close(&histogram);
            before = value;
        }
    }
    struct histogram histogram = {.count = 0};
    histogram_add(&histogram, -5);
    cr_expect_eq(histogram_percentile(&histogram, 1), 0, "a value below 0 counts as 0");
    histogram_close(&histogram);
}
