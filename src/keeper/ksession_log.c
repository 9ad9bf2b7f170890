/*
 * What the log says of a session, in sshd's words where fail2ban's filters and administrators
 * know them.  Whatever a client or a session's process made up is escaped, and comes after the
 * address.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "formats/cert.h"
#include "formats/pubkey.h"
#include "keeper/downstream_factor.h"
#include "keeper/ksession.h"
#include "keeper/ktls.h"
#include "wire/ssh.h"

/* As much as log_line() takes of a line. */
#define KSESSION_LINE_MAX 2000
#define KSESSION_CERTIFICATE_SIZE (IPC_TLS_NAME_SIZE * 4 + 128)

/* More lines beyond the bucket than a session of ours ever wants: it says at most 20 refusals
 * of a policy and 2 others, and with LogLevel DEBUG a line for each state and leg. */
#define KSESSION_LOG_LOST_MAX 1000

/* --- fields --- */

/* What the keeper knows of the session: every line about it has these. */
static void
ksession_fields(const struct ksession *s, const char *event, struct log_fields *f)
{
	struct bytes login = { 0 };
	const struct auth_server *client = hop_session_of(s)->down.auth;
	char number[24];

	snprintf(number, sizeof(number), "%04jx", (uintmax_t)s->id);
	if (client != NULL)
		login = auth_server_raw_login(client);
	log_fields_begin(f, event);
	log_field_text(f, "session", number);
	log_field_bytes(f, "login", login.p, login.len);
	log_field_text(f, "client", s->client);
	log_field_number(f, "client_port", s->client_port);
	log_field_text(f, "host", s->host);
	if (s->tls != NULL) {
		log_field_text(f, "client_certificate", s->tls->fingerprint);
		log_field_text(f, "client_cn", s->tls->cn);
	}
	if (s->link.parent != NULL)
		log_field_text(f, "hop", s->route->name);
	if (s->up.from[0] == '\0' || s->route == NULL)
		return;
	log_field_text(f, "user", s->up.user);
	log_field_text(f, "upstream", s->up.host);
	log_field_number(f, "upstream_port", s->up.port);
	log_field_text(f, "upstream_address", s->up.address);
	log_field_text(f, "dialled_from", s->up.from);
	log_field_number(f, "dialled_from_port", s->up.from_port);
}

/* How the client was let in. */
static void
ksession_fields_accepted(const struct ksession *s, struct log_fields *f)
{
	log_field_text(f, "method", downstream_method_shown(s));
	log_field_text(f, "key_type", s->log.key_type);
	log_field_text(f, "key", s->log.key);
}

/* A line with the session's number in front. */
static void __attribute__((format(printf, 4, 0))) ksession_vline(const struct ksession *s,
    enum log_level level, const struct log_fields *f, const char *fmt, va_list ap)
{
	char text[KSESSION_LINE_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (s->link.parent != NULL)
		log_event(level, f, "session %04jx: hop %.100s: %s", (uintmax_t)s->id,
		    s->route->name, text);
	else
		log_event(level, f, "session %04jx: %s", (uintmax_t)s->id, text);
}

static void __attribute__((format(printf, 4, 5))) ksession_event(const struct ksession *s,
    enum log_level level, const struct log_fields *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ksession_vline(s, level, f, fmt, ap);
	va_end(ap);
}

void
ksession_log(const struct ksession *s, enum log_level level, const char *fmt, ...)
{
	struct log_fields f;
	va_list ap;

	ksession_fields(s, NULL, &f);
	va_start(ap, fmt);
	ksession_vline(s, level, &f, fmt, ap);
	va_end(ap);
}

/* --- lines of the session's process --- */

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
	struct log_fields f;

