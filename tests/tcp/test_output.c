/* What is sent when: delayed acknowledgments, Nagle, windows and probes, keep-alive. */
#include "script.h"

#include <criterion/criterion.h>

#define ACTIVE "0 connect; 0 > S 0; 1000 < SA 0 ack 1; 1000 > A 1 ack 1; "

static const struct script acknowledging[] = {
    {.name = "one segment waits 40 ms",
     .text = ACTIVE "2000 < PA 1+1000 ack 1; 2000 readable 1000; 42000 > A 1 ack 1001"},
    {.name = "every second full segment at once",
     .text = ACTIVE
     "2000 < A 1+1000 ack 1; 2100 < A 1001+1000 ack 1; 2100 > A 1 ack 2001; "
     "2200 < A 2001+1000 ack 1; 2300 < A 3001+1000 ack 1; 2300 > A 1 ack 4001; 90000 quiet"},
    {.name = "small segments by bytes",
     .text = ACTIVE "2000 < PA 1+300 ack 1; 2100 < PA 301+200 ack 1; 2200 < PA 501+300 ack 1; "
                    "2200 > A 1 ack 801"},
    {.name = "out of order at once, with SACK; the gap's end at once",
     .text = ACTIVE "2000 < A 1001+1000 ack 1; 2000 > A 1 ack 1 sack 1001-2001; "
                    "2100 < A 3001+1000 ack 1; 2100 > A 1 ack 1 sack 3001-4001 sack 1001-2001; "
                    "2200 < A 1+1000 ack 1; 2200 > A 1 ack 2001 sack 3001-4001; "
                    "2300 < A 2001+1000 ack 1; 2300 > A 1 ack 4001; 2300 readable 4000"},
    {.name = "islands that touch become one",
     .text = ACTIVE "2000 < A 1001+1000 ack 1; 2000 > A 1 ack 1 sack 1001-2001; "
                    "2100 < A 3001+1000 ack 1; 2100 > A 1 ack 1 sack 3001-4001 sack 1001-2001; "
                    "2200 < A 2001+1000 ack 1; 2200 > A 1 ack 1 sack 1001-4001"},
    {.name = "at most four blocks, the newest first",
     .text = ACTIVE
     "2000 < A 1001+100 ack 1; 2000 > A 1 ack 1 sack 1001-1101; "
     "2001 < A 2001+100 ack 1; 2001 > A 1 ack 1 sack 2001-2101 sack 1001-1101; "
     "2002 < A 3001+100 ack 1; 2002 > A 1 ack 1 sack 3001-3101 sack 2001-2101 sack 1001-1101; "
     "2003 < A 4001+100 ack 1; "
     "2003 > A 1 ack 1 sack 4001-4101 sack 3001-3101 sack 2001-2101 sack 1001-1101; "
     "2004 < A 5001+100 ack 1; "
     "2004 > A 1 ack 1 sack 5001-5101 sack 4001-4101 sack 3001-3101 sack 2001-2101; "
     "2005 < A 1101+100 ack 1; "
     "2005 > A 1 ack 1 sack 1001-1201 sack 5001-5101 sack 4001-4101 sack 3001-3101"},
    {.name = "a duplicate at once",
     .text = ACTIVE "2000 < A 1+1000 ack 1; 2100 < A 1001+1000 ack 1; 2100 > A 1 ack 2001; "
                    "2200 < A 1+1000 ack 1; 2200 > A 1 ack 2001; 2200 readable 2000"},
    {.name = "an overlap gives only what is new",
     .text = ACTIVE "2000 < A 1+1000 ack 1; 2100 < A 501+1000 ack 1; 2100 > A 1 ack 1501; "
                    "2100 readable 1500"},
    {.name = "a held segment is covered by one that fills the gap",
     .text = ACTIVE "2000 < A 501+300 ack 1; 2000 > A 1 ack 1 sack 501-801; "
                    "2100 < A 1+1000 ack 1; 2100 > A 1 ack 1001; 2100 readable 1000"},
    {.name = "FIN may come before the data",
     .text = ACTIVE "2000 < FA 1001 ack 1; 2000 > A 1 ack 1 sack 1001-1002; 2100 < A 1+1000 ack 1; "
                    "2100 > A 1 ack 1002; 2100 read 1000; 2100 finished"},
    {.name = "an answer carries the acknowledgment",
     .text = ACTIVE "2000 < PA 1+100 ack 1; 3000 write 50; 3000 > PA 1+50 ack 101; "
                    "4000 < A 101 ack 51; 100000 quiet"},
    {.name = "without SACK there are only ACKs",
     .text = ACTIVE "2000 < A 1001+1000 ack 1; 2000 > A 1 ack 1; 2100 < A 1+1000 ack 1; "
                    "2100 > A 1 ack 2001",
     .no_sack = true},
    {.name = "after disorder sixteen segments are acknowledged at once",
     .text =
         ACTIVE "2000 < A 11+10 ack 1; 2000 > A 1 ack 1 sack 11-21; 2001 < A 1+10 ack 1; "
                "2001 > A 1 ack 21; 2100 < A 21+10 ack 1; 2100 > A 1 ack 31; 2200 < A 31+10 ack 1; "
                "2200 > A 1 ack 41"},
};

