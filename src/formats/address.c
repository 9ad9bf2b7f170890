/*
 * Matching client addresses with lists of addresses, blocks and wildcards (address.h).  Called
 * for from="", source-address, MatchAddress and PerSourcePenaltyExemptList.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "formats/address.h"
#include "base/match.h"
#include "wire/wire.h"

#define ITEM_MAX 63	       /* bytes of an address in a list; sshd ignores longer ones, too */
#define BLOCK_LIST_ITEM_MAX 49 /* bytes of an address in source-address, as in sshd */

struct address {
	int bits; /* 32 or 128 */
	uint8_t p[16];
	struct bytes scope; /* after the '%' of an IPv6 address, or "" */
};

/* How the IPv4 addresses of a list may be written. */
enum notation {
	DOTTED, /* four decimal numbers */
	ANY,	/* every form of inet_aton(3), as in sshd: 127.1, 0x7f.1 */
};

static int
v4_parse(const char *text, enum notation notation, uint8_t *p)
{
	struct in_addr in;

	if (notation == DOTTED)
		return inet_pton(AF_INET, text, p) == 1;
	/* inet_aton() ignores a blank and everything after it */
	if (strpbrk(text, " \t\n\v\f\r") != NULL || inet_aton(text, &in) == 0)
		return 0;
	memcpy(p, &in, sizeof(in));
	return 1;
}

/* A numeric address; its scope points into s.  1 or 0. */
static int
address_parse(struct address *a, struct bytes s, enum notation notation)
{
	char text[ITEM_MAX + 1];
	const uint8_t *percent;

	*a = (struct address){ .bits = 32 };
	if (s.len == 0 || s.len >= sizeof(text) || memchr(s.p, '\0', s.len) != NULL)
		return 0;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	if (v4_parse(text, notation, a->p))
		return 1;
	a->bits = 128;
	percent = memchr(s.p, '%', s.len);
	if (percent != NULL) {
		text[percent - s.p] = '\0';
		a->scope.p = percent + 1;
		a->scope.len = (size_t)(s.p + s.len - a->scope.p);
		if (a->scope.len == 0)
			return 0;
	}
	return inet_pton(AF_INET6, text, a->p) == 1;
}

static int
address_is_mapped(const struct address *a)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return a->bits == 128 && memcmp(a->p, mapped, sizeof(mapped)) == 0;
}

/* Parse a client's address; as in sshd an IPv4-mapped one counts as IPv4. */
static int
address_client_parse(struct address *a, const char *address)
{
	struct bytes s = { (const uint8_t *)address, strlen(address) };

	if (!address_parse(a, s, DOTTED))
		return 0;
	if (address_is_mapped(a)) {
		memmove(a->p, a->p + 12, 4);
		memset(a->p + 4, 0, 12);
		a->bits = 32;
		a->scope.len = 0;
	}
	return 1;
}

static int
address_prefix_equal(const uint8_t *a, const uint8_t *b, int bits)
{
	int whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, (size_t)whole) != 0)
		return 0;
	return rest == 0 || ((a[whole] ^ b[whole]) & (0xff << (8 - rest) & 0xff)) == 0;
}

/* Parse a decimal number from 0 to 128; -1 if it is not one. */
static int
address_bits_parse(struct bytes s)
{
	int n = 0;
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		n = n * 10 + (s.p[i] - '0');
		if (n > 128)
			return -1;
	}
	return s.len == 0 ? -1 : n;
}

/* Parse "address" or "address/bits".  1; 0 if it is neither; -1 if there are more bits than the
 * address has, or bits are set after the prefix. */
