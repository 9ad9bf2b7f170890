/*
 * Giving up root.
 */
#ifndef BASE_PRIVS_H
#define BASE_PRIVS_H

#include "base/err.h"

/* Become a user for good, groups included.  NULL or "root": stay as it is.
 * ERR_NOTFOUND: no such user; ERR_SYS. */
int privs_drop(const char *user) MUST_CHECK;

/* 1 if there is such a user. */
int privs_user_exists(const char *user);

#endif
