#include "script.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MAX  256u
#define STEP_MAX 160u
#define PEER_ISN UINT32_C(0xfffff000)
#define PEER     ((struct ip4){UINT32_C(0x0a000002)})
#define LOCAL    ((struct ip4){UINT32_C(0x0a000001)})
#define PEER_MAC ((struct mac){UINT64_C(0x020000000002)})

struct sent {
    struct tcp_header header;
    uint32_t length;
    sim_time at;
};

/* A segment as a step describes it. */
struct segment {
    uint8_t flags;
    uint32_t sequence, length, acknowledgment;
    uint32_t window;
    bool has_window, bare, other;
    uint32_t sack_count;
    uint32_t sack[4][2];
    uint32_t ts_value, ts_echo;
    bool has_echo;
    uint32_t port;
};

struct run {
    const struct script *script;
    char step[STEP_MAX];
    struct sim *sim;
    struct page_pool *pages;
    struct recorder *recorder;
    struct net net;
    struct machine *machine;
    struct ip_stack *stack;
    struct tcp_layer *tcp;
    struct tcp_connection *connection;
    struct sent sent[OUT_MAX];
    uint32_t sent_count, sent_seen;
    bool isn_known;
    uint32_t isn;
    uint8_t scale; /* of the windows we see */
    uint16_t local_port, peer_port;
    uint64_t written;
    bool corked;
    bool ended;
    enum tcp_end why;
    uint64_t timeouts, recoveries;
};

#define CHECK(run, condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            char text_[200];                                                                       \
            (void)snprintf(text_, sizeof text_, __VA_ARGS__);                                      \
            cr_assert_fail("script \"%s\", step \"%s\": %s", (run)->script->name, (run)->step,     \
                           text_);                                                                 \
        }                                                                                          \
    } while (0)

/* ---- reading a step ------------------------------------------------------------------------- */

static const char *next_word(char **rest)
{
    const char *word = strtok_r(NULL, " \n", rest);
    return word != NULL ? word : "";
}

static uint32_t next_number(struct run *run, char **rest)
{
    const char *word = next_word(rest);
    CHECK(run, isdigit((unsigned char)word[0]), "a number is missing");
    return (uint32_t)strtoul(word, NULL, 0);
}

static uint8_t flag_bits(struct run *run, const char *flags)
{
    uint8_t bits = 0;
    for (; *flags != 0; flags++) {
        static const char names[] = "FSRPA";
        const char *found = strchr(names, *flags);
        CHECK(run, found != NULL, "flag %c", *flags);
        bits = (uint8_t)(bits | 1u << (found - names));
    }
    return bits;
}

static struct segment read_segment(struct run *run, char **rest)
{
    struct segment s = {.flags = flag_bits(run, next_word(rest))};
    const char *place = next_word(rest);
    char *plus = NULL;
    s.other = strcmp(place, "other") == 0;
    if (!s.other) {
        s.sequence = (uint32_t)strtoul(place, &plus, 0);
        s.length = *plus == '+' ? (uint32_t)strtoul(plus + 1, NULL, 0) : 0;
    }
    for (const char *word = next_word(rest); *word != 0; word = next_word(rest)) {
        if (strcmp(word, "ack") == 0) {
            s.acknowledgment = next_number(run, rest);
        } else if (strcmp(word, "win") == 0) {
            s.window = next_number(run, rest);
            s.has_window = true;
        } else if (strcmp(word, "sack") == 0) {
            unsigned left = 0, right = 0;
            CHECK(run, s.sack_count < 4 && sscanf(next_word(rest), "%u-%u", &left, &right) == 2,
                  "SACK block");
            s.sack[s.sack_count][0] = left;
            s.sack[s.sack_count++][1] = right;
        } else if (strcmp(word, "ts") == 0) {
            s.ts_value = next_number(run, rest);
        } else if (strcmp(word, "echo") == 0) {
            s.ts_echo = next_number(run, rest);
            s.has_echo = true;
        } else if (strcmp(word, "port") == 0) {
            s.port = next_number(run, rest);
        } else {
            s.bare = strcmp(word, "bare") == 0;
            CHECK(run, s.bare, "what is \"%s\"?", word);
        }
    }
    return s;
}

