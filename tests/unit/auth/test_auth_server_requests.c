/*
 * auth/auth_server.c: names, services and methods in requests, messages that are malformed, and several
 * requests at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth_server_lab.h"
#include "wire/ssh.h"

static void
test_change_of_user_is_denied(void **state)
{
	static const char *const users[] = { "bob", "", "alic", "alicee", "alice\n", "Alice" };
	struct auth_server_lab *f = *state;
	size_t i;

	for (i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		restart_server(f, 6, NULL);
		begin_login(f);
		make_proof(f, users[i], &f->alice);
		assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
		assert_int_equal(f->asked + f->verified, 0);
		assert_string_equal(auth_server_login(f->as), "alice");
		expect_denied(f, "Change of username or service not allowed");
	}
}

static void
test_change_of_service_is_denied(void **state)
{
	struct auth_server_lab *f = *state;

	begin_login(f);
	make_request(f, "alice", "ssh-userauth", "none");
	assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
	expect_denied(f, "Change of username or service not allowed");
}

static void
test_unknown_service_is_denied(void **state)
{
	struct auth_server_lab *f = *state;

	make_request(f, "alice", "ssh-connectio", "none");
	assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
	expect_denied(f, "unknown service");
}

/* A name that no login can have gets the answers of a login that does not exist, without a lookup. */
static void
test_bad_names_are_not_looked_up(void **state)
{
	static const char *const names[] = { "", "-oProxyCommand=id", "../../etc/passwd", "a/b",
		"alice\n", "\033]0;x\007", "\377\376", "a\342\200\256b" };
	struct auth_server_lab *f = *state;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		restart_server(f, 2, "hello\n");
		make_request(f, names[i], "ssh-connection", "none");
		assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
		expect_banner(f, "hello\n");
		expect_failure(f);
		assert_string_equal(auth_server_login(f->as), "");
		assert_true(bytes_is(auth_server_raw_login(f->as), names[i]));
		make_query(f, names[i], &f->alice);
		assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
		expect_failure(f);
		make_proof(f, names[i], &f->alice);
		expect_counted_failure(f, 1);
		assert_int_equal(f->asked, 0);
		assert_int_equal(f->verified, 1);
		make_proof(f, names[i], &f->alice);
		assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
		expect_denied(f, "Too many authentication failures");
	}
}

static void
test_long_names_are_not_looked_up(void **state)
{
	static const size_t lengths[] = { 256, 1024, 65000, 65536, 1 << 20 };
	struct auth_server_lab *f = *state;
	char *name = malloc(1 << 20);
	size_t i;

	memset(name, 'a', 1 << 20);
	make_request_as(f, name, 255);
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(strlen(auth_server_login(f->as)), 255);
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		restart_server(f, 6, NULL);
		make_request_as(f, name, lengths[i]);
		if (f->message.len > AUTH_SERVER_MESSAGE_MAX) {
			assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
			expect_denied(f, "authentication request too large");
			continue;
		}
		assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
		expect_failure(f);
		assert_string_equal(auth_server_login(f->as), "");
		assert_int_equal(auth_server_raw_login(f->as).len, 255);
		make_request_as(f, name, lengths[i] - 1);
		assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
		expect_denied(f, "Change of username or service not allowed");
	}
	free(name);
}

/* A name does not end at its NUL. */
static void
test_name_with_a_nul_is_not_looked_up(void **state)
{
	struct auth_server_lab *f = *state;

	make_request_as(f, "alice\0root", 10);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	assert_string_equal(auth_server_login(f->as), "");
	assert_int_equal(auth_server_raw_login(f->as).len, 10);
	restart_server(f, 6, NULL);
	begin_login(f);
	make_request_as(f, "alice\0", 6);
	assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
}

static void
test_unknown_methods_fail(void **state)
{
	static const char *const methods[] = { "", "publickey,none", "publickey ", "\n",
		"hostbased", "keyboard-interactive", "publickey-hostbound-v01@openssh.com",
		"a-name-of-more-than-sixty-four-letters-is-not-a-name-of-ssh-at-all" };
	struct auth_server_lab *f = *state;
	size_t i;

	restart_server(f, 100, NULL);
	begin_login(f);
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		make_request(f, "alice", "ssh-connection", methods[i]);
		wire_put_text(&f->message, "what comes here is not looked at");
		expect_counted_failure(f, (int)i + 1);
		assert_null(strpbrk(auth_server_method(f->as), " \n"));
		assert_string_equal(auth_server_fingerprint(f->as), "");
		assert_int_equal(auth_server_key(f->as).len, 0);
	}
	assert_string_equal(auth_server_method(f->as), "unknown");
}

