/*
 * What the files of tunnels share: tunnel.c, tunnel_port.c, tunnel_connect.c.
 */
#ifndef KEEPER_TUNNEL_PRIVATE_H
#define KEEPER_TUNNEL_PRIVATE_H

#include "keeper/ksession.h"
#include "keeper/tunnel.h"

/* The client of s holds t from now on: tell it, and the log. */
void tunnel_opened(struct tunnel *t);

/* It does not get the tunnel that it has asked for: tell it why, and the log. */
void tunnel_refuse(struct ksession *s, const char *name, uint32_t port, const char *why);

/* Take it out of the registry.  why is for the log; NULL: it was never open. */
void tunnel_free(struct tunnel *t, const char *why);

/* A number that is the same for the same person and turn, so that their names and ports come back. */
uint64_t tunnel_number(const struct ksession *s, unsigned int turn);

/* Does the tunnel get a TCP port, by its route and what was asked for? */
int tunnel_port_wanted(const struct tunnel *t);

/* Ask the master for one, and call tunnel_opened() or tunnel_refuse() later. */
void tunnel_port_ask(struct tunnel *t);

/* Is the master being asked?  And it refuses, or the tunnel cannot be opened for another reason. */
int tunnel_port_waits(const struct tunnel *t);
void tunnel_port_refused(struct tunnel *t, const char *why);

/* Give the port of one tunnel to another of the same name, or back to the master. */
void tunnel_port_move(struct tunnel *from, struct tunnel *to);
void tunnel_port_drop(struct tunnel *t);

/* The tunnel that has this port, or NULL. */
struct tunnel *tunnel_port_find(struct keeper *k, uint32_t port);

#endif
