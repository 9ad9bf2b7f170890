/*
 * Mode = jump and Mode = tunnel: a session without an upstream of its own.  The client's direct-tcpip channels,
 * as `ssh -J` and `ssh -W` open them, end here, each at the socket of a machine that an errand has dialled;
 * with Mode = tunnel, the channels that are opened to the client for those who connect to its tunnels.
 * To the relay, with its policy, jump.c is the upstream.
 */
#ifndef SESSION_JUMP_H
#define SESSION_JUMP_H

#include <poll.h>

#include "ipc/ipc.h"

/* Connections of one session at a time. */
#define JUMP_CHANNELS_MAX 48

struct session;
struct jump;

/* JUMP: the session will have no upstream.  The policy and RELAY follow. */
void jump_begin(struct session *s, struct wire *body);

/* JUMP_OPENED and JUMP_REFUSED: what has become of the connection that was asked for. */
void jump_opened(struct session *s, struct ipc_msg *msg);
void jump_refused(struct session *s, struct wire *body);

/* A message of the client that the policy permits; payload[0] is its type. */
void jump_message(struct session *s, const uint8_t *payload, size_t len);

/* Several of them, as strings. */
void jump_payloads(struct session *s, struct wire *body);

/* Fill in what to poll for; how many entries.  And what to do afterwards. */
nfds_t jump_poll(const struct session *s, struct pollfd fds[JUMP_CHANNELS_MAX]);
void jump_ready(struct session *s, const struct pollfd *fds, nfds_t n, int64_t now);

#endif
