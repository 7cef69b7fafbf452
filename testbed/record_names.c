#include "testbed/record_names.h"

#include <string.h>

#include "cluster/migration_records.h"
#include "nic/net.h"
#include "testbed/run_records.h"
#include "vm/vm_records.h"

static bool get_of(const struct record_kind *kinds, uint32_t count, uint32_t *index,
                   struct record_name *out)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!kinds[i].detail && (*index)-- == 0) {
            *out = (struct record_name){kinds[i].name, kinds[i].meaning, kinds[i].text};
            return true;
        }
    }
    return false;
}

bool record_names_get(uint32_t index, struct record_name *out)
{
    if (get_of(run_record_kinds, RUN_RECORDS, &index, out) ||
        get_of(vm_record_kinds, VM_RECORD_KINDS, &index, out) ||
        get_of(net_record_kinds, NET_RECORD_KINDS, &index, out)) {
        return true;
    }
    if (index >= MIGRATION_RECORDS) {
        return false;
    }
    const struct rt_record_kind *kind = &migration_record_kinds[index];
    *out = (struct record_name){kind->name, kind->meaning, kind->text};
    return true;
}

bool record_names_find(const char *name, struct record_name *out)
{
    for (uint32_t i = 0; record_names_get(i, out); i++) {
        if (strcmp(out->name, name) == 0) {
            return true;
        }
    }
    return false;
}

void record_names_offer(struct nearest_word *nearest)
{
    struct record_name name;
    for (uint32_t i = 0; record_names_get(i, &name); i++) {
        nearest_word_offer(nearest, name.name);
    }
}
