/*
 * The table of a session's connections to machines (jump.h): channels are opened here, one is dialled
 * at a time, and messages go to their channel.  session.c, dispatch.c and keeper_link.c call it.
 */
#include "session/jump.h"

#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/proctitle.h"
#include "session/jump_private.h"
#include "session/tunnel_hold.h"
#include "session/tunnel_terminal.h"
#include "wire/ssh.h"

/*
 * Windows of all channels together, so that a session whose machines read nothing stays far below
 * SANDBOX_DATA_MAX.  A channel gets a quarter of what is left, within these limits: the first as much
 * as OpenSSH gives, all JUMP_CHANNELS_MAX 3 MiB more than the sum at most.
 */
#define JUMP_WINDOWS (8u * 1024 * 1024)
#define JUMP_WINDOW_MAX (2u * 1024 * 1024)
#define JUMP_WINDOW_MIN (64u * 1024)

/* With this many bytes queued for the client, machines are not read. */
#define JUMP_HIGH_WATER (1024 * 1024)

/* The longest host name in a request: longer ones are no names. */
#define JUMP_HOST_MAX 255

void
jump_begin(struct session *s, struct wire *body)
{
	char title[512];
	int tunnel;
	uint32_t i;

	wire_text(body, title, sizeof(title));
	tunnel = wire_bool(body);
	if (wire_end(body) != 0 || s->up != NULL || s->jump != NULL || s->state != SESSION_AUTH) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	s->jump = calloc(1, sizeof(*s->jump));
	if (s->jump != NULL && tunnel)
		s->jump->hold = hold_new();
	if (s->jump == NULL || (tunnel && s->jump->hold == NULL)) {
		session_end(s, "out of memory");
		return;
	}
	for (i = 0; i < JUMP_CHANNELS_MAX; i++)
		s->jump->channels[i] = (struct jump_channel){ .number = i, .fd = -1 };
	proctitle_set("session %04jx %s", (uintmax_t)s->config->id, title);
}

/* --- to the client --- */

/* Send one message, as the upstream's. */
static void
jump_send(struct session *s, const uint8_t *payload, size_t len)
{
	enum relay_action action = relay_message(&s->relay, RELAY_UPSTREAM, payload, len);

	if (action == RELAY_PASS && leg_send(s->down, payload, len) != 0)
		session_end(s, "client: %s", leg_error(s->down));
	if (payload[0] != SSH_MSG_CHANNEL_DATA)
		dispatch_after_relay(s, action);
}

void
jump_send_all(struct session *s, struct buf *out)
{
	session_send_all(s, out, jump_send);
}

/* --- opening --- */

uint32_t
jump_window(const struct jump *j)
{
	uint32_t used = 0, window;
	size_t i;

	for (i = 0; i < JUMP_CHANNELS_MAX; i++)
		used += j->channels[i].size;
	window = used < JUMP_WINDOWS ? (JUMP_WINDOWS - used) / 4 : 0;
	if (window > JUMP_WINDOW_MAX)
		return JUMP_WINDOW_MAX;
	return window < JUMP_WINDOW_MIN ? JUMP_WINDOW_MIN : window;
}

struct jump_channel *
jump_place(struct jump *j)
{
	struct jump_channel *c = j->channels;

	while (c < j->channels + JUMP_CHANNELS_MAX && c->state != JUMP_FREE)
		c++;
	return c < j->channels + JUMP_CHANNELS_MAX ? c : NULL;
}

/* Have the keeper dial for the channel that has waited longest, unless it dials already. */
static void
jump_dial_next(struct session *s)
{
	struct jump *j = s->jump;
	struct jump_channel *c, *next = NULL;
	struct buf b;

	if (j->dials != NULL || s->state != SESSION_RELAY)
		return;
	for (c = j->channels; c < j->channels + JUMP_CHANNELS_MAX; c++)
		if (c->state == JUMP_WAITS && (next == NULL || c->turn < next->turn))
			next = c;
	if (next == NULL)
		return;
	next->state = JUMP_DIALS;
	j->dials = next;
	ipc_begin(&b, IPC_JUMP_OPEN);
	wire_put_text(&b, next->host);
	wire_put_u32(&b, next->port);
	keeper_link_send(s, &b);
}

