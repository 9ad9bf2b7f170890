/*
 * Shared by the roles that the attack build takes over: the session (attack.c), the keeper, edge and the
 * forwarder.
 */
#ifndef TESTS_ATTACK_H
#define TESTS_ATTACK_H

/* Connect to the Unix socket that this variable names, before a confinement that forbids it.  type: SOCK_STREAM or
 * SOCK_SEQPACKET.  -1: no test listens. */
int attack_connect(const char *variable, int type);

/* Follow the commands that come on a socket, in frames (attack.c), until the other end closes it. */
void attack_serve(int fd);

#endif
