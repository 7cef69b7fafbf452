/* One end of the protocol against a peer that does as it likes: what the service says, and where the VM is at the end. */
#include <criterion/criterion.h>

#include "tests/migration/puppet.h"

#define ID UINT64_C(0x1234567800000001)

/* ---- the service is the source -------------------------------------------------------------------------------------------- */

/* Goes through to READY and hears GO. */
static struct rt_stream *to_go(struct puppet *p, uint64_t *id)
{
    struct rt_stream *stream = puppet_take(p, id);
    puppet_say(p, stream, MIGRATION_READY, *id, 0);
    puppet_hear(p, stream, MIGRATION_GO, *id);
    return stream;
}

static void done_and_forget(struct puppet *p)
{
    uint64_t id = 0;
    struct rt_stream *stream = to_go(p, &id);
    puppet_say(p, stream, MIGRATION_DONE, id, 0);
    puppet_hear(p, stream, MIGRATION_FORGET, id);
    rt_close(p->rt, stream);
}

static void discarded_after_go(struct puppet *p)
{
    uint64_t id = 0;
    struct rt_stream *stream = to_go(p, &id);
    puppet_say(p, stream, MIGRATION_DISCARDED, id, 0);
    puppet_hear_nothing(p, stream, SIM_S);
    rt_close(p->rt, stream);
}

static void ready_late(struct puppet *p)
{
    uint64_t id = 0;
    struct rt_stream *stream = puppet_take(p, &id);
    puppet_sleep(p, 5200 * SIM_MS);
    puppet_say(p, stream, MIGRATION_READY, id, 0);
    puppet_hear(p, stream, MIGRATION_CANCEL, id);
    puppet_hear_nothing(p, stream, 2 * SIM_S);
    rt_close(p->rt, stream);
}

static void ready_of_another(struct puppet *p)
{
    uint64_t id = 0;
    struct rt_stream *stream = puppet_take(p, &id);
    puppet_say(p, stream, MIGRATION_READY, id + 1, 0);
    puppet_hear(p, stream, MIGRATION_CANCEL, id);
    rt_close(p->rt, stream);
}

static void ready_and_gone(struct puppet *p)
{
    uint64_t id = 0;
    struct rt_stream *stream = puppet_take(p, &id);
    puppet_say(p, stream, MIGRATION_READY, id, 0);
    rt_close(p->rt, stream);
    /* It comes again by itself, and gets its answer then. */
    stream = puppet_accept(p);
    puppet_hear(p, stream, MIGRATION_GO, id);
    puppet_say(p, stream, MIGRATION_DONE, id, 0);
    puppet_hear(p, stream, MIGRATION_FORGET, id);
    rt_close(p->rt, stream);
}

static void asked_before_given(struct puppet *p)
{
    uint64_t id = 0;
    struct rt_stream *stream = puppet_take(p, &id);
    struct rt_stream *other = puppet_connect(p, MIGRATION_PORT);
    puppet_say(p, other, MIGRATION_QUERY, id, 1);
    puppet_hear_nothing(p, other, SIM_S);
    rt_close(p->rt, other);
    puppet_say(p, stream, MIGRATION_DISCARDED, id, 0);
    puppet_hear(p, stream, MIGRATION_CANCEL, id);
    rt_close(p->rt, stream);
}

static void asked_after_given(struct puppet *p)
{
    uint64_t id = 0;
    struct rt_stream *stream = to_go(p, &id);
    struct rt_stream *other = puppet_connect(p, MIGRATION_PORT);
    puppet_say(p, other, MIGRATION_QUERY, id, 1);
    puppet_hear(p, other, MIGRATION_GO, id);
    rt_close(p->rt, other);
    puppet_say(p, stream, MIGRATION_DONE, id, 0);
    puppet_hear(p, stream, MIGRATION_FORGET, id);
    rt_close(p->rt, stream);
    other = puppet_connect(p, MIGRATION_PORT);
    puppet_say(p, other, MIGRATION_QUERY, id, 2);
    puppet_hear(p, other, MIGRATION_FORGET, id);
    rt_close(p->rt, other);
}

