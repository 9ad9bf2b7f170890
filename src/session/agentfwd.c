/*
 * Key = agent until the upstream accepts the login: the client's session channel is confirmed in
 * advance, its agent is asked on a channel of our own, and what the client sends is held.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "session/agentfwd_private.h"
#include "wire/ssh.h"

/* The largest packet on the client's session: RFC 4253 section 6.1 has every peer take as much. */
#define AGENTFWD_PACKET 32768

/* Bytes held of what a client sends before the upstream accepts the login: requests, no data. */
#define AGENTFWD_HELD_MAX (256 * 1024)

/* Bytes in one message for the session's stderr. */
#define AGENTFWD_STDERR_PIECE 1024

/* How long a refused client has to take the line that says why. */
#define AGENTFWD_REFUSED_MS 4000

static const char agentfwd_no_session[] =
    "sallyport: this login needs your agent, so it needs a session: ssh -A without -N and -W";

void
agentfwd_send(struct session *s, struct buf *out)
{
	struct wire body;

	wire_init(&body, out->data, out->len);
	if (buf_err(out) != 0)
		session_end(s, "%s", err_str(buf_err(out)));
	else
		dispatch_payloads(s, s->down, &body);
	buf_free(out);
}

/* AGENT: let the client in, and wait for its session channel. */
static void
agentfwd_begin(struct session *s, struct wire *body)
{
	struct agentfwd *a;

	if (s->state != SESSION_UPSTREAM_AUTH || s->agent != NULL) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	a = calloc(1, sizeof(*a));
	if (a == NULL) {
		session_end(s, "%s", err_str(ERR_NOMEM));
		return;
	}
	agent_channel_init(&a->channel, AGENTFWD_CHANNEL_NUMBER);
	buf_init(&a->held, AGENTFWD_HELD_MAX);
	s->agent = a;
	dispatch_payloads(s, s->down, body);
	if (s->state != SESSION_CLOSING)
		session_set_state(s, SESSION_AGENT);
}

/* --- to the keeper --- */

static void
agentfwd_fail(struct session *s, enum ipc_agent_failure failure)
{
	struct buf b;

	if (s->agent->failed)
		return;
	s->agent->failed = 1;
	ipc_begin(&b, IPC_AGENT_FAILED);
	buf_put_u8(&b, (uint8_t)failure);
	keeper_link_send(s, &b);
}

/* AGENT_REQUEST: ask the agent. */
static void
agentfwd_request(struct session *s, struct wire *body)
{
	struct bytes request = wire_string(body);
	struct agentfwd *a = s->agent;
	struct buf out;

	if (s->state != SESSION_AGENT || wire_end(body) != 0 || a->channel.asked) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	if (a->channel.state != AGENT_CHANNEL_OPEN) {
		agentfwd_fail(s, IPC_AGENT_GONE);
		return;
	}
	buf_init(&out, IPC_MAX * 2);
	agent_channel_request(&a->channel, request, &out);
	agentfwd_send(s, &out);
}

static void
agentfwd_channel_event(struct session *s, enum agent_channel_event event)
{
	struct agentfwd *a = s->agent;
	struct buf b;

	switch (event) {
	case AGENT_CHANNEL_NOTHING:
		return;
	case AGENT_CHANNEL_OPENED:
		ipc_begin(&b, IPC_AGENT_OPEN);
		keeper_link_send(s, &b);
		return;
	case AGENT_CHANNEL_ANSWER:
		ipc_begin(&b, IPC_AGENT_ANSWER);
		wire_put_bytes(&b, agent_channel_answer(&a->channel));
		keeper_link_send(s, &b);
		return;
	case AGENT_CHANNEL_REFUSED:
		agentfwd_fail(s, IPC_AGENT_DENIED);
		return;
	case AGENT_CHANNEL_GONE:
		/* otherwise the next request finds it closed */
		if (a->channel.asked)
			agentfwd_fail(s, IPC_AGENT_GONE);
		return;
	case AGENT_CHANNEL_GARBLED:
		agentfwd_fail(s, IPC_AGENT_GARBLED);
		return;
	}
}

