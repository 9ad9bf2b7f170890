/*
 * The ports of tunnels (granted.h).  master.c calls it.
 */
#include "master/granted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dontfork.h"
#include "base/fd.h"
#include "base/log.h"
#include "conf/forward.h"
#include "master/master_private.h"

/* The keeper has no say about lower ones. */
#define GRANTED_FIRST 1024
/* Connections that are accepted before the master looks at its listeners again. */
#define GRANTED_BURST 16
/* How long accepting pauses when descriptors run out. */
#define GRANTED_PAUSE_MS 50

struct granted {
	int epoll;
	unsigned int n;
	struct granted_port {
		int fd;
		uint16_t port;
	} v[GRANTED_MAX];
};

static int
granted_begin(struct master *m)
{
	if (m->granted != NULL)
		return 0;
	m->granted = dontfork_new(sizeof(*m->granted));
	if (m->granted == NULL)
		return ERR_NOMEM;
	m->granted->n = 0;
	m->granted->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (m->granted->epoll != -1)
		return 0;
	dontfork_free(m->granted, sizeof(*m->granted));
	m->granted = NULL;
	return ERR_SYS;
}

void
granted_free(struct granted **g)
{
	unsigned int i;

	if (*g == NULL)
		return;
	for (i = 0; i < (*g)->n; i++)
		fd_close(&(*g)->v[i].fd);
	fd_close(&(*g)->epoll);
	dontfork_free(*g, sizeof(**g));
	*g = NULL;
}

static struct granted_port *
granted_find(struct granted *g, uint32_t port)
{
	unsigned int i;

	for (i = 0; g != NULL && i < g->n; i++)
		if (g->v[i].port == port)
			return &g->v[i];
	return NULL;
}

/* The address to bind; host "" is any, of both families.  Its length, or 0. */
static socklen_t
granted_address(const char *host, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memset(ss, 0, sizeof(*ss));
	if (host[0] == '\0' || inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
		memcpy(ss, &in6, sizeof(in6));
		return sizeof(in6);
	}
	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return 0;
	memcpy(ss, &in, sizeof(in));
	return sizeof(in);
}

/* Bind and listen.  The descriptor, or -1 with errno. */
static int
granted_listen(const char *host, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = granted_address(host, port, &ss);
	int one = 1, zero = 0, fd;

	if (len == 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* a host without IPv6 has IPv4 */
	if (fd == -1 && host[0] == '\0')
		return granted_listen("0.0.0.0", port);
	if (fd == -1)
		return -1;
	if ((host[0] != '\0' ||
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) == 0) &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, (struct sockaddr *)&ss, len) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	fd_close(&fd);
	return -1;
}

/* Listen on the first port that is free, beginning with the one that is wanted.  The port; or 0 with why. */
static uint32_t
granted_take(struct granted *g, const struct ipc_bind *b, char why[256])
{
	const uint32_t count = b->exact ? 1 : b->last - b->first + 1;
	struct epoll_event event = { .events = EPOLLIN };
	uint32_t i, port;
	int fd;

	snprintf(why, 256, "port %u is taken", b->wanted);
	if (!b->exact)
		snprintf(why, 256, "all ports of TunnelPorts, %u to %u, are taken", b->first,
		    b->last);
	if (g->n == GRANTED_MAX) {
		snprintf(why, 256, "the gateway listens on as many ports as it can");
		return 0;
	}
	for (i = 0; i < count; i++) {
		port = b->first + (b->wanted - b->first + i) % (b->last - b->first + 1);
		if (granted_find(g, port) != NULL)
			continue;
		fd = granted_listen(b->host, (uint16_t)port);
		if (fd == -1 && errno != EADDRINUSE) {
			snprintf(why, 256, "port %u of the gateway: %s", port, strerror(errno));
			return 0;
		}
		if (fd == -1)
			continue;
		event.data.u32 = port;
		if (epoll_ctl(g->epoll, EPOLL_CTL_ADD, fd, &event) == -1) {
			snprintf(why, 256, "port %u of the gateway: %s", port, strerror(errno));
			fd_close(&fd);
			return 0;
		}
		g->v[g->n++] = (struct granted_port){ fd, (uint16_t)port };
		return port;
	}
	return 0;
}

