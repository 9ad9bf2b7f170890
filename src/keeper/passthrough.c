/*
 * Passthrough: the client's passwords and answers are sent to the upstream, which verifies
 * them, and what the upstream answers is the answer to the client.  Keys are verified here, as
 * ever: a client that has proven one has the mapped key tried upstream.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "keeper/downstream.h"
#include "keeper/downstream_factor.h"
#include "keeper/ksession.h"
#include "wire/methods.h"

static const char *const text_ended =
    "your machine has ended the login: too many tries, or too much time; try again";

/* 1 if the client's request is one that the upstream verifies, 0 if it was a proof of a key, or of a
 * factor of the gateway's. */
static int
passthrough_for_upstream(const struct ksession *s)
{
	struct bytes message;

	return auth_server_pending(s->down.auth, &message) != AUTH_SERVER_NOTHING &&
	    s->down.factor == NULL;
}

static void
passthrough_client_methods(const struct ksession *s, char out[AUTH_METHODS_NEXT_SIZE])
{
	const struct passthrough *p = &s->up.passthrough;
	const struct route *route = s->route;
	char next[AUTH_METHODS_NEXT_SIZE];
	const char *upstream;

	auth_methods_next(&s->down.methods, next);
	if (s->up.auth == NULL || !p->methods_known) {
		memcpy(out, next, sizeof(next));
		return;
	}
	/* the upstream decides, unless AuthenticationMethods or a factor has more to say */
	if (s->down.methods.complete || route_upstream_decides(route))
		snprintf(next, sizeof(next), "%spassword,keyboard-interactive",
		    strlist_has(&route->methods, METHOD_PUBLICKEY) ? "publickey," : "");
	upstream = auth_client_methods(s->up.auth);
	out[0] = '\0';
	if (namelist_has(next, METHOD_PUBLICKEY) && !p->key_tried &&
	    (p->success || !s->down.methods.complete || namelist_has(upstream, METHOD_PUBLICKEY)))
		auth_methods_add(out, AUTH_METHODS_NEXT_SIZE, METHOD_PUBLICKEY);
	auth_methods_add_relayed(out, next, upstream);
	if (downstream_factor_first(&s->down.methods) != NULL)
		auth_methods_add(out, AUTH_METHODS_NEXT_SIZE, METHOD_KBDINT);
}

/* The upstream was dialled for a client that has not proven anything, as it would be for an
 * unknown login: so those are to look alike (decoy.h). */
static void
passthrough_note_offer(struct ksession *s)
{
	if (s->down.key_verified)
		return;
	decoy_note(s->keeper, DECOY_CONNECT, clock_us() - s->up.request_at);
	decoy_note_methods(s->keeper, auth_client_methods(s->up.auth));
}

/* Send the mapped key, once.  1, or 0: that has been done. */
static int
passthrough_send_key(struct ksession *s, enum auth_client_verdict *v, struct buf *out)
{
	struct passthrough *p = &s->up.passthrough;

	if (p->key_tried)
		return 0;
	p->request = PASSTHROUGH_KEY;
	p->key_tried = 1;
	*v = auth_client_start(s->up.auth, out);
	return 1;
}

/* Send what the client has sent, after a "none" to find out what the upstream takes.  1, or 0:
 * the upstream does not take this method. */
static int
passthrough_send_client(struct ksession *s, enum auth_client_verdict *v, struct buf *out)
{
	const char *method = auth_server_method(s->down.auth);
	struct passthrough *p = &s->up.passthrough;
	enum auth_server_pending what;
	struct bytes message;

	what = auth_server_pending(s->down.auth, &message);
	if (what == AUTH_SERVER_RESPONSE) {
		*v = auth_client_respond(s->up.auth, message, out);
	} else if (!p->methods_known) {
		p->request = PASSTHROUGH_PROBE;
		*v = auth_client_probe(s->up.auth, out);
	} else if (namelist_has(auth_client_methods(s->up.auth), method)) {
		p->request = PASSTHROUGH_CLIENT;
		*v = auth_client_relay(s->up.auth, method, message, out);
	} else {
		return 0;
	}
	return 1;
}

/* Send the upstream what the client has sent, or the mapped key for a proof of the client's
 * key. */
static void
passthrough_send(struct ksession *s)
{
	int for_upstream = passthrough_for_upstream(s), sent;
	enum auth_client_verdict v = AUTH_CLIENT_WAIT;
	struct buf out;

	/* the upstream has said SUCCESS, and takes no more requests */
	if (s->up.passthrough.success) {
		downstream_declined(s);
		return;
	}
	/* as ssh: what the user types is not for a host whose key has changed, even if
	 * StrictHostKeyChecking = no accepts that */
	if (for_upstream && s->up.host_key_changed) {
		ksession_refuse(s, upstream_text_host_key,
		    "the host key of %s has CHANGED: it does not get what the user types",
		    s->up.host);
		return;
	}
	if (issue_waits(s))
		return; /* for the authority, and then comes back here */
	if (!for_upstream && !s->up.passthrough.key_tried && issue_wanted(s)) {
		issue_begin(s); /* which comes back here */
		return;
	}
	if (s->up.passthrough.methods_known)
		s->up.request_at = clock_us();
	buf_init(&out, IPC_MAX - 16);
	sent = for_upstream ? passthrough_send_client(s, &v, &out) :
			      passthrough_send_key(s, &v, &out);
	if (sent)
		upstream_verdict(s, v, &out);
	else
		downstream_declined(s);
	buf_wipe(&out);
}

