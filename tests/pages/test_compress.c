/* The table of compressed sizes and the estimate, against the zlib that is there. The model never asks zlib; this only shows
 * that the numbers written down are near what it does. */
#include "sim/page_compress.h"

#include "sim/page.h"
#include "tests/pages/random.h"

#include <criterion/criterion.h>
#include <string.h>
#include <zlib.h>

static uint32_t zlib_bytes(const uint8_t *bytes, uint32_t length)
{
    uint8_t out[2 * PAGE_BYTES];
    uLongf out_length = sizeof out;
    cr_assert_eq(compress2(out, &out_length, bytes, length, 1), Z_OK);
    return (uint32_t)out_length;
}

static void expect_near(const char *name, uint32_t ours, uint32_t zlib, uint32_t percent)
{
    uint32_t apart = ours > zlib ? ours - zlib : zlib - ours;
    cr_expect(apart * 100 <= zlib * percent, "%s: %u bytes, zlib says %u", name, ours, zlib);
}

Test(page_compress, classes)
{
    struct page_pool *pool = page_pool_new();
    uint8_t bytes[PAGE_BYTES] = {0};
    expect_near("zero", page_compressed_bytes(pool, page_zero()), zlib_bytes(bytes, PAGE_BYTES),
                10);
    static const char *const names[] = {"random", "compressible"};
    uint64_t state = 3;
    for (uint32_t class = 0; class < 2; class ++) {
        for (uint32_t i = 0; i < 20; i++) {
            struct page page = page_pattern((enum page_class) class, random_next(&state) >> 2);
            page_copy_out(pool, page, 0, PAGE_BYTES, bytes);
            expect_near(names[class], page_compressed_bytes(pool, page),
                        zlib_bytes(bytes, PAGE_BYTES), 10);
        }
    }
    page_pool_close(pool);
}

static void make_text(uint8_t *out)
{
    static const char *const words[] = {"the ",     "memory ", "of ",     "a ",
                                        "machine ", "is ",     "copied ", "in ",
                                        "rounds, ", "until ",  "it ",     "fits. "};
    uint64_t state = 4;
    size_t length = 0;
    while (length < PAGE_BYTES) {
        const char *word = words[random_below(&state, sizeof words / sizeof *words)];
        for (; *word != 0 && length < PAGE_BYTES; word++) {
            out[length++] = (uint8_t)*word;
        }
    }
}

static void make_pointers(uint8_t *out)
{
    uint64_t state = 5;
    for (size_t i = 0; i < PAGE_BYTES; i += 8) {
        uint64_t pointer = UINT64_C(0xffff888000000000) + (random_next(&state) & 0xffffc0);
        memcpy(out + i, &pointer, sizeof pointer);
    }
}

static void make_digits(uint8_t *out)
{
    uint64_t state = 6;
    for (size_t i = 0; i < PAGE_BYTES; i++) {
        out[i] = (uint8_t)('0' + random_below(&state, 10));
    }
}

static void make_noise(uint8_t *out)
{
    uint64_t state = 7;
    random_fill(&state, out, PAGE_BYTES);
}

static void make_sparse(uint8_t *out)
{
    uint64_t state = 8;
    memset(out, 0, PAGE_BYTES);
    for (uint32_t i = 0; i < 200; i++) {
        out[random_below(&state, PAGE_BYTES)] = (uint8_t)random_next(&state);
    }
}

static const struct {
    const char *name;
    void (*make)(uint8_t *out);
    uint32_t percent;
} contents[] = {
    {"words", make_text, 20}, {"pointers", make_pointers, 20}, {"digits", make_digits, 15},
    {"noise", make_noise, 1}, {"sparse", make_sparse, 20},
};

Test(page_compress, estimate)
{
    uint8_t bytes[PAGE_BYTES];
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        contents[i].make(bytes);
        expect_near(contents[i].name, page_compress_estimate(bytes, PAGE_BYTES),
                    zlib_bytes(bytes, PAGE_BYTES), contents[i].percent);
    }
    /* Never more than stored blocks, for any length; and a literal is asked by its bytes. */
    make_noise(bytes);
    for (uint32_t length = 1; length <= PAGE_BYTES; length += length < 20 ? 1 : 97) {
        uint32_t estimate = page_compress_estimate(bytes, length);
        cr_expect(estimate > 0 && estimate <= length + 11, "%u bytes: %u", length, estimate);
    }
    struct page_pool *pool = page_pool_new();
    struct page page = page_literal(pool, bytes, 1000);
    cr_expect_eq(page_compressed_bytes(pool, page), page_compress_estimate(bytes, 1000));
    page_unref(pool, page);
    page_pool_close(pool);
}
