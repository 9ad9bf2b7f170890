/*
 * Connections of load balancers, which have to begin with a PROXY header (AcceptProxyFrom of [edge]): they
 * wait here while the process edge reads it.  Then they are connections of the client that it names.
 */
#ifndef MASTER_PROXIED_H
#define MASTER_PROXIED_H

#include <poll.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/netaddr.h"
#include "master/listener.h"

struct master;
struct proxied;

/* Start edge if the configuration has a use for it.  At the start, and after each reload. */
void proxied_configure(struct master *m);
void proxied_free(struct proxied **p);

/* 1 if a connection from this address has to begin with a header. */
int proxied_wanted(const struct master *m, const struct netaddr *address);

/* Have the header of a connection read.  It is the callee's from now on. */
void proxied_take(struct master *m, struct connection *c);

/* Fill in one descriptor to poll, and take what came there.  While accepting is paused, no connection
 * comes back. */
void proxied_poll(const struct master *m, struct pollfd *fd, int paused);
void proxied_input(struct master *m, short events);

/* Refuse what has waited for too long, and start edge again if it has died.  Returns when to call it next,
 * or CLOCK_NEVER. */
int64_t proxied_timers(struct master *m, int64_t now);

/* A process has ended.  1 if it was edge. */
int proxied_reap(struct master *m, pid_t pid, int status);

/* The master ends: serve those whose headers are being read, which takes a moment at most. */
void proxied_end(struct master *m);

#endif
