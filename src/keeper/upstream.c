/*
 * The login at the upstream, once its host key is accepted.  ksession.c hands its messages here.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "keeper/agent_login.h"
#include "keeper/passthrough.h"
#include "keeper/downstream.h"
#include "access/route_files.h"
#include "keeper/upstream.h"

const char *const upstream_text_login =
    "your machine did not let the gateway in; ask your administrator";
static const char *const text_asks_more =
    "your machine asks the gateway for more than the password it has for it, or for a new one; "
    "ask your administrator";
const char *const upstream_text_gateway =
    "the gateway cannot log you in right now; try again later or ask your administrator";

static int
sign(void *ctx, const char *alg, const void *data, size_t len, struct buf *sig)
{
	struct ksession *s = ctx;
	struct reason why;
	int r;

	/* whatever the session says of its upstream: what the machine has judged is the session's
	 * word, and so it does not count */
	if (!s->judged.complete) {
		ksession_error(s,
		    "mapped key: it does not sign because of what %s is said "
		    "to have judged",
		    s->host);
		return ERR_BADSTATE;
	}
	r = route_key_sign(s->route, s->identity->keystore, alg, data, len, sig, &why);
	if (r != 0)
		ksession_error(s, "mapped key: %s", why.text);
	return r;
}

static const struct auth_client_ops client_ops = { sign };

/*
 * The stored password, on its way through the session: for who has proven all that is
 * asked for, and for a machine whose host key has been checked.  As ssh does, not for
 * one whose key has changed, even where that is let pass.
 */
static int
stored_password(void *ctx, struct secret **out, struct reason *why)
{
	struct ksession *s = ctx;
	int r = ERR_BADSTATE;

	*out = NULL;
	reason_set(why, "not allowed now");
	if (s->host_changed)
		reason_set(why,
		    "the host key of %s has CHANGED: it does not get the stored password", s->host);
	else if (s->methods.complete && s->phase == IPC_PHASE_UPSTREAM_AUTH)
		r = keystore_password(s->identity->keystore, s->route->password, out, why);
	s->password_missing = r != 0 && !s->host_changed;
	return r;
}

static const struct auth_stored_ops stored_ops = { stored_password };

/* Does every signature of the mapped key have to name the host key?  Where it may be anybody's,
 * it could be signed for another machine that takes the mapped key as well. */
static int
must_bind(const struct ksession *s)
{
	return !s->host_known && s->agent == NULL;
}

void
upstream_key_refused(const struct ksession *s)
{
	if (must_bind(s) && !s->takes_bound)
		ksession_warn(s,
		    "the host key of %s is not known, so the mapped key signs "
		    "only by publickey-hostbound, which that machine does not take (OpenSSH "
		    "does since 8.9): add its host key to UserKnownHostsFile, or set "
		    "StrictHostKeyChecking = accept-new",
		    s->host);
}

/* The upstream has not let us in with what we have. */
static void
refuse_login(struct ksession *s)
{
	const char *reason = s->stored.reason, *text = upstream_text_login;

	if (s->route->key != NULL || s->route->key_file != NULL)
		upstream_key_refused(s);

	if (s->stored.asks_more)
		text = text_asks_more;
	else if (s->password_missing)
		text = upstream_text_gateway;
	ksession_refuse(s, text, "%s@%s: %s", s->user, s->host,
	    reason[0] != '\0' ? reason : auth_client_reason(s->upstream));
}

