/*
 * A connection to a host on which SSH can begin (approach.h): connect(2) to it, to a host of its SRV records or
 * to the proxy of ConnectVia, what that proxy is asked, and the header of the PROXY protocol if the route has
 * SendProxy.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/proctitle.h"
#include "errand/approach.h"
#include "errand/dial.h"
#include "errand/srv.h"
#include "errand/via.h"
#include "formats/destination.h"
#include "formats/proxy_header.h"
#include "tls/client.h"

/* Send all of it.  The peer reads before it answers, so there is room for some thousand bytes.  The
 * buffer is wiped: a password may be in it. */
static int
approach_send(int fd, struct buf *b)
{
	int r = buf_err(b);
	ssize_t n = 0;

	if (r == 0) {
		do {
			n = send(fd, b->data, b->len, MSG_NOSIGNAL);
		} while (n == -1 && errno == EINTR);
		r = n == -1 ? ERR_SYS : 0;
	}
	if (r == 0 && (size_t)n != b->len)
		r = ERR_AGAIN;
	buf_wipe(b);
	return r;
}

/* Wait for bytes, and copy them without taking them off the socket.  Their number; 0 if the peer has closed
 * the connection; or an ERR_*. */
static ssize_t
approach_peek(int fd, uint8_t *p, size_t size, int64_t deadline)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	ssize_t n;

	do {
		if (poll(&pfd, 1, clock_until(deadline, clock_ms())) != 1)
			return ERR_TIMEOUT;
		n = recv(fd, p, size, MSG_PEEK);
	} while (n == -1 && (errno == EINTR || errno == EAGAIN));
	return n == -1 ? ERR_SYS : n;
}

/* Why there was no answer, by what approach_peek() has returned. */
static const char *
approach_silence(ssize_t n)
{
	if (n == ERR_TIMEOUT)
		return "does not answer in time";
	return n == 0 ? "has closed the connection" : err_str((int)n);
}

/* A numeric address, with or without a scope, which is left out.  The family in ss stays 0 if it is none. */
static void
approach_address(const char *text, uint32_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
	char plain[INET6_ADDRSTRLEN];

	*ss = (struct sockaddr_storage){ 0 };
	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(text, "%"), text);
	if (inet_pton(AF_INET, plain, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
	} else if (inet_pton(AF_INET6, plain, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
	}
}

/* The client's address, for a machine that would see the gateway's alone.  0 or an ERR_*. */
static int
approach_send_proxy(const struct ipc_approach *a, int fd)
{
	struct proxy_header h = { .version = (int)a->send_proxy,
		.command = a->client[0] == '\0' ? PROXY_LOCAL : PROXY_PROXY };
	struct buf b;

	approach_address(a->client, a->client_port, &h.client);
	approach_address(a->local, a->local_port, &h.local);
	if (h.client.ss_family != AF_UNSPEC)
		h.family = h.client.ss_family == AF_INET ? PROXY_INET : PROXY_INET6;
	buf_init(&b, PROXY_HEADER_V1_MAX + 1); /* version 2 has less, and printing adds a NUL */
	proxy_header_write(&b, &h);
	return approach_send(fd, &b);
}

/* --- a proxy --- */

/* Talk to the proxy until the connection is one to the host, whose bytes stay on the socket: only those that
 * are the proxy's are taken.  0, or an ERR_* with why. */
static int
approach_ask(struct via *via, int fd, int64_t deadline, struct reason *why)
{
	uint8_t in[VIA_ANSWER_MAX];
	enum via_verdict v = VIA_ASK;
	size_t have = 0, used, take;
	struct buf out;
	ssize_t n;
	int r;

	buf_init(&out, VIA_QUESTION_MAX);
	r = via_begin(via, &out, why);
	while (r == 0 && v != VIA_OPEN) {
		if (v == VIA_ASK) {
			have = 0;
			r = approach_send(fd, &out);
			if (r != 0) {
				reason_set(why, "%s", err_str(r));
				break;
			}
		}
		n = approach_peek(fd, in + have, sizeof(in) - have, deadline);
		if (n <= 0) {
			reason_set(why, "%s", approach_silence(n));
			r = ERR_EOF;
			break;
		}
		v = via_input(via, (struct bytes){ in, have + (size_t)n }, &used, &out, why);
		if (v == VIA_FAILED) {
			r = ERR_FORMAT;
			break;
		}
		take = used - have;
		if (recv(fd, in + have, take, 0) != (ssize_t)take) {
			reason_set(why, "has closed the connection");
			r = ERR_EOF;
		}
		have += take;
	}
	buf_wipe(&out);
	return r;
}

/* --- TLS --- */

int
approach_has_tls(const struct ipc_approach *a)
{
	return strcmp(a->via, "https") == 0 || strcmp(a->via, "tls") == 0;
}

/* Fork the process that carries the TLS connection on fd.  A descriptor of what is inside, or -1. */
static int
approach_fork(SSL *ssl, int fd, const char *host)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		fd_close_others(3, (const int[]){ fd, pair[1] }, 2);
		proctitle_set("tls to %s", host);
		client_run(ssl, fd, pair[1]);
	}
	fd_close(&pair[1]);
	if (pid == -1)
		fd_close(&pair[0]);
	return pair[0];
}

