/*
 * auth/auth_server.c and auth_client.c: passwords and conversations that the upstream has to judge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "auth/auth_client.h"
#include "auth/auth_methods.h"
#include "wire/methods.h"
#include "auth/auth_server.h"
#include "wire/ssh.h"
#include "auth_messages.h"

#define KBDINT "keyboard-interactive"

struct fixture {
	struct auth_server *as;
	struct auth_client *ac;
	struct buf in, out, up;
	int failures;
};

static int
no_key(void *ctx, const char *alg, struct bytes blob)
{
	return 0;
}

static int
no_verify(void *ctx, const char *alg, struct bytes blob, struct bytes sig, const void *data,
    size_t len)
{
	return ERR_AUTH;
}

static void
failed(void *ctx)
{
	((struct fixture *)ctx)->failures++;
}

static int
no_sign(void *ctx, const char *alg, const void *data, size_t len, struct buf *sig)
{
	return ERR_AUTH;
}

static const struct auth_server_ops server_ops = { no_key, no_verify, failed, NULL };
static const struct auth_client_ops client_ops = { no_sign };

static int
setup(void **state)
{
	const struct auth_server_config server = { .session_id = (const uint8_t *)"id",
		.session_id_len = 2,
		.max_tries = 3,
		.hint = "the hint" };
	const struct auth_client_config client = { .session_id = (const uint8_t *)"id",
		.session_id_len = 2,
		.user = "ubuntu",
		.several = 1 };
	struct fixture *f = calloc(1, sizeof(*f));

	buf_init(&f->in, 1 << 20);
	buf_init(&f->out, 1 << 20);
	buf_init(&f->up, 1 << 20);
	f->as = auth_server_new(&server, &server_ops, f);
	f->ac = auth_client_new(&client, &client_ops, f);
	assert_non_null(f->as);
	assert_non_null(f->ac);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	auth_server_free(&f->as);
	auth_client_free(&f->ac);
	buf_free(&f->in);
	buf_free(&f->out);
	buf_free(&f->up);
	free(f);
	return 0;
}

static void
request(struct fixture *f, const char *method)
{
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_REQUEST);
	wire_put_text(&f->in, "alice");
	wire_put_text(&f->in, "ssh-connection");
	wire_put_text(&f->in, method);
}

static void
password(struct fixture *f, const char *old, const char *new)
{
	request(f, "password");
	wire_put_bool(&f->in, new != NULL);
	wire_put_text(&f->in, old);
	if (new != NULL)
		wire_put_text(&f->in, new);
}

static void
conversation(struct fixture *f)
{
	request(f, KBDINT);
	wire_put_text(&f->in, "en");
	wire_put_text(&f->in, "pam");
}

static void
response(struct fixture *f, uint32_t n)
{
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_INFO_RESPONSE);
	wire_put_u32(&f->in, n);
	for (; n > 0; n--)
		wire_put_text(&f->in, "answer");
}

static enum auth_server_verdict
from_client(struct fixture *f)
{
	return auth_server_input(f->as, f->in.data, f->in.len, &f->out);
}

static enum auth_client_verdict
from_upstream(struct fixture *f)
{
	return auth_client_input(f->ac, f->in.data, f->in.len, &f->up);
}

/* Past the lookup. */
static void
begin(struct fixture *f, const char *methods)
{
	request(f, "none");
	assert_int_equal(from_client(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, methods, &f->out), AUTH_SERVER_REPLY);
	buf_reset(&f->out);
}

static void
upstream_failure(struct fixture *f, const char *methods, int partial)
{
	put_failure(&f->in, methods, partial);
}

static void
info_request(struct fixture *f, uint32_t prompts)
{
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_INFO_REQUEST);
	wire_put_text(&f->in, "name");
	wire_put_text(&f->in, "instruction");
	wire_put_text(&f->in, "");
	wire_put_u32(&f->in, prompts);
	for (; prompts > 0; prompts--) {
		wire_put_text(&f->in, "prompt");
		wire_put_bool(&f->in, 0);
	}
}

