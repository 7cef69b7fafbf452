/* The migration's messages: there and back, and refused where a byte is damaged. */
#include <criterion/criterion.h>

#include "cluster/migration_wire.h"
#include "tests/cluster/fake_rt.h"

#include <string.h>

/* ---- headers ------------------------------------------------------------------------------------------------------------- */

static const struct header_case {
    const char *name;
    uint32_t type;
    uint64_t argument;
    uint32_t length;
    bool good;
} header_cases[] = {
    {"type 0", 0, 0, 0, false},
    {"a type beyond the last", MIGRATION_MESSAGE_TYPES, 0, 0, false},
    {"CONFIGURE without content", MIGRATION_CONFIGURE, 0, 0, false},
    {"CONFIGURE", MIGRATION_CONFIGURE, 0, 200, true},
    {"CONFIGURE, the longest", MIGRATION_CONFIGURE, 0, 512 + (1u << 20), true},
    {"CONFIGURE, too long", MIGRATION_CONFIGURE, 0, 513 + (1u << 20), false},
    {"RESERVED", MIGRATION_RESERVED, 0, 0, true},
    {"RESERVED with content", MIGRATION_RESERVED, 0, 1, false},
    {"REFUSED without words", MIGRATION_REFUSED, 0, 0, true},
    {"REFUSED, the longest", MIGRATION_REFUSED, 1, 255, true},
    {"REFUSED, too long", MIGRATION_REFUSED, 0, 256, false},
    {"PAGES of none", MIGRATION_PAGES, 0, 0, false},
    {"PAGES, one zero page", MIGRATION_PAGES, 1, 8, true},
    {"PAGES, one page", MIGRATION_PAGES, 1, 8 + 4096, true},
    {"PAGES, one entry and two pages", MIGRATION_PAGES, 1, 8 + 8192, false},
    {"PAGES, half a page", MIGRATION_PAGES, 1, 8 + 2048, false},
    {"PAGES, entries cut", MIGRATION_PAGES, 2, 8, false},
    {"PAGES, as many as may be", MIGRATION_PAGES, 64, 64 * (8 + 4096), true},
    {"PAGES, too many", MIGRATION_PAGES, 65, 65 * 8, false},
    {"PAGES, a product that wraps", MIGRATION_PAGES, UINT64_C(1) << 61, 0, false},
    {"PAGES, the largest argument", MIGRATION_PAGES, UINT64_MAX, 0xfffffff8u, false},
    {"PACKED of none", MIGRATION_PACKED, 0, 0, false},
    {"PACKED, one zero page", MIGRATION_PACKED, 1, 8, true},
    {"PACKED, a byte", MIGRATION_PACKED, 1, 9, true},
    {"PACKED, one page", MIGRATION_PACKED, 1, 8 + 4096, true},
    {"PACKED, more than a page", MIGRATION_PACKED, 1, 8 + 4097, false},
    {"PACKED, entries cut", MIGRATION_PACKED, 2, 15, false},
    {"PACKED, too many", MIGRATION_PACKED, 65, 65 * 8, false},
    {"PACKED, a product that wraps", MIGRATION_PACKED, UINT64_C(1) << 61, 0, false},
    {"STATE without content", MIGRATION_STATE, 0, 0, false},
    {"STATE, the longest", MIGRATION_STATE, 0, MIGRATION_CONTENT_MAX, true},
    {"STATE, too long", MIGRATION_STATE, 0, MIGRATION_CONTENT_MAX + 1, false},
    {"GO", MIGRATION_GO, 0, 0, true},
    {"QUERY with content", MIGRATION_QUERY, 1, 4, false},
};

Test(wire, headers_are_checked_against_their_type)
{
    for (size_t i = 0; i < sizeof header_cases / sizeof *header_cases; i++) {
        const struct header_case *c = &header_cases[i];
        struct migration_message in = {.type = (enum migration_message_type)c->type,
                                       .id = UINT64_C(0x0123456789abcdef),
                                       .argument = c->argument,
                                       .length = c->length,
                                       .crc = 0xfedcba98},
                                 out = {0};
        uint8_t bytes[MIGRATION_HEADER_BYTES];
        migration_encode_header(&in, bytes);
        enum rt_error err = migration_decode_header(bytes, &out);
        cr_expect(err == (c->good ? RT_OK : RT_INVALID), "%s", c->name);
        if (err == RT_OK) {
            cr_expect(out.type == in.type && out.id == in.id && out.argument == in.argument &&
                          out.length == in.length && out.crc == in.crc,
                      "%s: another header came back", c->name);
        }
    }
}