/* TLS with the proxy, or with tls:// with what answers there for the host.  0 with what is inside in *fd; or an ERR_*
 * with why. */
static int
approach_tls(const struct ipc_approach *a, const char *host, int *fd, int64_t deadline,
    struct reason *why)
{
	const char *sni = strcmp(a->via, "tls") == 0 ? host : a->via_host;
	const struct client_setup setup = { .ca = a->via_ca,
		.sni = destination_is_address(sni) ? "" : sni,
		.names = { a->via_host, sni == a->via_host ? NULL : sni } };
	int inner = -1, r;
	SSL *ssl;

	r = client_handshake(*fd, &setup, deadline, &ssl, why);
	if (r != 0)
		return r;
	inner = approach_fork(ssl, *fd, a->via_host);
	client_forget(&ssl);
	fd_close(fd);
	*fd = inner;
	if (inner == -1)
		reason_set(why, "cannot be carried: %s", strerror(errno));
	return inner == -1 ? ERR_SYS : 0;
}

/* A descriptor, or -1 with why, which names the proxy. */
static int
approach_proxy(const struct ipc_approach *a, struct via *via, int64_t deadline, struct reason *why)
{
	struct reason no = { "" };
	char port[16];
	int fd, r = 0;

	snprintf(port, sizeof(port), "%u", a->via_port);
	fd = dial_host(a->via_host, port, NULL, deadline, &no);
	if (fd == -1) {
		reason_set(why, "no connection to the proxy: %s", no.text);
		return -1;
	}
	if (approach_has_tls(a))
		r = approach_tls(a, via->host, &fd, deadline, &no);
	if (r == 0 && strcmp(a->via, "tls") != 0)
		r = approach_ask(via, fd, deadline, &no);
	if (r == 0 && a->send_proxy != 0)
		r = approach_send_proxy(a, fd);
	if (r != 0) {
		reason_set(why, "the proxy %s port %s %s", a->via_host, port,
		    no.text[0] != '\0' ? no.text : err_str(r));
		fd_close(&fd);
	}
	return fd;
}

/* By the proxy: a descriptor, or -1 with the reasons added to why. */
static int
approach_by_proxy(const struct ipc_approach *a, const char *host, uint16_t port, int64_t deadline,
    struct reason *why)
{
	struct via via = { .scheme = strcmp(a->via, "https") == 0 ? "http" : a->via,
		.host = host,
		.port = port,
		.user = a->via_user,
		.password = a->via_password };
	struct reason no = { "" };
	int fd = approach_proxy(a, &via, deadline, &no);

	if (fd == -1)
		reason_add(why, "%s%s port %u: %s", why->text[0] != '\0' ? "; " : "", host, port,
		    no.text);
	return fd;
}

/* The same where the list has networks: the addresses are looked up here, and the proxy is given those that the
 * list permits. */