static const struct script sending[] = {
    {.name = "full segments at once, up to the initial window of ten",
     .text = ACTIVE "2000 write 12000; 2000 > A 1+1000 ack 1; 2000 > A 1001+1000 ack 1; "
                    "2000 > A 2001+1000 ack 1; 2000 > A 3001+1000 ack 1; 2000 > A 4001+1000 ack 1; "
                    "2000 > A 5001+1000 ack 1; 2000 > A 6001+1000 ack 1; 2000 > A 7001+1000 ack 1; "
                    "2000 > A 8001+1000 ack 1; 2000 > A 9001+1000 ack 1; 2000 cwnd 10000; "
                    "3000 < A 1 ack 2001; 3000 > A 10001+1000 ack 1; 3000 > PA 11001+1000 ack 1; "
                    "3000 cwnd 12000"},
    {.name = "Nagle: a small segment waits for the small one before it",
     .text = ACTIVE "2000 write 100; 2000 > PA 1+100 ack 1; 2100 write 100; 2200 write 100; "
                    "3000 < A 1 ack 101; 3000 > PA 101+200 ack 1"},
    {.name = "Nagle: a full segment goes, and so does the rest behind it",
     .text = ACTIVE "2000 write 1000; 2000 > PA 1+1000 ack 1; 2100 write 1100; "
                    "2100 > A 1001+1000 ack 1; 2100 > PA 2001+100 ack 1; 2200 write 50; "
                    "3000 < A 1 ack 2101; 3000 > PA 2101+50 ack 1"},
    {.name = "no delay: everything at once",
     .text =
         ACTIVE "2000 write 100; 2000 > PA 1+100 ack 1; 2100 write 100; 2100 > PA 101+100 ack 1",
     .options = {.no_delay = true}},
    {.name = "cork: only full segments",
     .text = ACTIVE "2000 cork; 2000 write 100; 2100 write 1000; 2100 > A 1+1000 ack 1; "
                    "3000 < A 1 ack 1001; 4000 uncork; 4000 > PA 1001+100 ack 1"},
    {.name = "small writes are gathered into full segments",
     .text =
         ACTIVE "2000 cork; 2000 small 2010 10; 2000 > PA 1+1000 ack 1; 2000 > PA 1001+1000 ack 1; "
                "2100 uncork; 2100 > PA 2001+10 ack 1"},
    {.name = "without delay and with room, each small write is a segment",
     .text = ACTIVE "2000 small 30 10; 2000 > PA 1+10 ack 1; 2000 > PA 11+10 ack 1; "
                    "2000 > PA 21+10 ack 1",
     .options = {.no_delay = true}},
    {.name = "the peer's window is the limit",
     .text = "0 connect; 0 > S 0; 1000 < SA 0 ack 1 win 2500; 1000 > A 1 ack 1; "
             "2000 write 5000; 2000 > A 1+1000 ack 1; 2000 > A 1001+1000 ack 1; "
             "3000 < A 1 ack 2001 win 3072; 3000 > A 2001+1000 ack 1; 3000 > A 3001+1000 ack 1; "
             "3000 > PA 4001+1000 ack 1"},
    {.name = "half of the largest window is worth a segment",
     .text = "0 connect; 0 > S 0; 1000 < SA 0 ack 1 win 800; 1000 > A 1 ack 1; 2000 write 5000; "
             "2000 > A 1+800 ack 1; 3000 < A 1 ack 801 win 512; 3000 > A 801+512 ack 1; "
             "4000 < A 1 ack 1313 win 256; 203999 quiet; 204000 > A 1313+256 ack 1"},
    {.name = "an idle connection begins again with the initial window",
     .text = ACTIVE "2000 write 4000; 2000 > A 1+1000 ack 1; 2000 > A 1001+1000 ack 1; "
                    "3000 < A 1 ack 2001; 3000 > A 2001+1000 ack 1; 3000 > PA 3001+1000 ack 1; "
                    "4000 < A 1 ack 4001; 4000 cwnd 6000; 100000 write 10; "
                    "100000 > PA 4001+10 ack 1; 100000 cwnd 6000; 101000 < A 1 ack 4011; "
                    "1000000 write 10; 1000000 > PA 4011+10 ack 1; 1000000 cwnd 2000",
     .initial_window = 2},
};

