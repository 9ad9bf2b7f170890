/*
 * A connection to a host on which SSH can begin (approach.h): after the connect(2) of dial.c the header of the
 * PROXY protocol, if the route has SendProxy.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "errand/dial.h"
#include "errand/approach.h"
#include "formats/proxy_header_write.h"

/* Send all of it.  A new connection has room for some hundred bytes. */
static int
approach_send(int fd, const struct buf *b)
{
	ssize_t n;

	if (buf_err(b) != 0)
		return buf_err(b);
	do {
		n = send(fd, b->data, b->len, MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return ERR_SYS;
	return (size_t)n == b->len ? 0 : ERR_AGAIN;
}

/* The client's address, for a machine that would see the gateway's alone.  0 or an ERR_*. */
static int
approach_send_proxy(const struct ipc_approach *a, int fd)
{
	struct buf b;
	int r;

	buf_init(&b, PROXY_HEADER_WRITE_MAX);
	proxy_header_write(&b, a->send_proxy, a->client, (uint16_t)a->client_port, a->local,
	    (uint16_t)a->local_port);
	r = approach_send(fd, &b);
	buf_free(&b);
	return r;
}

int
approach_connect(const struct ipc_approach *a, const char *host, const char *port, int64_t deadline,
    struct reason *why)
{
	int fd, r;

	fd = dial_host(host, port, NULL, deadline, why);
	if (fd == -1 || a->send_proxy == 0)
		return fd;
	r = approach_send_proxy(a, fd);
	if (r != 0) {
		reason_add(why, "%s%s port %s: cannot send the header of SendProxy: %s",
		    why->text[0] != '\0' ? "; " : "", host, port, err_str(r));
		fd_close(&fd);
	}
	return fd;
}
