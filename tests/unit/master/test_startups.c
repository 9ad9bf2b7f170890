/*
 * master/startups.c: MaxStartups, PerSourceMaxStartups, and the sessions that are counted.  The clock is the
 * test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "address_of.h"
#include "base/clock.h"
#include "master/startups.h"

#define EXITED(status) ((status) << 8)

static const struct conf_gateway usual = {
	.login_grace_ms = 30000,
	.max_startups = { 100, 30, 1000 },
	.per_source_net_block = { 32, 64 },
	.penalties = { .enabled = 1,
	    .ms = { 90000, 5000, 5000, 1000, 20000, 10000 },
	    .max_ms = 600000,
	    .min_ms = 500,
	    .max_sources = { 16, 16 } },
};

static const char *why;

static enum startup_verdict
admit(struct startups *s, const char *address, int64_t now)
{
	struct netaddr a = address_of(address);

	return startups_admit(s, &a, now, &why);
}

static void
add(struct startups *s, int pid, uint64_t id, const char *address, int64_t now)
{
	struct netaddr a = address_of(address);

	assert_int_equal(startups_add(s, pid, id, &a, 40022, now), 0);
}

static void
test_max_startups_refuses(void **state)
{
	struct conf_gateway gateway = usual;
	struct startups *s;
	int i;

	memcpy(gateway.max_startups, (const int[]){ 3, 100, 3 }, sizeof(gateway.max_startups));
	s = startups_new(&gateway);
	for (i = 0; i < 3; i++) {
		assert_int_equal(admit(s, "192.0.2.1", 0), STARTUP_ADMITTED);
		add(s, 100 + i, (uint64_t)i, "192.0.2.1", 0);
	}
	assert_int_equal(admit(s, "192.0.2.2", 0), STARTUP_MAX);
	assert_string_equal(why, "MaxStartups");
	/* one that has logged in makes room, and so does one that ends */
	startups_logged_in(s, 1);
	startups_logged_in(s, 1);
	assert_int_equal(admit(s, "192.0.2.2", 0), STARTUP_ADMITTED);
	add(s, 200, 9, "192.0.2.2", 0);
	assert_int_equal(admit(s, "192.0.2.2", 0), STARTUP_MAX);
	assert_true(startups_reap(s, 200, EXITED(0), 1));
	assert_false(startups_reap(s, 200, EXITED(0), 1));
	assert_int_equal(admit(s, "192.0.2.2", 1), STARTUP_ADMITTED);
	assert_true(startups_reap(s, 101, EXITED(0), 1));
	assert_int_equal(startups_sessions(s), 2);
	startups_free(&s);
}

static void
test_one_source_is_limited(void **state)
{
	struct conf_gateway gateway = usual, wider;
	struct startups *s;

	gateway.per_source_max_startups = 2;
	s = startups_new(&gateway);
	add(s, 1, 1, "192.0.2.1", 0);
	add(s, 4097, 2, "::ffff:192.0.2.1", 0);
	assert_int_equal(admit(s, "192.0.2.1", 0), STARTUP_PER_SOURCE);
	assert_string_equal(why, "PerSourceMaxStartups");
	assert_int_equal(admit(s, "::ffff:192.0.2.1", 0), STARTUP_PER_SOURCE);
	assert_int_equal(admit(s, "192.0.2.10", 0), STARTUP_ADMITTED);
	startups_logged_in(s, 2);
	assert_int_equal(admit(s, "192.0.2.1", 0), STARTUP_ADMITTED);
	/* 64 bits of an IPv6 address are one source */
	add(s, 3, 3, "2001:db8::1", 0);
	add(s, 4, 4, "2001:db8::2:3", 0);
	assert_int_equal(admit(s, "2001:db8:0:0:ffff::", 0), STARTUP_PER_SOURCE);
	assert_int_equal(admit(s, "2001:db8:0:1::1", 0), STARTUP_ADMITTED);
	/* other blocks after a reload: what runs is counted anew */
	wider = gateway;
	wider.per_source_net_block[0] = 24;
	wider.per_source_net_block[1] = 48;
	startups_set_limits(s, &wider, 0);
	assert_int_equal(admit(s, "2001:db8:0:1::1", 0), STARTUP_PER_SOURCE);
	assert_int_equal(admit(s, "192.0.2.10", 0), STARTUP_ADMITTED);
	add(s, 5, 5, "192.0.2.77", 0);
	assert_int_equal(admit(s, "192.0.2.10", 0), STARTUP_PER_SOURCE);
	assert_true(startups_reap(s, 3, EXITED(0), 1));
	assert_int_equal(admit(s, "2001:db8:0:1::1", 1), STARTUP_ADMITTED);
	startups_free(&s);
}

