/*
 * A program that runs, for run.c and run_talk.c.
 */
#ifndef ERRAND_RUN_PRIVATE_H
#define ERRAND_RUN_PRIVATE_H

#include <stdint.h>

#include "errand/run.h"

struct run {
	pid_t pid;
	int in;	      /* pipe to standard input, with run_order.talk; -1: closed, or none */
	int out, err; /* pipes from standard output and error; -1: at end of file */
	int exec_fail; /* pipe on which a child that cannot execute the program sends a run_failure */
	size_t err_len;
	int status;
	int ended;
};

/* Read once from standard output.  0; ERR_TOOBIG: the program wrote more than it may. */
int run_read_out(struct run *run, struct run_result *result) MUST_CHECK;

/* The same for standard error, of which the first line is kept. */
int run_read_err(struct run *run, struct run_result *result) MUST_CHECK;

/* What is wrong after ERR_TOOBIG. */
void run_fail_output(const struct run_result *result, char failure[RUN_FAILURE_SIZE]);

/* Has the program itself ended?  Its children may be left. */
int run_has_ended(struct run *run);

/* Talk to the program until it has ended, or a limit is exceeded. */
void run_converse(struct run *run, const struct run_order *order, int64_t deadline,
    struct run_result *result);

#endif
