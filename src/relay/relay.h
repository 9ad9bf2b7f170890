/*
 * The packet relay (DESIGN section 2.3): what is to become of each message of the
 * connection protocol (RFC 4254, types 80 to 127) that passes between two legs.
 * Bytes in, a decision out; whoever has the legs carries it out.
 *
 * Messages pass untouched but for three things.  hostkeys-00@openssh.com speaks of
 * the wrong host and is dropped.  Keepalives are ours on each leg, and the replies to
 * them stay here; replies to global requests come in the order of the requests
 * (RFC 4254 section 4), so counting those under way tells them apart.  Replies nobody
 * asked for are dropped.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <stddef.h>
#include <stdint.h>

enum relay_from {
	RELAY_DOWNSTREAM,
	RELAY_UPSTREAM,
};

enum relay_action {
	RELAY_PASS,
	RELAY_DROP,
};

/* One leg, as the relay sees it. */
struct relay_side {
	/* Global requests sent to this leg whose replies are to come. */
	uint32_t before; /* relayed, before our keepalive (all, if there is none) */
	int keepalive;	 /* our own is among them */
	uint32_t after;	 /* relayed, after it */
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
	struct relay_side side[2]; /* by enum relay_from */
};

/* now is in ms (base/clock.h).  Intervals of 0 switch the keepalive of that leg off. */
void relay_init(struct relay *r, int64_t now, int downstream_interval_ms, int upstream_interval_ms,
    int count_max);

/* A message came from a leg; payload[0] is its type.  PASS: send it to the other. */
enum relay_action relay_message(struct relay *r, enum relay_from from, const uint8_t *payload,
    size_t len);

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
