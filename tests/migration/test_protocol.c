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
    cr_expect(end.open_at_source == 0, "%s: the source is not done", c->name);
}

Test(protocol, of_the_source)
{
    for (size_t i = 0; i < sizeof source_cases / sizeof *source_cases; i++) {
        check(PUPPET_TARGET, &source_cases[i]);
    }
}
