/* The guest's memory traffic against a list of all touches, sorted: pauses, freezes, drift, dirty logging, moves. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 test_uint128;

#define HOUR_NS      UINT64_C(3600000000000)
#define LOADS_MAX    5u
#define INTERVALS    8u
#define MODEL_END_NS (200 * SIM_MS) /* work time that models reach */

/* ---- the model -------------------------------------------------------------------------------------- */

struct touch {
    sim_time due;
    uint32_t source; /* writers, readers, replay */
    bool writes;
    enum page_class page_class;
    uint64_t page;
};

/* A guest's specification and all that it will ever do, in order. */
struct model {
    struct guest_spec spec;
    struct guest_load writers[LOADS_MAX], readers[LOADS_MAX];
    struct guest_service services[2];
    struct page_trace trace;
    uint32_t starts[INTERVALS + 1], pages[INTERVALS];
    struct page_trace_range ranges[INTERVALS * 2];
    struct touch *touches;
    size_t count, capacity;
    size_t applied;
    uint64_t stores, loads;
    struct page *memory;
};

static void add_touch(struct model *model, struct touch touch)
{
    if (model->count == model->capacity) {
        model->capacity = 2 * model->capacity + 1024;
        model->touches = realloc(model->touches, model->capacity * sizeof *model->touches);
        cr_assert(model->touches != NULL);
    }
    model->touches[model->count++] = touch;
}

/* By (due, source): within a source the list is in order already, and the sort is stable. */
static void sort_touches(struct touch *touches, struct touch *spare, size_t count)
{
    if (count < 2) {
        return;
    }
    size_t half = count / 2, a = 0, b = half;
    sort_touches(touches, spare, half);
    sort_touches(touches + half, spare, count - half);
    memcpy(spare, touches, count * sizeof *touches);
    for (size_t i = 0; i < count; i++) {
        bool second =
            a == half ||
            (b < count && (spare[b].due < spare[a].due ||
                           (spare[b].due == spare[a].due && spare[b].source < spare[a].source)));
        touches[i] = second ? spare[b++] : spare[a++];
    }
}

static void add_load(struct model *model, const struct guest_load *load, uint32_t source,
                     bool writes, uint32_t index)
{
    char entity[32];
    (void)snprintf(entity, sizeof entity, "web/%u", index);
    struct chance chance = chance_key(7, writes ? "guest.write" : "guest.read", entity);
    for (uint64_t n = 1;; n++) {
        sim_time due = (sim_time)((test_uint128)n * HOUR_NS / load->touches_per_hour);
        if (due >= MODEL_END_NS) {
            return;
        }
        uint64_t page = load->order == GUEST_UNIFORM ? chance_below(chance, n - 1, load->page_count)
                                                     : (n - 1) % load->page_count;
        add_touch(model,
                  (struct touch){due, source, writes, load->page_class, load->first_page + page});
    }
}

/* One copy of the replay, which is `ahead` in the trace when it begins. */
static void add_replay(struct model *model, uint32_t source, sim_time ahead, uint64_t first_page)
{
    const struct page_trace *trace = &model->trace;
    for (uint64_t i = 0; (sim_time)i * trace->interval_ns - ahead < MODEL_END_NS; i++) {
        uint32_t index = (uint32_t)(i % INTERVALS), page = 0;
        for (uint32_t r = model->starts[index]; r < model->starts[index + 1]; r++) {
            for (uint32_t o = 0; o < model->ranges[r].count; o++, page++) {
                sim_time due =
                    (sim_time)i * trace->interval_ns - ahead +
                    (sim_time)((uint64_t)page * (uint64_t)trace->interval_ns / model->pages[index]);
                if (due >= 0) {
                    add_touch(model, (struct touch){due, source, true, PAGE_COMPRESSIBLE,
                                                    first_page + model->ranges[r].first + o});
                }
            }
        }
    }
}

static struct guest_load random_load(uint64_t *state, uint64_t page_count)
{
    uint64_t first = fixture_below(state, page_count);
    return (struct guest_load){
        .first_page = first,
        .page_count = 1 + fixture_below(state, page_count - first),
        .touches_per_hour = 3600 * (1 + fixture_below(state, 40000)),
        .order = fixture_below(state, 2) == 0 ? GUEST_UNIFORM : GUEST_SEQUENTIAL,
        .page_class = fixture_below(state, 2) == 0 ? PAGE_RANDOM : PAGE_COMPRESSIBLE,
    };
}