/* ---- the peer ------------------------------------------------------------------------------- */

static void answer_arp(struct run *run, const struct frame *request)
{
    struct frame *frame = frame_new(run->net.frames);
    frame->ether_type = ETHER_ARP;
    frame->protocol = 0;
    frame->destination = request->source;
    frame->source = PEER_MAC;
    frame->arp = (struct arp_header){
        .operation = 2,
        .sender_mac = PEER_MAC,
        .sender_ip = PEER,
        .target_mac = request->arp.sender_mac,
        .target_ip = request->arp.sender_ip,
    };
    frame_seal(run->net.frames, frame);
    struct frame_sink sink = ip_stack_sink(run->stack, 0);
    sink.receive(sink.context, frame);
}

static void capture(void *context, struct frame *frame)
{
    struct run *run = context;
    const struct tcp_header *h = &frame->tcp;
    if (frame->ether_type == ETHER_ARP) {
        if (frame->arp.operation == 1 && frame->arp.target_ip.v == PEER.v) {
            answer_arp(run, frame);
        }
    } else {
        CHECK(run, run->sent_count < OUT_MAX, "too many segments");
        run->sent[run->sent_count++] =
            (struct sent){.header = *h, .length = frame->payload_bytes, .at = sim_now(run->sim)};
        if (!run->isn_known && (h->flags & TCP_SYN) != 0) {
            run->isn_known = true;
            run->isn = h->sequence;
            run->local_port = h->source_port;
            run->peer_port = h->destination_port;
            run->scale = h->window_scale != 0xff ? h->window_scale : 0;
        }
    }
    net_free_frame(&run->net, frame);
}

static void set_options(const struct run *run, const struct segment *s, struct tcp_header *h)
{
    bool syn = (h->flags & TCP_SYN) != 0;
    h->window_scale = 0xff;
    if (syn && !s->bare) {
        h->mss = 1000;
        h->sack_permitted = true;
        h->window_scale = 7;
    }
    h->timestamps = run->script->timestamps && !s->bare && (h->flags & TCP_RST) == 0;
    h->ts_value = s->ts_value;
    h->ts_echo = s->ts_echo;
    for (uint32_t i = 0; i < s->sack_count; i++) {
        h->sack[i] = (struct tcp_sack_block){run->isn + s->sack[i][0], run->isn + s->sack[i][1]};
    }
    h->sack_count = (uint8_t)s->sack_count;
    uint32_t window = s->has_window ? s->window : UINT32_C(1) << 20;
    window = syn ? window : window >> 7;
    h->window = (uint16_t)(window < 65535 ? window : 65535);
    h->header_bytes = frame_tcp_header_bytes(h);
}

static void inject(struct run *run, const struct segment *s)
{
    struct frame *frame = frame_new(run->net.frames);
    frame->ether_type = ETHER_IPV4;
    frame->protocol = IP_TCP;
    frame->source = PEER_MAC;
    frame->destination = (struct mac){UINT64_C(0x020000000001)};
    frame->ip_source = PEER;
    frame->ip_destination = LOCAL;
    frame->ttl = 64;
    frame->tcp = (struct tcp_header){
        .source_port = run->isn_known ? run->peer_port : 4000,
        .destination_port = run->isn_known ? run->local_port : 80,
        .sequence = PEER_ISN + s->sequence,
        .flags = s->flags,
    };
    if (s->port != 0) {
        frame->tcp.source_port = (uint16_t)s->port;
    }
    if ((s->flags & TCP_ACK) != 0) {
        frame->tcp.acknowledgment = run->isn + s->acknowledgment;
    }
    set_options(run, s, &frame->tcp);
    for (uint32_t left = s->length; left > 0;) {
        uint32_t part = left < PAGE_BYTES ? left : PAGE_BYTES;
        frame_push(run->net.frames, frame, (struct slice){page_pattern(PAGE_RANDOM, 1), 0, part});
        left -= part;
    }
    frame_seal(run->net.frames, frame);
    struct frame_sink sink = ip_stack_sink(run->stack, 0);
    sink.receive(sink.context, frame);
}

