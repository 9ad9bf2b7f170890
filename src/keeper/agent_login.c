#include <stdlib.h>
#include <string.h>

#include "auth/pubkey.h"
#include "base/log.h"
#include "keeper/agent_login.h"
#include "keeper/downstream.h"
#include "keeper/upstream.h"

/* draft-ietf-sshm-ssh-agent section 6.1 */
#define AGENT_FAILURE 5
#define AGENT_REQUEST_IDENTITIES 11
#define AGENT_IDENTITIES_ANSWER 12
#define AGENT_SIGN_REQUEST 13
#define AGENT_SIGN_RESPONSE 14
#define AGENT_EXTENSION 27

#define AGENT_RSA_SHA2_256 2
#define AGENT_RSA_SHA2_512 4

/* More keys than that are not looked at. */
#define AGENT_KEYS_MAX 64

struct agent_login {
	enum {
		ASKED_NOTHING,
		ASKED_BIND,
		ASKED_KEYS,
		ASKED_SIGNATURE
	} asked;	 /* what the next answer is to */
	int open;	 /* AGENT_OPEN has come */
	struct buf bind; /* session-bind@openssh.com, to be sent */
	size_t host_key; /* where in it the host key is */
	struct buf keys; /* the agent's answer */
	struct bytes key[AGENT_KEYS_MAX];
	size_t n, next;
	unsigned int tries;
	unsigned int not_signed; /* keys the upstream would take, and the agent did not use */
};

/* By enum ipc_agent_failure: what to tell the person, and the log. */
static const struct {
	const char *text, *why;
} failures[] = {
	[IPC_AGENT_NOT_OFFERED] = { "this login needs a key from your agent, and your ssh offers "
				    "none: use ssh -A, and see that ssh-add -l lists your key",
	    "no agent is offered" },
	[IPC_AGENT_DENIED] = { "this login needs a key from your agent, and your ssh could not "
			       "reach it: see that ssh-add -l lists your key",
	    "the client does not open a channel to its agent" },
	[IPC_AGENT_GONE] = { "your agent went away before it had signed; see that ssh-add -l works",
	    "the agent went away" },
	[IPC_AGENT_GARBLED] = { "your agent gave an answer that cannot be used",
	    "unreadable answer of the agent" },
	[IPC_AGENT_TIMEOUT] = { "your agent was not heard in time; this login needs ssh -A and a "
				"session",
	    "LoginGraceTime was over before the agent had signed" },
};

int
agent_login_new(struct ward *w, struct bytes host_key, struct bytes signature)
{
	struct agent_login *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ERR_NOMEM;
	agent_login_free(&w->agent);
	w->agent = a;
	buf_init(&a->bind, IPC_PAYLOAD_MAX);
	buf_init(&a->keys, IPC_PAYLOAD_MAX);
	/* PROTOCOL.agent section 1 */
	buf_put_u8(&a->bind, AGENT_EXTENSION);
	wire_put_text(&a->bind, "session-bind@openssh.com");
	a->host_key = a->bind.len;
	wire_put_bytes(&a->bind, host_key);
	wire_put_string(&a->bind, w->upstream_id, w->upstream_id_len);
	wire_put_bytes(&a->bind, signature);
	wire_put_bool(&a->bind, 0); /* to log in, not to be forwarded */
	return buf_err(&a->bind);
}

void
agent_login_free(struct agent_login **agent)
{
	struct agent_login *a = *agent;

	*agent = NULL;
	if (a == NULL)
		return;
	buf_free(&a->bind);
	buf_free(&a->keys);
	free(a);
}

struct bytes
agent_login_host_key(const struct ward *w)
{
	struct wire r;

	wire_init(&r, w->agent->bind.data + w->agent->host_key,
	    w->agent->bind.len - w->agent->host_key);
	return wire_string(&r);
}

void
agent_login_begin(struct ward *w)
{
	/* the agent of somebody who has not proven anything is nobody's to ask */
	if (!w->methods.complete) {
		ward_end(w);
		return;
	}
	w->phase = IPC_PHASE_AGENT;
	downstream_let_in(w);
}

