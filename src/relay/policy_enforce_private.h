/*
 * Inside of the policy: policy_enforce.c checks channels and global requests,
 * policy_enforce_request.c the requests on a session.
 */
#ifndef RELAY_POLICY_ENFORCE_PRIVATE_H
#define RELAY_POLICY_ENFORCE_PRIVATE_H

#include "relay/channels.h"
#include "relay/policy_enforce.h"

/* Bytes of messages made here for a leg.  They are sent at once, so there is room for one
 * of the largest, and a few small ones before it. */
#define POLICY_ENFORCE_MADE_MAX (1024 * 1024)

struct policy_enforce {
	struct policy policy;
	uint64_t session;
	struct channels channels;
	/* POLICY_*: channels that the client has asked for, so that the upstream may open them */
	unsigned int asked;
	struct buf made[2]; /* messages for a leg, by enum relay_leg */
	const char *refused;
	const char *why;
};

/* Note why the session has to end (static text), and return RELAY_END. */
enum relay_action policy_enforce_end(struct policy_enforce *p, const char *why);

/* Begin a message about a channel; put it, and free it. */
void policy_enforce_begin(struct buf *b, uint8_t type, uint32_t recipient);
void policy_enforce_put_made(struct policy_enforce *p, enum relay_leg to, struct buf *message);

int policy_enforce_has_nul(struct bytes s);

/* A CHANNEL_REQUEST of the client. */
enum relay_action policy_enforce_client_request(struct policy_enforce *p, const uint8_t *payload,
    size_t len);

/* Send the replies made here whose turn has come. */
void policy_enforce_release(struct policy_enforce *p, struct channel *c);

#endif
