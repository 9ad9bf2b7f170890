/*
 * Key = agent: the upstream's login is signed by a key in the user's own agent.
 *
 * An agent is offered on a session channel, so the client is let in before the upstream has
 * accepted the login: its first session channel is confirmed here, under a number of ours
 * and with no window, and all that it sends is held until the upstream has let us in.  Then
 * it goes through the relay, and our number is changed into the upstream's for as long as
 * the channel lasts.
 *
 * The rest of a session calls these functions whatever the route says: without Key = agent
 * they do nothing.
 */
#ifndef SESSION_AGENTFWD_H
#define SESSION_AGENTFWD_H

#include "session/session_private.h"

/* A message of the keeper: 1 if it has been acted on, 0 if it is none for here. */
int agentfwd_keeper_message(struct session *s, struct ipc_msg *msg);

/* RELAY: 0, or 1 if the client is in already, so that it gets no USERAUTH_SUCCESS; the body
 * was for its session then. */
int agentfwd_relay_begin(struct session *s, struct wire *body);

/* The relay has begun: what the client has sent so far goes into it. */
void agentfwd_relay(struct session *s);

/* In SESSION_AGENT: end the client's session with this line on its stderr. */
void agentfwd_refuse(struct session *s, const char *text);

/* In SESSION_AGENT: the session's deadline has passed. */
void agentfwd_timeout(struct session *s, int64_t now);

/* The part of agentfwd_passes() that is for Key = agent. */
int agentfwd_message(struct session *s, enum relay_leg from, uint8_t *payload, size_t len);

/* A message of type 80 to 127, before or in the relay: 1 if it is to be relayed now, maybe
 * with another channel number in it; 0 if it has been taken.  Inline, because every packet
 * comes by. */
static inline int
agentfwd_passes(struct session *s, enum relay_leg from, uint8_t *payload, size_t len)
{
	return s->agent == NULL || agentfwd_message(s, from, payload, len);
}

#endif
