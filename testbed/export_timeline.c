#include "testbed/export_private.h"
void export_timeline(FILE *out, struct recording *recording, const struct export_options *options,
                     struct export_count *count)
{
    (void)out, (void)recording, (void)options, (void)count;
}
