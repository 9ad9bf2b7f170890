/*
 * keeper/jobs.c: jobs that wait for a place: limits, deadlines, and results that come after the call.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "keeper/jobs.h"
#include "keeper/ksession.h"
#include "keeper/master_link.h"

#define SESSIONS (JOBS_DIALS_SAME_MAX + 4)

static struct keeper keeper;
static struct ksession sessions[SESSIONS];
static struct route routes[2];
static int ours[SESSIONS]; /* the other ends of the sessions' sockets */
static int master, errands[SESSIONS + 1], n_errands;
static uint8_t message[IPC_MAX];

static int
socket_pair(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
}

static int
setup(void **state)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &keeper.from_master };
	int pair[2];
	size_t i;

	keeper = (struct keeper){ .master = -1 };
	keeper.epoll = epoll_create1(EPOLL_CLOEXEC);
	TAILQ_INIT(&keeper.sessions);
	TAILQ_INIT(&keeper.ended);
	master_link_init(&keeper);
	jobs_init(&keeper);
	if (socket_pair(pair) == -1)
		return -1;
	keeper.master = pair[0];
	master = pair[1];
	n_errands = 0;
	for (i = 0; i < 2; i++) {
		routes[i] = (struct route){ .port = 22, .connect_timeout_ms = 10000 };
		if (strlist_add(&routes[i].hosts, i == 0 ? "a" : "b", 1) != 0)
			return -1;
	}
	for (i = 0; i < SESSIONS; i++) {
		if (socket_pair(pair) == -1)
			return -1;
		sessions[i] = (struct ksession){ .keeper = &keeper,
			.id = i,
			.route = &routes[0],
			.sock = pair[0],
			.phase = IPC_PHASE_DIAL,
			.logged_in = 1,
			.log = { .end_logged = 1 } };
		ours[i] = pair[1];
		TAILQ_INSERT_TAIL(&keeper.sessions, &sessions[i], entry);
	}
	return epoll_ctl(keeper.epoll, EPOLL_CTL_ADD, keeper.master, &event);
}

static int
teardown(void **state)
{
	size_t i;

	for (i = 0; i < SESSIONS; i++) {
		jobs_cancel(&sessions[i]);
		fd_close(&sessions[i].sock);
		fd_close(&ours[i]);
	}
	for (i = 0; i < JOBS_MAX; i++)
		fd_close(&keeper.jobs.places[i].sock);
	while (n_errands > 0)
		fd_close(&errands[--n_errands]);
	strlist_free(&routes[0].hosts);
	strlist_free(&routes[1].hosts);
	master_link_drop(&keeper);
	fd_close(&keeper.epoll);
	fd_close(&keeper.master);
	fd_close(&master);
	return 0;
}

/* Which sessions an errand has been started for since the last call: "0 1 ". */
static const char *
started(void)
{
	static char ids[128];
	struct ipc_msg msg;
	size_t len = 0;

	ids[0] = '\0';
	while (ipc_recv(master, message, IPC_KEEPER_TO_MASTER, IPC_PHASE_ANY, &msg) == 0) {
		assert_int_equal(msg.type, IPC_ERRAND);
		errands[n_errands] = msg.fd;
		assert_int_equal(ipc_recv(errands[n_errands], message, IPC_KEEPER_TO_ERRAND,
				     IPC_PHASE_ANY, &msg),
		    0);
		assert_int_equal(msg.type, IPC_DIAL);
		n_errands++;
		len += (size_t)snprintf(ids + len, sizeof(ids) - len, "%ju ",
		    (uintmax_t)wire_u64(&msg.body));
	}
	return ids;
}

/* Has the session been turned away? */
static int
is_refused(size_t i)
{
	struct ipc_msg msg;

	return ipc_recv(ours[i], message, IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, &msg) == 0 &&
	    msg.type == IPC_REFUSE;
}

static void
ask_all(void)
{
	size_t i;

	for (i = 0; i < SESSIONS; i++)
		jobs_ask(&sessions[i], JOB_DIAL, 10000);
}

