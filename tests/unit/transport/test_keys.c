/*
 * transport/keys.c and key_private.c, with keys made by ssh-keygen(1).
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include "transport/key_private.h"
#include "transport/keys.h"
#include "wire/wire.h"

#define DATA "what is signed"
#define DATALEN (sizeof(DATA) - 1)

static char dir[] = "/tmp/test_keys.XXXXXX";

static int
setup(void **state)
{
	(void)state;
	if (sodium_init() == -1 || mkdtemp(dir) == NULL)
		return -1;
	return 0;
}

static int
teardown(void **state)
{
	char cmd[64];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Run a shell command in the directory; 0 or its status. */
static int
run(const char *fmt, ...)
{
	char cmd[512], all[640];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "cd %s && { %s; } >/dev/null 2>&1 </dev/null", dir, cmd);
	return system(all);
}

static void
slurp(const char *name, struct buf *out)
{
	char path[128];
	uint8_t block[4096];
	size_t n;
	FILE *f;

	buf_init(out, 1 << 20);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	assert_non_null(f);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		buf_put(out, block, n);
	fclose(f);
	assert_int_equal(buf_err(out), 0);
}

/* The blob in NAME.pub, as ssh-keygen wrote it. */
static void
slurp_pub(const char *name, struct buf *blob)
{
	char file[64], type[64], b64[4096];
	struct buf text;
	size_t len;

	snprintf(file, sizeof(file), "%s.pub", name);
	slurp(file, &text);
	assert_int_equal(sscanf(buf_cstr(&text), "%63s %4095s", type, b64), 2);
	buf_init(blob, 4096);
	assert_int_equal(sodium_base642bin(buf_reserve(blob, 4096), 4096, b64, strlen(b64), NULL,
			     &len, NULL, sodium_base64_VARIANT_ORIGINAL),
	    0);
	blob->len = len;
	buf_free(&text);
}

static struct bytes
as_bytes(const struct buf *b)
{
	return buf_bytes(b);
}

/* Sign and verify; then see that nothing but just that verifies. */
static void
round_trip(struct secret *priv, const char *type, const char *alg, struct buf *pub)
{
	uint8_t flags = 0xff;
	struct buf sig;
	size_t i;

	buf_init(&sig, 16384);
	assert_int_equal(key_sign(priv, type, alg, DATA, DATALEN, &sig), 0);
	assert_int_equal(key_verify(as_bytes(pub), alg, as_bytes(&sig), DATA, DATALEN, &flags), 0);
	assert_int_equal(flags, 0);
	assert_int_equal(key_verify(as_bytes(pub), alg, as_bytes(&sig), DATA, DATALEN - 1, &flags),
	    ERR_AUTH);
	assert_int_equal(key_verify(as_bytes(pub), alg, as_bytes(&sig), "What is signed", DATALEN,
			     &flags),
	    ERR_AUTH);
	/* Each byte of the signature counts, one bit after the other. */
	for (i = 0; i < sig.len; i++) {
		sig.data[i] ^= (uint8_t)(1 << i % 8);
		assert_int_not_equal(key_verify(as_bytes(pub), alg, as_bytes(&sig), DATA, DATALEN,
					 &flags),
		    0);
		sig.data[i] ^= (uint8_t)(1 << i % 8);
	}
	/* Cut short anywhere, or with a byte more. */
	for (i = 0; i < sig.len; i++)
		assert_int_not_equal(key_verify(as_bytes(pub), alg, (struct bytes){ sig.data, i },
					 DATA, DATALEN, &flags),
		    0);
	for (i = 0; i < pub->len; i++)
		assert_int_not_equal(key_verify((struct bytes){ pub->data, i }, alg, as_bytes(&sig),
					 DATA, DATALEN, &flags),
		    0);
	buf_put_u8(&sig, 0);
	assert_int_equal(key_verify(as_bytes(pub), alg, as_bytes(&sig), DATA, DATALEN, &flags),
	    ERR_FORMAT);
	buf_free(&sig);
}

