/*
 * StrictHostKeyChecking accept-new: the first host key that a host shows is added to the
 * known hosts.
 */
#ifndef ACCESS_HOST_KEY_ADD_H
#define ACCESS_HOST_KEY_ADD_H

#include "base/reason.h"
#include "keystore/keystore.h"
#include "lookup/route.h"
#include "wire/wire.h"

/* Add a line for the host to the route's first UserKnownHostsFile, whole or not at all,
 * unless it has this key.  The file is read and written under a lock (flock(2)), so that of
 * several keys the first one stays.  0; ERR_EXISTS: it has another key for the host, or this
 * one is revoked; or another ERR_*; with why, one line that names the file. */
int host_key_add(const struct route *r, const char *host, struct bytes key,
    struct reason *why) MUST_CHECK;

/* Could host_key_add() add a key for a route with accept-new?  Nothing is written.  0 if it
 * could, or if the route needs none.  Else, with why, 1 if all hosts of the route have keys
 * already, or -1: logins to a host without one are refused. */
int host_key_add_check(const struct route *r, struct reason *why) MUST_CHECK;

#endif
