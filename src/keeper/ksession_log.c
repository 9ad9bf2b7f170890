/*
 * What the log says of a session, in sshd's words where fail2ban's filters and administrators
 * know them.  Whatever a client or a session's process made up is escaped, and comes after the
 * address.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "formats/cert.h"
#include "formats/pubkey.h"
#include "keeper/ksession.h"
#include "wire/ssh.h"

/* As much as log_line() takes of a line. */
#define KSESSION_LINE_MAX 2000

/* More lines beyond the bucket than a session of ours ever wants: it says at most 20 refusals
 * of a policy and 2 others, and with LogLevel DEBUG a line for each state and leg. */
#define KSESSION_LOG_LOST_MAX 1000

void
ksession_log(const struct ksession *s, enum log_level level, const char *fmt, ...)
{
	char text[KSESSION_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line(level, "session %04jx: %s", (uintmax_t)s->id, text);
}

/*
 * The session's process may have been taken over.  Its number stands in front of its words, so
 * that no filter takes them for those of the keeper, which begin as sshd's do; and there are
 * not many of them.
 */
void
ksession_log_input(struct ksession *s, struct wire *body)
{
	unsigned int level = wire_u8(body);
	char text[IPC_LOG_MAX + 1];

	wire_text(body, text, sizeof(text));
	if (wire_end(body) != 0 || level > LOG_LVL_DEBUG) {
		ksession_error(s, "ended: unreadable line for the log");
		ksession_end(s);
		return;
	}
	if (log_wants(level) && bucket_take(&s->log.lines, clock_ms())) {
		ksession_log(s, level, "%s", text);
		return;
	}
	/* a line below LogLevel is no less work */
	if (++s->log.lines_lost < KSESSION_LOG_LOST_MAX)
		return;
	ksession_error(s, "ended: too many lines for the log");
	ksession_end(s);
}

void
ksession_log_lost(const struct ksession *s)
{
	if (s->log.lines_lost > 0)
		ksession_warn(s, "%u of its lines are not in the log: they were too many at once",
		    s->log.lines_lost);
}

const char *
ksession_login(const struct ksession *s)
{
	static char login[LOGIN_VIS_SIZE];
	char vis[LOGIN_VIS_SIZE];
	struct bytes raw;
	const char *p;
	size_t o = 0;

	if (s->down.auth == NULL)
		return "";
	raw = auth_server_raw_login(s->down.auth);
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
ksession_log_user(const struct ksession *s, char *out, size_t size)
{
	const char *login = ksession_login(s);

	if (login[0] == '\0')
		out[0] = '\0';
	else
		snprintf(out, size, "%s user %s ", s->route == NULL ? "invalid" : "authenticating",
		    login);
}

/* --- the login --- */

/* What a certificate says of itself is logged once it has been accepted: until then anybody may
 * have written it. */
static void
ksession_log_attempt(const struct ksession *s, enum log_level level, const char *what)
{
	char key[160] = "", id[CERT_SHOW_SIZE] = "";
	struct cert cert;

	if (auth_server_fingerprint(s->down.auth)[0] != '\0')
		snprintf(key, sizeof(key), ": %s %s",
		    pubkey_type_short(auth_server_key_type(s->down.auth)),
		    auth_server_fingerprint(s->down.auth));
	if (strcmp(what, "Failed") != 0 && cert_parse(&cert, auth_server_key(s->down.auth)) == 0)
		cert_show(&cert, id);
	log_line(level, "%s %s for %s%s from %s port %u ssh2%s%s%s", what,
	    auth_server_method(s->down.auth), s->route == NULL ? "invalid user " : "",
	    ksession_login(s), s->client, s->client_port, key, id[0] != '\0' ? " " : "", id);
}

void
ksession_log_auth(const struct ksession *s, const char *what)
{
	ksession_log_attempt(s, LOG_LVL_INFO, what);
}

/* Each wrong try is logged, and there are MaxAuthTries of them: a client that offers keys
 * first cannot use up the room for guesses that nobody counts. */
void
ksession_log_failed_try(struct ksession *s)
{
	s->log.failed_lines++;
	ksession_log_attempt(s, LOG_LVL_INFO, "Failed");
}

/* A user with many keys offers some in vain.  As in sshd, that is worth a line once they are
 * half of MaxAuthTries, or if there is no such login; but not more lines than MaxAuthTries. */
void
ksession_log_failed_key(struct ksession *s, unsigned int failures)
{
	unsigned int most = (unsigned int)s->snapshot->conf->gateway.max_auth_tries;
	int worth_it = failures >= most / 2 || s->route == NULL;

	if (worth_it && s->log.failed_lines >= most) {
		s->log.failed_lines_lost++;
		return;
	}
	s->log.failed_lines += (unsigned int)worth_it;
	ksession_log_attempt(s, worth_it ? LOG_LVL_INFO : LOG_LVL_DEBUG, "Failed");
}

/* sshd has two lines for a client with too many tries; this is the one that fail2ban counts. */
void
ksession_log_denied(const struct ksession *s)
{
	const char *reason = auth_server_reason(s->down.auth);
	char user[KSESSION_USER_SIZE];

	if (s->log.failed_lines_lost > 0)
		ksession_info(s, "%u more failures are not in the log", s->log.failed_lines_lost);
	if (strcmp(reason, AUTH_SERVER_TOO_MANY) == 0) {
		log_error("maximum authentication attempts exceeded for %s%s from %s port %u ssh2 "
			  "[preauth]",
		    s->route == NULL ? "invalid user " : "", ksession_login(s), s->client,
		    s->client_port);
		return;
	}
	ksession_log_user(s, user, sizeof(user));
	log_info("Disconnecting %s%s port %u: %s [preauth]", user, s->client, s->client_port,
	    reason);
}

/* The upstream logs the gateway as its client: the port that was dialled from is where the two
 * logs meet. */
void
ksession_log_routed(const struct ksession *s)
{
	const struct login_upstream *up = &s->up;
	const int named = strcmp(up->host, up->address) != 0;

	ksession_info(s, "%s from %s port %u -> %s@%s port %u (%s%sdialled from %s port %u)",
	    ksession_login(s), s->client, s->client_port, up->user, up->host, s->route->port,
	    named ? up->address : "", named ? ", " : "", up->from, up->from_port);
}

/* --- the end --- */

/*
 * sshd logs the text of a DISCONNECT, and then that the client has disconnected.  One line is
 * enough: the line that fail2ban's filter counts, which knows by the text of their DISCONNECT the
 * clients that cannot log in.
 */
static void
ksession_log_disconnect(const struct ksession *s, const char *user, const struct ipc_end *r)
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
 * before any text of the client's or the session's, so that a filter cannot find another
 * address in that text; the login stands in front of it, and there is no space in a login.
 */
static void
ksession_log_preauth_end(const struct ksession *s, const char *user, const struct ipc_end *r)
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
		ksession_log_disconnect(s, user, r);
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

void
ksession_log_end(struct ksession *s, const struct ipc_end *r)
{
	int64_t seconds = (clock_ms() - s->started) / 1000;
	char user[KSESSION_USER_SIZE], more[64] = "";

	if (s->log.end_logged)
		return;
	s->log.end_logged = 1;
	if (s->log.failed_lines_lost > 0)
		snprintf(more, sizeof(more), "; %u more failures are not in the log",
		    s->log.failed_lines_lost);
	if (s->logged_in) {
		ksession_info(s,
		    "%s from %s port %u closed after %jd s: %s%s; %ju bytes from client, %ju to "
		    "client",
		    ksession_login(s), s->client, s->client_port, (intmax_t)seconds, r->reason,
		    more, (uintmax_t)r->from_client, (uintmax_t)r->to_client);
		return;
	}
	if (s->refused)
		return; /* logged when it was refused */
	ksession_log_user(s, user, sizeof(user));
	if (strstr(r->reason, "LoginGraceTime") != NULL)
		log_info("Timeout before authentication for %s port %u", s->client, s->client_port);
	else
		ksession_log_preauth_end(s, user, r);
	/* the session's number, which users quote to the administrator, is in none of sshd's
	 * lines */
	ksession_log(s, user[0] != '\0' ? LOG_LVL_INFO : LOG_LVL_DEBUG,
	    "%s from %s port %u was not let in: %s%s", ksession_login(s), s->client, s->client_port,
	    r->reason, more);
}
