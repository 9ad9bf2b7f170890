/*
 * From a proven client to a session on the machine behind: dial and login.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "keeper/agent_login.h"
#include "keeper/carry.h"
#include "keeper/dials.h"
#include "keeper/downstream.h"
#include "keeper/host_key.h"
#include "keeper/outbox.h"
#include "keeper/route_files.h"
#include "keeper/upstream.h"

const char *const upstream_text_unreachable =
    "your machine cannot be reached right now; try again later or ask your administrator";
const char *const upstream_text_login =
    "your machine did not let the gateway in; ask your administrator";
static const char *const text_asks_more =
    "your machine asks the gateway for more than the password it has for it, or for a new one; "
    "ask your administrator";
static const char *const text_gateway =
    "the gateway cannot log you in right now; try again later or ask your administrator";

/* Note which hosts of the route did not answer an errand.  Returns 0, or ERR_FORMAT if it names
 * others. */
static int
take_dead_hosts(struct ward *w, struct wire *body)
{
	uint32_t n = wire_u32(body);
	char host[DEAD_HOST_SIZE];

	if (n > IPC_HOSTS_MAX)
		return ERR_FORMAT;
	for (; n > 0; n--) {
		wire_text(body, host, sizeof(host));
		if (wire_err(body) != 0 || !strlist_has(&w->route->hosts, host))
			return ERR_FORMAT;
		/* without a choice it makes no difference */
		if (w->route->hosts.n > 1)
			dead_hosts_add(&w->keeper->dead, host, w->route->port, clock_ms());
	}
	return wire_end(body);
}

void
upstream_dial(struct ward *w)
{
	w->phase = IPC_PHASE_DIAL;
	w->asked_at = clock_us();
	dials_ask(w);
}

void
upstream_not_dialled(struct ward *w, int err)
{
	if (err == ERR_AGAIN)
		ward_refuse(w, upstream_text_unreachable, "too many others wait for %s port %u",
		    w->route->hosts.v[0], w->route->port);
	else
		ward_refuse(w, text_gateway, "cannot dial: %s",
		    err == ERR_EOF ? "the gateway is being restarted" : err_str(err));
}

int
upstream_put_algorithms(const struct ward *w, struct buf *b, struct keystore_why *why)
{
	const struct route *route = w->route;
	struct buf algorithms;
	int r;

	buf_init(&algorithms, HOST_KEY_ALGORITHMS_MAX);
	r = host_key_algorithms(route, w->host, &algorithms, why);
	wire_put_text(b, route->kex_algorithms != NULL ? route->kex_algorithms : "");
	wire_put_string(b, algorithms.data, algorithms.len);
	wire_put_text(b, route->ciphers != NULL ? route->ciphers : "");
	wire_put_text(b, route->macs != NULL ? route->macs : "");
	buf_free(&algorithms);
	return r;
}

/* Tell the session about its upstream, and hand over the connection. */
static void
send_upstream_fd(struct ward *w, int fd)
{
	const struct route *route = w->route;
	struct keystore_why why;
	char title[600];
	struct buf b;

	snprintf(title, sizeof(title), "%s %s -> %s@%s", auth_server_login(w->server), w->client,
	    w->user, w->host);
	title[500] = '\0';
	ipc_begin(&b, IPC_UPSTREAM_FD);
	wire_put_text(&b, title);
	/* the key is refused for it, when it has been shown */
	if (upstream_put_algorithms(w, &b, &why) != 0)
		log_warn("session %04jx: %s", (uintmax_t)w->id, why.text);
	wire_put_u32(&b, (uint32_t)route->server_alive_interval_ms);
	wire_put_u32(&b, (uint32_t)route->connect_timeout_ms);
	wire_put_bool(&b, route->passthrough || route->agent);
	w->phase = IPC_PHASE_UPSTREAM_KEX;
	(void)ward_send(w, &b, fd);
}

