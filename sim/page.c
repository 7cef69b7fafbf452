#include "sim/page.h"

#include "sim/crc32c.h"
#include "sim/page_compress.h"
#include "sim/page_pattern.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define PAGE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PAGE_ASAN 1
#endif
#endif
#ifdef PAGE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes)   ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

#define SIZE_CLASSES   4u
#define SLAB_BYTES     (256u * 1024)
#define ITEMS_AT_START 64u
#define CRC32C_OF_ZERO UINT32_C(0x98f94189)

__extension__ typedef unsigned __int128 page_product;

static const uint32_t class_bytes[SIZE_CLASSES] = {64, 256, 1024, PAGE_BYTES};

/* Blocks of one size. Freed ones are a list through their first bytes; fresh ones are cut off the newest slab, so a slab costs
 * memory only as far as it was ever used. */
struct blocks {
    uint8_t *freed;
    uint8_t *fresh;
    uint8_t *fresh_end;
};

struct page_pool {
    struct page_literals literals; /* first: the inline functions of sim/page.h find it there */
    uint32_t capacity;
    uint32_t freed; /* first item without a literal, SIM_NONE for none; `identity` holds the next */
    uint32_t live;
    size_t live_bytes;
    struct blocks blocks[SIZE_CLASSES];
    uint8_t **slabs;
    uint32_t slab_count;
    uint32_t slab_capacity;
    struct page_pattern pattern;
};

_Static_assert(offsetof(struct page_pool, literals) == 0, "handles index the first member");

struct page_pool *page_pool_new(void)
{
    struct page_pool *pool = calloc(1, sizeof *pool);
    SIM_ASSERT(pool != NULL);
    pool->freed = SIM_NONE;
    page_pattern_init(&pool->pattern);
    return pool;
}

void page_pool_close(struct page_pool *pool)
{
    for (uint32_t i = 0; i < pool->slab_count; i++) {
        free(pool->slabs[i]);
    }
    free(pool->slabs);
    free(pool->literals.items);
    free(pool);
}

uint32_t page_pool_live(const struct page_pool *pool)
{
    return pool->live;
}

size_t page_pool_bytes(const struct page_pool *pool)
{
    return pool->live_bytes;
}

void page_pool_check(const struct page_pool *pool)
{
    uint32_t live = 0;
    size_t live_bytes = 0;
    SIM_ASSERT(pool->literals.count <= pool->capacity);
    for (uint32_t i = 0; i < pool->literals.count; i++) {
        const struct page_literal *literal = &pool->literals.items[i];
        if (literal->references == 0) {
            SIM_ASSERT(literal->bytes == NULL);
            continue;
        }
        SIM_ASSERT(literal->size_class < SIZE_CLASSES);
        SIM_ASSERT(literal->length > 0 && literal->length <= class_bytes[literal->size_class]);
        SIM_ASSERT(literal->identity == page_digest(literal->bytes, literal->length));
        live++;
        live_bytes += class_bytes[literal->size_class];
    }
    uint32_t freed = 0;
    for (uint32_t i = pool->freed; i != SIM_NONE; i = (uint32_t)pool->literals.items[i].identity) {
        SIM_ASSERT(i < pool->literals.count);
        SIM_ASSERT(pool->literals.items[i].references == 0);
        SIM_ASSERT(freed < pool->literals.count);
        freed++;
    }
    SIM_ASSERT(live == pool->live);
    SIM_ASSERT(live_bytes == pool->live_bytes);
    SIM_ASSERT(live + freed == pool->literals.count);
}

static void slab_add(struct page_pool *pool, struct blocks *blocks)
{
    if (pool->slab_count == pool->slab_capacity) {
        pool->slab_capacity = pool->slab_capacity == 0 ? 16 : pool->slab_capacity * 2;
        pool->slabs = realloc(pool->slabs, pool->slab_capacity * sizeof *pool->slabs);
        SIM_ASSERT(pool->slabs != NULL);
    }
    uint8_t *slab = aligned_alloc(PAGE_BYTES, SLAB_BYTES);
    SIM_ASSERT(slab != NULL);
    ASAN_POISON_MEMORY_REGION(slab, SLAB_BYTES);
    pool->slabs[pool->slab_count++] = slab;
    blocks->fresh = slab;
    blocks->fresh_end = slab + SLAB_BYTES;
}

static uint8_t *block_take(struct page_pool *pool, uint32_t size_class)
{
    struct blocks *blocks = &pool->blocks[size_class];
    uint32_t bytes = class_bytes[size_class];
    uint8_t *block = blocks->freed;
    if (SIM_LIKELY(block != NULL)) {
        ASAN_UNPOISON_MEMORY_REGION(block, bytes);
        memcpy(&blocks->freed, block, sizeof blocks->freed);
        return block;
    }
    if (blocks->fresh == blocks->fresh_end) {
        slab_add(pool, blocks);
    }
    block = blocks->fresh;
    blocks->fresh += bytes;
    ASAN_UNPOISON_MEMORY_REGION(block, bytes);
    return block;
}

