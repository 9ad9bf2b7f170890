/*
 * The hops of a route: the machines through which its upstream is reached (ProxyJump).  Each is a [route]
 * section of conf.d with that very name, whatever [lookup] Order says, and may have a ProxyJump of its own.
 */
#ifndef LOOKUP_HOP_H
#define LOOKUP_HOP_H

#include "lookup/lookup.h"

/* Hops of one route. */
#define HOPS_MAX 3

struct hops {
	struct route
	    *v[HOPS_MAX]; /* from the one next to the upstream to the one that is dialled */
	size_t n;
};

/* Find the hops of a route, none if it has no ProxyJump.  0, then hops_free(); or an ERR_* with why: a
 * name that is no such route, a loop, too many, or a route that cannot be a hop. */
int hops_find(struct lookup *l, const struct route *route, struct hops *out,
    struct reason *why) MUST_CHECK;
void hops_free(struct hops *hops);

/* Check the ProxyJump of each [route] section; that of a pattern that is filled in for each login is left
 * to the login.  Errors are added. */
void hops_check(struct lookup *l, const struct conf *conf, struct conf_errors *errors);

#endif
