#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "session/agentfwd_private.h"
#include "wire/ssh.h"

/* What the client may send at once on its session: all that RFC 4253 section 6.1 has
 * everybody take. */
#define SESSION_PACKET 32768

/* What the client says in the meantime: requests, no data. */
#define HELD_MAX (256 * 1024)

/* Of what is shown on its stderr, at once; agent_message() has room for it. */
#define STDERR_PIECE 1024

/* How long one that is turned away has to read why. */
#define REFUSED_MS 4000

static const char no_session[] =
    "sallyport: this login needs your agent, so it needs a session: ssh -A without -N and -W";

void
agent_send_down(struct session *s, struct buf *out)
{
	struct wire body;

	wire_init(&body, out->data, out->len);
	if (buf_err(out) != 0)
		session_end(s, "%s", err_str(buf_err(out)));
	else
		session_send_payloads(s, s->down, &body);
	buf_free(out);
}

void
agent_message(struct buf *b, uint8_t type, uint32_t recipient)
{
	buf_init(b, 2048);
	buf_put_u8(b, type);
	wire_put_u32(b, recipient);
}

static void
put_bare(struct buf *out, uint8_t type, uint32_t recipient)
{
	struct buf b;

	agent_message(&b, type, recipient);
	wire_put_message(out, &b);
}

void
agent_begin(struct session *s, struct wire *body)
{
	struct agent *a;

	if (s->state != SESSION_UPSTREAM_AUTH || s->agent != NULL) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	a = calloc(1, sizeof(*a));
	if (a == NULL) {
		session_end(s, "%s", err_str(ERR_NOMEM));
		return;
	}
	agent_channel_init(&a->channel, AGENT_CHANNEL_NUMBER);
	buf_init(&a->held, HELD_MAX);
	s->agent = a;
	session_send_payloads(s, s->down, body);
	if (leg_send_success(s->down) != 0) {
		session_end(s, "client: %s", leg_error(s->down));
		return;
	}
	session_set_state(s, SESSION_AGENT);
}

/* --- to the keeper --- */

static void
fail(struct session *s, enum ipc_agent_failure failure)
{
	struct buf b;

	if (s->agent->failed)
		return;
	s->agent->failed = 1;
	ipc_begin(&b, IPC_AGENT_FAILED);
	buf_put_u8(&b, (uint8_t)failure);
	session_tell(s, &b);
}

void
agent_request(struct session *s, struct wire *body)
{
	struct bytes request = wire_string(body);
	struct agent *a = s->agent;
	struct buf out;

	if (s->state != SESSION_AGENT || wire_end(body) != 0 || a->channel.asked) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	if (a->channel.state != AGENT_CHANNEL_OPEN) {
		fail(s, IPC_AGENT_GONE);
		return;
	}
	buf_init(&out, IPC_MAX * 2);
	agent_channel_request(&a->channel, request, &out);
	agent_send_down(s, &out);
}

static void
channel_event(struct session *s, enum agent_channel_event event)
{
	struct agent *a = s->agent;
	struct buf b;

	switch (event) {
	case AGENT_CHANNEL_NOTHING:
		return;
	case AGENT_CHANNEL_OPENED:
		ipc_begin(&b, IPC_AGENT_OPEN);
		session_tell(s, &b);
		return;
	case AGENT_CHANNEL_ANSWER:
		ipc_begin(&b, IPC_AGENT_ANSWER);
		wire_put_bytes(&b, agent_channel_answer(&a->channel));
		session_tell(s, &b);
		return;
	case AGENT_CHANNEL_REFUSED:
		fail(s, IPC_AGENT_DENIED);
		return;
	case AGENT_CHANNEL_GONE:
		/* else it is found out when it is asked the next time */
		if (a->channel.asked)
			fail(s, IPC_AGENT_GONE);
		return;
	case AGENT_CHANNEL_GARBLED:
		fail(s, IPC_AGENT_GARBLED);
		return;
	}
}

void
agent_timeout(struct session *s, int64_t now)
{
	if (s->agent->failed || s->agent->shut) {
		session_end(s, "refused");
		return;
	}
	fail(s, IPC_AGENT_TIMEOUT);
	s->deadline = now + REFUSED_MS;
}

