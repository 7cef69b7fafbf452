#include "vm/rt_vms.h"

#include "sim/assert.h"
#include "vm/guest_cpu.h"

#include <stdlib.h>
#include <string.h>

/* A node's handle of an instance is the instance's number, in a pointer's clothes; a number that is gone fails in each call, as a stale
 * handle of a real hypervisor does. */
struct vms {
    struct vm_host *host;
    const struct vm_costs *costs;
};

const struct vm_costs vm_costs_default = {
    .create = 40 * SIM_MS,
    .per_gib_reserve = 10 * SIM_MS,
    .pause = 200 * SIM_US,
    .resume = 500 * SIM_US,
    .state_save = 1 * SIM_MS,
    .state_load = 1 * SIM_MS,
    .disk_handover = 0,
};

#define CONFIG_VERSION 1u

static struct vms *vms_of(struct rt *rt)
{
    struct vms *vms = rt_side_of(rt)->vms;
    SIM_ASSERT(vms != NULL);
    return vms;
}

static struct rt_vm *handle_of(const struct vm_instance *instance)
{
    return (struct rt_vm *)(uintptr_t)vm_instance_number(instance);
}

/* The instance behind a handle, if it is still on this host. */
static struct vm_instance *instance_of(struct rt *rt, const struct rt_vm *vm)
{
    return vm_host_instance(vms_of(rt)->host, (uint32_t)(uintptr_t)vm);
}

static enum rt_error error_of(enum vm_error error)
{
    switch (error) {
    case VM_OK:
        return RT_OK;
    case VM_NO_MEMORY:
        return RT_NO_MEMORY;
    case VM_EXISTS:
        return RT_IN_USE;
    case VM_UNKNOWN:
        return RT_NOT_FOUND;
    case VM_WRONG_STATE:
        return RT_WRONG_STATE;
    case VM_BAD_STATE:
    case VM_NO_NETWORK:
        break;
    }
    return RT_INVALID;
}

/* Charges work of the hypervisor and lets it pass before the world sees its effect. */
static void spend(struct rt *rt, sim_time cpu_ns)
{
    rt_side_charge(cpu_ns);
    rt_side_pay(rt_side_of(rt));
}

/* ---- building ----------------------------------------------------------------------------------------------------------- */

/* Configuration: version 4, pages 8, virtual processors 4, name with its length. */
static enum rt_error vms_config(struct rt *rt, struct rt_vm *vm, void **bytes, uint32_t *length)
{
    struct vm_instance *instance = instance_of(rt, vm);
    if (instance == NULL) {
        return RT_NOT_FOUND;
    }
    const struct vm_spec *spec = vm_instance_spec(instance);
    struct state_writer writer;
    state_writer_init(&writer);
    state_put_u32(&writer, CONFIG_VERSION);
    state_put_u64(&writer, spec->guest.page_count);
    state_put_u32(&writer, spec->vcpus);
    state_put_bytes(&writer, spec->name, (uint32_t)strlen(spec->name));
    *length = (uint32_t)writer.length;
    *bytes = machine_alloc(rt_side_of(rt)->machine, writer.length);
    if (*bytes != NULL) {
        memcpy(*bytes, writer.bytes, writer.length);
    }
    state_writer_close(&writer);
    return *bytes != NULL ? RT_OK : RT_NO_MEMORY;
}

/* The VM that configuration bytes speak of, or NULL where they speak of none that this run has. */
static const struct vm_spec *spec_of(const struct vm_world *world, const void *config,
                                     uint32_t length)
{
    struct state_reader reader;
    uint32_t name_length = 0;
    char name[VM_NAME_MAX];
    state_reader_init(&reader, config, length);
    uint32_t version = state_get_u32(&reader);
    uint64_t pages = state_get_u64(&reader);
    uint32_t vcpus = state_get_u32(&reader);
    const uint8_t *bytes = state_get_bytes(&reader, &name_length);
    if (!state_reader_done(&reader) || version != CONFIG_VERSION || name_length >= sizeof name) {
        return NULL;
    }
    memcpy(name, bytes, name_length);
    name[name_length] = 0;
    const struct vm_spec *spec = vm_world_spec(world, name);
    return spec != NULL && spec->guest.page_count == pages && spec->vcpus == vcpus ? spec : NULL;
}

static enum rt_error vms_create(struct rt *rt, const void *config, uint32_t length,
                                struct rt_vm **out, const char **why)
{
    struct vms *vms = vms_of(rt);
    const struct vm_spec *spec = spec_of(vms->host->world, config, length);
    if (spec == NULL) {
        *why = "the configuration names no VM that could be built here";
        return RT_INVALID;
    }
    spend(rt, vms->costs->create +
                  (sim_time)(spec->guest.page_count >> 18) * vms->costs->per_gib_reserve);
    struct vm_instance *instance = NULL;
    enum vm_error error = vm_instance_create(vms->host, spec, &instance);
    if (error != VM_OK) {
        *why = vm_error_text(error);
        return error_of(error);
    }
    *out = handle_of(instance);
    return RT_OK;
}

