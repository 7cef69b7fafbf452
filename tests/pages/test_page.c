/* Pages: what a handle promises about its bytes (P1 to P5 of sim/page.h), and the life of literals. */
#include "sim/page.h"

#include "sim/crc32c.h"
#include "tests/pages/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static uint64_t word_at(const uint8_t *bytes, uint32_t word)
{
    uint64_t value = 0;
    for (uint32_t i = 8; i-- > 0;) {
        value = value << 8 | bytes[word * 8 + i];
    }
    return value;
}

static const enum page_class classes[] = {PAGE_RANDOM, PAGE_COMPRESSIBLE};
static const char *const class_names[] = {"random", "compressible"};

/* A number with one bit, with all bits, or any. */
static uint64_t interesting_number(uint64_t *state)
{
    switch (random_below(state, 4)) {
    case 0:
        return UINT64_C(1) << random_below(state, 62);
    case 1:
        return PAGE_PATTERN_NUMBER_MAX - random_below(state, 3);
    case 2:
        return random_below(state, 1000);
    default:
        return random_next(state) >> 2;
    }
}

/* P2 and P3, and the CRC by tables, of pages made from `numbers` of a class. */
static void check_patterns(struct page_pool *pool, enum page_class class, uint64_t *state)
{
    static uint8_t bytes[4][PAGE_BYTES];
    const char *name = class_names[class];
    struct page page[4];
    for (uint32_t i = 0; i < 3; i++) {
        page[i] = page_pattern(class, interesting_number(state));
    }
    page[3].v = page[0].v ^ page[1].v ^ page[2].v;
    for (uint32_t i = 0; i < 4; i++) {
        page_copy_out(pool, page[i], 0, PAGE_BYTES, bytes[i]);
        cr_assert_eq(word_at(bytes[i], 0), page[i].v, "%s: the first word is the handle", name);
        cr_assert_eq(page_crc32c(pool, page[i]), crc32c(0, bytes[i], PAGE_BYTES), "%s %llx", name,
                     (unsigned long long)page[i].v);
    }
    for (uint32_t word = 0; word < PAGE_BYTES / 8; word++) {
        uint64_t a = word_at(bytes[0], word);
        uint64_t b = word_at(bytes[1], word);
        cr_assert_eq(a ^ b ^ word_at(bytes[2], word), word_at(bytes[3], word), "%s: P3 at word %u",
                     name, word);
        cr_assert((a == b) == (page[0].v == page[1].v), "%s: word %u tells two pages apart", name,
                  word);
    }
}

Test(page, patterns)
{
    struct page_pool *pool = page_pool_new();
    uint64_t state = 1;
    for (uint32_t i = 0; i < 200; i++) {
        check_patterns(pool, classes[i % 2], &state);
    }
    /* Each bit of a number, so each table; and each entry of a table. */
    uint8_t bytes[PAGE_BYTES];
    for (uint32_t class = 0; class < 2; class ++) {
        for (uint32_t i = 0; i < 62 + 256; i++) {
            uint64_t number =
                i < 62 ? UINT64_C(1) << i : (i - 62) * UINT64_C(0x0101010101010101) >> 2;
            struct page page = page_pattern(classes[class], number);
            page_copy_out(pool, page, 0, PAGE_BYTES, bytes);
            cr_assert_eq(page_crc32c(pool, page), crc32c(0, bytes, PAGE_BYTES), "%s %llx",
                         class_names[class], (unsigned long long)number);
        }
    }
    memset(bytes, 0, sizeof bytes);
    cr_assert_eq(page_crc32c(pool, page_zero()), crc32c(0, bytes, PAGE_BYTES));
    page_pool_close(pool);
}

