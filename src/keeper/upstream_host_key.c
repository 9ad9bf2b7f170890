/*
 * The host key of the upstream: access/host_key.c says whether it is the right one, and what
 * follows from that is here.  ksession.c calls this for HOST_KEY, jobs.c for an errand that
 * has looked at it.
 */
#include <stdio.h>
#include <string.h>

#include "access/host_key.h"
#include "access/host_key_add.h"
#include "formats/pubkey.h"
#include "keeper/ksession.h"

const char *const upstream_text_host_key =
    "the host key of your machine could not be verified, so nothing was sent to it; "
    "ask your administrator";

/* The host key in HOST_KEY or LOOKED, for host_key_judge(); shown points to what m does.  0 or
 * ERR_FORMAT. */
static int
upstream_host_key_shown(const struct ksession *s, const struct ipc_host_key *m,
    struct host_key_shown *shown)
{
	*shown = (struct host_key_shown){ .route = s->route,
		.host = s->up.host,
		.alg = m->alg,
		.hash = m->hash,
		.blob = m->blob,
		.sig = m->sig };
	if (m->hash.len < HOST_KEY_HASH_MIN || m->hash.len > HOST_KEY_HASH_MAX)
		return ERR_FORMAT;
	return 0;
}

/* The same of the HOST_KEY that is kept until it is decided upon. */
static int
upstream_kept_host_key(const struct ksession *s, struct ipc_host_key *m,
    struct host_key_shown *shown)
{
	struct wire body;

	wire_init(&body, s->up.host_key_message.data, s->up.host_key_message.len);
	return ipc_host_key_get(&body, m) == 0 ? upstream_host_key_shown(s, m, shown) : ERR_FORMAT;
}

static void
upstream_judge_host_key(const struct ksession *s, struct host_key_shown *shown,
    struct host_key_judgement *j)
{
	shown->known = s->up.known;
	host_key_judge(shown, j);
}

/* Read known_hosts once more: accept-new may have added a line since the dial. */
static void
upstream_read_known_again(struct ksession *s)
{
	host_key_known_free(&s->up.known);
	s->up.known = host_key_known_new(s->route, s->up.host);
}

static void
upstream_log_host_key(const struct ksession *s, struct bytes blob, const char *reason)
{
	struct reason failed;

	ksession_warn(s, "Host key verification failed for %s port %u: %s", s->up.host,
	    s->route->port, host_key_failed(s->route, blob, reason, &failed));
}

/* Tell the session whether it may go on. */
static int
upstream_answer_host_key(struct ksession *s, int ok)
{
	struct buf b;

	host_key_known_free(&s->up.known);
	buf_free(&s->up.host_key_message);
	ipc_begin(&b, IPC_HOST_KEY_OK);
	wire_put_bool(&b, ok);
	return ksession_send(s, &b, -1);
}

static void
upstream_refuse_host_key(struct ksession *s, const struct host_key_shown *shown, const char *reason)
{
	upstream_log_host_key(s, shown->blob, reason);
	if (upstream_answer_host_key(s, 0) == 0)
		ksession_refuse(s, upstream_text_host_key, "host key of %s not accepted",
		    s->up.host);
}

/* The login may begin: what is signed for it names this hash, which the upstream itself has
 * signed. */
static void
upstream_accept_host_key(struct ksession *s, const struct host_key_shown *shown)
{
	const struct upstream_method *method = upstream_method(s);

	memcpy(s->up.session_id, shown->hash.p, shown->hash.len);
	s->up.session_id_len = shown->hash.len;
	buf_put(&s->up.host_key, shown->blob.p, shown->blob.len);
	if (ksession_set_phase(s, IPC_PHASE_UPSTREAM_AUTH) != 0)
		return;
	if (buf_err(&s->up.host_key) != 0 ||
	    (method->host_key != NULL && method->host_key(s, shown->sig) != 0)) {
		ksession_end(s);
		return;
	}
	(void)upstream_answer_host_key(s, 1);
}

/* The errand asks for the same algorithms as the session, which has them from UPSTREAM_FD. */
void
upstream_put_look(struct ksession *s, struct buf *order)
{
	struct ipc_look look = {
		.connect_ms = (uint32_t)s->route->connect_timeout_ms,
		.total_ms = (uint32_t)s->route->connect_timeout_ms,
		.port = s->route->port,
		.host = s->up.host,
		.destinations = s->route->destinations,
	};
	struct upstream_approach approach;
	struct buf host_keys;
	int r;

	r = upstream_approach_open(s, &approach);
	look.approach = approach.m;
	if (s->route->resolve_srv) { /* the same machine, of several */
		look.approach.srv = 0;
		look.host = s->up.address;
		look.port = s->up.port;
	}
	upstream_algorithms(s, &host_keys, &look.algorithms);
	ipc_begin(order, IPC_LOOK);
	ipc_look_put(order, &look);
	if (r != 0)
		order->err = r; /* no errand is started */
	upstream_approach_close(&approach);
	buf_free(&host_keys);
}

