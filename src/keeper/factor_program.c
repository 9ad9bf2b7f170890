/*
 * The factor "factor": the route's program asks the client, and its exit status is the verdict.  An errand runs
 * it (errand/errand_factor.c).  Called through downstream_factor.c, and by jobs.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "ipc/messages.h"
#include "keeper/downstream_factor.h"
#include "keeper/factor_program.h"
#include "keeper/ksession.h"
#include "keeper/ktls.h"
#include "lookup/program.h"
#include "wire/methods.h"
#include "wire/ssh.h"

/* Without LoginGraceTime: as long as FactorTimeout may be. */
#define FACTOR_TIME_MAX_MS (3600 * 1000)
/* A program that begins at the last moment is run all the same. */
#define FACTOR_TIME_MIN_MS 1000

/* INFO_REQUEST with all that an errand may have asked. */
#define FACTOR_REQUEST_MAX 32768

_Static_assert(IPC_INSTRUCTIONS_MAX + IPC_QUESTIONS_MAX * (IPC_QUESTION_MAX + 5) + 64 <=
	FACTOR_REQUEST_MAX,
    "what may be asked fits into INFO_REQUEST");

/* --- what the program is told --- */

/* How long the login may take yet. */
static int64_t
factor_program_time(const struct ksession *s)
{
	const int grace = s->snapshot->conf->gateway.login_grace_ms;
	int64_t left = FACTOR_TIME_MAX_MS;

	if (s->factor_time.until != 0)
		left = s->factor_time.until - clock_ms();
	else if (grace > 0)
		left = s->started + grace - clock_ms();
	if (left < FACTOR_TIME_MIN_MS)
		return FACTOR_TIME_MIN_MS;
	return left < FACTOR_TIME_MAX_MS ? left : FACTOR_TIME_MAX_MS;
}

int
factor_program_is_first(const struct ksession *s)
{
	return !auth_methods_begun(&s->down.methods);
}

int
factor_program_same(const struct ksession *a, const struct ksession *b)
{
	if (a->route == NULL || b->route == NULL)
		return 0;
	return strcmp(a->route->login, b->route->login) == 0 ||
	    (factor_program_is_first(a) && factor_program_is_first(b) &&
		fairq_same_source(a->client, b->client));
}

static int
factor_program_command(const struct ksession *s, int64_t left_ms, struct lookup_command *command)
{
	const struct strlist *keys = &s->down.keys_used;
	char session[24], time_left[24];
	const struct lookup_request request = {
		.login = s->route->login,
		.client_address = s->client,
		.client_port = s->client_port,
		.local_address = s->local,
		.local_port = s->local_port,
		.host = s->host,
		.certificate = tls_facts_certificate(s->tls),
		.fingerprint = keys->n > 0 ? keys->v[keys->n - 1] : "",
		.method = auth_server_method(s->down.auth),
		.session = session,
	};
	int r;

	snprintf(session, sizeof(session), "%04jx", (uintmax_t)s->id);
	snprintf(time_left, sizeof(time_left), "%jd", (intmax_t)(left_ms / 1000));
	r = program_put(route_factor_command(s->route), s->snapshot->conf->base, &request, command);
	if (r == 0)
		r = program_add_variable(&command->env, "SALLYPORT_ROUTE", s->route->name);
	if (r == 0)
		r = program_add_variable(&command->env, "SALLYPORT_FACTOR_TIMEOUT", time_left);
	if (r == 0)
		r = lookup_keep_out(s->snapshot->lookup, command);
	return r;
}

void
factor_program_put(struct ksession *s, struct buf *order)
{
	const int64_t left_ms = factor_program_time(s); /* it may have waited for its turn */
	struct lookup_command command = { 0 };
	struct ipc_run run;
	int r;

	ipc_begin(order, IPC_FACTOR);
	r = factor_program_command(s, left_ms, &command);
	run = (struct ipc_run){
		.session = s->id,
		.timeout_ms = (uint32_t)left_ms,
		.argv = command.argv,
		.env = command.env,
		.closed = command.closed,
		.fixed = command.fixed,
	};
	ipc_run_put(order, &run);
	if (r != 0 && order->err == 0)
		order->err = r;
	lookup_command_free(&command);
}

/* --- the conversation --- */

void
factor_program_forget(struct login_downstream *down)
{
	size_t i;

	for (i = 0; i < DECOY_ROUNDS; i++)
		buf_free(&down->factor_asked[i]);
}

/* The conversation has failed: unknown logins get its texts from now on.  The texts of a conversation that succeeds
 * may be for its user alone, and are not kept. */
static void
factor_program_show(struct ksession *s)
{
	struct decoy *d = &s->keeper->decoy;
	size_t i;

	for (i = 0; i < DECOY_ROUNDS; i++) {
		if (s->down.factor_asked[i].len == 0)
			continue;
		buf_free(&d->factor_questions[i]);
		d->factor_questions[i] = s->down.factor_asked[i];
		s->down.factor_asked[i] = (struct buf){ 0 };
	}
}

