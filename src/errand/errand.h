/*
 * An errand: a short-lived process that does for the keeper what the keeper must not do itself.
 * Each is the program executed anew (cli/role.c) on a socket of the keeper's, where its order waits
 * already; each runs in a process of its own and ends it.  A keeper that gets no answer sees the
 * socket close.
 */
#ifndef ERRAND_ERRAND_H
#define ERRAND_ERRAND_H

/* DIAL: look names up, connect to the first host that answers, and send DIALLED with the socket, or
 * DIAL_FAILED. */
void errand_dial(int sock) __attribute__((noreturn));

/*
 * RUN: run a program that looks a login up, and send RAN.  With a command (its path and words),
 * started as a user of its own: no other is run, with one word behind it, in the directory base.
 */
void errand_run(int sock, const char *base, const char *command) __attribute__((noreturn));

/* LOOK: connect to a machine, exchange keys with it, log in nowhere, and send LOOKED, or DIAL_FAILED with
 * the reason. */
void errand_look(int sock) __attribute__((noreturn));

/* PASSWORD: check a password against its hash, which takes time and memory, and send CHECKED. */
void errand_check(int sock) __attribute__((noreturn));

#endif
