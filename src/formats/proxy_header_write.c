/*
 * Writing the header of the PROXY protocol (proxy_header.h).  Called by the errands that dial.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "formats/proxy_header.h"

static const uint8_t proxy_v2_signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51,
	0x55, 0x49, 0x54, 0x0a };

#define PROXY_V2_LOCAL 0x20 /* version 2, command LOCAL */
#define PROXY_V2_PROXY 0x21
#define PROXY_V2_UNSPEC 0x00
#define PROXY_V2_TCP4 0x11
#define PROXY_V2_TCP6 0x21

/* One end of the connection. */
struct proxy_end {
	const void *address; /* 4 or 16 bytes */
	uint16_t port;
};

/* The end in ss, which is of the header's family, or an empty one. */
static struct proxy_end
proxy_end_of(const struct proxy_header *h, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;

	if (h->family == PROXY_INET && ss->ss_family == AF_INET)
		return (struct proxy_end){ &v4->sin_addr, ntohs(v4->sin_port) };
	if (h->family == PROXY_INET6 && ss->ss_family == AF_INET6)
		return (struct proxy_end){ &v6->sin6_addr, ntohs(v6->sin6_port) };
	return (struct proxy_end){ 0 };
}

static void
proxy_write_v1(struct buf *b, int inet, const struct proxy_end *from, const struct proxy_end *to)
{
	const int af = inet ? AF_INET : AF_INET6;
	char client[INET6_ADDRSTRLEN], local[INET6_ADDRSTRLEN];

	if (from->address == NULL || to->address == NULL ||
	    inet_ntop(af, from->address, client, sizeof(client)) == NULL ||
	    inet_ntop(af, to->address, local, sizeof(local)) == NULL)
		buf_putf(b, "PROXY UNKNOWN\r\n");
	else
		buf_putf(b, "PROXY TCP%d %s %s %u %u\r\n", inet ? 4 : 6, client, local, from->port,
		    to->port);
}

static void
proxy_put_u16(struct buf *b, uint16_t v)
{
	buf_put_u8(b, (uint8_t)(v >> 8));
	buf_put_u8(b, (uint8_t)v);
}

static void
proxy_write_v2(struct buf *b, enum proxy_command command, int inet, const struct proxy_end *from,
    const struct proxy_end *to)
{
	const size_t len = inet ? 4 : 16;

	buf_put(b, proxy_v2_signature, sizeof(proxy_v2_signature));
	buf_put_u8(b, command == PROXY_LOCAL ? PROXY_V2_LOCAL : PROXY_V2_PROXY);
	if (command == PROXY_LOCAL || from->address == NULL || to->address == NULL) {
		buf_put_u8(b, PROXY_V2_UNSPEC);
		proxy_put_u16(b, 0);
		return;
	}
	buf_put_u8(b, inet ? PROXY_V2_TCP4 : PROXY_V2_TCP6);
	proxy_put_u16(b, (uint16_t)(2 * len + 4));
	buf_put(b, from->address, len);
	buf_put(b, to->address, len);
	proxy_put_u16(b, from->port);
	proxy_put_u16(b, to->port);
}

void
proxy_header_write(struct buf *b, const struct proxy_header *h)
{
	const struct proxy_end from = proxy_end_of(h, &h->client), to = proxy_end_of(h, &h->local);

	if (h->version == 1)
		proxy_write_v1(b, h->family == PROXY_INET, &from, &to);
	else
		proxy_write_v2(b, h->command, h->family == PROXY_INET, &from, &to);
}
