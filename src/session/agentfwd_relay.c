/*
 * Key = agent in the relay: the messages held for the client go to the upstream, and from
 * then on the number of the session that was confirmed in advance is changed into the
 * upstream's.
 */
#include <stdio.h>

#include "session/agentfwd_private.h"
#include "wire/ssh.h"

/* Where the initial window is in a CHANNEL_OPEN: behind the type, "session" and a number. */
#define AGENTFWD_OPEN_WINDOW_AT (1 + 4 + sizeof("session") - 1 + 4)

uint32_t
agentfwd_recipient(const uint8_t *payload, size_t len)
{
	struct wire w;

	if (payload[0] <= SSH_MSG_CHANNEL_OPEN || payload[0] > SSH_MSG_CHANNEL_FAILURE)
		return 0;
	wire_init(&w, payload + 1, len - 1);
	return wire_u32(&w);
}

static void
agentfwd_put_u32_at(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* Data larger than the upstream takes in one packet, which the client was promised: returns
 * 1 if it was relayed in pieces. */
static int
agentfwd_in_pieces(struct session *s, const uint8_t *payload, size_t len)
{
	struct agentfwd *a = s->agent;
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
			dispatch_relay(s, RELAY_DOWNSTREAM, b.data, b.len);
		else
			session_end(s, "%s", err_str(buf_err(&b)));
		buf_free(&b);
	}
	return 1;
}

/* Returns 1 if the message is to be relayed. */
static int
agentfwd_from_client(struct session *s, uint8_t *payload, size_t len)
{
	struct agentfwd *a = s->agent;
	uint32_t to;

	if (a->stage == AGENTFWD_WAITING) {
		agentfwd_waiting(s, payload, len);
		return 0;
	}
	to = agentfwd_recipient(payload, len);
	if (to == AGENTFWD_CHANNEL_NUMBER)
		return 0; /* sent before the client saw that the channel is closed */
	if (a->stage == AGENTFWD_OPENING) {
		agentfwd_hold(s, payload, len);
		return 0;
	}
	if (to != AGENTFWD_SESSION_NUMBER)
		return 1;
	if (a->shut)
		return 0;
	agentfwd_put_u32_at(payload + 1, a->upstream);
	return !agentfwd_in_pieces(s, payload, len);
}

/* The held message at this place, or an empty one at the end. */
static struct bytes
agentfwd_held_message(const struct agentfwd *a, size_t at)
{
	struct wire w;

	wire_init(&w, a->held.data + at, a->held.len - at);
	return wire_string(&w);
}

/* The upstream has answered the CHANNEL_OPEN of the session: relay what is held behind it. */
static void
agentfwd_relay_held(struct session *s)
{
	struct agentfwd *a = s->agent;
	size_t at = a->open_at, len;
	uint8_t *payload;

	a->stage = AGENTFWD_RELAYING;
	for (at += 4 + agentfwd_held_message(a, at).len; at < a->held.len; at += 4 + len) {
		len = agentfwd_held_message(a, at).len;
		payload = a->held.data + at + 4;
		if (s->state == SESSION_RELAY && agentfwd_from_client(s, payload, len))
			dispatch_relay(s, RELAY_DOWNSTREAM, payload, len);
	}
	buf_free(&a->held);
}

static void
agentfwd_refuse_session(struct session *s, const char *text)
{
	char line[128];

	snprintf(line, sizeof(line), "sallyport: %s (session %04jx)", text,
	    (uintmax_t)s->config->id);
	agentfwd_refuse(s, line);
	agentfwd_relay_held(s);
}

void
agentfwd_relay(struct session *s)
{
	struct agentfwd *a = s->agent;
	enum relay_action action;
	struct bytes message;
	struct buf out;
	size_t at;

	if (a == NULL)
		return;
	buf_init(&out, 128);
	agent_channel_close(&a->channel, &out);
	agentfwd_send(s, &out);
	if (!a->open || a->shut) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	a->stage = AGENTFWD_OPENING;
	for (at = 0; at < a->open_at && s->state == SESSION_RELAY; at += 4 + message.len) {
		message = agentfwd_held_message(a, at);
		dispatch_relay(s, RELAY_DOWNSTREAM, message.p, message.len);
	}
	/* the banner has used some of the client's window */
	agentfwd_put_u32_at(a->held.data + a->open_at + 4 + AGENTFWD_OPEN_WINDOW_AT, a->window);
	message = agentfwd_held_message(a, a->open_at);
	action = relay_message(&s->relay, RELAY_DOWNSTREAM, message.p, message.len);
	if (action == RELAY_PASS) {
		if (leg_send(s->up, message.p, message.len) != 0)
			session_end(s, "upstream: %s", leg_error(s->up));
		return;
	}
	/* the client takes it for open already: no failure is sent to it */
	if (relay_made(&s->relay, RELAY_DOWNSTREAM) != NULL)
		buf_free(relay_made(&s->relay, RELAY_DOWNSTREAM));
	dispatch_after_relay(s, action);
	if (s->state == SESSION_RELAY)
		agentfwd_refuse_session(s, "this login may not open a session");
}

static void
agentfwd_session_confirmed(struct session *s, uint32_t number, uint32_t window, uint32_t packet)
{
	struct agentfwd *a = s->agent;
	struct buf out, b;

	a->upstream = number;
	a->upstream_packet = packet;
	buf_init(&out, 64);
	wire_begin_channel(&b, SSH_MSG_CHANNEL_WINDOW_ADJUST, a->client);
	wire_put_u32(&b, window);
	wire_put_message(&out, &b);
	agentfwd_send(s, &out);
	agentfwd_relay_held(s);
}

/* Returns 1 if the message is to be relayed. */
static int
agentfwd_from_upstream(struct session *s, const uint8_t *payload, size_t len)
{
	struct agentfwd *a = s->agent;
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
	if (number == AGENTFWD_SESSION_NUMBER || number == AGENTFWD_CHANNEL_NUMBER) {
		session_end(s, "upstream opens a channel under a number of ours");
		return 0;
	}
	if (payload[0] == SSH_MSG_CHANNEL_OPEN || a->stage != AGENTFWD_OPENING || to != a->client)
		return 1;
	window = wire_u32(&w);
	packet = wire_u32(&w);
	action = relay_message(&s->relay, RELAY_UPSTREAM, payload, len);
	dispatch_after_relay(s, action);
	if (action != RELAY_PASS)
		return 0;
	if (payload[0] == SSH_MSG_CHANNEL_OPEN_FAILURE)
		agentfwd_refuse_session(s, "your machine does not open a session");
	else if (wire_err(&w) == 0)
		agentfwd_session_confirmed(s, number, window, packet);
	return 0;
}

int
agentfwd_message(struct session *s, enum relay_leg from, uint8_t *payload, size_t len)
{
	if (from == RELAY_DOWNSTREAM)
		return agentfwd_from_client(s, payload, len);
	return agentfwd_from_upstream(s, payload, len);
}
