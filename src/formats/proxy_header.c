/*
 * Reading a header of the PROXY protocol.  Called by edge/, with bytes that a load balancer sent.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "formats/proxy_header.h"

/* Version 2: signature, version and command, family and transport, length of the rest. */
#define HEAD 16
#define TYPE_CRC32C 3

static const char v1_begins[] = "PROXY ";
static const uint8_t v2_begins[12] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T',
	'\n' };

static void
proxy_set_inet(struct sockaddr_storage *ss, const uint8_t *address, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	memcpy(&in.sin_addr, address, sizeof(in.sin_addr));
	memcpy(ss, &in, sizeof(in));
}

static void
proxy_set_inet6(struct sockaddr_storage *ss, const uint8_t *address, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memcpy(&in6.sin6_addr, address, sizeof(in6.sin6_addr));
	memcpy(ss, &in6, sizeof(in6));
}

/* --- version 1 --- */

/* Cut the next word off a line: exactly one space is between two of them.  NULL: there is none. */
static char *
proxy_v1_word(char **line)
{
	char *word = *line, *space;

	if (word == NULL)
		return NULL;
	space = strchr(word, ' ');
	if (space != NULL)
		*space = '\0';
	*line = space != NULL ? space + 1 : NULL;
	return *word == '\0' ? NULL : word;
}

/* A decimal number up to 65535 without leading zeros.  0 or ERR_FORMAT. */
static int
proxy_v1_port(const char *word, uint16_t *port)
{
	unsigned long n = 0;
	size_t i;

	if (word == NULL || (word[0] == '0' && word[1] != '\0'))
		return ERR_FORMAT;
	for (i = 0; word[i] >= '0' && word[i] <= '9' && n <= UINT16_MAX; i++)
		n = n * 10 + (unsigned long)(word[i] - '0');
	if (word[i] != '\0' || n > UINT16_MAX)
		return ERR_FORMAT;
	*port = (uint16_t)n;
	return 0;
}

/* What is between "PROXY " and the CRLF, of len bytes and a NUL. */
static int
proxy_v1_line(char *line, size_t len, struct proxy_header *h)
{
	const int nul = strlen(line) != len;
	const char *family = proxy_v1_word(&line), *client, *local;
	uint16_t client_port, local_port;
	uint8_t a[2][16];
	int af;

	if (family == NULL)
		return ERR_FORMAT;
	/* whatever follows is to be ignored */
	if (strcmp(family, "UNKNOWN") == 0)
		return 0;
	if (nul || (strcmp(family, "TCP4") != 0 && strcmp(family, "TCP6") != 0))
		return ERR_FORMAT;
	af = family[3] == '4' ? AF_INET : AF_INET6;
	client = proxy_v1_word(&line);
	local = proxy_v1_word(&line);
	if (client == NULL || local == NULL || inet_pton(af, client, a[0]) != 1 ||
	    inet_pton(af, local, a[1]) != 1)
		return ERR_FORMAT;
	if (proxy_v1_port(proxy_v1_word(&line), &client_port) != 0 ||
	    proxy_v1_port(proxy_v1_word(&line), &local_port) != 0 || line != NULL)
		return ERR_FORMAT;
	h->family = af == AF_INET ? PROXY_INET : PROXY_INET6;
	(af == AF_INET ? proxy_set_inet : proxy_set_inet6)(&h->client, a[0], client_port);
	(af == AF_INET ? proxy_set_inet : proxy_set_inet6)(&h->local, a[1], local_port);
	return 0;
}

static int
proxy_v1(const uint8_t *p, size_t len, struct proxy_header *h, size_t *size)
{
	const size_t begins = sizeof(v1_begins) - 1;
	const size_t most = len < PROXY_HEADER_V1_MAX ? len : PROXY_HEADER_V1_MAX;
	char line[PROXY_HEADER_V1_MAX + 1];
	size_t i;

	for (i = begins; i < most && p[i] != '\r' && p[i] != '\n'; i++)
		;
	/* CR LF must be within the limit; neither of them may stand alone */
	if (i + 2 > PROXY_HEADER_V1_MAX || (i < most && p[i] != '\r'))
		return ERR_FORMAT;
	if (i + 2 > len)
		return ERR_AGAIN;
	if (p[i + 1] != '\n')
		return ERR_FORMAT;
	memcpy(line, p + begins, i - begins);
	line[i - begins] = '\0';
	h->version = 1;
	h->command = PROXY_PROXY;
	*size = i + 2;
	return proxy_v1_line(line, i - begins, h);
}

