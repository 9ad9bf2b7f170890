/*
 * The provider "sallyport" of OpenSSL 3: key management and signatures for keys whose private half is with the keeper.
 * libssl calls it once in each handshake, with all of what is to be signed.  context.c makes such a key.
 *
 * A key here is a public key of OpenSSL's own provider, to which every question but that for a signature is passed on.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include "tls/provider.h"
#include "wire/wire.h"

#define PROVIDER_NAME "sallyport"
/* How a key of ours is given its signer. */
#define PROVIDER_SIGNER "sallyport-signer"
/* A signature by an RSA key of 16384 bits has 2 KiB. */
#define PROVIDER_SIGNATURE_MAX 4096

struct provider_key {
	const char *type; /* OpenSSL's name */
	EVP_PKEY *public;
	const struct tls_signer *signer; /* NULL: a public key that is compared with another */
};

struct provider_signature {
	const struct provider_key *key;
	int pss;
};

/* By the curve of the key; RSA keys have two algorithms. */
static const struct provider_alg {
	const char *type, *curve;
	const char *alg; /* of transport/keys.h */
	const char *digest;
	const char *sigalgs;
} provider_algs[] = {
	{ "RSA", NULL, "rsa-sha2-256", "SHA2-256", "rsa_pss_rsae_sha256:RSA+SHA256" },
	{ "EC", "prime256v1", "ecdsa-sha2-nistp256", "SHA2-256", "ECDSA+SHA256" },
	{ "EC", "secp384r1", "ecdsa-sha2-nistp384", "SHA2-384", "ECDSA+SHA384" },
	{ "EC", "secp521r1", "ecdsa-sha2-nistp521", "SHA2-512", "ECDSA+SHA512" },
	{ "ED25519", NULL, "ssh-ed25519", NULL, "ed25519" },
};

static const struct provider_alg *
provider_alg_of(const EVP_PKEY *key)
{
	const struct provider_alg *a;
	char curve[64] = "";
	size_t i;

	(void)EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL);
	for (i = 0; i < sizeof(provider_algs) / sizeof(provider_algs[0]); i++) {
		a = &provider_algs[i];
		if (EVP_PKEY_is_a(key, a->type) &&
		    (a->curve == NULL || strcmp(a->curve, curve) == 0))
			return a;
	}
	return NULL;
}

const char *
provider_sigalgs(const EVP_PKEY *public)
{
	const struct provider_alg *a = provider_alg_of(public);

	return a == NULL ? NULL : a->sigalgs;
}

/* --- keys --- */

static struct provider_key *
provider_key_new(const char *type)
{
	struct provider_key *k = calloc(1, sizeof(*k));

	if (k != NULL)
		k->type = type;
	return k;
}

static void *
provider_new_rsa(void *provider)
{
	(void)provider;
	return provider_key_new("RSA");
}

static void *
provider_new_ec(void *provider)
{
	(void)provider;
	return provider_key_new("EC");
}

static void *
provider_new_ed25519(void *provider)
{
	(void)provider;
	return provider_key_new("ED25519");
}

static void
provider_key_free(void *data)
{
	struct provider_key *k = data;

	if (k == NULL)
		return;
	EVP_PKEY_free(k->public);
	free(k);
}

/* There is no private half to give away: what OpenSSL asks before it wants a key exported or used. */
static int
provider_has(const void *data, int selection)
{
	const struct provider_key *k = data;

	return k->public != NULL &&
	    ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 || k->signer != NULL);
}

static int
provider_match(const void *a, const void *b, int selection)
{
	const struct provider_key *k1 = a, *k2 = b;

	(void)selection;
	return k1->public != NULL && k2->public != NULL && EVP_PKEY_eq(k1->public, k2->public) == 1;
}

/* The numbers of a public key; from provider_key() its signer, too. */
static int
provider_import(void *data, int selection, const OSSL_PARAM params[])
{
	struct provider_key *k = data;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, PROVIDER_SIGNER);
	const void *signer = NULL;
	EVP_PKEY_CTX *ctx;
	size_t len;
	int ok;

	(void)selection;
	if (k->public != NULL)
		return 0;
	if (p != NULL && OSSL_PARAM_get_octet_ptr(p, &signer, &len) != 1)
		return 0;
	ctx = EVP_PKEY_CTX_new_from_name(NULL, k->type, "provider=default");
	ok = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &k->public, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)params) == 1;
	EVP_PKEY_CTX_free(ctx);
	if (ok)
		k->signer = signer;
	return ok;
}

