/*
 * Key = agent, once the upstream has let us in: what was held back, and the number of
 * the session that was confirmed in advance.
 */
#include <stdio.h>

#include "session/agentfwd_private.h"
#include "wire/ssh.h"

/* The initial window in an OPEN of a session: after the type, that word, and a number. */
#define OPEN_WINDOW_AT (1 + 4 + sizeof("session") - 1 + 4)

uint32_t
agent_recipient(const uint8_t *payload, size_t len)
{
	struct wire w;

	if (payload[0] <= SSH_MSG_CHANNEL_OPEN || payload[0] > SSH_MSG_CHANNEL_FAILURE)
		return 0;
	wire_init(&w, payload + 1, len - 1);
	return wire_u32(&w);
}

static void
put_u32_at(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* The upstream takes less at once than the client was promised: 1 if it went in pieces. */
static int
in_pieces(struct session *s, const uint8_t *payload, size_t len)
{
	struct agent *a = s->agent;
	struct bytes data;
	struct buf b;
	struct wire w;
	size_t n;

	if (payload[0] != SSH_MSG_CHANNEL_DATA || len - 5 <= a->upstream_packet ||
	    a->upstream_packet == 0)
		return 0;
	wire_init(&w, payload + 5, len - 5);
	for (data = wire_string(&w); data.len > 0; data.p += n, data.len -= n) {
		n = data.len < a->upstream_packet ? data.len : a->upstream_packet;
		buf_init(&b, n + 16);
		buf_put_u8(&b, SSH_MSG_CHANNEL_DATA);
		wire_put_u32(&b, a->upstream);
		wire_put_string(&b, data.p, n);
		if (buf_err(&b) == 0)
			session_relay(s, RELAY_DOWNSTREAM, b.data, b.len);
		else
			session_end(s, "%s", err_str(buf_err(&b)));
		buf_free(&b);
	}
	return 1;
}

int
agent_from_client(struct session *s, uint8_t *payload, size_t len)
{
	struct agent *a = s->agent;
	uint32_t to;

	if (a->stage == AGENT_WAITING) {
		agent_waiting(s, payload, len);
		return 0;
	}
	to = agent_recipient(payload, len);
	if (to == AGENT_CHANNEL_NUMBER)
		return 0; /* it has been closed: what was under way */
	if (a->stage == AGENT_OPENING) {
		agent_hold(s, payload, len);
		return 0;
	}
	if (to != AGENT_SESSION_NUMBER)
		return 1;
	if (a->shut)
		return 0;
	put_u32_at(payload + 1, a->upstream);
	return !in_pieces(s, payload, len);
}

/* What is held, from there on: the next message, or an empty one. */
static struct bytes
held_message(const struct agent *a, size_t at)
{
	struct wire w;

	wire_init(&w, a->held.data + at, a->held.len - at);
	return wire_string(&w);
}

/* The session is open at the upstream, or never will be: on with what is held. */
static void
relay_held(struct session *s)
{
	struct agent *a = s->agent;
	size_t at = a->open_at, len;
	uint8_t *payload;

	a->stage = AGENT_RELAYING;
	for (at += 4 + held_message(a, at).len; at < a->held.len; at += 4 + len) {
		len = held_message(a, at).len;
		payload = a->held.data + at + 4;
		if (s->state == SESSION_RELAY && agent_from_client(s, payload, len))
			session_relay(s, RELAY_DOWNSTREAM, payload, len);
	}
	buf_free(&a->held);
}

static void
refuse_session(struct session *s, const char *text)
{
	char line[128];

	snprintf(line, sizeof(line), "sallyport: %s (session %04jx)", text,
	    (uintmax_t)s->config->id);
	agent_refuse(s, line);
	relay_held(s);
}

void
agent_relay(struct session *s)
{
	struct agent *a = s->agent;
	enum relay_action action;
	struct bytes message;
	struct buf out;
	size_t at;

	buf_init(&out, 128);
	agent_channel_close(&a->channel, &out);
	agent_send_down(s, &out);
	if (!a->open || a->shut) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	a->stage = AGENT_OPENING;
	for (at = 0; at < a->open_at && s->state == SESSION_RELAY; at += 4 + message.len) {
		message = held_message(a, at);
		session_relay(s, RELAY_DOWNSTREAM, message.p, message.len);
	}
	/* the banner has used some of the client's window */
	put_u32_at(a->held.data + a->open_at + 4 + OPEN_WINDOW_AT, a->window);
	message = held_message(a, a->open_at);
	action = relay_message(&s->relay, RELAY_DOWNSTREAM, message.p, message.len);
	if (action == RELAY_PASS) {
		if (leg_send(s->up, message.p, message.len) != 0)
			session_end(s, "upstream: %s", leg_error(s->up));
		return;
	}
	/* to the client it is open already */
	if (relay_made(&s->relay, RELAY_DOWNSTREAM) != NULL)
		buf_free(relay_made(&s->relay, RELAY_DOWNSTREAM));
	session_relay_aftermath(s, action);
	if (s->state == SESSION_RELAY)
		refuse_session(s, "this login may not open a session");
}

static void
session_confirmed(struct session *s, uint32_t number, uint32_t window, uint32_t packet)
{
	struct agent *a = s->agent;
	struct buf out, b;

	a->upstream = number;
	a->upstream_packet = packet;
	buf_init(&out, 64);
	agent_message(&b, SSH_MSG_CHANNEL_WINDOW_ADJUST, a->client);
	wire_put_u32(&b, window);
	wire_put_message(&out, &b);
	agent_send_down(s, &out);
	relay_held(s);
}

int
agent_from_upstream(struct session *s, const uint8_t *payload, size_t len)
{
	struct agent *a = s->agent;
	uint32_t to = 0, number = 0, window, packet;
	enum relay_action action;
	struct wire w;

	wire_init(&w, payload + 1, len - 1);
	switch (payload[0]) {
	case SSH_MSG_CHANNEL_OPEN:
		(void)wire_string(&w);
		number = wire_u32(&w);
		break;
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		to = wire_u32(&w);
		number = wire_u32(&w);
		break;
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		to = wire_u32(&w);
		break;
	default:
		return 1;
	}
	if (number == AGENT_SESSION_NUMBER || number == AGENT_CHANNEL_NUMBER) {
		session_end(s, "upstream opens a channel under a number of ours");
		return 0;
	}
	if (payload[0] == SSH_MSG_CHANNEL_OPEN || a->stage != AGENT_OPENING || to != a->client)
		return 1;
	window = wire_u32(&w);
	packet = wire_u32(&w);
	action = relay_message(&s->relay, RELAY_UPSTREAM, payload, len);
	session_relay_aftermath(s, action);
	if (action != RELAY_PASS)
		return 0;
	if (payload[0] == SSH_MSG_CHANNEL_OPEN_FAILURE)
		refuse_session(s, "your machine does not open a session");
	else if (wire_err(&w) == 0)
		session_confirmed(s, number, window, packet);
	return 0;
}