static void random_trace(struct model *model, uint64_t *state)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < INTERVALS; i++) {
        model->starts[i] = count;
        for (uint32_t r = 0, page = 0; r < fixture_below(state, 3); r++) {
            uint32_t length = 1 + (uint32_t)fixture_below(state, 60);
            model->ranges[count++] = (struct page_trace_range){page + 1, length};
            model->pages[i] += length;
            page += length + 2;
            if (count == INTERVALS * 2) {
                break;
            }
        }
    }
    model->starts[INTERVALS] = count;
    model->trace = (struct page_trace){
        .name = "made",
        .ram_pages = 256,
        .interval_ns = 3 * SIM_MS + 7,
        .intervals = INTERVALS,
        .starts = model->starts,
        .pages = model->pages,
        .ranges = model->ranges,
    };
}

static struct model *model_new(uint64_t *state)
{
    struct model *model = calloc(1, sizeof *model);
    cr_assert(model != NULL);
    struct guest_spec *spec = &model->spec;
    spec->number = (uint32_t)fixture_below(state, 16384);
    spec->page_count = 300 + fixture_below(state, 2000);
    spec->zero_pages = fixture_below(state, spec->page_count);
    spec->compressible_pages = fixture_below(state, spec->page_count - spec->zero_pages + 1);
    spec->writer_count = (uint32_t)fixture_below(state, 4);
    spec->reader_count = (uint32_t)fixture_below(state, 3);
    spec->writers = model->writers;
    spec->readers = model->readers;
    spec->tcp = &tcp_profile_linux;
    spec->vcpus = (uint32_t)fixture_below(state, 5);
    spec->load_ppb = (int64_t)fixture_below(state, 3) * 500000000; /* none, half, all of a core */
    uint32_t source = 0;
    for (uint32_t i = 0; i < spec->writer_count; i++) {
        model->writers[i] = random_load(state, spec->page_count);
        add_load(model, &model->writers[i], source++, true, i);
    }
    for (uint32_t i = 0; i < spec->reader_count; i++) {
        model->readers[i] = random_load(state, spec->page_count);
        add_load(model, &model->readers[i], source++, false, i);
    }
    if (fixture_below(state, 2) == 0) {
        random_trace(model, state);
        spec->replay = (struct guest_replay){
            .trace = &model->trace,
            .speed_ppb = 1000000000,
            .page_class = PAGE_COMPRESSIBLE,
        };
        uint32_t copies = 1 + (uint32_t)fixture_below(state, spec->page_count / 256);
        spec->replay.copies = copies;
        spec->replay.first_page = fixture_below(state, spec->page_count - 256 * copies + 1);
        for (uint32_t c = 0; c < copies; c++) {
            sim_time ahead = model->trace.interval_ns * INTERVALS * c / copies;
            add_replay(model, source + c, ahead, spec->replay.first_page + 256 * c);
        }
    }
    struct touch *spare = calloc(model->count + 1, sizeof *spare);
    model->memory = calloc(spec->page_count, sizeof *model->memory);
    cr_assert(spare != NULL && model->memory != NULL);
    sort_touches(model->touches, spare, model->count);
    free(spare);
    uint64_t base = (uint64_t)spec->number << 48;
    for (uint64_t i = spec->zero_pages; i < spec->page_count; i++) {
        bool compressible = i < spec->zero_pages + spec->compressible_pages;
        model->memory[i] = page_pattern(compressible ? PAGE_COMPRESSIBLE : PAGE_RANDOM, base | i);
    }
    return model;
}

static void model_free(struct model *model)
{
    free(model->touches);
    free(model->memory);
    free(model);
}

