/*
 * Is the machine behind the one meant?
 */
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "auth/cert.h"
#include "auth/known_hosts.h"
#include "auth/pubkey.h"
#include "base/fd.h"
#include "base/log.h"
#include "keeper/agent_login.h"
#include "keeper/authorize.h"
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
	if (r != 0) {
		log_warn("session %04jx: cannot add the host key of %s: %s", (uintmax_t)w->id,
		    w->host, why.text);
		r = 0;
		goto out;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
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

/* The host as its certificate has to have it among its principals. */
static void
host_name(const struct ward *w, char *out, size_t size)
{
	size_t i;

	snprintf(out, size, "%s", w->host);
	for (i = 0; out[i] != '\0'; i++)
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] += 'a' - 'A';
}

/*
 * What the certificate of a machine is good for.  KNOWN_HOST_NEW: nothing, with why if there
 * is an authority for the machine that it has not; then its key counts for itself, as for
 * ssh.
 */
static enum known_hosts_result
check_certificate(const struct ward *w, const struct buf *text, struct bytes blob, char *why,
    size_t size)
{
	enum known_hosts_result result;
	char name[sizeof(w->host)];
	struct cert cert;
	int r = cert_parse(&cert, blob);

	if (r != 0) {
		snprintf(why, size,
		    r == ERR_WEAK ?
			"the RSA key of the certificate's CA is shorter than 2048 bits" :
			"the certificate is malformed, too large, or signed with an "
			"algorithm that is not accepted");
		return KNOWN_HOST_NEW;
	}
	result = known_hosts_authority((const char *)text->data, text->len, w->host, w->route->port,
	    &cert);
	if (result != KNOWN_HOST_OK)
		return result;
	host_name(w, name, sizeof(name));
	if (!authorize_ca_signed(&cert))
		snprintf(why, size, "the signature of the certificate is not its CA's");
	else if (cert_names_host(&cert, name, time(NULL), why, size))
		return KNOWN_HOST_OK;
	return KNOWN_HOST_NEW;
}

/* Is the machine meant known by this, a key or a certificate, of which key is the key? */
static enum known_hosts_result
look_up(struct ward *w, struct bytes blob, struct bytes key, char *why, size_t size)
{
	enum known_hosts_result result = KNOWN_HOST_NEW;
	struct buf text;

	buf_init(&text, KNOWN_HOSTS_MAX);
	if (upstream_known_hosts(w, &text) != 0) {
		snprintf(why, size, "the known hosts cannot be read");
		result = KNOWN_HOST_REVOKED;
	} else {
		if (!bytes_equal(blob, key))
			result = check_certificate(w, &text, blob, why, size);
		if (result == KNOWN_HOST_NEW)
			result = known_hosts_check((const char *)text.data, text.len, w->host,
			    w->route->port, key);
		if (result == KNOWN_HOST_REVOKED)
			snprintf(why, size, "the key is marked @revoked");
	}
	buf_free(&text);
	return result;
}

/* Is this the key of the machine meant?  0 or ERR_AUTH, with the reason for the log. */
static int
check_host_key(struct ward *w, struct bytes blob, struct bytes key, char *why, size_t size)
{
	const struct route *route = w->route;
	enum known_hosts_result result;
	size_t len;

	why[0] = '\0';
	result = look_up(w, blob, key, why, size);
	if (result == KNOWN_HOST_REVOKED)
		return ERR_AUTH;
	if (result == KNOWN_HOST_OK || fingerprint_known(route, key))
		return 0;
	if (result == KNOWN_HOST_NEW && route->host_key_fingerprints.n > 0)
		result = KNOWN_HOST_CHANGED; /* we know what it should be, and it is not */
	if (result == KNOWN_HOST_NEW && route->strict == ROUTE_STRICT_ACCEPT_NEW) {
		result = learn_host_key(w, key);
		if (result == KNOWN_HOST_OK)
			return 0;
	}
	if (route->strict == ROUTE_STRICT_NO) {
		w->host_changed = result == KNOWN_HOST_CHANGED;
		log_warn("session %04jx: host key of %s is %s, and StrictHostKeyChecking is no",
		    (uintmax_t)w->id, w->host, w->host_changed ? "CHANGED" : "unknown");
		return 0;
	}
	len = strlen(why);
	snprintf(why + len, size - len, "%s%s", len > 0 ? ", and " : "",
	    result == KNOWN_HOST_NEW ? "the key is not known" :
				       "the key has CHANGED: somebody may be in between, or the "
				       "machine was set up anew");
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

/* Append the key that signs: of a certificate the certified one, and alg, the algorithm
 * agreed upon, becomes the one in its signatures. */
static int
signing_key(struct bytes blob, char alg[64], struct buf *key)
{
	const char *plain;
	char type[64];

	cert_put_key(blob, key);
	if (buf_err(key) != 0 || pubkey_type(blob, type) != 0)
		return ERR_FORMAT;
	if (cert_key_type(type) == NULL)
		return 0;
	plain = cert_algorithm(type, alg);
	if (plain == NULL)
		return ERR_ALGORITHM;
	snprintf(alg, 64, "%s", plain);
	return 0;
}

/* A weak algorithm is taken if the route names it: that is where it is in the list. */
static int
signed_by(const struct ward *w, struct bytes key, const char *alg, struct bytes sig,
    struct bytes hash)
{
	const char *list = w->route->host_key_algorithms;
	uint8_t flags;

	if (strcmp(alg, "ssh-rsa") == 0 && list != NULL && namelist_has(list, alg))
		return key_verify_sha1(key, sig, hash.p, hash.len);
	return key_verify(key, alg, sig, hash.p, hash.len, &flags);
}

static int
verify_host_key(struct ward *w, struct bytes blob, char alg[64], struct bytes sig,
    struct bytes hash, char *why, size_t size)
{
	struct buf key;
	int r;

	snprintf(why, size, "bad signature");
	buf_init(&key, IPC_MAX);
	r = signing_key(blob, alg, &key);
	if (r == 0)
		r = signed_by(w, (struct bytes){ key.data, key.len }, alg, sig, hash);
	if (r == ERR_WEAK)
		snprintf(why, size, "%s", err_str(r));
	if (r == 0)
		r = check_host_key(w, blob, (struct bytes){ key.data, key.len }, why, size);
	buf_free(&key);
	return r;
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
	char alg[64], reason[512];
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
	/* refused meanwhile: its machine is of no interest any more */
	r = w->phase == IPC_PHASE_END ?
	    ERR_BADSTATE :
	    verify_host_key(w, blob, alg, sig, hash, reason, sizeof(reason));
	if (r == 0) {
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
	if (ward_send(w, &b, -1) != 0 || r == 0 || w->phase == IPC_PHASE_END)
		return;
	log_host_key(w, blob, reason);
	ward_refuse(w, upstream_text_host_key, "host key of %s not accepted", w->host);
}
