#include <stdio.h>
#include <string.h>

#include "formats/pubkey.h"
#include "base/clock.h"
#include "base/log.h"
#include "keeper/passthrough.h"
#include "keeper/agent_login.h"
#include "keeper/downstream.h"
#include "access/policy_from_route.h"
#include "keeper/imitate.h"
#include "keeper/upstream.h"

/* As in sshd. */
#define PASSWORD_MAX 1024

/* A key that takes more than this is none that could be logged in with. */
#define KEY_TEXT_MAX 24576

static struct lookup_request
request_of(struct ksession *s, char session[24], struct buf *key)
{
	snprintf(session, 24, "%04jx", (uintmax_t)s->id);
	buf_init(key, KEY_TEXT_MAX);
	if (pubkey_check(auth_server_key(s->server)) == 0)
		pubkey_format(auth_server_key(s->server), key);
	if (buf_err(key) != 0)
		buf_reset(key);
	return (struct lookup_request){
		.login = auth_server_login(s->server),
		.client_address = s->client,
		.local_address = s->local,
		.fingerprint = auth_server_fingerprint(s->server),
		.public_key = buf_cstr(key),
		.method = auth_server_method(s->server),
		.session = session,
		.client_port = s->client_port,
		.by_key = &s->by_key,
	};
}

static const struct decoy_shape *
shape_of(const struct ksession *s)
{
	return decoy_shape(s->keeper, auth_server_login(s->server), s->by_key == LOOKUP_WANTS_KEY);
}

/* A program may take longer for logins that exist, or for the others: so do now both. */
static void
even_out(struct ksession *s, enum lookup_result result)
{
	struct keeper *k = s->keeper;

	if (result == LOOKUP_FOUND || result == LOOKUP_NOT_FOUND) {
		s->at_least_us = decoy_draw(k,
		    result == LOOKUP_FOUND ? DECOY_NOT_FOUND : DECOY_FOUND);
		decoy_note(k, result == LOOKUP_FOUND ? DECOY_FOUND : DECOY_NOT_FOUND,
		    clock_us() - s->lookup_at);
	}
	s->lookup_at = 0;
}

/* What became of the lookup: go on with the login, or wait for a program. */
static enum auth_server_verdict
looked_up(struct ksession *s, enum lookup_result result, struct buf *out)
{
	char methods[AUTH_METHODS_NEXT_SIZE];

	switch (result) {
	case LOOKUP_FOUND:
		s->invalid = 0;
		break;
	case LOOKUP_NOT_FOUND:
		/* where the key decides, it takes a key to be wrong; and once is enough */
		if (s->invalid || (s->by_key && auth_server_fingerprint(s->server)[0] == '\0'))
			break;
		s->invalid = 1;
		log_info("Invalid user %s from %s port %u", ksession_login(s), s->client,
		    s->client_port);
		break;
	case LOOKUP_FAILED:
		break; /* logged where it failed; closed like an unknown login */
	case LOOKUP_ASK:
		if (s->lookup_at == 0)
			s->lookup_at = clock_us();
		jobs_ask(s, JOB_LOOKUP, s->pending.command.timeout_ms);
		return AUTH_SERVER_REPLY; /* nothing yet */
	}
	auth_server_each_key(s->server, s->by_key);
	if (s->route == NULL)
		return auth_server_resume(s->server, shape_of(s)->methods, out);
	decoy_learn(s->keeper, s->route);
	auth_methods_init(&s->methods, &s->route->methods);
	auth_methods_init(&s->judged, &s->route->methods);
	auth_methods_next(&s->methods, methods);
	return auth_server_resume(s->server, methods, out);
}

/* What the client may use next. */
static void
offers(const struct ksession *s, char out[AUTH_METHODS_NEXT_SIZE])
{
	const struct route *route = s->route;
	char next[AUTH_METHODS_NEXT_SIZE];
	const char *upstream;

	auth_methods_next(&s->methods, next);
	if (s->upstream == NULL || !s->upstream_known) {
		memcpy(out, next, sizeof(next));
		return;
	}
	/* the upstream decides, unless AuthenticationMethods has more to say */
	if (s->methods.complete || route->authentication_methods.n == 0)
		snprintf(next, sizeof(next), "%spassword,keyboard-interactive",
		    strlist_has(&route->methods, "publickey") ? "publickey," : "");
	upstream = auth_client_methods(s->upstream);
	out[0] = '\0';
	if (namelist_has(next, "publickey") && !s->upstream_key &&
	    (s->upstream_in || !s->methods.complete || namelist_has(upstream, "publickey")))
		auth_methods_add(out, AUTH_METHODS_NEXT_SIZE, "publickey");
	auth_methods_add_carried(out, next, upstream);
}

static void verdict(struct ksession *s, enum auth_server_verdict v, struct buf *out);

enum answer {
	ANSWER_FAILED,
	ANSWER_DECLINED,
	ANSWER_PASSED
};

