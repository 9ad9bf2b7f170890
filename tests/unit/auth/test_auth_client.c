/*
 * auth/auth_client.c: the client side of RFC 4252, alone and against auth_server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "auth/auth_client.h"
#include "auth/auth_server.h"
#include "wire/ssh.h"
#include "auth_messages.h"

#define ALG "ssh-ed25519"

static const uint8_t session_id[32] = "the exchange hash of this test";

struct fixture {
	struct auth_client *ac;
	struct buf out;
	struct buf in; /* the upstream's next message */
	struct buf blob;
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	int sign_error;
	char signed_with[64];
};

static int
sign(void *ctx, const char *alg, const void *data, size_t len, struct buf *sig)
{
	struct fixture *f = ctx;
	uint8_t raw[crypto_sign_BYTES];

	strncpy(f->signed_with, alg, sizeof(f->signed_with) - 1);
	if (f->sign_error != 0)
		return f->sign_error;
	crypto_sign_detached(raw, NULL, data, len, f->secret);
	wire_put_text(sig, alg);
	wire_put_string(sig, raw, sizeof(raw));
	return 0;
}

static const struct auth_client_ops ops = { sign };

static void
new_client(struct fixture *f, const char *sig_algs)
{
	const struct auth_client_config config = { .session_id = session_id,
		.session_id_len = sizeof(session_id),
		.user = "ubuntu",
		.blob = buf_bytes(&f->blob),
		.server_sig_algs = sig_algs };

	auth_client_free(&f->ac);
	buf_reset(&f->out);
	f->ac = auth_client_new(&config, &ops, f);
	assert_non_null(f->ac);
}

static void
start(struct fixture *f)
{
	new_client(f, NULL);
	assert_int_equal(auth_client_start(f->ac, &f->out), AUTH_CLIENT_SEND);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	buf_init(&f->out, 100000);
	buf_init(&f->in, 4 << 20);
	buf_init(&f->blob, 10000);
	crypto_sign_keypair(f->public, f->secret);
	wire_put_text(&f->blob, ALG);
	wire_put_string(&f->blob, f->public, sizeof(f->public));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	auth_client_free(&f->ac);
	assert_null(f->ac);
	buf_free(&f->out);
	buf_free(&f->in);
	buf_free(&f->blob);
	free(f);
	return 0;
}

static enum auth_client_verdict
receive(struct fixture *f)
{
	size_t before = f->out.len;
	enum auth_client_verdict verdict = auth_client_input(f->ac, f->in.data, f->in.len, &f->out);

	assert_int_equal(f->out.len, before); /* nothing is ever sent in reply */
	return verdict;
}

static void
message(struct fixture *f, uint8_t type)
{
	buf_reset(&f->in);
	buf_put_u8(&f->in, type);
}

static void
failure(struct fixture *f, const char *methods, int partial)
{
	put_failure(&f->in, methods, partial);
}

static void
banner(struct fixture *f, const char *text, size_t len)
{
	message(f, SSH_MSG_USERAUTH_BANNER);
	wire_put_string(&f->in, text, len);
	wire_put_text(&f->in, "en");
}

