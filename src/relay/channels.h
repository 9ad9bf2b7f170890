/*
 * The channels a policy has to know: those the client is opening, whatever their kind,
 * and of those that are open the sessions.
 */
#ifndef RELAY_CHANNELS_H
#define RELAY_CHANNELS_H

#include "relay/replies.h"

#define CHANNELS_MAX 1024

struct channel {
	uint32_t client;   /* its number at the client */
	uint32_t upstream; /* its number at the upstream, once it is not opening */
	uint32_t window;   /* of the client, at first */
	uint32_t packet;
	int session;
	int opening;	     /* the upstream has not answered yet */
	int client_closed;   /* CLOSE came from there */
	int upstream_closed; /* likewise */
	int refused;	     /* nothing will run on it: the client's requests go no further */
	int shut;	     /* the policy has sent CLOSE to the client */
	unsigned int env;    /* variables the client has set */
	int env_sent;	     /* SetEnv has been */
	struct replies replies;

	/* An OPEN with the same number at the client, held back until the upstream has
	 * closed this one. */
	uint8_t *held;
	size_t held_len;
};

struct channels {
	struct channel *v;
	size_t n;
	size_t sessions;
};

/* One that is opening; NULL: out of memory, or CHANNELS_MAX.  Pointers to channels are
 * good until the next add or remove. */
struct channel *channels_add(struct channels *cs, uint32_t client, int session);

void channels_remove(struct channels *cs, struct channel *c);

/* By its number at the client, or NULL. */
struct channel *channels_client(struct channels *cs, uint32_t number);

/* An open session by its number at the upstream, or NULL. */
struct channel *channels_upstream(struct channels *cs, uint32_t number);

void channels_free(struct channels *cs);

#endif
