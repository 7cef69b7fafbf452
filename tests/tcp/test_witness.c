/* The oracle of streams: sums that do not depend on cuts, and that see what is wrong. */
#include "nic/stream_witness.h"

#include <criterion/criterion.h>
#include <string.h>

#include "sim/chance.h"

#define STREAM_BYTES (400u * 1024u)

struct feed {
    struct page_pool *pages;
    struct page literal, whole;
    struct chance chance;
};

/* The slice of the stream that begins at `offset`: a mix of all kinds of pages, the same for both ends. */
static struct slice stream_slice(const struct feed *feed, uint64_t offset)
{
    uint64_t number = offset / 10000;
    uint32_t at = (uint32_t)(offset % 10000);
    if (at < 4096) {
        struct page page = number % 3 == 0   ? page_zero()
                           : number % 3 == 1 ? page_pattern(PAGE_RANDOM, number)
                                             : feed->whole;
        return (struct slice){page, at, 4096 - at};
    }
    if (at < 8000) {
        return (struct slice){page_pattern(PAGE_COMPRESSIBLE, number), at - 4096, 8000 - at};
    }
    return (struct slice){feed->literal, at - 8000, 10000 - at};
}

/* Feeds the stream in pieces of random length; `damage` changes one thing. */
enum damage { INTACT, OTHER_PAGE, OTHER_BYTE, SHIFTED, SHORT };

static void feed_open(struct feed *feed)
{
    uint8_t bytes[PAGE_BYTES];
    feed->pages = page_pool_new();
    feed->chance = chance_key(1, "test.witness", "");
    for (uint32_t i = 0; i < PAGE_BYTES; i++) {
        bytes[i] = (uint8_t)chance_at(feed->chance, i);
    }
    feed->literal = page_literal(feed->pages, bytes, 2000);
    feed->whole = page_literal(feed->pages, bytes, PAGE_BYTES);
}

static void feed_close(struct feed *feed)
{
    page_unref(feed->pages, feed->literal);
    page_unref(feed->pages, feed->whole);
    page_pool_close(feed->pages);
}

static bool receive(const struct feed *feed, struct stream_witness *witness,
                    struct stream_witness_end *end, uint64_t bytes, uint64_t seed,
                    enum damage damage)
{
    bool right = true;
    for (uint64_t offset = 0, n = 0; offset < bytes; n++) {
        struct slice slice = stream_slice(feed, offset);
        uint32_t most = 1 + (uint32_t)chance_below(chance_key(seed, "test.cut", ""), n, 3000);
        slice.length = slice.length < most ? slice.length : most;
        slice.length = slice.length < bytes - offset ? slice.length : (uint32_t)(bytes - offset);
        offset += slice.length;
        if (damage != INTACT && offset > 200000 && !page_same_handle(slice.page, page_zero())) {
            uint8_t byte = 1;
            if (damage == OTHER_PAGE) {
                slice.page = page_pattern(PAGE_RANDOM, 999999);
                slice.offset = slice.offset < PAGE_BYTES - slice.length ? slice.offset : 0;
            } else if (damage == SHIFTED) {
                slice.offset = slice.offset > 0 ? slice.offset - 1 : 1;
                slice.length = slice.length > 1 ? slice.length - 1 : 1;
            } else if (damage == OTHER_BYTE && page_same_handle(slice.page, feed->literal)) {
                struct page one = page_literal(feed->pages, &byte, 1);
                page_unref(feed->pages, one);
                uint8_t copy[2000];
                page_copy_out(feed->pages, slice.page, slice.offset, slice.length, copy);
                copy[slice.length / 2] ^= byte;
                slice.page = page_literal(feed->pages, copy, slice.length);
                slice.offset = 0;
                right = stream_witness_received(witness, end, feed->pages, &slice) && right;
                page_unref(feed->pages, slice.page);
                damage = INTACT;
                continue;
            } else {
                goto intact;
            }
            damage = INTACT;
        }
    intact:
        right = stream_witness_received(witness, end, feed->pages, &slice) && right;
    }
    return right;
}

static void send(const struct feed *feed, struct stream_witness *witness,
                 struct stream_witness_end *end, uint64_t bytes)
{
    for (uint64_t offset = 0; offset < bytes;) {
        struct slice slice = stream_slice(feed, offset);
        slice.length = slice.length < bytes - offset ? slice.length : (uint32_t)(bytes - offset);
        offset += slice.length;
        stream_witness_sent(witness, end, feed->pages, &slice);
    }
    stream_witness_sent_all(witness, end);
}

Test(witness, cuts_do_not_matter_and_damage_does)
{
    static const struct {
        const char *name;
        enum damage damage;
        uint64_t received;
        bool right;
    } cases[] = {
        {"intact", INTACT, STREAM_BYTES, true},
        {"another page", OTHER_PAGE, STREAM_BYTES, false},
        {"another byte", OTHER_BYTE, STREAM_BYTES, false},
        {"shifted by one", SHIFTED, STREAM_BYTES, false},
        {"too short", INTACT, STREAM_BYTES - 1, false},
    };
    struct feed feed;
    feed_open(&feed);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct stream_witness *witness = stream_witness_new();
            struct stream_witness_end sender = {0}, receiver = {0};
            uint64_t key = stream_witness_key(1, 2, 3);
            stream_witness_join(witness, &sender, key);
            stream_witness_join(witness, &receiver, key);
            send(&feed, witness, &sender, STREAM_BYTES);
            bool right =
                receive(&feed, witness, &receiver, cases[i].received, seed, cases[i].damage);
            right = stream_witness_received_all(witness, &receiver) && right;
            cr_assert_eq(right, cases[i].right, "%s, seed %lu", cases[i].name, (unsigned long)seed);
            cr_assert_eq(receiver.wrong, !cases[i].right, "%s", cases[i].name);
            if (cases[i].right) {
                cr_assert_eq(receiver.verified, STREAM_BYTES);
            } else {
                cr_assert_lt(receiver.verified, STREAM_BYTES, "%s", cases[i].name);
            }
            stream_witness_leave(witness, &sender);
            stream_witness_leave(witness, &receiver);
            cr_assert_eq(stream_witness_live(witness), 0);
            stream_witness_close(witness);
        }
    }
    feed_close(&feed);
}

/* W2: what the witness has not seen is not judged; W3: another stream of the same ends is another stream. */
Test(witness, the_unknown_is_not_judged)
{
    struct feed feed;
    feed_open(&feed);
    struct stream_witness *witness = stream_witness_new();
    struct stream_witness_end sender = {0}, receiver = {0}, other = {0};
    stream_witness_join(witness, &receiver, stream_witness_key(1, 2, 3));
    cr_assert(receive(&feed, witness, &receiver, STREAM_BYTES, 1, INTACT));
    cr_assert(stream_witness_received_all(witness, &receiver));
    cr_assert_eq(receiver.verified, 0);
    stream_witness_join(witness, &sender, stream_witness_key(1, 2, 4));
    stream_witness_join(witness, &other, stream_witness_key(2, 1, 3));
    cr_assert_eq(stream_witness_live(witness), 3);
    stream_witness_leave(witness, &sender);
    stream_witness_leave(witness, &receiver);
    stream_witness_leave(witness, &other);
    stream_witness_close(witness);
    feed_close(&feed);
}
