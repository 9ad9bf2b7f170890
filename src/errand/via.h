/*
 * Asking a proxy for a connection to a host: SOCKS 5 (RFC 1928, 1929) and HTTP CONNECT (RFC 9110 section
 * 9.3.6).  Bytes in, bytes out: approach.c has the socket.
 *
 * The proxy gets the name of the host as it is written and resolves it.
 */
#ifndef ERRAND_VIA_H
#define ERRAND_VIA_H

#include <stdint.h>

#include "base/buf.h"
#include "base/reason.h"

/* The longest answer: the header of an HTTP answer; those of SOCKS have at most 262 bytes. */
#define VIA_ANSWER_MAX 8192
/* The longest question: the names of user and host, and the password in base64. */
#define VIA_QUESTION_MAX 4096

enum via_state {
	VIA_SOCKS_METHOD, /* the proxy chooses whether it wants a password */
	VIA_SOCKS_LOGIN,
	VIA_SOCKS_CONNECT,
	VIA_HTTP,
};

struct via {
	const char *scheme; /* "socks5" or "http" */
	const char *host;   /* where the proxy is to connect to, */
	uint16_t port;
	const char *user; /* "": nobody */
	struct bytes password;
	enum via_state state;
};

enum via_verdict {
	VIA_MORE,   /* the answer goes on */
	VIA_ASK,    /* out has the next question */
	VIA_OPEN,   /* what follows comes from the host */
	VIA_FAILED, /* see why */
};

/* Append the first question; all but the state is set.  0, or ERR_FORMAT with why it cannot be asked. */
int via_begin(struct via *via, struct buf *out, struct reason *why) MUST_CHECK;

/*
 * Judge the bytes that have come since the last question.  *used is how many of them are the proxy's answer:
 * after VIA_MORE all of them, and the call is to be repeated with these and further ones.
 */
enum via_verdict via_input(struct via *via, struct bytes in, size_t *used, struct buf *out,
    struct reason *why);

#endif