/* Act on the host key that the session tells of, in s->up.host_key_message. */
static void
upstream_decide_host_key(struct ksession *s)
{
	struct host_key_judgement j;
	struct host_key_shown shown;
	struct ipc_host_key m;

	if (buf_err(&s->up.host_key_message) != 0 || upstream_kept_host_key(s, &m, &shown) != 0) {
		ksession_end(s);
		return;
	}
	upstream_judge_host_key(s, &shown, &j);
	if (j.verdict == HOST_KEY_NEW && !s->up.host_key_scanned) {
		host_key_judgement_free(&j);
		upstream_read_known_again(s);
		upstream_judge_host_key(s, &shown, &j);
	} else if (j.verdict == HOST_KEY_NEW) {
		host_key_refuse(&j, 0);
	}
	switch (j.verdict) {
	case HOST_KEY_REFUSED:
		upstream_refuse_host_key(s, &shown, j.why.text);
		break;
	case HOST_KEY_KNOWN:
		s->up.host_key_known = 1;
		upstream_accept_host_key(s, &shown);
		break;
	case HOST_KEY_NEW:
		/* accept-new: what the session says is not written down, as its process may
		 * have been taken over.  An errand looks for itself, and the session's is
		 * judged by what it adds. */
		jobs_ask(s, JOB_LOOK, 0);
		break;
	case HOST_KEY_ANY:
	case HOST_KEY_CHANGED:
		s->up.host_key_changed = j.verdict == HOST_KEY_CHANGED;
		ksession_warn(s, "host key of %s is %s, and StrictHostKeyChecking is no",
		    s->up.host, s->up.host_key_changed ? "CHANGED" : "unknown");
		upstream_accept_host_key(s, &shown);
		break;
	}
	host_key_judgement_free(&j);
}

/*
 * The session says that its upstream has signed this exchange hash with this key.
 * The signature is verified here: it binds the hash, which the upstream login signs in
 * turn, to the right host, whatever the session may say.
 */
void
upstream_host_key(struct ksession *s, struct wire *body)
{
	/* refused meanwhile */
	if (s->phase == IPC_PHASE_END) {
		(void)upstream_answer_host_key(s, 0);
		return;
	}
	if (jobs_pending(s, JOB_LOOK)) {
		ksession_end(s); /* it has asked already */
		return;
	}
	buf_reset(&s->up.host_key_message);
	buf_put(&s->up.host_key_message, body->p, body->left);
	upstream_decide_host_key(s);
}

/* The session's process, or somebody between it and the upstream, may have made up a key. */
static void
upstream_compare_host_key(const struct ksession *s, const struct host_key_shown *looked)
{
	struct host_key_shown told;
	struct ipc_host_key m;

	if (upstream_kept_host_key(s, &m, &told) == 0 && !bytes_equal(told.blob, looked->blob))
		ksession_warn(s,
		    "%s port %u has shown the gateway another host key than this session reports",
		    s->up.host, s->route->port);
}

/* An errand has seen this key: add it to known_hosts, if it is the first of this host. */
static void
upstream_add_host_key(struct ksession *s, struct host_key_shown *shown)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];
	struct host_key_judgement j;
	struct reason why;
	struct bytes key;

	upstream_compare_host_key(s, shown);
	upstream_read_known_again(s);
	upstream_judge_host_key(s, shown, &j);
	key = buf_bytes(&j.key);
	if (j.verdict == HOST_KEY_REFUSED) {
		upstream_log_host_key(s, shown->blob, j.why.text);
	} else if (j.verdict == HOST_KEY_NEW &&
	    host_key_add(s->route, s->up.host, key, &why) != 0) {
		ksession_warn(s, "cannot add the host key of %s: %s", s->up.host, why.text);
	} else if (j.verdict == HOST_KEY_NEW && pubkey_type(key, type) == 0) {
		pubkey_fingerprint(key, fingerprint);
		ksession_info(s, "the host key of %s port %u is new: %s %s, added to %s",
		    s->up.host, s->route->port, pubkey_type_short(type), fingerprint,
		    s->route->known_hosts_files.v[0]);
	}
	if (j.verdict == HOST_KEY_NEW)
		upstream_read_known_again(s);
	host_key_judgement_free(&j);
}

void
upstream_look_done(struct ksession *s, const struct job_result *result)
{
	struct ipc_msg *msg = result->msg;
	struct host_key_shown shown;
	struct ipc_looked looked;
	char reason[600];

	if (result->how == JOB_NOT_STARTED) {
		if (upstream_answer_host_key(s, 0) == 0)
			upstream_no_errand(s, result->err);
		return;
	}
	s->up.host_key_scanned = 1;
	snprintf(reason, sizeof(reason), "the errand failed: %s",
	    err_str(result->err != 0 ? result->err : ERR_FORMAT));
	if (msg != NULL && msg->type == IPC_DIAL_FAILED) {
		wire_text(&msg->body, reason, sizeof(reason));
	} else if (msg != NULL && msg->type == IPC_LOOKED &&
	    ipc_looked_get(&msg->body, &looked) == 0) {
		if (looked.reason[0] != '\0') {
			snprintf(reason, sizeof(reason), "%s port %u: %.300s", s->up.host,
			    s->route->port, looked.reason);
		} else if (upstream_host_key_shown(s, &looked.key, &shown) == 0) {
			upstream_add_host_key(s, &shown);
			upstream_decide_host_key(s);
			return;
		}
	}
	if (upstream_answer_host_key(s, 0) == 0)
		upstream_refuse_unreachable(s, "cannot look at its host key: ", reason);
}
