/* The JSON document: every property of every part, and what its schema and reference say of it. */
#include "tests/report/report_world.h"

#include "testbed/report_docs.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* One part of each sort, one action of each kind; and records after which every property has a value. */
static const char everything[] =
    "networks:\n"
    "  lan: {rate: 1Gbit/s, delay: 5us}\n"
    "nodes:\n"
    "  node1..node2: {memory: 4GiB, nics: [lan]}\n"
    "clients:\n"
    "  alice: {nics: [lan]}\n"
    "  bob: {nics: [lan]}\n"
    "vms:\n"
    "  web: {node: node1, memory: 512MiB, nics: [lan]}\n"
    "timeline:\n"
    "  - {at: 0s, ping: {from: alice, to: web, every: 1s}, as: ping}\n"
    "  - {at: 0s, request: {from: alice, to: web, port: 80, every: 1s}, as: shop}\n"
    "  - {at: 0s, tcp-bulk: {from: alice, to: bob, bytes: 1GiB}, as: bulk}\n"
    "  - {at: 5s, live-migrate: {vm: web, to: node2, over: [lan]}, as: move}\n"
    "  - {at: 6s, fault: {link: node2/lan, down: true, for: 1s}, as: outage}\n"
    "end: {at: 20s}\n"
    "expect:\n"
    "  - web.state == running\n"
    "  - {never: web.state == paused}\n";

static const char all_known[] = "boot\n"
                                "0s ping action.starts 1 : ping\n"
                                "0s shop action.starts 2 : request\n"
                                "0s bulk action.starts 3 : tcp-bulk\n"
                                "ping ping 0s 10s 1s 1ms\n"
                                "0s alice net.tcp_opened 3 10.1.0.4 40000 10.1.0.5 80\n"
                                "1s shop request.sent 0\n"
                                "1.001s shop request.done 0 1ms\n"
                                "4s bulk bulk.done 1GiB 4s 0\n"
                                "4s bulk action.ends 3 : done\n"
                                "5s move action.starts 4 : live-migrate\n"
                                "5s node1 migration.ordered 4 : web\n"
                                "5s node1 migration.step 4 1 : connect\n"
                                "5.1s node1 migration.step 4 4 : pre-copy\n"
                                "5.2s node1 net.tcp_timeout 9 1 100ms 0\n"
                                "5.9s node1 migration.round 4 1 131072 7 512MiB 800ms 100 3ms\n"
                                "5.9s node1 migration.step 4 5 : stop-copy\n"
                                "5.9s web vm.paused 1 node1\n"
                                "6s outage action.starts 5 : fault\n"
                                "6s outage fault.starts 0 1 : node2/lan\n"
                                "6s node2/lan> net.frame_lost 100 0 0 0 @outage : down\n"
                                "6.5s node1 migration.round 4 2 100 0 400KiB 600ms 0 0\n"
                                "6.6s web vm.created 2 node2 131072\n"
                                "6.6s node1 migration.handover 4 5 : given\n"
                                "6.7s web vm.runs 2 node2\n"
                                "6.8s web vm.gone 1 node1 0 0\n"
                                "7s outage fault.stops 0 : node2/lan\n"
                                "7s outage action.ends 5 : over\n"
                                "7s node1 migration.ended 4 1 5 : completed\n"
                                "8s shop action.ends 2 : stopped\n"
                                "9s ping action.ends 1 : stopped\n"
                                "20s web vm.totals 2 1000 0 0 0 0\n"
                                "20s node1/lan> link.totals 5 5000 0 1500 1s 1\n"
                                "20s node2/lan> link.totals 5 5000 0 1500 1s 1\n"
                                "20s alice/lan> link.totals 5 5000 0 1500 1s 1\n"
                                "20s bob/lan> link.totals 5 5000 0 1500 1s 1\n"
                                "end 20s\n";

static json_t *document_of(const struct run_result *result)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    cr_assert(report_json(out, result));
    fclose(out);
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(document);
    free(text);
    return document;
}

