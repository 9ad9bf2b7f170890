/*
 * The lookup of a login by a subcommand, as the gateway looks it up: the user is that of the
 * keeper, and a program that a backend needs is run at once, as the user of lookup programs.
 */
#ifndef CLI_FIND_ROUTE_H
#define CLI_FIND_ROUTE_H

#include <stdio.h>

#include "cli/as_user.h"
#include "lookup/lookup.h"

struct find_route {
	struct as_user as;
	struct conf *conf;
	struct lookup *lookup;
	struct route *route; /* once it is found */
};

/* Become the user of the keeper and load the configuration in dir.  CLI_OK, or CLI_CONFIG
 * with the errors printed; find_route_close() it in any case, which takes the user back. */
int find_route_open(struct find_route *f, const char *dir);
void find_route_close(struct find_route *f);

/* LOOKUP_FOUND with f->route set, LOOKUP_NOT_FOUND or LOOKUP_FAILED.  A line about each
 * program is printed to `to`. */
enum lookup_result find_route(struct find_route *f, const struct lookup_request *request, FILE *to);

#endif
