/*
 * auth/auth_server.c: how many tries and queries a client has, and the hint for a client none of whose
 * keys is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth_server_lab.h"
#include "wire/ssh.h"

/* As with 20 keys in the agent, of which the last is the right one. */
static void
test_queries_are_no_tries(void **state)
{
	struct auth_server_lab *f = *state;
	int i;

	begin_login(f);
	for (i = 0; i < 19; i++) {
		make_query(f, "alice", &f->mallory);
		assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
		expect_failure(f);
	}
	make_query(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_pk_ok(f, &f->alice);
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_KEY_PROVEN);
}

static void
test_max_tries_denies(void **state)
{
	struct auth_server_lab *f = *state;
	int i;

	begin_login(f);
	for (i = 1; i < 6; i++) {
		make_request(f, "alice", "ssh-connection", "password");
		wire_put_bool(&f->message, 0);
		wire_put_text(&f->message, "hunter2");
		expect_counted_failure(f, i);
		assert_string_equal(auth_server_method(f->as), "password");
	}
	make_proof(f, "alice", &f->mallory);
	assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
	assert_int_equal(auth_server_tries(f->as), 6);
	assert_int_equal(f->failures, 6);
	expect_denied(f, "Too many authentication failures");
}

static void
test_max_tries_of_one_allows_one_proof(void **state)
{
	struct auth_server_lab *f = *state;

	restart_server(f, 1, NULL);
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_KEY_PROVEN);
	restart_server(f, 1, NULL);
	make_proof(f, "alice", &f->mallory);
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_DENIED);
	expect_denied(f, "Too many authentication failures");
}

static void
test_too_many_queries_are_denied(void **state)
{
	struct auth_server_lab *f = *state;
	int i;

	make_query(f, "alice", &f->mallory);
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_REPLY);
	for (i = 1; i < AUTH_SERVER_QUERIES_MAX; i++) {
		if (i % 2 == 0)
			make_query(f, "alice", &f->mallory);
		else
			make_request(f, "alice", "ssh-connection", "none");
		assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	}
	buf_reset(&f->out);
	make_query(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
	assert_int_equal(auth_server_tries(f->as), 0);
	expect_denied(f, "Too many authentication failures");
}

static void
test_failure_after_proof_counts(void **state)
{
	struct auth_server_lab *f = *state;

	restart_server(f, 2, NULL);
	begin_login(f);
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_KEY_PROVEN);
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_failure(f);
	assert_int_equal(auth_server_tries(f->as), 1);
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_KEY_PROVEN);
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_DENIED);
	expect_denied(f, "Too many authentication failures");
}

#define HINT "no key of yours"

static void
expect_methods(struct auth_server_lab *f, const char *methods)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_FAILURE);
	wire_put_text(&want, methods);
	wire_put_bool(&want, 0);
	expect_reply(f, &want);
	buf_free(&want);
}

static void
expect_hint(struct auth_server_lab *f)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_INFO_REQUEST);
	wire_put_text(&want, "");
	wire_put_text(&want, HINT);
	wire_put_text(&want, "");
	wire_put_u32(&want, 0);
	expect_reply(f, &want);
	buf_free(&want);
}

static void
make_hint_request(struct auth_server_lab *f)
{
	make_request(f, "alice", "ssh-connection", KBDINT);
	wire_put_text(&f->message, "");
	wire_put_text(&f->message, "");
}

static void
begin_with_hint(struct auth_server_lab *f)
{
	auth_server_free(&f->as);
	start_server(f, 3, NULL, HINT);
	begin_login(f);
	/* not offered before a key has been shown */
	make_hint_request(f);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	make_query(f, "alice", &f->mallory);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_methods(f, PUBLICKEY "," KBDINT);
	assert_int_equal(f->refusals, 1);
}

static void
make_hint_answer(struct auth_server_lab *f)
{
	buf_reset(&f->message);
	buf_put_u8(&f->message, SSH_MSG_USERAUTH_INFO_RESPONSE);
	wire_put_u32(&f->message, 0);
}

static void
test_hint_is_shown_once_and_is_no_try(void **state)
{
	struct auth_server_lab *f = *state;

	begin_with_hint(f);
	make_hint_request(f);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_hint(f);
	make_hint_answer(f);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	expect_nothing(f);
	assert_int_equal(auth_server_tries(f->as), 1);
	/* from here on it fails like any method that is not offered */
	make_hint_request(f);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	assert_int_equal(auth_server_tries(f->as), 2);
	make_hint_request(f);
	assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
}

static void
test_hint_does_not_let_in(void **state)
{
	struct auth_server_lab *f = *state;
	int i;

	begin_with_hint(f);
	make_hint_request(f);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_hint(f);
	/* an answer, though no question was asked */
	make_hint_answer(f);
	f->message.data[4] = 1;
	wire_put_text(&f->message, "let me in");
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	for (i = 0; i < 2; i++) {
		make_hint_answer(f);
		assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
	}
	expect_nothing(f);
}

static void
test_another_request_ends_the_conversation(void **state)
{
	struct auth_server_lab *f = *state;

	begin_with_hint(f);
	make_hint_request(f);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_hint(f);
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_KEY_PROVEN);
	expect_nothing(f);
	/* too late for the answer */
	make_hint_answer(f);
	assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_queries_are_no_tries),
		T(test_max_tries_denies),
		T(test_max_tries_of_one_allows_one_proof),
		T(test_too_many_queries_are_denied),
		T(test_failure_after_proof_counts),
		T(test_hint_is_shown_once_and_is_no_try),
		T(test_hint_does_not_let_in),
		T(test_another_request_ends_the_conversation),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