/* The store of the source is full: there is no commit point. */
static void given_does_not_fit(struct puppet *p)
{
    uint64_t id = 0;
    struct rt_stream *stream = puppet_take(p, &id);
    node_store_set_full(p->world->nodes[0].side->store, true);
    puppet_say(p, stream, MIGRATION_READY, id, 0);
    puppet_hear(p, stream, MIGRATION_CANCEL, id);
    rt_close(p->rt, stream);
}

/* GIVEN is taken away behind the source's back: nothing that the store lost may make a target forget what the source still asks for. */
static void asked_as_owner_while_unsettled(struct puppet *p)
{
    uint64_t id = 0;
    struct rt_stream *stream = to_go(p, &id);
    char key[64];
    struct rt *source = &p->world->nodes[0].side->rt;
    if (rt_store_next(source, "migration/", "", key, sizeof key) != RT_OK ||
        rt_store_remove(source, key, RT_FOREVER) != RT_OK) {
        puppet_fail(p, "GIVEN is not on the store");
    }
    struct rt_stream *other = puppet_connect(p, MIGRATION_PORT);
    puppet_say(p, other, MIGRATION_QUERY, id, 2);
    puppet_hear_nothing(p, other, SIM_S);
    rt_close(p->rt, other);
    puppet_say(p, stream, MIGRATION_DONE, id, 0);
    puppet_hear(p, stream, MIGRATION_FORGET, id);
    rt_close(p->rt, stream);
}

static void wrong_count(struct puppet *p)
{
    struct rt_stream *stream = puppet_accept(p);
    for (int i = 0; i < 3; i++) {
        struct migration_message message;
        uint8_t *content = NULL;
        struct migration_batch batch;
        struct rt_slices slices = {0};
        rt_time deadline = rt_now(p->rt) + SIM_S;
        if (migration_receive(p->rt, stream, &message, deadline) != RT_OK) {
            puppet_fail(p, "no message");
            break;
        }
        if (message.type == MIGRATION_PAGES) {
            (void)!migration_receive_pages(p->rt, stream, &message, &batch, &slices, deadline);
            migration_release_batch(p->rt, &batch);
        } else {
            (void)!migration_receive_content(p->rt, stream, &message, &content, deadline);
            rt_free(p->rt, content);
            puppet_say(p, stream, i == 0 ? MIGRATION_RESERVED : MIGRATION_ROUND_OK, message.id,
                       i == 0 ? 0 : PUPPET_PAGES - 1);
        }
        rt_release_all(p->rt, &slices);
        if (i == 2) {
            puppet_hear(p, stream, MIGRATION_CANCEL, message.id);
        }
    }
    rt_close(p->rt, stream);
}

static void silent(struct puppet *p)
{
    struct rt_stream *stream = puppet_accept(p);
    puppet_sleep(p, 20 * SIM_S);
    rt_close(p->rt, stream);
}

static void garbage(struct puppet *p)
{
    static const uint8_t bytes[64] = "no such protocol was ever spoken between these two nodes";
    struct rt_stream *stream = puppet_accept(p);
    const struct rt_slice slice = {.bytes = bytes, .length = sizeof bytes};
    (void)!rt_write(p->rt, stream, &slice, 1, rt_now(p->rt) + SIM_S);
    puppet_sleep(p, 2 * SIM_S);
    rt_close(p->rt, stream);
}

/* ---- the service is the target -------------------------------------------------------------------------------------------- */

static struct rt_stream *reserved(struct puppet *p, uint64_t id)
{
    struct rt_stream *stream = puppet_connect(p, MIGRATION_PORT);
    puppet_configure(p, stream, id);
    puppet_hear(p, stream, MIGRATION_RESERVED, id);
    return stream;
}