/* Answer what the client has in hand, with what it may try now. */
static void
answer(struct ksession *s, enum answer what)
{
	enum auth_server_verdict v;
	char methods[AUTH_METHODS_NEXT_SIZE] = "";
	struct buf out;

	if (s->phase == IPC_PHASE_END)
		return;
	if (s->route != NULL) {
		offers(s, methods);
		if (methods[0] == '\0') {
			if (what == ANSWER_FAILED)
				ksession_log_auth(s, "Failed");
			ksession_refuse(s,
			    "your machine takes no way to log in that you have here; ask your "
			    "administrator",
			    "%s@%s offers nothing that can be carried: %s", s->user, s->host,
			    s->upstream != NULL ? auth_client_methods(s->upstream) : "");
			return;
		}
	}
	if (methods[0] != '\0' && auth_server_set_methods(s->server, methods) != 0) {
		ksession_end(s);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	if (what == ANSWER_FAILED)
		v = auth_server_failure(s->server, &out);
	else if (what == ANSWER_DECLINED)
		v = auth_server_decline(s->server, &out);
	else
		v = auth_server_partial(s->server, methods, &out);
	verdict(s, v, &out);
	buf_free(&out);
}

void
downstream_try_failed(void *session)
{
	struct ksession *s = session;

	s->failures++;
	ksession_log_failed_try(s);
}

void
downstream_key_refused(void *session)
{
	struct ksession *s = session;

	ksession_log_failed_key(s, s->failures++);
}

void
downstream_failed(struct ksession *s)
{
	answer(s, ANSWER_FAILED);
}

void
downstream_declined(struct ksession *s)
{
	answer(s, ANSWER_DECLINED);
}

void
downstream_passed(struct ksession *s)
{
	ksession_log_auth(s, "Partial");
	answer(s, ANSWER_PASSED);
}

void
downstream_ask(struct ksession *s, struct bytes question)
{
	struct buf out;

	buf_init(&out, IPC_MAX - 16);
	ksession_pace(s);
	verdict(s, auth_server_ask(s->server, question.p, question.len, &out), &out);
	buf_free(&out);
}

void
downstream_ask_password(struct ksession *s)
{
	struct buf b;

	buf_init(&b, 256);
	buf_put_u8(&b, SSH_MSG_USERAUTH_INFO_REQUEST);
	wire_put_text(&b, "");
	wire_put_text(&b, "");
	wire_put_text(&b, "");
	wire_put_u32(&b, 1);
	wire_put_text(&b, "Password: ");
	wire_put_bool(&b, 0);
	downstream_ask(s, (struct bytes){ b.data, b.len });
	buf_free(&b);
}

/* Something that this process cannot judge. */
static void
carry(struct ksession *s)
{
	struct bytes message;

	if (s->route != NULL && s->route->passthrough)
		passthrough_begin(s);
	else if (s->route == NULL && shape_of(s)->passthrough)
		imitate_carry(s);
	else if (auth_server_carried(s->server, &message) == AUTH_SERVER_CONVERSATION)
		downstream_ask_password(s);
	else
		jobs_ask(s, JOB_PASSWORD, 0);
}

void
downstream_password(struct ksession *s, const char **hash, struct bytes *password)
{
	*hash = s->route != NULL && s->route->password_hash != NULL ? s->route->password_hash :
								      shape_of(s)->hash;
	/* what is none costs as much, and fails */
	if (auth_server_password(s->server, password) != 0 || password->len > PASSWORD_MAX) {
		*password = (struct bytes){ (const uint8_t *)"", 0 };
	}
}

/* The client has passed one method, judged here: on to the next, or to the machine behind. */
static void
passed(struct ksession *s)
{
	struct reason why;

	/* found out now, and not when it is in */
	if (policy_from_route_check(s->route, &s->options, &why) != 0) {
		ksession_refuse(s,
		    "what your key may do is more than the gateway can keep in mind; ask your "
		    "administrator",
		    "%s", why.text);
		return;
	}
	(void)auth_methods_step(&s->judged, auth_server_method(s->server));
	if (!auth_methods_step(&s->methods, auth_server_method(s->server))) {
		downstream_passed(s);
		return;
	}
	if (s->upstream_in) {
		upstream_finish(s);
	} else if (s->route->passthrough) {
		passthrough_begin(s);
	} else {
		ksession_log_auth(s, "Accepted");
		upstream_dial(s);
	}
}

void
downstream_password_checked(struct ksession *s, int ok)
{
	struct bytes password;

	if (s->phase != IPC_PHASE_AUTH)
		return;
	if (ok == -1)
		ksession_refuse(s,
		    "the gateway cannot log you in right now; try again later or ask your "
		    "administrator",
		    "no password can be checked");
	else if (ok == 1 && s->route != NULL && s->route->password_hash != NULL &&
	    auth_server_password(s->server, &password) == 0 && password.len <= PASSWORD_MAX)
		passed(s);
	else
		downstream_failed(s);
}

/* What has been proven, and what it lets do, was for this one. */
static void
forget_route(struct ksession *s)
{
	route_unref(&s->route);
	s->methods = s->judged = (struct auth_methods){ 0 };
	s->key_proven = 0;
	authorized_options_free(&s->shown);
	authorized_options_free(&s->options);
	s->options.permits = AUTHORIZED_ALL; /* a login without a key has none */
}

static enum auth_server_verdict
look_up(struct ksession *s, struct buf *out)
{
	struct lookup_request request;
	enum lookup_result result;
	char session[24];
	struct buf key;

	/* What has been proven so far was proven to the route that is being dialled: another
	 * key does not lead elsewhere any more. */
	if (s->phase != IPC_PHASE_AUTH) {
		auth_server_each_key(s->server, 0);
		return auth_server_resume(s->server, NULL, out);
	}
	forget_route(s);
	request = request_of(s, session, &key);
	result = lookup_begin(s->snapshot->lookup, &request, &s->pending, &s->route);
	buf_free(&key);
	return looked_up(s, result, out);
}

/* Is there a FAILURE among the payloads? */
static int
refuses(const struct buf *out)
{
	struct bytes payload;
	struct wire r;

	wire_init(&r, out->data, out->len);
	while (r.left > 0 && wire_err(&r) == 0) {
		payload = wire_string(&r);
		if (payload.len > 0 && payload.p[0] == SSH_MSG_USERAUTH_FAILURE)
			return 1;
	}
	return 0;
}

static void
verdict(struct ksession *s, enum auth_server_verdict v, struct buf *out)
{
	while (v == AUTH_SERVER_LOOKUP)
		v = look_up(s, out);
	if (v == AUTH_SERVER_DENIED || refuses(out))
		ksession_pace(s);
	if (v == AUTH_SERVER_DENIED) {
		ksession_log_denied(s);
		ksession_send_payloads(s, IPC_DOWNSTREAM, out);
		ksession_refuse(s, auth_server_reason(s->server), NULL);
		return;
	}
	ksession_send_payloads(s, IPC_DOWNSTREAM, out);
	if (s->sock == -1)
		return;
	if (v == AUTH_SERVER_CARRY) {
		carry(s);
	} else if (v == AUTH_SERVER_PROVEN) {
		s->key_proven = 1;
		authorized_options_free(&s->options);
		s->options = s->shown;
		s->shown = (struct authorized_options){ 0 };
		passed(s);
	}
}

void
downstream_looked_up(struct ksession *s, const struct lookup_reply *reply)
{
	struct lookup_request request;
	enum lookup_result result;
	struct buf key, out;
	char session[24];

	if (s->phase != IPC_PHASE_AUTH)
		return;
	request = request_of(s, session, &key);
	result = lookup_answer(s->snapshot->lookup, &request, &s->pending, reply, &s->route);
	buf_free(&key);
	if (result != LOOKUP_ASK)
		even_out(s, result);
	buf_init(&out, IPC_MAX - 16);
	verdict(s, looked_up(s, result, &out), &out);
	buf_free(&out);
}

void
downstream_auth(struct ksession *s, struct wire *body)
{
	struct bytes payload = wire_string(body);
	struct buf out;

	if (wire_end(body) != 0 || payload.len == 0) {
		ksession_end(s);
		return;
	}
	/* refused, or let in: that is its answer */
	if (s->phase == IPC_PHASE_END || s->phase == IPC_PHASE_AGENT || s->phase == IPC_PHASE_RELAY)
		return;
	buf_init(&out, IPC_MAX - 16);
	verdict(s, auth_server_input(s->server, payload.p, payload.len, &out), &out);
	buf_free(&out);
}

/* What it may do there.  0, or an ERR_* when it cannot be told. */
static int
send_policy(struct ksession *s)
{
	struct policy rules;
	struct buf b;
	int r;

	r = policy_from_route(s->route, &s->options, &rules);
	if (r != 0)
		return r;
	ipc_begin(&b, IPC_POLICY);
	policy_put(&b, &rules);
	policy_free(&rules);
	return ksession_send(s, &b, -1);
}

/*
 * USERAUTH_SUCCESS itself is made by the session's transport, which has to change its
 * state with it; a banner may have to come first.
 */
static void
send_success(struct ksession *s, enum ipc_type type)
{
	struct bytes payload;
	struct buf out, b;
	struct wire r;

	buf_init(&out, IPC_MAX - 16);
	if (auth_server_success(s->server, &out) != AUTH_SERVER_REPLY || buf_err(&out) != 0) {
		buf_free(&out);
		ksession_end(s);
		return;
	}
	wire_init(&r, out.data, out.len);
	ipc_begin(&b, type);
	for (payload = wire_string(&r); payload.len > 0; payload = wire_string(&r))
		if (payload.p[0] != SSH_MSG_USERAUTH_SUCCESS)
			wire_put_bytes(&b, payload);
	buf_free(&out);
	(void)ksession_send(s, &b, -1);
}

void
downstream_let_in(struct ksession *s)
{
	send_success(s, IPC_AGENT);
}

void
downstream_success(struct ksession *s)
{
	struct buf b;

	if (send_policy(s) != 0) {
		ksession_end(s);
		return;
	}
	if (s->agent == NULL) {
		send_success(s, IPC_RELAY);
		return;
	}
	/* it is in already */
	ipc_begin(&b, IPC_RELAY);
	agent_login_put_banner(s, &b);
	(void)ksession_send(s, &b, -1);
}
