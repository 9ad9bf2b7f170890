/*
 * The errand that runs the program of a second factor (Factor), and carries questions and answers between it
 * and the keeper.  A role of cli/role.c, executed by the master.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/proctitle.h"
#include "base/strlist.h"
#include "errand/confine.h"
#include "errand/errand.h"
#include "errand/factor_lines.h"
#include "errand/run.h"
#include "ipc/messages.h"

/* Bytes that a program may print in all, on standard output and on standard error. */
#define ERRAND_FACTOR_OUTPUT_MAX 65536
#define ERRAND_FACTOR_TIMEOUT_MAX_MS (3600 * 1000)

struct errand_factor {
	int sock;
	struct factor_round round;
	size_t read; /* bytes of the output that have been read */
	int asked;   /* the keeper has yet to answer */
	uint8_t message[IPC_MAX];
};

static int
errand_factor_fail(struct run_result *result, const char *why)
{
	snprintf(result->failure, sizeof(result->failure), "%.*s", (int)sizeof(result->failure) - 1,
	    why);
	return ERR_FORMAT;
}

static int
errand_factor_ask(struct errand_factor *f, struct run_result *result)
{
	struct ipc_factor_ask ask = { .info = buf_bytes(&f->round.info),
		.n = (uint32_t)f->round.n };
	struct buf b;
	size_t i;

	for (i = 0; i < f->round.n; i++)
		ask.questions[i] = (struct ipc_question){ f->round.questions[i].echo,
			{ f->round.questions[i].text, f->round.questions[i].len } };
	ipc_begin(&b, IPC_FACTOR_ASK);
	ipc_factor_ask_put(&b, &ask);
	if (ipc_send(f->sock, &b, -1) != 0)
		return errand_factor_fail(result, "nobody waits for it");
	f->asked = 1;
	return 0;
}

/* Of run_talk: read on in the output, up to the next question. */
static int
errand_factor_said(void *ctx, struct run_result *result)
{
	struct errand_factor *f = ctx;
	struct reason why = { "" };
	struct bytes text;
	enum factor_said said;

	if (f->asked || result->out.len == f->read)
		return 0;
	text = (struct bytes){ result->out.data + f->read, result->out.len - f->read };
	said = factor_round_read(&f->round, &text, &why);
	f->read = result->out.len - text.len;
	if (said == FACTOR_BAD)
		return errand_factor_fail(result, why.text);
	return said == FACTOR_ASK ? errand_factor_ask(f, result) : 0;
}

/* Append the answers, a line each.  0, or ERR_FORMAT: they are not those that were asked for. */
static int
errand_factor_answers(struct errand_factor *f, struct wire *body, struct buf *in)
{
	struct bytes answer;
	size_t i;

	for (i = 0; i < f->round.n; i++) {
		answer = wire_string(body);
		if (answer.len > IPC_QUESTION_MAX ||
		    (answer.len > 0 &&
			(memchr(answer.p, '\n', answer.len) != NULL ||
			    memchr(answer.p, '\0', answer.len) != NULL)))
			return ERR_FORMAT;
		buf_put(in, answer.p, answer.len);
		buf_put_u8(in, '\n');
	}
	return wire_end(body) == 0 ? buf_err(in) : ERR_FORMAT;
}

/* Of run_talk: the keeper has answered, or has no use for the program any more. */
static int
errand_factor_told(void *ctx, struct buf *in, struct run_result *result)
{
	struct errand_factor *f = ctx;
	struct ipc_msg msg;
	int r;

	r = ipc_recv(f->sock, f->message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg);
	if (r == ERR_AGAIN)
		return 0;
	if (r == ERR_EOF)
		return errand_factor_fail(result, "nobody waits for it");
	if (r == 0)
		r = msg.type == IPC_FACTOR_ANSWERS && f->asked ?
		    errand_factor_answers(f, &msg.body, in) :
		    ERR_BADSTATE;
	explicit_bzero(f->message, sizeof(f->message));
	f->asked = 0;
	factor_round_next(&f->round);
	return r == 0 ? 0 : errand_factor_fail(result, "the keeper's answers cannot be read");
}

static int
errand_factor_waits(const void *ctx)
{
	const struct errand_factor *f = ctx;

	return f->asked;
}

static int
errand_factor_permitted(const char *path, const char *programs)
{
	struct strlist words = { 0 };
	int ok;

	if (strcmp(programs, ERRAND_FACTOR_ANY) == 0)
		return 1;
	ok = strlist_add_words(&words, programs) == 0 && strlist_has(&words, path);
	strlist_free(&words);
	return ok;
}

void
errand_factor(int sock, const char *programs)
{
	static struct errand_factor f;
	static char *none[] = { NULL };
	const struct run_talk talk = { &f, errand_factor_said, errand_factor_told,
		errand_factor_waits };
	struct run_order order = { .max = ERRAND_FACTOR_OUTPUT_MAX,
		.watched = sock,
		.talk = &talk };
	struct run_result result = { 0 };
	struct ipc_msg msg;
	struct ipc_run run;
	struct ipc_ran ran;
	struct buf b;

	if (errand_confine_run() != 0 ||
	    ipc_recv(sock, f.message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg) != 0 ||
	    msg.type != IPC_FACTOR || ipc_run_get(&msg.body, &run) != 0)
		_exit(1);
	if (run.argv.n == 0 || run.timeout_ms > ERRAND_FACTOR_TIMEOUT_MAX_MS)
		_exit(1);
	f.sock = sock;
	factor_round_init(&f.round);
	order.argv = run.argv.v;
	order.env = run.env.n > 0 ? run.env.v : none;
	order.timeout_ms = (int)run.timeout_ms;
	order.confined.closed = run.closed.v;
	order.confined.fixed = run.fixed.v;
	signal(SIGTERM, SIG_DFL);
	/* of a program that does not read its answers */
	signal(SIGPIPE, SIG_IGN);
	/* run_program() keeps the time limit; this is in case it does not */
	alarm(run.timeout_ms / 1000 + 5);
	proctitle_set("errand factor %s", order.argv[0]);
	if (errand_factor_permitted(order.argv[0], programs))
		run_program(&order, &result);
	else
		(void)errand_factor_fail(&result,
		    "not run, as FactorPrograms in [gateway] did not name it at the start");
	ipc_begin(&b, IPC_RAN);
	ran = (struct ipc_ran){ .failure = result.failure,
		.status = (uint32_t)result.status,
		.said = result.said };
	ipc_ran_put(&b, &ran);
	_exit(ipc_send(sock, &b, -1) == 0 ? 0 : 1);
}
