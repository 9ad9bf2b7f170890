/*
 * Mode = tunnel: what a user at a terminal (`ssh -R` without -N) reads of their tunnels.  There is no shell; a
 * session channel shows lines until it is closed.  jump.c and tunnel_hold.c call this.
 */
#ifndef SESSION_TUNNEL_TERMINAL_H
#define SESSION_TUNNEL_TERMINAL_H

#include "session/jump.h"
#include "wire/wire.h"

/* Session channels of one session at a time. */
#define TERMINALS_MAX 4
/* Their numbers follow those of connections. */
#define TERMINAL_FIRST JUMP_CHANNELS_MAX

struct terminal {
	enum {
		TERMINAL_FREE,
		TERMINAL_OPEN,	/* nothing has been started on it */
		TERMINAL_SHOWS, /* lines */
		TERMINAL_CLOSED /* by us; the client has yet to close it */
	} state;
	uint32_t client; /* the client's number */
	uint32_t window; /* bytes that the client takes */
	uint32_t packet; /* bytes of one message to the client */
	uint32_t left;	 /* bytes that the client may send */
	int pty;
};

/* All zero: none. */
struct terminals {
	struct terminal v[TERMINALS_MAX];
};

/* CHANNEL_OPEN of a session; these are the fields that all kinds of channels have. */
void terminal_open(struct session *s, uint32_t client, uint32_t window, uint32_t packet,
    struct buf *out);

/* A message about the channel with this number of ours; w is behind the number.  0 or ERR_FORMAT. */
int terminal_message(struct session *s, uint32_t number, uint8_t type, struct wire *w,
    struct buf *out) MUST_CHECK;

/* Show a line on each.  A terminal that does not take it misses it. */
void terminal_say(struct session *s, struct buf *out, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* End those that show lines if there is no tunnel, nor will be. */
void terminal_check(struct session *s, struct buf *out);

/* Is there one? */
int terminal_any(struct session *s);

#endif
