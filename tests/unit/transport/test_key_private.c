/*
 * transport/key_private.c: where the numbers of a private key are while it signs.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include "keys_lab.h"
#include "tmp_dir.h"
#include "transport/key_private.h"
#include "transport/keys.h"
#include "wire/wire.h"

static int
in_secure_heap(const BIGNUM *n)
{
	return n != NULL && BN_get_flags(n, BN_FLG_SECURE) != 0;
}

/* Finding 22: what a signature needs of a private key is in locked memory, and none of it is left
 * there. */
static void
test_private_numbers_are_in_the_secure_heap(void **state)
{
	static const struct {
		const char *kind, *alg;
	} cases[] = { { "rsa", "rsa-sha2-256" }, { "ecdsa", "ecdsa-sha2-nistp256" } };
	struct key_private key;
	struct secret *priv;
	struct buf pub, sig;
	char type[64];
	size_t i, used;

	(void)state;
	assert_int_not_equal(key_memory_lock(), ERR_NOMEM);
	assert_true(CRYPTO_secure_malloc_initialized());
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&pub, 4096);
		buf_init(&sig, 4096);
		assert_int_equal(key_generate(cases[i].kind, &priv, &pub, type), 0);
		used = CRYPTO_secure_used(); /* by random numbers */
		assert_int_equal(key_private_load(priv, type, &key), 0);
		if (key.rsa != NULL) {
			assert_true(in_secure_heap(RSA_get0_d(key.rsa)));
			assert_true(in_secure_heap(RSA_get0_p(key.rsa)));
			assert_true(in_secure_heap(RSA_get0_q(key.rsa)));
			assert_true(in_secure_heap(RSA_get0_dmp1(key.rsa)));
			assert_true(in_secure_heap(RSA_get0_dmq1(key.rsa)));
			assert_true(in_secure_heap(RSA_get0_iqmp(key.rsa)));
		} else {
			assert_true(in_secure_heap(EC_KEY_get0_private_key(key.ec)));
		}
		assert_true(CRYPTO_secure_used() > used);
		assert_int_equal(key_private_sign(&key, cases[i].alg, DATA, DATALEN, &sig), 0);
		key_private_free(&key);
		assert_int_equal(CRYPTO_secure_used(), used);
		secret_free(&priv);
		buf_free(&sig);
		buf_free(&pub);
	}
}

/* Room for the largest key that is allowed.  It need not be one to take as much. */
static void
test_the_largest_key_fits_the_secure_heap(void **state)
{
	static const size_t sizes[] = { 1024, 3, 1024, 512, 512, 512 }; /* n e d iqmp p q */
	uint8_t number[1024];
	struct secret *priv;
	struct buf plain, sig;
	size_t i, used;

	(void)state;
	buf_init(&plain, 8192);
	buf_init(&sig, 8192);
	wire_put_text(&plain, "ssh-rsa");
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		randombytes_buf(number, sizeof(number));
		number[0] = i < 3 ? 0x7f : 0x3f;
		number[sizes[i] - 1] |= 1;
		wire_put_string(&plain, number, sizes[i]);
	}
	priv = secret_from(plain.data, plain.len);
	assert_non_null(priv);
	assert_int_not_equal(key_memory_lock(), ERR_NOMEM);
	used = CRYPTO_secure_used();
	assert_int_equal(key_sign(priv, "ssh-rsa", "rsa-sha2-512", DATA, DATALEN, &sig), 0);
	assert_int_equal(CRYPTO_secure_used(), used);
	secret_free(&priv);
	buf_free(&sig);
	buf_free(&plain);
}

/* TLS: RSASSA-PSS with SHA-256 and a salt of 32 bytes, as OpenSSL verifies it; and not with another key. */
static void
test_pss(void **state)
{
	uint8_t hash[EVP_MAX_MD_SIZE], encoded[1024];
	struct key_private key;
	struct secret *priv;
	struct buf pub, sig;
	unsigned int len;
	char type[64];

	(void)state;
	buf_init(&pub, 4096);
	buf_init(&sig, 4096);
	assert_int_equal(key_generate("rsa", &priv, &pub, type), 0);
	assert_int_equal(key_private_load(priv, type, &key), 0);
	assert_int_equal(key_private_sign(&key, KEY_RSA_PSS, DATA, DATALEN, &sig), 0);
	assert_int_equal(EVP_Digest(DATA, DATALEN, hash, &len, EVP_sha256(), NULL), 1);
	assert_int_equal(RSA_public_decrypt((int)sig.len, sig.data, encoded, key.rsa,
			     RSA_NO_PADDING),
	    sig.len);
	assert_int_equal(RSA_verify_PKCS1_PSS_mgf1(key.rsa, hash, EVP_sha256(), EVP_sha256(),
			     encoded, 32),
	    1);
	hash[0] ^= 1;
	assert_int_equal(RSA_verify_PKCS1_PSS_mgf1(key.rsa, hash, EVP_sha256(), EVP_sha256(),
			     encoded, 32),
	    0);
	key_private_free(&key);
	secret_free(&priv);
	buf_reset(&sig);
	assert_int_equal(key_generate("ecdsa", &priv, &pub, type), 0);
	assert_int_equal(key_sign(priv, type, KEY_RSA_PSS, DATA, DATALEN, &sig), ERR_ALGORITHM);
	secret_free(&priv);
	buf_free(&sig);
	buf_free(&pub);
}

/* Numbers that are no key's, in a store that somebody has made. */
static void
test_private_numbers_that_are_no_key(void **state)
{
	static const uint8_t zero[32],
	    high[33] = { 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const struct {
		const uint8_t *d;
		size_t len;
	} cases[] = { { zero, 0 }, { zero, 32 }, { high, 33 }, { high + 1, 32 } };
	struct secret *priv;
	struct buf plain, sig;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&plain, 1024);
		buf_init(&sig, 1024);
		wire_put_text(&plain, "ecdsa-sha2-nistp256");
		wire_put_text(&plain, "nistp256");
		wire_put_text(&plain, "a point");
		wire_put_string(&plain, cases[i].d, cases[i].len);
		priv = secret_from(plain.data, plain.len);
		assert_non_null(priv);
		assert_int_equal(key_sign(priv, "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", DATA,
				     DATALEN, &sig),
		    ERR_FORMAT);
		secret_free(&priv);
		buf_free(&sig);
		buf_free(&plain);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private_numbers_are_in_the_secure_heap),
		cmocka_unit_test(test_pss),
		cmocka_unit_test(test_the_largest_key_fits_the_secure_heap),
		cmocka_unit_test(test_private_numbers_that_are_no_key),
	};

	return cmocka_run_group_tests(tests, keys_lab_setup, tmp_dir_teardown);
}
