/* Fuzzes the migration protocol: bytes into the decoders, and a peer that does what the input says to a service that runs.
 *
 * The first byte says which: the decoders alone, a source that talks to a target's service, or a target to which a source's service sends. The rest is
 * for a peer (tests/migration/puppet.h): messages as they should be, messages with a right checksum and anything in them, and plain bytes.
 * Whatever comes: no assertion, no leak, and no VM of a source that was never told DONE is gone. */
#include "tests/migration/puppet.c" /* fuzzers are one file each */

#include <stdlib.h>

#define ID       UINT64_C(0x1234567800000001)
#define OPS_MAX  64u
#define NAP_BITS 12u /* up to 4 s */

struct input {
    const uint8_t *bytes;
    size_t length;
};
static struct input input; /* of the present run */
static bool said_done;

static uint8_t next_byte(void)
{
    if (input.length == 0) {
        return 0;
    }
    input.length--;
    return *input.bytes++;
}

/* At most `capacity` bytes of the input. */
static uint32_t next_bytes(uint8_t *out, uint32_t capacity)
{
    uint32_t length = next_byte();
    length = length < capacity ? length : capacity;
    length = length < input.length ? length : (uint32_t)input.length;
    if (length > 0) {
        memcpy(out, input.bytes, length);
    }
    input.bytes += length;
    input.length -= length;
    return length;
}

/* ---- the decoders ------------------------------------------------------------------------------------------------------------ */

static void decode(const uint8_t *bytes, size_t length)
{
    struct migration_message message;
    struct migration_configure configure;
    if (length >= MIGRATION_HEADER_BYTES && migration_decode_header(bytes, &message) == RT_OK) {
        uint8_t again[MIGRATION_HEADER_BYTES];
        migration_encode_header(&message, again);
        SIM_ASSERT(memcmp(bytes, again, sizeof again) == 0);
    }
    if (length <= UINT32_MAX &&
        migration_decode_configure(bytes, (uint32_t)length, &configure) == RT_OK) {
        uint8_t *again = malloc(MIGRATION_CONFIGURE_BYTES_MAX + length);
        SIM_ASSERT(again != NULL);
        SIM_ASSERT(migration_encode_configure(&configure, again) == length);
        free(again);
    }
}

/* ---- a peer ------------------------------------------------------------------------------------------------------------------------ */

struct talk {
    struct puppet *puppet;
    enum puppet_part part;
    struct rt_stream *stream;
    uint64_t id, entries;
};

static void reopen(struct talk *talk)
{
    if (talk->stream != NULL) {
        rt_close(talk->puppet->rt, talk->stream);
    }
    talk->stream = talk->part == PUPPET_SOURCE ? puppet_connect(talk->puppet, MIGRATION_PORT)
                                               : puppet_accept(talk->puppet);
}

static void say_anything(struct talk *talk)
{
    uint8_t content[256];
    struct migration_message message = {
        .type = (enum migration_message_type)(next_byte() % (MIGRATION_MESSAGE_TYPES + 1)),
        .id = talk->id + (next_byte() % 8 == 0),
        .argument = next_byte(),
    };
    message.length = next_bytes(content, sizeof content);
    if (talk->part == PUPPET_TARGET && message.type == MIGRATION_DONE) {
        said_done = true;
    }
    send(talk->puppet, talk->stream, &message, content);
}

static void say_bytes(struct talk *talk)
{
    uint8_t raw[256];
    struct rt *rt = talk->puppet->rt;
    const struct rt_slice slice = {.bytes = raw, .length = next_bytes(raw, sizeof raw)};
    if (talk->stream != NULL && slice.length > 0) {
        (void)!rt_write(rt, talk->stream, &slice, 1, rt_now(rt) + SIM_S);
    }
}

static void hear(struct talk *talk)
{
    struct migration_message message = next_message(talk->puppet, talk->stream, 200 * SIM_MS);
    if (message.type == MIGRATION_CONFIGURE) {
        talk->id = message.id;
    } else if (message.type == MIGRATION_PAGES || message.type == MIGRATION_PACKED) {
        talk->entries += message.argument;
    }
}