/* The bytes of patterns and the digests are folded into run hashes and stand in goldens: they change on purpose or not at all. */
Test(page, bytes_are_the_same_everywhere)
{
    static const struct {
        const char *name;
        enum page_class class;
        uint64_t number;
        uint64_t digest;
        uint32_t crc;
    } patterns[] = {
        {"random 0", PAGE_RANDOM, 0, UINT64_C(0xc24ee0ca910a037c), 0x422eb76e},
        {"random 12345", PAGE_RANDOM, 12345, UINT64_C(0xcab24197bbcdf019), 0x174b8497},
        {"compressible 0", PAGE_COMPRESSIBLE, 0, UINT64_C(0x5f7cdbab64376f9d), 0x3ebf56f1},
        {"compressible max", PAGE_COMPRESSIBLE, PAGE_PATTERN_NUMBER_MAX,
         UINT64_C(0x503459e2f7f05c45), 0x722fa6ee},
    };
    struct page_pool *pool = page_pool_new();
    uint8_t bytes[PAGE_BYTES];
    for (size_t i = 0; i < COUNT(patterns); i++) {
        struct page page = page_pattern(patterns[i].class, patterns[i].number);
        page_copy_out(pool, page, 0, PAGE_BYTES, bytes);
        uint64_t digest = page_digest(bytes, PAGE_BYTES);
        cr_expect_eq(digest, patterns[i].digest, "%s: 0x%llx", patterns[i].name,
                     (unsigned long long)digest);
        cr_expect_eq(page_crc32c(pool, page), patterns[i].crc, "%s: 0x%x", patterns[i].name,
                     page_crc32c(pool, page));
    }
    static const struct {
        const char *text;
        uint64_t digest;
    } texts[] = {
        {"", UINT64_C(0x51900a01dd879ff2)},
        {"a", UINT64_C(0xb6512bc42ff64fdf)},
        {"sixteen bytes ok", UINT64_C(0xf0c1d661f6eea4e0)},
        {"a text of more than sixty-four bytes, for the lanes, and a rest of another few",
         UINT64_C(0xdf645f5e9ffdb940)},
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        uint64_t digest = page_digest(texts[i].text, strlen(texts[i].text));
        cr_expect_eq(digest, texts[i].digest, "%s: 0x%llx", texts[i].text,
                     (unsigned long long)digest);
    }
    page_pool_close(pool);
}

Test(page, copy_out_of_any_range)
{
    struct page_pool *pool = page_pool_new();
    uint64_t state = 2;
    uint8_t whole[PAGE_BYTES];
    uint8_t part[PAGE_BYTES + 2];
    random_fill(&state, whole, PAGE_BYTES);
    struct page pages[] = {page_zero(), page_pattern(PAGE_RANDOM, 77),
                           page_pattern(PAGE_COMPRESSIBLE, 78),
                           page_literal(pool, whole, PAGE_BYTES)};
    for (uint32_t i = 0; i < 2000; i++) {
        struct page page = pages[i % COUNT(pages)];
        page_copy_out(pool, page, 0, PAGE_BYTES, whole);
        uint32_t offset = (uint32_t)random_below(&state, PAGE_BYTES + 1);
        uint32_t length = (uint32_t)random_below(&state, PAGE_BYTES - offset + 1);
        length = i % 2 == 0 ? length : length % 130;
        memset(part, 0xa5, sizeof part);
        page_copy_out(pool, page, offset, length, part + 1);
        cr_assert_eq(memcmp(part + 1, whole + offset, length), 0, "page %zu, %u bytes from %u",
                     i % COUNT(pages), length, offset);
        cr_assert(part[0] == 0xa5 && part[length + 1] == 0xa5, "no byte beside them is touched");
    }
    page_unref(pool, pages[3]);
    cr_assert_eq(page_pool_live(pool), 0);
    page_pool_close(pool);
}

