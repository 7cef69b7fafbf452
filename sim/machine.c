#include "sim/machine.h"

#include <stdlib.h>

#include "sim/assert.h"
#include "sim/fiber.h"

__extension__ typedef unsigned __int128 machine_uint128;

#define MACHINE_RATE UINT64_C(1000000000) /* of a clock without drift, parts per billion */

struct machine_watch_entry {
    machine_watcher *watcher; /* NULL: taken away while the news was being told */
    void *context;
};

/* Stands before each block of the ledger, and keeps it aligned for any type. */
struct machine_block {
    struct machine *machine; /* NULL once the incarnation is gone */
    struct machine_block *previous, *next;
    size_t bytes;
};
_Static_assert(sizeof(struct machine_block) % _Alignof(max_align_t) == 0, "blocks stay aligned");

struct machine {
    struct sim *sim;
    uint32_t origin;
    enum machine_state state;
    bool runs;       /* on, neither frozen nor paused, and so is the parent */
    bool clock_runs; /* on, not paused, nor is the parent                   */
    uint32_t freezes, pauses;
    uint64_t incarnation;

    /* The local clock: at base_global it showed base_local and base_fraction billionths. */
    sim_time base_global, base_local;
    uint64_t base_fraction;
    int32_t drift_ppb;
    sim_time wall_offset; /* of the battery-backed clock from global time */
    sim_time wall_base;   /* wall clock minus local clock                 */

    struct machine *parent;
    struct machine *first_child, *last_child;
    struct machine *previous_sibling, *next_sibling;

    struct machine_timer *first_timer, *last_timer; /* armed ones */
    uint64_t timer_sequence;

    struct machine_watch_entry *watchers;
    uint32_t watcher_count, watcher_capacity;
    uint32_t telling; /* depth of machine_tell */

    struct machine_block *blocks;
    size_t ledger_bytes, ledger_limit;
    struct machine_block *doomed; /* of a crash called from a fiber, until the next wave */
    uint32_t doomed_event;
};

/* ---- the local clock ----------------------------------------------------------------------------------------------- */

static uint64_t machine_rate(const struct machine *machine)
{
    return (uint64_t)((int64_t)MACHINE_RATE + machine->drift_ppb);
}

/* Local time now in billionths of a nanosecond since base_local. */
static machine_uint128 machine_ticks(const struct machine *machine)
{
    sim_time elapsed = sim_now(machine->sim) - machine->base_global;
    return (machine_uint128)(uint64_t)elapsed * machine_rate(machine) + machine->base_fraction;
}

sim_time machine_now(const struct machine *machine)
{
    if (!machine->clock_runs) {
        return machine->base_local;
    }
    if (SIM_LIKELY(machine->drift_ppb == 0)) {
        return machine->base_local + (sim_now(machine->sim) - machine->base_global);
    }
    return machine->base_local + (sim_time)(machine_ticks(machine) / MACHINE_RATE);
}

/* Moves the base to the present instant, before the rate changes or the clock stops or starts. */
static void machine_rebase(struct machine *machine)
{
    sim_time before = machine_now(machine);
    if (machine->clock_runs) {
        machine->base_fraction = (uint64_t)(machine_ticks(machine) % MACHINE_RATE);
    }
    machine->base_local = before;
    machine->base_global = sim_now(machine->sim);
    SIM_ASSERT(machine_now(machine) == before);
}

sim_time machine_global_time(const struct machine *machine, sim_time local)
{
    sim_time now = sim_now(machine->sim);
    sim_time at;
    if (SIM_UNLIKELY(!machine->clock_runs)) {
        return local <= machine->base_local && machine->state == MACHINE_ON ? now : SIM_NEVER;
    }
    if (SIM_LIKELY(machine->drift_ppb == 0)) {
        if (__builtin_add_overflow(machine->base_global - machine->base_local, local, &at)) {
            return local > 0 ? SIM_NEVER : now;
        }
        return at > now ? at : now;
    }
    if (local <= machine_now(machine)) {
        return now;
    }
    /* The least number of global nanoseconds after which the clock has moved on by that much, fraction included. */
    machine_uint128 ticks = (machine_uint128)(uint64_t)(local - machine->base_local) * MACHINE_RATE;
    uint64_t rate = machine_rate(machine);
    machine_uint128 elapsed = (ticks - machine->base_fraction + rate - 1) / rate;
    if (elapsed >= (machine_uint128)(uint64_t)(SIM_NEVER - machine->base_global)) {
        return SIM_NEVER;
    }
    at = machine->base_global + (sim_time)elapsed;
    SIM_ASSERT(at > now);
    return at;
}

