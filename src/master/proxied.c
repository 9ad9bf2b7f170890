/*
 * The master's side of PROXY headers.  Limits and penalties count afterwards, for the client that the header
 * names; here are only the limits for those that have sent none.  Called by master.c for new connections, by
 * arrivals.c for the answers of edge.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "formats/address.h"
#include "ipc/messages.h"
#include "master/master_private.h"

/* Connections that wait for their headers.  A working load balancer sends its header at once: if more than
 * these wait, the oldest are of something else, and are refused. */
#define PROXIED_MAX 1024

/* What the log says, by enum ipc_no_header. */
static const char *const proxied_why[IPC_NO_HEADERS] = {
	[IPC_HEADER_MISSING] =
	    "no PROXY header, which AcceptProxyFrom demands of this address (HAProxy: send-proxy)",
	[IPC_HEADER_MALFORMED] = "its PROXY header is malformed",
	[IPC_HEADER_TOO_LONG] = "its PROXY header is longer than 4096 bytes",
	[IPC_HEADER_CHECKSUM] = "the checksum of its PROXY header is wrong",
	[IPC_HEADER_CLOSED] = "it was closed before its PROXY header",
};

int
proxied_wanted(const struct master *m, const struct netaddr *address)
{
	const struct strlist *from = &m->conf->edge.accept_proxy_from;
	char text[NETADDR_TEXT_SIZE];
	size_t i;

	if (from->n == 0)
		return 0;
	netaddr_text(address, text);
	for (i = 0; i < from->n; i++)
		if (address_match_blocks(text, from->v[i]) == 1)
			return 1;
	return 0;
}

static void
proxied_refuse(struct master *m, struct arrival *a, const char *why)
{
	drops_refuse(&m->drops, &a->c, STARTUP_NO_HEADER, why, clock_ms());
	arrivals_cut(m, a);
}

void
proxied_take(struct master *m, struct connection *c)
{
	if (arrivals_waiting(m, ARRIVAL_HEADER) == PROXIED_MAX)
		proxied_refuse(m, arrivals_first(m, ARRIVAL_HEADER),
		    "no PROXY header so far, and 1024 connections wait for theirs");
	arrivals_add(m, ARRIVAL_HEADER, c);
}

/* 4 or 16 bytes of an address, and its port.  IPv4 as an IPv6 address becomes what it is. */
static socklen_t
proxied_address(struct sockaddr_storage *ss, struct bytes address, uint32_t port)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	memset(ss, 0, sizeof(*ss));
	if (address.len == 16 && memcmp(address.p, mapped, sizeof(mapped)) == 0)
		address = (struct bytes){ address.p + 12, 4 };
	if (address.len == 4) {
		memcpy(&in.sin_addr, address.p, 4);
		memcpy(ss, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, address.p, 16);
	memcpy(ss, &in6, sizeof(in6));
	return sizeof(in6);
}

/* HEADER: from here on the connection is the client's. */
int
proxied_header(struct master *m, struct wire *body)
{
	struct arrival *a;
	char balancer[NETADDR_TEXT_SIZE], client[NETADDR_TEXT_SIZE];
	struct ipc_header h;
	struct connection c;

	if (ipc_header_get(body, &h) != 0)
		return ERR_FORMAT;
	a = arrivals_find(m, h.connection);
	if (a == NULL)
		return 0; /* given up meanwhile */
	if (a->look != ARRIVAL_HEADER)
		return ERR_FORMAT;
	arrivals_take(m, a, &c); /* a copy: a forked session has no access to that memory */
	if (h.client.len > 0) {
		c.peer_len = proxied_address(&c.peer, h.client, h.client_port);
		c.here_len = proxied_address(&c.here, h.local, h.local_port);
		netaddr_text(&c.address, balancer);
		netaddr_from(&c.address, &c.peer);
		c.client_port = h.client_port;
		log_debug("a PROXY header of %s: a connection from %s port %u", balancer,
		    netaddr_text(&c.address, client), c.client_port);
	}
	master_arrived(m, &c);
	return 0;
}

int
proxied_no_header(struct master *m, struct wire *body)
{
	const uint64_t number = wire_u64(body);
	const uint8_t why = wire_u8(body);
	struct arrival *a;

	if (wire_end(body) != 0 || why >= IPC_NO_HEADERS)
		return ERR_FORMAT;
	a = arrivals_find(m, number);
	if (a == NULL)
		return 0;
	if (a->look != ARRIVAL_HEADER)
		return ERR_FORMAT;
	if (why == IPC_HEADER_CLOSED) {
		/* health checks do that every other second */
		drops_log(&a->c, LOG_LVL_DEBUG, proxied_why[why]);
		arrivals_cut(m, a);
	} else {
		proxied_refuse(m, a, proxied_why[why]);
	}
	return 0;
}

int64_t
proxied_timers(struct master *m, int64_t now)
{
	const int wait_ms = m->conf->edge.proxy_timeout_ms;
	struct arrival *a;

	while ((a = arrivals_first(m, ARRIVAL_HEADER)) != NULL && a->since + wait_ms <= now)
		proxied_refuse(m, a, "no whole PROXY header within ProxyTimeout");
	return a != NULL ? a->since + wait_ms : CLOCK_NEVER;
}
