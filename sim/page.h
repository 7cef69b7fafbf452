/* sim/page.h - a page is a handle (DESIGN idea 2).
 *
 * RAM of model guests, disk blocks and packet payload hold 8-byte handles; bytes are made only when somebody looks.
 *
 *      63  62                                                        0
 *     ┌───┬───┬─────────────────────────────────────────────────────┐
 *     │ 0 │ 0                                                       │  zero: 4,096 zero bytes
 *     ├───┼───┬─────────────────────────────────────────────────────┤
 *     │ 1 │ c │ number (62 bits)                                    │  pattern of class c: 0 random, 1 compressible
 *     ├───┼───┴─────────────────────────────────────────────────────┤
 *     │ 0 │ index of a literal + 1                                  │  literal: 1 to 4,096 bytes, reference-counted
 *     └───┴─────────────────────────────────────────────────────────┘
 *
 *  P1. A handle's bytes never change. A literal is immutable from birth; looking at bytes changes no representation.
 *  P2. Different pattern handles have different bytes, and no pattern is all zero: equal handles <=> equal bytes among
 *      zero and patterns. The first 8 bytes of a pattern page are its handle, little-endian.
 *  P3. The bytes of a pattern are an affine function of its number over GF(2): XOR of any three pages of a class is the page
 *      of the XOR of their numbers. So its CRC32C is eight table look-ups.
 *  P4. A literal has one reference at birth; page_unref of the last one frees it at once. Zero and patterns have none to count.
 *  P5. page_identity is what the run hash folds: the handle itself for zero and patterns, a digest of length and content, computed once
 *      at birth, for literals; never an index.
 *
 * A random page looks like noise to a compressor; a compressible one shrinks to about a quarter (a quarter of its 64-byte
 * lines is noise, the rest repeats its number). The simulated compressed size never comes from zlib. */
#ifndef ORRERY_SIM_PAGE_H
#define ORRERY_SIM_PAGE_H

#include "sim/assert.h"
#include "sim/types.h"

#define PAGE_BYTES              4096u
#define PAGE_PATTERN_NUMBER_MAX ((UINT64_C(1) << 62) - 1)

struct page {
    uint64_t v;
};

enum page_class { PAGE_RANDOM = 0, PAGE_COMPRESSIBLE = 1 };

struct page_pool;

/* One literal. Public for the inline reference count; nobody else reads it. */
struct page_literal {
    uint32_t references;
    uint16_t length; /* 1 to 4096 */
    uint8_t size_class;
    bool zero; /* all bytes are zero */
    uint64_t identity;
    uint8_t *bytes;
};

/* First member of a pool: the array that handles index. */
struct page_literals {
    struct page_literal *items;
    uint32_t count; /* highest index in use + 1 */
};

struct page_pool *page_pool_new(void);
/* Frees the pool. Literals still alive go with it; check page_pool_live first. */
void page_pool_close(struct page_pool *pool);
/* Literals alive, and the bytes of host memory behind them. 0 at the end of a run that leaked none. */
uint32_t page_pool_live(const struct page_pool *pool);
size_t page_pool_bytes(const struct page_pool *pool);
/* Asserts what holds of a pool between calls, digests included: O(bytes), for tests. */
void page_pool_check(const struct page_pool *pool);

static inline struct page page_zero(void)
{
    return (struct page){0};
}
static inline bool page_same_handle(struct page a, struct page b)
{
    return a.v == b.v;
}
static inline bool page_is_pattern(struct page page)
{
    return page.v >> 63 != 0;
}
static inline bool page_is_literal(struct page page)
{
    return page.v != 0 && !page_is_pattern(page);
}
static inline struct page page_pattern(enum page_class page_class, uint64_t number)
{
    SIM_ASSERT(number <= PAGE_PATTERN_NUMBER_MAX);
    return (struct page){UINT64_C(1) << 63 | (uint64_t)page_class << 62 | number};
}
static inline enum page_class page_pattern_class(struct page page)
{
    return (enum page_class)(page.v >> 62 & 1);
}
static inline uint64_t page_pattern_number(struct page page)
{
    return page.v & PAGE_PATTERN_NUMBER_MAX;
}

/* A new literal of `length` (1 to 4096) bytes, copied; the caller owns the one reference. Computes its digest. */
struct page page_literal(struct page_pool *pool, const void *bytes, uint32_t length);

static inline struct page_literal *page_literal_get(struct page_pool *pool, struct page page)
{
    struct page_literals *literals = (struct page_literals *)(void *)pool;
    SIM_ASSERT(page_is_literal(page) && page.v <= literals->count);
    return &literals->items[page.v - 1];
}
void page_literal_free(struct page_pool *pool, struct page page); /* for page_unref only */

/* Takes one more reference, and returns the same handle. */
static inline struct page page_ref(struct page_pool *pool, struct page page)
{
    if (SIM_UNLIKELY(page_is_literal(page))) {
        struct page_literal *literal = page_literal_get(pool, page);
        SIM_ASSERT(literal->references > 0);
        literal->references++;
    }
    return page;
}
/* Gives a reference back. */
static inline void page_unref(struct page_pool *pool, struct page page)
{
    if (SIM_UNLIKELY(page_is_literal(page))) {
        struct page_literal *literal = page_literal_get(pool, page);
        SIM_ASSERT(literal->references > 0);
        if (--literal->references == 0) {
            page_literal_free(pool, page);
        }
    }
}

/* Bytes a handle stands for: 4,096 but for short literals. */
uint32_t page_length(const struct page_pool *pool, struct page page);
/* Copies bytes [offset, offset + length) into the watcher's buffer. The range must lie inside the page. */
void page_copy_out(const struct page_pool *pool, struct page page, uint32_t offset, uint32_t length,
                   void *out);
/* The bytes of a literal, borrowed until its last reference goes; NULL for zero and patterns. */
const uint8_t *page_literal_bytes(const struct page_pool *pool, struct page page);
/* CRC32C of all bytes of the page. */
uint32_t page_crc32c(const struct page_pool *pool, struct page page);
/* Identity for the run hash (P5). */
uint64_t page_identity(const struct page_pool *pool, struct page page);
/* Same length and bytes, whatever the representation. */
bool page_equal(const struct page_pool *pool, struct page a, struct page b);
/* All bytes are zero, whatever the representation. */
bool page_is_zero(const struct page_pool *pool, struct page page);
/* Simulated size of the page after a fast compressor (zlib level 1), from its class: a table measured once. */
uint32_t page_compressed_bytes(const struct page_pool *pool, struct page page);
/* Digest of bytes as literals carry it. Pure. */
uint64_t page_digest(const void *bytes, size_t length);

#endif
