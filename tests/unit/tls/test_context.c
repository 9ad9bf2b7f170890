/*
 * tls/context.c and tls/provider.c: handshakes with OpenSSL's client, with a key that signs elsewhere; and which client
 * certificates are accepted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tls/context.h"
#include "wire/wire.h"

/* The private key, which the signer of the tests has. */
struct lab_key {
	EVP_PKEY *key;
	char alg[64]; /* that it was asked to sign with */
	int refuses;
};

static EVP_PKEY *
lab_key_new(const char *type)
{
	if (strcmp(type, "rsa") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	if (strcmp(type, "ed25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return EVP_PKEY_Q_keygen(NULL, NULL, "EC", type);
}

/* ECDSA as the keeper has it: two mpints. */
static void
lab_put_mpint(struct buf *out, const BIGNUM *n)
{
	uint8_t bytes[128] = { 0 };
	const int len = BN_bn2bin(n, bytes + 1);

	if ((bytes[1] & 0x80) != 0)
		wire_put_string(out, bytes, (size_t)len + 1);
	else
		wire_put_string(out, bytes + 1, (size_t)len);
}

static void
lab_put_ecdsa(struct buf *out, const uint8_t *der, size_t len)
{
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);

	assert_non_null(pair);
	lab_put_mpint(out, ECDSA_SIG_get0_r(pair));
	lab_put_mpint(out, ECDSA_SIG_get0_s(pair));
	ECDSA_SIG_free(pair);
}

/* What the keeper does. */
static int
lab_sign(void *arg, const char *alg, const void *data, size_t len, struct buf *sig)
{
	struct lab_key *lab = arg;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	uint8_t raw[1024];
	size_t n = sizeof(raw);
	const EVP_MD *md = strstr(alg, "384") != NULL ? EVP_sha384() :
	    strstr(alg, "521") != NULL		      ? EVP_sha512() :
	    strstr(alg, "256") != NULL		      ? EVP_sha256() :
							NULL;

	snprintf(lab->alg, sizeof(lab->alg), "%s", alg);
	if (lab->refuses) {
		EVP_MD_CTX_free(ctx);
		return ERR_PERM;
	}
	assert_int_equal(EVP_DigestSignInit(ctx, &pctx, md, NULL, lab->key), 1);
	if (strstr(alg, "pss") != NULL) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST), 1);
	}
	assert_int_equal(EVP_DigestSign(ctx, raw, &n, data, len), 1);
	if (strncmp(alg, "ecdsa", 5) == 0)
		lab_put_ecdsa(sig, raw, n);
	else
		buf_put(sig, raw, n);
	EVP_MD_CTX_free(ctx);
	return 0;
}

/* A certificate for key, signed by issuer (NULL: itself), valid from now - 60 s for so long. */
static X509 *
lab_certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key, long valid_s)
{
	static long serial = 1;
	X509 *x = X509_new();
	X509_NAME *subject = X509_get_subject_name(x);
	X509_EXTENSION *e;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), -7200);
	X509_gmtime_adj(X509_getm_notAfter(x), valid_s);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(x, issuer == NULL ? subject : X509_get_subject_name(issuer));
	X509_set_pubkey(x, key);
	if (issuer == NULL) {
		e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
		X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	if (issuer_key == NULL)
		issuer_key = key;
	assert_true(X509_sign(x, issuer_key,
			EVP_PKEY_is_a(issuer_key, "ED25519") ? NULL : EVP_sha256()) > 0);
	return x;
}

/* The PEM text of a certificate or of a list of revoked ones. */
static char *
lab_pem(X509 *x, X509_CRL *crl)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text, *copy;
	long n;

	assert_int_equal(x != NULL ? PEM_write_bio_X509(b, x) : PEM_write_bio_X509_CRL(b, crl), 1);
	n = BIO_get_mem_data(b, &text);
	copy = strndup(text, (size_t)n);
	BIO_free(b);
	return copy;
}