static const struct script windows[] = {
    {.name = "a closed window is probed, with back-off, for as long as the peer answers",
     .text =
         ACTIVE "2000 write 100; 2000 > PA 1+100 ack 1; 3000 < A 1 ack 101 win 0; 4000 write 500; "
                "204000 > A 101+1 ack 1; 204500 < A 1 ack 101 win 0; 604000 > A 101+1 ack 1; "
                "604500 < A 1 ack 101 win 0; 1404000 > A 101+1 ack 1; 1404500 < A 1 ack 101 win 0; "
                "3004000 > A 101+1 ack 1; 3005000 < A 1 ack 101 win 65536; "
                "3005000 > PA 101+500 ack 1; 3100000 < A 1 ack 601; 9000000 timeouts 0",
     .data_retries = 2},
    {.name = "a probe's byte may be taken",
     .text =
         ACTIVE "2000 write 100; 2000 > PA 1+100 ack 1; 3000 < A 1 ack 101 win 0; 4000 write 500; "
                "204000 > A 101+1 ack 1; 205000 < A 1 ack 102 win 65536; "
                "205000 > PA 102+499 ack 1"},
    {.name = "probes that nobody answers end the connection",
     .text =
         ACTIVE "2000 write 100; 2000 > PA 1+100 ack 1; 3000 < A 1 ack 101 win 0; 4000 write 500; "
                "204000 > A 101+1 ack 1; 604000 > A 101+1 ack 1; 1404000 ended timed-out",
     .data_retries = 2},
    {.name = "FIN behind a closed window is the probe",
     .text =
         ACTIVE "2000 write 100; 2000 > PA 1+100 ack 1; 3000 < A 1 ack 101 win 0; 4000 shutdown; "
                "204000 > FA 101 ack 1; 205000 < A 1 ack 101 win 65536; 205000 > FA 101 ack 1; "
                "206000 < A 1 ack 102; 206000 state FIN-WAIT-2"},
    {.name = "the receiver's window closes, and opens when it is worth it",
     .text =
         ACTIVE "2000 < A 1+1000 ack 1; 2001 < A 1001+1000 ack 1; 2001 > A 1 ack 2001 win 2000; "
                "2002 < A 2001+1000 ack 1; 2003 < A 3001+1000 ack 1; 2003 > A 1 ack 4001 win 0; "
                "3000 < A 4001+1 ack 1; 3000 > A 1 ack 4001 win 0; 4000 read 900; 5000 read 100; "
                "5000 > A 1 ack 4001 win 1000; 6000 read 3000; 6000 > A 1 ack 4001 win 2000; 6000 "
                "> A 1 ack 4001 win 3000",
     .options = {.receive_buffer_bytes = 4000}},
    {.name = "data beyond the window is cut off",
     .text = ACTIVE "2000 < A 1+1000 ack 1; 2001 < A 1001+1000 ack 1; 2001 > A 1 ack 2001 win 500; "
                    "2002 < FA 2001+1000 ack 1; 2002 > A 1 ack 2501 win 0; 2002 readable 2500",
     .options = {.receive_buffer_bytes = 2500}},
    {.name = "a small window that moves on is told with the next ACK",
     .text = ACTIVE "2000 < A 1+1000 ack 1; 2000 read 1000; 2001 < A 1001+1000 ack 1; "
                    "2001 > A 1 ack 2001 win 9000; 2001 read 1000",
     .options = {.receive_buffer_bytes = 10000}},
};

static const struct script keep_alive[] = {
    {.name = "probed every tenth, nine times, and then given up",
     .text = ACTIVE
     "1001000 > A 0 ack 1; 1101000 > A 0 ack 1; 1201000 > A 0 ack 1; 1301000 > A 0 ack 1; "
     "1401000 > A 0 ack 1; 1501000 > A 0 ack 1; 1601000 > A 0 ack 1; 1701000 > A 0 ack 1; "
     "1801000 > A 0 ack 1; 1900999 not-ended; 1901000 ended timed-out; 1901000 gone",
     .options = {.keep_alive_ns = SIM_S}},
    {.name = "an answer puts it off",
     .text = ACTIVE "1001000 > A 0 ack 1; 1001500 < A 1 ack 1; 2001500 > A 0 ack 1; "
                    "2002000 < A 1 ack 1; 3002000 > A 0 ack 1",
     .options = {.keep_alive_ns = SIM_S}},
    {.name = "the peer's probe is answered", .text = ACTIVE "2000 < A 0 ack 1; 2000 > A 1 ack 1"},
};

Test(output, acknowledging)
{
    script_run_all(acknowledging, sizeof acknowledging / sizeof acknowledging[0]);
}

Test(output, sending)
{
    script_run_all(sending, sizeof sending / sizeof sending[0]);
}

Test(output, windows)
{
    script_run_all(windows, sizeof windows / sizeof windows[0]);
}

Test(output, keep_alive)
{
    script_run_all(keep_alive, sizeof keep_alive / sizeof keep_alive[0]);
}
