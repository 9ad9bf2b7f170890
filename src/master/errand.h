/*
 * An errand: a short-lived process that does for the keeper what the keeper must not
 * do itself.  Here: look a name up and connect; run a program that looks a login up; check
 * a password, which takes time.
 */
#ifndef MASTER_ERRAND_H
#define MASTER_ERRAND_H

#include "wire/wire.h"

/*
 * Connect to the first host that answers, as the body of a DIAL message says, and send
 * DIALLED with the socket, or DIAL_FAILED, on the answer socket.  Runs in a process
 * of its own and ends it.
 */
void errand_dial(struct wire *body, int answer) __attribute__((noreturn));

/* Run the program that the body of a RUN message names and send RAN; likewise. */
void errand_run(struct wire *body, int answer) __attribute__((noreturn));
/*
 * Take a PASSWORD message from the socket, check it against its hash, and send CHECKED.
 * Runs in a process of its own and ends it.
 */
void errand_check(int sock) __attribute__((noreturn));

#endif
