/*
 * Is the machine behind the one meant?  host_key.h judges; here is what follows.
 */
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "auth/known_hosts.h"
#include "base/fd.h"
#include "base/log.h"
#include "keeper/agent_login.h"
#include "keeper/host_key.h"
#include "keeper/route_files.h"
#include "keeper/upstream.h"

const char *const upstream_text_host_key =
    "the host key of your machine could not be verified, so nothing was sent to it; "
    "ask your administrator";

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

/*
 * What follows from the judgement for this login: 0, or ERR_AUTH with the reason in it.
 */
static int
act_on(struct ward *w, struct host_key_judgement *j)
{
	enum known_hosts_result result;

	switch (j->verdict) {
	case HOST_KEY_REFUSED:
		break;
	case HOST_KEY_KNOWN:
		w->host_known = 1;
		return 0;
	case HOST_KEY_NEW:
		result = learn_host_key(w, (struct bytes){ j->key.data, j->key.len });
		w->host_known = result == KNOWN_HOST_OK;
		if (w->host_known)
			return 0;
		host_key_refuse(j, result != KNOWN_HOST_NEW);
		break;
	case HOST_KEY_ANY:
	case HOST_KEY_CHANGED:
		w->host_changed = j->verdict == HOST_KEY_CHANGED;
		log_warn("session %04jx: host key of %s is %s, and StrictHostKeyChecking is no",
		    (uintmax_t)w->id, w->host, w->host_changed ? "CHANGED" : "unknown");
		return 0;
	}
	return ERR_AUTH;
}

static void
log_host_key(struct ward *w, struct bytes blob, const char *reason)
{
	char failed[HOST_KEY_WHY_SIZE];

	log_warn("session %04jx: Host key verification failed for %s port %u: %s", (uintmax_t)w->id,
	    w->host, w->route->port, host_key_failed(w->route, blob, reason, failed));
}

/* 0; or an error, with the reason for the log. */
static int
verify_host_key(struct ward *w, struct bytes blob, char alg[64], struct bytes sig,
    struct bytes hash, char *why, size_t size)
{
	const struct host_key_shown shown = { w->route, w->host, alg, hash, blob, sig };
	struct host_key_judgement j;
	int r;

	host_key_judge(&shown, &j);
	r = act_on(w, &j);
	snprintf(why, size, "%s", j.why);
	host_key_judgement_free(&j);
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
	char alg[64], reason[HOST_KEY_WHY_SIZE];
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
		buf_init(&w->host_key, IPC_PAYLOAD_MAX);
		buf_put(&w->host_key, blob.p, blob.len);
		w->phase = IPC_PHASE_UPSTREAM_AUTH;
		if (buf_err(&w->host_key) != 0 ||
		    (w->route->agent && agent_login_new(w, sig) != 0)) {
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
