/*
 * The process of a TLS connection, from its fork to its end.  What the keeper sends is read before the process confines
 * itself; what the client sends, after that.  cli/serve.c gives tls_run() to the master.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/canary.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proctitle.h"
#include "ipc/messages.h"
#include "session/session.h"
#include "tls/certificate.h"
#include "tls/context.h"
#include "tls/stream.h"
#include "tls/tls.h"

/* The socket for what is inside, beside SESSION_CLIENT and SESSION_KEEPER. */
#define TLS_INNER 5
/* The keeper answers at once, unless it has thousands to answer. */
#define TLS_KEEPER_MS 20000

struct tls {
	const struct tls_process *process;
	uint8_t message[IPC_MAX];
	struct reason why; /* the client's certificate is not accepted */
	int64_t deadline;  /* of the handshake */
	char version[16];
	char alpn[1024];
};

/* --- the keeper --- */

/* Wait for one message of this type.  0; or an ERR_*, after which there is nothing to be had from the keeper. */
static int
tls_await(struct tls *t, enum ipc_type type, struct ipc_msg *msg)
{
	const int64_t end = clock_ms() + TLS_KEEPER_MS;
	struct pollfd fd = { SESSION_KEEPER, POLLIN, 0 };
	int64_t now;
	int r = ERR_AGAIN;

	for (now = clock_ms(); r == ERR_AGAIN && now < end; now = clock_ms()) {
		if (poll(&fd, 1, clock_until(end, now)) == 1)
			r = ipc_recv(SESSION_KEEPER, t->message, IPC_KEEPER_TO_TLS, IPC_PHASE_ANY,
			    msg);
	}
	if (r != 0 || msg->type == type)
		return r;
	fd_close(&msg->fd);
	return ERR_BADSTATE;
}

/* What the signer of the certificate's key is: the keeper. */
static int
tls_sign(void *arg, const char *alg, const void *data, size_t len, struct buf *sig)
{
	struct tls *t = arg;
	struct ipc_msg msg;
	struct bytes raw;
	struct buf b;
	int ok, r;

	ipc_begin(&b, IPC_TLS_SIGN);
	wire_put_text(&b, alg);
	wire_put_string(&b, data, len);
	r = ipc_send(SESSION_KEEPER, &b, -1);
	if (r == 0)
		r = tls_await(t, IPC_TLS_SIGNATURE, &msg);
	if (r != 0)
		return r;
	ok = wire_bool(&msg.body);
	raw = wire_string(&msg.body);
	if (wire_end(&msg.body) != 0 || !ok)
		return ERR_AUTH;
	buf_put(sig, raw.p, raw.len);
	return buf_err(sig);
}

/* Tell the keeper why there will be no connection, and exit. */
static void __attribute__((noreturn)) tls_fail(const char *why)
{
	struct buf b;

	ipc_begin(&b, IPC_TLS_FAILED);
	wire_put_string(&b, why, strnlen(why, 590));
	(void)!ipc_send(SESSION_KEEPER, &b, -1);
	_exit(0);
}

/* --- before the sandbox --- */

/* What TLS_HELLO has brought, as a context. */
static int
tls_receive_setup(struct tls *t, const struct tls_signer *signer, SSL_CTX **ctx, struct reason *why)
{
	struct context_setup setup;
	struct ipc_tls_hello h;
	struct ipc_msg msg;
	size_t size;
	uint8_t *p;
	int r;

	reason_set(why, "no message from the keeper");
	r = tls_await(t, IPC_TLS_HELLO, &msg);
	if (r != 0)
		return r;
	r = ipc_tls_hello_get(&msg.body, &h);
	if (r != 0)
		return r;
	/* the keeper has made the file, and sealed it: its size stays */
	size = (size_t)h.chain + h.client_ca + h.client_crl;
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, msg.fd, 0);
	fd_close(&msg.fd);
	if (p == MAP_FAILED)
		return ERR_SYS;
	setup = (struct context_setup){ { p, h.chain }, { p + h.chain, h.client_ca },
		{ p + h.chain + h.client_ca, h.client_crl }, t->alpn,
		h.only_13 ? TLS1_3_VERSION : TLS1_2_VERSION };
	snprintf(t->alpn, sizeof(t->alpn), "%s", h.alpn);
	t->deadline = clock_ms() + h.timeout_ms;
	r = context_new(&setup, signer, ctx, why);
	(void)munmap(p, size);
	return r;
}

