/* Loss: time-outs (RFC 6298), fast retransmit with and without SACK (RFC 6675, 6582), Limited Transmit (RFC 3042). */
#include "script.h"

#include <criterion/criterion.h>

#define ACTIVE "0 connect; 0 > S 0; 1000 < SA 0 ack 1; 1000 > A 1 ack 1; 1500 < A 1 ack 1; "
/* Ten segments in flight at 2,000 us, and as many to come. */
#define TEN                                                                                        \
    "2000 write 20000; 2000 > A 1+1000 ack 1; 2000 > A 1001+1000 ack 1; 2000 > A 2001+1000 ack "   \
    "1; "                                                                                          \
    "2000 > A 3001+1000 ack 1; 2000 > A 4001+1000 ack 1; 2000 > A 5001+1000 ack 1; "               \
    "2000 > A 6001+1000 ack 1; 2000 > A 7001+1000 ack 1; 2000 > A 8001+1000 ack 1; "               \
    "2000 > A 9001+1000 ack 1; "

static const struct script timeouts[] = {
    {.name = "retransmission doubles its time, and gives up",
     .text = ACTIVE "2000 write 100; 2000 > PA 1+100 ack 1; 202000 > PA 1+100 ack 1; "
                    "602000 > PA 1+100 ack 1; 1402000 > PA 1+100 ack 1; 3002000 ended timed-out; "
                    "3002000 timeouts 3; 3002000 gone",
     .data_retries = 3},
    {.name = "the ACK of a retransmission times nothing (Karn), but ends the back-off",
     .text = ACTIVE "2000 write 100; 2000 > PA 1+100 ack 1; 202000 > PA 1+100 ack 1; "
                    "602000 > PA 1+100 ack 1; 700000 < A 1 ack 101; 800000 write 100; "
                    "800000 > PA 101+100 ack 1; 1000000 > PA 101+100 ack 1"},
    {.name = "each ACK starts the timer anew",
     .text = ACTIVE "2000 write 3000; 2000 > A 1+1000 ack 1; 2000 > A 1001+1000 ack 1; "
                    "2000 > PA 2001+1000 ack 1; 150000 < A 1 ack 1001; 300000 < A 1 ack 2001; "
                    "300000 quiet"},
    {.name = "after a time-out: one segment, slow start to half, nothing that is SACKed",
     .text = ACTIVE TEN "3000 < A 1 ack 1 sack 8001-9001; 3000 > A 10001+1000 ack 1; "
                        "202000 > A 1+1000 ack 1; 202000 cwnd 1000; "
                        "203000 < A 1 ack 1001 sack 8001-9001; 203000 > A 1001+1000 ack 1; "
                        "203000 > A 2001+1000 ack 1; 203000 cwnd 2000; "
                        "204000 < A 1 ack 3001 sack 8001-9001; 204000 > A 3001+1000 ack 1; "
                        "204000 > A 4001+1000 ack 1; 204000 > A 5001+1000 ack 1; "
                        "204000 > A 6001+1000 ack 1; 205000 < A 1 ack 7001 sack 8001-9001; "
                        "205000 > A 7001+1000 ack 1; 205000 > A 9001+1000 ack 1; "
                        "205000 > A 10001+1000 ack 1; 205000 > A 11001+1000 ack 1; "
                        "205000 > A 12001+1000 ack 1"},
    {.name = "a late ACK for everything ends the time-out's recovery",
     .text =
         ACTIVE TEN "202000 > A 1+1000 ack 1; 202500 < A 1 ack 10001; 202500 > A 10001+1000 ack 1; "
                    "202500 timeouts 1"},
    {.name = "a lost SYN leaves one segment to begin with, and 3 s",
     .text = "0 connect; 0 > S 0; 1000000 > S 0; 1100000 < SA 0 ack 1; 1100000 > A 1 ack 1; "
             "1200000 write 3000; 1200000 > A 1+1000 ack 1; 4200000 > A 1+1000 ack 1"},
};

