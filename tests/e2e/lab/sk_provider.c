/*
 * A security key (FIDO authenticator) in software, for the tests: a library for ssh's
 * SecurityKeyProvider.  A key handle is the private key itself, in DER, after the hash of the
 * application it was made for; the provider stores nothing.  PROTOCOL.u2f of OpenSSH says what it
 * signs.
 *
 * It behaves like a token whose owner touches it whenever it asks, unless the environment says
 * otherwise:
 *
 *	SK_UNTOUCHED	it signs without a touch, whatever the request says
 *	SK_UNVERIFIED	it signs without a PIN, whatever the request says
 *	SK_COUNTER	the counter of its signatures, otherwise 1
 *	SK_APPLICATION	the application it signs for, in place of that of the key
 *	SK_PIN		the PIN that verifies its user
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

/* The interface of OpenSSH 9.2; ssh refuses a provider of another major version. */

#define SK_API_VERSION 0x000a0000

#define SK_USER_PRESENCE 0x01
#define SK_USER_VERIFICATION 0x04
#define SK_RESIDENT 0x20

#define SK_ECDSA 0
#define SK_ED25519 1

#define SK_ERR_GENERAL -1
#define SK_ERR_UNSUPPORTED -2
#define SK_ERR_PIN_REQUIRED -3

struct sk_option;
struct sk_resident_key;

struct sk_enroll_response {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct sk_sign_response {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r;
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

uint32_t sk_api_version(void);
int sk_enroll(uint32_t, const uint8_t *, size_t, const char *, uint8_t, const char *,
    struct sk_option **, struct sk_enroll_response **);
int sk_sign(uint32_t, const uint8_t *, size_t, const char *, const uint8_t *, size_t, uint8_t,
    const char *, struct sk_option **, struct sk_sign_response **);
int sk_load_resident_keys(const char *, struct sk_option **, struct sk_resident_key ***, size_t *);

uint32_t
sk_api_version(void)
{
	return SK_API_VERSION;
}

static void
hash_text(const char *text, uint8_t hash[SHA256_DIGEST_LENGTH])
{
	SHA256((const uint8_t *)text, strlen(text), hash);
}

/* The public key: 32 bytes, or an uncompressed point. */
static int
put_public(EVP_PKEY *key, uint32_t alg, struct sk_enroll_response *r)
{
	uint8_t *point = NULL;

	r->public_key_len = 65;
	r->public_key = malloc(r->public_key_len);
	if (r->public_key == NULL)
		return -1;
	if (alg == SK_ED25519)
		return EVP_PKEY_get_raw_public_key(key, r->public_key, &r->public_key_len) == 1 ?
		    0 :
		    -1;
	if (EVP_PKEY_get1_encoded_public_key(key, &point) != r->public_key_len)
		return -1;
	memcpy(r->public_key, point, r->public_key_len);
	OPENSSL_free(point);
	return 0;
}

static int
put_handle(EVP_PKEY *key, const char *application, struct sk_enroll_response *r)
{
	int len = i2d_PrivateKey(key, NULL);
	uint8_t *to;

	if (len <= 0)
		return -1;
	r->key_handle_len = SHA256_DIGEST_LENGTH + (size_t)len;
	r->key_handle = malloc(r->key_handle_len);
	if (r->key_handle == NULL)
		return -1;
	hash_text(application, r->key_handle);
	to = r->key_handle + SHA256_DIGEST_LENGTH;
	return i2d_PrivateKey(key, &to) == len ? 0 : -1;
}

int
sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application,
    uint8_t flags, const char *pin, struct sk_option **options,
    struct sk_enroll_response **response)
{
	struct sk_enroll_response *r;
	EVP_PKEY *key = NULL;
	int ret = SK_ERR_GENERAL;

	*response = NULL;
	if ((flags & SK_RESIDENT) != 0 || (alg != SK_ED25519 && alg != SK_ECDSA))
		return SK_ERR_UNSUPPORTED;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return SK_ERR_GENERAL;
	key = alg == SK_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_EC_gen("P-256");
	r->flags = flags;
	if (key != NULL && put_public(key, alg, r) == 0 && put_handle(key, application, r) == 0) {
		*response = r;
		ret = 0;
	}
	EVP_PKEY_free(key);
	if (ret != 0) {
		free(r->public_key);
		free(r->key_handle);
		free(r);
	}
	return ret;
}

/* The private key in a handle, if it is for this application; else NULL. */
static EVP_PKEY *
take_handle(const uint8_t *handle, size_t len, const char *application)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	const uint8_t *der = handle + sizeof(hash);

