/*
 * The channel of a connection to a machine (jump_channel.h): flow control, ends of data, closing.
 * The rules for ends are sshd's: each direction ends by itself, and the channel closes when both have.
 */
#include "session/jump_channel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "wire/ssh.h"

/* The channel has a connection, on c->fd. */
static void
jump_channel_connect(struct jump_channel *c, enum jump_state state, uint32_t size)
{
	int on = 1;

	/* as sshd does; without it keystrokes wait for each other */
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->state = state;
	c->size = c->left = size;
	buf_init(&c->late, size);
}

/* CHANNEL_OPEN; both kinds have these fields. */
static void
jump_channel_put_open(const struct jump_channel *c, const char *kind, const char *host,
    uint32_t port, const char *origin, uint32_t origin_port, struct buf *out)
{
	struct buf b;

	buf_init(&b, 1024);
	buf_put_u8(&b, SSH_MSG_CHANNEL_OPEN);
	wire_put_text(&b, kind);
	wire_put_u32(&b, c->number);
	wire_put_u32(&b, c->size);
	wire_put_u32(&b, JUMP_PACKET);
	wire_put_text(&b, host);
	wire_put_u32(&b, port);
	wire_put_text(&b, origin);
	wire_put_u32(&b, origin_port);
	wire_put_message(out, &b);
}

/* OPEN_CONFIRMATION, behind our number. */
static int
jump_channel_take_confirmation(struct jump_channel *c, struct wire *w)
{
	c->client = wire_u32(w);
	c->window = wire_u32(w);
	c->packet = wire_u32(w);
	c->state = JUMP_OPEN;
	return wire_err(w) != 0 || c->packet == 0 ? ERR_FORMAT : 0;
}

void
jump_channel_offer(struct jump_channel *c, uint32_t size, struct buf *out)
{
	jump_channel_connect(c, JUMP_OFFERED, size);
	jump_channel_put_open(c, "forwarded-tcpip", c->host, c->port, c->origin, c->origin_port,
	    out);
	free(c->host);
	c->host = NULL;
}

int
jump_channel_offered(struct jump_channel *c, uint8_t type, struct wire *w)
{
	if (type == SSH_MSG_CHANNEL_OPEN_FAILURE) {
		jump_channel_free(c);
		return 0;
	}
	return type == SSH_MSG_CHANNEL_OPEN_CONFIRMATION ? jump_channel_take_confirmation(c, w) :
							   ERR_FORMAT;
}

void
jump_channel_open(struct jump_channel *c, int fd, uint32_t size, struct buf *out)
{
	struct buf b;

	c->fd = fd;
	jump_channel_connect(c, JUMP_OPEN, size);
	free(c->host);
	c->host = NULL;
	wire_begin_channel(&b, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, c->client);
	wire_put_u32(&b, c->number);
	wire_put_u32(&b, size);
	wire_put_u32(&b, JUMP_PACKET);
	wire_put_message(out, &b);
}

void
jump_channel_ask(struct jump_channel *c, const char *host, uint32_t port, uint32_t size,
    struct buf *out)
{
	c->size = c->left = size;
	/* the originator, which nobody needs to know; as ssh -W has it */
	jump_channel_put_open(c, "direct-tcpip", host, port, "127.0.0.1", 65535, out);
}

int
jump_channel_confirmed(struct jump_channel *c, int fd, struct wire *w)
{
	int r = jump_channel_take_confirmation(c, w);

	if (r != 0) {
		c->state = JUMP_FREE;
		return r;
	}
	c->fd = fd;
	buf_init(&c->late, c->size);
	return 0;
}

void
jump_channel_close(struct jump_channel *c, struct buf *out)
{
	c->close_sent = 1;
	wire_put_channel(out, SSH_MSG_CHANNEL_CLOSE, c->client);
}

void
jump_channel_refuse(struct jump_channel *c, uint32_t reason, const char *text, struct buf *out)
{
	struct buf b;

	wire_begin_channel(&b, SSH_MSG_CHANNEL_OPEN_FAILURE, c->client);
	wire_put_u32(&b, reason);
	wire_put_text(&b, text);
	wire_put_text(&b, "");
	wire_put_message(out, &b);
	jump_channel_free(c);
}

void
jump_channel_free(struct jump_channel *c)
{
	fd_close(&c->fd);
	buf_free(&c->late);
	free(c->host);
	*c = (struct jump_channel){ .number = c->number, .fd = -1 };
}

/* What follows from the ends that have been reached. */
static void
jump_channel_ends(struct jump_channel *c, struct buf *out)
{
	if (c->client_eof && c->late.len == 0 && !c->shut) {
		c->shut = 1;
		if (!c->broken)
			(void)shutdown(c->fd, SHUT_WR);
	}
	if (!c->close_sent && (c->client_closed || c->broken || (c->eof_sent && c->shut))) {
		c->close_sent = 1;
		wire_put_channel(out, SSH_MSG_CHANNEL_CLOSE, c->client);
	}
	/* what the client had sent before its CLOSE is still delivered */
	if (c->close_sent && c->client_closed && c->late.len == 0)
		jump_channel_free(c);
}

/* The machine takes no more: what it has sent has been read or is lost. */
static void
jump_channel_break(struct jump_channel *c)
{
	c->broken = 1;
	buf_free(&c->late);
}

