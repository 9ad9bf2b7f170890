/*
 * The value of ConnectVia: a proxy that a route's upstream is reached by.
 */
#ifndef LOOKUP_CONNECT_VIA_H
#define LOOKUP_CONNECT_VIA_H

#include <stdint.h>

#include "base/reason.h"
#include "base/err.h"

struct connect_via {
	char scheme[8]; /* "socks5", "http", "https" or "tls" */
	char user[256]; /* "": the proxy asks for none; SOCKS has room for 255 bytes */
	char host[256];
	uint16_t port;
};

/* Does TLS protect the connection to it? */
int connect_via_is_tls(const struct connect_via *via);

/* Parse SCHEME://[USER@]HOST:PORT.  0, or ERR_FORMAT with why, in which no password is repeated. */
int connect_via_parse(const char *value, struct connect_via *via, struct reason *why) MUST_CHECK;

/* "HOST:PORT via SCHEME://HOST:PORT": the same without the user, for lines of the log and of `route`. */
#define CONNECT_VIA_TEXT_SIZE 300
const char *connect_via_text(const struct connect_via *via, char out[CONNECT_VIA_TEXT_SIZE]);

#endif
