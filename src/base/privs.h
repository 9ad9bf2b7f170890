/*
 * Giving up root.
 */
#ifndef BASE_PRIVS_H
#define BASE_PRIVS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Become a user for good, groups included.  NULL or "root": stay as it is.
 * ERR_NOTFOUND: no such user; ERR_SYS. */
int privs_drop(const char *user) MUST_CHECK;

/* Give up every capability but those of the mask (1 << CAP_...), for us and whatever we execute.
 * 0 or ERR_SYS. */
int privs_limit_capabilities(uint64_t keep) MUST_CHECK;

/* Until the next call, root opens files as this user would, groups included; it remains able
 * to come back: to itself with NULL (or "root").  Nothing may be run meanwhile.  As privs_drop();
 * for who is not root, NULL alone is possible (ERR_PERM). */
int privs_as(const char *user) MUST_CHECK;

/* What root makes from now on is this user's, NULL: its own.  A port is shared with sockets
 * of one's own alone (SO_REUSEPORT of socket(7)), and after privs_drop() that is the user. */
void privs_make_as(const char *user);

/* 1 if both are the same, or one is not there. */
int privs_same_user(const char *a, const char *b);

/* 1 if there is such a user. */
int privs_user_exists(const char *user);

/* The number of a user; ERR_NOTFOUND. */
int privs_uid(const char *user, uid_t *uid) MUST_CHECK;

#endif
