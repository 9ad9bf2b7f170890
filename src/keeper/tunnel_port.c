/*
 * TCP ports of tunnels (TunnelPorts): the master listens on them, and tells of each visitor.  tunnel.c and
 * keeper.c call it.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "formats/tunnel_ports.h"
#include "keeper/master_link.h"
#include "keeper/tunnel_private.h"

/* The ports of its route.  1, or 0: it has none. */
static int
tunnel_port_range(const struct tunnel *t, struct tunnel_ports *ports)
{
	const char *text = t->session->route->tunnel_ports;
	struct reason why;

	return text != NULL && tunnel_ports_parse(text, ports, &why) == 0;
}

int
tunnel_port_wanted(const struct tunnel *t)
{
	struct tunnel_ports ports;

	return tunnel_port_range(t, &ports) &&
	    (t->asked == 0 || (t->asked >= ports.first && t->asked <= ports.last));
}

int
tunnel_port_waits(const struct tunnel *t)
{
	return t->number != 0 && t->granted == 0;
}

void
tunnel_port_refused(struct tunnel *t, const char *why)
{
	struct ksession *s = t->session;
	uint32_t port = t->asked;
	char name[TUNNEL_NAME_SIZE];

	snprintf(name, sizeof(name), "%s", t->name);
	tunnel_free(t, NULL);
	tunnel_refuse(s, name, port, why);
}

void
tunnel_port_ask(struct tunnel *t)
{
	struct keeper *k = t->session->keeper;
	struct ipc_bind m = { .tunnel = ++k->tunnels.serial };
	struct tunnel_ports ports;
	struct buf b;

	if (!tunnel_port_range(t, &ports))
		return;
	m.host = ports.host;
	m.first = ports.first;
	m.last = ports.last;
	m.exact = t->asked != 0;
	m.wanted = m.exact ?
	    t->asked :
	    m.first + (uint32_t)(tunnel_number(t->session, 0) % (m.last - m.first + 1));
	t->number = m.tunnel;
	LIST_INSERT_HEAD(&k->tunnels.with_port, t, with_port);
	ipc_begin(&b, IPC_TUNNEL_BIND);
	ipc_bind_put(&b, &m);
	if (master_link_send(k, &b, -1) != 0)
		tunnel_port_refused(t, "the gateway is being restarted");
}

static void
tunnel_port_unbind(struct keeper *k, uint32_t port)
{
	struct buf b;

	ipc_begin(&b, IPC_TUNNEL_UNBIND);
	wire_put_u32(&b, port);
	if (master_link_send(k, &b, -1) != 0)
		log_error("the master is not told that port %u is free", port);
}

/* It has no port, and waits for none. */
static void
tunnel_port_leave(struct tunnel *t)
{
	if (t->number != 0)
		LIST_REMOVE(t, with_port);
	t->number = 0;
	t->granted = 0;
}

void
tunnel_port_drop(struct tunnel *t)
{
	struct keeper *k = t->session->keeper;
	uint32_t port = t->granted;

	tunnel_port_leave(t);
	if (port != 0 && k->master != -1)
		tunnel_port_unbind(k, port);
}

void
tunnel_port_move(struct tunnel *from, struct tunnel *to)
{
	if (from->granted == 0 || !tunnel_port_wanted(to))
		return;
	to->granted = from->granted;
	to->number = from->number;
	tunnel_port_leave(from);
	LIST_INSERT_HEAD(&to->session->keeper->tunnels.with_port, to, with_port);
}

struct tunnel *
tunnel_port_find(struct keeper *k, uint32_t port)
{
	struct tunnel *t;

	LIST_FOREACH(t, &k->tunnels.with_port, with_port)
		if (t->granted == port)
			break;
	return t;
}

void
tunnel_bound(struct keeper *k, struct wire *body)
{
	uint64_t number = wire_u64(body);
	uint32_t port = wire_u32(body);
	char why[256];
	struct tunnel *t = LIST_FIRST(&k->tunnels.with_port);

	wire_text(body, why, sizeof(why));
	if (wire_end(body) != 0)
		return;
	while (t != NULL && (t->number != number || !tunnel_port_waits(t)))
		t = LIST_NEXT(t, with_port);
	if (t == NULL) {
		/* its session has ended meanwhile */
		if (port != 0)
			tunnel_port_unbind(k, port);
		return;
	}
	if (port == 0) {
		tunnel_port_refused(t, why);
		return;
	}
	t->granted = port;
	if (t->asked == 0)
		t->port = port;
	tunnel_opened(t);
}