static void
test_jobs_to_one_upstream_are_limited(void **state)
{
	sessions[SESSIONS - 1].route = &routes[1];
	ask_all();
	assert_string_equal(started(), "");
	jobs_start(&keeper);
	/* the last goes elsewhere, and does not wait for the others */
	assert_string_equal(started(), "0 1 2 3 4 5 6 7 11 ");
	jobs_cancel(&sessions[3]);
	jobs_cancel(&sessions[8]);
	jobs_start(&keeper);
	assert_string_equal(started(), "9 ");
	assert_false(jobs_pending(&sessions[8], JOB_DIAL));
	assert_true(jobs_pending(&sessions[10], JOB_DIAL));
}

/* A place stays taken after the errand has answered, until the upstream has let the gateway in. */
static void
test_place_is_kept(void **state)
{
	struct buf b;
	int i;

	ask_all();
	jobs_start(&keeper);
	assert_string_equal(started(), "0 1 2 3 4 5 6 7 ");
	ipc_begin(&b, IPC_DIALLED);
	wire_put_text(&b, "no host of the route");
	wire_put_text(&b, "");
	wire_put_u32(&b, 0);
	assert_int_equal(ipc_send(errands[0], &b, STDERR_FILENO), 0);
	/* an answer that makes no sense turns the session away, and frees its place at once */
	for (i = 0; i < JOBS_MAX; i++)
		jobs_input(&keeper.jobs.places[i]);
	assert_true(is_refused(0));
	jobs_start(&keeper);
	assert_string_equal(started(), "8 ");
	jobs_dial_over(&sessions[1]);
	jobs_start(&keeper);
	assert_string_equal(started(), "9 ");
}

static void
test_deadline_counts_the_time_in_the_queue(void **state)
{
	int64_t now = clock_ms();
	size_t i;

	sessions[SESSIONS - 1].route = &routes[1];
	ask_all();
	jobs_start(&keeper);
	assert_string_equal(started(), "0 1 2 3 4 5 6 7 11 ");
	/* those that have a place are not hurried */
	sessions[8].jobs[JOB_DIAL].deadline = now;
	jobs_sweep(&keeper, now);
	for (i = 0; i < SESSIONS; i++)
		assert_int_equal(is_refused(i), i == 8);
	/* the upstream is alive: its queue has its whole time anew */
	sessions[9].jobs[JOB_DIAL].deadline = sessions[10].jobs[JOB_DIAL].deadline = now;
	jobs_dial_over(&sessions[0]);
	jobs_sweep(&keeper, now);
	assert_false(is_refused(9));
	assert_false(is_refused(10));
	/* another upstream's login says nothing of it */
	sessions[10].jobs[JOB_DIAL].deadline = now;
	jobs_dial_over(&sessions[11]);
	jobs_sweep(&keeper, now);
	assert_true(is_refused(10));
}

static void
test_result_comes_after_the_call(void **state)
{
	fd_close(&keeper.master);
	jobs_ask(&sessions[0], JOB_DIAL, 10000);
	assert_true(jobs_pending(&sessions[0], JOB_DIAL));
	assert_int_equal(sessions[0].phase, IPC_PHASE_DIAL);
	jobs_start(&keeper);
	assert_false(jobs_pending(&sessions[0], JOB_DIAL));
	assert_int_equal(sessions[0].phase, IPC_PHASE_END);
	assert_true(is_refused(0));
}

static void
test_errand_that_dies_fails_its_job(void **state)
{
	int i;

	ask_all();
	jobs_start(&keeper);
	assert_string_equal(started(), "0 1 2 3 4 5 6 7 ");
	fd_close(&errands[5]);
	for (i = 0; i < JOBS_MAX; i++)
		jobs_input(&keeper.jobs.places[i]);
	for (i = 0; i < SESSIONS; i++)
		assert_int_equal(is_refused((size_t)i), i == 5);
	jobs_start(&keeper);
	assert_string_equal(started(), "8 ");
}

/* The errand of a cancelled job finds its socket closed. */
static void
test_cancelled_job_closes_its_socket(void **state)
{
	struct ipc_msg msg;

	ask_all();
	jobs_start(&keeper);
	assert_string_equal(started(), "0 1 2 3 4 5 6 7 ");
	jobs_cancel(&sessions[2]);
	assert_int_equal(ipc_recv(errands[2], message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg),
	    ERR_EOF);
	assert_int_equal(ipc_recv(errands[3], message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg),
	    ERR_AGAIN);
	jobs_ask(&sessions[3], JOB_DIAL, 10000);
	jobs_start(&keeper);
	assert_string_equal(started(), "8 ");
}