	hash_text(application, hash);
	if (len <= sizeof(hash) || memcmp(handle, hash, sizeof(hash)) != 0)
		return NULL;
	return d2i_AutoPrivateKey(NULL, &der, (long)(len - sizeof(hash)));
}

static int
put_number(const BIGNUM *n, uint8_t **to, size_t *len)
{
	*len = (size_t)BN_num_bytes(n);
	*to = malloc(*len);
	if (*to == NULL)
		return -1;
	BN_bn2bin(n, *to);
	return 0;
}

/* sig: OpenSSL's form of a signature, for ECDSA a DER sequence of two numbers. */
static int
put_signature(uint32_t alg, const uint8_t *sig, size_t len, struct sk_sign_response *r)
{
	ECDSA_SIG *numbers;
	int ret = -1;

	if (alg == SK_ED25519) {
		r->sig_r = malloc(len);
		if (r->sig_r == NULL)
			return -1;
		memcpy(r->sig_r, sig, len);
		r->sig_r_len = len;
		return 0;
	}
	numbers = d2i_ECDSA_SIG(NULL, &sig, (long)len);
	if (numbers == NULL)
		return -1;
	if (put_number(ECDSA_SIG_get0_r(numbers), &r->sig_r, &r->sig_r_len) == 0 &&
	    put_number(ECDSA_SIG_get0_s(numbers), &r->sig_s, &r->sig_s_len) == 0)
		ret = 0;
	ECDSA_SIG_free(numbers);
	return ret;
}

/* Sign application, flags, counter and data, each in the length that PROTOCOL.u2f gives it. */
static int
make_signature(EVP_PKEY *key, uint32_t alg, const char *application, const uint8_t *data,
    size_t data_len, struct sk_sign_response *r)
{
	uint8_t message[2 * SHA256_DIGEST_LENGTH + 5], sig[128];
	uint8_t *p = message + SHA256_DIGEST_LENGTH;
	size_t len = sizeof(sig);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int i, ret = -1;

	hash_text(application, message);
	*p++ = r->flags;
	for (i = 24; i >= 0; i -= 8)
		*p++ = (uint8_t)(r->counter >> i);
	SHA256(data, data_len, p);
	if (ctx != NULL &&
	    EVP_DigestSignInit(ctx, NULL, alg == SK_ED25519 ? NULL : EVP_sha256(), NULL, key) ==
		1 &&
	    EVP_DigestSign(ctx, sig, &len, message, sizeof(message)) == 1)
		ret = put_signature(alg, sig, len, r);
	EVP_MD_CTX_free(ctx);
	return ret;
}

/* The user touches the token and enters the PIN, as far as the request asks for these. */
static int
ask_user(uint8_t flags, const char *pin, uint8_t *got)
{
	const char *right = getenv("SK_PIN");

	*got = 0;
	if ((flags & SK_USER_PRESENCE) != 0 && getenv("SK_UNTOUCHED") == NULL)
		*got |= SK_USER_PRESENCE;
	if ((flags & SK_USER_VERIFICATION) == 0 || getenv("SK_UNVERIFIED") != NULL)
		return 0;
	if (pin == NULL || right == NULL || strcmp(pin, right) != 0)
		return SK_ERR_PIN_REQUIRED;
	*got |= SK_USER_VERIFICATION;
	return 0;
}

int
sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application,
    const uint8_t *key_handle, size_t key_handle_len, uint8_t flags, const char *pin,
    struct sk_option **options, struct sk_sign_response **response)
{
	const char *counter = getenv("SK_COUNTER"), *other = getenv("SK_APPLICATION");
	struct sk_sign_response *r;
	EVP_PKEY *key;
	int ret;

	*response = NULL;
	key = take_handle(key_handle, key_handle_len, application);
	r = calloc(1, sizeof(*r));
	ret = key == NULL || r == NULL ? SK_ERR_GENERAL : ask_user(flags, pin, &r->flags);
	if (ret == 0) {
		r->counter = counter == NULL ? 1 : (uint32_t)strtoul(counter, NULL, 10);
		if (make_signature(key, alg, other == NULL ? application : other, data, data_len,
			r) != 0)
			ret = SK_ERR_GENERAL;
	}
	EVP_PKEY_free(key);
	if (ret == 0) {
		*response = r;
	} else if (r != NULL) {
		free(r->sig_r);
		free(r->sig_s);
		free(r);
	}
	return ret;
}

/* No resident keys. */
int
sk_load_resident_keys(const char *pin, struct sk_option **options, struct sk_resident_key ***keys,
    size_t *count)
{
	*keys = NULL;
	*count = 0;
	return 0;
}
