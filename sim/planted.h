/* sim/planted.h - bugs that tests plant in the model itself, to prove that an oracle finds them.
 *
 * In a build with PLANTS=1 the environment variable ORRERY_PLANT names the one bug that is planted. In every other build
 * SIM_PLANTED is the constant false, and the planted branch is not compiled. Node software has RT_PLANTED of rt/rt.h, which in a
 * simulation is answered here too. */
#ifndef ORRERY_SIM_PLANTED_H
#define ORRERY_SIM_PLANTED_H

#include "sim/types.h"

#ifdef ORRERY_PLANTS
/* The environment is read at the first call of either, once. */
bool sim_planted(const char *name);
bool rt_planted(const char *name);
#define SIM_PLANTED(name) sim_planted(#name)
#else
#define SIM_PLANTED(name) false
#endif

#endif
