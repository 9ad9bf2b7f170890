/*
 * Connecting to a machine by its name.  It takes as long as it may and whatever the resolver
 * takes: for an errand, and for who asks on the command line.
 */
#ifndef ERRAND_DIAL_H
#define ERRAND_DIAL_H

#include <stdint.h>

#include "base/buf.h"

/* The end of the part of the time that is for this one, of so many that are to come. */
int64_t dial_share(int64_t deadline, unsigned int n);

/* Each address of one host in turn: a descriptor, not blocking, or -1 with the reasons added
 * to why, one for each. */
int dial_host(const char *host, const char *port, int64_t deadline, struct buf *why);

/* For an errand: a resolver cannot be told to stop, so with nobody there any more who waits on the
 * other side of this socket the kernel ends the process (SIGIO, whose default action that is). */
void dial_end_with(int answer);

#endif
