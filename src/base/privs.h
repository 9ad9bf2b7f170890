/*
 * Giving up root, for a while or for good.
 */
#ifndef BASE_PRIVS_H
#define BASE_PRIVS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Change to a user for good, groups included.  NULL or "root": change nothing.
 * 0; ERR_NOTFOUND: no such user; ERR_PERM: the way back to root is still open; ERR_SYS. */
int privs_drop(const char *user) MUST_CHECK;

/* Give up every capability except those in keep (1 << CAP_...), for this process and the programs
 * it executes.  0 or ERR_SYS. */
int privs_limit_capabilities(uint64_t keep) MUST_CHECK;

/* Set the effective user and groups of root to those of a user, until the next call; NULL or "root"
 * goes back.  The real user stays root, so no program may be run meanwhile.  0; ERR_NOTFOUND: no
 * such user; ERR_PERM: the process is not root's, and user is not NULL; ERR_SYS. */
int privs_as(const char *user) MUST_CHECK;

/* Files and sockets that root makes from now on belong to this user; NULL: to root again.  The
 * master binds its sockets so, for a port can be shared with sockets of the same user alone
 * (SO_REUSEPORT of socket(7)), and after privs_drop() the master is that user. */
void privs_make_as(const char *user);

/* 1 if both names have the same uid, or if one of them does not exist. */
int privs_same_user(const char *a, const char *b);

int privs_user_exists(const char *user);

/* The uid of a user.  0, or ERR_NOTFOUND with *uid 0. */
int privs_uid(const char *user, uid_t *uid) MUST_CHECK;

#endif