sim_time machine_wall_clock(const struct machine *machine)
{
    if (machine->state == MACHINE_OFF) {
        return 0;
    }
    return machine->wall_base + machine_now(machine);
}

/* ---- timers -------------------------------------------------------------------------------------------------------- */

static void machine_timer_link(struct machine_timer *timer)
{
    struct machine *machine = timer->machine;
    timer->previous = machine->last_timer;
    timer->next = NULL;
    if (machine->last_timer != NULL) {
        machine->last_timer->next = timer;
    } else {
        machine->first_timer = timer;
    }
    machine->last_timer = timer;
}

static void machine_timer_unlink(struct machine_timer *timer)
{
    struct machine *machine = timer->machine;
    if (timer->previous != NULL) {
        timer->previous->next = timer->next;
    } else {
        SIM_ASSERT(machine->first_timer == timer);
        machine->first_timer = timer->next;
    }
    if (timer->next != NULL) {
        timer->next->previous = timer->previous;
    } else {
        SIM_ASSERT(machine->last_timer == timer);
        machine->last_timer = timer->previous;
    }
    timer->deadline = SIM_NEVER;
}

static void machine_timer_on_event(void *context)
{
    struct machine_timer *timer = context;
    SIM_ASSERT(timer->machine->runs);
    SIM_ASSERT(machine_timer_armed(timer));
    machine_timer_unlink(timer);
    timer->callback(timer->context);
}

/* Queues the event of an armed timer of a running machine. */
static void machine_timer_queue(struct machine_timer *timer)
{
    struct machine *machine = timer->machine;
    if (SIM_UNLIKELY(timer->event == SIM_NONE)) {
        timer->event = sim_event_new(machine->sim, machine->origin, machine_timer_on_event, timer);
    }
    sim_time at = machine_global_time(machine, timer->deadline);
    if (SIM_LIKELY(at != SIM_NEVER)) {
        sim_event_arm(machine->sim, timer->event, at);
    } else {
        sim_event_cancel(machine->sim, timer->event);
    }
}

void machine_timer_init(struct machine_timer *timer, struct machine *machine,
                        sim_callback *callback, void *context)
{
    SIM_ASSERT(callback != NULL);
    *timer = (struct machine_timer){
        .machine = machine,
        .callback = callback,
        .context = context,
        .deadline = SIM_NEVER,
        .event = SIM_NONE,
    };
}

void machine_timer_close(struct machine_timer *timer)
{
    machine_timer_cancel(timer);
    if (timer->event != SIM_NONE) {
        sim_event_free(timer->machine->sim, timer->event);
        timer->event = SIM_NONE;
    }
}

void machine_timer_arm(struct machine_timer *timer, sim_time deadline)
{
    struct machine *machine = timer->machine;
    SIM_ASSERT(machine->state == MACHINE_ON);
    if (SIM_UNLIKELY(deadline == SIM_NEVER)) {
        machine_timer_cancel(timer);
        return;
    }
    if (!machine_timer_armed(timer)) {
        machine_timer_link(timer);
    }
    timer->deadline = deadline;
    timer->sequence = ++machine->timer_sequence;
    if (SIM_LIKELY(machine->runs)) {
        machine_timer_queue(timer);
    }
}

void machine_timer_cancel(struct machine_timer *timer)
{
    if (!machine_timer_armed(timer)) {
        return;
    }
    machine_timer_unlink(timer);
    if (timer->event != SIM_NONE) {
        sim_event_cancel(timer->machine->sim, timer->event);
    }
}

static bool machine_timer_before(const struct machine_timer *a, const struct machine_timer *b)
{
    if (a->deadline != b->deadline) {
        return a->deadline < b->deadline;
    }
    return a->sequence < b->sequence;
}

