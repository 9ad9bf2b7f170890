/*
 * From a proven client to a session on the machine behind: dial, host key, login.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "auth/known_hosts.h"
#include "auth/pubkey.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "keeper/dials.h"
#include "keeper/downstream.h"
#include "keeper/outbox.h"
#include "keeper/route_files.h"
#include "keeper/ward.h"
#include "transport/keys.h"

#define KNOWN_HOSTS_MAX (16 * 1024 * 1024)

/* All names we know, in the order we like them. */
#define HOST_KEY_ALGORITHMS                                                        \
	"ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521," \
	"rsa-sha2-512,rsa-sha2-256"

static const char *const text_unreachable =
    "your machine cannot be reached right now; try again later or ask your administrator";
static const char *const text_host_key =
    "the host key of your machine could not be verified, so nothing was sent to it; "
    "ask your administrator";
static const char *const text_login =
    "your machine did not let the gateway in; ask your administrator";
static const char *const text_ended =
    "your machine has ended the login: too many tries, or too much time; try again";
static const char *const text_gateway =
    "the gateway cannot log you in right now; try again later or ask your administrator";

/* Note which hosts of the route did not answer an errand.  Returns 0, or ERR_FORMAT if it names others. */
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
		ward_refuse(w, text_unreachable, "too many others wait for %s port %u",
		    w->route->hosts.v[0], w->route->port);
	else
		ward_refuse(w, text_gateway, "cannot dial: %s",
		    err == ERR_EOF ? "the gateway is being restarted" : err_str(err));
}

/*
 * The text of all UserKnownHostsFiles, one after the other.  A file that is not there
 * holds nothing; one that cannot be read might hold a revocation.
 */
static int
read_known_hosts(struct ward *w, struct buf *text)
{
	struct keystore_why why;
	size_t i;
	int r;

	for (i = 0; i < w->route->known_hosts_files.n; i++) {
		r = route_file_read(w->route, w->route->known_hosts_files.v[i], text, &why);
		if (r == ERR_NOTFOUND)
			r = 0;
		if (r != 0) {
			log_warn("session %04jx: %s", (uintmax_t)w->id, why.text);
			return r;
		}
		buf_put(text, "\n", 1);
	}
	return buf_err(text);
}

/* Tell the session about its upstream, and hand over the connection. */
static void
send_upstream_fd(struct ward *w, int fd)
{
	const struct route *route = w->route;
	const char *all = route->host_key_algorithms != NULL ? route->host_key_algorithms :
							       HOST_KEY_ALGORITHMS;
	struct buf b, text, algorithms;
	char title[600];

	buf_init(&text, KNOWN_HOSTS_MAX);
	buf_init(&algorithms, 1000);
	/* unreadable, it is found out when the key is checked */
	if (read_known_hosts(w, &text) != 0)
		buf_reset(&text);
	known_hosts_algorithms((const char *)text.data, text.len, w->host, route->port, all, 0,
	    &algorithms);
	snprintf(title, sizeof(title), "%s %s -> %s@%s", auth_server_login(w->server), w->client,
	    w->user, w->host);
	title[500] = '\0';
	ipc_begin(&b, IPC_UPSTREAM_FD);
	wire_put_text(&b, title);
	wire_put_text(&b, route->kex_algorithms != NULL ? route->kex_algorithms : "");
	wire_put_string(&b, algorithms.data, algorithms.len);
	wire_put_text(&b, route->ciphers != NULL ? route->ciphers : "");
	wire_put_text(&b, route->macs != NULL ? route->macs : "");
	wire_put_u32(&b, (uint32_t)route->server_alive_interval_ms);
	wire_put_u32(&b, (uint32_t)route->connect_timeout_ms);
	wire_put_bool(&b, route->passthrough);
	buf_free(&algorithms);
	buf_free(&text);
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
		ward_refuse(w, text_unreachable, "cannot connect: %s", reason);
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
fingerprint_known(const struct route *route, struct bytes blob)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];

	pubkey_fingerprint(blob, fingerprint);
	return strlist_has(&route->host_key_fingerprints, fingerprint);
}

/*
 * accept-new: write the key down, once, however many first logins there are.  The
 * file is looked at again under a lock, so that the first key seen is the one kept.
 */
