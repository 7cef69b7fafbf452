/* CRC32C in three speeds: the processor's instruction on three interleaved lanes, slicing by 8 through tables, and, for
 * putting finished CRCs together, multiplication by powers of x modulo the polynomial.
 *
 * A CRC without its two inversions (here: a *state*) is linear: what a look-up by byte v gives is the XOR of what the bits
 * of v give. So each table of 256 entries is written down as 8 numbers, and the compiler makes the rest; nothing is built at
 * start, and nothing is writable. Bits are reflected as RFC 7143 section 13.1 has them: bit 31 of a state is the
 * coefficient of x^0. The tests compare every table with the definition, one bit at a time. */
#include "sim/crc32c.h"

#include "sim/assert.h"

#include <string.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define CRC32C_POLYNOMIAL UINT32_C(0x82f63b78)

/* The XOR of those of eight numbers whose bit is set in `v`. */
#define LINEAR(v, b0, b1, b2, b3, b4, b5, b6, b7)                                                  \
    (((v)&1 ? UINT32_C(b0) : 0) ^ ((v)&2 ? UINT32_C(b1) : 0) ^ ((v)&4 ? UINT32_C(b2) : 0) ^        \
     ((v)&8 ? UINT32_C(b3) : 0) ^ ((v)&16 ? UINT32_C(b4) : 0) ^ ((v)&32 ? UINT32_C(b5) : 0) ^      \
     ((v)&64 ? UINT32_C(b6) : 0) ^ ((v)&128 ? UINT32_C(b7) : 0))
#define ENTRIES_4(v, ...)                                                                          \
    LINEAR(v, __VA_ARGS__), LINEAR((v) + 1, __VA_ARGS__), LINEAR((v) + 2, __VA_ARGS__),            \
        LINEAR((v) + 3, __VA_ARGS__)
#define ENTRIES_16(v, ...)                                                                         \
    ENTRIES_4(v, __VA_ARGS__), ENTRIES_4((v) + 4, __VA_ARGS__), ENTRIES_4((v) + 8, __VA_ARGS__),   \
        ENTRIES_4((v) + 12, __VA_ARGS__)
#define ENTRIES_64(v, ...)                                                                         \
    ENTRIES_16(v, __VA_ARGS__), ENTRIES_16((v) + 16, __VA_ARGS__),                                 \
        ENTRIES_16((v) + 32, __VA_ARGS__), ENTRIES_16((v) + 48, __VA_ARGS__)
#define TABLE(...)                                                                                 \
    {                                                                                              \
        ENTRIES_64(0, __VA_ARGS__), ENTRIES_64(64, __VA_ARGS__), ENTRIES_64(128, __VA_ARGS__),     \
            ENTRIES_64(192, __VA_ARGS__)                                                           \
    }

/* Row k, column v: the state after byte v and k zero bytes. */
static const uint32_t slices[8][256] = {
    TABLE(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc,
          0x82f63b78),
    TABLE(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604,
          0xfbc3faf9),
    TABLE(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9,
          0x8b277743),
    TABLE(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7,
          0x52a0c93f),
    TABLE(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae,
          0x6ea2d55c),
    TABLE(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb,
          0x1c08b7d6),
    TABLE(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a,
          0xf56e0ef4),
    TABLE(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32,
          0x34019664),
};

/* A state after 4,096 more zero bytes: row k holds the share of the state's byte k. */
static const uint32_t over_page[4][256] = {
    TABLE(0xc2a5b65e, 0x80a71a4d, 0x04a2426b, 0x094484d6, 0x128909ac, 0x25121358, 0x4a2426b0,
          0x94484d60),
    TABLE(0x2d7cec31, 0x5af9d862, 0xb5f3b0c4, 0x6e0b1779, 0xdc162ef2, 0xbdc02b15, 0x7e6c20db,
          0xfcd841b6),
    TABLE(0xfc5cf59d, 0xfd559dcb, 0xff474d67, 0xfb62ec3f, 0xf329ae8f, 0xe3bf2bef, 0xc292212f,
          0x80c834af),
    TABLE(0x047c1faf, 0x08f83f5e, 0x11f07ebc, 0x23e0fd78, 0x47c1faf0, 0x8f83f5e0, 0x1aeb9d31,
          0x35d73a62),
};

/* x to the power of 2^k modulo the polynomial. The polynomial is x + 1 times a primitive one of degree 31, so x has the order
 * 2^31 - 1, and row k + 31 would be row k. */
#define POWER_COUNT 31u
static const uint32_t powers_of_x[POWER_COUNT] = {
    0x40000000, 0x20000000, 0x08000000, 0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18,
    0x510ac59a, 0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62,
    0x28461564, 0xbf455269, 0xe2ea32dc, 0xfe7740e6, 0xf946610b, 0x3c204f8f, 0x538586e3, 0x59726915,
    0x734d5309, 0xbc1ac763, 0x7d0722cc, 0xd289cabe, 0xe94ca9bc, 0x05b74f3f, 0xa51e1f42,
};

