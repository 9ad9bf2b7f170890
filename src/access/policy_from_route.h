/*
 * What a session may do once it is logged in: the route's policy, narrowed by the options
 * of the key that let the client in.
 */
#ifndef ACCESS_POLICY_FROM_ROUTE_H
#define ACCESS_POLICY_FROM_ROUTE_H

#include "base/reason.h"
#include "formats/authorized_keys.h"
#include "lookup/route.h"
#include "wire/policy.h"

/* Is sftp the one word of PermitCommands?  1 or 0. */
int policy_is_sftp_alone(const struct route *route);

/* Is a forced command "internal-sftp", with or without arguments, as in sshd?  1 or 0. */
int policy_is_internal_sftp(const char *command);

/* The command that answers a request for the subsystem sftp, of a route with SftpReadOnly;
 * free() it.  NULL without memory. */
char *policy_sftp_command(const struct route *route);

/* The policy; policy_free() it.  0, or ERR_NOMEM with nothing to free. */
int policy_of_route(const struct route *route, const struct authorized_options *options,
    struct policy *policy) MUST_CHECK;

/* Append the policy, as policy_put() does, to a buffer of POLICY_BYTES_MAX or more.
 * command_upstream: the upstream knows the forced command, by a certificate.  0;
 * ERR_TOOBIG, with why for the administrator, if it is more than a message holds; or
 * ERR_NOMEM, with why. */
int policy_from_route(const struct route *route, const struct authorized_options *options,
    int command_upstream, struct buf *b, struct reason *why) MUST_CHECK;

#endif
