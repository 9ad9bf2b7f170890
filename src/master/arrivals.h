/*
 * Connections that edge looks at before they are anybody's: they wait here, in one table for both looks, and
 * the process edge is started and ended here.  proxied.c and detect.c say what comes of them.
 */
#ifndef MASTER_ARRIVALS_H
#define MASTER_ARRIVALS_H

#include <poll.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/netaddr.h"
#include "master/listener.h"

struct master;
struct arrivals;

enum arrival_look {
	ARRIVAL_HEADER,	  /* for its PROXY header (proxied.c) */
	ARRIVAL_KIND,	  /* for what its first bytes are (detect.c) */
	ARRIVAL_RELEASED, /* the same, and the answer is wanted now */
	ARRIVAL_LOOKS
};

struct arrival {
	TAILQ_ENTRY(arrival) entry;    /* in the list of its look, by time; or unused */
	TAILQ_ENTRY(arrival) to_queue; /* edge is to be told of it */
	uint64_t number; /* a serial number, and in its last bits the index in the table */
	enum arrival_look look;
	int queued; /* in the queue */
	int sent;   /* edge has it */
	int64_t since;
	struct netaddr source; /* masked by PerSourceNetBlockSize */
	struct connection c;
};

/* Start edge if the configuration has a use for it.  At the start, and after each reload. */
void arrivals_configure(struct master *m);
void arrivals_free(struct arrivals **t);

/* Fill in one descriptor to poll, and take what came there.  While accepting is paused, no connection
 * comes back. */
void arrivals_poll(const struct master *m, struct pollfd *fd, int paused);
void arrivals_input(struct master *m, short events);

/* Do what is due with connections that have waited for long enough, and start edge again if it has died.
 * Returns when to call it next, or CLOCK_NEVER. */
int64_t arrivals_timers(struct master *m, int64_t now);

/* A process has ended.  1 if it was edge. */
int arrivals_reap(struct master *m, pid_t pid, int status);

/* The master ends: serve those that edge is looking at, which takes a moment at most. */
void arrivals_end(struct master *m);

/* --- for proxied.c and detect.c --- */

/* Send a connection to edge.  It is the callee's from now on. */
void arrivals_add(struct master *m, enum arrival_look look, struct connection *c);

/* Ask for the answer now. */
void arrivals_release(struct master *m, struct arrival *a);

/* The one that waits longest for this look, or NULL. */
struct arrival *arrivals_first(const struct master *m, enum arrival_look look);

/* How many wait for this look; of this address alone, for its kind. */
unsigned int arrivals_waiting(const struct master *m, enum arrival_look look);
unsigned int arrivals_of_source(const struct master *m, const struct netaddr *address);

/* The connection that edge has under this number, or NULL. */
struct arrival *arrivals_find(const struct master *m, uint64_t number);

/* Take it out of the table; its connection goes to *c. */
void arrivals_take(struct master *m, struct arrival *a, struct connection *c);

/* Close it, also for edge, which has the same socket. */
void arrivals_cut(struct master *m, struct arrival *a);

#endif