/* --- version 2 --- */

/* CRC32c (RFC 4960, appendix B) of the header, as if the four bytes at hole were 0. */
static uint32_t
proxy_v2_checksum(const uint8_t *p, size_t len, size_t hole)
{
	uint32_t crc = 0xffffffff;
	size_t i;
	int bit;

	for (i = 0; i < len; i++) {
		crc ^= i >= hole && i < hole + 4 ? 0 : p[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* The values after the addresses: the checksum is compared, others are skipped. */
static int
proxy_v2_values(const uint8_t *p, size_t len, size_t at)
{
	uint32_t sum;
	size_t n;

	for (; at < len; at += 3 + n) {
		if (len - at < 3)
			return ERR_FORMAT;
		n = (size_t)p[at + 1] << 8 | p[at + 2];
		if (n > len - at - 3)
			return ERR_FORMAT;
		if (p[at] != TYPE_CRC32C)
			continue;
		if (n != 4)
			return ERR_FORMAT;
		sum = (uint32_t)p[at + 3] << 24 | (uint32_t)p[at + 4] << 16 |
		    (uint32_t)p[at + 5] << 8 | p[at + 6];
		if (sum != proxy_v2_checksum(p, len, at + 3))
			return ERR_AUTH;
	}
	return 0;
}

static uint16_t
proxy_v2_port(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* A whole header of len bytes. */
static int
proxy_v2_whole(const uint8_t *p, size_t len, struct proxy_header *h)
{
	static const size_t addresses[] = { [PROXY_NONE] = 0, 12, 36, 216 };
	const unsigned int family = p[13] >> 4, transport = p[13] & 15;
	const uint8_t *a = p + HEAD;

	h->version = 2;
	h->command = p[12] & 15;
	/* the rest of LOCAL is skipped, whatever it is */
	if (h->command == PROXY_LOCAL)
		return 0;
	if (len - HEAD < addresses[family])
		return ERR_FORMAT;
	/* datagrams and an unknown transport are allowed, and say nothing about this connection */
	h->family = transport == 1 ? (enum proxy_family)family : PROXY_NONE;
	if (h->family == PROXY_INET) {
		proxy_set_inet(&h->client, a, proxy_v2_port(a + 8));
		proxy_set_inet(&h->local, a + 4, proxy_v2_port(a + 10));
	} else if (h->family == PROXY_INET6) {
		proxy_set_inet6(&h->client, a, proxy_v2_port(a + 32));
		proxy_set_inet6(&h->local, a + 16, proxy_v2_port(a + 34));
	}
	/* without a family the length of the addresses is not known, nor where values begin */
	return family == PROXY_NONE ? 0 : proxy_v2_values(p, len, HEAD + addresses[family]);
}

static int
proxy_v2(const uint8_t *p, size_t len, struct proxy_header *h, size_t *size)
{
	size_t all;

	/* the command: LOCAL or PROXY; the family: up to UNIX; the transport: up to datagrams */
	if (len > 12 && (p[12] >> 4 != 2 || (p[12] & 15) > PROXY_PROXY))
		return ERR_FORMAT;
	if (len > 13 && p[12] != 0x20 && (p[13] >> 4 > PROXY_UNIX || (p[13] & 15) > 2))
		return ERR_FORMAT;
	if (len < HEAD)
		return ERR_AGAIN;
	all = HEAD + ((size_t)p[14] << 8 | p[15]);
	if (all > PROXY_HEADER_MAX)
		return ERR_TOOBIG;
	if (len < all)
		return ERR_AGAIN;
	*size = all;
	return proxy_v2_whole(p, all, h);
}

int
proxy_header_read(const uint8_t *p, size_t len, struct proxy_header *h, size_t *size)
{
	static const struct {
		const void *begins;
		size_t len;
		int (*read)(const uint8_t *p, size_t len, struct proxy_header *h, size_t *size);
	} versions[] = { { v1_begins, sizeof(v1_begins) - 1, proxy_v1 },
		{ v2_begins, sizeof(v2_begins), proxy_v2 } };
	size_t i, n;
	int r = ERR_NOTFOUND;

	memset(h, 0, sizeof(*h));
	*size = 0;
	if (len == 0)
		return ERR_AGAIN;
	for (i = 0; i < 2 && r == ERR_NOTFOUND; i++) {
		n = len < versions[i].len ? len : versions[i].len;
		if (memcmp(p, versions[i].begins, n) == 0)
			r = n == versions[i].len ? versions[i].read(p, len, h, size) : ERR_AGAIN;
	}
	return r;
}