static enum known_hosts_result
learn_host_key(struct ward *w, struct bytes blob)
{
	const char *path = w->route->known_hosts_files.v[0];
	enum known_hosts_result result = KNOWN_HOST_NEW;
	struct keystore_why why;
	struct buf text, line;
	int fd, r;

	buf_init(&text, KNOWN_HOSTS_MAX);
	buf_init(&line, 16384);
	r = route_file_append(w->route, path, &fd, &why);
	if (r != 0 || flock(fd, LOCK_EX | LOCK_NB) == -1) {
		r = ERR_SYS;
		goto out;
	}
	r = fd_read_all(fd, &text);
	if (r != 0)
		goto out;
	result = known_hosts_check((const char *)text.data, text.len, w->host, w->route->port,
	    blob);
	if (result != KNOWN_HOST_NEW)
		goto out;
	if (text.len > 0 && text.data[text.len - 1] != '\n')
		buf_put(&line, "\n", 1);
	known_hosts_line(w->host, w->route->port, blob, &line);
	r = buf_err(&line);
	if (r == 0)
		r = fd_write_all(fd, line.data, line.len);
	if (r == 0)
		result = KNOWN_HOST_OK;
out:
	if (r != 0)
		log_warn("session %04jx: cannot add the host key of %s to %s: %s", (uintmax_t)w->id,
		    w->host, path, err_str(r));
	fd_close(&fd); /* and with it the lock */
	buf_free(&line);
	buf_free(&text);
	return result;
}

/* Is this the key of the machine meant?  0 or an ERR_*, with the reason for the log. */
static int
check_host_key(struct ward *w, struct bytes blob, const char **reason)
{
	const struct route *route = w->route;
	enum known_hosts_result result;
	struct buf text;

	*reason = "";
	buf_init(&text, KNOWN_HOSTS_MAX);
	if (read_known_hosts(w, &text) != 0) {
		buf_free(&text);
		*reason = "the known hosts cannot be read";
		return ERR_AUTH;
	}
	result = known_hosts_check((const char *)text.data, text.len, w->host, route->port, blob);
	buf_free(&text);
	if (result == KNOWN_HOST_REVOKED) {
		*reason = "the key is marked @revoked";
		return ERR_AUTH;
	}
	if (result == KNOWN_HOST_OK || fingerprint_known(route, blob))
		return 0;
	if (result == KNOWN_HOST_NEW && route->host_key_fingerprints.n > 0)
		result = KNOWN_HOST_CHANGED; /* we know what it should be, and it is not */
	if (result == KNOWN_HOST_NEW && route->strict == ROUTE_STRICT_ACCEPT_NEW) {
		result = learn_host_key(w, blob);
		if (result == KNOWN_HOST_OK)
			return 0;
	}
	if (route->strict == ROUTE_STRICT_NO) {
		*reason = result == KNOWN_HOST_NEW ? "unknown" : "CHANGED";
		return 0;
	}
	*reason = result == KNOWN_HOST_NEW ?
	    "the key is not known" :
	    "the key has CHANGED: somebody may be in between, or the machine was set up anew";
	return ERR_AUTH;
}

static void
log_host_key(struct ward *w, struct bytes blob, const char *reason)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];

	pubkey_fingerprint(blob, fingerprint);
	if (pubkey_type(blob, type) != 0)
		type[0] = '\0';
	log_warn("session %04jx: Host key verification failed for %s port %u: %s %s: %s; "
		 "known keys are in %s",
	    (uintmax_t)w->id, w->host, w->route->port, pubkey_type_short(type), fingerprint, reason,
	    w->route->known_hosts_files.n > 0 ? w->route->known_hosts_files.v[0] :
						"HostKeyFingerprint");
}

/*
 * The session says that its upstream has signed this exchange hash with this key.
 * The signature is checked here: it binds the hash, which the upstream login signs in
 * turn, to the machine meant, whatever the session may say.
 */
void
upstream_host_key(struct ward *w, struct wire *body)
{
	struct bytes hash, blob, sig;
	const char *reason = "bad signature";
	uint8_t flags;
	char alg[64];
	struct buf b;
	int r;

	wire_text(body, alg, sizeof(alg));
	hash = wire_string(body);
	blob = wire_string(body);
	sig = wire_string(body);
	if (wire_end(body) != 0 || hash.len < 20 || hash.len > sizeof(w->upstream_id)) {
		ward_end(w);
		return;
	}
	r = key_verify(blob, alg, sig, hash.p, hash.len, &flags);
	if (r == 0)
		r = check_host_key(w, blob, &reason);
	if (r == 0) {
		if (reason[0] != '\0')
			log_warn(
			    "session %04jx: host key of %s is %s, and StrictHostKeyChecking is no",
			    (uintmax_t)w->id, w->host, reason);
		memcpy(w->upstream_id, hash.p, hash.len);
		w->upstream_id_len = hash.len;
		w->phase = IPC_PHASE_UPSTREAM_AUTH;
	}
	ipc_begin(&b, IPC_HOST_KEY_OK);
	wire_put_bool(&b, r == 0);
	if (ward_send(w, &b, -1) != 0 || r == 0)
		return;
	log_host_key(w, blob, reason);
	ward_refuse(w, text_host_key, "host key of %s not accepted", w->host);
}

