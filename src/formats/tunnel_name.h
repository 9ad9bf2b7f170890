/*
 * Names of tunnels (Mode = tunnel): what a client may ask for by `ssh -R NAME:80:localhost:8080`, and
 * HostName = tunnel:NAME leads to.  A name can be a part of a DNS name.
 */
#ifndef FORMATS_TUNNEL_NAME_H
#define FORMATS_TUNNEL_NAME_H

#include <stdint.h>

#include "base/err.h"

#define TUNNEL_NAME_SIZE 64 /* a label of DNS has at most 63 bytes */

/* What a host is written behind to mean a tunnel. */
#define TUNNEL_HOST "tunnel:"

/* The name in lower case: 1 to 63 bytes of a-z 0-9 . _ -, with a letter or digit at both ends.  0 or
 * ERR_FORMAT. */
int tunnel_name_set(const char *text, char name[TUNNEL_NAME_SIZE]) MUST_CHECK;

/* 1 if a client that writes this in front of the port, or nothing, leaves the name to the gateway: an
 * address to listen on, such as localhost. */
int tunnel_name_left_out(const char *address);

/* The name of a tunnel in a HostName or Target, behind "tunnel:"; or NULL. */
const char *tunnel_name_of_host(const char *host);

/*
 * A name that a pattern of TunnelNames gives: the pattern itself; or with readable words, chosen by the
 * number, in place of its first *, and without any other.  0, or ERR_FORMAT: that is no name.
 */
int tunnel_name_give(const char *pattern, uint64_t number, char name[TUNNEL_NAME_SIZE]) MUST_CHECK;

#endif
