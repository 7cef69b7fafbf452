/* pwt-record.c - records the page-write trace of a program on Linux: which pages it writes in each interval (scenarios/traces/FORMAT.md).
 *
 *     cc -O2 -shared -fPIC -pthread -o pwt-record.so scripts/pwt-record.c -lz
 *     LD_PRELOAD=$PWD/pwt-record.so PWT_OUT=mine.pwt.gz PWT_SECONDS=60 COMMAND...
 *
 *   PWT_OUT          the trace that is written when the time is over, or when the program exits (not when it is killed)
 *   PWT_SECONDS      for how long; 60
 *   PWT_INTERVAL_MS  length of an interval, 1 to 1000; 10
 *   PWT_NAME         name in the header; "recorded"
 *   PWT_MAPPING      "largest": only the largest mapping, whose pages keep their places: for a QEMU process it is the guest's RAM. The recording
 *                    begins when that mapping is there. Without it
 *                    all writable private memory counts, and pages are numbered in the order in which they were first written.
 *
 * A thread inside the program watches its memory with asynchronous write protection (userfaultfd, UFFD_FEATURE_WP_ASYNC) and reads and
 * re-arms it with PAGEMAP_SCAN, so it needs Linux 6.7, and the right to use userfaultfd (root, or sysctl vm.unprivileged_userfaultfd=1).
 * Where that is not there it says so on stderr and the program runs on unrecorded. Only the first process is recorded, not its children. What the
 * recorder itself writes lies in mappings of its own, which are left out. Reading and re-arming is one step for each page, so no write is
 * lost; a first write to a page after it costs the program about a microsecond, which is the price of the recording. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define PAGE         4096u
#define MAPPINGS_MAX 4096u
#define REGIONS_MAX  65536u
#define WRITES_MAX   (UINT64_C(1) << 28)
#define SLOTS                                                                                      \
    (UINT64_C(1)                                                                                   \
     << 26) /* of the table from page to number: a quarter of a TiB, at most half full */
#define INTERVALS_MAX (UINT32_C(1) << 22)
#define STACK_BYTES   (UINT64_C(1) << 20)
#define MAPS_BYTES    (UINT64_C(1) << 22)

/* linux/fs.h, of kernels that have it; older headers do not. */
#define WP_UNPOPULATED     (UINT64_C(1) << 13)
#define WP_ASYNC           (UINT64_C(1) << 15)
#define SCAN_WP_MATCHING   (UINT64_C(1) << 0)
#define SCAN_CHECK_WPASYNC (UINT64_C(1) << 1)
#define IS_WRITTEN         (UINT64_C(1) << 1)
#define IS_PRESENT         (UINT64_C(1) << 3)
#define IS_SWAPPED         (UINT64_C(1) << 4)
struct region {
    uint64_t start, end, categories;
};
struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan)

struct mapping {
    uint64_t start, end;
};

static struct recorder {
    const char *out, *name;
    bool largest;
    uint64_t interval_ns, intervals_max;
    int uffd, pagemap;
    pthread_t thread;
    pthread_mutex_t lock; /* the trace is written once */
    bool written;
    atomic_bool stop;
    struct mapping own[16]; /* the recorder's memory */
    uint32_t own_count;
    struct mapping mappings[MAPPINGS_MAX];
    uint32_t mapping_count;
    struct mapping chosen; /* the largest */
    bool begins;           /* it has just been found: what was recorded before was another */
    struct region *regions;
    uint32_t *writes; /* page numbers, interval by interval */
    uint64_t write_count;
    uint64_t *ends; /* of each interval, in writes */
    uint64_t interval_count;
    uint64_t *slots; /* pairs: page + 1, number */
    uint32_t numbered;
    char *maps;
} r;

/* Memory that is not recorded, and takes no room before it is used. */
static void *own_memory(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || r.own_count == sizeof r.own / sizeof *r.own) {
        return NULL;
    }
    r.own[r.own_count++] =
        (struct mapping){(uint64_t)(uintptr_t)memory, (uint64_t)(uintptr_t)memory + bytes};
    return memory;
}

