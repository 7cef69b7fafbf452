/* tests/migration/puppet.h - a peer on strings: one end of a migration is the service, the other does what a test says.
 *
 * Two nodes and a VM "web" of 16 pages that runs on node1. The puppet is a task on either node that uses rt/rt.h and the wire format, nothing
 * else: as a source it talks to node2's service on its port; as a target it listens on a port of its own, to which node1's service is
 * told to send. What it expected and did not see it says with puppet_fail; the oracles judge the rest. */
#ifndef ORRERY_TESTS_MIGRATION_PUPPET_H
#define ORRERY_TESTS_MIGRATION_PUPPET_H

#include "cluster/migration_wire.h"
#include "testbed/run.h"
#include "testbed/world.h"

#define PUPPET_PORT  6601
#define PUPPET_PAGES 16u

struct puppet {
    struct rt *rt;
    struct world *world;
    struct rt_listener *listener; /* of a target, once it has listened */
    char why[256];                /* what went wrong, or "" */
    bool done;                    /* the act came to its end */
};
typedef void puppet_act(struct puppet *puppet);

enum puppet_part { PUPPET_SOURCE, PUPPET_TARGET };

struct puppet_end {
    bool at_source, at_target; /* an instance is there ... */
    bool runs_at_source, runs_at_target;
    uint32_t open_at_source, open_at_target; /* migrations that are not settled */
    char how[192];                           /* the end of the source's migration, or "" */
    char oracle[256];                        /* the first oracle that failed, or "" */
};

/* Runs the act as that part, for 40 s. As a target: the service of node1 is ordered to send the VM to it a moment later. */
struct puppet_end puppet_run(enum puppet_part part, puppet_act *act, char *why, size_t capacity);

/* ---- for acts ---- */
void puppet_fail(struct puppet *puppet, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Connects to a port of the other node. */
struct rt_stream *puppet_connect(struct puppet *puppet, uint16_t port);
/* As a target: the next connection, within 12 s. */
struct rt_stream *puppet_accept(struct puppet *puppet);
void puppet_say(struct puppet *puppet, struct rt_stream *stream, enum migration_message_type type,
                uint64_t id, uint64_t argument);
/* CONFIGURE for "web" of node1. */
void puppet_configure(struct puppet *puppet, struct rt_stream *stream, uint64_t id);
/* All pages of the VM on node1, as they are, from `first` on; returns how many. */
uint64_t puppet_pages(struct puppet *puppet, struct rt_stream *stream, uint64_t id, uint64_t first);
/* The same, compressed. */
uint64_t puppet_packed_pages(struct puppet *puppet, struct rt_stream *stream, uint64_t id,
                             uint64_t first);
/* Its state; it must be paused. */
void puppet_state(struct puppet *puppet, struct rt_stream *stream, uint64_t id);
/* The next message is of that type; its content is skipped. Returns its argument. */
uint64_t puppet_hear(struct puppet *puppet, struct rt_stream *stream,
                     enum migration_message_type type, uint64_t id);
/* Nothing comes within that time, or the peer closes. */
void puppet_hear_nothing(struct puppet *puppet, struct rt_stream *stream, rt_time for_ns);
void puppet_sleep(struct puppet *puppet, rt_time for_ns);
/* As a target: hears everything up to PREPARE, says what is due and not READY; returns the stream and the id. */
struct rt_stream *puppet_take(struct puppet *puppet, uint64_t *id);

#endif