/* The one message in out is a failure that says this. */
static void
expect_failure(struct fixture *f, const char *methods, int partial)
{
	struct bytes m;
	struct wire w;

	wire_init(&w, f->out.data, f->out.len);
	m = wire_string(&w);
	assert_int_equal(wire_end(&w), 0);
	wire_init(&w, m.p, m.len);
	assert_int_equal(wire_u8(&w), SSH_MSG_USERAUTH_FAILURE);
	assert_true(bytes_is(wire_string(&w), methods));
	assert_int_equal(wire_bool(&w), partial);
	assert_int_equal(wire_end(&w), 0);
	buf_reset(&f->out);
}

/* Send the pending request of the client upstream. */
static void
carry(struct fixture *f, enum auth_server_pending kind)
{
	struct bytes m;

	assert_int_equal(auth_server_pending(f->as, &m), kind);
	buf_reset(&f->up);
	if (kind == AUTH_SERVER_RESPONSE)
		assert_int_equal(auth_client_respond(f->ac, m, &f->up), AUTH_CLIENT_SEND);
	else
		assert_int_equal(auth_client_relay(f->ac, auth_server_method(f->as), m, &f->up),
		    AUTH_CLIENT_SEND);
	assert_int_equal(buf_err(&f->up), 0);
}

/* And the question back. */
static void
ask(struct fixture *f)
{
	struct bytes q;

	assert_int_equal(from_upstream(f), AUTH_CLIENT_ASKED);
	q = auth_client_question(f->ac);
	assert_true(bytes_equal(q, buf_bytes(&f->in)));
	assert_int_equal(auth_server_ask(f->as, q.p, q.len, 0, &f->out), AUTH_SERVER_REPLY);
	assert_int_equal(f->out.len, 4 + q.len);
	buf_reset(&f->out);
}

/* The upstream gets the same, under its own user's name. */
static void
test_password_arrives_byte_for_byte(void **state)
{
	struct fixture *f = *state;
	struct bytes m, p;
	struct wire w;

	begin(f, "password");
	password(f, "secret", NULL);
	assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
	assert_int_equal(auth_server_password(f->as, &p), 0);
	assert_true(bytes_is(p, "secret"));
	carry(f, AUTH_SERVER_PASSWORD);
	m = sent_request(&f->up, "password", &w);
	assert_int_equal(wire_bool(&w), 0);
	assert_true(bytes_is(wire_string(&w), "secret"));
	assert_int_equal(wire_end(&w), 0);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_REPLY);
	assert_int_equal(auth_server_pending(f->as, &m), AUTH_SERVER_NOTHING);
	assert_int_equal(m.len, 0);
}

static void
test_tries_are_counted(void **state)
{
	struct fixture *f = *state;
	int i;

	begin(f, "password");
	for (i = 1; i <= 3; i++) {
		password(f, "wrong", NULL);
		assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
		carry(f, AUTH_SERVER_PASSWORD);
		upstream_failure(f, "password", 0);
		assert_int_equal(from_upstream(f), AUTH_CLIENT_REFUSED);
		assert_false(auth_client_partial(f->ac));
		assert_int_equal(auth_server_failure(f->as, &f->out),
		    i < 3 ? AUTH_SERVER_REPLY : AUTH_SERVER_DENIED);
		assert_int_equal(f->failures, i);
		if (i < 3)
			expect_failure(f, "password", 0);
	}
}

static void
test_password_change(void **state)
{
	struct fixture *f = *state;
	struct bytes p;

	begin(f, "password");
	password(f, "old", NULL);
	assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
	carry(f, AUTH_SERVER_PASSWORD);
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_PASSWD_CHANGEREQ);
	wire_put_text(&f->in, "too old");
	wire_put_text(&f->in, "en");
	ask(f);
	password(f, "old", "new");
	assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
	assert_int_equal(auth_server_password(f->as, &p), ERR_FORMAT);
	carry(f, AUTH_SERVER_PASSWORD);
	/* an INFO_RESPONSE never answers it */
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_PASSWD_CHANGEREQ);
	wire_put_text(&f->in, "too short");
	wire_put_text(&f->in, "en");
	ask(f);
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_INFO_RESPONSE);
	wire_put_u32(&f->in, UINT32_MAX);
	assert_int_equal(from_client(f), AUTH_SERVER_DENIED);
}

