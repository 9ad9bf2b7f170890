/*
 * Where a login leads: the route that lookups find for it, now or once a lookup program has
 * answered.  downstream.c asks; jobs.c has the program run.
 */
#include <stdio.h>
#include <string.h>

#include "access/user_key.h"
#include "base/clock.h"
#include "base/log.h"
#include "formats/pubkey.h"
#include "ipc/messages.h"
#include "keeper/downstream.h"
#include "keeper/ksession.h"
#include "keeper/ktls.h"
#include "wire/methods.h"
#include "wire/wire.h"

/* Longer public keys are not passed to lookups: none of that size is accepted. */
#define DOWNSTREAM_KEY_TEXT_MAX 24576

/* What a lookup is told; session and key are where its texts go. */
static struct lookup_request
downstream_lookup_request_of(struct ksession *s, char session[24], struct buf *key)
{
	snprintf(session, 24, "%04jx", (uintmax_t)s->id);
	buf_init(key, DOWNSTREAM_KEY_TEXT_MAX);
	if (pubkey_check(auth_server_key(s->down.auth)) == 0)
		pubkey_format(auth_server_key(s->down.auth), key);
	if (buf_err(key) != 0)
		buf_reset(key);
	return (struct lookup_request){
		.login = auth_server_login(s->down.auth),
		.client_address = s->client,
		.local_address = s->local,
		.local_port = s->local_port,
		.host = s->host,
		.certificate = tls_facts_certificate(s->tls),
		.fingerprint = auth_server_fingerprint(s->down.auth),
		.public_key = buf_cstr(key),
		.method = auth_server_method(s->down.auth),
		.session = session,
		.client_port = s->client_port,
		.by_key = &s->down.by_key,
		.key = auth_server_key(s->down.auth),
		.listed = user_key_listed,
	};
}

/* What has been proven, and what that permits, was for this route. */
static void
downstream_lookup_forget_route(struct ksession *s)
{
	jobs_cancel_kind(s, JOB_FACTOR);
	route_free(&s->route);
	s->down.methods = s->down.methods_verified = (struct auth_methods){ 0 };
	s->down.factor = NULL;
	s->down.proofs[0] = '\0';
	s->down.key_verified = 0;
	strlist_free(&s->down.keys_used);
	authorized_options_free(&s->down.offered_options);
	authorized_options_free(&s->down.options);
	buf_free(&s->down.policy);
	s->down.options.permits = AUTHORIZED_ALL; /* a login without a key has no options */
}

/* Where the key decides, a login is invalid only with a key that is wrong; and once is enough. */
static void
downstream_lookup_log_invalid(struct ksession *s)
{
	if (s->down.invalid_logged ||
	    (s->down.by_key && auth_server_fingerprint(s->down.auth)[0] == '\0'))
		return;
	s->down.invalid_logged = 1;
	ksession_log_invalid_user(s);
}

/* What the client may use next: also a key where another route is selected by one, so that it is sent. */
static void
downstream_lookup_methods(const struct ksession *s, char out[AUTH_METHODS_NEXT_SIZE])
{
	char next[AUTH_METHODS_NEXT_SIZE];

	auth_methods_next(&s->down.methods, next);
	if (s->down.by_key == LOOKUP_WANTS_KEY && !namelist_has(next, METHOD_PUBLICKEY))
		snprintf(out, AUTH_METHODS_NEXT_SIZE, "%s,%.53s", METHOD_PUBLICKEY, next);
	else
		memcpy(out, next, sizeof(next));
}

/* Go on with the login, or wait for a program. */
static enum auth_server_verdict
downstream_lookup_resume(struct ksession *s, enum lookup_result result, struct buf *out)
{
	char methods[AUTH_METHODS_NEXT_SIZE];

	switch (result) {
	case LOOKUP_FOUND:
		s->down.invalid_logged = 0;
		break;
	case LOOKUP_NOT_FOUND:
		downstream_lookup_log_invalid(s);
		break;
	case LOOKUP_FAILED:
		break; /* logged where it failed; answered like an unknown login */
	case LOOKUP_ASK:
		if (s->down.lookup_started == 0)
			s->down.lookup_started = clock_us();
		jobs_ask(s, JOB_LOOKUP, s->down.lookup.command.timeout_ms);
		return AUTH_SERVER_REPLY; /* nothing yet */
	}
	auth_server_each_key(s->down.auth, s->down.by_key);
	if (s->route == NULL)
		return auth_server_resume(s->down.auth, decoy_of(s)->methods, out);
	decoy_learn(s->keeper, s->route);
	auth_methods_init(&s->down.methods, &s->route->methods);
	auth_methods_init(&s->down.methods_verified, &s->route->methods);
	downstream_lookup_methods(s, methods);
	return auth_server_resume(s->down.auth, methods, out);
}