/* As many touches as the guest says it made: they must be the first ones of the list, and those whose time has come. */
static void compare(struct model *model, struct vm_instance *instance, sim_time late_ns)
{
    struct guest_statistics statistics;
    struct vm_memory *memory = vm_instance_memory(instance);
    guest_statistics(vm_instance_guest(instance), &statistics);
    size_t done = statistics.stores + statistics.loads;
    sim_time work = machine_now(vm_instance_machine(instance)) - statistics.lost_ns -
                    statistics.stolen_ns - late_ns;
    uint64_t base = (uint64_t)model->spec.number << 48;
    cr_assert(work < MODEL_END_NS, "the list is too short");
    cr_assert(done >= model->applied && done <= model->count);
    for (; model->applied < done; model->applied++) {
        const struct touch *touch = &model->touches[model->applied];
        if (touch->writes) {
            uint64_t number = base | (model->spec.page_count + model->stores++);
            model->memory[touch->page] = page_pattern(touch->page_class, number);
        } else {
            model->loads++;
        }
    }
    cr_assert_eq(statistics.stores, model->stores);
    cr_assert_eq(statistics.loads, model->loads);
    cr_assert(done == 0 || model->touches[done - 1].due < work + GUEST_TICK_NS, "too early");
    cr_assert(done == model->count || model->touches[done].due >= work, "too late");
    for (uint64_t i = 0; i < model->spec.page_count; i++) {
        struct page page = vm_memory_peek(memory, i);
        cr_assert_eq(page.v, model->memory[i].v, "page %llu of %llu after %zu touches",
                     (unsigned long long)i, (unsigned long long)model->spec.page_count, done);
    }
}

/* ---- tests ---------------------------------------------------------------------------------------------- */

/* A guest, disturbed at random, does what the list says, when it says it. */
Test(guest, does_what_the_list_says)
{
    uint64_t state = 2;
    for (uint32_t round = 0; round < 24; round++) {
        struct model *model = model_new(&state);
        struct fixture *fixture = fixture_new(&model->spec, 32 << 20);
        struct vm_instance *instance = fixture_boot(fixture, round % 2);
        struct machine *machine = vm_instance_machine(instance);
        bool paused = false, logging = false;
        compare(model, instance, 0);
        while (machine_now(machine) < 60 * SIM_MS) {
            fixture_run(fixture, sim_now(fixture->sim) +
                                     (sim_time)fixture_below(&state, 8 * (uint64_t)SIM_MS));
            compare(model, instance, 0);
            switch (fixture_below(&state, 6)) {
            case 0:
                cr_assert_eq(paused ? vm_instance_resume(instance) : vm_instance_pause(instance),
                             VM_OK);
                paused = !paused;
                break;
            case 1:
                logging = !logging;
                (void)vm_instance_log(instance, logging);
                break;
            case 2:
                vm_instance_set_throttle(instance, (int64_t)(1 + fixture_below(&state, 4)) *
                                                       (GUEST_CPU_WHOLE / 4));
                break;
            case 3:
                vm_instance_set_stolen(instance, (int64_t)(1 + fixture_below(&state, 4)) *
                                                     (GUEST_CPU_WHOLE / 4));
                break;
            case 4:
                machine_set_drift(machine, (int32_t)fixture_below(&state, 400000000) - 200000000);
                break;
            default:
                break;
            }
        }
        fixture_free(fixture);
        model_free(model);
    }
}

