/* Opening and closing: RFC 9293, 3.5, 3.6 and 3.10; RFC 5961; RFC 6298 for the times. */
#include "script.h"

#include <criterion/criterion.h>

/* Active and passive opening, to ESTABLISHED at 1,000 us. */
#define ACTIVE  "0 connect; 0 > S 0; 1000 < SA 0 ack 1; 1000 > A 1 ack 1; 1000 state ESTABLISHED; "
#define PASSIVE "0 listen; 500 < S 0; 500 > SA 0 ack 1; 1000 < A 1 ack 1; 1000 state ESTABLISHED; "

static const struct script opening[] = {
    {.name = "active", .text = ACTIVE},
    {.name = "passive", .text = PASSIVE},
    {.name = "refused",
     .text = "0 connect; 0 > S 0; 100 < RA 0 ack 1; 100 ended refused; 100 gone"},
    {.name = "nobody listens", .text = "10 < S 0; 10 > RA 0 ack 1; 10 gone"},
    {.name = "an RST for nobody stays unanswered", .text = "10 < R 0; 1000000 quiet; 1000000 gone"},
    {.name = "SYN goes again after 1, 3, 7 s ... and is given up",
     .text = "0 connect; 0 > S 0; 1000000 > S 0; 3000000 > S 0; 7000000 > S 0; "
             "15000000 > S 0; 31000000 > S 0; 63000000 > S 0; 126999999 not-ended; "
             "127000000 ended timed-out; 127000000 timeouts 6; 127000000 gone"},
    {.name = "SYN-ACK goes again, to a timer and to the peer's SYN",
     .text = "0 listen; 500 < S 0; 500 > SA 0 ack 1; 1000500 > SA 0 ack 1; 1500000 < S 0; "
             "1500000 > SA 0 ack 1; 1600000 < A 1 ack 1; 1600000 state ESTABLISHED"},
    {.name = "RST ends SYN-RECEIVED in silence",
     .text = "0 listen; 500 < S 0; 500 > SA 0 ack 1; 600 < R 1; 600 gone"},
    {.name = "a wrong ACK in SYN-RECEIVED is reset",
     .text = "0 listen; 500 < S 0; 500 > SA 0 ack 1; 600 < A 1 ack 5; 600 > R 5; "
             "600 state SYN-RECEIVED"},
    {.name = "simultaneous open",
     .text = "0 connect; 0 > S 0; 100 < S 0; 100 > SA 0 ack 1; 100 state SYN-RECEIVED; "
             "200 < SA 0 ack 1; 200 > A 1 ack 1; 200 state ESTABLISHED"},
    {.name = "a wrong ACK in SYN-SENT is reset",
     .text = "0 connect; 0 > S 0; 100 < SA 0 ack 9; 100 > R 9; 100 state SYN-SENT"},
    {.name = "an RST without our ACK does not refuse",
     .text = "0 connect; 0 > S 0; 100 < R 0; 100 not-ended; 200 < RA 0 ack 7; "
             "200 not-ended"},
    {.name = "a full backlog is silent",
     .text = "0 listen; 500 < S 0; 500 > SA 0 ack 1; 600 < S 0 port 4001; 600 > SA other ack 1; "
             "700 < S 0 port 4002; 800 < A 1 ack 1; 800 state ESTABLISHED; "
             "900 < S 0 port 4002; 900 > SA other ack 1"},
    {.name = "a peer without options gets 536 bytes at most",
     .text = "0 connect; 0 > S 0; 1000 < SA 0 ack 1 bare; 1000 > A 1 ack 1; "
             "2000 write 1000; 2000 > A 1+536 ack 1; 2000 > PA 537+464 ack 1"},
    {.name = "data waits for the handshake, and so does FIN",
     .text = "0 connect; 0 > S 0; 0 write 300; 10 shutdown; 1000 < SA 0 ack 1; "
             "1000 > FPA 1+300 ack 1; 1000 state FIN-WAIT-1"},
    {.name = "the window of a SYN is not scaled, that of an ACK is",
     .text = "0 connect; 0 > S 0 win 65535; 1000 < SA 0 ack 1; 1000 > A 1 ack 1 win 4194304"},
};

