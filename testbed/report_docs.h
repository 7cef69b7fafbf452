/* testbed/report_docs.h - what the JSON document of a run holds: its schema and its reference, printed from one table.
 *
 * A metric's name is what an expectation writes (`move.downtime`, `ping.rtt.max`, `node2/migration.drops`), and behind it the unit of its
 * value: _ns, _bytes, _bps, _per_hour, _ppb; nothing for counts and words. */
#ifndef ORRERY_TESTBED_REPORT_DOCS_H
#define ORRERY_TESTBED_REPORT_DOCS_H

#include "testbed/property_table.h"

#include <stdio.h>

/* Version of the document; it rises when a field changes its meaning or goes. */
#define REPORT_SCHEMA 1

/* "_ns", ..., "": what the metric of a property has behind its name. */
const char *report_metric_suffix(const struct property_row *row);
/* docs/metrics.md */
void report_docs_print(FILE *out);
/* docs/report.schema.json */
void report_schema_print(FILE *out);

#endif