/* The client's request is for the upstream: dial it, unless that has been done. */
static void
passthrough_client_request(struct ksession *s)
{
	if (s->up.auth != NULL)
		passthrough_send(s);
	else if (s->phase == IPC_PHASE_AUTH)
		upstream_dial(s);
}

static void
passthrough_finish(struct ksession *s)
{
	ksession_log_auth(s, ATTEMPT_ACCEPTED);
	if (downstream_may_enter(s))
		upstream_finish(s);
}

/* The client has passed all that AuthenticationMethods asks for; so has the gateway upstream,
 * or the mapped key is tried there. */
static void
passthrough_client_done(struct ksession *s)
{
	if (s->up.passthrough.success)
		passthrough_finish(s);
	else
		passthrough_client_request(s);
}

static void
passthrough_success(struct ksession *s)
{
	/* the upstream has let in whoever asks, and has verified nothing */
	if (s->up.passthrough.request == PASSTHROUGH_PROBE && !route_upstream_decides(s->route)) {
		ksession_refuse(s, upstream_text_login,
		    "%s@%s lets anybody in without a password, but AuthenticationMethods "
		    "requires one",
		    s->up.user, s->up.host);
		return;
	}
	s->up.passthrough.success = 1;
	if (passthrough_for_upstream(s))
		downstream_passed_upstream(s);
	if (s->down.methods.complete)
		passthrough_finish(s);
	else
		downstream_partial(s);
}

static void
passthrough_key_refused(struct ksession *s)
{
	const char *methods = auth_client_methods(s->up.auth);

	ksession_warn(s, "%s@%s refused the %s", s->up.user, s->up.host,
	    route_ca(s->route) != NULL ? "certificate" : "mapped key");
	upstream_log_key_refused(s);
	if (namelist_has(methods, METHOD_PASSWORD) || namelist_has(methods, METHOD_KBDINT))
		downstream_declined(s);
	else
		ksession_refuse(s, upstream_text_login, "%s@%s offers no other method", s->up.user,
		    s->up.host);
}

static void
passthrough_refused(struct ksession *s)
{
	int partial = auth_client_partial(s->up.auth);

	s->up.passthrough.methods_known = 1;
	switch (s->up.passthrough.request) {
	case PASSTHROUGH_NONE:
		break;
	case PASSTHROUGH_PROBE:
		passthrough_note_offer(s);
		passthrough_send(s);
		break;
	case PASSTHROUGH_KEY:
		if (partial)
			downstream_partial(s);
		else
			passthrough_key_refused(s);
		break;
	case PASSTHROUGH_CLIENT:
		decoy_note(s->keeper, DECOY_REFUSAL, clock_us() - s->up.request_at);
		if (partial) {
			downstream_passed_upstream(s);
			downstream_partial(s);
		} else {
			downstream_failed(s);
		}
		break;
	}
}

static void
passthrough_asked(struct ksession *s)
{
	struct bytes message;

	if (auth_server_pending(s->down.auth, &message) == AUTH_SERVER_CONVERSATION)
		decoy_note(s->keeper, DECOY_QUESTION, clock_us() - s->up.request_at);
	downstream_ask(s, auth_client_question(s->up.auth));
}

static void
passthrough_ended(struct ksession *s, const char *reason)
{
	int most = s->snapshot->conf->gateway.max_auth_tries;

	/* sshd answers the last try that it allows by ending the connection */
	if (s->up.passthrough.request == PASSTHROUGH_CLIENT && passthrough_for_upstream(s)) {
		/* an unknown login gets the same answer to its last try */
		if (auth_server_tries(s->down.auth) + 1 >= most) {
			downstream_failed(s);
			return;
		}
		ksession_log_auth(s, ATTEMPT_FAILED);
	}
	ksession_refuse(s, text_ended, "%s port %u: %s", s->up.host, s->route->port, reason);
}

const struct upstream_method passthrough_method = {
	.mapped_key = 1,
	.several = 1,
	.waits_for_client = 1,
	.verifies_client = 1,
	.client_methods = passthrough_client_methods,
	.client_request = passthrough_client_request,
	.client_done = passthrough_client_done,
	.begin = passthrough_send,
	.refused = passthrough_refused,
	.asked = passthrough_asked,
	.success = passthrough_success,
	.ended = passthrough_ended,
};
