/*
 * Between the legs and the keeper: questions of the transport, and the messages of
 * both logins, which a session carries without looking into them.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proctitle.h"
#include "session/agentfwd.h"
#include "session/session_private.h"
#include "wire/ssh.h"

/* The keeper answers within microseconds; this is for the case that it hangs. */
#define KEEPER_TIMEOUT_MS 10000

/* So many refusals of the policy are logged. */
#define REFUSED_LINES 20

void
session_orphan(struct session *s)
{
	char line[256];

	if (s->keeper == -1)
		return;
	fd_close(&s->keeper);
	if (s->state == SESSION_RELAY || s->state == SESSION_CLOSING)
		return;
	s->orphan = 1;
	if (s->state != SESSION_AGENT) {
		session_end(s, "the keeper has hung up");
		return;
	}
	snprintf(line, sizeof(line), SESSION_ORPHANED, (uintmax_t)s->config->id);
	agent_refuse(s, line);
}

void
session_tell(struct session *s, struct buf *b)
{
	int r;

	if (s->keeper == -1) {
		buf_wipe(b);
		session_end(s, "the keeper is gone");
		return;
	}
	r = ipc_send(s->keeper, b, -1);
	/* one that is gone may have said why: that is read first, and then its end */
	if (r != 0 && r != ERR_EOF)
		session_end(s, "cannot reach the keeper: %s", err_str(r));
}

int
session_keeper_wait(struct session *s, int64_t more_ms, struct ipc_msg *msg)
{
	int64_t now = clock_ms(), deadline = now + KEEPER_TIMEOUT_MS + more_ms;
	struct pollfd pfd = { .fd = s->keeper, .events = POLLIN };

	if (s->keeper == -1)
		return ERR_EOF;
	if (s->state != SESSION_RELAY && s->deadline < deadline)
		deadline = s->deadline;
	for (; now < deadline; now = clock_ms()) {
		if (poll(&pfd, 1, clock_until(deadline, now)) != 1)
			continue;
		return ipc_recv(s->keeper, s->message, IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, msg);
	}
	return ERR_TIMEOUT;
}

static void pace(struct session *s, struct wire *body);

/*
 * Ask the keeper and wait for the answer, which may take so much more time than usual.  Messages of
 * another kind may have been on their way: they are held back, and acted on afterwards.
 */
static int
session_ask(struct session *s, struct buf *question, enum ipc_type answer, int64_t more_ms,
    struct ipc_msg *msg)
{
	int r, held = 0;

	if (s->keeper == -1) {
		buf_wipe(question);
		return ERR_EOF;
	}
	r = ipc_send(s->keeper, question, -1);
	/* one that is gone may have said why */
	while ((r == 0 || r == ERR_EOF) && held <= SESSION_HELD_MAX) {
		r = session_keeper_wait(s, more_ms, msg);
		if (r != 0)
			break;
		if (msg->type == answer)
			return 0;
		if (msg->type == IPC_PACE) {
			pace(s, &msg->body);
			continue;
		}
		if (msg->fd != -1 && s->held_fd != -1) {
			fd_close(&msg->fd);
			return ERR_BADSTATE;
		}
		if (msg->fd != -1)
			s->held_fd = msg->fd;
		wire_put_u32(&s->held, (uint32_t)msg->body.left + 1);
		buf_put_u8(&s->held, (uint8_t)msg->type);
		buf_put(&s->held, msg->body.p, msg->body.left);
		r = buf_err(&s->held);
		if (r != 0)
			return r;
		held++;
	}
	/* what it has said last is acted on before its end is */
	if (r == ERR_EOF && s->held.len == 0)
		session_orphan(s);
	return r != 0 ? r : ERR_BADSTATE;
}

static int
down_sign(void *ctx, const char *alg, struct bytes hash, struct buf *sig)
{
	struct session *s = ctx;
	struct ipc_msg msg;
	struct bytes blob;
	struct buf b;
	int ok, r;

	ipc_begin(&b, IPC_SIGN);
	wire_put_text(&b, alg);
	wire_put_bytes(&b, hash);
	r = session_ask(s, &b, IPC_SIGNATURE, 0, &msg);
	if (r != 0)
		return r;
	ok = wire_bool(&msg.body);
	blob = wire_string(&msg.body);
	r = wire_end(&msg.body);
	if (r != 0)
		return r;
	if (!ok)
		return ERR_AUTH;
	buf_put(sig, blob.p, blob.len);
	return 0;
}

