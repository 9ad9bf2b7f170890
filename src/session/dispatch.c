/*
 * What becomes of each message that a leg delivers: login messages go to the keeper, messages
 * of the connection protocol go through the relay to the other leg.
 *
 * A data packet of the client, with AES-GCM, takes this way to the upstream, and packets of
 * the upstream take the same way back.  Functions are called by the less indented one above
 * them.  No memory is allocated, and nothing but the ciphers and the kernel copies the payload.
 *
 *   session_loop, session_leg_events           session.c      for each read:
 *     leg_input, leg_process                   leg.c          recv(2), packets to libssh
 *       __wrap_ssh_buffer_pass_bytes_end       libssh_wrap.c  libssh has decrypted one
 *       leg_on_message, leg_deliver            leg_packets.c
 *         dispatch_downstream, dispatch_relay  dispatch.c
 *           relay_message                      relay.c        may it pass?
 *           leg_relay, leg_send_buffer         leg.c          to libssh
 *             __wrap_ssh_packet_encrypt        libssh_wrap.c
 *               leg_output_room                leg.c
 *               aes_gcm_encrypt                aes_gcm.c      into the output buffer
 *             __wrap_ssh_socket_write          libssh_wrap.c
 *     session_flush, leg_flush                 session.c      send(2)
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "session/agentfwd.h"
#include "session/jump.h"
#include "session/session_private.h"
#include "wire/ssh.h"

/* Log lines about refusals of the policy in one session: a client that tries again and
 * again does not fill the log. */
#define DISPATCH_REFUSED_LINES 20

/* Longer than the longest banner that the keeper passes on, so that the keeper sees it is
 * too long. */
#define DISPATCH_BANNER_MAX (32 * 1024)

void
dispatch_payloads(struct session *s, struct leg *leg, struct wire *body)
{
	struct bytes payload;
	int r;

	while (body->left > 0 && wire_err(body) == 0) {
		payload = wire_string(body);
		if (payload.len == 0)
			continue;
		/* the state of libssh changes with USERAUTH_SUCCESS, so libssh sends it */
		if (leg == s->down && payload.p[0] == SSH_MSG_USERAUTH_SUCCESS)
			r = leg_send_success(leg);
		else
			r = leg_send(leg, payload.p, payload.len);
		if (r != 0)
			session_end(s, "%s", leg_error(leg));
	}
}

/* --- the relay --- */

/* Send the replies that the relay has made in a peer's place. */
static void
dispatch_made(struct session *s)
{
	struct buf *made, taken;
	struct wire body;
	int to;

	for (to = 0; to < 2; to++) {
		made = relay_made(&s->relay, to);
		if (made == NULL)
			continue;
		/* what is sent may lead to more */
		taken = *made;
		buf_init(made, taken.max);
		wire_init(&body, taken.data, taken.len);
		if (to == RELAY_UPSTREAM && s->up == NULL)
			jump_payloads(s, &body);
		else
			dispatch_payloads(s, to == RELAY_DOWNSTREAM ? s->down : s->up, &body);
		buf_wipe(&taken);
	}
}

void
dispatch_after_relay(struct session *s, enum relay_action action)
{
	const char *refused = relay_refused(&s->relay);

	dispatch_made(s);
	if (refused != NULL && ++s->refused <= DISPATCH_REFUSED_LINES)
		log_info("refused by policy: %s%s", refused,
		    s->refused == DISPATCH_REFUSED_LINES ? "; no more of these are logged" : "");
	if (action != RELAY_END && relay_why(&s->relay)[0] == '\0')
		return;
	session_end(s, "%s", relay_why(&s->relay));
	leg_disconnect(s->down, SSH_DISCONNECT_PROTOCOL_ERROR, relay_why(&s->relay));
	leg_disconnect(s->up, SSH_DISCONNECT_BY_APPLICATION, "sallyport: protocol error");
}

