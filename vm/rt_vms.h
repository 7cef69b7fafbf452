/* vm/rt_vms.h - the simulator's virtual machines as node software sees them: fills in the rt_vm_* table of a node. */
#ifndef ORRERY_VM_RT_VMS_H
#define ORRERY_VM_RT_VMS_H

#include "sim/rt_side.h"
#include "vm/vm_instance.h"

/* Processor time of the hypervisor's own work; docs/models.md cites sources. */
struct vm_costs {
    sim_time create, per_gib_reserve; /* building an empty VM                         */
    sim_time pause, resume;           /* stopping and starting virtual processors     */
    sim_time state_save, state_load;  /* processor and device state                   */
    sim_time disk_handover;           /* an interface for now: a VM has no disks yet   */
};
extern const struct vm_costs vm_costs_default;

/* Gives the node this host's VMs. Both are borrowed. */
void rt_vms_attach(struct rt_side *side, struct vm_host *host, const struct vm_costs *costs);
void rt_vms_detach(struct rt_side *side);

#endif
