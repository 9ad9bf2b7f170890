/*
 * Passing bytes between a TLS connection and a socket, both ways, in bounded memory.
 */
#ifndef TLS_STREAM_H
#define TLS_STREAM_H

#include <openssl/types.h>

#include "base/err.h"

/* Have OpenSSL read and write this socket, by the calls that the sandbox allows: it never waits.  0 or ERR_NOMEM. */
int stream_attach(SSL *ssl, int fd) MUST_CHECK;

/*
 * Pass on what comes, after the handshake, until both sides have ended: the end of one side (close_notify, or the end of
 * the socket) ends sending to the other, and no more.  Returns when nothing is left to do.
 */
void stream_run(SSL *ssl, int client, int inner);

#endif
