#include "base/clock.h"
#include "base/log.h"
#include "keeper/passthrough.h"
#include "keeper/downstream.h"
#include "keeper/upstream.h"

static const char *const text_ended =
    "your machine has ended the login: too many tries, or too much time; try again";

/* The client's answer to this is awaited by the upstream: 1 unless it has proven a key. */
static int
carries(const struct ksession *s)
{
	struct bytes message;

	return auth_server_carried(s->server, &message) != AUTH_SERVER_NOTHING;
}

/* It was dialled for a client that has not proven anything: so could it have been for one that
 * does not exist. */
static void
note_offers(struct ksession *s)
{
	const char *methods = auth_client_methods(s->upstream);
	char *behind = s->keeper->unknown.behind;

	if (s->key_proven)
		return;
	decoy_note(s->keeper, DECOY_CONNECT, clock_us() - s->asked_at);
	behind[0] = '\0';
	auth_methods_add_carried(behind, methods, methods);
}

void
passthrough_success(struct ksession *s)
{
	/* nobody has looked at what AuthenticationMethods wants to be looked at */
	if (s->asked == UPSTREAM_PROBE && s->route->authentication_methods.n > 0) {
		ksession_refuse(s, upstream_text_login,
		    "%s@%s lets anybody in without a password, but AuthenticationMethods asks for one",
		    s->user, s->host);
		return;
	}
	s->upstream_in = 1;
	if (carries(s))
		(void)auth_methods_step(&s->methods, auth_server_method(s->server));
	if (s->methods.complete)
		upstream_finish(s);
	else
		downstream_passed(s);
}

void
passthrough_refused(struct ksession *s)
{
	int partial = auth_client_partial(s->upstream);
	const char *offers;

	s->upstream_known = 1;
	switch (s->asked) {
	case UPSTREAM_NOTHING:
		break;
	case UPSTREAM_PROBE:
		note_offers(s);
		passthrough_next(s);
		break;
	case UPSTREAM_KEY:
		if (partial) {
			downstream_passed(s);
			break;
		}
		ksession_warn(s, "%s@%s refused the mapped key", s->user, s->host);
		upstream_key_refused(s);
		offers = auth_client_methods(s->upstream);
		if (namelist_has(offers, "password") ||
		    namelist_has(offers, "keyboard-interactive"))
			downstream_declined(s);
		else
			ksession_refuse(s, upstream_text_login, "%s@%s: nothing else is offered",
			    s->user, s->host);
		break;
	case UPSTREAM_CARRIED:
		decoy_note(s->keeper, DECOY_REFUSAL, clock_us() - s->asked_at);
		if (partial) {
			(void)auth_methods_step(&s->methods, auth_server_method(s->server));
			downstream_passed(s);
		} else {
			downstream_failed(s);
		}
		break;
	}
}

/* Send the upstream what the client has in hand, if it takes that. */
void
passthrough_next(struct ksession *s)
{
	enum auth_server_carried what;
	enum auth_client_verdict v;
	struct bytes message;
	struct buf out;

	what = auth_server_carried(s->server, &message);
	if (s->upstream_in) {
		downstream_declined(s); /* there is nobody left to judge it */
		return;
	}
	/* as ssh: what the person types is not for a machine whose key has changed, even where
	 * that is let pass */
	if (what != AUTH_SERVER_NOTHING && s->host_changed) {
		ksession_refuse(s, upstream_text_host_key,
		    "the host key of %s has CHANGED: it does not get what the person types",
		    s->host);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	if (s->upstream_known)
		s->asked_at = clock_us();
	if (what == AUTH_SERVER_NOTHING) {
		if (s->upstream_key) {
			buf_free(&out);
			downstream_declined(s);
			return;
		}
		s->asked = UPSTREAM_KEY;
		s->upstream_key = 1;
		v = auth_client_start(s->upstream, &out);
	} else if (what == AUTH_SERVER_RESPONSE) {
		v = auth_client_respond(s->upstream, message, &out);
	} else if (!s->upstream_known) {
		s->asked = UPSTREAM_PROBE;
		v = auth_client_probe(s->upstream, &out);
	} else if (namelist_has(auth_client_methods(s->upstream), auth_server_method(s->server))) {
		s->asked = UPSTREAM_CARRIED;
		v = auth_client_carry(s->upstream, auth_server_method(s->server), message, &out);
	} else {
		buf_free(&out);
		downstream_declined(s);
		return;
	}
	upstream_verdict(s, v, &out);
	buf_wipe(&out);
}

void
passthrough_begin(struct ksession *s)
{
	if (s->upstream != NULL)
		passthrough_next(s);
	else if (s->phase == IPC_PHASE_AUTH)
		upstream_dial(s);
}

void
passthrough_ended(struct ksession *s, const char *reason)
{
	/* the last try that it allows is answered with its end */
	if (s->asked == UPSTREAM_CARRIED && carries(s)) {
		/* as it is for who has no machine */
		if (auth_server_tries(s->server) + 1 >= s->snapshot->conf->gateway.max_auth_tries) {
			downstream_failed(s);
			return;
		}
		ksession_log_auth(s, "Failed");
	}
	ksession_refuse(s, text_ended, "%s port %u: %s", s->host, s->route->port, reason);
}