static void
expect_failed(struct fixture *f, const char *reason)
{
	assert_string_equal(auth_client_reason(f->ac), reason);
	message(f, SSH_MSG_USERAUTH_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	assert_string_equal(auth_client_reason(f->ac), reason);
}

static int
key_allowed(void *ctx, const char *alg, struct bytes blob)
{
	struct fixture *f = ctx;

	return strcmp(alg, ALG) == 0 && bytes_equal(blob, buf_bytes(&f->blob));
}

static int
verify(void *ctx, const char *alg, struct bytes blob, struct bytes sig, const void *data,
    size_t len)
{
	struct fixture *f = ctx;
	struct wire w;
	struct bytes raw;

	(void)alg;
	(void)blob;
	wire_init(&w, sig.p, sig.len);
	(void)wire_string(&w);
	raw = wire_string(&w);
	assert_int_equal(raw.len, crypto_sign_BYTES);
	return crypto_sign_verify_detached(raw.p, data, len, f->public) == 0 ? 0 : ERR_AUTH;
}

/* auth_client and auth_server understand each other. */
static void
test_login_at_our_own_server(void **state)
{
	static const struct auth_server_ops server_ops = { key_allowed, verify, NULL, NULL };
	const struct auth_server_config config = { .session_id = session_id,
		.session_id_len = sizeof(session_id),
		.max_tries = 1,
		.banner = "welcome\n" };
	struct fixture *f = *state;
	struct auth_server *as = auth_server_new(&config, &server_ops, f);
	struct wire w;
	struct bytes m;

	start(f);
	wire_init(&w, f->out.data, f->out.len);
	m = wire_string(&w);
	assert_int_equal(wire_end(&w), 0);
	buf_reset(&f->in);
	assert_int_equal(auth_server_input(as, m.p, m.len, &f->in), AUTH_SERVER_LOOKUP);
	assert_string_equal(auth_server_login(as), "ubuntu");
	assert_int_equal(auth_server_resume(as, "publickey", &f->in), AUTH_SERVER_KEY_PROVEN);
	assert_int_equal(auth_server_success(as, &f->in), AUTH_SERVER_REPLY);
	wire_init(&w, f->in.data, f->in.len);
	m = wire_string(&w);
	assert_int_equal(auth_client_input(f->ac, m.p, m.len, &f->out), AUTH_CLIENT_BANNER);
	assert_true(bytes_is(auth_client_banner(f->ac), "welcome\n"));
	m = wire_string(&w);
	assert_int_equal(auth_client_input(f->ac, m.p, m.len, &f->out), AUTH_CLIENT_SUCCESS);
	assert_int_equal(wire_end(&w), 0);
	auth_server_free(&as);
}

/* The request, byte for byte (RFC 4252 section 7). */
static void
test_request(void **state)
{
	struct fixture *f = *state;
	struct bytes m, sig, raw;
	struct wire w, inner;
	struct buf data;
	size_t front;

	start(f);
	m = sent_request(&f->out, "publickey", &w);
	assert_int_equal(wire_bool(&w), 1);
	assert_true(bytes_is(wire_string(&w), ALG));
	assert_true(bytes_equal(wire_string(&w), buf_bytes(&f->blob)));
	front = m.len - w.left;
	sig = wire_string(&w);
	assert_int_equal(wire_end(&w), 0);
	wire_init(&inner, sig.p, sig.len);
	assert_true(bytes_is(wire_string(&inner), ALG));
	raw = wire_string(&inner);
	assert_int_equal(raw.len, crypto_sign_BYTES);
	buf_init(&data, 10000);
	wire_put_string(&data, session_id, sizeof(session_id));
	buf_put(&data, m.p, front);
	assert_int_equal(crypto_sign_verify_detached(raw.p, data.data, data.len, f->public), 0);
	buf_free(&data);
}

static void
expect_algorithm(struct fixture *f, const char *type, const char *sig_algs, const char *alg)
{
	buf_reset(&f->blob);
	wire_put_text(&f->blob, type);
	wire_put_text(&f->blob, "the rest is not looked at");
	new_client(f, sig_algs);
	f->signed_with[0] = '\0';
	assert_int_equal(auth_client_start(f->ac, &f->out),
	    *alg == '\0' ? AUTH_CLIENT_FAILED : AUTH_CLIENT_SEND);
	assert_string_equal(f->signed_with, alg);
}

static void
test_algorithms(void **state)
{
	struct fixture *f = *state;

	expect_algorithm(f, "ssh-rsa", NULL, "rsa-sha2-512");
	expect_algorithm(f, "ssh-rsa", "", "rsa-sha2-512");
	expect_algorithm(f, "ssh-rsa", "ssh-rsa", "rsa-sha2-512");
	expect_algorithm(f, "ssh-rsa", "ssh-rsa,rsa-sha2-256", "rsa-sha2-256");
	expect_algorithm(f, "ssh-rsa", "rsa-sha2-256,rsa-sha2-512", "rsa-sha2-512");
	expect_algorithm(f, "ssh-ed25519", "rsa-sha2-256", "ssh-ed25519");
	expect_algorithm(f, "ecdsa-sha2-nistp384", NULL, "ecdsa-sha2-nistp384");
	expect_algorithm(f, "ssh-dss", NULL, "");
	assert_non_null(strstr(auth_client_reason(f->ac), "ssh-dss"));
	expect_algorithm(f, "ssh-foo", NULL, "");
	expect_algorithm(f, "ssh-rsa-cert-v01@openssh.com", NULL, "");
	expect_algorithm(f, "", NULL, "");
}

/* A query for a key of this type and its name; f->blob is that key. */
static int
query(struct fixture *f, const char *type, const char *sig_algs, struct bytes host_key)
{
	const struct auth_client_config config = { .session_id = session_id,
		.session_id_len = sizeof(session_id),
		.user = "ubuntu",
		.several = 1,
		.host_key = host_key,
		.server_sig_algs = sig_algs };

	auth_client_free(&f->ac);
	buf_reset(&f->blob);
	wire_put_text(&f->blob, type);
	wire_put_text(&f->blob, "the rest");
	f->ac = auth_client_new(&config, &ops, f);
	buf_reset(&f->out);
	return auth_client_query(f->ac, buf_bytes(&f->blob), &f->out);
}

static void
wanted(struct fixture *f, const char *alg, struct bytes blob)
{
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_PK_OK);
	wire_put_text(&f->in, alg);
	wire_put_bytes(&f->in, blob);
}