void
upstream_errand_answer(struct ward *w, struct ipc_msg *msg)
{
	char reason[512];

	if (msg->type == IPC_DIAL_FAILED) {
		wire_text(&msg->body, reason, sizeof(reason));
		if (take_dead_hosts(w, &msg->body) != 0)
			snprintf(reason, sizeof(reason), "unreadable answer");
		ward_refuse(w, upstream_text_unreachable, "cannot connect: %s", reason);
		return;
	}
	wire_text(&msg->body, w->host, sizeof(w->host));
	wire_text(&msg->body, reason, sizeof(reason));
	if (take_dead_hosts(w, &msg->body) != 0 || !strlist_has(&w->route->hosts, w->host)) {
		ward_refuse(w, text_gateway, "unreadable answer of an errand");
	} else {
		dead_hosts_remove(&w->keeper->dead, w->host, w->route->port);
		if (reason[0] != '\0')
			log_warn("session %04jx: %s instead of another: %s", (uintmax_t)w->id,
			    w->host, reason);
		snprintf(w->user, sizeof(w->user), "%s",
		    w->route->user != NULL ? w->route->user : auth_server_login(w->server));
		send_upstream_fd(w, msg->fd);
	}
	fd_close(&msg->fd);
}

static int
sign(void *ctx, const char *alg, const void *data, size_t len, struct buf *sig)
{
	struct ward *w = ctx;
	struct keystore_why why;
	int r;

	/* whatever the session says of its upstream: what the machine has judged is the session's
	 * word, and so it does not count */
	if (!w->judged.complete) {
		log_error("session %04jx: mapped key: it does not sign because of what %s is said "
			  "to have judged",
		    (uintmax_t)w->id, w->host);
		return ERR_BADSTATE;
	}
	r = route_key_sign(w->route, w->identity->keystore, alg, data, len, sig, &why);
	if (r != 0)
		log_error("session %04jx: mapped key: %s", (uintmax_t)w->id, why.text);
	return r;
}

static const struct auth_client_ops client_ops = { sign };

/*
 * The stored password, on its way through the session: for who has proven all that is
 * asked for, and for a machine whose host key has been checked.  As ssh does, not for
 * one whose key has changed, even where that is let pass.
 */
static int
stored_password(void *ctx, struct secret **out, char reason[AUTH_STORED_REASON_SIZE])
{
	struct ward *w = ctx;
	struct keystore_why why = { "not allowed now" };
	int r = ERR_BADSTATE;

	*out = NULL;
	if (w->host_changed)
		keystore_why_set(&why,
		    "the host key of %s has CHANGED: it does not get the stored password", w->host);
	else if (w->methods.complete && w->phase == IPC_PHASE_UPSTREAM_AUTH)
		r = keystore_password(w->identity->keystore, w->route->password, out, &why);
	w->password_missing = r != 0 && !w->host_changed;
	snprintf(reason, AUTH_STORED_REASON_SIZE, "%.500s", why.text);
	return r;
}

static const struct auth_stored_ops stored_ops = { stored_password };

/* Does every signature of the mapped key have to name the host key?  Where it may be anybody's,
 * it could be signed for another machine that takes the mapped key as well. */
static int
must_bind(const struct ward *w)
{
	return !w->host_known && w->agent == NULL;
}

void
upstream_key_refused(const struct ward *w)
{
	if (must_bind(w) && !w->takes_bound)
		log_warn("session %04jx: the host key of %s is not known, so the mapped key signs "
			 "only by publickey-hostbound, which that machine does not take (OpenSSH "
			 "does since 8.9): add its host key to UserKnownHostsFile, or set "
			 "StrictHostKeyChecking = accept-new",
		    (uintmax_t)w->id, w->host);
}

/* The upstream has not let us in with what we have. */
static void
refuse_login(struct ward *w)
{
	const char *reason = w->stored.reason, *text = upstream_text_login;

	if (w->route->key != NULL || w->route->key_file != NULL)
		upstream_key_refused(w);

	if (w->stored.asks_more)
		text = text_asks_more;
	else if (w->password_missing)
		text = text_gateway;
	ward_refuse(w, text, "%s@%s: %s", w->user, w->host,
	    reason[0] != '\0' ? reason : auth_client_reason(w->upstream));
}