static void block_give_back(struct page_pool *pool, uint32_t size_class, uint8_t *block)
{
    struct blocks *blocks = &pool->blocks[size_class];
    memcpy(block, &blocks->freed, sizeof blocks->freed);
    blocks->freed = block;
    ASAN_POISON_MEMORY_REGION(block, class_bytes[size_class]);
}

static uint32_t item_take(struct page_pool *pool)
{
    struct page_literals *literals = &pool->literals;
    if (SIM_LIKELY(pool->freed != SIM_NONE)) {
        uint32_t index = pool->freed;
        pool->freed = (uint32_t)literals->items[index].identity;
        return index;
    }
    if (literals->count == pool->capacity) {
        SIM_ASSERT(pool->capacity < UINT32_C(1) << 30);
        pool->capacity = pool->capacity == 0 ? ITEMS_AT_START : pool->capacity * 2;
        literals->items = realloc(literals->items, pool->capacity * sizeof *literals->items);
        SIM_ASSERT(literals->items != NULL);
    }
    return literals->count++;
}

static bool bytes_are_zero(const uint8_t *bytes, uint32_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

struct page page_literal(struct page_pool *pool, const void *bytes, uint32_t length)
{
    SIM_ASSERT(length > 0 && length <= PAGE_BYTES);
    uint8_t size_class = 0;
    while (length > class_bytes[size_class]) {
        size_class++;
    }
    uint8_t *block = block_take(pool, size_class);
    memcpy(block, bytes, length);
    uint32_t index = item_take(pool);
    pool->literals.items[index] = (struct page_literal){
        .references = 1,
        .length = (uint16_t)length,
        .size_class = size_class,
        .zero = bytes_are_zero(block, length),
        .identity = page_digest(block, length),
        .bytes = block,
    };
    pool->live++;
    pool->live_bytes += class_bytes[size_class];
    return (struct page){(uint64_t)index + 1};
}

void page_literal_free(struct page_pool *pool, struct page page)
{
    struct page_literal *literal = page_literal_get(pool, page);
    SIM_ASSERT(literal->references == 0);
    SIM_ASSERT(literal->bytes != NULL);
    block_give_back(pool, literal->size_class, literal->bytes);
    pool->live--;
    pool->live_bytes -= class_bytes[literal->size_class];
    literal->bytes = NULL;
    literal->identity = pool->freed;
    pool->freed = (uint32_t)(page.v - 1);
}

/* The literal behind a handle, alive. */
static const struct page_literal *literal_of(const struct page_pool *pool, struct page page)
{
    SIM_ASSERT(page_is_literal(page) && page.v <= pool->literals.count);
    const struct page_literal *literal = &pool->literals.items[page.v - 1];
    SIM_ASSERT(literal->references > 0);
    return literal;
}

uint32_t page_length(const struct page_pool *pool, struct page page)
{
    return page_is_literal(page) ? literal_of(pool, page)->length : PAGE_BYTES;
}

void page_copy_out(const struct page_pool *pool, struct page page, uint32_t offset, uint32_t length,
                   void *out)
{
    if (page_is_literal(page)) {
        const struct page_literal *literal = literal_of(pool, page);
        SIM_ASSERT(offset <= literal->length && length <= literal->length - offset);
        memcpy(out, literal->bytes + offset, length);
        return;
    }
    SIM_ASSERT(offset <= PAGE_BYTES && length <= PAGE_BYTES - offset);
    if (page_is_pattern(page)) {
        page_pattern_copy_out(&pool->pattern, page, offset, length, out);
    } else {
        memset(out, 0, length);
    }
}

const uint8_t *page_literal_bytes(const struct page_pool *pool, struct page page)
{
    return page_is_literal(page) ? literal_of(pool, page)->bytes : NULL;
}

uint32_t page_crc32c(const struct page_pool *pool, struct page page)
{
    if (page_is_pattern(page)) {
        return page_pattern_crc32c(&pool->pattern, page);
    }
    if (page_is_literal(page)) {
        const struct page_literal *literal = literal_of(pool, page);
        return crc32c(0, literal->bytes, literal->length);
    }
    return CRC32C_OF_ZERO;
}

uint64_t page_identity(const struct page_pool *pool, struct page page)
{
    return page_is_literal(page) ? literal_of(pool, page)->identity : page.v;
}

/* Whether a literal has the bytes of a zero or pattern page. */
static bool literal_equals_made(const struct page_pool *pool, const struct page_literal *literal,
                                struct page made)
{
    if (literal->length != PAGE_BYTES || literal->zero != !page_is_pattern(made)) {
        return false;
    }
    if (literal->zero) {
        return true;
    }
    uint8_t bytes[PAGE_BYTES];
    page_pattern_lines(&pool->pattern, made, 0, 1, bytes);
    if (memcmp(bytes, literal->bytes, PAGE_PATTERN_LINE_BYTES) != 0) {
        return false;
    }
    page_pattern_lines(&pool->pattern, made, 0, PAGE_PATTERN_LINES, bytes);
    return memcmp(bytes, literal->bytes, PAGE_BYTES) == 0;
}

bool page_equal(const struct page_pool *pool, struct page a, struct page b)
{
    if (page_same_handle(a, b)) {
        return true;
    }
    if (!page_is_literal(a)) {
        /* P2: zero and patterns are equal only as handles. */
        return page_is_literal(b) && literal_equals_made(pool, literal_of(pool, b), a);
    }
    const struct page_literal *first = literal_of(pool, a);
    if (!page_is_literal(b)) {
        return literal_equals_made(pool, first, b);
    }
    const struct page_literal *second = literal_of(pool, b);
    return first->length == second->length && first->identity == second->identity &&
           memcmp(first->bytes, second->bytes, first->length) == 0;
}

bool page_is_zero(const struct page_pool *pool, struct page page)
{
    return page_is_literal(page) ? literal_of(pool, page)->zero : page.v == 0;
}

uint32_t page_compressed_bytes(const struct page_pool *pool, struct page page)
{
    if (page_is_literal(page)) {
        const struct page_literal *literal = literal_of(pool, page);
        return page_compress_estimate(literal->bytes, literal->length);
    }
    if (!page_is_pattern(page)) {
        return PAGE_COMPRESSED_ZERO_BYTES;
    }
    return page_pattern_class(page) == PAGE_RANDOM ? PAGE_COMPRESSED_RANDOM_BYTES
                                                   : PAGE_COMPRESSED_COMPRESSIBLE_BYTES;
}

/* ---- digest ----------------------------------------------------------------------------------------------------- */

static inline uint64_t load_le64(const uint8_t *in)
{
    uint64_t word;
    memcpy(&word, in, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Multiplies to 128 bits and folds the halves: each bit of either factor reaches about half of the result. */
static inline uint64_t multiply_fold(uint64_t a, uint64_t b)
{
    page_product product = (page_product)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Odd numbers with about as many ones as zeros: the first 64 bits behind the point of the square roots of 2, 3, 5, 7 and 11, made
 * odd. */
#define DIGEST_K0 UINT64_C(0x6a09e667f3bcc909)
#define DIGEST_K1 UINT64_C(0xbb67ae8584caa73b)
#define DIGEST_K2 UINT64_C(0x3c6ef372fe94f82b)
#define DIGEST_K3 UINT64_C(0xa54ff53a5f1d36f1)
#define DIGEST_K4 UINT64_C(0x510e527fade682d1)

/* Takes 16 bytes into a lane. */
static inline uint64_t digest_step(uint64_t lane, const uint8_t *in, uint64_t key)
{
    return multiply_fold(lane ^ load_le64(in), key ^ load_le64(in + 8));
}

/* Four lanes multiply side by side, 16 bytes each, so that a multiplication's latency is hidden. */
uint64_t page_digest(const void *bytes, size_t length)
{
    const uint8_t *in = bytes;
    size_t left = length;
    uint64_t a = DIGEST_K4;
    if (left >= 64) {
        uint64_t b = DIGEST_K4;
        uint64_t c = DIGEST_K4;
        uint64_t d = DIGEST_K4;
        for (; left >= 64; in += 64, left -= 64) {
            a = digest_step(a, in, DIGEST_K0);
            b = digest_step(b, in + 16, DIGEST_K1);
            c = digest_step(c, in + 32, DIGEST_K2);
            d = digest_step(d, in + 48, DIGEST_K3);
        }
        a = multiply_fold(a ^ DIGEST_K0, b ^ DIGEST_K1) +
            multiply_fold(c ^ DIGEST_K2, d ^ DIGEST_K3);
    }
    for (; left >= 16; in += 16, left -= 16) {
        a = digest_step(a, in, DIGEST_K0);
    }
    if (left > 0) {
        uint8_t last[16] = {0};
        memcpy(last, in, left);
        a = digest_step(a, last, DIGEST_K1);
    }
    /* The length tells apart what zeros at the end would make equal. */
    return multiply_fold(a ^ DIGEST_K2, (uint64_t)length ^ DIGEST_K3);
}
