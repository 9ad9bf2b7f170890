/*
 * Reading TunnelPorts (tunnel_ports.h).  lookup/ checks it, keeper/ uses it.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/tunnel_ports.h"

/* Lower ones are for root, which the gateway is not. */
#define TUNNEL_PORTS_FIRST 1024

static int
tunnel_ports_number(const char *text, const char **end, uint16_t *port)
{
	size_t len = strspn(text, "0123456789");
	unsigned long n = len > 0 && len <= 5 ? strtoul(text, NULL, 10) : 0;

	*end = text + len;
	*port = (uint16_t)n;
	return n >= TUNNEL_PORTS_FIRST && n <= UINT16_MAX ? 0 : ERR_FORMAT;
}

/* The address in front of the last colon.  0 with what is behind it in *rest. */
static int
tunnel_ports_host(const char *text, char host[64], const char **rest)
{
	const char *colon = strrchr(text, ':');
	struct in6_addr in6;
	struct in_addr in;
	size_t len;

	host[0] = '\0';
	*rest = text;
	if (colon == NULL)
		return 0;
	*rest = colon + 1;
	len = (size_t)(colon - text);
	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		snprintf(host, 64, "%.*s", len - 2 < 63 ? (int)len - 2 : 63, text + 1);
		return inet_pton(AF_INET6, host, &in6) == 1 ? 0 : ERR_FORMAT;
	}
	snprintf(host, 64, "%.*s", len < 63 ? (int)len : 63, text);
	return inet_pton(AF_INET, host, &in) == 1 ? 0 : ERR_FORMAT;
}

int
tunnel_ports_parse(const char *text, struct tunnel_ports *p, struct reason *why)
{
	const char *rest, *end = "";
	int r = tunnel_ports_host(text, p->host, &rest);

	if (r == 0)
		r = tunnel_ports_number(rest, &end, &p->first);
	p->last = p->first;
	if (r == 0 && *end == '-')
		r = tunnel_ports_number(end + 1, &end, &p->last);
	if (r == 0 &&
	    (*end != '\0' || p->last < p->first || p->last - p->first >= TUNNEL_PORTS_MAX))
		r = ERR_FORMAT;
	if (r != 0)
		reason_set(why,
		    "\"%.80s\" is not FIRST-LAST or ADDRESS:FIRST-LAST: up to %d ports from %d on",
		    text, TUNNEL_PORTS_MAX, TUNNEL_PORTS_FIRST);
	return r;
}
