#include "vm/guest_service.h"

#include "sim/assert.h"
#include "sim/wire_bytes.h"

#include <stdlib.h>

#define HEADER_BYTES   8u
#define CHUNK_SESSIONS 32u

enum session_phase { SESSION_HEADER, SESSION_BODY, SESSION_WORKING, SESSION_ANSWERING };

struct guest_session {
    struct guest_services *services;
    struct tcp_connection *connection; /* NULL: spare */
    struct guest_session *previous, *next;
    struct guest_session *queue_next; /* WORKING: of its service */
    uint32_t service;
    enum session_phase phase;
    uint32_t header_bytes; /* HEADER: read so far */
    uint8_t header[HEADER_BYTES];
    uint32_t request_left; /* BODY */
    uint32_t answer_bytes; /* from BODY on */
    uint32_t answer_sent;  /* ANSWERING */
    uint64_t answer_first; /* ANSWERING: number of its first page */
    sim_time due;          /* WORKING: in the machine's time */
    uint64_t turn;         /* WORKING: S1 */
};

struct guest_session_chunk {
    struct guest_session_chunk *next;
    struct guest_session sessions[CHUNK_SESSIONS];
};

/* ---- sessions ---------------------------------------------------------------------------------- */

static struct guest_session *session_new(struct guest_services *services, uint32_t service,
                                         struct tcp_connection *connection)
{
    if (services->spare == NULL) {
        struct guest_session_chunk *chunk = calloc(1, sizeof *chunk);
        SIM_ASSERT(chunk != NULL);
        chunk->next = services->chunks;
        services->chunks = chunk;
        for (uint32_t i = CHUNK_SESSIONS; i-- > 0;) {
            chunk->sessions[i].next = services->spare;
            services->spare = &chunk->sessions[i];
        }
    }
    struct guest_session *session = services->spare;
    services->spare = session->next;
    *session = (struct guest_session){
        .services = services,
        .connection = connection,
        .next = services->live,
        .service = service,
    };
    if (session->next != NULL) {
        session->next->previous = session;
    }
    services->live = session;
    services->live_count++;
    return session;
}

static void queue_remove(struct guest_session *session)
{
    struct guest_queue *queue = &session->services->working[session->service];
    struct guest_session *before = NULL;
    for (struct guest_session *at = queue->first; at != session; at = at->queue_next) {
        SIM_ASSERT(at != NULL);
        before = at;
    }
    if (before != NULL) {
        before->queue_next = session->queue_next;
    } else {
        queue->first = session->queue_next;
    }
    if (queue->last == session) {
        queue->last = before;
    }
    session->queue_next = NULL;
}

/* The connection is gone, or no longer ours. */
static void session_free(struct guest_session *session)
{
    struct guest_services *services = session->services;
    SIM_ASSERT(session->connection != NULL);
    if (session->phase == SESSION_WORKING) {
        queue_remove(session);
    }
    if (session->previous != NULL) {
        session->previous->next = session->next;
    } else {
        SIM_ASSERT(services->live == session);
        services->live = session->next;
    }
    if (session->next != NULL) {
        session->next->previous = session->previous;
    }
    SIM_ASSERT(services->live_count > 0);
    services->live_count--;
    session->connection = NULL;
    session->next = services->spare;
    services->spare = session;
}

/* ---- work ---------------------------------------------------------------------------------------- */

/* The service whose first session is due first; SIM_NONE where nobody works. */
static uint32_t next_service(const struct guest_services *services)
{
    uint32_t next = SIM_NONE;
    for (uint32_t i = 0; i < services->spec->service_count; i++) {
        const struct guest_session *first = services->working[i].first;
        if (first != NULL &&
            (next == SIM_NONE || first->due < services->working[next].first->due)) {
            next = i;
        }
    }
    return next;
}

static void arm(struct guest_services *services)
{
    if (!services->started) {
        return;
    }
    uint32_t next = next_service(services);
    sim_time due = next == SIM_NONE ? SIM_NEVER : services->working[next].first->due;
    if (due != services->timer.deadline) {
        machine_timer_arm(&services->timer, due);
    }
}