static struct bytes
lab_bytes(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

/* Both sides of a connection, which go on in turn until both are done or one fails.  1 if both are done. */
static int
lab_handshake(SSL *server, SSL *client)
{
	BIO *a, *b;
	int i, s = 0, c = 0;

	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (i = 0; i < 100 && (s != 1 || c != 1); i++) {
		if (c != 1)
			c = SSL_do_handshake(client);
		if (s != 1)
			s = SSL_do_handshake(server);
		if ((c < 0 && SSL_get_error(client, c) == SSL_ERROR_SSL) ||
		    (s < 0 && SSL_get_error(server, s) == SSL_ERROR_SSL))
			return 0;
	}
	return s == 1 && c == 1;
}

static SSL_CTX *
lab_client(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
	return ctx;
}

/* --- the key of the certificate --- */

/* Each type of key with each version: OpenSSL's client verifies what our signer has made. */
static void
test_keys(void **state)
{
	static const struct {
		const char *type, *alg12, *alg13;
	} cases[] = {
		{ "rsa", "rsa-pss-sha256", "rsa-pss-sha256" },
		{ "P-256", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256" },
		{ "P-384", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384" },
		{ "P-521", "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521" },
		{ "ed25519", "ssh-ed25519", "ssh-ed25519" },
	};
	struct lab_key lab;
	const struct tls_signer signer = { lab_sign, &lab };
	struct context_setup setup = { .alpn = "", .min_version = TLS1_2_VERSION };
	struct reason why = { "" };
	SSL_CTX *server, *client;
	SSL *s, *c;
	X509 *x;
	char *pem;
	size_t i, v;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		lab = (struct lab_key){ .key = lab_key_new(cases[i].type) };
		x = lab_certificate(lab.key, "gw.example.org", NULL, NULL, 3600);
		pem = lab_pem(x, NULL);
		setup.chain = lab_bytes(pem);
		if (context_new(&setup, &signer, &server, &why) != 0)
			fail_msg("%s: %s", cases[i].type, why.text);
		for (v = 0; v < 2; v++) {
			lab.alg[0] = '\0';
			lab.refuses = 0;
			client = lab_client(v == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
			X509_STORE_add_cert(SSL_CTX_get_cert_store(client), x);
			SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
			s = SSL_new(server);
			c = SSL_new(client);
			if (!lab_handshake(s, c))
				fail_msg("%s, version %zu", cases[i].type, v);
			assert_string_equal(lab.alg, v == 0 ? cases[i].alg12 : cases[i].alg13);
			assert_int_equal(SSL_session_reused(c), 0);
			SSL_free(s);
			SSL_free(c);
			/* who refuses to sign ends it: there is no other key */
			lab.refuses = 1;
			s = SSL_new(server);
			c = SSL_new(client);
			assert_false(lab_handshake(s, c));
			SSL_free(s);
			SSL_free(c);
			SSL_CTX_free(client);
		}
		SSL_CTX_free(server);
		X509_free(x);
		EVP_PKEY_free(lab.key);
		free(pem);
	}
}

/* A client without PSS signs off with PKCS #1 v1.5, in TLS 1.2. */
static void
test_pkcs1(void **state)
{
	struct lab_key lab = { .key = lab_key_new("rsa") };
	const struct tls_signer signer = { lab_sign, &lab };
	struct context_setup setup = { .alpn = "", .min_version = TLS1_2_VERSION };
	struct reason why = { "" };
	SSL_CTX *server, *client = lab_client(TLS1_2_VERSION);
	X509 *x = lab_certificate(lab.key, "gw", NULL, NULL, 3600);
	char *pem = lab_pem(x, NULL);
	SSL *s, *c;

	(void)state;
	setup.chain = lab_bytes(pem);
	assert_int_equal(context_new(&setup, &signer, &server, &why), 0);
	assert_int_equal(SSL_CTX_set1_sigalgs_list(client, "RSA+SHA256"), 1);
	s = SSL_new(server);
	c = SSL_new(client);
	assert_true(lab_handshake(s, c));
	assert_string_equal(lab.alg, "rsa-sha2-256");
	SSL_free(s);
	SSL_free(c);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	X509_free(x);
	EVP_PKEY_free(lab.key);
	free(pem);
}

/* --- what is spoken --- */

struct lab_server {
	struct lab_key key;
	struct tls_signer signer;
	struct context_setup setup;
	X509 *x;
	char *pem;
};

static void
lab_server_begin(struct lab_server *l)
{
	*l = (struct lab_server){ .key = { .key = lab_key_new("ed25519") },
		.setup = { .alpn = "", .min_version = TLS1_2_VERSION } };
	l->signer = (struct tls_signer){ lab_sign, &l->key };
	l->x = lab_certificate(l->key.key, "gw", NULL, NULL, 3600);
	l->pem = lab_pem(l->x, NULL);
	l->setup.chain = lab_bytes(l->pem);
}

static void
lab_server_end(struct lab_server *l)
{
	X509_free(l->x);
	EVP_PKEY_free(l->key.key);
	free(l->pem);
}

/* One handshake.  1 if both sides are done; why is what context_watch() has. */
static int
lab_try(const struct lab_server *l, SSL_CTX *client, struct reason *why, char alpn[32])
{
	const unsigned char *name = NULL;
	unsigned int len = 0;
	SSL_CTX *server;
	SSL *s, *c;
	int ok;

	if (context_new(&l->setup, &l->signer, &server, why) != 0)
		fail_msg("%s", why->text);
	s = SSL_new(server);
	c = SSL_new(client);
	context_watch(s, why);
	ok = lab_handshake(s, c);
	SSL_get0_alpn_selected(c, &name, &len);
	snprintf(alpn, 32, "%.*s", (int)len, name == NULL ? "" : (const char *)name);
	SSL_free(s);
	SSL_free(c);
	SSL_CTX_free(server);
	return ok;
}

static void
test_alpn(void **state)
{
	static const uint8_t offer[] = "\x02h2\x03ssh", other[] = "\x02h2";
	struct lab_server l;
	struct reason why = { "" };
	SSL_CTX *client = lab_client(TLS1_3_VERSION);
	char alpn[32];

	(void)state;
	lab_server_begin(&l);
	l.setup.alpn = "ssh,http/1.1";
	assert_true(lab_try(&l, client, &why, alpn)); /* none is offered */
	assert_string_equal(alpn, "");
	SSL_CTX_set_alpn_protos(client, offer, sizeof(offer) - 1);
	assert_true(lab_try(&l, client, &why, alpn));
	assert_string_equal(alpn, "ssh");
	SSL_CTX_set_alpn_protos(client, other, sizeof(other) - 1);
	assert_false(lab_try(&l, client, &why, alpn));
	l.setup.alpn = "";
	assert_true(lab_try(&l, client, &why, alpn));
	assert_string_equal(alpn, "");
	SSL_CTX_free(client);
	lab_server_end(&l);
}

static void
test_versions(void **state)
{
	struct lab_server l;
	struct reason why = { "" };
	SSL_CTX *client;
	char alpn[32];

	(void)state;
	lab_server_begin(&l);
	client = lab_client(TLS1_1_VERSION);
	SSL_CTX_set_security_level(client, 0);
	assert_false(lab_try(&l, client, &why, alpn));
	SSL_CTX_free(client);
	client = lab_client(TLS1_2_VERSION);
	assert_true(lab_try(&l, client, &why, alpn));
	l.setup.min_version = TLS1_3_VERSION;
	assert_false(lab_try(&l, client, &why, alpn));
	SSL_CTX_free(client);
	/* no forward secrecy, no AEAD */
	l.setup.min_version = TLS1_2_VERSION;
	client = lab_client(TLS1_2_VERSION);
	assert_int_equal(SSL_CTX_set_cipher_list(client, "AES128-SHA256:ECDHE-ECDSA-AES128-SHA"),
	    1);
	assert_false(lab_try(&l, client, &why, alpn));
	SSL_CTX_free(client);
	lab_server_end(&l);
}

/* --- client certificates --- */

static X509_CRL *
lab_crl(X509 *ca, EVP_PKEY *ca_key, X509 *revoked)
{
	X509_CRL *crl = X509_CRL_new();
	X509_REVOKED *entry;
	ASN1_TIME *t = X509_gmtime_adj(NULL, -60);

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca));
	X509_CRL_set1_lastUpdate(crl, t);
	X509_gmtime_adj(t, 3600);
	X509_CRL_set1_nextUpdate(crl, t);
	if (revoked != NULL) {
		entry = X509_REVOKED_new();
		X509_gmtime_adj(t, -60);
		X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked));
		X509_REVOKED_set_revocationDate(entry, t);
		X509_CRL_add0_revoked(crl, entry);
	}
	ASN1_TIME_free(t);
	X509_CRL_sort(crl);
	assert_true(X509_CRL_sign(crl, ca_key, NULL) > 0);
	return crl;
}

