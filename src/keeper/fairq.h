/*
 * A line of those who wait for what is scarce before they have proven anything: who comes from
 * an address that asks for much waits for itself, not the others for it (start-time fair
 * queueing).
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
	uint64_t now;				  /* number of the one whose turn it was last */
};

void fairq_init(struct fairq *q);

/*
 * Wait in line, as who comes from source, a numeric address (of an IPv6 one the first 64 bits
 * count).  turn and source stay the caller's, and must be there for as long as it waits.
 */
void fairq_wait(struct fairq *q, struct fairq_entry *turn, void *whose, const char *source);

/* Whose turn it is, who then waits no longer; NULL: nobody's. */
void *fairq_next(struct fairq *q);

/* Wait no longer, if it does. */
void fairq_leave(struct fairq *q, struct fairq_entry *turn);

#endif
