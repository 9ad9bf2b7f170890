/*
 * Jobs and the errands that do them: queues, limits and deadlines for all kinds.  downstream
 * and upstream ask for jobs and take their results; keeper.c calls jobs_start(), jobs_sweep()
 * and jobs_input().
 */
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "keeper/downstream.h"
#include "keeper/factor_program.h"
#include "keeper/issue.h"
#include "keeper/jump.h"
#include "keeper/jobs.h"
#include "keeper/ksession.h"
#include "keeper/master_link.h"
#include "keeper/upstream.h"

/* An errand that runs a program keeps to its timeout by itself: this is for an errand that
 * does not. */
#define JOB_SLACK_MS 3000

static const struct job_type {
	enum ipc_errand errand;
	enum ipc_phase phase; /* of the sessions that wait for it */
	unsigned int max;
	/* So many run at once of jobs that are alike by same(); NULL: no such limit. */
	unsigned int max_same;
	int (*same)(const struct ksession *, const struct ksession *);
	/* So many run at once of jobs of sessions for which some() holds; NULL: no such limit. */
	unsigned int max_some;
	int (*some)(const struct ksession *);
	int fair;	/* the queue is fair by address: these clients have proven nothing yet, or
			 * may ask again and again */
	int queue_time; /* timeout_ms is the time in the queue, not that of the errand */
	int keeps;	/* the place stays taken after an answer, until jobs_dial_over() */
	int finishes;	/* the errand cannot be stopped: it keeps its place to its end */
	int shared;	/* jobs with the same order wait for one errand */
	enum ipc_type more; /* an answer after which the errand goes on; IPC_NONE: there is none */
	/* Begin the errand's order, which is freed here. */
	void (*put_order)(struct ksession *, struct buf *order);
	void (*done)(struct ksession *, const struct job_result *);
} job_types[JOB_KINDS] = {
	[JOB_LOOKUP] = { .errand = IPC_ERRAND_RUN,
	    .phase = IPC_PHASE_AUTH,
	    .max = JOBS_LOOKUPS_MAX,
	    .fair = 1,
	    .put_order = downstream_put_lookup,
	    .done = downstream_lookup_done },
	[JOB_PASSWORD] = { .errand = IPC_ERRAND_PASSWORD,
	    .phase = IPC_PHASE_AUTH,
	    .max = JOBS_PASSWORDS_MAX,
	    .fair = 1,
	    .finishes = 1,
	    .put_order = downstream_put_password,
	    .done = downstream_password_done },
	[JOB_DIAL] = { .errand = IPC_ERRAND_DIAL,
	    .phase = IPC_PHASE_DIAL,
	    .max = JOBS_DIALS_MAX,
	    .max_same = JOBS_DIALS_SAME_MAX,
	    .same = upstream_same,
	    .queue_time = 1,
	    .keeps = 1,
	    .put_order = upstream_put_dial,
	    .done = upstream_dial_done },
	[JOB_LOOK] = { .errand = IPC_ERRAND_LOOK,
	    .phase = IPC_PHASE_UPSTREAM_KEX,
	    .max = JOBS_LOOKS_MAX,
	    .shared = 1,
	    .put_order = upstream_put_look,
	    .done = upstream_look_done },
	[JOB_JUMP] = { .errand = IPC_ERRAND_DIAL,
	    .phase = IPC_PHASE_RELAY,
	    .max = JOBS_JUMPS_MAX,
	    .fair = 1,
	    .put_order = jump_put_dial,
	    .done = jump_dial_done },
	[JOB_FACTOR] = { .errand = IPC_ERRAND_FACTOR,
	    .phase = IPC_PHASE_AUTH,
	    .max = JOBS_FACTORS_MAX,
	    .max_same = JOBS_FACTORS_SAME_MAX,
	    .same = factor_program_same,
	    .max_some = JOBS_FACTORS_FIRST_MAX,
	    .some = factor_program_is_first,
	    .fair = 1,
	    .more = IPC_FACTOR_ASK,
	    .put_order = factor_program_put,
	    .done = factor_program_done },
	[JOB_CA] = { .errand = IPC_ERRAND_CA,
	    .phase = IPC_PHASE_UPSTREAM_AUTH,
	    .max = JOBS_CA_MAX,
	    .max_same = JOBS_CA_SAME_MAX,
	    .same = issue_same_agent,
	    .fair = 1,
	    .put_order = issue_put_order,
	    .done = issue_done },
};

