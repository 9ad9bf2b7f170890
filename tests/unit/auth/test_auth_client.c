/*
 * auth/auth_client.c: the client side of RFC 4252, alone and against auth_server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "auth/auth_server.h"
#include "auth_client_lab.h"
#include "auth_messages.h"
#include "wire/ssh.h"

static void
failure(struct client_lab *f, const char *methods, int partial)
{
	put_failure(&f->in, methods, partial);
}

static void
banner(struct client_lab *f, const char *text, size_t len)
{
	new_message(f, SSH_MSG_USERAUTH_BANNER);
	wire_put_string(&f->in, text, len);
	wire_put_text(&f->in, "en");
}

static int
key_allowed(void *ctx, const char *alg, struct bytes blob)
{
	struct client_lab *f = ctx;

	return strcmp(alg, ALG) == 0 && bytes_equal(blob, buf_bytes(&f->blob));
}

static int
verify(void *ctx, const char *alg, struct bytes blob, struct bytes sig, const void *data,
    size_t len)
{
	struct client_lab *f = ctx;
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
	const struct auth_server_config config = { .session_id = client_session_id,
		.session_id_len = sizeof(client_session_id),
		.max_tries = 1,
		.banner = "welcome\n" };
	struct client_lab *f = *state;
	struct auth_server *as = auth_server_new(&config, &server_ops, f);
	struct wire w;
	struct bytes m;

	start_client(f);
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
	struct client_lab *f = *state;
	struct bytes m, sig, raw;
	struct wire w, inner;
	struct buf data;
	size_t front;

	start_client(f);
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
	wire_put_string(&data, client_session_id, sizeof(client_session_id));
	buf_put(&data, m.p, front);
	assert_int_equal(crypto_sign_verify_detached(raw.p, data.data, data.len, f->public), 0);
	buf_free(&data);
}

static void
expect_algorithm(struct client_lab *f, const char *type, const char *sig_algs, const char *alg)
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
	struct client_lab *f = *state;

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

static void
test_signing_fails(void **state)
{
	struct client_lab *f = *state;

	f->sign_error = ERR_NOTFOUND;
	new_client(f, NULL);
	assert_int_equal(auth_client_start(f->ac, &f->out), AUTH_CLIENT_FAILED);
	assert_int_equal(f->out.len, 0);
	expect_failed(f, "cannot sign with the mapped key: not found");
}

static void
test_refused(void **state)
{
	struct client_lab *f = *state;

	start_client(f);
	failure(f, "password,keyboard-interactive", 0);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	expect_failed(f,
	    "upstream refused the mapped key; it offers password,keyboard-interactive");
	start_client(f);
	failure(f, "", 0);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	expect_failed(f, "upstream refused the mapped key; it offers nothing else");
}

static void
test_partial_success(void **state)
{
	struct client_lab *f = *state;

	start_client(f);
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
	struct client_lab *f = *state;
	char *text = malloc(1 << 20);
	const char *p;

	memset(text, 'a', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	start_client(f);
	failure(f, text, 0);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	assert_in_range(strlen(auth_client_reason(f->ac)), 200, 400);
	free(text);
	start_client(f);
	failure(f, "pass\nword\033[2J\377%s%n", 0);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	for (p = auth_client_reason(f->ac); *p != '\0'; p++)
		assert_in_range(*p, ' ', '~');
	start_client(f);
	new_message(f, SSH_MSG_USERAUTH_FAILURE);
	wire_put_string(&f->in, "a\0b", 3);
	wire_put_bool(&f->in, 0);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	expect_failed(f, "upstream refused the mapped key; it offers a?b");
}

static void
test_banners(void **state)
{
	struct client_lab *f = *state;

	/* right after SERVICE_ACCEPT: the first request may wait for the user */
	new_client(f, NULL);
	banner(f, "early\n", 6);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_true(bytes_is(auth_client_banner(f->ac), "early\n"));
	start_client(f);
	banner(f, "hello\n", 6);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_true(bytes_is(auth_client_banner(f->ac), "hello\n"));
	banner(f, "again\n", 6);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_true(bytes_is(auth_client_banner(f->ac), "again\n"));
	banner(f, "", 0);
	assert_int_equal(receive(f), AUTH_CLIENT_WAIT);
	new_message(f, SSH_MSG_USERAUTH_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_SUCCESS);
}