/* A message says the least version that has it, and a later one is not refused for what is in an earlier. */
Test(wire, versions)
{
    static const struct {
        const char *name;
        enum migration_message_type type;
        uint32_t says, length, argument;
        bool good;
    } rows[] = {
        {"GO of version 1", MIGRATION_GO, 1, 0, 0, true},
        {"CONFIGURE of version 2: PACKED may come", MIGRATION_CONFIGURE, 2, 200, 0, true},
        {"PACKED of version 2", MIGRATION_PACKED, 2, 8, 1, true},
        {"PACKED of version 1", MIGRATION_PACKED, 1, 8, 1, false},
        {"a version that nobody knows", MIGRATION_GO, 3, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct migration_message in = {.type = rows[i].type,
                                       .version = rows[i].says,
                                       .length = rows[i].length,
                                       .argument = rows[i].argument},
                                 out = {0};
        uint8_t bytes[MIGRATION_HEADER_BYTES];
        migration_encode_header(&in, bytes);
        cr_expect((migration_decode_header(bytes, &out) == RT_OK) == rows[i].good, "%s",
                  rows[i].name);
        cr_expect(!rows[i].good || out.version == rows[i].says, "%s", rows[i].name);
    }
    struct migration_message packed = {.type = MIGRATION_PACKED, .argument = 1, .length = 8};
    uint8_t bytes[MIGRATION_HEADER_BYTES];
    migration_encode_header(&packed, bytes);
    cr_expect(bytes[5] == MIGRATION_VERSION_PACKED, "the least that has it");
}

/* ---- whole messages -------------------------------------------------------------------------------------------------------- */

/* Writes one message of each sort into a stream. */
static void write_message(struct fake_rt *fake, struct rt_stream *stream, uint32_t sort)
{
    struct rt *rt = &fake->rt;
    enum rt_error err = RT_OK;
    if (sort == 0) {
        struct migration_message message = {.type = MIGRATION_GO, .id = 77, .argument = 5};
        err = migration_send(rt, stream, &message, NULL, RT_FOREVER);
    } else if (sort == 1) {
        struct migration_message message = {.type = MIGRATION_STATE, .id = 78, .length = 300};
        uint8_t content[300];
        for (uint32_t i = 0; i < sizeof content; i++) {
            content[i] = (uint8_t)(i * 7 + 1);
        }
        err = migration_send(rt, stream, &message, content, RT_FOREVER);
    } else {
        struct migration_batch batch = {.count = 3, .entries = {9 << 1, 4 << 1 | 1, 700 << 1}};
        for (uint32_t p = 0; p < 2; p++) {
            uint8_t bytes[RT_PAGE_BYTES];
            for (uint32_t i = 0; i < sizeof bytes; i++) {
                bytes[i] = (uint8_t)(i * 13 + i / 251 + p);
            }
            batch.pages[batch.page_count++] = fake_page(fake, bytes);
        }
        if (sort == 3) { /* the first shrinks, the second does not */
            uint8_t bytes[RT_PAGE_BYTES];
            uint64_t wire = 0;
            memset(bytes, 0xa5, sizeof bytes);
            rt_page_unref(rt, batch.pages[0]);
            batch.pages[0] = fake_page(fake, bytes);
            migration_pack(rt, &batch);
            err = migration_send_packed(rt, stream, 80, &batch, &wire, RT_FOREVER);
            cr_assert(wire == MIGRATION_HEADER_BYTES + 3 * 8 + 2049 + 4096);
        } else {
            err = migration_send_pages(rt, stream, 79, &batch, RT_FOREVER);
        }
        cr_assert(batch.count == 0 && batch.page_count == 0, "the batch is not released");
    }
    cr_assert(err == RT_OK);
}

/* Reads one message, whatever it is. Returns whether it is right as a whole. */
static enum rt_error read_message(struct fake_rt *fake, struct rt_stream *stream,
                                  struct migration_message *message, struct migration_batch *batch,
                                  uint8_t **content)
{
    struct rt_slices slices = {0};
    enum rt_error err = migration_receive(&fake->rt, stream, message, RT_FOREVER);
    if (err == RT_OK && (message->type == MIGRATION_PAGES || message->type == MIGRATION_PACKED)) {
        err = migration_receive_pages(&fake->rt, stream, message, batch, &slices, RT_FOREVER);
    } else if (err == RT_OK) {
        err = migration_receive_content(&fake->rt, stream, message, content, RT_FOREVER);
    }
    rt_release_all(&fake->rt, &slices);
    return err;
}

static void expect_nothing_held(const struct fake_rt *fake, const char *what, size_t at)
{
    cr_assert(fake->live_memory == 0 && fake->live_pages == 0,
              "%s %zu: %u allocations and %u pages are left", what, at, fake->live_memory,
              fake->live_pages);
}

Test(wire, messages_come_back_however_they_are_cut)
{
    static const uint32_t cuts[] = {0, 4096, 4095, 1460, 1000, 700, 600};
    struct fake_rt fake;
    fake_rt_init(&fake, "node1");
    for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
        struct rt_stream stream = {.cut = cuts[c]};
        for (uint32_t sort = 0; sort < 4; sort++) {
            write_message(&fake, &stream, sort);
        }
        for (uint32_t sort = 0; sort < 4; sort++) {
            struct migration_message message;
            struct migration_batch batch = {0};
            uint8_t *content = NULL;
            enum rt_error err = read_message(&fake, &stream, &message, &batch, &content);
            cr_assert(err == RT_OK, "cut at %u, message %u: error %d", cuts[c], sort, err);
            cr_expect(message.id == 77 + sort);
            cr_expect(sort != 0 || (content == NULL && message.argument == 5));
            cr_expect(sort != 1 ||
                      (message.length == 300 && content[299] == (uint8_t)(299 * 7 + 1)));
            if (sort >= 2) {
                uint8_t byte;
                cr_expect(batch.count == 3 && batch.page_count == 2 && batch.entries[2] == 1400);
                memcpy(&byte, (uint8_t *)(uintptr_t)batch.pages[1].v + sizeof(uint32_t) + 4095, 1);
                cr_expect(byte == (uint8_t)(4095 * 13 + 4095 / 251 + 1));
                memcpy(&byte, (uint8_t *)(uintptr_t)batch.pages[0].v + sizeof(uint32_t) + 4095, 1);
                cr_expect(sort == 2 || byte == 0xa5);
                migration_release_batch(&fake.rt, &batch);
            }
            rt_free(&fake.rt, content);
        }
        cr_expect(stream.taken == stream.length, "something is left in the stream");
        fake_stream_close(&stream);
        expect_nothing_held(&fake, "cut", c);
    }
}

