/*
 * HMAC-SHA1 by libcrypto, for the hashed names of known_hosts.c.
 */
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "formats/hmac_sha1.h"

struct hmac_sha1 {
	EVP_MAC *mac;
	EVP_MAC_CTX *ctx;
};

struct hmac_sha1 *
hmac_sha1_new(void)
{
	char digest[] = "SHA1";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	struct hmac_sha1 *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	h->ctx = h->mac == NULL ? NULL : EVP_MAC_CTX_new(h->mac);
	if (h->ctx == NULL || EVP_MAC_CTX_set_params(h->ctx, params) != 1)
		hmac_sha1_free(&h);
	return h;
}

void
hmac_sha1_free(struct hmac_sha1 **h)
{
	if (*h != NULL) {
		EVP_MAC_CTX_free((*h)->ctx);
		EVP_MAC_free((*h)->mac);
	}
	free(*h);
	*h = NULL;
}

int
hmac_sha1(struct hmac_sha1 *h, const uint8_t *key, size_t key_len, const void *data, size_t len,
    uint8_t out[HMAC_SHA1_SIZE])
{
	size_t out_len = 0;

	return EVP_MAC_init(h->ctx, key, key_len, NULL) == 1 &&
	    EVP_MAC_update(h->ctx, data, len) == 1 &&
	    EVP_MAC_final(h->ctx, out, &out_len, HMAC_SHA1_SIZE) == 1 && out_len == HMAC_SHA1_SIZE;
}
