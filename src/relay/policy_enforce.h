/*
 * Enforces the policy of a login, which the keeper has sent (wire/policy.h), on the
 * channels and requests that pass the relay.  Bytes in, a decision out.
 *
 * A refusal is answered here as sshd would have answered: CHANNEL_OPEN_FAILURE;
 * CHANNEL_FAILURE in the order of the requests; for a command that may not run, one line on
 * the channel's stderr and exit status 255.  A forced command takes the place of shell,
 * exec and subsystem.  Channels that the upstream opens reach the client only if it has
 * asked for such channels.
 */
#ifndef RELAY_POLICY_ENFORCE_H
#define RELAY_POLICY_ENFORCE_H

#include "relay/relay.h"
#include "wire/policy.h"

struct policy_enforce;

/* Takes over what the policy holds, also when it returns NULL: no memory.  The session id
 * is for the lines that users see. */
struct policy_enforce *policy_enforce_new(struct policy *policy, uint64_t session);
void policy_enforce_free(struct policy_enforce **p);

/* Any message but CHANNEL_DATA, WINDOW_ADJUST, global requests and their replies. */
enum relay_action policy_enforce_message(struct policy_enforce *p, enum relay_leg from,
    const uint8_t *payload, size_t len);

/* A global request of the client; w is behind want_reply.  1: it may pass. */
int policy_enforce_global_request(struct policy_enforce *p, struct bytes name, struct wire *w);

/* Channels that are open or being opened, if the policy has UnusedConnectionTimeout. */
size_t policy_enforce_channels(const struct policy_enforce *p);

/* Add a message to those for a leg. */
void policy_enforce_put(struct policy_enforce *p, enum relay_leg to, const struct buf *message);

/* The messages made here for a leg, as strings, or NULL.  The caller empties the buffer
 * with buf_free(). */
struct buf *policy_enforce_made(struct policy_enforce *p, enum relay_leg to);

/* What was refused last, static text for the log, or NULL; the call clears it. */
const char *policy_enforce_refused(struct policy_enforce *p);

/* Why the session has to end (RELAY_END), static. */
const char *policy_enforce_why(const struct policy_enforce *p);

#endif
