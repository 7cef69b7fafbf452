#include "vm/guest.h"

#include "sim/assert.h"
#include "sim/planted.h"
#include "vm/guest_replay.h"
#include "vm/guest_service.h"
#include "vm/guest_touch.h"

#include <stdio.h>
#include <stdlib.h>

#define STATE_TAG     UINT32_C(0x47455354) /* "GEST" */
#define STATE_VERSION 1u
#define NUMBER_SHIFT  48u
#define STORES_MAX    GUEST_ANSWER_BIT /* numbers of stores stay below those of answers */

/* Smaller guests have their content exactly as written; larger ones in whole regions. */
#define EXACT_CONTENT_PAGES 4096u

/* All memory traffic of a guest has one timer. Work time is the machine's monotonic time without what the guest lost:
 *
 *      machine time = start_ns + late_ns + lost_ns + stolen + work time
 *
 * The timer stands at the first touch that is due; in its event everything happens that is due before the next multiple of
 * GUEST_TICK_NS of work time, in the order of (due, writers, readers, replay). */
struct guest {
    const struct guest_spec *spec;
    struct machine *machine;
    struct vm_memory *memory;
    struct tcp_layer *tcp;
    bool started, loaded;
    struct machine_timer timer;
    sim_time planned;  /* machine time that the timer is armed for */
    sim_time start_ns; /* machine time at which it began */
    sim_time lost_ns;  /* to exits of dirty logging */
    sim_time late_ns;  /* stood still while its clock went on: its host was frozen */
    uint64_t counter;  /* of the next store: makes its content */
    uint64_t stores, loads;
    struct guest_touch *touches; /* writers, then readers */
    uint32_t touch_count;
    struct guest_replays replay;
    struct guest_services services;
    struct guest_cpu cpu;
};

/* ---- initial content --------------------------------------------------------------------------- */

void guest_fill_memory(const struct guest_spec *spec, struct vm_memory *memory)
{
    uint64_t count = spec->page_count;
    uint64_t zero = spec->zero_pages;
    SIM_ASSERT(zero <= count);
    SIM_ASSERT(spec->compressible_pages <= count - zero);
    uint64_t compressible_end = zero + spec->compressible_pages;
    if (count > EXACT_CONTENT_PAGES) {
        zero -= zero % MMU_LARGE_PAGES;
        compressible_end -= compressible_end == count ? 0 : compressible_end % MMU_LARGE_PAGES;
    }
    uint64_t base = (uint64_t)spec->number << NUMBER_SHIFT;
    if (compressible_end > zero) {
        vm_memory_fill(memory, zero, compressible_end - zero, PAGE_COMPRESSIBLE, base + zero);
    }
    if (count > compressible_end) {
        vm_memory_fill(memory, compressible_end, count - compressible_end, PAGE_RANDOM,
                       base + compressible_end);
    }
}

/* ---- memory traffic ------------------------------------------------------------------------------ */

static void store(struct guest *guest, uint64_t index, enum page_class page_class)
{
    SIM_ASSERT(guest->counter < STORES_MAX);
    uint64_t number = (uint64_t)guest->spec->number << NUMBER_SHIFT | guest->counter;
    guest->counter++;
    guest->stores++;
    guest->lost_ns += vm_memory_store(guest->memory, index, page_pattern(page_class, number));
}

/* Touches of one load that are due before `until`. */
static void run_touches(struct guest *guest, uint32_t index, sim_time until)
{
    struct guest_touch *touch = &guest->touches[index];
    bool writes = index < guest->spec->writer_count;
    while (touch->due < until) {
        uint64_t page = guest_touch_next(touch);
        if (writes) {
            store(guest, page, touch->load->page_class);
        } else {
            (void)vm_memory_load(guest->memory, page);
            guest->loads++;
        }
    }
    vm_memory_prefetch(guest->memory, guest_touch_peek(touch));
}

static void run_replay(struct guest *guest, sim_time until)
{
    enum page_class page_class = guest->spec->replay.page_class;
    struct guest_replays *replays = &guest->replay;
    if (SIM_UNLIKELY(replays->count > 1)) {
        while (replays->due < until) {
            store(guest, guest_replays_next(replays), page_class);
        }
        return;
    }
    struct guest_replay_cursor *cursor = replays->first; /* there is one: something is due */
    while (cursor->due < until) {
        store(guest, guest_replay_next(cursor), page_class);
    }
    replays->due = cursor->due;
}

