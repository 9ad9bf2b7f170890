/*
 * Giving up root.
 */
#ifndef BASE_PRIVS_H
#define BASE_PRIVS_H

#include "base/err.h"

/* Become a user for good, groups included.  NULL or "root": stay as it is.
 * ERR_NOTFOUND: no such user; ERR_SYS. */
int privs_drop(const char *user) MUST_CHECK;

/* Make the user the owner of a descriptor: ports are shared with sockets of one's own
 * alone (SO_REUSEPORT of socket(7)).  0, ERR_NOTFOUND or ERR_SYS. */
int privs_give(const char *user, int fd) MUST_CHECK;

/* 1 if there is such a user. */
int privs_user_exists(const char *user);

#endif
