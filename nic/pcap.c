#include "nic/pcap.h"

#include "nic/frame_bytes.h"
#include "sim/machine.h"
#include "sim/wire_bytes.h"

#include <errno.h>
#include <fnmatch.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PPP_IPV4 = 0x0021 }; /* RFC 1332, 2 */

struct capture {
    struct net *net;
    struct pcap_options options;
    bool ppp;
    uint64_t frames;
    pcap_t *pcap;
    pcap_dumper_t *dumper;
    char *path;
    int write_errno; /* of the first write that failed */
};

bool capture_wanted(const struct pcap_options *options, const char *link_name)
{
    return options->link_glob == NULL || fnmatch(options->link_glob, link_name, 0) == 0;
}

/* "directory/node1-migration.pcap"; the caller frees it. */
static char *capture_path(const char *directory, const char *link_name)
{
    size_t length = strlen(directory) + strlen(link_name) + sizeof "/.pcap";
    char *path = malloc(length);
    SIM_ASSERT(path != NULL);
    int name_at = snprintf(path, length, "%s/", directory);
    SIM_ASSERT(name_at > 0);
    (void)snprintf(path + name_at, length - (size_t)name_at, "%s.pcap", link_name);
    for (char *c = path + name_at; *c != '\0'; c++) {
        if (*c == '/') {
            *c = '-';
        }
    }
    return path;
}

struct capture *capture_new(struct net *net, const struct pcap_options *options,
                            const char *link_name, enum link_framing framing, char *why,
                            size_t why_capacity)
{
    SIM_ASSERT(options->directory != NULL);
    struct capture *capture = calloc(1, sizeof *capture);
    SIM_ASSERT(capture != NULL);
    capture->net = net;
    capture->options = *options;
    capture->ppp = framing == LINK_PPP;
    capture->path = capture_path(options->directory, link_name);
    if (mkdir(options->directory, 0777) != 0 && errno != EEXIST) {
        (void)snprintf(why, why_capacity, "%s: %s", options->directory, strerror(errno));
        goto no_file;
    }
    capture->pcap = pcap_open_dead_with_tstamp_precision(
        capture->ppp ? DLT_PPP : DLT_EN10MB, FRAME_BYTES_MAX, PCAP_TSTAMP_PRECISION_NANO);
    SIM_ASSERT(capture->pcap != NULL);
    capture->dumper = pcap_dump_open(capture->pcap, capture->path);
    if (capture->dumper == NULL) {
        (void)snprintf(why, why_capacity, "%s", pcap_geterr(capture->pcap));
        goto no_dumper;
    }
    return capture;
no_dumper:
    pcap_close(capture->pcap);
no_file:
    free(capture->path);
    free(capture);
    return NULL;
}

/* The packet of PPP in the bytes of an Ethernet frame: its protocol takes the place of the type. */
static const uint8_t *capture_ppp(const struct frame *frame, uint8_t *bytes, uint32_t *length)
{
    uint8_t *packet = bytes + ETH_HEADER_BYTES - PPP_HEADER_BYTES;
    put_be16(packet, PPP_IPV4);
    *length =
        PPP_HEADER_BYTES + frame_header_bytes(frame) - ETH_HEADER_BYTES + frame->payload_bytes;
    return packet;
}

static void capture_frame(void *context, const struct frame *frame, sim_time at, bool delivered)
{
    struct capture *capture = context;
    const struct pcap_options *options = &capture->options;
    if (!delivered || at < options->from || at >= options->until ||
        (options->frames_max != 0 && capture->frames == options->frames_max) ||
        (capture->ppp && frame->ether_type != ETHER_IPV4) || capture->write_errno != 0) {
        return;
    }
    uint8_t bytes[FRAME_BYTES_MAX];
    const uint8_t *packet = bytes;
    uint32_t length = frame_bytes(capture->net, frame, bytes);
    if (capture->ppp) {
        packet = capture_ppp(frame, bytes, &length);
    }
    sim_time since_1970 = SIM_WALL_CLOCK_START + at;
    struct pcap_pkthdr header;
    memset(&header, 0,
           sizeof header); /* on some systems it has more fields, which must not differ */
    header.ts.tv_sec = since_1970 / SIM_S;
    header.ts.tv_usec = since_1970 % SIM_S; /* nanoseconds, by the precision of the file */
    header.caplen = length;
    header.len = length;
    pcap_dump((u_char *)capture->dumper, &header, packet);
    capture->frames++;
    if (ferror(pcap_dump_file(capture->dumper)) != 0) {
        capture->write_errno = errno != 0 ? errno : EIO;
    }
}

void capture_tap(struct capture *capture, struct link *link)
{
    link_set_tap(link, capture_frame, capture);
}

bool capture_close(struct capture *capture, char *why, size_t why_capacity)
{
    if (pcap_dump_flush(capture->dumper) != 0 && capture->write_errno == 0) {
        capture->write_errno = errno != 0 ? errno : EIO;
    }
    bool written = capture->write_errno == 0;
    if (!written) {
        (void)snprintf(why, why_capacity, "%s: %s", capture->path, strerror(capture->write_errno));
    }
    pcap_dump_close(capture->dumper);
    pcap_close(capture->pcap);
    free(capture->path);
    free(capture);
    return written;
}