static void describe(const struct run *run, const struct sent *sent, char *out, size_t capacity)
{
    const struct tcp_header *h = &sent->header;
    int n = snprintf(out, capacity, "sent at %ld us: flags %02x seq %u+%u ack %u win %u",
                     (long)(sent->at / SIM_US), h->flags, h->sequence - run->isn, sent->length,
                     h->acknowledgment - PEER_ISN, (unsigned)h->window << run->scale);
    for (uint32_t i = 0; i < h->sack_count && n > 0 && (size_t)n < capacity; i++) {
        n += snprintf(out + n, capacity - (size_t)n, " sack %u-%u", h->sack[i].left - PEER_ISN,
                      h->sack[i].right - PEER_ISN);
    }
}

static void expect(struct run *run, const struct segment *s, sim_time at)
{
    CHECK(run, run->sent_seen < run->sent_count, "nothing was sent");
    const struct sent *sent = &run->sent[run->sent_seen++];
    const struct tcp_header *h = &sent->header;
    char text[160];
    describe(run, sent, text, sizeof text);
    uint32_t ack = (h->flags & TCP_ACK) != 0 ? h->acknowledgment - PEER_ISN : 0;
    bool same = sent->at == at && h->flags == s->flags && ack == s->acknowledgment;
    if (!s->other) {
        /* An RST for nobody takes its number from the segment that it answers. */
        same = same && h->sequence - run->isn == s->sequence && sent->length == s->length;
        same = same && h->sack_count == s->sack_count;
    }
    for (uint32_t i = 0; i < s->sack_count && same; i++) {
        same = h->sack[i].left - PEER_ISN == s->sack[i][0] &&
               h->sack[i].right - PEER_ISN == s->sack[i][1];
    }
    CHECK(run, same, "%s", text);
    uint32_t scale = (h->flags & TCP_SYN) != 0 ? 0 : run->scale;
    CHECK(run, !s->has_window || (uint32_t)h->window << scale == s->window, "%s", text);
    CHECK(run, !s->has_echo || (h->timestamps && h->ts_echo == s->ts_echo), "echo %u", h->ts_echo);
}

/* ---- the user ------------------------------------------------------------------------------- */

static void on_ended(void *context, struct tcp_connection *connection, enum tcp_end why)
{
    struct run *run = context;
    (void)connection;
    run->ended = true;
    run->why = why;
    run->connection = NULL;
}

static const struct tcp_user user = {.ended = on_ended};

static struct tcp_accept_result on_accept(void *context, struct tcp_connection *connection)
{
    struct run *run = context;
    run->connection = connection;
    return (struct tcp_accept_result){&user, run};
}

/* As one write of many slices: corked. */
static void write_pages(struct run *run, uint64_t length)
{
    tcp_cork(run->connection);
    while (length > 0) {
        uint32_t offset = (uint32_t)(run->written % PAGE_BYTES);
        uint32_t part = PAGE_BYTES - offset;
        part = part < length ? part : (uint32_t)length;
        struct page page = page_pattern(PAGE_RANDOM, 1 + run->written / PAGE_BYTES);
        tcp_send(run->connection, (struct slice){page, offset, part});
        run->written += part;
        length -= part;
    }
    if (!run->corked) {
        tcp_uncork(run->connection);
    }
}

/* Bytes in many little writes. */
static void write_small(struct run *run, uint64_t length, uint32_t size)
{
    uint8_t bytes[PAGE_BYTES];
    memset(bytes, 0x5a, sizeof bytes);
    while (length > 0) {
        uint32_t part = size < length ? size : (uint32_t)length;
        tcp_send(run->connection, (struct slice){page_literal(run->pages, bytes, part), 0, part});
        length -= part;
    }
}

static void read_bytes(struct run *run, uint64_t length)
{
    CHECK(run, tcp_readable(run->connection) >= length, "%lu bytes",
          (unsigned long)tcp_readable(run->connection));
    while (length > 0) {
        struct slice slice = tcp_take(run->connection, length);
        length -= slice.length;
        page_unref(run->pages, slice.page);
    }
}

/* ---- running -------------------------------------------------------------------------------- */

