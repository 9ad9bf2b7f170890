/*
 * What forwards.c and forwards_dial.c share.
 */
#ifndef MASTER_FORWARDS_PRIVATE_H
#define MASTER_FORWARDS_PRIVATE_H

#include <sys/queue.h>

#include "formats/destination.h"
#include "master/master_private.h"

/* Errands that dial at one time: each is a process. */
#define FORWARDS_DIALS_MAX 64
/* Connections that wait for one; of one source no more than the second number, so that it leaves room. */
#define FORWARDS_WAITING_MAX 256
#define FORWARDS_WAITING_OF_SOURCE 64
/* Sections that have connections: twice as many as can be written, for those that a reload has removed. */
#define FORWARDS_COUNTS 256

struct forwards_waiting {
	TAILQ_ENTRY(forwards_waiting) entry;
	uint64_t number; /* a serial number, and in its last byte the index in counts */
	int64_t since;
	struct netaddr source;
	struct connection c;
	char host[DESTINATION_HOST_SIZE]; /* as the client has named it, or "" */
	uint32_t port;			  /* of CONNECT */
};

/* How many connections a section has, those that wait among them. */
struct forwards_count {
	char name[FORWARD_NAME_MAX + 1];
	unsigned int n;
};

/* An errand that runs. */
struct forwards_dial {
	pid_t pid; /* 0: none */
	struct netaddr source;
};

TAILQ_HEAD(forwards_list, forwards_waiting);

/* In memory that sessions do not inherit. */
struct forwards {
	int sock;
	pid_t pid;	    /* -1: there is no forwarder */
	int64_t started;    /* when it was */
	int64_t restart_at; /* CLOCK_NEVER: it is not to be started */
	int told;	    /* it knows how to log */
	int dialler;	    /* the socket of the process that dials what takes no errand, or -1 */
	int64_t dialler_at; /* when it may be started */
	uint64_t serial;
	/* FORWARD has been sent, and FORWARD_DIAL found no room: the errand's socket, or -1 */
	int owed;
	uint64_t owed_number;
	unsigned int n_waiting, n_dials;
	struct forwards_list waiting, unused;
	struct forwards_count counts[FORWARDS_COUNTS];
	struct forwards_dial dials[FORWARDS_DIALS_MAX];
	struct forwards_waiting all[FORWARDS_WAITING_MAX];
};

/* Start the errand that dials for one: its socket, which is the caller's.  If there is no errand, the other
 * end is closed, by which the forwarder learns of it. */
int forwards_dial(struct master *m, const struct conf_forward *f, const struct forwards_waiting *w);

#endif
