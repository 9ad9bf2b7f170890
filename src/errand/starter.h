/*
 * Where [lookup exec] RunAs gives programs a user of their own: the one process that can become
 * that user.  It is started while the master is root, keeps CAP_SETUID and CAP_SETGID alone, and
 * reads nothing but single bytes of the master's, each with the socket of an errand, in which the
 * order waits unread.  Its child becomes the user and executes the program anew as an errand, which
 * runs the command of the configuration and no other: the code that holds the capabilities knows
 * neither orders nor logins.  What the configuration says of it counts until a restart.
 */
#ifndef ERRAND_STARTER_H
#define ERRAND_STARTER_H

#include "base/err.h"

struct starter_config {
	const char *user; /* RunAs of [lookup exec] */
	const char
	    *self; /* whom the starter becomes, so that programs cannot signal it; "": stays root */
	const char *base;    /* where programs begin */
	const char *command; /* path and words of the one there is */
};

/* Serve until the master has gone.  Returns the exit status. */
int starter_run(int master, const struct starter_config *config);

/* Of the master: wait until it is ready, and have an errand started on a socket, which stays the
 * caller's.  0 or an ERR_*. */
int starter_wait(int starter) MUST_CHECK;
int starter_ask(int starter, int errand) MUST_CHECK;

#endif