void
jobs_init(struct keeper *k)
{
	struct job_place *p = k->jobs.places;
	enum job_kind kind;
	unsigned int n;

	for (kind = 0; kind < JOB_KINDS; kind++) {
		fairq_init(&k->jobs.queues[kind]);
		k->jobs.first[kind] = p;
		for (n = 0; n < job_types[kind].max; n++, p++) {
			*p = (struct job_place){ .keeper = k, .kind = kind, .sock = -1 };
			p->source = (struct source){ .kind = SOURCE_ERRAND, .place = p };
			TAILQ_INIT(&p->jobs);
		}
	}
	k->jobs.first[JOB_KINDS] = p;
}

static int
job_place_is_free(const struct job_place *p)
{
	return p->sock == -1 && TAILQ_EMPTY(&p->jobs);
}

static struct job_place *
job_place_free(struct keeper *k, enum job_kind kind)
{
	struct job_place *p;

	for (p = k->jobs.first[kind]; p < k->jobs.first[kind + 1]; p++)
		if (job_place_is_free(p))
			return p;
	return NULL;
}

/* The place of an errand that runs with the same order, or NULL. */
static struct job_place *
job_place_with_order(struct keeper *k, enum job_kind kind, const struct buf *order)
{
	struct job_place *p;

	for (p = k->jobs.first[kind]; p < k->jobs.first[kind + 1]; p++)
		if (p->sock != -1 && p->order.len == order->len &&
		    memcmp(p->order.data, order->data, order->len) == 0)
			return p;
	return NULL;
}

/* The errand has ended, or is stopped: it sees its socket close. */
static void
job_place_close(struct job_place *p)
{
	fd_close(&p->sock);
	buf_wipe(&p->order); /* the password for a proxy may be in it */
	p->keeper->jobs.changed = 1;
}

static void
job_enter(struct job *job, struct job_place *p)
{
	job->place = p;
	TAILQ_INSERT_TAIL(&p->jobs, job, entry);
}

static void
job_leave(struct job *job)
{
	TAILQ_REMOVE(&job->place->jobs, job, entry);
	job->place->keeper->jobs.changed = 1;
	job->place = NULL;
}

/* Start an errand in a free place.  Frees the order; 0 or an ERR_*. */
static int
job_place_start(struct job_place *p, struct buf *order, int64_t timeout_ms)
{
	const struct job_type *type = &job_types[p->kind];
	int r;

	p->deadline = timeout_ms > 0 && !type->queue_time ? clock_ms() + timeout_ms + JOB_SLACK_MS :
							    CLOCK_NEVER;
	buf_init(&p->order, order->max);
	if (type->shared)
		buf_put(&p->order, order->data, order->len);
	r = buf_err(&p->order);
	if (r == 0)
		r = master_link_errand(p->keeper, &p->source, type->errand, order, &p->sock);
	else
		buf_wipe(order);
	if (r != 0)
		buf_wipe(&p->order);
	return r;
}

/* Start a job whose turn has come, in a free place. */
static void
job_start(struct job *job, struct job_place *p)
{
	const struct job_type *type = &job_types[job->kind];
	struct job_place *other = NULL;
	struct buf order;
	int r;

	type->put_order(job->session, &order);
	r = buf_err(&order);
	if (r == 0 && type->shared)
		other = job_place_with_order(p->keeper, job->kind, &order);
	if (r != 0 || other != NULL)
		buf_wipe(&order);
	else
		r = job_place_start(p, &order, job->timeout_ms);
	if (r == 0)
		job_enter(job, other != NULL ? other : p);
	else
		type->done(job->session, &(struct job_result){ .how = JOB_NOT_STARTED, .err = r });
}

/* Do the limits for jobs that are alike, and for those of some sessions, leave room for this one? */
static int
job_may_start(const void *whose)
{
	const struct job *job = whose, *other;
	const struct job_type *type = &job_types[job->kind];
	const struct jobs *jobs = &job->session->keeper->jobs;
	const struct job_place *p;
	const int is_some = type->some != NULL && type->some(job->session);
	unsigned int same = 0, some = 0;

	for (p = jobs->first[job->kind]; p < jobs->first[job->kind + 1]; p++) {
		other = TAILQ_FIRST(&p->jobs);
		if (other == NULL)
			continue;
		same += type->same != NULL && type->same(other->session, job->session);
		some += is_some && type->some(other->session);
	}
	return (type->same == NULL || same < type->max_same) && (!is_some || some < type->max_some);
}

void
jobs_start(struct keeper *k)
{
	struct job_place *p;
	enum job_kind kind;
	struct job *job;

	while (k->jobs.changed) {
		k->jobs.changed = 0;
		for (kind = 0; kind < JOB_KINDS; kind++)
			while ((p = job_place_free(k, kind)) != NULL &&
			    (job = fairq_next(&k->jobs.queues[kind], job_may_start)) != NULL)
				job_start(job, p);
	}
}

int
jobs_tell(struct ksession *s, enum job_kind kind, struct buf *b)
{
	const struct job_place *p = s->jobs[kind].place;

	if (p != NULL && p->sock != -1)
		return ipc_send(p->sock, b, -1);
	buf_wipe(b);
	return ERR_EOF;
}