/* direct-tcpip (RFC 4254 section 7.2), behind the fields that all kinds of channels have.  The
 * originator's address is the client's word, and of no use. */
static void
jump_open_tcpip(struct session *s, struct jump_channel *c, struct wire *w, struct buf *out)
{
	char host[JUMP_HOST_MAX + 1];

	wire_text(w, host, sizeof(host));
	c->port = wire_u32(w);
	if (wire_err(w) != 0 || c->port == 0 || c->port > UINT16_MAX || c->packet == 0) {
		jump_channel_refuse(c, SSH_OPEN_CONNECT_FAILED, "no such host or port", out);
		return;
	}
	c->host = strdup(host);
	if (c->host == NULL) {
		jump_channel_refuse(c, SSH_OPEN_RESOURCE_SHORTAGE, "out of memory", out);
		return;
	}
	c->state = JUMP_WAITS;
	c->turn = s->jump->turns++;
}

static void
jump_open_message(struct session *s, struct wire *w, struct buf *out)
{
	struct jump_channel *c = jump_place(s->jump), refused = { .fd = -1 };
	struct bytes type = wire_string(w);

	if (c == NULL || s->jump->hold != NULL)
		c = &refused;
	c->client = wire_u32(w);
	c->window = wire_u32(w);
	c->packet = wire_u32(w);
	if (wire_err(w) != 0)
		session_end(s, "client: unreadable CHANNEL_OPEN");
	else if (s->jump->hold != NULL && bytes_is(type, "session"))
		terminal_open(s, c->client, c->window, c->packet, out);
	else if (s->jump->hold != NULL)
		jump_channel_refuse(c, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
		    "this login holds tunnels: ssh -NR NAME:80:localhost:8080 LOGIN@GATEWAY", out);
	else if (!bytes_is(type, "direct-tcpip"))
		jump_channel_refuse(c, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
		    "this login leads on to other machines: ssh -J LOGIN@GATEWAY MACHINE", out);
	else if (c == &refused)
		jump_channel_refuse(c, SSH_OPEN_RESOURCE_SHORTAGE, "too many connections at a time",
		    out);
	else
		jump_open_tcpip(s, c, w, out);
}

void
jump_opened(struct session *s, struct ipc_msg *msg)
{
	struct jump_channel *c = s->jump != NULL ? s->jump->dials : NULL;
	struct buf out;

	if (c == NULL || wire_end(&msg->body) != 0) {
		fd_close(&msg->fd);
		session_end(s, "unexpected message from the keeper");
		return;
	}
	s->jump->dials = NULL;
	buf_init(&out, JUMP_ANSWERS_MAX);
	jump_channel_open(c, msg->fd, jump_window(s->jump), &out);
	msg->fd = -1;
	jump_send_all(s, &out);
	jump_dial_next(s);
}

void
jump_refused(struct session *s, struct wire *body)
{
	struct jump_channel *c = s->jump != NULL ? s->jump->dials : NULL;
	uint32_t reason = wire_u32(body);
	char text[512];
	struct buf out;

	wire_text(body, text, sizeof(text));
	if (c == NULL || wire_end(body) != 0) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	s->jump->dials = NULL;
	buf_init(&out, JUMP_ANSWERS_MAX);
	jump_channel_refuse(c, reason, text, &out);
	jump_send_all(s, &out);
	jump_dial_next(s);
}

/* --- messages and sockets --- */

