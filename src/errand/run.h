/*
 * Run a program that may do anything: it gets a clean environment, descriptors 0 to 2
 * and a time, and whatever it leaves behind is gone when the time is over.
 */
#ifndef ERRAND_RUN_H
#define ERRAND_RUN_H

#include "base/buf.h"

#define RUN_SAID_MAX 200

struct run_result {
	char failure[160];	     /* "", or why it did not end by itself, whole and in time */
	int status;		     /* its exit status */
	struct buf out;		     /* its standard output; the caller frees it */
	char said[RUN_SAID_MAX + 1]; /* the beginning of its standard error */
};

/*
 * argv and env end with NULL; argv[0] is the program's absolute path; it begins in the
 * directory that PWD of env names, or in / if that can't be entered.  It runs as user, whom
 * root alone can choose; NULL: as we do.  More than max bytes on
 * standard output (or error) end it.  When watched (a socket, or -1) closes, nobody
 * wants to know any more, and it is ended too.
 *
 * For a process that has no other children: all of its descendants are killed.
 */
void run_program(char *const *argv, char *const *env, const char *user, int timeout_ms, size_t max,
    int watched, struct run_result *result);

/*
 * For the parent of the process that runs it, in case that one is killed: what the program
 * leaves behind then comes to the parent, which ends it each time that somebody it does not
 * know has been killed.  Programs are in sessions of their own, and our processes in ours.
 */
void run_adopt(void);
void run_sweep(void);

#endif
