/*
 * What a login is granted once it is in: the route's policy, narrowed by the options
 * of the key that let the client in.
 */
#ifndef KEEPER_GRANT_H
#define KEEPER_GRANT_H

#include "auth/authorized_keys.h"
#include "lookup/route.h"
#include "wire/rules.h"

/* 0 with rules filled (free with rules_free()), or ERR_NOMEM. */
int grant_rules(const struct route *route, const struct authorized_options *options,
    struct rules *rules) MUST_CHECK;

#define GRANT_WHY_SIZE 160

/* Can a session be told of it?  0; ERR_TOOBIG with why: a line for the administrator;
 * ERR_NOMEM, likewise. */
int grant_check(const struct route *route, const struct authorized_options *options,
    char why[GRANT_WHY_SIZE]) MUST_CHECK;

#endif
