/*
 * Inside of `sallyport route`: route.c is the command and looks the login up, route_show.c
 * prints what the route says, route_dial.c is --dial, route_list.c lists all routes.
 */
#ifndef CLI_ROUTE_H
#define CLI_ROUTE_H

#include "base/buf.h"
#include "cli/find_route.h"

struct route_args {
	const char *dir;
	const char *login;
	const char *key;
	const char *from;
	const char *to;
	int dial;

	struct buf blob; /* of --key */
};

/* Print a line for each route of conf.d and of directories: its name, the upstream, the user there (%u: the
 * login).  CLI_OK, or CLI_FAILED with the reason printed. */
int route_list(struct find_route *f);

/* Print everything about the route that was found.  CLI_OK if all of it works. */
int route_show(const struct route_args *a, const struct find_route *f);

/*
 * Connect to the first host of the route that answers, and print which version of SSH it
 * speaks, and whether its host key is accepted.  Nothing is written down.  CLI_OK if a login
 * would come as far as authentication there.
 */
int route_dial(const struct find_route *f);

#endif
