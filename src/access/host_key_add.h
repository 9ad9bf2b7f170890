/*
 * StrictHostKeyChecking accept-new: the first host key that a host shows is added to the known hosts.
 */
#ifndef ACCESS_HOST_KEY_ADD_H
#define ACCESS_HOST_KEY_ADD_H

#include "base/reason.h"
#include "keystore/keystore.h"
#include "lookup/route.h"
#include "wire/wire.h"

/*
 * Add a line for the host to the route's first UserKnownHostsFile, whole or not at all, unless
 * there is one with this key.  The file is looked at and written under a lock (flock(2)), so that
 * the first key of several is the one that stays.  0; ERR_EXISTS: there is another key for the
 * host, or this one is revoked; else an ERR_*, with why: one line that names the file.
 */
int host_key_add(const struct route *r, const char *host, struct bytes key,
    struct reason *why) MUST_CHECK;

/*
 * Could host_key_add() write a key down for a route with accept-new?  Nothing is made.  0 if it could, or if the route
 * needs none; else why says so, and it is 1 if all hosts of the route are known already, or -1: a login
 * that comes to another one is refused.
 */
int host_key_add_check(const struct route *r, struct reason *why) MUST_CHECK;

#endif
