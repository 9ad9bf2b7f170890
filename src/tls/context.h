/*
 * The settings of a TLS server for one connection, out of what the keeper has sent: all of it before the process
 * reads a byte of its client.
 */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <openssl/types.h>

#include "base/reason.h"
#include "tls/provider.h"

struct context_setup {
	struct bytes chain;	 /* PEM: the certificate, then those between it and its CA */
	struct bytes client_ca;	 /* PEM; empty: no certificate is asked for */
	struct bytes client_crl; /* PEM; empty: nothing is revoked */
	const char *alpn; /* names separated by commas; "": what the client offers is passed over */
	int min_version;  /* TLS1_2_VERSION or TLS1_3_VERSION */
};

/*
 * TLS 1.2 and 1.3 with forward secrecy alone; no renegotiation, no compression, and no resumption, so that there are
 * no tickets and no keys for them.  The key of the certificate signs by signer, which must live as long as the
 * context.  0 with *out, the caller frees it; or an ERR_* with why.
 */
int context_new(const struct context_setup *setup, const struct tls_signer *signer, SSL_CTX **out,
    struct reason *why) MUST_CHECK;

/* Have this connection's client certificate judged: if it is not accepted, why says so.  To be called before the
 * handshake; why must live as long as ssl. */
void context_watch(SSL *ssl, struct reason *why);

#endif
