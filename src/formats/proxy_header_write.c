/*
 * Writing the header of the PROXY protocol (proxy_header_write.h).  Called by the errands that dial.
 */
#include <arpa/inet.h>
#include <string.h>

#include "formats/proxy_header_write.h"

static const uint8_t proxy_v2_signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51,
	0x55, 0x49, 0x54, 0x0a };

#define PROXY_V2_LOCAL 0x20 /* version 2, command LOCAL */
#define PROXY_V2_PROXY 0x21
#define PROXY_V2_UNSPEC 0x00
#define PROXY_V2_TCP4 0x11
#define PROXY_V2_TCP6 0x21

/* The bytes of an address, and its family: 4, 6, or 0 for none. */
static unsigned int
proxy_address(const char *text, uint8_t out[16])
{
	char plain[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "%");

	if (len >= sizeof(plain))
		return 0;
	memcpy(plain, text, len);
	plain[len] = '\0';
	if (inet_pton(AF_INET, plain, out) == 1)
		return 4;
	return inet_pton(AF_INET6, plain, out) == 1 ? 6 : 0;
}

static void
proxy_put_u16(struct buf *b, uint16_t v)
{
	buf_put_u8(b, (uint8_t)(v >> 8));
	buf_put_u8(b, (uint8_t)v);
}

static void
proxy_write_v1(struct buf *b, unsigned int family, const uint8_t *from, uint16_t from_port,
    const uint8_t *to, uint16_t to_port)
{
	const int af = family == 4 ? AF_INET : AF_INET6;
	char client[INET6_ADDRSTRLEN], local[INET6_ADDRSTRLEN];

	/* printed anew: the receiver gets the one canonical form of an address */
	if (family == 0 || inet_ntop(af, from, client, sizeof(client)) == NULL ||
	    inet_ntop(af, to, local, sizeof(local)) == NULL)
		buf_putf(b, "PROXY UNKNOWN\r\n");
	else
		buf_putf(b, "PROXY TCP%u %s %s %u %u\r\n", family, client, local, from_port,
		    to_port);
}

static void
proxy_write_v2(struct buf *b, int nobody, unsigned int family, const uint8_t *from,
    uint16_t from_port, const uint8_t *to, uint16_t to_port)
{
	const size_t len = family == 4 ? 4 : 16;

	buf_put(b, proxy_v2_signature, sizeof(proxy_v2_signature));
	buf_put_u8(b, nobody ? PROXY_V2_LOCAL : PROXY_V2_PROXY);
	if (family == 0) {
		buf_put_u8(b, PROXY_V2_UNSPEC);
		proxy_put_u16(b, 0);
		return;
	}
	buf_put_u8(b, family == 4 ? PROXY_V2_TCP4 : PROXY_V2_TCP6);
	proxy_put_u16(b, (uint16_t)(2 * len + 4));
	buf_put(b, from, len);
	buf_put(b, to, len);
	proxy_put_u16(b, from_port);
	proxy_put_u16(b, to_port);
}

void
proxy_header_write(struct buf *b, unsigned int version, const char *client, uint16_t client_port,
    const char *local, uint16_t local_port)
{
	uint8_t from[16] = { 0 }, to[16] = { 0 };
	unsigned int family = proxy_address(client, from);

	if (family != proxy_address(local, to))
		family = 0;
	if (version == 1)
		proxy_write_v1(b, family, from, client_port, to, local_port);
	else
		proxy_write_v2(b, client[0] == '\0', family, from, client_port, to, local_port);
}