/* Merge sort over `next`; `previous` is made good by machine_sort_timers. The first half is cut off by a slow and a fast walker. */
static struct machine_timer *machine_sorted(struct machine_timer *first)
{
    if (first == NULL || first->next == NULL) {
        return first;
    }
    struct machine_timer *middle = first;
    for (struct machine_timer *end = first->next; end != NULL && end->next != NULL;
         end = end->next->next) {
        middle = middle->next;
    }
    struct machine_timer *b = machine_sorted(middle->next);
    middle->next = NULL;
    struct machine_timer *a = machine_sorted(first);
    struct machine_timer *sorted = NULL;
    struct machine_timer **tail = &sorted;
    while (a != NULL && b != NULL) {
        struct machine_timer **least = machine_timer_before(b, a) ? &b : &a;
        *tail = *least;
        *least = (*least)->next;
        tail = &(*tail)->next;
    }
    *tail = a != NULL ? a : b;
    return sorted;
}

/* Queues all armed timers anew, in the order of (local deadline, arming), which A4 wants of those that are overdue. */
static void machine_queue_timers(struct machine *machine)
{
    SIM_ASSERT(machine->runs);
    machine->first_timer = machine_sorted(machine->first_timer);
    machine->last_timer = NULL;
    for (struct machine_timer *timer = machine->first_timer; timer != NULL; timer = timer->next) {
        timer->previous = machine->last_timer;
        machine->last_timer = timer;
        machine_timer_queue(timer);
    }
}

static void machine_dequeue_timers(struct machine *machine)
{
    for (struct machine_timer *timer = machine->first_timer; timer != NULL; timer = timer->next) {
        if (timer->event != SIM_NONE) {
            sim_event_cancel(machine->sim, timer->event);
        }
    }
}

/* ---- ledger -------------------------------------------------------------------------------------------------------- */

void *machine_alloc(struct machine *machine, size_t bytes)
{
    if (machine->state == MACHINE_OFF || machine->ledger_bytes > machine->ledger_limit ||
        bytes > machine->ledger_limit - machine->ledger_bytes ||
        bytes > SIZE_MAX - sizeof(struct machine_block)) {
        return NULL;
    }
    struct machine_block *block = calloc(1, sizeof *block + bytes);
    if (block == NULL) {
        return NULL;
    }
    block->machine = machine;
    block->bytes = bytes;
    block->next = machine->blocks;
    if (block->next != NULL) {
        block->next->previous = block;
    }
    machine->blocks = block;
    machine->ledger_bytes += bytes;
    return block + 1;
}

void machine_free_memory(struct machine *machine, void *memory)
{
    if (memory == NULL) {
        return;
    }
    struct machine_block *block = (struct machine_block *)memory - 1;
    if (block->machine == NULL) {
        /* The running task outlived its incarnation by this event; the next wave frees what it held. */
        SIM_ASSERT(machine->doomed != NULL);
        return;
    }
    SIM_ASSERT(block->machine == machine);
    SIM_ASSERT(block->bytes <= machine->ledger_bytes);
    machine->ledger_bytes -= block->bytes;
    if (block->previous != NULL) {
        block->previous->next = block->next;
    } else {
        SIM_ASSERT(machine->blocks == block);
        machine->blocks = block->next;
    }
    if (block->next != NULL) {
        block->next->previous = block->previous;
    }
    free(block);
}

size_t machine_ledger_bytes(const struct machine *machine)
{
    return machine->ledger_bytes;
}

size_t machine_ledger_blocks(const struct machine *machine)
{
    size_t count = 0;
    for (const struct machine_block *block = machine->blocks; block != NULL; block = block->next) {
        count++;
    }
    return count;
}

void machine_set_ledger_limit(struct machine *machine, size_t bytes)
{
    machine->ledger_limit = bytes;
}

