/*
 * Key = agent: the client is let in before the login upstream, so that its session can reach the
 * agent that the client forwards; the agent's keys are then tried upstream one after the other.
 */
#include <stdlib.h>

#include "base/log.h"
#include "formats/agent_proto.h"
#include "formats/pubkey.h"
#include "keeper/agent_login.h"
#include "keeper/downstream.h"
#include "keeper/upstream.h"
#include "wire/methods.h"

struct agent_login {
	enum agent_request {
		AGENT_REQUEST_NONE,
		AGENT_REQUEST_BIND, /* session-bind@openssh.com */
		AGENT_REQUEST_KEYS,
		AGENT_REQUEST_SIGNATURE
	} request;	   /* that the next answer is to */
	int open;	   /* AGENT_OPEN has come */
	struct buf bind;   /* session-bind@openssh.com, to be sent */
	struct buf answer; /* the list of keys, into which keys points */
	struct agent_keys keys;
	size_t next; /* of them, to be tried */
	unsigned int tries;
	unsigned int not_signed; /* keys the upstream would take, and the agent did not use */
};

/* By enum ipc_agent_failure: what to tell the user, and the log. */
static const struct {
	const char *text, *why;
} agent_failures[] = {
	[IPC_AGENT_NOT_OFFERED] = { "this login needs a key from your agent, and your ssh offers none: use ssh -A, and "
				    "check that ssh-add -l lists your key",
	    "no agent is offered" },
	[IPC_AGENT_DENIED] = { "this login needs a key from your agent, and your ssh could not reach it: check "
			       "that ssh-add -l lists your key",
	    "the client does not open a channel to its agent" },
	[IPC_AGENT_GONE] = { "your agent disappeared before it signed; check that ssh-add -l works",
	    "the agent went away" },
	[IPC_AGENT_GARBLED] = { "your agent sent an answer that cannot be used",
	    "unreadable answer from the agent" },
	[IPC_AGENT_TIMEOUT] = { "your agent did not answer in time; this login needs ssh -A and a session",
	    "LoginGraceTime was over before the agent had signed" },
};

/* Agents want to know for which host they sign: its signature over the session identifier
 * proves it. */
static int
agent_login_host_key(struct ksession *s, struct bytes signature)
{
	struct agent_login *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ERR_NOMEM;
	agent_login_free(&s->up.agent);
	s->up.agent = a;
	buf_init(&a->bind, IPC_PAYLOAD_MAX);
	buf_init(&a->answer, IPC_PAYLOAD_MAX);
	agent_proto_put_bind(&a->bind, buf_bytes(&s->up.host_key),
	    (struct bytes){ s->up.session_id, s->up.session_id_len }, signature);
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
	free(a);
}

static void
agent_login_begin(struct ksession *s)
{
	/* a client that has not proven anything is not let in */
	if (!s->down.methods.complete) {
		ksession_end(s);
		return;
	}
	if (ksession_set_phase(s, IPC_PHASE_AGENT) == 0)
		downstream_let_in(s);
}

static void
agent_login_ask(struct ksession *s, enum agent_request what, const struct buf *request)
{
	struct buf b;

	s->up.agent->request = what;
	ipc_begin(&b, IPC_AGENT_REQUEST);
	if (request->err != 0)
		b.err = request->err;
	wire_put_string(&b, request->data, request->len);
	(void)ksession_send(s, &b, -1);
}

static void
agent_login_fail(struct ksession *s, enum ipc_agent_failure failure)
{
	ksession_refuse(s, agent_failures[failure].text, "%s", agent_failures[failure].why);
}

void
agent_login_opened(struct ksession *s)
{
	if (s->phase != IPC_PHASE_AGENT)
		return;
	if (s->up.agent->open) {
		ksession_end(s);
		return;
	}
	s->up.agent->open = 1;
	/* before anything else: an agent lists some keys only once it knows the host */
	agent_login_ask(s, AGENT_REQUEST_BIND, &s->up.agent->bind);
}

/* No key is left to be tried. */
static void
agent_login_no_key(struct ksession *s)
{
	const struct agent_login *a = s->up.agent;

	if (a->keys.n == 0)
		ksession_refuse(s,
		    "there is no key in your agent, or it is locked: check that ssh-add -l "
		    "lists yours",
		    "the agent lists no key");
	else if (a->not_signed > 0)
		ksession_refuse(s,
		    "your agent did not sign with the key that opens your machine; was it not "
		    "confirmed?",
		    "%s@%s would accept a key, but the agent did not sign with it", s->up.user,
		    s->up.host);
	else
		ksession_refuse(s,
		    "your machine accepts none of the keys in your agent; ask your administrator",
		    "%s@%s accepts none of the %zu keys of the agent, %u tried", s->up.user,
		    s->up.host, a->keys.n, a->tries);
}

static void
agent_login_next(struct ksession *s)
{
	struct agent_login *a = s->up.agent;
	struct buf out;

	buf_init(&out, IPC_MAX - 16);
	while (a->next < a->keys.n && a->tries < AGENT_TRIES_MAX) {
		if (!auth_client_query(s->up.auth, a->keys.v[a->next++], &out))
			continue;
		a->tries++;
		ksession_send_payloads(s, IPC_UPSTREAM, &out);
		buf_free(&out);
		return;
	}
	buf_free(&out);
	agent_login_no_key(s);
}

