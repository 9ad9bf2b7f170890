/*
 * The processes of TLS connections around the keeper of keeper_driver.c: what they send, and what the keeper may answer.
 */
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "fuzz.h"
#include "ipc/messages.h"
#include "keeper_driver_private.h"
#include "transport/keys.h"

/* m, or anything else: [tls main]; p: people, with ClientCA; ?: a section that is not there. */
void
tls_step_open(struct driver *d, struct slot *s, uint8_t arg)
{
	int pair[2];
	struct buf b;

	if (s->tls != -1)
		return;
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	tls_step_close(d, s, 0);
	s->tls_id = ++d->last_id;
	s->tls = pair[0];
	s->tls_wants_certificate = arg == 'p';
	buf_init(&s->tls_text, IPC_MAX);
	ipc_begin(&b, IPC_TLS_CONNECTION);
	ipc_tls_connection_put(&b,
	    &(struct ipc_tls_connection){ .connection = s->tls_id,
		.section = arg == 'p' ? "people" :
		    arg == '?'	      ? "nobody" :
					"main",
		.host = "vm1.example.org",
		.client = "127.0.0.1",
		.client_port = 1234,
		.local = "127.0.0.1",
		.local_port = 443 });
	step_send(d->master, &b, pair[1]);
	fd_close(&pair[1]);
}

/* What a server of TLS signs: 3, 2; or not: an exchange hash (h), a login (u), what a client signs (c), and so on. */
static int
tls_put_text(struct driver *d, uint8_t arg, struct buf *out)
{
	static const char server[] = "TLS 1.3, server CertificateVerify",
			  client[] = "TLS 1.3, client CertificateVerify";
	uint8_t hash[HASH_SIZE], spaces[64];

	step_hash(d, hash);
	memset(spaces, ' ', sizeof(spaces));
	switch (arg) {
	case '3':
	case 'c':
		buf_put(out, spaces, sizeof(spaces));
		buf_put(out, arg == 'c' ? client : server, sizeof(server));
		buf_put(out, hash, sizeof(hash));
		return arg == '3';
	case '2':
		buf_put(out, hash, sizeof(hash));
		buf_put(out, hash, sizeof(hash));
		buf_put(out, "\x03\x00\x1d\x20", 4);
		buf_put(out, hash, sizeof(hash));
		return 1;
	case 'u':
		wire_put_string(out, hash, sizeof(hash));
		buf_put_u8(out, SSH_MSG_USERAUTH_REQUEST);
		wire_put_text(out, "k");
		wire_put_text(out, "ssh-connection");
		return 0;
	default:
		buf_put(out, hash, sizeof(hash));
		return 0;
	}
}

void
tls_step_sign(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	if (s->tls == -1)
		return;
	buf_reset(&s->tls_text);
	/* for the second time, nothing is good */
	s->tls_good = tls_put_text(d, arg, &s->tls_text) && !s->tls_asked;
	s->tls_asked = 1;
	ipc_begin(&b, IPC_TLS_SIGN);
	wire_put_text(&b, "ssh-ed25519");
	wire_put_string(&b, s->tls_text.data, s->tls_text.len);
	step_send(s->tls, &b, -1);
}

/* With a certificate of the client (c), or without. */
void
tls_step_done(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	s->tls_done = 1;
	s->tls_certified = arg == 'c';
	ipc_begin(&b, IPC_TLS_DONE);
	ipc_tls_done_put(&b,
	    &(struct ipc_tls_done){ .version = "TLSv1.3",
		.fingerprint = { d->nonce, arg == 'c' ? sizeof(d->nonce) : 0 },
		.serial = "01",
		.cn = arg == 'c' ? "alice" : "" });
	step_send(s->tls, &b, -1);
}

void
tls_step_failed(struct driver *d, struct slot *s, uint8_t arg)
{
	struct buf b;

	(void)d;
	(void)arg;
	ipc_begin(&b, IPC_TLS_FAILED);
	wire_put_text(&b, "a reason\n\033");
	step_send(s->tls, &b, -1);
}

void
tls_step_close(struct driver *d, struct slot *s, uint8_t arg)
{
	(void)d;
	(void)arg;
	fd_close(&s->tls);
	buf_free(&s->tls_text);
	s->tls_asked = s->tls_good = s->tls_signed = s->tls_done = s->tls_certified = 0;
}

int
tls_may_be_inside(const struct slot *s)
{
	return s->tls != -1 && s->tls_signed && s->tls_done &&
	    s->tls_certified == s->tls_wants_certificate;
}

/* One signature, of what a server of TLS signs. */
static void
tls_check_signature(const struct driver *d, struct slot *s, struct wire *w)
{
	const int ok = wire_bool(w);
	const struct bytes raw = wire_string(w);
	struct buf blob;
	uint8_t flags;

	CHECK(wire_end(w) == 0 && ok && s->tls_good && !s->tls_signed);
	s->tls_signed = 1;
	buf_init(&blob, 1024);
	wire_put_text(&blob, "ssh-ed25519");
	wire_put_bytes(&blob, raw);
	CHECK(key_verify(buf_bytes(&d->world.tls.pub), "ssh-ed25519", buf_bytes(&blob),
		  s->tls_text.data, s->tls_text.len, &flags) == 0);
	buf_free(&blob);
}

void
tls_drain(const struct driver *d, struct slot *s)
{
	static uint8_t message[IPC_MAX];
	struct wire w;
	ssize_t n;
	int fd;

	while (s->tls != -1) {
		n = fd_recv(s->tls, message, sizeof(message), &fd, MSG_DONTWAIT);
		if (n == ERR_AGAIN)
			return;
		if (n <= 0) {
			fd_close(&s->tls);
			return;
		}
		CHECK((fd != -1) == (message[0] == IPC_TLS_HELLO));
		fd_close(&fd);
		wire_init(&w, message + 1, (size_t)n - 1);
		if (message[0] == IPC_TLS_SIGNATURE)
			tls_check_signature(d, s, &w);
		if (message[0] == IPC_TLS_ACCEPTED)
			CHECK(tls_may_be_inside(s));
	}
}

void
tls_opened(struct driver *d, uint64_t id)
{
	size_t i;

	for (i = 0; i < SLOTS; i++)
		if (d->slots[i].tls != -1 && d->slots[i].tls_id == id)
			tls_drain(d, &d->slots[i]);
	for (i = 0; i < SLOTS; i++)
		if (d->slots[i].tls != -1 && d->slots[i].tls_id == id)
			CHECK(tls_may_be_inside(&d->slots[i]));
}
