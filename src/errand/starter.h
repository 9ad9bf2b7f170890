/*
 * The starter: the one process that can become the user of [lookup exec] RunAs.  It is started while the
 * master is root, and keeps CAP_SETUID and CAP_SETGID alone.  It reads nothing but single bytes of the
 * master's, each with the socket of an errand, in which the errand's order waits unread.  A child of the
 * starter becomes the user and executes sallyport anew as an errand, which runs the command of the
 * configuration and no other.  So the code that holds the capabilities never sees an order or a login.
 * The starter keeps its configuration until a restart.
 */
#ifndef ERRAND_STARTER_H
#define ERRAND_STARTER_H

#include "base/err.h"

struct starter_config {
	const char *user; /* RunAs of [lookup exec] */
	const char *
	    self; /* the starter's own user, so that programs cannot signal it; "": it stays root */
	const char *base;    /* the directory in which programs start */
	const char *command; /* the only command that is run: its path and arguments */
};

/* The starter's main loop: serve until the master has gone.  Returns the exit status. */
int starter_run(int master, const struct starter_config *config);

/* For the master: wait until the starter is ready; and have it start an errand on a socket, which stays
 * the caller's.  0 or an ERR_*. */
int starter_wait(int starter) MUST_CHECK;
int starter_ask(int starter, int errand) MUST_CHECK;

#endif