static void vms_destroy(struct rt *rt, struct rt_vm *vm)
{
    struct vm_instance *instance = instance_of(rt, vm);
    if (instance != NULL) {
        vm_instance_destroy(instance);
    }
}

static enum rt_error vms_find(struct rt *rt, const char *name, struct rt_vm **out)
{
    const struct vm_instance *instance = vm_host_find(vms_of(rt)->host, name);
    if (instance == NULL) {
        return RT_NOT_FOUND;
    }
    *out = handle_of(instance);
    return RT_OK;
}

static void vms_info(struct rt *rt, struct rt_vm *vm, struct rt_vm_info *out)
{
    const struct vm_instance *instance = instance_of(rt, vm);
    *out = (struct rt_vm_info){.name = "", .state = RT_VM_FAILED};
    if (instance == NULL) {
        return;
    }
    const struct vm_spec *spec = vm_instance_spec(instance);
    static const enum rt_vm_state states[] = {
        [VM_EMPTY] = RT_VM_EMPTY,
        [VM_LOADED] = RT_VM_EMPTY,
        [VM_RUNNING] = RT_VM_RUNNING,
        [VM_PAUSED_STATE] = RT_VM_PAUSED,
    };
    *out = (struct rt_vm_info){
        .name = spec->name,
        .pages = spec->guest.page_count,
        .vcpus = spec->vcpus,
        .state = states[vm_instance_state(instance)],
    };
}

/* ---- running and state ------------------------------------------------------------------------------------------------------ */

static enum rt_error vms_pause(struct rt *rt, struct rt_vm *vm)
{
    spend(rt, vms_of(rt)->costs->pause);
    struct vm_instance *instance = instance_of(rt, vm);
    return instance != NULL ? error_of(vm_instance_pause(instance)) : RT_NOT_FOUND;
}

static enum rt_error vms_resume(struct rt *rt, struct rt_vm *vm)
{
    spend(rt, vms_of(rt)->costs->resume);
    struct vm_instance *instance = instance_of(rt, vm);
    return instance != NULL ? error_of(vm_instance_resume(instance)) : RT_NOT_FOUND;
}

static enum rt_error vms_state_save(struct rt *rt, struct rt_vm *vm, void **bytes, uint32_t *length)
{
    spend(rt, vms_of(rt)->costs->state_save);
    const struct vm_instance *instance = instance_of(rt, vm);
    if (instance == NULL) {
        return RT_NOT_FOUND;
    }
    struct state_writer writer;
    state_writer_init(&writer);
    enum rt_error err = error_of(vm_instance_save(instance, &writer));
    if (err == RT_OK) {
        *length = (uint32_t)writer.length;
        *bytes = machine_alloc(rt_side_of(rt)->machine, writer.length);
        if (*bytes == NULL) {
            err = RT_NO_MEMORY;
        } else {
            memcpy(*bytes, writer.bytes, writer.length);
        }
    }
    state_writer_close(&writer);
    return err;
}

static enum rt_error vms_state_load(struct rt *rt, struct rt_vm *vm, const void *bytes,
                                    uint32_t length)
{
    spend(rt, vms_of(rt)->costs->state_load);
    struct vm_instance *instance = instance_of(rt, vm);
    return instance != NULL ? error_of(vm_instance_load(instance, bytes, length)) : RT_NOT_FOUND;
}

/* ---- pages ------------------------------------------------------------------------------------------------------------------------ */

static enum rt_error vms_log_start(struct rt *rt, struct rt_vm *vm)
{
    struct vm_instance *instance = instance_of(rt, vm);
    if (instance == NULL) {
        return RT_NOT_FOUND;
    }
    if (dirty_log_is_on(vm_memory_log(vm_instance_memory(instance)))) {
        return RT_WRONG_STATE;
    }
    rt_side_charge(vm_instance_log(instance, true));
    return RT_OK;
}

static void vms_log_stop(struct rt *rt, struct rt_vm *vm)
{
    struct vm_instance *instance = instance_of(rt, vm);
    if (instance != NULL) {
        rt_side_charge(vm_instance_log(instance, false));
    }
}

static enum rt_error vms_harvest(struct rt *rt, struct rt_vm *vm, uint64_t *bitmap, uint64_t *pages)
{
    sim_time host_ns = 0;
    rt_side_pay(rt_side_of(rt));
    struct vm_instance *instance = instance_of(rt, vm);
    if (instance == NULL) {
        return RT_NOT_FOUND;
    }
    if (!dirty_log_is_on(vm_memory_log(vm_instance_memory(instance)))) {
        return RT_WRONG_STATE;
    }
    *pages = vm_instance_harvest(instance, bitmap, &host_ns);
    rt_side_charge(host_ns);
    return RT_OK;
}

