/*
 * Is the machine behind the one meant?  host_key.h judges; here is what follows.
 */
#include <stdio.h>
#include <string.h>

#include "auth/pubkey.h"
#include "base/log.h"
#include "keeper/agent_login.h"
#include "keeper/host_key.h"
#include "keeper/host_key_learn.h"
#include "keeper/looks.h"
#include "keeper/upstream.h"

const char *const upstream_text_host_key =
    "the host key of your machine could not be verified, so nothing was sent to it; "
    "ask your administrator";

/* What HOST_KEY and LOOKED say: which key has signed which exchange hash. */
struct shown {
	char alg[64];
	struct bytes hash, blob, sig;
};

/* 0 or ERR_FORMAT. */
static int
read_shown(struct wire *body, struct shown *s)
{
	wire_text(body, s->alg, sizeof(s->alg));
	s->hash = wire_string(body);
	s->blob = wire_string(body);
	s->sig = wire_string(body);
	if (wire_end(body) != 0 || s->hash.len < HOST_KEY_HASH_MIN ||
	    s->hash.len > HOST_KEY_HASH_MAX)
		return ERR_FORMAT;
	return 0;
}

/* host_key_judgement_free() it. */
static void
judge(const struct ward *w, const struct shown *s, struct host_key_judgement *j)
{
	const struct host_key_shown shown = { w->route, w->host, s->alg, s->hash, s->blob, s->sig };

	host_key_judge(&shown, j);
}

static void
log_host_key(const struct ward *w, struct bytes blob, const char *reason)
{
	char failed[HOST_KEY_WHY_SIZE];

	log_warn("session %04jx: Host key verification failed for %s port %u: %s", (uintmax_t)w->id,
	    w->host, w->route->port, host_key_failed(w->route, blob, reason, failed));
}

/* The session hears whether it may go on. */
static int
answer_host_key(struct ward *w, int ok)
{
	struct buf b;

	buf_free(&w->shown_key);
	ipc_begin(&b, IPC_HOST_KEY_OK);
	wire_put_bool(&b, ok);
	return ward_send(w, &b, -1);
}

static void
refuse_host_key(struct ward *w, const struct shown *s, const char *reason)
{
	log_host_key(w, s->blob, reason);
	if (answer_host_key(w, 0) == 0)
		ward_refuse(w, upstream_text_host_key, "host key of %s not accepted", w->host);
}

/* The login there may begin: what it signs is for who has signed this hash. */
static void
accept_host_key(struct ward *w, const struct shown *s)
{
	memcpy(w->upstream_id, s->hash.p, s->hash.len);
	w->upstream_id_len = s->hash.len;
	buf_init(&w->host_key, IPC_PAYLOAD_MAX);
	buf_put(&w->host_key, s->blob.p, s->blob.len);
	w->phase = IPC_PHASE_UPSTREAM_AUTH;
	if (buf_err(&w->host_key) != 0 || (w->route->agent && agent_login_new(w, s->sig) != 0)) {
		ward_end(w);
		return;
	}
	(void)answer_host_key(w, 1);
}

/*
 * accept-new, and there is no key yet.  The session has talked to a stranger, so it is not asked
 * twice: an errand looks, and what the session has shown is judged by what that finds.
 */
static void
look_first(struct ward *w)
{
	int r = looks_ask(w);

	if (r != 0 && answer_host_key(w, 0) == 0)
		upstream_not_dialled(w, r);
}

