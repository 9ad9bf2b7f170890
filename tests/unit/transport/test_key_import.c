/*
 * key_import() and key_generate() of transport/keys.c, with files that ssh-keygen(1) made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "keys_lab.h"
#include "tmp_dir.h"
#include "transport/keys.h"
#include "wire/wire.h"

static const char *const ed25519_algs[] = { "ssh-ed25519", NULL };
static const char *const rsa_algs[] = { "rsa-sha2-256", "rsa-sha2-512", NULL };
static const char *const p256_algs[] = { "ecdsa-sha2-nistp256", NULL };
static const char *const p384_algs[] = { "ecdsa-sha2-nistp384", NULL };
static const char *const p521_algs[] = { "ecdsa-sha2-nistp521", NULL };

static const struct kind {
	const char *type;
	const char *bits;
	const char *wire;
	const char *const *algs;
} kinds[] = {
	{ "ed25519", "256", "ssh-ed25519", ed25519_algs },
	{ "rsa", "2048", "ssh-rsa", rsa_algs },
	{ "rsa", "3072", "ssh-rsa", rsa_algs },
	{ "rsa", "4096", "ssh-rsa", rsa_algs },
	{ "ecdsa", "256", "ecdsa-sha2-nistp256", p256_algs },
	{ "ecdsa", "384", "ecdsa-sha2-nistp384", p384_algs },
	{ "ecdsa", "521", "ecdsa-sha2-nistp521", p521_algs },
};

static void
import_from(const char *name, const char *passphrase, const char *type, const char *const *algs)
{
	struct buf text, pub, want;
	struct secret *priv;
	char got[64];

	slurp(name, &text);
	slurp_pub(name, &want);
	buf_init(&pub, 16384);
	if (passphrase != NULL) {
		assert_int_equal(key_import((char *)text.data, text.len, NULL, &priv, &pub, got),
		    ERR_AUTH);
		assert_null(priv);
		assert_int_equal(key_import((char *)text.data, text.len, "wrong", &priv, &pub, got),
		    ERR_AUTH);
		assert_null(priv);
		assert_int_equal(key_import((char *)text.data, text.len, "", &priv, &pub, got),
		    ERR_AUTH);
		assert_int_equal(pub.len, 0);
	}
	assert_int_equal(key_import((char *)text.data, text.len, passphrase, &priv, &pub, got), 0);
	assert_string_equal(got, type);
	assert_int_equal(pub.len, want.len);
	assert_memory_equal(pub.data, want.data, want.len);
	for (; *algs != NULL; algs++)
		assert_key_signs(priv, type, *algs, &pub);
	secret_free(&priv);
	buf_free(&want);
	buf_free(&pub);
	buf_wipe(&text);
}

/* Every type, in OpenSSH's format and the two of PEM, with and without a passphrase. */
static void
test_import(void **state)
{
	static const char *const formats[] = { "RFC4716", "PEM", "PKCS8" };
	size_t i, f;

	(void)state;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct kind *k = &kinds[i];

		assert_int_equal(run("ssh-keygen -q -t %s -b %s -N '' -f k", k->type, k->bits), 0);
		import_from("k", NULL, k->wire, k->algs);
		for (f = 0; f < 3; f++) {
			/* ssh-keygen writes Ed25519 in its own format alone */
			if (f > 0 && strcmp(k->type, "ed25519") == 0)
				continue;
			assert_int_equal(run("ssh-keygen -p -m %s -P '' -N '' -f k", formats[f]),
			    0);
			import_from("k", NULL, k->wire, k->algs);
			assert_int_equal(run("ssh-keygen -p -m %s -P '' -N 'open sesame' -f k",
					     formats[f]),
			    0);
			import_from("k", "open sesame", k->wire, k->algs);
			assert_int_equal(run("ssh-keygen -p -P 'open sesame' -N '' -f k"), 0);
		}
		assert_int_equal(run("rm -f k k.pub"), 0);
	}
}

static int
import_text_type(const char *text, size_t len, char type[64])
{
	struct secret *priv;
	struct buf pub;
	int r;

	buf_init(&pub, 16384);
	r = key_import(text, len, NULL, &priv, &pub, type);
	if (r != 0) {
		assert_null(priv);
		assert_int_equal(pub.len, 0);
	}
	secret_free(&priv);
	buf_free(&pub);
	return r;
}

static int
import_text(const char *text, size_t len)
{
	char type[64];

	return import_text_type(text, len, type);
}

