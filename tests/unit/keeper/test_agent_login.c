/*
 * keeper/agent_login.c: messages of a session that has been taken over, in any order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/fd.h"
#include "keeper/agent_login.h"
#include "keeper/master_link.h"
#include "wire/ssh.h"

#define AGENT_IDENTITIES 12

static struct keeper keeper;
static struct ksession session;
static struct route route;
static int session_fd;
static uint8_t heard[IPC_MAX];

static int
setup(void **state)
{
	const struct auth_client_config config = { .session_id = (const uint8_t *)"id",
		.session_id_len = 2,
		.user = "ubuntu",
		.several = 1 };
	static const struct auth_client_ops ops;
	const struct bytes any = { (const uint8_t *)"any", 3 };
	int pair[2];

	(void)state;
	keeper = (struct keeper){ .master = -1, .epoll = -1 };
	TAILQ_INIT(&keeper.sessions);
	TAILQ_INIT(&keeper.ended);
	master_link_init(&keeper);
	jobs_init(&keeper);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1)
		return -1;
	session_fd = pair[1];
	route.agent = 1;
	session = (struct ksession){ .keeper = &keeper,
		.route = &route,
		.sock = pair[0],
		.phase = IPC_PHASE_AGENT,
		.down = { .methods = { .complete = 1 }, .success_sent = 1 } };
	upstream_init(&session.up);
	TAILQ_INSERT_TAIL(&keeper.sessions, &session, entry);
	session.up.auth = auth_client_new(&config, &ops, &session);
	return session.up.auth == NULL ? -1 : agent_login_method.host_key(&session, any);
}

static int
teardown(void **state)
{
	(void)state;
	upstream_free(&session.up);
	fd_close(&session.sock);
	fd_close(&session_fd);
	return 0;
}

/* The session sends a message with one string, or with this byte instead, or with nothing. */
static void
say(enum ipc_type type, const struct buf *string, int byte)
{
	struct buf b;

	ipc_begin(&b, type);
	if (string != NULL)
		wire_put_string(&b, string->data, string->len);
	else if (byte != -1)
		buf_put_u8(&b, (uint8_t)byte);
	assert_int_equal(ipc_send(session_fd, &b, -1), 0);
	ksession_input(&session);
}

static void
opened(void)
{
	say(IPC_AGENT_OPEN, NULL, -1);
}

static void
answer(const void *p, size_t len)
{
	struct buf b;

	buf_init(&b, IPC_PAYLOAD_MAX);
	buf_put(&b, p, len);
	say(IPC_AGENT_ANSWER, &b, -1);
	buf_free(&b);
}

static void
answer_success(void)
{
	answer("\6", 1);
}

static void
put_key(struct buf *b, uint8_t fill)
{
	uint8_t raw[32];
	struct buf key;

	memset(raw, fill, sizeof(raw));
	buf_init(&key, 256);
	wire_put_text(&key, "ssh-ed25519");
	wire_put_string(&key, raw, sizeof(raw));
	wire_put_string(b, key.data, key.len);
	buf_free(&key);
}

static void
answer_one_key(void)
{
	struct buf b;

	buf_init(&b, 1024);
	buf_put_u8(&b, AGENT_IDENTITIES);
	wire_put_u32(&b, 1);
	put_key(&b, 0);
	wire_put_text(&b, "comment");
	answer(b.data, b.len);
	buf_free(&b);
}

/* The upstream would take the key that is full of this. */
static void
wanted(uint8_t fill)
{
	struct buf b;

	buf_init(&b, 1024);
	buf_put_u8(&b, SSH_MSG_USERAUTH_PK_OK);
	wire_put_text(&b, "ssh-ed25519");
	put_key(&b, fill);
	say(IPC_UPSTREAM_AUTH, &b, -1);
	buf_free(&b);
}

/* The upstream sends a banner of so many of this letter. */
static void
banner(char letter, size_t n)
{
	char text[30000];
	struct buf b;

	memset(text, letter, n);
	buf_init(&b, IPC_PAYLOAD_MAX);
	buf_put_u8(&b, SSH_MSG_USERAUTH_BANNER);
	wire_put_string(&b, text, n);
	wire_put_text(&b, "");
	say(IPC_UPSTREAM_AUTH, &b, -1);
	buf_free(&b);
}

/* The next message for the session, or 0. */
static int
hears(void)
{
	struct ipc_msg msg;

	return ipc_recv(session_fd, heard, IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, &msg) == 0 ?
	    (int)msg.type :
	    0;
}

static void
assert_ended(void)
{
	assert_int_equal(session.sock, -1);
	assert_ptr_equal(TAILQ_FIRST(&keeper.ended), &session);
}

