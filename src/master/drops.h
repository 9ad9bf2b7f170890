/*
 * Refused connections: a line of text for each client, and a few lines in the log for all of them.
 */
#ifndef MASTER_DROPS_H
#define MASTER_DROPS_H

#include <stdint.h>

#include "base/log.h"
#include "master/listener.h"
#include "master/startups.h"

/* So many refusals of one second are logged one by one; the others are counted. */
#define DROPS_LINES 5

struct drops {
	int64_t since;	    /* beginning of this second; 0: there was no refusal */
	unsigned int lines; /* logged in it */
	unsigned int counted[STARTUP_VERDICTS];
};

/* Tell the client, without waiting for it, and the log.  The socket stays open. */
void drops_refuse(struct drops *d, const struct connection *c, enum startup_verdict verdict,
    const char *why, int64_t now);

/* Log that a connection is refused, and why. */
void drops_log(const struct connection *c, enum log_level level, const char *why);

/* Log the number of refusals that were only counted, once their second is over.  drops_next() says when
 * that is, or CLOCK_NEVER. */
void drops_flush(struct drops *d, int64_t now);
int64_t drops_next(const struct drops *d);

#endif
