/*
 * The header of the PROXY protocol, with which a connection begins that somebody else has made: the
 * addresses of that one.  By the specification that HAProxy publishes (proxy-protocol).
 */
#ifndef FORMATS_PROXY_HEADER_WRITE_H
#define FORMATS_PROXY_HEADER_WRITE_H

#include <stdint.h>

#include "base/buf.h"

/* Of a header that is written: version 1 has at most 107 bytes, and version 2 at most 52. */
#define PROXY_HEADER_WRITE_MAX 108

/*
 * Append a header of this version (1 or 2).  The addresses are numeric, each with or without a scope, which
 * is left out.  If they are not of one family, the header says UNKNOWN (version 2: AF_UNSPEC).  An empty
 * client stands for nobody: the connection is the sender's own (version 2: LOCAL; version 1 says UNKNOWN).
 */
void proxy_header_write(struct buf *b, unsigned int version, const char *client,
    uint16_t client_port, const char *local, uint16_t local_port);

#endif
