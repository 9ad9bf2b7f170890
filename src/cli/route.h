/*
 * Inside of `sallyport route`: route.c is the command and looks the login up, route_show.c prints what the
 * route says, route_dial.c is --dial.
 */
#ifndef CLI_ROUTE_H
#define CLI_ROUTE_H

#include "base/buf.h"
#include "cli/as_user.h"
#include "conf/conf.h"
#include "lookup/route.h"

struct route_args {
	const char *dir;
	const char *login;
	const char *key;
	const char *from;
	const char *to;
	int dial;

	struct buf blob; /* of --key */
	struct as_user as;
};

/* Print everything about a route, for the login of the arguments.  CLI_OK if all of it works. */
int route_show(const struct route_args *a, const struct conf *conf, const struct route *r);

/*
 * Connect to the first host of the route that answers, and print which version of SSH it speaks, and
 * whether its host key is accepted.  Nothing is written down.  CLI_OK if a login would come as far as
 * authentication there.
 */
int route_dial(const struct route *r, const struct conf *conf, const struct as_user *as);

#endif
