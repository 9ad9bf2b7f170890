/*
 * Connections to the machines behind: an errand each, so many at once and not all of them
 * to one machine, so that those who wait for a dead one keep nobody else from theirs.
 */
#ifndef KEEPER_DIALS_H
#define KEEPER_DIALS_H

#include "keeper/ward.h"

/* Errands that dial at once, and those of them that may dial the same machine. */
#define DIALS_MAX 128
#define DIALS_SAME_MAX 8

/* Get in line for the machine of w->route.  The errand's answer comes to
 * upstream_errand_answer(); that there is none, to upstream_not_dialled(). */
void dials_ask(struct ward *w);

/* The errand has answered or has gone, or nobody waits for it: the place is free.  An errand
 * ends with the socket it answers on. */
void dials_done(struct ward *w);

/* After each round of events: those whose turn it is. */
void dials_start(struct keeper *k);

/* Those whose turn has not come in time. */
void dials_sweep(struct keeper *k, int64_t now);

#endif
