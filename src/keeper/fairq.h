/*
 * Start-time fair queueing by source address, for clients that have proven nothing yet: a
 * source with many requests in the queue delays only itself.
 */
#ifndef KEEPER_FAIRQ_H
#define KEEPER_FAIRQ_H

#include <stdint.h>
#include <sys/queue.h>

struct fairq_entry {
	TAILQ_ENTRY(fairq_entry) entry;
	void *whose;
	const char *source;
	uint64_t number; /* the lowest is next */
	int waits;
};

struct fairq {
	TAILQ_HEAD(fairq_list, fairq_entry) list; /* by number */
	uint64_t now;				  /* number of the entry taken last */
};

void fairq_init(struct fairq *q);

/*
 * Put a request from a source, a numeric address, into the queue; if it is there already, it
 * goes to its place anew.  Of an IPv6 address the first 64 bits count.  turn and source stay
 * the caller's, and must be there for as long as turn->waits.
 */
void fairq_wait(struct fairq *q, struct fairq_entry *turn, void *whose, const char *source);

/* 1 if the numeric addresses are one source. */
int fairq_same_source(const char *a, const char *b);

/* Take the next request for which ready() is true (NULL: the next one): its whose, or NULL. */
void *fairq_next(struct fairq *q, int (*ready)(const void *whose));

/* Take a request out, if it is in the queue. */
void fairq_leave(struct fairq *q, struct fairq_entry *turn);

#endif
