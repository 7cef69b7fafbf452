/* Requests and responses on one connection (vm/traffic.h), in the protocol of struct guest_service.
 *
 *     IDLE ──due──► CONNECTING ──► SENDING ──► WAITING ──whole response──► IDLE
 *                      └──── time-out, or the connection ended: lost ──────►┘   the next one connects again
 *
 * A connection that stands is kept for the next request (X2). */
#include "sim/assert.h"
#include "sim/wire_bytes.h"
#include "vm/traffic_place.h"

#include <stdlib.h>

#define HEADER_BYTES 8u
#define RETRY_NS                                                                                   \
    SIM_MS /* after a lost request the next waits at least so long: nobody hammers a closed port */

enum request_phase { REQUEST_IDLE, REQUEST_CONNECTING, REQUEST_SENDING, REQUEST_WAITING };

struct request {
    struct request_options options;
    struct page_pool *pages;
    struct traffic_place place;
    struct machine_timer next, expire;
    enum request_phase phase;
    struct tcp_connection *connection; /* NULL: none */
    uint64_t flow;                     /* of the last connection */
    uint64_t number;                   /* of the request at hand, or the last one; from 1 */
    uint64_t record;                   /* that it was sent */
    sim_time began, due;               /* this one, the next one: in the client's time */
    uint32_t sent, received;
    bool stopped, over;
};

/* ---- the end of a request ------------------------------------------------------------------------ */

/* Stopped, and nothing is left to wait for. */
static void end(struct request *request)
{
    SIM_ASSERT(request->stopped && !request->over);
    request->over = true;
    traffic_place_release(&request->place, &request->connection);
    traffic_place_close(&request->place);
    (void)traffic_say(&request->options.common, TRAFFIC_ENDED, 0, NULL, "stopped");
}

/* The next one is due as its pace says, but not before `earliest`. */
static void wait_for_next(struct request *request, sim_time earliest)
{
    const struct request_options *options = &request->options;
    sim_time now = machine_now(request->place.machine);
    sim_time due =
        options->every_ns > 0 ? request->began + options->every_ns : now + options->think_ns;
    request->phase = REQUEST_IDLE;
    request->due = due > earliest ? due : earliest;
    machine_timer_cancel(&request->expire);
    if (request->stopped) {
        end(request);
    } else {
        machine_timer_arm(&request->next, request->due);
    }
}

static void done(struct request *request)
{
    sim_time now = machine_now(request->place.machine);
    const int64_t values[] = {(int64_t)request->number, now - request->began};
    (void)traffic_say(&request->options.common, TRAFFIC_REQUEST_DONE, request->record, values, "");
    wait_for_next(request, now);
}

static void say_lost(struct request *request, const char *why)
{
    const int64_t values[] = {(int64_t)request->number};
    (void)traffic_say(&request->options.common, TRAFFIC_REQUEST_LOST, request->record, values, why);
}

static void lost(struct request *request, const char *why)
{
    say_lost(request, why);
    traffic_place_abort(&request->place, &request->connection);
    wait_for_next(request, machine_now(request->place.machine) + RETRY_NS);
}

/* ---- sending -------------------------------------------------------------------------------------- */

/* The next slice of the request: its header, then zeroes. */
static struct slice next_slice(struct request *request, uint64_t space)
{
    const struct request_options *options = &request->options;
    uint32_t left = options->request_bytes - request->sent;
    if (request->sent < HEADER_BYTES) {
        uint8_t header[HEADER_BYTES];
        put_be32(header, options->request_bytes);
        put_be32(header + 4, options->response_bytes);
        uint32_t rest = HEADER_BYTES - request->sent;
        uint32_t length = rest < space ? rest : (uint32_t)space;
        return (struct slice){page_literal(request->pages, header + request->sent, length), 0,
                              length};
    }
    uint32_t offset = request->sent % PAGE_BYTES;
    uint32_t length = PAGE_BYTES - offset;
    length = length < left ? length : left;
    length = length < space ? length : (uint32_t)space;
    return (struct slice){page_zero(), offset, length};
}

static void send_more(struct request *request)
{
    struct tcp_connection *connection = request->connection;
    SIM_ASSERT(request->phase == REQUEST_SENDING);
    tcp_cork(connection);
    while (request->sent < request->options.request_bytes) {
        uint64_t space = tcp_send_space(connection);
        if (space == 0) {
            break;
        }
        struct slice slice = next_slice(request, space);
        request->sent += slice.length;
        tcp_send(connection, slice);
    }
    if (request->sent == request->options.request_bytes) {
        request->phase = REQUEST_WAITING;
    }
    tcp_uncork(connection);
}

/* ---- TCP's calls ------------------------------------------------------------------------------------ */

static void on_connected(void *context, struct tcp_connection *connection)
{
    struct request *request = context;
    SIM_ASSERT(request->connection == connection);
    if (request->phase == REQUEST_CONNECTING) {
        request->phase = REQUEST_SENDING;
        send_more(request);
    }
}

static void on_writable(void *context, struct tcp_connection *connection)
{
    struct request *request = context;
    SIM_ASSERT(request->connection == connection);
    if (request->phase == REQUEST_SENDING) {
        send_more(request);
    }
}