/* Global requests and messages about channels. */
static int
jump_dispatch(struct session *s, uint8_t type, struct wire *w, struct buf *out)
{
	struct buf b;
	uint32_t number;

	if (type == SSH_MSG_CHANNEL_OPEN) {
		jump_open_message(s, w, out);
		return 0;
	}
	if (type == SSH_MSG_GLOBAL_REQUEST && s->jump->hold != NULL)
		return hold_request(s, w, out);
	if (type == SSH_MSG_GLOBAL_REQUEST) {
		/* as sshd answers a request that it does not know, such as a keepalive */
		(void)wire_string(w);
		if (!wire_bool(w))
			return 0;
		buf_init(&b, 1);
		buf_put_u8(&b, SSH_MSG_REQUEST_FAILURE);
		wire_put_message(out, &b);
		return 0;
	}
	number = wire_u32(w);
	if (wire_err(w) == 0 && number >= JUMP_CHANNELS_MAX && s->jump->hold != NULL)
		return terminal_message(s, number, type, w, out);
	if (wire_err(w) != 0 || number >= JUMP_CHANNELS_MAX)
		return ERR_FORMAT;
	if (s->jump->channels[number].state == JUMP_OFFERED)
		return jump_channel_offered(&s->jump->channels[number], type, w);
	if (s->jump->channels[number].state != JUMP_OPEN)
		return ERR_FORMAT;
	return jump_channel_message(&s->jump->channels[number], type, w, out);
}

void
jump_message(struct session *s, const uint8_t *payload, size_t len)
{
	struct buf out;
	struct wire w;
	int r;

	buf_init(&out, JUMP_ANSWERS_MAX);
	wire_init(&w, payload + 1, len - 1);
	r = jump_dispatch(s, payload[0], &w, &out);
	jump_send_all(s, &out);
	if (r != 0 && s->state != SESSION_CLOSING) {
		session_end(s, "client breaks the protocol of channels");
		leg_disconnect(s->down, SSH_DISCONNECT_PROTOCOL_ERROR, "protocol error");
	}
	jump_dial_next(s);
}

void
jump_payloads(struct session *s, struct wire *body)
{
	struct bytes payload;

	while (body->left > 0 && s->jump != NULL && s->state == SESSION_RELAY) {
		payload = wire_string(body);
		if (wire_err(body) != 0 || payload.len == 0)
			break;
		jump_message(s, payload.p, payload.len);
	}
}

nfds_t
jump_poll(const struct session *s, struct pollfd fds[JUMP_CHANNELS_MAX])
{
	int full = leg_queued(s->down) >= JUMP_HIGH_WATER;
	const struct jump_channel *c;
	nfds_t i, n = 0;
	short events;

	for (i = 0; i < JUMP_CHANNELS_MAX; i++) {
		c = &s->jump->channels[i];
		events = jump_channel_wants(c);
		if (full)
			events &= ~POLLIN;
		/* without events, poll(2) would report an end again and again */
		fds[i] = (struct pollfd){ events != 0 ? c->fd : -1, events, 0 };
		if (events != 0)
			n = i + 1;
	}
	return n;
}

void
jump_ready(struct session *s, const struct pollfd *fds, nfds_t n, int64_t now)
{
	struct jump_channel *c;
	struct buf out;
	size_t len;
	nfds_t i;

	for (i = 0; i < n && s->state == SESSION_RELAY; i++) {
		c = &s->jump->channels[i];
		/* a message of the client may have closed it meanwhile */
		if (fds[i].revents == 0 || c->fd != fds[i].fd)
			continue;
		buf_init(&out, JUMP_ANSWERS_MAX);
		len = 0;
		if (c->late.len > 0 && (fds[i].revents & (POLLOUT | POLLERR | POLLHUP)) != 0)
			jump_channel_writable(c, &out);
		if ((fds[i].events & POLLIN) != 0 && (jump_channel_wants(c) & POLLIN) != 0)
			len = jump_channel_read(c, s->jump->message, &out);
		if (len > 0) {
			s->trim_bytes += len;
			jump_send(s, s->jump->message, len);
			relay_heard(&s->relay, RELAY_UPSTREAM, now);
		}
		jump_send_all(s, &out);
	}
	jump_dial_next(s);
}
