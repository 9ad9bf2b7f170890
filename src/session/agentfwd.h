/*
 * Key = agent: between the two logins.  The client is let in, and the upstream waits for
 * the signature of a key in the person's agent.  An agent is offered on a session
 * channel, so the first one the client opens is confirmed here, under a number of ours
 * and with no window; all it says is held back until the upstream has let it in, and
 * goes through the relay then.  From there on our number is changed into the upstream's.
 */
#ifndef SESSION_AGENTFWD_H
#define SESSION_AGENTFWD_H

#include <stddef.h>
#include <stdint.h>

#include "wire/wire.h"

struct agent;
struct session;

/* IPC_AGENT: let the client in, and wait for its session channel. */
void agent_begin(struct session *s, struct wire *body);

/* IPC_AGENT_REQUEST: for the person's agent. */
void agent_request(struct session *s, struct wire *body);

/* What comes with IPC_RELAY and IPC_REFUSE once the client is in, before all else: the
 * machine's banner, for the stderr of its session, or nothing. */
void agent_banner(struct session *s, struct wire *body);

/* IPC_REFUSE once the client is in: text is the line it sees. */
void agent_refuse(struct session *s, const char *text);

/* The session's deadline has passed. */
void agent_timeout(struct session *s, int64_t now);

/* The upstream has let us in, and the relay has begun. */
void agent_relay(struct session *s);

/* A message of the client, waiting or in the relay: 1 if it is to be relayed, with what
 * was changed in it. */
int agent_from_client(struct session *s, uint8_t *payload, size_t len);

/* A message of the upstream in the relay: 1 if it is to be relayed. */
int agent_from_upstream(struct session *s, const uint8_t *payload, size_t len);

#endif
