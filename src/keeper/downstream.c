#include <stdio.h>
#include <string.h>

#include "auth/pubkey.h"
#include "base/clock.h"
#include "base/log.h"
#include "keeper/carry.h"
#include "keeper/check.h"
#include "keeper/agent_login.h"
#include "keeper/downstream.h"
#include "keeper/grant.h"
#include "keeper/imitate.h"
#include "keeper/lookups.h"
#include "keeper/upstream.h"

/* As in sshd. */
#define PASSWORD_MAX 1024

/* A key that takes more than this is none that could be logged in with. */
#define KEY_TEXT_MAX 24576

static struct lookup_request
request_of(struct ward *w, char session[24], struct buf *key)
{
	snprintf(session, 24, "%04jx", (uintmax_t)w->id);
	buf_init(key, KEY_TEXT_MAX);
	if (pubkey_check(auth_server_key(w->server)) == 0)
		pubkey_format(auth_server_key(w->server), key);
	if (buf_err(key) != 0)
		buf_reset(key);
	return (struct lookup_request){
		.login = auth_server_login(w->server),
		.client_address = w->client,
		.local_address = w->local,
		.fingerprint = auth_server_fingerprint(w->server),
		.public_key = buf_cstr(key),
		.method = auth_server_method(w->server),
		.session = session,
		.client_port = w->client_port,
		.by_key = &w->by_key,
	};
}

static const struct unknown_shape *
shape_of(const struct ward *w)
{
	return unknown_shape(w->keeper, auth_server_login(w->server),
	    w->by_key == LOOKUP_WANTS_KEY);
}

/* A program may take longer for logins that exist, or for the others: so do now both. */
static void
even_out(struct ward *w, enum lookup_result result)
{
	struct keeper *k = w->keeper;

	if (result == LOOKUP_FOUND || result == LOOKUP_NOT_FOUND) {
		w->at_least_us = unknown_draw(k,
		    result == LOOKUP_FOUND ? UNKNOWN_NOT_FOUND : UNKNOWN_FOUND);
		unknown_note(k, result == LOOKUP_FOUND ? UNKNOWN_FOUND : UNKNOWN_NOT_FOUND,
		    clock_us() - w->lookup_at);
	}
	w->lookup_at = 0;
}

/* What became of the lookup: go on with the login, or wait for a program. */
static enum auth_server_verdict
looked_up(struct ward *w, enum lookup_result result, struct buf *out)
{
	char methods[AUTH_METHODS_NEXT_SIZE];

	switch (result) {
	case LOOKUP_FOUND:
		w->invalid = 0;
		break;
	case LOOKUP_NOT_FOUND:
		/* where the key decides, it takes a key to be wrong; and once is enough */
		if (w->invalid || (w->by_key && auth_server_fingerprint(w->server)[0] == '\0'))
			break;
		w->invalid = 1;
		log_info("Invalid user %s from %s port %u", ward_login(w), w->client,
		    w->client_port);
		break;
	case LOOKUP_FAILED:
		break; /* logged where it failed; closed like an unknown login */
	case LOOKUP_ASK:
		if (w->lookup_at == 0)
			w->lookup_at = clock_us();
		lookups_ask(w);
		return AUTH_SERVER_REPLY; /* nothing yet */
	}
	auth_server_each_key(w->server, w->by_key);
	if (w->route == NULL)
		return auth_server_resume(w->server, shape_of(w)->methods, out);
	unknown_learn(w->keeper, w->route);
	auth_methods_init(&w->methods, &w->route->methods);
	auth_methods_init(&w->judged, &w->route->methods);
	auth_methods_next(&w->methods, methods);
	return auth_server_resume(w->server, methods, out);
}

/* What the client may use next. */
static void
offers(const struct ward *w, char out[AUTH_METHODS_NEXT_SIZE])
{
	const struct route *route = w->route;
	char next[AUTH_METHODS_NEXT_SIZE];
	const char *upstream;

	auth_methods_next(&w->methods, next);
	if (w->upstream == NULL || !w->upstream_known) {
		memcpy(out, next, sizeof(next));
		return;
	}
	/* the upstream decides, unless AuthenticationMethods has more to say */
	if (w->methods.complete || route->authentication_methods.n == 0)
		snprintf(next, sizeof(next), "%spassword,keyboard-interactive",
		    strlist_has(&route->methods, "publickey") ? "publickey," : "");
	upstream = auth_client_methods(w->upstream);
	out[0] = '\0';
	if (namelist_has(next, "publickey") && !w->upstream_key &&
	    (w->upstream_in || !w->methods.complete || namelist_has(upstream, "publickey")))
		auth_methods_add(out, AUTH_METHODS_NEXT_SIZE, "publickey");
	auth_methods_add_carried(out, next, upstream);
}