/* U4: a guest that is moved again and again does what one does that stays. The move itself compares memory and state. */
Test(guest, goes_on_after_moves)
{
    uint64_t state = 3;
    for (uint32_t round = 0; round < 16; round++) {
        struct model *model = model_new(&state);
        struct fixture *fixture = fixture_new(&model->spec, 32 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        for (uint32_t move = 0; move < 5; move++) {
            sim_time for_ns = (sim_time)fixture_below(&state, 8 * (uint64_t)SIM_MS);
            if (fixture_below(&state, 3) == 0) {
                for_ns -= for_ns % GUEST_TICK_NS; /* where touches and the move meet */
            }
            fixture_run(fixture, sim_now(fixture->sim) + for_ns);
            if (fixture_below(&state, 2) == 0) {
                (void)vm_instance_log(instance, true);
                fixture_run(fixture, sim_now(fixture->sim) + SIM_MS);
            }
            instance = fixture_move(fixture, instance, 1 - move % 2, 5 * SIM_MS);
            compare(model, instance, 0);
            if (fixture_below(&state, 3) == 0) {
                vm_instance_set_throttle(instance, GUEST_CPU_WHOLE / 3);
            }
        }
        fixture_run(fixture, sim_now(fixture->sim) + 10 * SIM_MS);
        compare(model, instance, 0);
        fixture_free(fixture);
        model_free(model);
    }
}

/* What a guest could not do while its host was frozen comes later, not all at once. */
Test(guest, a_freeze_delays_touches)
{
    struct guest_load writer = {
        .page_count = 256, .touches_per_hour = 1000 * 3600, .order = GUEST_SEQUENTIAL};
    const struct guest_spec spec = {
        .page_count = 256, .writers = &writer, .writer_count = 1, .tcp = &tcp_profile_linux};
    struct fixture *fixture = fixture_new(&spec, 32 << 20);
    struct vm_instance *instance = fixture_boot(fixture, 0);
    static const struct {
        sim_time freeze_at, thaw_at, look_at;
        uint64_t stores;
    } steps[] = {
        /* One store each millisecond, the first at 1 ms. */
        {10500000, 10700000, 12500000, 12},    /* nothing was due meanwhile: nothing is late */
        {12600000, 112500000, 112600000, 13},  /* the one of 13 ms comes at the thaw, ... */
        {112700000, 112800000, 122600000, 23}, /* ... and all others 99.5 ms later */
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct guest_statistics statistics;
        fixture_run(fixture, steps[i].freeze_at);
        machine_freeze(fixture->nodes[0].machine);
        fixture_run(fixture, steps[i].thaw_at);
        machine_thaw(fixture->nodes[0].machine);
        fixture_run(fixture, steps[i].look_at);
        guest_statistics(vm_instance_guest(instance), &statistics);
        cr_assert_eq(statistics.stores, steps[i].stores, "step %zu: %llu", i,
                     (unsigned long long)statistics.stores);
    }
    fixture_free(fixture);
}

static const struct {
    const char *name;
    uint64_t pages, zero, compressible;
    uint64_t zero_end, compressible_end; /* as they come out */
} contents[] = {
    {"all random", 300, 0, 0, 0, 0},
    {"all zero", 300, 300, 0, 300, 300},
    {"a small guest, exactly", 4096, 1000, 1001, 1000, 2001},
    {"a larger one, in whole regions", 4097, 1000, 1001, 512, 1536},
    {"compressible to its end", 5000, 1000, 4000, 512, 5000},
    {"all zero, and large", 5000, 5000, 0, 4608, 5000},
};

Test(guest, initial_content)
{
    for (size_t row = 0; row < sizeof contents / sizeof contents[0]; row++) {
        const struct guest_spec spec = {
            .number = 16383,
            .page_count = contents[row].pages,
            .zero_pages = contents[row].zero,
            .compressible_pages = contents[row].compressible,
            .tcp = &tcp_profile_linux,
        };
        struct fixture *fixture = fixture_new(&spec, 64 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        for (uint64_t i = 0; i < spec.page_count; i++) {
            struct page page = vm_memory_peek(vm_instance_memory(instance), i);
            struct page expected = page_zero();
            if (i >= contents[row].zero_end) {
                bool compressible = i < contents[row].compressible_end;
                expected = page_pattern(compressible ? PAGE_COMPRESSIBLE : PAGE_RANDOM,
                                        UINT64_C(16383) << 48 | i);
            }
            cr_assert_eq(page.v, expected.v, "%s: page %llu", contents[row].name,
                         (unsigned long long)i);
        }
        fixture_free(fixture);
    }
}

/* A crash of the host, and the end of an instance at any time, leave nothing behind. */
Test(guest, may_end_at_any_time)
{
    uint64_t state = 5;
    for (uint32_t round = 0; round < 12; round++) {
        struct model *model = model_new(&state);
        struct fixture *fixture = fixture_new(&model->spec, 32 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        fixture_run(fixture, (sim_time)fixture_below(&state, 20 * (uint64_t)SIM_MS));
        if (round % 3 == 0) {
            machine_crash(fixture->nodes[0].machine);
        } else if (round % 3 == 1) {
            vm_instance_destroy(instance);
        }
        fixture_run(fixture, sim_now(fixture->sim) + 20 * SIM_MS);
        fixture_free(fixture);
        model_free(model);
    }
}
