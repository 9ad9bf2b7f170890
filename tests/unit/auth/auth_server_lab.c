/*
 * The lab of test_auth_server*.c.  Keys are Ed25519, so that it signs and verifies with libsodium alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "auth_server_lab.h"
#include "wire/ssh.h"

const uint8_t session_id[32] = "the exchange hash of this test";
static const struct bytes host_key = { (const uint8_t *)"our host key", 12 };

static void
make_key(struct lab_key *k)
{
	crypto_sign_keypair(k->public, k->secret);
	buf_init(&k->blob, 1000);
	wire_put_text(&k->blob, ED25519);
	wire_put_string(&k->blob, k->public, sizeof(k->public));
}

static int
key_allowed(void *ctx, const char *alg, struct bytes blob)
{
	struct auth_server_lab *f = ctx;

	f->asked++;
	return strcmp(alg, ED25519) == 0 && bytes_equal(blob, buf_bytes(&f->alice.blob));
}

static int
verify_ed25519(void *ctx, const char *alg, struct bytes blob, struct bytes sig, const void *data,
    size_t len)
{
	struct auth_server_lab *f = ctx;
	struct bytes key, name, raw;
	struct wire w;

	f->verified++;
	wire_init(&w, blob.p, blob.len);
	(void)wire_string(&w);
	key = wire_string(&w);
	if (wire_end(&w) != 0 || key.len != crypto_sign_PUBLICKEYBYTES)
		return ERR_FORMAT;
	wire_init(&w, sig.p, sig.len);
	name = wire_string(&w);
	raw = wire_string(&w);
	if (wire_end(&w) != 0 || !bytes_is(name, alg) || raw.len != crypto_sign_BYTES)
		return ERR_FORMAT;
	return crypto_sign_verify_detached(raw.p, data, len, key.p) == 0 ? 0 : ERR_AUTH;
}

static void
count_failure(void *ctx)
{
	struct auth_server_lab *f = ctx;

	f->failures++;
}

static void
count_refusal(void *ctx)
{
	struct auth_server_lab *f = ctx;

	f->refusals++;
}

static const struct auth_server_ops ops = { key_allowed, verify_ed25519, count_failure,
	count_refusal };

void
start_server(struct auth_server_lab *f, int max_tries, const char *banner, const char *hint)
{
	const struct auth_server_config config = { .session_id = session_id,
		.session_id_len = sizeof(session_id),
		.max_tries = max_tries,
		.banner = banner,
		.hint = hint,
		.host_key = host_key };

	f->as = auth_server_new(&config, &ops, f);
	assert_non_null(f->as);
}

int
auth_server_lab_setup(void **state)
{
	struct auth_server_lab *f = calloc(1, sizeof(*f));

	buf_init(&f->message, 4 << 20);
	buf_init(&f->out, 4 << 20);
	make_key(&f->alice);
	make_key(&f->mallory);
	start_server(f, 6, NULL, NULL);
	*state = f;
	return 0;
}

int
auth_server_lab_teardown(void **state)
{
	struct auth_server_lab *f = *state;

	auth_server_free(&f->as);
	assert_null(f->as);
	auth_server_free(&f->as);
	buf_free(&f->message);
	buf_free(&f->out);
	buf_free(&f->alice.blob);
	buf_free(&f->mallory.blob);
	free(f);
	return 0;
}

void
restart_server(struct auth_server_lab *f, int max_tries, const char *banner)
{
	auth_server_free(&f->as);
	f->asked = f->verified = f->failures = 0;
	buf_reset(&f->out);
	start_server(f, max_tries, banner, NULL);
}

void
make_request(struct auth_server_lab *f, const char *user, const char *service, const char *method)
{
	buf_reset(&f->message);
	buf_put_u8(&f->message, SSH_MSG_USERAUTH_REQUEST);
	wire_put_text(&f->message, user);
	wire_put_text(&f->message, service);
	wire_put_text(&f->message, method);
}

void
make_query(struct auth_server_lab *f, const char *user, const struct lab_key *k)
{
	make_request(f, user, "ssh-connection", PUBLICKEY);
	wire_put_bool(&f->message, 0);
	wire_put_text(&f->message, ED25519);
	wire_put_string(&f->message, k->blob.data, k->blob.len);
}

void
sign_request(struct auth_server_lab *f, const struct lab_key *k, const void *id, size_t id_len)
{
	uint8_t raw[crypto_sign_BYTES];
	struct buf data, sig;

	buf_init(&data, 100000);
	buf_init(&sig, 1000);
	wire_put_string(&data, id, id_len);
	buf_put(&data, f->message.data, f->message.len);
	crypto_sign_detached(raw, NULL, data.data, data.len, k->secret);
	wire_put_text(&sig, ED25519);
	wire_put_string(&sig, raw, sizeof(raw));
	wire_put_string(&f->message, sig.data, sig.len);
	buf_free(&data);
	buf_free(&sig);
}

/* A request with everything but its signature. */
void
make_unsigned_proof(struct auth_server_lab *f, const char *user, const struct lab_key *k)
{
	make_request(f, user, "ssh-connection", PUBLICKEY);
	wire_put_bool(&f->message, 1);
	wire_put_text(&f->message, ED25519);
	wire_put_string(&f->message, k->blob.data, k->blob.len);
}