void
jump_channel_cut(struct jump_channel *c, struct buf *out)
{
	jump_channel_break(c);
	jump_channel_ends(c, out);
}

/* Give bytes to the machine; returns how many it has taken. */
static size_t
jump_channel_give(struct jump_channel *c, const uint8_t *p, size_t len)
{
	ssize_t n;

	do
		n = send(c->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno != EAGAIN) {
		jump_channel_break(c);
		return len;
	}
	return n == -1 ? 0 : (size_t)n;
}

/* The machine has taken bytes, or they are lost: the client may send as many again. */
static void
jump_channel_taken(struct jump_channel *c, size_t len, struct buf *out)
{
	struct buf b;

	c->taken += (uint32_t)len;
	if (c->taken < c->size / 2 || c->client_eof || c->close_sent)
		return;
	wire_begin_channel(&b, SSH_MSG_CHANNEL_WINDOW_ADJUST, c->client);
	wire_put_u32(&b, c->taken);
	wire_put_message(out, &b);
	c->left += c->taken;
	c->taken = 0;
}

static int
jump_channel_data(struct jump_channel *c, struct bytes data, struct buf *out)
{
	size_t n = 0;

	if (data.len > c->left || c->client_eof)
		return ERR_FORMAT;
	c->left -= (uint32_t)data.len;
	if (c->broken || c->close_sent)
		return 0;
	if (c->late.len == 0)
		n = jump_channel_give(c, data.p, data.len);
	if (!c->broken && n < data.len)
		buf_put(&c->late, data.p + n, data.len - n);
	if (buf_err(&c->late) != 0)
		jump_channel_break(c);
	jump_channel_taken(c, n, out);
	return 0;
}

/* CHANNEL_REQUEST, such as keepalive@openssh.com: there is none for this kind of channel. */
static int
jump_channel_request(const struct jump_channel *c, struct wire *w, struct buf *out)
{
	int want_reply;

	(void)wire_string(w);
	want_reply = wire_bool(w);
	if (wire_err(w) != 0)
		return ERR_FORMAT;
	if (want_reply && !c->close_sent)
		wire_put_channel(out, SSH_MSG_CHANNEL_FAILURE, c->client);
	return 0;
}

int
jump_channel_message(struct jump_channel *c, uint8_t type, struct wire *w, struct buf *out)
{
	struct bytes data;
	uint32_t n;
	int r = 0;

	/* nothing may follow CLOSE (RFC 4254 section 5.3) */
	if (c->client_closed)
		return ERR_FORMAT;
	switch (type) {
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		n = wire_u32(w);
		if (wire_end(w) != 0 || n > UINT32_MAX - c->window)
			return ERR_FORMAT;
		c->window += n;
		break;
	case SSH_MSG_CHANNEL_DATA:
		data = wire_string(w);
		r = wire_end(w);
		if (r == 0)
			r = jump_channel_data(c, data, out);
		break;
	case SSH_MSG_CHANNEL_EXTENDED_DATA:
		/* no machine has anything like it: it is lost, as in sshd */
		(void)wire_u32(w);
		data = wire_string(w);
		if (wire_end(w) != 0 || data.len > c->left)
			return ERR_FORMAT;
		c->left -= (uint32_t)data.len;
		jump_channel_taken(c, data.len, out);
		break;
	case SSH_MSG_CHANNEL_EOF:
		c->client_eof = 1;
		break;
	case SSH_MSG_CHANNEL_CLOSE:
		c->client_eof = c->client_closed = 1;
		break;
	case SSH_MSG_CHANNEL_REQUEST:
		r = jump_channel_request(c, w, out);
		break;
	default:
		return ERR_FORMAT;
	}
	jump_channel_ends(c, out);
	return r;
}

short
jump_channel_wants(const struct jump_channel *c)
{
	short events = 0;

	if (c->state != JUMP_OPEN || c->broken)
		return 0;
	if (!c->eof_sent && !c->close_sent && c->window > 0)
		events |= POLLIN;
	if (c->late.len > 0)
		events |= POLLOUT;
	return events;
}

void
jump_channel_writable(struct jump_channel *c, struct buf *out)
{
	size_t n = jump_channel_give(c, c->late.data, c->late.len);

	if (!c->broken && n == c->late.len)
		buf_free(&c->late);
	else if (!c->broken)
		buf_consume(&c->late, n);
	jump_channel_taken(c, n, out);
	jump_channel_ends(c, out);
}

size_t
jump_channel_read(struct jump_channel *c, uint8_t message[JUMP_MESSAGE_MAX], struct buf *out)
{
	/* u8 type, u32 channel, u32 length of the data */
	const size_t head = 9;
	size_t max = JUMP_PACKET;
	struct buf b = { .data = message, .cap = head, .max = head };
	ssize_t n;

	if (max > c->window)
		max = c->window;
	if (max > c->packet)
		max = c->packet;
	n = recv(c->fd, message + head, max, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		c->eof_sent = 1;
		wire_put_channel(out, SSH_MSG_CHANNEL_EOF, c->client);
		if (n == -1)
			jump_channel_break(c);
		jump_channel_ends(c, out);
		return 0;
	}
	c->window -= (uint32_t)n;
	buf_put_u8(&b, SSH_MSG_CHANNEL_DATA);
	wire_put_u32(&b, c->client);
	wire_put_u32(&b, (uint32_t)n);
	return head + (size_t)n;
}