static void
granted_tell(struct master *m, struct buf *b, int fd)
{
	if (ipc_send(m->keeper, b, fd) != 0)
		log_error("cannot tell the keeper about a tunnel");
	m->keeper_room = 0;
}

void
granted_bind(struct master *m, struct wire *body)
{
	struct ipc_bind bind;
	char why[256] = "";
	uint32_t port = 0;
	struct buf b;

	if (ipc_bind_get(body, &bind) != 0 || bind.first < GRANTED_FIRST ||
	    bind.first > bind.wanted || bind.wanted > bind.last || bind.last > UINT16_MAX) {
		log_error("the keeper asks for a port out of place");
		return;
	}
	if (granted_begin(m) != 0)
		snprintf(why, sizeof(why), "the gateway is out of resources");
	else
		port = granted_take(m->granted, &bind, why);
	ipc_begin(&b, IPC_TUNNEL_BOUND);
	wire_put_u64(&b, bind.tunnel);
	wire_put_u32(&b, port);
	wire_put_text(&b, port != 0 ? "" : why);
	granted_tell(m, &b, -1);
}

void
granted_unbind(struct master *m, struct wire *body)
{
	struct granted_port *p = granted_find(m->granted, wire_u32(body));

	if (wire_end(body) != 0 || p == NULL)
		return;
	/* a session forked just now may still hold it, and clients would queue there */
	(void)!shutdown(p->fd, SHUT_RD);
	fd_close(&p->fd);
	*p = m->granted->v[--m->granted->n];
}

void
granted_poll(const struct master *m, struct pollfd *fd, int paused)
{
	*fd = (struct pollfd){ m->granted != NULL && !paused ? m->granted->epoll : -1, POLLIN, 0 };
}

int
granted_visit(struct master *m, const struct conf_forward *f, struct connection *c,
    const struct ipc_opening *o)
{
	char name[TUNNEL_NAME_SIZE];
	struct ipc_visit v = { .name = name,
		.http = o->kind == IPC_KIND_HTTP,
		.client = c->client,
		.client_port = c->client_port };
	struct buf b;

	if (!forward_tunnel(f, o->host, name))
		return 0;
	v.port = v.http ? 80 : 443;
	if (name[0] != '\0') {
		ipc_begin(&b, IPC_TUNNEL_VISIT);
		ipc_visit_put(&b, &v);
		granted_tell(m, &b, c->fd);
	} else {
		drops_log(c, LOG_LVL_INFO, "its host is no name of a tunnel");
	}
	fd_close(&c->fd);
	return 1;
}

/* Accept a connection, and give it to the keeper.  0, or an ERR_*: none waits, or there is no descriptor. */
static int
granted_accept(struct master *m, const struct granted_port *p)
{
	struct listener l = { .fd = p->fd };
	struct connection c;
	struct ipc_visit v = { .name = "", .port = p->port };
	char client[NETADDR_TEXT_SIZE];
	struct buf b;
	int r = listener_accept(&l, &c);

	if (r == ERR_TOOBIG) {
		log_warn("accept: %s; waiting", strerror(errno));
		m->accept_at = clock_ms() + GRANTED_PAUSE_MS;
	}
	if (r != 0)
		return r;
	v.client = netaddr_text(&c.address, client);
	v.client_port = c.client_port;
	ipc_begin(&b, IPC_TUNNEL_VISIT);
	ipc_visit_put(&b, &v);
	granted_tell(m, &b, c.fd);
	fd_close(&c.fd);
	return 0;
}

void
granted_input(struct master *m)
{
	struct epoll_event events[GRANTED_BURST];
	const struct granted_port *p;
	int i, n;

	n = epoll_wait(m->granted->epoll, events, GRANTED_BURST, 0);
	for (i = 0; i < n && master_has_room(m); i++) {
		p = granted_find(m->granted, events[i].data.u32);
		if (p != NULL && granted_accept(m, p) == ERR_TOOBIG)
			return;
	}
}