/* Between begin and full the chance rises from rate to all. */
static void
test_random_early_drop(void **state)
{
	struct conf_gateway gateway = usual;
	struct startups *s;
	int i, n, dropped[2] = { 0, 0 };

	memcpy(gateway.max_startups, (const int[]){ 10, 30, 20 }, sizeof(gateway.max_startups));
	s = startups_new(&gateway);
	for (i = 0; i < 10; i++)
		add(s, i + 1, (uint64_t)i, "192.0.2.1", 0);
	for (n = 0; n < 10000; n++)
		dropped[0] += admit(s, "192.0.2.1", 0) != STARTUP_ADMITTED;
	for (; i < 19; i++)
		add(s, i + 1, (uint64_t)i, "192.0.2.1", 0);
	for (n = 0; n < 10000; n++)
		dropped[1] += admit(s, "192.0.2.1", 0) != STARTUP_ADMITTED;
	assert_in_range(dropped[0], 2500, 3500);
	assert_in_range(dropped[1], 8800, 9800);
	startups_free(&s);
}

/* The reason that this source is refused for, after one session of it; "" if it is not. */
static const char *
cost(uint64_t id, enum ipc_login end, int status, int64_t took, int word_first)
{
	struct startups *s = startups_new(&usual);

	add(s, 7, id, "192.0.2.1", 1000);
	if (word_first)
		startups_login_ended(s, id, end, 1000 + took);
	assert_int_equal(admit(s, "192.0.2.1", 1000 + took), STARTUP_ADMITTED);
	assert_true(startups_reap(s, 7, status, 1000 + took));
	if (!word_first)
		startups_login_ended(s, id, end, 1000 + took);
	startups_login_ended(s, id, IPC_LOGIN_AUTHFAIL, 1000 + took); /* once is all */
	why = "";
	(void)admit(s, "192.0.2.1", 1000 + took + 400);
	startups_free(&s);
	return why;
}

static void
test_penalty_of_each_end_of_a_login(void **state)
{
	int i;

	for (i = 0; i < 2; i++) {
		assert_string_equal(cost(1, IPC_LOGIN_NOAUTH, EXITED(0), 10, i),
		    "penalty: connections without attempting authentication");
		assert_string_equal(cost(2, IPC_LOGIN_AUTHFAIL, EXITED(0), 10, i),
		    "penalty: failed authentication");
		assert_string_equal(cost(3, IPC_LOGIN_INVALIDUSER, EXITED(1), 10, i),
		    "penalty: attempted authentication by invalid user");
		/* by the master's own clock */
		assert_string_equal(cost(4, IPC_LOGIN_NOAUTH, EXITED(0), 30000, i),
		    "penalty: exceeded LoginGraceTime");
		assert_string_equal(cost(5, IPC_LOGIN_EXCUSED, SIGSEGV, 10, i),
		    "penalty: caused crash");
		assert_string_equal(cost(6, IPC_LOGIN_EXCUSED, EXITED(0), 10, i),
		    "PerSourceMaxStartups"); /* admitted: what admit() thought of last */
	}
}

static void
test_login_that_succeeds_costs_nothing(void **state)
{
	struct startups *s = startups_new(&usual);

	add(s, 7, 1, "192.0.2.1", 0);
	startups_logged_in(s, 1);
	startups_login_ended(s, 1, IPC_LOGIN_AUTHFAIL, 1);
	assert_true(startups_reap(s, 7, EXITED(0), 40000));
	assert_int_equal(admit(s, "192.0.2.1", 40000), STARTUP_ADMITTED);
	/* its end may be seen before the word that it was in */
	add(s, 8, 2, "192.0.2.1", 40000);
	assert_true(startups_reap(s, 8, EXITED(0), 40001));
	startups_logged_in(s, 2);
	startups_sweep(s, 100000);
	assert_int_equal(admit(s, "192.0.2.1", 100000), STARTUP_ADMITTED);
	/* a crash has a penalty, also of a session that has logged in */
	add(s, 9, 3, "192.0.2.1", 100000);
	startups_logged_in(s, 3);
	assert_true(startups_reap(s, 9, SIGABRT, 100001));
	assert_int_equal(admit(s, "192.0.2.1", 100001), STARTUP_PENALISED);
	startups_free(&s);
}