static void verdict(struct ward *w, enum auth_server_verdict v, struct buf *out);

enum answer {
	ANSWER_FAILED,
	ANSWER_DECLINED,
	ANSWER_PASSED
};

/* Answer what the client has in hand, with what it may try now. */
static void
answer(struct ward *w, enum answer what)
{
	enum auth_server_verdict v;
	char methods[AUTH_METHODS_NEXT_SIZE] = "";
	struct buf out;

	if (w->phase == IPC_PHASE_END)
		return;
	if (w->route != NULL) {
		offers(w, methods);
		if (methods[0] == '\0') {
			if (what == ANSWER_FAILED)
				downstream_log(w, "Failed");
			ward_refuse(w,
			    "your machine takes no way to log in that you have here; ask your "
			    "administrator",
			    "%s@%s offers nothing that can be carried: %s", w->user, w->host,
			    w->upstream != NULL ? auth_client_methods(w->upstream) : "");
			return;
		}
	}
	if (methods[0] != '\0' && auth_server_set_methods(w->server, methods) != 0) {
		ward_end(w);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	if (what == ANSWER_FAILED)
		v = auth_server_failure(w->server, &out);
	else if (what == ANSWER_DECLINED)
		v = auth_server_decline(w->server, &out);
	else
		v = auth_server_partial(w->server, methods, &out);
	verdict(w, v, &out);
	buf_free(&out);
}

void
downstream_failed(struct ward *w)
{
	answer(w, ANSWER_FAILED);
}

void
downstream_declined(struct ward *w)
{
	answer(w, ANSWER_DECLINED);
}

void
downstream_passed(struct ward *w)
{
	downstream_log(w, "Partial");
	answer(w, ANSWER_PASSED);
}

void
downstream_ask(struct ward *w, struct bytes question)
{
	struct buf out;

	buf_init(&out, IPC_MAX - 16);
	ward_pace(w);
	verdict(w, auth_server_ask(w->server, question.p, question.len, &out), &out);
	buf_free(&out);
}

void
downstream_ask_password(struct ward *w)
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
	downstream_ask(w, (struct bytes){ b.data, b.len });
	buf_free(&b);
}

/* Something that this process cannot judge. */
static void
carry(struct ward *w)
{
	struct bytes message;

	if (w->route != NULL && w->route->passthrough)
		carry_begin(w);
	else if (w->route == NULL && shape_of(w)->passthrough)
		imitate_carry(w);
	else if (auth_server_carried(w->server, &message) == AUTH_SERVER_CONVERSATION)
		downstream_ask_password(w);
	else
		check_begin(w);
}

void
downstream_password(struct ward *w, const char **hash, struct bytes *password)
{
	*hash = w->route != NULL && w->route->password_hash != NULL ? w->route->password_hash :
								      shape_of(w)->hash;
	/* what is none costs as much, and fails */
	if (auth_server_password(w->server, password) != 0 || password->len > PASSWORD_MAX) {
		*password = (struct bytes){ (const uint8_t *)"", 0 };
	}
}

/* The client has passed one method, judged here: on to the next, or to the machine behind. */
static void
passed(struct ward *w)
{
	char why[GRANT_WHY_SIZE];

	/* found out now, and not when it is in */
	if (grant_check(w->route, &w->options, why) != 0) {
		ward_refuse(w,
		    "what your key may do is more than the gateway can keep in mind; ask your "
		    "administrator",
		    "%s", why);
		return;
	}
	(void)auth_methods_step(&w->judged, auth_server_method(w->server));
	if (!auth_methods_step(&w->methods, auth_server_method(w->server))) {
		downstream_passed(w);
		return;
	}
	if (w->upstream_in) {
		upstream_finish(w);
	} else if (w->route->passthrough) {
		carry_begin(w);
	} else {
		downstream_log(w, "Accepted");
		upstream_dial(w);
	}
}

void
downstream_password_checked(struct ward *w, int ok)
{
	struct bytes password;

	if (w->phase != IPC_PHASE_AUTH)
		return;
	if (ok == -1)
		ward_refuse(w,
		    "the gateway cannot log you in right now; try again later or ask your "
		    "administrator",
		    "no password can be checked");
	else if (ok == 1 && w->route != NULL && w->route->password_hash != NULL &&
	    auth_server_password(w->server, &password) == 0 && password.len <= PASSWORD_MAX)
		passed(w);
	else
		downstream_failed(w);
}

/* What has been proven, and what it lets do, was for this one. */
static void
forget_route(struct ward *w)
{
	route_unref(&w->route);
	w->methods = w->judged = (struct auth_methods){ 0 };
	w->key_proven = 0;
	authorized_options_free(&w->shown);
	authorized_options_free(&w->options);
	w->options.permits = AUTHORIZED_ALL; /* a login without a key has none */
}