/* What is asked with, and what the signature has to call itself. */
static void
expect_query(struct fixture *f, const char *type, const char *sig_algs, const char *alg,
    const char *sig_alg)
{
	const char *got;
	struct buf data;
	struct wire w, r;
	int i;

	assert_int_equal(query(f, type, sig_algs, (struct bytes){ NULL, 0 }), 1);
	wire_init(&r, f->out.data, f->out.len);
	wire_init(&w, r.p + 4, r.left - 4);
	assert_int_equal(wire_u8(&w), SSH_MSG_USERAUTH_REQUEST);
	for (i = 0; i < 3; i++)
		(void)wire_string(&w);
	assert_int_equal(wire_bool(&w), 0);
	assert_true(bytes_is(wire_string(&w), alg));
	assert_true(bytes_equal(wire_string(&w), buf_bytes(&f->blob)));
	assert_int_equal(wire_end(&w), 0);
	wanted(f, alg, buf_bytes(&f->blob));
	assert_int_equal(receive(f), AUTH_CLIENT_WANTED);
	buf_init(&data, 10000);
	assert_int_equal(auth_client_to_sign(f->ac, &data, &got), 0);
	assert_string_equal(got, sig_alg);
	buf_free(&data);
}

static void
test_query(void **state)
{
	static const char *const plain[] = { "ssh-ed25519", "ecdsa-sha2-nistp521",
		"sk-ssh-ed25519@openssh.com" };
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < 3; i++)
		expect_query(f, plain[i], NULL, plain[i], plain[i]);
	expect_query(f, "ssh-rsa", NULL, "rsa-sha2-512", "rsa-sha2-512");
	expect_query(f, "ssh-rsa", "rsa-sha2-256", "rsa-sha2-256", "rsa-sha2-256");
	expect_query(f, "ssh-rsa-cert-v01@openssh.com", NULL, "rsa-sha2-512-cert-v01@openssh.com",
	    "rsa-sha2-512");
	expect_query(f, "ssh-ed25519-cert-v01@openssh.com", NULL,
	    "ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519");
	expect_query(f, "sk-ssh-ed25519-cert-v01@openssh.com", NULL,
	    "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com");
	assert_int_equal(query(f, "ssh-dss", NULL, (struct bytes){ NULL, 0 }), 0);
	assert_int_equal(query(f, "ssh-foo-cert-v01@openssh.com", NULL, (struct bytes){ NULL, 0 }),
	    0);
	assert_int_equal(f->out.len, 0);
}

