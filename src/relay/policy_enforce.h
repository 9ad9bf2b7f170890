/*
 * What a login may do once it is in: the messages about channels and the requests that
 * pass the relay, held against the rules the keeper has sent (wire/policy.h).  Bytes in,
 * a decision out.
 *
 * What is refused is answered here, as sshd would have answered: CHANNEL_OPEN_FAILURE,
 * CHANNEL_FAILURE in the order of the requests; a command that may not run gets one
 * line on the channel's stderr and exit status 255.  A forced command takes the place of
 * shell, exec and subsystem.  Channels that the upstream opens reach the client only
 * if it has asked for such.
 */
#ifndef RELAY_POLICY_ENFORCE_H
#define RELAY_POLICY_ENFORCE_H

#include "relay/relay.h"
#include "wire/policy.h"

struct policy_enforce;

/* Owns the rules from then on, also when there is no memory for it (NULL).  The session
 * id is for the lines people see. */
struct policy_enforce *policy_enforce_new(struct policy *rules, uint64_t session);
void policy_enforce_free(struct policy_enforce **p);

/* A message that is not CHANNEL_DATA, WINDOW_ADJUST or about a global request. */
enum relay_action policy_enforce_message(struct policy_enforce *p, enum relay_from from,
    const uint8_t *payload, size_t len);

/* A global request of the client: 1 if it may pass.  w is behind want_reply. */
int policy_enforce_global_request(struct policy_enforce *p, struct bytes name, struct wire *w);

/* Put a message into what is to be sent to a leg. */
void policy_enforce_put(struct policy_enforce *p, enum relay_from to, const struct buf *message);

/* What was made here for that leg, as strings; NULL if nothing.  The caller takes it
 * out with buf_free(). */
struct buf *policy_enforce_made(struct policy_enforce *p, enum relay_from to);

/* What was refused last, static text for the log, or NULL; asking clears it. */
const char *policy_enforce_refused(struct policy_enforce *p);

/* Why it has to end (RELAY_END), static. */
const char *policy_enforce_why(const struct policy_enforce *p);

#endif
