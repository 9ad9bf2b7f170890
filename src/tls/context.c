/*
 * Making the SSL_CTX of a connection: certificate chain, key, client certificates, ALPN.  Called by process.c, before it
 * is confined, and by the unit test.
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "tls/context.h"

/* With forward secrecy and AEAD: what every client of the last ten years has. */
#define CONTEXT_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CONTEXT_GROUPS "X25519:P-256:P-384:P-521"
/* Certificates between a client's and its CA. */
#define CONTEXT_DEPTH 8

/* What OpenSSL says of its last error.  Returns ERR_FORMAT. */
static int
context_failed(struct reason *why, const char *what)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	reason_set(why, "%s: %s", what, text != NULL ? text : "not accepted");
	ERR_clear_error();
	return ERR_FORMAT;
}

/* 1 at the end of a PEM text, for which OpenSSL has an error as well. */
static int
context_pem_ended(void)
{
	const unsigned long e = ERR_peek_last_error();

	if (ERR_GET_LIB(e) != ERR_LIB_PEM || ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
		return 0;
	ERR_clear_error();
	return 1;
}

/* The certificate and its chain. */
static int
context_chain(SSL_CTX *ctx, struct bytes pem, struct reason *why)
{
	BIO *in = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509 *x = in == NULL ? NULL : PEM_read_bio_X509(in, NULL, NULL, NULL);
	int r = 0;

	if (x == NULL || SSL_CTX_use_certificate(ctx, x) != 1)
		r = context_failed(why, "certificate");
	X509_free(x);
	while (r == 0 && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ctx, x) != 1) {
			X509_free(x);
			r = context_failed(why, "certificate chain");
		}
	if (r == 0 && !context_pem_ended())
		r = context_failed(why, "certificate chain");
	BIO_free(in);
	return r;
}

static int
context_key(SSL_CTX *ctx, const struct tls_signer *signer, struct reason *why)
{
	EVP_PKEY *public = X509_get0_pubkey(SSL_CTX_get0_certificate(ctx)), *key = NULL;
	const char *sigalgs = public == NULL ? NULL : provider_sigalgs(public);
	int r = 0;

	if (sigalgs == NULL) {
		reason_set(why,
		    "certificate: its key is none of RSA, nistp256, nistp384, nistp521 "
		    "and Ed25519");
		return ERR_ALGORITHM;
	}
	/* what the key signs is not what a client's may be signed with */
	if (provider_key(public, signer, &key) != 0 || SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	    SSL_CTX_set1_sigalgs_list(ctx, sigalgs) != 1 ||
	    SSL_CTX_set1_client_sigalgs_list(ctx,
		"ed25519:ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:rsa_pss_rsae_sha256:"
		"rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512") != 1)
		r = context_failed(why, "key");
	EVP_PKEY_free(key);
	return r;
}

/* --- client certificates --- */

/* Called by OpenSSL for each certificate of the client's chain, and for each error. */
static int
context_verify(int ok, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct reason *why = ssl == NULL ? NULL : SSL_get_app_data(ssl);
	const X509 *x = X509_STORE_CTX_get_current_cert(store);
	char name[256] = "?";

	if (ok || why == NULL || why->text[0] != '\0')
		return ok;
	/* non-ASCII and control characters escaped */
	if (x != NULL)
		(void)X509_NAME_oneline(X509_get_subject_name(x), name, sizeof(name));
	reason_set(why, "the client's certificate %s: %s", name,
	    X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
	return 0;
}

static int
context_client_cas(SSL_CTX *ctx, struct bytes pem, struct reason *why)
{
	BIO *in = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	int n = 0, r = 0;
	X509 *x;

	while (r == 0 && in != NULL && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(store, x) != 1 || SSL_CTX_add_client_CA(ctx, x) != 1)
			r = context_failed(why, "ClientCA");
		X509_free(x);
		n++;
	}
	if (r == 0 && (n == 0 || !context_pem_ended()))
		r = context_failed(why, "ClientCA");
	BIO_free(in);
	return r;
}

static int
context_client_crls(SSL_CTX *ctx, struct bytes pem, struct reason *why)
{
	BIO *in = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	X509_CRL *crl;
	int n = 0, r = 0;

	while (
	    r == 0 && in != NULL && (crl = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_crl(store, crl) != 1)
			r = context_failed(why, "ClientCRL");
		X509_CRL_free(crl);
		n++;
	}
	if (r == 0 && (n == 0 || !context_pem_ended()))
		r = context_failed(why, "ClientCRL");
	if (r == 0 && X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) != 1)
		r = context_failed(why, "ClientCRL");
	BIO_free(in);
	return r;
}

static int
context_clients(SSL_CTX *ctx, const struct context_setup *setup, struct reason *why)
{
	int r;

	if (setup->client_ca.len == 0)
		return 0;
	r = context_client_cas(ctx, setup->client_ca, why);
	if (r == 0 && setup->client_crl.len > 0)
		r = context_client_crls(ctx, setup->client_crl, why);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, context_verify);
	SSL_CTX_set_verify_depth(ctx, CONTEXT_DEPTH);
	return r;
}

void
context_watch(SSL *ssl, struct reason *why)
{
	why->text[0] = '\0';
	SSL_set_app_data(ssl, why);
}

/* --- ALPN --- */

/* 1 if the name is one of the list's. */
static int
context_alpn_has(const char *list, const uint8_t *name, size_t len)
{
	const char *p, *end;

	for (p = list; *p != '\0'; p = *end == ',' ? end + 1 : end) {
		end = p + strcspn(p, ",");
		if ((size_t)(end - p) == len && memcmp(p, name, len) == 0)
			return 1;
	}
	return 0;
}

/* The first of the client's names that is in the list; if none is, the client is refused (RFC 7301 section 3.2). */
static int
context_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned int in_len, void *list)
{
	unsigned int i;

	(void)ssl;
	for (i = 0; i < in_len && i + 1 + in[i] <= in_len; i += 1 + (unsigned int)in[i]) {
		if (!context_alpn_has(list, in + i + 1, in[i]))
			continue;
		*out = in + i + 1;
		*out_len = in[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* --- all of it --- */

static int
context_protocol(SSL_CTX *ctx, const struct context_setup *setup, struct reason *why)
{
	/* a client that ends without close_notify has ended: what is inside has integrity of its own */
	SSL_CTX_set_options(ctx,
	    SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	if (SSL_CTX_set_min_proto_version(ctx, setup->min_version) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 0) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CONTEXT_CIPHERS) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, CONTEXT_GROUPS) != 1)
		return context_failed(why, "TLS");
	if (setup->alpn[0] != '\0')
		SSL_CTX_set_alpn_select_cb(ctx, context_alpn, (void *)setup->alpn);
	return 0;
}

int
context_new(const struct context_setup *setup, const struct tls_signer *signer, SSL_CTX **out,
    struct reason *why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int r;

	*out = NULL;
	if (ctx == NULL)
		return context_failed(why, "TLS");
	r = context_protocol(ctx, setup, why);
	if (r == 0)
		r = context_chain(ctx, setup->chain, why);
	if (r == 0)
		r = context_key(ctx, signer, why);
	if (r == 0)
		r = context_clients(ctx, setup, why);
	if (r != 0)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return r;
}