static void
ask(struct ward *w, int what, const struct buf *request)
{
	struct buf b;

	w->agent->asked = what;
	ipc_begin(&b, IPC_AGENT_REQUEST);
	if (request->err != 0)
		b.err = request->err;
	wire_put_string(&b, request->data, request->len);
	(void)ward_send(w, &b, -1);
}

static void
fail(struct ward *w, enum ipc_agent_failure failure)
{
	ward_refuse(w, failures[failure].text, "%s", failures[failure].why);
}

void
agent_login_opened(struct ward *w)
{
	if (w->phase != IPC_PHASE_AGENT)
		return;
	if (w->agent->open) {
		ward_end(w);
		return;
	}
	w->agent->open = 1;
	/* before anything else: some keys are shown only to who says where they are for */
	ask(w, ASKED_BIND, &w->agent->bind);
}

/* None is left to be tried. */
static void
no_key(struct ward *w)
{
	const struct agent_login *a = w->agent;

	if (a->n == 0)
		ward_refuse(w,
		    "there is no key in your agent, or it is locked: see that ssh-add -l lists yours",
		    "the agent shows no key");
	else if (a->not_signed > 0)
		ward_refuse(w,
		    "your agent did not sign with the key that opens your machine; was it not "
		    "confirmed?",
		    "%s@%s would take a key, and the agent did not sign with it", w->user, w->host);
	else
		ward_refuse(w,
		    "your machine takes none of the keys in your agent; ask your administrator",
		    "%s@%s takes none of the %zu keys of the agent, %u tried", w->user, w->host,
		    a->n, a->tries);
}

static void
try_next(struct ward *w)
{
	struct agent_login *a = w->agent;
	struct buf out;

	buf_init(&out, IPC_MAX - 16);
	while (a->next < a->n && a->tries < AGENT_TRIES_MAX) {
		if (!auth_client_query(w->upstream, a->key[a->next++], &out))
			continue;
		a->tries++;
		ward_send_payloads(w, IPC_UPSTREAM, &out);
		buf_free(&out);
		return;
	}
	buf_free(&out);
	no_key(w);
}

/* The list of keys, the one that the person has just used first. */
static int
take_keys(struct ward *w, struct bytes list)
{
	struct agent_login *a = w->agent;
	struct bytes blob, used = { NULL, 0 };
	struct wire r;
	uint32_t n;

	if (w->key_proven)
		used = auth_server_key(w->server);
	buf_put(&a->keys, list.p, list.len);
	if (buf_err(&a->keys) != 0)
		return buf_err(&a->keys);
	wire_init(&r, a->keys.data, a->keys.len);
	for (n = wire_u32(&r); n > 0 && wire_err(&r) == 0; n--) {
		blob = wire_string(&r);
		(void)wire_string(&r); /* comment */
		if (wire_err(&r) != 0 || pubkey_check(blob) != 0 || a->n >= AGENT_KEYS_MAX)
			continue;
		if (used.len > 0 && bytes_equal(blob, used)) {
			memmove(a->key + 1, a->key, a->n * sizeof(a->key[0]));
			a->key[0] = blob;
		} else {
			a->key[a->n] = blob;
		}
		a->n++;
	}
	return wire_end(&r);
}

static void
keys_answer(struct ward *w, uint8_t type, struct bytes rest)
{
	/* some say so when they are locked */
	if (type == AGENT_FAILURE)
		no_key(w);
	else if (type != AGENT_IDENTITIES_ANSWER || take_keys(w, rest) != 0)
		fail(w, IPC_AGENT_GARBLED);
	else
		try_next(w);
}

