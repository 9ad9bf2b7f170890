/*
 * The addresses of this host that another one sees.  Called by key_for.c and route_issue.c.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "cli/own_address.h"

/* An address with its scope, as getnameinfo(3) writes it. */
#define OWN_ADDRESS_SIZE 80

/* The address that this host would use to connect to another one; no packet is sent.  0 or
 * ERR_SYS with errno. */
static int
own_address_to(const struct addrinfo *to, char own[OWN_ADDRESS_SIZE])
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int fd, r = ERR_SYS;

	fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return ERR_SYS;
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0 &&
	    getsockname(fd, (struct sockaddr *)&from, &len) == 0) {
		if (getnameinfo((struct sockaddr *)&from, len, own, OWN_ADDRESS_SIZE, NULL, 0,
			NI_NUMERICHOST) == 0)
			r = 0;
		/* the scope (%eth0) has another name on the upstream */
		if (r == 0 && strchr(own, '%') != NULL) {
			errno = EADDRNOTAVAIL;
			r = ERR_SYS;
		}
	}
	fd_close(&fd);
	return r;
}

int
own_addresses(const char *host, uint16_t port, struct strlist *own)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL, *ai;
	char address[OWN_ADDRESS_SIZE], service[8];
	const char *reason = "no address";
	int r, found = 0;

	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, &list);
	if (r != 0)
		reason = gai_strerror(r);
	for (ai = list, r = 0; ai != NULL && r == 0; ai = ai->ai_next) {
		if (own_address_to(ai, address) != 0) {
			reason = strerror(errno);
			continue;
		}
		found = 1;
		if (!strlist_has(own, address))
			r = strlist_add(own, address, strlen(address));
	}
	if (list != NULL)
		freeaddrinfo(list);
	if (r == 0 && !found) {
		fprintf(stderr, "sallyport: %s cannot be reached (%s)\n", host, reason);
		return ERR_NOTFOUND;
	}
	return r;
}