static void
test_conversation_of_several_rounds(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	begin(f, KBDINT);
	conversation(f);
	assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
	carry(f, AUTH_SERVER_CONVERSATION);
	for (n = 0; n < 4; n++) {
		info_request(f, n);
		ask(f);
		response(f, n);
		assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
		carry(f, AUTH_SERVER_RESPONSE);
	}
	upstream_failure(f, "password", 1);
	assert_int_equal(from_upstream(f), AUTH_CLIENT_REFUSED);
	assert_true(auth_client_partial(f->ac));
	assert_int_equal(auth_server_partial(f->as, auth_client_methods(f->ac), &f->out),
	    AUTH_SERVER_REPLY);
	expect_failure(f, "password", 1);
	assert_int_equal(f->failures, 0);
	/* what was passed is no longer there */
	conversation(f);
	assert_int_equal(from_client(f), AUTH_SERVER_REPLY);
	expect_failure(f, "password", 0);
}

/* Each counts where the caller says so, as the try that it was. */
static void
test_conversations_given_up(void **state)
{
	struct fixture *f = *state;
	int i;

	begin(f, KBDINT);
	for (i = 0; i <= 6; i++) {
		conversation(f);
		/* of the questions, the first four do not count */
		assert_int_equal(from_client(f),
		    i < 7 - 1 ? AUTH_SERVER_PENDING : AUTH_SERVER_DENIED);
		assert_int_equal(f->failures, i <= 3 ? 0 : i - 3);
		assert_string_equal(auth_server_method(f->as), KBDINT);
		if (i == 6)
			break;
		info_request(f, 1);
		assert_int_equal(auth_server_ask(f->as, f->in.data, f->in.len, i >= 3, &f->out),
		    AUTH_SERVER_REPLY);
		buf_reset(&f->out);
	}
}

/* The answer to a single question can be used as a password; two answers cannot. */
static void
test_single_answer_is_a_password(void **state)
{
	struct fixture *f = *state;
	struct bytes p;

	begin(f, KBDINT);
	conversation(f);
	assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
	assert_int_equal(auth_server_password(f->as, &p), ERR_FORMAT);
	info_request(f, 1);
	assert_int_equal(auth_server_ask(f->as, f->in.data, f->in.len, 0, &f->out),
	    AUTH_SERVER_REPLY);
	assert_int_equal(auth_server_password(f->as, &p), ERR_FORMAT);
	response(f, 1);
	assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
	assert_int_equal(auth_server_password(f->as, &p), 0);
	assert_true(bytes_is(p, "answer"));
	assert_string_equal(auth_server_method(f->as), KBDINT);
	info_request(f, 2);
	assert_int_equal(auth_server_ask(f->as, f->in.data, f->in.len, 0, &f->out),
	    AUTH_SERVER_REPLY);
	response(f, 2);
	assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
	assert_int_equal(auth_server_password(f->as, &p), ERR_FORMAT);
	assert_int_equal(p.len, 0);
	buf_reset(&f->out);
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_failure(f, KBDINT, 0);
	assert_int_equal(f->failures, 1);
}

static void
test_wrong_number_of_answers_is_denied(void **state)
{
	struct fixture *f = *state;

	begin(f, KBDINT);
	conversation(f);
	assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
	carry(f, AUTH_SERVER_CONVERSATION);
	info_request(f, 2);
	ask(f);
	response(f, 3);
	assert_int_equal(from_client(f), AUTH_SERVER_DENIED);
}

static void
test_answer_without_a_question_is_denied(void **state)
{
	struct fixture *f = *state;

	begin(f, KBDINT);
	conversation(f);
	assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
	response(f, 0);
	assert_int_equal(from_client(f), AUTH_SERVER_DENIED);
}

/* Another request gives the conversation up; without end it is denied. */
static void
test_client_may_give_up(void **state)
{
	struct fixture *f = *state;
	enum auth_server_verdict v = AUTH_SERVER_PENDING;
	int i;

	begin(f, "password," KBDINT);
	for (i = 0; i < AUTH_SERVER_QUERIES_MAX + 2 && v == AUTH_SERVER_PENDING; i++) {
		conversation(f);
		v = from_client(f);
		if (v != AUTH_SERVER_PENDING)
			break;
		carry(f, AUTH_SERVER_CONVERSATION);
		info_request(f, 1);
		ask(f);
	}
	assert_int_equal(v, AUTH_SERVER_DENIED);
	assert_in_range(i, 10, AUTH_SERVER_QUERIES_MAX + 1);
}

