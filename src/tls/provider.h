/*
 * A private key that is somewhere else, as OpenSSL sees it: a provider (provider(7ossl)) whose keys have the
 * public half alone and have somebody else sign.
 */
#ifndef TLS_PROVIDER_H
#define TLS_PROVIDER_H

#include <openssl/types.h>

#include "base/buf.h"

/* Whoever signs for the key. */
struct tls_signer {
	/* Append the signature over data with alg, an algorithm of transport/keys.h that fits the key, without
	 * the algorithm's name in front.  0 or an ERR_*. */
	int (*sign)(void *arg, const char *alg, const void *data, size_t len, struct buf *sig);
	void *arg;
};

/* Load the provider into OpenSSL's default context, where it is used for its own keys and nothing else.  Once in a
 * process.  0 or ERR_NOMEM. */
int provider_load(void) MUST_CHECK;

/* The private key that fits a public one: RSA, ECDSA by nistp256, nistp384 or nistp521, or Ed25519.  *signer must
 * live as long as the key.  0 with *out, which the caller frees; ERR_ALGORITHM; or ERR_NOMEM. */
int provider_key(EVP_PKEY *public, const struct tls_signer *signer, EVP_PKEY **out) MUST_CHECK;

/* The algorithms that such a key signs with, as a list for SSL_CTX_set1_sigalgs_list(3); NULL: it is of another type. */
const char *provider_sigalgs(const EVP_PKEY *public);

#endif