/* An unknown login, or one that is to look like that: it is asked what a known one was asked last, as often, and
 * fails then. */
static void
factor_program_decoy(struct ksession *s)
{
	const struct decoy *d = &s->keeper->decoy;
	const unsigned int round = s->down.factor_rounds++;
	const unsigned int rounds = d->factor_refused ? d->factor_rounds : 1;

	factor_program_show(s);
	if (round >= rounds || round >= DECOY_ROUNDS) {
		s->down.reply_min_us = decoy_draw(s->keeper, DECOY_FACTOR_REFUSAL);
		downstream_failed(s);
		return;
	}
	s->down.reply_min_us = decoy_draw(s->keeper,
	    round == 0 ? DECOY_FACTOR_QUESTION : DECOY_FACTOR_REFUSAL);
	if (d->factor_questions[round].len == 0)
		downstream_ask_password(s);
	else
		downstream_ask(s, buf_bytes(&d->factor_questions[round]));
}

/* The program is of no use, and the log says why: refuse the login.  A client that has not proven anything does
 * not learn that the login exists. */
static void
factor_program_broken(struct ksession *s, const char *what, const char *said)
{
	struct bytes message;
	char seen[512];

	jobs_cancel_kind(s, JOB_FACTOR);
	log_vis(seen, sizeof(seen), said, strlen(said));
	if (!factor_program_is_first(s)) {
		ksession_refuse(s, upstream_text_gateway, "%s: %s%s%s", s->route->factor, what,
		    said[0] == '\0' ? "" : ": ", seen);
		return;
	}
	ksession_error(s, "%s: %s: %s%s%s", ksession_login(s), s->route->factor, what,
	    said[0] == '\0' ? "" : ": ", seen);
	/* if it is the client's turn, its answers will fail */
	if (auth_server_pending(s->down.auth, &message) != AUTH_SERVER_NOTHING)
		factor_program_decoy(s);
}

/* Append a text with "?" in place of what could do something to a terminal; newlines stay if they may. */
static void
factor_program_put_clean(struct buf *b, struct bytes text, int lines)
{
	const uint8_t *p = text.p, *end = text.p + text.len;
	struct buf clean;
	size_t n;

	buf_init(&clean, text.len);
	for (; p < end; p += n) {
		n = utf8_harmless(p, (size_t)(end - p));
		if (n > 0 || (lines && *p == '\n')) {
			n = n > 0 ? n : 1;
			buf_put(&clean, p, n);
		} else {
			n = 1;
			buf_put_u8(&clean, '?');
		}
	}
	wire_put_message(b, &clean);
}

/* INFO_REQUEST (RFC 4256 section 3.2). */
static void
factor_program_put_request(struct buf *b, const struct ipc_factor_ask *ask)
{
	uint32_t i;

	buf_init(b, FACTOR_REQUEST_MAX);
	buf_put_u8(b, SSH_MSG_USERAUTH_INFO_REQUEST);
	wire_put_text(b, "");
	factor_program_put_clean(b, ask->info, 1);
	wire_put_text(b, "");
	wire_put_u32(b, ask->n);
	for (i = 0; i < ask->n; i++) {
		factor_program_put_clean(b, ask->questions[i].text, 0);
		wire_put_bool(b, ask->questions[i].echo);
	}
}

/* Remember what a client is asked in this round: if it is refused, unknown logins are asked the same. */
static void
factor_program_note(struct ksession *s, const struct buf *request)
{
	const unsigned int round = s->down.factor_rounds++;
	struct buf *asked;

	if (round >= DECOY_ROUNDS)
		return;
	asked = &s->down.factor_asked[round];
	decoy_note(s->keeper, round == 0 ? DECOY_FACTOR_QUESTION : DECOY_FACTOR_REFUSAL,
	    clock_us() - s->down.factor_at);
	buf_free(asked);
	buf_init(asked, FACTOR_REQUEST_MAX);
	buf_put(asked, request->data, request->len);
}

static void
factor_program_ask(struct ksession *s, struct wire *body)
{
	struct ipc_factor_ask ask;
	struct buf b;

	if (ipc_factor_ask_get(body, &ask) != 0) {
		factor_program_broken(s, "the errand asks what cannot be read", "");
		return;
	}
	factor_program_put_request(&b, &ask);
	if (buf_err(&b) != 0) {
		factor_program_broken(s, err_str(buf_err(&b)), "");
	} else {
		if (factor_program_is_first(s))
			factor_program_note(s, &b);
		downstream_ask(s, buf_bytes(&b));
	}
	buf_free(&b);
}

