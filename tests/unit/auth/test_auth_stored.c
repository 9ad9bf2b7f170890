/*
 * auth/auth_stored.c: what a stored password is sent in answer to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "auth/auth_stored.h"
#include "wire/ssh.h"
#include "auth_messages.h"

#define KBDINT "keyboard-interactive"
#define SECRET "the secret"

struct fixture {
	struct auth_client *ac;
	struct auth_stored s;
	struct buf in, out;
	int asked; /* times the password was asked for */
	int password_err;
};

static int
sign(void *ctx, const char *alg, const void *data, size_t len, struct buf *sig)
{
	wire_put_text(sig, alg);
	return 0;
}

static int
stored(void *ctx, struct secret **out, struct reason *reason)
{
	struct fixture *f = ctx;

	f->asked++;
	*out = NULL;
	if (f->password_err != 0) {
		reason_set(reason, "keys/pw: there is no such password");
		return f->password_err;
	}
	*out = secret_from(SECRET, strlen(SECRET));
	return 0;
}

static const struct auth_client_ops client_ops = { sign };
static const struct auth_stored_ops stored_ops = { stored };

static int
setup(void **state)
{
	const struct auth_client_config config = { .session_id = (const uint8_t *)"id",
		.session_id_len = 2,
		.user = "ubuntu",
		.blob = { (const uint8_t *)"\0\0\0\7ssh-rsa", 11 },
		.several = 1 };
	struct fixture *f = calloc(1, sizeof(*f));

	buf_init(&f->in, 1 << 16);
	buf_init(&f->out, 1 << 16);
	f->ac = auth_client_new(&config, &client_ops, f);
	assert_non_null(f->ac);
	f->s = (struct auth_stored){ .ops = &stored_ops, .ctx = f, .name = "pw", .has_key = 1 };
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	auth_client_free(&f->ac);
	buf_wipe(&f->in);
	buf_wipe(&f->out);
	free(f);
	return 0;
}

/* Hand over what is in f->in. */
static enum auth_client_verdict
input(struct fixture *f)
{
	enum auth_client_verdict v;

	buf_reset(&f->out);
	v = auth_client_input(f->ac, f->in.data, f->in.len, &f->out);
	v = auth_stored_step(&f->s, f->ac, v, &f->out);
	assert_int_equal(v == AUTH_CLIENT_SEND, f->out.len > 0);
	return v;
}

static enum auth_client_verdict
failure(struct fixture *f, const char *methods, int partial)
{
	put_failure(&f->in, methods, partial);
	return input(f);
}

static enum auth_client_verdict
question(struct fixture *f, uint32_t n, const char *prompt, int echo)
{
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_INFO_REQUEST);
	wire_put_text(&f->in, "");
	wire_put_text(&f->in, "");
	wire_put_text(&f->in, "");
	wire_put_u32(&f->in, n);
	for (; n > 0; n--) {
		wire_put_text(&f->in, prompt);
		wire_put_bool(&f->in, echo);
	}
	return input(f);
}

static enum auth_client_verdict
change_request(struct fixture *f)
{
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_PASSWD_CHANGEREQ);
	wire_put_text(&f->in, "too old");
	wire_put_text(&f->in, "");
	return input(f);
}

static enum auth_client_verdict
success(struct fixture *f)
{
	buf_reset(&f->in);
	buf_put_u8(&f->in, SSH_MSG_USERAUTH_SUCCESS);
	return input(f);
}

/* Is SECRET anywhere in what is to be sent? */
static int
secret_in(const struct buf *b)
{
	return b->len > 0 && memmem(b->data, b->len, SECRET, strlen(SECRET)) != NULL;
}

/* The one request in out is for this method. */
static void
assert_sent(struct fixture *f, const char *method)
{
	struct wire w;

	(void)sent_request(&f->out, method, &w);
	if (strcmp(method, "password") == 0) {
		assert_int_equal(wire_bool(&w), 0);
		assert_true(bytes_is(wire_string(&w), SECRET));
		assert_int_equal(wire_end(&w), 0);
	} else {
		assert_false(secret_in(&f->out));
	}
}

