/*
 * Jobs: what a login has errands do for it.  Each kind of job has a number of places, and a
 * login that finds all of them taken waits in the queue of that kind.  jobs.c has the table of
 * kinds; what a job's errand is told, and what follows from its answer, is the business of
 * downstream and upstream.
 */
#ifndef KEEPER_JOBS_H
#define KEEPER_JOBS_H

#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "ipc/ipc.h"
#include "keeper/fairq.h"
#include "keeper/source.h"

struct keeper;
struct ksession;

enum job_kind {
	JOB_LOOKUP,   /* a lookup program says where a login leads */
	JOB_PASSWORD, /* a password is compared with its hash */
	JOB_DIAL,     /* a connection to the upstream, and the gateway's login there */
	JOB_LOOK,     /* the host key of an upstream that accept-new does not know yet */
	JOB_JUMP,     /* a connection to a machine that a logged-in user has named */
	JOB_FACTOR,   /* a program asks for a second factor, in several answers */
	JOB_CA,	      /* an ssh-agent signs a certificate */
	JOB_KINDS
};

/* Lookup programs that run at once. */
#define JOBS_LOOKUPS_MAX 16
/* Passwords that are checked at once: each check takes the memory that its hash asks for. */
#define JOBS_PASSWORDS_MAX 2
/* Upstreams that are dialled at once, so that logins that wait for dead hosts leave places
 * for others. */
#define JOBS_DIALS_MAX 128
/* Of them to the same upstream: sshd begins to drop connections at ten (MaxStartups
 * 10:30:100). */
#define JOBS_DIALS_SAME_MAX 8
/* Upstreams that are looked at at once.  A login that waits for a look holds one of the
 * places to dial. */
#define JOBS_LOOKS_MAX JOBS_DIALS_MAX

/* Machines that are dialled at once for users who are logged in.  One such user dials one at a time. */
#define JOBS_JUMPS_MAX 64

/* Programs of second factors that run at once, each for as long as a person thinks. */
#define JOBS_FACTORS_MAX 64
/* Of them for one person. */
#define JOBS_FACTORS_SAME_MAX 8
/* Of them for clients that have proven nothing yet: strangers leave half of the places to users. */
#define JOBS_FACTORS_FIRST_MAX (JOBS_FACTORS_MAX / 2)

/* Certificates that agents sign at once, and of them those of one agent, which does one thing at a time. */
#define JOBS_CA_MAX 64
#define JOBS_CA_SAME_MAX 8

#define JOBS_MAX                                                                   \
	(JOBS_LOOKUPS_MAX + JOBS_PASSWORDS_MAX + JOBS_DIALS_MAX + JOBS_LOOKS_MAX + \
	    JOBS_JUMPS_MAX + JOBS_FACTORS_MAX + JOBS_CA_MAX)

/* A job of a session, which has one of each kind.  All zero: nothing is asked for. */
struct job {
	enum job_kind kind;
	struct ksession *session;
	struct fairq_entry turn; /* in the queue of its kind */
	int64_t timeout_ms;
	int64_t deadline;	 /* in the queue */
	struct job_place *place; /* NULL: none yet */
	TAILQ_ENTRY(job) entry;	 /* among the jobs of its place */
};
TAILQ_HEAD(job_list, job);

/* A place for an errand: taken while an errand runs there, or a job is in it. */
struct job_place {
	struct source source;
	struct keeper *keeper;
	enum job_kind kind;
	int sock;	  /* where the errand answers; -1: none runs */
	int64_t deadline; /* of its answer */
	struct buf order; /* what it was told, if its answer may be shared */
	/* Several jobs may share one answer; none is left if the login ends before the errand. */
	struct job_list jobs;
};

struct jobs {
	struct fairq queues[JOB_KINDS];
	struct job_place places[JOBS_MAX];
	struct job_place *first[JOB_KINDS + 1]; /* by kind: those of the next kind follow */
	int changed;				/* since jobs_start() last looked */
};

/* How a job has ended. */
struct job_result {
	enum {
		JOB_ANSWERED,
		JOB_NOT_STARTED, /* err says why; ERR_EOF: there is no master any more */
		JOB_DIED,	 /* the errand has ended, or answered with a bad message: err */
		JOB_OVERDUE,	 /* its time has passed */
	} how;
	int err;
	/* JOB_ANSWERED: the message, which has been checked against the table of messages.
	 * Its body lies in the buffer of the keeper, and its descriptor is closed after the
	 * call. */
	struct ipc_msg *msg;
};

void jobs_init(struct keeper *k);

/*
 * Have a job done for the session.  The errand starts in jobs_start(), and its result comes by
 * way of the table: never before this returns.  timeout_ms counts in the queue or for the
 * errand's answer, as the table has it for this kind.  A job that is under way already goes on
 * as it is.
 */
void jobs_ask(struct ksession *s, enum job_kind kind, int64_t timeout_ms);

/* Tell the errand of a job more, which has answered that it goes on; b is freed.  0, or an ERR_*: it is gone. */
int jobs_tell(struct ksession *s, enum job_kind kind, struct buf *b) MUST_CHECK;

/* Is such a job of the session under way? */
int jobs_pending(const struct ksession *s, enum job_kind kind);

/* Cancel all jobs of the session, or that of one kind.  Errands that no other session waits for see their
 * socket close, and end. */
void jobs_cancel(struct ksession *s);
void jobs_cancel_kind(struct ksession *s, enum job_kind kind);

/* The upstream has let the gateway in, or the login waits for its user: JOB_DIAL gives its
 * place back.  As the upstream is alive, logins that are in the queue for it get their whole
 * time again. */
void jobs_dial_over(struct ksession *s);

/* Start jobs for which there are places; called after each round of events. */
void jobs_start(struct keeper *k);

/* An errand has answered, or has ended. */
void jobs_input(struct job_place *p);

/* End the jobs whose time is over. */
void jobs_sweep(struct keeper *k, int64_t now);

#endif