static int complain(const char *what)
{
    fprintf(stderr, "pwt-record: not recorded: %s (%s)\n", what, strerror(errno));
    return -1;
}

/* ---- mappings ---------------------------------------------------------------------------------------------------- */

/* Takes the parts of [start, end) that are not the recorder's. The kernel merges neighbours, so that one line may hold both. */
static void add_mapping(uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < r.own_count; i++) {
        if (start < r.own[i].end && r.own[i].start < end) {
            if (start < r.own[i].start) {
                add_mapping(start, r.own[i].start);
            }
            if (r.own[i].end < end) {
                add_mapping(r.own[i].end, end);
            }
            return;
        }
    }
    if (r.mapping_count < MAPPINGS_MAX) {
        r.mappings[r.mapping_count++] = (struct mapping){start, end};
    }
}

static bool register_mapping(struct mapping mapping)
{
    struct uffdio_register arguments = {
        .range = {mapping.start, mapping.end - mapping.start},
        .mode = UFFDIO_REGISTER_MODE_WP,
    };
    return ioctl(r.uffd, UFFDIO_REGISTER, &arguments) == 0;
}

/* Reads /proc/self/maps with plain reads, for stdio would write to the program's memory. */
static uint64_t read_maps(void)
{
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    uint64_t length = 0;
    ssize_t got = 1;
    while (file >= 0 && got > 0 && length < MAPS_BYTES - 1) {
        got = read(file, r.maps + length, MAPS_BYTES - 1 - length);
        length += got > 0 ? (uint64_t)got : 0;
    }
    if (file >= 0) {
        close(file);
    }
    r.maps[length] = '\0';
    return length;
}

/* The writable private mappings, registered; those that cannot be are left out. */
static void find_mappings(void)
{
    (void)read_maps();
    r.mapping_count = 0;
    for (char *line = r.maps; line[0] != '\0';) {
        char *end_of_line = strchr(line, '\n');
        char *rest = NULL;
        uint64_t start = strtoull(line, &rest, 16);
        uint64_t end = *rest == '-' ? strtoull(rest + 1, &rest, 16) : start;
        bool writable = rest[0] == ' ' && rest[1] == 'r' && rest[2] == 'w';
        bool is_private = writable && rest[4] == 'p';
        if (writable && (is_private || r.largest) && end > start) {
            add_mapping(start, end);
        }
        line = end_of_line != NULL ? end_of_line + 1 : line + strlen(line);
    }
    struct mapping largest = {0, 0};
    for (uint32_t i = 0; i < r.mapping_count; i++) {
        if (r.mappings[i].end - r.mappings[i].start > largest.end - largest.start) {
            largest = r.mappings[i];
        }
    }
    if (r.largest) {
        if (largest.end - largest.start > r.chosen.end - r.chosen.start) {
            r.chosen = largest;
            r.begins = true;
        }
        r.mappings[0] = r.chosen;
        r.mapping_count = 1;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r.mapping_count; i++) {
        if (register_mapping(r.mappings[i])) {
            r.mappings[kept++] = r.mappings[i];
        }
    }
    r.mapping_count = kept;
}

/* ---- pages -------------------------------------------------------------------------------------------------------- */

static uint32_t number_of(uint64_t address)
{
    uint64_t page = address / PAGE;
    if (r.largest) {
        return (uint32_t)(page - r.chosen.start / PAGE);
    }
    uint64_t at = (page * UINT64_C(0x9e3779b97f4a7c15)) >> 38;
    for (;; at = (at + 1) % SLOTS) {
        uint64_t *slot = &r.slots[2 * at];
        if (slot[0] == page + 1) {
            return (uint32_t)slot[1];
        }
        if (slot[0] == 0) {
            slot[0] = page + 1;
            slot[1] = r.numbered;
            return r.numbered++;
        }
    }
}

