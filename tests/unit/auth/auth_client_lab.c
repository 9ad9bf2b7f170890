#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "auth_client_lab.h"
#include "wire/ssh.h"

const uint8_t client_session_id[32] = "the exchange hash of this test";

static int
sign(void *ctx, const char *alg, const void *data, size_t len, struct buf *sig)
{
	struct client_lab *f = ctx;
	uint8_t raw[crypto_sign_BYTES];

	strncpy(f->signed_with, alg, sizeof(f->signed_with) - 1);
	if (f->sign_error != 0)
		return f->sign_error;
	crypto_sign_detached(raw, NULL, data, len, f->secret);
	wire_put_text(sig, alg);
	wire_put_string(sig, raw, sizeof(raw));
	return 0;
}

const struct auth_client_ops client_lab_ops = { sign };

void
new_client(struct client_lab *f, const char *sig_algs)
{
	const struct auth_client_config config = { .session_id = client_session_id,
		.session_id_len = sizeof(client_session_id),
		.user = "ubuntu",
		.blob = buf_bytes(&f->blob),
		.server_sig_algs = sig_algs };

	auth_client_free(&f->ac);
	buf_reset(&f->out);
	f->ac = auth_client_new(&config, &client_lab_ops, f);
	assert_non_null(f->ac);
}

void
start_client(struct client_lab *f)
{
	new_client(f, NULL);
	assert_int_equal(auth_client_start(f->ac, &f->out), AUTH_CLIENT_SEND);
}

int
client_lab_setup(void **state)
{
	struct client_lab *f = calloc(1, sizeof(*f));

	buf_init(&f->out, 100000);
	buf_init(&f->in, 4 << 20);
	buf_init(&f->blob, 10000);
	crypto_sign_keypair(f->public, f->secret);
	wire_put_text(&f->blob, ALG);
	wire_put_string(&f->blob, f->public, sizeof(f->public));
	*state = f;
	return 0;
}

int
client_lab_teardown(void **state)
{
	struct client_lab *f = *state;

	auth_client_free(&f->ac);
	assert_null(f->ac);
	buf_free(&f->out);
	buf_free(&f->in);
	buf_free(&f->blob);
	free(f);
	return 0;
}

enum auth_client_verdict
receive(struct client_lab *f)
{
	size_t before = f->out.len;
	enum auth_client_verdict verdict = auth_client_input(f->ac, f->in.data, f->in.len, &f->out);

	assert_int_equal(f->out.len, before); /* nothing is ever sent in reply */
	return verdict;
}

void
new_message(struct client_lab *f, uint8_t type)
{
	buf_reset(&f->in);
	buf_put_u8(&f->in, type);
}

void
expect_failed(struct client_lab *f, const char *reason)
{
	assert_string_equal(auth_client_reason(f->ac), reason);
	new_message(f, SSH_MSG_USERAUTH_SUCCESS);
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	assert_string_equal(auth_client_reason(f->ac), reason);
}
