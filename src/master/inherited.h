/*
 * Listening sockets that whoever started us has made for us, as systemd does for a socket unit:
 * LISTEN_FDS and LISTEN_PID of sd_listen_fds(3).  They go on when the gateway is restarted, or dies:
 * who connects meanwhile waits in their queue.
 */
#ifndef MASTER_INHERITED_H
#define MASTER_INHERITED_H

#include <stddef.h>

#include "conf/conf.h"

/* As many as there may be addresses to listen on (LISTENERS_MAX). */
#define INHERITED_MAX 64

struct inherited {
	int fds[INHERITED_MAX]; /* close-on-exec; open for as long as the process lives */
	size_t n;
};

/*
 * Find out what there is, once, at the start.  0 with none as well; ERR_FORMAT, the reason logged,
 * if one of them is not a TCP socket to listen on, or is for IPv4 and IPv6 at once, which would let
 * IPv4 addresses look like IPv6 ones.
 */
int inherited_take(struct inherited *in) MUST_CHECK;

/* The one bound to this address and port, or -1. */
int inherited_find(const struct inherited *in, const struct conf_listen *address);

/* 1 if the socket is for one of the ListenAddress. */
int inherited_meant(int fd, const struct conf_gateway *gateway);

/* "192.0.2.1 port 22" of a socket. */
#define INHERITED_NAME_SIZE 80
void inherited_name(int fd, char name[INHERITED_NAME_SIZE]);

#endif
