#include "sim/recorder.h"
#include "sim/run_hash.h"

#include <criterion/criterion.h>
#include <string.h>

/* Frozen: goldens and recordings hold such values. Computed apart from the code under test, from the formulas in
 * sim/run_hash.h. */
static const struct {
    const char *name;
    const char *bytes;
    size_t length;
    const char *text;
} golden_bytes[] = {
    {"nothing", "", 0, "9d6f8727b69b8453"},
    {"one zero", "\0", 1, "1357a1341489b08a"},
    {"two zeros", "\0\0", 2, "450b64015ad89ab2"},
    {"a letter", "a", 1, "eb314e0c8ce2811e"},
    {"eight", "node1/la", 8, "bb38b56f6702abb7"},
    {"nine", "node1/lan", 9, "0bef48d6b0eb0999"},
    {"sixteen", "0123456789abcdef", 16, "17148302dd51c62b"},
    {"twenty-four", "0123456789abcdefghijklmn", 24, "a849cefa5cee7e24"},
    {"twenty-five", "0123456789abcdefghijklmno", 25, "c2135f7f96e30988"},
    {"high bytes", "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4\xf3\xf2\xf1\xf0\x80", 17,
     "5085c0ec2eb89ec1"},
};

static const struct {
    const char *name;
    uint64_t words[4][2];
    uint32_t folds;
    const char *text;
} golden_folds[] = {
    {"start", {{0, 0}}, 0, "6fee6b8e89977d3a"},
    {"zeros", {{0, 0}}, 1, "9d6f8727b69b8453"},
    {"first lane", {{1, 0}}, 1, "1357a1341489b08a"},
    {"second lane", {{0, 1}}, 1, "2ce615e152254ac3"},
    {"a, b", {{1, 2}, {3, 4}}, 2, "2ad7f06e0eb7fb1a"},
    {"b, a", {{3, 4}, {1, 2}}, 2, "07416c1218c2119a"},
    {"all ones", {{UINT64_MAX, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}}, 2, "9852cec165113ba2"},
};

Test(run_hash, golden_values)
{
    char text[17];
    for (size_t i = 0; i < sizeof(golden_bytes) / sizeof(golden_bytes[0]); i++) {
        struct run_hash hash = RUN_HASH_START;
        run_hash_fold_bytes(&hash, golden_bytes[i].bytes, golden_bytes[i].length);
        run_hash_text(&hash, text);
        cr_expect_str_eq(text, golden_bytes[i].text, "%s: %s", golden_bytes[i].name, text);
    }
    for (size_t i = 0; i < sizeof(golden_folds) / sizeof(golden_folds[0]); i++) {
        struct run_hash hash = RUN_HASH_START;
        for (uint32_t k = 0; k < golden_folds[i].folds; k++) {
            run_hash_fold(&hash, golden_folds[i].words[k][0], golden_folds[i].words[k][1]);
        }
        run_hash_text(&hash, text);
        cr_expect_str_eq(text, golden_folds[i].text, "%s: %s", golden_folds[i].name, text);
    }
    struct run_hash name = RUN_HASH_START;
    run_hash_fold_bytes(&name, "node1/lan", 9);
    cr_expect_eq(recorder_name_hash("node1/lan"), run_hash_value(&name));
}

static uint32_t bits_between(uint64_t a, uint64_t b)
{
    return (uint32_t)__builtin_popcountll(a ^ b);
}

/* Every input bit changes the value, and after two more folds about half of its bits: between 10 and 54 of 64 for each
 * single bit, 28 to 36 on the average. */
Test(run_hash, every_bit_matters)
{
    uint64_t changed = 0;
    uint32_t cases = 0;
    for (unsigned lane = 0; lane < 2; lane++) {
        for (unsigned bit = 0; bit < 64; bit++) {
            struct run_hash one = RUN_HASH_START;
            struct run_hash other = RUN_HASH_START;
            uint64_t flip = UINT64_C(1) << bit;
            run_hash_fold(&one, 12345, 67890);
            run_hash_fold(&other, 12345 ^ (lane == 0 ? flip : 0), 67890 ^ (lane == 1 ? flip : 0));
            cr_expect_neq(run_hash_value(&one), run_hash_value(&other), "lane %u bit %u", lane,
                          bit);
            for (unsigned more = 0; more < 2; more++) {
                run_hash_fold(&one, 7, 9);
                run_hash_fold(&other, 7, 9);
            }
            uint32_t bits = bits_between(run_hash_value(&one), run_hash_value(&other));
            cr_expect(bits >= 10, "lane %u bit %u changes %u bits", lane, bit, bits);
            cr_expect(bits <= 54, "lane %u bit %u changes %u bits", lane, bit, bits);
            changed += bits;
            cases++;
        }
    }
    cr_expect(changed >= 28u * cases, "%llu of %u", (unsigned long long)changed, cases * 64);
    cr_expect(changed <= 36u * cases, "%llu of %u", (unsigned long long)changed, cases * 64);
}

/* Bytes are folded by content and length alone: neither alignment nor what lies behind them matters. */
Test(run_hash, bytes_by_content)
{
    uint8_t room[96];
    for (size_t length = 0; length <= 40; length++) {
        uint64_t expected = 0;
        for (size_t shift = 0; shift < 16; shift++) {
            memset(room, (int)(0x50 + shift), sizeof(room));
            for (size_t i = 0; i < length; i++) {
                room[shift + i] = (uint8_t)(i * 37 + 200);
            }
            struct run_hash hash = RUN_HASH_START;
            run_hash_fold_bytes(&hash, room + shift, length);
            expected = shift == 0 ? run_hash_value(&hash) : expected;
            cr_expect_eq(run_hash_value(&hash), expected, "length %zu at %zu", length, shift);
        }
    }
}
