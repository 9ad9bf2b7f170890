/*
 * The login upstream, once its host key is accepted.  ksession.c hands its messages here; what
 * differs by the way to log in is behind struct upstream_method.
 */
#include <stdio.h>
#include <string.h>

#include "access/host_key.h"
#include "base/clock.h"
#include "keeper/agent_login.h"
#include "wire/ssh.h"

const char *const upstream_text_login =
    "your machine did not let the gateway in; ask your administrator";
const char *const upstream_text_gateway =
    "the gateway cannot log you in right now; try again later or ask your administrator";

void
upstream_init(struct login_upstream *up)
{
	buf_init(&up->host_key_message, IPC_MAX);
	buf_init(&up->host_key, IPC_PAYLOAD_MAX);
	buf_init(&up->banner, AUTH_CLIENT_BANNER_MAX);
}

void
upstream_free(struct login_upstream *up)
{
	auth_client_free(&up->auth);
	agent_login_free(&up->agent);
	host_key_known_free(&up->known);
	route_key_close(&up->key);
	issue_free(&up->issue);
	buf_free(&up->host_key_message);
	buf_free(&up->host_key);
	buf_free(&up->banner);
}

const struct upstream_method *
upstream_method(const struct ksession *s)
{
	if (s->route == NULL)
		return NULL;
	if (s->route->agent)
		return &agent_login_method;
	return s->route->passthrough ? &passthrough_method : &upstream_stored_method;
}

/* For auth_client: sign with the mapped key, which is open at the first request of a login.
 * At a later one, such as after the certificate has been refused, it is opened once more. */
static int
upstream_sign(void *ctx, const char *alg, const void *data, size_t len, struct buf *sig)
{
	struct ksession *s = ctx;
	struct reason why;
	int r;

	/* that the upstream has verified the client is the word of the session's process,
	 * which may have been taken over: it does not count here */
	if (s->link.parent == NULL && !s->down.methods_verified.complete) {
		ksession_error(s,
		    "mapped key: it does not sign on a session's word that %s has accepted the "
		    "user",
		    s->up.host);
		return ERR_BADSTATE;
	}
	if (route_ca(s->route) != NULL) {
		r = issue_sign(&s->up.issue, alg, data, len, sig);
		if (r != 0)
			ksession_error(s, "certificate: cannot sign: %s", err_str(r));
		return r;
	}
	r = s->up.key.priv != NULL ?
	    0 :
	    route_key_open(s->route, s->identity->keystore, &s->up.key, &why);
	if (r == 0)
		r = route_key_sign(s->route, &s->up.key, alg, data, len, sig, &why);
	route_key_close(&s->up.key);
	if (r != 0)
		ksession_error(s, "mapped key: %s", why.text);
	return r;
}

static const struct auth_client_ops upstream_ops = { upstream_sign };

/* Does every signature of the mapped key have to name the host key?  If the host key may be
 * anybody's, its owner could have a login signed for another host that takes the mapped key as
 * well. */
static int
upstream_must_bind(const struct ksession *s)
{
	return !s->up.host_key_known && upstream_method(s)->mapped_key;
}

static int
upstream_has_mapped_key(const struct ksession *s)
{
	return upstream_method(s)->mapped_key &&
	    (s->route->key != NULL || s->route->key_file != NULL);
}

void
upstream_log_key_refused(const struct ksession *s)
{
	if (auth_client_certificate_refused(s->up.auth))
		issue_log_refused(s);
	if (upstream_must_bind(s) && !s->up.hostbound)
		ksession_warn(s,
		    "the host key of %s is not known, so the %s signs only by "
		    "publickey-hostbound, which that upstream does not support (OpenSSH does "
		    "since 8.9): add its host key to UserKnownHostsFile, or set "
		    "StrictHostKeyChecking = accept-new",
		    s->up.host, route_ca(s->route) != NULL ? "certificate" : "mapped key");
}

void
upstream_refuse_login(struct ksession *s, const char *text, const char *reason)
{
	if (upstream_has_mapped_key(s))
		upstream_log_key_refused(s);
	ksession_refuse(s, text, "%s@%s: %s", s->up.user, s->up.host, reason);
}