void
upstream_verdict(struct ksession *s, enum auth_client_verdict v, struct buf *out)
{
	struct buf b, banner;
	struct bytes text;

	if (s->stored.ops != NULL)
		v = auth_stored_step(&s->stored, s->upstream, v, out);
	switch (v) {
	case AUTH_CLIENT_REFUSED:
		if (s->agent != NULL)
			agent_login_refused(s);
		else
			passthrough_refused(s);
		break;
	case AUTH_CLIENT_WANTED:
		agent_login_wanted(s);
		break;
	case AUTH_CLIENT_ASKED:
		if (auth_server_carried(s->server, &text) == AUTH_SERVER_CONVERSATION)
			decoy_note(s->keeper, DECOY_QUESTION, clock_us() - s->asked_at);
		downstream_ask(s, auth_client_question(s->upstream));
		break;
	case AUTH_CLIENT_SEND:
		ksession_send_payloads(s, IPC_UPSTREAM, out);
		break;
	case AUTH_CLIENT_WAIT:
		break;
	case AUTH_CLIENT_BANNER:
		text = auth_client_banner(s->upstream);
		if (s->agent != NULL) {
			agent_login_banner(s, text);
			break;
		}
		buf_init(&banner, IPC_MAX - 16);
		buf_put_u8(&banner, SSH_MSG_USERAUTH_BANNER);
		wire_put_bytes(&banner, text);
		wire_put_text(&banner, "");
		ipc_begin(&b, IPC_DOWNSTREAM);
		wire_put_string(&b, banner.data, banner.len);
		buf_free(&banner);
		(void)ksession_send(s, &b, -1);
		break;
	case AUTH_CLIENT_SUCCESS:
		if (s->route->passthrough)
			passthrough_success(s);
		else
			upstream_finish(s);
		break;
	case AUTH_CLIENT_FAILED:
		refuse_login(s);
		break;
	}
}

void
upstream_finish(struct ksession *s)
{
	if (s->route->passthrough)
		ksession_log_auth(s, "Accepted");
	if (ksession_login_done(s) != 0)
		return;
	jobs_dial_over(s);
	ksession_info(s, "%s from %s port %u -> %s@%s port %u", ksession_login(s), s->client,
	    s->client_port, s->user, s->host, s->route->port);
	if (auth_client_certificate_refused(s->upstream))
		ksession_warn(s,
		    "%s@%s refused the certificate of the mapped key, but not "
		    "the key",
		    s->user, s->host);
	downstream_success(s);
	auth_client_free(&s->upstream);
	agent_login_free(&s->agent);
}

static enum auth_client_verdict
begin_stored(struct ksession *s, int has_key, struct buf *out)
{
	s->stored = (struct auth_stored){ .ops = &stored_ops,
		.ctx = s,
		.name = s->route->password,
		.has_key = has_key };
	return auth_stored_begin(&s->stored, s->upstream, out);
}

/* One that is not good does not keep the key from being tried, but it is no secret. */
static void
read_certificate(struct ksession *s, struct bytes key, struct buf *certificate)
{
	struct reason why;

	if (s->route->certificate_file != NULL &&
	    route_certificate(s->route, key, time(NULL), certificate, &why) != 0)
		ksession_warn(s, "CertificateFile: %s; the key is tried without it", why.text);
}

void
upstream_ready(struct ksession *s, struct wire *body)
{
	struct auth_client_config config = { 0 };
	struct reason why;
	struct buf pub, certificate, out;
	struct bytes id;
	char algs[4100], type[64];
	int r;

	if (s->phase == IPC_PHASE_END)
		return; /* refused while the upstream's keys were exchanged */
	id = wire_string(body);
	wire_text(body, algs, sizeof(algs));
	s->takes_bound = wire_bool(body);
	if (wire_end(body) != 0 || s->upstream != NULL ||
	    !bytes_equal(id, (struct bytes){ s->upstream_id, s->upstream_id_len })) {
		ksession_end(s);
		return;
	}
	buf_init(&pub, 16384);
	buf_init(&certificate, 65536);
	buf_init(&out, IPC_MAX - 16);
	r = s->agent != NULL || (s->route->key == NULL && s->route->key_file == NULL) ?
	    0 :
	    route_key_public(s->route, s->identity->keystore, &pub, type, &why);
	if (r != 0) {
		ksession_refuse(s, upstream_text_gateway, "mapped key: %s", why.text);
		goto out;
	}
	if (pub.len > 0)
		read_certificate(s, (struct bytes){ pub.data, pub.len }, &certificate);
	config.session_id = s->upstream_id;
	config.session_id_len = s->upstream_id_len;
	config.user = s->user;
	config.blob = (struct bytes){ pub.data, pub.len };
	config.certificate = (struct bytes){ certificate.data, certificate.len };
	config.server_sig_algs = algs[0] != '\0' ? algs : NULL;
	config.several = s->route->passthrough || s->route->password != NULL || s->agent != NULL;
	/* that it takes none is no reason to sign what another one would take */
	if (s->takes_bound || must_bind(s))
		config.host_key = (struct bytes){ s->host_key.data, s->host_key.len };
	s->upstream = auth_client_new(&config, &client_ops, s);
	if (s->upstream == NULL) {
		ksession_refuse(s, upstream_text_gateway, "out of memory");
		goto out;
	}
	if (s->agent != NULL || s->route->passthrough)
		jobs_dial_over(s); /* a person may take their time from here on */
	if (s->agent != NULL)
		agent_login_begin(s);
	else if (s->route->passthrough)
		passthrough_next(s);
	else if (s->route->password != NULL)
		upstream_verdict(s, begin_stored(s, pub.len > 0, &out), &out);
	else
		upstream_verdict(s, auth_client_start(s->upstream, &out), &out);
out:
	buf_wipe(&out);
	buf_free(&certificate);
	buf_free(&pub);
}

