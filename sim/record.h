/* sim/record.h - typed records: what the model says happened.
 *
 * A record kind is a name and the names and units of up to RECORD_VALUES_MAX integers, and possibly a text. Kinds are
 * static tables of the module that writes them, added to the recorder at load; a recording carries the table, so a reader
 * needs no other and skips kinds it does not know. Every record names the record that caused it (0 for none). */
#ifndef ORRERY_SIM_RECORD_H
#define ORRERY_SIM_RECORD_H

#include "sim/types.h"

#define RECORD_VALUES_MAX 8u
#define RECORD_TEXT_MAX   255u

enum record_unit {
    RECORD_END = 0, /* no further field */
    RECORD_COUNT,
    RECORD_PAGES,
    RECORD_BYTES,
    RECORD_NS,      /* a duration */
    RECORD_INSTANT, /* an instant of global time */
    RECORD_BPS,
    RECORD_FLAG,   /* 0 or 1 */
    RECORD_NUMBER, /* an identifier: port, request */
    RECORD_ORIGIN, /* a part of the scenario, by origin; SIM_NONE for none */
    RECORD_IP4,    /* an address, first octet highest */
    RECORD_MAC,    /* an address of 48 bits, first octet highest */
    RECORD_UNITS, /* how many there are; numbers are part of the recording format and never change */
};

struct record_field {
    const char *name; /* "pages" */
    enum record_unit unit;
};

struct record_kind {
    const char *name;    /* "migration.round" */
    const char *meaning; /* one sentence, for the reference and for lists of events */
    struct record_field fields[RECORD_VALUES_MAX];
    const char *text; /* what the text is, NULL where there is none */
    bool detail; /* not hashed, takes no id, and is written only where asked for (page states) */
};

struct record {
    sim_time time;
    uint64_t id;    /* counts hashed records and frames from 1; 0 for a record of a detail kind */
    uint64_t cause; /* id of the record that caused this one; 0 for none */
    uint32_t kind;
    uint32_t origin;
    int64_t values[RECORD_VALUES_MAX]; /* as many as the kind has fields, then zeros */
    const char *text;                  /* "" where the kind has none; borrowed for the call */
};

#endif
