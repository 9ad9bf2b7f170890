#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "keeper/agent_login.h"
#include "keeper/check.h"
#include "keeper/dials.h"
#include "keeper/downstream.h"
#include "keeper/looks.h"
#include "keeper/lookups.h"
#include "keeper/master_link.h"
#include "keeper/upstream.h"
#include "keeper/ksession.h"

static int
send_hello(struct ksession *s)
{
	const struct identity *id = s->identity;
	struct buf b;
	size_t i;

	ipc_begin(&b, IPC_HELLO);
	wire_put_u32(&b, (uint32_t)id->n_host_keys);
	for (i = 0; i < id->n_host_keys; i++)
		wire_put_string(&b, id->host_keys[i].blob.data, id->host_keys[i].blob.len);
	return ksession_send(s, &b, -1);
}

int
ksession_new(struct keeper *k, int sock, struct wire *body)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct ksession *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		close(sock);
		return ERR_NOMEM;
	}
	s->keeper = k;
	s->snapshot = snapshot_ref(k->now);
	s->identity = identity_ref(k->now->identity);
	s->from_session = (struct source){ .kind = SOURCE_SESSION, .session = s };
	s->from_errand = (struct source){ .kind = SOURCE_DIAL, .session = s };
	s->sock = sock;
	s->errand = -1;
	s->phase = IPC_PHASE_KEX;
	s->id = wire_u64(body);
	wire_text(body, s->client, sizeof(s->client));
	s->client_port = wire_u32(body);
	wire_text(body, s->local, sizeof(s->local));
	s->local_port = wire_u32(body);
	s->started = clock_ms();
	/* the session keeps to LoginGraceTime; this is for one that does not */
	s->deadline = k->now->conf->gateway.login_grace_ms > 0 ?
	    s->started + k->now->conf->gateway.login_grace_ms + 5000 :
	    CLOCK_NEVER;
	TAILQ_INSERT_TAIL(&k->sessions, s, entry);
	event.data.ptr = &s->from_session;
	if (wire_end(body) != 0 || epoll_ctl(k->epoll, EPOLL_CTL_ADD, sock, &event) == -1) {
		ksession_end(s);
		return ERR_FORMAT;
	}
	return send_hello(s);
}

void
ksession_follow(struct ksession *s)
{
	snapshot_unref(&s->snapshot);
	s->snapshot = snapshot_ref(s->keeper->now);
}

/* The end of a connection, as its session tells it. */
struct report {
	char reason[600];
	uint64_t from_client, to_client;
	uint8_t how; /* enum ipc_end */
	uint32_t code;
	char text[600];
};

static void log_end(struct ksession *, struct report *);

/*
 * What is held against its source: what its client has sent, never what its session says of it.  A
 * login that does not exist differs in the log alone.
 */
static enum ipc_login
login_end(const struct ksession *s)
{
	const char *method = s->server == NULL ? "" : auth_server_method(s->server);

	/* proven to this process: what fails then is between us and the machine */
	if (s->excused || (s->methods.complete && s->route != NULL && !s->route->passthrough))
		return IPC_LOGIN_EXCUSED;
	if (s->failures == 0 && (method[0] == '\0' || strcmp(method, "none") == 0))
		return IPC_LOGIN_NOAUTH;
	return s->route == NULL ? IPC_LOGIN_INVALIDUSER : IPC_LOGIN_AUTHFAIL;
}

static void
tell_login_end(const struct ksession *s)
{
	struct buf b;

	if (s->keeper->master == -1)
		return;
	ipc_begin(&b, IPC_LOGIN_ENDED);
	wire_put_u64(&b, s->id);
	buf_put_u8(&b, (uint8_t)login_end(s));
	if (master_link_send(s->keeper, &b, -1) != 0)
		log_warn("session %04jx: the master does not listen", (uintmax_t)s->id);
}

void
ksession_end(struct ksession *s)
{
	struct report cut = { .reason = "ended by the gateway" };

	if (s->sock == -1 && s->errand == -1)
		return;
	if (!s->logged_in)
		tell_login_end(s);
	/* whatever it was, who has been let in has an end in the log */
	if (s->logged_in && !s->end_logged)
		log_end(s, &cut);
	ksession_log_lost(s);
	lookups_cancel(s);
	check_cancel(s);
	dials_cancel(s);
	looks_cancel(s);
	/* closing takes a descriptor out of the epoll set: nobody else has it */
	fd_close(&s->sock);
	fd_close(&s->errand);
	TAILQ_REMOVE(&s->keeper->sessions, s, entry);
	TAILQ_INSERT_TAIL(&s->keeper->ended, s, entry);
}

void
ksession_free(struct ksession *s)
{
	auth_server_free(&s->server);
	auth_client_free(&s->upstream);
	agent_login_free(&s->agent);
	buf_free(&s->shown_key);
	buf_free(&s->host_key);
	authorized_options_free(&s->shown);
	authorized_options_free(&s->options);
	route_unref(&s->route);
	lookup_pending_free(&s->pending);
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
		log_error("session %04jx: does not take messages: %s", (uintmax_t)s->id,
		    err_str(r));
		ksession_end(s);
	}
	return r;
}

