/*
 * keeper/factor_time: how long logins that are proven in part may take, and how many there may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "keeper/ksession.h"
#include "keeper/master_link.h"
#include "wire/ssh.h"

#define GRACE_MS 60000
#define FACTOR_MS 600000
#define SESSIONS (FACTOR_TIMES_MAX + 1)

static struct conf conf;
static struct snapshot snapshot = { .refs = 1, .conf = &conf };
static struct route route = { .factor_timeout_ms = FACTOR_MS };
static struct keeper keeper;
static struct ksession sessions[SESSIONS];
static int peers[SESSIONS], master;

/* Have the session's client name a login. */
static void
name_login(struct ksession *s, const char *login)
{
	static const uint8_t session_id[32];
	static const struct auth_server_ops ops;
	const struct auth_server_config config = { .session_id = session_id,
		.session_id_len = sizeof(session_id),
		.max_tries = 6 };
	struct buf b, out;

	buf_init(&b, 1024);
	buf_init(&out, 1024);
	buf_put_u8(&b, SSH_MSG_USERAUTH_REQUEST);
	wire_put_text(&b, login);
	wire_put_text(&b, "ssh-connection");
	wire_put_text(&b, "none");
	s->down.auth = auth_server_new(&config, &ops, s);
	assert_non_null(s->down.auth);
	assert_int_equal(auth_server_input(s->down.auth, b.data, b.len, &out), AUTH_SERVER_LOOKUP);
	assert_string_equal(auth_server_login(s->down.auth), login);
	buf_free(&b);
	buf_free(&out);
}

static void
add(unsigned int i, const char *login)
{
	struct ksession *s = &sessions[i];
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			     pair),
	    0);
	*s = (struct ksession){ .keeper = &keeper,
		.snapshot = &snapshot,
		.route = &route,
		.id = i,
		.phase = IPC_PHASE_AUTH,
		.sock = pair[0],
		.started = clock_ms() };
	peers[i] = pair[1];
	upstream_init(&s->up);
	TAILQ_INSERT_TAIL(&keeper.sessions, s, entry);
	name_login(s, login);
	ksession_set_deadline(s);
}

static int
setup(void **state)
{
	int pair[2];
	unsigned int i;

	(void)state;
	if (fd_raise_limit() != 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1)
		return -1;
	keeper_init(&keeper, pair[0]);
	master = pair[1];
	conf.gateway.login_grace_ms = GRACE_MS;
	for (i = 0; i < SESSIONS; i++) {
		sessions[i] = (struct ksession){ .sock = -1 };
		peers[i] = -1;
	}
	return 0;
}

static int
teardown(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < SESSIONS; i++) {
		if (sessions[i].keeper == NULL)
			continue;
		ksession_end(&sessions[i]);
		downstream_free(&sessions[i].down);
		upstream_free(&sessions[i].up);
		fd_close(&peers[i]);
	}
	fd_close(&keeper.master);
	fd_close(&master);
	master_link_drop(&keeper);
	return 0;
}

/* Read one message; returns its number of type, or 0 if there is none. */
static unsigned int
receive(int fd, unsigned int direction, struct ipc_msg *msg)
{
	static uint8_t space[IPC_MAX];

	return ipc_recv(fd, space, direction, IPC_PHASE_ANY, msg) == 0 ? msg->type : 0;
}

/* Begin the time of a session.  1 if it has been given. */
static int
begin(unsigned int i)
{
	struct ipc_msg msg;

	factor_time_begin(&sessions[i]);
	while (receive(master, IPC_KEEPER_TO_MASTER, &msg) != 0)
		;
	return sessions[i].factor_time.until != 0;
}

