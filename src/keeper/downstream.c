/*
 * The client's login: its USERAUTH messages go through auth_server, whose verdicts are acted
 * on here, and each request is answered from here.  Keys, passwords and lookups have files of
 * their own.
 */
#include <stdlib.h>
#include <string.h>

#include "access/policy_from_route.h"
#include "access/route_files.h"
#include "formats/authorized_options.h"
#include "keeper/downstream.h"
#include "keeper/downstream_factor.h"
#include "keeper/factor_program.h"
#include "keeper/ksession.h"
#include "wire/ssh.h"

void
downstream_free(struct login_downstream *down)
{
	auth_server_free(&down->auth);
	authorized_options_free(&down->offered_options);
	authorized_options_free(&down->options);
	buf_free(&down->policy);
	strlist_free(&down->keys_used);
	lookup_pending_free(&down->lookup);
	factor_program_forget(down);
}

/* --- answers --- */

/* The next message to the client is a refusal, or shows that there will be none: have the
 * session hold it back for as long as decoy_pace() says. */
static void
downstream_pace(struct ksession *s)
{
	uint32_t us = decoy_pace(s->keeper, auth_server_login(s->down.auth));
	struct buf b;

	/* every client begins with "none": that its refusal waits is not to be noticed */
	if (strcmp(auth_server_method(s->down.auth), "none") == 0)
		us /= 4;
	ipc_begin(&b, IPC_PACE);
	wire_put_u32(&b, us);
	wire_put_u32(&b, s->down.reply_min_us);
	s->down.reply_min_us = 0;
	(void)ksession_send(s, &b, -1);
}

/* What the client may use next. */
static void
downstream_methods(const struct ksession *s, char out[AUTH_METHODS_NEXT_SIZE])
{
	const struct upstream_method *method = upstream_method(s);

	if (method->verifies_client)
		method->client_methods(s, out);
	else
		auth_methods_next(&s->down.methods, out);
}

enum downstream_answer {
	ANSWER_FAILED,
	ANSWER_DECLINED,
	ANSWER_PARTIAL
};