/* While one password is judged, the next one waits. */
static void
test_requests_during_a_conversation_wait(void **state)
{
	struct fixture *f = *state;
	struct bytes p;

	begin(f, "password");
	password(f, "one", NULL);
	assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
	password(f, "two", NULL);
	assert_int_equal(from_client(f), AUTH_SERVER_REPLY);
	assert_int_equal(f->out.len, 0);
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_PENDING);
	expect_failure(f, "password", 0);
	assert_int_equal(auth_server_password(f->as, &p), 0);
	assert_true(bytes_is(p, "two"));
}

/* Not offered, it is not even looked at; malformed, it is denied. */
static void
test_what_is_not_carried(void **state)
{
	struct fixture *f = *state;

	begin(f, "publickey");
	password(f, "secret", NULL);
	assert_int_equal(from_client(f), AUTH_SERVER_REPLY);
	expect_failure(f, "publickey", 0);
	assert_int_equal(f->failures, 1);
	assert_int_equal(auth_server_set_methods(f->as, "password"), 0);
	password(f, "secret", NULL);
	f->in.len--;
	assert_int_equal(from_client(f), AUTH_SERVER_DENIED);
}

static void
test_decline_does_not_count(void **state)
{
	struct fixture *f = *state;

	begin(f, KBDINT);
	conversation(f);
	assert_int_equal(from_client(f), AUTH_SERVER_PENDING);
	assert_int_equal(auth_server_set_methods(f->as, "password"), 0);
	assert_int_equal(auth_server_decline(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_failure(f, "password", 0);
	assert_int_equal(auth_server_tries(f->as), 0);
	/* nothing is in hand any more */
	assert_int_equal(auth_server_partial(f->as, "password", &f->out), AUTH_SERVER_DENIED);
}

/* A hostile upstream. */
static void
test_questions_out_of_turn_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(auth_client_probe(f->ac, &f->up), AUTH_CLIENT_SEND);
	info_request(f, 1);
	assert_int_equal(from_upstream(f), AUTH_CLIENT_FAILED);
}

static void
test_too_many_questions_are_refused(void **state)
{
	struct fixture *f = *state;
	struct bytes none = { NULL, 0 };

	assert_int_equal(auth_client_relay(f->ac, KBDINT, none, &f->up), AUTH_CLIENT_SEND);
	info_request(f, AUTH_CLIENT_PROMPTS_MAX + 1);
	assert_int_equal(from_upstream(f), AUTH_CLIENT_FAILED);
}

static void
test_success_before_the_answer_fails(void **state)
{
	struct fixture *f = *state;
	struct bytes none = { NULL, 0 };

	assert_int_equal(auth_client_relay(f->ac, KBDINT, none, &f->up), AUTH_CLIENT_SEND);
	info_request(f, 1);
	assert_int_equal(from_upstream(f), AUTH_CLIENT_ASKED);
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_SUCCESS);
	assert_int_equal(from_upstream(f), AUTH_CLIENT_FAILED);
}

static void
methods(struct auth_methods *m, struct strlist *l, const char *words)
{
	strlist_free(l);
	assert_int_equal(strlist_add_words(l, words), 0);
	auth_methods_init(m, l);
}

static void
expect_next(const struct auth_methods *m, const char *want)
{
	char next[AUTH_METHODS_NEXT_SIZE];

	auth_methods_next(m, next);
	assert_string_equal(next, want);
}

