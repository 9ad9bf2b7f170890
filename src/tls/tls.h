/*
 * The process of one TLS connection: it ends TLS with the client on one side and passes what is inside on to a socket on
 * the other.  It has no key: the keeper signs.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdint.h>

#include "base/err.h"

struct tls_process {
	uint64_t id;
	const char *client; /* "203.0.113.9 port 40022", for the title */
};

/* To be called once before the first tls_run(), by the process that forks: what OpenSSL makes at its first use is then
 * made already.  0 or ERR_NOMEM. */
int tls_warm_up(void) MUST_CHECK;

/* Run to the end of the connection and exit.  client is the connection, keeper the socket to the keeper, inner the
 * stream socket for what is inside.  To be called right after fork, with all other descriptors but 0 to 2 closed, by
 * functions that do not return: the stack canary is changed. */
void tls_run(int client, int keeper, int inner, const struct tls_process *process)
    __attribute__((noreturn));

#endif
