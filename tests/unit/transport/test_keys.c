/*
 * Signatures of transport/keys.c: algorithms, sizes, security keys, nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "keys_lab.h"
#include "tmp_dir.h"
#include "transport/keys.h"
#include "wire/wire.h"

/* SHA-1, a wrong curve, another type's algorithm: neither made nor taken. */
static void
test_algorithms(void **state)
{
	static const char *const bad[] = { "ssh-rsa", "ssh-dss", "ssh-ed25519",
		"ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com",
		"rsa-sha2-256-cert-v01@openssh.com", "" };
	struct buf pub, sig, old;
	struct secret *priv;
	char name[64];
	uint8_t flags;
	struct wire w;
	size_t i;

	(void)state;
	buf_init(&pub, 4096);
	buf_init(&sig, 4096);
	buf_init(&old, 4096);
	assert_int_equal(key_generate("rsa", &priv, &pub, name), 0);
	assert_int_equal(key_sign(priv, name, "rsa-sha2-256", DATA, DATALEN, &sig), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(key_sign(priv, name, bad[i], DATA, DATALEN, &old), ERR_ALGORITHM);
		assert_int_equal(key_verify(buf_bytes(&pub), bad[i], buf_bytes(&sig), DATA, DATALEN,
				     &flags),
		    ERR_ALGORITHM);
	}
	assert_int_equal(old.len, 0);
	/* Announced as one, made as the other. */
	assert_int_equal(key_verify(buf_bytes(&pub), "rsa-sha2-512", buf_bytes(&sig), DATA, DATALEN,
			     &flags),
	    ERR_ALGORITHM);
	/* Named ssh-rsa inside. */
	wire_init(&w, sig.data, sig.len);
	(void)wire_string(&w);
	wire_put_text(&old, "ssh-rsa");
	wire_put_bytes(&old, wire_string(&w));
	assert_int_equal(key_verify(buf_bytes(&pub), "rsa-sha2-256", buf_bytes(&old), DATA, DATALEN,
			     &flags),
	    ERR_ALGORITHM);
	assert_int_equal(key_verify(buf_bytes(&pub), "ssh-rsa", buf_bytes(&old), DATA, DATALEN,
			     &flags),
	    ERR_ALGORITHM);
	secret_free(&priv);
	buf_free(&old);
	buf_free(&sig);
	buf_free(&pub);
}

/* A public key of 1024 bits is refused before its signature is looked at. */
static void
test_verify_small_rsa(void **state)
{
	struct buf pub, sig;
	uint8_t flags, junk[128] = { 1 };

	(void)state;
	assert_int_equal(run("ssh-keygen -q -t rsa -b 1024 -N '' -f small"), 0);
	slurp_pub("small", &pub);
	buf_init(&sig, 512);
	wire_put_text(&sig, "rsa-sha2-256");
	wire_put_string(&sig, junk, sizeof(junk));
	assert_int_equal(key_verify(buf_bytes(&pub), "rsa-sha2-256", buf_bytes(&sig), DATA, DATALEN,
			     &flags),
	    ERR_WEAK);
	buf_free(&sig);
	buf_free(&pub);
}

/* A signature by a key of 8193 bits, or with an exponent of six bytes, costs no arithmetic: both
 * are refused by their sizes. */
static void
test_verify_costly_rsa(void **state)
{
	static const struct {
		size_t exponent, modulus;
		int err;
	} cases[] = {
		{ 3, 1024, ERR_AUTH },
		{ 3, 1025, ERR_COSTLY },
		{ 3, 2048, ERR_COSTLY },
		{ 5, 512, ERR_AUTH },
		{ 6, 512, ERR_COSTLY },
	};
	static const uint8_t junk[2048] = { 1 };
	uint8_t number[2048], flags;
	struct buf pub, sig;
	size_t i;

	(void)state;
	memset(number, 0x55, sizeof(number));
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&pub, 8192);
		buf_init(&sig, 8192);
		wire_put_text(&pub, "ssh-rsa");
		wire_put_string(&pub, number, cases[i].exponent);
		wire_put_string(&pub, number, cases[i].modulus);
		wire_put_text(&sig, "rsa-sha2-256");
		wire_put_string(&sig, junk, cases[i].modulus);
		assert_int_equal(key_verify(buf_bytes(&pub), "rsa-sha2-256", buf_bytes(&sig), DATA,
				     DATALEN, &flags),
		    cases[i].err);
		buf_free(&sig);
		buf_free(&pub);
	}
}

