/*
 * keeper/ksession: the phases of a session.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "keeper/ksession.h"
#include "keeper/master_link.h"

#define GRACE_MS 60000

static struct conf conf;
static struct snapshot snapshot = { .refs = 1, .conf = &conf };
static struct keeper keeper;
static struct ksession session;
static int session_fd;

static int
setup(void **state)
{
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
	conf.gateway.login_grace_ms = GRACE_MS;
	session = (struct ksession){ .keeper = &keeper,
		.snapshot = &snapshot,
		.sock = pair[0],
		.started = clock_ms() };
	upstream_init(&session.up);
	TAILQ_INSERT_TAIL(&keeper.sessions, &session, entry);
	return 0;
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

static void
go_to(enum ipc_phase phase)
{
	assert_int_equal(ksession_set_phase(&session, phase), 0);
	assert_int_equal(session.phase, phase);
}

static void
assert_ended(void)
{
	assert_int_equal(session.sock, -1);
	assert_ptr_equal(TAILQ_FIRST(&keeper.ended), &session);
}

static const enum ipc_phase login[] = { IPC_PHASE_KEX, IPC_PHASE_AUTH, IPC_PHASE_DIAL,
	IPC_PHASE_UPSTREAM_KEX, IPC_PHASE_UPSTREAM_AUTH, IPC_PHASE_AGENT, IPC_PHASE_RELAY,
	IPC_PHASE_END };

#define PHASES (sizeof(login) / sizeof(login[0]))

static void
test_login_through_all_phases(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < PHASES; i++)
		go_to(login[i]);
}

static void
test_relay_without_agent(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; login[i] != IPC_PHASE_AGENT; i++)
		go_to(login[i]);
	go_to(IPC_PHASE_RELAY);
}

static void
test_end_after_each_phase(void **state)
{
	size_t n, i;

	for (n = 0; n < PHASES; n++) {
		for (i = 0; i < n; i++)
			go_to(login[i]);
		go_to(IPC_PHASE_END);
		assert_int_not_equal(session.sock, -1);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

/* Back, twice the same, or past the host key of the upstream: that session is over, and no other. */
static void
test_impossible_phase_ends_the_session(void **state)
{
	size_t from, to, i;

	for (from = 0; from < PHASES; from++)
		for (to = 0; to < PHASES - 1; to++) {
			if (to == from + 1 ||
			    (login[from] == IPC_PHASE_UPSTREAM_AUTH &&
				login[to] == IPC_PHASE_RELAY))
				continue;
			for (i = 0; i <= from; i++)
				go_to(login[i]);
			assert_int_equal(ksession_set_phase(&session, login[to]), ERR_BADSTATE);
			assert_int_equal(session.phase, login[from]);
			assert_ended();
			teardown(state);
			assert_int_equal(setup(state), 0);
		}
}

static void
test_login_has_a_deadline(void **state)
{
	(void)state;
	go_to(IPC_PHASE_KEX);
	ksession_sweep(&session, session.started + GRACE_MS);
	assert_int_not_equal(session.sock, -1);
	ksession_sweep(&session, session.started + GRACE_MS + 10000);
	assert_ended();
}

static void
test_relay_has_no_deadline(void **state)
{
	test_relay_without_agent(state);
	assert_true(session.deadline == CLOCK_NEVER);
}

/* LoginGraceTime = 0: a session that was refused has to end all the same. */
static void
test_refused_session_has_a_deadline(void **state)
{
	(void)state;
	conf.gateway.login_grace_ms = 0;
	go_to(IPC_PHASE_KEX);
	assert_true(session.deadline == CLOCK_NEVER);
	go_to(IPC_PHASE_END);
	ksession_sweep(&session, clock_ms() + 3600 * 1000);
	assert_ended();
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_login_through_all_phases),
		TEST(test_relay_without_agent),
		TEST(test_end_after_each_phase),
		TEST(test_impossible_phase_ends_the_session),
		TEST(test_login_has_a_deadline),
		TEST(test_relay_has_no_deadline),
		TEST(test_refused_session_has_a_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
