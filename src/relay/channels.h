/*
 * The channels that the policy has to know: all that the client is opening, and of the open
 * ones the sessions; with UnusedConnectionTimeout all that either side is opening or has open.
 */
#ifndef RELAY_CHANNELS_H
#define RELAY_CHANNELS_H

#include "relay/replies.h"

#define CHANNELS_MAX 1024

struct channel {
	uint32_t client; /* its number at the client, and at the upstream: that of the side that */
	uint32_t upstream; /* did not open it is known once it is not opening */
	uint32_t window;   /* initial window of the client */
	uint32_t packet;
	int session;
	int by_upstream;     /* the upstream has opened it */
	int opening;	     /* the other side has not answered yet */
	int client_closed;   /* the client has sent CLOSE */
	int upstream_closed; /* the upstream has sent CLOSE */
	int refused;	     /* nothing may run on it: requests of the client are dropped */
	int shut;	     /* the policy has sent CLOSE to the client */
	unsigned int env;    /* environment variables set by the client */
	int env_sent;	     /* the variables of SetEnv are sent */
	struct replies replies;

	/* A CHANNEL_OPEN of the client that reuses its number, held until the upstream has
	 * closed this channel. */
	uint8_t *held;
	size_t held_len;
};

struct channels {
	struct channel *v;
	size_t n;
	size_t sessions;
};

/* Add a channel that is opening.  NULL: out of memory, or CHANNELS_MAX.  Pointers to
 * channels are valid until the next add or remove. */
struct channel *channels_add(struct channels *cs, uint32_t client, int session);

/* The same for a channel that the upstream opens. */
struct channel *channels_add_upstream(struct channels *cs, uint32_t upstream);

void channels_remove(struct channels *cs, struct channel *c);

/* The channel with this number at the client, or NULL. */
struct channel *channels_client(struct channels *cs, uint32_t number);

/* The channel with this number at the upstream, or NULL. */
struct channel *channels_upstream(struct channels *cs, uint32_t number);

void channels_free(struct channels *cs);

#endif
