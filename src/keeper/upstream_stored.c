/*
 * The login upstream with what is stored for it: the route's mapped key, its password, or both.
 * auth/auth_stored.c says which comes when; a route without Password just signs with its key.
 */
#include <stdio.h>

#include "keeper/downstream.h"
#include "keeper/ksession.h"
#include "keystore/keystore.h"

static const char *const text_asks_more =
    "your machine wants more than the password that the gateway has for it, or a new one; ask "
    "your administrator";

/*
 * The stored password, on its way through the session: for a client that has passed all that
 * AuthenticationMethods asks for, and for an upstream whose host key has been checked.  As
 * with ssh, not for one whose key has changed, even if StrictHostKeyChecking = no accepts
 * that.
 */
static int
upstream_stored_password(void *ctx, struct secret **out, struct reason *why)
{
	struct ksession *s = ctx;
	int r = ERR_BADSTATE;

	*out = NULL;
	reason_set(why, "not allowed now");
	if (s->up.host_key_changed)
		reason_set(why,
		    "the host key of %s has CHANGED: it does not get the stored password",
		    s->up.host);
	else if ((s->link.parent != NULL || s->down.methods.complete) &&
	    s->phase == IPC_PHASE_UPSTREAM_AUTH)
		r = keystore_password(s->identity->keystore, s->route->password, out, why);
	s->up.stored_missing = r != 0 && !s->up.host_key_changed;
	return r;
}

static const struct auth_stored_ops upstream_stored_ops = { upstream_stored_password };

static void
upstream_stored_begin(struct ksession *s)
{
	enum auth_client_verdict v;
	struct buf out;

	if (issue_wanted(s)) {
		issue_begin(s); /* which comes back here */
		return;
	}
	buf_init(&out, IPC_MAX - 16);
	if (s->route->password != NULL) {
		s->up.stored = (struct auth_stored){ .ops = &upstream_stored_ops,
			.ctx = s,
			.name = s->route->password,
			.has_key = s->route->key != NULL || s->route->key_file != NULL,
			.has_certificate = route_ca(s->route) != NULL };
		v = auth_stored_begin(&s->up.stored, s->up.auth, &out);
	} else {
		v = auth_client_start(s->up.auth, &out);
	}
	upstream_verdict(s, v, &out);
	buf_free(&out);
}

/* The next request, if there is one; or why not. */
static void
upstream_stored_next(struct ksession *s, enum auth_client_verdict v)
{
	struct buf out;

	buf_init(&out, IPC_MAX - 16);
	v = auth_stored_step(&s->up.stored, s->up.auth, v, &out);
	upstream_verdict(s, v, &out);
	buf_wipe(&out);
}

static void
upstream_stored_refused(struct ksession *s)
{
	upstream_stored_next(s, AUTH_CLIENT_REFUSED);
}

static void
upstream_stored_asked(struct ksession *s)
{
	upstream_stored_next(s, AUTH_CLIENT_ASKED);
}

static void
upstream_stored_failed(struct ksession *s)
{
	const char *reason = s->up.stored.reason, *text = upstream_text_login;

	if (s->up.stored.asks_more)
		text = text_asks_more;
	else if (s->up.stored_missing)
		text = upstream_text_gateway;
	upstream_refuse_login(s, text, reason[0] != '\0' ? reason : auth_client_reason(s->up.auth));
}

static void
upstream_stored_ended(struct ksession *s, const char *reason)
{
	if (s->up.stored.sent > STORED_PROBE)
		ksession_refuse(s, upstream_text_login, "%s port %u: ended after %s: %s",
		    s->up.host, s->route->port, auth_stored_sent(&s->up.stored), reason);
	else
		upstream_refuse_ended(s, reason);
}

const struct upstream_method upstream_stored_method = {
	.mapped_key = 1,
	.begin = upstream_stored_begin,
	.refused = upstream_stored_refused,
	.asked = upstream_stored_asked,
	.success = upstream_finish,
	.failed = upstream_stored_failed,
	.ended = upstream_stored_ended,
};