/* W1: any byte, any bit of a small message; any byte of pages. */
Test(wire, every_damaged_byte_is_refused)
{
    struct fake_rt fake;
    fake_rt_init(&fake, "node1");
    for (uint32_t sort = 0; sort < 4; sort++) {
        struct rt_stream whole = {0};
        write_message(&fake, &whole, sort);
        uint32_t bits = sort >= 2 ? 1 : 8;
        for (size_t at = 0; at < whole.length * bits; at++) {
            struct rt_stream stream = {0};
            struct migration_message message;
            struct migration_batch batch = {0};
            uint8_t *content = NULL;
            fake_stream_put(&stream, whole.bytes, whole.length);
            stream.bytes[at / bits] ^= (uint8_t)(1u << (bits == 1 ? at % 8 : at % bits));
            enum rt_error err = read_message(&fake, &stream, &message, &batch, &content);
            cr_assert(err != RT_OK, "message %u, byte %zu: taken though damaged", sort, at / bits);
            cr_assert(content == NULL && batch.page_count == 0);
            fake_stream_close(&stream);
            expect_nothing_held(&fake, "damaged at", at);
        }
        for (size_t length = 0; length < whole.length; length += sort >= 2 ? 61 : 1) {
            struct rt_stream stream = {0};
            struct migration_message message;
            struct migration_batch batch = {0};
            uint8_t *content = NULL;
            fake_stream_put(&stream, whole.bytes, length);
            enum rt_error err = read_message(&fake, &stream, &message, &batch, &content);
            cr_assert(err == RT_CLOSED, "message %u cut at %zu: error %d", sort, length, err);
            fake_stream_close(&stream);
            expect_nothing_held(&fake, "cut at", length);
        }
        fake_stream_close(&whole);
    }
}

