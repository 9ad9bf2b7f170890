/*
 * HMAC-SHA1 of hashed names in known_hosts, by OpenSSL's libcrypto, because libsodium does not
 * have it.  In a file of its own because OpenSSL's headers define names that base/err.h uses.
 */
#ifndef FORMATS_HMAC_SHA1_H
#define FORMATS_HMAC_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define HMAC_SHA1_SIZE 20

/* libcrypto's context, kept for many calls: making it takes longer than hashing a name. */
struct hmac_sha1;

/* NULL: out of memory, or libcrypto has no SHA-1. */
struct hmac_sha1 *hmac_sha1_new(void);
void hmac_sha1_free(struct hmac_sha1 **h); /* takes NULL */

/* 1, or 0 if libcrypto will not do it. */
int hmac_sha1(struct hmac_sha1 *h, const uint8_t *key, size_t key_len, const void *data, size_t len,
    uint8_t out[HMAC_SHA1_SIZE]);

#endif
