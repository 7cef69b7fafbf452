/* nic/tcp_fault.h - what breaks TCP connections from outside: segments that nobody sent, ends that forget, SYNs that are refused or vanish.
 *
 *  K1. An injected reset is a RST segment in the name of the peer, which the victim's stack takes as any other (RFC 9293, 3.10.7.4, with RFC
 *      5961, 3.2): at exactly the next sequence number expected it ends the connection; elsewhere in the window it is answered by a
 *      challenge ACK and does no harm. It comes from no link: it stands in no capture.
 *  K2. An end that forgets sends nothing. Its user is told that the connection is gone; the other end goes on until it sends and is
 *      answered by a RST, or for ever, if it has nothing to send and no keep-alive (a half-open connection: RFC 9293, 3.5.1).
 *  K3. A refused SYN is answered by a RST, one that hangs by nothing; both are recorded as lost, with the fault's cause. Connections that
 *      stand already are not touched. Rules are of addresses, so they hold for a VM wherever it runs.
 *
 * Without a rule a SYN costs one test of a pointer; established connections cost nothing. */
#ifndef ORRERY_NIC_TCP_FAULT_H
#define ORRERY_NIC_TCP_FAULT_H

#include "nic/tcp.h"

/* Connections of one end: those with this peer, and this port at the server's side. */
struct tcp_fault_match {
    struct ip4 peer;
    uint16_t port;
    bool server; /* the end is the one that has the port; else its peer is */
};

enum tcp_fault_reset { TCP_FAULT_EXACT, TCP_FAULT_BLIND };

/* Injects a RST into each matching connection at this end (K1); returns how many. The machine runs; between events of the layer. */
uint32_t tcp_fault_inject_reset(struct tcp_layer *layer, const struct tcp_fault_match *match,
                                enum tcp_fault_reset reset);
/* Makes this end forget each matching connection (K2); returns how many. */
uint32_t tcp_fault_forget(struct tcp_layer *layer, const struct tcp_fault_match *match);

/* A rule for SYNs from one address to a port of another; in its owner's structure, in the net's list while it acts. */
struct tcp_syn_rule {
    struct tcp_syn_rule *next;
    struct ip4 from, to;
    uint16_t port;
    bool refuse; /* else it hangs */
    uint64_t cause;
};
void tcp_syn_rule_add(struct net *net, struct tcp_syn_rule *rule);
/* Nothing happens where it is not there. */
void tcp_syn_rule_remove(struct net *net, struct tcp_syn_rule *rule);
/* The rule that a SYN meets, the newest first, or NULL. For the layer. */
const struct tcp_syn_rule *tcp_syn_rule_find(const struct net *net, const struct frame *frame);

#endif