static void on_readable(void *context, struct tcp_connection *connection)
{
    struct request *request = context;
    SIM_ASSERT(request->connection == connection);
    bool asked = request->phase == REQUEST_SENDING || request->phase == REQUEST_WAITING;
    while (asked && tcp_readable(connection) > 0 &&
           request->received < request->options.response_bytes) {
        struct slice slice =
            tcp_take(connection, request->options.response_bytes - request->received);
        page_unref(request->pages, slice.page);
        request->received += slice.length;
    }
    if (asked && request->received == request->options.response_bytes) {
        if (request->phase == REQUEST_WAITING && tcp_readable(connection) == 0) {
            done(request);
        } else {
            lost(request, "answered out of turn");
        }
        return;
    }
    if (tcp_readable(connection) > 0) {
        traffic_place_abort(&request->place, &request->connection); /* nobody asked */
    } else if (tcp_peer_finished(connection)) {
        if (asked) {
            lost(request, "the server closed the connection");
        } else {
            traffic_place_release(&request->place, &request->connection);
        }
    }
}

static void on_ended(void *context, struct tcp_connection *connection, enum tcp_end why)
{
    struct request *request = context;
    SIM_ASSERT(request->connection == connection);
    request->connection = NULL;
    if (request->phase != REQUEST_IDLE) {
        lost(request, tcp_end_text(why));
    }
}

static const struct tcp_user request_user = {
    .connected = on_connected,
    .readable = on_readable,
    .writable = on_writable,
    .ended = on_ended,
};

/* ---- pace --------------------------------------------------------------------------------------------- */

static void on_next(void *context)
{
    struct request *request = context;
    const struct request_options *options = &request->options;
    SIM_ASSERT(request->phase == REQUEST_IDLE);
    request->began = machine_now(request->place.machine);
    request->number++;
    request->sent = 0;
    request->received = 0;
    const int64_t values[] = {(int64_t)request->number};
    request->record = traffic_say(&options->common, TRAFFIC_REQUEST_SENT, 0, values, "");
    machine_timer_arm(&request->expire, request->began + options->timeout_ns);
    if (request->connection != NULL) {
        request->phase = REQUEST_SENDING;
        send_more(request);
        return;
    }
    const struct tcp_options tcp = {.no_delay = true, .congestion = -1};
    request->phase = REQUEST_CONNECTING;
    enum ip_error error =
        tcp_connect(ip_stack_tcp(request->place.stack), options->common.to, options->port, &tcp,
                    &request_user, request, &request->connection);
    if (error != IP_OK) {
        lost(request, ip_error_text(error));
        return;
    }
    request->flow = tcp_flow(request->connection);
}

static void on_expire(void *context)
{
    lost(context, "timed out");
}

/* ---- where it is ----------------------------------------------------------------------------------------- */

/* The client moved with its VM: what happened to its connection meanwhile was told to nobody. */
static void take_up(struct request *request)
{
    request->connection = traffic_place_connection(&request->place, request->flow);
    if (request->connection == NULL) {
        if (request->phase != REQUEST_IDLE) {
            lost(request, "the connection is gone");
        }
        return;
    }
    tcp_set_user(request->connection, &request_user, request);
    if (request->phase == REQUEST_CONNECTING && tcp_state(request->connection) >= TCP_ESTABLISHED) {
        request->phase = REQUEST_SENDING;
    }
    if (request->phase == REQUEST_SENDING) {
        send_more(request);
    }
    on_readable(request, request->connection);
}

static void on_attached(void *context, bool goes_on)
{
    struct request *request = context;
    struct machine *machine = request->place.machine;
    machine_timer_init(&request->next, machine, on_next, request);
    machine_timer_init(&request->expire, machine, on_expire, request);
    if (!goes_on) {
        if (request->phase != REQUEST_IDLE) {
            say_lost(request, "the client lost power");
            request->phase = REQUEST_IDLE;
        }
        request->due = machine_now(machine);
    }
    if (request->phase == REQUEST_IDLE && request->stopped) {
        end(request);
    } else if (request->phase == REQUEST_IDLE) {
        machine_timer_arm(&request->next, request->due);
    } else {
        machine_timer_arm(&request->expire, request->began + request->options.timeout_ns);
    }
    if (goes_on && !request->over) {
        take_up(request);
    }
}

static void on_detached(void *context)
{
    struct request *request = context;
    machine_timer_close(&request->next);
    machine_timer_close(&request->expire);
    traffic_place_forget(&request->connection);
}

static void on_gone(void *context)
{
    struct request *request = context;
    if (request->phase != REQUEST_IDLE) {
        say_lost(request, "the client lost power");
        request->phase = REQUEST_IDLE;
    }
    if (request->stopped && !request->over) {
        end(request);
    }
}

/* ---- life --------------------------------------------------------------------------------------------------- */

struct request *request_start(const struct request_options *options)
{
    SIM_ASSERT(options->request_bytes >= HEADER_BYTES);
    SIM_ASSERT(options->response_bytes >= HEADER_BYTES);
    SIM_ASSERT(options->timeout_ns > 0);
    struct request *request = calloc(1, sizeof *request);
    SIM_ASSERT(request != NULL);
    request->options = *options;
    request->pages = options->common.net->pages;
    request->place = (struct traffic_place){
        .net = options->common.net,
        .end = options->common.from,
        .attached = on_attached,
        .detached = on_detached,
        .gone = on_gone,
        .context = request,
    };
    traffic_place_open(&request->place, options->common.origin);
    return request;
}

void request_stop(struct request *request)
{
    if (request->stopped) {
        return;
    }
    request->stopped = true;
    if (request->phase == REQUEST_IDLE) {
        end(request);
    }
}

void request_free(struct request *request)
{
    traffic_place_close(&request->place);
    free(request);
}