static int
approach_by_proxy_to_network(const struct ipc_approach *a, const char *host, uint16_t port,
    const struct strlist *destinations, int64_t deadline, struct reason *why)
{
	struct strlist addresses = { 0 };
	char text[16];
	int fd = -1;
	size_t i;

	snprintf(text, sizeof(text), "%u", port);
	if (dial_permitted(host, text, destinations, &addresses, why) == 0)
		for (i = 0; i < addresses.n && fd == -1; i++)
			fd = approach_by_proxy(a, addresses.v[i], port,
			    dial_share(deadline, (unsigned int)(addresses.n - i)), why);
	strlist_free(&addresses);
	return fd;
}

/* --- either --- */

int
approach_announce(const struct ipc_approach *a, int fd, const char *host, struct reason *why)
{
	int r;

	if (fd == -1 || a->send_proxy == 0)
		return fd;
	r = approach_send_proxy(a, fd);
	if (r != 0) {
		reason_add(why, "%s%s: cannot send the header of SendProxy: %s",
		    why->text[0] != '\0' ? "; " : "", host, err_str(r));
		fd_close(&fd);
	}
	return fd;
}

static int
approach_direct(const struct ipc_approach *a, const char *host, uint16_t port,
    const struct strlist *destinations, int64_t deadline, struct reason *why)
{
	char text[16], name[DESTINATION_HOST_SIZE + 24];

	snprintf(text, sizeof(text), "%u", port);
	snprintf(name, sizeof(name), "%s port %s", host, text);
	return approach_announce(a, dial_host(host, text, destinations, deadline, why), name, why);
}

/* The hosts and ports of SRV records in the place of the host, if it has some. */
static int
approach_by_srv(const struct ipc_approach *a, const char *host, uint16_t port,
    const struct strlist *destinations, int64_t deadline, struct reason *why)
{
	struct srv_target targets[SRV_MAX];
	int fd = -1, i, n = srv_lookup(host, targets, why);
	const struct srv_target *t;

	if (n == 0) {
		snprintf(targets[0].host, sizeof(targets[0].host), "%s", host);
		targets[0].port = port;
		n = 1;
	}
	for (i = 0; i < n && fd == -1; i++) {
		t = &targets[i];
		if (destinations->n > 0 && !destination_may_ask(destinations, t->host, t->port))
			reason_add(why, "%s%s port %u: AllowDestinations does not permit this name",
			    why->text[0] != '\0' ? "; " : "", t->host, t->port);
		else
			fd = approach_direct(a, t->host, t->port, destinations,
			    dial_share(deadline, (unsigned int)(n - i)), why);
	}
	return fd;
}

int
approach_connect(const struct ipc_approach *a, const char *host, uint16_t port,
    const struct strlist *destinations, int64_t deadline, struct reason *why)
{
	const int address = destination_is_address(host);

	if (a->via[0] == '\0')
		return a->srv && !address ?
		    approach_by_srv(a, host, port, destinations, deadline, why) :
		    approach_direct(a, host, port, destinations, deadline, why);
	/* with tls:// there is nobody who could be given an address */
	if (destinations->n > 0 && strcmp(a->via, "tls") != 0 &&
	    (address || destination_has_networks(destinations)))
		return approach_by_proxy_to_network(a, host, port, destinations, deadline, why);
	return approach_by_proxy(a, host, port, deadline, why);
}

int
approach_target(const struct ipc_approach *a, const char *target,
    const struct strlist *destinations, int64_t deadline, struct reason *why)
{
	const char *colon = strrchr(target, ':');
	char host[DESTINATION_HOST_SIZE];
	unsigned long port;
	int v6;

	if (strncmp(target, "unix:", 5) == 0)
		return approach_announce(a, dial_unix(target + 5, deadline, why), target, why);
	port = colon == NULL ? 0 : strtoul(colon + 1, NULL, 10);
	if (port == 0 || port > UINT16_MAX) {
		reason_add(why, "%s\"%.80s\" has no port", why->text[0] != '\0' ? "; " : "",
		    target);
		return -1;
	}
	v6 = target[0] == '[' && colon[-1] == ']';
	snprintf(host, sizeof(host), "%.*s", (int)(colon - target - 2 * v6), target + v6);
	return approach_connect(a, host, (uint16_t)port, destinations, deadline, why);
}