static int
up_host_key(void *ctx, const char *alg, struct bytes hash, struct bytes blob, struct bytes sig)
{
	struct session *s = ctx;
	int64_t asked_at;
	struct ipc_msg msg;
	struct buf b;
	int ok, r;

	if (s->host_key_len > 0)
		return bytes_equal(blob, (struct bytes){ s->host_key, s->host_key_len }) ? 0 :
											   ERR_AUTH;
	if (blob.len > sizeof(s->host_key))
		return ERR_TOOBIG;
	ipc_begin(&b, IPC_HOST_KEY);
	ipc_host_key_put(&b,
	    &(struct ipc_host_key){ .alg = alg, .hash = hash, .blob = blob, .sig = sig });
	/* with accept-new the keeper has the machine looked at: that is not the machine's time */
	asked_at = clock_ms();
	r = session_ask(s, &b, IPC_HOST_KEY_OK, s->up_timeout_ms, &msg);
	s->up_deadline += clock_ms() - asked_at;
	if (r != 0)
		return r;
	ok = wire_bool(&msg.body);
	r = wire_end(&msg.body);
	if (r != 0)
		return r;
	if (!ok)
		return ERR_AUTH;
	memcpy(s->host_key, blob.p, blob.len);
	s->host_key_len = blob.len;
	return 0;
}

static int
never_sign(void *ctx, const char *alg, struct bytes hash, struct buf *sig)
{
	return ERR_BADSTATE;
}

static int
never_host_key(void *ctx, const char *alg, struct bytes hash, struct bytes blob, struct bytes sig)
{
	return ERR_BADSTATE;
}

/* More of a machine's banner than the keeper passes on, so that it sees what is too long. */
#define BANNER_CARRIED_MAX (32 * 1024)

/* A banner that is too large for a message: its beginning is as good a banner. */
static void
passthrough_banner_cut(struct session *s, const uint8_t *payload, size_t len)
{
	struct buf cut, b;
	struct bytes text;
	struct wire w;

	wire_init(&w, payload + 1, len - 1);
	text = wire_string(&w);
	if (wire_err(&w) != 0) {
		session_end(s, "unreadable banner of %zu bytes", len);
		return;
	}
	buf_init(&cut, IPC_PAYLOAD_MAX);
	buf_put_u8(&cut, SSH_MSG_USERAUTH_BANNER);
	wire_put_string(&cut, text.p,
	    text.len < BANNER_CARRIED_MAX ? text.len : BANNER_CARRIED_MAX);
	wire_put_text(&cut, "");
	ipc_begin(&b, IPC_UPSTREAM_AUTH);
	wire_put_message(&b, &cut);
	session_tell(s, &b);
}

static void
carry(struct session *s, enum ipc_type type, const uint8_t *payload, size_t len)
{
	struct buf b;

	if (len > IPC_PAYLOAD_MAX && type == IPC_UPSTREAM_AUTH &&
	    payload[0] == SSH_MSG_USERAUTH_BANNER) {
		passthrough_banner_cut(s, payload, len);
		return;
	}
	if (len > IPC_PAYLOAD_MAX) {
		session_end(s, "login message of %zu bytes", len);
		return;
	}
	ipc_begin(&b, type);
	wire_put_string(&b, payload, len);
	session_tell(s, &b);
}

void
session_send_payloads(struct session *s, struct leg *leg, struct wire *body)
{
	struct bytes payload;

	while (body->left > 0 && wire_err(body) == 0) {
		payload = wire_string(body);
		if (payload.len > 0 && leg_send(leg, payload.p, payload.len) != 0)
			session_end(s, "%s", leg_error(leg));
	}
}

static void
send_made(struct session *s)
{
	struct buf *made;
	struct wire body;
	int to;

	for (to = 0; to < 2; to++) {
		made = relay_made(&s->relay, to);
		if (made == NULL)
			continue;
		wire_init(&body, made->data, made->len);
		session_send_payloads(s, to == RELAY_DOWNSTREAM ? s->down : s->up, &body);
		buf_wipe(made);
	}
}

void
session_relay_aftermath(struct session *s, enum relay_action action)
{
	const char *refused = relay_refused(&s->relay);

	send_made(s);
	/* who tries again and again does not fill the log */
	if (refused != NULL && ++s->refused <= REFUSED_LINES)
		log_info("refused by policy: %s%s", refused,
		    s->refused == REFUSED_LINES ? "; no more of these are logged" : "");
	if (action != RELAY_END && relay_why(&s->relay)[0] == '\0')
		return;
	session_end(s, "%s", relay_why(&s->relay));
	leg_disconnect(s->down, SSH_DISCONNECT_PROTOCOL_ERROR, relay_why(&s->relay));
	leg_disconnect(s->up, SSH_DISCONNECT_BY_APPLICATION, "sallyport: protocol error");
}

