/*
 * sallyport route --dial: a trial connection.
 */
#ifndef CLI_ROUTE_DIAL_H
#define CLI_ROUTE_DIAL_H

#include "cli/as_user.h"
#include "lookup/route.h"

/*
 * Print what a login would find behind: the first host of the route that connects, which version
 * of SSH it speaks, and whether its host key is accepted.  Nothing is written down.  CLI_OK if
 * a login would come as far as proving itself there.
 */
int route_dial(const struct route *r, const struct conf *conf, const struct as_user *become);

#endif
