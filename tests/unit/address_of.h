/*
 * The address of a socket, for tests that write addresses as text.
 */
#ifndef TESTS_ADDRESS_OF_H
#define TESTS_ADDRESS_OF_H

#include "base/netaddr.h"

/* netaddr_from() of this IPv4 or IPv6 address; with a "%scope", of a scope. */
struct netaddr address_of(const char *text);

#endif
