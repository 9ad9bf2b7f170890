/*
 * Listening sockets that the service manager opened, as systemd does for a socket unit: LISTEN_FDS and
 * LISTEN_PID of sd_listen_fds(3).  They outlive the gateway, so clients that connect during a restart
 * wait in their queue.
 */
#ifndef MASTER_INHERITED_H
#define MASTER_INHERITED_H

#include <stddef.h>

#include "conf/conf.h"

/* The same number as LISTENERS_MAX. */
#define INHERITED_MAX 64

struct inherited {
	int fds[INHERITED_MAX]; /* close-on-exec; never closed */
	size_t n;
};

/*
 * Take the descriptors of the environment, once, at the start.  0, also if there are none; ERR_FORMAT,
 * logged, if one is not a TCP socket to listen on, or takes IPv4 and IPv6 at once, which would make IPv4
 * clients look like IPv6 ones.
 */
int inherited_take(struct inherited *in) MUST_CHECK;

/* A number that the service manager has put into the environment; -1 if the variable is not set or is no
 * number. */
long inherited_number(const char *variable);

/* The inherited socket that is bound to this address and port, or -1. */
int inherited_find(const struct inherited *in, const struct conf_listen *address);

/* 1 if the socket is bound to a ListenAddress. */
int inherited_meant(int fd, const struct conf_gateway *gateway);

/* Where a socket is bound, for the log: "192.0.2.1 port 22". */
#define INHERITED_NAME_SIZE 80
void inherited_name(int fd, char name[INHERITED_NAME_SIZE]);

#endif
