/*
 * auth/auth_server.c: keys and signatures that prove nothing fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth_server_lab.h"

static void
test_query_is_not_a_proof(void **state)
{
	struct auth_server_lab *f = *state;
	int i;

	begin_login(f);
	for (i = 0; i < 20; i++) {
		make_query(f, "alice", &f->alice);
		assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
		expect_pk_ok(f, &f->alice);
	}
	assert_int_equal(f->verified, 0);
	assert_int_equal(auth_server_tries(f->as), 0);
}

static void
test_signature_over_another_session_fails(void **state)
{
	static const uint8_t other[32] = "the exchange hash of another one";
	struct auth_server_lab *f = *state;

	begin_login(f);
	make_unsigned_proof(f, "alice", &f->alice);
	sign_request(f, &f->alice, other, sizeof(other));
	expect_counted_failure(f, 1);
	make_unsigned_proof(f, "alice", &f->alice);
	sign_request(f, &f->alice, session_id, sizeof(session_id) - 1);
	expect_counted_failure(f, 2);
}

static void
test_signature_of_another_key_fails(void **state)
{
	struct auth_server_lab *f = *state;

	begin_login(f);
	make_unsigned_proof(f, "alice", &f->alice);
	sign_request(f, &f->mallory, session_id, sizeof(session_id));
	expect_counted_failure(f, 1);
	assert_int_equal(f->verified, 1);
}

/* Every byte that was signed counts. */
static void
test_any_changed_byte_fails(void **state)
{
	struct auth_server_lab *f = *state;
	enum auth_server_verdict verdict;
	struct buf good;
	size_t i;

	buf_init(&good, 10000);
	make_proof(f, "alice", &f->alice);
	buf_put(&good, f->message.data, f->message.len);
	for (i = 0; i < good.len; i++) {
		restart_server(f, 6, NULL);
		begin_login(f);
		buf_reset(&f->message);
		buf_put(&f->message, good.data, good.len);
		/* the boolean is true in any case but 0 (RFC 4251 section 5) */
		f->message.data[i] ^= i == 1 + 4 + 5 + 4 + 14 + 4 + 9 ? 1 : 0x10;
		verdict = send_request(f);
		assert_true(verdict == AUTH_SERVER_REPLY || verdict == AUTH_SERVER_DENIED);
		assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
	}
	buf_free(&good);
}

/* A key that may not log in takes as much time as one that may. */
static void
test_refused_key_is_verified_as_well(void **state)
{
	struct auth_server_lab *f = *state;

	begin_login(f);
	make_proof(f, "alice", &f->mallory);
	expect_counted_failure(f, 1);
	assert_int_equal(f->asked, 1);
	assert_int_equal(f->verified, 1);
	make_query(f, "alice", &f->mallory);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	assert_int_equal(auth_server_tries(f->as), 1);
}

static void
make_request_with(struct auth_server_lab *f, int signature, const void *alg, size_t alg_len,
    const void *blob, size_t blob_len)
{
	make_request(f, "alice", "ssh-connection", PUBLICKEY);
	wire_put_bool(&f->message, signature);
	wire_put_string(&f->message, alg, alg_len);
	wire_put_string(&f->message, blob, blob_len);
	if (signature)
		sign_request(f, &f->alice, session_id, sizeof(session_id));
}

/* An unreadable key, or one with an algorithm that does not fit it, fails like one that is refused: it does not end
 * the connection. */
static void
test_unusable_keys_are_answered(void **state)
{
	static const char cert[] = "ssh-ed25519-cert-v01@openssh.com";
	struct auth_server_lab *f = *state;
	const struct {
		const void *alg;
		size_t alg_len;
		const void *blob;
		size_t blob_len;
	} keys[] = {
		{ ED25519, 11, "", 0 },
		{ ED25519, 11, "garbage", 7 },
		{ ED25519, 11, f->alice.blob.data, f->alice.blob.len - 1 },
		{ ED25519, 11, "\0\0\0\13ssh-ed25519\0\0\0\2ab", 21 },
		{ "", 0, f->alice.blob.data, f->alice.blob.len },
		{ ED25519 "\0", 12, f->alice.blob.data, f->alice.blob.len },
		{ "ssh-rsa", 7, f->alice.blob.data, f->alice.blob.len },
		{ "rsa-sha2-512", 12, f->alice.blob.data, f->alice.blob.len },
		{ cert, sizeof(cert) - 1, f->alice.blob.data, f->alice.blob.len },
		{ session_id, sizeof(session_id), f->alice.blob.data, f->alice.blob.len },
	};
	size_t i;

	begin_login(f);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		make_request_with(f, 0, keys[i].alg, keys[i].alg_len, keys[i].blob,
		    keys[i].blob_len);
		assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
		expect_failure(f);
		expect_nothing(f);
	}
	assert_int_equal(auth_server_tries(f->as), 0);
	restart_server(f, 100, NULL);
	begin_login(f);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		make_request_with(f, 1, keys[i].alg, keys[i].alg_len, keys[i].blob,
		    keys[i].blob_len);
		expect_counted_failure(f, (int)i + 1);
	}
	assert_int_equal(f->asked, 0);
	assert_int_equal(f->verified, 0);
}

/* The algorithm inside the signature is the one that was announced. */
static void
test_signature_of_another_algorithm_fails(void **state)
{
	struct auth_server_lab *f = *state;
	struct buf sig;

	begin_login(f);
	make_unsigned_proof(f, "alice", &f->alice);
	buf_init(&sig, 1000);
	wire_put_text(&sig, "rsa-sha2-512");
	wire_put_string(&sig, session_id, sizeof(session_id));
	wire_put_string(&f->message, sig.data, sig.len);
	buf_free(&sig);
	expect_counted_failure(f, 1);
	assert_int_equal(f->verified, 0);
	make_unsigned_proof(f, "alice", &f->alice);
	wire_put_text(&f->message, "");
	expect_counted_failure(f, 2);
}

static void
test_publickey_is_refused_where_it_is_not_offered(void **state)
{
	struct auth_server_lab *f = *state;

	make_request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, "password", &f->out), AUTH_SERVER_REPLY);
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	assert_int_equal(auth_server_tries(f->as), 1);
	assert_int_equal(f->asked, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_query_is_not_a_proof),
		T(test_signature_over_another_session_fails),
		T(test_signature_of_another_key_fails),
		T(test_any_changed_byte_fails),
		T(test_refused_key_is_verified_as_well),
		T(test_unusable_keys_are_answered),
		T(test_signature_of_another_algorithm_fails),
		T(test_publickey_is_refused_where_it_is_not_offered),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
