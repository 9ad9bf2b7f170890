/*
 * The header of the PROXY protocol, with which a load balancer says whose connection it passes on:
 * proxy-protocol.txt of HAProxy, version 1 (a line of text, section 2.1) and version 2 (binary,
 * section 2.2).
 */
#ifndef FORMATS_PROXY_HEADER_H
#define FORMATS_PROXY_HEADER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"

/* The longest line of version 1, with its CRLF. */
#define PROXY_HEADER_V1_MAX 107
/* The longest header of version 2 that is read.  The protocol wants it in one segment; nginx has this
 * limit, too. */
#define PROXY_HEADER_MAX 4096

enum proxy_command {
	PROXY_LOCAL, /* the sender's own connection, such as a health check */
	PROXY_PROXY  /* a client's */
};

enum proxy_family {
	PROXY_NONE, /* none, unknown, or no TCP: the addresses of the connection itself hold */
	PROXY_INET,
	PROXY_INET6,
	PROXY_UNIX /* a Unix socket of the sender's host: the same, as it has no address */
};

struct proxy_header {
	int version; /* 1 or 2 */
	enum proxy_command command;
	enum proxy_family family; /* of LOCAL: PROXY_NONE */
	/* The client, and the address that it connected to; all 0 unless INET or INET6. */
	struct sockaddr_storage client, local;
};

/*
 * Read the header at the beginning of p.  0 with *size, its length; ERR_AGAIN: these bytes are the beginning
 * of one, or there are none; ERR_NOTFOUND: no header begins like this; ERR_FORMAT: it is malformed;
 * ERR_TOOBIG: it is longer than PROXY_HEADER_MAX; ERR_AUTH: its checksum is wrong.
 */
int proxy_header_read(const uint8_t *p, size_t len, struct proxy_header *h,
    size_t *size) MUST_CHECK;

/*
 * Append the header.  Version 1 has no LOCAL, no UNIX and no NONE: these become UNKNOWN; so does a pair of
 * addresses that are not of the header's family, and in version 2 UNSPEC.  Errors are those of the buffer.
 */
void proxy_header_write(struct buf *b, const struct proxy_header *h);

#endif