static void pause_vm(struct puppet *p)
{
    struct rt_vm *vm = NULL;
    if (rt_vm_find(p->rt, "web", &vm) != RT_OK || rt_vm_pause(p->rt, vm) != RT_OK) {
        puppet_fail(p, "the VM cannot be paused");
    }
}

static void resume_vm(struct puppet *p)
{
    struct rt_vm *vm = NULL;
    if (rt_vm_find(p->rt, "web", &vm) != RT_OK || rt_vm_resume(p->rt, vm) != RT_OK) {
        puppet_fail(p, "the VM cannot be resumed");
    }
}

static void free_vm(struct puppet *p)
{
    struct rt_vm *vm = NULL;
    if (rt_vm_find(p->rt, "web", &vm) == RT_OK) {
        rt_vm_destroy(p->rt, vm);
    }
}

/* Everything up to READY; the VM is paused. */
static struct rt_stream *ready(struct puppet *p, uint64_t id)
{
    struct rt_stream *stream = reserved(p, id);
    pause_vm(p);
    uint64_t count = puppet_pages(p, stream, id, 0);
    puppet_say(p, stream, MIGRATION_ROUND_END, id, 1);
    if (puppet_hear(p, stream, MIGRATION_ROUND_OK, id) != count) {
        puppet_fail(p, "another count of pages");
    }
    puppet_state(p, stream, id);
    puppet_say(p, stream, MIGRATION_PREPARE, id, count);
    puppet_hear(p, stream, MIGRATION_READY, id);
    return stream;
}

static void go_twice(struct puppet *p)
{
    struct rt_stream *stream = ready(p, ID);
    puppet_say(p, stream, MIGRATION_GO, ID, 0);
    puppet_hear(p, stream, MIGRATION_DONE, ID);
    rt_close(p->rt, stream);
    stream = puppet_connect(p, MIGRATION_PORT);
    puppet_say(p, stream, MIGRATION_GO, ID, 0);
    puppet_hear(p, stream, MIGRATION_DONE, ID);
    free_vm(p);
    puppet_say(p, stream, MIGRATION_FORGET, ID, 0);
    rt_close(p->rt, stream);
}

static void go_twice_at_once(struct puppet *p)
{
    struct rt_stream *first = ready(p, ID);
    struct rt_stream *second = puppet_connect(p, MIGRATION_PORT);
    puppet_say(p, first, MIGRATION_GO, ID, 0);
    puppet_say(p, second, MIGRATION_GO, ID, 0);
    puppet_hear(p, first, MIGRATION_DONE, ID);
    puppet_hear(p, second, MIGRATION_DONE, ID);
    free_vm(p);
    puppet_say(p, second, MIGRATION_FORGET, ID, 0);
    puppet_say(p, first, MIGRATION_FORGET, ID, 0);
    rt_close(p->rt, first);
    rt_close(p->rt, second);
}

/* READY, no GO: it asks, as one that is prepared, and is answered. */
static struct rt_stream *asked(struct puppet *p)
{
    rt_close(p->rt, ready(p, ID));
    struct rt_stream *stream = puppet_accept(p);
    if (puppet_hear(p, stream, MIGRATION_QUERY, ID) != 1) {
        puppet_fail(p, "it does not ask as one that is prepared");
    }
    return stream;
}

static void asks_and_hears_go(struct puppet *p)
{
    struct rt_stream *stream = asked(p);
    puppet_say(p, stream, MIGRATION_GO, ID, 0);
    puppet_hear(p, stream, MIGRATION_DONE, ID);
    free_vm(p);
    puppet_say(p, stream, MIGRATION_FORGET, ID, 0);
    rt_close(p->rt, stream);
}

