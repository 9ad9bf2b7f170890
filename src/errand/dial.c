/*
 * Name resolution and connect(2) with a deadline (dial.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/netaddr.h"
#include "errand/dial.h"
#include "formats/destination.h"

/* Connect within the deadline: a descriptor, or -1 with errno set. */
static int
dial_address(const struct addrinfo *ai, int64_t deadline)
{
	struct pollfd pfd = { .events = POLLOUT };
	socklen_t len = sizeof(int);
	int fd, error = 0;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return fd;
	if (errno == EINPROGRESS) {
		pfd.fd = fd;
		if (poll(&pfd, 1, clock_until(deadline, clock_ms())) != 1)
			error = ETIMEDOUT;
		else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
			error = errno;
		if (error == 0)
			return fd;
		errno = error;
	}
	fd_close(&fd);
	return -1;
}

/* Is this an IPv6 address that loopback delivers?  As each of a whole prefix is (ip -6 route add local PREFIX dev
 * lo), towards which the kernel chooses another source. */
static int
dial_is_loopback(const struct addrinfo *ai)
{
	static const char name[] = "lo";
	int fd, own = 0;

	if (ai->ai_family != AF_INET6)
		return 0;
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return 1;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, sizeof(name)) == 0)
		own = connect(fd, ai->ai_addr, ai->ai_addrlen) == 0;
	fd_close(&fd);
	return own;
}

/* Is this an address of this host?  Towards one, the kernel chooses the address itself as the source.  No
 * packet is sent. */
static int
dial_is_own(const struct addrinfo *ai)
{
	struct sockaddr_storage to = { 0 }, from = { 0 };
	socklen_t len = sizeof(from);
	struct netaddr a, b;
	int fd, own = 1;

	memcpy(&to, ai->ai_addr, ai->ai_addrlen);
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return 1;
	/* no route: connecting will fail, too */
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == -1) {
		own = 0;
	} else if (getsockname(fd, (struct sockaddr *)&from, &len) == 0) {
		netaddr_from(&a, &to);
		netaddr_from(&b, &from);
		own = netaddr_equal(&a, &b) || dial_is_loopback(ai);
	}
	fd_close(&fd);
	return own;
}

/* Does AllowDestinations permit this address, whatever name led to it? */
static int
dial_may(const struct addrinfo *ai, const char *port, const struct strlist *destinations)
{
	char address[NETADDR_TEXT_SIZE + 32];

	if (destinations == NULL || destinations->n == 0)
		return 1;
	return getnameinfo(ai->ai_addr, ai->ai_addrlen, address, sizeof(address), NULL, 0,
		   NI_NUMERICHOST) == 0 &&
	    destination_may_connect(destinations, address, (uint32_t)strtoul(port, NULL, 10),
		dial_is_own(ai));
}

int64_t
dial_share(int64_t deadline, unsigned int n)
{
	int64_t now = clock_ms();

	return now >= deadline ? deadline : now + (deadline - now) / (n > 0 ? n : 1);
}

/* Add why there was no connection to this address of the host. */
static void
put_why(struct reason *why, const char *host, const char *port, const struct addrinfo *ai,
    const char *error)
{
	const char *before = why->text[0] != '\0' ? "; " : "";
	char addr[64];

	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, addr, sizeof(addr), NULL, 0, NI_NUMERICHOST) !=
		0 ||
	    strcmp(addr, host) == 0)
		reason_add(why, "%s%s port %s: %s", before, host, port, error);
	else
		reason_add(why, "%s%s (%s) port %s: %s", before, host, addr, port, error);
}

/* All addresses of the host, or NULL with why. */
static struct addrinfo *
dial_resolve(const char *host, const char *port, struct reason *why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL;
	int r;

	r = getaddrinfo(host, port, &hints, &list);
	if (r == EAI_ADDRFAMILY || r == EAI_NONAME) {
		/* AI_ADDRCONFIG ignores loopback addresses, and this host may have no others */
		hints.ai_flags = 0;
		r = getaddrinfo(host, port, &hints, &list);
	}
	if (r != 0) {
		reason_add(why, "%s%s: %s", why->text[0] != '\0' ? "; " : "", host,
		    gai_strerror(r));
		return NULL;
	}
	return list;
}

static const char dial_not_permitted[] = "AllowDestinations does not permit this address";

int
dial_permitted(const char *host, const char *port, const struct strlist *destinations,
    struct strlist *addresses, struct reason *why)
{
	struct addrinfo *list = dial_resolve(host, port, why), *ai;
	char address[NETADDR_TEXT_SIZE + 32];
	int r = 0;

	if (list == NULL)
		return ERR_NOTFOUND;
	for (ai = list; r == 0 && ai != NULL; ai = ai->ai_next) {
		if (!dial_may(ai, port, destinations))
			put_why(why, host, port, ai, dial_not_permitted);
		else if (getnameinfo(ai->ai_addr, ai->ai_addrlen, address, sizeof(address), NULL, 0,
			     NI_NUMERICHOST) == 0)
			r = strlist_add(addresses, address, strlen(address));
	}
	freeaddrinfo(list);
	return r == 0 && addresses->n == 0 ? ERR_NOTFOUND : r;
}

int
dial_host(const char *host, const char *port, const struct strlist *destinations, int64_t deadline,
    struct reason *why)
{
	struct addrinfo *list = dial_resolve(host, port, why), *ai;
	unsigned int n = 0;
	int fd = -1;

	for (ai = list; ai != NULL; ai = ai->ai_next)
		n++;
	for (ai = list; ai != NULL && fd == -1; ai = ai->ai_next, n--) {
		if (!dial_may(ai, port, destinations)) {
			put_why(why, host, port, ai, dial_not_permitted);
			continue;
		}
		if (clock_ms() >= deadline)
			errno = ETIMEDOUT;
		else
			fd = dial_address(ai, dial_share(deadline, n));
		if (fd == -1)
			put_why(why, host, port, ai, strerror(errno));
	}
	if (list != NULL)
		freeaddrinfo(list);
	return fd;
}

const char *
dial_unix_error(int error)
{
	if (error == EAGAIN)
		return "the server does not accept: timed out";
	if (error == EACCES)
		return "Permission denied: the user of RunNetworkAs has to be able to write to this "
		       "socket, and to enter its directory";
	return strerror(error);
}

int
dial_unix(const char *path, int64_t deadline, struct reason *why)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int64_t left = deadline - clock_ms();
	const struct timeval tv = { left > 0 ? left / 1000 : 0, left > 0 ? left % 1000 * 1000 : 1 };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		fd = -1;
	} else {
		snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	/* it waits for room in the queue of those that the server has not accepted yet */
	if (fd != -1 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0 &&
	    connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    fd_set_nonblock(fd) == 0)
		return fd;
	reason_add(why, "%sunix:%s: %s", why->text[0] != '\0' ? "; " : "", path,
	    dial_unix_error(errno));
	fd_close(&fd);
	return -1;
}

void
dial_end_with(int answer)
{
	struct pollfd pfd = { answer, POLLIN, 0 };

	signal(SIGIO, SIG_DFL);
	if (fcntl(answer, F_SETOWN, getpid()) == -1 ||
	    fcntl(answer, F_SETFL, O_NONBLOCK | O_ASYNC) == -1 || poll(&pfd, 1, 0) != 0)
		_exit(1);
}