void
agentfwd_timeout(struct session *s, int64_t now)
{
	if (s->agent->failed || s->agent->shut) {
		session_end(s, "refused");
		return;
	}
	agentfwd_fail(s, IPC_AGENT_TIMEOUT);
	s->deadline = now + AGENTFWD_REFUSED_MS;
}

/* --- on the session's stderr --- */

/* Append one message with as much of the text as fits and the client takes.  Returns how much. */
static size_t
agentfwd_put_stderr(struct agentfwd *a, const void *p, size_t len, struct buf *out)
{
	struct buf b;

	if (len > a->window)
		len = a->window;
	if (len > a->client_packet)
		len = a->client_packet;
	if (len > AGENTFWD_STDERR_PIECE)
		len = AGENTFWD_STDERR_PIECE;
	if (len == 0)
		return 0;
	wire_begin_channel(&b, SSH_MSG_CHANNEL_EXTENDED_DATA, a->client);
	wire_put_u32(&b, SSH_EXTENDED_DATA_STDERR);
	wire_put_string(&b, p, len);
	wire_put_message(out, &b);
	a->window -= (uint32_t)len;
	return len;
}

/* Append text of the upstream's for the user's terminal, which may be raw already.  A client takes
 * control characters out of banners, but not out of stderr. */
static void
agentfwd_put_shown(struct buf *b, struct bytes text)
{
	size_t i, n;

	for (i = 0; i < text.len; i += n == 0 ? 1 : n) {
		n = utf8_harmless(text.p + i, text.len - i);
		if (n > 0)
			buf_put(b, text.p + i, n);
		else if (text.p[i] == '\n')
			buf_put(b, "\r\n", 2);
		else if (text.p[i] != '\r')
			buf_put_u8(b, text.p[i] == '\t' ? '\t' : '?');
	}
}

/* The upstream's banner, or nothing, on the session's stderr. */
static void
agentfwd_banner(struct session *s, struct wire *body)
{
	struct agentfwd *a = s->agent;
	struct buf shown, out;
	struct bytes text;
	size_t at, n;

	if (body->left == 0 || !a->open || a->shut)
		return;
	text = wire_string(body);
	if (wire_end(body) != 0) {
		session_end(s, "unreadable banner from the keeper");
		return;
	}
	buf_init(&shown, 2 * IPC_PAYLOAD_MAX);
	buf_init(&out, 2 * AGENTFWD_STDERR_PIECE);
	agentfwd_put_shown(&shown, text);
	for (at = 0; (n = agentfwd_put_stderr(a, shown.data + at, shown.len - at, &out)) > 0;
	     at += n)
		agentfwd_send(s, &out);
	buf_free(&shown);
}

/* --- refused --- */

/* End the session with a line on its stderr and exit status 255. */
static void
agentfwd_put_refusal(struct agentfwd *a, const char *text, struct buf *out)
{
	char line[600];
	unsigned int i;
	struct buf b;

	for (i = 0; i < a->replies; i++)
		wire_put_channel(out, SSH_MSG_CHANNEL_SUCCESS, a->client);
	snprintf(line, sizeof(line), "%s\r\n", text);
	(void)agentfwd_put_stderr(a, line, strlen(line), out);
	wire_begin_channel(&b, SSH_MSG_CHANNEL_REQUEST, a->client);
	wire_put_text(&b, "exit-status");
	wire_put_bool(&b, 0);
	wire_put_u32(&b, 255);
	wire_put_message(out, &b);
	wire_put_channel(out, SSH_MSG_CHANNEL_EOF, a->client);
	wire_put_channel(out, SSH_MSG_CHANNEL_CLOSE, a->client);
}