static void asks_and_hears_discard(struct puppet *p)
{
    struct rt_stream *stream = asked(p);
    puppet_say(p, stream, MIGRATION_DISCARD, ID, 0);
    resume_vm(p);
    puppet_sleep(p, SIM_S);
    rt_close(p->rt, stream);
    stream = puppet_connect(p, MIGRATION_PORT); /* and says so ever after */
    puppet_say(p, stream, MIGRATION_GO, ID, 0);
    puppet_hear(p, stream, MIGRATION_DISCARDED, ID);
    rt_close(p->rt, stream);
}

/* Silence, words that are not for it, and a DISCARD for another: it asks on and on. */
static void asks_and_asks(struct puppet *p)
{
    struct rt_stream *stream = asked(p);
    rt_close(p->rt, stream);
    stream = puppet_accept(p);
    puppet_hear(p, stream, MIGRATION_QUERY, ID);
    puppet_say(p, stream, MIGRATION_DISCARD, ID + 1, 0);
    rt_close(p->rt, stream);
    stream = puppet_accept(p);
    puppet_hear(p, stream, MIGRATION_QUERY, ID);
    puppet_say(p, stream, MIGRATION_FORGET, ID, 0); /* it owns nothing */
    rt_close(p->rt, stream);
    stream = puppet_accept(p);
    puppet_hear(p, stream, MIGRATION_QUERY, ID);
    puppet_say(p, stream, MIGRATION_DISCARD, ID, 0);
    resume_vm(p);
    rt_close(p->rt, stream);
}

/* DONE is not answered: the owner asks until it hears FORGET; DISCARD and CANCEL mean nothing to it. */
static void owner_asks(struct puppet *p)
{
    struct rt_stream *stream = ready(p, ID);
    puppet_say(p, stream, MIGRATION_GO, ID, 0);
    puppet_hear(p, stream, MIGRATION_DONE, ID);
    free_vm(p);
    puppet_say(p, stream, MIGRATION_CANCEL, ID, 0);
    rt_close(p->rt, stream);
    stream = puppet_accept(p);
    if (puppet_hear(p, stream, MIGRATION_QUERY, ID) != 2) {
        puppet_fail(p, "it does not ask as owner");
    }
    puppet_say(p, stream, MIGRATION_DISCARD, ID, 0);
    rt_close(p->rt, stream);
    stream = puppet_accept(p);
    puppet_hear(p, stream, MIGRATION_QUERY, ID);
    puppet_say(p, stream, MIGRATION_FORGET, ID, 0);
    rt_close(p->rt, stream);
}

static void go_for_nothing(struct puppet *p)
{
    struct rt_stream *stream = puppet_connect(p, MIGRATION_PORT);
    puppet_say(p, stream, MIGRATION_GO, ID, 0);
    puppet_hear(p, stream, MIGRATION_DISCARDED, ID);
    rt_close(p->rt, stream);
}

static void query_for_nothing(struct puppet *p)
{
    struct rt_stream *stream = puppet_connect(p, MIGRATION_PORT);
    puppet_say(p, stream, MIGRATION_QUERY, ID, 1);
    puppet_hear(p, stream, MIGRATION_DISCARD, ID);
    rt_close(p->rt, stream);
}

static void go_before_ready(struct puppet *p)
{
    struct rt_stream *stream = reserved(p, ID);
    struct rt_stream *other = puppet_connect(p, MIGRATION_PORT);
    puppet_say(p, other, MIGRATION_GO, ID, 0);
    puppet_hear_nothing(p, other, SIM_S);
    rt_close(p->rt, other);
    puppet_say(p, stream, MIGRATION_GO, ID, 0);
    puppet_hear(p, stream, MIGRATION_DISCARDED, ID);
    rt_close(p->rt, stream);
}

static void page_missing(struct puppet *p)
{
    struct rt_stream *stream = reserved(p, ID);
    pause_vm(p);
    uint64_t count = puppet_pages(p, stream, ID, 1);
    puppet_state(p, stream, ID);
    puppet_say(p, stream, MIGRATION_PREPARE, ID, count);
    puppet_hear(p, stream, MIGRATION_DISCARDED, ID);
    resume_vm(p);
    rt_close(p->rt, stream);
}

