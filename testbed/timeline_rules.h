/* testbed/timeline_rules.h - the rules of scenario_rules.h that concern timeline, end and expectations. */
#ifndef ORRERY_TESTBED_TIMELINE_RULES_H
#define ORRERY_TESTBED_TIMELINE_RULES_H

#include "testbed/scenario.h"

void timeline_rules_apply(struct scenario *scenario, struct diagnostics *diagnostics);

/* Bytes of a frame of a video, rounded up. */
int64_t timeline_video_frame_bytes(const struct scenario_video *video);

#endif