/* A part of each class has a metric for each row of the property table, with its unit. */
Test(document, covers_every_property)
{
    struct report_world world;
    report_world_open(&world, "everything", everything, all_known);
    json_t *document = document_of(&world.result);
    json_t *metrics = json_object_get(document, "metrics");
    const struct scenario *scenario = world.scenario;
    size_t expected = 0;
    for (uint32_t n = 0; n < scenario->name_count; n++) {
        uint32_t class_bit = property_class(scenario, scenario->names[n].part);
        for (uint32_t i = 0; i < property_table_count; i++) {
            const struct property_row *row = &property_table[i];
            if ((row->classes & class_bit) == 0) {
                continue;
            }
            char name[256];
            snprintf(name, sizeof name, "%s.%s%s", scenario->names[n].name, row->name,
                     report_metric_suffix(row));
            json_t *value = json_object_get(metrics, name);
            cr_expect_not_null(value, "no %s", name);
            bool is_word = row->type == PROPERTY_WORD || row->type == PROPERTY_NODE;
            cr_expect(is_word ? json_is_string(value) : json_is_integer(value), "%s", name);
            expected++;
        }
    }
    cr_expect_eq(json_object_size(metrics), expected);
    cr_expect_eq(json_integer_value(json_object_get(metrics, "move.downtime_ns")), 800 * SIM_MS);
    cr_expect_eq(json_integer_value(json_object_get(metrics, "ping.rtt.max_ns")), SIM_MS);
    cr_expect_eq(json_integer_value(json_object_get(metrics, "outage.hits")), 1);
    cr_expect_eq(json_integer_value(json_object_get(metrics, "bulk.goodput_bps")),
                 INT64_C(2147483648));
    cr_expect_str_eq(json_string_value(json_object_get(metrics, "web.node")), "node2");
    json_decref(document);
    report_world_close(&world);
}

/* A schema of ours, as far as we use the language: types, required and further fields, enum. */
static void check_against(const json_t *schema, const json_t *value, const char *where)
{
    const json_t *words = json_object_get(schema, "enum");
    const json_t *type = json_object_get(schema, "type");
    const char *kind = json_is_string(type) ? json_string_value(type) : "";
    const char *key = NULL;
    const json_t *part = NULL;
    size_t index = 0;
    if (words != NULL) {
        bool found = false;
        json_array_foreach(words, index, part)
        {
            found = found || json_equal(part, value);
        }
        cr_expect(found, "%s: not among the words", where);
    } else if (strcmp(kind, "object") == 0) {
        const json_t *properties = json_object_get(schema, "properties");
        json_array_foreach(json_object_get(schema, "required"), index, part)
        {
            cr_expect_not_null(json_object_get(value, json_string_value(part)), "%s: no %s", where,
                               json_string_value(part));
        }
        json_object_foreach((json_t *)(uintptr_t)value, key, part)
        {
            const json_t *field = properties != NULL ? json_object_get(properties, key) : NULL;
            cr_expect(properties == NULL || field != NULL, "%s: %s is too much", where, key);
            if (field != NULL) {
                check_against(field, part, key);
            }
        }
    } else if (strcmp(kind, "array") == 0) {
        cr_expect(json_is_array(value), "%s", where);
        json_array_foreach(value, index, part)
        {
            check_against(json_object_get(schema, "items"), part, where);
        }
    } else if (strcmp(kind, "string") == 0) {
        cr_expect(json_is_string(value), "%s", where);
    } else if (strcmp(kind, "integer") == 0) {
        cr_expect(json_is_integer(value), "%s", where);
    } else if (strcmp(kind, "boolean") == 0) {
        cr_expect(json_is_boolean(value), "%s", where);
    } else {
        cr_expect(json_is_string(value) || json_is_null(value), "%s", where);
    }
}

Test(document, fits_its_schema)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    report_schema_print(out);
    fclose(out);
    json_t *schema = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(schema);
    free(text);
    static const char *const records[] = {all_known, "boot\nend 20s\n",
                                          "boot\n6s web vm.harvested 1 5 2 3\nend 20s\n"};
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        struct report_world world;
        report_world_open(&world, "everything", everything, records[i]);
        json_t *document = document_of(&world.result);
        check_against(json_object_get(json_object_get(schema, "$defs"), "run"), document,
                      "document");
        json_decref(document);
        report_world_close(&world);
    }
    json_decref(schema);
}

/* The reference names every property and every oracle. */
Test(document, reference_is_whole)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    report_docs_print(out);
    fclose(out);
    for (uint32_t i = 0; i < property_table_count; i++) {
        char name[128];
        snprintf(name, sizeof name, "`NAME.%s%s`", property_table[i].name,
                 report_metric_suffix(&property_table[i]));
        cr_expect_not_null(strstr(text, name), "%s", name);
    }
    for (uint32_t i = 0; i < ORACLES; i++) {
        cr_expect_not_null(strstr(text, oracle_name((enum oracle)i)));
        cr_expect_not_null(strstr(text, oracle_meaning((enum oracle)i)));
    }
    free(text);
}
