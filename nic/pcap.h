/* nic/pcap.h - captures in pcap format with nanoseconds, through libpcap: one file for each cable, both directions.
 *
 * A frame is stamped with its arrival at the end of the link: responses are always later than what they answer, and frames
 * that the link loses are not seen, as by an analyser at the receiver. Time 0 of the run is 2010-01-01T00:00:00Z. The
 * file's name is the link's with "/" as "-": "node1-migration.pcap". The bytes are the same in every run.
 *
 * Link type is Ethernet; with framing ppp it is PPP, whose packets begin with the protocol (0x0021 for IPv4): ARP, which PPP has
 * no number for, is left out there. */
#ifndef ORRERY_NIC_PCAP_H
#define ORRERY_NIC_PCAP_H

#include "nic/link.h"

struct pcap_options {
    const char *directory;
    const char *link_glob; /* of fnmatch(3); NULL: all */
    sim_time from, until;  /* frames with from <= arrival < until; SIM_NEVER for no end */
    uint64_t frames_max;   /* for each file; 0: no limit */
};

struct capture;

/* Whether the options ask for this link: its name matches the glob. */
bool capture_wanted(const struct pcap_options *options, const char *link_name);
/* Creates the file, and the directory if it is missing. NULL and a message where it cannot. */
SIM_CHECKED struct capture *capture_new(struct net *net, const struct pcap_options *options,
                                        const char *link_name, enum link_framing framing, char *why,
                                        size_t why_capacity);
/* Taps one direction; both directions of a cable go to one capture. */
void capture_tap(struct capture *capture, struct link *link);
/* Flushes and closes, after the links it taps are freed or tapped by others; false and a message if anything could not be written. */
SIM_CHECKED bool capture_close(struct capture *capture, char *why, size_t why_capacity);

#endif
