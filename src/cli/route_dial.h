/*
 * sallyport route --dial: a trial connection.
 */
#ifndef CLI_ROUTE_DIAL_H
#define CLI_ROUTE_DIAL_H

#include "lookup/route.h"

/* Print how each host of the route is reached, up to the first that is.  CLI_OK if one is. */
int route_dial(const struct route *r);

#endif
