/*
 * Ports that the master listens on for tunnels (TunnelPorts in a route with Mode = tunnel), as the keeper asks for
 * them.  Who connects there is given to the keeper with their address, and no byte is read.
 */
#ifndef MASTER_GRANTED_H
#define MASTER_GRANTED_H

#include <poll.h>

#include "ipc/messages.h"

/* Of all tunnels together. */
#define GRANTED_MAX 1000

struct conf_forward;
struct connection;
struct master;
struct granted; /* in memory that sessions do not inherit; NULL: no port has been asked for */

/* TUNNEL_BIND and TUNNEL_UNBIND. */
void granted_bind(struct master *m, struct wire *body);
void granted_unbind(struct master *m, struct wire *body);

/* What to poll for, unless accepting pauses, and what to do then. */
void granted_poll(const struct master *m, struct pollfd *fd, int paused);
void granted_input(struct master *m);

/* 1 if the section leads into tunnels: the connection has gone to the keeper, or is refused. */
int granted_visit(struct master *m, const struct conf_forward *f, struct connection *c,
    const struct ipc_opening *o) MUST_CHECK;

void granted_free(struct granted **g);

#endif
