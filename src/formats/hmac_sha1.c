#include <limits.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "formats/hmac_sha1.h"

int
hmac_sha1(const uint8_t *key, size_t key_len, const void *data, size_t len,
    uint8_t out[HMAC_SHA1_SIZE])
{
	uint8_t md[EVP_MAX_MD_SIZE];
	unsigned int md_len = 0;

	if (key_len > INT_MAX ||
	    HMAC(EVP_sha1(), key, (int)key_len, data, len, md, &md_len) == NULL ||
	    md_len != HMAC_SHA1_SIZE)
		return 0;
	memcpy(out, md, HMAC_SHA1_SIZE);
	return 1;
}
