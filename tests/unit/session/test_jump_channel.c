/*
 * session/jump_channel.c: a channel between a client, played by messages, and a machine, played by a socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/jump_channel.h"
#include "wire/ssh.h"

#define OURS 3
#define THEIRS 77
#define SIZE 65536

struct fixture {
	struct jump_channel c;
	struct buf out; /* what was sent to the client */
	int machine;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	buf_init(&f->out, 1 << 20);
	f->c = (struct jump_channel){ .number = OURS,
		.client = THEIRS,
		.window = 100000,
		.packet = 1000,
		.fd = -1 };
	f->machine = pair[1];
	jump_channel_open(&f->c, pair[0], SIZE, &f->out);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	jump_channel_free(&f->c);
	if (f->machine != -1)
		close(f->machine);
	buf_free(&f->out);
	free(f);
	return 0;
}

/* The next message to the client is of this type: its body behind the channel's number. */
static struct wire
sent(struct fixture *f, uint8_t type)
{
	static uint8_t copy[JUMP_MESSAGE_MAX];
	struct bytes payload;
	struct wire w;

	wire_init(&w, f->out.data, f->out.len);
	payload = wire_string(&w);
	assert_int_equal(wire_err(&w), 0);
	memcpy(copy, payload.p, payload.len);
	buf_consume(&f->out, 4 + payload.len);
	wire_init(&w, copy, payload.len);
	assert_int_equal(wire_u8(&w), type);
	assert_int_equal(wire_u32(&w), THEIRS);
	return w;
}

static int
receive(struct fixture *f, uint8_t type, const struct buf *body)
{
	struct wire w;

	wire_init(&w, body != NULL ? body->data : NULL, body != NULL ? body->len : 0);
	return jump_channel_message(&f->c, type, &w, &f->out);
}

static int
receive_data(struct fixture *f, size_t len)
{
	uint8_t *data = calloc(1, len + 1);
	struct buf b;
	int r;

	buf_init(&b, len + 4);
	wire_put_string(&b, data, len);
	r = receive(f, SSH_MSG_CHANNEL_DATA, &b);
	buf_free(&b);
	free(data);
	return r;
}

/* Read all that the machine has now; 0 at its end of data. */
static size_t
machine_reads(struct fixture *f)
{
	static uint8_t data[SIZE];
	size_t all = 0;
	ssize_t n;

	while ((n = recv(f->machine, data, sizeof(data), MSG_DONTWAIT)) > 0)
		all += (size_t)n;
	return all;
}

static void
test_confirmation_offers_window(void **state)
{
	struct fixture *f = *state;
	struct wire w = sent(f, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);

	assert_int_equal(wire_u32(&w), OURS);
	assert_int_equal(wire_u32(&w), SIZE);
	assert_int_equal(wire_u32(&w), JUMP_PACKET);
	assert_int_equal(wire_end(&w), 0);
}

