/*
 * The policy of a login in the relay, for relay.c: which channels either side may open, and
 * which global requests the client may make.
 */
#include <stdlib.h>
#include <string.h>

#include "relay/permit.h"
#include "relay/policy_enforce_private.h"
#include "wire/ssh.h"

/* Bytes of a CHANNEL_OPEN that is held until its number is free. */
#define POLICY_ENFORCE_HELD_MAX 1024

#define POLICY_ENFORCE_CLIENT_NUMBER "client opens a channel under a number in use"
#define POLICY_ENFORCE_UPSTREAM_NUMBER "upstream opens a channel under a number in use"
#define POLICY_ENFORCE_CHANNELS "too many channels"

struct policy_enforce *
policy_enforce_new(struct policy *policy, uint64_t session)
{
	struct policy_enforce *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		policy_free(policy);
		return NULL;
	}
	p->policy = *policy;
	*policy = (struct policy){ 0 };
	p->session = session;
	buf_init(&p->made[0], POLICY_ENFORCE_MADE_MAX);
	buf_init(&p->made[1], POLICY_ENFORCE_MADE_MAX);
	return p;
}

void
policy_enforce_free(struct policy_enforce **pp)
{
	struct policy_enforce *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	policy_free(&p->policy);
	channels_free(&p->channels);
	buf_free(&p->made[0]);
	buf_free(&p->made[1]);
	free(p);
}

struct buf *
policy_enforce_made(struct policy_enforce *p, enum relay_leg to)
{
	return p->made[to].len > 0 || p->made[to].err != 0 ? &p->made[to] : NULL;
}

const char *
policy_enforce_refused(struct policy_enforce *p)
{
	const char *what = p->refused;

	p->refused = NULL;
	return what;
}

const char *
policy_enforce_why(const struct policy_enforce *p)
{
	return p->why != NULL ? p->why : "";
}

size_t
policy_enforce_channels(const struct policy_enforce *p)
{
	return p->channels.n;
}

/* Are all channels kept, and not sessions alone? */
static int
policy_enforce_keeps_all(const struct policy_enforce *p)
{
	return p->policy.unused_ms > 0;
}

enum relay_action
policy_enforce_end(struct policy_enforce *p, const char *why)
{
	p->why = why;
	return RELAY_END;
}

void
policy_enforce_put(struct policy_enforce *p, enum relay_leg to, const struct buf *message)
{
	if (message->err != 0)
		p->made[to].err = message->err;
	wire_put_string(&p->made[to], message->data, message->len);
}

void
policy_enforce_put_made(struct policy_enforce *p, enum relay_leg to, struct buf *message)
{
	policy_enforce_put(p, to, message);
	buf_free(message);
}

void
policy_enforce_begin(struct buf *b, uint8_t type, uint32_t recipient)
{
	buf_init(b, POLICY_ENFORCE_MADE_MAX);
	buf_put_u8(b, type);
	wire_put_u32(b, recipient);
}

int
policy_enforce_has_nul(struct bytes s)
{
	return s.len > 0 && memchr(s.p, '\0', s.len) != NULL;
}

static void
policy_enforce_put_open_failure(struct policy_enforce *p, enum relay_leg to, uint32_t recipient,
    uint32_t reason)
{
	struct buf b;

	policy_enforce_begin(&b, SSH_MSG_CHANNEL_OPEN_FAILURE, recipient);
	wire_put_u32(&b, reason);
	wire_put_text(&b, "open failed");
	wire_put_text(&b, "");
	policy_enforce_put_made(p, to, &b);
}

/* --- opening --- */

/* PROTOCOL of OpenSSH, section 2.3: any unit will do. */
#define POLICY_ENFORCE_TUNNEL_ANY 0x7fffffffU

static const char policy_enforce_tunnel[] = "tun@openssh.com";

/* As sshd with tunnel="n": the client may ask for that unit, or for any and gets that one. */
static int
policy_enforce_tunnel_permitted(const struct policy_enforce *p, struct wire *w)
{
	uint32_t unit;

	(void)wire_u32(w); /* point to point, or Ethernet */
	unit = wire_u32(w);
	return wire_end(w) == 0 && (unit == POLICY_ENFORCE_TUNNEL_ANY || unit == p->policy.tunnel);
}

