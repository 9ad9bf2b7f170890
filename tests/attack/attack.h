/*
 * Shared by the roles that the attack build takes over: the session (attack.c) and the keeper.
 */
#ifndef TESTS_ATTACK_H
#define TESTS_ATTACK_H

/* Connect to the Unix socket that this variable names, before a confinement that forbids it.  -1: it names
 * none. */
int attack_connect(const char *variable);

/* Follow the commands that come on a socket, in frames (attack.c), until the other end closes it. */
void attack_serve(int fd);

#endif
