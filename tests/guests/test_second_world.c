/* A VM saved in one world and loaded in another goes on there as it does at home; what was damaged on the way shows. */
#include "tests/guests/fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 600u

static const struct guest_load writers[] = {
    {.page_count = 300, .touches_per_hour = INT64_C(3600) * 20000, .order = GUEST_UNIFORM},
    {.first_page = 250,
     .page_count = 128,
     .touches_per_hour = INT64_C(3600) * 3000,
     .order = GUEST_ZIPF},
    {.first_page = 500,
     .page_count = 100,
     .touches_per_hour = INT64_C(3600) * 777,
     .order = GUEST_SEQUENTIAL},
};
static const struct guest_load reader = {
    .page_count = PAGES, .touches_per_hour = INT64_C(3600) * 5000, .order = GUEST_UNIFORM};
static const struct guest_spec spec = {
    .number = 7,
    .page_count = PAGES,
    .zero_pages = 100,
    .compressible_pages = 200,
    .writers = writers,
    .writer_count = 3,
    .readers = &reader,
    .reader_count = 1,
    .tcp = &tcp_profile_linux,
};

/* One page or one byte of state may be damaged; UINT64_MAX: none. */
struct damage {
    uint64_t page;
    size_t byte;
    uint8_t bits;
};

/* Builds the VM on node 1 of `to` from an instance that stands still, perhaps in another world. NULL where its state is refused. */
static struct vm_instance *rebuild(struct fixture *to, struct vm_instance *from,
                                   const struct state_writer *state, const struct damage *damage)
{
    struct vm_instance *instance;
    uint8_t *bytes = malloc(state->length);
    cr_assert_not_null(bytes);
    memcpy(bytes, state->bytes, state->length);
    if (damage->byte < state->length) {
        bytes[damage->byte] ^= damage->bits;
    }
    cr_assert_eq(vm_instance_create(&to->nodes[1].host, &to->vms.specs[0], &instance), VM_OK);
    enum vm_error error = vm_instance_load(instance, bytes, state->length);
    free(bytes);
    if (error != VM_OK) {
        cr_assert_eq(error, VM_BAD_STATE);
        vm_instance_destroy(instance);
        return NULL;
    }
    for (uint64_t i = 0; i < PAGES; i++) {
        if (i != damage->page) {
            struct page page = vm_memory_peek(vm_instance_memory(from), i);
            vm_memory_put(vm_instance_memory(instance), i, page_ref(to->pages, page));
        }
    }
    return instance;
}

static struct vm_instance *stand_still(struct fixture *fixture, sim_time at,
                                       struct state_writer *state)
{
    struct vm_instance *instance = fixture_boot(fixture, 0);
    fixture_run(fixture, at);
    cr_assert_eq(vm_instance_pause(instance), VM_OK);
    state_writer_init(state);
    cr_assert_eq(vm_instance_save(instance, state), VM_OK);
    return instance;
}

/* Runs a VM on for a while, pinged, and saves it in the end. */
static struct ping *go_on(struct fixture *fixture, struct vm_instance *instance,
                          struct state_writer *state)
{
    struct ping *ping = ping_start(&(struct ping_options){
        .common = fixture_common(fixture, 0, fixture_client_end(fixture, 0), fixture_vm_address()),
        .every_ns = 3 * SIM_MS,
        .timeout_ns = SIM_S,
        .size_bytes = 56,
    });
    cr_assert_eq(vm_instance_resume(instance), VM_OK);
    fixture_run(fixture, sim_now(fixture->sim) + 200 * SIM_MS);
    cr_assert_eq(vm_instance_pause(instance), VM_OK);
    state_writer_init(state);
    cr_assert_eq(vm_instance_save(instance, state), VM_OK);
    return ping;
}

/* What the world at home says besides: the instance that the other one came from is there to be compared with. */
static void expect_equal_records(const struct fixture *a, uint32_t first_a, const struct fixture *b,
                                 uint32_t first_b)
{
    cr_assert_gt(a->record_count - first_a, 100);
    cr_assert_eq(a->record_count - first_a, b->record_count - first_b);
    for (uint32_t i = 0; first_a + i < a->record_count; i++) {
        const struct fixture_record *ours = &a->records[first_a + i];
        const struct fixture_record *other = &b->records[first_b + i];
        cr_assert_eq(ours->time, other->time, "record %u", i);
        cr_assert_eq(ours->kind, other->kind, "record %u", i);
        cr_assert_eq(ours->origin, other->origin, "record %u", i);
        if (ours->kind != VM_COMPARED) {
            cr_assert(memcmp(ours->values, other->values, sizeof ours->values) == 0, "record %u",
                      i);
        }
    }
}

