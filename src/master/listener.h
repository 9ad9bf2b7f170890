/*
 * The sockets connections come in on.
 */
#ifndef MASTER_LISTENER_H
#define MASTER_LISTENER_H

#include <stdint.h>

#include "base/netaddr.h"
#include "conf/conf.h"
#include "master/inherited.h"

#define LISTENERS_MAX 64

struct listener {
	int fd;
	const struct conf_listen *address; /* NULL: inherited, and no ListenAddress */
	int inherited;			   /* not ours to close */
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

/* Bind them all, but for those that are inherited.  0; or ERR_SYS, with what went wrong logged. */
int listeners_bind(const struct inherited *in, const struct conf_gateway *gateway,
    struct listener *listeners) MUST_CHECK;

/* Put the inherited ones that are no ListenAddress behind the n of gateway, without an address, so
 * that who connects there is told; each is logged.  The number of them all, LISTENERS_MAX at most. */
size_t listeners_add_strays(const struct inherited *in, const struct conf_gateway *gateway,
    struct listener *listeners, size_t n);

/* Listen, and log that sshd would have said so. */
int listeners_listen(struct listener *listeners, size_t n) MUST_CHECK;

/*
 * From the n listeners of before to those of gateway, put into next: what is in both goes
 * on as it is, the rest is inherited or bound, and listens.  0, or ERR_SYS with the reason in why, and
 * nothing has changed.  listeners_drop() then closes those of before that next does not
 * have, or, with the two exchanged, takes it back.
 */
int listeners_change(const struct inherited *in, const struct listener *before, size_t n,
    const struct conf_gateway *gateway, struct listener *next, char *why, size_t size) MUST_CHECK;
void listeners_drop(struct listener *before, size_t n, const struct listener *next, size_t n_next);

/* Take one connection, without its texts.  0; ERR_AGAIN when there is none; ERR_TOOBIG when there are
 * no descriptors or memory left for it; ERR_SYS. */
int listener_accept(const struct listener *l, struct connection *c) MUST_CHECK;

/* Both addresses as text, with the scope of one that has one.  0 or ERR_SYS. */
int connection_name(struct connection *c) MUST_CHECK;

#endif
