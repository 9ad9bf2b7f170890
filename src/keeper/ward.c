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
#include "keeper/outbox.h"
#include "keeper/upstream.h"
#include "keeper/ward.h"

static int
send_hello(struct ward *w)
{
	const struct identity *id = w->identity;
	struct buf b;
	size_t i;

	ipc_begin(&b, IPC_HELLO);
	wire_put_u32(&b, (uint32_t)id->n_host_keys);
	for (i = 0; i < id->n_host_keys; i++)
		wire_put_string(&b, id->host_keys[i].blob.data, id->host_keys[i].blob.len);
	return ward_send(w, &b, -1);
}

int
ward_new(struct keeper *k, int sock, struct wire *body)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct ward *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		close(sock);
		return ERR_NOMEM;
	}
	w->keeper = k;
	w->generation = generation_ref(k->now);
	w->identity = identity_ref(k->now->identity);
	w->from_session = (struct source){ .kind = SOURCE_WARD, .ward = w };
	w->from_errand = (struct source){ .kind = SOURCE_DIAL, .ward = w };
	w->sock = sock;
	w->errand = -1;
	w->phase = IPC_PHASE_KEX;
	w->id = wire_u64(body);
	wire_text(body, w->client, sizeof(w->client));
	w->client_port = wire_u32(body);
	wire_text(body, w->local, sizeof(w->local));
	w->local_port = wire_u32(body);
	w->started = clock_ms();
	/* the session keeps to LoginGraceTime; this is for one that does not */
	w->deadline = k->now->conf->gateway.login_grace_ms > 0 ?
	    w->started + k->now->conf->gateway.login_grace_ms + 5000 :
	    CLOCK_NEVER;
	TAILQ_INSERT_TAIL(&k->wards, w, entry);
	event.data.ptr = &w->from_session;
	if (wire_end(body) != 0 || epoll_ctl(k->epoll, EPOLL_CTL_ADD, sock, &event) == -1) {
		ward_end(w);
		return ERR_FORMAT;
	}
	return send_hello(w);
}

void
ward_follow(struct ward *w)
{
	generation_unref(&w->generation);
	w->generation = generation_ref(w->keeper->now);
}

/* The end of a connection, as its session tells it. */
struct report {
	char reason[600];
	uint64_t from_client, to_client;
	uint8_t how; /* enum ipc_end */
	uint32_t code;
	char text[600];
};

static void log_end(struct ward *, struct report *);

/*
 * What is held against its source: what its client has sent, never what its session says of it.  A
 * login that does not exist differs in the log alone.
 */
static enum ipc_login
login_end(const struct ward *w)
{
	const char *method = w->server == NULL ? "" : auth_server_method(w->server);

	/* proven to this process: what fails then is between us and the machine */
	if (w->excused || (w->methods.complete && w->route != NULL && !w->route->passthrough))
		return IPC_LOGIN_EXCUSED;
	if (w->failures == 0 && (method[0] == '\0' || strcmp(method, "none") == 0))
		return IPC_LOGIN_NOAUTH;
	return w->route == NULL ? IPC_LOGIN_INVALIDUSER : IPC_LOGIN_AUTHFAIL;
}

static void
tell_login_end(const struct ward *w)
{
	struct buf b;

	if (w->keeper->master == -1)
		return;
	ipc_begin(&b, IPC_LOGIN_ENDED);
	wire_put_u64(&b, w->id);
	buf_put_u8(&b, (uint8_t)login_end(w));
	if (outbox_send(w->keeper, &b, -1) != 0)
		log_warn("session %04jx: the master does not listen", (uintmax_t)w->id);
}

void
ward_end(struct ward *w)
{
	struct report cut = { .reason = "ended by the gateway" };

	if (w->sock == -1 && w->errand == -1)
		return;
	if (!w->logged_in)
		tell_login_end(w);
	/* whatever it was, who has been let in has an end in the log */
	if (w->logged_in && !w->end_logged)
		log_end(w, &cut);
	ward_log_lost(w);
	lookups_cancel(w);
	check_cancel(w);
	dials_cancel(w);
	looks_cancel(w);
	/* closing takes a descriptor out of the epoll set: nobody else has it */
	fd_close(&w->sock);
	fd_close(&w->errand);
	TAILQ_REMOVE(&w->keeper->wards, w, entry);
	TAILQ_INSERT_TAIL(&w->keeper->ended, w, entry);
}

void
ward_free(struct ward *w)
{
	auth_server_free(&w->server);
	auth_client_free(&w->upstream);
	agent_login_free(&w->agent);
	buf_free(&w->shown_key);
	buf_free(&w->host_key);
	authorized_options_free(&w->shown);
	authorized_options_free(&w->options);
	route_unref(&w->route);
	lookup_pending_free(&w->pending);
	generation_unref(&w->generation);
	identity_unref(&w->identity);
	free(w);
}

