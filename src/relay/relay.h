/*
 * The packet relay: decides about each message of the connection protocol (RFC 4254, types
 * 80 to 127) that passes between two legs.  Bytes in, a decision out; session/dispatch.c
 * carries it out.
 *
 * Messages pass untouched, except: hostkeys-00@openssh.com is dropped, because it speaks of
 * another host, and the client's hostkeys-prove-00@openssh.com is answered by the gateway.  Each
 * leg has keepalives of ours, whose replies stay here; replies to global requests come in the
 * order of the requests (RFC 4254 section 4), so counting tells them apart.  Replies without a
 * request are dropped.  relay/policy_enforce.h has what the login may not do.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "relay/replies.h"

struct policy_enforce;
struct policy;

enum relay_leg {
	RELAY_DOWNSTREAM,
	RELAY_UPSTREAM,
};

enum relay_action {
	RELAY_PASS,
	RELAY_DROP,
	RELAY_PROVE, /* the keeper is to answer it: relay_prove() */
	RELAY_END,   /* the session has to end: relay_why() */
};

/* One leg, as the relay sees it. */
struct relay_side {
	/* Of the global requests sent to this leg, and of those refused here. */
	struct replies replies;
	int keepalive; /* a keepalive is among them */
	/* Keepalive. */
	int interval_ms;  /* 0: none */
	int count_max;	  /* unanswered intervals until the peer is given up */
	int64_t heard_ms; /* last sign of life */
	int64_t next_ms;  /* when relay_tick() is due */
	int unanswered;
	/* Payload bytes received, for the log. */
	uint64_t bytes;
	uint64_t messages;
};

struct relay {
	struct relay_side side[2];     /* by enum relay_leg */
	struct policy_enforce *policy; /* NULL: all is permitted */
	const char *why;	       /* why it has to end, or NULL */
	int foreign;		       /* the upstream is not OpenSSH */
	struct buf proof;	       /* the answer to RELAY_PROVE, while others come before it */
	/* IdleTimeout, SessionTimeout and UnusedConnectionTimeout */
	int data;	      /* data came since relay_heard() */
	int64_t idle_ms;      /* 0: none */
	int64_t data_ms;      /* when data was last seen */
	int64_t over_ms;      /* or CLOCK_NEVER */
	int64_t unused_ms;    /* 0: none */
	int64_t unused_until; /* CLOCK_NEVER while a channel is open */
};

/* now is in ms (base/clock.h).  Intervals of 0 switch the keepalive of that leg off. */
void relay_init(struct relay *r, int64_t now, int downstream_interval_ms, int upstream_interval_ms,
    int count_max);

/* Take over the policy, which holds from now on.  0 or ERR_NOMEM. */
int relay_set_policy(struct relay *r, struct policy *policy, uint64_t session,
    int64_t now) MUST_CHECK;

/* The upstream's version string: messages that ssh sends to OpenSSH alone are dropped for
 * others. */
void relay_set_version(struct relay *r, const char *version);

/* Decide about a message of a leg; payload[0] is its type.  RELAY_PASS: send it to the
 * other leg.  In any case send relay_made() after that. */
enum relay_action relay_message(struct relay *r, enum relay_leg from, const uint8_t *payload,
    size_t len);

/* The answer to the request of RELAY_PROVE, a message of type 81 or 82, to be given before the
 * next message of a leg.  It is sent when the replies to earlier requests have come.  answer is
 * freed. */
void relay_prove(struct relay *r, struct buf *answer);

/* Messages made here for a leg, as strings one after another, or NULL; empty it with
 * buf_free().  NULL too when memory ran out, and then relay_why() says so. */
struct buf *relay_made(struct relay *r, enum relay_leg to);

/* Why the session has to end, static; "" if it has not. */
const char *relay_why(const struct relay *r);

/* What has just been refused, for the log, or NULL.  Static. */
const char *relay_refused(struct relay *r);

/* 1 if IdleTimeout, SessionTimeout or UnusedConnectionTimeout is over; *why is which, *text the
 * line for the user, both static.  To be called after messages have come: it sees then whether
 * a channel is open. */
int relay_over(struct relay *r, int64_t now, const char **why, const char **text);

/* Something came from that leg. */
void relay_heard(struct relay *r, enum relay_leg from, int64_t now);

/* When relay_tick() wants to be called next: ms, or CLOCK_NEVER. */
int64_t relay_next(const struct relay *r);

enum relay_tick {
	RELAY_TICK_NOTHING,
	RELAY_TICK_KEEPALIVE, /* send relay_keepalive() to that leg */
	RELAY_TICK_DEAD,      /* it has not answered for too long */
};

enum relay_tick relay_tick(struct relay *r, enum relay_leg leg, int64_t now);

/* The payload of a keepalive: keepalive@openssh.com, reply wanted.  Static. */
const uint8_t *relay_keepalive(size_t *len);

#endif
