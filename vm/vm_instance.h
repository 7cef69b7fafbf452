/* vm/vm_instance.h - one instance of a VM on one host: second-level tables, dirty log, virtual NICs, guest, run state.
 *
 *   create ─► EMPTY ──boot──────────────────► RUNNING ◄──resume── PAUSED
 *               └──load state──► LOADED ──resume──▲  └───pause───────▲
 *   any ── destroy, or the host's crash ──► gone
 *
 * Nothing is ever re-parented (DESIGN idea 4): a VM that moves is a second instance, built from configuration, pages and state that
 * arrived. Two instances of a VM can exist, and could run; then an oracle says so.
 *
 *  I1. An instance runs only if its machine runs: pause stops its clock, its timers and its guest.
 *  I2. What a host's crash takes with it: instances, memory, virtual NICs. Nothing of them is left in switches or pools.
 *  I3. At its first resume from loaded state the hardware side compares memory and state with the instance it came from, and
 *      records the outcome (VM_COMPARED). */
#ifndef ORRERY_VM_VM_INSTANCE_H
#define ORRERY_VM_VM_INSTANCE_H

#include "nic/ether_switch.h"
#include "nic/nic.h"
#include "vm/guest.h"
#include "vm/vm_records.h"

#define VM_NICS_MAX 8u
#define VM_NAME_MAX 64u

/* A VM of the scenario: immutable, known to the whole run by its name. */
struct vm_spec {
    const char *name;
    uint32_t origin;
    uint32_t vcpus;
    struct guest_spec guest;
    uint32_t nic_count;
    struct vm_nic_spec {
        uint32_t network; /* number in the scenario: chooses the host's virtual switch */
        struct mac mac;
        struct ip4 address;
        uint8_t prefix_bits;
        uint32_t mtu;
    } nics[VM_NICS_MAX];
};

/* All VMs of a run, and all their instances, wherever they are: what the hardware side knows and no node sees. */
struct vm_world {
    struct net *net;
    uint32_t record_base;
    const struct vm_spec *specs;
    uint32_t spec_count;
    struct vm_instance *instances; /* all, newest first */
    uint32_t next_instance;        /* instances are numbered from 1 */
    struct vm_host **ran_last;     /* by spec: the host that ran it last; NULL before it ever ran */
    bool pages_recorded;           /* page states of some VM are asked for */
    const struct vm_spec *pages_of; /* of this one; NULL: of all */
};

/* One host as VMs see it. */
struct vm_host {
    struct vm_world *world;
    struct machine *machine;
    uint32_t origin;
    struct host_memory *memory;
    struct guest_cores cores;
    enum second_level_format paging;
    enum dirty_log_mechanism dirty_log;
    struct ether_switch **switches; /* by network number; NULL where the host has no NIC on it */
    const struct wire_pace **paces; /* the same: of the NIC's wire */
    uint32_t switch_count;
    struct vm_instance *last; /* asked for last; NULL after any was destroyed */
};

enum vm_instance_state { VM_EMPTY, VM_LOADED, VM_RUNNING, VM_PAUSED_STATE };

enum vm_error {
    VM_OK,
    VM_NO_MEMORY,
    VM_EXISTS,
    VM_UNKNOWN,
    VM_WRONG_STATE,
    VM_BAD_STATE,
    VM_NO_NETWORK
};
const char *vm_error_text(enum vm_error error);

struct vm_instance;

void vm_world_init(struct vm_world *world, struct net *net, const struct vm_spec *specs,
                   uint32_t spec_count);
/* Destroys what instances are left. */
void vm_world_close(struct vm_world *world);
/* The host that runs a VM, or ran it last, or NULL. */
struct vm_host *vm_world_ran_last(const struct vm_world *world, const struct vm_spec *spec);
const struct vm_spec *vm_world_spec(const struct vm_world *world, const char *name); /* or NULL */

