/*
 * HMAC-SHA1, which known_hosts is hashed with and libsodium does not have.  It stands apart from
 * known_hosts.c because OpenSSL's headers claim names that base/err.h has too.
 */
#ifndef FORMATS_HMAC_SHA1_H
#define FORMATS_HMAC_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define HMAC_SHA1_SIZE 20

/* What libcrypto needs for any number of calls: setting it up takes longer than to hash a name. */
struct hmac_sha1;

/* NULL: out of memory, or libcrypto has no SHA-1. */
struct hmac_sha1 *hmac_sha1_new(void);
void hmac_sha1_free(struct hmac_sha1 **h); /* takes NULL */

/* 1, or 0 if libcrypto will not do it. */
int hmac_sha1(struct hmac_sha1 *h, const uint8_t *key, size_t key_len, const void *data, size_t len,
    uint8_t out[HMAC_SHA1_SIZE]);

#endif
