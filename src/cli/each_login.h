/*
 * The logins of a tree of [lookup directory].  The gateway never lists it; check and route do.
 */
#ifndef CLI_EACH_LOGIN_H
#define CLI_EACH_LOGIN_H

#include "base/reason.h"
#include "cli/as_user.h"
#include "lookup/lookup.h"

typedef void each_login_fn(void *ctx, const char *login);

/*
 * Call found with the name of each directory in the tree that can be a login, in no order; hidden ones are left
 * out.  Memory does not grow with their number.  The tree is opened as the caller's user, who may list what the
 * gateway need not; found is called as the keeper's.  0, or ERR_SYS with why.
 */
int each_login(const char *tree, const struct as_user *as, each_login_fn *found, void *ctx,
    struct reason *why) MUST_CHECK;

/*
 * Call found with each route that [lookup directory] has for the login: one; or with Recursive, all that a key
 * could select.  LOOKUP_FOUND if there was any; else or besides, why is not empty if something is wrong.
 */
typedef void each_route_fn(void *ctx, const char *login, const struct route *route);
enum lookup_result each_route(struct lookup *lookup, const char *login, each_route_fn *found,
    void *ctx, struct reason *why);

/* The same for each login of the tree in [lookup directory], if that is in use: routes that cannot be read are left
 * out.  0, or an ERR_* with why, a line that begins with the path of the tree. */
int each_tree_route(const struct conf *conf, each_route_fn *found, void *ctx,
    struct reason *why) MUST_CHECK;

#endif
