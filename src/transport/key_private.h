/*
 * RSA and ECDSA private keys, copied out of their secret for one signature.  Their numbers are in
 * OpenSSL's secure heap, which is locked in memory, left out of core dumps, and wiped when freed.
 */
#ifndef TRANSPORT_KEY_PRIVATE_H
#define TRANSPORT_KEY_PRIVATE_H

#include <openssl/ossl_typ.h>

#include "base/buf.h"
#include "base/secret.h"

struct key_private {
	RSA *rsa;   /* or NULL */
	EC_KEY *ec; /* or NULL */
};

/* Load a key from a secret in the form of keys.h.  0; ERR_FORMAT if it is no key of this type,
 * ERR_WEAK or ERR_COSTLY (wire/rsa.h), ERR_ALGORITHM, ERR_NOMEM. */
int key_private_load(struct secret *priv, const char *type, struct key_private *k) MUST_CHECK;

/* Wipe and free the key. */
void key_private_free(struct key_private *k);

/*
 * Sign with an algorithm that fits the key's type, such as "rsa-sha2-512", and append the signature
 * without the algorithm's name in front (RFC 8332 section 3, RFC 5656 section 3.1.2;
 * KEY_RSA_PSS: RFC 8017 section 8.1).
 * 0; ERR_ALGORITHM; ERR_FORMAT: the numbers are not those of a key; ERR_NOMEM.
 */
int key_private_sign(const struct key_private *k, const char *alg, const void *data, size_t len,
    struct buf *sig) MUST_CHECK;

#endif
