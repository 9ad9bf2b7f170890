/*
 * Edge in the attack build: once it has confined itself, it does what a test wants that listens on the Unix
 * socket named by SALLYPORT_ATTACK_EDGE, until that closes; and then goes on as edge.  Each datagram is 'M'
 * and a message for the master; 'C' and a system call, its number and six arguments, u64 each; or 'W': wait
 * until the master has sent a connection.  Nothing is answered, because edge can send on the master's socket
 * alone.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/reexec.h"
#include "edge/edge.h"
#include "wire/wire.h"

extern int __real_edge_confine(void);
int __wrap_edge_confine(void);

/* -1: no test listens. */
static int
attack_edge_connect(void)
{
	const char *path = getenv("SALLYPORT_ATTACK_EDGE");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (path == NULL)
		return -1;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == -1)
		fd_close(&fd);
	return fd;
}

/* The queue of the socket holds about ten messages, and the master may be busy. */
static void
attack_edge_send(const uint8_t *p, size_t len)
{
	struct pollfd master = { REEXEC_SOCKET, POLLOUT, 0 };

	while (send(REEXEC_SOCKET, p, len, MSG_NOSIGNAL) == -1 && errno == EAGAIN)
		(void)poll(&master, 1, -1);
}

static void
attack_edge_call(const uint8_t *p, size_t len)
{
	uint64_t a[7];
	struct wire w;
	size_t i;

	wire_init(&w, p, len);
	for (i = 0; i < 7; i++)
		a[i] = wire_u64(&w);
	if (wire_end(&w) == 0)
		(void)syscall((long)a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
}

int
__wrap_edge_confine(void)
{
	static uint8_t order[128 * 1024];
	struct pollfd master = { REEXEC_SOCKET, POLLIN, 0 };
	int fd = attack_edge_connect(), r = __real_edge_confine();
	ssize_t n;

	while (r == 0 && fd != -1 && (n = recv(fd, order, sizeof(order), 0)) > 0) {
		if (order[0] == 'M')
			attack_edge_send(order + 1, (size_t)n - 1);
		else if (order[0] == 'W')
			(void)poll(&master, 1, -1);
		else
			attack_edge_call(order + 1, (size_t)n - 1);
	}
	fd_close(&fd);
	return r;
}