/* Pass a banner on, unless the client has been let in: no USERAUTH_BANNER may come after that. */
static void
upstream_banner(struct ksession *s, struct bytes text)
{
	struct buf b, banner;

	/* that of a hop is not from the user's machine */
	if (s->link.parent != NULL)
		return;
	if (s->down.success_sent) {
		buf_put(&s->up.banner, text.p, text.len);
		return;
	}
	buf_init(&banner, IPC_MAX - 16);
	buf_put_u8(&banner, SSH_MSG_USERAUTH_BANNER);
	wire_put_bytes(&banner, text);
	wire_put_text(&banner, "");
	ipc_begin(&b, IPC_DOWNSTREAM);
	wire_put_string(&b, banner.data, banner.len);
	buf_free(&banner);
	(void)ksession_send(s, &b, -1);
}

void
upstream_put_banner(const struct ksession *s, struct buf *b)
{
	if (s->up.banner.len > 0)
		wire_put_string(b, s->up.banner.data, s->up.banner.len);
}

static void
upstream_call(struct ksession *s, void (*handler)(struct ksession *))
{
	if (handler != NULL) {
		handler(s);
		return;
	}
	ksession_error(s, "ended: the upstream gave an answer that nothing asked for");
	ksession_end(s);
}

void
upstream_verdict(struct ksession *s, enum auth_client_verdict v, struct buf *out)
{
	const struct upstream_method *method = upstream_method(s);

	switch (v) {
	case AUTH_CLIENT_SEND:
		ksession_send_payloads(s, IPC_UPSTREAM, out);
		break;
	case AUTH_CLIENT_WAIT:
		break;
	case AUTH_CLIENT_BANNER:
		upstream_banner(s, auth_client_banner(s->up.auth));
		break;
	case AUTH_CLIENT_REFUSED:
		upstream_call(s, method->refused);
		break;
	case AUTH_CLIENT_ASKED:
		upstream_call(s, method->asked);
		break;
	case AUTH_CLIENT_WANTED:
		upstream_call(s, method->wanted);
		break;
	case AUTH_CLIENT_SUCCESS:
		upstream_call(s, method->success);
		break;
	case AUTH_CLIENT_FAILED:
		if (method->failed != NULL)
			method->failed(s);
		else
			upstream_refuse_login(s, upstream_text_login,
			    auth_client_reason(s->up.auth));
		break;
	}
}

void
upstream_finish(struct ksession *s)
{
	char issued[ISSUE_SHOW_SIZE];

	if (s->link.parent == NULL) {
		if (downstream_make_policy(s) != 0 || ksession_login_done(s) != 0)
			return;
		jobs_dial_over(s);
		ksession_log_routed(s);
	}
	if (auth_client_certificate_refused(s->up.auth) && route_ca(s->route) != NULL)
		issue_log_refused(s);
	else if (auth_client_certificate_refused(s->up.auth))
		ksession_warn(s,
		    "%s@%s refused the certificate of the mapped key, but not "
		    "the key",
		    s->up.user, s->up.host);
	if (s->link.parent != NULL) {
		if (issue_holds(s))
			ksession_info(s, "%s@%s lets the gateway in%s", s->up.user, s->up.host,
			    issue_show(s, issued));
		hop_logged_in(s);
		return;
	}
	downstream_success(s);
	upstream_free(&s->up);
}

/* The key is tried even without its certificate; why there is none is for the log. */
static void
upstream_read_certificate(struct ksession *s, struct bytes key, struct buf *certificate)
{
	struct reason why;

	if (s->route->certificate_file != NULL &&
	    route_certificate(s->route, key, time(NULL), certificate, &why) != 0)
		ksession_warn(s, "CertificateFile: %s; the key is tried without it", why.text);
}

/* Make s->up.auth.  0, or the client has been refused. */
static int
upstream_auth_new(struct ksession *s, const char *server_sig_algs)
{
	struct auth_client_config config = { .session_id = s->up.session_id,
		.session_id_len = s->up.session_id_len,
		.user = s->up.user,
		.server_sig_algs = server_sig_algs[0] != '\0' ? server_sig_algs : NULL,
		.several = upstream_method(s)->several || s->route->password != NULL };
	struct buf certificate;
	struct reason why = { "" };
	struct bytes pub;
	int r = 0;

	buf_init(&certificate, 65536);
	if (upstream_has_mapped_key(s) && route_ca(s->route) == NULL)
		r = route_key_open(s->route, s->identity->keystore, &s->up.key, &why);
	pub = buf_bytes(&s->up.key.pub);
	if (r == 0 && pub.len > 0)
		upstream_read_certificate(s, pub, &certificate);
	config.blob = pub;
	config.certificate = buf_bytes(&certificate);
	/* that it takes no bound signatures is no reason to sign what another host would take */
	if (s->up.hostbound || upstream_must_bind(s))
		config.host_key = buf_bytes(&s->up.host_key);
	if (r == 0)
		s->up.auth = auth_client_new(&config, &upstream_ops, s);
	buf_free(&certificate);
	if (r != 0)
		ksession_refuse(s, upstream_text_gateway, "mapped key: %s", why.text);
	else if (s->up.auth == NULL)
		ksession_refuse(s, upstream_text_gateway, "out of memory");
	return s->up.auth == NULL ? ERR_NOMEM : 0;
}