/* --- on the session's stderr --- */

/* As much of it as goes into one message, and as the client takes: how much that was. */
static size_t
put_stderr(struct agent *a, const void *p, size_t len, struct buf *out)
{
	struct buf b;

	if (len > a->window)
		len = a->window;
	if (len > a->client_packet)
		len = a->client_packet;
	if (len > STDERR_PIECE)
		len = STDERR_PIECE;
	if (len == 0)
		return 0;
	agent_message(&b, SSH_MSG_CHANNEL_EXTENDED_DATA, a->client);
	wire_put_u32(&b, SSH_EXTENDED_DATA_STDERR);
	wire_put_string(&b, p, len);
	wire_put_message(out, &b);
	a->window -= (uint32_t)len;
	return len;
}

/* For a terminal that may be raw already.  What a client shows of a banner has no control
 * characters, and what comes on stderr it does not look at. */
static void
put_shown(struct buf *b, struct bytes text)
{
	uint8_t c, before = 0;
	size_t i;

	for (i = 0; i < text.len; before = c, i++) {
		c = text.p[i];
		if (c == '\n')
			buf_put(b, "\r\n", 2);
		else if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f ||
		    (before == 0xc2 && c >= 0x80 && c < 0xa0))
			buf_put_u8(b, '?');
		else if (c != '\r')
			buf_put_u8(b, c);
	}
}

void
agent_banner(struct session *s, struct wire *body)
{
	struct agent *a = s->agent;
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
	buf_init(&out, 2 * STDERR_PIECE);
	put_shown(&shown, text);
	for (at = 0; (n = put_stderr(a, shown.data + at, shown.len - at, &out)) > 0; at += n)
		agent_send_down(s, &out);
	buf_free(&shown);
}

/* --- turned away --- */

/* The session ends with a line on its stderr and exit status 255. */
static void
put_refusal(struct agent *a, const char *text, struct buf *out)
{
	char line[600];
	unsigned int i;
	struct buf b;

	for (i = 0; i < a->replies; i++)
		put_bare(out, SSH_MSG_CHANNEL_SUCCESS, a->client);
	snprintf(line, sizeof(line), "%s\r\n", text);
	(void)put_stderr(a, line, strlen(line), out);
	agent_message(&b, SSH_MSG_CHANNEL_REQUEST, a->client);
	wire_put_text(&b, "exit-status");
	wire_put_bool(&b, 0);
	wire_put_u32(&b, 255);
	wire_put_message(out, &b);
	put_bare(out, SSH_MSG_CHANNEL_EOF, a->client);
	put_bare(out, SSH_MSG_CHANNEL_CLOSE, a->client);
}

void
agent_refuse(struct session *s, const char *text)
{
	struct agent *a = s->agent;
	struct buf out;

	buf_init(&out, HELD_MAX * 2);
	agent_channel_close(&a->channel, &out);
	if (a->open && !a->shut)
		put_refusal(a, text, &out);
	agent_send_down(s, &out);
	if (s->state == SESSION_AGENT && s->up != NULL)
		leg_disconnect(s->up, SSH_DISCONNECT_BY_APPLICATION, "sallyport: refused");
	a->failed = 1;
	if (!a->open) {
		leg_disconnect(s->down, SSH_DISCONNECT_BY_APPLICATION, text);
		session_end(s, "refused");
	}
	a->shut = 1;
	if (s->state == SESSION_AGENT)
		s->deadline = clock_ms() + REFUSED_MS;
}

