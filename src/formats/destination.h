/*
 * AllowDestinations: where users may connect to if they choose the destination themselves: with Mode = jump, or by
 * a part of the login.  The keeper compares the name, the errand that dials each address of that name.
 *
 * An entry is HOST[:PORT] or NETWORK[:PORT], an IPv6 one in brackets if there is a port.  HOST is a
 * pattern with * and ?, NETWORK an address or a CIDR block, PORT a number or *; the default is 22.
 */
#ifndef FORMATS_DESTINATION_H
#define FORMATS_DESTINATION_H

#include <stdint.h>

#include "base/reason.h"
#include "base/strlist.h"

#define DESTINATION_HOST_SIZE 256 /* a DNS name has at most 253 bytes */

/* An entry as written: 0, or ERR_FORMAT with why. */
int destination_check(const char *entry, struct reason *why);

/* 1 if this can be a host name or a numeric address. */
int destination_host_ok(const char *host);

/* 1 if it is a numeric address. */
int destination_is_address(const char *host);

/* 1 if the list has a NETWORK: then it says which addresses a name may lead to. */
int destination_has_networks(const struct strlist *list);

/*
 * May a user ask for this host and port (0: any)?  A name has to match a HOST, an address has to be in a
 * NETWORK.  1 or 0.
 */
int destination_may_ask(const struct strlist *list, const char *host, uint32_t port);

/*
 * May this numeric address be connected to, whatever name led to it?  own: it is an address of this
 * host.  If the list has networks, the address has to be in one of them.  Loopback and link-local
 * addresses have to be in a listed network of their kind, own ones must be listed themselves;
 * unspecified and multicast addresses are never permitted.  1 or 0.
 */
int destination_may_connect(const struct strlist *list, const char *numeric, uint32_t port,
    int own);

#endif
