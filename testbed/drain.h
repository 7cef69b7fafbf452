/* testbed/drain.h - empties a node: which of its VMs goes where, and when.
 *
 * Stands for the administrator's tool that does so from outside: it looks at the nodes, and orders live migrations of the node's service as
 * anybody could. The plan is made when the drain begins:
 *
 *  D1. VMs in the order of their memory, largest first, then of their names. Each goes to the node with the most free memory of those that are on,
 *      have its networks and a processor that can run it (the same maker's, no older generation); of equals to the first in name.
 *      What is planned counts as taken.
 *  D2. A VM that fits nowhere stays, with the reason for each node.
 *  D3. In the order of the plan each VM moves as soon as its pair of nodes, and `parallel`, allow. One that has to wait lets later ones go.
 *  D4. It ends when every VM of the plan has moved or failed to. */
#ifndef ORRERY_TESTBED_DRAIN_H
#define ORRERY_TESTBED_DRAIN_H

#include "testbed/judge.h"
#include "testbed/world.h"

struct drain;

/* Makes the plan of a drain's item, and says what stays. `start` begins the migration of a VM: an item of the timeline, to that node. */
struct drain *drain_new(struct world *world, const struct judge *judge, uint32_t item,
                        void (*start)(void *context, uint32_t item, uint32_t node), void *context);
void drain_free(struct drain *drain);
/* Starts what may start. True when it is over; `how` says in a constant sentence how it ended. */
bool drain_go_on(struct drain *drain, const char **how);

#endif