void
agentfwd_refuse(struct session *s, const char *text)
{
	struct agentfwd *a = s->agent;
	struct buf out;

	buf_init(&out, AGENTFWD_HELD_MAX * 2);
	agent_channel_close(&a->channel, &out);
	if (a->open && !a->shut)
		agentfwd_put_refusal(a, text, &out);
	agentfwd_send(s, &out);
	if (s->state == SESSION_AGENT && s->up != NULL)
		leg_disconnect(s->up, SSH_DISCONNECT_BY_APPLICATION, "sallyport: refused");
	a->failed = 1;
	if (!a->open) {
		leg_disconnect(s->down, SSH_DISCONNECT_BY_APPLICATION, text);
		session_end(s, "refused");
	}
	a->shut = 1;
	if (s->state == SESSION_AGENT)
		s->deadline = clock_ms() + AGENTFWD_REFUSED_MS;
}

static void
agentfwd_put_open_failure(struct session *s, uint32_t number)
{
	struct buf out, b;

	if (s->refused++ == 0)
		log_info("refused: a channel before a session with an agent");
	buf_init(&out, 1024);
	wire_begin_channel(&b, SSH_MSG_CHANNEL_OPEN_FAILURE, number);
	wire_put_u32(&b, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	wire_put_text(&b, agentfwd_no_session);
	wire_put_text(&b, "");
	wire_put_message(&out, &b);
	agentfwd_send(s, &out);
}

/* A message of a client that has been refused: no other channel is opened. */
static void
agentfwd_refused_message(struct session *s, const uint8_t *payload, size_t len)
{
	struct wire w;
	uint8_t type;

	wire_init(&w, payload, len);
	type = wire_u8(&w);
	/* the client has seen the line */
	if (type == SSH_MSG_CHANNEL_CLOSE && wire_u32(&w) == AGENTFWD_SESSION_NUMBER)
		session_end(s, "refused");
	if (type != SSH_MSG_CHANNEL_OPEN)
		return;
	(void)wire_string(&w);
	agentfwd_put_open_failure(s, wire_u32(&w));
}

/* --- the client's messages in the meantime --- */

void
agentfwd_hold(struct session *s, const uint8_t *payload, size_t len)
{
	struct agentfwd *a = s->agent;

	wire_put_string(&a->held, payload, len);
	if (buf_err(&a->held) == 0)
		return;
	leg_disconnect(s->down, SSH_DISCONNECT_BY_APPLICATION,
	    "sallyport: too much was sent before your machine let you in");
	session_end(s, "client sends too much before the upstream has let it in");
}

/* The client's first channel must be a session: the agent is offered on it. */
static void
agentfwd_first_open(struct session *s, const uint8_t *payload, size_t len)
{
	struct agentfwd *a = s->agent;
	struct bytes type;
	struct buf out, b;
	struct wire w;

	wire_init(&w, payload + 1, len - 1);
	type = wire_string(&w);
	a->client = wire_u32(&w);
	a->window = wire_u32(&w);
	a->client_packet = wire_u32(&w);
	if (wire_err(&w) != 0)
		return;
	if (!bytes_is(type, "session")) {
		agentfwd_put_open_failure(s, a->client);
		return;
	}
	a->open = 1;
	a->open_at = a->held.len;
	agentfwd_hold(s, payload, len);
	buf_init(&out, 128);
	wire_begin_channel(&b, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, a->client);
	wire_put_u32(&b, AGENTFWD_SESSION_NUMBER);
	wire_put_u32(&b, 0);
	wire_put_u32(&b, AGENTFWD_PACKET);
	wire_put_message(&out, &b);
	agentfwd_send(s, &out);
}

/*
 * A request on the session.  Our channel to the agent is opened at the request that follows
 * the one that offers the agent: some clients (paramiko) are ready for the channel only
 * then.  A client that wants a reply to its offer waits for it, so there the channel is
 * opened at once.
 */
static void
agentfwd_session_request(struct session *s, const uint8_t *payload, size_t len)
{
	struct agentfwd *a = s->agent;
	struct bytes name;
	struct buf out;
	struct wire w;
	int want_reply;

	wire_init(&w, payload + 5, len - 5);
	name = wire_string(&w);
	want_reply = wire_bool(&w);
	a->replies += want_reply != 0;
	agentfwd_hold(s, payload, len);
	if (wire_err(&w) != 0 || a->channel.state != AGENT_CHANNEL_NONE)
		return;
	if (bytes_is(name, "auth-agent-req@openssh.com") || bytes_is(name, "auth-agent-req")) {
		a->offered = 1;
		if (!want_reply)
			return;
	}
	if (a->offered) {
		buf_init(&out, 128);
		agent_channel_open(&a->channel, &out);
		agentfwd_send(s, &out);
	} else if (bytes_is(name, "shell") || bytes_is(name, "exec") ||
	    bytes_is(name, "subsystem")) {
		agentfwd_fail(s, IPC_AGENT_NOT_OFFERED);
	}
}

/* A keepalive is answered at once, unless an earlier request still waits for its reply: replies
 * come in the order of the requests. */
static void
agentfwd_global_request(struct session *s, const uint8_t *payload, size_t len)
{
	static const uint8_t failure = SSH_MSG_REQUEST_FAILURE;
	struct agentfwd *a = s->agent;
	struct bytes name;
	struct wire w;
	int want_reply;

	wire_init(&w, payload + 1, len - 1);
	name = wire_string(&w);
	want_reply = wire_bool(&w);
	if (wire_err(&w) != 0)
		return;
	if (want_reply && a->asked == 0 && bytes_is(name, "keepalive@openssh.com")) {
		if (leg_send(s->down, &failure, 1) != 0)
			session_end(s, "client: %s", leg_error(s->down));
		return;
	}
	a->asked += want_reply != 0;
	agentfwd_hold(s, payload, len);
}

static void
agentfwd_channel_input(struct session *s, const uint8_t *payload, size_t len)
{
	enum agent_channel_event event;
	struct buf out;

	buf_init(&out, IPC_MAX * 2);
	event = agent_channel_message(&s->agent->channel, payload, len, &out);
	if (event == AGENT_CHANNEL_GARBLED)
		agent_channel_close(&s->agent->channel, &out);
	agentfwd_send(s, &out);
	agentfwd_channel_event(s, event);
}

void
agentfwd_waiting(struct session *s, const uint8_t *payload, size_t len)
{
	struct agentfwd *a = s->agent;
	uint32_t to = agentfwd_recipient(payload, len);

	if (a->shut)
		agentfwd_refused_message(s, payload, len);
	else if (to == AGENTFWD_CHANNEL_NUMBER)
		agentfwd_channel_input(s, payload, len);
	else if (to == AGENTFWD_SESSION_NUMBER && payload[0] == SSH_MSG_CHANNEL_REQUEST)
		agentfwd_session_request(s, payload, len);
	else if (payload[0] == SSH_MSG_CHANNEL_OPEN && !a->open)
		agentfwd_first_open(s, payload, len);
	else if (payload[0] == SSH_MSG_GLOBAL_REQUEST)
		agentfwd_global_request(s, payload, len);
	else
		agentfwd_hold(s, payload, len);
}

/* --- from the keeper --- */

/* REFUSE after AGENT. */
static void
agentfwd_keeper_refuses(struct session *s, struct wire *body)
{
	char text[512];

	wire_text(body, text, sizeof(text));
	agentfwd_banner(s, body);
	agentfwd_refuse(s, text);
}

int
agentfwd_keeper_message(struct session *s, struct ipc_msg *msg)
{
	if (msg->type == IPC_AGENT)
		agentfwd_begin(s, &msg->body);
	else if (msg->type == IPC_AGENT_REQUEST)
		agentfwd_request(s, &msg->body);
	else if (msg->type == IPC_REFUSE && s->agent != NULL)
		agentfwd_keeper_refuses(s, &msg->body);
	else
		return 0;
	return 1;
}

int
agentfwd_relay_begin(struct session *s, struct wire *body)
{
	if (s->agent == NULL)
		return 0;
	agentfwd_banner(s, body);
	return 1;
}
