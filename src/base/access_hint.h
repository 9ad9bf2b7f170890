/*
 * Why this process may not use a path, and a command that changes it: "user daemon cannot enter
 * /root; run: chgrp daemon /root && chmod g+x /root, or keep it elsewhere".
 */
#ifndef BASE_ACCESS_HINT_H
#define BASE_ACCESS_HINT_H

#include "base/reason.h"

/*
 * Explain an EACCES for path.  mode is the access that was wanted to the path itself: R_OK, W_OK,
 * X_OK as for access(2), with the effective ids.  1: a directory above the path cannot be entered;
 * 0: the path itself denies access.  Looks up the names of the process's user and group, which may
 * wait for a directory server, unless access_hint_prepare() has done so.
 */
int access_hint(const char *path, int mode, struct reason *why);

/* Look up the names of the user and group now, for a process that is about to be confined. */
void access_hint_prepare(void);

/* This process is not the gateway's and does not have its user (NULL: not known).  Its hints are to run it as
 * that user from now on, for a command that gave it access could take the file from the gateway. */
void access_hint_stranger(const char *user);

/* "run this as root (sudo) or as user sallyport", or NULL before access_hint_stranger(). */
const char *access_hint_instead(void);

#endif
