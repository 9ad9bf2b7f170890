/*
 * The dialler: connects to targets of [forward] sections that are numeric addresses or Unix sockets.  These
 * take no name server and nothing of a stranger's to read, so one process does for all what an errand for
 * each would do at fifty times the cost.  Orders and answers are those of the errand that dials.
 */
#ifndef ERRAND_DIALLER_H
#define ERRAND_DIALLER_H

#include "base/err.h"

/* Serve the master on its socket, until that closes and the last order is answered.  A role of cli/role.c. */
void dialler_run(int sock) __attribute__((noreturn));

/* For the master: is this target one for the dialler? */
int dialler_takes(const char *target);

/* For the master: pass on the socket in which an order waits; it stays the caller's.  0 or an ERR_* as of
 * fd_send(): an errand has to do it. */
int dialler_ask(int dialler, int order) MUST_CHECK;

#endif