/* Act on what the session has shown, in w->shown_key. */
static void
decide(struct ward *w)
{
	struct host_key_judgement j;
	struct wire body;
	struct shown s;

	wire_init(&body, w->shown_key.data, w->shown_key.len);
	if (buf_err(&w->shown_key) != 0 || read_shown(&body, &s) != 0) {
		ward_end(w);
		return;
	}
	judge(w, &s, &j);
	if (j.verdict == HOST_KEY_NEW && w->looked)
		host_key_refuse(&j, 0);
	switch (j.verdict) {
	case HOST_KEY_REFUSED:
		refuse_host_key(w, &s, j.why);
		break;
	case HOST_KEY_KNOWN:
		w->host_known = 1;
		accept_host_key(w, &s);
		break;
	case HOST_KEY_NEW:
		look_first(w);
		break;
	case HOST_KEY_ANY:
	case HOST_KEY_CHANGED:
		w->host_changed = j.verdict == HOST_KEY_CHANGED;
		log_warn("session %04jx: host key of %s is %s, and StrictHostKeyChecking is no",
		    (uintmax_t)w->id, w->host, w->host_changed ? "CHANGED" : "unknown");
		accept_host_key(w, &s);
		break;
	}
	host_key_judgement_free(&j);
}

/*
 * The session says that its upstream has signed this exchange hash with this key.
 * The signature is checked here: it binds the hash, which the upstream login signs in
 * turn, to the machine meant, whatever the session may say.
 */
void
upstream_host_key(struct ward *w, struct wire *body)
{
	/* refused meanwhile: its machine is of no interest any more */
	if (w->phase == IPC_PHASE_END) {
		(void)answer_host_key(w, 0);
		return;
	}
	if (w->look != NULL) {
		ward_end(w); /* it has asked already */
		return;
	}
	buf_init(&w->shown_key, IPC_MAX);
	buf_put(&w->shown_key, body->p, body->left);
	decide(w);
}

/* The session, or somebody between the gateway and the machine, may have another key to show. */
static void
compare(const struct ward *w, const struct shown *looked)
{
	struct shown session;
	struct wire body;

	wire_init(&body, w->shown_key.data, w->shown_key.len);
	if (read_shown(&body, &session) == 0 && !bytes_equal(session.blob, looked->blob))
		log_warn("session %04jx: %s port %u has shown the gateway another host key than "
			 "the one that comes from this session",
		    (uintmax_t)w->id, w->host, w->route->port);
}

/* The machine itself has shown this key: write it down, if it is the first. */
static void
take_looked(struct ward *w, const struct shown *s)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];
	struct host_key_judgement j;
	struct keystore_why why;
	struct bytes key;

	compare(w, s);
	judge(w, s, &j);
	key = (struct bytes){ j.key.data, j.key.len };
	if (j.verdict == HOST_KEY_REFUSED) {
		log_host_key(w, s->blob, j.why);
	} else if (j.verdict == HOST_KEY_NEW && host_key_learn(w->route, w->host, key, &why) != 0) {
		log_warn("session %04jx: cannot add the host key of %s: %s", (uintmax_t)w->id,
		    w->host, why.text);
	} else if (j.verdict == HOST_KEY_NEW && pubkey_type(key, type) == 0) {
		pubkey_fingerprint(key, fingerprint);
		log_info("session %04jx: the host key of %s port %u is new: %s %s, added to %s",
		    (uintmax_t)w->id, w->host, w->route->port, pubkey_type_short(type), fingerprint,
		    w->route->known_hosts_files.v[0]);
	}
	host_key_judgement_free(&j);
}

void
upstream_looked(struct ward *w, struct ipc_msg *msg, int err)
{
	char reason[512];
	struct shown s;

	w->looked = 1;
	if (msg != NULL && msg->type == IPC_LOOKED && read_shown(&msg->body, &s) == 0) {
		take_looked(w, &s);
		decide(w);
		return;
	}
	if (msg != NULL && msg->type == IPC_DIAL_FAILED)
		wire_text(&msg->body, reason, sizeof(reason));
	else
		snprintf(reason, sizeof(reason), "the errand has failed: %s",
		    err_str(err != 0 ? err : ERR_FORMAT));
	if (answer_host_key(w, 0) == 0)
		upstream_refuse_unreachable(w, "cannot look at its host key: ", reason);
}
