/*
 * Inside of a policy: policy.c sees to channels, policy_request.c to what is asked for on
 * a session.
 */
#ifndef RELAY_POLICY_PRIVATE_H
#define RELAY_POLICY_PRIVATE_H

#include "relay/channels.h"
#include "relay/policy.h"

/* What waits here for a leg; it goes out at once, so this is for one message of the
 * largest, and what goes before it. */
#define POLICY_MADE_MAX (1024 * 1024)

struct policy {
	struct rules rules;
	uint64_t session;
	struct channels channels;
	unsigned int asked; /* RULES_*: what the client wants opened to it */
	struct buf made[2]; /* by enum relay_from: for that leg */
	const char *refused;
	const char *why;
};

/* Notes why it has to end (static text), and is RELAY_END. */
enum relay_action policy_end(struct policy *p, const char *why);

/* A message about a channel, begun; and as policy_put(), for a message made just for it. */
void policy_begin(struct buf *b, uint8_t type, uint32_t recipient);
void policy_put_made(struct policy *p, enum relay_from to, struct buf *message);

int policy_has_nul(struct bytes s);

/* A CHANNEL_REQUEST of the client. */
enum relay_action policy_client_request(struct policy *p, const uint8_t *payload, size_t len);

/* Give the replies made here whose turn it is. */
void policy_release(struct policy *p, struct channel *c);

#endif
