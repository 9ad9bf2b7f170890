/*
 * TunnelPorts: the TCP ports that the gateway may open for tunnels.
 */
#ifndef FORMATS_TUNNEL_PORTS_H
#define FORMATS_TUNNEL_PORTS_H

#include <stdint.h>

#include "base/err.h"
#include "base/reason.h"

/* Ports of one range: each may be tried in turn by bind(2). */
#define TUNNEL_PORTS_MAX 1000

struct tunnel_ports {
	char host[64]; /* numeric; "": all addresses of the host */
	uint16_t first, last;
};

/* FIRST-LAST, ADDRESS:FIRST-LAST or [ADDRESS]:FIRST-LAST; one port alone, too.  0, or ERR_FORMAT with why. */
int tunnel_ports_parse(const char *text, struct tunnel_ports *ports, struct reason *why) MUST_CHECK;

#endif