int
ward_send(struct ward *w, struct buf *b, int pass_fd)
{
	int r;

	if (w->sock == -1) {
		buf_wipe(b);
		return ERR_EOF;
	}
	r = ipc_send(w->sock, b, pass_fd);
	if (r != 0 && r != ERR_EOF) {
		log_error("session %04jx: does not take messages: %s", (uintmax_t)w->id,
		    err_str(r));
		ward_end(w);
	}
	return r;
}

void
ward_send_payloads(struct ward *w, enum ipc_type type, struct buf *out)
{
	struct buf b;

	if (buf_err(out) != 0) {
		log_error("session %04jx: reply too large", (uintmax_t)w->id);
		ward_end(w);
		return;
	}
	if (out->len == 0)
		return;
	ipc_begin(&b, type);
	buf_put(&b, out->data, out->len);
	buf_reset(out);
	(void)ward_send(w, &b, -1);
}

void
ward_pace(struct ward *w)
{
	uint32_t us = unknown_pace(w->keeper, auth_server_login(w->server));
	struct buf b;

	/* every login begins with "none": that one is not to be felt */
	if (strcmp(auth_server_method(w->server), "none") == 0)
		us /= 4;
	ipc_begin(&b, IPC_PACE);
	wire_put_u32(&b, us);
	wire_put_u32(&b, w->at_least_us);
	w->at_least_us = 0;
	(void)ward_send(w, &b, -1);
}

