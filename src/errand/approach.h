/*
 * A connection to a host on which SSH can begin.  For the errands that dial and look.
 */
#ifndef ERRAND_APPROACH_H
#define ERRAND_APPROACH_H

#include <stdint.h>

#include "base/reason.h"
#include "ipc/messages.h"

/* Connect to the host, and send what it is to be told before SSH.  A non-blocking descriptor, or -1 with
 * the reasons added to why. */
int approach_connect(const struct ipc_approach *a, const char *host, const char *port,
    int64_t deadline, struct reason *why);

#endif
