/*
 * Messages to and from the keeper: the questions that are waited for (a
 * signature of the host key, a judgement of the upstream's, a proof of host keys), and all that the keeper sends
 * of its own accord.  The loop in session.c calls keeper_link_input(); the messages are
 * acted on in login.c and agentfwd.c.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "session/agentfwd.h"
#include "session/carrier.h"
#include "session/jump.h"
#include "session/session_private.h"
#include "session/tunnel_hold.h"

/* The keeper answers within microseconds; a keeper that hangs ends the session after this. */
#define KEEPER_LINK_TIMEOUT_MS 10000

void
keeper_link_lost(struct session *s)
{
	char line[256];

	if (s->keeper == -1)
		return;
	fd_close(&s->keeper);
	/* tunnels are the keeper's */
	if (s->state == SESSION_RELAY && hold_is(s))
		hold_end_all(s, "the gateway has lost its tunnels: connect again");
	if (s->state == SESSION_RELAY || s->state == SESSION_CLOSING)
		return;
	if (s->state != SESSION_AGENT) {
		s->orphan = 1;
		session_end(s, "the keeper has closed the connection");
		return;
	}
	snprintf(line, sizeof(line), SESSION_ORPHANED, (uintmax_t)s->config->id);
	agentfwd_refuse(s, line);
}

void
keeper_link_send(struct session *s, struct buf *b)
{
	int r;

	if (s->keeper == -1) {
		buf_wipe(b);
		session_end(s, "the keeper is gone");
		return;
	}
	r = ipc_send(s->keeper, b, -1);
	/* A keeper that is gone may have said why: its messages are read first, then the end. */
	if (r != 0 && r != ERR_EOF)
		session_end(s, "cannot reach the keeper: %s", err_str(r));
}

