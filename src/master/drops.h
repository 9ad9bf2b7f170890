/*
 * Connections that are turned away: a line of text for each, and a few lines in the log for all.
 */
#ifndef MASTER_DROPS_H
#define MASTER_DROPS_H

#include <stdint.h>

#include "master/listener.h"
#include "master/startups.h"

/* In one second so many are logged one by one, the others counted. */
#define DROPS_LINES 5

struct drops {
	int64_t since; /* beginning of this second; 0: nothing to be told */
	unsigned int lines;
	unsigned int counted[STARTUP_VERDICTS];
};

/* Tell the client, as far as that goes without waiting, and the log.  The socket stays open. */
void drops_turn_away(struct drops *d, const struct connection *c, enum startup_verdict verdict,
    const char *why, int64_t now);

/* Log what has been counted, once its second is over.  drops_next() is when, or CLOCK_NEVER. */
void drops_flush(struct drops *d, int64_t now);
int64_t drops_next(const struct drops *d);

#endif
