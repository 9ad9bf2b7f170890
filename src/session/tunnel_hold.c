/*
 * The tunnels of a session (tunnel_hold.h): requests in their order, answers, connections.
 */
#include "session/tunnel_hold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "session/jump_private.h"
#include "session/tunnel_terminal.h"
#include "wire/ssh.h"

/* Requests that wait for the keeper's answer to an earlier one: ssh sends all of its -R at once. */
#define HOLD_REQUESTS_MAX 128

struct hold_request {
	enum ipc_type type; /* TUNNEL_LISTEN, TUNNEL_CANCEL; IPC_NONE: to be refused in its turn */
	int want_reply;
	char *address;
	uint32_t port;
};

struct hold {
	struct hold_request requests[HOLD_REQUESTS_MAX]; /* a ring */
	unsigned int first, n;
	int asked;	      /* the keeper has the first */
	struct strlist lines; /* of the tunnels that are open */
	struct terminals terminals;
};

struct hold *
hold_new(void)
{
	return calloc(1, sizeof(struct hold));
}

int
hold_is(const struct session *s)
{
	return s->jump != NULL && s->jump->hold != NULL;
}

const struct strlist *
hold_lines(const struct session *s)
{
	return &s->jump->hold->lines;
}

int
hold_waits(const struct session *s)
{
	return s->jump->hold->n > 0;
}

struct terminals *
hold_terminals(struct session *s)
{
	return &s->jump->hold->terminals;
}

/* --- requests --- */

static void
hold_reply(const struct hold_request *r, int done, uint32_t port, struct buf *out)
{
	struct buf b;

	if (!r->want_reply)
		return;
	buf_init(&b, 8);
	buf_put_u8(&b, done ? SSH_MSG_REQUEST_SUCCESS : SSH_MSG_REQUEST_FAILURE);
	if (done && r->type == IPC_TUNNEL_LISTEN && r->port == 0)
		wire_put_u32(&b, port);
	wire_put_message(out, &b);
}

static void
hold_drop_first(struct hold *h)
{
	free(h->requests[h->first].address);
	h->first = (h->first + 1) % HOLD_REQUESTS_MAX;
	h->n--;
}

/* Give the keeper the next request, unless it has one. */
static void
hold_ask(struct session *s, struct buf *out)
{
	struct hold *h = s->jump->hold;
	struct hold_request *r;
	struct buf b;

	for (; h->n > 0 && !h->asked; hold_drop_first(h)) {
		r = &h->requests[h->first];
		if (r->type != IPC_NONE) {
			ipc_begin(&b, r->type);
			wire_put_text(&b, r->address);
			wire_put_u32(&b, r->port);
			keeper_link_send(s, &b);
			h->asked = 1;
			return;
		}
		hold_reply(r, 0, 0, out);
	}
}

int
hold_request(struct session *s, struct wire *w, struct buf *out)
{
	struct hold *h = s->jump->hold;
	struct hold_request r = { .type = IPC_NONE };
	struct bytes name = wire_string(w);
	char address[256];

	r.want_reply = wire_bool(w);
	if (bytes_is(name, "tcpip-forward"))
		r.type = IPC_TUNNEL_LISTEN;
	else if (bytes_is(name, "cancel-tcpip-forward"))
		r.type = IPC_TUNNEL_CANCEL;
	if (wire_err(w) != 0)
		return ERR_FORMAT;
	if (r.type != IPC_NONE) {
		wire_text(w, address, sizeof(address));
		r.port = wire_u32(w);
		if (wire_end(w) != 0 || r.port > UINT16_MAX)
			r.type = IPC_NONE; /* as sshd refuses it */
		else
			r.address = strdup(address);
	}
	if (h->n == HOLD_REQUESTS_MAX || (r.type != IPC_NONE && r.address == NULL)) {
		free(r.address);
		return ERR_FORMAT;
	}
	h->requests[(h->first + h->n++) % HOLD_REQUESTS_MAX] = r;
	hold_ask(s, out);
	return 0;
}

/* --- answers --- */

static void
hold_forget(struct hold *h, const char *line)
{
	struct strlist *l = &h->lines;
	size_t i = 0;

	while (i < l->n && strcmp(l->v[i], line) != 0)
		i++;
	if (i == l->n)
		return;
	free(l->v[i]);
	memmove(&l->v[i], &l->v[i + 1], (l->n - i) * sizeof(l->v[0]));
	l->n--;
}

/* The first request has its answer. */
static void
hold_answered(struct session *s, int done, uint32_t port, const char *line, struct buf *out)
{
	struct hold *h = s->jump->hold;
	const enum ipc_type type = h->requests[h->first].type;

	hold_reply(&h->requests[h->first], done, port, out);
	hold_drop_first(h);
	h->asked = 0;
	if (done && type == IPC_TUNNEL_LISTEN) {
		if (strlist_add(&h->lines, line, strlen(line)) != 0)
			session_end(s, "out of memory");
		terminal_say(s, out, "Tunnel %s is open.", line);
	} else if (done) {
		hold_forget(h, line);
		terminal_say(s, out, "Tunnel %s has ended.", line);
	} else if (type == IPC_TUNNEL_LISTEN) {
		terminal_say(s, out, "No tunnel %s", line);
	}
}