/* When source `index` is due: the replay comes behind all loads. */
static sim_time due_of(const struct guest *guest, uint32_t index)
{
    return index < guest->touch_count ? guest->touches[index].due : guest->replay.due;
}

/* The source that is due first, the lowest among equals, and through `before` up to when it may go on before another's turn. */
static uint32_t first_source(const struct guest *guest, sim_time *before)
{
    uint32_t first = 0;
    sim_time due = due_of(guest, 0), next = SIM_NEVER;
    for (uint32_t i = 1; i <= guest->touch_count; i++) {
        sim_time other = due_of(guest, i);
        if (other < due) {
            next = due; /* what comes before it in the order also goes first at equal times */
            due = other;
            first = i;
        } else if (other < next) {
            next = other == SIM_NEVER ? other : other + 1;
        }
    }
    *before = next;
    return first;
}

/* Everything that is due before `until`, in order. */
static void run(struct guest *guest, sim_time until)
{
    for (;;) {
        sim_time before;
        uint32_t source = first_source(guest, &before);
        if (due_of(guest, source) >= until) {
            return;
        }
        before = before < until ? before : until;
        if (source < guest->touch_count) {
            run_touches(guest, source, before);
        } else {
            run_replay(guest, before);
        }
    }
}

/* What machine time is ahead of work time, while the guest works. */
static sim_time ahead(const struct guest *guest)
{
    return guest->start_ns + guest->late_ns + guest->lost_ns + guest->cpu.stolen_ns;
}

/* When something is to be done next: a touch, or the end of a period. */
static sim_time next_due(const struct guest *guest)
{
    sim_time before;
    sim_time due = due_of(guest, first_source(guest, &before));
    return due < guest->cpu.end ? due : guest->cpu.end;
}

static void arm(struct guest *guest)
{
    sim_time due = next_due(guest);
    if (due == SIM_NEVER) {
        machine_timer_cancel(&guest->timer);
        return;
    }
    guest->planned = ahead(guest) + due;
    machine_timer_arm(&guest->timer, guest->planned);
}

static void on_due(void *context)
{
    struct guest *guest = context;
    if (guest_cpu_stands(&guest->cpu)) {
        guest_cpu_open(&guest->cpu);
        arm(guest);
        return;
    }
    sim_time due = next_due(guest);
    sim_time late = machine_now(guest->machine) - guest->planned;
    SIM_ASSERT(late >= 0);
    if (late >= GUEST_TICK_NS) {
        guest->late_ns += late; /* U1: what it could not do while it stood still comes later */
    }
    if (due < guest->cpu.end) {
        /* Periods end at multiples of a tick: none does among these touches. */
        run(guest, due - due % GUEST_TICK_NS + GUEST_TICK_NS);
        arm(guest);
    } else if (guest_cpu_end_period(&guest->cpu)) {
        arm(guest);
    }
}

/* Work time now. */
static sim_time work_now(const struct guest *guest)
{
    sim_time stands = guest_cpu_stolen(&guest->cpu) - guest->cpu.stolen_ns;
    sim_time work = machine_now(guest->machine) - stands - ahead(guest);
    return work > 0 ? work : 0; /* exits may have cost more than the time that has passed since */
}