static bool user_step(struct run *run, const char *verb, char **rest)
{
    if (strcmp(verb, "connect") == 0) {
        enum ip_error err =
            tcp_connect(run->tcp, PEER, 80, &run->script->options, &user, run, &run->connection);
        CHECK(run, err == IP_OK, "%s", ip_error_text(err));
    } else if (strcmp(verb, "listen") == 0) {
        CHECK(run, tcp_listen(run->tcp, 80, 2, &run->script->options, on_accept, run) == IP_OK,
              "no listener");
    } else if (strcmp(verb, "write") == 0) {
        write_pages(run, next_number(run, rest));
    } else if (strcmp(verb, "small") == 0) {
        uint32_t length = next_number(run, rest);
        write_small(run, length, next_number(run, rest));
    } else if (strcmp(verb, "read") == 0) {
        read_bytes(run, next_number(run, rest));
    } else if (strcmp(verb, "shutdown") == 0) {
        tcp_shutdown(run->connection);
    } else if (strcmp(verb, "release") == 0) {
        tcp_release(run->connection);
        run->connection = NULL;
    } else if (strcmp(verb, "abort") == 0) {
        tcp_abort(run->connection);
        run->connection = NULL;
    } else if (strcmp(verb, "cork") == 0) {
        run->corked = true;
        tcp_cork(run->connection);
    } else if (strcmp(verb, "uncork") == 0) {
        run->corked = false;
        tcp_uncork(run->connection);
    } else {
        return false;
    }
    return true;
}

static void look_at_end(struct run *run, const char *verb, char **rest)
{
    if (strcmp(verb, "not-ended") == 0) {
        CHECK(run, !run->ended, "ended: %s", tcp_end_text(run->why));
        return;
    }
    char why[32];
    (void)snprintf(why, sizeof why, "%s", next_word(rest));
    for (char *c = why; *c != 0; c++) {
        *c = *c == '-' ? ' ' : *c;
    }
    CHECK(run, run->ended && strcmp(tcp_end_text(run->why), why) == 0, "%s",
          run->ended ? tcp_end_text(run->why) : "not ended");
}

static void look(struct run *run, const char *verb, char **rest)
{
    struct tcp_connection *c =
        run->connection != NULL ? run->connection : tcp_layer_next(run->tcp, NULL);
    struct tcp_statistics statistics = {0};
    if (c != NULL) {
        tcp_statistics(c, &statistics);
    }
    if (strcmp(verb, "state") == 0) {
        const char *state = tcp_state_text(c != NULL ? tcp_state(c) : TCP_CLOSED);
        CHECK(run, strcmp(state, next_word(rest)) == 0, "%s", state);
    } else if (strcmp(verb, "ended") == 0 || strcmp(verb, "not-ended") == 0) {
        look_at_end(run, verb, rest);
    } else if (strcmp(verb, "readable") == 0) {
        CHECK(run, tcp_readable(c) == next_number(run, rest), "%lu bytes",
              (unsigned long)tcp_readable(c));
    } else if (strcmp(verb, "finished") == 0) {
        CHECK(run, tcp_peer_finished(c), "not finished");
    } else if (strcmp(verb, "gone") == 0) {
        CHECK(run, tcp_layer_live(run->tcp) == 0, "%u connections", tcp_layer_live(run->tcp));
    } else if (strcmp(verb, "cwnd") == 0) {
        CHECK(run, statistics.cwnd_bytes == next_number(run, rest), "cwnd %lu",
              (unsigned long)statistics.cwnd_bytes);
    } else if (strcmp(verb, "timeouts") == 0) {
        CHECK(run, run->timeouts == next_number(run, rest), "%lu", (unsigned long)run->timeouts);
    } else if (strcmp(verb, "recoveries") == 0) {
        CHECK(run, run->recoveries == next_number(run, rest), "%lu",
              (unsigned long)run->recoveries);
    } else {
        CHECK(run, strcmp(verb, "quiet") == 0, "what is \"%s\"?", verb);
    }
}

/* So that the clock gets there though nothing is queued. */
static void time_passes(void *context)
{
    (void)context;
}

