#include <stdlib.h>

#include "auth/agent_proto.h"
#include "auth/pubkey.h"
#include "base/log.h"
#include "keeper/agent_login.h"
#include "keeper/downstream.h"
#include "keeper/upstream.h"

struct agent_login {
	enum {
		ASKED_NOTHING,
		ASKED_BIND,
		ASKED_KEYS,
		ASKED_SIGNATURE
	} asked;	   /* what the next answer is to */
	int open;	   /* AGENT_OPEN has come */
	struct buf bind;   /* session-bind@openssh.com, to be sent */
	struct buf answer; /* what keys there are */
	struct buf banner; /* the upstream's, for when the client's session goes on or ends */
	struct agent_keys keys;
	size_t next; /* of them, to be tried */
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
agent_login_new(struct ward *w, struct bytes signature)
{
	struct agent_login *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ERR_NOMEM;
	agent_login_free(&w->agent);
	w->agent = a;
	buf_init(&a->bind, IPC_PAYLOAD_MAX);
	buf_init(&a->answer, IPC_PAYLOAD_MAX);
	buf_init(&a->banner, AUTH_CLIENT_BANNER_MAX);
	agent_proto_put_bind(&a->bind, (struct bytes){ w->host_key.data, w->host_key.len },
	    (struct bytes){ w->upstream_id, w->upstream_id_len }, signature);
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
	buf_free(&a->answer);
	buf_free(&a->banner);
	free(a);
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

	if (a->keys.n == 0)
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
		    a->keys.n, a->tries);
}

static void
try_next(struct ward *w)
{
	struct agent_login *a = w->agent;
	struct buf out;

	buf_init(&out, IPC_MAX - 16);
	while (a->next < a->keys.n && a->tries < AGENT_TRIES_MAX) {
		if (!auth_client_query(w->upstream, a->keys.v[a->next++], &out))
			continue;
		a->tries++;
		ward_send_payloads(w, IPC_UPSTREAM, &out);
		buf_free(&out);
		return;
	}
	buf_free(&out);
	no_key(w);
}

/* The one that the person has just used comes first. */
static void
keys_answer(struct ward *w, struct bytes answer)
{
	struct agent_login *a = w->agent;
	struct bytes used = { NULL, 0 };

	if (w->key_proven)
		used = auth_server_key(w->server);
	buf_put(&a->answer, answer.p, answer.len);
	if (buf_err(&a->answer) != 0 ||
	    agent_proto_keys((struct bytes){ a->answer.data, a->answer.len }, used, &a->keys) != 0)
		fail(w, IPC_AGENT_GARBLED);
	else
		try_next(w);
}

static void
signature_answer(struct ward *w, struct bytes answer)
{
	struct bytes sig;
	struct buf out;
	int r;

	r = agent_proto_signature(answer, &sig);
	if (r == ERR_FORMAT) {
		fail(w, IPC_AGENT_GARBLED);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	if (r == 0 && auth_client_signed(w->upstream, sig, &out)) {
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
	struct bytes answer = wire_string(body);
	struct agent_login *a = w->agent;
	struct buf request;
	int asked;

	if (w->phase != IPC_PHASE_AGENT)
		return;
	asked = a->asked;
	a->asked = ASKED_NOTHING;
	if (wire_end(body) != 0 || asked == ASKED_NOTHING) {
		ward_end(w);
		return;
	}
	if (asked == ASKED_BIND) {
		/* an agent that does not know it says so, and that is fine */
		buf_init(&request, 16);
		agent_proto_put_list(&request);
		ask(w, ASKED_KEYS, &request);
		buf_free(&request);
	} else if (asked == ASKED_KEYS) {
		keys_answer(w, answer);
	} else {
		signature_answer(w, answer);
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
	else if (failure == IPC_AGENT_TIMEOUT && w->agent->open && w->agent->asked == ASKED_NOTHING)
		ward_refuse(w,
		    "your machine did not answer in time; try again later or ask your "
		    "administrator",
		    "%s port %u: LoginGraceTime was over before it had answered the login", w->host,
		    w->route->port);
	else
		fail(w, failure);
}

void
agent_login_banner(struct ward *w, struct bytes text)
{
	buf_put(&w->agent->banner, text.p, text.len);
}

void
agent_login_put_banner(const struct ward *w, struct buf *b)
{
	const struct buf *banner = &w->agent->banner;

	if (banner->len > 0)
		wire_put_string(b, banner->data, banner->len);
}

void
agent_login_wanted(struct ward *w)
{
	const struct agent_login *a = w->agent;
	struct bytes key = a->keys.v[a->next - 1];
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];
	struct buf data, request;
	const char *alg;
	int r;

	buf_init(&data, IPC_PAYLOAD_MAX);
	buf_init(&request, IPC_PAYLOAD_MAX);
	r = auth_client_to_sign(w->upstream, &data, &alg);
	agent_proto_put_sign(&request, key, (struct bytes){ data.data, data.len }, alg);
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
