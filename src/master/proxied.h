/*
 * Connections of load balancers, which have to begin with a PROXY header (AcceptProxyFrom of [edge]): edge
 * reads it (arrivals.h).  Then they are connections of the client that it names.
 */
#ifndef MASTER_PROXIED_H
#define MASTER_PROXIED_H

#include <stdint.h>

#include "base/netaddr.h"
#include "master/listener.h"
#include "wire/wire.h"

struct master;

/* 1 if a connection from this address has to begin with a header. */
int proxied_wanted(const struct master *m, const struct netaddr *address);

/* Have the header of a connection read.  It is the callee's from now on. */
void proxied_take(struct master *m, struct connection *c);

/* HEADER and NO_HEADER.  0, or ERR_FORMAT. */
int proxied_header(struct master *m, struct wire *body) MUST_CHECK;
int proxied_no_header(struct master *m, struct wire *body) MUST_CHECK;

/* Refuse what has waited for too long.  Returns when to call it next, or CLOCK_NEVER. */
int64_t proxied_timers(struct master *m, int64_t now);

#endif