/* A keeper that has nothing to say does not make a login free. */
static void
test_session_that_never_reports(void **state)
{
	struct startups *s = startups_new(&usual);

	assert_int_equal(startups_next_sweep(s), CLOCK_NEVER);
	add(s, 7, 1, "192.0.2.1", 1000);
	assert_true(startups_reap(s, 7, EXITED(0), 1000));
	startups_sweep(s, 1000 + STARTUP_WORD_MS - 1);
	assert_int_equal(admit(s, "192.0.2.1", 1000 + STARTUP_WORD_MS), STARTUP_ADMITTED);
	startups_sweep(s, 2000 + STARTUP_WORD_MS);
	assert_int_equal(admit(s, "192.0.2.1", 2000 + STARTUP_WORD_MS), STARTUP_PENALISED);
	assert_int_equal(startups_next_sweep(s), CLOCK_NEVER);
	startups_free(&s);
}

static pid_t
child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(60);
		(void)pause();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void
test_overdue_session_is_killed(void **state)
{
	struct conf_gateway gateway = usual;
	struct startups *s;
	int status, grace;
	pid_t pid[2];

	for (grace = 0; grace < 2; grace++) {
		gateway.login_grace_ms = grace * 30000;
		s = startups_new(&gateway);
		pid[0] = child();
		pid[1] = child();
		add(s, pid[0], 1, "192.0.2.1", 1000);
		add(s, pid[1], 2, "192.0.2.2", 1000);
		startups_logged_in(s, 2);
		startups_sweep(s, 30000 + STARTUP_OVERDUE_MS + 999);
		assert_int_equal(waitpid(pid[0], &status, WNOHANG), 0);
		/* the word that it is in may wait to be read: it has one sweep more */
		startups_sweep(s, 30000 + STARTUP_OVERDUE_MS + 100000);
		assert_int_equal(waitpid(pid[0], &status, WNOHANG), 0);
		startups_sweep(s, 30000 + STARTUP_OVERDUE_MS + 101000);
		if (grace == 0) { /* no limit, no end */
			assert_int_equal(waitpid(pid[0], &status, WNOHANG), 0);
			(void)kill(pid[0], SIGTERM);
			startups_signal(s, SIGTERM);
		}
		assert_int_equal(waitpid(pid[0], &status, 0), pid[0]);
		assert_int_equal(WTERMSIG(status), grace == 0 ? SIGTERM : SIGKILL);
		assert_true(startups_reap(s, pid[0], status, 142000));
		(void)admit(s, "192.0.2.1", 142000);
		assert_string_equal(why,
		    grace == 0 ? "PerSourceMaxStartups" : "penalty: exceeded LoginGraceTime");
		if (grace == 1) {
			assert_int_equal(waitpid(pid[1], &status, WNOHANG), 0);
			startups_signal(s, SIGTERM);
		}
		assert_int_equal(waitpid(pid[1], &status, 0), pid[1]);
		/* our own signal is no crash */
		assert_true(startups_reap(s, pid[1], status, 142000));
		assert_int_equal(admit(s, "192.0.2.2", 142000), STARTUP_ADMITTED);
		startups_free(&s);
	}
}