void
make_proof(struct auth_server_lab *f, const char *user, const struct lab_key *k)
{
	make_unsigned_proof(f, user, k);
	sign_request(f, k, session_id, sizeof(session_id));
}

void
make_hostbound_proof(struct auth_server_lab *f, const struct lab_key *k, const char *bound_to)
{
	make_request(f, "alice", "ssh-connection", HOSTBOUND);
	wire_put_bool(&f->message, 1);
	wire_put_text(&f->message, ED25519);
	wire_put_string(&f->message, k->blob.data, k->blob.len);
	wire_put_text(&f->message, bound_to);
	sign_request(f, k, session_id, sizeof(session_id));
}

enum auth_server_verdict
send_request(struct auth_server_lab *f)
{
	return auth_server_input(f->as, f->message.data, f->message.len, &f->out);
}

/* Pass the first request: "none", whose reply is dropped. */
void
begin_login(struct auth_server_lab *f)
{
	make_request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	assert_string_equal(auth_server_login(f->as), "alice");
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_REPLY);
	buf_reset(&f->out);
}

/* Take the next message off out and check that it is these bytes. */
void
expect_reply(struct auth_server_lab *f, const struct buf *want)
{
	struct wire w;
	struct bytes got;

	wire_init(&w, f->out.data, f->out.len);
	got = wire_string(&w);
	assert_int_equal(wire_err(&w), 0);
	assert_int_equal(got.len, want->len);
	assert_memory_equal(got.p, want->data, want->len);
	buf_consume(&f->out, 4 + got.len);
}

void
expect_failure(struct auth_server_lab *f)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_FAILURE);
	wire_put_text(&want, PUBLICKEY);
	wire_put_bool(&want, 0);
	expect_reply(f, &want);
	buf_free(&want);
}

void
expect_pk_ok(struct auth_server_lab *f, const struct lab_key *k)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_PK_OK);
	wire_put_text(&want, ED25519);
	wire_put_string(&want, k->blob.data, k->blob.len);
	expect_reply(f, &want);
	buf_free(&want);
}

void
expect_success(struct auth_server_lab *f)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_SUCCESS);
	expect_reply(f, &want);
	buf_free(&want);
}

void
expect_banner(struct auth_server_lab *f, const char *text)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_BANNER);
	wire_put_text(&want, text);
	wire_put_text(&want, "");
	expect_reply(f, &want);
	buf_free(&want);
}

void
expect_nothing(struct auth_server_lab *f)
{
	assert_int_equal(f->out.len, 0);
	assert_int_equal(buf_err(&f->out), 0);
}

void
expect_denied(struct auth_server_lab *f, const char *reason)
{
	expect_nothing(f);
	assert_string_equal(auth_server_reason(f->as), reason);
	/* it stays denied, whatever comes */
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_DENIED);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_DENIED);
	assert_string_equal(auth_server_reason(f->as), reason);
	expect_nothing(f);
}

void
expect_counted_failure(struct auth_server_lab *f, int tries)
{
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	expect_nothing(f);
	assert_int_equal(auth_server_tries(f->as), tries);
	assert_int_equal(f->failures, tries);
}

void
make_request_as(struct auth_server_lab *f, const char *name, size_t len)
{
	buf_reset(&f->message);
	buf_put_u8(&f->message, SSH_MSG_USERAUTH_REQUEST);
	wire_put_string(&f->message, name, len);
	wire_put_text(&f->message, "ssh-connection");
	wire_put_text(&f->message, "none");
}