int
keeper_link_wait(struct session *s, int64_t more_ms, struct ipc_msg *msg)
{
	int64_t now = clock_ms(), deadline = now + KEEPER_LINK_TIMEOUT_MS + more_ms;
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

/* Keep a message of another kind for keeper_link_take_held().  0 or an ERR_*. */
static int
keeper_link_hold(struct session *s, struct ipc_msg *msg)
{
	if (msg->fd != -1 && s->held_fd != -1) {
		fd_close(&msg->fd);
		return ERR_BADSTATE;
	}
	if (msg->fd != -1)
		s->held_fd = msg->fd;
	wire_put_u32(&s->held, (uint32_t)msg->body.left + 1);
	buf_put_u8(&s->held, (uint8_t)msg->type);
	buf_put(&s->held, msg->body.p, msg->body.left);
	return buf_err(&s->held);
}

/*
 * Ask the keeper and wait for the answer, for more_ms longer than usual.  Messages of
 * another kind that were on their way are held, and acted on afterwards.
 */
static int
keeper_link_ask(struct session *s, struct buf *question, enum ipc_type answer, int64_t more_ms,
    struct ipc_msg *msg)
{
	int r, held = 0;

	if (s->keeper == -1) {
		buf_wipe(question);
		return ERR_EOF;
	}
	r = ipc_send(s->keeper, question, -1);
	/* A keeper that is gone may have said why. */
	while ((r == 0 || r == ERR_EOF) && held <= SESSION_HELD_MAX) {
		r = keeper_link_wait(s, more_ms, msg);
		if (r != 0)
			break;
		if (msg->type == answer)
			return 0;
		if (msg->type == IPC_PACE) {
			login_pace(s, &msg->body);
			continue;
		}
		if (msg->type == IPC_TUNNEL_CONNECTION) {
			hold_arrived(s, msg);
			continue;
		}
		r = keeper_link_hold(s, msg);
		if (r != 0)
			return r;
		held++;
	}
	/* held messages are acted on before the keeper's end is */
	if (r == ERR_EOF && s->held.len == 0)
		keeper_link_lost(s);
	return r != 0 ? r : ERR_BADSTATE;
}

int
keeper_link_sign(void *ctx, const char *alg, struct bytes hash, struct buf *sig)
{
	struct session *s = ctx;
	struct ipc_msg msg;
	struct bytes blob;
	struct buf b;
	int ok, r;

	ipc_begin(&b, IPC_SIGN);
	wire_put_text(&b, alg);
	wire_put_bytes(&b, hash);
	r = keeper_link_ask(s, &b, IPC_SIGNATURE, 0, &msg);
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

int
keeper_link_prove(struct session *s, struct bytes blobs, struct buf *out)
{
	struct ipc_msg msg;
	struct bytes proofs;
	struct buf b;
	int r;

	if (blobs.len > IPC_PAYLOAD_MAX)
		return ERR_TOOBIG;
	ipc_begin(&b, IPC_PROVE);
	buf_put(&b, blobs.p, blobs.len);
	r = keeper_link_ask(s, &b, IPC_PROOF, 0, &msg);
	if (r != 0)
		return r;
	if (!wire_bool(&msg.body))
		return ERR_AUTH;
	proofs = wire_rest(&msg.body);
	buf_put(out, proofs.p, proofs.len);
	return wire_end(&msg.body);
}

int
keeper_link_host_key(void *ctx, const char *alg, struct bytes hash, struct bytes blob,
    struct bytes sig)
{
	struct session *s = ctx;
	int64_t asked_at;
	struct ipc_msg msg;
	struct buf b;
	int ok, r;

	/* a rekey must show the key that was accepted first */
	if (s->host_key_len > 0)
		return bytes_equal(blob, (struct bytes){ s->host_key, s->host_key_len }) ? 0 :
											   ERR_AUTH;
	if (blob.len > sizeof(s->host_key))
		return ERR_TOOBIG;
	ipc_begin(&b, IPC_HOST_KEY);
	ipc_host_key_put(&b,
	    &(struct ipc_host_key){ .alg = alg, .hash = hash, .blob = blob, .sig = sig });
	/* With accept-new the keeper has another process look at the host: the upstream's own time
	 * does not run meanwhile. */
	asked_at = clock_ms();
	r = keeper_link_ask(s, &b, IPC_HOST_KEY_OK, s->up_timeout_ms, &msg);
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

static void
keeper_link_message(struct session *s, struct ipc_msg *msg)
{
	if (s->state == SESSION_CLOSING) {
		fd_close(&msg->fd);
		return;
	}
	if (agentfwd_keeper_message(s, msg))
		return;
	switch (msg->type) {
	case IPC_DOWNSTREAM:
		dispatch_payloads(s, s->down, &msg->body);
		break;
	case IPC_PACE:
		login_pace(s, &msg->body);
		break;
	case IPC_LOGIN_TIME:
		login_time(s, &msg->body);
		break;
	case IPC_UPSTREAM_FD:
		login_upstream_begin(s, msg);
		break;
	case IPC_UPSTREAM:
		if (s->up != NULL)
			dispatch_payloads(s, s->up, &msg->body);
		/* it may have held a password */
		explicit_bzero(s->message, (size_t)(msg->body.p + msg->body.left - s->message));
		break;
	case IPC_JUMP:
		jump_begin(s, &msg->body);
		break;
	case IPC_JUMP_OPENED:
		jump_opened(s, msg);
		break;
	case IPC_JUMP_REFUSED:
		jump_refused(s, &msg->body);
		break;
	case IPC_TUNNEL_ANSWER:
		hold_answer(s, &msg->body);
		break;
	case IPC_TUNNEL_CONNECTION:
		hold_arrived(s, msg);
		break;
	case IPC_TUNNEL_LOST:
		hold_lost(s, &msg->body);
		break;
	case IPC_TUNNEL_OVER:
		hold_over(s, &msg->body);
		break;
	case IPC_CARRY:
		carrier_begin(s, msg);
		break;
	case IPC_POLICY:
		login_policy(s, &msg->body);
		break;
	case IPC_RELAY:
		login_relay(s, &msg->body);
		break;
	case IPC_REFUSE:
		login_refuse(s, &msg->body);
		break;
	default:
		fd_close(&msg->fd);
		session_end(s, "unexpected %s from the keeper", ipc_name(msg->type));
	}
}

void
keeper_link_input(struct session *s)
{
	struct ipc_msg msg;
	int r;

	r = ipc_recv(s->keeper, s->message, IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, &msg);
	if (r == 0)
		keeper_link_message(s, &msg);
	else if (r != ERR_AGAIN)
		keeper_link_lost(s);
}

void
keeper_link_take_held(struct session *s)
{
	struct ipc_msg msg;
	struct bytes message;
	struct wire w;

	if (s->held.len == 0 || login_pace_left(s) > 0)
		return;
	wire_init(&w, s->held.data, s->held.len);
	for (message = wire_string(&w); message.len > 0; message = wire_string(&w)) {
		memcpy(s->message, message.p, message.len);
		wire_init(&msg.body, s->message, message.len);
		msg.type = wire_u8(&msg.body);
		msg.fd = -1;
		/* the messages that come with a descriptor: no session gets both, nor two at a time */
		if (msg.type == IPC_UPSTREAM_FD || msg.type == IPC_JUMP_OPENED) {
			msg.fd = s->held_fd;
			s->held_fd = -1;
		}
		keeper_link_message(s, &msg);
	}
	buf_wipe(&s->held);
}
