/*
 * Binding, changing and closing the listening sockets, and accepting on them.  Called by master.c, and
 * by reload.c when ListenAddress changes.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "master/listener.h"

/* What a reload cannot do: the sockets of a unit are opened by systemd. */
#define LISTENER_UNIT_CHANGE                                                                  \
	"to change the socket unit: systemctl edit sallyport.socket, then systemctl restart " \
	"sallyport.socket sallyport.service"

static int
listener_set_shared(int fd, int on)
{
	return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

/* Why it could not be bound, by errno. */
static const char *
listener_bind_failure(void)
{
	switch (errno) {
	case EADDRNOTAVAIL:
		return "Cannot assign requested address (this host does not have it; "
		       "ListenFreeBind = yes binds it all the same)";
	case EADDRINUSE:
		return "Address already in use (as root, ss -ltnp says by which program; it or "
		       "ListenAddress has to change)";
	case EACCES:
		return "Permission denied (ports below 1024 are for root, or for a service that "
		       "has CAP_NET_BIND_SERVICE)";
	default:
		return strerror(errno);
	}
}

/* ListenFreeBind: the address need not be one of this host. */
static int
listener_set_free(int fd, int family)
{
	int one = 1;

	return family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one)) :
				    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
}

/* shared: bind although another socket of the master overlaps it, see listener_take_over(). */
static int
listener_bind(struct listener *l, const struct conf_gateway *gateway, int shared)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *ai = NULL;
	int one = 1, r = ERR_SYS;
	char port[16];

	snprintf(port, sizeof(port), "%u", l->address->port);
	if (getaddrinfo(l->address->host, port, &hints, &ai) != 0) {
		errno = EADDRNOTAVAIL;
		return ERR_SYS;
	}
	l->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd == -1 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1)
		goto out;
	/* as for sshd, "::" does not include IPv4 */
	if (ai->ai_family == AF_INET6 &&
	    setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == -1)
		goto out;
	if (gateway->listen_free_bind && listener_set_free(l->fd, ai->ai_family) == -1)
		goto out;
	if (shared && listener_set_shared(l->fd, 1) == -1)
		goto out;
	if (bind(l->fd, ai->ai_addr, ai->ai_addrlen) == 0)
		r = 0;
out:
	freeaddrinfo(ai);
	if (r != 0)
		fd_close(&l->fd);
	return r;
}

/* 1 if an inherited socket is bound to the listener's address, which then uses it. */
static int
listener_inherit(const struct inherited *in, struct listener *l)
{
	int fd = inherited_find(in, l->address);

	if (fd == -1)
		return 0;
	l->fd = fd;
	l->inherited = 1;
	return 1;
}

int
listeners_bind(const struct inherited *in, const struct conf_gateway *gateway,
    struct listener *listeners)
{
	size_t i;
	int r;

	for (i = 0; i < gateway->n_listen; i++) {
		listeners[i] = (struct listener){ -1, &gateway->listen[i], 0 };
		if (listener_inherit(in, &listeners[i]) ||
		    listener_bind(&listeners[i], gateway, 0) == 0)
			continue;
		/* [::] is a default, and this host may have no IPv6 */
		if (errno == EAFNOSUPPORT && gateway->n_listen > 1) {
			log_warn("%s: this host has no IPv6; skipped", gateway->listen[i].host);
			continue;
		}
		r = errno == EADDRINUSE ? ERR_EXISTS : ERR_SYS;
		log_error("cannot bind %s port %u: %s", gateway->listen[i].host,
		    gateway->listen[i].port, listener_bind_failure());
		return r;
	}
	return 0;
}

size_t
listeners_add_strays(const struct inherited *in, const struct conf_gateway *gateway,
    struct listener *listeners, size_t n)
{
	size_t i;

	for (i = 0; i < in->n && n < LISTENERS_MAX; i++)
		if (!inherited_meant(in->fds[i], gateway))
			listeners[n++] = (struct listener){ in->fds[i], NULL, 1 };
	return n;
}

int
listener_differs(const struct inherited *in, const struct listener *l, struct reason *how)
{
	char name[INHERITED_NAME_SIZE];

	if (in->n == 0 || l->fd == -1 || (l->address != NULL && l->inherited))
		return 0;
	inherited_name(l->fd, name);
	if (l->address == NULL)
		reason_set(how,
		    "the socket unit listens on %s, which is not a ListenAddress: clients that "
		    "connect there are turned away; " LISTENER_UNIT_CHANGE,
		    name);
	else
		reason_set(how,
		    "the socket unit does not listen on %s, so the gateway does: clients that "
		    "connect there during a restart are refused; " LISTENER_UNIT_CHANGE,
		    name);
	return 1;
}

static void
listener_log(const struct listener *l)
{
	struct log_fields f;

	log_fields_begin(&f, "listening");
	log_field_text(&f, "address", l->address->host);
	log_field_number(&f, "port", l->address->port);
	log_event(LOG_LVL_INFO, &f, "Server listening on %s port %u%s.", l->address->host,
	    l->address->port, l->inherited ? " (of the socket unit)" : "");
}

int
listeners_listen(struct listener *listeners, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (listeners[i].fd == -1 || listeners[i].address == NULL)
			continue;
		if (listen(listeners[i].fd, SOMAXCONN) == -1) {
			log_error("cannot listen on %s port %u: %s", listeners[i].address->host,
			    listeners[i].address->port, strerror(errno));
			return ERR_SYS;
		}
		listener_log(&listeners[i]);
	}
	return 0;
}