/* Entries that name another number of pages than follow. */
Test(wire, zero_bits_must_agree_with_the_length)
{
    struct fake_rt fake;
    fake_rt_init(&fake, "node1");
    struct rt_stream stream = {0};
    struct migration_batch batch = {.count = 2, .entries = {0, 2}};
    cr_assert(migration_send_pages(&fake.rt, &stream, 1, &batch, RT_FOREVER) == RT_OK);
    struct migration_message message;
    uint8_t *content = NULL;
    cr_expect(read_message(&fake, &stream, &message, &batch, &content) == RT_INVALID);
    fake_stream_close(&stream);
    expect_nothing_held(&fake, "entries", 0);
}

/* ---- CONFIGURE --------------------------------------------------------------------------------------------------------------- */

static struct migration_configure a_configure(void)
{
    return (struct migration_configure){
        .request = 12,
        .vm = "web",
        .source = {.name = "node1",
                   .address_count = 2,
                   .addresses = {{0x0a000001, 6600}, {0x0a000101, 6601}}},
        .announcement = {.count = 3,
                         .spacing_ns = 100000000,
                         .step_ns = 50000000,
                         .spacing_ns_max = 1000000000},
        .config = "the configuration",
        .config_length = 17,
    };
}

Test(wire, configure_comes_back_and_nothing_else_does)
{
    uint8_t bytes[MIGRATION_CONFIGURE_BYTES_MAX + 17];
    struct migration_configure in = a_configure(), out;
    uint32_t length = migration_encode_configure(&in, bytes);
    cr_assert(length <= MIGRATION_CONFIGURE_BYTES_MAX);
    cr_assert(migration_decode_configure(bytes, length, &out) == RT_OK);
    cr_expect(out.request == 12 && strcmp(out.vm, "web") == 0);
    cr_expect(strcmp(out.source.name, "node1") == 0 && out.source.address_count == 2);
    cr_expect(out.source.addresses[1].ip4 == 0x0a000101 && out.source.addresses[1].port == 6601);
    cr_expect(out.announcement.count == 3 && out.announcement.spacing_ns == 100000000);
    cr_expect(out.announcement.step_ns == 50000000 &&
              out.announcement.spacing_ns_max == 1000000000);
    cr_expect(out.config_length == 17 && memcmp(out.config, "the configuration", 17) == 0);
    for (uint32_t cut = 0; cut < length; cut++) {
        cr_expect(migration_decode_configure(bytes, cut, &out) == RT_INVALID, "cut at %u", cut);
    }
    cr_expect(migration_decode_configure(bytes, length + 1, &out) == RT_INVALID, "a byte more");
    static const struct {
        const char *name;
        uint32_t at;
        uint8_t byte;
    } damage[] = {
        {"a VM without a name", 8, 0},
        {"a VM's name without end", 8 + 63, 'x'},
        {"a node's name without end", 72 + 63, 'x'},
        {"no address", 139, 0},
        {"nine addresses", 139, 9},
        {"addresses by the million", 136, 1},
        {"a thousand announcements", 152 + 2, 4},
        {"announcements a year apart", 156, 1},
        {"gaps that grow by years", 164, 1},
        {"gaps of years", 172, 1},
        {"a longer configuration", 183, 18},
    };
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        uint8_t damaged[sizeof bytes];
        memcpy(damaged, bytes, sizeof bytes);
        damaged[damage[i].at] = damage[i].byte;
        cr_expect(migration_decode_configure(damaged, length, &out) == RT_INVALID, "%s",
                  damage[i].name);
    }
}
