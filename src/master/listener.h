/*
 * The sockets connections come in on.
 */
#ifndef MASTER_LISTENER_H
#define MASTER_LISTENER_H

#include <stdint.h>

#include "base/netaddr.h"
#include "conf/conf.h"

#define LISTENERS_MAX 64

struct listener {
	int fd;
	const struct conf_listen *address;
};

/* Who has connected, numeric; the texts as of connection_name(). */
struct connection {
	int fd;
	struct netaddr address;
	uint32_t client_port, local_port;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	char client[64], local[64];
};

/* Bind them all.  0; or ERR_SYS, with what went wrong logged. */
int listeners_bind(const struct conf_gateway *gateway, struct listener *listeners) MUST_CHECK;

/* Listen, and log that sshd would have said so. */
int listeners_listen(struct listener *listeners, size_t n) MUST_CHECK;

/*
 * From the n listeners of before to those of gateway, put into next: what is in both goes
 * on as it is, the rest is bound and listens.  0, or ERR_SYS with the reason in why, and
 * nothing has changed.  listeners_drop() then closes those of before that next does not
 * have, or, with the two exchanged, takes it back.
 */
int listeners_change(const struct listener *before, size_t n, const struct conf_gateway *gateway,
    struct listener *next, char *why, size_t size) MUST_CHECK;
void listeners_drop(struct listener *before, size_t n, const struct listener *next, size_t n_next);

/* Take one connection, without its texts.  0; ERR_AGAIN when there is none; ERR_TOOBIG when there are
 * no descriptors or memory left for it; ERR_SYS. */
int listener_accept(const struct listener *l, struct connection *c) MUST_CHECK;

/* Both addresses as text, with the scope of one that has one.  0 or ERR_SYS. */
int connection_name(struct connection *c) MUST_CHECK;

#endif