static void
test_it_counts_in_place_of_login_grace_time(void **state)
{
	struct ksession *s = &sessions[0];
	struct ipc_msg msg;
	int64_t until;

	(void)state;
	add(0, "alice");
	assert_true(s->deadline < clock_ms() + 2 * GRACE_MS);
	factor_time_begin(s);
	until = s->factor_time.until;
	assert_in_range(until, clock_ms() + FACTOR_MS - GRACE_MS, clock_ms() + FACTOR_MS);
	assert_in_range(s->deadline, until, until + GRACE_MS);
	assert_int_equal(receive(master, IPC_KEEPER_TO_MASTER, &msg), IPC_HALF_PROVEN);
	assert_int_equal(wire_u64(&msg.body), 0);
	assert_int_equal(wire_u64(&msg.body), until);
	assert_int_equal(wire_end(&msg.body), 0);
	assert_int_equal(receive(peers[0], IPC_KEEPER_TO_SESSION, &msg), IPC_LOGIN_TIME);
	assert_int_equal(wire_u64(&msg.body), until);
	assert_int_equal(wire_end(&msg.body), 0);
	/* it stays so in the phases that follow, also if there is no LoginGraceTime */
	conf.gateway.login_grace_ms = 0;
	assert_int_equal(ksession_set_phase(s, IPC_PHASE_DIAL), 0);
	assert_in_range(s->deadline, until, until + GRACE_MS);
	ksession_sweep(s, until);
	assert_int_not_equal(s->sock, -1);
	ksession_sweep(s, until + GRACE_MS);
	assert_int_equal(s->sock, -1);
}

static void
test_it_begins_once(void **state)
{
	struct ipc_msg msg;
	int64_t until;

	(void)state;
	add(0, "alice");
	factor_time_begin(&sessions[0]);
	until = sessions[0].factor_time.until;
	(void)receive(master, IPC_KEEPER_TO_MASTER, &msg);
	route.factor_timeout_ms = 2 * FACTOR_MS;
	factor_time_begin(&sessions[0]);
	route.factor_timeout_ms = FACTOR_MS;
	assert_true(sessions[0].factor_time.until == until);
	assert_int_equal(receive(master, IPC_KEEPER_TO_MASTER, &msg), 0);
	assert_int_equal(keeper.factor_times.n, 1);
}

/* A style makes no other login, and another login has room. */
static void
test_ten_of_one_login(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i <= FACTOR_TIMES_SAME_MAX; i++) {
		add(i, i % 2 == 0 ? "alice" : "alice:style");
		assert_int_equal(begin(i), i < FACTOR_TIMES_SAME_MAX);
	}
	assert_true(sessions[FACTOR_TIMES_SAME_MAX].deadline < clock_ms() + 2 * GRACE_MS);
	add(20, "alic");
	assert_true(begin(20));
	/* one that is let in makes room, and so does one that ends; who was refused stays so */
	sessions[0].phase = IPC_PHASE_UPSTREAM_AUTH;
	assert_int_equal(ksession_login_done(&sessions[0]), 0);
	ksession_end(&sessions[1]);
	assert_false(begin(FACTOR_TIMES_SAME_MAX));
	for (i = 21; i < 24; i++) {
		add(i, "alice");
		assert_int_equal(begin(i), i < 23);
	}
}

static void
test_a_thousand_in_all(void **state)
{
	struct ipc_msg msg;
	char login[32];
	unsigned int i;

	(void)state;
	for (i = 0; i < SESSIONS; i++) {
		snprintf(login, sizeof(login), "user%u", i);
		add(i, login);
		assert_int_equal(begin(i), i < FACTOR_TIMES_MAX);
	}
	assert_int_equal(keeper.factor_times.n, FACTOR_TIMES_MAX);
	for (i = 0; i < SESSIONS; i++) {
		ksession_end(&sessions[i]);
		(void)receive(master, IPC_KEEPER_TO_MASTER, &msg);
	}
	assert_int_equal(keeper.factor_times.n, 0);
	assert_true(TAILQ_EMPTY(&keeper.factor_times.list));
}

/* The old keeper of a gateway that was restarted. */
static void
test_without_a_master(void **state)
{
	(void)state;
	fd_close(&keeper.master);
	add(0, "alice");
	assert_true(begin(0));
	assert_true(sessions[0].deadline > clock_ms() + 2 * GRACE_MS);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_it_counts_in_place_of_login_grace_time),
		TEST(test_it_begins_once),
		TEST(test_ten_of_one_login),
		TEST(test_a_thousand_in_all),
		TEST(test_without_a_master),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
