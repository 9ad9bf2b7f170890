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

struct master;
struct granted; /* in memory that sessions do not inherit; NULL: no port has been asked for */

/* TUNNEL_BIND and TUNNEL_UNBIND. */
void granted_bind(struct master *m, struct wire *body);
void granted_unbind(struct master *m, struct wire *body);

/* What to poll for, unless accepting pauses, and what to do then. */
void granted_poll(const struct master *m, struct pollfd *fd, int paused);
void granted_input(struct master *m);

/* A connection of a [forward] section whose Target is a tunnel: give it to the keeper, and close it here.  host is
 * what the connection names, http says that it is HTTP and not TLS. */
struct conf_forward;
struct connection;
void granted_visit(struct master *m, const struct conf_forward *f, const char *host, int http,
    struct connection *c);

void granted_free(struct granted **g);

#endif
