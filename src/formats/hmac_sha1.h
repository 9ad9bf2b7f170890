/*
 * HMAC-SHA1, which known_hosts is hashed with and libsodium has not.  Apart from
 * the rest because OpenSSL's headers claim names that base/err.h has too.
 */
#ifndef FORMATS_HMAC_SHA1_H
#define FORMATS_HMAC_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define HMAC_SHA1_SIZE 20

/* 1, or 0 if libcrypto will not do it. */
int hmac_sha1(const uint8_t *key, size_t key_len, const void *data, size_t len,
    uint8_t out[HMAC_SHA1_SIZE]);

#endif
