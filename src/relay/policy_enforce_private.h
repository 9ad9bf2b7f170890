/*
 * Inside of a policy: policy.c sees to channels, policy_request.c to what is asked for on
 * a session.
 */
#ifndef RELAY_POLICY_ENFORCE_PRIVATE_H
#define RELAY_POLICY_ENFORCE_PRIVATE_H

#include "relay/channels.h"
#include "relay/policy_enforce.h"

/* What waits here for a leg; it goes out at once, so this is for one message of the
 * largest, and what goes before it. */
#define POLICY_ENFORCE_MADE_MAX (1024 * 1024)

struct policy_enforce {
	struct policy rules;
	uint64_t session;
	struct channels channels;
	unsigned int asked; /* RULES_*: what the client wants opened to it */
	struct buf made[2]; /* by enum relay_from: for that leg */
	const char *refused;
	const char *why;
};

/* Notes why it has to end (static text), and is RELAY_END. */
enum relay_action policy_enforce_end(struct policy_enforce *p, const char *why);

/* A message about a channel, begun; and as policy_enforce_put(), for a message made just for it. */
void policy_enforce_begin(struct buf *b, uint8_t type, uint32_t recipient);
void policy_enforce_put_made(struct policy_enforce *p, enum relay_from to, struct buf *message);

int policy_enforce_has_nul(struct bytes s);

/* A CHANNEL_REQUEST of the client. */
enum relay_action policy_enforce_client_request(struct policy_enforce *p, const uint8_t *payload,
    size_t len);

/* Give the replies made here whose turn it is. */
void policy_enforce_release(struct policy_enforce *p, struct channel *c);

#endif
