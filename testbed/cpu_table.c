#include "testbed/cpu_table.h"

#include "sim/assert.h"
#include "testbed/schema.h"

static const struct {
    bool intel, second_level, dirty_bits, pml;
} cpus[SCENARIO_CPUS] = {
    [SCENARIO_CPU_CORE2] = {true, false, false, false},
    [SCENARIO_CPU_NEHALEM] = {true, true, false, false},
    [SCENARIO_CPU_WESTMERE] = {true, true, false, false},
    [SCENARIO_CPU_HASWELL] = {true, true, true, false},
    [SCENARIO_CPU_BROADWELL] = {true, true, true, true},
    [SCENARIO_CPU_K8] = {false, false, false, false},
    [SCENARIO_CPU_K10] = {false, true, true, false},
    [SCENARIO_CPU_ZEN] = {false, true, true, false},
};

enum scenario_paging cpu_table_paging(enum scenario_cpu cpu)
{
    SIM_ASSERT(cpu < SCENARIO_CPUS);
    if (!cpus[cpu].second_level) {
        return SCENARIO_SHADOW;
    }
    return cpus[cpu].intel ? SCENARIO_EPT : SCENARIO_NPT;
}

enum scenario_dirty_log cpu_table_dirty_log(enum scenario_cpu cpu, enum scenario_paging paging)
{
    static const enum scenario_dirty_log best_first[] = {SCENARIO_PML, SCENARIO_DIRTY_BITS};
    for (uint32_t i = 0; i < 2; i++) {
        if (paging != SCENARIO_SHADOW &&
            cpu_table_refuses_dirty_log(cpu, paging, best_first[i]) == NULL) {
            return best_first[i];
        }
    }
    return SCENARIO_WRITE_PROTECT;
}

bool cpu_table_runs(enum scenario_cpu started_on, enum scenario_cpu moves_to)
{
    SIM_ASSERT(started_on < SCENARIO_CPUS);
    SIM_ASSERT(moves_to < SCENARIO_CPUS);
    /* Generations of each maker stand in the order of their age. */
    return cpus[started_on].intel == cpus[moves_to].intel && started_on <= moves_to;
}

const char *cpu_table_refuses_paging(enum scenario_cpu cpu, enum scenario_paging paging)
{
    SIM_ASSERT(cpu < SCENARIO_CPUS);
    if (paging == SCENARIO_EPT && !cpus[cpu].intel) {
        return "EPT is Intel's; AMD's is npt";
    }
    if (paging == SCENARIO_NPT && cpus[cpu].intel) {
        return "NPT is AMD's; Intel's is ept";
    }
    if ((paging == SCENARIO_EPT || paging == SCENARIO_NPT) && !cpus[cpu].second_level) {
        return "this processor has no second-level tables; it takes shadow";
    }
    return NULL;
}

const char *cpu_table_refuses_dirty_log(enum scenario_cpu cpu, enum scenario_paging paging,
                                        enum scenario_dirty_log dirty_log)
{
    SIM_ASSERT(cpu < SCENARIO_CPUS);
    if (dirty_log == SCENARIO_PML && (!cpus[cpu].pml || paging != SCENARIO_EPT)) {
        return cpus[cpu].pml ? "the page-modification log needs paging: ept"
                             : "this processor has no page-modification log; intel/broadwell has";
    }
    /* Shadow tables are ordinary page tables, whose dirty bits every processor sets. */
    if (dirty_log == SCENARIO_DIRTY_BITS && paging != SCENARIO_SHADOW && !cpus[cpu].dirty_bits) {
        return "the second-level tables of this processor have no dirty bits; intel/haswell has";
    }
    return NULL;
}

/* ---- words --------------------------------------------------------------------------------------------------------- */

static const char *node_word(const char *key_name, int value)
{
    const struct schema_key *nodes = schema_key_find(&schema_scenario, "nodes");
    const struct schema_key *key = schema_key_find(nodes->map, key_name);
    SIM_ASSERT(key != NULL);
    const char *word = schema_choice_word(key->choices, value);
    SIM_ASSERT(word != NULL);
    return word;
}

const char *scenario_cpu_word(enum scenario_cpu cpu)
{
    return node_word("cpu", (int)cpu);
}

const char *scenario_paging_word(enum scenario_paging paging)
{
    return node_word("paging", (int)paging);
}

const char *scenario_dirty_log_word(enum scenario_dirty_log dirty_log)
{
    return node_word("dirty-log", (int)dirty_log);
}

bool scenario_cpu_is_intel(enum scenario_cpu cpu)
{
    SIM_ASSERT(cpu < SCENARIO_CPUS);
    return cpus[cpu].intel;
}