void
listeners_drop(struct listener *before, size_t n, const struct listener *next, size_t n_next)
{
	size_t i, j;

	for (i = 0; i < n; i++) {
		for (j = 0; j < n_next && next[j].fd != before[i].fd; j++)
			;
		if (j < n_next || before[i].fd == -1 || before[i].inherited)
			continue;
		/* a session forked just now may still hold it, and clients would queue there for ever */
		(void)!shutdown(before[i].fd, SHUT_RD);
		fd_close(&before[i].fd);
	}
}

/* The socket that listens on this address already, or -1. */
static int
listeners_find(const struct listener *listeners, size_t n, const struct conf_listen *address)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (listeners[i].address != NULL && listeners[i].address->port == address->port &&
		    strcmp(listeners[i].address->host, address->host) == 0)
			return listeners[i].fd;
	return -1;
}

static int
listen_is_any(const struct conf_listen *l)
{
	return strcmp(l->host, "0.0.0.0") == 0 || strcmp(l->host, "::") == 0;
}

/* 1 if one of two addresses is 0.0.0.0 or :: and so includes the other. */
static int
listen_overlaps(const struct conf_listen *a, const struct conf_listen *b)
{
	return a->port == b->port && listen_is_any(a) != listen_is_any(b) &&
	    (strchr(a->host, ':') == NULL) == (strchr(b->host, ':') == NULL);
}

/*
 * Bind 0.0.0.0 while 127.0.0.1 is listened on, or the other way round.  The old socket will be closed,
 * but only once the new one listens, so that the change can still be taken back.  SO_REUSEPORT lets the
 * two share the port; it is cleared at once, so that no third socket can join them.
 * 0, or ERR_SYS with errno.
 */
static int
listener_take_over(const struct listener *before, size_t n, const struct conf_gateway *gateway,
    struct listener *l)
{
	int shares[LISTENERS_MAX], r = ERR_SYS, saved;
	size_t i, n_shares = 0;

	/* two overlapping addresses in the new configuration would fail at the next start */
	for (i = 0; i < gateway->n_listen; i++)
		if (listen_overlaps(&gateway->listen[i], l->address))
			return ERR_SYS;
	for (i = 0; i < n && i < LISTENERS_MAX; i++)
		if (before[i].fd != -1 && !before[i].inherited &&
		    listen_overlaps(before[i].address, l->address) &&
		    listener_set_shared(before[i].fd, 1) == 0)
			shares[n_shares++] = before[i].fd;
	if (n_shares > 0 && listener_bind(l, gateway, 1) == 0) {
		if (listen(l->fd, SOMAXCONN) == 0 && listener_set_shared(l->fd, 0) == 0)
			r = 0;
		else
			fd_close(&l->fd);
	}
	saved = errno;
	for (i = 0; i < n_shares; i++)
		(void)!listener_set_shared(shares[i], 0);
	errno = saved;
	return r;
}

int
listeners_change(const struct inherited *in, const struct listener *before, size_t n,
    const struct conf_gateway *gateway, struct listener *next, struct reason *why)
{
	struct listener *l;
	size_t i;

	for (i = 0; i < gateway->n_listen; i++) {
		l = &next[i];
		*l = (struct listener){ -1, &gateway->listen[i], 0 };
		if (listener_inherit(in, l))
			continue;
		l->fd = listeners_find(before, n, l->address);
		if (l->fd != -1 ||
		    (listener_bind(l, gateway, 0) == 0 && listen(l->fd, SOMAXCONN) == 0))
			continue;
		if (errno == EADDRINUSE && listener_take_over(before, n, gateway, l) == 0)
			continue;
		if (errno == EAFNOSUPPORT && gateway->n_listen > 1)
			continue;
		reason_set(why, "cannot listen on %s port %u: %s%s", l->address->host,
		    l->address->port, listener_bind_failure(),
		    errno != EACCES ? "" :
			in->n > 0   ? " (a port below 1024; " LISTENER_UNIT_CHANGE ")" :
				      " (a port below 1024 needs a restart)");
		listeners_drop(next, i + 1, before, n);
		return ERR_SYS;
	}
	for (i = 0; i < gateway->n_listen; i++)
		if (next[i].fd != -1 && listeners_find(before, n, next[i].address) == -1)
			listener_log(&next[i]);
	return 0;
}

static void
connection_address_text(const struct sockaddr_storage *ss, socklen_t len, char *host, size_t size,
    uint32_t *port)
{
	char service[16] = "0";

	if (getnameinfo((const struct sockaddr *)ss, len, host, (socklen_t)size, service,
		sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(host, size, "unknown");
	*port = (uint32_t)strtoul(service, NULL, 10);
}

int
listener_accept(const struct listener *l, struct connection *c)
{
	*c = (struct connection){ .peer_len = sizeof(c->peer) };
	c->fd = accept4(l->fd, (struct sockaddr *)&c->peer, &c->peer_len, SOCK_CLOEXEC);
	if (c->fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			return ERR_TOOBIG;
		/* every other error is about this one connection, which is gone */
		return errno == EBADF || errno == EINVAL ? ERR_SYS : ERR_AGAIN;
	}
	netaddr_from(&c->address, &c->peer);
	c->client_port = netaddr_port(&c->peer);
	return 0;
}

int
connection_name(struct connection *c)
{
	socklen_t len = sizeof(c->here);

	if (c->here_len == 0) {
		if (getsockname(c->fd, (struct sockaddr *)&c->here, &len) == -1)
			return ERR_SYS;
		c->here_len = len;
	}
	connection_address_text(&c->peer, c->peer_len, c->client, sizeof(c->client),
	    &c->client_port);
	connection_address_text(&c->here, c->here_len, c->local, sizeof(c->local), &c->local_port);
	return 0;
}
