/*
 * The client's side of TLS, for a connection to a proxy: the errand that dials makes it, and a process of that errand
 * carries it.
 */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include <openssl/types.h>

#include "base/buf.h"
#include "base/reason.h"

struct client_setup {
	struct bytes ca; /* PEM; empty: the certificate authorities of this host */
	const char *sni; /* the name that is sent; "": none */
	const char *names
	    [2]; /* hosts or addresses, one of which the certificate has to be for; NULL: none */
};

/* Make the connection that fd has TLS 1.2 or 1.3, before the deadline (of clock_ms()).  0 with *out for
 * client_run(); or an ERR_* with why, in words for behind the name of the peer. */
int client_handshake(int fd, const struct client_setup *setup, int64_t deadline, SSL **out,
    struct reason *why) MUST_CHECK;

/* Forget it, without a word to the peer: another process has it, or nobody. */
void client_forget(SSL **ssl); /* takes NULL */

/*
 * For a process forked for this alone, by the one that made the handshake: enter the sandbox of a session, pass
 * bytes between fd and the stream socket inner until both have ended, and exit.  All other descriptors but 0 to 2 are
 * to be closed.
 */
void client_run(SSL *ssl, int fd, int inner) __attribute__((noreturn));

#endif
