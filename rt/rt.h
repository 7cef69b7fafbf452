/* rt/rt.h - all that node software may see of the world.
 *
 * Node software (migration, cluster, iSCSI, ...) is ordinary sequential C. It runs on tasks, blocks on I/O, and reaches everything else
 * through the calls below. A side (the simulator; POSIX with KVM) fills in the tables at the end; the object files are the same in both.
 *
 * Learnt in ten minutes:
 *
 *   - Every call takes `struct rt *` first: the node it runs on. There is no other state: node software has no writable statics.
 *   - RT_BLOCKS marks what may block. Nothing that was checked before such a call still holds after it. Every wait has a
 *     deadline in rt_now's time (RT_FOREVER where only cancelling ends it) and returns RT_CANCELLED once its task is cancelled.
 *   - A task runs alone until it blocks: between two blocking calls nothing else of this node runs.
 *   - A *page* is 4,096 bytes that are never looked at unless somebody asks: an opaque, reference-counted, immutable value. In the simulator a
 *     handle, on POSIX an aligned buffer. A *slice* is a part of a page, or bytes of the caller's.
 *   - Memory comes from rt_alloc and stands in the node's ledger; whatever a task forgot is gone with the node. All objects
 *     (tasks, streams, disks, VMs) belong to the node in the same way.
 *   - Each call charges its processor time by itself; rt_charge is for bulk work in between.
 *   - Failure is an enum rt_error that nobody ignores. A failed call changed nothing, unless it says so.
 *
 *  R1. rt_write took its own references to page slices, and copied byte slices, when it returns.
 *  R2. 4,096 bytes that were written as one whole page are read back as that page (one slice, offset 0), whatever segments,
 *      retransmissions and offsets carried them. Neighbouring slices of one page are one slice.
 *  R3. Slices that a read returns are the caller's to release (rt_release).
 *  R4. What rt_store_put reported as done survives any crash; what it did not report may or may not.
 *  R5. A dirty harvest reports every page written since the harvest before it (or since logging started) at least once.
 *
 * docs/rt.md holds the review of each call against iSCSI, POSIX and KVM. */
#ifndef ORRERY_RT_RT_H
#define ORRERY_RT_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t rt_time; /* nanoseconds */
#define RT_FOREVER    INT64_MAX
#define RT_PAGE_BYTES 4096u
#define RT_BLOCKS     /* may block: its callers say so too */
#define RT_CHECKED    __attribute__((warn_unused_result))

#define RT_ERRORS(X)                                                                               \
    X(OK, "done")                                                                                  \
    X(TIMED_OUT, "the deadline passed")                                                            \
    X(CANCELLED, "the task was cancelled, or the object closed under it")                          \
    X(CLOSED, "the peer finished the stream")                                                      \
    X(RESET, "the connection was reset")                                                           \
    X(REFUSED, "the peer refused the connection")                                                  \
    X(UNREACHABLE, "no way leads to that address")                                                 \
    X(NO_MEMORY, "not enough memory")                                                              \
    X(NO_SPACE, "not enough space on the medium")                                                  \
    X(IN_USE, "the address or name is in use")                                                     \
    X(NOT_FOUND, "no such object")                                                                 \
    X(INVALID, "the arguments or the data are not valid")                                          \
    X(WRONG_STATE, "the object is in a state that does not allow this")                            \
    X(MISCOMPARE, "compare-and-write found other data")                                            \
    X(MEDIUM, "the medium failed")                                                                 \
    X(DENIED, "reserved by another, or write-protected")

#define RT_ERROR_NAME(name, text) RT_##name,
enum rt_error { RT_ERRORS(RT_ERROR_NAME) RT_ERROR_COUNT };
#undef RT_ERROR_NAME

struct rt;
struct rt_task;
struct rt_listener;
struct rt_stream;
struct rt_socket;
struct rt_disk;
struct rt_vm;

