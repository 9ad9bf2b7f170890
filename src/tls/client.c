/*
 * TLS to a proxy (client.h).  Called by errand/approach.c.
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "session/session.h"
#include "tls/client.h"
#include "tls/stream.h"

/* What OpenSSL says of its last error.  Returns ERR_SYS. */
static int
client_failed(struct reason *why, const char *what)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	reason_set(why, "%s%s", what, text != NULL ? text : "it cannot be set up");
	ERR_clear_error();
	return ERR_SYS;
}

static int
client_trust(SSL_CTX *ctx, struct bytes pem, struct reason *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *in;
	X509 *x;
	int n = 0, r = 0;

	if (pem.len == 0)
		return SSL_CTX_set_default_verify_paths(ctx) == 1 ? 0 : client_failed(why, "TLS: ");
	in = BIO_new_mem_buf(pem.p, (int)pem.len);
	while (r == 0 && in != NULL && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(store, x) != 1)
			r = client_failed(why, "ConnectViaCA: ");
		X509_free(x);
		n++;
	}
	BIO_free(in);
	ERR_clear_error(); /* the end of the text is one */
	if (r == 0 && n == 0) {
		reason_set(why,
		    "cannot be verified: ConnectViaCA has no certificate in PEM format");
		r = ERR_FORMAT;
	}
	return r;
}

/* Is the certificate for one of these names? */
static int
client_names_ok(const X509 *x, const char *const names[2])
{
	size_t i;

	for (i = 0; i < 2; i++)
		if (names[i] != NULL &&
		    (X509_check_ip_asc((X509 *)x, names[i], 0) == 1 ||
			X509_check_host((X509 *)x, names[i], 0,
			    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1))
			return 1;
	return 0;
}

static int
client_shake(SSL *ssl, int fd, int64_t deadline, struct reason *why)
{
	struct pollfd pfd = { fd, 0, 0 };
	int e, r;
	long v;

	for (;;) {
		ERR_clear_error();
		r = SSL_connect(ssl);
		if (r == 1)
			return 0;
		e = SSL_get_error(ssl, r);
		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			break;
		pfd.events = e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
		if (poll(&pfd, 1, clock_until(deadline, clock_ms())) == 0) {
			reason_set(why, "does not answer in time");
			return ERR_TIMEOUT;
		}
	}
	v = SSL_get_verify_result(ssl);
	if (v != X509_V_OK)
		reason_set(why,
		    "has a certificate that is not accepted (%s): ConnectViaCA names its authority",
		    X509_verify_cert_error_string(v));
	else if (e == SSL_ERROR_SYSCALL)
		reason_set(why, "has closed the connection");
	else
		(void)client_failed(why, "does not speak TLS as wanted: ");
	return ERR_AUTH;
}

static SSL *
client_new(int fd, const struct client_setup *setup, struct reason *why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
		(void)client_failed(why, "TLS: ");
	} else if (client_trust(ctx, setup->ca, why) == 0) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		/* what is inside has an integrity of its own, and an end */
		SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
		SSL_CTX_set_mode(ctx,
		    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS);
		ssl = SSL_new(ctx);
		if (ssl == NULL || stream_attach(ssl, fd) != 0 ||
		    (setup->sni[0] != '\0' && SSL_set_tlsext_host_name(ssl, setup->sni) != 1)) {
			(void)client_failed(why, "TLS: ");
			client_forget(&ssl);
		}
	}
	SSL_CTX_free(ctx);
	return ssl;
}

int
client_handshake(int fd, const struct client_setup *setup, int64_t deadline, SSL **out,
    struct reason *why)
{
	const X509 *x;
	int r;

	*out = client_new(fd, setup, why);
	if (*out == NULL)
		return ERR_SYS;
	r = client_shake(*out, fd, deadline, why);
	x = r == 0 ? SSL_get0_peer_certificate(*out) : NULL;
	if (r == 0 && (x == NULL || !client_names_ok(x, setup->names))) {
		reason_set(why, "has a certificate that is not for %s%s%s", setup->names[0],
		    setup->names[1] != NULL ? " or " : "",
		    setup->names[1] != NULL ? setup->names[1] : "");
		r = ERR_AUTH;
	}
	if (r != 0)
		client_forget(out);
	return r;
}

void
client_forget(SSL **ssl)
{
	if (*ssl != NULL)
		SSL_set_quiet_shutdown(*ssl, 1);
	SSL_free(*ssl);
	*ssl = NULL;
}

void
client_run(SSL *ssl, int fd, int inner)
{
	signal(SIGIO, SIG_IGN);
	signal(SIGTERM, SIG_IGN); /* it ends with its connection */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (sandbox_enter(-1) != 0)
		_exit(1);
	stream_run(ssl, fd, inner);
	_exit(0);
}