/* Asks the recorder for page states (VM_PAGE_*) of a VM, or of all where it is NULL. Before there is an instance. They are records of
 * detail: they change neither the run nor its hash. */
void vm_world_record_pages(struct vm_world *world, const struct vm_spec *spec);

/* Watches the host's machine: its crash destroys all instances and resets its memory. */
void vm_host_init(struct vm_host *host);
void vm_host_close(struct vm_host *host);
/* Processor time that the host's cores gave to vCPUs until now. */
sim_time vm_host_served(const struct vm_host *host);

/* An EMPTY instance of a VM. VM_EXISTS where this host has one, VM_NO_MEMORY, VM_NO_NETWORK; then VM_REFUSED is recorded. */
SIM_CHECKED enum vm_error vm_instance_create(struct vm_host *host, const struct vm_spec *spec,
                                             struct vm_instance **out);
void vm_instance_destroy(struct vm_instance *instance);
struct vm_instance *vm_host_find(struct vm_host *host, const char *name); /* or NULL */
/* The instance of that number, if it is on this host; or NULL. O(1) for the one asked for last. */
struct vm_instance *vm_host_instance(struct vm_host *host, uint32_t number);

/* EMPTY to RUNNING, with initial memory. */
SIM_CHECKED enum vm_error vm_instance_boot(struct vm_instance *instance);
SIM_CHECKED enum vm_error vm_instance_pause(struct vm_instance *instance);
SIM_CHECKED enum vm_error vm_instance_resume(struct vm_instance *instance);
/* All but RAM of a PAUSED instance; the same bytes every time until it runs again. */
SIM_CHECKED enum vm_error vm_instance_save(const struct vm_instance *instance,
                                           struct state_writer *writer);
/* Into an EMPTY one; VM_BAD_STATE leaves it EMPTY. */
SIM_CHECKED enum vm_error vm_instance_load(struct vm_instance *instance, const void *bytes,
                                           size_t length);
/* Logging on or off; off twice is fine. Returns the host's processor time. */
sim_time vm_instance_log(struct vm_instance *instance, bool on);
/* As dirty_log_harvest, then the witness's check is recorded (VM_HARVESTED). */
uint64_t vm_instance_harvest(struct vm_instance *instance, uint64_t *bitmap, sim_time *host_ns);
/* Leaves the guest a share of its time, of GUEST_CPU_WHOLE (at least GUEST_CPU_SHARE_MIN): what the hypervisor throttles, and what a
 * fault steals. Both act, until they are set to the whole again; an instance begins unthrottled. Recorded (VM_THROTTLED) where it
 * changes. */
void vm_instance_set_throttle(struct vm_instance *instance, int64_t share_ppb);
void vm_instance_set_stolen(struct vm_instance *instance, int64_t share_ppb);
void vm_instance_announce(struct vm_instance *instance, const struct ip_announcement *announcement);

/* For page states: node software took this page, or put it. Call where vm_world.pages_recorded says so. */
void vm_instance_note_sent(struct vm_instance *instance, uint64_t index, bool zero);
void vm_instance_note_arrived(const struct vm_instance *instance, uint64_t index, bool zero);

const struct vm_spec *vm_instance_spec(const struct vm_instance *instance);
enum vm_instance_state vm_instance_state(const struct vm_instance *instance);
uint32_t vm_instance_number(const struct vm_instance *instance);
struct vm_host *vm_instance_host(const struct vm_instance *instance);
struct vm_memory *vm_instance_memory(struct vm_instance *instance);
struct ip_stack *vm_instance_stack(struct vm_instance *instance);
struct tcp_layer *vm_instance_tcp(struct vm_instance *instance);
struct machine *vm_instance_machine(struct vm_instance *instance);
struct guest *vm_instance_guest(struct vm_instance *instance);
/* The running instance of a VM, or its newest one, or NULL: for what the scenario does to a VM by name. */
struct vm_instance *vm_world_current(const struct vm_world *world, const struct vm_spec *spec);

#endif
