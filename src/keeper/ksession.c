/*
 * A session from its beginning to its end: its messages are received and given to the files of
 * its login here, its phase is set here, and here it is refused and ended.  keeper.c calls it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "keeper/agent_login.h"
#include "keeper/master_link.h"
#include "keeper/ksession.h"
#include "keeper/ktls.h"
#include "wire/methods.h"

/* The name that a connection gives outside of SSH, or "". */
static int
ksession_host_ok(const char *host)
{
	return host[0] == '\0' ||
	    (destination_host_ok(host) && strpbrk(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL);
}

static int
ksession_send_hello(struct ksession *s)
{
	struct buf b;

	ipc_begin(&b, IPC_HELLO);
	keeper_put_host_keys(&b, s->identity);
	return ksession_send(s, &b, -1);
}

int
ksession_new(struct keeper *k, int sock, struct wire *body)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct ksession *s = calloc(1, sizeof(*s));
	struct ipc_connection connection;
	int r;

	if (s == NULL) {
		close(sock);
		return ERR_NOMEM;
	}
	s->keeper = k;
	s->snapshot = snapshot_ref(k->now);
	s->identity = identity_ref(k->now->identity);
	s->from_session = (struct source){ .kind = SOURCE_SESSION, .session = s };
	s->sock = sock;
	r = ipc_connection_get(body, &connection);
	s->id = connection.session;
	snprintf(s->client, sizeof(s->client), "%s", connection.client);
	s->client_port = connection.client_port;
	snprintf(s->local, sizeof(s->local), "%s", connection.local);
	s->local_port = connection.local_port;
	snprintf(s->host, sizeof(s->host), "%s", connection.host);
	if (r == 0 && connection.tls != 0) {
		s->tls = ktls_facts(k, connection.tls);
		/* it has ended meanwhile, and so has this one */
		if (s->tls == NULL)
			r = ERR_EOF;
	}
	s->started = clock_ms();
	upstream_init(&s->up);
	TAILQ_INIT(&s->tunnels.list);
	TAILQ_INSERT_TAIL(&k->sessions, s, entry);
	event.data.ptr = &s->from_session;
	if (r != 0 || !ksession_host_ok(s->host) ||
	    epoll_ctl(k->epoll, EPOLL_CTL_ADD, sock, &event) == -1) {
		ksession_end(s);
		return ERR_FORMAT;
	}
	if (s->host[0] != '\0')
		ksession_info(s, "the connection from %s port %u is for host %s", s->client,
		    s->client_port, s->host);
	r = ksession_set_phase(s, IPC_PHASE_KEX);
	return r == 0 ? ksession_send_hello(s) : r;
}

void
ksession_follow(struct ksession *s)
{
	snapshot_unref(&s->snapshot);
	s->snapshot = snapshot_ref(s->keeper->now);
}

/* The session's process keeps to LoginGraceTime or FactorTimeout and, once refused, to limits of its own (at most
 * SESSION_CLOSE_MAX_MS of session.c): it is cut so much later if it does not. */
#define KSESSION_GRACE_SLACK_MS 5000
#define KSESSION_END_MS 130000

static const struct ksession_phase {
	enum ipc_phase phase;
	const char *name;
	unsigned int next; /* the phases that may follow, besides END: any login may fail */
} ksession_phases[] = {
	{ 0, "new", IPC_PHASE_KEX },
	{ IPC_PHASE_KEX, "kex", IPC_PHASE_AUTH },
	{ IPC_PHASE_AUTH, "auth", IPC_PHASE_DIAL },
	{ IPC_PHASE_DIAL, "dial", IPC_PHASE_UPSTREAM_KEX },
	{ IPC_PHASE_UPSTREAM_KEX, "upstream kex", IPC_PHASE_UPSTREAM_AUTH },
	{ IPC_PHASE_UPSTREAM_AUTH, "upstream auth",
	    IPC_PHASE_AGENT | IPC_PHASE_RELAY | IPC_PHASE_CARRY },
	{ IPC_PHASE_AGENT, "agent", IPC_PHASE_RELAY },
	{ IPC_PHASE_RELAY, "relay", 0 },
	{ IPC_PHASE_CARRY, "carry", 0 },
	{ IPC_PHASE_END, "end", 0 },
};