static void pause_or_resume(struct talk *talk, bool pause)
{
    struct rt *rt = talk->puppet->rt;
    struct rt_vm *vm = NULL;
    if (rt_vm_find(rt, "web", &vm) == RT_OK) {
        (void)!(pause ? rt_vm_pause(rt, vm) : rt_vm_resume(rt, vm));
    }
}

static void do_as_source(struct talk *talk, uint8_t op)
{
    switch (op) {
    case 0:
        puppet_configure(talk->puppet, talk->stream, talk->id);
        break;
    case 1: {
        uint8_t which = next_byte();
        talk->entries += (which < 128 ? puppet_pages : puppet_packed_pages)(
            talk->puppet, talk->stream, talk->id, which % PUPPET_PAGES);
        break;
    }
    case 2:
        pause_or_resume(talk, true);
        puppet_state(talk->puppet, talk->stream, talk->id);
        break;
    case 3:
        pause_or_resume(talk, false);
        break;
    case 4:
        puppet_say(talk->puppet, talk->stream, MIGRATION_ROUND_END, talk->id, 1);
        break;
    case 5:
        puppet_say(talk->puppet, talk->stream, MIGRATION_PREPARE, talk->id, talk->entries);
        break;
    case 6:
        puppet_say(talk->puppet, talk->stream, MIGRATION_GO, talk->id, 0);
        break;
    default:
        talk->id = ID + next_byte() % 2;
        break;
    }
}

static void do_as_target(struct talk *talk, uint8_t op)
{
    static const enum migration_message_type answers[8] = {
        MIGRATION_RESERVED, MIGRATION_ROUND_OK,  MIGRATION_READY, MIGRATION_DONE,
        MIGRATION_REFUSED,  MIGRATION_DISCARDED, MIGRATION_QUERY, MIGRATION_ROUND_OK};
    said_done = said_done || answers[op] == MIGRATION_DONE;
    puppet_say(talk->puppet, talk->stream, answers[op], talk->id,
               answers[op] == MIGRATION_ROUND_OK ? talk->entries : 1);
}

static void act(struct puppet *puppet, enum puppet_part part)
{
    struct talk talk = {.puppet = puppet, .part = part, .id = ID};
    reopen(&talk);
    for (uint32_t i = 0; i < OPS_MAX && input.length > 0; i++) {
        uint8_t op = next_byte();
        switch (op % 6) {
        case 0:
            say_anything(&talk);
            break;
        case 1:
            say_bytes(&talk);
            break;
        case 2:
            hear(&talk);
            break;
        case 3:
            if (op >= 128) {
                reopen(&talk);
            } else {
                puppet_sleep(puppet, SIM_MS << (op / 6 % (NAP_BITS + 1)));
            }
            break;
        default:
            if (part == PUPPET_SOURCE) {
                do_as_source(&talk, op / 6 % 8);
            } else {
                do_as_target(&talk, op / 6 % 8);
            }
            break;
        }
    }
    if (talk.stream != NULL) {
        rt_close(puppet->rt, talk.stream);
    }
}

static void act_as_source(struct puppet *puppet)
{
    act(puppet, PUPPET_SOURCE);
}

static void act_as_target(struct puppet *puppet)
{
    act(puppet, PUPPET_TARGET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[256];
    if (size == 0) {
        return 0;
    }
    input = (struct input){data + 1, size - 1};
    said_done = false;
    if (data[0] % 3 == 0) {
        decode(data + 1, size - 1);
        return 0;
    }
    bool source = data[0] % 3 == 1;
    struct puppet_end end = puppet_run(source ? PUPPET_SOURCE : PUPPET_TARGET,
                                       source ? act_as_source : act_as_target, why, sizeof why);
    SIM_ASSERT(end.at_source || (!source && said_done));
    SIM_ASSERT(strncmp(end.oracle, "streams", 7) != 0);
    SIM_ASSERT(strncmp(end.oracle, "frames", 6) != 0);
    SIM_ASSERT(strstr(end.oracle, "alive after") == NULL);
    return 0;
}