/* Put the permitted unit, the last field, in place of the one asked for. */
static void
policy_enforce_put_tunnel(struct policy_enforce *p, const uint8_t *payload, size_t len)
{
	struct buf b;

	buf_init(&b, POLICY_ENFORCE_MADE_MAX);
	buf_put(&b, payload, len - 4);
	wire_put_u32(&b, p->policy.tunnel);
	policy_enforce_put_made(p, RELAY_UPSTREAM, &b);
}

/* Returns 0 if the client may open this channel, or the reason code of OPEN_FAILURE as sshd
 * has it. */
static uint32_t
policy_enforce_open_refused(struct policy_enforce *p, struct bytes type, struct wire *w)
{
	struct bytes host;
	uint32_t port;

	if (bytes_is(type, "session")) {
		p->refused = "session: MaxSessions";
		return p->channels.sessions < p->policy.max_sessions ? 0 : SSH_OPEN_CONNECT_FAILED;
	}
	if (bytes_is(type, "direct-tcpip")) {
		p->refused = "direct-tcpip";
		host = wire_string(w);
		port = wire_u32(w);
		if ((p->policy.permits & POLICY_TCP_LOCAL) != 0 && wire_err(w) == 0 &&
		    !policy_enforce_has_nul(host) && permit_open(p->policy.permit_open, host, port))
			return 0;
		return SSH_OPEN_ADMINISTRATIVELY_PROHIBITED;
	}
	if (bytes_is(type, "direct-streamlocal@openssh.com")) {
		p->refused = "direct-streamlocal";
		host = wire_string(w);
		/* sshd checks paths against PermitOpen as well */
		if ((p->policy.permits & POLICY_STREAM_LOCAL) != 0 && wire_err(w) == 0 &&
		    !policy_enforce_has_nul(host) &&
		    permit_open(p->policy.permit_open, host, PERMIT_PATH))
			return 0;
		return SSH_OPEN_CONNECT_FAILED;
	}
	if (p->policy.has_tunnel && bytes_is(type, policy_enforce_tunnel) &&
	    (p->policy.permits & POLICY_OTHER) != 0) {
		p->refused = "tunnel";
		return policy_enforce_tunnel_permitted(p, w) ? 0 : SSH_OPEN_CONNECT_FAILED;
	}
	p->refused = "channel of unknown type";
	return (p->policy.permits & POLICY_OTHER) != 0 ? 0 : SSH_OPEN_ADMINISTRATIVELY_PROHIBITED;
}

static enum relay_action
policy_enforce_client_open(struct policy_enforce *p, const uint8_t *payload, size_t len)
{
	uint32_t number, window, packet, reason;
	struct channel *c;
	struct bytes type;
	struct wire w;

	wire_init(&w, payload + 1, len - 1);
	type = wire_string(&w);
	number = wire_u32(&w);
	window = wire_u32(&w);
	packet = wire_u32(&w);
	if (wire_err(&w) != 0 || policy_enforce_has_nul(type))
		return RELAY_DROP;
	c = channels_client(&p->channels, number);
	if (c != NULL) {
		/* the client takes the old channel for closed, the upstream has yet to close it */
		if (!c->shut || !c->client_closed || c->held != NULL ||
		    len > POLICY_ENFORCE_HELD_MAX)
			return policy_enforce_end(p, POLICY_ENFORCE_CLIENT_NUMBER);
		c->held = malloc(len);
		if (c->held == NULL)
			return policy_enforce_end(p, "out of memory");
		memcpy(c->held, payload, len);
		c->held_len = len;
		return RELAY_DROP;
	}
	reason = policy_enforce_open_refused(p, type, &w);
	if (reason == 0) {
		p->refused = NULL;
		c = channels_add(&p->channels, number, bytes_is(type, "session"));
		if (c == NULL) {
			p->refused = POLICY_ENFORCE_CHANNELS;
			reason = SSH_OPEN_RESOURCE_SHORTAGE;
		}
	}
	if (reason != 0) {
		policy_enforce_put_open_failure(p, RELAY_DOWNSTREAM, number, reason);
		return RELAY_DROP;
	}
	c->window = window;
	c->packet = packet;
	if (!p->policy.has_tunnel || !bytes_is(type, policy_enforce_tunnel))
		return RELAY_PASS;
	policy_enforce_put_tunnel(p, payload, len);
	return RELAY_DROP;
}