/* 1 if ClientRules keep the certificate of the TLS client from this login, which then does not exist for it. */
static int
downstream_lookup_denied(struct ksession *s)
{
	const char *login = auth_server_login(s->down.auth);
	unsigned int line;

	if (s->tls == NULL ||
	    tls_facts_allow(s->tls, &s->snapshot->tls, login, s->host, s->client, &line))
		return 0;
	if (!s->down.invalid_logged)
		ksession_info(s,
		    "ClientRules of [tls %s], line %u: %s is denied to its certificate",
		    s->tls->section, line, ksession_login(s));
	return 1;
}

enum auth_server_verdict
downstream_look_up(struct ksession *s, struct buf *out)
{
	struct lookup_request request;
	enum lookup_result result;
	char session[24];
	struct buf key;

	/* What has been proven so far was proven to the route that is being dialled: another
	 * key does not lead elsewhere any more. */
	if (s->phase != IPC_PHASE_AUTH) {
		auth_server_each_key(s->down.auth, 0);
		return auth_server_resume(s->down.auth, NULL, out);
	}
	downstream_lookup_forget_route(s);
	if (downstream_lookup_denied(s))
		return downstream_lookup_resume(s, LOOKUP_NOT_FOUND, out);
	request = downstream_lookup_request_of(s, session, &key);
	result = lookup_begin(s->snapshot->lookup, &request, &s->down.lookup, &s->route);
	buf_free(&key);
	return downstream_lookup_resume(s, result, out);
}

/* --- programs --- */

void
downstream_put_lookup(struct ksession *s, struct buf *order)
{
	const struct lookup_command *command = &s->down.lookup.command;
	const struct ipc_run run = {
		.session = s->id,
		.timeout_ms = (uint32_t)command->timeout_ms,
		.argv = command->argv,
		.env = command->env,
		.closed = command->closed,
		.fixed = command->fixed,
	};

	ipc_begin(order, IPC_RUN);
	ipc_run_put(order, &run);
}

/* Why no lookup program has answered. */
static const char *
downstream_lookup_job_failure(const struct job_result *result)
{
	switch (result->how) {
	case JOB_NOT_STARTED:
		return result->err == ERR_EOF ? "the gateway is being restarted" :
						err_str(result->err);
	case JOB_OVERDUE:
		return "the errand does not answer";
	default:
		return "the errand died";
	}
}

/* Read RAN; reply points into it.  0 or ERR_FORMAT. */
static int
downstream_lookup_read_ran(struct ipc_msg *msg, struct ipc_ran *ran, struct lookup_reply *reply)
{
	if (msg->type != IPC_RAN || ipc_ran_get(&msg->body, ran) != 0 ||
	    ran->out.len > LOOKUP_REPLY_MAX)
		return ERR_FORMAT;
	reply->failure = ran->failure;
	reply->status = (int)(ran->status & 0xff);
	reply->out = ran->out.p;
	reply->len = ran->out.len;
	reply->said = ran->said;
	return 0;
}

/* A program may take longer for logins that exist, or for unknown ones: the answer takes both
 * times. */
static void
downstream_lookup_even_time(struct ksession *s, enum lookup_result result)
{
	struct keeper *k = s->keeper;

	if (result == LOOKUP_FOUND || result == LOOKUP_NOT_FOUND) {
		s->down.reply_min_us = decoy_draw(k,
		    result == LOOKUP_FOUND ? DECOY_NOT_FOUND : DECOY_FOUND);
		decoy_note(k, result == LOOKUP_FOUND ? DECOY_FOUND : DECOY_NOT_FOUND,
		    clock_us() - s->down.lookup_started);
	}
	s->down.lookup_started = 0;
}

void
downstream_lookup_done(struct ksession *s, const struct job_result *result)
{
	struct lookup_reply reply = { 0 };
	char session[24];
	struct ipc_ran ran;
	struct lookup_request request;
	enum lookup_result found;
	struct buf key, out;

	if (s->phase != IPC_PHASE_AUTH)
		return;
	if (result->how != JOB_ANSWERED)
		reply = (struct lookup_reply){ .failure = downstream_lookup_job_failure(result),
			.said = "" };
	else if (downstream_lookup_read_ran(result->msg, &ran, &reply) != 0)
		reply = (struct lookup_reply){ .failure = "unreadable answer", .said = "" };
	request = downstream_lookup_request_of(s, session, &key);
	found = lookup_answer(s->snapshot->lookup, &request, &s->down.lookup, &reply, &s->route);
	buf_free(&key);
	if (found != LOOKUP_ASK)
		downstream_lookup_even_time(s, found);
	buf_init(&out, IPC_MAX - 16);
	downstream_verdict(s, downstream_lookup_resume(s, found, &out), &out);
	buf_free(&out);
}