void
hold_answer(struct session *s, struct wire *body)
{
	struct hold *h = hold_is(s) ? s->jump->hold : NULL;
	int done = wire_bool(body);
	uint32_t port = wire_u32(body);
	char line[512], why[600];
	struct buf out;

	wire_text(body, line, sizeof(line));
	if (h == NULL || !h->asked || wire_end(body) != 0) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	buf_init(&out, JUMP_ANSWERS_MAX);
	hold_answered(s, done, port, line, &out);
	hold_ask(s, &out);
	terminal_check(s, &out);
	jump_send_all(s, &out);
	/* with -N there is nobody to tell but by the end */
	if (done || h->lines.n > 0 || h->n > 0 || terminal_any(s) || s->state != SESSION_RELAY)
		return;
	snprintf(why, sizeof(why), "no tunnel %s", line);
	hold_end_all(s, why);
}

void
hold_lost(struct session *s, struct wire *body)
{
	char line[512], why[512];
	struct buf out;

	wire_text(body, line, sizeof(line));
	wire_text(body, why, sizeof(why));
	if (!hold_is(s) || wire_end(body) != 0) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	buf_init(&out, JUMP_ANSWERS_MAX);
	hold_forget(s->jump->hold, line);
	terminal_say(s, &out, "Tunnel %s has ended: %s.", line, why);
	jump_send_all(s, &out);
}

void
hold_end_all(struct session *s, const char *why)
{
	char line[640];

	snprintf(line, sizeof(line), "sallyport: %.600s (session %04jx)", why,
	    (uintmax_t)s->config->id);
	session_end(s, "%s", why);
	leg_disconnect(s->down, SSH_DISCONNECT_BY_APPLICATION, line);
}

void
hold_over(struct session *s, struct wire *body)
{
	char why[400];

	wire_text(body, why, sizeof(why));
	if (wire_end(body) != 0)
		session_end(s, "unexpected message from the keeper");
	else
		hold_end_all(s, why);
}

/* --- connections --- */

/* May this source have one more connection?  It has at most half of them, so that it does not lock others
 * out. */
static int
hold_source_may(const struct jump *j, const char *client)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < JUMP_CHANNELS_MAX; i++)
		n += j->channels[i].state != JUMP_FREE &&
		    strcmp(j->channels[i].origin, client) == 0;
	return n < JUMP_CHANNELS_MAX / 2;
}

/* A key exchange may wait for the keeper just now, so nothing is sent to the client here. */
void
hold_arrived(struct session *s, struct ipc_msg *msg)
{
	struct jump_channel *c = hold_is(s) ? jump_place(s->jump) : NULL;
	struct ipc_tunnelled m;
	struct buf b;

	if (!hold_is(s) || ipc_tunnelled_get(&msg->body, &m) != 0) {
		fd_close(&msg->fd);
		session_end(s, "unexpected message from the keeper");
		return;
	}
	ipc_begin(&b, IPC_TUNNEL_TAKEN);
	keeper_link_send(s, &b);
	if (c != NULL && hold_source_may(s->jump, m.client))
		c->host = strdup(m.address);
	if (c == NULL || c->host == NULL) {
		fd_close(&msg->fd);
		log_info("a connection from %s port %u to %s is closed: too many at a time",
		    m.client, m.client_port, m.name);
		return;
	}
	c->state = JUMP_ARRIVED;
	c->turn = s->jump->turns++;
	c->fd = msg->fd;
	msg->fd = -1;
	c->port = m.port;
	c->origin_port = m.client_port;
	snprintf(c->origin, sizeof(c->origin), "%s", m.client);
	snprintf(c->tunnel, sizeof(c->tunnel), "%s", m.name);
}

void
hold_offer(struct session *s)
{
	struct jump *j = s->jump;
	struct jump_channel *c;
	struct buf out;

	if (!hold_is(s) || s->state != SESSION_RELAY)
		return;
	for (c = j->channels; c < j->channels + JUMP_CHANNELS_MAX; c++) {
		if (c->state != JUMP_ARRIVED)
			continue;
		buf_init(&out, JUMP_ANSWERS_MAX);
		jump_channel_offer(c, jump_window(j), &out);
		terminal_say(s, &out, "%s connected to %s", c->origin, c->tunnel);
		jump_send_all(s, &out);
	}
}

void
hold_end(struct session *s, struct buf *out)
{
	struct jump_channel *c;

	for (c = s->jump->channels; c < s->jump->channels + JUMP_CHANNELS_MAX; c++)
		if (c->state == JUMP_OPEN)
			jump_channel_cut(c, out);
}