void
upstream_ready(struct ksession *s, struct wire *body)
{
	char server_sig_algs[4100];
	struct bytes id;

	if (s->phase == IPC_PHASE_END)
		return; /* refused while the upstream's keys were exchanged */
	id = wire_string(body);
	wire_text(body, server_sig_algs, sizeof(server_sig_algs));
	s->up.hostbound = wire_bool(body);
	if (wire_end(body) != 0 || s->up.auth != NULL ||
	    !bytes_equal(id, (struct bytes){ s->up.session_id, s->up.session_id_len })) {
		ksession_end(s);
		return;
	}
	if (upstream_auth_new(s, server_sig_algs) != 0) {
		route_key_close(&s->up.key);
		return;
	}
	if (upstream_method(s)->waits_for_client)
		jobs_dial_over(s);
	upstream_method(s)->begin(s);
	route_key_close(&s->up.key);
}

void
upstream_auth(struct ksession *s, struct wire *body)
{
	struct bytes payload = wire_string(body);
	enum auth_client_verdict v;
	struct buf out;

	if (s->phase == IPC_PHASE_END)
		return;
	if (wire_end(body) != 0 || payload.len == 0 || s->up.auth == NULL) {
		ksession_end(s);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	v = auth_client_input(s->up.auth, payload.p, payload.len, &out);
	if (auth_client_banner_cut(s->up.auth) && !s->up.banner_cut_logged) {
		s->up.banner_cut_logged = 1;
		ksession_warn(s, "the banner of %s@%s is longer than %u KiB and was cut",
		    s->up.user, s->up.host, AUTH_CLIENT_BANNER_MAX / 1024);
	}
	upstream_verdict(s, v, &out);
	buf_wipe(&out); /* a password may be in it */
}

/* How a reason ends (leg_error()) where sshd 9.8 or later has turned a source away that has
 * penalties, or that came at MaxStartups. */
#define UPSTREAM_NOT_ALLOWED "; before that it said: Not allowed at this time"

void
upstream_refuse_unreachable(struct ksession *s, const char *what, const char *reason)
{
	size_t len = strlen(reason), end = sizeof(UPSTREAM_NOT_ALLOWED) - 1;
	const char *hint = s->phase == IPC_PHASE_UPSTREAM_KEX ? route_unlike_ssh(s->route) : "";

	/* to the upstream, all users of the gateway come from one address */
	if (len >= end && strcmp(reason + len - end, UPSTREAM_NOT_ALLOWED) == 0)
		ksession_refuse(s, upstream_text_unreachable,
		    "%s port %u refuses the gateway for a time (PerSourcePenalties there, or "
		    "MaxStartups): add the gateway's address to PerSourcePenaltyExemptList in its "
		    "sshd_config",
		    s->up.host, s->route->port);
	else
		ksession_refuse(s, upstream_text_unreachable, "%s%s%s", what, reason, hint);
}

void
upstream_refuse_ended(struct ksession *s, const char *reason)
{
	char what[300];

	snprintf(what, sizeof(what), "%s port %u: ", s->up.host, s->route->port);
	upstream_refuse_unreachable(s, what, reason);
}

void
upstream_failed(struct ksession *s, struct wire *body)
{
	char reason[600];

	wire_text(body, reason, sizeof(reason));
	if (wire_end(body) != 0) {
		ksession_end(s);
		return;
	}
	/* refused already: this is its echo; or END will tell how it ended */
	if (s->phase == IPC_PHASE_END || s->phase == IPC_PHASE_RELAY)
		return;
	if (s->up.auth != NULL)
		upstream_method(s)->ended(s, reason);
	else
		upstream_refuse_ended(s, reason);
}
