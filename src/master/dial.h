/*
 * Connecting to a machine by its name.  It takes as long as it may and whatever the resolver
 * takes: for an errand, and for who asks on the command line.
 */
#ifndef MASTER_DIAL_H
#define MASTER_DIAL_H

#include <stdint.h>

#include "base/buf.h"

/* The end of the part of the time that is for this one, of so many that are to come. */
int64_t dial_share(int64_t deadline, unsigned int n);

/* Each address of one host in turn: a descriptor, not blocking, or -1 with the reasons added
 * to why, one for each. */
int dial_host(const char *host, const char *port, int64_t deadline, struct buf *why);

#endif