static void
assert_reason(const struct fixture *f, const char *word)
{
	if (strstr(f->s.reason, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", f->s.reason, word);
	assert_null(strstr(f->s.reason, SECRET));
}

static void
begin(struct fixture *f)
{
	assert_int_equal(auth_stored_begin(&f->s, f->ac, &f->out), AUTH_CLIENT_SEND);
	assert_sent(f, "none");
	assert_int_equal(f->asked, 0);
}

static void
test_password(void **state)
{
	struct fixture *f = *state;

	f->s.has_key = 0;
	begin(f);
	assert_int_equal(failure(f, "publickey,password,keyboard-interactive", 0),
	    AUTH_CLIENT_SEND);
	assert_sent(f, "password");
	assert_int_equal(success(f), AUTH_CLIENT_SUCCESS);
	assert_int_equal(f->asked, 1);
}

static void
test_key_is_enough(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_int_equal(failure(f, "password,publickey", 0), AUTH_CLIENT_SEND);
	assert_sent(f, "publickey");
	assert_int_equal(success(f), AUTH_CLIENT_SUCCESS);
	assert_int_equal(f->asked, 0);
}

static void
test_both_in_either_order(void **state)
{
	static const char *const orders[2][2] = { { "publickey", "password" },
		{ "password", "publickey" } };
	struct fixture *f;
	int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(setup((void **)&f), 0);
		begin(f);
		assert_int_equal(failure(f, orders[i][0], 0), AUTH_CLIENT_SEND);
		assert_sent(f, orders[i][0]);
		assert_int_equal(failure(f, orders[i][1], 1), AUTH_CLIENT_SEND);
		assert_sent(f, orders[i][1]);
		assert_int_equal(success(f), AUTH_CLIENT_SUCCESS);
		assert_int_equal(f->asked, 1);
		assert_int_equal(teardown((void **)&f), 0);
	}
}

/* A key that is refused leaves the password. */
static void
test_key_refused(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_int_equal(failure(f, "publickey,password", 0), AUTH_CLIENT_SEND);
	assert_sent(f, "publickey");
	assert_int_equal(failure(f, "publickey,password", 0), AUTH_CLIENT_SEND);
	assert_sent(f, "password");
	assert_int_equal(failure(f, "publickey,password", 0), AUTH_CLIENT_FAILED);
	assert_reason(f, "refused the mapped key and the password stored as pw");
	assert_reason(f, "sallyport key add pw --password");
}

/* Once, however often and in whatever way it is asked for. */
static void
test_never_twice(void **state)
{
	struct fixture *f = *state;

	f->s.has_key = 0;
	begin(f);
	assert_int_equal(failure(f, "password," KBDINT, 0), AUTH_CLIENT_SEND);
	assert_sent(f, "password");
	assert_int_equal(failure(f, "password," KBDINT, 0), AUTH_CLIENT_FAILED);
	assert_int_equal(f->asked, 1);
	assert_false(f->s.asks_more);
}

static void
test_conversation(void **state)
{
	struct fixture *f = *state;
	struct bytes m;
	struct wire w;

	f->s.has_key = 0;
	begin(f);
	assert_int_equal(failure(f, KBDINT, 0), AUTH_CLIENT_SEND);
	assert_sent(f, KBDINT);
	/* something to read comes first and last */
	assert_int_equal(question(f, 0, "", 0), AUTH_CLIENT_SEND);
	assert_false(secret_in(&f->out));
	assert_int_equal(question(f, 1, "Password: ", 0), AUTH_CLIENT_SEND);
	wire_init(&w, f->out.data, f->out.len);
	m = wire_string(&w);
	assert_int_equal(wire_end(&w), 0);
	wire_init(&w, m.p, m.len);
	assert_int_equal(wire_u8(&w), SSH_MSG_USERAUTH_INFO_RESPONSE);
	assert_int_equal(wire_u32(&w), 1);
	assert_true(bytes_is(wire_string(&w), SECRET));
	assert_int_equal(wire_end(&w), 0);
	assert_int_equal(question(f, 0, "", 0), AUTH_CLIENT_SEND);
	assert_false(secret_in(&f->out));
	assert_int_equal(success(f), AUTH_CLIENT_SUCCESS);
	assert_int_equal(f->asked, 1);
}

/* A question that only the user can answer gets no password. */
static void
test_conversation_that_asks_for_something_else(void **state)
{
	static const struct {
		uint32_t n;
		int echo;
	} asked[] = { { 1, 1 }, { 2, 0 }, { 100, 0 } };
	struct fixture *f;
	size_t i;

	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		assert_int_equal(setup((void **)&f), 0);
		begin(f);
		assert_int_equal(failure(f, KBDINT, 0), AUTH_CLIENT_SEND);
		assert_int_equal(question(f, asked[i].n, "Code\n\033[2J: ", asked[i].echo),
		    AUTH_CLIENT_FAILED);
		assert_int_equal(f->asked, 0);
		assert_true(f->s.asks_more);
		assert_reason(f, "asks for more than a stored password can answer: \"Code");
		assert_null(strchr(f->s.reason, '\n'));
		assert_null(strchr(f->s.reason, '\033'));
		assert_int_equal(teardown((void **)&f), 0);
	}
}