static int
address_block_parse(struct address *net, int *bits, struct bytes item, enum notation notation)
{
	static const uint8_t zero[16];
	const uint8_t *slash = item.len == 0 ? NULL : memchr(item.p, '/', item.len);
	struct bytes head = item;
	struct address host;
	int i;

	if (item.len > ITEM_MAX)
		return 0;
	if (slash != NULL) {
		head.len = (size_t)(slash - item.p);
		*bits = address_bits_parse((struct bytes){ slash + 1, item.len - head.len - 1 });
		if (*bits == -1)
			return 0;
	}
	if (!address_parse(net, head, notation))
		return 0;
	if (slash == NULL)
		*bits = net->bits;
	if (*bits > net->bits)
		return -1;
	host = *net;
	for (i = 0; i < *bits; i++)
		host.p[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return memcmp(host.p, zero, sizeof(zero)) == 0 ? 1 : -1;
}

static int
address_in_block(const struct address *a, const struct address *net, int bits)
{
	return a->bits == net->bits && address_prefix_equal(a->p, net->p, bits);
}

static int
address_same_scope(const struct address *a, const struct address *b)
{
	return bytes_equal(a->scope, b->scope);
}

int
address_match(const char *address, const char *list)
{
	struct bytes rest = { (const uint8_t *)list, strlen(list) }, item, text;
	struct address a, net;
	char ip[INET6_ADDRSTRLEN], shown[sizeof(ip) + 1 + ITEM_MAX];
	int bits, block, negated, match, found = 0;

	if (!address_client_parse(&a, address) || (rest.len > 0 && list[rest.len - 1] == ','))
		return -1;
	/* wildcards are matched with the address as text */
	if (inet_ntop(a.bits == 32 ? AF_INET : AF_INET6, a.p, ip, sizeof(ip)) == NULL)
		return -1;
	snprintf(shown, sizeof(shown), "%s%s%.*s", ip, a.scope.len > 0 ? "%" : "", (int)a.scope.len,
	    a.scope.len > 0 ? (const char *)a.scope.p : "");
	text = (struct bytes){ (const uint8_t *)shown, strlen(shown) };
	while (match_list_next(&rest, &item, &negated)) {
		block = address_block_parse(&net, &bits, item, ANY);
		if (item.len == 0 || block == -1)
			return -1;
		/* scopes are compared as text, although %eth0 may be %2: a scope written
		 * differently does not match, unless the block is negated */
		if (block == 1)
			match = address_in_block(&a, &net, bits) &&
			    (negated || address_same_scope(&a, &net));
		else
			match = match_pattern(text, item, MATCH_FOLD);
		if (match && negated)
			return -1;
		found |= match;
	}
	return found;
}

static void
address_block_set(struct address_block *block, const struct address *a, int bits)
{
	*block = (struct address_block){ .v6 = a->bits == 128, .bits = (uint8_t)bits };
	memcpy(block->p, a->p, sizeof(block->p));
}

int
address_block_next(struct bytes *list, struct address_block *block)
{
	struct address net;
	struct bytes item;
	int bits, negated;

	do {
		if (!match_list_next(list, &item, &negated))
			return 0;
	} while (negated);
	if (address_block_parse(&net, &bits, item, ANY) != 1)
		return ERR_FORMAT;
	address_block_set(block, &net, bits);
	return 1;
}

int
address_block_of(const char *address, struct address_block *block)
{
	struct address a;

	if (!address_client_parse(&a, address))
		return ERR_FORMAT;
	address_block_set(block, &a, a.bits);
	return 0;
}

void
address_block_shorten(struct address_block *block, uint8_t bits)
{
	unsigned int i;

	for (i = bits; i < block->bits; i++)
		block->p[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	block->bits = bits;
}

int
address_match_blocks(const char *address, const char *list)
{
	struct bytes rest = { (const uint8_t *)list, strlen(list) }, item;
	struct address a, net;
	int bits, negated, found = 0;

	if (rest.len == 0 || list[rest.len - 1] == ',' || !address_client_parse(&a, address))
		return -1;
	if (strspn(list, "0123456789abcdefABCDEF.:/,") != rest.len)
		return -1;
	while (match_list_next(&rest, &item, &negated)) {
		if (item.len > BLOCK_LIST_ITEM_MAX ||
		    address_block_parse(&net, &bits, item, ANY) != 1)
			return -1;
		found |= address_in_block(&a, &net, bits) && address_same_scope(&a, &net);
	}
	return found;
}

/* 1 if this looks like an address with wildcards, and not like a host name. */
static int
address_is_wildcard(struct bytes item)
{
	size_t i, wild = 0;

	for (i = 0; i < item.len; i++) {
		if (strchr("0123456789abcdefABCDEF.:*?", item.p[i]) == NULL)
			return 0;
		wild += item.p[i] == '*' || item.p[i] == '?';
	}
	return wild > 0;
}

int
address_list_ok(const char *list)
{
	struct bytes rest = { (const uint8_t *)list, strlen(list) }, item;
	struct address net;
	int bits, block, negated;

	if (rest.len == 0 || list[rest.len - 1] == ',')
		return 0;
	while (match_list_next(&rest, &item, &negated)) {
		block = address_block_parse(&net, &bits, item, DOTTED);
		if (block == -1 || (block == 1 && address_is_mapped(&net)) ||
		    (block == 0 && !address_is_wildcard(item)))
			return 0;
	}
	return 1;
}
