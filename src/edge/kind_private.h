/*
 * The recognisers of kind.c, a file for each family of protocols.
 *
 * Each gets n > 0 bytes of which the first one can be its own, and *k all 0.  0 with *k; ERR_AGAIN; or
 * ERR_NOTFOUND: no beginning of its protocol.
 */
#ifndef EDGE_KIND_PRIVATE_H
#define EDGE_KIND_PRIVATE_H

#include "edge/kind.h"

int kind_ssh(const uint8_t *p, size_t n, struct kind *k) MUST_CHECK;
int kind_tls(const uint8_t *p, size_t n, struct kind *k) MUST_CHECK;
int kind_http(const uint8_t *p, size_t n, struct kind *k) MUST_CHECK;
int kind_xmpp(const uint8_t *p, size_t n, struct kind *k) MUST_CHECK;

/* 0 if the bytes begin with the text; ERR_AGAIN if they end within it; ERR_NOTFOUND. */
int kind_begins(const uint8_t *p, size_t n, const char *text) MUST_CHECK;

/* The host of *k is this name or address, or "" if it is neither.  1 or 0: it is one. */
int kind_set_host(struct kind *k, struct bytes name);

/* The same for HOST, HOST:PORT, [ADDRESS] and [ADDRESS]:PORT; *port is -1 without one, or if it is no port. */
int kind_set_authority(struct kind *k, struct bytes authority, int *port);

/* Take the next line off the text, without its "\n" or "\r\n": 0; ERR_AGAIN: it has no end yet; ERR_NOTFOUND: it
 * has a control character, which may come before its end. */
int kind_line(struct bytes *text, struct bytes *line) MUST_CHECK;

/* If the line is this header, in either case, *value is what it says, without the blanks around.  1 or 0. */
int kind_header(struct bytes line, const char *name, struct bytes *value);

#endif
