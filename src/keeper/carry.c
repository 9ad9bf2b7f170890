#include "base/clock.h"
#include "base/log.h"
#include "keeper/carry.h"
#include "keeper/downstream.h"
#include "keeper/upstream.h"

static const char *const text_ended =
    "your machine has ended the login: too many tries, or too much time; try again";

/* The client's answer to this is awaited by the upstream: 1 unless it has proven a key. */
static int
carries(const struct ward *w)
{
	struct bytes message;

	return auth_server_carried(w->server, &message) != AUTH_SERVER_NOTHING;
}

/* It was dialled for a client that has not proven anything: so could it have been for one that
 * does not exist. */
static void
note_offers(struct ward *w)
{
	const char *methods = auth_client_methods(w->upstream);
	char *behind = w->keeper->unknown.behind;

	if (w->key_proven)
		return;
	unknown_note(w->keeper, UNKNOWN_CONNECT, clock_us() - w->asked_at);
	behind[0] = '\0';
	auth_methods_add_carried(behind, methods, methods);
}

void
carry_success(struct ward *w)
{
	/* nobody has looked at what AuthenticationMethods wants to be looked at */
	if (w->asked == UPSTREAM_PROBE && w->route->authentication_methods.n > 0) {
		ward_refuse(w, upstream_text_login,
		    "%s@%s lets anybody in without a password, but AuthenticationMethods asks for one",
		    w->user, w->host);
		return;
	}
	w->upstream_in = 1;
	if (carries(w))
		(void)auth_methods_step(&w->methods, auth_server_method(w->server));
	if (w->methods.complete)
		upstream_finish(w);
	else
		downstream_passed(w);
}

void
carry_refused(struct ward *w)
{
	int partial = auth_client_partial(w->upstream);
	const char *offers;

	w->upstream_known = 1;
	switch (w->asked) {
	case UPSTREAM_NOTHING:
		break;
	case UPSTREAM_PROBE:
		note_offers(w);
		carry_next(w);
		break;
	case UPSTREAM_KEY:
		if (partial) {
			downstream_passed(w);
			break;
		}
		log_warn("session %04jx: %s@%s refused the mapped key", (uintmax_t)w->id, w->user,
		    w->host);
		upstream_key_refused(w);
		offers = auth_client_methods(w->upstream);
		if (namelist_has(offers, "password") ||
		    namelist_has(offers, "keyboard-interactive"))
			downstream_declined(w);
		else
			ward_refuse(w, upstream_text_login, "%s@%s: nothing else is offered",
			    w->user, w->host);
		break;
	case UPSTREAM_CARRIED:
		unknown_note(w->keeper, UNKNOWN_REFUSAL, clock_us() - w->asked_at);
		if (partial) {
			(void)auth_methods_step(&w->methods, auth_server_method(w->server));
			downstream_passed(w);
		} else {
			downstream_failed(w);
		}
		break;
	}
}

/* Send the upstream what the client has in hand, if it takes that. */
void
carry_next(struct ward *w)
{
	enum auth_server_carried what;
	enum auth_client_verdict v;
	struct bytes message;
	struct buf out;

	what = auth_server_carried(w->server, &message);
	if (w->upstream_in) {
		downstream_declined(w); /* there is nobody left to judge it */
		return;
	}
	/* as ssh: what the person types is not for a machine whose key has changed, even where
	 * that is let pass */
	if (what != AUTH_SERVER_NOTHING && w->host_changed) {
		ward_refuse(w, upstream_text_host_key,
		    "the host key of %s has CHANGED: it does not get what the person types",
		    w->host);
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	if (w->upstream_known)
		w->asked_at = clock_us();
	if (what == AUTH_SERVER_NOTHING) {
		if (w->upstream_key) {
			buf_free(&out);
			downstream_declined(w);
			return;
		}
		w->asked = UPSTREAM_KEY;
		w->upstream_key = 1;
		v = auth_client_start(w->upstream, &out);
	} else if (what == AUTH_SERVER_RESPONSE) {
		v = auth_client_respond(w->upstream, message, &out);
	} else if (!w->upstream_known) {
		w->asked = UPSTREAM_PROBE;
		v = auth_client_probe(w->upstream, &out);
	} else if (namelist_has(auth_client_methods(w->upstream), auth_server_method(w->server))) {
		w->asked = UPSTREAM_CARRIED;
		v = auth_client_carry(w->upstream, auth_server_method(w->server), message, &out);
	} else {
		buf_free(&out);
		downstream_declined(w);
		return;
	}
	upstream_verdict(w, v, &out);
	buf_wipe(&out);
}

void
carry_begin(struct ward *w)
{
	if (w->upstream != NULL)
		carry_next(w);
	else if (w->phase == IPC_PHASE_AUTH)
		upstream_dial(w);
}

void
carry_ended(struct ward *w, const char *reason)
{
	/* the last try that it allows is answered with its end */
	if (w->asked == UPSTREAM_CARRIED && carries(w)) {
		/* as it is for who has no machine */
		if (auth_server_tries(w->server) + 1 >=
		    w->generation->conf->gateway.max_auth_tries) {
			downstream_failed(w);
			return;
		}
		downstream_log(w, "Failed");
	}
	ward_refuse(w, text_ended, "%s port %u: %s", w->host, w->route->port, reason);
}
