#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "keeper/downstream.h"
#include "keeper/lookups.h"
#include "keeper/outbox.h"

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
send_errand(struct ward *w)
{
	struct buf b;
	int r;

	ipc_begin(&b, IPC_RUN);
	wire_put_u64(&b, w->id);
	wire_put_u32(&b, (uint32_t)w->pending.command.timeout_ms);
	put_words(&b, &w->pending.command.argv);
	put_words(&b, &w->pending.command.env);
	put_words(&b, &w->pending.command.closed);
	put_words(&b, &w->pending.command.fixed);
	r = outbox_errand(w->keeper, &w->from_errand, IPC_ERRAND_RUN, &b, &w->errand);
	if (r != 0)
		return r;
	w->run_deadline = clock_ms() + w->pending.command.timeout_ms + ERRAND_SLACK_MS;
	return 0;
}

static void
start(struct ward *w)
{
	w->run = WARD_RUNNING;
	w->keeper->running++;
	w->run_err = send_errand(w);
	/* not answered in here, where somebody waits for us to come back */
	if (w->run_err != 0)
		w->run_deadline = 0;
}

static void
start_next(struct keeper *k)
{
	struct ward *w;

	while (k->running < LOOKUPS_MAX && (w = turns_next(&k->asking)) != NULL)
		start(w);
}

void
lookups_ask(struct ward *w)
{
	w->run = WARD_ASKING;
	turns_wait(&w->keeper->asking, &w->run_turn, w, w->client);
	start_next(w->keeper);
}

/* It waits no longer, and does not run. */
static void
settle(struct ward *w)
{
	turns_leave(&w->keeper->asking, &w->run_turn);
	if (w->run == WARD_RUNNING)
		w->keeper->running--;
	w->run = WARD_IDLE;
}

void
lookups_cancel(struct ward *w)
{
	int ran = w->run == WARD_RUNNING;

	settle(w);
	lookup_pending_free(&w->pending);
	if (ran)
		start_next(w->keeper);
}

void
lookups_answer(struct ward *w, struct wire *body, const char *why)
{
	struct lookup_reply reply = { .failure = "", .said = "" };
	struct keeper *k = w->keeper;
	char failure[200], said[256];
	struct bytes out;

	if (w->run != WARD_RUNNING)
		return;
	settle(w);
	fd_close(&w->errand);
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
	downstream_looked_up(w, &reply);
	start_next(k);
}

void
lookups_sweep(struct keeper *k, int64_t now)
{
	struct ward *w, *next;

	for (w = TAILQ_FIRST(&k->wards); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (w->run == WARD_RUNNING && now >= w->run_deadline)
			lookups_answer(w, NULL,
			    w->run_err == 0	      ? "the errand does not answer" :
				w->run_err == ERR_EOF ? "the gateway is being restarted" :
							err_str(w->run_err));
	}
}