static void state_missing(struct puppet *p)
{
    struct rt_stream *stream = reserved(p, ID);
    uint64_t count = puppet_pages(p, stream, ID, 0);
    puppet_say(p, stream, MIGRATION_PREPARE, ID, count);
    puppet_hear(p, stream, MIGRATION_DISCARDED, ID);
    rt_close(p->rt, stream);
}

static void count_wrong(struct puppet *p)
{
    struct rt_stream *stream = reserved(p, ID);
    pause_vm(p);
    uint64_t count = puppet_pages(p, stream, ID, 0);
    puppet_state(p, stream, ID);
    puppet_say(p, stream, MIGRATION_PREPARE, ID, count + 1);
    puppet_hear(p, stream, MIGRATION_DISCARDED, ID);
    resume_vm(p);
    rt_close(p->rt, stream);
}

static void page_beyond_memory(struct puppet *p)
{
    struct rt_stream *stream = reserved(p, ID);
    struct migration_batch batch = {.count = 1, .entries = {(uint64_t)PUPPET_PAGES << 1 | 1}};
    (void)!migration_send_pages(p->rt, stream, ID, &batch, rt_now(p->rt) + SIM_S);
    puppet_hear(p, stream, MIGRATION_DISCARDED, ID);
    rt_close(p->rt, stream);
}

static void state_of_nothing(struct puppet *p)
{
    struct rt_stream *stream = reserved(p, ID);
    struct migration_message message = {.type = MIGRATION_STATE, .id = ID, .length = 5};
    (void)!migration_send(p->rt, stream, &message, "wrong", rt_now(p->rt) + SIM_S);
    puppet_hear(p, stream, MIGRATION_DISCARDED, ID);
    rt_close(p->rt, stream);
}

static void same_id_twice(struct puppet *p)
{
    struct rt_stream *stream = reserved(p, ID);
    struct rt_stream *other = puppet_connect(p, MIGRATION_PORT);
    puppet_configure(p, other, ID);
    puppet_hear(p, other, MIGRATION_REFUSED, ID);
    rt_close(p->rt, other);
    puppet_say(p, stream, MIGRATION_CANCEL, ID, 0);
    puppet_hear(p, stream, MIGRATION_DISCARDED, ID);
    rt_close(p->rt, stream);
}

/* Two at the same instant: building a VM takes time, in which the other must not slip in. */
static void two_at_once(struct puppet *p)
{
    struct rt_stream *one = puppet_connect(p, MIGRATION_PORT);
    struct rt_stream *two = puppet_connect(p, MIGRATION_PORT);
    puppet_configure(p, one, ID);
    puppet_configure(p, two, ID + 1);
    puppet_hear(p, one, MIGRATION_RESERVED, ID);
    if (puppet_hear(p, two, MIGRATION_REFUSED, ID + 1) != MIGRATION_TRY_AGAIN) {
        puppet_fail(p, "it may not try again");
    }
    rt_close(p->rt, two);
    puppet_say(p, one, MIGRATION_CANCEL, ID, 0);
    puppet_hear(p, one, MIGRATION_DISCARDED, ID);
    rt_close(p->rt, one);
}

static void cancel_after_ready(struct puppet *p)
{
    struct rt_stream *stream = ready(p, ID);
    puppet_say(p, stream, MIGRATION_CANCEL, ID, 0);
    puppet_hear(p, stream, MIGRATION_DISCARDED, ID);
    resume_vm(p);
    rt_close(p->rt, stream);
}

static void source_goes_silent(struct puppet *p)
{
    struct rt_stream *stream = reserved(p, ID);
    puppet_hear(p, stream, MIGRATION_DISCARDED, ID); /* after twice the patience */
    rt_close(p->rt, stream);
}