void
dispatch_relay(struct session *s, enum relay_leg from, const uint8_t *payload, size_t len)
{
	struct leg *to = from == RELAY_DOWNSTREAM ? s->up : s->down;
	enum relay_action action = relay_message(&s->relay, from, payload, len);
	/* the payload may be gone once it was sent */
	int rare = payload[0] < SSH_MSG_CHANNEL_WINDOW_ADJUST ||
	    payload[0] > SSH_MSG_CHANNEL_EXTENDED_DATA;

	if (action == RELAY_PASS) {
		s->trim_bytes += len;
		if (to == NULL)
			jump_message(s, payload, len);
		else if (leg_relay(to, from == RELAY_DOWNSTREAM ? s->down : s->up, payload, len) !=
		    0)
			session_end(s, "%s: %s", from == RELAY_DOWNSTREAM ? "upstream" : "client",
			    leg_error(to));
	}
	if (!rare)
		return;
	if (action == RELAY_PROVE)
		host_keys_prove(s, payload, len);
	dispatch_after_relay(s, action);
}

/* --- the logins --- */

/* The beginning of an upstream's banner that is too large for a message to the keeper. */
static void
dispatch_long_banner(struct session *s, const uint8_t *payload, size_t len)
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
	    text.len < DISPATCH_BANNER_MAX ? text.len : DISPATCH_BANNER_MAX);
	wire_put_text(&cut, "");
	ipc_begin(&b, IPC_UPSTREAM_AUTH);
	wire_put_message(&b, &cut);
	keeper_link_send(s, &b);
}

/* A login message, to the keeper. */
static void
dispatch_login(struct session *s, enum ipc_type type, const uint8_t *payload, size_t len)
{
	struct buf b;

	if (len > IPC_PAYLOAD_MAX && type == IPC_UPSTREAM_AUTH &&
	    payload[0] == SSH_MSG_USERAUTH_BANNER) {
		dispatch_long_banner(s, payload, len);
		return;
	}
	if (len > IPC_PAYLOAD_MAX) {
		session_end(s, "login message of %zu bytes", len);
		return;
	}
	ipc_begin(&b, type);
	wire_put_string(&b, payload, len);
	keeper_link_send(s, &b);
}

/* --- by leg --- */

void
dispatch_downstream(void *ctx, struct leg *leg, uint8_t *payload, size_t len)
{
	struct session *s = ctx;

	if (s->state == SESSION_CLOSING)
		return;
	if (payload[0] >= SSH_MSG_CONNECTION_MIN) {
		if (!agentfwd_passes(s, RELAY_DOWNSTREAM, payload, len))
			return;
		if (s->state == SESSION_RELAY)
			dispatch_relay(s, RELAY_DOWNSTREAM, payload, len);
		else
			session_end(s, "client sent message %u out of place", payload[0]);
		return;
	}
	/* RFC 4252 section 5.1: login messages of a client that is logged in are ignored */
	if (s->state == SESSION_RELAY || s->state == SESSION_AGENT)
		return;
	s->asked_at = clock_us();
	dispatch_login(s, IPC_AUTH, payload, len);
}

void
dispatch_upstream(void *ctx, struct leg *leg, uint8_t *payload, size_t len)
{
	struct session *s = ctx;

	if (s->state == SESSION_CLOSING)
		return;
	/* a banner may follow SERVICE_ACCEPT at once */
	if (s->state == SESSION_UPSTREAM_SERVICE)
		login_upstream_ready(s);
	if (s->state == SESSION_RELAY && payload[0] >= SSH_MSG_CONNECTION_MIN) {
		if (agentfwd_passes(s, RELAY_UPSTREAM, payload, len))
			dispatch_relay(s, RELAY_UPSTREAM, payload, len);
	} else if ((s->state == SESSION_UPSTREAM_AUTH || s->state == SESSION_AGENT) &&
	    payload[0] <= SSH_MSG_USERAUTH_MAX) {
		dispatch_login(s, IPC_UPSTREAM_AUTH, payload, len);
		/* the messages behind it are for a client that is not logged in yet */
		if (payload[0] == SSH_MSG_USERAUTH_SUCCESS)
			leg_pause(leg);
	} else {
		session_end(s, "upstream sent message %u out of place", payload[0]);
	}
}
