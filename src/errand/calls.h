/*
 * The system calls of errands and of the lookup programs that one of them runs (base/filter.h).  Each
 * function returns 0, ERR_NOMEM or ERR_SYS; its filter stays in force in programs executed later.
 */
#ifndef ERRAND_CALLS_H
#define ERRAND_CALLS_H

#include "base/err.h"

/*
 * For the errand that dials: what glibc and the modules of nsswitch.conf(5) need to read files, load
 * libraries and talk to name servers.  Calls that such a module may try and can do without (threads,
 * writing) fail; any other call kills the process.
 */
int calls_dial(void) MUST_CHECK;

/* For the errand that looks at a host key: the same, and what entering a session's sandbox takes. */
int calls_look(void) MUST_CHECK;

/* For either of them, if TLS is to be spoken with a proxy: the same, and fork(3), for a process that carries it. */
int calls_tls(void) MUST_CHECK;

/* For the dialler: what it takes to connect.  Any other call kills it. */
int calls_dialler(void) MUST_CHECK;

/* For the errand that checks a password: memory and the socket that it has.  Any other call kills it. */
int calls_password(void) MUST_CHECK;

enum calls_signals {
	CALLS_SIGNALS_ANY, /* Landlock or its user keeps a program from signalling other processes */
	CALLS_SIGNALS_OWN, /* only to the caller, which leads its process group, and to that group */
};

/*
 * For a lookup program: calls that reach other processes, the kernel's insides or mounts fail with EPERM,
 * because a program may try them and go on without; all others are allowed.
 */
int calls_program(enum calls_signals signals) MUST_CHECK;

#endif
