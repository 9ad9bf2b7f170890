/*
 * The listening sockets, and the connections accepted on them.
 */
#ifndef MASTER_LISTENER_H
#define MASTER_LISTENER_H

#include <stdint.h>

#include "base/reason.h"
#include "base/netaddr.h"
#include "conf/conf.h"
#include "formats/destination.h"
#include "master/inherited.h"

#define LISTENERS_MAX 64

struct listener {
	int fd;
	const struct conf_listen *address; /* NULL: inherited, and no ListenAddress */
	int inherited;			   /* of a socket unit: never closed */
};

/* An accepted connection.  The texts, numeric addresses, are set by connection_name(). */
struct connection {
	int fd;
	struct netaddr address;
	uint32_t client_port, local_port;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	struct sockaddr_storage here; /* the address that the client connected to */
	socklen_t here_len;	      /* 0: that of the socket */
	char client[64], local[64];
	int detect;	/* its first bytes are looked at */
	int login_only; /* inside of TLS: ClientRules let it reach logins, and no [forward] section */
	int connected; /* a CONNECT of HTTP has been answered on it */
	uint64_t tls;  /* number of the TLS connection that it is the inside of; 0: of none */
	/* The name that the connection gives outside of SSH, such as in TLS: destination_host_ok(), lower case.
	 * "": it gives none, as plain SSH. */
	char host[DESTINATION_HOST_SIZE];
};

/* Bind every ListenAddress that no inherited socket is bound to.  0; ERR_EXISTS if another program listens there;
 * ERR_SYS.  Errors are logged. */
int listeners_bind(const struct inherited *in, const struct conf_gateway *gateway,
    struct listener *listeners) MUST_CHECK;

/* Append the inherited sockets that are no ListenAddress, without an address: clients that connect there
 * are told so.  Returns the number of all listeners, LISTENERS_MAX at most. */
size_t listeners_add_strays(const struct inherited *in, const struct conf_gateway *gateway,
    struct listener *listeners, size_t n);

/* 1 with how, if a socket unit and ListenAddress differ about this listener: only one of them has it. */
int listener_differs(const struct inherited *in, const struct listener *l, struct reason *how);

/* Listen, and log it in sshd's words.  0; or ERR_SYS, logged. */
int listeners_listen(struct listener *listeners, size_t n) MUST_CHECK;

/*
 * Change from the n listeners of before to the ListenAddress of gateway, which go to next.  A listener
 * in both is used as it is; the others are inherited or bound, and listen.  0; or ERR_SYS with the
 * reason in why, and nothing has changed.  Afterwards listeners_drop(before, next) closes the old
 * listeners, and listeners_drop(next, before) takes the change back.
 */
int listeners_change(const struct inherited *in, const struct listener *before, size_t n,
    const struct conf_gateway *gateway, struct listener *next, struct reason *why) MUST_CHECK;
void listeners_drop(struct listener *before, size_t n, const struct listener *next, size_t n_next);

/* Accept one connection; its texts are not set.  0; ERR_AGAIN if none waits; ERR_TOOBIG if there is no
 * descriptor or memory left for it; ERR_SYS. */
int listener_accept(const struct listener *l, struct connection *c) MUST_CHECK;

/* Set both addresses as text, a link-local one with its scope ("fe80::1%eth0").  0 or ERR_SYS. */
int connection_name(struct connection *c) MUST_CHECK;

#endif
