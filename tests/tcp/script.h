/* tests/tcp/script.h - one TCP, driven by hand-made segments: what goes in at which instant, what must come out at which.
 *
 * A script is text: steps with a `;` between them, each a time in microseconds since the start, a word, and what it takes.
 *
 *      TIME < FLAGS SEQ[+LENGTH] [ack N] [win BYTES] [sack L-R ...] [ts V] [echo V] [bare] [port N]      a segment arrives
 *      TIME > FLAGS SEQ[+LENGTH] [ack N] [win BYTES] [sack L-R ...] [echo V] [other]      one was sent at this very instant
 *      TIME connect | listen | write N | small N SIZE | read N | shutdown | release | abort | cork | uncork
 *      TIME state NAME | ended WHY | not-ended | readable N | finished | gone | quiet | cwnd N | timeouts N | recoveries N
 *
 * Sequence numbers are relative: 0 is the SYN of the side that sends the segment, 1 its first byte. A segment that comes out and
 * is not expected fails the script at its next step, so each script is complete. `other` compares flags and ack alone.
 *
 * The MTU is 1040: full segments hold 1000 bytes. The peer's SYN carries MSS 1000, SACK permitted and window scale 7 (`bare`: nothing);
 * its window is 1 MiB unless given. Its sequence numbers wrap after 4096 bytes. */
#ifndef ORRERY_TESTS_TCP_SCRIPT_H
#define ORRERY_TESTS_TCP_SCRIPT_H

#include "nic/tcp.h"

struct script {
    const char *name;
    const char *text;
    struct tcp_options options; /* congestion as in enum tcp_congestion: Reno unless asked */
    bool timestamps, no_sack;
    uint32_t initial_window;            /* segments; 0: the profile's */
    uint32_t syn_retries, data_retries; /* 0: the profile's           */
};

/* Runs all scripts of a table; a failure names the script and the step. */
void script_run_all(const struct script *scripts, size_t count);

#endif