void guest_set_share(struct guest *guest, enum guest_cpu_taker taker, int64_t share_ppb)
{
    guest_cpu_set_share(&guest->cpu, taker, share_ppb);
    if (guest->started && !guest_cpu_stands(&guest->cpu) && guest->cpu.end == SIM_NEVER) {
        guest_cpu_begin(&guest->cpu, work_now(guest));
        arm(guest);
    }
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static void rewind_sources(struct guest *guest)
{
    for (uint32_t i = 0; i < guest->touch_count; i++) {
        bool counted = guest_touch_seek(&guest->touches[i], 0);
        SIM_ASSERT(counted);
    }
    guest_replays_rewind(&guest->replay);
}

/* As guest_new left it. */
static void reset(struct guest *guest)
{
    machine_timer_cancel(&guest->timer);
    guest->started = false;
    guest->loaded = false;
    guest->start_ns = 0;
    guest->lost_ns = 0;
    guest->late_ns = 0;
    guest->counter = guest->spec->page_count;
    guest->stores = 0;
    guest->loads = 0;
    guest_cpu_reset(&guest->cpu);
    rewind_sources(guest);
    guest_services_reset(&guest->services);
}

static void on_machine(void *context, enum machine_news news)
{
    struct guest *guest = context;
    if (news == MACHINE_CRASHED) {
        reset(guest);
    } else if (news == MACHINE_STOPPED && machine_is_paused(guest->machine)) {
        guest_cpu_hold(&guest->cpu);
    } else if (news == MACHINE_STARTED) {
        guest_cpu_resume(&guest->cpu);
    }
}

static void init_touches(struct guest *guest)
{
    const struct guest_spec *spec = guest->spec;
    struct sim *sim = machine_sim(guest->machine);
    const char *path = sim_origin_path(sim, machine_origin(guest->machine));
    guest->touch_count = spec->writer_count + spec->reader_count;
    guest->touches = calloc(guest->touch_count + 1, sizeof *guest->touches);
    SIM_ASSERT(guest->touches != NULL);
    for (uint32_t i = 0; i < guest->touch_count; i++) {
        bool writes = i < spec->writer_count;
        uint32_t index = writes ? i : i - spec->writer_count;
        char entity[512];
        int length = snprintf(entity, sizeof entity, "%s/%u", path, index);
        SIM_ASSERT(length > 0);
        guest_touch_init(&guest->touches[i], writes ? &spec->writers[index] : &spec->readers[index],
                         chance_key(sim_seed(sim), writes ? "guest.write" : "guest.read", entity),
                         spec->page_count);
    }
}

struct guest *guest_new(const struct guest_spec *spec, struct machine *machine,
                        struct vm_memory *memory, struct ip_stack *stack, struct tcp_layer *tcp,
                        struct guest_cores *cores)
{
    SIM_ASSERT(spec->number <= PAGE_PATTERN_NUMBER_MAX >> NUMBER_SHIFT);
    SIM_ASSERT(spec->page_count < STORES_MAX);
    struct guest *guest = calloc(1, sizeof *guest);
    SIM_ASSERT(guest != NULL);
    guest->spec = spec;
    guest->machine = machine;
    guest->memory = memory;
    guest->tcp = tcp;
    init_touches(guest);
    guest_replays_init(&guest->replay, &spec->replay, spec->page_count);
    machine_timer_init(&guest->timer, machine, on_due, guest);
    guest_cpu_init(&guest->cpu, machine, &guest->timer, cores, spec->vcpus, spec->load_ppb);
    guest_services_init(&guest->services, spec, machine, stack, tcp, &guest->cpu);
    reset(guest);
    machine_watch(machine, on_machine, guest);
    return guest;
}

void guest_free(struct guest *guest)
{
    machine_unwatch(guest->machine, on_machine, guest);
    guest_services_close(&guest->services);
    guest_cpu_close(&guest->cpu);
    machine_timer_close(&guest->timer);
    for (uint32_t i = 0; i < guest->touch_count; i++) {
        guest_touch_close(&guest->touches[i]);
    }
    guest_replays_close(&guest->replay);
    free(guest->touches);
    free(guest);
}

void guest_start(struct guest *guest)
{
    SIM_ASSERT(!guest->started);
    SIM_ASSERT(machine_is_on(guest->machine));
    if (!guest->loaded) {
        guest->start_ns = machine_now(guest->machine);
        guest_services_listen(&guest->services);
    }
    guest->started = true;
    guest_services_start(&guest->services);
    guest_cpu_begin(&guest->cpu, work_now(guest));
    arm(guest);
}

/* ---- saved state ----------------------------------------------------------------------------------------- */

static void save_sources(const struct guest *guest, struct state_writer *writer)
{
    state_put_u32(writer, guest->spec->writer_count);
    state_put_u32(writer, guest->spec->reader_count);
    for (uint32_t i = 0; i < guest->touch_count; i++) {
        state_put_u64(writer, guest->touches[i].done);
    }
    guest_replays_save(&guest->replay, writer);
}

/* Nothing for a guest that was never short of processor time. */
static void save_cpu(const struct guest *guest, struct state_writer *writer)
{
    sim_time stolen = guest_cpu_stolen(&guest->cpu), served = guest_cpu_served(&guest->cpu);
    if (stolen > 0 || served > 0) {
        state_put_u64(writer, (uint64_t)stolen);
        state_put_u64(writer, (uint64_t)served);
    }
}

void guest_save(const struct guest *guest, struct state_writer *writer)
{
    SIM_ASSERT(guest->started || guest->loaded);
    size_t section = state_begin_section(writer, STATE_TAG, STATE_VERSION);
    state_put_u64(writer, (uint64_t)guest->start_ns);
    state_put_u64(writer, (uint64_t)guest->lost_ns);
    state_put_u64(writer, (uint64_t)guest->late_ns);
    state_put_u64(writer, guest->counter);
    state_put_u64(writer, guest->stores);
    state_put_u64(writer, guest->loads);
    save_sources(guest, writer);
    tcp_layer_save(guest->tcp, writer);
    guest_services_save(&guest->services, writer);
    save_cpu(guest, writer);
    state_end_section(writer, section);
}

static bool load_sources(struct guest *guest, struct state_reader *reader)
{
    if (state_get_u32(reader) != guest->spec->writer_count ||
        state_get_u32(reader) != guest->spec->reader_count) {
        return false;
    }
    for (uint32_t i = 0; i < guest->touch_count; i++) {
        if (!guest_touch_seek(&guest->touches[i], state_get_u64(reader))) {
            return false;
        }
    }
    return guest_replays_load(&guest->replay, reader);
}

/* A time that can be added to a few others of its kind. */
static bool get_time(struct state_reader *reader, sim_time *out)
{
    uint64_t value = state_get_u64(reader);
    *out = (sim_time)value;
    return value <= (uint64_t)SIM_NEVER / 8;
}

static bool load_cpu(struct guest *guest, struct state_reader *reader)
{
    if (state_reader_done(reader)) {
        return true;
    }
    return get_time(reader, &guest->cpu.stolen_ns) && get_time(reader, &guest->cpu.served_ns) &&
           (guest->cpu.stolen_ns > 0 || guest->cpu.served_ns > 0);
}

static bool load(struct guest *guest, struct state_reader *outer)
{
    struct state_reader section = state_get_section(outer, STATE_TAG, STATE_VERSION);
    struct state_reader *reader = &section;
    if (!get_time(reader, &guest->start_ns) || !get_time(reader, &guest->lost_ns) ||
        !get_time(reader, &guest->late_ns)) {
        return false;
    }
    guest->counter = state_get_u64(reader);
    guest->stores = state_get_u64(reader);
    guest->loads = state_get_u64(reader);
    if (SIM_PLANTED(stores_not_loaded)) {
        guest->stores = 0;
    }
    return guest->counter >= guest->spec->page_count && guest->counter < STORES_MAX &&
           load_sources(guest, reader) && tcp_layer_load(guest->tcp, reader) &&
           guest_services_load(&guest->services, reader) && load_cpu(guest, reader) &&
           state_reader_done(reader);
}

bool guest_load(struct guest *guest, struct state_reader *reader)
{
    SIM_ASSERT(!guest->started);
    SIM_ASSERT(!guest->loaded);
    guest_services_listen(&guest->services); /* before TCP looks for the ports of half-open ones */
    if (!load(guest, reader)) {
        guest_services_unlisten(&guest->services);
        reset(guest);
        return false;
    }
    guest->loaded = true;
    return true;
}

/* ---- looking ------------------------------------------------------------------------------------------------ */

void guest_statistics(const struct guest *guest, struct guest_statistics *out)
{
    *out = (struct guest_statistics){
        .stores = guest->stores,
        .loads = guest->loads,
        .requests_served = guest->services.served,
        .lost_ns = guest->lost_ns,
        .work_ns = guest->started ? work_now(guest) : 0,
        .stolen_ns = guest_cpu_stolen(&guest->cpu),
        .served_ns = guest_cpu_served(&guest->cpu),
        .being_served_ns = guest_cpu_being_served(&guest->cpu),
    };
}

void guest_check(const struct guest *guest)
{
    uint64_t written = 0, read = 0;
    for (uint32_t i = 0; i < guest->touch_count; i++) {
        bool writes = i < guest->spec->writer_count;
        written += writes ? guest->touches[i].done : 0;
        read += writes ? 0 : guest->touches[i].done;
        SIM_ASSERT(guest->touches[i].due < SIM_NEVER);
    }
    SIM_ASSERT(guest->counter == guest->spec->page_count + guest->stores);
    SIM_ASSERT(written <= guest->stores);
    SIM_ASSERT(guest->spec->replay.trace != NULL || written == guest->stores);
    SIM_ASSERT(read == guest->loads);
    SIM_ASSERT(guest->lost_ns >= 0);
    SIM_ASSERT(guest->late_ns >= 0);
    bool busy =
        guest->touch_count > 0 || guest->replay.due != SIM_NEVER || guest->cpu.end != SIM_NEVER;
    bool waits = guest_cpu_stands(&guest->cpu) && guest->cpu.outstanding > 0;
    SIM_ASSERT(machine_timer_armed(&guest->timer) == (guest->started && busy && !waits));
    guest_cpu_check(&guest->cpu);
    guest_replays_check(&guest->replay);
    guest_services_check(&guest->services);
}