/* A banner of 64 KB, and banners without end. */
static void
test_banner_is_capped(void **state)
{
	struct client_lab *f = *state;
	char *text = malloc(1 << 20);
	size_t i, total = 0;

	for (i = 0; i < 1 << 20; i += 2)
		memcpy(text + i, "\303\266", 2);
	start_client(f);
	banner(f, text, 1 << 20);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_int_equal(auth_client_banner(f->ac).len, AUTH_CLIENT_BANNER_MAX);
	assert_true(auth_client_banner_cut(f->ac));
	assert_false(auth_client_banner_cut(f->ac));
	text[0] = 'x'; /* the limit falls inside a character */
	start_client(f);
	banner(f, text, 1);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	banner(f, text + 2, (1 << 20) - 2);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_int_equal(auth_client_banner(f->ac).len, AUTH_CLIENT_BANNER_MAX - 2);
	/* what is no text at all is passed on too */
	memset(text, 0x80, 1 << 20);
	start_client(f);
	banner(f, text, 1 << 20);
	assert_int_equal(receive(f), AUTH_CLIENT_BANNER);
	assert_in_range(auth_client_banner(f->ac).len, AUTH_CLIENT_BANNER_MAX - 3,
	    AUTH_CLIENT_BANNER_MAX);
	start_client(f);
	for (i = 0; i < 100; i++) {
		banner(f, text, 1000);
		if (receive(f) == AUTH_CLIENT_BANNER)
			total += auth_client_banner(f->ac).len;
	}
	assert_in_range(total, AUTH_CLIENT_BANNER_MAX - 3, AUTH_CLIENT_BANNER_MAX);
	new_message(f, SSH_MSG_USERAUTH_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_SUCCESS);
	free(text);
}

static void
test_other_types_fail(void **state)
{
	struct client_lab *f = *state;
	int type;

	for (type = 0; type < 256; type++) {
		if (type >= SSH_MSG_USERAUTH_FAILURE && type <= SSH_MSG_USERAUTH_BANNER)
			continue;
		start_client(f);
		new_message(f, (uint8_t)type);
		assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
		assert_non_null(strstr(auth_client_reason(f->ac), "unexpected"));
	}
}

/* Nobody is logged in before he has asked. */
static void
test_success_before_the_request(void **state)
{
	struct client_lab *f = *state;

	new_client(f, NULL);
	new_message(f, SSH_MSG_USERAUTH_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	assert_int_equal(auth_client_start(f->ac, &f->out), AUTH_CLIENT_FAILED);
	assert_int_equal(f->out.len, 0);
}

static void
test_anything_after_success_fails(void **state)
{
	struct client_lab *f = *state;

	start_client(f);
	new_message(f, SSH_MSG_USERAUTH_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	start_client(f);
	assert_int_equal(auth_client_start(f->ac, &f->out), AUTH_CLIENT_FAILED);
}

static void
test_every_truncation_fails(void **state)
{
	struct client_lab *f = *state;
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
			new_message(f, SSH_MSG_USERAUTH_SUCCESS);
		buf_reset(&good);
		buf_put(&good, f->in.data, f->in.len);
		for (len = 0; len < good.len; len++) {
			start_client(f);
			cut = malloc(len == 0 ? 1 : len);
			memcpy(cut, good.data, len);
			assert_int_equal(auth_client_input(f->ac, cut, len, &f->out),
			    AUTH_CLIENT_FAILED);
			free(cut);
		}
		start_client(f);
		buf_put_u8(&good, 0);
		assert_int_equal(auth_client_input(f->ac, good.data, good.len, &f->out),
		    AUTH_CLIENT_FAILED);
		assert_non_null(strstr(auth_client_reason(f->ac), "malformed"));
	}
	buf_free(&good);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_login_at_our_own_server),
		T(test_request),
		T(test_algorithms),
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
	return cmocka_run_group_tests(tests, NULL, NULL);
}
