/* nic/rt_streams.h - streams and datagrams of node software over the node's TCP/IP stack: fills in the rt stream table of a node.
 *
 *  B1. A stream object belongs to the node's ledger and dies with it; its connection is dropped by the stack in the same crash.
 *  B2. Whoever waits on a stream or listener when it is closed gets RT_CANCELLED; the object goes with the last waiter.
 *  B3. What had arrived when a connection ended can still be read. */
#ifndef ORRERY_NIC_RT_STREAMS_H
#define ORRERY_NIC_RT_STREAMS_H

#include "nic/tcp.h"
#include "sim/rt_side.h"

/* Gives the node this stack, which has its TCP layer. Both are borrowed. Call it before the side's machine is first powered on. */
void rt_streams_attach(struct rt_side *side, struct ip_stack *stack);
/* Takes it away again and frees what is open. */
void rt_streams_detach(struct rt_side *side);
/* Streams, listeners and sockets that node software has open. */
uint32_t rt_streams_open(const struct rt_side *side);

#endif
