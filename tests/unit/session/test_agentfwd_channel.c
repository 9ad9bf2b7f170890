/*
 * session/agentfwd_channel.c: requests and answers over the client's agent channel, in pieces of any size and among
 * other messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "session/agentfwd_channel.h"
#include "wire/ssh.h"

#define OURS 0x7fff0001
#define THEIRS 5

struct fixture {
	struct agent_channel c;
	struct buf in;	/* the client's next message */
	struct buf out; /* what was sent to it */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	agent_channel_init(&f->c, OURS);
	buf_init(&f->in, 1 << 20);
	buf_init(&f->out, 1 << 20);
	agent_channel_open(&f->c, &f->out);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	agent_channel_free(&f->c);
	buf_free(&f->in);
	buf_free(&f->out);
	free(f);
	return 0;
}

static void
message(struct fixture *f, uint8_t type)
{
	buf_reset(&f->in);
	buf_put_u8(&f->in, type);
	wire_put_u32(&f->in, OURS);
}

static enum agent_channel_event
receive(struct fixture *f)
{
	buf_reset(&f->out);
	return agent_channel_message(&f->c, f->in.data, f->in.len, &f->out);
}

static void
confirm(struct fixture *f, uint32_t window, uint32_t packet)
{
	message(f, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	wire_put_u32(&f->in, THEIRS);
	wire_put_u32(&f->in, window);
	wire_put_u32(&f->in, packet);
	assert_int_equal(receive(f), AGENT_CHANNEL_OPENED);
}

static void
request(struct fixture *f, size_t len)
{
	uint8_t *text = calloc(1, len);

	memset(text, 'r', len);
	buf_reset(&f->out);
	agent_channel_request(&f->c, (struct bytes){ text, len }, &f->out);
	free(text);
}

static enum agent_channel_event
data(struct fixture *f, const void *p, size_t len)
{
	message(f, SSH_MSG_CHANNEL_DATA);
	wire_put_string(&f->in, p, len);
	return receive(f);
}

/* The bytes of DATA in what was sent, and that each keeps to max. */
static size_t
sent(struct fixture *f, size_t max)
{
	struct bytes m, d;
	struct wire w, r;
	size_t n = 0;

	wire_init(&w, f->out.data, f->out.len);
	while (w.left > 0) {
		m = wire_string(&w);
		wire_init(&r, m.p, m.len);
		if (wire_u8(&r) != SSH_MSG_CHANNEL_DATA)
			continue;
		assert_int_equal(wire_u32(&r), THEIRS);
		d = wire_string(&r);
		assert_int_equal(wire_end(&r), 0);
		assert_in_range(d.len, 1, max);
		n += d.len;
	}
	assert_int_equal(wire_err(&w), 0);
	return n;
}

static void
test_request_keeps_to_window_and_packet(void **state)
{
	struct fixture *f = *state;

	confirm(f, 100, 30);
	request(f, 196);
	assert_int_equal(sent(f, 30), 100);
	message(f, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	wire_put_u32(&f->in, 60);
	assert_int_equal(receive(f), AGENT_CHANNEL_NOTHING);
	assert_int_equal(sent(f, 30), 60);
	assert_int_equal(receive(f), AGENT_CHANNEL_NOTHING);
	assert_int_equal(sent(f, 30), 40); /* and no more than there is */
}

static void
test_answer_byte_by_byte(void **state)
{
	static const uint8_t answer[] = "\0\0\0\3abc";
	struct fixture *f = *state;
	int round;
	size_t i;

	confirm(f, 1000, 1000);
	for (round = 0; round < 3; round++) {
		request(f, 1);
		for (i = 0; i < 6; i++)
			assert_int_equal(data(f, answer + i, 1), AGENT_CHANNEL_NOTHING);
		assert_int_equal(data(f, answer + 6, 1), AGENT_CHANNEL_ANSWER);
		assert_true(bytes_is(agent_channel_answer(&f->c), "abc"));
	}
}

static void
test_largest_answer(void **state)
{
	struct fixture *f = *state;
	uint8_t *big = calloc(1, AGENT_ANSWER_MAX + 4);
	int round;

	big[1] = AGENT_ANSWER_MAX >> 16;
	confirm(f, 1000, 1000);
	/* its window comes back with each request */
	for (round = 0; round < 3; round++) {
		request(f, 1);
		assert_int_equal(data(f, big, AGENT_ANSWER_MAX + 4), AGENT_CHANNEL_ANSWER);
		assert_int_equal(agent_channel_answer(&f->c).len, AGENT_ANSWER_MAX);
	}
	free(big);
}

static void
test_garbled(void **state)
{
	static const uint8_t large[] = { 0, 1, 0, 1 };
	static const struct {
		const void *p;
		size_t len;
	} bad[] = {
		{ "\0\0\0\0", 4 },   /* an answer of nothing */
		{ "\0\0\0\1aa", 6 }, /* more than one */
		{ "\xff\xff\xff\xff", 4 },
		{ large, 4 },
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		confirm(f, 1000, 1000);
		request(f, 1);
		assert_int_equal(data(f, bad[i].p, bad[i].len), AGENT_CHANNEL_GARBLED);
		agent_channel_free(&f->c);
		agent_channel_init(&f->c, OURS);
		agent_channel_open(&f->c, &f->out);
	}
}

static void
test_unasked(void **state)
{
	struct fixture *f = *state;

	confirm(f, 1000, 1000);
	assert_int_equal(data(f, "\0\0\0\1a", 5), AGENT_CHANNEL_GARBLED);
	request(f, 1);
	assert_int_equal(data(f, "\0\0\0\1a", 5), AGENT_CHANNEL_ANSWER);
	assert_int_equal(data(f, "\0\0\0\1a", 5), AGENT_CHANNEL_GARBLED);
}

static void
test_more_than_the_window(void **state)
{
	struct fixture *f = *state;
	uint8_t *big = calloc(1, AGENT_ANSWER_MAX + 5);

	big[1] = AGENT_ANSWER_MAX >> 16;
	confirm(f, 1000, 1000);
	request(f, 1);
	assert_int_equal(data(f, big, AGENT_ANSWER_MAX + 5), AGENT_CHANNEL_GARBLED);
	free(big);
}

static void
test_window_overflow(void **state)
{
	struct fixture *f = *state;

	confirm(f, UINT32_MAX, 1000);
	message(f, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	wire_put_u32(&f->in, 1);
	assert_int_equal(receive(f), AGENT_CHANNEL_GARBLED);
}

static void
test_refused_and_gone(void **state)
{
	struct fixture *f = *state;

	message(f, SSH_MSG_CHANNEL_OPEN_FAILURE);
	assert_int_equal(receive(f), AGENT_CHANNEL_REFUSED);
	agent_channel_open(&f->c, &f->out);
	confirm(f, 1000, 1000);
	message(f, SSH_MSG_CHANNEL_CLOSE);
	assert_int_equal(receive(f), AGENT_CHANNEL_GONE);
	assert_memory_equal(f->out.data, "\0\0\0\5\x61\0\0\0\5", 9); /* closed as well */
	assert_int_equal(receive(f), AGENT_CHANNEL_NOTHING);
	assert_int_equal(f->out.len, 0);
	buf_reset(&f->out);
	agent_channel_close(&f->c, &f->out);
	assert_int_equal(f->out.len, 0); /* once */
}

/* Each message that it may be sent, cut at each place, before and after it is open. */
static void
test_every_truncation(void **state)
{
	struct fixture *f = *state;
	uint8_t type;
	size_t len;
	int open;

	for (open = 0; open < 2; open++)
		for (type = SSH_MSG_CHANNEL_OPEN_CONFIRMATION; type <= SSH_MSG_CHANNEL_FAILURE;
		     type++)
			for (len = 1; len < 17; len++) {
				agent_channel_free(&f->c);
				agent_channel_init(&f->c, OURS);
				agent_channel_open(&f->c, &f->out);
				if (open) {
					confirm(f, 1000, 1000);
					request(f, 1);
				}
				message(f, type);
				wire_put_u32(&f->in, 0x01000000);
				wire_put_u32(&f->in, 9);
				wire_put_u32(&f->in, 9);
				f->in.len = len;
				buf_reset(&f->out);
				assert_int_not_equal(agent_channel_message(&f->c, f->in.data, len,
							 &f->out),
				    AGENT_CHANNEL_ANSWER);
			}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_request_keeps_to_window_and_packet),
		T(test_answer_byte_by_byte),
		T(test_largest_answer),
		T(test_garbled),
		T(test_unasked),
		T(test_more_than_the_window),
		T(test_window_overflow),
		T(test_refused_and_gone),
		T(test_every_truncation),
	};

	return cmocka_run_group_tests_name("agent_channel", tests, NULL, NULL);
}