static void
signature_answer(struct ward *w, uint8_t type, struct bytes rest)
{
	struct bytes sig;
	struct buf out;
	struct wire r;

	wire_init(&r, rest.p, rest.len);
	sig = wire_string(&r);
	if (type != AGENT_FAILURE && (type != AGENT_SIGN_RESPONSE || wire_end(&r) != 0)) {
		fail(w, IPC_AGENT_GARBLED);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	if (type == AGENT_SIGN_RESPONSE && auth_client_signed(w->upstream, sig, &out)) {
		ward_send_payloads(w, IPC_UPSTREAM, &out);
	} else {
		w->agent->not_signed++;
		try_next(w);
	}
	buf_free(&out);
}

void
agent_login_answer(struct ward *w, struct wire *body)
{
	struct bytes answer = wire_string(body), rest;
	struct agent_login *a = w->agent;
	struct buf request;
	struct wire r;
	uint8_t type;
	int asked;

	if (w->phase != IPC_PHASE_AGENT)
		return;
	asked = a->asked;
	a->asked = ASKED_NOTHING;
	if (wire_end(body) != 0 || asked == ASKED_NOTHING) {
		ward_end(w);
		return;
	}
	wire_init(&r, answer.p, answer.len);
	type = wire_u8(&r);
	rest = wire_rest(&r);
	if (asked == ASKED_BIND) {
		/* an agent that does not know it says so, and that is fine */
		buf_init(&request, 16);
		buf_put_u8(&request, AGENT_REQUEST_IDENTITIES);
		ask(w, ASKED_KEYS, &request);
		buf_free(&request);
	} else if (asked == ASKED_KEYS) {
		keys_answer(w, type, rest);
	} else {
		signature_answer(w, type, rest);
	}
}

void
agent_login_failed(struct ward *w, struct wire *body)
{
	uint8_t failure = wire_u8(body);

	if (w->phase != IPC_PHASE_AGENT)
		return;
	if (wire_end(body) != 0 || failure >= sizeof(failures) / sizeof(failures[0]))
		ward_end(w);
	else
		fail(w, failure);
}

void
agent_login_wanted(struct ward *w)
{
	const struct agent_login *a = w->agent;
	struct bytes key = a->key[a->next - 1];
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];
	struct buf data, request;
	const char *alg;
	uint32_t flags = 0;
	int r;

	buf_init(&data, IPC_PAYLOAD_MAX);
	buf_init(&request, IPC_PAYLOAD_MAX);
	r = auth_client_to_sign(w->upstream, &data, &alg);
	if (strcmp(alg, "rsa-sha2-512") == 0)
		flags = AGENT_RSA_SHA2_512;
	else if (strcmp(alg, "rsa-sha2-256") == 0)
		flags = AGENT_RSA_SHA2_256;
	buf_put_u8(&request, AGENT_SIGN_REQUEST);
	wire_put_bytes(&request, key);
	wire_put_string(&request, data.data, data.len);
	wire_put_u32(&request, flags);
	if (r == 0 && buf_err(&request) == 0 && pubkey_type(key, type) == 0) {
		pubkey_fingerprint(key, fingerprint);
		log_info("session %04jx: the agent is asked to sign for %s@%s with %s %s",
		    (uintmax_t)w->id, w->user, w->host, pubkey_type_short(type), fingerprint);
		ask(w, ASKED_SIGNATURE, &request);
	} else {
		try_next(w);
	}
	buf_free(&data);
	buf_free(&request);
}

void
agent_login_refused(struct ward *w)
{
	const char *offers = auth_client_methods(w->upstream);

	if (auth_client_partial(w->upstream) && !namelist_has(offers, "publickey"))
		ward_refuse(w,
		    "your machine wants more than the key of your agent, which the gateway cannot "
		    "give; ask your administrator",
		    "%s@%s accepted a key of the agent but wants more: %s", w->user, w->host,
		    offers);
	else if (!namelist_has(offers, "publickey"))
		ward_refuse(w, upstream_text_login, "%s@%s takes no keys; it offers %s", w->user,
		    w->host, offers);
	else
		try_next(w);
}

void
agent_login_ended(struct ward *w, const char *reason)
{
	ward_refuse(w,
	    w->agent->tries > 0 ?
		"your machine has ended the login: it may take none of the first keys in your agent" :
		"your machine has ended the connection; try again later or ask your administrator",
	    "%s port %u: %s", w->host, w->route->port, reason);
}
