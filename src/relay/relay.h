/*
 * The packet relay (DESIGN section 2.3): what is to become of each message of the
 * connection protocol (RFC 4254, types 80 to 127) that passes between two legs.
 * Bytes in, a decision out; whoever has the legs carries it out.
 *
 * Messages pass untouched but for three things.  hostkeys-00@openssh.com speaks of
 * the wrong host and is dropped.  Keepalives are ours on each leg, and the replies to
 * them stay here; replies to global requests come in the order of the requests
 * (RFC 4254 section 4), so counting those under way tells them apart.  Replies nobody
 * asked for are dropped.  What the login may not do is for relay/policy_enforce.h.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "relay/replies.h"

struct policy_enforce;
struct policy;

enum relay_from {
	RELAY_DOWNSTREAM,
	RELAY_UPSTREAM,
};

enum relay_action {
	RELAY_PASS,
	RELAY_DROP,
	RELAY_END, /* it has to end: relay_why() */
};

/* One leg, as the relay sees it. */
struct relay_side {
	/* Global requests sent to this leg whose replies are to come, and those for it
	 * that were refused here. */
	struct replies replies;
	int keepalive; /* our own is among them */
	/* Keepalive. */
	int interval_ms;  /* 0: none */
	int count_max;	  /* unanswered intervals until the peer is given up */
	int64_t heard_ms; /* last sign of life */
	int64_t next_ms;  /* next look at it */
	int unanswered;
	/* Payload bytes received, for the log. */
	uint64_t bytes;
	uint64_t messages;
};

struct relay {
	struct relay_side side[2];     /* by enum relay_from */
	struct policy_enforce *policy; /* NULL: all is permitted */
	const char *why;	       /* it has to end */
	int foreign;		       /* the upstream is not OpenSSH */
	/* IdleTimeout and SessionTimeout */
	int data;	 /* came since relay_heard() */
	int64_t idle_ms; /* 0: none */
	int64_t data_ms; /* when data was last seen */
	int64_t over_ms; /* or CLOCK_NEVER */
};

/* now is in ms (base/clock.h).  Intervals of 0 switch the keepalive of that leg off. */
void relay_init(struct relay *r, int64_t now, int downstream_interval_ms, int upstream_interval_ms,
    int count_max);

/* From now on these rules hold, which it takes over.  0 or ERR_NOMEM. */
int relay_set_rules(struct relay *r, struct policy *rules, uint64_t session,
    int64_t now) MUST_CHECK;

/* The upstream's version string.  What ssh says to OpenSSH alone is not for another. */
void relay_set_version(struct relay *r, const char *version);

/* A message came from a leg; payload[0] is its type.  PASS: send it to the other.  In
 * any case relay_made() is to be sent after that. */
enum relay_action relay_message(struct relay *r, enum relay_from from, const uint8_t *payload,
    size_t len);

/* Messages made here for a leg, as strings one after another, or NULL; empty it with
 * buf_free().  NULL too when memory ran out, and then relay_why() says so. */
struct buf *relay_made(struct relay *r, enum relay_from to);

/* Why it has to end, static; "" if it has not. */
const char *relay_why(const struct relay *r);

/* What has just been refused, for the log, or NULL.  Static. */
const char *relay_refused(struct relay *r);

/* IdleTimeout or SessionTimeout is over: 1, with which in *why and what the person is to
 * hear in *text, both static. */
int relay_over(const struct relay *r, int64_t now, const char **why, const char **text);

/* Anything at all came from that leg. */
void relay_heard(struct relay *r, enum relay_from from, int64_t now);

/* When relay_tick() wants to be called next: ms, or CLOCK_NEVER. */
int64_t relay_next(const struct relay *r);

enum relay_tick {
	RELAY_TICK_NOTHING,
	RELAY_TICK_KEEPALIVE, /* send relay_keepalive() to that leg */
	RELAY_TICK_DEAD,      /* it has not answered for too long */
};

enum relay_tick relay_tick(struct relay *r, enum relay_from leg, int64_t now);

/* The payload of a keepalive: keepalive@openssh.com, reply wanted.  Static. */
const uint8_t *relay_keepalive(size_t *len);

#endif
