/*
 * The address of a client, or the network it is in, as the key of tables that count by source.
 */
#ifndef BASE_NETADDR_H
#define BASE_NETADDR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

#define NETADDR_TEXT_SIZE 56 /* INET6_ADDRSTRLEN and "/128", rounded up */

/* Without padding, and unused bytes are 0, so that memcmp(3) compares two of them. */
struct netaddr {
	uint8_t family;	   /* 4; 6; 0: not an IP address */
	uint8_t bytes[16]; /* IPv4: the first four */
};

/* A secret key for netaddr_hash(), so that attackers cannot choose addresses whose hashes
 * collide. */
struct netaddr_key {
	uint8_t bytes[16];
};

/* From the address of a socket; an IPv4-mapped IPv6 address is the IPv4 address. */
void netaddr_from(struct netaddr *a, const struct sockaddr_storage *ss);

/* The port of the address of a socket; 0 if it is no IP address. */
uint16_t netaddr_port(const struct sockaddr_storage *ss);

/* Clear all but the first bits4 bits of an IPv4 address, or bits6 bits of an IPv6 address. */
void netaddr_mask(struct netaddr *a, unsigned int bits4, unsigned int bits6);

int netaddr_equal(const struct netaddr *a, const struct netaddr *b);

/* Write the address into out, "unknown" if its family is 0.  Returns out. */
const char *netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT_SIZE]);

void netaddr_key_make(struct netaddr_key *key);
uint64_t netaddr_hash(const struct netaddr *a, const struct netaddr_key *key);

#endif
