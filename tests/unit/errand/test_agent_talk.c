/*
 * errand/agent_talk.c: what an ssh-agent answers, and what it does not.  Its answers wait in the socket already.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cert_samples.h"
#include "errand/agent_talk.h"

#define FAILURE "\0\0\0\1\5"
#define SIGNED "\0\0\0\7\16\0\0\0\2ab"
#define NO_KEYS "\0\0\0\5\14\0\0\0\0"

struct conversation {
	int agent[2], keeper[2];
	struct buf sig;
	struct reason why;
};

static void
begin(struct conversation *c)
{
	*c = (struct conversation){ 0 };
	buf_init(&c->sig, AGENT_TALK_SIGNATURE_MAX);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, c->agent), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, c->keeper), 0);
	assert_int_equal(fd_set_nonblock(c->agent[0]), 0);
}

static void
end(struct conversation *c)
{
	int i;

	for (i = 0; i < 2; i++) {
		fd_close(&c->agent[i]);
		fd_close(&c->keeper[i]);
	}
	buf_free(&c->sig);
}

static void
says(struct conversation *c, const void *answer, size_t len)
{
	assert_int_equal(fd_write_all(c->agent[1], answer, len), 0);
}

/* An IDENTITIES_ANSWER with one key. */
static void
has_key(struct conversation *c, const char *line)
{
	struct buf keys, answer, blob;

	sample_blob(line, &blob);
	buf_init(&keys, 4096);
	buf_put_u8(&keys, 12);
	wire_put_u32(&keys, 1);
	wire_put_bytes(&keys, buf_bytes(&blob));
	wire_put_text(&keys, "a comment");
	buf_init(&answer, 4096);
	wire_put_message(&answer, &keys);
	says(c, answer.data, answer.len);
	buf_free(&answer);
	buf_free(&blob);
}

/* Ask for a signature of CA_KEY. */
static int
ask(struct conversation *c, int64_t deadline)
{
	const struct agent_talk talk = { c->agent[0], c->keeper[0], deadline };
	const struct bytes data = { (const uint8_t *)"data", 4 };
	struct buf key;
	int r;

	sample_blob(CA_KEY, &key);
	r = agent_talk_sign(&talk, buf_bytes(&key), data, "ssh-ed25519", &c->sig, &c->why);
	buf_free(&key);
	return r;
}

static void
test_signature_is_taken(void **state)
{
	struct conversation c;

	(void)state;
	begin(&c);
	says(&c, SIGNED, sizeof(SIGNED) - 1);
	assert_int_equal(ask(&c, CLOCK_NEVER), 0);
	assert_true(bytes_is(buf_bytes(&c.sig), "ab"));
	end(&c);
}

static void
test_reason_says_what_the_agent_lacks(void **state)
{
	struct conversation c;

	(void)state;
	begin(&c);
	says(&c, FAILURE NO_KEYS, sizeof(FAILURE NO_KEYS) - 1);
	assert_int_equal(ask(&c, CLOCK_NEVER), ERR_AUTH);
	assert_non_null(strstr(c.why.text, "the agent has no keys: it is locked"));
	end(&c);

	begin(&c);
	says(&c, FAILURE, sizeof(FAILURE) - 1);
	has_key(&c, ED25519_KEY);
	assert_int_equal(ask(&c, CLOCK_NEVER), ERR_AUTH);
	assert_non_null(strstr(c.why.text, "the agent does not have the key SHA256:"));
	end(&c);

	begin(&c);
	says(&c, FAILURE, sizeof(FAILURE) - 1);
	has_key(&c, CA_KEY);
	assert_int_equal(ask(&c, CLOCK_NEVER), ERR_AUTH);
	assert_non_null(strstr(c.why.text, "the agent refuses to sign with SHA256:"));
	end(&c);
}

static void
test_garbage_is_refused(void **state)
{
	static const struct {
		const char *answer;
		size_t len;
	} bad[] = {
#define BAD(text) { text, sizeof(text) - 1 }
		BAD("\0\0\0\0"),
		BAD("\377\377\377\377"),
		BAD("\0\4\0\1"),
		BAD("\0\0\0\1\6"),
		BAD("\0\0\0\6\16\0\0\0\2a"),
		BAD("\0\0\0\7\16\0\0\0\1ab"),
		BAD("\0\0\0\5\16\0\0\0\0"),
		BAD(FAILURE "\0\0\0\5\14\0\0\0\1"),
		BAD(FAILURE "\0\0\0\1\16"),
	};
	struct conversation c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(&c);
		says(&c, bad[i].answer, bad[i].len);
		assert_int_equal(ask(&c, CLOCK_NEVER), ERR_FORMAT);
		assert_string_equal(c.why.text, "the answer of the agent is not understood");
		assert_int_equal(c.sig.len, 0);
		end(&c);
	}
}

static void
test_agent_that_ends_or_hangs(void **state)
{
	struct conversation c;

	(void)state;
	begin(&c);
	says(&c, "\0\0\0\7\16", 5);
	fd_close(&c.agent[1]);
	assert_int_equal(ask(&c, CLOCK_NEVER), ERR_SYS);
	assert_non_null(strstr(c.why.text, "the agent closed the connection"));
	end(&c);

	begin(&c);
	says(&c, "\0\0\0\7\16", 5);
	assert_int_equal(ask(&c, clock_ms()), ERR_TIMEOUT);
	assert_non_null(strstr(c.why.text, "the agent did not answer in time"));
	end(&c);
}

static void
test_nobody_waits_any_more(void **state)
{
	struct conversation c;

	(void)state;
	begin(&c);
	fd_close(&c.keeper[1]);
	assert_int_equal(ask(&c, CLOCK_NEVER), ERR_EOF);
	end(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature_is_taken),
		cmocka_unit_test(test_reason_says_what_the_agent_lacks),
		cmocka_unit_test(test_garbage_is_refused),
		cmocka_unit_test(test_agent_that_ends_or_hangs),
		cmocka_unit_test(test_nobody_waits_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