	wire_text(body, text, sizeof(text));
	if (wire_end(body) != 0 || level > LOG_LVL_DEBUG) {
		ksession_error(s, "ended: unreadable line for the log");
		ksession_end(s);
		return;
	}
	if (log_wants(level) && bucket_take(&s->log.lines, clock_ms())) {
		ksession_fields(s, NULL, &f);
		log_field_text(&f, "said_by", "session");
		ksession_event(s, level, &f, "%s", text);
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
ksession_log_attempt(const struct ksession *s, enum log_level level, enum ksession_attempt what)
{
	static const char *const words[] = { "Failed", "Partial", "Accepted" };
	static const char *const events[] = { "failed", "partial", "accepted" };
	const char *key = auth_server_fingerprint(s->down.auth), *type = "";
	char shown[160] = "", id[CERT_SHOW_SIZE] = "";
	struct log_fields f;
	struct cert cert;

	if (key[0] != '\0') {
		type = pubkey_type_short(auth_server_key_type(s->down.auth));
		snprintf(shown, sizeof(shown), ": %s %s", type, key);
	}
	if (what != ATTEMPT_FAILED && cert_parse(&cert, auth_server_key(s->down.auth)) == 0)
		cert_show(&cert, id);
	ksession_fields(s, events[what], &f);
	log_field_text(&f, "method", downstream_method_shown(s));
	log_field_text(&f, "key_type", type);
	log_field_text(&f, "key", key);
	log_field_text(&f, "certificate", id);
	log_event(level, &f, "%s %s for %s%s from %s port %u ssh2%s%s%s", words[what],
	    downstream_method_shown(s), s->route == NULL ? "invalid user " : "", ksession_login(s),
	    s->client, s->client_port, shown, id[0] != '\0' ? " " : "", id);
}

void
ksession_log_auth(struct ksession *s, enum ksession_attempt what)
{
	if (what != ATTEMPT_FAILED && auth_server_fingerprint(s->down.auth)[0] != '\0') {
		snprintf(s->log.key_type, sizeof(s->log.key_type), "%s",
		    pubkey_type_short(auth_server_key_type(s->down.auth)));
		snprintf(s->log.key, sizeof(s->log.key), "%s",
		    auth_server_fingerprint(s->down.auth));
	}
	ksession_log_attempt(s, LOG_LVL_INFO, what);
}

void
ksession_log_invalid_user(const struct ksession *s)
{
	struct log_fields f;

	ksession_fields(s, "invalid_user", &f);
	log_event(LOG_LVL_INFO, &f, "Invalid user %s from %s port %u", ksession_login(s), s->client,
	    s->client_port);
}

void
ksession_log_key_refused(const struct ksession *s, const char *reason)
{
	const char *key = auth_server_fingerprint(s->down.auth);
	struct log_fields f;

	ksession_fields(s, "key_refused", &f);
	log_field_text(&f, "key_type", pubkey_type_short(auth_server_key_type(s->down.auth)));
	log_field_text(&f, "key", key);
	log_field_text(&f, "reason", reason);
	ksession_event(s, LOG_LVL_INFO, &f, "%s: key %s not accepted: %s", ksession_login(s), key,
	    reason);
}

/* Each wrong try is logged, and there are MaxAuthTries of them: a client that offers keys
 * first cannot use up the room for guesses that nobody counts. */
void
ksession_log_failed_try(struct ksession *s)
{
	s->log.failed_lines++;
	ksession_log_attempt(s, LOG_LVL_INFO, ATTEMPT_FAILED);
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
	ksession_log_attempt(s, worth_it ? LOG_LVL_INFO : LOG_LVL_DEBUG, ATTEMPT_FAILED);
}

void
ksession_log_factor(const struct ksession *s, enum log_level level, const char *event,
    const char *reason)
{
	struct log_fields f;

	ksession_fields(s, event, &f);
	log_field_text(&f, "method", downstream_method_shown(s));
	log_field_text(&f, "reason", reason);
	ksession_event(s, level, &f, "%s from %s port %u: %s: %s", ksession_login(s), s->client,
	    s->client_port, downstream_method_shown(s), reason);
}

/* sshd has two lines for a client with too many tries; this is the one that fail2ban counts. */
void
ksession_log_denied(const struct ksession *s)
{
	const char *reason = auth_server_reason(s->down.auth);
	char user[KSESSION_USER_SIZE];
	struct log_fields f;

	if (s->log.failed_lines_lost > 0)
		ksession_info(s, "%u more failures are not in the log", s->log.failed_lines_lost);
	ksession_fields(s, "denied", &f);
	log_field_text(&f, "reason", reason);
	if (strcmp(reason, AUTH_SERVER_TOO_MANY) == 0) {
		log_event(LOG_LVL_ERROR, &f,
		    "maximum authentication attempts exceeded for %s%s from %s port %u ssh2 "
		    "[preauth]",
		    s->route == NULL ? "invalid user " : "", ksession_login(s), s->client,
		    s->client_port);
		return;
	}
	ksession_log_user(s, user, sizeof(user));
	log_event(LOG_LVL_INFO, &f, "Disconnecting %s%s port %u: %s [preauth]", user, s->client,
	    s->client_port, reason);
}

void
ksession_log_refused(const struct ksession *s, const char *reason)
{
	struct log_fields f;

	ksession_fields(s, "refused", &f);
	log_field_text(&f, "reason", reason);
	ksession_event(s, LOG_LVL_WARN, &f, "%s from %s port %u refused: %s", ksession_login(s),
	    s->client, s->client_port, reason);
}

/* ", certificate CN=alice SHA256 ...", or "". */
static const char *
ksession_certificate_text(const struct ksession *s, char out[KSESSION_CERTIFICATE_SIZE])
{
	const struct lookup_certificate *c = tls_facts_certificate(s->tls);
	char cn[IPC_TLS_NAME_SIZE * 4 + 8];

	out[0] = '\0';
	if (c == NULL)
		return out;
	log_vis(cn, sizeof(cn), c->cn, strlen(c->cn));
	snprintf(out, KSESSION_CERTIFICATE_SIZE, ", certificate CN=%s SHA256 %s", cn,
	    c->fingerprint);
	return out;
}

/* The upstream logs the gateway as its client: the port that was dialled from is where the two
 * logs meet. */
void
ksession_log_routed(const struct ksession *s)
{
	const struct login_upstream *up = &s->up;
	const int named = up->address[0] != '\0' && strcmp(up->host, up->address) != 0;
	char through[1024];
	char certificate[KSESSION_CERTIFICATE_SIZE], issued[ISSUE_SHOW_SIZE], serial[24];
	struct log_fields f;

	hop_describe(s, through, sizeof(through));
	ksession_fields(s, "routed", &f);
	ksession_fields_accepted(s, &f);
	log_field_text(&f, "through", through);
	if (issue_holds(s)) {
		/* as text: it has more digits than the numbers of some that read JSON */
		snprintf(serial, sizeof(serial), "%" PRIu64, up->issue.serial);
		log_field_text(&f, "certificate_serial", serial);
		log_field_text(&f, "certificate_id", up->issue.id);
	}
	ksession_event(s, LOG_LVL_INFO, &f,
	    "%s from %s port %u -> %s@%s port %u%s%s (%s%sdialled from %s port %u)%s%s",
	    ksession_login(s), s->client, s->client_port, up->user, up->host, up->port,
	    through[0] != '\0' ? " through " : "", through, named ? up->address : "",
	    named ? ", " : "", up->from, up->from_port, ksession_certificate_text(s, certificate),
	    issue_show(s, issued));
}

void
ksession_log_jump(const struct ksession *s)
{
	char certificate[KSESSION_CERTIFICATE_SIZE];
	struct log_fields f;

	ksession_fields(s, "routed", &f);
	ksession_fields_accepted(s, &f);
	ksession_event(s, LOG_LVL_INFO, &f, "%s from %s port %u -> %s%s", ksession_login(s),
	    s->client, s->client_port, s->route->mode == ROUTE_TUNNEL ? "tunnel" : "jump",
	    ksession_certificate_text(s, certificate));
}

void
ksession_log_jumped(struct ksession *s, const char *why, const char *address)
{
	int refused = why[0] != '\0';
	struct log_fields f;

	if (!bucket_take(&s->log.lines, clock_ms())) {
		s->log.lines_lost++;
		return;
	}
	ksession_fields(s, refused ? "jump_refused" : "jumped", &f);
	log_field_text(&f, "upstream", s->jump.host);
	log_field_number(&f, "upstream_port", s->jump.port);
	if (refused)
		log_field_text(&f, "reason", why);
	else
		log_field_text(&f, "upstream_address", address);
	ksession_event(s, LOG_LVL_INFO, &f, "%s from %s port %u %s %s port %u%s%s%s",
	    ksession_login(s), s->client, s->client_port,
	    refused ? "was refused a jump to" : "jumps to", s->jump.host, s->jump.port,
	    refused ? ": " : " (", refused ? why : address, refused ? "" : ")");
}

void
ksession_log_tunnel(const struct ksession *s, const char *event, const char *name, uint32_t port,
    const char *why)
{
	int refused = strcmp(event, "tunnel_refused") == 0;
	struct log_fields f;

	ksession_fields(s, event, &f);
	log_field_text(&f, "tunnel", name);
	log_field_number(&f, "tunnel_port", port);
	if (why[0] != '\0')
		log_field_text(&f, "reason", why);
	ksession_event(s, LOG_LVL_INFO, &f, "%s from %s port %u %s tunnel %s port %u%s%s",
	    ksession_login(s), s->client, s->client_port,
	    refused	       ? "was refused the" :
		why[0] != '\0' ? "no longer holds the" :
				 "holds the",
	    name, port, why[0] != '\0' ? ": " : "", why);
}

void
ksession_log_tunnelled(struct ksession *s, const struct tunnel *t, const char *client,
    uint32_t client_port, const char *why)
{
	struct log_fields f;

	if (!bucket_take(&s->log.lines, clock_ms())) {
		s->log.lines_lost++;
		return;
	}
	if (why[0] != '\0') {
		ksession_warn(s, "%s port %u was refused the tunnel %s port %u of %s: %s", client,
		    client_port, t->name, t->port, ksession_login(s), why);
		return;
	}
	ksession_fields(s, "tunnelled", &f);
	log_field_text(&f, "tunnel", t->name);
	log_field_number(&f, "tunnel_port", t->port);
	log_field_text(&f, "from", client);
	log_field_number(&f, "from_port", client_port);
	ksession_event(s, LOG_LVL_INFO, &f, "%s port %u connects to the tunnel %s port %u of %s",
	    client, client_port, t->name, t->port, ksession_login(s));
}

/* --- the end --- */

/*
 * sshd logs the text of a DISCONNECT, and then that the client has disconnected.  One line is
 * enough: the line that fail2ban's filter counts, which knows by the text of their DISCONNECT the
 * clients that cannot log in.
 */
static void
ksession_log_disconnect(const struct ksession *s, const struct log_fields *f, const char *user,
    const struct ipc_end *r)
{
	if (r->code == SSH_DISCONNECT_KEY_EXCHANGE_FAILED ||
	    r->code == SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE)
		log_event(LOG_LVL_INFO, f, "Received disconnect from %s port %u:%u: %s [preauth]",
		    s->client, s->client_port, r->code, r->text);
	else
		log_event(LOG_LVL_INFO, f, "Disconnected from %s%s port %u [preauth]", user,
		    s->client, s->client_port);
}

/*
 * How a connection ended that has not logged in, in the words of sshd 9.2.  The address comes
 * before any text of the client's or the session's, so that a filter cannot find another
 * address in that text; the login stands in front of it, and there is no space in a login.
 */
static void
ksession_log_preauth_end(const struct ksession *s, const char *user, const struct ipc_end *r)
{
	struct log_fields f;
	const char *client = s->client;
	unsigned int port = s->client_port;

	ksession_fields(s, "ended", &f);
	log_field_text(&f, "reason", r->reason);
	switch (r->how) {
	case IPC_END_CLOSED:
		log_event(LOG_LVL_INFO, &f, "Connection closed by %s%s port %u [preauth]", user,
		    client, port);
		break;
	case IPC_END_RESET:
		log_event(LOG_LVL_INFO, &f, "Connection reset by %s%s port %u [preauth]", user,
		    client, port);
		break;
	case IPC_END_DISCONNECT:
		ksession_log_disconnect(s, &f, user, r);
		break;
	case IPC_END_NOT_SSH:
		log_event(LOG_LVL_INFO, &f, "banner exchange: Connection from %s port %u: %s",
		    client, port, r->text);
		break;
	case IPC_END_NO_MATCH:
		log_event(LOG_LVL_INFO, &f, "Unable to negotiate with %s%s port %u: %s [preauth]",
		    user, client, port, r->text);
		break;
	case IPC_END_BROKEN:
		log_event(LOG_LVL_INFO, &f,
		    "ssh_dispatch_run_fatal: Connection from %s%s port %u: %s [preauth]", user,
		    client, port, r->text);
		break;
	default:
		log_event(LOG_LVL_INFO, &f, "Disconnecting %s%s port %u: %s [preauth]", user,
		    client, port, r->text);
	}
}

void
ksession_log_end(struct ksession *s, const struct ipc_end *r)
{
	int64_t seconds = (clock_ms() - s->started) / 1000;
	char user[KSESSION_USER_SIZE], more[64] = "";
	struct log_fields f;

	if (s->log.end_logged)
		return;
	s->log.end_logged = 1;
	if (s->log.failed_lines_lost > 0)
		snprintf(more, sizeof(more), "; %u more failures are not in the log",
		    s->log.failed_lines_lost);
	if (s->logged_in) {
		ksession_fields(s, "closed", &f);
		ksession_fields_accepted(s, &f);
		log_field_text(&f, "reason", r->reason);
		log_field_number(&f, "seconds", (uint64_t)seconds);
		log_field_number(&f, "bytes_in", r->from_client);
		log_field_number(&f, "bytes_out", r->to_client);
		ksession_event(s, LOG_LVL_INFO, &f,
		    "%s from %s port %u closed after %jd s: %s%s; %ju bytes from client, %ju to "
		    "client",
		    ksession_login(s), s->client, s->client_port, (intmax_t)seconds, r->reason,
		    more, (uintmax_t)r->from_client, (uintmax_t)r->to_client);
		return;
	}
	if (s->refused)
		return; /* logged when it was refused */
	ksession_log_user(s, user, sizeof(user));
	if (strstr(r->reason, "LoginGraceTime") != NULL ||
	    strstr(r->reason, "FactorTimeout") != NULL) {
		ksession_fields(s, "timeout", &f);
		log_event(LOG_LVL_INFO, &f, "Timeout before authentication for %s port %u",
		    s->client, s->client_port);
	} else {
		ksession_log_preauth_end(s, user, r);
	}
	/* the session's number, which users quote to the administrator, is in none of sshd's
	 * lines */
	ksession_fields(s, "not_let_in", &f);
	log_field_text(&f, "reason", r->reason);
	log_field_number(&f, "seconds", (uint64_t)seconds);
	ksession_event(s, user[0] != '\0' ? LOG_LVL_INFO : LOG_LVL_DEBUG, &f,
	    "%s from %s port %u was not let in: %s%s", ksession_login(s), s->client, s->client_port,
	    r->reason, more);
}