static void
lab_assert_client(struct lab_server *l, X509 *x, EVP_PKEY *key, const char *refused)
{
	int version;
	char alpn[32];

	for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct reason why = { "" };
		SSL_CTX *client = lab_client(version);

		if (x != NULL) {
			assert_int_equal(SSL_CTX_use_certificate(client, x), 1);
			assert_int_equal(SSL_CTX_use_PrivateKey(client, key), 1);
		}
		assert_int_equal(lab_try(l, client, &why, alpn), refused == NULL);
		if (refused != NULL && strstr(why.text, refused) == NULL)
			fail_msg("\"%s\" is not in: %s", refused, why.text);
		SSL_CTX_free(client);
	}
}

static void
test_client_certificates(void **state)
{
	EVP_PKEY *ca_key = lab_key_new("ed25519"), *key = lab_key_new("P-256");
	X509 *ca = lab_certificate(ca_key, "ca", NULL, NULL, 3600);
	X509 *good = lab_certificate(key, "alice", ca, ca_key, 3600);
	X509 *old = lab_certificate(key, "bob", ca, ca_key, -3600);
	X509 *stranger = lab_certificate(key, "eve", NULL, NULL, 3600);
	X509 *revoked = lab_certificate(key, "mallory", ca, ca_key, 3600);
	X509_CRL *crl = lab_crl(ca, ca_key, revoked);
	char *ca_pem = lab_pem(ca, NULL), *crl_pem = lab_pem(NULL, crl);
	struct lab_server l;

	(void)state;
	lab_server_begin(&l);
	l.setup.client_ca = lab_bytes(ca_pem);
	lab_assert_client(&l, good, key, NULL);
	lab_assert_client(&l, revoked, key, NULL);
	l.setup.client_crl = lab_bytes(crl_pem);
	lab_assert_client(&l, good, key, NULL);
	lab_assert_client(&l, revoked, key, "/CN=mallory: certificate revoked");
	lab_assert_client(&l, old, key, "/CN=bob: certificate has expired");
	lab_assert_client(&l, stranger, key, "/CN=eve: self");
	lab_assert_client(&l, NULL, NULL, "");
	free(ca_pem);
	free(crl_pem);
	X509_CRL_free(crl);
	X509_free(ca);
	X509_free(good);
	X509_free(old);
	X509_free(stranger);
	X509_free(revoked);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	lab_server_end(&l);
}

