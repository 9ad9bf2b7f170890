/*
 * Key exchanges between two legs of one process, before it serves.  libssh and libcrypto load and
 * allocate things at their first use: so all sessions share these, and a session in its sandbox
 * needs none of the system calls for it.  They also test that the libraries work.  Called by
 * cli/serve.c and errand/look.c; leg_try_host_keys() by the master and by the subcommand check.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "transport/leg.h"

/* Rounds that a key exchange over a socket pair may take; it takes about 10. */
#define WARMUP_ROUNDS_MAX 200

struct warmup {
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
};

static int
warmup_sign(void *ctx, const char *alg, struct bytes hash, struct buf *sig)
{
	struct warmup *w = ctx;
	uint8_t raw[crypto_sign_BYTES];

	crypto_sign_detached(raw, NULL, hash.p, hash.len, w->secret);
	wire_put_text(sig, "ssh-ed25519");
	wire_put_string(sig, raw, sizeof(raw));
	return buf_err(sig);
}

static int
warmup_host_key(void *ctx, const char *alg, struct bytes hash, struct bytes blob, struct bytes sig)
{
	return 0;
}

static void
warmup_packet(void *ctx, struct leg *leg, uint8_t *payload, size_t len)
{
}

static const struct leg_ops warmup_ops = { warmup_sign, warmup_host_key, warmup_packet };

static int
warmup_pump(struct leg *a, struct leg *b)
{
	int i, r;

	for (i = 0; i < WARMUP_ROUNDS_MAX && !(leg_ready(a) && leg_ready(b)); i++) {
		r = leg_flush(a);
		if (r == 0)
			r = leg_flush(b);
		if (r == 0)
			r = leg_input(a);
		if (r == 0 || r == ERR_AGAIN)
			r = leg_input(b);
		if (r != 0 && r != ERR_AGAIN)
			return r;
	}
	return leg_ready(a) && leg_ready(b) ? 0 : ERR_TIMEOUT;
}

static int
warmup_handshake(struct warmup *w, struct bytes host_key, const char *kex, const char *cipher)
{
	struct leg_config config = { .kex_algorithms = kex,
		.ciphers = cipher,
		.software = TRANSPORT_SOFTWARE,
		.host_keys = &host_key,
		.n_host_keys = 1 };
	struct leg *server = NULL, *client = NULL;
	const char *why;
	int pair[2], r = ERR_SSH;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return ERR_SYS;
	server = leg_new_server(pair[0], &config, &warmup_ops, w, &why);
	client = leg_new_client(pair[1], &config, &warmup_ops, w, &why);
	if (server != NULL && client != NULL)
		r = warmup_pump(server, client);
	leg_free(&server);
	leg_free(&client);
	return r;
}

int
leg_warm_up(void)
{
	static const struct {
		const char *kex, *cipher;
	} runs[] = {
		{ NULL, NULL },
		/* not in libssh 0.11 */
		{ "sntrup761x25519-sha512@openssh.com,curve25519-sha256",
		    "chacha20-poly1305@openssh.com" },
		{ "curve25519-sha256", "aes256-gcm@openssh.com" },
		{ "ecdh-sha2-nistp256", "aes256-ctr" },
		{ "diffie-hellman-group14-sha256", "aes128-ctr" },
	};
	struct warmup w;
	struct buf blob;
	size_t i;
	int r;

	if (sodium_init() == -1)
		return ERR_SSH;
	crypto_sign_keypair(w.public, w.secret);
	buf_init(&blob, 256);
	wire_put_text(&blob, "ssh-ed25519");
	wire_put_string(&blob, w.public, sizeof(w.public));
	r = buf_err(&blob);
	for (i = 0; i < sizeof(runs) / sizeof(runs[0]) && r == 0; i++)
		r = warmup_handshake(&w, buf_bytes(&blob), runs[i].kex, runs[i].cipher);
	buf_free(&blob);
	sodium_memzero(&w, sizeof(w));
	return r;
}

int
leg_try_host_keys(const struct bytes *keys, size_t n, const char **why)
{
	struct leg_config config = { .software = TRANSPORT_SOFTWARE,
		.host_keys = keys,
		.n_host_keys = n };
	struct leg *leg;
	int pair[2];

	*why = "no socket pair for a trial";
	if (n == 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return ERR_SYS;
	leg = leg_new_server(pair[0], &config, &warmup_ops, NULL, why);
	close(pair[1]);
	if (leg == NULL)
		return ERR_SSH;
	leg_free(&leg);
	return 0;
}
