/* testbed/schema_maps.h - what the files of the schema table share. The rows (schema.h) stand in the order in which the reference prints
 * them, by what they describe:
 *
 *     schema_machines.c   networks, nodes, clients
 *     schema_vms.c        VMs and their guests
 *     schema_timeline.c   items, and what each action takes
 *     schema_policy.c     policies of migrations, compression, drains
 *     schema_table.c      ends, expectations, the whole file
 *
 * For those files alone. */
#ifndef ORRERY_TESTBED_SCHEMA_MAPS_H
#define ORRERY_TESTBED_SCHEMA_MAPS_H

#include "testbed/schema.h"

#define AT(type_name, member) .offset = offsetof(struct type_name, member)
#define LIST_AT(type_name, member, counter)                                                        \
    .offset = offsetof(struct type_name, member),                                                  \
    .count_offset = offsetof(struct type_name, counter)
#define KEYS(rows)   .keys = (rows), .key_count = sizeof(rows) / sizeof((rows)[0])
#define GROUPS(rows) .groups = (rows), .group_count = sizeof(rows) / sizeof((rows)[0])
#define PART(kind)   (UINT32_C(1) << (kind))
#define ACTION(kind) (UINT32_C(1) << (kind))
#define ANY_MACHINE  (PART(SCENARIO_NODE) | PART(SCENARIO_CLIENT) | PART(SCENARIO_VM))

#define KIB   INT64_C(1024)
#define MIB   (KIB * 1024)
#define GIB   (MIB * 1024)
#define TIB   (GIB * 1024)
#define HOURS (3600 * SIM_S)
#define YEAR  (8760 * HOURS) /* longer than any run, and far from the end of sim_time */

extern const struct schema_map schema_network, schema_node, schema_client,
    schema_tcp;                                                              /* schema_machines.c */
extern const struct schema_map schema_vm;                                    /* schema_vms.c */
extern const struct schema_map schema_item, schema_fault;                    /* schema_timeline.c */
extern const struct schema_map schema_policy, schema_compress, schema_drain; /* schema_policy.c */

#endif
