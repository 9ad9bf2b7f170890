/*
 * The address of a client, or the network that it lies in, as bytes: what is counted for each
 * source has this as its key.
 */
#ifndef BASE_NETADDR_H
#define BASE_NETADDR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

/* INET6_ADDRSTRLEN and a prefix length. */
#define NETADDR_TEXT_SIZE 56

/* All bytes are set, so that two of them can be compared with memcmp(3). */
struct netaddr {
	uint8_t family;	   /* 4, 6; 0: none of those */
	uint8_t bytes[16]; /* of IPv4 the first four */
};

/* A secret that makes hashes unpredictable: sources are chosen by attackers. */
struct netaddr_key {
	uint8_t bytes[16];
};

/* From the address of a socket; an IPv4-mapped IPv6 address is the IPv4 address. */
void netaddr_from(struct netaddr *a, const struct sockaddr_storage *ss);

/* From its text; "%scope" is left out.  0 or ERR_FORMAT. */
int netaddr_parse(struct netaddr *a, const char *text) MUST_CHECK;

/* Keep the first bits4 bits of an IPv4 address, the first bits6 of an IPv6 one. */
void netaddr_mask(struct netaddr *a, unsigned int bits4, unsigned int bits6);

int netaddr_equal(const struct netaddr *a, const struct netaddr *b);

/* Write it into out, "unknown" if it is none.  Returns out. */
const char *netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT_SIZE]);

void netaddr_key_make(struct netaddr_key *key);
uint64_t netaddr_hash(const struct netaddr *a, const struct netaddr_key *key);

#endif
