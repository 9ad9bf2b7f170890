/*
 * auth/auth_server.c: the server side of RFC 4252: logins that succeed, what each call may follow,
 * and the banner.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth_server_lab.h"

static void
test_key_logs_in(void **state)
{
	struct auth_server_lab *f = *state;

	assert_string_equal(auth_server_login(f->as), "");
	make_request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	expect_nothing(f);
	assert_string_equal(auth_server_login(f->as), "alice");
	assert_string_equal(auth_server_method(f->as), "none");
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_REPLY);
	expect_failure(f);
	expect_nothing(f);

	make_query(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_pk_ok(f, &f->alice);
	expect_nothing(f);
	assert_string_equal(auth_server_method(f->as), "publickey");
	assert_string_equal(auth_server_key_type(f->as), ED25519);
	assert_int_equal(strncmp(auth_server_fingerprint(f->as), "SHA256:", 7), 0);
	assert_true(bytes_equal(auth_server_key(f->as), buf_bytes(&f->alice.blob)));

	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_KEY_PROVEN);
	expect_nothing(f);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_success(f);
	expect_nothing(f);
	assert_int_equal(auth_server_tries(f->as), 0);

	/* RFC 4252 section 5.1: requests after success are ignored */
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_nothing(f);
	/* any other message is denied, and so is all that follows */
	assert_int_equal(auth_server_input(f->as, (const uint8_t *)"\75", 1, &f->out),
	    AUTH_SERVER_DENIED);
	expect_denied(f, "unexpected message type 61");
}

/* Found by fuzzing: a second success was refused, and then forgotten. */
static void
test_second_success_is_refused_for_good(void **state)
{
	struct auth_server_lab *f = *state;

	begin_login(f);
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_KEY_PROVEN);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_success(f);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
	expect_denied(f, "not allowed in this state");
}

static void
test_proof_may_be_the_first_request(void **state)
{
	struct auth_server_lab *f = *state;

	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	/* the lookup may depend on the key */
	assert_string_equal(auth_server_method(f->as), "publickey");
	assert_string_equal(auth_server_key_type(f->as), ED25519);
	assert_int_equal(strlen(auth_server_fingerprint(f->as)), 7 + 43);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_KEY_PROVEN);
	expect_nothing(f);
}

/* Where the route depends on the key, each other key is looked up before it is decided upon. */
static void
test_each_key_is_looked_up(void **state)
{
	struct auth_server_lab *f = *state;

	begin_login(f);
	auth_server_each_key(f->as, 1);
	make_query(f, "alice", &f->mallory);
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(f->asked, 0);
	expect_nothing(f);
	/* a request that comes meanwhile waits, and has a lookup of its own */
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_LOOKUP);
	assert_int_equal(f->asked, 1);
	assert_int_equal(f->refusals, 1);
	buf_reset(&f->out);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_KEY_PROVEN);
	assert_int_equal(f->asked, 2);
	expect_nothing(f);
}

static void
test_the_same_key_is_looked_up_once(void **state)
{
	struct auth_server_lab *f = *state;

	begin_login(f);
	auth_server_each_key(f->as, 1);
	make_query(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_REPLY);
	expect_pk_ok(f, &f->alice);
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_KEY_PROVEN);
}

static void
test_hostbound_proof_logs_in(void **state)
{
	struct auth_server_lab *f = *state;

	begin_login(f);
	make_hostbound_proof(f, &f->alice, "our host key");
	assert_int_equal(send_request(f), AUTH_SERVER_KEY_PROVEN);
	assert_string_equal(auth_server_method(f->as), "publickey");
}

static void
test_hostbound_query_is_answered(void **state)
{
	struct auth_server_lab *f = *state;

	begin_login(f);
	make_request(f, "alice", "ssh-connection", HOSTBOUND);
	wire_put_bool(&f->message, 0);
	wire_put_text(&f->message, ED25519);
	wire_put_string(&f->message, f->alice.blob.data, f->alice.blob.len);
	wire_put_text(&f->message, "our host key");
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_pk_ok(f, &f->alice);
}

/* A proof that was made for another server, which passes it on. */
static void
test_hostbound_to_another_host_fails(void **state)
{
	struct auth_server_lab *f = *state;

	begin_login(f);
	make_hostbound_proof(f, &f->alice, "another host key");
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	assert_int_equal(auth_server_tries(f->as), 1);
	make_hostbound_proof(f, &f->alice, "");
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_failure(f);
}

static void
test_calls_out_of_turn_are_denied(void **state)
{
	struct auth_server_lab *f = *state;

	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
	expect_denied(f, "not allowed in this state");
	restart_server(f, 6, NULL);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_DENIED);
	restart_server(f, 6, NULL);
	begin_login(f);
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_DENIED);
	restart_server(f, 6, NULL);
	begin_login(f);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
	expect_nothing(f);
}

static void
test_banner_comes_once_before_the_first_reply(void **state)
{
	struct auth_server_lab *f = *state;

	restart_server(f, 6, "hello\n");
	make_request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	expect_nothing(f);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_REPLY);
	expect_banner(f, "hello\n");
	expect_failure(f);
	make_query(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_pk_ok(f, &f->alice);
	expect_nothing(f);
}

static void
test_banner_comes_before_success(void **state)
{
	struct auth_server_lab *f = *state;

	restart_server(f, 6, "hello\n");
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_KEY_PROVEN);
	expect_nothing(f);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_banner(f, "hello\n");
	expect_success(f);
	expect_nothing(f);
}

static void
test_banner_line_gets_an_end(void **state)
{
	struct auth_server_lab *f = *state;

	auth_server_banner("the machine behind does not answer", &f->out);
	expect_banner(f, "the machine behind does not answer\r\n");
	expect_nothing(f);
}

/* A reply for which there is no room is an error of the buffer alone. */
static void
test_full_buffer_has_the_error(void **state)
{
	struct auth_server_lab *f = *state;
	struct buf out;

	make_request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	buf_init(&out, 10);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &out), AUTH_SERVER_REPLY);
	assert_int_equal(buf_err(&out), ERR_TOOBIG);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_key_logs_in),
		T(test_second_success_is_refused_for_good),
		T(test_proof_may_be_the_first_request),
		T(test_each_key_is_looked_up),
		T(test_the_same_key_is_looked_up_once),
		T(test_hostbound_proof_logs_in),
		T(test_hostbound_query_is_answered),
		T(test_hostbound_to_another_host_fails),
		T(test_calls_out_of_turn_are_denied),
		T(test_banner_comes_once_before_the_first_reply),
		T(test_banner_comes_before_success),
		T(test_banner_line_gets_an_end),
		T(test_full_buffer_has_the_error),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
