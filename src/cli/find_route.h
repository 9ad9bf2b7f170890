/*
 * The whole lookup chain for a subcommand: what a backend wants run is run here and now, as
 * the user who runs it for the gateway.
 */
#ifndef CLI_FIND_ROUTE_H
#define CLI_FIND_ROUTE_H

#include "cli/as_user.h"
#include "lookup/lookup.h"

/* FOUND with *r set (a reference of the caller's), NOT_FOUND or FAILED; a line for each program
 * goes to `to`.  For a process that has become the keeper: it is so again afterwards. */
enum lookup_result find_route(const struct as_user *become, struct lookup *lookup,
    const struct lookup_request *request, FILE *to, struct route **r);

#endif
