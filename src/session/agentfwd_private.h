/*
 * Inside of Key = agent, for agent.c and agent_relay.c.
 */
#ifndef SESSION_AGENTFWD_PRIVATE_H
#define SESSION_AGENTFWD_PRIVATE_H

#include "session/agentfwd.h"
#include "session/agentfwd_channel.h"
#include "session/session_private.h"

/* Our numbers, far from those that any upstream counts to. */
#define AGENT_SESSION_NUMBER 0x7fff0000
#define AGENT_CHANNEL_NUMBER 0x7fff0001

struct agent {
	enum {
		AGENT_WAITING, /* for the upstream to let us in */
		AGENT_OPENING, /* for the upstream to confirm the session */
		AGENT_RELAYING,
	} stage;
	struct agent_channel channel;
	struct buf held;    /* messages of the client, as strings */
	size_t open_at;	    /* where the session's OPEN is among them */
	unsigned int asked; /* global requests among them that want a reply */
	int failed;	    /* the keeper knows */

	/* the session */
	int open;
	int offered;	      /* the agent, on it */
	int shut;	      /* it has been refused */
	unsigned int replies; /* that the client waits for */
	uint32_t client;      /* its number there */
	uint32_t window;      /* what it takes, until the relay begins */
	uint32_t client_packet;
	uint32_t upstream; /* its number there */
	uint32_t upstream_packet;
};

/* Send what was made for the client, as strings, and free it. */
void agent_send_down(struct session *s, struct buf *out);

/* A message about a channel, begun. */
void agent_message(struct buf *b, uint8_t type, uint32_t recipient);

/* The channel that a message of type 91 to 100 is for; 0: it is none, and AGENT_SESSION_NUMBER
 * and AGENT_CHANNEL_NUMBER are not. */
uint32_t agent_recipient(const uint8_t *payload, size_t len);

/* Keep a message of the client for later. */
void agent_hold(struct session *s, const uint8_t *payload, size_t len);

/* A message of the client while the upstream has not let us in. */
void agent_waiting(struct session *s, const uint8_t *payload, size_t len);

#endif