static void
import_file(const char *name, const char *passphrase, const char *type, const char *const *algs)
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
		round_trip(priv, type, *algs, &pub);
	secret_free(&priv);
	buf_free(&want);
	buf_free(&pub);
	buf_wipe(&text);
}

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
		import_file("k", NULL, k->wire, k->algs);
		for (f = 0; f < 3; f++) {
			/* ssh-keygen writes Ed25519 in its own format alone */
			if (f > 0 && strcmp(k->type, "ed25519") == 0)
				continue;
			assert_int_equal(run("ssh-keygen -p -m %s -P '' -N '' -f k", formats[f]),
			    0);
			import_file("k", NULL, k->wire, k->algs);
			assert_int_equal(run("ssh-keygen -p -m %s -P '' -N 'open sesame' -f k",
					     formats[f]),
			    0);
			import_file("k", "open sesame", k->wire, k->algs);
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
	assert_int_equal(run("ssh-keygen -q -t dsa -N '' -f dsa"), 0);
	slurp("dsa", &text);
	assert_int_equal(import_text((char *)text.data, text.len), ERR_ALGORITHM);
	buf_free(&text);

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
		round_trip(priv, name, algs[i], &pub);
		secret_free(&priv);
		buf_free(&pub);
	}
	buf_init(&pub, 4096);
	assert_int_equal(key_generate("dsa", &priv, &pub, name), ERR_ALGORITHM);
	assert_null(priv);
	buf_free(&pub);
}

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
		assert_int_equal(key_verify(as_bytes(&pub), bad[i], as_bytes(&sig), DATA, DATALEN,
				     &flags),
		    ERR_ALGORITHM);
	}
	assert_int_equal(old.len, 0);
	/* Announced as one, made as the other. */
	assert_int_equal(key_verify(as_bytes(&pub), "rsa-sha2-512", as_bytes(&sig), DATA, DATALEN,
			     &flags),
	    ERR_ALGORITHM);
	/* Named ssh-rsa inside. */
	wire_init(&w, sig.data, sig.len);
	(void)wire_string(&w);
	wire_put_text(&old, "ssh-rsa");
	wire_put_bytes(&old, wire_string(&w));
	assert_int_equal(key_verify(as_bytes(&pub), "rsa-sha2-256", as_bytes(&old), DATA, DATALEN,
			     &flags),
	    ERR_ALGORITHM);
	assert_int_equal(key_verify(as_bytes(&pub), "ssh-rsa", as_bytes(&old), DATA, DATALEN,
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
	if (run("test -f small.pub") != 0)
		assert_int_equal(run("ssh-keygen -q -t rsa -b 1024 -N '' -f small"), 0);
	slurp_pub("small", &pub);
	buf_init(&sig, 512);
	wire_put_text(&sig, "rsa-sha2-256");
	wire_put_string(&sig, junk, sizeof(junk));
	assert_int_equal(key_verify(as_bytes(&pub), "rsa-sha2-256", as_bytes(&sig), DATA, DATALEN,
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
		assert_int_equal(key_verify(as_bytes(&pub), "rsa-sha2-256", as_bytes(&sig), DATA,
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

	assert_int_equal(key_verify(as_bytes(pub), alg, as_bytes(sig), DATA, DATALEN, &got), 0);
	assert_int_equal(got, flags);
	assert_int_equal(key_verify(as_bytes(pub), alg, as_bytes(sig), DATA, DATALEN - 1, &got),
	    ERR_AUTH);
	assert_int_equal(got, 0);
	/* Flags and counter, in the last five bytes, are signed for. */
	for (i = sig->len - 5; i < sig->len; i++) {
		sig->data[i] ^= 4;
		assert_int_equal(key_verify(as_bytes(pub), alg, as_bytes(sig), DATA, DATALEN, &got),
		    ERR_AUTH);
		assert_int_equal(got, 0);
		sig->data[i] ^= 4;
	}
	/* So is the application, at the end of the public key. */
	pub->data[pub->len - 1] ^= 1;
	assert_int_equal(key_verify(as_bytes(pub), alg, as_bytes(sig), DATA, DATALEN, &got),
	    ERR_AUTH);
	pub->data[pub->len - 1] ^= 1;
	assert_int_equal(key_verify(as_bytes(pub), alg, (struct bytes){ sig->data, sig->len - 1 },
			     DATA, DATALEN, &got),
	    ERR_FORMAT);
	assert_int_equal(key_verify(as_bytes(pub), "ssh-ed25519", as_bytes(sig), DATA, DATALEN,
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
		assert_int_not_equal(key_verify(as_bytes(&pub), "ecdsa-sha2-nistp256",
					 as_bytes(&sig), DATA, DATALEN, &flags),
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
		cmocka_unit_test(test_import),
		cmocka_unit_test(test_import_refused),
		cmocka_unit_test(test_import_mismatched_ed25519),
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_algorithms),
		cmocka_unit_test(test_verify_small_rsa),
		cmocka_unit_test(test_verify_costly_rsa),
		cmocka_unit_test(test_private_numbers_are_in_the_secure_heap),
		cmocka_unit_test(test_the_largest_key_fits_the_secure_heap),
		cmocka_unit_test(test_private_numbers_that_are_no_key),
		cmocka_unit_test(test_sk_ed25519),
		cmocka_unit_test(test_sk_ecdsa),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