/* PK_OK for a key nobody asked about, or with another algorithm, is no PK_OK. */
static void
test_query_answered_wrongly(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(query(f, ALG, NULL, (struct bytes){ NULL, 0 }), 1);
	wanted(f, ALG, (struct bytes){ session_id, sizeof(session_id) });
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	assert_int_equal(query(f, "ssh-rsa", NULL, (struct bytes){ NULL, 0 }), 1);
	wanted(f, "ssh-rsa", buf_bytes(&f->blob));
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	/* nor without a query */
	start(f);
	wanted(f, ALG, buf_bytes(&f->blob));
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
}

/* The request carries what was signed, byte for byte, host key and all. */
static void
test_bound_signature(void **state)
{
	static const struct bytes host_key = { (const uint8_t *)"host key", 8 };
	struct fixture *f = *state;
	struct bytes m, none = { NULL, 0 };
	struct buf data, sig;
	const char *alg;
	struct wire w;

	assert_int_equal(query(f, ALG, NULL, host_key), 1);
	wanted(f, ALG, buf_bytes(&f->blob));
	assert_int_equal(receive(f), AUTH_CLIENT_WANTED);
	buf_init(&data, 10000);
	buf_init(&sig, 10000);
	assert_int_equal(auth_client_to_sign(f->ac, &data, &alg), 0);
	/* no signature, and one with SHA-1 instead */
	assert_int_equal(auth_client_signed(f->ac, none, &f->out), 0);
	wire_put_text(&sig, "ssh-rsa");
	wire_put_text(&sig, "signature");
	buf_reset(&f->out);
	assert_int_equal(auth_client_signed(f->ac, buf_bytes(&sig), &f->out), 0);
	assert_int_equal(f->out.len, 0);
	buf_reset(&sig);
	wire_put_text(&sig, alg);
	wire_put_text(&sig, "signature");
	assert_int_equal(auth_client_signed(f->ac, buf_bytes(&sig), &f->out), 1);
	wire_init(&w, f->out.data, f->out.len);
	m = wire_string(&w);
	assert_int_equal(wire_end(&w), 0);
	/* what was signed, after the session identifier, and then the signature */
	assert_int_equal(m.len, data.len - 4 - sizeof(session_id) + 4 + sig.len);
	assert_memory_equal(data.data, "\0\0\0\x20", 4);
	assert_memory_equal(data.data + 4, session_id, sizeof(session_id));
	assert_memory_equal(m.p, data.data + 4 + sizeof(session_id),
	    data.len - 4 - sizeof(session_id));
	assert_non_null(memmem(m.p, m.len, "publickey-hostbound-v00@openssh.com", 35));
	assert_memory_equal(m.p + m.len - 4 - sig.len - host_key.len, host_key.p, host_key.len);
	/* once is enough */
	assert_int_equal(auth_client_to_sign(f->ac, &data, &alg), ERR_BADSTATE);
	buf_free(&data);
	buf_free(&sig);
}

