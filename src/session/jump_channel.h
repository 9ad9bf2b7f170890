/*
 * One direct-tcpip or forwarded-tcpip channel (RFC 4254 sections 5 and 7.2) that ends at the gateway: the bytes
 * between the client's channel and the socket of a machine, or with Mode = tunnel of a visitor.  For jump.c,
 * which has a table of them.
 *
 * Messages for the client are appended to out, as strings.
 */
#ifndef SESSION_JUMP_CHANNEL_H
#define SESSION_JUMP_CHANNEL_H

#include "wire/wire.h"

/* Bytes of data in one message, either way.  As in OpenSSH. */
#define JUMP_PACKET (32 * 1024)
/* Room for a message of CHANNEL_DATA with as many. */
#define JUMP_MESSAGE_MAX (JUMP_PACKET + 16)

enum jump_state {
	JUMP_FREE,
	JUMP_WAITS,   /* for others to be dialled */
	JUMP_DIALS,   /* the keeper has been asked */
	JUMP_ARRIVED, /* a visitor has connected to a tunnel: the client is to be told */
	JUMP_OFFERED, /* the client has been told */
	JUMP_OPEN,
};

struct jump_channel {
	enum jump_state state;
	uint32_t number; /* ours */
	uint32_t client; /* the client's */
	uint32_t window; /* bytes that the client takes */
	uint32_t packet; /* bytes of one message to the client */
	uint32_t size;	 /* our window */
	uint32_t left;	 /* bytes that the client may send */
	uint32_t taken;	 /* bytes gone to the machine since the last WINDOW_ADJUST */
	int fd;		 /* of the machine; -1: none */
	struct buf late; /* bytes that the machine has not taken yet: at most our window */
	int client_eof, client_closed;
	int eof_sent, close_sent;
	int shut;   /* the machine has been told the client's end */
	int broken; /* the machine takes no more */

	/* until it is open */
	uint64_t turn; /* in the order in which they came */
	char *host;    /* the machine; or where the client wanted to listen, by its words */
	uint32_t port;
	char origin[64]; /* address of the visitor */
	uint32_t origin_port;
	char tunnel[64]; /* its name */
};

/* The machine is connected on fd, which the channel owns from then on: size is our window. */
void jump_channel_open(struct jump_channel *c, int fd, uint32_t size, struct buf *out);

/* Offer the client the connection that has arrived on c->fd (forwarded-tcpip, RFC 4254 section 7.2). */
void jump_channel_offer(struct jump_channel *c, uint32_t size, struct buf *out);

/* The client's answer to that, OPEN_CONFIRMATION or OPEN_FAILURE: w is behind the channel's number.  0 or
 * ERR_FORMAT. */
int jump_channel_offered(struct jump_channel *c, uint8_t type, struct wire *w) MUST_CHECK;

/* The other end of such a channel, as the carrier of a hop has it (carrier.c), where "client" is the hop's sshd
 * and "machine" the session: ask for a channel to host and port, with our window; take its confirmation (w is
 * behind our number) for fd, which the channel owns after 0 (else ERR_FORMAT); and close a channel that is
 * not wanted any more. */
void jump_channel_ask(struct jump_channel *c, const char *host, uint32_t port, uint32_t size,
    struct buf *out);
int jump_channel_confirmed(struct jump_channel *c, int fd, struct wire *w) MUST_CHECK;
void jump_channel_close(struct jump_channel *c, struct buf *out);

/* There is no connection, for a reason of RFC 4254 section 5.1. */
void jump_channel_refuse(struct jump_channel *c, uint32_t reason, const char *text,
    struct buf *out);

/* A message of the client about the channel, which is open: w is behind its number.  0 or ERR_FORMAT:
 * it breaks the protocol. */
int jump_channel_message(struct jump_channel *c, uint8_t type, struct wire *w,
    struct buf *out) MUST_CHECK;

/* The events of poll(2) to wait for; 0: do not poll. */
short jump_channel_wants(const struct jump_channel *c);

/* The machine takes data again. */
void jump_channel_writable(struct jump_channel *c, struct buf *out);

/* Read from the machine: a message of CHANNEL_DATA of this length in message, or 0.  At the end of the
 * machine's data it appends EOF to out. */
size_t jump_channel_read(struct jump_channel *c, uint8_t message[JUMP_MESSAGE_MAX],
    struct buf *out);

/* End both directions of an open channel at once. */
void jump_channel_cut(struct jump_channel *c, struct buf *out);

/* Close the socket and free the place. */
void jump_channel_free(struct jump_channel *c);

#endif
