/*
 * What the first bytes of a connection are, and for which host they are meant.  Bytes in, answer out: nothing
 * is allocated, nothing is kept between two calls, and no byte counts that has not come.
 *
 * An answer is given as early as it can be, and is the same whatever comes behind.
 */
#ifndef EDGE_KIND_H
#define EDGE_KIND_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "formats/destination.h"
#include "ipc/ipc.h"

/* No more bytes are looked at.  A ClientHello may have that many; browsers send less than 2 KiB, and web
 * servers take requests with a head of 8 KiB. */
#define KIND_MAX 16384

/* The names of ALPN: a client has few. */
#define KIND_ALPN_SIZE 256

/* A user of the key store's names, ':', and a password of the key store's size. */
#define KIND_CREDENTIALS_SIZE 1100

/* All unused bytes are 0. */
struct kind {
	enum ipc_kind kind;
	/* The SNI of TLS, the target of CONNECT and of a request with a whole URI, or else Host: of HTTP,
	 * Host: of BANNER, to='' of XMPP: in lower case, without port, brackets and dot at its end.  ""
	 * if there is none, or it is neither the name of a host nor an address. */
	char host[DESTINATION_HOST_SIZE];
	uint16_t port; /* of CONNECT; 0 if its target is malformed, and host is "" then */
	char alpn[KIND_ALPN_SIZE]; /* the printable ones of its names, with commas between */
	size_t take; /* CONNECT: the length of its head, with the empty line; else 0 */
	/* CONNECT: user:password of its Proxy-Authorization: Basic, or "".  To be wiped. */
	char credentials[KIND_CREDENTIALS_SIZE];
};

/* What is known of the bytes behind. */
enum kind_end {
	KIND_OPEN,   /* more may come */
	KIND_LATE,   /* none is waited for */
	KIND_CLOSED, /* the client will send none */
};

/*
 * Recognise n bytes at p, from the first one of the connection.  0 with *k; or ERR_AGAIN, while they are the
 * beginning of more than one kind, or the host is still to come; never with an end, and never with KIND_MAX
 * bytes.
 */
int kind_of(const uint8_t *p, size_t n, enum kind_end end, struct kind *k) MUST_CHECK;

/*
 * The longest of the patterns, none of which is empty, that the bytes begin with: 0 with its index, or
 * IPC_NO_PATTERN; or ERR_AGAIN, while a longer one still may fit.
 */
int kind_pattern(const uint8_t *p, size_t n, enum kind_end end, const struct bytes *patterns,
    size_t n_patterns, uint32_t *index) MUST_CHECK;

#endif