/* The key that the client has just logged in with comes first. */
static void
agent_login_keys(struct ksession *s, struct bytes answer)
{
	struct agent_login *a = s->up.agent;
	struct bytes used = { NULL, 0 };

	if (s->down.key_verified)
		used = auth_server_key(s->down.auth);
	buf_put(&a->answer, answer.p, answer.len);
	if (buf_err(&a->answer) != 0 ||
	    agent_proto_keys(buf_bytes(&a->answer), used, &a->keys) != 0)
		agent_login_fail(s, IPC_AGENT_GARBLED);
	else
		agent_login_next(s);
}

static void
agent_login_signature(struct ksession *s, struct bytes answer)
{
	struct bytes sig;
	struct buf out;
	int r;

	r = agent_proto_signature(answer, &sig);
	if (r == ERR_FORMAT) {
		agent_login_fail(s, IPC_AGENT_GARBLED);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	if (r == 0 && auth_client_signed(s->up.auth, sig, &out)) {
		ksession_send_payloads(s, IPC_UPSTREAM, &out);
	} else {
		s->up.agent->not_signed++;
		agent_login_next(s);
	}
	buf_free(&out);
}

void
agent_login_answer(struct ksession *s, struct wire *body)
{
	struct bytes answer = wire_string(body);
	struct agent_login *a = s->up.agent;
	enum agent_request request;
	struct buf list;

	if (s->phase != IPC_PHASE_AGENT)
		return;
	request = a->request;
	a->request = AGENT_REQUEST_NONE;
	if (wire_end(body) != 0 || request == AGENT_REQUEST_NONE) {
		ksession_end(s);
		return;
	}
	if (request == AGENT_REQUEST_BIND) {
		/* an agent that does not know it says so, and that is fine */
		buf_init(&list, 16);
		agent_proto_put_list(&list);
		agent_login_ask(s, AGENT_REQUEST_KEYS, &list);
		buf_free(&list);
	} else if (request == AGENT_REQUEST_KEYS) {
		agent_login_keys(s, answer);
	} else {
		agent_login_signature(s, answer);
	}
}

void
agent_login_failed(struct ksession *s, struct wire *body)
{
	uint8_t failure = wire_u8(body);

	if (s->phase != IPC_PHASE_AGENT)
		return;
	if (wire_end(body) != 0 || failure >= sizeof(agent_failures) / sizeof(agent_failures[0]))
		ksession_end(s);
	else if (failure == IPC_AGENT_TIMEOUT && s->up.agent->open &&
	    s->up.agent->request == AGENT_REQUEST_NONE)
		ksession_refuse(s,
		    "your machine did not answer in time; try again later or ask your "
		    "administrator",
		    "%s port %u: LoginGraceTime was over before it had answered the login",
		    s->up.host, s->route->port);
	else
		agent_login_fail(s, failure);
}

static void
agent_login_wanted(struct ksession *s)
{
	const struct agent_login *a = s->up.agent;
	struct bytes key = a->keys.v[a->next - 1];
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];
	struct buf data, request;
	const char *alg;
	int r;

	buf_init(&data, IPC_PAYLOAD_MAX);
	buf_init(&request, IPC_PAYLOAD_MAX);
	r = auth_client_to_sign(s->up.auth, &data, &alg);
	agent_proto_put_sign(&request, key, buf_bytes(&data), alg);
	if (r == 0 && buf_err(&request) == 0 && pubkey_type(key, type) == 0) {
		pubkey_fingerprint(key, fingerprint);
		ksession_info(s, "the agent is asked to sign for %s@%s with %s %s", s->up.user,
		    s->up.host, pubkey_type_short(type), fingerprint);
		agent_login_ask(s, AGENT_REQUEST_SIGNATURE, &request);
	} else {
		agent_login_next(s);
	}
	buf_free(&data);
	buf_free(&request);
}

static void
agent_login_refused(struct ksession *s)
{
	const char *offers = auth_client_methods(s->up.auth);

	if (auth_client_partial(s->up.auth) && !namelist_has(offers, METHOD_PUBLICKEY))
		ksession_refuse(s,
		    "your machine wants more than the key of your agent, which the gateway cannot "
		    "give; ask your administrator",
		    "%s@%s accepted a key of the agent but wants more: %s", s->up.user, s->up.host,
		    offers);
	else if (!namelist_has(offers, METHOD_PUBLICKEY))
		ksession_refuse(s, upstream_text_login, "%s@%s accepts no keys; it offers %s",
		    s->up.user, s->up.host, offers);
	else
		agent_login_next(s);
}

static void
agent_login_ended(struct ksession *s, const char *reason)
{
	ksession_refuse(s,
	    s->up.agent->tries > 0 ?
		"your machine has ended the login: it may accept none of the first keys in your "
		"agent" :
		"your machine has ended the connection; try again later or ask your administrator",
	    "%s port %u: %s", s->up.host, s->route->port, reason);
}

const struct upstream_method agent_login_method = {
	.several = 1,
	.waits_for_client = 1,
	.host_key = agent_login_host_key,
	.begin = agent_login_begin,
	.refused = agent_login_refused,
	.wanted = agent_login_wanted,
	.success = upstream_finish,
	.ended = agent_login_ended,
};