static void
test_every_truncation_is_denied(void **state)
{
	struct auth_server_lab *f = *state;
	struct buf good;
	uint8_t *cut;
	size_t len, kind;

	buf_init(&good, 10000);
	for (kind = 0; kind < 3; kind++) {
		if (kind == 0)
			make_query(f, "alice", &f->alice);
		else if (kind == 1)
			make_proof(f, "alice", &f->alice);
		else
			make_hostbound_proof(f, &f->alice, "our host key");
		buf_reset(&good);
		buf_put(&good, f->message.data, f->message.len);
		for (len = 0; len < good.len; len++) {
			restart_server(f, 6, NULL);
			cut = malloc(len == 0 ? 1 : len);
			memcpy(cut, good.data, len);
			assert_int_equal(auth_server_input(f->as, cut, len, &f->out),
			    AUTH_SERVER_DENIED);
			free(cut);
			expect_denied(f, "malformed authentication request");
			restart_server(f, 6, NULL);
			begin_login(f);
			assert_int_equal(auth_server_input(f->as, good.data, len, &f->out),
			    AUTH_SERVER_DENIED);
		}
		restart_server(f, 6, NULL);
		buf_put_u8(&good, 0);
		assert_int_equal(auth_server_input(f->as, good.data, good.len, &f->out),
		    AUTH_SERVER_DENIED);
		expect_denied(f, "malformed authentication request");
	}
	buf_free(&good);
}

static void
test_length_beyond_the_message_is_denied(void **state)
{
	static const uint8_t message[] = { 50, 0xff, 0xff, 0xff, 0xff, 'a' };
	struct auth_server_lab *f = *state;

	assert_int_equal(auth_server_input(f->as, message, sizeof(message), &f->out),
	    AUTH_SERVER_DENIED);
	expect_denied(f, "malformed authentication request");
}

static void
test_messages_of_other_types_are_denied(void **state)
{
	struct auth_server_lab *f = *state;
	uint8_t message[5] = { 0 };
	int type, when;

	for (when = 0; when < 3; when++) {
		for (type = 0; type < 256; type++) {
			if (type == SSH_MSG_USERAUTH_REQUEST)
				continue;
			restart_server(f, 6, NULL);
			if (when > 0) {
				begin_login(f);
				make_proof(f, "alice", &f->alice);
			}
			if (when == 2)
				assert_int_equal(send_request(f), AUTH_SERVER_KEY_PROVEN);
			message[0] = (uint8_t)type;
			assert_int_equal(auth_server_input(f->as, message, sizeof(message),
					     &f->out),
			    AUTH_SERVER_DENIED);
			assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
			expect_nothing(f);
		}
	}
}

static void
test_requests_during_a_lookup_wait(void **state)
{
	struct auth_server_lab *f = *state;

	make_request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	make_query(f, "alice", &f->mallory);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	make_query(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	make_proof(f, "alice", &f->mallory);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	expect_nothing(f);
	assert_int_equal(f->asked, 0);

	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_KEY_PROVEN);
	expect_failure(f);
	expect_failure(f);
	expect_pk_ok(f, &f->alice);
	expect_nothing(f);
	/* auth_server_key() is the key that was proven, whatever came behind it */
	assert_true(bytes_equal(auth_server_key(f->as), buf_bytes(&f->alice.blob)));
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_failure(f);
	expect_failure(f);
	expect_nothing(f);
	assert_int_equal(f->failures, 2);
}

static void
test_success_drops_the_requests_behind_it(void **state)
{
	struct auth_server_lab *f = *state;

	begin_login(f);
	make_proof(f, "alice", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_KEY_PROVEN);
	make_proof(f, "alice", &f->mallory);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	/* while another proof waits, auth_server_key() is still that of alice */
	assert_true(bytes_equal(auth_server_key(f->as), buf_bytes(&f->alice.blob)));
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_success(f);
	expect_nothing(f);
}

static void
test_change_of_user_behind_a_request_is_denied(void **state)
{
	struct auth_server_lab *f = *state;

	make_request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	make_proof(f, "bob", &f->alice);
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_DENIED);
	expect_failure(f); /* the answer to the first */
	expect_denied(f, "Change of username or service not allowed");
}

static void
test_too_many_requests_at_once_are_denied(void **state)
{
	struct auth_server_lab *f = *state;
	int i;

	make_request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	for (i = 0; i < AUTH_SERVER_PENDING_MAX; i++)
		assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
	expect_denied(f, "too many requests at once");
}

static void
test_too_many_bytes_at_once_are_denied(void **state)
{
	struct auth_server_lab *f = *state;

	make_request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_request(f), AUTH_SERVER_LOOKUP);
	make_request(f, "alice", "ssh-connection", "password");
	wire_put_u32(&f->message, 40000);
	memset(buf_reserve(&f->message, 40000), 'x', 40000);
	f->message.len += 40000;
	assert_int_equal(send_request(f), AUTH_SERVER_REPLY);
	assert_int_equal(send_request(f), AUTH_SERVER_DENIED);
	expect_denied(f, "too many requests at once");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_change_of_user_is_denied),
		T(test_change_of_service_is_denied),
		T(test_unknown_service_is_denied),
		T(test_bad_names_are_not_looked_up),
		T(test_long_names_are_not_looked_up),
		T(test_name_with_a_nul_is_not_looked_up),
		T(test_unknown_methods_fail),
		T(test_every_truncation_is_denied),
		T(test_length_beyond_the_message_is_denied),
		T(test_messages_of_other_types_are_denied),
		T(test_requests_during_a_lookup_wait),
		T(test_success_drops_the_requests_behind_it),
		T(test_change_of_user_behind_a_request_is_denied),
		T(test_too_many_requests_at_once_are_denied),
		T(test_too_many_bytes_at_once_are_denied),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
