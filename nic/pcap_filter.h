/* nic/pcap_filter.h - frames that a BPF expression picks ("tcp port 6600 and greater 1000"): libpcap compiles it, and runs it.
 *
 *  F1. A frame matches exactly where the same expression would show it in a capture of the link (nic/pcap.h).
 *  F2. Payload becomes bytes only for a filter that reads payload or a checksum over it: which bytes behind the IP header it can read is
 *      found once, from the compiled program; all others see the headers alone, and the length of the whole frame.
 *
 * The language is pcap-filter(7). Host names and what needs a machine's files or interfaces (`gateway`, `inbound`) are libpcap's to
 * refuse or not; a scenario that should run everywhere names addresses and ports by number. */
#ifndef ORRERY_NIC_PCAP_FILTER_H
#define ORRERY_NIC_PCAP_FILTER_H

#include "nic/link.h"

struct pcap_filter;

/* The compiled filter, or NULL and libpcap's words in `why`. */
SIM_CHECKED struct pcap_filter *pcap_filter_new(const char *expression, enum link_framing framing,
                                                char *why, size_t why_capacity);
void pcap_filter_free(struct pcap_filter *filter);
/* The frame is sealed. */
bool pcap_filter_matches(const struct pcap_filter *filter, const struct net *net,
                         const struct frame *frame);
/* Whether the program may read what follows the headers of this frame, or a checksum over it (F2). */
bool pcap_filter_reads_payload(const struct pcap_filter *filter, const struct frame *frame);

#endif