void
upstream_auth(struct ksession *s, struct wire *body)
{
	struct bytes payload = wire_string(body);
	enum auth_client_verdict v;
	struct buf out;

	if (s->phase == IPC_PHASE_END)
		return;
	if (wire_end(body) != 0 || payload.len == 0 || s->upstream == NULL) {
		ksession_end(s);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	v = auth_client_input(s->upstream, payload.p, payload.len, &out);
	if (auth_client_banner_cut(s->upstream) && !s->banner_cut) {
		s->banner_cut = 1;
		ksession_warn(s, "the banner of %s@%s is longer than %u KiB and was cut", s->user,
		    s->host, AUTH_CLIENT_BANNER_MAX / 1024);
	}
	upstream_verdict(s, v, &out);
	buf_wipe(&out); /* a password may be in it */
}

/* How a reason ends (leg_error()) where sshd 9.8 or later has turned a source away that has
 * penalties, or that came at MaxStartups. */
#define NOT_ALLOWED "; before that it said: Not allowed at this time"

void
upstream_refuse_unreachable(struct ksession *s, const char *what, const char *reason)
{
	size_t len = strlen(reason), end = sizeof(NOT_ALLOWED) - 1;

	/* to the machine all the people of the gateway are one source */
	if (len >= end && strcmp(reason + len - end, NOT_ALLOWED) == 0)
		ksession_refuse(s, upstream_text_unreachable,
		    "%s port %u refuses the gateway for a time (PerSourcePenalties there, or "
		    "MaxStartups): add the gateway's address to PerSourcePenaltyExemptList in its "
		    "sshd_config",
		    s->host, s->route->port);
	else
		ksession_refuse(s, upstream_text_unreachable, "%s%s", what, reason);
}

void
upstream_failed(struct ksession *s, struct wire *body)
{
	char reason[600], place[300];

	wire_text(body, reason, sizeof(reason));
	if (wire_end(body) != 0) {
		ksession_end(s);
		return;
	}
	if (s->phase == IPC_PHASE_END || s->phase == IPC_PHASE_RELAY)
		return; /* refused already: this is its echo; or END says it */
	if (s->phase == IPC_PHASE_AGENT) {
		agent_login_ended(s, reason);
		return;
	}
	if (s->upstream != NULL && s->route->passthrough) {
		passthrough_ended(s, reason);
		return;
	}
	if (s->upstream != NULL && s->stored.sent > STORED_PROBE) {
		ksession_refuse(s, upstream_text_login, "%s port %u: ended after %s: %s", s->host,
		    s->route->port, auth_stored_sent(&s->stored), reason);
		return;
	}
	snprintf(place, sizeof(place), "%s port %u: ", s->host, s->route->port);
	upstream_refuse_unreachable(s, place, reason);
}