static void machine_free_blocks(struct machine_block *block)
{
    for (struct machine_block *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
}

static void machine_free_doomed(void *context)
{
    struct machine *machine = context;
    machine_free_blocks(machine->doomed);
    machine->doomed = NULL;
}

static void machine_return_ledger(struct machine *machine)
{
    struct machine_block *blocks = machine->blocks;
    machine->blocks = NULL;
    machine->ledger_bytes = 0;
    if (blocks == NULL || fiber_running() == NULL) {
        machine_free_blocks(blocks);
        return;
    }
    struct machine_block *last = blocks;
    for (last->machine = NULL; last->next != NULL; last->machine = NULL) {
        last = last->next;
    }
    last->next = machine->doomed;
    machine->doomed = blocks;
    if (machine->doomed_event == SIM_NONE) {
        machine->doomed_event =
            sim_event_new(machine->sim, machine->origin, machine_free_doomed, machine);
    }
    sim_event_arm(machine->sim, machine->doomed_event, sim_now(machine->sim));
}

/* ---- watchers ------------------------------------------------------------------------------------------------------ */

void machine_watch(struct machine *machine, machine_watcher *watcher, void *context)
{
    SIM_ASSERT(watcher != NULL);
    if (machine->watcher_count == machine->watcher_capacity) {
        uint32_t capacity = machine->watcher_capacity == 0 ? 4 : machine->watcher_capacity * 2;
        machine->watchers = realloc(machine->watchers, capacity * sizeof *machine->watchers);
        SIM_ASSERT(machine->watchers != NULL);
        machine->watcher_capacity = capacity;
    }
    machine->watchers[machine->watcher_count++] =
        (struct machine_watch_entry){.watcher = watcher, .context = context};
}

static void machine_forget_watchers(struct machine *machine)
{
    uint32_t kept = 0;
    for (uint32_t index = 0; index < machine->watcher_count; index++) {
        if (machine->watchers[index].watcher != NULL) {
            machine->watchers[kept++] = machine->watchers[index];
        }
    }
    machine->watcher_count = kept;
}

void machine_unwatch(struct machine *machine, machine_watcher *watcher, void *context)
{
    uint32_t index = machine->watcher_count;
    do {
        SIM_ASSERT(index > 0);
        index--;
    } while (machine->watchers[index].watcher != watcher ||
             machine->watchers[index].context != context);
    machine->watchers[index].watcher = NULL;
    if (machine->telling == 0) {
        machine_forget_watchers(machine);
    }
}

static void machine_tell(struct machine *machine, enum machine_news news)
{
    bool backwards = news == MACHINE_CRASHED || news == MACHINE_STOPPED;
    uint32_t count = machine->watcher_count;
    machine->telling++;
    for (uint32_t step = 0; step < count; step++) {
        /* Copied, for a watcher may add others and move the table. */
        struct machine_watch_entry entry = machine->watchers[backwards ? count - 1 - step : step];
        if (entry.watcher != NULL) {
            entry.watcher(entry.context, news);
        }
    }
    machine->telling--;
    if (machine->telling == 0) {
        machine_forget_watchers(machine);
    }
}

/* ---- states -------------------------------------------------------------------------------------------------------- */

/* Brings the machine and all below it into line with their switches: the one function that stops and starts. What is below
 * is told of a stop before, and of a start after; both see flags of the machine above that are already true. */
static void machine_settle(struct machine *machine)
{
    const struct machine *parent = machine->parent;
    bool clock_runs = machine->state == MACHINE_ON && machine->pauses == 0 &&
                      (parent == NULL || parent->clock_runs);
    bool runs = clock_runs && machine->freezes == 0 && (parent == NULL || parent->runs);
    bool ran = machine->runs;
    if (machine->clock_runs != clock_runs) {
        machine_rebase(machine);
        machine->clock_runs = clock_runs;
    }
    machine->runs = runs;
    if (runs && !ran) {
        machine_queue_timers(machine);
        machine_tell(machine, MACHINE_STARTED);
        for (struct machine *child = machine->first_child; child != NULL;
             child = child->next_sibling) {
            machine_settle(child);
        }
        return;
    }
    for (struct machine *child = machine->last_child; child != NULL;
         child = child->previous_sibling) {
        machine_settle(child);
    }
    if (ran && !runs) {
        machine_dequeue_timers(machine);
        machine_tell(machine, MACHINE_STOPPED);
    }
}

void machine_power_on(struct machine *machine)
{
    const struct machine *parent = machine->parent;
    SIM_ASSERT(machine->state == MACHINE_OFF);
    SIM_ASSERT(machine->telling == 0);
    SIM_ASSERT(parent == NULL || parent->state == MACHINE_ON);
    SIM_ASSERT(machine->first_timer == NULL);
    sim_time now = sim_now(machine->sim);
    machine->state = MACHINE_ON;
    machine->incarnation++;
    machine->base_global = now;
    machine->base_local = 0;
    machine->base_fraction = 0;
    machine->wall_base = SIM_WALL_CLOCK_START + machine->wall_offset + now;
    machine->clock_runs = parent == NULL || parent->clock_runs;
    machine->runs = parent == NULL || parent->runs;
    machine_tell(machine, MACHINE_POWERED_ON);
}

void machine_crash(struct machine *machine)
{
    SIM_ASSERT(machine->state == MACHINE_ON);
    SIM_ASSERT(machine->telling == 0);
    for (struct machine *child = machine->last_child; child != NULL;
         child = child->previous_sibling) {
        if (child->state == MACHINE_ON) {
            machine_crash(child);
        }
    }
    machine->state = MACHINE_OFF;
    machine->runs = false;
    machine->clock_runs = false;
    machine->freezes = 0;
    machine->pauses = 0;
    machine->base_local = 0;
    machine->base_fraction = 0;
    while (machine->first_timer != NULL) {
        machine_timer_cancel(machine->first_timer);
    }
    machine_tell(machine, MACHINE_CRASHED);
    machine_return_ledger(machine);
    SIM_ASSERT(machine->first_timer == NULL);
}

void machine_reboot(struct machine *machine)
{
    machine_crash(machine);
    machine_power_on(machine);
}

void machine_freeze(struct machine *machine)
{
    SIM_ASSERT(machine->telling == 0);
    if (machine->state == MACHINE_ON) {
        SIM_ASSERT(machine->freezes < UINT32_MAX);
        machine->freezes++;
        machine_settle(machine);
    }
}

void machine_thaw(struct machine *machine)
{
    SIM_ASSERT(machine->telling == 0);
    if (machine->freezes > 0) {
        SIM_ASSERT(machine->state == MACHINE_ON);
        machine->freezes--;
        machine_settle(machine);
    }
}

void machine_pause(struct machine *machine)
{
    SIM_ASSERT(machine->telling == 0);
    if (machine->state == MACHINE_ON) {
        SIM_ASSERT(machine->pauses < UINT32_MAX);
        machine->pauses++;
        machine_settle(machine);
    }
}

void machine_resume(struct machine *machine)
{
    SIM_ASSERT(machine->telling == 0);
    if (machine->pauses > 0) {
        SIM_ASSERT(machine->state == MACHINE_ON);
        machine->pauses--;
        machine_settle(machine);
    }
}

void machine_set_drift(struct machine *machine, int32_t drift_ppb)
{
    SIM_ASSERT(drift_ppb >= -SIM_MACHINE_DRIFT_PPB_MAX);
    SIM_ASSERT(drift_ppb <= SIM_MACHINE_DRIFT_PPB_MAX);
    if (machine->drift_ppb == drift_ppb) {
        return;
    }
    machine_rebase(machine);
    machine->drift_ppb = drift_ppb;
    if (machine->runs) {
        machine_queue_timers(machine);
    }
}

int32_t machine_drift(const struct machine *machine)
{
    return machine->drift_ppb;
}

void machine_step_wall_clock(struct machine *machine, sim_time by_ns)
{
    machine->wall_offset += by_ns;
    machine->wall_base += by_ns;
}

void machine_set_monotonic(struct machine *machine, sim_time local_now)
{
    SIM_ASSERT(machine->state == MACHINE_ON);
    SIM_ASSERT(machine->first_timer == NULL);
    machine_rebase(machine);
    SIM_ASSERT(local_now >= machine->base_local);
    machine->wall_base -= local_now - machine->base_local;
    machine->base_local = local_now;
}

/* ---- a machine's life ---------------------------------------------------------------------------------------------- */

struct machine *machine_new(struct sim *sim, struct machine *parent, uint32_t origin)
{
    SIM_ASSERT(origin < sim_origin_count(sim));
    SIM_ASSERT(parent == NULL || parent->sim == sim);
    struct machine *machine = calloc(1, sizeof *machine);
    SIM_ASSERT(machine != NULL);
    machine->sim = sim;
    machine->origin = origin;
    machine->ledger_limit = SIZE_MAX;
    machine->doomed_event = SIM_NONE;
    machine->parent = parent;
    if (parent != NULL) {
        machine->previous_sibling = parent->last_child;
        if (parent->last_child != NULL) {
            parent->last_child->next_sibling = machine;
        } else {
            parent->first_child = machine;
        }
        parent->last_child = machine;
    }
    return machine;
}

static void machine_leave_parent(struct machine *machine)
{
    struct machine *parent = machine->parent;
    if (machine->previous_sibling != NULL) {
        machine->previous_sibling->next_sibling = machine->next_sibling;
    } else {
        SIM_ASSERT(parent->first_child == machine);
        parent->first_child = machine->next_sibling;
    }
    if (machine->next_sibling != NULL) {
        machine->next_sibling->previous_sibling = machine->previous_sibling;
    } else {
        SIM_ASSERT(parent->last_child == machine);
        parent->last_child = machine->previous_sibling;
    }
}

void machine_free(struct machine *machine)
{
    SIM_ASSERT(machine->first_child == NULL);
    SIM_ASSERT(machine->telling == 0);
    if (machine->state == MACHINE_ON) {
        machine_crash(machine);
    }
    if (machine->doomed_event != SIM_NONE) {
        sim_event_free(machine->sim, machine->doomed_event);
        machine_free_doomed(machine);
    }
    if (machine->parent != NULL) {
        machine_leave_parent(machine);
    }
    SIM_ASSERT(machine->blocks == NULL);
    free(machine->watchers);
    free(machine);
}

bool machine_is_on(const struct machine *machine)
{
    return machine->state == MACHINE_ON;
}

bool machine_runs(const struct machine *machine)
{
    return machine->runs;
}

bool machine_is_paused(const struct machine *machine)
{
    return machine->pauses > 0;
}

bool machine_is_frozen(const struct machine *machine)
{
    return machine->freezes > 0;
}

uint64_t machine_incarnation(const struct machine *machine)
{
    return machine->incarnation;
}

struct sim *machine_sim(const struct machine *machine)
{
    return machine->sim;
}

uint32_t machine_origin(const struct machine *machine)
{
    return machine->origin;
}

struct machine *machine_parent(const struct machine *machine)
{
    return machine->parent;
}

static void machine_check_timers(const struct machine *machine)
{
    const struct machine_timer *previous = NULL;
    for (const struct machine_timer *timer = machine->first_timer; timer != NULL;
         timer = timer->next) {
        SIM_ASSERT(timer->machine == machine);
        SIM_ASSERT(timer->previous == previous);
        SIM_ASSERT(machine_timer_armed(timer));
        SIM_ASSERT(timer->sequence <= machine->timer_sequence);
        bool queued = timer->event != SIM_NONE && sim_event_queued(machine->sim, timer->event);
        if (machine->runs) {
            sim_time at = machine_global_time(machine, timer->deadline);
            SIM_ASSERT(queued == (at != SIM_NEVER));
            SIM_ASSERT(!queued || sim_event_time(machine->sim, timer->event) == at);
        } else {
            SIM_ASSERT(!queued);
        }
        previous = timer;
    }
    SIM_ASSERT(machine->last_timer == previous);
}

void machine_check(const struct machine *machine)
{
    const struct machine *parent = machine->parent;
    bool on = machine->state == MACHINE_ON;
    SIM_ASSERT(!on || parent == NULL || parent->state == MACHINE_ON);
    SIM_ASSERT(machine->clock_runs ==
               (on && machine->pauses == 0 && (parent == NULL || parent->clock_runs)));
    SIM_ASSERT(machine->runs ==
               (machine->clock_runs && machine->freezes == 0 && (parent == NULL || parent->runs)));
    SIM_ASSERT(on || machine->freezes + machine->pauses == 0);
    SIM_ASSERT(on || machine->first_timer == NULL);
    SIM_ASSERT(machine->base_fraction < MACHINE_RATE);
    machine_check_timers(machine);
    size_t bytes = 0;
    for (const struct machine_block *block = machine->blocks; block != NULL; block = block->next) {
        SIM_ASSERT(block->machine == machine);
        bytes += block->bytes;
    }
    SIM_ASSERT(bytes == machine->ledger_bytes);
    SIM_ASSERT(machine->doomed == NULL || sim_event_queued(machine->sim, machine->doomed_event));
}
