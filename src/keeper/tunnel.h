/*
 * Mode = tunnel in the keeper: the registry of the names under which clients hold tunnels (`ssh -NR`), and
 * the connections that go into them.  A name belongs to one person, who is a login with its key; each port
 * that the client wrote behind it is a tunnel.  ksession.c, upstream_dial.c and keeper.c call it.
 */
#ifndef KEEPER_TUNNEL_H
#define KEEPER_TUNNEL_H

#include <sys/queue.h>

#include "base/bucket.h"
#include "formats/tunnel_name.h"
#include "ipc/ipc.h"

struct keeper;
struct ksession;

/* Tunnels of everybody: each is half a KiB. */
#define TUNNELS_MAX 4096
/* A power of two. */
#define TUNNEL_BUCKETS 256
/* Connections on their way to one session: a tenth of what its socket takes. */
#define TUNNEL_WAITING_MAX 32

struct tunnel {
	LIST_ENTRY(tunnel) same; /* in its bucket, by name */
	LIST_ENTRY(tunnel) with_port;
	TAILQ_ENTRY(tunnel) entry;
	struct ksession *session; /* of its client */
	char name[TUNNEL_NAME_SIZE];
	uint32_t asked;	   /* port, which may be 0 */
	uint32_t port;	   /* the same; for 0, the one in the answer */
	uint64_t number;   /* by which the master is asked for a port; 0: it has none */
	uint32_t granted;  /* port that the master listens on for it; 0: none, or not yet */
	char address[256]; /* as asked for: the client knows its forward by it */
	char *
	    line; /* the tunnel as its user reads it, which stands for it in messages; once it is open */
};
LIST_HEAD(tunnel_bucket, tunnel);
TAILQ_HEAD(tunnel_list, tunnel);

struct tunnels {
	unsigned int n;
	uint64_t serial;
	struct tunnel_bucket with_port;
	struct tunnel_bucket buckets[TUNNEL_BUCKETS];
};

/* What a session holds; all zero but for the list. */
struct tunnel_holder {
	struct tunnel_list list;
	unsigned int n;
	int asking; /* the master has been asked for a port: TUNNEL_LISTEN is not answered yet */
	unsigned int waiting; /* TUNNEL_CONNECTION messages that it has not read yet */
	int asked;	      /* for tunnels so far */
	struct bucket asks;   /* how often it may ask, once that is more than twice MaxTunnels */
};

void tunnels_init(struct tunnels *t);

/* May a client that has logged in have a session?  Where nobody has to prove anything, a source has as many as
 * MaxTunnels.  1 or 0. */
int tunnel_may_enter(const struct ksession *s);

/* TUNNEL_LISTEN, TUNNEL_CANCEL, TUNNEL_TAKEN */
void tunnel_listen(struct ksession *s, struct wire *body);
void tunnel_cancel(struct ksession *s, struct wire *body);
void tunnel_taken(struct ksession *s, struct wire *body);

/* TUNNEL_BOUND of the master, and TUNNEL_VISIT, whose descriptor the caller closes. */
void tunnel_bound(struct keeper *k, struct wire *body);
void tunnel_visit(struct keeper *k, struct ipc_msg *msg);

/* The session has ended, and with it its tunnels. */
void tunnels_end(struct ksession *s);

/* The master has gone, and with it what leads into tunnels: end the sessions that hold them, so that their
 * clients connect to the new gateway. */
void tunnels_over(struct keeper *k);

/* The tunnel of this name and port, or if there is none with this port the oldest of the name; or NULL. */
struct tunnel *tunnel_find(struct keeper *k, const char *name, uint32_t port);

/* Send a connection into a tunnel, which may be NULL: fd is a copy, which the caller closes.  client is the
 * address of the visitor.  0; ERR_NOTFOUND: there is none; ERR_TOOBIG: too many at once. */
int tunnel_connect(struct tunnel *t, const char *client, uint32_t client_port, int fd) MUST_CHECK;

/* The upstream of the session is a tunnel, HostName = tunnel:NAME: in place of an errand. */
void tunnel_dial(struct ksession *s);

#endif