void
ksession_send_payloads(struct ksession *s, enum ipc_type type, struct buf *out)
{
	struct buf b;

	if (buf_err(out) != 0) {
		log_error("session %04jx: reply too large", (uintmax_t)s->id);
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
ksession_pace(struct ksession *s)
{
	uint32_t us = decoy_pace(s->keeper, auth_server_login(s->server));
	struct buf b;

	/* every login begins with "none": that one is not to be felt */
	if (strcmp(auth_server_method(s->server), "none") == 0)
		us /= 4;
	ipc_begin(&b, IPC_PACE);
	wire_put_u32(&b, us);
	wire_put_u32(&b, s->at_least_us);
	s->at_least_us = 0;
	(void)ksession_send(s, &b, -1);
}

const char *
ksession_login(const struct ksession *s)
{
	static char login[LOGIN_VIS_SIZE];
	char vis[LOGIN_VIS_SIZE];
	struct bytes raw;
	const char *p;
	size_t o = 0;

	if (s->server == NULL)
		return "";
	raw = auth_server_raw_login(s->server);
	log_vis(vis, sizeof(vis), raw.p, raw.len);
	/* "x from 192.0.2.1 port 1 ssh2:" is a login, too: without spaces no filter finds the
	 * address of somebody else in it */
	for (p = vis; *p != '\0' && o + 5 < sizeof(login); p++)
		if (*p == ' ')
			o += (size_t)snprintf(login + o, sizeof(login) - o, "\\040");
		else
			login[o++] = *p;
	login[o] = '\0';
	return login;
}

void
ksession_refuse(struct ksession *s, const char *text, const char *why, ...)
{
	char line[512], reason[512];
	struct buf b, banner;
	va_list ap;
	int let_in;

	if (s->phase == IPC_PHASE_END)
		return;
	if (why != NULL) {
		va_start(ap, why);
		vsnprintf(reason, sizeof(reason), why, ap);
		va_end(ap);
		log_warn("session %04jx: %s from %s port %u refused: %s", (uintmax_t)s->id,
		    ksession_login(s), s->client, s->client_port, reason);
	}
	let_in = s->phase == IPC_PHASE_AGENT;
	s->phase = IPC_PHASE_END;
	s->refused = 1;
	/* a guess that has gone to the machine is one, however its session says that it went */
	s->excused = why != NULL && s->failures == 0 && s->asked != UPSTREAM_CARRIED;
	lookups_cancel(s);
	check_cancel(s);
	dials_cancel(s);
	looks_cancel(s);
	fd_close(&s->errand);
	snprintf(line, sizeof(line), "sallyport: %s (session %04jx)", text, (uintmax_t)s->id);
	buf_init(&banner, 1024);
	if (!let_in) {
		auth_server_banner(line, &banner);
		/* clients show both, so the DISCONNECT does not say it again */
		snprintf(line, sizeof(line), "refused, session %04jx", (uintmax_t)s->id);
	}
	ipc_begin(&b, IPC_REFUSE);
	wire_put_text(&b, line);
	buf_put(&b, banner.data, banner.len);
	buf_free(&banner);
	if (let_in)
		agent_login_put_banner(s, &b);
	(void)ksession_send(s, &b, -1);
}

void
ksession_who(const struct ksession *s, char *out, size_t size)
{
	const char *login = ksession_login(s);

	if (login[0] == '\0')
		out[0] = '\0';
	else
		snprintf(out, size, "%s user %s ", s->route == NULL ? "invalid" : "authenticating",
		    login);
}

/*
 * sshd says of a DISCONNECT what is in it, and then that the client has disconnected.  One line
 * is enough: the one that fail2ban's filter counts, which knows by their text those who say that
 * they cannot log in.
 */
static void
log_disconnect(const struct ksession *s, const char *user, const struct report *r)
{
	if (r->code == SSH_DISCONNECT_KEY_EXCHANGE_FAILED ||
	    r->code == SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE)
		log_info("Received disconnect from %s port %u:%u: %s [preauth]", s->client,
		    s->client_port, r->code, r->text);
	else
		log_info("Disconnected from %s%s port %u [preauth]", user, s->client,
		    s->client_port);
}

/*
 * How a connection ended that has not logged in, in the words of sshd 9.2.  The address comes
 * before any text of the client's or the session's, so that a filter cannot take one out of that;
 * the login stands in front of it, and there is no space in it.
 */
static void
log_preauth_end(const struct ksession *s, const char *user, const struct report *r)
{
	const char *client = s->client;
	unsigned int port = s->client_port;

	switch (r->how) {
	case IPC_END_CLOSED:
		log_info("Connection closed by %s%s port %u [preauth]", user, client, port);
		break;
	case IPC_END_RESET:
		log_info("Connection reset by %s%s port %u [preauth]", user, client, port);
		break;
	case IPC_END_DISCONNECT:
		log_disconnect(s, user, r);
		break;
	case IPC_END_NOT_SSH:
		log_info("banner exchange: Connection from %s port %u: %s", client, port, r->text);
		break;
	case IPC_END_NO_MATCH:
		log_info("Unable to negotiate with %s%s port %u: %s [preauth]", user, client, port,
		    r->text);
		break;
	case IPC_END_BROKEN:
		log_info("ssh_dispatch_run_fatal: Connection from %s%s port %u: %s [preauth]", user,
		    client, port, r->text);
		break;
	default:
		log_info("Disconnecting %s%s port %u: %s [preauth]", user, client, port, r->text);
	}
}

/* One line at the end, whatever the end was. */
static void
log_end(struct ksession *s, struct report *r)
{
	const char *reason = r->reason;
	int64_t seconds = (clock_ms() - s->started) / 1000;
	char user[KSESSION_WHO_SIZE], more[64] = "";

	s->end_logged = 1;
	if (s->not_logged > 0)
		snprintf(more, sizeof(more), "; %u more failures are not in the log",
		    s->not_logged);
	if (s->logged_in) {
		log_info(
		    "session %04jx: %s from %s port %u closed after %jd s: %s%s; %ju bytes from "
		    "client, %ju to client",
		    (uintmax_t)s->id, ksession_login(s), s->client, s->client_port,
		    (intmax_t)seconds, reason, more, (uintmax_t)r->from_client,
		    (uintmax_t)r->to_client);
		return;
	}
	if (s->refused)
		return; /* said when it was refused */
	ksession_who(s, user, sizeof(user));
	if (strstr(reason, "LoginGraceTime") != NULL)
		log_info("Timeout before authentication for %s port %u", s->client, s->client_port);
	else
		log_preauth_end(s, user, r);
	/* who comes to the administrator has the session id, and sshd has no words for that */
	log_line(user[0] != '\0' ? LOG_LVL_INFO : LOG_LVL_DEBUG,
	    "session %04jx: %s from %s port %u was not let in: %s%s", (uintmax_t)s->id,
	    ksession_login(s), s->client, s->client_port, reason, more);
}

static void
ended(struct ksession *s, struct wire *body)
{
	struct report r;

	wire_text(body, r.reason, sizeof(r.reason));
	r.from_client = wire_u64(body);
	r.to_client = wire_u64(body);
	r.how = wire_u8(body);
	r.code = wire_u32(body);
	wire_text(body, r.text, sizeof(r.text));
	if (wire_end(body) != 0)
		r = (struct report){ .reason = "unreadable report", .text = "unreadable report" };
	log_end(s, &r);
	ksession_end(s);
}

static void
dispatch(struct ksession *s, struct ipc_msg *msg)
{
	switch (msg->type) {
	case IPC_SIGN:
		downstream_sign(s, &msg->body);
		break;
	case IPC_AUTH:
		downstream_auth(s, &msg->body);
		break;
	case IPC_HOST_KEY:
		upstream_host_key(s, &msg->body);
		break;
	case IPC_UPSTREAM_READY:
		upstream_ready(s, &msg->body);
		break;
	case IPC_UPSTREAM_AUTH:
		upstream_auth(s, &msg->body);
		break;
	case IPC_UPSTREAM_FAILED:
		upstream_failed(s, &msg->body);
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
	case IPC_LOG:
		ksession_log(s, &msg->body);
		break;
	case IPC_END:
		ended(s, &msg->body);
		break;
	default:
		ksession_end(s);
	}
}

void
ksession_input(struct ksession *s)
{
	struct report died = { .reason = "its process died", .text = "its process died" };
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
		dispatch(s, &msg);
		/* there may have been a password in it */
		if (msg.type == IPC_AUTH)
			explicit_bzero(s->keeper->message, end);
		return;
	}
	if (r == ERR_EOF)
		log_end(s, &died);
	else
		log_error("session %04jx: ended for a bad message (%s in phase %u): %s",
		    (uintmax_t)s->id, ipc_name(msg.type), s->phase, err_str(r));
	ksession_end(s);
}

void
ksession_errand_input(struct ksession *s)
{
	struct ipc_msg msg;
	int r;

	if (s->errand == -1)
		return;
	r = ipc_recv(s->errand, s->keeper->message, IPC_ERRAND_TO_KEEPER, s->phase, &msg);
	if (r == ERR_AGAIN)
		return;
	if (s->run == KSESSION_RUNNING) {
		lookups_answer(s, r == 0 ? &msg.body : NULL, "the errand died");
		return;
	}
	fd_close(&s->errand);
	if (r != 0) {
		ksession_refuse(s,
		    "the gateway cannot log you in right now; try again later or ask "
		    "your administrator",
		    "the errand that dials died: %s", err_str(r));
		return;
	}
	upstream_errand_answer(s, &msg);
}