/* Reads and re-arms one mapping; keeps what was written if `keep`. */
static void scan_mapping(struct mapping mapping, bool keep)
{
    struct scan scan = {
        .size = sizeof scan,
        .flags = SCAN_WP_MATCHING | SCAN_CHECK_WPASYNC,
        .start = mapping.start,
        .end = mapping.end,
        .vec = (uint64_t)(uintptr_t)r.regions,
        .vec_len = REGIONS_MAX,
        .category_mask = IS_WRITTEN,
        .category_anyof_mask = IS_PRESENT | IS_SWAPPED,
        .return_mask = IS_WRITTEN,
    };
    while (scan.start < scan.end) {
        int found = ioctl(r.pagemap, SCAN_IOCTL, &scan);
        if (found < 0 || scan.walk_end <= scan.start) {
            return; /* it was unmapped meanwhile */
        }
        for (int i = 0; keep && i < found; i++) {
            for (uint64_t at = r.regions[i].start; at < r.regions[i].end; at += PAGE) {
                if (r.write_count < WRITES_MAX && r.numbered < SLOTS / 2) {
                    r.writes[r.write_count++] = number_of(at);
                }
            }
        }
        scan.start = scan.walk_end;
    }
}

/* Whether this was an interval of the trace. */
static bool scan_all(bool keep)
{
    find_mappings();
    if (r.begins) {
        r.begins = false;
        r.write_count = 0;
        r.interval_count = 0;
        keep = false;
    }
    for (uint32_t i = 0; i < r.mapping_count; i++) {
        scan_mapping(r.mappings[i], keep);
    }
    return keep;
}

/* ---- the trace ---------------------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void write_interval(gzFile file, uint64_t index, const uint32_t *pages, uint64_t count)
{
    uint64_t end = 0;
    gzprintf(file, "I %" PRIu64, index);
    for (uint64_t i = 0; i < count;) {
        uint64_t length = 1;
        while (i + length < count && pages[i + length] == pages[i] + length) {
            length++;
        }
        gzprintf(file, " %" PRIu64, pages[i] - end);
        if (length > 1) {
            gzprintf(file, "+%" PRIu64, length);
        }
        end = pages[i] + length;
        i += length;
    }
    gzprintf(file, "\n");
}

/* Sorts each interval, and drops what stands in it twice. Returns how many are left in all. */
static uint64_t sort_intervals(void)
{
    uint64_t kept = 0, begin = 0;
    for (uint64_t i = 0; i < r.interval_count; i++) {
        uint64_t end = r.ends[i], first = kept;
        qsort(r.writes + begin, end - begin, sizeof *r.writes, by_number);
        for (uint64_t k = begin; k < end; k++) {
            if (kept == first || r.writes[kept - 1] != r.writes[k]) {
                r.writes[kept++] = r.writes[k];
            }
        }
        r.ends[i] = kept;
        begin = end;
    }
    return kept;
}

static void write_trace(void)
{
    uint64_t total = sort_intervals();
    uint64_t pages = r.largest ? (r.chosen.end - r.chosen.start) / PAGE : r.numbered;
    uint64_t rounded = pages == 0 ? 512 : (pages + 511) / 512 * 512;
    gzFile file = gzopen(r.out, "wb9");
    if (file == NULL) {
        (void)complain(r.out);
        return;
    }
    gzprintf(file, "# pwt: 1\n# name: %s\n# ram_pages: %" PRIu64 "\n# page_bytes: %u\n", r.name,
             rounded, PAGE);
    gzprintf(file, "# interval_ns: %" PRIu64 "\n# intervals: %" PRIu64 "\n", r.interval_ns,
             r.interval_count);
    gzprintf(file, "# page_writes: %" PRIu64 "\n# recorded: pwt-record, %s\n", total,
             r.largest ? "the largest mapping" : "pages in the order of their first write");
    for (uint64_t i = 0, begin = 0; i < r.interval_count; begin = r.ends[i], i++) {
        if (r.ends[i] > begin) {
            write_interval(file, i, r.writes + begin, r.ends[i] - begin);
        }
    }
    if (gzclose(file) != Z_OK) {
        (void)complain(r.out);
        return;
    }
    fprintf(stderr,
            "pwt-record: %s: %" PRIu64 " intervals, %" PRIu64 " page writes, %" PRIu64 " pages\n",
            r.out, r.interval_count, total, rounded);
}

