/*
 * A session from its first byte to the relay: both legs are made here, and the keeper's
 * messages about the two logins end in a relay or a refusal.  session.c and keeper_link.c
 * call it.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proctitle.h"
#include "session/agentfwd.h"
#include "session/session_private.h"
#include "session/tunnel_hold.h"
#include "wire/ssh.h"

/* The longest pace that doubles: a longer one would be noticed by the user. */
#define LOGIN_PACE_MAX_US 100000

static const struct leg_ops login_down_ops = { .sign = keeper_link_sign,
	.packet = dispatch_downstream };
static const struct leg_ops login_up_ops = { .host_key = keeper_link_host_key,
	.packet = dispatch_upstream };
static const struct leg_ops login_hop_ops = { .host_key = keeper_link_host_key,
	.packet = carrier_packet };

int
login_begin(struct session *s)
{
	struct ipc_host_keys keys = { 0 };
	struct leg_config config = { .software = TRANSPORT_SOFTWARE,
		.host_keys = keys.v,
		.kex_algorithms = s->config->kex_algorithms,
		.host_key_algorithms = s->config->host_key_algorithms,
		.ciphers = s->config->ciphers,
		.macs = s->config->macs,
		.user_key_algorithms = s->config->user_key_algorithms,
		.compression = "none,zlib@openssh.com" };
	struct ipc_msg msg;
	const char *why;
	int r;

	r = keeper_link_wait(s, 0, &msg);
	if (r == ERR_EOF) {
		keeper_link_lost(s);
		return r;
	}
	if (r == 0 && msg.type != IPC_HELLO)
		r = ERR_BADSTATE;
	if (r == 0)
		r = ipc_host_keys_get(&msg.body, &keys);
	why = err_str(r);
	if (r == 0) {
		config.n_host_keys = keys.n;
		host_keys_keep(s, &keys);
		s->down = leg_new_server(SESSION_CLIENT, &config, &login_down_ops, s, &why);
		r = s->down == NULL ? ERR_SSH : 0;
	}
	if (r != 0) {
		log_error("cannot start: %s", why);
		session_end(s, "cannot start: %s", why);
	}
	return r;
}

/* --- the pace of the client's login --- */

void
login_pace(struct session *s, struct wire *body)
{
	int64_t us = wire_u32(body), at_least = wire_u32(body), until, now = clock_us();

	if (wire_end(body) != 0 || us == 0) {
		session_end(s, "unreadable pace from the keeper");
		return;
	}
	until = s->asked_at + at_least > now ? s->asked_at + at_least : now;
	while (s->asked_at + us < until && us <= LOGIN_PACE_MAX_US)
		us *= 2;
	s->pace_until = us <= LOGIN_PACE_MAX_US ? s->asked_at + us : until;
}

int64_t
login_pace_left(const struct session *s)
{
	int64_t left = s->pace_until > 0 ? s->pace_until - clock_us() : 0;

	return left > 0 ? left : 0;
}

void
login_time(struct session *s, struct wire *body)
{
	uint64_t until = wire_u64(body);

	if (wire_end(body) != 0 || until > INT64_MAX || s->state == SESSION_AGENT ||
	    s->state == SESSION_RELAY) {
		session_end(s, "unexpected time for the login from the keeper");
		return;
	}
	s->deadline = (int64_t)until;
	s->factor_time = 1;
}

/* --- the upstream leg --- */

void
login_upstream_begin(struct session *s, struct ipc_msg *msg)
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
	if (s->carrier == NULL)
		proctitle_set("session %04jx %s", (uintmax_t)s->config->id, upstream.title);
	s->up = leg_new_client(msg->fd, &config,
	    s->carrier == NULL ? &login_up_ops : &login_hop_ops, s, &why);
	if (s->up == NULL) {
		session_end(s, "upstream: %s", why);
		return;
	}
	s->up_timeout_ms = upstream.login_ms;
	s->up_deadline = clock_ms() + upstream.login_ms;
	session_set_state(s, SESSION_UPSTREAM_KEX);
}

void
login_upstream_ready(struct session *s)
{
	const char *algs = leg_server_sig_algs(s->up);
	struct buf b;

	session_set_state(s, SESSION_UPSTREAM_AUTH);
	ipc_begin(&b, IPC_UPSTREAM_READY);
	wire_put_bytes(&b, leg_session_id(s->up));
	wire_put_text(&b, algs != NULL ? algs : "");
	wire_put_bool(&b, leg_host_bound(s->up));
	keeper_link_send(s, &b);
	if (s->up_patient)
		s->up_deadline = CLOCK_NEVER;
}