void
upstream_verdict(struct ward *w, enum auth_client_verdict v, struct buf *out)
{
	struct buf b, banner;
	struct bytes text;

	if (w->stored.ops != NULL)
		v = auth_stored_step(&w->stored, w->upstream, v, out);
	switch (v) {
	case AUTH_CLIENT_REFUSED:
		if (w->agent != NULL)
			agent_login_refused(w);
		else
			carry_refused(w);
		break;
	case AUTH_CLIENT_WANTED:
		agent_login_wanted(w);
		break;
	case AUTH_CLIENT_ASKED:
		if (auth_server_carried(w->server, &text) == AUTH_SERVER_CONVERSATION)
			unknown_note(w->keeper, UNKNOWN_QUESTION, clock_us() - w->asked_at);
		downstream_ask(w, auth_client_question(w->upstream));
		break;
	case AUTH_CLIENT_SEND:
		ward_send_payloads(w, IPC_UPSTREAM, out);
		break;
	case AUTH_CLIENT_WAIT:
		break;
	case AUTH_CLIENT_BANNER:
		text = auth_client_banner(w->upstream);
		if (w->agent != NULL) {
			agent_login_banner(w, text);
			break;
		}
		buf_init(&banner, IPC_MAX - 16);
		buf_put_u8(&banner, SSH_MSG_USERAUTH_BANNER);
		wire_put_bytes(&banner, text);
		wire_put_text(&banner, "");
		ipc_begin(&b, IPC_DOWNSTREAM);
		wire_put_string(&b, banner.data, banner.len);
		buf_free(&banner);
		(void)ward_send(w, &b, -1);
		break;
	case AUTH_CLIENT_SUCCESS:
		if (w->route->passthrough)
			carry_success(w);
		else
			upstream_finish(w);
		break;
	case AUTH_CLIENT_FAILED:
		refuse_login(w);
		break;
	}
}

void
upstream_finish(struct ward *w)
{
	struct buf b;

	if (w->route->passthrough)
		downstream_log(w, "Accepted");
	w->phase = IPC_PHASE_RELAY;
	dials_arrived(w);
	w->logged_in = 1;
	log_info("session %04jx: %s from %s port %u -> %s@%s port %u", (uintmax_t)w->id,
	    ward_login(w), w->client, w->client_port, w->user, w->host, w->route->port);
	if (auth_client_certificate_refused(w->upstream))
		log_warn("session %04jx: %s@%s refused the certificate of the mapped key, but not "
			 "the key",
		    (uintmax_t)w->id, w->user, w->host);
	downstream_success(w);
	auth_client_free(&w->upstream);
	agent_login_free(&w->agent);
	if (w->keeper->master == -1)
		return;
	ipc_begin(&b, IPC_LOGGED_IN);
	wire_put_u64(&b, w->id);
	if (outbox_send(w->keeper, &b, -1) != 0)
		log_warn("session %04jx: the master does not listen", (uintmax_t)w->id);
}

static enum auth_client_verdict
begin_stored(struct ward *w, int has_key, struct buf *out)
{
	w->stored = (struct auth_stored){ .ops = &stored_ops,
		.ctx = w,
		.name = w->route->password,
		.has_key = has_key };
	return auth_stored_begin(&w->stored, w->upstream, out);
}

/* One that is not good does not keep the key from being tried, but it is no secret. */
static void
read_certificate(struct ward *w, struct bytes key, struct buf *certificate)
{
	struct keystore_why why;

	if (w->route->certificate_file != NULL &&
	    route_certificate(w->route, key, time(NULL), certificate, &why) != 0)
		log_warn("session %04jx: CertificateFile: %s; the key is tried without it",
		    (uintmax_t)w->id, why.text);
}