static void finish(void)
{
    pthread_mutex_lock(&r.lock);
    if (!r.written) {
        r.written = true;
        write_trace();
    }
    pthread_mutex_unlock(&r.lock);
}

/* ---- the thread ---------------------------------------------------------------------------------------------------- */

static void *record(void *context)
{
    struct timespec next;
    (void)context;
    (void)scan_all(false); /* what was written before does not count */
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!atomic_load(&r.stop) && r.interval_count < r.intervals_max) {
        uint64_t nsec = (uint64_t)next.tv_nsec + r.interval_ns;
        next.tv_sec += (time_t)(nsec / 1000000000u);
        next.tv_nsec = (long)(nsec % 1000000000u);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        if (scan_all(true)) {
            r.ends[r.interval_count++] = r.write_count;
        }
    }
    if (!atomic_load(&r.stop)) {
        finish();
    }
    return NULL;
}

__attribute__((destructor)) static void at_exit(void)
{
    if (r.out != NULL) {
        atomic_store(&r.stop, true);
        pthread_join(r.thread, NULL);
        finish();
    }
}

static int open_uffd(void)
{
    struct uffdio_api api = {.api = UFFD_API, .features = WP_ASYNC | WP_UNPOPULATED};
    r.uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    if (r.uffd < 0) {
        return complain("no userfaultfd");
    }
    if (ioctl(r.uffd, UFFDIO_API, &api) != 0) {
        return complain("this kernel has no asynchronous write protection");
    }
    r.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    return r.pagemap >= 0 ? 0 : complain("/proc/self/pagemap");
}

static uint64_t setting(const char *name, uint64_t value, uint64_t max)
{
    const char *text = getenv(name);
    uint64_t given = text != NULL ? strtoull(text, NULL, 10) : value;
    return given < 1 ? 1 : given > max ? max : given;
}

static const char *take_setting(const char *name)
{
    const char *text = getenv(name);
    const char *copy = text != NULL ? strdup(text) : NULL;
    unsetenv(name); /* not for children */
    return copy;
}

__attribute__((constructor)) static void begin(void)
{
    const char *out = take_setting("PWT_OUT");
    pthread_attr_t attributes;
    unsetenv("LD_PRELOAD");
    if (out == NULL) {
        return;
    }
    r.name = getenv("PWT_NAME") != NULL ? strdup(getenv("PWT_NAME")) : "recorded";
    r.largest = getenv("PWT_MAPPING") != NULL && strcmp(getenv("PWT_MAPPING"), "largest") == 0;
    r.interval_ns = setting("PWT_INTERVAL_MS", 10, 1000) * 1000000u;
    r.intervals_max = setting("PWT_SECONDS", 60, 86400) * 1000000000u / r.interval_ns;
    r.intervals_max = r.intervals_max < INTERVALS_MAX ? r.intervals_max : INTERVALS_MAX;
    r.regions = own_memory(REGIONS_MAX * sizeof *r.regions);
    r.writes = own_memory(WRITES_MAX * sizeof *r.writes);
    r.ends = own_memory(INTERVALS_MAX * sizeof *r.ends);
    r.slots = own_memory(SLOTS * 2 * sizeof *r.slots);
    r.maps = own_memory(MAPS_BYTES);
    void *stack = own_memory(STACK_BYTES);
    if (r.regions == NULL || r.writes == NULL || r.ends == NULL || r.slots == NULL ||
        r.maps == NULL || stack == NULL) {
        (void)complain("no address space");
        return;
    }
    /* This structure is in the library's own data, which is not the program's either. */
    r.own[r.own_count++] =
        (struct mapping){(uint64_t)(uintptr_t)&r / PAGE * PAGE,
                         ((uint64_t)(uintptr_t)(&r + 1) + PAGE - 1) / PAGE * PAGE};
    if (open_uffd() != 0) {
        return;
    }
    pthread_mutex_init(&r.lock, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, STACK_BYTES);
    if (pthread_create(&r.thread, &attributes, record, NULL) != 0) {
        (void)complain("no thread");
        return;
    }
    r.out = out;
}
