/*
 * Replies to come, in the order of the requests (RFC 4254 sections 4 and 5.4): some
 * come from the peer and are passed on, some from the peer and are kept, some are made
 * here and have to wait until it is their turn.
 */
#ifndef RELAY_REPLIES_H
#define RELAY_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum reply {
	REPLY_NONE,
	/* the peer's */
	REPLY_RELAYED,
	REPLY_KEEPALIVE,
	/* made here */
	REPLY_FAILURE,
	REPLY_REFUSAL,	    /* success, and then the line that says why not */
	REPLY_REFUSAL_MUTE, /* the line alone: no reply was wanted */
};

/* As many changes from one kind to another there may be among those outstanding. */
#define REPLIES_RUNS_MAX 256

struct replies {
	struct reply_run {
		enum reply kind;
		uint32_t n;
	} * run;
	size_t n;
};

/* One more will come.  0, ERR_TOOBIG or ERR_NOMEM. */
int replies_add(struct replies *r, enum reply kind) MUST_CHECK;

/* The peer has replied: to which?  REPLY_NONE: nothing was asked, or not its turn. */
enum reply replies_come(struct replies *r);

/* Take the next one if it is made here; else REPLY_NONE. */
enum reply replies_made(struct replies *r);

void replies_free(struct replies *r);

#endif