/* "New password:" after it (an account whose password has expired). */
static void
test_conversation_that_goes_on(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_int_equal(failure(f, KBDINT, 0), AUTH_CLIENT_SEND);
	assert_int_equal(question(f, 1, "Password: ", 0), AUTH_CLIENT_SEND);
	assert_int_equal(question(f, 1, SECRET ", you say?  New password: ", 0),
	    AUTH_CLIENT_FAILED);
	assert_int_equal(f->asked, 1);
	assert_true(f->s.asks_more);
	assert_reason(f, "it may want the password stored as pw changed");
}

static void
test_change_request(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_int_equal(failure(f, "password", 0), AUTH_CLIENT_SEND);
	assert_int_equal(change_request(f), AUTH_CLIENT_FAILED);
	assert_true(f->s.asks_more);
	assert_reason(f, "wants the password stored as pw changed");
}

static void
test_wants_more(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_int_equal(failure(f, "publickey", 0), AUTH_CLIENT_SEND);
	assert_int_equal(failure(f, "password", 1), AUTH_CLIENT_SEND);
	assert_int_equal(failure(f, "hostbased", 1), AUTH_CLIENT_FAILED);
	assert_reason(f, "accepted the stored key and password but wants more: hostbased");
}

/* The log does not get to see what the upstream has made of the password. */
static void
test_offers_that_say_it_back(void **state)
{
	struct fixture *f = *state;

	f->s.has_key = 0;
	begin(f);
	assert_int_equal(failure(f, "password", 0), AUTH_CLIENT_SEND);
	assert_int_equal(failure(f, "hostbased," SECRET, 0), AUTH_CLIENT_FAILED);
	assert_null(strstr(f->s.reason, SECRET));
	assert_reason(f, "it offers hostbased");
	assert_int_equal(teardown(state), 0);

	assert_int_equal(setup(state), 0);
	f = *state;
	begin(f);
	assert_int_equal(failure(f, "password", 0), AUTH_CLIENT_SEND);
	assert_int_equal(failure(f, SECRET, 1), AUTH_CLIENT_FAILED);
	assert_null(strstr(f->s.reason, SECRET));
	assert_reason(f, "wants more: something else");
}

static void
test_nothing_fits(void **state)
{
	struct fixture *f = *state;

	f->s.has_key = 0;
	begin(f);
	assert_int_equal(failure(f, "publickey,gssapi-with-mic", 0), AUTH_CLIENT_FAILED);
	assert_reason(f, "publickey,gssapi-with-mic");
	assert_int_equal(f->asked, 0);
}

static void
test_no_password_there(void **state)
{
	struct fixture *f = *state;

	f->password_err = ERR_NOTFOUND;
	begin(f);
	assert_int_equal(failure(f, "password", 0), AUTH_CLIENT_FAILED);
	assert_reason(f, "there is no such password");
}

/* A question before anything was asked for, as RFC 4252 does not have it. */
static void
test_question_out_of_place(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_int_equal(question(f, 1, "Password: ", 0), AUTH_CLIENT_FAILED);
	assert_int_equal(f->asked, 0);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_password),
		TEST(test_key_is_enough),
		cmocka_unit_test(test_both_in_either_order),
		TEST(test_key_refused),
		TEST(test_never_twice),
		TEST(test_conversation),
		cmocka_unit_test(test_conversation_that_asks_for_something_else),
		TEST(test_conversation_that_goes_on),
		TEST(test_change_request),
		TEST(test_wants_more),
		TEST(test_offers_that_say_it_back),
		TEST(test_nothing_fits),
		TEST(test_no_password_there),
		TEST(test_question_out_of_place),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
