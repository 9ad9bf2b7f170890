/*
 * The sockets connections come in on.
 */
#ifndef MASTER_LISTENER_H
#define MASTER_LISTENER_H

#include <stdint.h>

#include "conf/conf.h"

struct listener {
	int fd;
	const struct conf_listen *address;
};

/* Who has connected, numeric. */
struct connection {
	int fd;
	char client[64], local[64];
	uint32_t client_port, local_port;
};

/* Bind them all.  0; or ERR_SYS, with what went wrong logged. */
int listeners_bind(const struct conf_gateway *gateway, struct listener *listeners) MUST_CHECK;

/* Listen, and log that sshd would have said so. */
int listeners_listen(struct listener *listeners, size_t n) MUST_CHECK;

/* Take one connection.  0; ERR_AGAIN when there is none; ERR_TOOBIG when there are
 * no descriptors or memory left for it; ERR_SYS. */
int listener_accept(const struct listener *l, struct connection *c) MUST_CHECK;

#endif
