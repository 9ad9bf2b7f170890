#include <arpa/inet.h>
#include <string.h>

#include "auth/address.h"
#include "auth/pattern.h"

struct address {
	int bits; /* 32 or 128 */
	uint8_t p[16];
};

/* A numeric address, the scope behind a '%' left out.  1 or 0. */
static int
address_parse(struct address *a, struct bytes s)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	char text[INET6_ADDRSTRLEN];
	const uint8_t *scope = s.len == 0 ? NULL : memchr(s.p, '%', s.len);

	if (scope != NULL)
		s.len = (size_t)(scope - s.p);
	if (s.len >= sizeof(text) || memchr(s.p, '\0', s.len) != NULL)
		return 0;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	memset(a, 0, sizeof(*a));
	a->bits = 32;
	if (inet_pton(AF_INET, text, a->p) == 1)
		return 1;
	a->bits = 128;
	if (inet_pton(AF_INET6, text, a->p) != 1)
		return 0;
	if (memcmp(a->p, mapped, sizeof(mapped)) == 0) {
		memmove(a->p, a->p + 12, 4);
		memset(a->p + 4, 0, 12);
		a->bits = 32;
	}
	return 1;
}

static int
prefix_equal(const uint8_t *a, const uint8_t *b, int bits)
{
	int whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, (size_t)whole) != 0)
		return 0;
	return rest == 0 || ((a[whole] ^ b[whole]) & (0xff << (8 - rest) & 0xff)) == 0;
}

/* A decimal number of at most three digits; -1 if it is none. */
static int
bits_parse(struct bytes s)
{
	int n = 0;
	size_t i;

	if (s.len == 0 || s.len > 3)
		return -1;
	for (i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		n = n * 10 + (s.p[i] - '0');
	}
	return n;
}

/* 1 if the address is in the block, 0 if not, -1 if it is no block at all: not
 * an address, too many bits, or bits set behind the prefix as sshd has it. */
static int
block_match(const struct address *a, struct bytes item, const uint8_t *slash)
{
	static const uint8_t zero[16];
	struct address net, host;
	struct bytes head = { item.p, (size_t)(slash - item.p) };
	struct bytes tail = { slash + 1, item.len - head.len - 1 };
	int bits = bits_parse(tail), i;

	if (!address_parse(&net, head))
		return -1;
	if (memchr(head.p, ':', head.len) != NULL && net.bits == 32)
		bits -= 96; /* of an IPv4-mapped block */
	if (bits < 0 || bits > net.bits)
		return -1;
	host = net;
	for (i = 0; i < bits; i++)
		host.p[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	if (memcmp(host.p, zero, sizeof(zero)) != 0)
		return -1;
	return a->bits == net.bits && prefix_equal(a->p, net.p, bits);
}

int
address_match(const char *address, const char *list)
{
	struct bytes text = { (const uint8_t *)address, strlen(address) };
	struct bytes rest = { (const uint8_t *)list, strlen(list) }, item;
	struct address a, b;
	const uint8_t *slash;
	char shown[INET6_ADDRSTRLEN];
	int negated, match, found = 0;

	if (!address_parse(&a, text))
		return -1;
	/* the way it is written is what wildcards are matched with */
	if (inet_ntop(a.bits == 32 ? AF_INET : AF_INET6, a.p, shown, sizeof(shown)) == NULL)
		return -1;
	text = (struct bytes){ (const uint8_t *)shown, strlen(shown) };
	while (pattern_list_next(&rest, &item, &negated)) {
		slash = item.len == 0 ? NULL : memchr(item.p, '/', item.len);
		if (slash != NULL)
			match = block_match(&a, item, slash);
		else if (address_parse(&b, item))
			match = a.bits == b.bits && memcmp(a.p, b.p, sizeof(a.p)) == 0;
		else
			match = item.len == 0 ? -1 : pattern_match(text, item);
		if (match == -1 || (match && negated))
			return -1;
		found |= match;
	}
	return found;
}

int
address_match_blocks(const char *address, const char *list)
{
	struct bytes text = { (const uint8_t *)address, strlen(address) };
	struct bytes rest = { (const uint8_t *)list, strlen(list) }, item;
	struct address a, b;
	const uint8_t *slash;
	int negated, match, found = 0;

	if (rest.len == 0 || list[rest.len - 1] == ',' || !address_parse(&a, text))
		return -1;
	while (pattern_list_next(&rest, &item, &negated)) {
		if (negated || item.len == 0 || memchr(item.p, '%', item.len) != NULL)
			return -1;
		slash = memchr(item.p, '/', item.len);
		if (slash != NULL)
			match = block_match(&a, item, slash);
		else if (address_parse(&b, item))
			match = a.bits == b.bits && memcmp(a.p, b.p, sizeof(a.p)) == 0;
		else
			match = -1;
		if (match == -1)
			return -1;
		found |= match;
	}
	return found;
}

int
address_list_ok(const char *list)
{
	struct bytes rest = { (const uint8_t *)list, strlen(list) }, item;
	struct address any = { .bits = 32 }, b;
	const uint8_t *slash;
	int negated;
	size_t i;

	if (rest.len == 0)
		return 0;
	while (pattern_list_next(&rest, &item, &negated)) {
		if (item.len == 0)
			return 0;
		slash = memchr(item.p, '/', item.len);
		if (slash != NULL) {
			if (block_match(&any, item, slash) == -1)
				return 0;
			continue;
		}
		if (address_parse(&b, item))
			continue;
		for (i = 0; i < item.len; i++)
			if (strchr("0123456789abcdefABCDEF.:*?", item.p[i]) == NULL)
				return 0;
		if (memchr(item.p, '*', item.len) == NULL && memchr(item.p, '?', item.len) == NULL)
			return 0;
	}
	return list[strlen(list) - 1] != ',';
}
