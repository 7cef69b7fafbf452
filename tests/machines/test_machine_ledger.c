#include <criterion/criterion.h>
#include <string.h>

#include "sim/chance.h"
#include "tests/machines/world.h"

#define BLOCKS 200

Test(machine_ledger, counts_what_stands_and_returns_it_at_a_crash)
{
    struct world world;
    world_open(&world, 1, false);
    struct chance chance = chance_key(1, "test.ledger", "host");
    unsigned char *blocks[BLOCKS] = {NULL};
    size_t sizes[BLOCKS] = {0};
    size_t total = 0;
    for (uint64_t op = 0; op < 3000; op++) {
        uint64_t draw = chance_at(chance, op);
        uint32_t index = (uint32_t)(draw % BLOCKS);
        if (draw >> 40 == 1) {
            index = 0;
        }
        if (blocks[index] != NULL) {
            for (size_t byte = 0; byte < sizes[index]; byte++) {
                cr_assert_eq(blocks[index][byte], (unsigned char)index);
            }
            machine_free_memory(world.host, blocks[index]);
            blocks[index] = NULL;
            total -= sizes[index];
        } else {
            sizes[index] = draw >> 16 & 1023;
            blocks[index] = machine_alloc(world.host, sizes[index]);
            cr_assert_neq(blocks[index], NULL);
            cr_assert_eq((uintptr_t)blocks[index] % _Alignof(max_align_t), 0);
            for (size_t byte = 0; byte < sizes[index]; byte++) {
                cr_assert_eq(blocks[index][byte], 0);
            }
            memset(blocks[index], (int)index, sizes[index]);
            total += sizes[index];
        }
        cr_assert_eq(machine_ledger_bytes(world.host), total);
        size_t standing = 0;
        for (uint32_t i = 0; i < BLOCKS; i++) {
            standing += blocks[i] != NULL;
        }
        cr_assert_eq(machine_ledger_blocks(world.host), standing);
    }
    machine_free_memory(world.host, NULL);
    world_check(&world);
    cr_assert_gt(total, 0);
    machine_crash(world.host);
    cr_assert_eq(machine_ledger_bytes(world.host), 0);
    cr_assert_eq(machine_alloc(world.host, 1), NULL, "a machine that is off has no memory");
    machine_power_on(world.host);
    cr_assert_neq(machine_alloc(world.host, 10), NULL);
    world_close(&world);
}

Test(machine_ledger, limits)
{
    static const struct {
        const char *name;
        size_t limit, first, second;
        bool first_fits, second_fits;
    } cases[] = {
        {"none", SIZE_MAX, 100, 1000, true, true},
        {"reached exactly", 300, 100, 200, true, true},
        {"exceeded by one", 299, 100, 200, true, false},
        {"nothing", 0, 1, 1, false, false},
        {"nothing at all asked", 0, 0, 0, true, true},
        {"more than there is", SIZE_MAX, SIZE_MAX, 10, false, true},
        {"more than there is with its header", SIZE_MAX, SIZE_MAX - 8, 10, false, true},
        {"overflowing the sum", SIZE_MAX, 100, SIZE_MAX - 50, true, false},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct world world;
        world_open(&world, 1, false);
        machine_set_ledger_limit(world.guest, cases[index].limit);
        void *first = machine_alloc(world.guest, cases[index].first);
        void *second = machine_alloc(world.guest, cases[index].second);
        cr_expect_eq(first != NULL, cases[index].first_fits, "%s: first", cases[index].name);
        cr_expect_eq(second != NULL, cases[index].second_fits, "%s: second", cases[index].name);
        /* A limit below what stands lets nothing more in, and nothing is lost. */
        machine_set_ledger_limit(world.guest, 0);
        cr_expect_eq(machine_alloc(world.guest, 1), NULL, "%s: third", cases[index].name);
        machine_free_memory(world.guest, first);
        machine_check(world.guest);
        world_close(&world);
    }
}