Test(second_world, goes_on_as_at_home)
{
    static const sim_time moments[] = {0, 1, 12345678, 50 * SIM_MS, 99999999};
    const struct damage none = {UINT64_MAX, SIZE_MAX, 0};
    for (size_t row = 0; row < sizeof moments / sizeof *moments; row++) {
        struct fixture *home = fixture_new(&spec, 32 << 20);
        struct fixture *away = fixture_new(&spec, 32 << 20);
        struct state_writer state, home_end, away_end;
        struct vm_instance *from = stand_still(home, moments[row], &state);
        /* The other world has had an instance too, so that numbers agree, and knows nothing of this one. */
        vm_instance_destroy(fixture_boot(away, 0));
        fixture_run(away, moments[row]);
        struct vm_instance *ours = rebuild(home, from, &state, &none);
        struct vm_instance *theirs = rebuild(away, from, &state, &none);
        cr_assert(ours != NULL && theirs != NULL);
        uint32_t first_home = home->record_count, first_away = away->record_count;
        struct ping *home_ping = go_on(home, ours, &home_end);
        struct ping *away_ping = go_on(away, theirs, &away_end);
        expect_equal_records(home, first_home, away, first_away);
        cr_assert_eq(home_end.length, away_end.length);
        cr_assert_eq(memcmp(home_end.bytes, away_end.bytes, home_end.length), 0);
        for (uint64_t i = 0; i < PAGES; i++) {
            cr_assert_eq(vm_memory_peek(vm_instance_memory(ours), i).v,
                         vm_memory_peek(vm_instance_memory(theirs), i).v, "page %llu",
                         (unsigned long long)i);
        }
        ping_free(home_ping);
        ping_free(away_ping);
        state_writer_close(&state);
        state_writer_close(&home_end);
        state_writer_close(&away_end);
        fixture_free(away);
        fixture_free(home);
    }
}

/* The hardware compares when the target resumes: each single page that did not come, and each single bit of the state. */
Test(second_world, damage_shows_at_the_target)
{
    struct fixture *fixture = fixture_new(&spec, 32 << 20);
    struct state_writer state;
    struct vm_instance *from = stand_still(fixture, 50 * SIM_MS, &state);
    uint32_t refused = 0, shown = 0;
    for (size_t i = 0; i < state.length * 8 + PAGES; i++) {
        bool is_page = i >= state.length * 8;
        struct damage damage = {.page = is_page ? i - state.length * 8 : UINT64_MAX,
                                .byte = is_page ? SIZE_MAX : i / 8,
                                .bits = (uint8_t)(1u << i % 8)};
        if (is_page &&
            page_is_zero(fixture->pages, vm_memory_peek(vm_instance_memory(from), damage.page))) {
            continue; /* it is what stands there without it */
        }
        struct vm_instance *to = rebuild(fixture, from, &state, &damage);
        if (to == NULL) {
            cr_assert(!is_page);
            refused++;
            continue;
        }
        uint32_t compared = fixture_count(fixture, VM_COMPARED);
        cr_assert_eq(vm_instance_resume(to), VM_OK);
        const struct fixture_record *record = fixture_find(fixture, VM_COMPARED, compared);
        cr_assert_not_null(record);
        bool seen = is_page ? record->values[2] == 1 && record->values[3] == (int64_t)damage.page
                            : record->values[4] == 1 || record->values[5] == 0;
        cr_expect(seen, "%s %zu, bits %02x", is_page ? "page" : "byte",
                  is_page ? (size_t)damage.page : damage.byte, damage.bits);
        shown += seen;
        vm_instance_destroy(to);
    }
    cr_assert_gt(refused, 0);
    cr_assert_gt(shown, PAGES / 2);
    state_writer_close(&state);
    fixture_free(fixture);
}
