/*
 * An errand: a short-lived process that does for the keeper what the keeper must not do itself.  The
 * master executes sallyport anew for each (cli/role.c), with a socket of the keeper's in which the order
 * already waits.  An errand sends one answer (that of FACTOR several) and exits; if it fails, the
 * keeper sees the socket close.
 */
#ifndef ERRAND_ERRAND_H
#define ERRAND_ERRAND_H

/* DIAL: resolve the hosts' names, connect to the first that answers, or by a proxy, and send DIALLED with the socket, or
 * DIAL_FAILED. */
void errand_dial(int sock) __attribute__((noreturn));

/*
 * RUN: run a lookup program, and send RAN.  command is NULL, or the path and arguments of the only program
 * that may be run, with one more argument (the login) and in the directory base: where programs have a
 * user of their own (starter.h).
 */
void errand_run(int sock, const char *base, const char *command) __attribute__((noreturn));

/* FACTOR: run the program of a second factor, carry questions and answers between it and the keeper
 * (FACTOR_ASK, FACTOR_ANSWERS), and send RAN.  programs are the paths that may be run, separated by blanks, or
 * ERRAND_FACTOR_ANY. */
void errand_factor(int sock, const char *programs) __attribute__((noreturn));
#define ERRAND_FACTOR_ANY "any"

/* LOOK: connect to an upstream, do the key exchange, and send LOOKED with its host key, or DIAL_FAILED
 * with the reason. */
void errand_look(int sock) __attribute__((noreturn));

/* PASSWORD: check a password against its Argon2 hash, and send PASSWORD_OK. */
void errand_password(int sock) __attribute__((noreturn));

/* CA_SIGN: have an ssh-agent sign a certificate, and send CA_SIGNED. */
void errand_ca(int sock) __attribute__((noreturn));

#endif