/* The hot path: one message from one leg to the other. */
void
session_relay(struct session *s, enum relay_from from, const uint8_t *payload, size_t len)
{
	struct leg *to = from == RELAY_DOWNSTREAM ? s->up : s->down;
	enum relay_action action = relay_message(&s->relay, from, payload, len);
	/* the type is looked at now: the payload may be gone after it was sent */
	int rare = payload[0] < SSH_MSG_CHANNEL_WINDOW_ADJUST ||
	    payload[0] > SSH_MSG_CHANNEL_EXTENDED_DATA;

	if (action == RELAY_PASS) {
		s->trim_bytes += len;
		if (leg_relay(to, from == RELAY_DOWNSTREAM ? s->down : s->up, payload, len) != 0)
			session_end(s, "%s: %s", from == RELAY_DOWNSTREAM ? "upstream" : "client",
			    leg_error(to));
	}
	if (rare)
		session_relay_aftermath(s, action);
}

static void
down_packet(void *ctx, struct leg *leg, uint8_t *payload, size_t len)
{
	struct session *s = ctx;

	if (s->state == SESSION_CLOSING)
		return;
	if (s->agent != NULL && payload[0] >= SSH_MSG_CONNECTION_MIN &&
	    !agent_from_client(s, payload, len))
		return;
	if (payload[0] >= SSH_MSG_CONNECTION_MIN && s->state == SESSION_RELAY) {
		session_relay(s, RELAY_DOWNSTREAM, payload, len);
	} else if (payload[0] <= SSH_MSG_USERAUTH_MAX && s->state != SESSION_RELAY &&
	    s->agent == NULL) {
		s->asked_at = clock_us();
		carry(s, IPC_AUTH, payload, len);
	} else if (payload[0] <= SSH_MSG_USERAUTH_MAX) {
		/* RFC 4252 section 5.1: it is in, and what it asks for beyond that is ignored */
		return;
	} else {
		session_end(s, "client sent message %u out of place", payload[0]);
	}
}

static void
up_packet(void *ctx, struct leg *leg, uint8_t *payload, size_t len)
{
	struct session *s = ctx;

	if (s->state == SESSION_CLOSING)
		return;
	/* a banner right behind SERVICE_ACCEPT */
	if (s->state == SESSION_UPSTREAM_SERVICE)
		session_upstream_ready(s);
	if (s->state == SESSION_RELAY && payload[0] >= SSH_MSG_CONNECTION_MIN) {
		if (s->agent == NULL || agent_from_upstream(s, payload, len))
			session_relay(s, RELAY_UPSTREAM, payload, len);
	} else if ((s->state == SESSION_UPSTREAM_AUTH || s->state == SESSION_AGENT) &&
	    payload[0] <= SSH_MSG_USERAUTH_MAX) {
		carry(s, IPC_UPSTREAM_AUTH, payload, len);
		/* What follows success is for a client that is not logged in yet. */
		if (payload[0] == SSH_MSG_USERAUTH_SUCCESS)
			leg_pause(leg);
	} else {
		session_end(s, "upstream sent message %u out of place", payload[0]);
	}
}

const struct leg_ops session_down_ops = { down_sign, never_host_key, down_packet };
const struct leg_ops session_up_ops = { never_sign, up_host_key, up_packet };

/* The upstream's socket: from here on there are two legs. */
static void
start_upstream(struct session *s, struct ipc_msg *msg)
{
	struct leg_config config = { 0 };
	struct ipc_upstream_fd upstream;
	const struct ipc_algorithms *a = &upstream.algorithms;
	const char *why;

	if (ipc_upstream_fd_get(&msg->body, &upstream) != 0 || s->up != NULL) {
		fd_close(&msg->fd);
		session_end(s, "unreadable message from the keeper");
		return;
	}
	config.kex_algorithms = a->kex[0] != '\0' ? a->kex : NULL;
	config.host_key_algorithms = a->host_keys;
	config.ciphers = a->ciphers[0] != '\0' ? a->ciphers : NULL;
	config.macs = a->macs[0] != '\0' ? a->macs : NULL;
	s->up_patient = upstream.patient;
	s->up_alive_interval_ms = (int)upstream.alive_interval_ms;
	proctitle_set("session %04jx %s", (uintmax_t)s->config->id, upstream.title);
	s->up = leg_new_client(msg->fd, &config, &session_up_ops, s, &why);
	if (s->up == NULL) {
		session_end(s, "upstream: %s", why);
		return;
	}
	s->up_timeout_ms = upstream.login_ms;
	s->up_deadline = clock_ms() + upstream.login_ms;
	session_set_state(s, SESSION_UPSTREAM_KEX);
}