/* ---- values --------------------------------------------------------------------------------------------------------- */
struct rt_page {
    uint64_t v;
};
struct rt_slice {
    const void *bytes; /* the caller's bytes, or NULL: then `page` counts */
    struct rt_page page;
    uint32_t offset;
    uint32_t length;
};
/* Slices that a read fills in; grows in the ledger, reused from call to call. Start with {0}. */
struct rt_slices {
    struct rt_slice *items;
    uint32_t count, capacity;
};
struct rt_address {
    uint32_t ip4; /* host order */
    uint16_t port;
};
/* Where tasks wait; in its owner's structure, start with {0}. */
struct rt_condition {
    void *waiters[2];
};

/* ---- records: what node software says happened (sim/record.h has the meaning of units) ---- */
enum rt_unit {
    RT_UNIT_END,
    RT_UNIT_COUNT,
    RT_UNIT_PAGES,
    RT_UNIT_BYTES,
    RT_UNIT_NS,
    RT_UNIT_INSTANT,
    RT_UNIT_BPS,
    RT_UNIT_FLAG,
    RT_UNIT_NUMBER,
};
struct rt_record_kind {
    const char *name, *meaning;
    struct {
        const char *name;
        enum rt_unit unit;
    } fields[8];
    const char *text;
};

/* ---- disks ---- */
enum rt_disk_op {
    RT_DISK_READ,
    RT_DISK_WRITE,
    RT_DISK_FLUSH,
    RT_DISK_UNMAP,
    RT_DISK_WRITE_ZEROES,
    RT_DISK_BLOCK_STATUS,
    RT_DISK_COMPARE_AND_WRITE,
};
/* One request, the caller's storage until it is done. Many may be in flight; they complete in any order. */
struct rt_disk_request {
    enum rt_disk_op op;
    bool fua;
    uint64_t sector; /* of 512 bytes */
    uint64_t sectors;
    struct rt_slices
        slices; /* write: borrowed until done; read: filled in, the caller's to release; compare-and-write: both halves */
    uint64_t
        allocated_sectors; /* block status: length of the extent at `sector` that has one answer */
    bool allocated;        /* block status: its answer */
    bool done;
    enum rt_error error;
    struct rt_condition *completed; /* signalled when done, if not NULL */
    void *side;                     /* the side's own */
};
struct rt_disk_info {
    uint64_t sectors;
    uint32_t physical_sector_bytes;
    bool read_only;
};

/* ---- virtual machines ---- */
enum rt_vm_state {
    RT_VM_EMPTY, /* memory is reserved; it has never run here */
    RT_VM_RUNNING,
    RT_VM_PAUSED,
    RT_VM_FAILED,
};
struct rt_vm_info {
    const char *name; /* borrowed until the VM is destroyed */
    uint64_t pages;
    uint32_t vcpus;
    enum rt_vm_state state;
};
/* When a VM that has just arrived says where it is: `count` times, the first at once. */
struct rt_announcement {
    uint32_t count;
    rt_time spacing_ns;     /* from the first to the second */
    rt_time step_ns;        /* how much longer each further gap is */
    rt_time spacing_ns_max; /* the longest gap */
};

/* Bugs that tests plant in node software to prove that an oracle finds them (make PLANTS=1; ORRERY_PLANT names the one). In every other
 * build RT_PLANTED is the constant false, and the planted branch is not compiled. */
#ifdef ORRERY_PLANTS
bool rt_planted(const char *name);
#define RT_PLANTED(name) rt_planted(#name)
#else
#define RT_PLANTED(name) false
#endif