static int
provider_export(void *data, int selection, OSSL_CALLBACK *take, void *arg)
{
	const struct provider_key *k = data;

	/* a key that is to sign has to stay here */
	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0)
		return 0;
	return EVP_PKEY_export(k->public, EVP_PKEY_PUBLIC_KEY, take, arg);
}

static const OSSL_PARAM *
provider_key_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_octet_ptr(PROVIDER_SIGNER, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)selection;
	return types;
}

static int
provider_get_params(void *data, OSSL_PARAM params[])
{
	const struct provider_key *k = data;

	return EVP_PKEY_get_params(k->public, params);
}

static const OSSL_PARAM *
provider_gettable(void *provider)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return gettable;
}

/* For EC keys OpenSSL would look for a signature named "EC". */
static const char *
provider_ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : "EC";
}

/* --- signatures --- */

static void *
provider_signature_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return calloc(1, sizeof(struct provider_signature));
}

static void
provider_signature_free(void *data)
{
	free(data);
}

static int
provider_set_params(void *data, const OSSL_PARAM params[])
{
	struct provider_signature *s = data;
	const OSSL_PARAM *p = params == NULL ?
	    NULL :
	    OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	int mode;

	/* the length of the salt is always that of the hash */
	if (p == NULL)
		return 1;
	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		s->pss = strcasecmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
		return s->pss || strcasecmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0;
	}
	if (OSSL_PARAM_get_int(p, &mode) != 1)
		return 0;
	s->pss = mode == RSA_PKCS1_PSS_PADDING;
	return s->pss || mode == RSA_PKCS1_PADDING;
}

static const OSSL_PARAM *
provider_settable(void *data, void *provider)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)data;
	(void)provider;
	return settable;
}

static int
provider_sign_init(void *data, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct provider_signature *s = data;
	const struct provider_alg *a;
	EVP_MD *md;
	int fits;

	if (key != NULL)
		s->key = key;
	if (s->key == NULL || s->key->public == NULL || s->key->signer == NULL)
		return 0;
	a = provider_alg_of(s->key->public);
	if (a == NULL)
		return 0;
	if (digest != NULL && digest[0] != '\0') {
		md = EVP_MD_fetch(NULL, digest, NULL);
		fits = md != NULL && a->digest != NULL && EVP_MD_is_a(md, a->digest);
		EVP_MD_free(md);
		if (!fits)
			return 0;
	}
	return provider_set_params(s, params);
}

/* An ECDSA signature as X.509 has it, out of two mpints (RFC 5656 section 3.1.2). */
static int
provider_der(const struct buf *raw, uint8_t *sig, size_t size, size_t *len)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = NULL, *s = NULL;
	struct bytes first, second;
	struct wire w;
	int n = 0;

	wire_init(&w, raw->data, raw->len);
	first = wire_string(&w);
	second = wire_string(&w);
	if (pair != NULL && wire_end(&w) == 0) {
		r = BN_bin2bn(first.p, (int)first.len, NULL);
		s = BN_bin2bn(second.p, (int)second.len, NULL);
	}
	if (r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
		n = i2d_ECDSA_SIG(pair, NULL);
		if (n > 0 && (size_t)n <= size)
			n = i2d_ECDSA_SIG(pair, &sig);
		else
			n = 0;
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(pair);
	*len = (size_t)(n > 0 ? n : 0);
	return n > 0;
}

/* sig is NULL: how large may the signature become? */
static int
provider_sign(void *data, unsigned char *sig, size_t *len, size_t size, const unsigned char *tbs,
    size_t tbs_len)
{
	const struct provider_signature *s = data;
	const struct provider_alg *a = provider_alg_of(s->key->public);
	struct buf raw;
	int ok;

	if (a == NULL)
		return 0;
	if (sig == NULL) {
		*len = (size_t)EVP_PKEY_get_size(s->key->public);
		return 1;
	}
	buf_init(&raw, PROVIDER_SIGNATURE_MAX);
	ok = s->key->signer->sign(s->key->signer->arg, s->pss ? "rsa-pss-sha256" : a->alg, tbs,
		 tbs_len, &raw) == 0 &&
	    buf_err(&raw) == 0;
	if (ok && strcmp(a->type, "EC") == 0) {
		ok = provider_der(&raw, sig, size, len);
	} else if (ok && raw.len <= size) {
		memcpy(sig, raw.data, raw.len);
		*len = raw.len;
	} else {
		ok = 0;
	}
	buf_free(&raw);
	return ok;
}

/* --- the tables --- */