/* The upstream may have ended just when it had let us in: 0 then, and s is ended. */
static int
at_upstream_login(struct session *s)
{
	char line[128];

	if (s->up != NULL && (s->state == SESSION_UPSTREAM_AUTH || s->state == SESSION_AGENT))
		return 1;
	if (s->up != NULL) {
		session_end(s, "unexpected message from the keeper");
		return 0;
	}
	session_end(s, "upstream: ended as soon as it had let us in");
	snprintf(line, sizeof(line), SESSION_UP_LOST, (uintmax_t)s->config->id);
	leg_disconnect(s->down, SSH_DISCONNECT_CONNECTION_LOST, line);
	return 0;
}

/* Cut off what gives away how long it took: RFC 4252 has nothing against a slow server. */
#define PACE_MAX_US 100000

static void
pace(struct session *s, struct wire *body)
{
	int64_t us = wire_u32(body), at_least = wire_u32(body), until, now = clock_us();

	if (wire_end(body) != 0 || us == 0) {
		session_end(s, "unreadable pace from the keeper");
		return;
	}
	until = s->asked_at + at_least > now ? s->asked_at + at_least : now;
	while (s->asked_at + us < until && us <= PACE_MAX_US)
		us *= 2;
	s->pace_until = us <= PACE_MAX_US ? s->asked_at + us : until;
}

static void
take_rules(struct session *s, struct wire *body)
{
	if (!at_upstream_login(s))
		return;
	if (s->have_rules || policy_get(body, &s->rules) != 0) {
		session_end(s, "unreadable policy from the keeper");
		return;
	}
	s->have_rules = 1;
}

static void
start_relay(struct session *s, struct wire *body)
{
	int r;

	if (!at_upstream_login(s))
		return;
	if (!s->have_rules) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	if (s->agent != NULL)
		agent_banner(s, body);
	else
		session_send_payloads(s, s->down, body);
	if (s->agent == NULL && leg_send_success(s->down) != 0) {
		session_end(s, "client: %s", leg_error(s->down));
		return;
	}
	relay_init(&s->relay, clock_ms(), s->config->client_alive_interval_ms,
	    s->up_alive_interval_ms, s->config->client_alive_count_max);
	relay_set_version(&s->relay, leg_server_version(s->up));
	r = relay_set_rules(&s->relay, &s->rules, s->config->id, clock_ms());
	if (r != 0) {
		session_end(s, "%s", err_str(r));
		return;
	}
	session_set_state(s, SESSION_RELAY);
	s->deadline = s->up_deadline = CLOCK_NEVER;
	s->trim_at = clock_ms() + 1000;
	r = leg_resume(s->up);
	if (r != 0)
		session_end(s, "upstream: %s", leg_error(s->up));
	else if (s->agent != NULL)
		agent_relay(s);
}

static void
refuse(struct session *s, struct wire *body)
{
	char text[512];

	wire_text(body, text, sizeof(text));
	if (s->agent != NULL) {
		agent_banner(s, body);
		agent_refuse(s, text);
		return;
	}
	session_send_payloads(s, s->down, body);
	leg_disconnect(s->down, SSH_DISCONNECT_BY_APPLICATION, text);
	session_end(s, "refused");
}

void
session_keeper_message(struct session *s, struct ipc_msg *msg)
{
	if (s->state == SESSION_CLOSING) {
		fd_close(&msg->fd);
		return;
	}
	switch (msg->type) {
	case IPC_DOWNSTREAM:
		session_send_payloads(s, s->down, &msg->body);
		break;
	case IPC_PACE:
		pace(s, &msg->body);
		break;
	case IPC_UPSTREAM_FD:
		start_upstream(s, msg);
		break;
	case IPC_UPSTREAM:
		if (s->up != NULL)
			session_send_payloads(s, s->up, &msg->body);
		/* there may have been a password in it */
		explicit_bzero(s->message, (size_t)(msg->body.p + msg->body.left - s->message));
		break;
	case IPC_POLICY:
		take_rules(s, &msg->body);
		break;
	case IPC_RELAY:
		start_relay(s, &msg->body);
		break;
	case IPC_REFUSE:
		refuse(s, &msg->body);
		break;
	case IPC_AGENT:
		agent_begin(s, &msg->body);
		break;
	case IPC_AGENT_REQUEST:
		agent_request(s, &msg->body);
		break;
	default:
		fd_close(&msg->fd);
		session_end(s, "unexpected %s from the keeper", ipc_name(msg->type));
	}
}

void
session_keeper_input(struct session *s)
{
	struct ipc_msg msg;
	int r;

	r = ipc_recv(s->keeper, s->message, IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, &msg);
	if (r == 0) {
		session_keeper_message(s, &msg);
		return;
	}
	if (r == ERR_AGAIN)
		return;
	session_orphan(s);
}
