#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/route_dial.h"

/* Connect and hang up: 0, or an errno. */
static int
dial_address(const struct addrinfo *ai, int64_t deadline)
{
	struct pollfd p = { .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0, n;

	p.fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p.fd == -1)
		return errno;
	if (connect(p.fd, ai->ai_addr, ai->ai_addrlen) == -1)
		error = errno;
	if (error == EINPROGRESS) {
		do
			n = poll(&p, 1, clock_until(deadline, clock_ms()));
		while (n == -1 && errno == EINTR);
		error = n == 0 ? ETIMEDOUT : errno;
		if (n > 0 && getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
			error = errno;
	}
	close(p.fd);
	return error;
}

static int
dial_host(const struct route *r, const char *host, int64_t deadline)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL, *ai;
	char port[8], addr[NI_MAXHOST] = "?";
	int64_t start;
	int error = 1;

	snprintf(port, sizeof(port), "%u", r->port);
	error = getaddrinfo(host, port, &hints, &list);
	if (error != 0) {
		printf("dial       %s: %s\n", host, gai_strerror(error));
		return 0;
	}
	for (ai = list, error = 1; ai != NULL && error != 0; ai = ai->ai_next) {
		(void)getnameinfo(ai->ai_addr, ai->ai_addrlen, addr, sizeof(addr), NULL, 0,
		    NI_NUMERICHOST);
		start = clock_ms();
		error = dial_address(ai, deadline);
		if (error == 0)
			printf("dial       %s port %s: connected in %d ms\n", addr, port,
			    (int)(clock_ms() - start));
		else
			printf("dial       %s port %s: %s\n", addr, port, strerror(error));
	}
	freeaddrinfo(list);
	return error == 0;
}

int
route_dial(const struct route *r)
{
	int64_t deadline = clock_ms() + r->connect_timeout_ms;
	size_t i;

	for (i = 0; i < r->hosts.n; i++)
		if (dial_host(r, r->hosts.v[i], deadline))
			return CLI_OK;
	return CLI_FAILED;
}