static const struct ksession_phase *
ksession_phase_find(enum ipc_phase phase)
{
	const struct ksession_phase *p = ksession_phases;

	while (p->phase != phase)
		p++;
	return p;
}

static int64_t
ksession_phase_deadline(const struct ksession *s, enum ipc_phase phase)
{
	int64_t end = clock_ms() + KSESSION_END_MS;
	int grace;

	/* of a hop that carries: its session has a deadline while it logs in */
	if (phase == IPC_PHASE_RELAY || phase == IPC_PHASE_CARRY)
		return CLOCK_NEVER;
	if (phase == IPC_PHASE_END)
		return s->deadline < end ? s->deadline : end;
	if (s->factor_time.until != 0)
		return s->factor_time.until + KSESSION_GRACE_SLACK_MS;
	grace = s->snapshot->conf->gateway.login_grace_ms;
	return grace > 0 ? s->started + grace + KSESSION_GRACE_SLACK_MS : CLOCK_NEVER;
}

void
ksession_set_deadline(struct ksession *s)
{
	s->deadline = ksession_phase_deadline(s, s->phase);
}

/* May this phase follow?  Without an upstream, as with Mode = jump and tunnel, the login is over once the
 * client has proven itself.  A hop has no client, and carries where a session relays. */
static int
ksession_phase_follows(const struct ksession *s, const struct ksession_phase *from,
    enum ipc_phase phase)
{
	if (from->phase == IPC_PHASE_AUTH && s->route != NULL && s->route->mode != ROUTE_LOGIN)
		return phase == IPC_PHASE_RELAY || phase == IPC_PHASE_END;
	if (s->link.parent != NULL && from->phase == 0)
		return phase == IPC_PHASE_DIAL;
	if (s->link.parent == NULL && phase == IPC_PHASE_CARRY)
		return 0;
	if (s->link.parent != NULL && (phase == IPC_PHASE_AGENT || phase == IPC_PHASE_RELAY))
		return 0;
	return ((from->next | IPC_PHASE_END) & phase) != 0;
}

int
ksession_set_phase(struct ksession *s, enum ipc_phase phase)
{
	const struct ksession_phase *from = ksession_phase_find(s->phase),
				    *to = ksession_phase_find(phase);

	if (!ksession_phase_follows(s, from, phase)) {
		ksession_error(s, "ended: phase %s does not follow %s", to->name, from->name);
		ksession_end(s);
		return ERR_BADSTATE;
	}
	ksession_debug(s, "%s -> %s", from->name, to->name);
	s->phase = phase;
	ksession_set_deadline(s);
	return 0;
}

void
ksession_sweep(struct ksession *s, int64_t now)
{
	downstream_sign_sweep(s, now);
	if (s->sock == -1 || now < s->deadline)
		return;
	if (s->phase == IPC_PHASE_END)
		ksession_warn(s, "does not end, cut");
	else
		ksession_warn(s, "%s is over, and it does not end: cut off",
		    s->factor_time.until != 0 ? "FactorTimeout" : "LoginGraceTime");
	ksession_end(s);
}

/*
 * What the client's address is penalized for: what its client has sent, never what its session
 * says of it.  A login that does not exist differs in the log alone.
 */
static enum ipc_login
ksession_login_end(const struct ksession *s)
{
	const char *method = s->down.auth == NULL ? "" : auth_server_method(s->down.auth);

	/* verified here: what fails then is between the gateway and the upstream */
	if (s->excused ||
	    (s->down.methods.complete && s->route != NULL && !upstream_method(s)->verifies_client))
		return IPC_LOGIN_EXCUSED;
	if (s->down.failures == 0 && (method[0] == '\0' || strcmp(method, METHOD_NONE) == 0))
		return IPC_LOGIN_NOAUTH;
	return s->route == NULL ? IPC_LOGIN_INVALIDUSER : IPC_LOGIN_AUTHFAIL;
}

void
ksession_tell_master(const struct ksession *s, struct buf *b)
{
	if (s->keeper->master == -1)
		buf_free(b);
	else if (master_link_send(s->keeper, b, -1) != 0)
		ksession_warn(s, "cannot reach the master");
}