/* The program has ended. */
static void
factor_program_ran(struct ksession *s, struct wire *body)
{
	struct ipc_ran ran;
	char what[256];

	if (ipc_ran_get(body, &ran) != 0) {
		factor_program_broken(s, "unreadable answer", "");
	} else if (ran.failure[0] != '\0') {
		factor_program_broken(s, ran.failure, ran.said);
	} else if (ran.status == 0) {
		factor_program_forget(&s->down);
		downstream_method_passed(s);
	} else if (ran.status == 1) {
		if (factor_program_is_first(s)) {
			decoy_note(s->keeper, DECOY_FACTOR_REFUSAL, clock_us() - s->down.factor_at);
			factor_program_show(s);
			s->keeper->decoy.factor_rounds = s->down.factor_rounds;
			s->keeper->decoy.factor_refused = 1;
		}
		downstream_failed(s);
	} else {
		snprintf(what, sizeof(what), "exit status %u", ran.status);
		factor_program_broken(s, what, ran.said);
	}
}

/* It is the client's turn, and the program has nothing to say but that it is no more. */
static void
factor_program_early(struct ksession *s, struct ipc_msg *msg)
{
	struct ipc_ran ran;

	if (msg->type == IPC_RAN && ipc_ran_get(&msg->body, &ran) == 0 && ran.failure[0] != '\0')
		factor_program_broken(s, ran.failure, ran.said);
	else
		factor_program_broken(s, "unreadable answer", "");
}

void
factor_program_done(struct ksession *s, const struct job_result *result)
{
	static const char *const restart = "the gateway is being restarted";
	struct bytes message;

	/* the client has given the conversation up; with Passthrough it may have tried a password upstream before */
	if ((s->phase != IPC_PHASE_AUTH && s->phase != IPC_PHASE_UPSTREAM_AUTH) ||
	    s->down.factor != &factor_program || s->route == NULL ||
	    strcmp(auth_server_method(s->down.auth), METHOD_KBDINT) != 0)
		return;
	if (result->how == JOB_NOT_STARTED)
		factor_program_broken(s, result->err == ERR_EOF ? restart : err_str(result->err),
		    "");
	else if (result->how == JOB_OVERDUE)
		factor_program_broken(s, "the errand does not answer", "");
	else if (result->how == JOB_DIED)
		factor_program_broken(s, "the errand died", "");
	else if (auth_server_pending(s->down.auth, &message) == AUTH_SERVER_NOTHING)
		/* it is the client's turn */
		factor_program_early(s, result->msg);
	else if (result->msg->type == IPC_FACTOR_ASK)
		factor_program_ask(s, &result->msg->body);
	else if (result->msg->type == IPC_RAN)
		factor_program_ran(s, &result->msg->body);
	else
		factor_program_broken(s, "unreadable answer", "");
}

/* --- the client --- */

static void
factor_program_begin(struct ksession *s)
{
	struct reason why;

	s->down.factor_rounds = 0;
	factor_program_forget(&s->down);
	if (s->route == NULL) {
		factor_program_decoy(s);
		return;
	}
	if (program_check(&s->route->file_rule, route_factor_command(s->route), &why) != 0) {
		factor_program_broken(s, why.text, "");
		return;
	}
	s->down.factor_at = clock_us();
	jobs_ask(s, JOB_FACTOR, factor_program_time(s));
}

/* Put the answers of an INFO_RESPONSE into FACTOR_ANSWERS.  0, or ERR_FORMAT: the program cannot be told them, as
 * it reads lines. */
static int
factor_program_put_answers(struct buf *b, struct bytes message)
{
	struct bytes answer;
	struct wire w;
	uint32_t i, n;

	wire_init(&w, message.p, message.len);
	(void)wire_u8(&w);
	n = wire_u32(&w);
	ipc_begin(b, IPC_FACTOR_ANSWERS);
	for (i = 0; i < n && wire_err(&w) == 0; i++) {
		answer = wire_string(&w);
		if (answer.len > IPC_QUESTION_MAX ||
		    (answer.len > 0 &&
			(memchr(answer.p, '\n', answer.len) != NULL ||
			    memchr(answer.p, '\0', answer.len) != NULL)))
			return ERR_FORMAT;
		wire_put_bytes(b, answer);
	}
	return wire_end(&w);
}

static void
factor_program_answer(struct ksession *s, struct bytes message)
{
	struct buf b;

	if (s->route == NULL || !jobs_pending(s, JOB_FACTOR)) {
		factor_program_decoy(s);
		return;
	}
	s->down.factor_at = clock_us();
	if (factor_program_put_answers(&b, message) != 0) {
		buf_wipe(&b);
		jobs_cancel_kind(s, JOB_FACTOR);
		if (factor_program_is_first(s))
			factor_program_decoy(s);
		else
			downstream_failed(s);
	} else if (jobs_tell(s, JOB_FACTOR, &b) != 0) {
		factor_program_broken(s, "the errand died", "");
	}
}

const struct factor factor_program = {
	.method = METHOD_FACTOR,
	.give_up_counts = 1,
	.begin = factor_program_begin,
	.answer = factor_program_answer,
};