static void
test_import_refused(void **state)
{
	static const char sk[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
	struct buf text, raw;
	char *big, b64[1024], type[64];
	size_t i;

	(void)state;
	assert_int_equal(import_text("", 0), ERR_FORMAT);
	assert_int_equal(import_text("hello", 5), ERR_FORMAT);
	assert_int_equal(import_text("hel\0lo", 6), ERR_FORMAT);
	big = calloc(1, 70000);
	assert_int_equal(import_text(big, 70000), ERR_TOOBIG);
	free(big);

	assert_int_equal(run("ssh-keygen -q -t rsa -b 1024 -N '' -f small"), 0);
	slurp("small", &text);
	assert_int_equal(import_text((char *)text.data, text.len), ERR_WEAK);
	buf_free(&text);
	/* ssh-keygen of OpenSSH 10 makes no DSA key */
	if (run("ssh-keygen -q -t dsa -N '' -f dsa") == 0) {
		slurp("dsa", &text);
		assert_int_equal(import_text((char *)text.data, text.len), ERR_ALGORITHM);
		buf_free(&text);
	}

	/* A token's handle: nothing to sign with. */
	buf_init(&raw, 512);
	buf_init(&text, 4096);
	buf_put(&raw, "openssh-key-v1", 15);
	wire_put_text(&raw, "none");
	wire_put_text(&raw, "none");
	wire_put_text(&raw, "");
	wire_put_u32(&raw, 1);
	wire_put_u32(&raw, 30);
	wire_put_text(&raw, "sk-ssh-ed25519@openssh.com");
	wire_put_u32(&raw, 8 + 30);
	wire_put_u64(&raw, 0);
	wire_put_text(&raw, "sk-ssh-ed25519@openssh.com");
	sodium_bin2base64(b64, sizeof(b64), raw.data, raw.len, sodium_base64_VARIANT_ORIGINAL);
	buf_putf(&text, "%s%s\n-----END OPENSSH PRIVATE KEY-----\n", sk, b64);
	assert_int_equal(import_text_type((char *)text.data, text.len, type), ERR_ALGORITHM);
	assert_string_equal(type, "sk-ssh-ed25519@openssh.com");
	buf_free(&raw);
	buf_free(&text);

	/* Cut short anywhere, and each character changed. */
	assert_int_equal(run("ssh-keygen -q -t ed25519 -N '' -f cut"), 0);
	slurp("cut", &text);
	for (i = 0; i + 2 < text.len; i++)
		assert_int_not_equal(import_text((char *)text.data, i), 0);
	for (i = 0; i < text.len; i++) {
		text.data[i] ^= 1;
		(void)import_text((char *)text.data, text.len); /* must not crash */
		text.data[i] ^= 1;
	}
	buf_free(&text);
}

/* A file whose public half is not the private one's.  To sign with such an Ed25519
 * pair gives the private key away. */
static void
test_import_mismatched_ed25519(void **state)
{
	uint8_t pk[32], sk[64], other[32];
	struct buf inner, raw, text;
	char b64[1024];
	int i, forged;

	(void)state;
	for (forged = 0; forged < 2; forged++) {
		crypto_sign_keypair(other, sk);
		crypto_sign_keypair(pk, sk);
		if (forged) {
			memcpy(pk, other, sizeof(pk));
			memcpy(sk + 32, other, sizeof(other));
		}
		buf_init(&inner, 1024);
		wire_put_u32(&inner, 7);
		wire_put_u32(&inner, 7);
		wire_put_text(&inner, "ssh-ed25519");
		wire_put_string(&inner, pk, sizeof(pk));
		wire_put_string(&inner, sk, sizeof(sk));
		wire_put_text(&inner, "comment");
		for (i = 1; inner.len % 8 != 0; i++)
			buf_put_u8(&inner, (uint8_t)i);
		buf_init(&raw, 1024);
		buf_put(&raw, "openssh-key-v1", 15);
		wire_put_text(&raw, "none");
		wire_put_text(&raw, "none");
		wire_put_text(&raw, "");
		wire_put_u32(&raw, 1);
		wire_put_u32(&raw, 51);
		wire_put_text(&raw, "ssh-ed25519");
		wire_put_string(&raw, pk, sizeof(pk));
		wire_put_string(&raw, inner.data, inner.len);
		sodium_bin2base64(b64, sizeof(b64), raw.data, raw.len,
		    sodium_base64_VARIANT_ORIGINAL);
		buf_init(&text, 4096);
		buf_putf(&text,
		    "-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n"
		    "-----END OPENSSH PRIVATE KEY-----\n",
		    b64);
		assert_int_equal(import_text((char *)text.data, text.len), forged ? ERR_FORMAT : 0);
		buf_free(&text);
		buf_free(&raw);
		buf_free(&inner);
	}
}

static void
test_generate(void **state)
{
	static const char *const types[] = { "ed25519", "rsa", "ecdsa" };
	static const char *const wires[] = { "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256" };
	static const char *const algs[] = { "ssh-ed25519", "rsa-sha2-512", "ecdsa-sha2-nistp256" };
	struct secret *priv;
	struct buf pub;
	char name[64];
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		buf_init(&pub, 4096);
		assert_int_equal(key_generate(types[i], &priv, &pub, name), 0);
		assert_string_equal(name, wires[i]);
		assert_key_signs(priv, name, algs[i], &pub);
		secret_free(&priv);
		buf_free(&pub);
	}
	buf_init(&pub, 4096);
	assert_int_equal(key_generate("dsa", &priv, &pub, name), ERR_ALGORITHM);
	assert_null(priv);
	buf_free(&pub);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_import),
		cmocka_unit_test(test_import_refused),
		cmocka_unit_test(test_import_mismatched_ed25519),
		cmocka_unit_test(test_generate),
	};

	return cmocka_run_group_tests(tests, keys_lab_setup, tmp_dir_teardown);
}
