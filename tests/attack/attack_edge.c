/*
 * Edge and the forwarder in the attack build: once confined, they do what a test wants that listens on the Unix
 * socket named by SALLYPORT_ATTACK_EDGE or SALLYPORT_ATTACK_FORWARDER, until that closes; and then go on as
 * themselves.  Each datagram is 'M' and a message for the master; 'C' and a system call, its number and six
 * arguments, u64 each; or 'W': wait until the master has sent a connection.  Nothing is answered, because they can
 * send on the master's socket alone.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attack.h"
#include "base/fd.h"
#include "base/reexec.h"
#include "edge/edge.h"
#include "edge/forward.h"
#include "wire/wire.h"

extern int __real_edge_confine(void);
extern int __real_forward_confine(int signals);
int __wrap_edge_confine(void);
int __wrap_forward_confine(int signals);

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

static ssize_t
attack_edge_receive(int fd, void *p, size_t size)
{
	return recv(fd, p, size, 0);
}

/* The forwarder may not call recvfrom(2). */
static ssize_t
attack_forwarder_receive(int fd, void *p, size_t size)
{
	int none;

	return fd_recv(fd, p, size, &none, 0);
}

static void
attack_edge_obey(int fd, ssize_t (*receive)(int fd, void *p, size_t size))
{
	static uint8_t order[128 * 1024];
	struct pollfd master = { REEXEC_SOCKET, POLLIN, 0 };
	ssize_t n;

	while (fd != -1 && (n = receive(fd, order, sizeof(order))) > 0) {
		if (order[0] == 'M')
			attack_edge_send(order + 1, (size_t)n - 1);
		else if (order[0] == 'W')
			(void)poll(&master, 1, -1);
		else
			attack_edge_call(order + 1, (size_t)n - 1);
	}
	fd_close(&fd);
}

int
__wrap_edge_confine(void)
{
	int fd = attack_connect("SALLYPORT_ATTACK_EDGE", SOCK_SEQPACKET), r = __real_edge_confine();

	if (r == 0)
		attack_edge_obey(fd, attack_edge_receive);
	return r;
}

int
__wrap_forward_confine(int signals)
{
	int fd = attack_connect("SALLYPORT_ATTACK_FORWARDER", SOCK_SEQPACKET);
	int r = __real_forward_confine(signals);

	if (r == 0)
		attack_edge_obey(fd, attack_forwarder_receive);
	return r;
}
