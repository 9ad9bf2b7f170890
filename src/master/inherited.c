/*
 * Taking and checking the listening sockets of a systemd socket unit.  Called by master.c at the start,
 * and by listener.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "master/inherited.h"

/* SD_LISTEN_FDS_START */
#define FIRST 3

long
inherited_number(const char *variable)
{
	const char *text = getenv(variable);
	char *end;
	long n;

	if (text == NULL || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	n = strtol(text, &end, 10);
	return errno != 0 || *end != '\0' ? -1 : n;
}

static int
inherited_option(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) == -1 ? -1 : value;
}

/* NULL, or why the gateway cannot listen on this descriptor. */
static const char *
inherited_unfit(int fd)
{
	struct sockaddr_storage own, peer;
	socklen_t len = sizeof(own), peer_len = sizeof(peer);

	if (getsockname(fd, (struct sockaddr *)&own, &len) == -1 ||
	    (own.ss_family != AF_INET && own.ss_family != AF_INET6) ||
	    inherited_option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return "is not a TCP socket: write ListenStream=ADDRESS:PORT";
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0)
		return "is a connection: write Accept=no";
	if (own.ss_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)&own)->sin6_addr) &&
	    inherited_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 1)
		return "takes IPv4 as well: write BindIPv6Only=ipv6-only, and ListenStream= for each";
	return NULL;
}

int
inherited_take(struct inherited *in)
{
	long pid = inherited_number("LISTEN_PID"), n = inherited_number("LISTEN_FDS");
	const char *why = NULL;
	int fd, flags;

	in->n = 0;
	/* the variables stay set: no child of ours has the process number of LISTEN_PID */
	if (n <= 0 || pid != (long)getpid())
		return 0;
	if (n > INHERITED_MAX) {
		log_error("socket activation: more than %d sockets", INHERITED_MAX);
		return ERR_FORMAT;
	}
	for (fd = FIRST; fd < FIRST + n; fd++) {
		flags = fcntl(fd, F_GETFD);
		if (flags == -1 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) == -1)
			why = "is not open";
		else
			why = inherited_unfit(fd);
		if (why == NULL && fd_set_nonblock(fd) != 0)
			why = strerror(errno);
		if (why != NULL) {
			log_error("socket activation: descriptor %d %s", fd, why);
			return ERR_FORMAT;
		}
		in->fds[in->n++] = fd;
	}
	return 0;
}

static int
inherited_is_bound(int fd, const struct conf_listen *address)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *ai = NULL;
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	char port[16];
	int same = 0;

	snprintf(port, sizeof(port), "%u", address->port);
	if (getsockname(fd, (struct sockaddr *)&own, &len) == -1 ||
	    getaddrinfo(address->host, port, &hints, &ai) != 0)
		return 0;
	if (own.ss_family == AF_INET && ai->ai_family == AF_INET) {
		const struct sockaddr_in *a = (void *)&own, *b = (void *)ai->ai_addr;

		same = a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
	} else if (own.ss_family == AF_INET6 && ai->ai_family == AF_INET6) {
		const struct sockaddr_in6 *a = (void *)&own, *b = (void *)ai->ai_addr;

		same = a->sin6_port == b->sin6_port && a->sin6_scope_id == b->sin6_scope_id &&
		    memcmp(&a->sin6_addr, &b->sin6_addr, sizeof(a->sin6_addr)) == 0;
	}
	freeaddrinfo(ai);
	return same;
}

int
inherited_find(const struct inherited *in, const struct conf_listen *address)
{
	size_t i;

	for (i = 0; i < in->n; i++)
		if (inherited_is_bound(in->fds[i], address))
			return in->fds[i];
	return -1;
}

int
inherited_meant(int fd, const struct conf_gateway *gateway)
{
	size_t i;

	for (i = 0; i < gateway->n_listen; i++)
		if (inherited_is_bound(fd, &gateway->listen[i]))
			return 1;
	return 0;
}

void
inherited_name(int fd, char name[INHERITED_NAME_SIZE])
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	char host[64] = "?", port[8] = "?";

	if (getsockname(fd, (struct sockaddr *)&own, &len) == 0)
		(void)getnameinfo((const struct sockaddr *)&own, len, host, sizeof(host), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(name, INHERITED_NAME_SIZE, "%s port %s", host, port);
}
