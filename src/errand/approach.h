/*
 * A connection to a host on which SSH can begin.  For the errands that dial and look.
 */
#ifndef ERRAND_APPROACH_H
#define ERRAND_APPROACH_H

#include <stdint.h>

#include "base/reason.h"
#include "ipc/messages.h"

/*
 * Connect to the host, itself or by the proxy, and send what it is to be told before SSH.  With
 * destinations (AllowDestinations; may be empty) only to addresses that they permit; a proxy resolves a
 * name itself, unless the list has networks.  A non-blocking descriptor, on which all that the host says is to
 * be read, or -1 with the reasons added to why.
 */
int approach_connect(const struct ipc_approach *a, const char *host, uint16_t port,
    const struct strlist *destinations, int64_t deadline, struct reason *why);

/* Send the header of SendProxy on a connection, if there is one to be sent.  The descriptor, which may be -1; or -1,
 * and it is closed, with the reason, in which host stands, added to why. */
int approach_announce(const struct ipc_approach *a, int fd, const char *host, struct reason *why);

/* approach_connect() for a target of a [forward] section: HOST:PORT, [ADDRESS]:PORT or unix:/PATH, which destinations do
 * not restrict. */
int approach_target(const struct ipc_approach *a, const char *target,
    const struct strlist *destinations, int64_t deadline, struct reason *why);

/* Does the way need a process that carries TLS, which approach_connect() forks?  It ends with the connection. */
int approach_has_tls(const struct ipc_approach *a);

#endif
