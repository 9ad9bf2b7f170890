/*
 * The whole lookup chain for a subcommand.  A program that a backend needs is run at once, as the user that
 * lookup programs have in the gateway.
 */
#ifndef CLI_FIND_ROUTE_H
#define CLI_FIND_ROUTE_H

#include "cli/as_user.h"
#include "lookup/lookup.h"

/* LOOKUP_FOUND with *r set (the caller has a reference), LOOKUP_NOT_FOUND or LOOKUP_FAILED; a line about each
 * program is printed to `to`.  The process has the user of the keeper, before and after. */
enum lookup_result find_route(const struct as_user *as, struct lookup *lookup,
    const struct lookup_request *request, FILE *to, struct route **r);

#endif
