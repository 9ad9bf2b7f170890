/*
 * Connecting to a host by its name, with a deadline; the resolver may take longer.  For approach.c, and for
 * `sallyport route --dial`.
 */
#ifndef ERRAND_DIAL_H
#define ERRAND_DIAL_H

#include <stdint.h>

#include "base/reason.h"
#include "base/strlist.h"

/* Share the time until the deadline among n attempts: the end of the first one's part. */
int64_t dial_share(int64_t deadline, unsigned int n);

/* Try the addresses of a host one after another, with destinations only those that AllowDestinations
 * permits (NULL or empty: any).  A non-blocking descriptor, or -1 with a reason for each address added to
 * why. */
int dial_host(const char *host, const char *port, const struct strlist *destinations,
    int64_t deadline, struct reason *why);

/* Resolve a host, and add its numeric addresses that AllowDestinations permits, for a proxy to connect to;
 * why gets the others.  0; ERR_NOTFOUND if there are none; or ERR_NOMEM. */
int dial_permitted(const char *host, const char *port, const struct strlist *destinations,
    struct strlist *addresses, struct reason *why) MUST_CHECK;

/* Connect to a Unix socket: a non-blocking descriptor, or -1 with a reason added to why. */
int dial_unix(const char *path, int64_t deadline, struct reason *why);

/* An errno of connect(2) to a Unix socket in words. */
const char *dial_unix_error(int error);

/* For an errand, because a resolver cannot be interrupted: the kernel kills this process by SIGIO when the
 * peer of this socket closes it. */
void dial_end_with(int answer);

#endif