int
jobs_pending(const struct ksession *s, enum job_kind kind)
{
	return s->jobs[kind].turn.waits || s->jobs[kind].place != NULL;
}

void
jobs_ask(struct ksession *s, enum job_kind kind, int64_t timeout_ms)
{
	const struct job_type *type = &job_types[kind];
	struct job *job = &s->jobs[kind];

	if (jobs_pending(s, kind))
		return;
	*job = (struct job){ .kind = kind,
		.session = s,
		.timeout_ms = timeout_ms,
		.deadline = type->queue_time ? clock_ms() + timeout_ms : CLOCK_NEVER };
	fairq_wait(&s->keeper->jobs.queues[kind], &job->turn, job, type->fair ? s->client : "");
	s->keeper->jobs.changed = 1;
}

static void
job_cancel(struct job *job)
{
	struct job_place *p = job->place;

	if (job->turn.waits)
		fairq_leave(&job->session->keeper->jobs.queues[job->kind], &job->turn);
	if (p == NULL)
		return;
	job_leave(job);
	if (TAILQ_EMPTY(&p->jobs) && !job_types[job->kind].finishes)
		job_place_close(p);
}

void
jobs_cancel_kind(struct ksession *s, enum job_kind kind)
{
	job_cancel(&s->jobs[kind]);
}

void
jobs_cancel(struct ksession *s)
{
	enum job_kind kind;

	for (kind = 0; kind < JOB_KINDS; kind++)
		job_cancel(&s->jobs[kind]);
}

void
jobs_dial_over(struct ksession *s)
{
	struct fairq_entry *turn;
	int64_t now = clock_ms();
	struct job *other;

	if (s->jobs[JOB_DIAL].place == NULL)
		return;
	job_cancel(&s->jobs[JOB_DIAL]);
	TAILQ_FOREACH(turn, &s->keeper->jobs.queues[JOB_DIAL].list, entry) {
		other = turn->whose;
		if (upstream_same(other->session, s))
			other->deadline = now + other->timeout_ms;
	}
}

/* Give every job of the place its result. */
static void
job_place_done(struct job_place *p, const struct job_result *result)
{
	const struct job_type *type = &job_types[p->kind];
	struct job_result copy;
	struct job *job, *next;
	struct ipc_msg msg;

	job_place_close(p);
	for (job = TAILQ_FIRST(&p->jobs); job != NULL; job = next) {
		next = TAILQ_NEXT(job, entry);
		if (!type->keeps || result->how != JOB_ANSWERED)
			job_leave(job);
		copy = *result;
		if (result->msg != NULL) {
			msg = *result->msg; /* each reads the body from its beginning */
			copy.msg = &msg;
		}
		type->done(job->session, &copy);
	}
}

void
jobs_input(struct job_place *p)
{
	const struct job *job = TAILQ_FIRST(&p->jobs);
	struct ipc_msg msg;
	const struct job_result answered = { .how = JOB_ANSWERED, .msg = &msg };
	int r;

	if (p->sock == -1)
		return;
	r = ipc_recv(p->sock, p->keeper->message, IPC_ERRAND_TO_KEEPER, job_types[p->kind].phase,
	    &msg);
	if (r == ERR_AGAIN)
		return;
	if (r != 0) {
		job_place_done(p, &(struct job_result){ .how = JOB_DIED, .err = r });
		return;
	}
	if (msg.type == job_types[p->kind].more && job != NULL)
		job_types[p->kind].done(job->session, &answered);
	else
		job_place_done(p, &answered);
	fd_close(&msg.fd);
}

/* Take a job out of the queue that is overdue there; or NULL. */
static struct job *
job_overdue(struct fairq *queue, int64_t now)
{
	struct fairq_entry *turn;
	struct job *job;

	for (turn = TAILQ_FIRST(&queue->list); turn != NULL; turn = TAILQ_NEXT(turn, entry)) {
		job = turn->whose;
		if (now >= job->deadline) {
			fairq_leave(queue, &job->turn);
			return job;
		}
	}
	return NULL;
}

void
jobs_sweep(struct keeper *k, int64_t now)
{
	const struct job_result overdue = { .how = JOB_OVERDUE };
	struct job_place *p;
	enum job_kind kind;
	struct job *job;

	for (kind = 0; kind < JOB_KINDS; kind++)
		while ((job = job_overdue(&k->jobs.queues[kind], now)) != NULL)
			job_types[kind].done(job->session, &overdue);
	for (p = k->jobs.places; p < k->jobs.places + JOBS_MAX; p++)
		if (p->sock != -1 && now >= p->deadline)
			job_place_done(p, &overdue);
}
