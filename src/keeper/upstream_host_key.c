/*
 * Is the machine behind the one meant?
 */
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "auth/known_hosts.h"
#include "auth/pubkey.h"
#include "base/fd.h"
#include "base/log.h"
#include "keeper/agent_login.h"
#include "keeper/route_files.h"
#include "keeper/upstream.h"
#include "transport/keys.h"

const char *const upstream_text_host_key =
    "the host key of your machine could not be verified, so nothing was sent to it; "
    "ask your administrator";

/*
 * The text of all UserKnownHostsFiles, one after the other.  A file that is not there
 * holds nothing; one that cannot be read might hold a revocation.
 */
int
upstream_known_hosts(struct ward *w, struct buf *text)
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
	if (upstream_known_hosts(w, &text) != 0) {
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
		w->host_changed = strcmp(reason, "CHANGED") == 0;
		memcpy(w->upstream_id, hash.p, hash.len);
		w->upstream_id_len = hash.len;
		w->phase = IPC_PHASE_UPSTREAM_AUTH;
		if (w->route->agent && agent_login_new(w, blob, sig) != 0) {
			ward_end(w);
			return;
		}
	}
	ipc_begin(&b, IPC_HOST_KEY_OK);
	wire_put_bool(&b, r == 0);
	if (ward_send(w, &b, -1) != 0 || r == 0)
		return;
	log_host_key(w, blob, reason);
	ward_refuse(w, upstream_text_host_key, "host key of %s not accepted", w->host);
}
