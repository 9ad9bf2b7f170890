/*
 * auth/auth_client.c: queries for a key (RFC 4252 section 7), and signatures bound to the host key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "auth_client_lab.h"
#include "auth_messages.h"
#include "wire/ssh.h"

/* A query for a key of this type and its name; f->blob is that key. */
static int
query(struct client_lab *f, const char *type, const char *sig_algs, struct bytes host_key)
{
	const struct auth_client_config config = { .session_id = client_session_id,
		.session_id_len = sizeof(client_session_id),
		.user = "ubuntu",
		.several = 1,
		.host_key = host_key,
		.server_sig_algs = sig_algs };

	auth_client_free(&f->ac);
	buf_reset(&f->blob);
	wire_put_text(&f->blob, type);
	wire_put_text(&f->blob, "the rest");
	f->ac = auth_client_new(&config, &client_lab_ops, f);
	buf_reset(&f->out);
	return auth_client_query(f->ac, buf_bytes(&f->blob), &f->out);
}

static void
wanted(struct client_lab *f, const char *alg, struct bytes blob)
{
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_PK_OK);
	wire_put_text(&f->in, alg);
	wire_put_bytes(&f->in, blob);
}

/* What is asked with, and what the signature has to call itself. */
static void
expect_query(struct client_lab *f, const char *type, const char *sig_algs, const char *alg,
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
	struct client_lab *f = *state;
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
	struct client_lab *f = *state;

	assert_int_equal(query(f, ALG, NULL, (struct bytes){ NULL, 0 }), 1);
	wanted(f, ALG, (struct bytes){ client_session_id, sizeof(client_session_id) });
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	assert_int_equal(query(f, "ssh-rsa", NULL, (struct bytes){ NULL, 0 }), 1);
	wanted(f, "ssh-rsa", buf_bytes(&f->blob));
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
	/* nor without a query */
	start_client(f);
	wanted(f, ALG, buf_bytes(&f->blob));
	assert_int_equal(receive(f), AUTH_CLIENT_FAILED);
}

/* The request carries what was signed, byte for byte, host key and all. */
static void
test_bound_signature(void **state)
{
	static const struct bytes host_key = { (const uint8_t *)"host key", 8 };
	struct client_lab *f = *state;
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
	assert_int_equal(m.len, data.len - 4 - sizeof(client_session_id) + 4 + sig.len);
	assert_memory_equal(data.data, "\0\0\0\x20", 4);
	assert_memory_equal(data.data + 4, client_session_id, sizeof(client_session_id));
	assert_memory_equal(m.p, data.data + 4 + sizeof(client_session_id),
	    data.len - 4 - sizeof(client_session_id));
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
	struct client_lab *f = *state;
	const struct auth_client_config config = { .session_id = client_session_id,
		.session_id_len = sizeof(client_session_id),
		.user = "ubuntu",
		.blob = buf_bytes(&f->blob),
		.host_key = { (const uint8_t *)"host key", 8 } };
	struct bytes sig;
	struct wire w, m, s;
	struct buf data;

	f->ac = auth_client_new(&config, &client_lab_ops, f);
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
	wire_put_string(&data, client_session_id, sizeof(client_session_id));
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_query),
		T(test_query_answered_wrongly),
		T(test_bound_signature),
		T(test_mapped_key_bound_to_the_host_key),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
