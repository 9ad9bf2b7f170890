/*
 * What a login is granted once it is in: the route's policy, narrowed by the options
 * of the key that let the client in.
 */
#ifndef ACCESS_POLICY_FROM_ROUTE_H
#define ACCESS_POLICY_FROM_ROUTE_H

#include "base/reason.h"
#include "formats/authorized_keys.h"
#include "lookup/route.h"
#include "wire/policy.h"

/* 0 with rules filled (free with policy_free()), or ERR_NOMEM. */
int policy_from_route(const struct route *route, const struct authorized_options *options,
    struct policy *rules) MUST_CHECK;

/* Can a session be told of it?  0; ERR_TOOBIG with why: a line for the administrator;
 * ERR_NOMEM, likewise. */
int policy_from_route_check(const struct route *route, const struct authorized_options *options,
    struct reason *why) MUST_CHECK;

#endif