/* With a host key the mapped key signs for that one, and never without. */
static void
test_mapped_key_bound_to_the_host_key(void **state)
{
	struct fixture *f = *state;
	const struct auth_client_config config = { .session_id = session_id,
		.session_id_len = sizeof(session_id),
		.user = "ubuntu",
		.blob = buf_bytes(&f->blob),
		.host_key = { (const uint8_t *)"host key", 8 } };
	struct bytes sig;
	struct wire w, m, s;
	struct buf data;

	f->ac = auth_client_new(&config, &ops, f);
	assert_non_null(f->ac);
	assert_int_equal(auth_client_start(f->ac, &f->out), AUTH_CLIENT_SEND);
	wire_init(&w, f->out.data, f->out.len);
	sig = wire_string(&w);
	assert_int_equal(wire_end(&w), 0);
	wire_init(&m, sig.p, sig.len);
	assert_int_equal(wire_u8(&m), SSH_MSG_USERAUTH_REQUEST);
	assert_true(bytes_is(wire_string(&m), "ubuntu"));
	assert_true(bytes_is(wire_string(&m), "ssh-connection"));
	assert_true(bytes_is(wire_string(&m), "publickey-hostbound-v00@openssh.com"));
	assert_int_equal(wire_bool(&m), 1);
	assert_true(bytes_is(wire_string(&m), ALG));
	assert_true(bytes_equal(wire_string(&m), buf_bytes(&f->blob)));
	assert_true(bytes_is(wire_string(&m), "host key"));
	/* all of that is signed */
	buf_init(&data, 10000);
	wire_put_string(&data, session_id, sizeof(session_id));
	buf_put(&data, f->out.data + 4, sig.len - m.left);
	sig = wire_string(&m);
	assert_int_equal(wire_end(&m), 0);
	wire_init(&s, sig.p, sig.len);
	assert_true(bytes_is(wire_string(&s), ALG));
	sig = wire_string(&s);
	assert_int_equal(sig.len, crypto_sign_BYTES);
	assert_int_equal(crypto_sign_verify_detached(sig.p, data.data, data.len, f->public), 0);
	buf_free(&data);
}

static void
test_signing_fails(void **state)
{
	struct fixture *f = *state;

	f->sign_error = ERR_NOTFOUND;
	new_client(f, NULL);
	assert_int_equal(auth_client_start(f->ac, &f->out), AUTH_CLIENT_FAILED);
	assert_int_equal(f->out.len, 0);
	expect_failed(f, "cannot sign with the mapped key: not found");
}

static void
test_refused(void **state)
{
	struct fixture *f = *state;

	start(f);
	failure(f, "password,keyboard-interactive", 0);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	expect_failed(f,
	    "upstream refused the mapped key; it offers password,keyboard-interactive");
	start(f);
	failure(f, "", 0);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	expect_failed(f, "upstream refused the mapped key; it offers nothing else");
}

static void
test_partial_success(void **state)
{
	struct fixture *f = *state;

	start(f);
	failure(f, "keyboard-interactive", 1);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	expect_failed(f,
	    "upstream accepted the mapped key but wants more, which is not "
	    "supported: keyboard-interactive");
}

