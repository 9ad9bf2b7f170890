/*
 * Why a path is closed to this process, in words that say what to do about it: "user daemon
 * may not pass through /root; run: chgrp daemon /root && chmod g+x /root, or keep it elsewhere".
 */
#ifndef BASE_ACCESS_HINT_H
#define BASE_ACCESS_HINT_H

#include "base/reason.h"

/*
 * After EACCES.  mode is what is wanted of the path itself: R_OK, W_OK, X_OK as for access(2),
 * with the effective ids.  1: it is a directory on the way that is closed, 0: the path itself.
 * Looks up the names of our user and group, which may wait for a server, unless they are
 * remembered.
 */
int access_hint(const char *path, int mode, struct reason *why);

/* Look them up now: for a process that cannot later, being confined. */
void access_hint_prepare(void);

#endif
