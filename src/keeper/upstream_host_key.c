/*
 * Is the machine behind the one meant?  host_key.h judges; here is what follows.
 */
#include <stdio.h>
#include <string.h>

#include "formats/pubkey.h"
#include "base/log.h"
#include "keeper/agent_login.h"
#include "access/host_key.h"
#include "access/host_key_add.h"
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
read_shown(struct wire *body, struct shown *seen)
{
	wire_text(body, seen->alg, sizeof(seen->alg));
	seen->hash = wire_string(body);
	seen->blob = wire_string(body);
	seen->sig = wire_string(body);
	if (wire_end(body) != 0 || seen->hash.len < HOST_KEY_HASH_MIN ||
	    seen->hash.len > HOST_KEY_HASH_MAX)
		return ERR_FORMAT;
	return 0;
}

/* host_key_judgement_free() it. */
static void
judge(const struct ksession *s, const struct shown *seen, struct host_key_judgement *j)
{
	const struct host_key_shown shown = { s->route, s->host, seen->alg, seen->hash, seen->blob,
		seen->sig };

	host_key_judge(&shown, j);
}

static void
log_host_key(const struct ksession *s, struct bytes blob, const char *reason)
{
	struct reason failed;

	ksession_warn(s, "Host key verification failed for %s port %u: %s", s->host, s->route->port,
	    host_key_failed(s->route, blob, reason, &failed));
}

/* The session hears whether it may go on. */
static int
answer_host_key(struct ksession *s, int ok)
{
	struct buf b;

	buf_free(&s->shown_key);
	ipc_begin(&b, IPC_HOST_KEY_OK);
	wire_put_bool(&b, ok);
	return ksession_send(s, &b, -1);
}

static void
refuse_host_key(struct ksession *s, const struct shown *seen, const char *reason)
{
	log_host_key(s, seen->blob, reason);
	if (answer_host_key(s, 0) == 0)
		ksession_refuse(s, upstream_text_host_key, "host key of %s not accepted", s->host);
}

/* The login there may begin: what it signs is for who has signed this hash. */
static void
accept_host_key(struct ksession *s, const struct shown *seen)
{
	memcpy(s->upstream_id, seen->hash.p, seen->hash.len);
	s->upstream_id_len = seen->hash.len;
	buf_init(&s->host_key, IPC_PAYLOAD_MAX);
	buf_put(&s->host_key, seen->blob.p, seen->blob.len);
	if (ksession_set_phase(s, IPC_PHASE_UPSTREAM_AUTH) != 0)
		return;
	if (buf_err(&s->host_key) != 0 || (s->route->agent && agent_login_new(s, seen->sig) != 0)) {
		ksession_end(s);
		return;
	}
	(void)answer_host_key(s, 1);
}

/* Which algorithms the upstream is asked for is what the session is told in UPSTREAM_FD. */
void
upstream_put_look(struct ksession *s, struct buf *order)
{
	struct reason why;

	ipc_begin(order, IPC_LOOK);
	wire_put_u32(order, (uint32_t)s->route->connect_timeout_ms);
	wire_put_u32(order, s->route->port);
	wire_put_text(order, s->host);
	(void)upstream_put_algorithms(s, order, &why); /* UPSTREAM_FD has logged why */
}

/* Act on what the session has shown, in s->shown_key. */
static void
decide(struct ksession *s)
{
	struct host_key_judgement j;
	struct wire body;
	struct shown seen;

	wire_init(&body, s->shown_key.data, s->shown_key.len);
	if (buf_err(&s->shown_key) != 0 || read_shown(&body, &seen) != 0) {
		ksession_end(s);
		return;
	}
	judge(s, &seen, &j);
	if (j.verdict == HOST_KEY_NEW && s->looked)
		host_key_refuse(&j, 0);
	switch (j.verdict) {
	case HOST_KEY_REFUSED:
		refuse_host_key(s, &seen, j.why.text);
		break;
	case HOST_KEY_KNOWN:
		s->host_known = 1;
		accept_host_key(s, &seen);
		break;
	case HOST_KEY_NEW:
		/* The session has talked to a stranger, so it is not asked again: an errand looks, and
		 * what the session has shown is judged by what that finds. */
		jobs_ask(s, JOB_LOOK, 0);
		break;
	case HOST_KEY_ANY:
	case HOST_KEY_CHANGED:
		s->host_changed = j.verdict == HOST_KEY_CHANGED;
		ksession_warn(s, "host key of %s is %s, and StrictHostKeyChecking is no", s->host,
		    s->host_changed ? "CHANGED" : "unknown");
		accept_host_key(s, &seen);
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
upstream_host_key(struct ksession *s, struct wire *body)
{
	/* refused meanwhile: its machine is of no interest any more */
	if (s->phase == IPC_PHASE_END) {
		(void)answer_host_key(s, 0);
		return;
	}
	if (jobs_pending(s, JOB_LOOK)) {
		ksession_end(s); /* it has asked already */
		return;
	}
	buf_init(&s->shown_key, IPC_MAX);
	buf_put(&s->shown_key, body->p, body->left);
	decide(s);
}

/* The session, or somebody between the gateway and the machine, may have another key to show. */
static void
compare(const struct ksession *s, const struct shown *looked)
{
	struct shown session;
	struct wire body;

	wire_init(&body, s->shown_key.data, s->shown_key.len);
	if (read_shown(&body, &session) == 0 && !bytes_equal(session.blob, looked->blob))
		ksession_warn(s,
		    "%s port %u has shown the gateway another host key than "
		    "the one that comes from this session",
		    s->host, s->route->port);
}

/* The machine itself has shown this key: write it down, if it is the first. */
static void
take_looked(struct ksession *s, const struct shown *seen)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];
	struct host_key_judgement j;
	struct reason why;
	struct bytes key;

	compare(s, seen);
	judge(s, seen, &j);
	key = (struct bytes){ j.key.data, j.key.len };
	if (j.verdict == HOST_KEY_REFUSED) {
		log_host_key(s, seen->blob, j.why.text);
	} else if (j.verdict == HOST_KEY_NEW && host_key_add(s->route, s->host, key, &why) != 0) {
		ksession_warn(s, "cannot add the host key of %s: %s", s->host, why.text);
	} else if (j.verdict == HOST_KEY_NEW && pubkey_type(key, type) == 0) {
		pubkey_fingerprint(key, fingerprint);
		ksession_info(s, "the host key of %s port %u is new: %s %s, added to %s", s->host,
		    s->route->port, pubkey_type_short(type), fingerprint,
		    s->route->known_hosts_files.v[0]);
	}
	host_key_judgement_free(&j);
}

void
upstream_look_done(struct ksession *s, const struct job_result *result)
{
	struct ipc_msg *msg = result->msg;
	char reason[512];
	struct shown seen;

	if (result->how == JOB_NOT_STARTED) {
		if (answer_host_key(s, 0) == 0)
			upstream_no_errand(s, result->err);
		return;
	}
	s->looked = 1;
	if (msg != NULL && msg->type == IPC_LOOKED && read_shown(&msg->body, &seen) == 0) {
		take_looked(s, &seen);
		decide(s);
		return;
	}
	if (msg != NULL && msg->type == IPC_DIAL_FAILED)
		wire_text(&msg->body, reason, sizeof(reason));
	else
		snprintf(reason, sizeof(reason), "the errand has failed: %s",
		    err_str(result->err != 0 ? result->err : ERR_FORMAT));
	if (answer_host_key(s, 0) == 0)
		upstream_refuse_unreachable(s, "cannot look at its host key: ", reason);
}