/* A permitted channel of the upstream: keep it, if all are kept. */
static enum relay_action
policy_enforce_upstream_opens(struct policy_enforce *p, uint32_t number)
{
	if (!policy_enforce_keeps_all(p))
		return RELAY_PASS;
	if (channels_upstream(&p->channels, number) != NULL)
		return policy_enforce_end(p, POLICY_ENFORCE_UPSTREAM_NUMBER);
	if (channels_add_upstream(&p->channels, number) != NULL)
		return RELAY_PASS;
	p->refused = POLICY_ENFORCE_CHANNELS;
	policy_enforce_put_open_failure(p, RELAY_UPSTREAM, number, SSH_OPEN_RESOURCE_SHORTAGE);
	return RELAY_DROP;
}

/* The upstream may open channels that are permitted and that the client has asked for. */
static enum relay_action
policy_enforce_upstream_open(struct policy_enforce *p, const uint8_t *payload, size_t len)
{
	static const struct {
		const char *type;
		unsigned int permit; /* 0: never */
	} types[] = {
		{ "auth-agent@openssh.com", POLICY_AGENT },
		{ "auth-agent", POLICY_AGENT },
		{ "x11", POLICY_X11 },
		{ "forwarded-tcpip", POLICY_TCP_REMOTE },
		{ "forwarded-streamlocal@openssh.com", POLICY_STREAM_REMOTE },
		{ "session", 0 },
		{ "direct-tcpip", 0 },
		{ "direct-streamlocal@openssh.com", 0 },
	};
	struct bytes type;
	uint32_t number;
	struct wire w;
	size_t i;
	int ok = (p->policy.permits & POLICY_OTHER) != 0;

	wire_init(&w, payload + 1, len - 1);
	type = wire_string(&w);
	number = wire_u32(&w);
	if (wire_err(&w) != 0 || policy_enforce_has_nul(type))
		return RELAY_DROP;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (bytes_is(type, types[i].type))
			ok = (p->asked & p->policy.permits & types[i].permit) != 0;
	if (ok)
		return policy_enforce_upstream_opens(p, number);
	p->refused = "channel from the upstream that the client has not asked for";
	policy_enforce_put_open_failure(p, RELAY_UPSTREAM, number,
	    SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	return RELAY_DROP;
}

/* --- the upstream's messages about channels of the client --- */

static enum relay_action
policy_enforce_upstream_confirmation(struct policy_enforce *p, struct channel *c, struct wire *w)
{
	uint32_t number = wire_u32(w);

	if (c == NULL || !c->opening || wire_err(w) != 0)
		return RELAY_DROP;
	if (!c->session && !policy_enforce_keeps_all(p)) {
		channels_remove(&p->channels, c);
		return RELAY_PASS;
	}
	if (channels_upstream(&p->channels, number) != NULL)
		return policy_enforce_end(p, POLICY_ENFORCE_UPSTREAM_NUMBER);
	c->upstream = number;
	c->opening = 0;
	return RELAY_PASS;
}

static enum relay_action
policy_enforce_upstream_close(struct policy_enforce *p, struct channel *c)
{
	enum relay_action action = c->shut ? RELAY_DROP : RELAY_PASS;
	uint8_t *held = c->held;
	size_t len = c->held_len;
	struct buf b;

	c->upstream_closed = 1;
	if (!c->client_closed)
		return action;
	c->held = NULL;
	channels_remove(&p->channels, c);
	if (held == NULL)
		return action;
	switch (policy_enforce_client_open(p, held, len)) {
	case RELAY_PASS:
		buf_init(&b, POLICY_ENFORCE_MADE_MAX);
		buf_put(&b, held, len);
		policy_enforce_put_made(p, RELAY_UPSTREAM, &b);
		break;
	case RELAY_DROP:
	case RELAY_PROVE: /* for global requests alone */
		break;
	case RELAY_END:
		action = RELAY_END;
		break;
	}
	free(held);
	return action;
}

static enum relay_action
policy_enforce_upstream_reply(struct policy_enforce *p, struct channel *c)
{
	if (!c->session)
		return RELAY_PASS;
	if (c->shut || replies_come(&c->replies) == REPLY_NONE)
		return RELAY_DROP;
	policy_enforce_release(p, c);
	return RELAY_PASS;
}

static enum relay_action
policy_enforce_upstream_message(struct policy_enforce *p, const uint8_t *payload, size_t len)
{
	struct channel *c;
	struct wire w;

	if (payload[0] == SSH_MSG_CHANNEL_OPEN)
		return policy_enforce_upstream_open(p, payload, len);
	wire_init(&w, payload + 1, len - 1);
	c = channels_client(&p->channels, wire_u32(&w));
	if (wire_err(&w) != 0)
		return RELAY_DROP;
	switch (payload[0]) {
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		return policy_enforce_upstream_confirmation(p, c, &w);
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		if (c == NULL || !c->opening)
			return RELAY_DROP;
		channels_remove(&p->channels, c);
		return RELAY_PASS;
	}
	if (c == NULL || c->opening)
		return RELAY_PASS;
	switch (payload[0]) {
	case SSH_MSG_CHANNEL_CLOSE:
		return policy_enforce_upstream_close(p, c);
	case SSH_MSG_CHANNEL_SUCCESS:
	case SSH_MSG_CHANNEL_FAILURE:
		return policy_enforce_upstream_reply(p, c);
	}
	/* EOF, requests */
	return c->shut ? RELAY_DROP : RELAY_PASS;
}

static enum relay_action
policy_enforce_client_close(struct policy_enforce *p, const uint8_t *payload, size_t len)
{
	struct channel *c;
	struct wire w;

	wire_init(&w, payload + 1, len - 1);
	c = channels_upstream(&p->channels, wire_u32(&w));
	if (wire_end(&w) != 0)
		return RELAY_DROP;
	if (c == NULL || c->opening)
		return RELAY_PASS;
	if (c->client_closed)
		return RELAY_DROP;
	c->client_closed = 1;
	if (c->upstream_closed)
		channels_remove(&p->channels, c);
	return RELAY_PASS;
}

/* The client's answer to a channel of the upstream. */
static enum relay_action
policy_enforce_client_answer(struct policy_enforce *p, const uint8_t *payload, size_t len)
{
	uint32_t upstream, client;
	struct channel *c;
	struct wire w;

	wire_init(&w, payload + 1, len - 1);
	upstream = wire_u32(&w);
	client = wire_u32(&w); /* of OPEN_FAILURE: the reason */
	c = channels_upstream(&p->channels, upstream);
	if (wire_err(&w) != 0 || c == NULL || !c->opening)
		return RELAY_PASS;
	if (payload[0] == SSH_MSG_CHANNEL_OPEN_FAILURE) {
		channels_remove(&p->channels, c);
		return RELAY_PASS;
	}
	if (channels_client(&p->channels, client) != NULL)
		return policy_enforce_end(p, POLICY_ENFORCE_CLIENT_NUMBER);
	c->client = client;
	c->opening = 0;
	return RELAY_PASS;
}

enum relay_action
policy_enforce_message(struct policy_enforce *p, enum relay_leg from, const uint8_t *payload,
    size_t len)
{
	switch (payload[0]) {
	case SSH_MSG_CHANNEL_OPEN:
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
	case SSH_MSG_CHANNEL_EOF:
	case SSH_MSG_CHANNEL_CLOSE:
	case SSH_MSG_CHANNEL_REQUEST:
	case SSH_MSG_CHANNEL_SUCCESS:
	case SSH_MSG_CHANNEL_FAILURE:
		break;
	default:
		return RELAY_PASS;
	}
	if (from == RELAY_UPSTREAM)
		return policy_enforce_upstream_message(p, payload, len);
	switch (payload[0]) {
	case SSH_MSG_CHANNEL_OPEN:
		return policy_enforce_client_open(p, payload, len);
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		return policy_enforce_client_answer(p, payload, len);
	case SSH_MSG_CHANNEL_CLOSE:
		return policy_enforce_client_close(p, payload, len);
	case SSH_MSG_CHANNEL_REQUEST:
		return policy_enforce_client_request(p, payload, len);
	}
	return RELAY_PASS;
}

int
policy_enforce_global_request(struct policy_enforce *p, struct bytes name, struct wire *w)
{
	struct bytes host;
	uint32_t port;

	if (bytes_is(name, "tcpip-forward")) {
		host = wire_string(w);
		port = wire_u32(w);
		p->refused = "tcpip-forward";
		if ((p->policy.permits & POLICY_TCP_REMOTE) == 0 || wire_end(w) != 0 ||
		    policy_enforce_has_nul(host) ||
		    !permit_listen(p->policy.permit_listen, host, port))
			return 0;
		p->asked |= POLICY_TCP_REMOTE;
	} else if (bytes_is(name, "streamlocal-forward@openssh.com")) {
		p->refused = "streamlocal-forward";
		if ((p->policy.permits & POLICY_STREAM_REMOTE) == 0)
			return 0;
		p->asked |= POLICY_STREAM_REMOTE;
	}
	p->refused = NULL;
	return 1;
}