/* Answer the client's request, with what it may try now. */
static void
downstream_answer(struct ksession *s, enum downstream_answer what)
{
	enum auth_server_verdict v;
	char methods[AUTH_METHODS_NEXT_SIZE] = "";
	struct buf out;

	if (s->phase == IPC_PHASE_END)
		return;
	if (s->route != NULL) {
		downstream_methods(s, methods);
		if (methods[0] == '\0') {
			if (what == ANSWER_FAILED)
				ksession_log_auth(s, ATTEMPT_FAILED);
			ksession_refuse(s,
			    "your machine accepts no login method that the gateway can pass on; "
			    "ask your administrator",
			    "%s@%s offers no method that can be passed on: %s", s->up.user,
			    s->up.host, s->up.auth != NULL ? auth_client_methods(s->up.auth) : "");
			return;
		}
	}
	if (methods[0] != '\0' && auth_server_set_methods(s->down.auth, methods) != 0) {
		ksession_end(s);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	if (what == ANSWER_FAILED)
		v = auth_server_failure(s->down.auth, &out);
	else if (what == ANSWER_DECLINED)
		v = auth_server_decline(s->down.auth, &out);
	else
		v = auth_server_partial(s->down.auth, methods, &out);
	s->down.factor = NULL; /* its conversation is over */
	downstream_verdict(s, v, &out);
	buf_free(&out);
}

void
downstream_failed(struct ksession *s)
{
	downstream_answer(s, ANSWER_FAILED);
}

void
downstream_declined(struct ksession *s)
{
	downstream_answer(s, ANSWER_DECLINED);
}

void
downstream_partial(struct ksession *s)
{
	ksession_log_auth(s, ATTEMPT_PARTIAL);
	downstream_answer(s, ANSWER_PARTIAL);
}

void
downstream_ask(struct ksession *s, struct bytes question)
{
	const int counts = s->down.factor != NULL && s->down.factor->give_up_counts;
	struct buf out;

	buf_init(&out, IPC_MAX - 16);
	downstream_pace(s);
	downstream_verdict(s, auth_server_ask(s->down.auth, question.p, question.len, counts, &out),
	    &out);
	buf_free(&out);
}

void
downstream_try_failed(void *session)
{
	struct ksession *s = session;

	s->down.failures++;
	ksession_log_failed_try(s);
}

void
downstream_key_refused(void *session)
{
	struct ksession *s = session;

	ksession_log_failed_key(s, s->down.failures++);
}

/* --- requests --- */

/* A request that auth_server cannot verify: it has a password, or is for a conversation, or is "none". */
static void
downstream_request(struct ksession *s)
{
	const struct upstream_method *method = upstream_method(s);
	struct bytes message;

	if (auth_server_pending(s->down.auth, &message) == AUTH_SERVER_NONE) {
		if (s->route != NULL && route_wants_nobody(s->route))
			downstream_method_passed(s);
		else
			downstream_failed(s);
	} else if (downstream_factor_request(s)) {
		return;
	} else if (method == NULL && decoy_of(s)->passthrough) {
		decoy_answer(s);
	} else if (method != NULL && method->verifies_client) {
		method->client_request(s);
	} else {
		downstream_check_password(s);
	}
}

/* Connections of the same login, in whichever of its sections, that have been let in. */
static int
downstream_count_entered(const struct ksession *s)
{
	const struct ksession *other;
	int n = 0;

	TAILQ_FOREACH(other, &s->keeper->sessions, entry)
		n += other != s && other->down.entered && !other->refused &&
		    strcmp(other->route->login, s->route->login) == 0;
	return n;
}

int
downstream_may_enter(struct ksession *s)
{
	const int max = s->route->max_sessions_per_login;

	if (max > 0 && downstream_count_entered(s) >= max) {
		ksession_refuse(s,
		    "you have as many connections as this login may have at once: close one, and "
		    "connect again",
		    "MaxSessionsPerLogin: this login has %d connections already", max);
		return 0;
	}
	s->down.entered = 1;
	return 1;
}

void
downstream_method_passed(struct ksession *s)
{
	const struct upstream_method *method = upstream_method(s);

	/* if it is too much, the client is refused now, and not once it is let in */
	if (downstream_make_policy(s) != 0)
		return;
	issue_note_proof(s);
	(void)auth_methods_step(&s->down.methods_verified, downstream_method(s));
	if (!auth_methods_step(&s->down.methods, downstream_method(s))) {
		/* the next key is to prove itself to the route of this one */
		if (s->down.key_verified)
			auth_server_each_key(s->down.auth, 0);
		if (auth_methods_device_to_come(&s->down.methods_verified))
			factor_time_begin(s);
		downstream_partial(s);
	} else if (method->verifies_client) {
		method->client_done(s);
	} else {
		ksession_log_auth(s, ATTEMPT_ACCEPTED);
		if (!downstream_may_enter(s))
			return;
		if (s->route->mode != ROUTE_LOGIN)
			jump_let_in(s);
		else
			upstream_dial(s);
	}
}

void
downstream_passed_upstream(struct ksession *s)
{
	(void)auth_methods_step(&s->down.methods, auth_server_method(s->down.auth));
}

/* Is there a FAILURE among the payloads? */
static int
downstream_has_failure(const struct buf *out)
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

/* The client has proven a key, whose options hold from now on, as do those of the keys that it has
 * proven before. */
static void
downstream_key_proven(struct ksession *s)
{
	const char *fingerprint = auth_server_fingerprint(s->down.auth);
	struct reason why;

	/* the client has given up a conversation */
	jobs_cancel_kind(s, JOB_FACTOR);
	buf_free(&s->down.policy);
	if (s->down.keys_used.n == 0) {
		authorized_options_free(&s->down.options);
		s->down.options = s->down.offered_options;
		s->down.offered_options = (struct authorized_options){ 0 };
	} else if (!authorized_options_merge(&s->down.options, &s->down.offered_options, &why)) {
		ksession_info(s, "%s: key %s not accepted beside the one before: %s",
		    ksession_login(s), fingerprint, why.text);
		downstream_failed(s);
		return;
	}
	if (strlist_add(&s->down.keys_used, fingerprint, strlen(fingerprint)) != 0) {
		ksession_end(s);
		return;
	}
	s->down.key_verified = 1;
	downstream_method_passed(s);
}

void
downstream_verdict(struct ksession *s, enum auth_server_verdict v, struct buf *out)
{
	while (v == AUTH_SERVER_LOOKUP)
		v = downstream_look_up(s, out);
	if (v == AUTH_SERVER_DENIED || downstream_has_failure(out))
		downstream_pace(s);
	if (v == AUTH_SERVER_DENIED) {
		ksession_log_denied(s);
		ksession_send_payloads(s, IPC_DOWNSTREAM, out);
		ksession_refuse(s, auth_server_reason(s->down.auth), NULL);
		return;
	}
	ksession_send_payloads(s, IPC_DOWNSTREAM, out);
	if (s->sock == -1)
		return;
	if (v == AUTH_SERVER_PENDING) {
		downstream_request(s);
	} else if (v == AUTH_SERVER_KEY_PROVEN) {
		downstream_key_proven(s);
	}
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
	downstream_verdict(s, auth_server_input(s->down.auth, payload.p, payload.len, &out), &out);
	buf_free(&out);
}

/* --- success --- */

_Static_assert(1 + POLICY_BYTES_MAX <= IPC_MAX, "a policy fits into POLICY");

int
downstream_make_policy(struct ksession *s)
{
	const int held = issue_holds(s);
	struct reason why;
	int r;

	if (held)
		buf_free(&s->down.policy);
	if (s->down.policy.len > 0)
		return 0;
	ipc_begin(&s->down.policy, IPC_POLICY);
	r = policy_from_route(s->route, &s->down.options, held, &s->down.policy, &why);
	if (r != 0) {
		buf_free(&s->down.policy);
		ksession_refuse(s,
		    "the options of your key are longer than the gateway supports; ask your "
		    "administrator",
		    "%s", why.text);
	}
	return r;
}

/* The route's Banner: shown to those alone who have proven themselves, because it tells that the login exists.
 * A login goes on without it. */
static void
downstream_put_banner(struct ksession *s, struct buf *out)
{
	struct reason why;
	char *text;

	if (s->route->banner == NULL)
		return;
	if (route_banner(s->route, &text, &why) != 0)
		ksession_warn(s, "Banner: %s; it is not shown", why.text);
	else if (text[0] != '\0')
		auth_server_text(s->down.auth, text, out);
	free(text);
}

/* USERAUTH_SUCCESS, after the banners that the client has not seen. */
static void
downstream_send_success(struct ksession *s, enum ipc_type type)
{
	struct buf out;

	s->down.success_sent = 1;
	buf_init(&out, IPC_MAX - 16);
	downstream_put_banner(s, &out);
	if (auth_server_success(s->down.auth, &out) == AUTH_SERVER_REPLY)
		ksession_send_payloads(s, type, &out);
	else
		ksession_end(s);
	buf_free(&out);
}

void
downstream_let_in(struct ksession *s)
{
	downstream_send_success(s, IPC_AGENT);
}

void
downstream_success(struct ksession *s)
{
	struct buf b;

	if (ksession_send(s, &s->down.policy, -1) != 0) {
		ksession_end(s);
		return;
	}
	if (!s->down.success_sent) {
		downstream_send_success(s, IPC_RELAY);
		return;
	}
	ipc_begin(&b, IPC_RELAY);
	upstream_put_banner(s, &b);
	(void)ksession_send(s, &b, -1);
}