/* Who thinks about a second factor counts for no limit, keeps to the time for that, and ends like any login. */
static void
test_half_proven_session(void **state)
{
	struct conf_gateway gateway = usual;
	struct startups *s;
	uint64_t ids[9];
	int64_t until;
	pid_t pid;
	int status;

	memcpy(gateway.max_startups, (const int[]){ 1, 100, 1 }, sizeof(gateway.max_startups));
	gateway.per_source_max_startups = 1;
	s = startups_new(&gateway);
	pid = child();
	add(s, pid, 1, "192.0.2.1", 0);
	assert_int_equal(admit(s, "192.0.2.2", 0), STARTUP_MAX);
	startups_half_proven(s, 1, 120000);
	startups_half_proven(s, 1, 990000); /* once is all */
	assert_int_equal(admit(s, "192.0.2.1", 0), STARTUP_ADMITTED);
	/* one that is let in, one that fails, one that takes too long */
	add(s, 11, 2, "192.0.2.2", 0);
	startups_half_proven(s, 2, 120000);
	startups_logged_in(s, 2);
	assert_true(startups_reap(s, 11, EXITED(0), 500000));
	assert_int_equal(admit(s, "192.0.2.2", 0), STARTUP_ADMITTED);
	add(s, 12, 3, "192.0.2.3", 0);
	startups_half_proven(s, 3, 120000);
	startups_login_ended(s, 3, IPC_LOGIN_AUTHFAIL, 40000);
	assert_true(startups_reap(s, 12, EXITED(0), 40000)); /* after LoginGraceTime */
	assert_int_equal(admit(s, "192.0.2.3", 40000), STARTUP_PENALISED);
	assert_string_equal(why, "penalty: failed authentication");
	add(s, 13, 4, "192.0.2.4", 0);
	startups_half_proven(s, 4, 2000); /* shorter than LoginGraceTime */
	assert_true(startups_reap(s, 13, EXITED(0), 2000));
	startups_login_ended(s, 4, IPC_LOGIN_AUTHFAIL, 2000);
	assert_int_equal(admit(s, "192.0.2.4", 2000), STARTUP_PENALISED);
	assert_string_equal(why, "penalty: exceeded LoginGraceTime");
	/* its end may be seen before the word that it was half in */
	add(s, 14, 5, "192.0.2.5", 0);
	assert_true(startups_reap(s, 14, EXITED(0), 3000));
	startups_half_proven(s, 5, 2000);
	startups_login_ended(s, 5, IPC_LOGIN_AUTHFAIL, 3000);
	assert_int_equal(admit(s, "192.0.2.5", 3000), STARTUP_PENALISED);
	assert_string_equal(why, "penalty: exceeded LoginGraceTime");
	/* what a restart waits for: not who is in, has failed, or has only begun */
	add(s, 15, 6, "192.0.2.6", 3000);
	add(s, 16, 7, "192.0.2.7", 3000);
	startups_half_proven(s, 7, 200000);
	assert_int_equal(startups_half_proven_left(s, ids, 1, &until), 1);
	assert_int_equal(startups_half_proven_left(s, ids, 9, &until), 2);
	assert_int_equal(ids[0] + ids[1], 1 + 7);
	assert_int_equal(until, 200000);
	startups_login_ended(s, 7, IPC_LOGIN_NOAUTH, 3000);
	assert_int_equal(startups_half_proven_left(s, ids, 9, &until), 1);
	assert_int_equal(until, 120000);
	assert_true(startups_reap(s, 15, EXITED(0), 3000));
	assert_true(startups_reap(s, 16, EXITED(0), 3000));
	startups_login_ended(s, 6, IPC_LOGIN_EXCUSED, 3000);
	/* the first still runs: other blocks after a reload do not count it, and it is killed in the end */
	startups_set_limits(s, &gateway, 3000);
	assert_int_equal(admit(s, "192.0.2.1", 3000), STARTUP_ADMITTED);
	startups_sweep(s, 30000 + STARTUP_OVERDUE_MS + 1000);
	startups_sweep(s, 119999 + STARTUP_OVERDUE_MS);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_not_equal(startups_next_sweep(s), CLOCK_NEVER);
	startups_sweep(s, 121000 + STARTUP_OVERDUE_MS);
	startups_sweep(s, 122000 + STARTUP_OVERDUE_MS);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_true(startups_reap(s, pid, status, 140000));
	assert_int_equal(startups_sessions(s), 0);
	assert_int_equal(startups_next_sweep(s), CLOCK_NEVER);
	startups_free(&s);
}

static void
test_numbers_of_sessions_cannot_be_counted(void **state)
{
	struct startups *s = startups_new(&usual);
	uint64_t id, last = 0, rising = 0;
	char text[32];
	int i;

	for (i = 0; i < 1000; i++) {
		id = startups_new_id(s);
		snprintf(text, sizeof(text), "%04jx", (uintmax_t)id);
		assert_int_equal(strlen(text), 8);
		rising += id > last;
		last = id;
		add(s, i + 1, id, "192.0.2.1", 0);
	}
	assert_in_range(rising, 400, 600);
	startups_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_max_startups_refuses),
		cmocka_unit_test(test_one_source_is_limited),
		cmocka_unit_test(test_random_early_drop),
		cmocka_unit_test(test_penalty_of_each_end_of_a_login),
		cmocka_unit_test(test_login_that_succeeds_costs_nothing),
		cmocka_unit_test(test_session_that_never_reports),
		cmocka_unit_test(test_overdue_session_is_killed),
		cmocka_unit_test(test_half_proven_session),
		cmocka_unit_test(test_numbers_of_sessions_cannot_be_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
