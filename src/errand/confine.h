/*
 * What errands and programs give up before they read anything of strangers.  Landlock is used where
 * the kernel has it.  Each function returns 0 or an ERR_*.
 */
#ifndef ERRAND_CONFINE_H
#define ERRAND_CONFINE_H

#include <stdint.h>

#include "base/err.h"

/* Reads the files of resolvers, writes none, and may look names up and connect. */
int errand_confine_dial(void) MUST_CHECK;

/* The same before an errand connects that enters the sandbox of a session afterwards. */
int errand_confine_look(void) MUST_CHECK;

/* No file, no new socket: for an errand that computes. */
int errand_confine_check(void) MUST_CHECK;

/* No capabilities, and the limits of a program (calls.h): for the errand that runs one. */
int errand_confine_run(void) MUST_CHECK;

/* The same for a process that starts such errands, with the capabilities (1 << CAP_...) that it
 * needs. */
int errand_confine_starter(uint64_t capabilities) MUST_CHECK;

/* Of a program; both lists end with NULL and may be NULL themselves. */
struct confine_program {
	char *const *closed; /* absolute paths out of its reach, with all that is below them */
	char *const *fixed;  /* those that it may read and not change */
	int own_user;	     /* no process of the gateway but its errand is the same user */
};

/*
 * Between fork and exec, by the leader of the process group.  Where file permissions keep the user
 * from the closed paths anyway, the others have no meaning either.  Else the names beside a closed
 * path and above it are known as of now: what is made there later is out of reach as well.
 */
int errand_confine_program(const struct confine_program *p) MUST_CHECK;

/* NULL, or what this kernel lacks for the above, for the log. */
const char *errand_confine_lacks(void);

#endif