/* What a token signs: SHA-256 of the application, flags, counter, SHA-256 of the data. */
static void
sk_message(const char *application, uint8_t flags, uint32_t counter, struct buf *out)
{
	uint8_t hash[32];

	buf_init(out, 256);
	crypto_hash_sha256(hash, (const uint8_t *)application, strlen(application));
	buf_put(out, hash, sizeof(hash));
	buf_put_u8(out, flags);
	wire_put_u32(out, counter);
	crypto_hash_sha256(hash, (const uint8_t *)DATA, DATALEN);
	buf_put(out, hash, sizeof(hash));
}

/* The checks that both sk- types share, on a good pair of blobs. */
static void
sk_checks(const char *alg, struct buf *pub, struct buf *sig, uint8_t flags)
{
	uint8_t got = 0;
	size_t i;

	assert_int_equal(key_verify(buf_bytes(pub), alg, buf_bytes(sig), DATA, DATALEN, &got), 0);
	assert_int_equal(got, flags);
	assert_int_equal(key_verify(buf_bytes(pub), alg, buf_bytes(sig), DATA, DATALEN - 1, &got),
	    ERR_AUTH);
	assert_int_equal(got, 0);
	/* Flags and counter, in the last five bytes, are signed for. */
	for (i = sig->len - 5; i < sig->len; i++) {
		sig->data[i] ^= 4;
		assert_int_equal(key_verify(buf_bytes(pub), alg, buf_bytes(sig), DATA, DATALEN,
				     &got),
		    ERR_AUTH);
		assert_int_equal(got, 0);
		sig->data[i] ^= 4;
	}
	/* So is the application, at the end of the public key. */
	pub->data[pub->len - 1] ^= 1;
	assert_int_equal(key_verify(buf_bytes(pub), alg, buf_bytes(sig), DATA, DATALEN, &got),
	    ERR_AUTH);
	pub->data[pub->len - 1] ^= 1;
	assert_int_equal(key_verify(buf_bytes(pub), alg, (struct bytes){ sig->data, sig->len - 1 },
			     DATA, DATALEN, &got),
	    ERR_FORMAT);
	assert_int_equal(key_verify(buf_bytes(pub), "ssh-ed25519", buf_bytes(sig), DATA, DATALEN,
			     &got),
	    ERR_ALGORITHM);
}

static void
test_sk_ed25519(void **state)
{
	static const char alg[] = "sk-ssh-ed25519@openssh.com";
	static const uint8_t flags[] = { KEY_SK_USER_PRESENT, 0,
		KEY_SK_USER_PRESENT | KEY_SK_USER_VERIFIED };
	uint8_t pk[32], sk[64], raw[64];
	struct buf pub, sig, message;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(flags); i++) {
		crypto_sign_keypair(pk, sk);
		sk_message("ssh:", flags[i], 77, &message);
		crypto_sign_detached(raw, NULL, message.data, message.len, sk);
		buf_init(&pub, 512);
		wire_put_text(&pub, alg);
		wire_put_string(&pub, pk, sizeof(pk));
		wire_put_text(&pub, "ssh:");
		buf_init(&sig, 512);
		wire_put_text(&sig, alg);
		wire_put_string(&sig, raw, sizeof(raw));
		buf_put_u8(&sig, flags[i]);
		wire_put_u32(&sig, 77);
		sk_checks(alg, &pub, &sig, flags[i]);
		buf_free(&sig);
		buf_free(&pub);
		buf_free(&message);
	}
}

