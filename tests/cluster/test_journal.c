/* The journal of hand-overs. */
#include <criterion/criterion.h>

#include "cluster/migration_journal.h"
#include "tests/cluster/fake_rt.h"

#include <stdio.h>
#include <string.h>

static struct migration_entry an_entry(uint64_t id, enum migration_stage stage)
{
    struct migration_entry entry = {
        .id = id, .request = id + 5, .stage = stage, .vm = "web", .peer = {.name = "node2"}};
    entry.peer.address_count = (uint32_t)(id % (MIGRATION_ADDRESSES_MAX + 1));
    for (uint32_t i = 0; i < entry.peer.address_count; i++) {
        entry.peer.addresses[i] = (struct rt_address){0x0a000001 + i, (uint16_t)(6600 + i)};
    }
    return entry;
}

Test(journal, entries_come_back_in_the_order_of_ids)
{
    static const uint64_t ids[] = {0x100000005, 1, UINT64_MAX, 0x8000000000000000, 0x100000004, 17};
    static const uint64_t sorted[] = {1,         17, 0x100000004, 0x100000005, 0x8000000000000000,
                                      UINT64_MAX};
    struct fake_rt fake;
    fake_rt_init(&fake, "node1");
    for (size_t i = 0; i < 6; i++) {
        struct migration_entry entry = an_entry(ids[i], MIGRATION_STAGE_PREPARED);
        cr_assert(migration_journal_put(&fake.rt, &entry) == RT_OK);
        entry.stage = (enum migration_stage)(1 + i % 3); /* and again, in place */
        cr_assert(migration_journal_put(&fake.rt, &entry) == RT_OK);
        struct migration_entry back;
        cr_assert(migration_journal_get(&fake.rt, ids[i], &back) == RT_OK);
        cr_expect(memcmp(&back, &entry, sizeof entry) == 0, "entry %zu is another", i);
    }
    uint64_t after = 0;
    struct migration_entry entry;
    for (size_t i = 0; i < 6; i++) {
        cr_assert(migration_journal_next(&fake.rt, after, &entry) == RT_OK, "entry %zu", i);
        cr_expect(entry.id == sorted[i], "entry %zu", i);
        after = entry.id;
    }
    cr_expect(migration_journal_next(&fake.rt, after, &entry) == RT_NOT_FOUND);
    cr_assert(migration_journal_remove(&fake.rt, 17) == RT_OK);
    cr_assert(migration_journal_remove(&fake.rt, 17) == RT_OK, "absent is fine");
    cr_expect(migration_journal_get(&fake.rt, 17, &entry) == RT_NOT_FOUND);
    cr_assert(migration_journal_next(&fake.rt, 1, &entry) == RT_OK);
    cr_expect(entry.id == 0x100000004);
}

Test(journal, ids_are_never_given_twice)
{
    struct fake_rt fake, other;
    uint64_t id = 0, last = 0, elsewhere = 0;
    fake_rt_init(&fake, "node1");
    fake_rt_init(&other, "node2");
    for (int i = 0; i < 300; i++) {
        cr_assert(migration_journal_new_id(&fake.rt, &id) == RT_OK);
        cr_assert(id > last, "number %d", i);
        last = id;
    }
    cr_assert(migration_journal_new_id(&other.rt, &elsewhere) == RT_OK);
    cr_expect(elsewhere >> 32 != id >> 32, "two nodes share their upper half");
    static const enum rt_error errors[] = {RT_NO_SPACE, RT_TIMED_OUT, RT_MEDIUM};
    for (size_t i = 0; i < 3; i++) {
        fake.put_fails = errors[i];
        uint64_t untouched = 42;
        cr_expect(migration_journal_new_id(&fake.rt, &untouched) == errors[i]);
        cr_expect(untouched == 42, "an id that is not durable");
    }
}

/* An entry that nobody can read hides none of the others. */
Test(journal, what_cannot_be_read_is_passed_over)
{
    static const struct {
        const char *name;
        uint32_t at;
        uint8_t byte;
    } damage[] = {
        {"stage none", 19, 0},
        {"a stage that is none", 19, 4},
        {"a large stage", 16, 1},
        {"a VM's name without end", 20 + 63, 'x'},
        {"a node's name without end", 84 + 63, 'x'},
        {"nine addresses", 151, 9},
    };
    for (size_t i = 0; i < 1 + sizeof damage / sizeof *damage; i++) {
        struct fake_rt fake;
        struct migration_entry entry;
        fake_rt_init(&fake, "node1");
        for (uint64_t id = 1; id <= 3; id++) {
            entry = an_entry(id, MIGRATION_STAGE_GIVEN);
            cr_assert(migration_journal_put(&fake.rt, &entry) == RT_OK);
        }
        const char *name = "cut short";
        if (i == 0) {
            fake.items[1].length = 7;
        } else {
            name = damage[i - 1].name;
            fake.items[1].bytes[damage[i - 1].at] = damage[i - 1].byte;
        }
        cr_expect(migration_journal_get(&fake.rt, 2, &entry) == RT_INVALID, "%s", name);
        cr_assert(migration_journal_next(&fake.rt, 1, &entry) == RT_OK, "%s", name);
        cr_expect(entry.id == 3, "%s", name);
        cr_expect(migration_journal_next(&fake.rt, 3, &entry) == RT_NOT_FOUND);
    }
}