int
ksession_login_done(struct ksession *s)
{
	int r = ksession_set_phase(s, IPC_PHASE_RELAY);
	struct buf b;

	if (r != 0)
		return r;
	s->logged_in = 1;
	factor_time_end(s);
	ipc_begin(&b, IPC_LOGGED_IN);
	wire_put_u64(&b, s->id);
	ksession_tell_master(s, &b);
	return 0;
}

static void
ksession_tell_login_end(const struct ksession *s)
{
	struct buf b;

	ipc_begin(&b, IPC_LOGIN_ENDED);
	wire_put_u64(&b, s->id);
	buf_put_u8(&b, (uint8_t)ksession_login_end(s));
	ksession_tell_master(s, &b);
}

void
ksession_end(struct ksession *s)
{
	static const struct ipc_end cut = { .reason = "ended by the gateway" };

	if (s->sock == -1)
		return;
	/* the master does not know of hops, and the log has one line for the end of it all */
	if (s->link.parent == NULL && !s->logged_in)
		ksession_tell_login_end(s);
	if (s->link.parent == NULL && s->logged_in)
		ksession_log_end(s, &cut);
	ksession_log_lost(s);
	factor_time_end(s);
	jobs_cancel(s);
	tunnels_end(s);
	/* closing takes a descriptor out of the epoll set, as no other process has it */
	fd_close(&s->sock);
	TAILQ_REMOVE(&s->keeper->sessions, s, entry);
	TAILQ_INSERT_TAIL(&s->keeper->ended, s, entry);
	hop_unlink(s);
}

void
ksession_free(struct ksession *s)
{
	downstream_free(&s->down);
	upstream_free(&s->up);
	route_free(&s->route);
	tls_facts_unref(&s->tls);
	snapshot_unref(&s->snapshot);
	identity_unref(&s->identity);
	free(s);
}

int
ksession_send(struct ksession *s, struct buf *b, int pass_fd)
{
	int r;

	if (s->sock == -1) {
		buf_wipe(b);
		return ERR_EOF;
	}
	r = ipc_send(s->sock, b, pass_fd);
	if (r != 0 && r != ERR_EOF) {
		ksession_error(s, "does not take messages: %s", err_str(r));
		ksession_end(s);
	}
	return r;
}

void
ksession_send_payloads(struct ksession *s, enum ipc_type type, struct buf *out)
{
	struct buf b;

	if (buf_err(out) != 0) {
		ksession_error(s, "reply too large");
		ksession_end(s);
		return;
	}
	if (out->len == 0)
		return;
	ipc_begin(&b, type);
	buf_put(&b, out->data, out->len);
	buf_reset(out);
	(void)ksession_send(s, &b, -1);
}

void
ksession_refuse(struct ksession *s, const char *text, const char *why, ...)
{
	char line[512], reason[512];
	struct buf b, banner;
	va_list ap;

	if (s->phase == IPC_PHASE_END)
		return;
	if (why != NULL) {
		va_start(ap, why);
		vsnprintf(reason, sizeof(reason), why, ap);
		va_end(ap);
	}
	if (s->link.parent != NULL) {
		hop_refuse(s, text, why != NULL ? reason : "refused");
		return;
	}
	if (why != NULL)
		ksession_log_refused(s, reason);
	if (ksession_set_phase(s, IPC_PHASE_END) != 0)
		return;
	s->refused = 1;
	/* a password that has gone to the upstream was a try, whatever the session says of it */
	s->excused = why != NULL && s->down.failures == 0 &&
	    s->up.passthrough.request != PASSTHROUGH_CLIENT;
	jobs_cancel(s);
	if (s->link.hop != NULL)
		ksession_end(s->link.hop);
	snprintf(line, sizeof(line), "sallyport: %s (session %04jx)", text, (uintmax_t)s->id);
	buf_init(&banner, 1024);
	if (!s->down.success_sent)
		auth_server_banner(line, &banner);
	ipc_begin(&b, IPC_REFUSE);
	wire_put_text(&b, line);
	buf_put(&b, banner.data, banner.len);
	buf_free(&banner);
	if (s->down.success_sent)
		upstream_put_banner(s, &b);
	(void)ksession_send(s, &b, -1);
}