/* Files that are not what they should be. */
static void
test_bad_files(void **state)
{
	struct lab_server l;
	struct reason why;
	SSL_CTX *ctx;
	char *cut;

	(void)state;
	lab_server_begin(&l);
	l.setup.chain = lab_bytes("no certificate");
	assert_int_equal(context_new(&l.setup, &l.signer, &ctx, &why), ERR_FORMAT);
	assert_null(ctx);
	cut = strdup(l.pem);
	cut[strlen(cut) / 2] = '\0';
	l.setup.chain = lab_bytes(cut);
	assert_int_equal(context_new(&l.setup, &l.signer, &ctx, &why), ERR_FORMAT);
	l.setup.chain = lab_bytes(l.pem);
	l.setup.client_ca = lab_bytes("none");
	assert_int_equal(context_new(&l.setup, &l.signer, &ctx, &why), ERR_FORMAT);
	assert_non_null(strstr(why.text, "ClientCA"));
	free(cut);
	lab_server_end(&l);
}

static int
lab_setup(void **state)
{
	(void)state;
	return provider_load();
}

/* A process keeps its providers to its end, which a search for leaks takes for one. */
static int
lab_teardown(void **state)
{
	static const char *const names[] = { "sallyport", "default" };
	OSSL_PROVIDER *provider;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		provider = OSSL_PROVIDER_load(NULL, names[i]);
		if (OSSL_PROVIDER_unload(provider) != 1 || OSSL_PROVIDER_unload(provider) != 1)
			return -1;
	}
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_pkcs1),
		cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_client_certificates),
		cmocka_unit_test(test_bad_files),
	};

	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}
