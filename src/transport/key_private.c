/*
 * Signatures by RSA and ECDSA keys.  Called by keys.c.
 *
 * By OpenSSL's older interface, although it is deprecated: it uses the numbers that it is given as
 * they are.  The newer one, which libssh uses, passes a key's numbers to a "provider" through
 * copies in ordinary memory, some of which are freed without being wiped.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

#include "transport/key_private.h"
#include "transport/keys.h"
#include "wire/rsa.h"
#include "wire/wire.h"

/*
 * The secure heap.  Allocations are rounded up to powers of two: an RSA key of 8192 bits takes 8
 * KiB, the arithmetic of a signature 4 KiB, and OpenSSL's random numbers 2 KiB.  One key signs at a
 * time.
 */
#define KEY_PRIVATE_HEAP_SIZE 65536
#define KEY_PRIVATE_HEAP_UNIT 32

static const struct digest {
	const char *alg;
	const EVP_MD *(*md)(void);
	int nid; /* RSA: of the digest; ECDSA: of the curve */
	const char *curve;
	int pss; /* RSASSA-PSS in place of PKCS #1 v1.5 */
} digests[] = {
	{ "rsa-sha2-512", EVP_sha512, NID_sha512, NULL, 0 },
	{ "rsa-sha2-256", EVP_sha256, NID_sha256, NULL, 0 },
	{ KEY_RSA_PSS, EVP_sha256, NID_sha256, NULL, 1 },
	{ "ecdsa-sha2-nistp256", EVP_sha256, NID_X9_62_prime256v1, "nistp256", 0 },
	{ "ecdsa-sha2-nistp384", EVP_sha384, NID_secp384r1, "nistp384", 0 },
	{ "ecdsa-sha2-nistp521", EVP_sha512, NID_secp521r1, "nistp521", 0 },
};

