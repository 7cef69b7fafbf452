/* testbed/schema_json.h - the schema table as JSON Schema (draft-07), for editors that complete and check while one types.
 *
 * It knows all that a map, a key, a unit and a choice can tell; what is only true of parts together is left to `orrery check`. */
#ifndef ORRERY_TESTBED_SCHEMA_JSON_H
#define ORRERY_TESTBED_SCHEMA_JSON_H

#include <stdio.h>

void schema_json_print(FILE *out);

#endif