/* --- programs of second factors --- */

#define STRANGERS (JOBS_FACTORS_FIRST_MAX + 2)

static struct conf conf;
static struct snapshot snapshot = { .refs = 1, .conf = &conf };
static struct route factor_routes[STRANGERS + 1];
static struct ksession factor_sessions[STRANGERS + 1];
static char names[STRANGERS + 1][16];

/* Sessions of one login and one address each, that wait for the program of their factor. */
static void
ask_factors(void)
{
	static const uint8_t session_id[32];
	static const struct auth_server_ops ops;
	const struct auth_server_config config = { .session_id = session_id,
		.session_id_len = sizeof(session_id),
		.max_tries = 6 };
	struct conf_errors errors = { 0 };
	size_t i;

	conf.dir = (char *)"/";
	assert_int_equal(lookup_new(&conf, &errors, &snapshot.lookup), 0);
	for (i = 0; i <= STRANGERS; i++) {
		snprintf(names[i], sizeof(names[i]), "192.0.2.%zu", i);
		factor_routes[i] = (struct route){ .login = names[i],
			.name = names[i],
			.factor = (char *)"exec:/bin/true" };
		factor_sessions[i] = (struct ksession){ .keeper = &keeper,
			.snapshot = &snapshot,
			.id = i,
			.route = &factor_routes[i],
			.sock = -1,
			.phase = IPC_PHASE_AUTH,
			.log = { .end_logged = 1 } };
		snprintf(factor_sessions[i].client, sizeof(factor_sessions[i].client), "%s",
		    names[i]);
		factor_sessions[i].down.auth = auth_server_new(&config, &ops, NULL);
		assert_non_null(factor_sessions[i].down.auth);
	}
}

static void
free_factors(void)
{
	size_t i;

	for (i = 0; i <= STRANGERS; i++) {
		jobs_cancel(&factor_sessions[i]);
		auth_server_free(&factor_sessions[i].down.auth);
	}
	lookup_free(&snapshot.lookup);
}

static int
factor_runs(size_t i)
{
	return factor_sessions[i].jobs[JOB_FACTOR].place != NULL;
}

/* However many addresses they have: who has proven a key does not wait for them. */
static void
test_strangers_leave_places_to_users(void **state)
{
	struct ksession *user = &factor_sessions[STRANGERS];
	struct strlist lists = { 0 };
	size_t i;

	ask_factors();
	assert_int_equal(strlist_add(&lists, "publickey,keyboard-interactive:factor", 37), 0);
	auth_methods_init(&user->down.methods, &lists);
	(void)auth_methods_step(&user->down.methods, "publickey");
	for (i = 0; i <= STRANGERS; i++)
		jobs_ask(&factor_sessions[i], JOB_FACTOR, 10000);
	jobs_start(&keeper);
	for (i = 0; i < STRANGERS; i++)
		assert_int_equal(factor_runs(i), i < JOBS_FACTORS_FIRST_MAX);
	assert_true(factor_runs(STRANGERS));
	/* the user's place is none of theirs */
	jobs_cancel(user);
	jobs_start(&keeper);
	assert_false(factor_runs(JOBS_FACTORS_FIRST_MAX));
	jobs_cancel(&factor_sessions[0]);
	jobs_start(&keeper);
	assert_true(factor_runs(JOBS_FACTORS_FIRST_MAX));
	assert_false(factor_runs(JOBS_FACTORS_FIRST_MAX + 1));
	free_factors();
	strlist_free(&lists);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_jobs_to_one_upstream_are_limited),
		TEST(test_place_is_kept),
		TEST(test_deadline_counts_the_time_in_the_queue),
		TEST(test_result_comes_after_the_call),
		TEST(test_errand_that_dies_fails_its_job),
		TEST(test_cancelled_job_closes_its_socket),
		TEST(test_strangers_leave_places_to_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