static uint32_t shift_by_table(const uint32_t table[4][256], uint32_t state)
{
    return table[0][state & 255] ^ table[1][state >> 8 & 255] ^ table[2][state >> 16 & 255] ^
           table[3][state >> 24];
}

uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t length)
{
    const uint8_t *in = bytes;
    uint32_t state = ~crc;
    for (; length >= 8; in += 8, length -= 8) {
        state ^=
            (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
        state = slices[7][state & 255] ^ slices[6][state >> 8 & 255] ^
                slices[5][state >> 16 & 255] ^ slices[4][state >> 24] ^ slices[3][in[4]] ^
                slices[2][in[5]] ^ slices[1][in[6]] ^ slices[0][in[7]];
    }
    for (; length > 0; in++, length--) {
        state = state >> 8 ^ slices[0][(state ^ *in) & 255];
    }
    return ~state;
}

#if defined(__x86_64__)
/* The instruction takes one word a cycle but needs three for a result, so long input is cut into three lanes that run side by
 * side. The lanes are as long as three of them fit into a page. */
#define LANE_BYTES 1360u
_Static_assert(LANE_BYTES % 8 == 0 && 3 * LANE_BYTES <= 4096, "a page holds three lanes of words");

/* A state after LANE_BYTES more zero bytes. */
static const uint32_t over_lane[4][256] = {
    TABLE(0x79113270, 0xf22264e0, 0xe1a8bf31, 0xc6bd0893, 0x889667d7, 0x14c0b95f, 0x298172be,
          0x5302e57c),
    TABLE(0xa605caf8, 0x49e7e301, 0x93cfc602, 0x2273faf5, 0x44e7f5ea, 0x89cfebd4, 0x1673a159,
          0x2ce742b2),
    TABLE(0x59ce8564, 0xb39d0ac8, 0x62d66361, 0xc5acc6c2, 0x8eb5fb75, 0x1887801b, 0x310f0036,
          0x621e006c),
    TABLE(0xc43c00d8, 0x8d947741, 0x1ec49873, 0x3d8930e6, 0x7b1261cc, 0xf624c398, 0xe9a5f1c1,
          0xd6a79573),
};

static inline uint64_t load_word(const uint8_t *in)
{
    uint64_t word;
    memcpy(&word, in, sizeof word);
    return word;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_instruction(uint32_t crc,
                                                                     const uint8_t *in,
                                                                     size_t length)
{
    uint64_t state = ~crc;
    for (; length >= 3 * LANE_BYTES; in += 3 * LANE_BYTES, length -= 3 * LANE_BYTES) {
        uint64_t second = 0;
        uint64_t third = 0;
        for (size_t i = 0; i < LANE_BYTES; i += 8) {
            state = _mm_crc32_u64(state, load_word(in + i));
            second = _mm_crc32_u64(second, load_word(in + LANE_BYTES + i));
            third = _mm_crc32_u64(third, load_word(in + 2 * LANE_BYTES + i));
        }
        state = shift_by_table(over_lane, (uint32_t)state) ^ second;
        state = shift_by_table(over_lane, (uint32_t)state) ^ third;
    }
    for (; length >= 8; in += 8, length -= 8) {
        state = _mm_crc32_u64(state, load_word(in));
    }
    for (; length > 0; in++, length--) {
        state = _mm_crc32_u8((uint32_t)state, *in);
    }
    return ~(uint32_t)state;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length)
{
    SIM_ASSERT(bytes != NULL || length == 0);
#if defined(__x86_64__)
    if (SIM_LIKELY(__builtin_cpu_supports("sse4.2"))) {
        return crc32c_instruction(crc, bytes, length);
    }
#endif
    return crc32c_portable(crc, bytes, length);
}

/* The product of two polynomials modulo CRC32C_POLYNOMIAL. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit != 0; bit >>= 1) {
        product ^= (a & bit) != 0 ? b : 0;
        b = b >> 1 ^ ((b & 1) != 0 ? CRC32C_POLYNOMIAL : 0);
    }
    return product;
}

/* Appending B multiplies the state of A by x^(8 * length of B). The two inversions of each finished CRC cancel out. */
uint32_t crc32c_concat(uint32_t crc_a, uint32_t crc_b, uint64_t length_b)
{
    if (length_b == 4096) {
        return shift_by_table(over_page, crc_a) ^ crc_b;
    }
    uint32_t shifted = crc_a;
    for (uint32_t k = 3; length_b != 0; k++, length_b >>= 1) {
        if ((length_b & 1) != 0) {
            shifted = multiply(powers_of_x[k % POWER_COUNT], shifted);
        }
    }
    return shifted ^ crc_b;
}