/* Pages in all representations, each with a name for its content: equal handles or not, the answers follow the content. */
Test(page, questions_see_bytes_not_representations)
{
    struct page_pool *pool = page_pool_new();
    uint8_t zeros[PAGE_BYTES] = {0};
    uint8_t random[PAGE_BYTES];
    uint8_t compressible[PAGE_BYTES];
    uint8_t almost_random[PAGE_BYTES];
    uint8_t almost_zero[PAGE_BYTES] = {0};
    struct page random_page = page_pattern(PAGE_RANDOM, 5);
    struct page compressible_page = page_pattern(PAGE_COMPRESSIBLE, 5);
    page_copy_out(pool, random_page, 0, PAGE_BYTES, random);
    page_copy_out(pool, compressible_page, 0, PAGE_BYTES, compressible);
    memcpy(almost_random, random, PAGE_BYTES);
    almost_random[PAGE_BYTES - 1] ^= 1;
    almost_zero[PAGE_BYTES - 1] = 1;
    const struct {
        const char *content;
        struct page page;
        uint32_t length;
    } pages[] = {
        {"zero", page_zero(), PAGE_BYTES},
        {"zero", page_literal(pool, zeros, PAGE_BYTES), PAGE_BYTES},
        {"zero", page_literal(pool, zeros, PAGE_BYTES), PAGE_BYTES},
        {"random 5", random_page, PAGE_BYTES},
        {"random 5", page_literal(pool, random, PAGE_BYTES), PAGE_BYTES},
        {"random 6", page_pattern(PAGE_RANDOM, 6), PAGE_BYTES},
        {"compressible 5", compressible_page, PAGE_BYTES},
        {"compressible 5", page_literal(pool, compressible, PAGE_BYTES), PAGE_BYTES},
        {"almost random 5", page_literal(pool, almost_random, PAGE_BYTES), PAGE_BYTES},
        {"almost zero", page_literal(pool, almost_zero, PAGE_BYTES), PAGE_BYTES},
        {"short zeros", page_literal(pool, zeros, 100), 100},
        {"short zeros", page_literal(pool, zeros, 100), 100},
        {"one zero", page_literal(pool, zeros, 1), 1},
        {"short random", page_literal(pool, random, 100), 100},
        {"long random", page_literal(pool, random, PAGE_BYTES - 1), PAGE_BYTES - 1},
    };
    uint8_t bytes[PAGE_BYTES];
    for (size_t i = 0; i < COUNT(pages); i++) {
        const char *name = pages[i].content;
        struct page page = pages[i].page;
        cr_expect_eq(page_length(pool, page), pages[i].length, "%s", name);
        cr_expect_eq(page_is_zero(pool, page),
                     strstr(name, "almost") == NULL && strstr(name, "zero") != NULL, "%s", name);
        page_copy_out(pool, page, 0, pages[i].length, bytes);
        cr_expect_eq(page_crc32c(pool, page), crc32c(0, bytes, pages[i].length), "%s", name);
        cr_expect_eq(page_identity(pool, page),
                     page_is_literal(page) ? page_digest(bytes, pages[i].length) : page.v, "%s: P5",
                     name);
        cr_expect_eq(page_literal_bytes(pool, page) != NULL, page_is_literal(page), "%s", name);
        for (size_t j = 0; j < COUNT(pages); j++) {
            bool same = strcmp(name, pages[j].content) == 0;
            cr_expect_eq(page_equal(pool, page, pages[j].page), same, "%zu %s and %zu %s", i, name,
                         j, pages[j].content);
            if (page_is_literal(page) && page_is_literal(pages[j].page)) {
                cr_expect_eq(page_identity(pool, page) == page_identity(pool, pages[j].page), same,
                             "%s and %s", name, pages[j].content);
            }
        }
    }
    page_pool_check(pool);
    for (size_t i = 0; i < COUNT(pages); i++) {
        page_unref(pool, pages[i].page);
    }
    cr_assert_eq(page_pool_live(pool), 0);
    page_pool_close(pool);
}

