/*
 * Obedience, for each role that the attack build has taken over.
 */
#ifndef TESTS_ATTACK_H
#define TESTS_ATTACK_H

/* Do what the other end of a socket says, in frames (attack.c), until it closes it. */
void attack_serve(int fd);

#endif