/* OpenSSL keeps functions of all kinds under one type of pointer. */
#define F(id, function)                      \
	{                                    \
		id, (void (*)(void))function \
	}

#define PROVIDER_KEYMGMT(new)                                                                   \
	F(OSSL_FUNC_KEYMGMT_NEW, new), F(OSSL_FUNC_KEYMGMT_FREE, provider_key_free),            \
	    F(OSSL_FUNC_KEYMGMT_HAS, provider_has), F(OSSL_FUNC_KEYMGMT_MATCH, provider_match), \
	    F(OSSL_FUNC_KEYMGMT_IMPORT, provider_import),                                       \
	    F(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, provider_key_types),                              \
	    F(OSSL_FUNC_KEYMGMT_EXPORT, provider_export),                                       \
	    F(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, provider_key_types),                              \
	    F(OSSL_FUNC_KEYMGMT_GET_PARAMS, provider_get_params),                               \
	    F(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, provider_gettable)

static const OSSL_DISPATCH provider_rsa[] = { PROVIDER_KEYMGMT(provider_new_rsa), { 0, NULL } };

static const OSSL_DISPATCH provider_ec[] = { PROVIDER_KEYMGMT(provider_new_ec),
	F(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, provider_ec_operation), { 0, NULL } };

static const OSSL_DISPATCH provider_ed25519[] = { PROVIDER_KEYMGMT(provider_new_ed25519),
	{ 0, NULL } };

static const OSSL_DISPATCH provider_signs[] = { F(OSSL_FUNC_SIGNATURE_NEWCTX,
						    provider_signature_new),
	F(OSSL_FUNC_SIGNATURE_FREECTX, provider_signature_free),
	F(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, provider_sign_init),
	F(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, provider_sign),
	F(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, provider_set_params),
	F(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, provider_settable), { 0, NULL } };

#define PROVIDER_PROPERTIES "provider=" PROVIDER_NAME

static const OSSL_ALGORITHM provider_keymgmts[] = {
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROVIDER_PROPERTIES, provider_rsa, "" },
	{ "EC:id-ecPublicKey:1.2.840.10045.2.1", PROVIDER_PROPERTIES, provider_ec, "" },
	{ "ED25519:1.3.101.112", PROVIDER_PROPERTIES, provider_ed25519, "" },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM provider_signatures[] = {
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROVIDER_PROPERTIES, provider_signs, "" },
	{ "ECDSA", PROVIDER_PROPERTIES, provider_signs, "" },
	{ "ED25519:1.3.101.112", PROVIDER_PROPERTIES, provider_signs, "" },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM *
provider_query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT ? provider_keymgmts :
	    operation == OSSL_OP_SIGNATURE  ? provider_signatures :
					      NULL;
}

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
    void **provider)
{
	static const OSSL_DISPATCH functions[] = {
		F(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query), { 0, NULL }
	};

	(void)in;
	*out = functions;
	*provider = (void *)handle;
	return 1;
}

int
provider_load(void)
{
	/* whatever both providers have is taken from OpenSSL's own, unless ours is asked for by its name or by a key */
	if (OSSL_PROVIDER_add_builtin(NULL, PROVIDER_NAME, provider_init) != 1 ||
	    OSSL_PROVIDER_load(NULL, "default") == NULL ||
	    EVP_set_default_properties(NULL, "?provider=default") != 1 ||
	    OSSL_PROVIDER_load(NULL, PROVIDER_NAME) == NULL)
		return ERR_NOMEM;
	return 0;
}

int
provider_key(EVP_PKEY *public, const struct tls_signer *signer, EVP_PKEY **out)
{
	const struct provider_alg *a = provider_alg_of(public);
	OSSL_PARAM own[] = {
		OSSL_PARAM_octet_ptr(PROVIDER_SIGNER, (void *)&signer, sizeof(*signer)),
		OSSL_PARAM_END,
	};
	OSSL_PARAM *params = NULL, *all = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	int r = ERR_NOMEM;

	*out = NULL;
	if (a == NULL)
		return ERR_ALGORITHM;
	if (EVP_PKEY_todata(public, EVP_PKEY_PUBLIC_KEY, &params) == 1)
		all = OSSL_PARAM_merge(params, own);
	if (all != NULL)
		ctx = EVP_PKEY_CTX_new_from_name(NULL, a->type, PROVIDER_PROPERTIES);
	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, out, EVP_PKEY_KEYPAIR, all) == 1)
		r = 0;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(all);
	OSSL_PARAM_free(params);
	return r;
}