/* A channel that somebody has connected to, whose other end is *peer. */
static struct jump_channel
arrived(int *peer)
{
	struct jump_channel c = { .state = JUMP_ARRIVED,
		.number = OURS,
		.host = strdup("web"),
		.port = 80,
		.origin = "192.0.2.1",
		.origin_port = 1234 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	c.fd = pair[0];
	*peer = pair[1];
	return c;
}

/* The client's answer to an offer. */
static int
answer(struct jump_channel *c, uint8_t type, uint32_t packet)
{
	struct buf b;
	struct wire w;
	int r;

	buf_init(&b, 64);
	wire_put_u32(&b, THEIRS);
	wire_put_u32(&b, 4000);
	wire_put_u32(&b, packet);
	wire_init(&w, b.data, b.len);
	r = jump_channel_offered(c, type, &w);
	buf_free(&b);
	return r;
}

static void
test_offer_to_a_client(void **state)
{
	int peer;
	struct jump_channel c = arrived(&peer);
	struct bytes payload;
	struct buf out;
	struct wire w;

	(void)state;
	buf_init(&out, 1024);
	jump_channel_offer(&c, SIZE, &out);
	assert_int_equal(c.state, JUMP_OFFERED);
	assert_int_equal(jump_channel_wants(&c), 0);
	wire_init(&w, out.data, out.len);
	payload = wire_string(&w);
	wire_init(&w, payload.p, payload.len);
	assert_int_equal(wire_u8(&w), SSH_MSG_CHANNEL_OPEN);
	assert_true(bytes_is(wire_string(&w), "forwarded-tcpip"));
	assert_int_equal(wire_u32(&w), OURS);
	assert_int_equal(wire_u32(&w), SIZE);
	assert_int_equal(wire_u32(&w), JUMP_PACKET);
	assert_true(bytes_is(wire_string(&w), "web"));
	assert_int_equal(wire_u32(&w), 80);
	assert_true(bytes_is(wire_string(&w), "192.0.2.1"));
	assert_int_equal(wire_u32(&w), 1234);
	assert_int_equal(wire_end(&w), 0);
	assert_int_equal(answer(&c, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, 1000), 0);
	assert_int_equal(c.state, JUMP_OPEN);
	assert_int_equal(c.client, THEIRS);
	assert_int_equal(c.window, 4000);
	assert_int_equal(jump_channel_wants(&c), POLLIN);
	jump_channel_free(&c);
	close(peer);
	buf_free(&out);
}

static void
test_offer_that_is_not_taken(void **state)
{
	static const struct {
		uint8_t type;
		uint32_t packet;
		int r;
	} answers[] = {
		{ SSH_MSG_CHANNEL_OPEN_FAILURE, 1, 0 },
		{ SSH_MSG_CHANNEL_OPEN_CONFIRMATION, 0, ERR_FORMAT },
		{ SSH_MSG_CHANNEL_DATA, 1, ERR_FORMAT },
	};
	struct jump_channel c;
	struct buf out;
	uint8_t byte;
	size_t i;
	int peer;

	(void)state;
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		c = arrived(&peer);
		buf_init(&out, 1024);
		jump_channel_offer(&c, SIZE, &out);
		assert_int_equal(answer(&c, answers[i].type, answers[i].packet), answers[i].r);
		jump_channel_free(&c);
		assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
		close(peer);
		buf_free(&out);
	}
}

static void
test_refusal_frees_the_place(void **state)
{
	struct fixture *f = *state;
	struct wire w;

	buf_reset(&f->out);
	jump_channel_refuse(&f->c, SSH_OPEN_CONNECT_FAILED, "no", &f->out);
	w = sent(f, SSH_MSG_CHANNEL_OPEN_FAILURE);
	assert_int_equal(wire_u32(&w), SSH_OPEN_CONNECT_FAILED);
	assert_int_equal(f->c.state, JUMP_FREE);
	assert_int_equal(f->c.number, OURS);
}

/* The other end, as the carrier of a hop has it. */
static void
test_channel_is_asked_for_and_confirmed(void **state)
{
	struct fixture *f = *state;
	struct jump_channel c = { .number = OURS, .fd = -1 };
	struct bytes payload;
	struct buf b, body;
	struct wire w;
	int pair[2];

	buf_init(&b, 1024);
	jump_channel_ask(&c, "vm7", 22, SIZE, &b);
	wire_init(&w, b.data, b.len);
	payload = wire_string(&w);
	wire_init(&w, payload.p, payload.len);
	assert_int_equal(wire_u8(&w), SSH_MSG_CHANNEL_OPEN);
	assert_true(bytes_is(wire_string(&w), "direct-tcpip"));
	assert_int_equal(wire_u32(&w), OURS);
	assert_int_equal(wire_u32(&w), SIZE);
	assert_int_equal(wire_u32(&w), JUMP_PACKET);
	assert_true(bytes_is(wire_string(&w), "vm7"));
	assert_int_equal(wire_u32(&w), 22);
	(void)wire_string(&w);
	(void)wire_u32(&w);
	assert_int_equal(wire_end(&w), 0);
	buf_free(&b);

	buf_init(&body, 64);
	wire_put_u32(&body, THEIRS);
	wire_put_u32(&body, 1000);
	wire_init(&w, body.data, body.len);
	assert_int_equal(jump_channel_confirmed(&c, -1, &w), ERR_FORMAT);
	wire_put_u32(&body, 32768);
	wire_init(&w, body.data, body.len);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(jump_channel_confirmed(&c, pair[0], &w), 0);
	buf_free(&body);
	assert_int_equal(c.state, JUMP_OPEN);
	assert_int_equal(c.client, THEIRS);
	assert_int_equal(c.window, 1000);
	assert_int_equal(c.left, SIZE);
	buf_reset(&f->out);
	jump_channel_close(&c, &f->out);
	w = sent(f, SSH_MSG_CHANNEL_CLOSE);
	assert_int_equal(wire_end(&w), 0);
	jump_channel_free(&c);
	close(pair[1]);
}