static const struct script closing[] = {
    {.name = "active close",
     .text = ACTIVE "2000 shutdown; 2000 > FA 1 ack 1; 2000 state FIN-WAIT-1; 3000 < A 1 ack 2; "
                    "3000 state FIN-WAIT-2; 4000 < FA 1 ack 2; 4000 > A 2 ack 2; "
                    "4000 state TIME-WAIT; 4000 ended closed; 60003999 state TIME-WAIT; "
                    "60004000 gone"},
    {.name = "passive close",
     .text = ACTIVE "2000 < FA 1 ack 1; 2000 > A 1 ack 2; 2000 finished; 2000 state CLOSE-WAIT; "
                    "3000 shutdown; 3000 > FA 1 ack 2; 3000 state LAST-ACK; 4000 < A 2 ack 2; "
                    "4000 ended closed; 4000 gone"},
    {.name = "simultaneous close",
     .text = ACTIVE "2000 shutdown; 2000 > FA 1 ack 1; 2500 < FA 1 ack 1; 2500 > A 2 ack 2; "
                    "2500 state CLOSING; 3000 < A 2 ack 2; 3000 state TIME-WAIT; "
                    "3000 ended closed"},
    {.name = "FIN and ACK of FIN in one",
     .text = ACTIVE "2000 shutdown; 2000 > FA 1 ack 1; 2500 < FA 1 ack 2; 2500 > A 2 ack 2; "
                    "2500 state TIME-WAIT"},
    {.name = "half-close: the other half goes on",
     .text = ACTIVE "2000 shutdown; 2000 > FA 1 ack 1; 2500 < A 1 ack 2; 3000 < PA 1+600 ack 2; "
                    "3000 readable 600; 43000 > A 2 ack 601; 43000 read 600; 50000 < FA 601 ack 2; "
                    "50000 > A 2 ack 602; 50000 ended closed"},
    {.name = "FIN rides on the last data",
     .text = ACTIVE "1500 cork; 1500 write 100; 2000 shutdown; 2000 > FPA 1+100 ack 1"},
    {.name = "FIN is retransmitted, and given up with the data retries",
     .text = ACTIVE "2000 shutdown; 2000 > FA 1 ack 1; 202000 > FA 1 ack 1; 602000 > FA 1 ack 1; "
                    "1402000 ended timed-out; 1402000 gone",
     .data_retries = 2},
    {.name = "TIME-WAIT answers a FIN again, and starts anew",
     .text = ACTIVE "2000 shutdown; 2000 > FA 1 ack 1; 3000 < FA 1 ack 2; 3000 > A 2 ack 2; "
                    "30000000 < FA 1 ack 2; 30000000 > A 2 ack 2; 89999999 state TIME-WAIT; "
                    "90000000 gone"},
    {.name = "TIME-WAIT gives way to a newer SYN (RFC 9293, 3.10.7.4), not to an older one",
     .text = PASSIVE "2000 shutdown; 2000 > FA 1 ack 1; 3000 < FA 1 ack 2; 3000 > A 2 ack 2; "
                     "4000 < S 1; 4000 > A 2 ack 2; 5000 state TIME-WAIT; "
                     "6000 < S 70000; 6000 > SA other ack 70001; 6000 state SYN-RECEIVED"},
    {.name = "TIME-WAIT does not hear RST",
     .text = ACTIVE "2000 shutdown; 2000 > FA 1 ack 1; 3000 < FA 1 ack 2; 3000 > A 2 ack 2; "
                    "4000 < R 2; 5000 state TIME-WAIT"},
    {.name = "the end is told when everything is read",
     .text = ACTIVE "2000 < FPA 1+100 ack 1; 2000 > A 1 ack 102; 3000 shutdown; "
                    "3000 > FA 1 ack 102; 4000 < A 102 ack 2; 5000 not-ended; 6000 read 100; "
                    "6000 ended closed; 6000 gone"},
    {.name = "a released connection closes by itself",
     .text = ACTIVE "2000 release; 2000 > FA 1 ack 1; 3000 < A 1 ack 2; 4000 < FA 1 ack 2; "
                    "4000 > A 2 ack 2; 4001 state TIME-WAIT; 60004000 gone"},
    {.name = "a released connection waits for the peer's FIN, but not for ever",
     .text = ACTIVE "2000 release; 2000 > FA 1 ack 1; 3000 < A 1 ack 2; 60002999 state FIN-WAIT-2; "
                    "60003000 gone"},
    {.name = "data for a released connection is reset",
     .text = ACTIVE "2000 release; 2000 > FA 1 ack 1; 3000 < PA 1+10 ack 2; 3000 > RA 2 ack 1; "
                    "3000 gone"},
    {.name = "release with unread data resets",
     .text = ACTIVE "2000 < PA 1+10 ack 1; 3000 release; 3000 > RA 1 ack 11; 3000 gone"},
    {.name = "abort", .text = ACTIVE "2000 abort; 2000 > RA 1 ack 1; 2000 gone"},
    {.name = "abort of a SYN is silent", .text = "0 connect; 0 > S 0; 2000 abort; 2000 gone"},
};