static int
sign(void *ctx, const char *alg, const void *data, size_t len, struct buf *sig)
{
	struct ward *w = ctx;
	struct keystore_why why;
	int r;

	/* whatever the session says of its upstream: only for who has proven a key, and all
	 * that is asked for besides */
	if (!w->methods.complete || (w->route->passthrough && !w->key_proven))
		return ERR_BADSTATE;
	r = route_key_sign(w->route, w->identity->keystore, alg, data, len, sig, &why);
	if (r != 0)
		log_error("session %04jx: mapped key: %s", (uintmax_t)w->id, why.text);
	return r;
}

static const struct auth_client_ops client_ops = { sign };

static void carry_next(struct ward *w);
static void upstream_refused(struct ward *w);
static void upstream_success(struct ward *w);

static void
upstream_verdict(struct ward *w, enum auth_client_verdict v, struct buf *out)
{
	struct buf b, banner;
	struct bytes text;

	switch (v) {
	case AUTH_CLIENT_REFUSED:
		upstream_refused(w);
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
		upstream_success(w);
		break;
	case AUTH_CLIENT_FAILED:
		ward_refuse(w, text_login, "%s@%s: %s", w->user, w->host,
		    auth_client_reason(w->upstream));
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
	downstream_success(w);
	auth_client_free(&w->upstream);
	if (w->keeper->master == -1)
		return;
	ipc_begin(&b, IPC_LOGGED_IN);
	wire_put_u64(&b, w->id);
	if (outbox_send(w->keeper, &b, -1) != 0)
		log_warn("session %04jx: the master does not listen", (uintmax_t)w->id);
}

/* --- Passthrough: the upstream judges what the client says --- */

/* The client's answer to this is awaited by the upstream: 1 unless it has proven a key. */
static int
carries(const struct ward *w)
{
	struct bytes message;

	return auth_server_carried(w->server, &message) != AUTH_SERVER_NOTHING;
}

static void
upstream_success(struct ward *w)
{
	if (!w->route->passthrough) {
		upstream_finish(w);
		return;
	}
	/* nobody has looked at what AuthenticationMethods wants to be looked at */
	if (w->asked == UPSTREAM_PROBE && w->route->authentication_methods.n > 0) {
		ward_refuse(w, text_login,
		    "%s@%s lets anybody in without a password, but AuthenticationMethods asks for one",
		    w->user, w->host);
		return;
	}
	w->upstream_in = 1;
	if (carries(w))
		(void)auth_methods_step(&w->methods, auth_server_method(w->server));
	if (w->methods.complete)
		upstream_finish(w);
	else
		downstream_passed(w);
}

/* It was dialled for a client that has not proven anything: so could it have been for one that
 * does not exist. */
static void
note_offers(struct ward *w)
{
	static const char *const carried[] = { "password", "keyboard-interactive" };
	char *behind = w->keeper->unknown.behind;
	size_t i;

	if (w->key_proven)
		return;
	unknown_note(w->keeper, UNKNOWN_CONNECT, clock_us() - w->asked_at);
	behind[0] = '\0';
	for (i = 0; i < 2; i++)
		if (namelist_has(auth_client_methods(w->upstream), carried[i]))
			auth_methods_add(behind, AUTH_METHODS_NEXT_SIZE, carried[i]);
}

static void
upstream_refused(struct ward *w)
{
	int partial = auth_client_partial(w->upstream);
	const char *offers;

	w->upstream_known = 1;
	switch (w->asked) {
	case UPSTREAM_NOTHING:
		break;
	case UPSTREAM_PROBE:
		note_offers(w);
		carry_next(w);
		break;
	case UPSTREAM_KEY:
		if (partial) {
			downstream_passed(w);
			break;
		}
		log_warn("session %04jx: %s@%s refused the mapped key", (uintmax_t)w->id, w->user,
		    w->host);
		offers = auth_client_methods(w->upstream);
		if (namelist_has(offers, "password") ||
		    namelist_has(offers, "keyboard-interactive"))
			downstream_declined(w);
		else
			ward_refuse(w, text_login, "%s@%s: nothing else is offered", w->user,
			    w->host);
		break;
	case UPSTREAM_CARRIED:
		unknown_note(w->keeper, UNKNOWN_REFUSAL, clock_us() - w->asked_at);
		if (partial) {
			(void)auth_methods_step(&w->methods, auth_server_method(w->server));
			downstream_passed(w);
		} else {
			downstream_failed(w);
		}
		break;
	}
}

/* Send the upstream what the client has in hand, if it takes that. */
static void
carry_next(struct ward *w)
{
	enum auth_server_carried what;
	enum auth_client_verdict v;
	struct bytes message;
	struct buf out;

	what = auth_server_carried(w->server, &message);
	if (w->upstream_in) {
		downstream_declined(w); /* there is nobody left to judge it */
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	if (w->upstream_known)
		w->asked_at = clock_us();
	if (what == AUTH_SERVER_NOTHING) {
		if (w->upstream_key) {
			buf_free(&out);
			downstream_declined(w);
			return;
		}
		w->asked = UPSTREAM_KEY;
		w->upstream_key = 1;
		v = auth_client_start(w->upstream, &out);
	} else if (what == AUTH_SERVER_RESPONSE) {
		v = auth_client_respond(w->upstream, message, &out);
	} else if (!w->upstream_known) {
		w->asked = UPSTREAM_PROBE;
		v = auth_client_probe(w->upstream, &out);
	} else if (namelist_has(auth_client_methods(w->upstream), auth_server_method(w->server))) {
		w->asked = UPSTREAM_CARRIED;
		v = auth_client_carry(w->upstream, auth_server_method(w->server), message, &out);
	} else {
		buf_free(&out);
		downstream_declined(w);
		return;
	}
	upstream_verdict(w, v, &out);
	buf_wipe(&out);
}

void
upstream_carry(struct ward *w)
{
	if (w->upstream != NULL)
		carry_next(w);
	else if (w->phase == IPC_PHASE_AUTH)
		upstream_dial(w);
}

void
upstream_ready(struct ward *w, struct wire *body)
{
	struct auth_client_config config = { 0 };
	struct keystore_why why;
	struct buf pub, out;
	struct bytes id;
	char algs[4100], type[64];
	int r;

	id = wire_string(body);
	wire_text(body, algs, sizeof(algs));
	if (wire_end(body) != 0 || w->upstream != NULL ||
	    !bytes_equal(id, (struct bytes){ w->upstream_id, w->upstream_id_len })) {
		ward_end(w);
		return;
	}
	buf_init(&pub, 16384);
	buf_init(&out, IPC_MAX - 16);
	r = w->route->key == NULL && w->route->key_file == NULL ?
	    0 :
	    route_key_public(w->route, w->identity->keystore, &pub, type, &why);
	if (r != 0) {
		ward_refuse(w, text_gateway, "mapped key: %s", why.text);
		goto out;
	}
	config.session_id = w->upstream_id;
	config.session_id_len = w->upstream_id_len;
	config.user = w->user;
	config.blob = (struct bytes){ pub.data, pub.len };
	config.server_sig_algs = algs[0] != '\0' ? algs : NULL;
	config.several = w->route->passthrough;
	w->upstream = auth_client_new(&config, &client_ops, w);
	if (w->upstream == NULL) {
		ward_refuse(w, text_gateway, "out of memory");
		goto out;
	}
	if (w->route->passthrough) {
		dials_arrived(w);
		carry_next(w);
	} else {
		upstream_verdict(w, auth_client_start(w->upstream, &out), &out);
	}
out:
	buf_free(&out);
	buf_free(&pub);
}

void
upstream_auth(struct ward *w, struct wire *body)
{
	struct bytes payload = wire_string(body);
	struct buf out;

	if (wire_end(body) != 0 || payload.len == 0 || w->upstream == NULL) {
		ward_end(w);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	upstream_verdict(w, auth_client_input(w->upstream, payload.p, payload.len, &out), &out);
	buf_free(&out);
}

void
upstream_failed(struct ward *w, struct wire *body)
{
	char reason[600];

	wire_text(body, reason, sizeof(reason));
	if (wire_end(body) != 0) {
		ward_end(w);
		return;
	}
	if (w->phase == IPC_PHASE_END)
		return; /* refused already: this is its echo */
	if (w->upstream != NULL && w->route->passthrough) {
		/* the last try that it allows is answered with its end */
		if (w->asked == UPSTREAM_CARRIED && carries(w)) {
			/* as it is for who has no machine */
			if (auth_server_tries(w->server) + 1 >=
			    w->generation->conf->gateway.max_auth_tries) {
				downstream_failed(w);
				return;
			}
			downstream_log(w, "Failed");
		}
		ward_refuse(w, text_ended, "%s port %u: %s", w->host, w->route->port, reason);
		return;
	}
	ward_refuse(w, text_unreachable, "%s port %u: %s", w->host, w->route->port, reason);
}