#define RT_ASSERT(rt, condition)                                                                   \
    ((condition) ? (void)0 : (rt)->node->assert_failed((rt), #condition, __FILE__, __LINE__))

/* ---- the tables that a side fills in; call them through the functions below ------------------------------------------ */
struct rt_node_table {
    rt_time (*now)(struct rt *);
    rt_time (*wall_clock)(struct rt *);
    enum rt_error (*sleep_until)(struct rt *, rt_time);
    enum rt_error (*spawn)(struct rt *, const char *, void (*)(struct rt *, void *), void *,
                           struct rt_task **);
    enum rt_error (*join)(struct rt *, struct rt_task *, rt_time);
    void (*cancel)(struct rt *, struct rt_task *);
    void (*detach)(struct rt *, struct rt_task *);
    enum rt_error (*wait)(struct rt *, struct rt_condition *, rt_time);
    void (*signal)(struct rt *, struct rt_condition *, bool);
    void *(*alloc)(struct rt *, size_t);
    void (*free)(struct rt *, void *);
    void (*charge)(struct rt *, rt_time);
    rt_time (*busy)(struct rt *);
    uint64_t (*draw)(struct rt *, const char *, uint64_t);
    const char *(*id)(struct rt *);
    void (*record)(struct rt *, const struct rt_record_kind *, const int64_t *, const char *);
    void (*assert_failed)(struct rt *, const char *, const char *, int);
};
struct rt_stream_table {
    enum rt_error (*listen)(struct rt *, struct rt_address, uint32_t, struct rt_listener **);
    enum rt_error (*accept)(struct rt *, struct rt_listener *, rt_time, struct rt_stream **,
                            struct rt_address *);
    void (*close_listener)(struct rt *, struct rt_listener *);
    enum rt_error (*connect)(struct rt *, struct rt_address, rt_time, struct rt_stream **);
    enum rt_error (*read_exact)(struct rt *, struct rt_stream *, uint64_t, struct rt_slices *,
                                rt_time);
    enum rt_error (*read_some)(struct rt *, struct rt_stream *, uint64_t, struct rt_slices *,
                               rt_time);
    enum rt_error (*read_bytes)(struct rt *, struct rt_stream *, void *, size_t, rt_time);
    enum rt_error (*write)(struct rt *, struct rt_stream *, const struct rt_slice *, uint32_t,
                           rt_time);
    enum rt_error (*finish)(struct rt *, struct rt_stream *);
    void (*close)(struct rt *, struct rt_stream *);
    enum rt_error (*bind)(struct rt *, uint16_t, struct rt_socket **);
    enum rt_error (*send)(struct rt *, struct rt_socket *, struct rt_address,
                          const struct rt_slice *, uint32_t);
    enum rt_error (*receive)(struct rt *, struct rt_socket *, rt_time, struct rt_address *,
                             struct rt_slices *);
    void (*close_socket)(struct rt *, struct rt_socket *);
};
struct rt_disk_table {
    enum rt_error (*open)(struct rt *, const char *, struct rt_disk **);
    void (*info)(struct rt *, struct rt_disk *, struct rt_disk_info *);
    void (*submit)(struct rt *, struct rt_disk *, struct rt_disk_request *);
    void (*close)(struct rt *, struct rt_disk *);
};
struct rt_store_table {
    enum rt_error (*put)(struct rt *, const char *, const void *, uint32_t, rt_time);
    enum rt_error (*get)(struct rt *, const char *, void *, uint32_t, uint32_t *);
    enum rt_error (*remove)(struct rt *, const char *, rt_time);
    enum rt_error (*next)(struct rt *, const char *, const char *, char *, uint32_t);
};
struct rt_page_table {
    struct rt_page (*ref)(struct rt *, struct rt_page);
    void (*unref)(struct rt *, struct rt_page);
    bool (*is_zero)(struct rt *, struct rt_page);
    void (*bytes)(struct rt *, struct rt_page, uint32_t, uint32_t, void *);
    uint32_t (*page_crc32c)(struct rt *, struct rt_page);
    bool (*equal)(struct rt *, struct rt_page, struct rt_page);
    enum rt_error (*make)(struct rt *, const struct rt_slice *, uint32_t, struct rt_page *);
    enum rt_error (*compress)(struct rt *, struct rt_page, struct rt_slice *);
    enum rt_error (*expand)(struct rt *, const struct rt_slice *, uint32_t, struct rt_page *);
    uint32_t (*crc32c)(struct rt *, uint32_t, const void *, size_t);
    uint32_t (*crc32c_concat)(struct rt *, uint32_t, uint32_t, uint64_t);
};
struct rt_vm_table {
    enum rt_error (*create)(struct rt *, const void *, uint32_t, struct rt_vm **, const char **);
    void (*destroy)(struct rt *, struct rt_vm *);
    enum rt_error (*find)(struct rt *, const char *, struct rt_vm **);
    void (*info)(struct rt *, struct rt_vm *, struct rt_vm_info *);
    enum rt_error (*config)(struct rt *, struct rt_vm *, void **, uint32_t *);
    enum rt_error (*pause)(struct rt *, struct rt_vm *);
    enum rt_error (*resume)(struct rt *, struct rt_vm *);
    enum rt_error (*state_save)(struct rt *, struct rt_vm *, void **, uint32_t *);
    enum rt_error (*state_load)(struct rt *, struct rt_vm *, const void *, uint32_t);
    enum rt_error (*log_start)(struct rt *, struct rt_vm *);
    void (*log_stop)(struct rt *, struct rt_vm *);
    enum rt_error (*harvest)(struct rt *, struct rt_vm *, uint64_t *, uint64_t *);
    enum rt_error (*peek)(struct rt *, struct rt_vm *, uint64_t *);
    void (*throttle)(struct rt *, struct rt_vm *, uint32_t);
    struct rt_page (*page_get)(struct rt *, struct rt_vm *, uint64_t);
    enum rt_error (*page_put)(struct rt *, struct rt_vm *, uint64_t, struct rt_page);
    enum rt_error (*disks_release)(struct rt *, struct rt_vm *, rt_time);
    enum rt_error (*disks_acquire)(struct rt *, struct rt_vm *, rt_time);
    void (*announce)(struct rt *, struct rt_vm *, const struct rt_announcement *);
};
struct rt {
    const struct rt_node_table *node;
    const struct rt_stream_table *streams;
    const struct rt_disk_table *disks;
    const struct rt_store_table *store;
    const struct rt_page_table *pages;
    const struct rt_vm_table *vms;
};

/* ---- time, tasks ------------------------------------------------------------------------------------------------------ */

/* Monotonic time since the node started. */
static inline rt_time rt_now(struct rt *rt)
{
    return rt->node->now(rt);
}
/* Nanoseconds since 1970-01-01; may step. Never for deadlines. */
static inline rt_time rt_wall_clock(struct rt *rt)
{
    return rt->node->wall_clock(rt);
}
/* RT_OK at `deadline`; CANCELLED. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_sleep_until(struct rt *rt, rt_time deadline)
{
    return rt->node->sleep_until(rt, deadline);
}
/* Starts body(rt, context) on a task of its own, soon. `name` is a constant. The task is the caller's to join or detach.
 * NO_MEMORY. */
RT_CHECKED static inline enum rt_error rt_spawn(struct rt *rt, const char *name,
                                                void (*body)(struct rt *rt, void *context),
                                                void *context, struct rt_task **out)
{
    return rt->node->spawn(rt, name, body, context, out);
}
/* Waits until the task has ended, and forgets it. TIMED_OUT (it is still the caller's), CANCELLED. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_join(struct rt *rt, struct rt_task *task,
                                                         rt_time deadline)
{
    return rt->node->join(rt, task, deadline);
}
/* The wait that the task is in, and all its later ones, return CANCELLED. */
static inline void rt_cancel(struct rt *rt, struct rt_task *task)
{
    rt->node->cancel(rt, task);
}
/* The task is forgotten when it ends. */
static inline void rt_detach(struct rt *rt, struct rt_task *task)
{
    rt->node->detach(rt, task);
}
/* Waits to be signalled. Spurious wakes do not happen, but what was waited for may be gone again. TIMED_OUT, CANCELLED. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_wait(struct rt *rt,
                                                         struct rt_condition *condition,
                                                         rt_time deadline)
{
    return rt->node->wait(rt, condition, deadline);
}
/* Wakes who has waited longest; nobody waiting: nothing is remembered. */
static inline void rt_signal(struct rt *rt, struct rt_condition *condition)
{
    rt->node->signal(rt, condition, false);
}
static inline void rt_signal_all(struct rt *rt, struct rt_condition *condition)
{
    rt->node->signal(rt, condition, true);
}

/* ---- the node ------------------------------------------------------------------------------------------------------------ */

/* Zeroed memory in the node's ledger, NULL when its limit is reached. */
static inline void *rt_alloc(struct rt *rt, size_t bytes)
{
    return rt->node->alloc(rt, bytes);
}
static inline void rt_free(struct rt *rt, void *memory)
{
    rt->node->free(rt, memory);
}
/* Processor time for bulk work that no call accounts for. It is paid before the task next acts on the world. */
static inline void rt_charge(struct rt *rt, rt_time cpu_ns)
{
    rt->node->charge(rt, cpu_ns);
}
/* Processor time that the calling task has used since it began, this call included where it costs any. */
static inline rt_time rt_busy(struct rt *rt)
{
    return rt->node->busy(rt);
}
/* 64 even bits: a function of seed, site (a constant), node and ordinal. */
static inline uint64_t rt_draw(struct rt *rt, const char *site, uint64_t ordinal)
{
    return rt->node->draw(rt, site, ordinal);
}
/* The node's name. */
static inline const char *rt_id(struct rt *rt)
{
    return rt->node->id(rt);
}
/* Says that something happened. As many values as the kind has fields; text "" where it has none. */
static inline void rt_record(struct rt *rt, const struct rt_record_kind *kind,
                             const int64_t *values, const char *text)
{
    rt->node->record(rt, kind, values, text);
}

/* ---- streams --------------------------------------------------------------------------------------------------------------- */

/* Accepts connections on a port of one address (ip4 0: all). IN_USE, UNREACHABLE. */
RT_CHECKED static inline enum rt_error rt_listen(struct rt *rt, struct rt_address local,
                                                 uint32_t backlog, struct rt_listener **out)
{
    return rt->streams->listen(rt, local, backlog, out);
}
/* The next connection and who it is from. TIMED_OUT, CANCELLED (also when the listener is closed). */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_accept(struct rt *rt,
                                                           struct rt_listener *listener,
                                                           rt_time deadline, struct rt_stream **out,
                                                           struct rt_address *peer)
{
    return rt->streams->accept(rt, listener, deadline, out, peer);
}
static inline void rt_close_listener(struct rt *rt, struct rt_listener *listener)
{
    rt->streams->close_listener(rt, listener);
}
/* Connects, without delay for small writes, with keep-alive. REFUSED, UNREACHABLE, TIMED_OUT, CANCELLED. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_connect(struct rt *rt, struct rt_address peer,
                                                            rt_time deadline,
                                                            struct rt_stream **out)
{
    return rt->streams->connect(rt, peer, deadline, out);
}
/* Waits for exactly `length` bytes and appends them to `out`. On failure nothing was consumed. CLOSED (the peer finished before
 * that many), RESET, TIMED_OUT, CANCELLED, NO_MEMORY; INVALID where length exceeds what a receive buffer can hold. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_read_exact(struct rt *rt,
                                                               struct rt_stream *stream,
                                                               uint64_t length,
                                                               struct rt_slices *out,
                                                               rt_time deadline)
{
    return rt->streams->read_exact(rt, stream, length, out, deadline);
}
/* Waits for at least one byte and appends what is there, at most `length_max`. Errors as above. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_read_some(struct rt *rt,
                                                              struct rt_stream *stream,
                                                              uint64_t length_max,
                                                              struct rt_slices *out,
                                                              rt_time deadline)
{
    return rt->streams->read_some(rt, stream, length_max, out, deadline);
}
/* rt_read_exact into the caller's bytes: for headers. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_read_bytes(struct rt *rt,
                                                               struct rt_stream *stream,
                                                               void *bytes, size_t length,
                                                               rt_time deadline)
{
    return rt->streams->read_bytes(rt, stream, bytes, length, deadline);
}
/* Writes all slices, waiting for room in the send buffer (R1). After a failure the stream is of no more use: some may be
 * under way. RESET, TIMED_OUT, CANCELLED. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_write(struct rt *rt, struct rt_stream *stream,
                                                          const struct rt_slice *slices,
                                                          uint32_t count, rt_time deadline)
{
    return rt->streams->write(rt, stream, slices, count, deadline);
}
/* No more will be written; reading goes on. RESET. */
RT_CHECKED static inline enum rt_error rt_finish(struct rt *rt, struct rt_stream *stream)
{
    return rt->streams->finish(rt, stream);
}
/* Done with it; what was written is still delivered if the peer lives. Tasks that wait on it get CANCELLED. */
static inline void rt_close(struct rt *rt, struct rt_stream *stream)
{
    rt->streams->close(rt, stream);
}
/* Gives back the pages of slices that a read returned; the container stays for reuse. */
static inline void rt_release(struct rt *rt, struct rt_slices *slices)
{
    for (uint32_t i = 0; i < slices->count; i++) {
        rt->pages->unref(rt, slices->items[i].page);
    }
    slices->count = 0;
}
/* The same, and the container too. */
static inline void rt_release_all(struct rt *rt, struct rt_slices *slices)
{
    rt_release(rt, slices);
    rt_free(rt, slices->items);
    slices->items = NULL;
    slices->capacity = 0;
}

/* ---- datagrams --------------------------------------------------------------------------------------------------------------- */

RT_CHECKED static inline enum rt_error rt_bind(struct rt *rt, uint16_t port, struct rt_socket **out)
{
    return rt->streams->bind(rt, port, out);
}
/* Sends at most 65,507 bytes; whether they arrive nobody says. INVALID (too long), UNREACHABLE. */
RT_CHECKED static inline enum rt_error rt_send(struct rt *rt, struct rt_socket *socket,
                                               struct rt_address to, const struct rt_slice *slices,
                                               uint32_t count)
{
    return rt->streams->send(rt, socket, to, slices, count);
}
/* The next datagram. TIMED_OUT, CANCELLED. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_receive(struct rt *rt, struct rt_socket *socket,
                                                            rt_time deadline,
                                                            struct rt_address *from,
                                                            struct rt_slices *out)
{
    return rt->streams->receive(rt, socket, deadline, from, out);
}
static inline void rt_close_socket(struct rt *rt, struct rt_socket *socket)
{
    rt->streams->close_socket(rt, socket);
}

/* ---- disks --------------------------------------------------------------------------------------------------------------------- */

/* Opens a disk of this node by name. NOT_FOUND, DENIED. */
RT_CHECKED static inline enum rt_error rt_disk_open(struct rt *rt, const char *name,
                                                    struct rt_disk **out)
{
    return rt->disks->open(rt, name, out);
}
static inline void rt_disk_info(struct rt *rt, struct rt_disk *disk, struct rt_disk_info *out)
{
    rt->disks->info(rt, disk, out);
}
/* Starts a request; request->done turns true and request->completed is signalled when it has ended, with request->error. */
static inline void rt_disk_submit(struct rt *rt, struct rt_disk *disk,
                                  struct rt_disk_request *request)
{
    rt->disks->submit(rt, disk, request);
}
/* Requests still in flight end with CANCELLED. */
static inline void rt_disk_close(struct rt *rt, struct rt_disk *disk)
{
    rt->disks->close(rt, disk);
}

/* ---- the node's small durable state ---------------------------------------------------------------------------------------------- */

/* Stores at most 4,096 bytes under a key (at most 63 characters), atomically; durable when it returns RT_OK (R4). NO_SPACE, MEDIUM,
 * TIMED_OUT and CANCELLED (both: it may have happened). */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_store_put(struct rt *rt, const char *key,
                                                              const void *bytes, uint32_t length,
                                                              rt_time deadline)
{
    return rt->store->put(rt, key, bytes, length, deadline);
}
/* NOT_FOUND; INVALID where `capacity` is too small. */
RT_CHECKED static inline enum rt_error rt_store_get(struct rt *rt, const char *key, void *bytes,
                                                    uint32_t capacity, uint32_t *length)
{
    return rt->store->get(rt, key, bytes, capacity, length);
}
/* Removes a key, durably; absent is fine. Errors as put. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_store_remove(struct rt *rt, const char *key,
                                                                 rt_time deadline)
{
    return rt->store->remove(rt, key, deadline);
}
/* The first key with `prefix` that sorts after `after` ("" for the first of all). NOT_FOUND past the last. */
RT_CHECKED static inline enum rt_error rt_store_next(struct rt *rt, const char *prefix,
                                                     const char *after, char *key,
                                                     uint32_t capacity)
{
    return rt->store->next(rt, prefix, after, key, capacity);
}

/* ---- pages ------------------------------------------------------------------------------------------------------------------------ */

static inline struct rt_page rt_page_ref(struct rt *rt, struct rt_page page)
{
    return rt->pages->ref(rt, page);
}
static inline void rt_page_unref(struct rt *rt, struct rt_page page)
{
    rt->pages->unref(rt, page);
}
/* All 4,096 bytes are zero. */
static inline bool rt_page_is_zero(struct rt *rt, struct rt_page page)
{
    return rt->pages->is_zero(rt, page);
}
/* Copies a part of the page out. */
static inline void rt_page_bytes(struct rt *rt, struct rt_page page, uint32_t offset,
                                 uint32_t length, void *out)
{
    rt->pages->bytes(rt, page, offset, length, out);
}
static inline uint32_t rt_page_crc32c(struct rt *rt, struct rt_page page)
{
    return rt->pages->page_crc32c(rt, page);
}
static inline bool rt_page_equal(struct rt *rt, struct rt_page a, struct rt_page b)
{
    return rt->pages->equal(rt, a, b);
}
/* One page from slices of 4,096 bytes in all: the very page where they are one whole page, else a new one. The caller
 * owns the reference. INVALID (another length), NO_MEMORY. */
RT_CHECKED static inline enum rt_error rt_page_make(struct rt *rt, const struct rt_slice *slices,
                                                    uint32_t count, struct rt_page *out)
{
    return rt->pages->make(rt, slices, count, out);
}
/* The page in fewer bytes: `out` is a slice of a page whose reference the caller owns, to be written to a stream and expanded at its
 * other end, and holds nothing else that could be relied on. NO_SPACE where it would not become smaller, NO_MEMORY. */
RT_CHECKED static inline enum rt_error rt_page_compress(struct rt *rt, struct rt_page page,
                                                        struct rt_slice *out)
{
    return rt->pages->compress(rt, page, out);
}
/* The page from all the bytes that rt_page_compress made of it, in whatever pieces they were read. The caller owns the reference.
 * INVALID where they are not that, NO_MEMORY. */
RT_CHECKED static inline enum rt_error rt_page_expand(struct rt *rt, const struct rt_slice *slices,
                                                      uint32_t count, struct rt_page *out)
{
    return rt->pages->expand(rt, slices, count, out);
}
/* CRC32C of what `crc` covers followed by bytes; of A followed by B from both. Pure. */
static inline uint32_t rt_crc32c(struct rt *rt, uint32_t crc, const void *bytes, size_t length)
{
    return rt->pages->crc32c(rt, crc, bytes, length);
}
static inline uint32_t rt_crc32c_concat(struct rt *rt, uint32_t crc_a, uint32_t crc_b,
                                        uint64_t length_b)
{
    return rt->pages->crc32c_concat(rt, crc_a, crc_b, length_b);
}

/* ---- virtual machines ---------------------------------------------------------------------------------------------------------------
 * Those that block do so for the hypervisor's work, not for anybody's answer: they have no deadline, and cancelling does not end them. */

/* Builds an EMPTY VM from configuration bytes and reserves its memory. NO_MEMORY, IN_USE (a VM of that name is here), INVALID; then
 * `why` is a sentence (borrowed, constant). */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_vm_create(struct rt *rt, const void *config,
                                                              uint32_t length, struct rt_vm **out,
                                                              const char **why)
{
    return rt->vms->create(rt, config, length, out, why);
}
/* Stops it if it runs, frees memory and devices. */
static inline void rt_vm_destroy(struct rt *rt, struct rt_vm *vm)
{
    rt->vms->destroy(rt, vm);
}
/* The VM of that name on this node. NOT_FOUND. */
RT_CHECKED static inline enum rt_error rt_vm_find(struct rt *rt, const char *name,
                                                  struct rt_vm **out)
{
    return rt->vms->find(rt, name, out);
}
static inline void rt_vm_info(struct rt *rt, struct rt_vm *vm, struct rt_vm_info *out)
{
    rt->vms->info(rt, vm, out);
}
/* Its configuration as rt_vm_create takes it; rt_free it. NO_MEMORY. */
RT_CHECKED static inline enum rt_error rt_vm_config(struct rt *rt, struct rt_vm *vm, void **bytes,
                                                    uint32_t *length)
{
    return rt->vms->config(rt, vm, bytes, length);
}
/* RUNNING to PAUSED: no instruction retires after it returns. WRONG_STATE. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_vm_pause(struct rt *rt, struct rt_vm *vm)
{
    return rt->vms->pause(rt, vm);
}
/* PAUSED, or EMPTY with loaded state, to RUNNING. WRONG_STATE. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_vm_resume(struct rt *rt, struct rt_vm *vm)
{
    return rt->vms->resume(rt, vm);
}
/* Processor and device state of a PAUSED VM, all but RAM, as versioned bytes; rt_free them. WRONG_STATE, NO_MEMORY. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_vm_state_save(struct rt *rt, struct rt_vm *vm,
                                                                  void **bytes, uint32_t *length)
{
    return rt->vms->state_save(rt, vm, bytes, length);
}
/* Into an EMPTY VM. INVALID where the bytes are not such a state: then the VM is EMPTY without state. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_vm_state_load(struct rt *rt, struct rt_vm *vm,
                                                                  const void *bytes,
                                                                  uint32_t length)
{
    return rt->vms->state_load(rt, vm, bytes, length);
}
/* Starts to log written pages; all bits are clear. WRONG_STATE if it is on. */
RT_CHECKED static inline enum rt_error rt_vm_log_start(struct rt *rt, struct rt_vm *vm)
{
    return rt->vms->log_start(rt, vm);
}
static inline void rt_vm_log_stop(struct rt *rt, struct rt_vm *vm)
{
    rt->vms->log_stop(rt, vm);
}
/* ORs a bit for each page written since the last harvest (R5) into `bitmap` (pages/64 words, rounded up), clears the log, and returns
 * through `pages` how many bits the log had. WRONG_STATE where logging is off. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_vm_harvest(struct rt *rt, struct rt_vm *vm,
                                                               uint64_t *bitmap, uint64_t *pages)
{
    return rt->vms->harvest(rt, vm, bitmap, pages);
}
/* ORs the same bits into `bitmap` and leaves the log as it is: what has been written again so far. WRONG_STATE where logging is off. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_vm_peek(struct rt *rt, struct rt_vm *vm,
                                                            uint64_t *bitmap)
{
    return rt->vms->peek(rt, vm, bitmap);
}
/* Leaves the VM's virtual processors so many percent of the time in which they could run, 1 to 100; 100 is where it starts and what it
 * has wherever it is built anew. */
static inline void rt_vm_throttle(struct rt *rt, struct rt_vm *vm, uint32_t percent)
{
    rt->vms->throttle(rt, vm, percent);
}
/* An immutable snapshot of a page as it is now; the caller owns the reference. */
static inline struct rt_page rt_vm_page_get(struct rt *rt, struct rt_vm *vm, uint64_t index)
{
    return rt->vms->page_get(rt, vm, index);
}
/* Stores a page into an EMPTY VM's memory; takes its own reference. INVALID (beyond memory), WRONG_STATE. */
RT_CHECKED static inline enum rt_error rt_vm_page_put(struct rt *rt, struct rt_vm *vm,
                                                      uint64_t index, struct rt_page page)
{
    return rt->vms->page_put(rt, vm, index, page);
}
/* Gives up, or takes over, the VM's disks. TIMED_OUT, DENIED, MEDIUM, CANCELLED. A VM without disks: RT_OK. */
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_vm_disks_release(struct rt *rt,
                                                                     struct rt_vm *vm,
                                                                     rt_time deadline)
{
    return rt->vms->disks_release(rt, vm, deadline);
}
RT_CHECKED RT_BLOCKS static inline enum rt_error rt_vm_disks_acquire(struct rt *rt,
                                                                     struct rt_vm *vm,
                                                                     rt_time deadline)
{
    return rt->vms->disks_acquire(rt, vm, deadline);
}
/* Announces the VM's addresses on its networks by gratuitous ARPs, which leave one after the other by themselves. */
RT_BLOCKS static inline void rt_vm_announce(struct rt *rt, struct rt_vm *vm,
                                            const struct rt_announcement *announcement)
{
    rt->vms->announce(rt, vm, announcement);
}

#endif