static void
put_open_failure(struct session *s, uint32_t number)
{
	struct buf out, b;

	if (s->refused++ == 0)
		log_info("refused: a channel before a session with an agent");
	buf_init(&out, 1024);
	agent_message(&b, SSH_MSG_CHANNEL_OPEN_FAILURE, number);
	wire_put_u32(&b, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	wire_put_text(&b, no_session);
	wire_put_text(&b, "");
	wire_put_message(&out, &b);
	agent_send_down(s, &out);
}

/* What the client says after that: no other channel is opened. */
static void
refused_message(struct session *s, const uint8_t *payload, size_t len)
{
	struct wire w;
	uint8_t type;

	wire_init(&w, payload, len);
	type = wire_u8(&w);
	/* it has seen all of it */
	if (type == SSH_MSG_CHANNEL_CLOSE && wire_u32(&w) == AGENT_SESSION_NUMBER)
		session_end(s, "refused");
	if (type != SSH_MSG_CHANNEL_OPEN)
		return;
	(void)wire_string(&w);
	put_open_failure(s, wire_u32(&w));
}

/* --- waiting --- */

void
agent_hold(struct session *s, const uint8_t *payload, size_t len)
{
	struct agent *a = s->agent;

	wire_put_string(&a->held, payload, len);
	if (buf_err(&a->held) == 0)
		return;
	leg_disconnect(s->down, SSH_DISCONNECT_BY_APPLICATION,
	    "sallyport: too much sent before the machine behind has let you in");
	session_end(s, "client sends too much before the upstream has let it in");
}

/* The session whose agent is to be asked; before it no other channel will do. */
static void
first_open(struct session *s, const uint8_t *payload, size_t len)
{
	struct agent *a = s->agent;
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
		put_open_failure(s, a->client);
		return;
	}
	a->open = 1;
	a->open_at = a->held.len;
	agent_hold(s, payload, len);
	buf_init(&out, 128);
	agent_message(&b, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, a->client);
	wire_put_u32(&b, AGENT_SESSION_NUMBER);
	wire_put_u32(&b, 0);
	wire_put_u32(&b, SESSION_PACKET);
	wire_put_message(&out, &b);
	agent_send_down(s, &out);
}

/*
 * The agent is asked with the request that follows its own: some clients are ready for it
 * only when they have sent that (paramiko).  Unless they wait for a reply.
 */
static void
session_request(struct session *s, const uint8_t *payload, size_t len)
{
	struct agent *a = s->agent;
	struct bytes name;
	struct buf out;
	struct wire w;
	int want_reply;

	wire_init(&w, payload + 5, len - 5);
	name = wire_string(&w);
	want_reply = wire_bool(&w);
	a->replies += want_reply != 0;
	agent_hold(s, payload, len);
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
		agent_send_down(s, &out);
	} else if (bytes_is(name, "shell") || bytes_is(name, "exec") ||
	    bytes_is(name, "subsystem")) {
		fail(s, IPC_AGENT_NOT_OFFERED);
	}
}

/* Replies come in the order of the requests, so one can be given at once only while no
 * other is owed: that is what a client's keepalive needs. */
static void
global_request(struct session *s, const uint8_t *payload, size_t len)
{
	static const uint8_t failure = SSH_MSG_REQUEST_FAILURE;
	struct agent *a = s->agent;
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
	agent_hold(s, payload, len);
}

static void
agent_channel_input(struct session *s, const uint8_t *payload, size_t len)
{
	enum agent_channel_event event;
	struct buf out;

	buf_init(&out, IPC_MAX * 2);
	event = agent_channel_message(&s->agent->channel, payload, len, &out);
	if (event == AGENT_CHANNEL_GARBLED)
		agent_channel_close(&s->agent->channel, &out);
	agent_send_down(s, &out);
	channel_event(s, event);
}

void
agent_waiting(struct session *s, const uint8_t *payload, size_t len)
{
	struct agent *a = s->agent;
	uint32_t to = agent_recipient(payload, len);

	if (a->shut)
		refused_message(s, payload, len);
	else if (to == AGENT_CHANNEL_NUMBER)
		agent_channel_input(s, payload, len);
	else if (to == AGENT_SESSION_NUMBER && payload[0] == SSH_MSG_CHANNEL_REQUEST)
		session_request(s, payload, len);
	else if (payload[0] == SSH_MSG_CHANNEL_OPEN && !a->open)
		first_open(s, payload, len);
	else if (payload[0] == SSH_MSG_GLOBAL_REQUEST)
		global_request(s, payload, len);
	else
		agent_hold(s, payload, len);
}