static enum rt_error vms_peek(struct rt *rt, struct rt_vm *vm, uint64_t *bitmap)
{
    sim_time host_ns = 0;
    rt_side_pay(rt_side_of(rt));
    struct vm_instance *instance = instance_of(rt, vm);
    if (instance == NULL) {
        return RT_NOT_FOUND;
    }
    struct dirty_log *log = vm_memory_log(vm_instance_memory(instance));
    if (!dirty_log_is_on(log)) {
        return RT_WRONG_STATE;
    }
    dirty_log_peek(log, bitmap, &host_ns);
    rt_side_charge(host_ns);
    return RT_OK;
}

static void vms_throttle(struct rt *rt, struct rt_vm *vm, uint32_t percent)
{
    SIM_ASSERT(percent >= 1 && percent <= 100);
    rt_side_pay(rt_side_of(rt));
    struct vm_instance *instance = instance_of(rt, vm);
    if (instance != NULL) {
        vm_instance_set_throttle(instance, percent * (GUEST_CPU_WHOLE / 100));
    }
}

static struct rt_page vms_page_get(struct rt *rt, struct rt_vm *vm, uint64_t index)
{
    struct rt_side *side = rt_side_of(rt);
    struct vm_instance *instance = instance_of(rt, vm);
    rt_side_charge(side->costs->page);
    if (instance == NULL) {
        return (struct rt_page){0};
    }
    struct page page = vm_memory_peek(vm_instance_memory(instance), index);
    if (SIM_UNLIKELY(vms_of(rt)->host->world->pages_recorded)) {
        vm_instance_note_sent(instance, index, page_is_zero(side->pages, page));
    }
    return rt_pages_give(side, page_ref(side->pages, page));
}

static enum rt_error vms_page_put(struct rt *rt, struct rt_vm *vm, uint64_t index,
                                  struct rt_page page)
{
    struct rt_side *side = rt_side_of(rt);
    struct vm_instance *instance = instance_of(rt, vm);
    rt_side_charge(side->costs->page);
    if (instance == NULL) {
        return RT_NOT_FOUND;
    }
    if (vm_instance_state(instance) != VM_EMPTY && vm_instance_state(instance) != VM_LOADED) {
        return RT_WRONG_STATE;
    }
    if (index >= vm_memory_page_count(vm_instance_memory(instance))) {
        return RT_INVALID;
    }
    if (SIM_UNLIKELY(vms_of(rt)->host->world->pages_recorded)) {
        vm_instance_note_arrived(instance, index, page_is_zero(side->pages, rt_pages_of(page)));
    }
    vm_memory_put(vm_instance_memory(instance), index, page_ref(side->pages, rt_pages_of(page)));
    return RT_OK;
}

/* ---- disks and addresses -------------------------------------------------------------------------------------------------------------- */

static enum rt_error vms_disks(struct rt *rt, struct rt_vm *vm, rt_time deadline)
{
    struct vms *vms = vms_of(rt);
    (void)vm;
    if (vms->costs->disk_handover > 0 &&
        task_sleep_until(machine_now(rt_side_of(rt)->machine) + vms->costs->disk_handover) ==
            TASK_CANCELLED) {
        return RT_CANCELLED;
    }
    return machine_now(rt_side_of(rt)->machine) > deadline ? RT_TIMED_OUT : RT_OK;
}

static void vms_announce(struct rt *rt, struct rt_vm *vm,
                         const struct rt_announcement *announcement)
{
    rt_side_pay(rt_side_of(rt));
    struct vm_instance *instance = instance_of(rt, vm);
    if (instance != NULL) {
        vm_instance_announce(instance, &(struct ip_announcement){
                                           announcement->count, announcement->spacing_ns,
                                           announcement->step_ns, announcement->spacing_ns_max});
    }
}

static const struct rt_vm_table vm_table = {
    .create = vms_create,
    .destroy = vms_destroy,
    .find = vms_find,
    .info = vms_info,
    .config = vms_config,
    .pause = vms_pause,
    .resume = vms_resume,
    .state_save = vms_state_save,
    .state_load = vms_state_load,
    .log_start = vms_log_start,
    .log_stop = vms_log_stop,
    .harvest = vms_harvest,
    .peek = vms_peek,
    .throttle = vms_throttle,
    .page_get = vms_page_get,
    .page_put = vms_page_put,
    .disks_release = vms_disks,
    .disks_acquire = vms_disks,
    .announce = vms_announce,
};

void rt_vms_attach(struct rt_side *side, struct vm_host *host, const struct vm_costs *costs)
{
    struct vms *vms = calloc(1, sizeof *vms);
    SIM_ASSERT(vms != NULL);
    vms->host = host;
    vms->costs = costs != NULL ? costs : &vm_costs_default;
    side->vms = vms;
    side->rt.vms = &vm_table;
}

void rt_vms_detach(struct rt_side *side)
{
    free(side->vms);
    side->vms = NULL;
}