void
upstream_ready(struct ward *w, struct wire *body)
{
	struct auth_client_config config = { 0 };
	struct keystore_why why;
	struct buf pub, certificate, out;
	struct bytes id;
	char algs[4100], type[64];
	int r;

	if (w->phase == IPC_PHASE_END)
		return; /* refused while the upstream's keys were exchanged */
	id = wire_string(body);
	wire_text(body, algs, sizeof(algs));
	w->takes_bound = wire_bool(body);
	if (wire_end(body) != 0 || w->upstream != NULL ||
	    !bytes_equal(id, (struct bytes){ w->upstream_id, w->upstream_id_len })) {
		ward_end(w);
		return;
	}
	buf_init(&pub, 16384);
	buf_init(&certificate, 65536);
	buf_init(&out, IPC_MAX - 16);
	r = w->agent != NULL || (w->route->key == NULL && w->route->key_file == NULL) ?
	    0 :
	    route_key_public(w->route, w->identity->keystore, &pub, type, &why);
	if (r != 0) {
		ward_refuse(w, text_gateway, "mapped key: %s", why.text);
		goto out;
	}
	if (pub.len > 0)
		read_certificate(w, (struct bytes){ pub.data, pub.len }, &certificate);
	config.session_id = w->upstream_id;
	config.session_id_len = w->upstream_id_len;
	config.user = w->user;
	config.blob = (struct bytes){ pub.data, pub.len };
	config.certificate = (struct bytes){ certificate.data, certificate.len };
	config.server_sig_algs = algs[0] != '\0' ? algs : NULL;
	config.several = w->route->passthrough || w->route->password != NULL || w->agent != NULL;
	/* that it takes none is no reason to sign what another one would take */
	if (w->takes_bound || must_bind(w))
		config.host_key = (struct bytes){ w->host_key.data, w->host_key.len };
	w->upstream = auth_client_new(&config, &client_ops, w);
	if (w->upstream == NULL) {
		ward_refuse(w, text_gateway, "out of memory");
		goto out;
	}
	if (w->agent != NULL || w->route->passthrough)
		dials_arrived(w); /* a person may take their time from here on */
	if (w->agent != NULL)
		agent_login_begin(w);
	else if (w->route->passthrough)
		carry_next(w);
	else if (w->route->password != NULL)
		upstream_verdict(w, begin_stored(w, pub.len > 0, &out), &out);
	else
		upstream_verdict(w, auth_client_start(w->upstream, &out), &out);
out:
	buf_wipe(&out);
	buf_free(&certificate);
	buf_free(&pub);
}

void
upstream_auth(struct ward *w, struct wire *body)
{
	struct bytes payload = wire_string(body);
	enum auth_client_verdict v;
	struct buf out;

	if (w->phase == IPC_PHASE_END)
		return;
	if (wire_end(body) != 0 || payload.len == 0 || w->upstream == NULL) {
		ward_end(w);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	v = auth_client_input(w->upstream, payload.p, payload.len, &out);
	if (auth_client_banner_cut(w->upstream) && !w->banner_cut) {
		w->banner_cut = 1;
		log_warn("session %04jx: the banner of %s@%s is longer than %u KiB and was cut",
		    (uintmax_t)w->id, w->user, w->host, AUTH_CLIENT_BANNER_MAX / 1024);
	}
	upstream_verdict(w, v, &out);
	buf_wipe(&out); /* a password may be in it */
}

/* How a reason ends (leg_error()) where sshd 9.8 or later has turned a source away that has
 * penalties, or that came at MaxStartups. */
#define NOT_ALLOWED "; before that it said: Not allowed at this time"

void
upstream_refuse_unreachable(struct ward *w, const char *what, const char *reason)
{
	size_t len = strlen(reason), end = sizeof(NOT_ALLOWED) - 1;

	/* to the machine all the people of the gateway are one source */
	if (len >= end && strcmp(reason + len - end, NOT_ALLOWED) == 0)
		ward_refuse(w, upstream_text_unreachable,
		    "%s port %u refuses the gateway for a time (PerSourcePenalties there, or "
		    "MaxStartups): add the gateway's address to PerSourcePenaltyExemptList in its "
		    "sshd_config",
		    w->host, w->route->port);
	else
		ward_refuse(w, upstream_text_unreachable, "%s%s", what, reason);
}

void
upstream_failed(struct ward *w, struct wire *body)
{
	char reason[600], place[300];

	wire_text(body, reason, sizeof(reason));
	if (wire_end(body) != 0) {
		ward_end(w);
		return;
	}
	if (w->phase == IPC_PHASE_END || w->phase == IPC_PHASE_RELAY)
		return; /* refused already: this is its echo; or END says it */
	if (w->phase == IPC_PHASE_AGENT) {
		agent_login_ended(w, reason);
		return;
	}
	if (w->upstream != NULL && w->route->passthrough) {
		carry_ended(w, reason);
		return;
	}
	if (w->upstream != NULL && w->stored.sent > STORED_PROBE) {
		ward_refuse(w, upstream_text_login, "%s port %u: ended after %s: %s", w->host,
		    w->route->port, auth_stored_sent(&w->stored), reason);
		return;
	}
	snprintf(place, sizeof(place), "%s port %u: ", w->host, w->route->port);
	upstream_refuse_unreachable(w, place, reason);
}
