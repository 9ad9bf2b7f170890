/*
 * Replies to come, in the order of the requests (RFC 4254 sections 4 and 5.4): replies of
 * the peer that are passed on, replies of the peer to our keepalives, and replies made
 * here, which wait for their turn.
 */
#ifndef RELAY_REPLIES_H
#define RELAY_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum reply {
	REPLY_NONE,
	/* by the peer */
	REPLY_RELAYED,
	REPLY_KEEPALIVE,
	/* by the gateway */
	REPLY_FAILURE,
	REPLY_PROOF,	    /* by the keeper, or a failure: relay_prove() */
	REPLY_REFUSAL,	    /* success, and then the line that says why nothing runs */
	REPLY_REFUSAL_MUTE, /* that line alone: no reply was wanted */
};

/* Runs of replies of one kind among those to come. */
#define REPLIES_RUNS_MAX 256

struct replies {
	struct reply_run {
		enum reply kind;
		uint32_t n;
	} * run;
	size_t n;
};

/* One more reply will come.  0, ERR_TOOBIG or ERR_NOMEM. */
int replies_add(struct replies *r, enum reply kind) MUST_CHECK;

/* The peer has replied: take the reply that this is.  REPLY_NONE: the peer was asked
 * nothing, or a reply made here comes first. */
enum reply replies_come(struct replies *r);

/* Take the next reply if it is made here; else REPLY_NONE. */
enum reply replies_made(struct replies *r);

void replies_free(struct replies *r);

#endif