const char *
ward_login(const struct ward *w)
{
	static char login[LOGIN_VIS_SIZE];
	char vis[LOGIN_VIS_SIZE];
	struct bytes raw;
	const char *p;
	size_t o = 0;

	if (w->server == NULL)
		return "";
	raw = auth_server_raw_login(w->server);
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
ward_refuse(struct ward *w, const char *text, const char *why, ...)
{
	char line[512], reason[512];
	struct buf b, banner;
	va_list ap;
	int let_in;

	if (w->phase == IPC_PHASE_END)
		return;
	if (why != NULL) {
		va_start(ap, why);
		vsnprintf(reason, sizeof(reason), why, ap);
		va_end(ap);
		log_warn("session %04jx: %s from %s port %u refused: %s", (uintmax_t)w->id,
		    ward_login(w), w->client, w->client_port, reason);
	}
	let_in = w->phase == IPC_PHASE_AGENT;
	w->phase = IPC_PHASE_END;
	w->refused = 1;
	/* a guess that has gone to the machine is one, however its session says that it went */
	w->excused = why != NULL && w->failures == 0 && w->asked != UPSTREAM_CARRIED;
	lookups_cancel(w);
	check_cancel(w);
	dials_cancel(w);
	looks_cancel(w);
	fd_close(&w->errand);
	snprintf(line, sizeof(line), "sallyport: %s (session %04jx)", text, (uintmax_t)w->id);
	buf_init(&banner, 1024);
	if (!let_in) {
		auth_server_banner(line, &banner);
		/* clients show both, so the DISCONNECT does not say it again */
		snprintf(line, sizeof(line), "refused, session %04jx", (uintmax_t)w->id);
	}
	ipc_begin(&b, IPC_REFUSE);
	wire_put_text(&b, line);
	buf_put(&b, banner.data, banner.len);
	buf_free(&banner);
	if (let_in)
		agent_login_put_banner(w, &b);
	(void)ward_send(w, &b, -1);
}

void
ward_who(const struct ward *w, char *out, size_t size)
{
	const char *login = ward_login(w);

	if (login[0] == '\0')
		out[0] = '\0';
	else
		snprintf(out, size, "%s user %s ", w->route == NULL ? "invalid" : "authenticating",
		    login);
}

/*
 * sshd says of a DISCONNECT what is in it, and then that the client has disconnected.  One line
 * is enough: the one that fail2ban's filter counts, which knows by their text those who say that
 * they cannot log in.
 */
static void
log_disconnect(const struct ward *w, const char *user, const struct report *r)
{
	if (r->code == SSH_DISCONNECT_KEY_EXCHANGE_FAILED ||
	    r->code == SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE)
		log_info("Received disconnect from %s port %u:%u: %s [preauth]", w->client,
		    w->client_port, r->code, r->text);
	else
		log_info("Disconnected from %s%s port %u [preauth]", user, w->client,
		    w->client_port);
}

/*
 * How a connection ended that has not logged in, in the words of sshd 9.2.  The address comes
 * before any text of the client's or the session's, so that a filter cannot take one out of that;
 * the login stands in front of it, and there is no space in it.
 */
static void
log_preauth_end(const struct ward *w, const char *user, const struct report *r)
{
	const char *client = w->client;
	unsigned int port = w->client_port;

	switch (r->how) {
	case IPC_END_CLOSED:
		log_info("Connection closed by %s%s port %u [preauth]", user, client, port);
		break;
	case IPC_END_RESET:
		log_info("Connection reset by %s%s port %u [preauth]", user, client, port);
		break;
	case IPC_END_DISCONNECT:
		log_disconnect(w, user, r);
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
log_end(struct ward *w, struct report *r)
{
	const char *reason = r->reason;
	int64_t seconds = (clock_ms() - w->started) / 1000;
	char user[WARD_WHO_SIZE], more[64] = "";

	w->end_logged = 1;
	if (w->not_logged > 0)
		snprintf(more, sizeof(more), "; %u more failures are not in the log",
		    w->not_logged);
	if (w->logged_in) {
		log_info(
		    "session %04jx: %s from %s port %u closed after %jd s: %s%s; %ju bytes from "
		    "client, %ju to client",
		    (uintmax_t)w->id, ward_login(w), w->client, w->client_port, (intmax_t)seconds,
		    reason, more, (uintmax_t)r->from_client, (uintmax_t)r->to_client);
		return;
	}
	if (w->refused)
		return; /* said when it was refused */
	ward_who(w, user, sizeof(user));
	if (strstr(reason, "LoginGraceTime") != NULL)
		log_info("Timeout before authentication for %s port %u", w->client, w->client_port);
	else
		log_preauth_end(w, user, r);
	/* who comes to the administrator has the session id, and sshd has no words for that */
	log_line(user[0] != '\0' ? LOG_LVL_INFO : LOG_LVL_DEBUG,
	    "session %04jx: %s from %s port %u was not let in: %s%s", (uintmax_t)w->id,
	    ward_login(w), w->client, w->client_port, reason, more);
}

static void
ended(struct ward *w, struct wire *body)
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
	log_end(w, &r);
	ward_end(w);
}

static void
dispatch(struct ward *w, struct ipc_msg *msg)
{
	switch (msg->type) {
	case IPC_SIGN:
		downstream_sign(w, &msg->body);
		break;
	case IPC_AUTH:
		downstream_auth(w, &msg->body);
		break;
	case IPC_HOST_KEY:
		upstream_host_key(w, &msg->body);
		break;
	case IPC_UPSTREAM_READY:
		upstream_ready(w, &msg->body);
		break;
	case IPC_UPSTREAM_AUTH:
		upstream_auth(w, &msg->body);
		break;
	case IPC_UPSTREAM_FAILED:
		upstream_failed(w, &msg->body);
		break;
	case IPC_AGENT_OPEN:
		agent_login_opened(w);
		break;
	case IPC_AGENT_ANSWER:
		agent_login_answer(w, &msg->body);
		break;
	case IPC_AGENT_FAILED:
		agent_login_failed(w, &msg->body);
		break;
	case IPC_LOG:
		ward_log(w, &msg->body);
		break;
	case IPC_END:
		ended(w, &msg->body);
		break;
	default:
		ward_end(w);
	}
}

void
ward_session_input(struct ward *w)
{
	struct report died = { .reason = "its process died", .text = "its process died" };
	struct ipc_msg msg;
	size_t end;
	int r;

	if (w->sock == -1)
		return;
	r = ipc_recv(w->sock, w->keeper->message, IPC_SESSION_TO_KEEPER, w->phase, &msg);
	if (r == ERR_AGAIN)
		return;
	if (r == 0) {
		end = (size_t)(msg.body.p + msg.body.left - w->keeper->message);
		dispatch(w, &msg);
		/* there may have been a password in it */
		if (msg.type == IPC_AUTH)
			explicit_bzero(w->keeper->message, end);
		return;
	}
	if (r == ERR_EOF)
		log_end(w, &died);
	else
		log_error("session %04jx: ended for a bad message (%s in phase %u): %s",
		    (uintmax_t)w->id, ipc_name(msg.type), w->phase, err_str(r));
	ward_end(w);
}

void
ward_errand_input(struct ward *w)
{
	struct ipc_msg msg;
	int r;

	if (w->errand == -1)
		return;
	r = ipc_recv(w->errand, w->keeper->message, IPC_ERRAND_TO_KEEPER, w->phase, &msg);
	if (r == ERR_AGAIN)
		return;
	if (w->run == WARD_RUNNING) {
		lookups_answer(w, r == 0 ? &msg.body : NULL, "the errand died");
		return;
	}
	fd_close(&w->errand);
	if (r != 0) {
		ward_refuse(w,
		    "the gateway cannot log you in right now; try again later or ask "
		    "your administrator",
		    "the errand that dials died: %s", err_str(r));
		return;
	}
	upstream_errand_answer(w, &msg);
}