/* Behind all of the same service that began before it (S1). */
static void queue_add(struct guest_session *session)
{
    struct guest_queue *queue = &session->services->working[session->service];
    if (queue->last == NULL || queue->last->turn < session->turn) {
        struct guest_session **link =
            queue->last != NULL ? &queue->last->queue_next : &queue->first;
        *link = session;
        queue->last = session;
        return;
    }
    struct guest_session **link = &queue->first; /* only while state is loaded */
    while ((*link)->turn < session->turn) {
        link = &(*link)->queue_next;
    }
    session->queue_next = *link;
    *link = session;
}

/* ---- answers --------------------------------------------------------------------------------------- */

static void session_read(struct guest_session *session);

/* Sends what fits of the answer. */
static void session_write(struct guest_session *session)
{
    struct guest_services *services = session->services;
    uint64_t base = (uint64_t)services->spec->number << 48 | GUEST_ANSWER_BIT;
    tcp_cork(session->connection);
    while (session->answer_sent < session->answer_bytes) {
        uint64_t space = tcp_send_space(session->connection);
        if (space == 0) {
            break;
        }
        uint32_t offset = session->answer_sent % PAGE_BYTES;
        uint32_t length = PAGE_BYTES - offset;
        uint32_t left = session->answer_bytes - session->answer_sent;
        length = length < left ? length : left;
        length = length < space ? length : (uint32_t)space;
        uint64_t number = session->answer_first + session->answer_sent / PAGE_BYTES;
        struct page page = page_pattern(PAGE_RANDOM, base | (number & (GUEST_ANSWER_BIT - 1)));
        session->answer_sent += length;
        tcp_send(session->connection, (struct slice){page, offset, length});
    }
    if (session->answer_sent == session->answer_bytes) {
        services->served++;
        session->phase = SESSION_HEADER;
        session->header_bytes = 0;
    }
    tcp_uncork(session->connection);
}