/* END: how the connection ended. */
static void
ksession_ended(struct ksession *s, struct wire *body)
{
	static const struct ipc_end unreadable = { .reason = "unreadable report",
		.text = "unreadable report" };
	struct ipc_end end;

	if (ipc_end_get(body, &end) != 0)
		end = unreadable;
	if (s->link.parent != NULL && !s->link.carried)
		hop_refuse(s, upstream_text_unreachable, end.reason);
	else if (s->link.parent != NULL)
		ksession_info(s, "has ended: %s", end.reason);
	else
		ksession_log_end(s, &end);
	ksession_end(s);
}

/* What a session and the carrier of a hop both say.  1 if it was that. */
static int
ksession_dispatch_both(struct ksession *s, struct ipc_msg *msg)
{
	switch (msg->type) {
	case IPC_HOST_KEY:
		upstream_host_key(s, &msg->body);
		return 1;
	case IPC_UPSTREAM_READY:
		upstream_ready(s, &msg->body);
		return 1;
	case IPC_UPSTREAM_AUTH:
		upstream_auth(s, &msg->body);
		return 1;
	case IPC_UPSTREAM_FAILED:
		upstream_failed(s, &msg->body);
		return 1;
	case IPC_LOG:
		ksession_log_input(s, &msg->body);
		return 1;
	case IPC_END:
		ksession_ended(s, &msg->body);
		return 1;
	default:
		return 0;
	}
}

/* A message of the carrier of a hop. */
static void
ksession_dispatch_hop(struct ksession *s, struct ipc_msg *msg)
{
	switch (msg->type) {
	case IPC_CARRIED:
		hop_carried(s, &msg->body);
		break;
	case IPC_CARRY_FAILED:
		hop_carry_failed(s, &msg->body);
		break;
	default:
		ksession_error(s, "ended: %s has no meaning for a hop", ipc_name(msg->type));
		ksession_end(s);
	}
}

static void
ksession_dispatch(struct ksession *s, struct ipc_msg *msg)
{
	switch (msg->type) {
	case IPC_SIGN:
		downstream_sign(s, &msg->body);
		break;
	case IPC_PROVE:
		downstream_prove(s, &msg->body);
		break;
	case IPC_AUTH:
		downstream_auth(s, &msg->body);
		break;
	case IPC_AGENT_OPEN:
		agent_login_opened(s);
		break;
	case IPC_AGENT_ANSWER:
		agent_login_answer(s, &msg->body);
		break;
	case IPC_AGENT_FAILED:
		agent_login_failed(s, &msg->body);
		break;
	case IPC_JUMP_OPEN:
		jump_open(s, &msg->body);
		break;
	case IPC_TUNNEL_LISTEN:
		tunnel_listen(s, &msg->body);
		break;
	case IPC_TUNNEL_CANCEL:
		tunnel_cancel(s, &msg->body);
		break;
	case IPC_TUNNEL_TAKEN:
		tunnel_taken(s, &msg->body);
		break;
	default:
		ksession_end(s);
	}
}

void
ksession_input(struct ksession *s)
{
	static const struct ipc_end died = { .reason = "its process died",
		.text = "its process died" };
	struct ipc_msg msg;
	size_t end;
	int r;

	if (s->sock == -1)
		return;
	r = ipc_recv(s->sock, s->keeper->message, IPC_SESSION_TO_KEEPER, s->phase, &msg);
	if (r == ERR_AGAIN)
		return;
	if (r == 0) {
		end = (size_t)(msg.body.p + msg.body.left - s->keeper->message);
		if (!ksession_dispatch_both(s, &msg)) {
			if (s->link.parent != NULL)
				ksession_dispatch_hop(s, &msg);
			else
				ksession_dispatch(s, &msg);
		}
		/* there may have been a password in it */
		if (msg.type == IPC_AUTH)
			explicit_bzero(s->keeper->message, end);
		return;
	}
	if (r == ERR_EOF && s->link.parent == NULL)
		ksession_log_end(s, &died);
	else if (r == ERR_EOF)
		ksession_warn(s, "%s", died.reason);
	else
		ksession_error(s, "ended: bad message (%s in phase %u): %s", ipc_name(msg.type),
		    s->phase, err_str(r));
	ksession_end(s);
}
