/*
 * On the way to the machines behind: so many at once, and not all of them to one machine, so
 * that those who wait for a dead one keep nobody else from theirs, and that one which many want
 * to log in to at once is not asked for more than sshd takes (MaxStartups 10:30:100).
 */
#ifndef KEEPER_DIALS_H
#define KEEPER_DIALS_H

#include "keeper/ksession.h"

/* From the errand that dials until the machine has let the gateway in (or, with Passthrough,
 * until it is a person who is waited for): all of them, and those to the same machine. */
#define DIALS_MAX 128
#define DIALS_SAME_MAX 8

/* Get in line (for ConnectTimeout, or as long as it moves) for the machine of s->route.  The
 * errand's answer comes to upstream_errand_answer(); that there is none, to
 * upstream_not_dialled(). */
void dials_ask(struct ksession *s);

/* It is there, or not needed any more: the place is free.  An errand ends with the socket it
 * answers on. */
void dials_arrived(struct ksession *s);
void dials_cancel(struct ksession *s);

/* After each round of events: those whose turn it is. */
void dials_start(struct keeper *k);

/* Those whose turn has not come in time. */
void dials_sweep(struct keeper *k, int64_t now);

#endif