/* The three sockets at their numbers.  0 or ERR_SYS. */
static int
tls_descriptors(int client, int keeper, int inner)
{
	/* above all three numbers, before the others move to theirs */
	const int away = fcntl(inner, F_DUPFD_CLOEXEC, TLS_INNER + 10);

	if (away == -1)
		return ERR_SYS;
	close(inner);
	if (sandbox_descriptors(client, keeper) != 0 || dup3(away, TLS_INNER, O_CLOEXEC) == -1)
		return ERR_SYS;
	close(away);
	return 0;
}

/* --- the handshake --- */

/* Why it has failed, by OpenSSL's last error. */
static void __attribute__((noreturn)) tls_handshake_failed(const struct tls *t, int error)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	if (t->why.text[0] != '\0')
		tls_fail(t->why.text);
	if (error == SSL_ERROR_SYSCALL || text == NULL)
		tls_fail("the client has closed it during the handshake");
	tls_fail(text);
}

static void
tls_handshake(const struct tls *t, SSL *ssl)
{
	struct pollfd fd = { SESSION_CLIENT, 0, 0 };
	int64_t now;
	int e, r;

	for (;;) {
		ERR_clear_error();
		r = SSL_accept(ssl);
		if (r == 1)
			return;
		e = SSL_get_error(ssl, r);
		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			tls_handshake_failed(t, e);
		now = clock_ms();
		if (now >= t->deadline)
			tls_fail("HandshakeTimeout is over");
		fd.events = e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
		(void)poll(&fd, 1, clock_until(t->deadline, now));
	}
}

/* TLS_DONE; and wait until the keeper lets the client go on. */
static void
tls_done(struct tls *t, SSL *ssl)
{
	struct ipc_tls_done m = { .version = t->version, .serial = "", .cn = "" };
	X509 *x = SSL_get1_peer_certificate(ssl);
	struct certificate_texts texts;
	struct reason why = { "" };
	struct ipc_msg msg;
	struct buf b;

	snprintf(t->version, sizeof(t->version), "%s", SSL_get_version(ssl));
	if (x != NULL && certificate_read(x, &texts, &m, &why) != 0)
		tls_fail(why.text);
	X509_free(x);
	ipc_begin(&b, IPC_TLS_DONE);
	ipc_tls_done_put(&b, &m);
	ipc_tls_done_free(&m);
	/* refused: the keeper has logged why */
	if (ipc_send(SESSION_KEEPER, &b, -1) != 0 || tls_await(t, IPC_TLS_ACCEPTED, &msg) != 0 ||
	    wire_end(&msg.body) != 0) {
		(void)SSL_shutdown(ssl);
		_exit(0);
	}
}

/* --- all of it --- */

int
tls_warm_up(void)
{
	SSL_CTX *ctx;

	if (OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
		NULL) != 1)
		return ERR_NOMEM;
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL)
		return ERR_NOMEM;
	SSL_CTX_free(ctx);
	return 0;
}

void
tls_run(int client, int keeper, int inner, const struct tls_process *process)
{
	static struct tls tls;
	struct tls *t = &tls;
	const struct tls_signer signer = { tls_sign, t };
	struct reason why = { "" };
	SSL_CTX *ctx;
	SSL *ssl;

	canary_renew();
	if (tls_descriptors(client, keeper, inner) != 0)
		fatal("TLS connection %04jx: cannot arrange its descriptors: %s",
		    (uintmax_t)process->id, strerror(errno));
	t->process = process;
	proctitle_set("tls %04jx %s", (uintmax_t)process->id, process->client);
	signal(SIGTERM, SIG_IGN); /* it ends with the session inside, which tells its client why */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	/* the C library opens /etc/localtime for the dates of certificates, unless it knows the zone */
	(void)setenv("TZ", "UTC0", 1);
	tzset();
	if (provider_load() != 0)
		tls_fail("OpenSSL does not load its providers");
	if (tls_receive_setup(t, &signer, &ctx, &why) != 0)
		tls_fail(why.text);
	ssl = SSL_new(ctx);
	if (ssl == NULL || stream_attach(ssl, SESSION_CLIENT) != 0 ||
	    sandbox_enter(SESSION_KEEPER) != 0)
		tls_fail("it cannot be confined");
	context_watch(ssl, &t->why);
	tls_handshake(t, ssl);
	tls_done(t, ssl);
	/* what follows needs no keeper; but the keeper knows of the client's certificate for as long as this socket is
	 * open */
	stream_run(ssl, SESSION_CLIENT, TLS_INNER);
	_exit(0);
}