static enum auth_server_verdict
look_up(struct ward *w, struct buf *out)
{
	struct lookup_request request;
	enum lookup_result result;
	char session[24];
	struct buf key;

	/* What has been proven so far was proven to the route that is being dialled: another
	 * key does not lead elsewhere any more. */
	if (w->phase != IPC_PHASE_AUTH) {
		auth_server_each_key(w->server, 0);
		return auth_server_resume(w->server, NULL, out);
	}
	forget_route(w);
	request = request_of(w, session, &key);
	result = lookup_begin(w->generation->lookup, &request, &w->pending, &w->route);
	buf_free(&key);
	return looked_up(w, result, out);
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
verdict(struct ward *w, enum auth_server_verdict v, struct buf *out)
{
	while (v == AUTH_SERVER_LOOKUP)
		v = look_up(w, out);
	if (v == AUTH_SERVER_DENIED || refuses(out))
		ward_pace(w);
	if (v == AUTH_SERVER_DENIED) {
		downstream_log_denied(w);
		ward_send_payloads(w, IPC_DOWNSTREAM, out);
		ward_refuse(w, auth_server_reason(w->server), NULL);
		return;
	}
	ward_send_payloads(w, IPC_DOWNSTREAM, out);
	if (w->sock == -1)
		return;
	if (v == AUTH_SERVER_CARRY) {
		carry(w);
	} else if (v == AUTH_SERVER_PROVEN) {
		w->key_proven = 1;
		authorized_options_free(&w->options);
		w->options = w->shown;
		w->shown = (struct authorized_options){ 0 };
		passed(w);
	}
}

void
downstream_looked_up(struct ward *w, const struct lookup_reply *reply)
{
	struct lookup_request request;
	enum lookup_result result;
	struct buf key, out;
	char session[24];

	if (w->phase != IPC_PHASE_AUTH)
		return;
	request = request_of(w, session, &key);
	result = lookup_answer(w->generation->lookup, &request, &w->pending, reply, &w->route);
	buf_free(&key);
	if (result != LOOKUP_ASK)
		even_out(w, result);
	buf_init(&out, IPC_MAX - 16);
	verdict(w, looked_up(w, result, &out), &out);
	buf_free(&out);
}

void
downstream_auth(struct ward *w, struct wire *body)
{
	struct bytes payload = wire_string(body);
	struct buf out;

	if (wire_end(body) != 0 || payload.len == 0) {
		ward_end(w);
		return;
	}
	/* refused, or let in: that is its answer */
	if (w->phase == IPC_PHASE_END || w->phase == IPC_PHASE_AGENT || w->phase == IPC_PHASE_RELAY)
		return;
	buf_init(&out, IPC_MAX - 16);
	verdict(w, auth_server_input(w->server, payload.p, payload.len, &out), &out);
	buf_free(&out);
}

/* What it may do there.  0, or an ERR_* when it cannot be told. */
static int
send_policy(struct ward *w)
{
	struct rules rules;
	struct buf b;
	int r;

	r = grant_rules(w->route, &w->options, &rules);
	if (r != 0)
		return r;
	ipc_begin(&b, IPC_POLICY);
	rules_put(&b, &rules);
	rules_free(&rules);
	return ward_send(w, &b, -1);
}

/*
 * USERAUTH_SUCCESS itself is made by the session's transport, which has to change its
 * state with it; a banner may have to come first.
 */
static void
send_success(struct ward *w, enum ipc_type type)
{
	struct bytes payload;
	struct buf out, b;
	struct wire r;

	buf_init(&out, IPC_MAX - 16);
	if (auth_server_success(w->server, &out) != AUTH_SERVER_REPLY || buf_err(&out) != 0) {
		buf_free(&out);
		ward_end(w);
		return;
	}
	wire_init(&r, out.data, out.len);
	ipc_begin(&b, type);
	for (payload = wire_string(&r); payload.len > 0; payload = wire_string(&r))
		if (payload.p[0] != SSH_MSG_USERAUTH_SUCCESS)
			wire_put_bytes(&b, payload);
	buf_free(&out);
	(void)ward_send(w, &b, -1);
}

void
downstream_let_in(struct ward *w)
{
	send_success(w, IPC_AGENT);
}

void
downstream_success(struct ward *w)
{
	struct buf b;

	if (send_policy(w) != 0) {
		ward_end(w);
		return;
	}
	if (w->agent == NULL) {
		send_success(w, IPC_RELAY);
		return;
	}
	/* it is in already */
	ipc_begin(&b, IPC_RELAY);
	agent_login_put_banner(w, &b);
	(void)ward_send(w, &b, -1);
}
