#include <stdlib.h>

#include "formats/agent_proto.h"
#include "formats/pubkey.h"
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
agent_login_new(struct ksession *s, struct bytes signature)
{
	struct agent_login *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ERR_NOMEM;
	agent_login_free(&s->agent);
	s->agent = a;
	buf_init(&a->bind, IPC_PAYLOAD_MAX);
	buf_init(&a->answer, IPC_PAYLOAD_MAX);
	buf_init(&a->banner, AUTH_CLIENT_BANNER_MAX);
	agent_proto_put_bind(&a->bind, (struct bytes){ s->host_key.data, s->host_key.len },
	    (struct bytes){ s->upstream_id, s->upstream_id_len }, signature);
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
agent_login_begin(struct ksession *s)
{
	/* the agent of somebody who has not proven anything is nobody's to ask */
	if (!s->methods.complete) {
		ksession_end(s);
		return;
	}
	if (ksession_set_phase(s, IPC_PHASE_AGENT) == 0)
		downstream_let_in(s);
}

static void
ask(struct ksession *s, int what, const struct buf *request)
{
	struct buf b;

	s->agent->asked = what;
	ipc_begin(&b, IPC_AGENT_REQUEST);
	if (request->err != 0)
		b.err = request->err;
	wire_put_string(&b, request->data, request->len);
	(void)ksession_send(s, &b, -1);
}

static void
fail(struct ksession *s, enum ipc_agent_failure failure)
{
	ksession_refuse(s, failures[failure].text, "%s", failures[failure].why);
}

void
agent_login_opened(struct ksession *s)
{
	if (s->phase != IPC_PHASE_AGENT)
		return;
	if (s->agent->open) {
		ksession_end(s);
		return;
	}
	s->agent->open = 1;
	/* before anything else: some keys are shown only to who says where they are for */
	ask(s, ASKED_BIND, &s->agent->bind);
}

/* None is left to be tried. */
static void
no_key(struct ksession *s)
{
	const struct agent_login *a = s->agent;

	if (a->keys.n == 0)
		ksession_refuse(s,
		    "there is no key in your agent, or it is locked: see that ssh-add -l lists yours",
		    "the agent shows no key");
	else if (a->not_signed > 0)
		ksession_refuse(s,
		    "your agent did not sign with the key that opens your machine; was it not "
		    "confirmed?",
		    "%s@%s would take a key, and the agent did not sign with it", s->user, s->host);
	else
		ksession_refuse(s,
		    "your machine takes none of the keys in your agent; ask your administrator",
		    "%s@%s takes none of the %zu keys of the agent, %u tried", s->user, s->host,
		    a->keys.n, a->tries);
}

static void
try_next(struct ksession *s)
{
	struct agent_login *a = s->agent;
	struct buf out;

	buf_init(&out, IPC_MAX - 16);
	while (a->next < a->keys.n && a->tries < AGENT_TRIES_MAX) {
		if (!auth_client_query(s->upstream, a->keys.v[a->next++], &out))
			continue;
		a->tries++;
		ksession_send_payloads(s, IPC_UPSTREAM, &out);
		buf_free(&out);
		return;
	}
	buf_free(&out);
	no_key(s);
}

/* The one that the person has just used comes first. */
static void
keys_answer(struct ksession *s, struct bytes answer)
{
	struct agent_login *a = s->agent;
	struct bytes used = { NULL, 0 };

	if (s->key_proven)
		used = auth_server_key(s->server);
	buf_put(&a->answer, answer.p, answer.len);
	if (buf_err(&a->answer) != 0 ||
	    agent_proto_keys((struct bytes){ a->answer.data, a->answer.len }, used, &a->keys) != 0)
		fail(s, IPC_AGENT_GARBLED);
	else
		try_next(s);
}

static void
signature_answer(struct ksession *s, struct bytes answer)
{
	struct bytes sig;
	struct buf out;
	int r;

	r = agent_proto_signature(answer, &sig);
	if (r == ERR_FORMAT) {
		fail(s, IPC_AGENT_GARBLED);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	if (r == 0 && auth_client_signed(s->upstream, sig, &out)) {
		ksession_send_payloads(s, IPC_UPSTREAM, &out);
	} else {
		s->agent->not_signed++;
		try_next(s);
	}
	buf_free(&out);
}

void
agent_login_answer(struct ksession *s, struct wire *body)
{
	struct bytes answer = wire_string(body);
	struct agent_login *a = s->agent;
	struct buf request;
	int asked;

	if (s->phase != IPC_PHASE_AGENT)
		return;
	asked = a->asked;
	a->asked = ASKED_NOTHING;
	if (wire_end(body) != 0 || asked == ASKED_NOTHING) {
		ksession_end(s);
		return;
	}
	if (asked == ASKED_BIND) {
		/* an agent that does not know it says so, and that is fine */
		buf_init(&request, 16);
		agent_proto_put_list(&request);
		ask(s, ASKED_KEYS, &request);
		buf_free(&request);
	} else if (asked == ASKED_KEYS) {
		keys_answer(s, answer);
	} else {
		signature_answer(s, answer);
	}
}

void
agent_login_failed(struct ksession *s, struct wire *body)
{
	uint8_t failure = wire_u8(body);

	if (s->phase != IPC_PHASE_AGENT)
		return;
	if (wire_end(body) != 0 || failure >= sizeof(failures) / sizeof(failures[0]))
		ksession_end(s);
	else if (failure == IPC_AGENT_TIMEOUT && s->agent->open && s->agent->asked == ASKED_NOTHING)
		ksession_refuse(s,
		    "your machine did not answer in time; try again later or ask your "
		    "administrator",
		    "%s port %u: LoginGraceTime was over before it had answered the login", s->host,
		    s->route->port);
	else
		fail(s, failure);
}

void
agent_login_banner(struct ksession *s, struct bytes text)
{
	buf_put(&s->agent->banner, text.p, text.len);
}

void
agent_login_put_banner(const struct ksession *s, struct buf *b)
{
	const struct buf *banner = &s->agent->banner;

	if (banner->len > 0)
		wire_put_string(b, banner->data, banner->len);
}

void
agent_login_wanted(struct ksession *s)
{
	const struct agent_login *a = s->agent;
	struct bytes key = a->keys.v[a->next - 1];
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];
	struct buf data, request;
	const char *alg;
	int r;

	buf_init(&data, IPC_PAYLOAD_MAX);
	buf_init(&request, IPC_PAYLOAD_MAX);
	r = auth_client_to_sign(s->upstream, &data, &alg);
	agent_proto_put_sign(&request, key, (struct bytes){ data.data, data.len }, alg);
	if (r == 0 && buf_err(&request) == 0 && pubkey_type(key, type) == 0) {
		pubkey_fingerprint(key, fingerprint);
		ksession_info(s, "the agent is asked to sign for %s@%s with %s %s", s->user,
		    s->host, pubkey_type_short(type), fingerprint);
		ask(s, ASKED_SIGNATURE, &request);
	} else {
		try_next(s);
	}
	buf_free(&data);
	buf_free(&request);
}

void
agent_login_refused(struct ksession *s)
{
	const char *offers = auth_client_methods(s->upstream);

	if (auth_client_partial(s->upstream) && !namelist_has(offers, "publickey"))
		ksession_refuse(s,
		    "your machine wants more than the key of your agent, which the gateway cannot "
		    "give; ask your administrator",
		    "%s@%s accepted a key of the agent but wants more: %s", s->user, s->host,
		    offers);
	else if (!namelist_has(offers, "publickey"))
		ksession_refuse(s, upstream_text_login, "%s@%s takes no keys; it offers %s",
		    s->user, s->host, offers);
	else
		try_next(s);
}

void
agent_login_ended(struct ksession *s, const char *reason)
{
	ksession_refuse(s,
	    s->agent->tries > 0 ?
		"your machine has ended the login: it may take none of the first keys in your agent" :
		"your machine has ended the connection; try again later or ask your administrator",
	    "%s port %u: %s", s->host, s->route->port, reason);
}