static void
test_data_is_given_to_the_machine_and_window_comes_back(void **state)
{
	struct fixture *f = *state;
	struct wire w;

	buf_reset(&f->out);
	assert_int_equal(receive_data(f, SIZE / 2 - 1), 0);
	assert_int_equal(f->out.len, 0);
	assert_int_equal(receive_data(f, 1), 0);
	w = sent(f, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	assert_int_equal(wire_u32(&w), SIZE / 2);
	assert_int_equal(machine_reads(f), SIZE / 2);
	assert_int_equal(f->c.left, SIZE);
}

static void
test_more_than_the_window_breaks_the_protocol(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(receive_data(f, SIZE + 1), ERR_FORMAT);
}

static void
test_machine_that_reads_nothing_stops_the_client(void **state)
{
	struct fixture *f = *state;
	size_t given = 0;

	buf_reset(&f->out);
	while (f->c.late.len == 0) {
		assert_int_equal(receive_data(f, 1024), 0);
		given += 1024;
	}
	/* what the machine does not take counts against the window */
	while (f->c.left >= 1024) {
		assert_int_equal(receive_data(f, 1024), 0);
		given += 1024;
	}
	assert_int_equal(receive_data(f, 1025), ERR_FORMAT);
	assert_true(f->c.late.len <= SIZE);
	assert_true(jump_channel_wants(&f->c) & POLLOUT);
	/* it reads again: nothing is lost */
	while (given > 0) {
		given -= machine_reads(f);
		if (f->c.late.len > 0)
			jump_channel_writable(&f->c, &f->out);
	}
	assert_int_equal(machine_reads(f), 0);
	assert_int_equal(f->c.late.len, 0);
}

static void
test_data_of_the_machine_fits_window_and_packet(void **state)
{
	struct fixture *f = *state;
	uint8_t message[JUMP_MESSAGE_MAX], data[3000] = { 1 };
	struct buf b;

	buf_reset(&f->out);
	f->c.window = 1500;
	assert_int_equal(write(f->machine, data, sizeof(data)), sizeof(data));
	assert_int_equal(jump_channel_read(&f->c, message, &f->out), 9 + 1000);
	assert_memory_equal(message, "\x5e\0\0\0\x4d\0\0\3\xe8\1", 10);
	assert_int_equal(jump_channel_read(&f->c, message, &f->out), 9 + 500);
	assert_int_equal(jump_channel_wants(&f->c), 0);
	buf_init(&b, 4);
	wire_put_u32(&b, 9000);
	assert_int_equal(receive(f, SSH_MSG_CHANNEL_WINDOW_ADJUST, &b), 0);
	assert_int_equal(jump_channel_wants(&f->c), POLLIN);
	assert_int_equal(jump_channel_read(&f->c, message, &f->out), 9 + 1000);
	/* RFC 4254 section 5.2: the window never passes 2^32 - 1 */
	buf_reset(&b);
	wire_put_u32(&b, UINT32_MAX);
	assert_int_equal(receive(f, SSH_MSG_CHANNEL_WINDOW_ADJUST, &b), ERR_FORMAT);
	buf_free(&b);
}

static void
test_each_direction_ends_by_itself(void **state)
{
	struct fixture *f = *state;
	uint8_t message[JUMP_MESSAGE_MAX], byte;

	buf_reset(&f->out);
	assert_int_equal(receive(f, SSH_MSG_CHANNEL_EOF, NULL), 0);
	assert_int_equal(recv(f->machine, &byte, 1, 0), 0);
	assert_int_equal(write(f->machine, "x", 1), 1);
	assert_int_equal(jump_channel_read(&f->c, message, &f->out), 9 + 1);
	assert_int_equal(f->out.len, 0);
	close(f->machine);
	f->machine = -1;
	assert_int_equal(jump_channel_read(&f->c, message, &f->out), 0);
	(void)sent(f, SSH_MSG_CHANNEL_EOF);
	(void)sent(f, SSH_MSG_CHANNEL_CLOSE);
	assert_int_equal(jump_channel_wants(&f->c), 0);
	assert_int_equal(f->c.state, JUMP_OPEN);
	assert_int_equal(receive(f, SSH_MSG_CHANNEL_CLOSE, NULL), 0);
	assert_int_equal(f->c.state, JUMP_FREE);
	assert_int_equal(f->out.len, 0);
}

static void
test_data_after_the_end_breaks_the_protocol(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(receive(f, SSH_MSG_CHANNEL_EOF, NULL), 0);
	assert_int_equal(receive_data(f, 1), ERR_FORMAT);
}

static void
test_close_delivers_what_came_before_it(void **state)
{
	struct fixture *f = *state;
	size_t given = 0, got = 0;

	buf_reset(&f->out);
	while (f->c.late.len == 0) {
		assert_int_equal(receive_data(f, 1024), 0);
		given += 1024;
	}
	buf_reset(&f->out);
	assert_int_equal(receive(f, SSH_MSG_CHANNEL_CLOSE, NULL), 0);
	(void)sent(f, SSH_MSG_CHANNEL_CLOSE);
	assert_int_equal(receive(f, SSH_MSG_CHANNEL_EOF, NULL), ERR_FORMAT);
	while (f->c.state == JUMP_OPEN) {
		got += machine_reads(f);
		jump_channel_writable(&f->c, &f->out);
	}
	assert_int_equal(got + machine_reads(f), given);
	assert_int_equal(f->out.len, 0);
}

static void
test_machine_that_is_gone_closes_the_channel(void **state)
{
	struct fixture *f = *state;

	buf_reset(&f->out);
	close(f->machine);
	f->machine = -1;
	assert_int_equal(receive_data(f, 10), 0);
	(void)sent(f, SSH_MSG_CHANNEL_CLOSE);
	/* what the client had under way is lost, and is no fault of its */
	assert_int_equal(receive_data(f, 10), 0);
	assert_int_equal(receive(f, SSH_MSG_CHANNEL_EOF, NULL), 0);
	assert_int_equal(receive(f, SSH_MSG_CHANNEL_CLOSE, NULL), 0);
	assert_int_equal(f->c.state, JUMP_FREE);
}

static void
test_requests_fail(void **state)
{
	struct fixture *f = *state;
	struct buf b;

	buf_reset(&f->out);
	buf_init(&b, 64);
	wire_put_text(&b, "keepalive@openssh.com");
	wire_put_bool(&b, 1);
	assert_int_equal(receive(f, SSH_MSG_CHANNEL_REQUEST, &b), 0);
	(void)sent(f, SSH_MSG_CHANNEL_FAILURE);
	assert_int_equal(receive(f, SSH_MSG_CHANNEL_REQUEST, NULL), ERR_FORMAT);
	assert_int_equal(receive(f, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, NULL), ERR_FORMAT);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_confirmation_offers_window, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusal_frees_the_place, setup, teardown),
		cmocka_unit_test(test_offer_to_a_client),
		cmocka_unit_test(test_offer_that_is_not_taken),
		cmocka_unit_test_setup_teardown(test_channel_is_asked_for_and_confirmed, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_data_is_given_to_the_machine_and_window_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_than_the_window_breaks_the_protocol,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_machine_that_reads_nothing_stops_the_client,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_data_of_the_machine_fits_window_and_packet,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_direction_ends_by_itself, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_data_after_the_end_breaks_the_protocol, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_close_delivers_what_came_before_it, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_machine_that_is_gone_closes_the_channel, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_requests_fail, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
