/*
 * An errand: look which host key a machine shows, so that the keeper has it from the machine and
 * not from a session, which has talked to a stranger.
 */
#ifndef ERRAND_LOOK_H
#define ERRAND_LOOK_H

#include "wire/wire.h"

/*
 * Connect to the host of a LOOK message, exchange keys with it, log in nowhere, and send LOOKED, or
 * DIAL_FAILED with the reason, on the answer socket.  Runs in a process of its own, whose libraries
 * are warm (leg_warm_up()), and ends it, or ends when the other side of the socket is closed.
 */
void errand_look(struct wire *body, int answer) __attribute__((noreturn));

#endif