static void session_answer(struct guest_session *session)
{
    struct guest_services *services = session->services;
    session->phase = SESSION_ANSWERING;
    session->answer_sent = 0;
    session->answer_first = services->answer_pages;
    services->answer_pages += (session->answer_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    session_write(session);
}

static void session_work(struct guest_session *session)
{
    struct guest_services *services = session->services;
    sim_time work_ns = services->spec->services[session->service].work_ns;
    if (work_ns == 0) {
        session_answer(session);
        return;
    }
    if (services->cpu != NULL) {
        work_ns = guest_cpu_stretch(services->cpu, work_ns);
    }
    const struct guest_session *last = services->working[session->service].last;
    session->phase = SESSION_WORKING;
    session->due = machine_now(services->machine) + work_ns;
    if (last != NULL && last->due > session->due) {
        session->due = last->due; /* S1, though the guest has become faster since that one began */
    }
    session->turn = services->turns++;
    queue_add(session);
    arm(services);
}

static void on_work_done(void *context)
{
    struct guest_services *services = context;
    sim_time now = machine_now(services->machine);
    for (uint32_t i = next_service(services); i != SIM_NONE; i = next_service(services)) {
        struct guest_session *session = services->working[i].first;
        if (session->due > now) {
            break;
        }
        queue_remove(session);
        session->queue_next = NULL;
        session_answer(session);
        session_read(session);
    }
    arm(services);
}

/* ---- requests --------------------------------------------------------------------------------------- */

/* Takes header bytes; false where the session is over. */
static bool read_header(struct guest_session *session)
{
    struct page_pool *pages = ip_stack_net(session->services->stack)->pages;
    struct slice slice = tcp_take(session->connection, HEADER_BYTES - session->header_bytes);
    page_copy_out(pages, slice.page, slice.offset, slice.length,
                  session->header + session->header_bytes);
    page_unref(pages, slice.page);
    session->header_bytes += slice.length;
    if (session->header_bytes < HEADER_BYTES) {
        return true;
    }
    uint32_t request_bytes = get_be32(session->header);
    session->answer_bytes = get_be32(session->header + 4);
    if (request_bytes < HEADER_BYTES || session->answer_bytes < HEADER_BYTES) {
        struct tcp_connection *connection = session->connection;
        session_free(session);
        tcp_abort(connection);
        return false;
    }
    session->request_left = request_bytes - HEADER_BYTES;
    session->phase = SESSION_BODY;
    return true;
}

static void read_body(struct guest_session *session)
{
    struct page_pool *pages = ip_stack_net(session->services->stack)->pages;
    while (session->request_left > 0 && tcp_readable(session->connection) > 0) {
        struct slice slice = tcp_take(session->connection, session->request_left);
        page_unref(pages, slice.page);
        session->request_left -= slice.length;
    }
}

static void session_read(struct guest_session *session)
{
    for (;;) {
        if (session->phase == SESSION_BODY) {
            read_body(session);
            if (session->request_left == 0) {
                session_work(session);
            }
        }
        if (session->phase != SESSION_HEADER || tcp_readable(session->connection) == 0) {
            break;
        }
        if (!read_header(session)) {
            return;
        }
    }
    bool reads = session->phase == SESSION_HEADER || session->phase == SESSION_BODY;
    if (reads && tcp_peer_finished(session->connection)) {
        struct tcp_connection *connection = session->connection;
        session_free(session);
        tcp_release(connection);
    }
}

/* ---- TCP's calls -------------------------------------------------------------------------------------- */

static void on_readable(void *context, struct tcp_connection *connection)
{
    struct guest_session *session = context;
    SIM_ASSERT(session->connection == connection);
    session_read(session);
}

static void on_writable(void *context, struct tcp_connection *connection)
{
    struct guest_session *session = context;
    SIM_ASSERT(session->connection == connection);
    if (session->phase == SESSION_ANSWERING) {
        session_write(session);
        session_read(session);
    }
}

static void on_ended(void *context, struct tcp_connection *connection, enum tcp_end why)
{
    struct guest_session *session = context;
    (void)why;
    SIM_ASSERT(session->connection == connection);
    struct guest_services *services = session->services;
    session_free(session);
    arm(services);
}

static const struct tcp_user session_user = {
    .readable = on_readable,
    .writable = on_writable,
    .ended = on_ended,
};

static struct tcp_accept_result on_accept(void *context, struct tcp_connection *connection)
{
    const struct guest_port *port = context;
    struct guest_session *session = session_new(port->services, port->service, connection);
    return (struct tcp_accept_result){&session_user, session};
}

/* ---- life ---------------------------------------------------------------------------------------------- */

void guest_services_init(struct guest_services *services, const struct guest_spec *spec,
                         struct machine *machine, struct ip_stack *stack, struct tcp_layer *tcp,
                         const struct guest_cpu *cpu)
{
    SIM_ASSERT(spec->service_count <= GUEST_SERVICES_MAX);
    *services = (struct guest_services){
        .spec = spec, .machine = machine, .stack = stack, .tcp = tcp, .cpu = cpu};
    for (uint32_t i = 0; i < spec->service_count; i++) {
        SIM_ASSERT(spec->services[i].work_ns >= 0);
        services->ports[i] = (struct guest_port){services, i};
    }
    machine_timer_init(&services->timer, machine, on_work_done, services);
}

void guest_services_listen(struct guest_services *services)
{
    const struct tcp_options options = {.no_delay = true, .congestion = -1};
    SIM_ASSERT(!services->listening);
    for (uint32_t i = 0; i < services->spec->service_count; i++) {
        enum ip_error error =
            tcp_listen(services->tcp, services->spec->services[i].port, GUEST_SERVICE_BACKLOG,
                       &options, on_accept, &services->ports[i]);
        SIM_ASSERT(error == IP_OK);
    }
    services->listening = true;
}

void guest_services_start(struct guest_services *services)
{
    services->started = true;
    arm(services);
}

void guest_services_reset(struct guest_services *services)
{
    while (services->live != NULL) {
        tcp_set_user(services->live->connection, NULL, NULL);
        session_free(services->live);
    }
    services->listening = false;
    services->started = false;
    services->served = 0;
    services->answer_pages = 0;
    services->turns = 0;
    machine_timer_cancel(&services->timer);
}

void guest_services_unlisten(struct guest_services *services)
{
    for (uint32_t i = 0; services->listening && i < services->spec->service_count; i++) {
        tcp_unlisten(services->tcp, services->spec->services[i].port);
    }
    services->listening = false;
}

void guest_services_close(struct guest_services *services)
{
    guest_services_unlisten(services);
    guest_services_reset(services);
    machine_timer_close(&services->timer);
    while (services->chunks != NULL) {
        struct guest_session_chunk *chunk = services->chunks;
        services->chunks = chunk->next;
        free(chunk);
    }
}

/* ---- saved state ----------------------------------------------------------------------------------------- */

/* Where a connection goes, as numbers that compare: S3. */
struct connection_key {
    uint64_t peer, local; /* address and port */
    struct tcp_connection *connection;
    struct guest_session *session; /* NULL: not one of ours */
};

static struct connection_key key_of(struct tcp_connection *connection,
                                    struct guest_session *session)
{
    struct ip4 local, peer;
    uint16_t local_port, peer_port;
    tcp_addresses(connection, &local, &local_port, &peer, &peer_port);
    return (struct connection_key){
        .peer = (uint64_t)peer.v << 16 | peer_port,
        .local = (uint64_t)local.v << 16 | local_port,
        .connection = connection,
        .session = session,
    };
}

/* Keys are unique: a layer has one connection for each pair of ends. */
static int compare_keys(const void *a, const void *b)
{
    const struct connection_key *x = a, *y = b;
    int peer = (x->peer > y->peer) - (x->peer < y->peer);
    return peer != 0 ? peer : (x->local > y->local) - (x->local < y->local);
}

static void save_session(const struct connection_key *key, struct state_writer *writer)
{
    const struct guest_session *session = key->session;
    bool working = session->phase == SESSION_WORKING;
    bool answering = session->phase == SESSION_ANSWERING;
    state_put_u64(writer, key->peer);
    state_put_u64(writer, key->local);
    state_put_u8(writer, (uint8_t)session->service);
    state_put_u8(writer, (uint8_t)session->phase);
    if (session->phase == SESSION_HEADER) {
        state_put_bytes(writer, session->header, session->header_bytes);
        return;
    }
    state_put_u32(writer, session->answer_bytes);
    state_put_u32(writer, session->phase == SESSION_BODY ? session->request_left : 0);
    state_put_u32(writer, answering ? session->answer_sent : 0);
    state_put_u64(writer, answering ? session->answer_first : 0);
    state_put_u64(writer, working ? (uint64_t)session->due : 0);
    state_put_u64(writer, working ? session->turn : 0);
}

void guest_services_save(const struct guest_services *services, struct state_writer *writer)
{
    uint32_t count = services->live_count, filled = 0;
    struct connection_key *keys = calloc(count + 1, sizeof *keys);
    SIM_ASSERT(keys != NULL);
    for (struct guest_session *s = services->live; s != NULL; s = s->next) {
        keys[filled++] = key_of(s->connection, s);
    }
    SIM_ASSERT(filled == count);
    qsort(keys, count, sizeof *keys, compare_keys);
    state_put_u64(writer, services->served);
    state_put_u64(writer, services->answer_pages);
    state_put_u64(writer, services->turns);
    state_put_u32(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        save_session(&keys[i], writer);
    }
    free(keys);
}

/* All connections of the layer, sorted. The caller frees them. */
static struct connection_key *sorted_connections(const struct tcp_layer *tcp, uint32_t *count)
{
    uint32_t capacity = tcp_layer_live(tcp) + 1;
    struct connection_key *keys = calloc(capacity, sizeof *keys);
    SIM_ASSERT(keys != NULL);
    *count = 0;
    for (struct tcp_connection *c = tcp_layer_next(tcp, NULL); c != NULL;
         c = tcp_layer_next(tcp, c)) {
        SIM_ASSERT(*count < capacity);
        keys[(*count)++] = key_of(c, NULL);
    }
    qsort(keys, *count, sizeof *keys, compare_keys);
    return keys;
}

/* What follows service and phase. False where it makes no sense. */
static bool load_phase(struct guest_session *session, enum session_phase phase,
                       struct state_reader *reader)
{
    struct guest_services *services = session->services;
    if (phase == SESSION_HEADER) {
        uint32_t length;
        const uint8_t *bytes = state_get_bytes(reader, &length);
        if (length >= HEADER_BYTES) {
            return false;
        }
        session->header_bytes = length;
        for (uint32_t i = 0; i < length; i++) {
            session->header[i] = bytes[i];
        }
        return true;
    }
    session->answer_bytes = state_get_u32(reader);
    session->request_left = state_get_u32(reader);
    session->answer_sent = state_get_u32(reader);
    session->answer_first = state_get_u64(reader);
    uint64_t due = state_get_u64(reader);
    session->turn = state_get_u64(reader);
    if (!state_reader_ok(reader) || session->answer_bytes < HEADER_BYTES ||
        session->answer_sent > session->answer_bytes || due > SIM_NEVER / 2 ||
        (phase == SESSION_WORKING && session->turn >= services->turns)) {
        return false;
    }
    session->due = (sim_time)due;
    session->phase = phase;
    if (phase == SESSION_WORKING) {
        queue_add(session);
    }
    return true;
}

static bool load_session(struct guest_services *services, const struct connection_key *keys,
                         uint32_t count, struct state_reader *reader)
{
    struct connection_key key = {.peer = state_get_u64(reader)};
    key.local = state_get_u64(reader);
    uint32_t service = state_get_u8(reader);
    uint32_t phase = state_get_u8(reader);
    const struct connection_key *found = bsearch(&key, keys, count, sizeof key, compare_keys);
    if (!state_reader_ok(reader) || found == NULL || service >= services->spec->service_count ||
        phase > SESSION_ANSWERING || tcp_context(found->connection) != NULL) {
        return false;
    }
    struct guest_session *session = session_new(services, service, found->connection);
    tcp_set_user(found->connection, &session_user, session);
    return load_phase(session, (enum session_phase)phase, reader);
}

bool guest_services_load(struct guest_services *services, struct state_reader *reader)
{
    uint32_t count;
    SIM_ASSERT(services->live == NULL);
    struct connection_key *keys = sorted_connections(services->tcp, &count);
    services->served = state_get_u64(reader);
    services->answer_pages = state_get_u64(reader);
    services->turns = state_get_u64(reader);
    uint32_t sessions = state_get_u32(reader);
    bool good = state_reader_ok(reader) && sessions <= count;
    for (uint32_t i = 0; good && i < sessions; i++) {
        good = load_session(services, keys, count, reader);
    }
    free(keys);
    return good && state_reader_ok(reader);
}

/* ---- invariants ------------------------------------------------------------------------------------------- */

static void check_queue(const struct guest_services *services, uint32_t service, uint32_t *working)
{
    const struct guest_queue *queue = &services->working[service];
    const struct guest_session *before = NULL;
    for (const struct guest_session *s = queue->first; s != NULL; s = s->queue_next) {
        SIM_ASSERT(s->phase == SESSION_WORKING);
        SIM_ASSERT(s->service == service);
        SIM_ASSERT(before == NULL || before->turn < s->turn);
        SIM_ASSERT(before == NULL || before->due <= s->due);
        before = s;
        (*working)++;
    }
    SIM_ASSERT(queue->last == before);
}

void guest_services_check(const struct guest_services *services)
{
    uint32_t live = 0, working = 0, queued = 0;
    for (const struct guest_session *s = services->live; s != NULL; s = s->next) {
        SIM_ASSERT(s->services == services);
        SIM_ASSERT(s->connection != NULL);
        SIM_ASSERT(tcp_context(s->connection) == s);
        SIM_ASSERT(s->service < services->spec->service_count);
        SIM_ASSERT(s->next == NULL || s->next->previous == s);
        SIM_ASSERT(s->phase != SESSION_HEADER || s->header_bytes < HEADER_BYTES);
        SIM_ASSERT(s->phase != SESSION_ANSWERING || s->answer_sent < s->answer_bytes);
        live++;
        working += s->phase == SESSION_WORKING;
    }
    for (uint32_t i = 0; i < services->spec->service_count; i++) {
        check_queue(services, i, &queued);
    }
    SIM_ASSERT(live == services->live_count);
    SIM_ASSERT(working == queued);
    SIM_ASSERT(!services->started || machine_timer_armed(&services->timer) == (working > 0));
}