static const struct script sack[] = {
    {.name = "three SACKed segments above a hole",
     .text = ACTIVE TEN
     "3000 < A 1 ack 1 sack 1001-2001; 3000 > A 10001+1000 ack 1; "
     "3001 < A 1 ack 1 sack 1001-3001; 3001 > A 11001+1000 ack 1; 3001 recoveries 0; "
     "3002 < A 1 ack 1 sack 1001-4001; 3002 > A 1+1000 ack 1; 3002 recoveries 1; "
     "3002 cwnd 9000; 3003 < A 1 ack 1 sack 1001-7001; "
     "3004 < A 1 ack 1 sack 1001-9001; 3004 > A 12001+1000 ack 1; "
     "4000 < A 1 ack 12001; 4000 > A 13001+1000 ack 1; "
     "4000 > A 14001+1000 ack 1; 4000 > A 15001+1000 ack 1; "
     "4000 > A 16001+1000 ack 1; 4000 cwnd 5000"},
    {.name = "several holes, in their order, as far as the pipe allows",
     .text = ACTIVE TEN
     "3000 < A 1 ack 1 sack 1001-2001; 3000 > A 10001+1000 ack 1; "
     "3001 < A 1 ack 1 sack 3001-4001 sack 1001-2001; 3001 > A 11001+1000 ack 1; "
     "3002 < A 1 ack 1 sack 5001-6001 sack 3001-4001 sack 1001-2001; "
     "3002 > A 1+1000 ack 1; 3002 recoveries 1; "
     "3003 < A 1 ack 1 sack 5001-9001 sack 3001-4001 sack 1001-2001; "
     "3003 > A 2001+1000 ack 1; "
     "3004 < A 1 ack 1 sack 5001-10001 sack 3001-4001 sack 1001-2001; "
     "3004 > A 4001+1000 ack 1; "
     "4000 < A 1 ack 2001 sack 5001-10001 sack 3001-4001; 4000 > A 12001+1000 ack 1; "
     "4001 < A 1 ack 4001 sack 5001-10001; 4001 > A 13001+1000 ack 1; "
     "4002 < A 1 ack 10001; 4002 > A 14001+1000 ack 1; 4002 recoveries 1"},
    {.name = "one wide block is enough",
     .text =
         ACTIVE TEN "3000 < A 1 ack 1 sack 1001-4001; 3000 > A 1+1000 ack 1; 3000 recoveries 1"},
    {.name = "a lost retransmission is found by what was sent after it",
     .text = ACTIVE TEN "3000 < A 1 ack 1 sack 1001-8001; 3000 > A 1+1000 ack 1; "
                        "3000 > A 10001+1000 ack 1; 3000 > A 11001+1000 ack 1; "
                        "3001 < A 1 ack 1 sack 1001-10001; 3001 > A 12001+1000 ack 1; "
                        "3001 > A 13001+1000 ack 1; 4000 < A 1 ack 1 sack 1001-11001; "
                        "4000 > A 14001+1000 ack 1; 4001 < A 1 ack 1 sack 1001-12001; "
                        "4001 > A 15001+1000 ack 1; 4002 < A 1 ack 1 sack 1001-13001; "
                        "4002 > A 1+1000 ack 1; 4002 cwnd 4000; 4003 < A 1 ack 1 sack 1001-14001; "
                        "4004 recoveries 2"},
    {.name = "plain duplicate ACKs say nothing to SACK",
     .text = ACTIVE TEN "3000 < A 1 ack 1; 3001 < A 1 ack 1; 3002 < A 1 ack 1; 3003 < A 1 ack 1; "
                        "3003 recoveries 0"},
};

static const struct script newreno[] = {
    {.name = "Limited Transmit, fast retransmit, inflation, full ACK",
     .text = ACTIVE TEN "3000 < A 1 ack 1; 3000 > A 10001+1000 ack 1; 3001 < A 1 ack 1; "
                        "3001 > A 11001+1000 ack 1; 3002 < A 1 ack 1; 3002 > A 1+1000 ack 1; "
                        "3002 cwnd 8000; 3002 recoveries 1; 3003 < A 1 ack 1; 3004 < A 1 ack 1; "
                        "3005 < A 1 ack 1; 3006 < A 1 ack 1; 3006 cwnd 12000; 3007 < A 1 ack 1; "
                        "3007 > A 12001+1000 ack 1; 4000 < A 1 ack 12001; "
                        "4000 > A 13001+1000 ack 1; 4000 cwnd 2000",
     .no_sack = true},
    {.name = "a partial ACK sends the next hole at once",
     .text =
         ACTIVE TEN "3000 < A 1 ack 1; 3000 > A 10001+1000 ack 1; 3001 < A 1 ack 1; "
                    "3001 > A 11001+1000 ack 1; 3002 < A 1 ack 1; 3002 > A 1+1000 ack 1; "
                    "4000 < A 1 ack 5001; 4000 > A 5001+1000 ack 1; 4000 cwnd 4000; "
                    "5000 < A 1 ack 12001; 5000 > A 12001+1000 ack 1; 5000 > A 13001+1000 ack 1; "
                    "5000 recoveries 1",
     .no_sack = true},
    {.name = "duplicates from before the time-out start nothing",
     .text = ACTIVE TEN "202000 > A 1+1000 ack 1; 203000 < A 1 ack 1; 203001 < A 1 ack 1; "
                        "203002 < A 1 ack 1; 203003 < A 1 ack 1; 203003 recoveries 0",
     .no_sack = true},
    {.name = "a window update is no duplicate",
     .text =
         ACTIVE TEN "3000 < A 1 ack 1 win 900096; 3001 < A 1 ack 1 win 900224; "
                    "3002 < A 1 ack 1 win 900352; 3003 < A 1 ack 1 win 900480; 3003 recoveries 0",
     .no_sack = true},
};

Test(recovery, timeouts)
{
    script_run_all(timeouts, sizeof timeouts / sizeof timeouts[0]);
}

Test(recovery, sack)
{
    script_run_all(sack, sizeof sack / sizeof sack[0]);
}

Test(recovery, newreno)
{
    script_run_all(newreno, sizeof newreno / sizeof newreno[0]);
}
