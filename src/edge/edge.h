/*
 * The process that reads the first bytes of a connection: the header with which a load balancer says whose
 * connection it is (formats/proxy_header.h), and what says whether it is SSH (kind.h).  One for the whole
 * gateway, and only where the configuration needs it.
 */
#ifndef EDGE_EDGE_H
#define EDGE_EDGE_H

#include <sys/resource.h>

#include "base/err.h"

/* Serve the master on its socket until it closes. */
void edge_run(int sock) __attribute__((noreturn));

/* Give up everything but reading what comes on connections of the master's, and answering it on sock, which
 * is REEXEC_SOCKET.  0 or an ERR_*. */
int edge_confine(void) MUST_CHECK;

/* What both processes of this directory give up beside system calls: files, capabilities, connections, memory
 * beyond so many bytes.  0 or an ERR_*. */
int edge_give_up(rlim_t data_max) MUST_CHECK;

#endif