static void
test_sk_ecdsa(void **state)
{
	static const char alg[] = "sk-ecdsa-sha2-nistp256@openssh.com";
	struct buf plain, plain_sig, pub, sig, message;
	struct secret *priv;
	struct wire w;
	char name[64];

	(void)state;
	buf_init(&plain, 512);
	buf_init(&plain_sig, 512);
	assert_int_equal(key_generate("ecdsa", &priv, &plain, name), 0);
	sk_message("ssh:", KEY_SK_USER_PRESENT, 1, &message);
	assert_int_equal(key_sign(priv, name, "ecdsa-sha2-nistp256", message.data, message.len,
			     &plain_sig),
	    0);
	buf_init(&pub, 512);
	wire_init(&w, plain.data, plain.len);
	(void)wire_string(&w);
	wire_put_text(&pub, alg);
	wire_put_bytes(&pub, wire_string(&w));
	wire_put_bytes(&pub, wire_string(&w));
	wire_put_text(&pub, "ssh:");
	buf_init(&sig, 512);
	wire_init(&w, plain_sig.data, plain_sig.len);
	(void)wire_string(&w);
	wire_put_text(&sig, alg);
	wire_put_bytes(&sig, wire_string(&w));
	buf_put_u8(&sig, KEY_SK_USER_PRESENT);
	wire_put_u32(&sig, 1);
	sk_checks(alg, &pub, &sig, KEY_SK_USER_PRESENT);
	secret_free(&priv);
	buf_free(&sig);
	buf_free(&pub);
	buf_free(&message);
	buf_free(&plain_sig);
	buf_free(&plain);
}

/* Blobs that are no keys, and secrets that are none, end in an error. */
static void
test_nonsense(void **state)
{
	uint8_t raw[300], flags;
	struct secret *priv;
	struct buf pub, sig;
	char name[64];
	int i;

	(void)state;
	for (i = 0; i < 200; i++) {
		buf_init(&pub, 1024);
		buf_init(&sig, 1024);
		randombytes_buf(raw, sizeof(raw));
		wire_put_text(&pub, "ecdsa-sha2-nistp256");
		wire_put_text(&pub, "nistp256");
		raw[0] = (uint8_t)(i % 5);
		wire_put_string(&pub, raw, i % 2 ? 65 : randombytes_uniform(sizeof(raw)));
		wire_put_text(&sig, "ecdsa-sha2-nistp256");
		wire_put_string(&sig, raw, randombytes_uniform(sizeof(raw)));
		assert_int_not_equal(key_verify(buf_bytes(&pub), "ecdsa-sha2-nistp256",
					 buf_bytes(&sig), DATA, DATALEN, &flags),
		    0);
		buf_free(&sig);
		buf_free(&pub);
	}
	buf_init(&sig, 1024);
	priv = secret_from(raw, sizeof(raw));
	assert_int_equal(key_sign(priv, "ssh-ed25519", "ssh-ed25519", DATA, DATALEN, &sig),
	    ERR_FORMAT);
	assert_int_equal(key_sign(priv, "ssh-rsa", "rsa-sha2-256", DATA, DATALEN, &sig),
	    ERR_FORMAT);
	secret_free(&priv);
	/* An ECDSA key taken for RSA, and for another curve. */
	buf_init(&pub, 1024);
	assert_int_equal(key_generate("ecdsa", &priv, &pub, name), 0);
	assert_int_equal(key_sign(priv, "ssh-rsa", "rsa-sha2-256", DATA, DATALEN, &sig),
	    ERR_FORMAT);
	assert_int_equal(key_sign(priv, "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", DATA, DATALEN,
			     &sig),
	    ERR_FORMAT);
	assert_int_equal(sig.len, 0);
	secret_free(&priv);
	buf_free(&pub);
	buf_free(&sig);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_algorithms),
		cmocka_unit_test(test_verify_small_rsa),
		cmocka_unit_test(test_verify_costly_rsa),
		cmocka_unit_test(test_sk_ed25519),
		cmocka_unit_test(test_sk_ecdsa),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, keys_lab_setup, tmp_dir_teardown);
}
