/*
 * One forwarded connection: its sockets, both of its ways, and its line in the log.  For forward.c, whose
 * lists the connections are in.
 */
#ifndef EDGE_FORWARD_CONNECTION_H
#define EDGE_FORWARD_CONNECTION_H

#include <sys/queue.h>

#include "edge/forward_way.h"
#include "ipc/messages.h"

/* A path of a Unix socket has at most 107 bytes. */
#define FORWARD_TARGET_SIZE 128

struct forward;

/* A socket of a connection, which is what events of epoll(7) point to. */
struct forward_end {
	struct forward *f;
	int fd; /* -1: none */
};

struct forward {
	TAILQ_ENTRY(forward) entry; /* in all; or in over, when its line has been logged */
	TAILQ_ENTRY(forward) turn;  /* in turns */
	uint64_t number;	    /* the master's */
	struct forward_end client;
	struct forward_end target;
	struct forward_end errand; /* while it dials */
	struct forward_way in;	   /* from the client to the target */
	struct forward_way out;
	int64_t since, last; /* when it began, and when anything has happened on it */
	uint32_t idle_ms;    /* IdleTimeout; 0: none */
	uint32_t target_port;
	uint32_t client_port;
	uint8_t in_turns;
	uint8_t over;
	char name[256], client_address[64], host[256], target_text[FORWARD_TARGET_SIZE];
};

TAILQ_HEAD(forward_list, forward);

struct forwarder {
	int master;	 /* -1: it has ended */
	int master_full; /* its socket */
	int epoll, signals;
	int64_t now;
	int64_t sweep_at;	   /* when one of them may have been idle for too long */
	unsigned int n, max;	   /* in all */
	struct forward_list all;   /* the newest first */
	struct forward_list over;  /* of which the master is to be told */
	struct forward_list turns; /* that have more to move right now */
	struct forward_pipes pipes;
	uint8_t message[IPC_MAX];
};

/* Begin with the client's socket, which is the callee's.  NULL: there is no memory, or too many connections
 * there are already, and the line has been logged; the number still is in over if there is room for that. */
void forward_begin(struct forwarder *p, const struct ipc_forward *m, int client);

/* FORWARD_DIAL: the socket of the errand, which is the callee's. */
void forward_dial(struct forwarder *p, uint64_t number, int errand);

/* Events of one of its sockets. */
void forward_event(struct forwarder *p, struct forward_end *end, uint32_t events);

/* Move what can be moved. */
void forward_move(struct forwarder *p, struct forward *f);

/* When it has been idle for too long. */
int64_t forward_idle_at(const struct forward *f);

/* Log its line, with why it is cut (NULL: both sides have ended it), close its sockets, and put it into over.
 * Whoever cuts a connection resets it, so that neither side takes what has come for all. */
void forward_end(struct forwarder *p, struct forward *f, const char *why);

#endif