static void
test_answer_without_a_request_ends_the_session(void **state)
{
	(void)state;
	answer_success();
	assert_ended();
}

static void
test_opened_twice(void **state)
{
	(void)state;
	opened();
	assert_int_equal(hears(), IPC_AGENT_REQUEST);
	opened();
	assert_ended();
}

/* Up to where the upstream has been asked about a key. */
static void
asked_about_a_key(void)
{
	opened();
	assert_int_equal(hears(), IPC_AGENT_REQUEST);
	answer_success();
	assert_int_equal(hears(), IPC_AGENT_REQUEST);
	answer_one_key();
	assert_int_equal(hears(), IPC_UPSTREAM);
}

static void
test_second_answer(void **state)
{
	(void)state;
	asked_about_a_key();
	answer_one_key();
	assert_ended();
}

/* The agent signs for what it was asked about, or not at all. */
static void
test_another_key_is_wanted(void **state)
{
	(void)state;
	asked_about_a_key();
	wanted(1);
	assert_int_equal(hears(), IPC_REFUSE);
	assert_int_equal(session.phase, IPC_PHASE_END);
}

static void
test_wanted_twice(void **state)
{
	(void)state;
	asked_about_a_key();
	wanted(0);
	assert_int_equal(hears(), IPC_AGENT_REQUEST);
	wanted(0);
	assert_int_equal(hears(), IPC_REFUSE);
	/* the answer is still on its way */
	answer("\5", 1);
	assert_int_equal(hears(), 0);
	assert_int_not_equal(session.sock, -1);
}

/* It has to wait for the end of the login, each of them once, and no more than that. */
static void
test_banners(void **state)
{
	static char text[600], expected[AUTH_CLIENT_BANNER_MAX];
	struct ipc_msg msg;
	struct bytes shown;

	(void)state;
	asked_about_a_key();
	banner('a', 10);
	banner('a', 10);
	banner('b', 30000);
	banner('c', 1);
	assert_int_equal(hears(), 0);
	say(IPC_AGENT_FAILED, NULL, IPC_AGENT_GONE);
	assert_int_equal(ipc_recv(session_fd, heard, IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, &msg),
	    0);
	assert_int_equal(msg.type, IPC_REFUSE);
	wire_text(&msg.body, text, sizeof(text));
	shown = wire_string(&msg.body);
	assert_int_equal(wire_end(&msg.body), 0);
	memset(expected, 'b', sizeof(expected));
	memset(expected, 'a', 10);
	assert_int_equal(shown.len, AUTH_CLIENT_BANNER_MAX - 10);
	assert_memory_equal(shown.p, expected, shown.len);
}

static void
test_failures(void **state)
{
	int failure;

	for (failure = IPC_AGENT_NOT_OFFERED; failure <= IPC_AGENT_TIMEOUT; failure++) {
		say(IPC_AGENT_FAILED, NULL, failure);
		assert_int_equal(hears(), IPC_REFUSE);
		assert_int_equal(session.phase, IPC_PHASE_END);
		/* once, and what comes late is nothing */
		say(IPC_AGENT_FAILED, NULL, failure);
		opened();
		answer_one_key();
		assert_int_equal(hears(), 0);
		assert_int_not_equal(session.sock, -1);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
	say(IPC_AGENT_FAILED, NULL, IPC_AGENT_TIMEOUT + 1);
	assert_ended();
}

static void
test_in_the_relay(void **state)
{
	struct buf b;

	(void)state;
	session.phase = IPC_PHASE_RELAY;
	upstream_free(&session.up);
	/* it ended just then, or time was over */
	say(IPC_AGENT_FAILED, NULL, IPC_AGENT_TIMEOUT);
	ipc_begin(&b, IPC_UPSTREAM_FAILED);
	wire_put_text(&b, "gone");
	assert_int_equal(ipc_send(session_fd, &b, -1), 0);
	ksession_input(&session);
	assert_int_equal(hears(), 0);
	assert_int_not_equal(session.sock, -1);
	opened();
	assert_ended();
}

static void
test_client_without_a_proof_has_no_agent(void **state)
{
	(void)state;
	session.phase = IPC_PHASE_UPSTREAM_AUTH;
	session.down.methods.complete = 0;
	agent_login_method.begin(&session);
	assert_ended();
	assert_int_equal(hears(), 0);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_answer_without_a_request_ends_the_session),
		TEST(test_opened_twice),
		TEST(test_second_answer),
		TEST(test_another_key_is_wanted),
		TEST(test_wanted_twice),
		TEST(test_banners),
		TEST(test_failures),
		TEST(test_in_the_relay),
		TEST(test_client_without_a_proof_has_no_agent),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