/* A reason of the upstream is cut to its limit, and has no control characters. */
static void
test_hostile_method_list(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(1 << 20);
	const char *p;

	memset(text, 'a', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	start(f);
	failure(f, text, 0);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	assert_in_range(strlen(auth_client_reason(f->ac)), 200, 400);
	free(text);
	start(f);
	failure(f, "pass\nword\033[2J\377%s%n", 0);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	for (p = auth_client_reason(f->ac); *p != '\0'; p++)
		assert_in_range(*p, ' ', '~');
	start(f);
	message(f, SSH_MSG_USERAUTH_FAILURE);
	wire_put_string(&f->in, "a\0b", 3);
	wire_put_bool(&f->in, 0);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	expect_failed(f, "upstream refused the mapped key; it offers a?b");
}

static void
test_banners(void **state)
{
	struct fixture *f = *state;

	/* right after SERVICE_ACCEPT: the first request may wait for the user */
	new_client(f, NULL);
	banner(f, "early\n", 6);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_true(bytes_is(auth_client_banner(f->ac), "early\n"));
	start(f);
	banner(f, "hello\n", 6);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_true(bytes_is(auth_client_banner(f->ac), "hello\n"));
	banner(f, "again\n", 6);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_true(bytes_is(auth_client_banner(f->ac), "again\n"));
	banner(f, "", 0);
	assert_int_equal(receive(f), AUTH_CLIENT_WAIT);
	message(f, SSH_MSG_USERAUTH_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_SUCCESS);
}

/* A banner of 64 KB, and banners without end. */
static void
test_banner_is_capped(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(1 << 20);
	size_t i, total = 0;

	for (i = 0; i < 1 << 20; i += 2)
		memcpy(text + i, "\303\266", 2);
	start(f);
	banner(f, text, 1 << 20);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_int_equal(auth_client_banner(f->ac).len, AUTH_CLIENT_BANNER_MAX);
	assert_true(auth_client_banner_cut(f->ac));
	assert_false(auth_client_banner_cut(f->ac));
	text[0] = 'x'; /* the limit falls inside a character */
	start(f);
	banner(f, text, 1);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	banner(f, text + 2, (1 << 20) - 2);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_int_equal(auth_client_banner(f->ac).len, AUTH_CLIENT_BANNER_MAX - 2);
	/* what is no text at all is passed on too */
	memset(text, 0x80, 1 << 20);
	start(f);
	banner(f, text, 1 << 20);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_in_range(auth_client_banner(f->ac).len, AUTH_CLIENT_BANNER_MAX - 3,
	    AUTH_CLIENT_BANNER_MAX);
	start(f);
	for (i = 0; i < 100; i++) {
		banner(f, text, 1000);
		if (receive(f) == AUTH_CLIENT_BANNER)
			total += auth_client_banner(f->ac).len;
	}
	assert_in_range(total, AUTH_CLIENT_BANNER_MAX - 3, AUTH_CLIENT_BANNER_MAX);
	message(f, SSH_MSG_USERAUTH_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_SUCCESS);
	free(text);
}

static void
test_other_types_fail(void **state)
{
	struct fixture *f = *state;
	int type;

	for (type = 0; type < 256; type++) {
		if (type >= SSH_MSG_USERAUTH_FAILURE && type <= SSH_MSG_USERAUTH_BANNER)
			continue;
		start(f);
		message(f, (uint8_t)type);
		assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
		assert_non_null(strstr(auth_client_reason(f->ac), "unexpected"));
	}
}

/* Nobody is logged in before he has asked. */
static void
test_success_before_the_request(void **state)
{
	struct fixture *f = *state;

	new_client(f, NULL);
	message(f, SSH_MSG_USERAUTH_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	assert_int_equal(auth_client_start(f->ac, &f->out), AUTH_CLIENT_FAILED);
	assert_int_equal(f->out.len, 0);
}

static void
test_anything_after_success_fails(void **state)
{
	struct fixture *f = *state;

	start(f);
	message(f, SSH_MSG_USERAUTH_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	start(f);
	assert_int_equal(auth_client_start(f->ac, &f->out), AUTH_CLIENT_FAILED);
}

static void
test_every_truncation_fails(void **state)
{
	struct fixture *f = *state;
	struct buf good;
	uint8_t *cut;
	size_t len;
	int kind;

	buf_init(&good, 1000);
	for (kind = 0; kind < 3; kind++) {
		if (kind == 0)
			failure(f, "publickey,password", 0);
		else if (kind == 1)
			banner(f, "hello\n", 6);
		else
			message(f, SSH_MSG_USERAUTH_SUCCESS);
		buf_reset(&good);
		buf_put(&good, f->in.data, f->in.len);
		for (len = 0; len < good.len; len++) {
			start(f);
			cut = malloc(len == 0 ? 1 : len);
			memcpy(cut, good.data, len);
			assert_int_equal(auth_client_input(f->ac, cut, len, &f->out),
			    AUTH_CLIENT_FAILED);
			free(cut);
		}
		start(f);
		buf_put_u8(&good, 0);
		assert_int_equal(auth_client_input(f->ac, good.data, good.len, &f->out),
		    AUTH_CLIENT_FAILED);
		assert_non_null(strstr(auth_client_reason(f->ac), "malformed"));
	}
	buf_free(&good);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_login_at_our_own_server),
		T(test_request),
		T(test_algorithms),
		T(test_query),
		T(test_query_answered_wrongly),
		T(test_bound_signature),
		T(test_mapped_key_bound_to_the_host_key),
		T(test_signing_fails),
		T(test_refused),
		T(test_partial_success),
		T(test_hostile_method_list),
		T(test_banners),
		T(test_banner_is_capped),
		T(test_other_types_fail),
		T(test_success_before_the_request),
		T(test_anything_after_success_fails),
		T(test_every_truncation_fails),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests_name("auth_client", tests, NULL, NULL);
}