/* RFC 5961: what an off-path guesser might send. */
static const struct script odd[] = {
    {.name = "RST at RCV.NXT resets", .text = ACTIVE "2000 < R 1; 2000 ended reset; 2000 gone"},
    {.name = "RST elsewhere in the window is challenged",
     .text = ACTIVE "2000 < R 100; 2000 > A 1 ack 1; 2000 state ESTABLISHED"},
    {.name = "RST outside of the window is ignored",
     .text = ACTIVE "2000 < R 0x7000000; 1000000 quiet; 1000000 state ESTABLISHED"},
    {.name = "SYN is challenged",
     .text = ACTIVE "2000 < S 500; 2000 > A 1 ack 1; 2000 state ESTABLISHED"},
    {.name = "an ACK of what was not sent is challenged",
     .text = ACTIVE "2000 < A 1 ack 100; 2000 > A 1 ack 1"},
    {.name = "data with an ACK from long ago is not taken",
     .text = ACTIVE "2000 < A 1+10 ack 0x80000000; 2000 > A 1 ack 1; 2000 readable 0"},
    {.name = "data below the window is acknowledged again",
     .text = ACTIVE "2000 < PA 0x80000000+10 ack 1; 2000 > A 1 ack 1"},
    {.name = "a segment without ACK is dropped", .text = ACTIVE "2000 < P 1+10; 1000000 quiet"},
    {.name = "challenges are limited to ten a second",
     .text = ACTIVE "2000 < R 9; 2000 > A 1 ack 1; 2001 < R 9; 2001 > A 1 ack 1; 2002 < R 9; "
                    "2002 > A 1 ack 1; 2003 < R 9; 2003 > A 1 ack 1; 2004 < R 9; 2004 > A 1 ack 1; "
                    "2005 < R 9; 2005 > A 1 ack 1; 2006 < R 9; 2006 > A 1 ack 1; 2007 < R 9; "
                    "2007 > A 1 ack 1; 2008 < R 9; 2008 > A 1 ack 1; 2009 < R 9; 2009 > A 1 ack 1; "
                    "2010 < R 9; 1001999 quiet; 1002000 < R 9; 1002000 > A 1 ack 1"},
    {.name = "PAWS: an old time stamp marks an old segment",
     .text = "0 connect; 0 > S 0; 1000 < SA 0 ack 1 ts 1000; 1000 > A 1 ack 1 echo 1000; "
             "2000 < PA 1+10 ack 1 ts 999; 2000 > A 1 ack 1 echo 1000; 2000 readable 0; "
             "3000 < PA 1+10 ack 1 ts 1001; 3000 > A 1 ack 11 echo 1001",
     .timestamps = true},
    {.name = "PAWS across the wrap of the clock",
     .text = "0 connect; 0 > S 0; 1000 < SA 0 ack 1 ts 0xfffffff0; "
             "1000 > A 1 ack 1 echo 0xfffffff0; 2000 < PA 1+10 ack 1 ts 5; "
             "42000 > A 1 ack 11 echo 5",
     .timestamps = true},
    {.name = "a segment without the agreed time stamp is dropped",
     .text = "0 connect; 0 > S 0; 1000 < SA 0 ack 1 ts 1000; 1000 > A 1 ack 1 echo 1000; "
             "2000 < PA 1+10 ack 1 bare; 1000000 quiet; 1000000 readable 0",
     .timestamps = true},
};

Test(handshake, opening)
{
    script_run_all(opening, sizeof opening / sizeof opening[0]);
}

Test(handshake, closing)
{
    script_run_all(closing, sizeof closing / sizeof closing[0]);
}

Test(handshake, odd_segments)
{
    script_run_all(odd, sizeof odd / sizeof odd[0]);
}
