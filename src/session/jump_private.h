/*
 * What jump.c shares with the files of Mode = tunnel, tunnel_hold.c and tunnel_terminal.c: the table of
 * connections, and the way to the client.
 */
#ifndef SESSION_JUMP_PRIVATE_H
#define SESSION_JUMP_PRIVATE_H

#include "session/jump.h"
#include "session/jump_channel.h"
#include "session/session_private.h"

/* Answers to one message, or to one round of poll(2). */
#define JUMP_ANSWERS_MAX (64 * 1024)

struct jump {
	struct jump_channel channels[JUMP_CHANNELS_MAX];
	struct jump_channel *dials; /* NULL: the keeper has not been asked */
	uint64_t turns;
	struct hold *hold; /* NULL: Mode = jump */
	uint8_t message[JUMP_MESSAGE_MAX];
};

/* Send messages to the client as an upstream's would be: they are strings in out, which is freed. */
void jump_send_all(struct session *s, struct buf *out);

/* The window for one more channel. */
uint32_t jump_window(const struct jump *j);

/* A channel that is free, or NULL. */
struct jump_channel *jump_place(struct jump *j);

#endif