void
login_check_ready(struct session *s)
{
	if (s->state == SESSION_KEX && leg_ready(s->down))
		session_set_state(s, SESSION_AUTH);
	if (s->state == SESSION_UPSTREAM_KEX && leg_ready(s->up)) {
		session_set_state(s, SESSION_UPSTREAM_SERVICE);
		if (leg_request_auth(s->up) != 0) {
			session_end(s, "upstream: %s", leg_error(s->up));
			return;
		}
	}
	if (s->state == SESSION_UPSTREAM_SERVICE && leg_ext_info_known(s->up))
		login_upstream_ready(s);
}

void
login_upstream_failed(struct session *s, const char *reason)
{
	struct buf b;

	ipc_begin(&b, IPC_UPSTREAM_FAILED);
	wire_put_text(&b, reason);
	leg_free(&s->up);
	s->up_deadline = CLOCK_NEVER;
	if (s->state != SESSION_AGENT)
		session_set_state(s, SESSION_AUTH);
	keeper_link_send(s, &b);
}

/* --- the end of both logins --- */

/* The keeper takes the upstream's login as done.  0, with the session ended, if the
 * upstream is gone: it may end just when it has accepted the login. */
static int
login_upstream_there(struct session *s)
{
	char line[128];

	if (s->up != NULL && (s->state == SESSION_UPSTREAM_AUTH || s->state == SESSION_AGENT))
		return 1;
	if (s->jump != NULL && s->state == SESSION_AUTH)
		return 1;
	if (s->up != NULL) {
		session_end(s, "unexpected message from the keeper");
		return 0;
	}
	session_end(s, "upstream: closed the connection right after login");
	snprintf(line, sizeof(line), SESSION_UP_LOST, (uintmax_t)s->config->id);
	leg_disconnect(s->down, SSH_DISCONNECT_CONNECTION_LOST, line);
	return 0;
}

void
login_policy(struct session *s, struct wire *body)
{
	if (!login_upstream_there(s))
		return;
	if (s->has_policy || policy_get(body, &s->policy) != 0) {
		session_end(s, "unreadable policy from the keeper");
		return;
	}
	s->has_policy = 1;
}

void
login_relay(struct session *s, struct wire *body)
{
	int alive_ms = s->config->client_alive_interval_ms;
	int alive_count = s->config->client_alive_count_max;
	int r;

	if (!login_upstream_there(s))
		return;
	if (hold_is(s) && alive_ms > HOLD_ALIVE_MS)
		alive_ms = HOLD_ALIVE_MS;
	if (hold_is(s) && alive_count > HOLD_ALIVE_COUNT)
		alive_count = HOLD_ALIVE_COUNT;
	if (!s->has_policy) {
		session_end(s, "unexpected message from the keeper");
		return;
	}
	if (!agentfwd_relay_begin(s, body))
		dispatch_payloads(s, s->down, body);
	if (s->state == SESSION_CLOSING)
		return;
	relay_init(&s->relay, clock_ms(), alive_ms, s->up_alive_interval_ms, alive_count);
	leg_set_rekey(s->down, s->policy.rekey_bytes, s->policy.rekey_ms);
	if (s->up != NULL) {
		relay_set_version(&s->relay, leg_peer_version(s->up));
		leg_set_rekey(s->up, s->policy.rekey_bytes, s->policy.rekey_ms);
	}
	r = relay_set_policy(&s->relay, &s->policy, s->config->id, clock_ms());
	if (r != 0) {
		session_end(s, "%s", err_str(r));
		return;
	}
	session_set_state(s, SESSION_RELAY);
	s->deadline = s->up_deadline = CLOCK_NEVER;
	s->trim_at = clock_ms() + 1000;
	host_keys_announce(s);
	r = s->up != NULL ? leg_resume(s->up) : 0;
	if (r != 0)
		session_end(s, "upstream: %s", leg_error(s->up));
	else
		agentfwd_relay(s);
}

void
login_refuse(struct session *s, struct wire *body)
{
	char text[512];
	int told;

	wire_text(body, text, sizeof(text));
	told = body->left > 0;
	if (!session_shows_both(s))
		dispatch_payloads(s, s->down, body);
	session_disconnect(s, text, told);
	session_end(s, "refused");
}
