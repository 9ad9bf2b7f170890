/*
 * Client addresses.  Called by the master, which counts connections and failed logins by them.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/netaddr.h"

static void
netaddr_from_in6(struct netaddr *a, const struct in6_addr *in6)
{
	int mapped = IN6_IS_ADDR_V4MAPPED(in6);

	a->family = mapped ? 4 : 6;
	if (mapped)
		memcpy(a->bytes, in6->s6_addr + 12, 4);
	else
		memcpy(a->bytes, in6->s6_addr, 16);
}

void
netaddr_from(struct netaddr *a, const struct sockaddr_storage *ss)
{
	memset(a, 0, sizeof(*a));
	if (ss->ss_family == AF_INET) {
		a->family = 4;
		memcpy(a->bytes, &((const struct sockaddr_in *)ss)->sin_addr, 4);
	} else if (ss->ss_family == AF_INET6) {
		netaddr_from_in6(a, &((const struct sockaddr_in6 *)ss)->sin6_addr);
	}
}

uint16_t
netaddr_port(const struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)ss)->sin_port);
	if (ss->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)ss)->sin6_port);
	return 0;
}

void
netaddr_mask(struct netaddr *a, unsigned int bits4, unsigned int bits6)
{
	unsigned int bits = a->family == 4 ? bits4 : bits6, size = a->family == 4 ? 4 : 16;

	if (bits >= size * 8)
		return;
	a->bytes[bits / 8] &= (uint8_t)(0xff00 >> bits % 8);
	memset(a->bytes + bits / 8 + 1, 0, size - bits / 8 - 1);
}

int
netaddr_equal(const struct netaddr *a, const struct netaddr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

const char *
netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT_SIZE])
{
	if (a->family == 0 ||
	    inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, out, NETADDR_TEXT_SIZE) ==
		NULL)
		snprintf(out, NETADDR_TEXT_SIZE, "unknown");
	return out;
}

void
netaddr_key_make(struct netaddr_key *key)
{
	_Static_assert(sizeof(key->bytes) == crypto_shorthash_KEYBYTES, "the key of a hash");
	randombytes_buf(key->bytes, sizeof(key->bytes));
}

uint64_t
netaddr_hash(const struct netaddr *a, const struct netaddr_key *key)
{
	uint64_t hash;

	_Static_assert(sizeof(hash) == crypto_shorthash_BYTES, "the size of a hash");
	(void)crypto_shorthash((uint8_t *)&hash, (const uint8_t *)a, sizeof(*a), key->bytes);
	return hash;
}
