/*
 * A line of those who wait for what is scarce before they have proven anything: who comes from
 * an address that asks for much waits for itself, not the others for it (start-time fair
 * queueing).
 */
#ifndef KEEPER_TURNS_H
#define KEEPER_TURNS_H

#include <stdint.h>
#include <sys/queue.h>

struct turn {
	TAILQ_ENTRY(turn) entry;
	void *whose;
	const char *source;
	uint64_t number; /* the lowest is next */
	int waits;
};

struct turns {
	TAILQ_HEAD(turn_list, turn) list; /* by number */
	uint64_t now;			  /* number of the one whose turn it was last */
};

void turns_init(struct turns *turns);

/*
 * Wait in line, as who comes from source, a numeric address (of an IPv6 one the first 64 bits
 * count).  turn and source stay the caller's, and must be there for as long as it waits.
 */
void turns_wait(struct turns *turns, struct turn *turn, void *whose, const char *source);

/* Whose turn it is, who then waits no longer; NULL: nobody's. */
void *turns_next(struct turns *turns);

/* Wait no longer, if it does. */
void turns_leave(struct turns *turns, struct turn *turn);

#endif
