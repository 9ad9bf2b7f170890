/*
 * Run a program that may do anything: it gets a clean environment, descriptors 0 to 2
 * and a time, and whatever it leaves behind is gone when the time is over.
 */
#ifndef ERRAND_RUN_H
#define ERRAND_RUN_H

#include <sys/types.h>

#include "base/buf.h"
#include "errand/confine.h"

#define RUN_SAID_MAX 200

struct run_result {
	char failure[160];	     /* "", or why it did not end by itself, whole and in time */
	int status;		     /* its exit status */
	struct buf out;		     /* its standard output; the caller frees it */
	char said[RUN_SAID_MAX + 1]; /* the beginning of its standard error */
};

struct run_order {
	char *const *argv; /* both end with NULL; argv[0] is the program's absolute path */
	char *const *env;  /* it begins where PWD says, or in / if that can't be entered */
	const char *user;  /* whom root alone can choose; NULL: as we are */
	struct confine_program confined;
	int timeout_ms;
	size_t max;  /* bytes on standard output, or error: more end it */
	int watched; /* a socket, or -1; its end ends the program, as nobody waits any more */
};

/* For a process that has no other children: all of its descendants are killed. */
void run_program(const struct run_order *order, struct run_result *result);

/*
 * For the parent of the process that runs it, in case that one is killed: what the program
 * leaves behind then comes to the parent, which ends it each time that somebody it does not
 * know has been killed.  Programs are in sessions of their own, and our processes in ours.
 */
void run_adopt(void);
void run_sweep(void);

/* The same for a parent that has another user than the programs: what it is to have ended, as
 * many as fit. Returns how many. */
#define RUN_ORPHANS_MAX 64
size_t run_orphans(pid_t pids[RUN_ORPHANS_MAX]);

#endif
