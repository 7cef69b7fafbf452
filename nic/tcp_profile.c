#include "nic/tcp.h"

#include <string.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

/* Linux, include/net/tcp.h and Documentation/networking/ip-sysctl: TCP_RTO_MIN 200 ms, TCP_TIMEOUT_INIT 1 s, TCP_RTO_MAX 120 s,
 * TCP_DELACK_MIN 40 ms, tcp_syn_retries 6, tcp_retries2 15, TCP_INIT_CWND 10, TCP_TIMEWAIT_LEN 60 s. Buffers do not tune themselves
 * here: they have from the start about what tcp_wmem (4 MiB) and tcp_rmem (6 MiB, of which at least half is window) let them grow to. */
const struct tcp_profile tcp_profile_linux = {
    .name = "linux",
    .rto_min_ns = 200 * SIM_MS,
    .rto_initial_ns = SIM_S,
    .rto_max_ns = 120 * SIM_S,
    .delayed_ack_ns = 40 * SIM_MS,
    .syn_retries = 6,
    .data_retries = 15,
    .initial_window_segments = 10,
    .send_buffer_bytes = 4 * MIB,
    .receive_buffer_bytes = 4 * MIB,
    .congestion = TCP_CUBIC,
    .time_wait_ns = 60 * SIM_S,
    .timestamps = true,
    .sack = true,
    .hystart = true,
};

/* Windows Server, template "Internet" of Get-NetTCPSetting: MinRto 300 ms, InitialRto 3 s, MaxSynRetransmissions 2,
 * DelayedAckTimeout 40 ms, InitialCongestionWindow 10 (MSS), no time stamps; TcpMaxDataRetransmissions 5, TcpTimedWaitDelay 120 s. */
const struct tcp_profile tcp_profile_windows = {
    .name = "windows",
    .rto_min_ns = 300 * SIM_MS,
    .rto_initial_ns = 3 * SIM_S,
    .rto_max_ns = 120 * SIM_S,
    .delayed_ack_ns = 40 * SIM_MS,
    .syn_retries = 2,
    .data_retries = 5,
    .initial_window_segments = 10,
    .send_buffer_bytes = 4 * MIB,
    .receive_buffer_bytes = 4 * MIB,
    .congestion = TCP_CUBIC,
    .time_wait_ns = 120 * SIM_S,
    .timestamps = false,
    .sack = true,
    .hystart = true,
};

/* What the RFCs say and no more: RFC 6298 (2.1) and (2.4) 1 s, (2.5) 60 s; RFC 1122, 4.2.3.2 below 500 ms, 4.2.3.5 R2 above 100 s
 * for data and 3 minutes for SYN; RFC 6928; RFC 9293, 3.4.2 MSL 2 minutes. */
const struct tcp_profile tcp_profile_rfc6298 = {
    .name = "rfc6298",
    .rto_min_ns = SIM_S,
    .rto_initial_ns = SIM_S,
    .rto_max_ns = 60 * SIM_S,
    .delayed_ack_ns = 200 * SIM_MS,
    .syn_retries = 7,
    .data_retries = 8,
    .initial_window_segments = 10,
    .send_buffer_bytes = 4 * MIB,
    .receive_buffer_bytes = 4 * MIB,
    .congestion = TCP_RENO,
    .time_wait_ns = 240 * SIM_S,
    .timestamps = true,
    .sack = true,
    .hystart = false,
};

const struct tcp_profile *tcp_profile_find(const char *name)
{
    static const struct tcp_profile *const profiles[] = {&tcp_profile_linux, &tcp_profile_windows,
                                                         &tcp_profile_rfc6298};
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        if (strcmp(profiles[i]->name, name) == 0) {
            return profiles[i];
        }
    }
    return NULL;
}