static void
test_lists_of_methods(void **state)
{
	struct strlist l = { 0 };
	struct auth_methods m;

	(void)state;
	methods(&m, &l, "publickey,password");
	expect_next(&m, "publickey");
	assert_false(auth_methods_step(&m, "password"));
	assert_false(auth_methods_step(&m, "none"));
	assert_false(auth_methods_step(&m, "publickey"));
	expect_next(&m, "password");
	assert_false(auth_methods_step(&m, "publickey"));
	assert_true(auth_methods_step(&m, "password"));
	methods(&m, &l, "publickey,password publickey," KBDINT " password");
	expect_next(&m, "publickey,password");
	assert_false(auth_methods_step(&m, "publickey"));
	expect_next(&m, "password," KBDINT);
	assert_true(auth_methods_step(&m, KBDINT));
	methods(&m, &l, "publickey,publickey,password");
	assert_false(auth_methods_step(&m, "publickey"));
	expect_next(&m, "publickey");
	assert_false(auth_methods_step(&m, "password"));
	assert_false(auth_methods_step(&m, "publickey"));
	expect_next(&m, "password");
	assert_true(auth_methods_step(&m, "password"));
	methods(&m, &l, "publickey,publickey publickey,password");
	assert_false(auth_methods_step(&m, "publickey"));
	expect_next(&m, "publickey,password");
	assert_true(auth_methods_step(&m, "publickey"));
	auth_methods_init(&m, NULL);
	expect_next(&m, "");
	assert_false(auth_methods_step(&m, "publickey"));
	strlist_free(&l);
}

/* A device of keyboard-interactive is a method of its own, with the same name between client and gateway. */
static void
test_lists_with_devices(void **state)
{
	struct strlist l = { 0 };
	struct auth_methods m;

	(void)state;
	methods(&m, &l, "publickey," METHOD_TOTP " " KBDINT "," METHOD_TOTP);
	expect_next(&m, "publickey," KBDINT);
	assert_false(auth_methods_begun(&m));
	assert_false(auth_methods_device_to_come(&m));
	assert_string_equal(auth_methods_conversation(&m, ""), KBDINT);
	assert_false(auth_methods_step(&m, METHOD_TOTP));
	assert_false(auth_methods_begun(&m));
	assert_false(auth_methods_step(&m, KBDINT));
	assert_true(auth_methods_begun(&m));
	assert_true(auth_methods_device_to_come(&m));
	assert_string_equal(auth_methods_conversation(&m, ""), METHOD_TOTP);
	assert_false(auth_methods_step(&m, KBDINT));
	assert_true(auth_methods_step(&m, METHOD_TOTP));
	assert_null(auth_methods_conversation(&m, ""));
	assert_false(auth_methods_device_to_come(&m));

	/* not if the list with it has not begun, or it has been passed; else also behind another */
	methods(&m, &l, "password," METHOD_TOTP " publickey,password");
	assert_false(auth_methods_step(&m, "publickey"));
	assert_false(auth_methods_device_to_come(&m));
	methods(&m, &l, METHOD_TOTP ",publickey,password," METHOD_FACTOR);
	assert_false(auth_methods_step(&m, METHOD_TOTP));
	assert_true(auth_methods_device_to_come(&m));
	methods(&m, &l, METHOD_TOTP ",publickey,password");
	assert_false(auth_methods_step(&m, METHOD_TOTP));
	assert_false(auth_methods_device_to_come(&m));

	methods(&m, &l, "publickey," METHOD_TOTP " publickey," METHOD_FACTOR);
	assert_null(auth_methods_conversation(&m, ""));
	assert_false(auth_methods_step(&m, "publickey"));
	expect_next(&m, KBDINT);
	assert_string_equal(auth_methods_conversation(&m, ""), METHOD_TOTP);
	assert_string_equal(auth_methods_conversation(&m, "pam,factor"), METHOD_FACTOR);
	assert_string_equal(auth_methods_conversation(&m, "factors,tot"), METHOD_TOTP);
	assert_true(auth_methods_step(&m, METHOD_FACTOR));
	strlist_free(&l);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_password_arrives_byte_for_byte),
		T(test_tries_are_counted),
		T(test_password_change),
		T(test_conversation_of_several_rounds),
		T(test_conversations_given_up),
		T(test_single_answer_is_a_password),
		T(test_wrong_number_of_answers_is_denied),
		T(test_answer_without_a_question_is_denied),
		T(test_client_may_give_up),
		T(test_requests_during_a_conversation_wait),
		T(test_what_is_not_carried),
		T(test_decline_does_not_count),
		T(test_questions_out_of_turn_are_refused),
		T(test_too_many_questions_are_refused),
		T(test_success_before_the_answer_fails),
		cmocka_unit_test(test_lists_of_methods),
		cmocka_unit_test(test_lists_with_devices),
	};

	return cmocka_run_group_tests_name("auth_carry", tests, NULL, NULL);
}
