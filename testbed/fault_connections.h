/* testbed/fault_connections.h - faults of TCP connections between two machines of a scenario: nic/tcp_fault.h, by name.
 *
 *  N1. A fault speaks of the connections from any address of `from` to the port at any address of `to`, on the networks that both are on.
 *  N2. A reset strikes both ends, and half-open the end `to`, unless `end` says otherwise. What stands at the instant at which the fault
 *      begins is struck, once; an end whose machine does not run is not.
 *  N3. Each end that is struck is a record connection.struck with the fault as its cause. */
#ifndef ORRERY_TESTBED_FAULT_CONNECTIONS_H
#define ORRERY_TESTBED_FAULT_CONNECTIONS_H

#include "testbed/world.h"

struct fault_connections;

struct fault_connections *fault_connections_new(struct world *world);
void fault_connections_free(struct fault_connections *connections);
/* The fault of an item whose target is connections begins, as the record `cause` says; or ends. */
void fault_connections_begin(struct fault_connections *connections, uint32_t item, uint64_t cause);
void fault_connections_end(struct fault_connections *connections, uint32_t item);

#endif
