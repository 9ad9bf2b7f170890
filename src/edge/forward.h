/*
 * The forwarder: the process that carries what [forward] sections take between client and target.  The
 * bytes go from socket to socket in the kernel (splice(2)), and never into this process.  One for the whole
 * gateway; when the master ends it goes on, until its last connection has ended.
 */
#ifndef EDGE_FORWARD_H
#define EDGE_FORWARD_H

#include "base/err.h"

/* Serve the master on its socket.  A role of cli/role.c. */
void forward_run(int sock) __attribute__((noreturn));

/* Give up everything but carrying bytes between sockets that others open, reading what comes on sock,
 * which is REEXEC_SOCKET, and answering there; signals is the signalfd(2) that it reads.  0 or an ERR_*. */
int forward_confine(int signals) MUST_CHECK;

#endif