static void run_step(struct run *run, char *text)
{
    char *rest = NULL;
    const char *time = strtok_r(text, " \n", &rest);
    sim_time at = (sim_time)strtoll(time, NULL, 10) * SIM_US;
    CHECK(run, at >= sim_now(run->sim), "time goes back");
    if (at > sim_now(run->sim)) {
        (void)sim_call_at(run->sim, machine_origin(run->machine), at, time_passes, run);
    }
    (void)sim_run(run->sim, at);
    const char *verb = next_word(&rest);
    if (strcmp(verb, ">") == 0) {
        struct segment segment = read_segment(run, &rest);
        expect(run, &segment, at);
        return;
    }
    if (run->sent_seen < run->sent_count) {
        char unexpected[160];
        describe(run, &run->sent[run->sent_seen], unexpected, sizeof unexpected);
        CHECK(run, false, "before it, %s", unexpected);
    }
    if (strcmp(verb, "<") == 0) {
        struct segment segment = read_segment(run, &rest);
        inject(run, &segment);
        tcp_layer_check(run->tcp);
        return;
    }
    bool ended = run->ended;
    if (!user_step(run, verb, &rest)) {
        look(run, verb, &rest);
    }
    CHECK(run, run->ended == ended, "called back within a call");
    tcp_layer_check(run->tcp);
}

static void on_record(void *context, const struct record *record)
{
    struct run *run = context;
    run->timeouts += record->kind == run->net.record_base + NET_TCP_TIMEOUT;
    run->recoveries += record->kind == run->net.record_base + NET_TCP_RECOVERY;
}

static struct tcp_profile profile_of(const struct script *script)
{
    struct tcp_profile profile = tcp_profile_linux;
    profile.timestamps = script->timestamps;
    profile.sack = !script->no_sack;
    profile.hystart = false;
    profile.initial_window_segments =
        script->initial_window != 0 ? script->initial_window : profile.initial_window_segments;
    profile.syn_retries = script->syn_retries != 0 ? script->syn_retries : profile.syn_retries;
    profile.data_retries = script->data_retries != 0 ? script->data_retries : profile.data_retries;
    return profile;
}

static void run_open(struct run *run, const struct tcp_profile *profile)
{
    run->sim = sim_new(&(struct sim_options){.seed = 1});
    run->pages = page_pool_new();
    run->recorder = recorder_new(run->sim);
    uint32_t origin = sim_origin_add(run->sim, "a");
    sim_origins_seal(run->sim);
    net_init(&run->net, run->sim, run->recorder, run->pages);
    recorder_listen(run->recorder, SIM_NONE, on_record, run);
    run->machine = machine_new(run->sim, NULL, origin);
    machine_power_on(run->machine);
    run->stack = ip_stack_new(&run->net, run->machine, origin);
    struct ip_interface_options interface = {
        .mac = {UINT64_C(0x020000000001)},
        .address = LOCAL,
        .prefix_bits = 24,
        .mtu = 1040,
        .out = {capture, run},
    };
    (void)ip_stack_add_interface(run->stack, &interface);
    run->tcp = tcp_layer_new(run->stack, profile);
}

static void run_close(struct run *run)
{
    tcp_layer_free(run->tcp);
    ip_stack_free(run->stack);
    machine_free(run->machine);
    net_close(&run->net);
    recorder_close(run->recorder);
    cr_assert_eq(page_pool_live(run->pages), 0);
    page_pool_close(run->pages);
    sim_close(run->sim);
}

static void script_run(const struct script *script)
{
    struct tcp_profile profile = profile_of(script);
    struct run *run = calloc(1, sizeof *run);
    cr_assert(run != NULL);
    run->script = script;
    run_open(run, &profile);
    for (const char *step = script->text; step != NULL;) {
        step += strspn(step, " \n");
        const char *end = strchr(step, ';');
        size_t length = end != NULL ? (size_t)(end - step) : strlen(step);
        cr_assert_lt(length, STEP_MAX, "script \"%s\"", script->name);
        memcpy(run->step, step, length);
        run->step[length] = 0;
        char text[STEP_MAX];
        memcpy(text, run->step, length + 1);
        if (length > 0) {
            run_step(run, text);
        }
        step = end != NULL ? end + 1 : NULL;
    }
    CHECK(run, run->sent_seen == run->sent_count, "%u segments more at the end",
          run->sent_count - run->sent_seen);
    run_close(run);
    free(run);
}

void script_run_all(const struct script *scripts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        script_run(&scripts[i]);
    }
}