static int compare_words(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Neighbours by accident: each bit flipped alone, zeros of each length, words exchanged. All digests differ. */
Test(page, digest_tells_neighbours_apart)
{
    static uint64_t digests[3 * PAGE_BYTES + 8 * 200];
    size_t count = 0;
    uint8_t bytes[PAGE_BYTES];
    uint64_t state = 3;
    memset(bytes, 0, sizeof bytes);
    for (uint32_t length = 0; length <= PAGE_BYTES; length++) {
        digests[count++] = page_digest(bytes, length);
    }
    random_fill(&state, bytes, sizeof bytes);
    for (uint32_t bit = 0; bit < 8 * 200; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        digests[count++] = page_digest(bytes, 200);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (uint32_t i = 0; i < PAGE_BYTES; i++) {
        bytes[i] ^= 0x80;
        digests[count++] = page_digest(bytes, PAGE_BYTES);
        bytes[i] ^= 0x80;
    }
    for (uint32_t word = 0; word + 1 < PAGE_BYTES / 8; word++) {
        uint64_t first;
        memcpy(&first, bytes + word * 8, 8);
        memmove(bytes + word * 8, bytes + word * 8 + 8, 8);
        memcpy(bytes + word * 8 + 8, &first, 8);
        digests[count++] = page_digest(bytes, PAGE_BYTES);
    }
    cr_assert_leq(count, COUNT(digests));
    qsort(digests, count, sizeof *digests, compare_words);
    for (size_t i = 1; i < count; i++) {
        cr_assert_neq(digests[i - 1], digests[i], "two of %zu are equal", count);
    }
}

/* Sizes around the edges of the blocks that literals are kept in. */
Test(page, literals_of_any_length)
{
    static const uint32_t lengths[] = {1,   8,    63,   64,   65,   255,  256,
                                       257, 1023, 1024, 1025, 1448, 4095, 4096};
    struct page_pool *pool = page_pool_new();
    struct page pages[COUNT(lengths)];
    uint8_t bytes[PAGE_BYTES];
    uint64_t state = 4;
    random_fill(&state, bytes, sizeof bytes);
    size_t least = 0;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        pages[i] = page_literal(pool, bytes, lengths[i]);
        least += lengths[i];
        cr_assert_eq(page_length(pool, pages[i]), lengths[i]);
        cr_assert_eq(page_pool_live(pool), i + 1);
        cr_assert(page_pool_bytes(pool) >= least && page_pool_bytes(pool) <= 4 * least + 256);
    }
    for (size_t i = 0; i < COUNT(lengths); i++) {
        cr_assert_eq(memcmp(page_literal_bytes(pool, pages[i]), bytes, lengths[i]), 0, "%u bytes",
                     lengths[i]);
        /* P4: one reference at birth; the last of two frees. */
        cr_assert(page_same_handle(page_ref(pool, pages[i]), pages[i]));
        page_unref(pool, pages[i]);
        cr_assert_eq(page_pool_live(pool), COUNT(lengths) - i);
        page_unref(pool, pages[i]);
        cr_assert_eq(page_pool_live(pool), COUNT(lengths) - i - 1);
    }
    cr_assert_eq(page_pool_bytes(pool), 0);
    /* Memory that was given back is used again, the newest first. */
    for (size_t i = 0; i < COUNT(lengths); i++) {
        pages[0] = page_literal(pool, bytes, lengths[i]);
        const uint8_t *before = page_literal_bytes(pool, pages[0]);
        page_unref(pool, pages[0]);
        pages[0] = page_literal(pool, bytes, lengths[i]);
        cr_assert_eq(page_literal_bytes(pool, pages[0]), before, "%u bytes", lengths[i]);
        page_unref(pool, pages[0]);
    }
    page_pool_check(pool);
    page_pool_close(pool);
}

#define CHURN_SLOTS 700u

/* Births, references and deaths in any order: bytes stay put and unchanged (P1), counts add up, and memory that was given
 * back is used again. */
Test(page, churn)
{
    struct page_pool *pool = page_pool_new();
    static struct {
        struct page page;
        uint32_t references;
        uint64_t seed;
        const uint8_t *bytes;
    } slots[CHURN_SLOTS];
    uint8_t bytes[PAGE_BYTES];
    uint64_t state = 5;
    uint64_t highest = 0;
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)random_below(&state, CHURN_SLOTS);
        if (slots[i].references == 0) {
            uint64_t seed = random_next(&state);
            uint64_t content = seed;
            uint32_t length =
                1 + (uint32_t)random_below(&content, step % 3 == 0 ? PAGE_BYTES : 100);
            random_fill(&content, bytes, length < 200 ? length : 200);
            slots[i].page = page_literal(pool, bytes, length);
            slots[i].seed = page_digest(bytes, length);
            slots[i].references = 1;
            slots[i].bytes = page_literal_bytes(pool, slots[i].page);
            highest = highest > slots[i].page.v ? highest : slots[i].page.v;
        } else if (random_below(&state, 3) == 0) {
            page_ref(pool, slots[i].page);
            slots[i].references++;
        } else {
            cr_assert_eq(page_literal_bytes(pool, slots[i].page), slots[i].bytes);
            cr_assert_eq(page_digest(slots[i].bytes, page_length(pool, slots[i].page)),
                         slots[i].seed);
            page_unref(pool, slots[i].page);
            slots[i].references--;
        }
        if (step % 5000 == 0) {
            page_pool_check(pool);
        }
    }
    cr_assert_leq(highest, CHURN_SLOTS, "indices of the dead are used again");
    uint32_t live = 0;
    for (uint32_t i = 0; i < CHURN_SLOTS; i++) {
        live += slots[i].references > 0;
    }
    cr_assert_eq(page_pool_live(pool), live);
    for (uint32_t i = 0; i < CHURN_SLOTS; i++) {
        for (; slots[i].references > 0; slots[i].references--) {
            page_unref(pool, slots[i].page);
        }
    }
    page_pool_check(pool);
    cr_assert_eq(page_pool_live(pool), 0);
    cr_assert_eq(page_pool_bytes(pool), 0);
    page_pool_close(pool);
}

/* A reference given back once too often is our defect, and is seen at once. */
Test(page, one_reference_too_few, .exit_code = 3)
{
    struct page_pool *pool = page_pool_new();
    struct page page = page_literal(pool, "abc", 3);
    page_unref(pool, page);
    page_ref(pool, page);
}
