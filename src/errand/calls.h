/*
 * What an errand and the programs that one runs may ask of the kernel (base/filter.h).  Each of
 * these returns 0, ERR_NOMEM or ERR_SYS, and holds for what is executed later.
 */
#ifndef ERRAND_CALLS_H
#define ERRAND_CALLS_H

#include "base/err.h"

/*
 * For an errand that resolves names and connects: what glibc and the modules of nsswitch.conf(5)
 * need to read files, load libraries and talk to name servers.  What such a module may want and can
 * do without (threads, writing) fails; anything else kills.
 */
int calls_dial(void) MUST_CHECK;

/* The same for one that then enters the sandbox of a session. */
int calls_look(void) MUST_CHECK;

/* For one that computes: memory and the socket that it has.  Anything else kills. */
int calls_check(void) MUST_CHECK;

enum calls_signals {
	CALLS_SIGNALS_ANY, /* something else keeps them from other processes */
	CALLS_SIGNALS_OWN, /* to the caller, who leads its process group, and the group alone */
};

/*
 * For a program that may do anything but reach into other processes, into the kernel or the order
 * of mounts: such a call fails with EPERM, as a program may try what it can do without.
 */
int calls_program(enum calls_signals signals) MUST_CHECK;

#endif