struct protocol_case {
    const char *name;
    puppet_act *act;
    bool runs_at_source, at_target; /* at the end */
    const char *how;                /* of the source; NULL: as it may be */
};

static const struct protocol_case source_cases[] = {
    {"DONE: freed and forgotten", done_and_forget, false, false, "completed"},
    {"DISCARDED after GO: taken back", discarded_after_go, true, false,
     "the target discarded it; it runs on at the source"},
    {"READY after the source's patience: too late", ready_late, true, false, NULL},
    {"READY for another id", ready_of_another, true, false, NULL},
    {"READY, and the connection ends: GO on the next", ready_and_gone, false, false, "completed"},
    {"asked before GIVEN: silence", asked_before_given, true, false, NULL},
    {"asked after GIVEN: GO; after the end: forget", asked_after_given, false, false, "completed"},
    {"GIVEN does not fit on the store: not given", given_does_not_fit, true, false, NULL},
    {"asked as owner before it is settled: silence", asked_as_owner_while_unsettled, false, false,
     "completed"},
    {"ROUND_OK with another count", wrong_count, true, false, NULL},
    {"no answer at all", silent, true, false, NULL},
    {"garbage", garbage, true, false, NULL},
};

static void check(enum puppet_part part, const struct protocol_case *c)
{
    char why[256];
    struct puppet_end end = puppet_run(part, c->act, why, sizeof why);
    cr_expect(why[0] == 0, "%s: %s", c->name, why);
    cr_expect(end.runs_at_source == c->runs_at_source, "%s: it %s at the source (%s)", c->name,
              end.runs_at_source ? "runs" : "does not run", end.how);
    cr_expect(end.at_target == c->at_target, "%s: %s at the target", c->name,
              end.at_target ? "it is" : "nothing is");
    cr_expect(c->how == NULL || strcmp(end.how, c->how) == 0, "%s: the source says '%s'", c->name,
              end.how);
    cr_expect(end.open_at_source == 0 && end.open_at_target == 0, "%s: something is not settled",
              c->name);
    cr_expect(part == PUPPET_TARGET || end.oracle[0] == 0, "%s: %s", c->name, end.oracle);
}

Test(protocol, of_the_source)
{
    for (size_t i = 0; i < sizeof source_cases / sizeof *source_cases; i++) {
        check(PUPPET_TARGET, &source_cases[i]);
    }
}

static const struct protocol_case target_cases[] = {
    {"GO again on another connection", go_twice, false, true, NULL},
    {"GO on two connections at once", go_twice_at_once, false, true, NULL},
    {"prepared, asks, GO", asks_and_hears_go, false, true, NULL},
    {"prepared, asks, DISCARD", asks_and_hears_discard, true, false, NULL},
    {"prepared, asks until it is answered", asks_and_asks, true, false, NULL},
    {"owns, asks until FORGET", owner_asks, false, true, NULL},
    {"GO for what was never here", go_for_nothing, true, false, NULL},
    {"QUERY for what was never here", query_for_nothing, true, false, NULL},
    {"GO before READY", go_before_ready, true, false, NULL},
    {"PREPARE without a page", page_missing, true, false, NULL},
    {"PREPARE without the state", state_missing, true, false, NULL},
    {"PREPARE with a wrong count", count_wrong, true, false, NULL},
    {"a page beyond memory", page_beyond_memory, true, false, NULL},
    {"a state that is none", state_of_nothing, true, false, NULL},
    {"one id twice", same_id_twice, true, false, NULL},
    {"two at the same instant", two_at_once, true, false, NULL},
    {"CANCEL after READY", cancel_after_ready, true, false, NULL},
    {"silence after RESERVED", source_goes_silent, true, false, NULL},
};

Test(protocol, of_the_target)
{
    for (size_t i = 0; i < sizeof target_cases / sizeof *target_cases; i++) {
        check(PUPPET_SOURCE, &target_cases[i]);
    }
}
