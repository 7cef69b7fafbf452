#include "cluster/migration_journal.h"

#include <string.h>

#define PREFIX           "migration/"
#define COUNTER          "migration-ids"
#define KEY_BYTES        (sizeof PREFIX + 16)
#define STORE_TIMEOUT_NS 10000000000

/* The entry's layout on the store: id 8, request 8, stage 4, vm 64, peer name 64, address count 4, addresses 8 x 6. */
#define ENTRY_BYTES (8 + 8 + 4 + 64 + 64 + 4 + 8 * 6)

static void key_of(uint64_t id, char key[KEY_BYTES])
{
    memcpy(key, PREFIX, sizeof PREFIX - 1);
    for (uint32_t i = 0; i < 16; i++) {
        key[sizeof PREFIX - 1 + i] = "0123456789abcdef"[id >> (60 - 4 * i) & 15];
    }
    key[KEY_BYTES - 1] = 0;
}

static uint8_t *put_be(uint8_t *at, uint64_t value, uint32_t width)
{
    for (uint32_t i = width; i > 0; i--) {
        at[i - 1] = (uint8_t)value;
        value >>= 8;
    }
    return at + width;
}

static uint64_t get_be(const uint8_t **at, uint32_t width)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < width; i++) {
        value = value << 8 | (*at)[i];
    }
    *at += width;
    return value;
}

enum rt_error migration_journal_new_id(struct rt *rt, uint64_t *id)
{
    uint8_t bytes[8];
    uint32_t length = 0;
    uint64_t count = 0;
    if (rt_store_get(rt, COUNTER, bytes, sizeof bytes, &length) == RT_OK &&
        length == sizeof bytes) {
        const uint8_t *at = bytes;
        count = get_be(&at, 8);
    }
    count++;
    put_be(bytes, count, 8);
    enum rt_error err =
        rt_store_put(rt, COUNTER, bytes, sizeof bytes, rt_now(rt) + STORE_TIMEOUT_NS);
    if (err != RT_OK) {
        return err;
    }
    /* The upper half tells nodes apart, the lower half the migrations of one. */
    const char *name = rt_id(rt);
    uint32_t node = rt_crc32c(rt, 0, name, strlen(name));
    *id = (uint64_t)node << 32 | (count & 0xffffffffu);
    return RT_OK;
}

enum rt_error migration_journal_put(struct rt *rt, const struct migration_entry *entry)
{
    uint8_t bytes[ENTRY_BYTES] = {0};
    char key[KEY_BYTES];
    RT_ASSERT(rt, entry->stage != MIGRATION_STAGE_NONE);
    RT_ASSERT(rt, entry->peer.address_count <= MIGRATION_ADDRESSES_MAX);
    uint8_t *at = put_be(bytes, entry->id, 8);
    at = put_be(at, entry->request, 8);
    at = put_be(at, (uint64_t)entry->stage, 4);
    memcpy(at, entry->vm, MIGRATION_NAME_MAX);
    memcpy(at + MIGRATION_NAME_MAX, entry->peer.name, MIGRATION_NAME_MAX);
    at = put_be(at + 2 * MIGRATION_NAME_MAX, entry->peer.address_count, 4);
    for (uint32_t i = 0; i < entry->peer.address_count; i++) {
        at = put_be(at, entry->peer.addresses[i].ip4, 4);
        at = put_be(at, entry->peer.addresses[i].port, 2);
    }
    key_of(entry->id, key);
    return rt_store_put(rt, key, bytes, sizeof bytes, rt_now(rt) + STORE_TIMEOUT_NS);
}

enum rt_error migration_journal_remove(struct rt *rt, uint64_t id)
{
    char key[KEY_BYTES];
    key_of(id, key);
    return rt_store_remove(rt, key, rt_now(rt) + STORE_TIMEOUT_NS);
}

static enum rt_error read_entry(struct rt *rt, const char *key, struct migration_entry *entry)
{
    uint8_t bytes[ENTRY_BYTES];
    uint32_t length = 0;
    enum rt_error err = rt_store_get(rt, key, bytes, sizeof bytes, &length);
    if (err != RT_OK) {
        return err;
    }
    if (length != ENTRY_BYTES) {
        return RT_INVALID;
    }
    const uint8_t *at = bytes;
    *entry = (struct migration_entry){0};
    entry->id = get_be(&at, 8);
    entry->request = get_be(&at, 8);
    uint64_t stage = get_be(&at, 4);
    memcpy(entry->vm, at, MIGRATION_NAME_MAX);
    memcpy(entry->peer.name, at + MIGRATION_NAME_MAX, MIGRATION_NAME_MAX);
    at += 2 * MIGRATION_NAME_MAX;
    entry->peer.address_count = (uint32_t)get_be(&at, 4);
    if (stage == MIGRATION_STAGE_NONE || stage > MIGRATION_STAGE_GIVEN ||
        entry->peer.address_count > MIGRATION_ADDRESSES_MAX ||
        entry->vm[MIGRATION_NAME_MAX - 1] != 0 || entry->peer.name[MIGRATION_NAME_MAX - 1] != 0) {
        return RT_INVALID;
    }
    entry->stage = (enum migration_stage)stage;
    for (uint32_t i = 0; i < entry->peer.address_count; i++) {
        entry->peer.addresses[i].ip4 = (uint32_t)get_be(&at, 4);
        entry->peer.addresses[i].port = (uint16_t)get_be(&at, 2);
    }
    return RT_OK;
}

enum rt_error migration_journal_get(struct rt *rt, uint64_t id, struct migration_entry *entry)
{
    char key[KEY_BYTES];
    key_of(id, key);
    return read_entry(rt, key, entry);
}

enum rt_error migration_journal_next(struct rt *rt, uint64_t after, struct migration_entry *entry)
{
    char key[KEY_BYTES], next[KEY_BYTES];
    key_of(after, key);
    for (;;) {
        enum rt_error err = rt_store_next(rt, PREFIX, key, next, sizeof next);
        if (err != RT_OK) {
            return err;
        }
        if (read_entry(rt, next, entry) == RT_OK) {
            return RT_OK;
        }
        memcpy(key, next, sizeof key);
    }
}