static const struct digest *
key_private_digest(const char *alg)
{
	size_t i;

	for (i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (strcmp(digests[i].alg, alg) == 0)
			return &digests[i];
	return NULL;
}

int
key_memory_lock(void)
{
	static int tried, result;

	/* once: a confined process is not allowed the system calls */
	if (tried)
		return result;
	tried = 1;
	switch (CRYPTO_secure_malloc_init(KEY_PRIVATE_HEAP_SIZE, KEY_PRIVATE_HEAP_UNIT)) {
	case 1:
		result = 0;
		break;
	case 2:
		result = ERR_PERM;
		break;
	default:
		result = ERR_NOMEM;
	}
	return result;
}

/* A secret number; NULL if there is no memory. */
static BIGNUM *
key_private_number(struct bytes s)
{
	BIGNUM *n = BN_secure_new();

	if (n != NULL && BN_bin2bn(s.p, (int)s.len, n) == NULL) {
		BN_clear_free(n);
		n = NULL;
	}
	return n;
}

/* d modulo p - 1, the exponent for the arithmetic modulo the prime p. */
static BIGNUM *
key_private_exponent(const BIGNUM *d, const BIGNUM *p, BN_CTX *ctx)
{
	BIGNUM *n = BN_secure_new(), *less = BN_secure_new(), *constant = BN_secure_new();
	int ok;

	ok = n != NULL && less != NULL && constant != NULL && BN_copy(constant, d) != NULL &&
	    BN_sub(less, p, BN_value_one()) == 1;
	if (ok) {
		BN_set_flags(constant, BN_FLG_CONSTTIME);
		BN_set_flags(less, BN_FLG_CONSTTIME);
		ok = BN_mod(n, constant, less, ctx) == 1;
	}
	BN_clear_free(constant);
	BN_clear_free(less);
	if (!ok) {
		BN_clear_free(n);
		n = NULL;
	}
	return n;
}

struct rsa_numbers {
	struct bytes n, e, d, iqmp, p, q;
};

/* 1 if the sizes of the numbers can be those of a key. */
static int
key_private_rsa_plausible(const struct rsa_numbers *in)
{
	size_t max = mpint_bits(in->n);

	return mpint_bits(in->p) > 1 && mpint_bits(in->q) > 1 && mpint_bits(in->d) > 1 &&
	    mpint_bits(in->iqmp) > 0 && mpint_bits(in->d) <= max && mpint_bits(in->p) < max &&
	    mpint_bits(in->q) < max && mpint_bits(in->iqmp) < max;
}

/* Give the numbers to *rsa.  Returns 1 if it has taken all of them. */
static int
key_private_rsa_fill(RSA *rsa, const struct rsa_numbers *in)
{
	BN_CTX *ctx = BN_CTX_secure_new();
	BIGNUM *n = BN_bin2bn(in->n.p, (int)in->n.len, NULL);
	BIGNUM *e = BN_bin2bn(in->e.p, (int)in->e.len, NULL);
	BIGNUM *d = key_private_number(in->d), *p = key_private_number(in->p),
	       *q = key_private_number(in->q);
	BIGNUM *iqmp = key_private_number(in->iqmp), *dp = NULL, *dq = NULL;
	int ok = 0;

	if (ctx != NULL && d != NULL && p != NULL && q != NULL && iqmp != NULL) {
		dp = key_private_exponent(d, p, ctx);
		dq = key_private_exponent(d, q, ctx);
	}
	if (n == NULL || e == NULL || dp == NULL || dq == NULL)
		goto out;
	/* these fail only if a number is missing */
	ok = RSA_set0_key(rsa, n, e, d);
	if (ok)
		n = e = d = NULL;
	if (ok && (ok = RSA_set0_factors(rsa, p, q)) == 1)
		p = q = NULL;
	if (ok && (ok = RSA_set0_crt_params(rsa, dp, dq, iqmp)) == 1)
		dp = dq = iqmp = NULL;
out:
	BN_free(n);
	BN_free(e);
	BN_clear_free(d);
	BN_clear_free(p);
	BN_clear_free(q);
	BN_clear_free(iqmp);
	BN_clear_free(dp);
	BN_clear_free(dq);
	BN_CTX_free(ctx);
	return ok;
}

static int
key_private_rsa_load(struct wire *w, struct key_private *k)
{
	struct rsa_numbers in;
	int r;

	in.n = wire_string(w);
	in.e = wire_string(w);
	in.d = wire_string(w);
	in.iqmp = wire_string(w);
	in.p = wire_string(w);
	in.q = wire_string(w);
	if (wire_end(w) != 0)
		return ERR_FORMAT;
	if ((r = rsa_check(in.e, in.n)) != 0)
		return r;
	if (!key_private_rsa_plausible(&in))
		return ERR_FORMAT;
	k->rsa = RSA_new();
	if (k->rsa == NULL)
		return ERR_NOMEM;
	return key_private_rsa_fill(k->rsa, &in) ? 0 : ERR_NOMEM;
}

static int
key_private_ec_load(struct wire *w, const struct digest *digest, struct key_private *k)
{
	struct bytes curve = wire_string(w), number;
	BIGNUM *d;
	int r = ERR_NOMEM;

	(void)wire_string(w); /* the public point, which no signature needs */
	number = wire_string(w);
	if (wire_end(w) != 0 || !bytes_is(curve, digest->curve) || mpint_bits(number) == 0)
		return ERR_FORMAT;
	d = key_private_number(number);
	k->ec = EC_KEY_new_by_curve_name(digest->nid);
	if (d == NULL || k->ec == NULL)
		goto out;
	r = ERR_FORMAT;
	if (BN_cmp(d, EC_GROUP_get0_order(EC_KEY_get0_group(k->ec))) < 0 &&
	    EC_KEY_set_private_key(k->ec, d) == 1)
		r = 0;
out:
	BN_clear_free(d);
	return r;
}

int
key_private_load(struct secret *priv, const char *type, struct key_private *k)
{
	const struct digest *digest;
	struct wire w;
	int r;

	*k = (struct key_private){ .rsa = NULL };
	(void)!key_memory_lock(); /* the keeper has logged the error at its start */
	wire_init(&w, secret_open(priv), secret_len(priv));
	if (!bytes_is(wire_string(&w), type))
		r = ERR_FORMAT;
	else if (strcmp(type, "ssh-rsa") == 0)
		r = key_private_rsa_load(&w, k);
	else if ((digest = key_private_digest(type)) != NULL && digest->curve != NULL)
		r = key_private_ec_load(&w, digest, k);
	else
		r = ERR_ALGORITHM;
	secret_close(priv);
	if (r != 0)
		key_private_free(k);
	return r;
}

void
key_private_free(struct key_private *k)
{
	RSA_free(k->rsa);
	EC_KEY_free(k->ec);
	*k = (struct key_private){ .rsa = NULL };
}

/* RFC 8017 section 8.1, with a salt as long as the hash, which is what TLS demands. */
static int
key_private_pss_sign(RSA *rsa, const struct digest *digest, const uint8_t *hash, struct buf *sig)
{
	const int size = RSA_size(rsa);
	uint8_t *encoded = malloc((size_t)size), *to = buf_reserve(sig, (size_t)size);
	int n = -1, r;

	if (encoded == NULL || to == NULL) {
		free(encoded);
		return ERR_NOMEM;
	}
	if (RSA_padding_add_PKCS1_PSS_mgf1(rsa, encoded, hash, digest->md(), digest->md(),
		RSA_PSS_SALTLEN_DIGEST) == 1)
		n = RSA_private_encrypt(size, encoded, to, rsa, RSA_NO_PADDING);
	r = n == size ? 0 : ERR_FORMAT;
	if (r == 0)
		sig->len += (size_t)n;
	free(encoded);
	return r;
}

static int
key_private_rsa_sign(RSA *rsa, const struct digest *digest, const uint8_t *hash,
    unsigned int hash_len, struct buf *sig)
{
	unsigned int len = 0;
	uint8_t *to = buf_reserve(sig, (size_t)RSA_size(rsa));

	if (to == NULL)
		return buf_err(sig);
	if (RSA_sign(digest->nid, hash, hash_len, to, &len, rsa) != 1)
		return ERR_FORMAT;
	sig->len += len;
	return 0;
}

/* Append a number as an mpint: RFC 4251 section 5. */
static void
key_private_put_number(struct buf *b, const BIGNUM *n)
{
	uint8_t bytes[80]; /* 521 bits, and a zero byte in front */
	int len = BN_num_bytes(n);

	bytes[0] = 0;
	if (len <= 0 || len > (int)sizeof(bytes) - 1 || BN_bn2bin(n, bytes + 1) != len) {
		b->err = ERR_FORMAT;
		return;
	}
	if ((bytes[1] & 0x80) != 0)
		wire_put_string(b, bytes, (size_t)len + 1);
	else
		wire_put_string(b, bytes + 1, (size_t)len);
}

static int
key_private_ec_sign(EC_KEY *ec, const uint8_t *hash, unsigned int hash_len, struct buf *sig)
{
	ECDSA_SIG *pair = ECDSA_do_sign(hash, (int)hash_len, ec);

	if (pair == NULL)
		return ERR_FORMAT;
	key_private_put_number(sig, ECDSA_SIG_get0_r(pair));
	key_private_put_number(sig, ECDSA_SIG_get0_s(pair));
	ECDSA_SIG_free(pair);
	return buf_err(sig);
}

int
key_private_sign(const struct key_private *k, const char *alg, const void *data, size_t len,
    struct buf *sig)
{
	const struct digest *digest = key_private_digest(alg);
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned int hash_len;

	if (digest == NULL || (digest->curve == NULL) != (k->rsa != NULL))
		return ERR_ALGORITHM;
	if (EVP_Digest(data, len, hash, &hash_len, digest->md(), NULL) != 1)
		return ERR_NOMEM;
	if (k->rsa != NULL && digest->pss)
		return key_private_pss_sign(k->rsa, digest, hash, sig);
	if (k->rsa != NULL)
		return key_private_rsa_sign(k->rsa, digest, hash, hash_len, sig);
	return key_private_ec_sign(k->ec, hash, hash_len, sig);
}
