#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "keeper/downstream.h"
#include "keeper/lookups.h"
#include "keeper/master_link.h"

/* An errand keeps to the timeout itself; this is for one that does not. */
#define ERRAND_SLACK_MS 3000

static void
put_words(struct buf *b, const struct strlist *words)
{
	size_t i;

	wire_put_u32(b, (uint32_t)words->n);
	for (i = 0; i < words->n; i++)
		wire_put_text(b, words->v[i]);
}

/* Ask the master for an errand.  0 or an ERR_*. */
static int
send_errand(struct ksession *s)
{
	struct buf b;
	int r;

	ipc_begin(&b, IPC_RUN);
	wire_put_u64(&b, s->id);
	wire_put_u32(&b, (uint32_t)s->pending.command.timeout_ms);
	put_words(&b, &s->pending.command.argv);
	put_words(&b, &s->pending.command.env);
	put_words(&b, &s->pending.command.closed);
	put_words(&b, &s->pending.command.fixed);
	r = master_link_errand(s->keeper, &s->from_errand, IPC_ERRAND_RUN, &b, &s->errand);
	if (r != 0)
		return r;
	s->run_deadline = clock_ms() + s->pending.command.timeout_ms + ERRAND_SLACK_MS;
	return 0;
}

static void
start(struct ksession *s)
{
	s->run = KSESSION_RUNNING;
	s->keeper->running++;
	s->run_err = send_errand(s);
	/* not answered in here, where somebody waits for us to come back */
	if (s->run_err != 0)
		s->run_deadline = 0;
}

static void
start_next(struct keeper *k)
{
	struct ksession *s;

	while (k->running < LOOKUPS_MAX && (s = fairq_next(&k->asking)) != NULL)
		start(s);
}

void
lookups_ask(struct ksession *s)
{
	s->run = KSESSION_ASKING;
	fairq_wait(&s->keeper->asking, &s->run_turn, s, s->client);
	start_next(s->keeper);
}

/* It waits no longer, and does not run. */
static void
settle(struct ksession *s)
{
	fairq_leave(&s->keeper->asking, &s->run_turn);
	if (s->run == KSESSION_RUNNING)
		s->keeper->running--;
	s->run = KSESSION_IDLE;
}

void
lookups_cancel(struct ksession *s)
{
	int ran = s->run == KSESSION_RUNNING;

	settle(s);
	lookup_pending_free(&s->pending);
	if (ran)
		start_next(s->keeper);
}

void
lookups_answer(struct ksession *s, struct wire *body, const char *why)
{
	struct lookup_reply reply = { .failure = "", .said = "" };
	struct keeper *k = s->keeper;
	char failure[200], said[256];
	struct bytes out;

	if (s->run != KSESSION_RUNNING)
		return;
	settle(s);
	fd_close(&s->errand);
	if (body != NULL) {
		wire_text(body, failure, sizeof(failure));
		reply.status = (int)(wire_u32(body) & 0xff);
		out = wire_string(body);
		wire_text(body, said, sizeof(said));
		reply.failure = failure;
		reply.out = out.p;
		reply.len = out.len;
		reply.said = said;
		if (wire_end(body) != 0 || out.len > LOOKUP_REPLY_MAX)
			body = NULL;
	}
	if (body == NULL)
		reply = (struct lookup_reply){ .failure = why == NULL ? "unreadable answer" : why,
			.said = "" };
	downstream_looked_up(s, &reply);
	start_next(k);
}

void
lookups_sweep(struct keeper *k, int64_t now)
{
	struct ksession *s, *next;

	for (s = TAILQ_FIRST(&k->sessions); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->run == KSESSION_RUNNING && now >= s->run_deadline)
			lookups_answer(s, NULL,
			    s->run_err == 0	      ? "the errand does not answer" :
				s->run_err == ERR_EOF ? "the gateway is being restarted" :
							err_str(s->run_err));
	}
}
