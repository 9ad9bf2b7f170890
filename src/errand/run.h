/*
 * Run a lookup program, which is not trusted: it gets the given environment, descriptors 0 to 2 and a time
 * limit, and all processes that it leaves behind are killed.
 */
#ifndef ERRAND_RUN_H
#define ERRAND_RUN_H

#include <sys/types.h>

#include "base/buf.h"
#include "errand/confine.h"

/* Bytes of standard error that are kept, for the log. */
#define RUN_SAID_MAX 200

#define RUN_FAILURE_SIZE 160

struct run_result {
	char failure[RUN_FAILURE_SIZE]; /* "", or why it was killed or not run */
	int status;			/* its exit status */
	struct buf out;			/* its standard output; the caller frees it */
	char said[RUN_SAID_MAX + 1];	/* the first line of its standard error */
};

/*
 * A program that is talked to while it runs: run_order.watched is then where the answers to what it says come from.
 * Each function returns 0, or another value after it has set result->failure: the program is killed.
 */
struct run_talk {
	void *ctx;
	/* The program has printed something, or may say more now: result->out has all of it, from the start. */
	int (*said)(void *ctx, struct run_result *result);
	/* watched can be read: take what has come, and append to in what the program is to read. */
	int (*told)(void *ctx, struct buf *in, struct run_result *result);
	/* Is there an answer to come?  An end of the program counts when it has come. */
	int (*waits)(const void *ctx);
};

struct run_order {
	char *const *argv; /* ends with NULL; argv[0] is the program's absolute path */
	char *const *
	    env; /* ends with NULL; the program starts in its PWD, or in / if it may not enter that */
	const char *user; /* to run as; NULL: the caller's.  Only root can choose another */
	struct confine_program confined;
	int timeout_ms;
	size_t max;  /* bytes on standard output, and on standard error; with more it is killed */
	int watched; /* a socket, or -1; when its peer closes it, the program is killed */
	/* NULL: the program's standard input is empty, and it has ended when no process has its output open any
	 * more */
	const struct run_talk *talk;
};

/* Run it to its end.  The caller must have no other children: all descendants are killed. */
void run_program(const struct run_order *order, struct run_result *result);

/*
 * For the parent of the process that called run_program(), in case that process is killed.  After
 * run_adopt() orphans of the program become children of the parent, and run_sweep() kills them: they are
 * in sessions (setsid(2)) of their own, and all processes of the gateway in its session.  The parent
 * sweeps whenever a child that it does not know was killed.
 */
void run_adopt(void);
void run_sweep(void);

/* As run_sweep() for a parent that may not signal the programs, having another user: the orphans to kill,
 * as many as fit.  Returns how many. */
#define RUN_ORPHANS_MAX 64
size_t run_orphans(pid_t pids[RUN_ORPHANS_MAX]);

#endif
