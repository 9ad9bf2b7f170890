/*
 * Inside of Key = agent: agentfwd.c has the time before the upstream accepts the login,
 * agentfwd_relay.c the time after.
 */
#ifndef SESSION_AGENTFWD_PRIVATE_H
#define SESSION_AGENTFWD_PRIVATE_H

#include "session/agentfwd.h"
#include "session/agentfwd_channel.h"

/* Our channel numbers, far from those that any upstream counts to. */
#define AGENTFWD_SESSION_NUMBER 0x7fff0000
#define AGENTFWD_CHANNEL_NUMBER 0x7fff0001

struct agentfwd {
	enum {
		AGENTFWD_WAITING, /* for the upstream to accept the login */
		AGENTFWD_OPENING, /* for the upstream to confirm the session channel */
		AGENTFWD_RELAYING,
	} stage;
	struct agent_channel channel;
	struct buf held;    /* messages of the client, as strings */
	size_t open_at;	    /* where in held the session's CHANNEL_OPEN is */
	unsigned int asked; /* global requests in held that want a reply */
	int failed;	    /* the keeper has been sent AGENT_FAILED */

	/* the client's session channel */
	int open;
	int offered;	      /* the client has offered its agent on it */
	int shut;	      /* it has been refused */
	unsigned int replies; /* that the client waits for */
	uint32_t client;      /* its number at the client */
	uint32_t window;      /* bytes that the client takes, until the relay begins */
	uint32_t client_packet;
	uint32_t upstream; /* its number at the upstream */
	uint32_t upstream_packet;
};

/* Send messages made for the client, as strings, and free them. */
void agentfwd_send(struct session *s, struct buf *out);

/* The channel number that a message of type 91 to 100 is for, else 0, which is none of our
 * numbers. */
uint32_t agentfwd_recipient(const uint8_t *payload, size_t len);

/* Keep a message of the client for later. */
void agentfwd_hold(struct session *s, const uint8_t *payload, size_t len);

/* A message of the client in AGENTFWD_WAITING. */
void agentfwd_waiting(struct session *s, const uint8_t *payload, size_t len);

#endif
